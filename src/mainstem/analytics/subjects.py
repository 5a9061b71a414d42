"""Who is to be scored, and what is known of them before."""

from __future__ import annotations

import dataclasses
import datetime as dt
import uuid
from collections.abc import Sequence
from typing import Any

from mainstem.analytics.inputs import microseconds
from mainstem.store import Connection

__all__ = ["SCORERS", "Claim", "Stored", "Subject", "claim", "owned_shards", "read_subjects", "shard"]

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


def claim(conn: Connection, shards: Sequence[int], model: str, due: dt.datetime | None, limit: int) -> list[Claim]:
    """Up to `limit` customers of the shards: those touched first, then those whose score is due at `due`.

    Nothing is locked: who is touched again meanwhile has another mark and stays.
    """
    parameters = {
        "shards": list(shards),
        "scorers": SCORERS,
        "limit": limit,
        "model": model,
        "due": due,
        "all": len(shards) == SCORERS,
    }
    own = "(%(all)s OR get_byte(uuid_send(ref), 0) %% %(scorers)s = ANY(%(shards)s))"
    touched = conn.execute(
        f"SELECT ref, since, xmin::text FROM touched WHERE {own} LIMIT %(limit)s", parameters
    ).fetchall()
    claims = {row[0]: Claim(*row) for row in touched}
    if due is not None and len(claims) < limit:
        rows = conn.execute(
            f"""
            SELECT ref FROM score WHERE model = %(model)s AND due_at <= %(due)s AND {own}
            ORDER BY due_at LIMIT %(limit)s
            """,
            parameters,
        ).fetchall()
        for (ref,) in rows:
            if len(claims) < limit:
                claims.setdefault(ref, Claim(ref))
    return [claims[ref] for ref in sorted(claims)]


_READ = """
    SELECT one.ref, reference.source, customer.attributes ->> 'segment', customer.attributes ->> 'churned_at',
           score.model_version, score.revision, (score.score * 100)::int, score.band, score.grade,
           score.daily_at, score.settled_at, score.logged_at, score.pending
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
    """What is known of the claimed customers, by reference; one that is no customer's is left out."""
    by_ref = {one.ref: one for one in claims}
    rows = conn.execute(_READ, {"refs": list(by_ref), "model": model}).fetchall()
    subjects = [
        Subject(by_ref[ref], source, segment, _instant(churned), _stored(rest))
        for ref, source, segment, churned, *rest in rows
    ]
    return sorted(subjects, key=lambda one: one.ref)


def _stored(columns: Sequence[Any]) -> Stored | None:
    version, revision, score, band, grade, daily, settled, logged, pending = columns
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
