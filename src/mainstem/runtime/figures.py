"""One set of figures for all processes of a tree.

Every process counts for itself; the one that answers `/metrics` has to show them all. The Prometheus client does this
through small memory-mapped files in a folder that an environment variable names, read when the client is first imported.

The folder lies in memory where the machine has such a place: a mapped file on a disk that fills up kills its writer.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from mainstem.runtime.processes import ProcessId

__all__ = ["FIGURES_VARIABLE", "forget_figures", "shared_figures"]

FIGURES_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
_PLACES = (Path("/dev/shm"), Path("/run"), Path("/tmp"))  # noqa: S108 - a folder of ours alone is made in it


@contextlib.contextmanager
def shared_figures(data_dir: Path) -> Iterator[None]:
    """Let this process and the children it starts in the block share their figures.

    To be entered before anything imports the Prometheus client. What earlier runs on the same data folder left is
    removed. Where there is no place for the folder each process shows its own figures only.
    """
    folder = _make_folder(data_dir)
    if folder is None:
        yield
        return
    os.environ[FIGURES_VARIABLE] = str(folder)
    try:
        yield
    finally:
        del os.environ[FIGURES_VARIABLE]
        shutil.rmtree(folder, ignore_errors=True)


def _make_folder(data_dir: Path) -> Path | None:
    name = f"mainstem-{hashlib.sha256(os.fsencode(data_dir.resolve())).hexdigest()[:16]}"
    for place in _PLACES:
        try:
            for old in place.glob(f"{name}-*"):
                if _is_stale(old):
                    shutil.rmtree(old, ignore_errors=True)
            folder = place / f"{name}-{os.getpid()}"
            folder.mkdir(mode=0o700)
        except OSError:
            continue
        return folder
    return None


def forget_figures(pid: int) -> None:
    """A process of the tree has ended: what it last measured (not what it counted) is no longer shown."""
    if FIGURES_VARIABLE in os.environ:
        from prometheus_client import multiprocess

        multiprocess.mark_process_dead(pid)  # type: ignore[no-untyped-call]


def _is_stale(folder: Path) -> bool:
    pid = folder.name.rpartition("-")[2]
    return not pid.isdecimal() or int(pid) == os.getpid() or ProcessId.of(int(pid)) is None
