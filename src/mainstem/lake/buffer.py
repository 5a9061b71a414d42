"""What a lake writer holds of one chain between the log and the lake."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Sequence

from mainstem.lake.commit import Chain, FileKey, LakeCommit, LakeFile
from mainstem.lake.files import FileBuilder, FileCodec
from mainstem.lake.rows import join_batches, split_rows
from mainstem.model import LogBatch

__all__ = ["ChainBuffer", "Prepared"]


@dataclasses.dataclass(slots=True)
class Prepared:
    """A commit on its way: its files are made, perhaps put, perhaps even committed with the answer lost."""

    commit: LakeCommit
    files: Sequence[tuple[LakeFile, bytes]]
    prepared_at: dt.datetime
    published: bool = False


class ChainBuffer:
    """Records read behind the chain's position, already in the form of files, compressed and sealed block by block."""

    def __init__(self, codec: FileCodec, chain: Chain, position: int) -> None:
        self.chain = chain
        self.position = position
        """The chain's position in the lake."""
        self.read_through = position
        """The last position read from the log."""
        self.bytes = 0
        """Of the records read, as the log gave them."""
        self.since: dt.datetime | None = None
        """When the first of them was read."""
        self.prepared: Prepared | None = None
        self.retry_from: dt.datetime | None = None
        """When the last attempt to commit failed; None when none did."""
        self.retry_after = dt.timedelta()
        self.failure: str | None = None
        """Why it failed."""
        self._codec = codec
        self._builders: dict[FileKey, FileBuilder] = {}

    @property
    def memory(self) -> int:
        """Bytes held."""
        held = sum(builder.memory for builder in self._builders.values())
        return held + (sum(len(data) for _, data in self.prepared.files) if self.prepared else 0)

    def add(self, batches: Sequence[LogBatch], now: dt.datetime) -> None:
        """Take consecutive batches, which follow `read_through`; at least one."""
        for key, rows in split_rows(join_batches(batches)):
            builder = self._builders.get(key)
            if builder is None:
                builder = self._builders[key] = FileBuilder(self._codec, self.chain, key)
            builder.add(rows)
        self.bytes += sum(batch.records.nbytes for batch in batches)
        self.read_through = batches[-1].position
        self.since = self.since or now

    def prepare(self, now: dt.datetime) -> Prepared:
        """Finish the files of everything read; the same again until `committed`."""
        if self.prepared is None:
            span = self.chain.span(self.position + 1, self.read_through)
            files = [builder.finish(span) for builder in self._builders.values()]
            self._builders = {}
            self.prepared = Prepared(LakeCommit.of(span, [file for file, _ in files]), files, now)
        return self.prepared

    def committed(self) -> None:
        """What was prepared is in the lake."""
        self.position = self.read_through
        self.bytes = 0
        self.since = None
        self.prepared = None
        self.retry_from = None
        self.failure = None

    def failed(self, now: dt.datetime, retry_after: dt.timedelta, reason: str) -> None:
        """The commit did not succeed; try again `retry_after` later."""
        self.failure = reason
        self.retry_from = now
        self.retry_after = retry_after

    def waits(self, now: dt.datetime) -> bool:
        """Whether a failed attempt is too recent to be repeated. A clock that was set back ends the wait."""
        return self.retry_from is not None and dt.timedelta() <= now - self.retry_from < self.retry_after

    def due(self, now: dt.datetime, *, most_bytes: int, longest: dt.timedelta) -> bool:
        """Whether a commit should be made: there is much, or something has waited long, or one was begun."""
        if self.since is None:
            return False
        age = now - self.since
        return self.prepared is not None or self.bytes >= most_bytes or not dt.timedelta() <= age < longest
