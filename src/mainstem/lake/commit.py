"""A lake commit: the span of the log it holds, its files, and the object that describes it.

The descriptor lies beside the files it names, written after them and before the manifest: a manifest that was lost is
rebuilt from descriptors alone (`recovery`). Its name carries the hash of its bytes, so that a torn one is no descriptor.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import json
import re
from collections.abc import Iterable, Sequence

from mainstem.errors import IntegrityError
from mainstem.model import Lane, Span

__all__ = [
    "COMMITS",
    "OBSERVED_EPOCH",
    "RAW",
    "SUM_MODULUS",
    "Chain",
    "FileKey",
    "LakeCommit",
    "LakeFile",
    "add_sums",
    "named_span",
]

RAW = "raw"
"""The folder of record files."""

COMMITS = "commits"
"""The folder of descriptors."""

OBSERVED_EPOCH = 0
"""The log's epochs begin with 1. Chains of this one never were in it: they hold what was shown (`lake.observed`)."""

SUM_MODULUS = 1 << 128
"""Row sums are added modulo this."""

_FORMAT = 1
# Hexadecimal digits of SHA-256 in a name: 128 bits tell any two apart.
_NAME_DIGITS = 32
_NAMED = re.compile(r"/(\d+)-p(\d+)-(live|bulk)-(\d+)-(\d+)-[0-9a-f]{32}\.(?:parquet|json)$")


@dataclasses.dataclass(frozen=True, slots=True, order=True)
class Chain:
    """One lane of one partition of one epoch: its commits follow one another without a gap from position 1."""

    epoch: int
    partition: int
    lane: Lane

    def __str__(self) -> str:
        return f"{self.epoch}-p{self.partition}-{self.lane.label}"

    def span(self, first: int, last: int) -> Span:
        """Positions of this chain."""
        return Span(self.epoch, self.partition, self.lane, first, last)

    @classmethod
    def of(cls, span: Span) -> Chain:
        """The chain that the span is of."""
        return cls(span.epoch, span.partition, span.lane)


@dataclasses.dataclass(frozen=True, slots=True, order=True)
class FileKey:
    """What all rows of a file share; `day` is the day (UTC) they were received on."""

    source: str
    stream: str
    day: dt.date
    contract_version: int

    @property
    def folder(self) -> str:
        """The folder of such files, in the form that tools read as columns."""
        return (
            f"{RAW}/source_system={self.source}/stream={self.stream}/date={self.day.isoformat()}"
            f"/schema_version={self.contract_version}"
        )


@dataclasses.dataclass(frozen=True, slots=True)
class LakeFile:
    """A file of a commit: `size` bytes long, `content_hash` the SHA-256 of them in hexadecimal."""

    path: str
    key: FileKey
    rows: int
    row_sum: int
    size: int
    content_hash: str

    @classmethod
    def of(cls, key: FileKey, span: Span, data: bytes, *, rows: int, row_sum: int) -> LakeFile:
        """The file that holds these bytes."""
        content_hash = hashlib.sha256(data).hexdigest()
        path = f"{key.folder}/{_name(span, content_hash)}.parquet"
        return cls(path, key, rows, row_sum, len(data), content_hash)


@dataclasses.dataclass(frozen=True, slots=True)
class LakeCommit:
    """All records of `span`; `files` are sorted by path, `descriptor` is the path of the commit's own object."""

    span: Span
    files: tuple[LakeFile, ...]
    descriptor: str

    @property
    def records(self) -> int:
        """Records of all files."""
        return sum(file.rows for file in self.files)

    @property
    def row_sum(self) -> int:
        """Sum of all files' row sums, modulo 2**128."""
        return add_sums(file.row_sum for file in self.files)

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    @classmethod
    def of(cls, span: Span, files: Sequence[LakeFile]) -> LakeCommit:
        """The commit of a span with these files."""
        unnamed = cls(span, tuple(sorted(files, key=lambda file: file.path)), "")
        return dataclasses.replace(unnamed, descriptor=_descriptor_path(span, unnamed.describe()))

    def describe(self) -> bytes:
        """The descriptor's bytes."""
        content = {
            "format": _FORMAT,
            "epoch": self.span.epoch,
            "partition": self.span.partition,
            "lane": self.span.lane.label,
            "first": self.span.first,
            "last": self.span.last,
            "files": [
                {
                    "path": file.path,
                    "source": file.key.source,
                    "stream": file.key.stream,
                    "day": file.key.day.isoformat(),
                    "contract_version": file.key.contract_version,
                    "rows": file.rows,
                    # As text: JSON readers elsewhere lose digits beyond 2**53.
                    "row_sum": str(file.row_sum),
                    "bytes": file.size,
                    "content_hash": file.content_hash,
                }
                for file in self.files
            ],
        }
        return json.dumps(content, indent=1).encode()

    @classmethod
    def read(cls, path: str, data: bytes) -> LakeCommit:
        """The commit that a descriptor describes. Raises IntegrityError when these are not the bytes it was named for."""
        try:
            content = json.loads(data)
            if content["format"] != _FORMAT:
                raise IntegrityError(
                    f"{path} has format {content['format']!r}.", hint="It was written by a later release; install that."
                )
            chain = Chain(content["epoch"], content["partition"], Lane[content["lane"].upper()])
            span = chain.span(content["first"], content["last"])
            files = tuple(
                LakeFile(
                    path=file["path"],
                    key=FileKey(
                        file["source"],
                        file["stream"],
                        dt.date.fromisoformat(file["day"]),
                        file["contract_version"],
                    ),
                    rows=file["rows"],
                    row_sum=int(file["row_sum"]),
                    size=file["bytes"],
                    content_hash=file["content_hash"],
                )
                for file in content["files"]
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise IntegrityError(f"{path} is no descriptor of a lake commit.") from error
        if path != _descriptor_path(span, data):
            raise IntegrityError(f"{path} does not hold the bytes it was named for.")
        return cls(span, files, path)


def named_span(path: str) -> Span | None:
    """The span in the name of a file or a descriptor; None when the name is not of ours."""
    match = _NAMED.search(path)
    if match is None:
        return None
    epoch, partition, lane, first, last = match.groups()
    return Chain(int(epoch), int(partition), Lane[lane.upper()]).span(int(first), int(last))


def add_sums(sums: Iterable[int]) -> int:
    """Row sums added modulo 2**128."""
    return sum(sums) % SUM_MODULUS


def _name(span: Span, content_hash: str) -> str:
    return f"{Chain.of(span)}-{span.first}-{span.last}-{content_hash[:_NAME_DIGITS]}"


def _descriptor_path(span: Span, data: bytes) -> str:
    return f"{COMMITS}/{_name(span, hashlib.sha256(data).hexdigest())}.json"
