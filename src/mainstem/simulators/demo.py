"""The demonstration: real data, replayed through the whole of Mainstem, and held against the truth at the end."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import structlog

from mainstem.errors import ConfigurationError, UnavailableError
from mainstem.metrics import series_id
from mainstem.runtime.declarations import activate_folder
from mainstem.runtime.wiring import Runtime
from mainstem.simulators.oulad import OuladData
from mainstem.simulators.replay import SOURCE, Feeder

__all__ = ["Demo", "DemoPlan", "DemoResult", "dataset_folder", "remembered_last_day"]

_log = structlog.get_logger()

# Days of registrations before the first click are sent at once: nothing moves in them.
_LEAD = dt.timedelta(days=3)
# A replay faster than this would outrun the feed on two cores, and everything would come late.
_MOST_ROWS_A_SECOND = 20_000
# Working off may take long on a small machine with the whole data set; that nothing moves for so long is a fault.
_STANDSTILL_SECONDS = 300.0


def dataset_folder(name: str) -> Path:
    """The example's folder, in a checkout or as it came with the package. Raises ConfigurationError."""
    here = Path(__file__).resolve()
    for folder in (here.parents[3] / "examples" / name, here.parents[1] / "examples" / name):
        if (folder / "contracts").is_dir():
            return folder
    raise ConfigurationError(f"There is no data set {name!r}.", hint="Known is: oulad.")


@dataclasses.dataclass(frozen=True, slots=True)
class DemoPlan:
    """What to replay: `data` holds the rows, `declarations` contracts, metrics and health model.

    `speed` is in days a second; 0 sends everything at once, without a replay's clock.
    """

    declarations: Path
    data: Path
    last_day: dt.date
    speed: float


@dataclasses.dataclass(frozen=True, slots=True)
class DemoResult:
    """What a finished demo came to; `differences` name what does not hold, none is how it has to be."""

    received: int
    accepted: int
    duplicate: int
    quarantined: int
    held: int
    discarded: int
    pending: int
    customers: int
    scored: int
    clicks: int
    differences: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return dataclasses.asdict(self)


class Demo:
    """One demo on a running installation. `run` feeds until the data is through or `stopping` is set."""

    def __init__(self, plan: DemoPlan, runtime: Runtime, stopping: threading.Event) -> None:
        self._plan = plan
        self._runtime = runtime
        self._stopping = stopping

    def run(self, on_progress: Callable[[dt.date, dt.date, dt.date, int], None]) -> None:
        """Activate the declarations and feed the data; returns when everything is durable.

        `on_progress` gets first day, day reached, last day, rows sent.
        """
        runtime, plan = self._runtime, self._plan
        activate_folder(runtime, plan.declarations)
        data = OuladData(plan.data, plan.last_day)
        first, last = data.days()
        starts = max(first, data.first_usage() - _LEAD)
        feeder = Feeder(data, runtime.door, runtime.clock, self._stopping)
        if plan.speed == 0:
            feeder.feed_until(last, first)
            on_progress(first, last, last, feeder.rows)
            return
        feeder.feed_until(starts - dt.timedelta(days=1), first)
        rows_a_day = sum(data.counts().values()) / ((last - starts).days + 1)
        self._start_clock(starts, min(plan.speed, _MOST_ROWS_A_SECOND / rows_a_day))
        feeder.follow(starts, last, lambda day: on_progress(starts, day, last, feeder.rows))

    def result(self) -> DemoResult | None:
        """Wait until everything is in effect, in the lake and scored, and hold it against the source's own files.

        None when stopping came first. Raises UnavailableError when the work stands still for five minutes.
        """
        self._wait_until_worked_off()
        if self._stopping.is_set():
            return None
        lines = self._runtime.ledger.status(SOURCE)
        differences = [
            f"{violation.source}.{violation.stream}, {violation.day}: {violation.message}"
            for violation in self._runtime.ledger.check()
        ]
        clicks, wrong = self._compare_clicks()
        with self._runtime.database.snapshot() as connection:
            [(customers,)] = connection.execute("SELECT count(*) FROM reference WHERE kind = 'customer'").fetchall()
            [(scored,)] = connection.execute("SELECT count(DISTINCT ref) FROM score").fetchall()
        if scored != customers:
            differences.append(f"{customers - scored} of {customers} customers have no score.")
        return DemoResult(
            received=sum(line.received for line in lines),
            accepted=sum(line.accepted for line in lines),
            duplicate=sum(line.duplicate for line in lines),
            quarantined=sum(line.quarantined for line in lines),
            held=sum(line.held for line in lines),
            discarded=sum(line.discarded for line in lines),
            pending=sum(line.pending for line in lines),
            customers=customers,
            scored=scored,
            clicks=clicks,
            differences=(*differences, *wrong),
        )

    def _start_clock(self, origin: dt.date, speed: float) -> None:
        """Data time runs from the origin on, unless an earlier run of the demo has started it already."""
        with self._runtime.database.transaction() as connection:
            connection.execute(
                "INSERT INTO replay (name, origin, started, speed) VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING",
                (
                    "Open University usage data",
                    dt.datetime.combine(origin, dt.time(), dt.UTC),
                    self._runtime.clock.wall(),
                    speed * 86_400,
                ),
            )
        self._runtime.refresh_clock()

    def _wait_until_worked_off(self) -> None:
        before: dict[str, int] = {}
        moved = time.monotonic()
        while not self._stopping.wait(0.2):
            waiting = self._waiting()
            if not any(waiting.values()):
                return
            if waiting != before:
                before, moved = waiting, time.monotonic()
            if time.monotonic() - moved > _STANDSTILL_SECONDS:
                raise UnavailableError(
                    f"Nothing moves; still waiting: {', '.join(f'{n} {what}' for what, n in waiting.items() if n)}."
                )

    def _waiting(self) -> dict[str, int]:
        """What is left to do until everything is in effect and every score is as of now."""
        clock = self._runtime.clock
        replay = clock.replay
        # Who is due is found by sweeps, a few minutes of data time apart.
        due = clock.data() - self._runtime.config.analytics.sweep
        with self._runtime.database.snapshot() as connection:
            [(touched, unsettled, moved)] = connection.execute(
                """
                SELECT (SELECT count(*) FROM touched), count(*) FILTER (WHERE midnights_since IS NOT NULL),
                       count(*) FILTER (WHERE due_at <= %s)
                FROM score
                """,
                (due,),
            ).fetchall()
        return {
            "days of the replay": int(replay is not None and not replay.finished_at(clock.wall())),
            "records": sum(line.pending for line in self._runtime.ledger.status()),
            "customers whose records changed": touched,
            "customers whose score time has moved": moved,
            "customers whose midnights are not scored": unsettled,
        }

    def _compare_clicks(self) -> tuple[int, list[str]]:
        """The served clicks of every customer and day against the source's files; the total, and what differs."""
        data = OuladData(self._plan.data, self._plan.last_day)
        truth = data.clicks_by_customer_and_day()
        references = self._runtime.keyring.references
        ids = truth["customer_id"].combine_chunks().dictionary_encode()
        refs = references.refs(SOURCE, "customer", ids.dictionary.cast(pa.string())).to_pylist()
        expected = {
            (uuid.UUID(bytes=refs[index]), day): clicks
            for index, day, clicks in zip(
                ids.indices.to_pylist(), truth["day"].to_pylist(), truth["clicks"].to_pylist(), strict=True
            )
        }
        with self._runtime.database.snapshot() as connection:
            rows = connection.execute(
                "SELECT ref, (bucket AT TIME ZONE 'UTC')::date, value::bigint FROM cell WHERE series = %s",
                (series_id("clicks", SOURCE, "clicks"),),
            ).fetchall()
        served = {(ref, day): value for ref, day, value in rows}
        wrong = [key for key in expected.keys() | served.keys() if expected.get(key) != served.get(key)]
        messages = (
            [f"Clicks of {len(wrong)} of {len(expected)} customer-days differ from the source's."] if wrong else []
        )
        return sum(served.values()), messages


def remembered_last_day(data_dir: Path, last_day: dt.date) -> dt.date:
    """The last day an earlier demo on this data folder used, so that the same rows are the same again; else `last_day`."""
    marker = data_dir / "demo.json"
    try:
        return dt.date.fromisoformat(json.loads(marker.read_text())["last_day"])
    except (OSError, ValueError, KeyError, TypeError):
        marker.write_text(json.dumps({"last_day": last_day.isoformat()}))
        return last_day
