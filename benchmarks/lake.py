"""The raw lake: the log into files, compaction, proof; each beside a bare Parquet file of the same payloads in pyarrow.

The bare file has one column, knows nothing of envelopes, keys or places, seals and hashes nothing, and is lost with one
wrong byte: what Mainstem does besides is what the ratios show. SIZE is the number of events.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.events import usage_events
from benchmarks.installation import PARTITIONS, installation
from benchmarks.recipe import Figure
from mainstem.intake import Rows
from mainstem.lake import Lake, LakeSettings, LakeWriter, compact, open_objects, verify

_EVENTS = 200_000
# So many commits of each partition are compacted: what a quiet stream makes in ten minutes.
_COMMITS = 20
_PEER = "bare Parquet of the payloads"


def run(events: int = _EVENTS) -> Iterator[Figure]:
    payloads = usage_events(events)
    with tempfile.TemporaryDirectory(prefix="mainstem-bench-lake-") as name:
        folder = Path(name)
        bare = folder / "bare.parquet"
        table = pa.table({"payload": pa.array(payloads, pa.binary())})
        wrote, read = _seconds(lambda: _write(table, bare)), _seconds(lambda: pq.read_table(bare))
        bare_size = bare.stat().st_size
        copied = _seconds(lambda: _write(pq.read_table(bare), folder / "again.parquet"))
        with _filled(payloads, folder / "lake", LakeSettings()) as (lake, writer):
            seconds = _seconds(writer.drain)
            size = sum(total.size for total in lake.manifest.totals())
            proven = _seconds(lambda: _prove(lake, events))
        with _filled(payloads, folder / "small", LakeSettings(flush_bytes=1, read_records=1)) as (lake, writer):
            writer.drain()
            compacted = _seconds(lambda: _compact(lake))
    yield Figure("lake: log to files", events / seconds, "rows/s", None, f"{_PEER}, written", events / wrote)
    yield Figure("lake: bytes", size / events, "B/event", None, _PEER, bare_size / events, higher_is_better=False)
    yield Figure("lake: compaction", events / compacted, "rows/s", None, f"{_PEER}, read and written", events / copied)
    yield Figure("lake: verify --deep", events / proven, "rows/s", None, f"{_PEER}, read", events / read)


@contextlib.contextmanager
def _filled(payloads: Sequence[bytes], folder: Path, settings: LakeSettings) -> Iterator[tuple[Lake, LakeWriter]]:
    """A log with the payloads in it, an empty lake, and the writer between them."""
    with installation() as parts:
        size = max(len(payloads) // _COMMITS, 1)
        for first in range(0, len(payloads), size):
            chunk = pa.array(payloads[first : first + size], pa.binary())
            parts.door.submit_rows(Rows("shop", "usage_events", chunk, first, "bench"))
        lake = Lake.of(parts.database, open_objects(folder), parts.keyring, parts.clock, settings)
        writer = LakeWriter(lake, parts.log, owner="bench")
        yield lake, writer
        writer.stop()


def _write(table: pa.Table, path: Path) -> None:
    """As durable as the lake's files are."""
    with path.open("wb") as file:
        pq.write_table(table, file, compression="zstd")
        file.flush()
        os.fsync(file.fileno())


def _prove(lake: Lake, events: int) -> None:
    report = verify(lake, deep=True)
    assert report.whole
    assert report.rows == events


def _compact(lake: Lake) -> None:
    report = compact(lake)
    assert report.commits_after == PARTITIONS
    assert report.commits_before == PARTITIONS * _COMMITS


def _seconds(act: Callable[[], object]) -> float:
    started = time.perf_counter()
    act()
    return time.perf_counter() - started
