"""Anomalies as they are kept: told once, told again when they get worse, ended when they are none any more.

What is muted is not told later, but a silence that still goes on when its mute is over.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import structlog

from mainstem.quality.anomalies.anomaly import Anomaly, Judged, Signal, Subject
from mainstem.quality.anomalies.expectation import Tier
from mainstem.quality.anomalies.mutes import Mute, read_mutes
from mainstem.quality.breaches import BREACH_CHANNEL
from mainstem.quality.history import QualityQuery
from mainstem.store import Connection, Database, append_changes

__all__ = ["read_anomalies", "register", "trim_anomalies"]

_log = structlog.get_logger()

_COLUMNS = tuple(field.name for field in dataclasses.fields(Anomaly))
_KEY = ("signal", "source", "stream", "name", "at")
_MOST = 500


@dataclasses.dataclass(frozen=True, slots=True)
class _Kept:
    """What is kept of an anomaly."""

    tier: Tier
    ended_at: dt.datetime | None
    value: float

    def differs(self, now: Anomaly) -> bool:
        """Whether it is another one by now. How long a silence is, its begin tells at any time."""
        grown = now.signal is not Signal.FRESHNESS and now.value != self.value
        return grown or self.tier is not now.tier or self.ended_at is not None


_Known = Mapping[Subject, _Kept]


def register(database: Database, judged: Iterable[Judged], now: dt.datetime) -> Sequence[Anomaly]:
    """Keep what was found, end what is no anomaly any more, and tell what is new or worse; this. Raises UnavailableError."""
    judged = list(judged)
    with database.transaction() as conn:
        # Two schedulers for a moment: the second sees what the first has told.
        conn.execute("LOCK TABLE anomaly IN SHARE ROW EXCLUSIVE MODE")
        mutes = read_mutes(conn, now)
        news = []
        for one in judged:
            known = _known(conn, one.signal, one.at)
            for anomaly in one.found:
                before = known.get(anomaly.subject)
                if before is None or before.differs(anomaly):
                    _keep(conn, anomaly)
                if before is None or (before.tier is Tier.WARN and anomaly.tier is Tier.ERROR):
                    news.append(anomaly)
            _end(conn, one, known, now)
        told = [one for one in news if not any(mute.covers(one) for mute in mutes)]
        _put_off(conn, news, told)
        told += _put_off_until_now(conn, mutes)
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


def trim_anomalies(database: Database, before: dt.datetime) -> int:
    """Forget anomalies of days and moments before, but for silences that go on; how many.

    `before` is data time, further back than anything is compared. Raises UnavailableError.
    """
    with database.autocommit() as conn:
        return conn.execute(
            "DELETE FROM anomaly WHERE at < %s AND (ended_at IS NOT NULL OR signal <> %s)",
            [before, str(Signal.FRESHNESS)],
        ).rowcount


def _anomaly(row: Sequence[Any]) -> Anomaly:
    values = dict(zip(_COLUMNS, row, strict=True))
    return Anomaly(**{**values, "signal": Signal(values["signal"]), "tier": Tier(values["tier"])})


def _known(conn: Connection, signal: Signal, at: dt.datetime) -> _Known:
    rows = conn.execute(
        "SELECT source, stream, name, tier, ended_at, value FROM anomaly WHERE signal = %s AND at = %s",
        [str(signal), at],
    ).fetchall()
    return {(source, stream, name): _Kept(Tier(tier), *rest) for source, stream, name, tier, *rest in rows}


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


def _put_off(conn: Connection, news: Sequence[Anomaly], told: Sequence[Anomaly]) -> None:
    """Note which silences a mute keeps from being told. A day is over, and what was known of it then need not be told."""
    for anomaly in news:
        if anomaly.signal is Signal.FRESHNESS:
            conn.execute(
                f"UPDATE anomaly SET untold = %s WHERE ({', '.join(_KEY)}) = (%s, %s, %s, %s, %s)",
                [anomaly not in told, str(anomaly.signal), *anomaly.subject, anomaly.at],
            )


def _put_off_until_now(conn: Connection, mutes: Sequence[Mute]) -> list[Anomaly]:
    """The silences that go on, and whose mute is over."""
    rows = conn.execute(
        f"SELECT {', '.join(_COLUMNS)} FROM anomaly WHERE untold AND ended_at IS NULL ORDER BY {', '.join(_KEY)}"
    ).fetchall()
    due = [one for one in map(_anomaly, rows) if not any(mute.covers(one) for mute in mutes)]
    _put_off(conn, due, due)
    return due


def _end(conn: Connection, judged: Judged, known: _Known, now: dt.datetime) -> None:
    still = {anomaly.subject for anomaly in judged.found}
    over: defaultdict[str, list[str]] = defaultdict(list)
    for subject, kept in known.items():
        if kept.ended_at is None and subject in judged.subjects and subject not in still:
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
