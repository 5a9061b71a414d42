"""An installation whose parts run in the caller's own process, over a PostgreSQL of the caller's."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import structlog

from mainstem.intake import CorrectedRecord, Delivery, QuarantineDismissed, QuarantineFixed
from mainstem.model import Lane, Place
from mainstem.processing import Line
from mainstem.runtime.config import load_config
from mainstem.runtime.declarations import activate_folder
from mainstem.runtime.folders import make_data_folder
from mainstem.runtime.installation import ensure_keys
from mainstem.runtime.tree import prepare
from mainstem.runtime.wiring import Runtime
from mainstem.store import Database

__all__ = ["Site"]

_log = structlog.get_logger()
_PATIENCE = 60.0


@dataclasses.dataclass
class Site:
    """An installation's data folder and what is done to it, a step at a time: nothing runs in between."""

    data_dir: Path
    dsn: str

    @classmethod
    def begin(cls, data_dir: Path, dsn: str) -> Site:
        """A new one, in an empty database."""
        site = cls(make_data_folder(data_dir), dsn)
        site.use(dsn)
        ensure_keys(site.data_dir, lambda _: None)
        site.prepare()
        return site

    def use(self, dsn: str) -> None:
        """Have the database lie there."""
        self.dsn = dsn
        (self.data_dir / "mainstem.yaml").write_text(json.dumps({"database": {"url": dsn}}))

    def prepare(self) -> None:
        """What `mainstem up` does before it starts any role."""
        prepare(load_config(self.data_dir), self.dsn, lambda _: None)

    @contextlib.contextmanager
    def runtime(self) -> Iterator[Runtime]:
        """The parts, for as long as the block lasts."""
        with Runtime.open(load_config(self.data_dir)) as runtime:
            yield runtime

    def stand_at(self, at: dt.datetime) -> None:
        """Have data time stand still there: a replay too slow to be noticed."""
        with Database(self.dsn) as database, database.transaction() as conn:
            conn.execute(
                "INSERT INTO replay (name, origin, started, speed) VALUES ('standing', %(at)s, now(), 1e-9) "
                "ON CONFLICT (single) DO UPDATE SET origin = excluded.origin, started = excluded.started",
                {"at": at},
            )

    def declare(self, path: str, text: str) -> None:
        """Put a declaration into force; `path` is as in a folder of declarations."""
        folder = self.data_dir.parent / f"declared-{time.monotonic_ns()}"
        file = folder / path
        file.parent.mkdir(parents=True)
        file.write_text(text)
        with self.runtime() as runtime, runtime.door:
            activations = activate_folder(runtime, folder)
        if not all(one.new for one in activations):
            raise AssertionError(f"{path} was in force already")

    def send(self, source: str, records: Sequence[dict[str, Any]], lane: Lane = Lane.LIVE) -> None:
        """Bring records to the door, which has to take all of them."""
        with self.runtime() as runtime, runtime.door as door:
            receipt = door.submit(Delivery(source=source, body=json.dumps(records).encode(), lane=lane))
        if receipt.accepted != len(records):
            raise AssertionError(f"refused: {receipt.refused}")

    def work(self, patience: float = _PATIENCE) -> None:
        """Let everything in the log take effect, within so many seconds; the ledger has to hold then."""
        with self.runtime() as runtime:
            worker = runtime.worker
            worker.start()
            try:
                deadline = time.monotonic() + patience
                while any(line.pending for line in runtime.ledger.status()):
                    if time.monotonic() > deadline:
                        raise AssertionError("not worked off")
                    time.sleep(0.05)
            finally:
                worker.stop()
            violations = runtime.ledger.check()
        if violations:
            raise AssertionError(f"conservation does not hold: {violations}")

    def score(self) -> int:
        """Compute the scores that are due; how many."""
        with self.runtime() as runtime:
            return runtime.scorer.run_once()

    def fill_lake(self) -> None:
        """Bring everything in the log into the lake."""
        with self.runtime() as runtime:
            runtime.lake_writer.drain()
            runtime.lake_writer.stop()

    def status(self) -> Sequence[Line]:
        """The ledger."""
        with self.runtime() as runtime:
            return runtime.ledger.status()

    def query(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Run a statement behind everybody's back; its rows."""
        with Database(self.dsn) as database, database.autocommit() as conn:
            cursor = conn.execute(statement, list(parameters))
            return cursor.fetchall() if cursor.description else []

    def decide(self, payload: dict[str, Any]) -> None:
        """Fix the first quarantined usage event, which becomes `payload`, and dismiss the second."""
        rows = self.query(
            "SELECT epoch, partition, lane, position, index, received_at, source FROM quarantine "
            "WHERE state = 'quarantined' AND stream = 'usage_events' ORDER BY position, index, id"
        )
        fixed, dismissed = rows[:2]
        with self.runtime() as runtime, runtime.door:
            runtime.decisions.decide(
                QuarantineFixed(
                    place=_place(fixed),
                    record=CorrectedRecord(
                        source=fixed[6],
                        stream="usage_events",
                        op="event",
                        payload=msgspec.Raw(json.dumps(payload).encode()),
                        received_at=fixed[5],
                        observed_at=fixed[5],
                        contract_version=1,
                        record_id=payload["id"],
                        partition_key=payload["customer_id"],
                    ),
                )
            )
            runtime.decisions.decide(
                QuarantineDismissed(
                    place=_place(dismissed),
                    slot=7,
                    source=dismissed[6],
                    stream="usage_events",
                    received_at=dismissed[5],
                    reason="test",
                )
            )


def _place(row: tuple[Any, ...]) -> str:
    epoch, partition, lane, position, index, *_ = row
    return str(Place(epoch, partition, Lane(lane), position, index))
