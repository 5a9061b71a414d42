"""Anomalies as they are kept: told once, told again when they get worse, ended when they are none any more."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import structlog

from mainstem.quality.anomalies.anomaly import Anomaly, Judged, Signal, Subject
from mainstem.quality.anomalies.expectation import Tier
from mainstem.quality.anomalies.mutes import read_mutes
from mainstem.quality.breaches import BREACH_CHANNEL
from mainstem.quality.history import QualityQuery
from mainstem.store import Connection, Database, append_changes

__all__ = ["read_anomalies", "register"]

_log = structlog.get_logger()

_COLUMNS = tuple(field.name for field in dataclasses.fields(Anomaly))
_KEY = ("signal", "source", "stream", "name", "at")
_MOST = 500


def register(database: Database, judged: Iterable[Judged], now: dt.datetime) -> Sequence[Anomaly]:
    """Keep what was found, end what is no anomaly any more, and tell what is new or worse; this. Raises UnavailableError."""
    judged = list(judged)
    with database.transaction() as conn:
        # Two schedulers for a moment: the second sees what the first has told.
        conn.execute("LOCK TABLE anomaly IN SHARE ROW EXCLUSIVE MODE")
        mutes = read_mutes(conn, now)
        told = []
        for one in judged:
            known = _known(conn, one.signal, one.at)
            for anomaly in one.found:
                before = known.get(anomaly.subject)
                if before is None or (before[0], before[1]) != (anomaly.tier, None):
                    _keep(conn, anomaly)
                if before is None or (before[0] is Tier.WARN and anomaly.tier is Tier.ERROR):
                    told.append(anomaly)
            _end(conn, one, known, now)
        told = [one for one in told if not any(mute.covers(one) for mute in mutes)]
        append_changes(conn, BREACH_CHANNEL, "anomaly", [_told(one) for one in told], now)
    for anomaly in told:
        _log.warning("anomaly_found", **{name: str(value) for name, value in _told(anomaly).items()})
    return told


def read_anomalies(conn: Connection, query: QualityQuery, *, running: bool = False) -> list[Anomaly]:
    """Anomalies of these days, the latest first; 500 at most. A metric's have neither source nor stream."""
    rows = conn.execute(
        f"""
        SELECT {", ".join(_COLUMNS)} FROM anomaly
        WHERE at >= %(first)s AND at < %(last)s::date + 1
          AND (%(source)s::text IS NULL OR source = %(source)s) AND (%(stream)s::text IS NULL OR stream = %(stream)s)
          AND (%(field)s::text IS NULL OR name = %(field)s) AND (ended_at IS NULL OR NOT %(running)s)
        ORDER BY at DESC, abs(deviation) DESC, signal, source, stream, name LIMIT {_MOST}
        """,
        {**query.parameters(), "running": running},
    ).fetchall()
    return [_anomaly(row) for row in rows]


def _anomaly(row: Sequence[Any]) -> Anomaly:
    values = dict(zip(_COLUMNS, row, strict=True))
    return Anomaly(**{**values, "signal": Signal(values["signal"]), "tier": Tier(values["tier"])})


def _known(conn: Connection, signal: Signal, at: dt.datetime) -> dict[Subject, tuple[Tier, dt.datetime | None]]:
    rows = conn.execute(
        "SELECT source, stream, name, tier, ended_at FROM anomaly WHERE signal = %s AND at = %s", [str(signal), at]
    ).fetchall()
    return {(source, stream, name): (Tier(tier), ended) for source, stream, name, tier, ended in rows}


def _keep(conn: Connection, anomaly: Anomaly) -> None:
    """What it is now; when it was first seen stays."""
    changed = [name for name in _COLUMNS if name not in {*_KEY, "seen_at"}]
    conn.execute(
        f"""
        INSERT INTO anomaly ({", ".join(_COLUMNS)}) VALUES ({", ".join(["%s"] * len(_COLUMNS))})
        ON CONFLICT ({", ".join(_KEY)}) DO UPDATE SET {", ".join(f"{name} = excluded.{name}" for name in changed)}
        """,
        [str(value) if isinstance(value, Signal | Tier) else value for value in dataclasses.astuple(anomaly)],
    )


def _end(
    conn: Connection, judged: Judged, known: dict[Subject, tuple[Tier, dt.datetime | None]], now: dt.datetime
) -> None:
    still = {anomaly.subject for anomaly in judged.found}
    over: defaultdict[str, list[str]] = defaultdict(list)
    for subject, (_, ended) in known.items():
        if ended is None and subject in judged.subjects and subject not in still:
            for column, value in zip(("source", "stream", "name"), subject, strict=True):
                over[column].append(value)
    if over:
        conn.execute(
            """
            UPDATE anomaly SET ended_at = %s WHERE signal = %s AND at = %s AND (source, stream, name) IN (
                SELECT * FROM unnest(%s::text[], %s::text[], %s::text[])
            )
            """,
            [now, str(judged.signal), judged.at, over["source"], over["stream"], over["name"]],
        )


def _told(anomaly: Anomaly) -> dict[str, Any]:
    """The change's body."""
    body = dataclasses.asdict(anomaly)
    del body["ended_at"]
    return {
        **body,
        "signal": str(anomaly.signal),
        "tier": str(anomaly.tier),
        "at": anomaly.at.isoformat(),
        "seen_at": anomaly.seen_at.isoformat(),
    }
