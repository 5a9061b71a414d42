"""`mainstem lake` on an installation."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from mainstem.cli.lake import lake_app
from mainstem.cli.options import DEFAULT_DATA_DIR
from mainstem.eventlog import EventLog
from mainstem.lake import Lake

__all__ = ["app"]


@contextlib.contextmanager
def _open_lake(data_dir: Path | None) -> Iterator[tuple[Lake, EventLog]]:
    from mainstem.runtime.wiring import connect_runtime

    with connect_runtime(data_dir or DEFAULT_DATA_DIR, start=True) as runtime:
        yield runtime.lake, runtime.log


app = lake_app(_open_lake)
