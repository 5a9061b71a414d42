"""The last resort: finding the records that the sink cannot take.

The engine's checks keep out what no store holds, so a commit fails for want of a store, or because of a defect of ours. In
case it is one that only some records provoke, their batch is rehearsed in halves until they stand alone; they then go to
quarantine, and the stream goes on. When too many records fail, or only all of them together, they are not at fault.
"""

from __future__ import annotations

import dataclasses

import structlog

from mainstem.errors import MainstemError
from mainstem.model import LogBatch
from mainstem.processing.engine import Engine
from mainstem.processing.failures import described
from mainstem.processing.sink_postgres import PostgresSink

__all__ = ["condemned"]

_log = structlog.get_logger()

# More failing records than this, and than this share of a batch, are no matter of single records.
_SOME = 10
_SHARE = 0.01


def condemned(engine: Engine, sink: PostgresSink, batch: LogBatch, lease_epoch: int) -> set[tuple[int, int]]:
    """(position, index) of the records of a batch that cannot be committed, whatever else is; never all by default.

    Raises the error itself when it is not the doing of single records, and FencedError, RetryableError or FatalError when
    a rehearsal meets one.
    """
    found: set[tuple[int, int]] = set()
    error = _rehearsed(engine, sink, batch, range(batch.records.num_rows), lease_epoch)
    halves = [range(batch.records.num_rows)] if error is not None else []
    while halves:
        rows = halves.pop()
        failed = _rehearsed(engine, sink, batch, rows, lease_epoch)
        if failed is None:
            continue
        error = failed
        if len(rows) == 1:
            found.add((batch.position, rows.start))
            _log.error("sink_record_condemned", position=batch.position, **described(failed))
            if len(found) > max(_SOME, _SHARE * batch.records.num_rows):
                raise failed
            continue
        middle = rows.start + len(rows) // 2
        halves += [range(rows.start, middle), range(middle, rows.stop)]
    if error is not None and not found:
        raise error
    return found


def _rehearsed(engine: Engine, sink: PostgresSink, batch: LogBatch, rows: range, lease_epoch: int) -> Exception | None:
    """The unexpected error that committing these rows alone would meet."""
    some = dataclasses.replace(batch, records=batch.records.slice(rows.start, len(rows)))
    try:
        sink.commit(engine.process([some]), lease_epoch=lease_epoch, rehearse=True)
    except MainstemError:
        raise
    except Exception as error:  # noqa: BLE001 - which one it is has to be found out here
        return error
    return None
