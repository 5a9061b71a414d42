"""Proving the lake: that what the manifest says is there, is there, is whole, and is what was received.

Shallow: chains have no gaps, counts and sums add up, every object is there with the bytes it was named for. Deep: every
block opens, every row has the place and the values whose keyed hashes were added up when it was written, and the rows are
as many as the log received.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from mainstem.errors import IntegrityError, NotFoundError
from mainstem.eventlog import Counts, EventLog
from mainstem.lake.block import encode_block
from mainstem.lake.commit import SUM_MODULUS, Chain, LakeCommit, LakeFile
from mainstem.lake.files import HASHED, FileReader
from mainstem.lake.lake import Lake
from mainstem.lake.rows import row_hashes, split_rows

__all__ = ["Problem", "VerifyReport", "verify"]

# How often counts that move while they are compared are compared again.
_COUNTS_TRIED = 5
_COMMITS = 64


@dataclasses.dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong: `kind` is a bounded code, `where` an object or a chain, `detail` says more and never a value."""

    kind: str
    where: str
    detail: str


@dataclasses.dataclass(slots=True)
class VerifyReport:
    """What was looked at, and what is wrong with it; no problems: the lake is proven to that depth."""

    deep: bool
    commits: int = 0
    files: int = 0
    rows: int = 0
    size: int = 0
    problems: list[Problem] = dataclasses.field(default_factory=list)

    @property
    def whole(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems

    def wrong(self, kind: str, where: str, detail: str) -> None:
        """Note a problem."""
        self.problems.append(Problem(kind, where, detail))


def verify(
    lake: Lake, *, deep: bool = False, log: EventLog | None = None, progress: Callable[[LakeFile], None] | None = None
) -> VerifyReport:
    """Look at the whole lake; with a log, compare with what it received. Raises UnavailableError.

    `progress` is called before each file.
    """
    report = VerifyReport(deep)
    positions = lake.manifest.positions()
    for chain in sorted({*lake.manifest.chains(), *(Chain(*chain) for chain in positions)}):
        reached = 0
        for commit in _commits(lake, chain):
            # One that begins earlier has taken the place of some that were looked at: compaction ran meanwhile.
            if commit.span.first > reached + 1:
                report.wrong("gap", str(chain), f"positions {reached + 1} to {commit.span.first - 1} are in no commit")
            reached = commit.span.last
            report.commits += 1
            _verify_commit(lake, commit, report, progress)
        # The writer may have gone on since.
        if reached < positions.get((chain.epoch, chain.partition, chain.lane), 0):
            report.wrong("gap", str(chain), f"positions behind {reached} are in no commit")
    if log is not None:
        _verify_counts(lake, log, report)
    return report


def _commits(lake: Lake, chain: Chain) -> Iterator[LakeCommit]:
    after = 0
    while commits := lake.manifest.commits(chain, after, _COMMITS):
        yield from commits
        after = commits[-1].span.last


def _verify_commit(
    lake: Lake, commit: LakeCommit, report: VerifyReport, progress: Callable[[LakeFile], None] | None
) -> None:
    try:
        described = LakeCommit.read(commit.descriptor, lake.objects.get(commit.descriptor))
        if described != commit:
            report.wrong("descriptor", commit.descriptor, "does not say what the manifest says")
    except NotFoundError:
        report.wrong("missing", commit.descriptor, "is not there")
    except IntegrityError as error:
        report.wrong("descriptor", commit.descriptor, error.message)
    for file in commit.files:
        if progress is not None:
            progress(file)
        report.files += 1
        report.rows += file.rows
        report.size += file.size
        try:
            data = lake.objects.get(file.path)
        except NotFoundError:
            report.wrong("missing", file.path, "is not there")
            continue
        if len(data) != file.size or hashlib.sha256(data).hexdigest() != file.content_hash:
            report.wrong("bytes", file.path, "does not have the bytes that were written")
        if report.deep:
            _verify_rows(lake, commit, file, data, report)


def _verify_rows(lake: Lake, commit: LakeCommit, file: LakeFile, data: bytes, report: VerifyReport) -> None:
    chain = Chain.of(commit.span)
    count = 0
    row_sum = 0
    place = (commit.span.first, -1)
    try:
        reader = FileReader(lake.codec, chain, file, data)
        for block in range(reader.blocks):
            rows = reader.read(block)
            row_sum += lake.codec.hasher.row_sum(row_hashes(lake.codec.hasher, chain, rows))
            count += len(rows)
            if {key for key, _ in split_rows(rows)} != {file.key}:
                report.wrong("rows", file.path, f"block {block} has rows of another stream, day or version")
            positions, indices = rows.column("position").to_numpy(), rows.column("index").to_numpy()
            order = np.lexsort((indices, positions))
            first = (int(positions[0]), int(indices[0]))
            last = (int(positions[-1]), int(indices[-1]))
            if first <= place or last[0] > commit.span.last or (order[1:] < order[:-1]).any():
                report.wrong("places", file.path, f"block {block} is out of order or of its commit's span")
            place = last
            _verify_clear(lake, reader, block, rows, file, report)
    except IntegrityError as error:
        report.wrong("damaged", file.path, error.message)
        return
    if count != file.rows:
        report.wrong("rows", file.path, f"has {count} rows, the manifest says {file.rows}")
    if row_sum % SUM_MODULUS != file.row_sum:
        report.wrong("row_sum", file.path, "its rows are not those that were written")


def _verify_clear(
    lake: Lake, reader: FileReader, block: int, rows: pa.Table, file: LakeFile, report: VerifyReport
) -> None:
    """The clear columns that are no part of a row's hash: they have to follow from the rest."""
    chain = reader.chain
    _, offsets, lengths = encode_block(rows)
    expected: dict[str, Any] = {"offset": offsets, "length": lengths}
    constants = {"epoch": chain.epoch, "partition": chain.partition, "lane": chain.lane.label, "block": block}
    expected |= {name: np.repeat(np.array(value), len(rows)) for name, value in constants.items()}
    clear = reader.clear(block, [*(f"{name}_hash" for name in HASHED), *expected])
    wrong = [name for name, values in expected.items() if (clear.column(name).to_numpy() != values).any()]
    for name in HASHED:
        hashes = lake.codec.value_hashes(name, file.key, rows.column(name).combine_chunks())
        if not clear.column(f"{name}_hash").combine_chunks().equals(hashes):
            wrong.append(f"{name}_hash")
    if wrong:
        report.wrong("rows", file.path, f"block {block} has a wrong {', '.join(wrong)}")


def _verify_counts(lake: Lake, log: EventLog, report: VerifyReport) -> None:
    """Received, less what is not yet in the lake, against the lake's rows, for every stream and day the log knows.

    All three move. Whatever was received before and after the pending ones were counted bounds what was received then.
    """
    off: dict[str, str] = {}
    for _ in range(_COUNTS_TRIED):
        positions, totals = lake.manifest.census()
        before = log.received()
        pending = log.pending(positions)
        after = log.received()
        rows = Counter({(total.source, total.stream, total.day): total.rows for total in totals})
        off = dict(_differences(before, after, pending, rows))
        if not off:
            return
    for where, detail in off.items():
        report.wrong("count", where, detail)


def _differences(before: Counts, after: Counts, pending: Counts, rows: Counts) -> Iterator[tuple[str, str]]:
    for key, most in sorted(after.items()):
        source, stream, day = key
        waiting, held = pending.get(key, 0), rows.get(key, 0)
        if not before.get(key, 0) - waiting <= held <= most - waiting:
            yield (
                f"{source}.{stream} {day}",
                f"the log received {most}, {waiting} of them not yet in the lake, which has {held}",
            )
