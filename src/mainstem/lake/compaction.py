"""Compaction: many small commits of a chain become one, their small files one for each source, stream, day and version.

The new commit covers exactly the positions of the old ones and is an ordinary commit: reader, recovery and sweep know
nothing of compaction. Its files are made from the decrypted rows, so that their sums are computed anew, and it takes the
old ones' place in one transaction, only when the sums are equal.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Sequence

import structlog

from mainstem.errors import FencedError, IntegrityError, NotFoundError
from mainstem.lake.commit import Chain, FileKey, LakeCommit, LakeFile, add_sums
from mainstem.lake.files import FileBuilder
from mainstem.lake.lake import Lake
from mainstem.lake.reader import LakeReader
from mainstem.lake.settings import LakeSettings
from mainstem.model import Span

__all__ = ["CompactReport", "compact", "plan"]

_log = structlog.get_logger()


@dataclasses.dataclass(frozen=True, slots=True)
class CompactReport:
    """What a compaction did: commits and files before and after, and bytes of the rewritten files."""

    commits_before: int = 0
    commits_after: int = 0
    files_before: int = 0
    files_after: int = 0
    bytes_before: int = 0
    bytes_after: int = 0

    def plus(self, inputs: Sequence[LakeCommit], output: LakeCommit) -> CompactReport:
        """This and one replacement more."""
        return CompactReport(
            self.commits_before + len(inputs),
            self.commits_after + 1,
            self.files_before + sum(len(commit.files) for commit in inputs),
            self.files_after + len(output.files),
            self.bytes_before + sum(commit.size for commit in inputs),
            self.bytes_after + output.size,
        )


def compact(lake: Lake) -> CompactReport:
    """Compact every chain once. May run beside writers, readers and another compaction, which then wins or loses whole.

    Raises IntegrityError when a file is damaged or sums differ (nothing is replaced then), StorageFullError,
    UnavailableError.
    """
    report = CompactReport()
    for chain in lake.manifest.chains():
        for run in plan(lake.manifest.commits(chain), lake.settings):
            try:
                output = _merge(lake, chain, run)
                lake.manifest.replace(run, output)
            except (FencedError, NotFoundError):
                # Another compaction has replaced these commits meanwhile, and perhaps removed their files.
                _log.info("lake_compaction_overtaken", chain=str(chain))
                break
            _log.info("lake_compacted", commit=output.descriptor, commits=len(run), records=output.records)
            report = report.plus(run, output)
    return report


def plan(commits: Sequence[LakeCommit], settings: LakeSettings) -> list[list[LakeCommit]]:
    """Runs of consecutive commits worth replacing by one, given all commits of a chain in order.

    A run stays within a received day, so that a day's files can later be dropped or archived by themselves, and within
    `compact_bytes`. Its largest commit has at most half of it: a byte is rewritten no more often than the logarithm of
    what its day grows to.
    """
    runs: list[list[LakeCommit]] = []
    run: list[LakeCommit] = []
    for commit in commits:
        whole = sum(one.size for one in run) + commit.size
        if run and (_day(commit) != _day(run[-1]) or whole > settings.compact_bytes):
            runs.append(run)
            run = []
        run.append(commit)
    runs.append(run)
    return [part for run in runs for part in _without_large(run) if len(part) >= settings.compact_commits]


def _without_large(run: list[LakeCommit]) -> list[list[LakeCommit]]:
    """The parts of a run in which no commit is larger than all others together; what is larger stands between them."""
    parts: list[list[LakeCommit]] = []
    rest = [run]
    while rest:
        part = rest.pop()
        sizes = [commit.size for commit in part]
        if max(sizes, default=0) * 2 <= sum(sizes):
            parts.append(part)
        else:
            largest = sizes.index(max(sizes))
            rest += [part[largest + 1 :], part[:largest]]
    return parts


def _day(commit: LakeCommit) -> dt.date:
    return max(file.key.day for file in commit.files)


def _merge(lake: Lake, chain: Chain, run: Sequence[LakeCommit]) -> LakeCommit:
    """Make the commit that can stand for the run, and publish it."""
    span = chain.span(run[0].span.first, run[-1].span.last)
    groups: dict[FileKey, list[LakeFile]] = {}
    for commit in run:
        for file in commit.files:
            groups.setdefault(file.key, []).append(file)
    made = []
    kept = []
    for key, files in groups.items():
        # A file that stays alone is good as it is.
        if len(files) == 1:
            kept += files
        else:
            made.append(_rewrite(lake, span, key, files))
    output = LakeCommit.of(span, [*kept, *(file for file, _ in made)])
    if (output.records, output.row_sum) != (
        sum(commit.records for commit in run),
        add_sums(commit.row_sum for commit in run),
    ):
        raise IntegrityError(f"Compaction of {chain} up to {span.last} does not give back what it was given.")
    lake.publish(output, made)
    return output


def _rewrite(lake: Lake, span: Span, key: FileKey, files: Sequence[LakeFile]) -> tuple[LakeFile, bytes]:
    """One file of the rows of several, which follow one another."""
    chain = Chain.of(span)
    reader = LakeReader(lake)
    builder = FileBuilder(lake.codec, chain, key)
    for file in files:
        opened = reader.open_file(chain, file, whole=True)
        before = builder.rows_added
        for block in range(opened.blocks):
            builder.add(opened.read(block))
        if builder.rows_added - before != file.rows:
            raise IntegrityError(f"{file.path} does not have the rows that the manifest says.")
    made, data = builder.finish(span)
    if made.row_sum != add_sums(file.row_sum for file in files):
        raise IntegrityError(
            f"The rows of {files[0].path} and {len(files) - 1} more are not those that were written.",
            hint="Run: mainstem lake verify --deep",
        )
    return made, data
