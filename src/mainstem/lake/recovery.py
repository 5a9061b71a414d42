"""The manifest out of the object store alone, when PostgreSQL is lost.

Every commit left a descriptor. Some descriptors are of commits that never were (a crash before the manifest took them,
then a restart that cut the log elsewhere) or are no more (compacted). Where they overlap they hold the same records, so any
of them will do; what counts is that a chain is covered from its first position without gap or overlap, by commits whose
files are all there, as far as possible. That may reach further than the lost manifest did: those records were in the lake
already.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import structlog

from mainstem.errors import IntegrityError, MissingKeysError, NotFoundError
from mainstem.eventlog import Counts, LogEpoch
from mainstem.lake.commit import COMMITS, OBSERVED_EPOCH, RAW, Chain, LakeCommit, named_span
from mainstem.lake.files import FileReader
from mainstem.lake.lake import Lake
from mainstem.lake.manifest import Manifest
from mainstem.lake.store import ObjectStore
from mainstem.model import OBSERVED_STREAMS, Span

__all__ = ["Described", "choose_cover", "log_past", "prove_keys", "read_commits", "recover_manifest"]

_log = structlog.get_logger()


@dataclasses.dataclass(frozen=True, slots=True)
class Described:
    """What the descriptors in a store speak of."""

    commits: tuple[LakeCommit, ...]
    """Those whose files are all there, with the size they should have."""
    broken: Mapping[str, Span]
    """Paths of the other descriptors, and the span of each: compacted and partly removed, or damaged."""


def recover_manifest(store: ObjectStore, manifest: Manifest) -> Sequence[LakeCommit]:
    """Fill an empty manifest from the store; the commits it then has.

    Raises ConfigurationError when the manifest is not empty, IntegrityError when a descriptor speaks of records that no
    cover reaches, UnavailableError.
    """
    described = read_commits(store)
    chosen = choose_cover(described.commits)
    reach = {Chain.of(commit.span): commit.span.last for commit in chosen}
    spans = {commit.descriptor: commit.span for commit in described.commits} | dict(described.broken)
    for path, span in sorted(spans.items()):
        if span.last > reach.get(Chain.of(span), 0):
            raise IntegrityError(
                f"{path} speaks of records that are missing, or come behind missing ones.",
                hint="Restore the missing objects from a copy of the lake, or move that descriptor out of it.",
            )
    manifest.restore(chosen)
    _log.info("lake_manifest_recovered", commits=len(chosen), records=sum(commit.records for commit in chosen))
    return chosen


def prove_keys(lake: Lake) -> None:
    """Open one block of the lake, if it has any, whatever the manifest knows.

    Raises MissingKeysError when the keys do not open it, UnavailableError.
    """
    for info in lake.objects.list(COMMITS):
        try:
            commit = LakeCommit.read(info.path, lake.objects.get(info.path))
        except (IntegrityError, NotFoundError):
            # Torn, or compacted and removed: another one will tell.
            continue
        file = commit.files[0]
        try:
            FileReader(lake.codec, Chain.of(commit.span), file, lake.objects.get(file.path)).read(0)
        except NotFoundError:
            continue
        except IntegrityError as error:
            raise MissingKeysError(
                f"These keys do not open {file.path}.",
                hint="Restore this lake's keys from your backup (mainstem keys import FILE); if they are the right ones, "
                "the file is damaged.",
            ) from error
        return


def log_past(manifest: Manifest) -> tuple[list[LogEpoch], Counts]:
    """What a new log takes over from a lost one: its epochs, ended, and what they received, as far as the lake has it.

    What was shown never was in it. An epoch has at least as many partitions as the lake has of it. Raises UnavailableError.
    """
    positions, totals = manifest.census()
    partitions: dict[int, int] = {}
    for epoch, partition, _ in positions:
        if epoch == OBSERVED_EPOCH:
            continue
        partitions[epoch] = max(partitions.get(epoch, 1), 1 << partition.bit_length())
    epochs = [LogEpoch(epoch, count, closed=True) for epoch, count in sorted(partitions.items())]
    received = {(total.source, total.stream, total.day): total.rows for total in totals}
    return epochs, {key: rows for key, rows in received.items() if key[:2] not in OBSERVED_STREAMS}


def read_commits(store: ObjectStore) -> Described:
    """All descriptors in the store. Raises UnavailableError."""
    present = {info.path: info.size for info in store.list(RAW)}
    commits = []
    broken = {}
    for info in store.list(COMMITS):
        span = named_span(info.path)
        if span is None:
            _log.warning("lake_unknown_object", path=info.path)
            continue
        try:
            commit = LakeCommit.read(info.path, store.get(info.path))
        except IntegrityError:
            broken[info.path] = span
            continue
        except NotFoundError:
            continue
        if all(present.get(file.path) == file.size for file in commit.files):
            commits.append(commit)
        else:
            broken[info.path] = span
    return Described(tuple(commits), broken)


def choose_cover(candidates: Iterable[LakeCommit]) -> list[LakeCommit]:
    """Per chain, the commits that follow one another from position 1 furthest; of equal covers the one of fewest commits.

    Sorted by chain and position.
    """
    by_chain: Mapping[Chain, list[LakeCommit]] = defaultdict(list)
    for commit in candidates:
        by_chain[Chain.of(commit.span)].append(commit)
    return [commit for chain in sorted(by_chain) for commit in _cover(by_chain[chain])]


def _cover(candidates: list[LakeCommit]) -> list[LakeCommit]:
    # The best cover that ends at a position: how many commits, and the last of them.
    best: dict[int, tuple[int, LakeCommit | None]] = {0: (0, None)}
    for commit in sorted(candidates, key=lambda commit: (commit.span.first, commit.span.last, commit.descriptor)):
        before = best.get(commit.span.first - 1)
        if before is None:
            continue
        known = best.get(commit.span.last)
        if known is None or before[0] + 1 < known[0]:
            best[commit.span.last] = (before[0] + 1, commit)
    cover: list[LakeCommit] = []
    _, last = best[max(best)]
    while last is not None:
        cover.append(last)
        _, last = best[last.span.first - 1]
    return cover[::-1]
