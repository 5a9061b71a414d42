"""Who is to be scored, and what is known of them before."""

from __future__ import annotations

import dataclasses
import datetime as dt
import uuid
from collections.abc import Sequence
from typing import Any

from mainstem.analytics.inputs import microseconds
from mainstem.store import Connection

__all__ = [
    "SCORERS",
    "Claim",
    "Stored",
    "Subject",
    "Turn",
    "claim_behind",
    "claim_due",
    "claim_touched",
    "owned_shards",
    "read_subjects",
    "shard",
    "turn_now",
]

SCORERS = 16
"""Customers are split among this many scorers at most, each with a channel of the change stream."""

# Any number nobody else uses; with it, a shard is a pair of keys for an advisory lock.
_LOCK = int.from_bytes(b"scor")


@dataclasses.dataclass(frozen=True, slots=True)
class Claim:
    """A customer to score. `since`: from when on inputs changed, and `mark` the version of the row that says so."""

    ref: uuid.UUID
    since: dt.datetime | None = None
    mark: str | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Stored:
    """The score that is shown. Scores in hundredths, times in microseconds since 1970."""

    model_version: int
    revision: int
    score: int
    band: str
    grade: str
    daily_at: int
    settled_at: int
    logged_at: int | None
    pending: bool
    midnights_since: int | None
    restate_until: int | None


@dataclasses.dataclass(frozen=True, slots=True)
class Subject:
    """A customer to score, with the attributes that matter; `stored` None: never scored."""

    claim: Claim
    source: str
    segment: str | None
    churned_at: int | None
    stored: Stored | None

    @property
    def ref(self) -> uuid.UUID:
        """The customer's reference."""
        return self.claim.ref


def shard(ref: uuid.UUID) -> int:
    """Which of the scorers a customer belongs to."""
    return ref.bytes[0] % SCORERS


def owned_shards(conn: Connection, wanted: Sequence[int]) -> list[int]:
    """Those of the shards that nobody else works on; they are ours until the transaction ends."""
    rows = conn.execute(
        "SELECT shard FROM unnest(%s::int[]) AS shard WHERE pg_try_advisory_xact_lock(%s, shard)", [list(wanted), _LOCK]
    ).fetchall()
    return sorted(row[0] for row in rows)


@dataclasses.dataclass(frozen=True, slots=True)
class Turn:
    """A round's share of the queue of those that were touched: behind `after`, up to those touched at `until`."""

    until: dt.datetime
    after: tuple[dt.datetime, uuid.UUID] | None = None


_OWN = "(%(all)s OR get_byte(uuid_send(ref), 0) %% %(scorers)s = ANY(%(shards)s))"


def turn_now(conn: Connection) -> Turn:
    """Everybody touched up to now, by the database's clock."""
    [(now,)] = conn.execute("SELECT clock_timestamp()").fetchall()
    return Turn(now)


def claim_touched(conn: Connection, shards: Sequence[int], turn: Turn, limit: int) -> tuple[list[Claim], Turn]:
    """Up to `limit` customers of the shards that were touched, who waits longest first; and the rest of the turn.

    Nothing is locked: who is touched again meanwhile has another mark and stays, for the next turn.
    """
    after = turn.after or (dt.datetime.min.replace(tzinfo=dt.UTC), uuid.UUID(int=0))
    rows = conn.execute(
        f"""
        SELECT ref, since, xmin::text, touched_at FROM touched
        WHERE (touched_at, ref) > (%(after)s, %(ref)s) AND touched_at <= %(until)s AND {_OWN}
        ORDER BY touched_at, ref LIMIT %(limit)s
        """,
        {**_shares(shards, limit), "after": after[0], "ref": after[1], "until": turn.until},
    ).fetchall()
    claims = [Claim(ref, since, mark) for ref, since, mark, _ in rows]
    return claims, Turn(turn.until, (rows[-1][3], rows[-1][0])) if rows else turn


def claim_due(conn: Connection, shards: Sequence[int], model: str, due: dt.datetime, limit: int) -> list[Claim]:
    """Up to `limit` customers of the shards whose score is due at `due`, who is overdue longest first."""
    rows = conn.execute(
        f"SELECT ref FROM score WHERE model = %(model)s AND due_at <= %(due)s AND {_OWN} ORDER BY due_at LIMIT %(limit)s",
        {**_shares(shards, limit), "model": model, "due": due},
    ).fetchall()
    return [Claim(ref) for (ref,) in rows]


def claim_behind(conn: Connection, shards: Sequence[int], model: str, limit: int) -> list[Claim]:
    """Up to `limit` customers of the shards of whom midnights wait, the earliest midnight first."""
    rows = conn.execute(
        f"""
        SELECT ref FROM score WHERE model = %(model)s AND midnights_since IS NOT NULL AND {_OWN}
        ORDER BY midnights_since LIMIT %(limit)s
        """,
        {**_shares(shards, limit), "model": model},
    ).fetchall()
    return [Claim(ref) for (ref,) in rows]


def _shares(shards: Sequence[int], limit: int) -> dict[str, Any]:
    return {"shards": list(shards), "scorers": SCORERS, "all": len(shards) == SCORERS, "limit": limit}


_READ = """
    SELECT one.ref, reference.source, customer.attributes ->> 'segment', customer.attributes ->> 'churned_at',
           score.model_version, score.revision, (score.score * 100)::int, score.band, score.grade,
           score.daily_at, score.settled_at, score.logged_at, score.pending, score.midnights_since, score.restate_until
    FROM unnest(%(refs)s::uuid[]) AS one (ref)
    JOIN reference ON reference.ref = one.ref AND reference.kind = 'customer'
    LEFT JOIN score ON score.ref = one.ref AND score.model = %(model)s
    LEFT JOIN LATERAL (
        SELECT attributes FROM entity
        WHERE entity.customer = one.ref AND entity.entity = 'customer' AND NOT entity.deleted
        ORDER BY entity.ref LIMIT 1
    ) AS customer ON true
    """


def read_subjects(conn: Connection, claims: Sequence[Claim], model: str) -> list[Subject]:
    """What is known of the claimed customers, in their order; one that is no customer's is left out."""
    by_ref = {one.ref: one for one in claims}
    rows = conn.execute(_READ, {"refs": list(by_ref), "model": model}).fetchall()
    subjects = {
        ref: Subject(by_ref[ref], source, segment, _instant(churned), _stored(rest))
        for ref, source, segment, churned, *rest in rows
    }
    return [subjects[one.ref] for one in claims if one.ref in subjects]


def _stored(columns: Sequence[Any]) -> Stored | None:
    version, revision, score, band, grade, daily, settled, logged, pending, since, until = columns
    if version is None:
        return None
    return Stored(
        version,
        revision,
        score,
        band,
        grade,
        microseconds(daily),
        microseconds(settled),
        None if logged is None else microseconds(logged),
        pending,
        None if since is None else microseconds(since),
        None if until is None else microseconds(until),
    )


def _instant(text: str | None) -> int | None:
    """An attribute's time; one that cannot be read counts as none, so that no record stops the scores."""
    if text is None:
        return None
    try:
        at = dt.datetime.fromisoformat(text)
    except ValueError:
        return None
    return microseconds(at if at.tzinfo else at.replace(tzinfo=dt.UTC))
