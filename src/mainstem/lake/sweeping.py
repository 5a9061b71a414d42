"""Removing what no commit names: objects of commits that never were, and objects that compaction has replaced."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterator, Sequence

import structlog

from mainstem.lake.commit import COMMITS, RAW
from mainstem.lake.lake import Lake

__all__ = ["SweepReport", "sweep"]

_log = structlog.get_logger()

# Objects looked up in the manifest at once.
_CHUNK = 1000


@dataclasses.dataclass(frozen=True, slots=True)
class SweepReport:
    """Objects removed: named by no commit, replaced by compaction, left by interrupted puts."""

    orphans: int
    replaced: int
    unfinished: int


def sweep(lake: Lake) -> SweepReport:
    """Remove orphans and replaced objects that are old enough; never what a commit names.

    May run beside writers, compaction and other sweeps: a writer makes its objects anew when its commit has been delayed
    for half the age at which they are orphans. Raises UnavailableError.
    """
    now = lake.clock.wall()
    old = now - dt.timedelta(seconds=lake.settings.orphan_seconds)
    replaced = 0
    while paths := lake.manifest.collectable(now - dt.timedelta(seconds=lake.settings.replaced_seconds), _CHUNK):
        for path in paths:
            lake.objects.delete(path)
        lake.manifest.collected(paths)
        replaced += len(paths)
    orphans = 0
    # Descriptors first: one without its files would look like damage to a recovery.
    for folder in (COMMITS, RAW):
        for paths in _old_objects(lake, folder, old):
            known = lake.manifest.known(paths)
            for path in paths:
                if path not in known:
                    lake.objects.delete(path)
                    _log.info("lake_orphan_removed", path=path)
                    orphans += 1
    report = SweepReport(orphans, replaced, lake.objects.sweep_unfinished(old))
    _log.info("lake_swept", **dataclasses.asdict(report))
    return report


def _old_objects(lake: Lake, folder: str, before: dt.datetime) -> Iterator[Sequence[str]]:
    paths: list[str] = []
    for info in lake.objects.list(folder):
        if info.created_at < before:
            paths.append(info.path)
        if len(paths) == _CHUNK:
            yield paths
            paths = []
    if paths:
        yield paths
