"""Outcomes into PostgreSQL, inside the scorer's transaction."""

from __future__ import annotations

import datetime as dt
import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from mainstem.analytics.context import Context
from mainstem.analytics.inputs import instant
from mainstem.analytics.model import SCORE_UNITS
from mainstem.analytics.outcomes import Filling, HistoryRow, Outcome
from mainstem.analytics.subjects import SCORERS, Claim, shard
from mainstem.errors import UnavailableError
from mainstem.metrics import copy_in
from mainstem.metrics.numbers import ONE, decimals
from mainstem.store import Connection, append_all

__all__ = ["postpone", "release", "tell", "write_fillings", "write_outcomes"]

_encoder = msgspec.json.Encoder(decimal_format="number")

_REPLACE = """
    INSERT INTO score (ref, model, model_version, revision, score, band, grade, source, segment, as_of, computed_at,
                       due_at, last_seen_at, daily_at, settled_at, logged_at, pending, midnights_since, restate_until,
                       basis)
    SELECT ref, %(model)s, %(version)s, revision + 1, score, band, grade, source, segment, as_of, %(wall)s, due_at,
           last_seen_at, daily_at, settled_at, logged_at, pending, midnights_since, restate_until, basis
    FROM jsonb_to_recordset(%(rows)s::jsonb) AS new (
        ref uuid, revision bigint, score numeric, band text, grade text, source text, segment text, as_of timestamptz,
        due_at timestamptz, last_seen_at timestamptz, daily_at timestamptz, settled_at timestamptz,
        logged_at timestamptz, pending boolean, midnights_since timestamptz, restate_until timestamptz, basis bytea)
    ON CONFLICT (ref, model) DO UPDATE SET
        model_version = EXCLUDED.model_version, revision = EXCLUDED.revision, score = EXCLUDED.score,
        band = EXCLUDED.band, grade = EXCLUDED.grade, source = EXCLUDED.source, segment = EXCLUDED.segment,
        as_of = EXCLUDED.as_of, computed_at = EXCLUDED.computed_at, due_at = EXCLUDED.due_at,
        last_seen_at = EXCLUDED.last_seen_at, daily_at = EXCLUDED.daily_at, settled_at = EXCLUDED.settled_at,
        logged_at = EXCLUDED.logged_at, pending = EXCLUDED.pending, midnights_since = EXCLUDED.midnights_since,
        restate_until = EXCLUDED.restate_until, basis = EXCLUDED.basis
    WHERE score.revision = EXCLUDED.revision - 1
    """
_KEEP = """
    UPDATE score SET revision = score.revision + 1, segment = new.segment, due_at = new.due_at,
        last_seen_at = new.last_seen_at, logged_at = new.logged_at, pending = new.pending,
        midnights_since = new.midnights_since, restate_until = new.restate_until
    FROM jsonb_to_recordset(%(rows)s::jsonb) AS new (
        ref uuid, revision bigint, segment text, due_at timestamptz, last_seen_at timestamptz, logged_at timestamptz,
        pending boolean, midnights_since timestamptz, restate_until timestamptz)
    WHERE score.ref = new.ref AND score.model = %(model)s AND score.revision = new.revision
    """
_FILL = """
    UPDATE score SET revision = score.revision + 1, daily_at = new.daily_at, settled_at = new.settled_at,
        midnights_since = new.midnights_since, restate_until = new.restate_until
    FROM jsonb_to_recordset(%(rows)s::jsonb) AS new (
        ref uuid, revision bigint, daily_at timestamptz, settled_at timestamptz, midnights_since timestamptz,
        restate_until timestamptz)
    WHERE score.ref = new.ref AND score.model = %(model)s AND score.revision = new.revision
    """
# Who is touched by a sink this moment is left: that row will have another mark.
_RELEASE = """
    DELETE FROM touched WHERE ref IN (
        SELECT touched.ref FROM unnest(%s::uuid[], %s::text[]) AS claimed (ref, mark)
        JOIN touched ON touched.ref = claimed.ref AND touched.xmin::text = claimed.mark
        ORDER BY touched.ref FOR UPDATE OF touched SKIP LOCKED
    )
    """


def write_outcomes(conn: Connection, context: Context, outcomes: Sequence[Outcome]) -> None:
    """Replace what is shown, append to the history; `tell` the change stream last.

    Raises UnavailableError when somebody else replaced one of the scores: roll back and begin anew.
    """
    shown = [one for one in outcomes if one.shown is not None]
    kept = [one for one in outcomes if one.shown is None]
    for statement, some in ((_REPLACE, shown), (_KEEP, kept)):
        _replace(conn, context, statement, [_told(one) for one in some])
    _append(conn, context, [(one.subject.ref, one.logged) for one in outcomes if one.logged is not None])


def write_fillings(conn: Connection, context: Context, fillings: Sequence[Filling]) -> None:
    """Append midnights to the history, and remember which ones still wait. Raises as `write_outcomes`."""
    _replace(conn, context, _FILL, [_told(one) for one in fillings])
    _append(conn, context, [(one.subject.ref, row) for one in fillings for row in one.rows])


def postpone(conn: Connection, context: Context, refs: Sequence[uuid.UUID]) -> None:
    """Look again in a day at scores that could not be computed now: nothing is measured any more. They stay as shown."""
    if refs:
        conn.execute(
            """
            UPDATE score SET due_at = %s, midnights_since = NULL, restate_until = NULL
            WHERE model = %s AND ref = ANY(%s)
            """,
            [context.as_of + dt.timedelta(days=1), context.model.name, list(refs)],
        )


def release(conn: Connection, claims: Sequence[Claim]) -> None:
    """Take away the marks of customers that were touched and are now scored; those touched again keep theirs."""
    marked = [one for one in claims if one.mark is not None]
    if marked:
        conn.execute(_RELEASE, [[one.ref for one in marked], [one.mark for one in marked]])


def _replace(conn: Connection, context: Context, statement: str, rows: Sequence[Mapping[str, Any]]) -> None:
    if not rows:
        return
    parameters = {
        "model": context.model.name,
        "version": context.model.version,
        "wall": context.wall,
        "rows": _encoder.encode(rows).decode(),
    }
    if conn.execute(statement, parameters).rowcount != len(rows):
        raise UnavailableError("Another scorer replaced one of these scores.", retry_after=0.1)


def _append(conn: Connection, context: Context, rows: Sequence[tuple[uuid.UUID, HistoryRow]]) -> None:
    if rows:
        copy_in(conn, "score_history", _history_table(context, rows))


def _told(one: Outcome | Filling) -> dict[str, Any]:
    """A row of the score table for JSON."""
    stored = one.subject.stored
    row: dict[str, Any] = {
        "ref": one.subject.ref,
        "revision": 0 if stored is None else stored.revision,
        "daily_at": instant(one.daily_at),
        "settled_at": instant(one.settled_at),
        "midnights_since": _optional(one.midnights_since),
        "restate_until": _optional(one.restate_until),
    }
    if isinstance(one, Filling):
        return row
    row |= {
        "source": one.subject.source,
        "segment": one.subject.segment,
        "due_at": instant(one.due_at),
        "last_seen_at": _optional(one.last_seen),
        "logged_at": _optional(one.logged_at),
        "pending": one.pending,
    }
    if one.shown is not None:
        row |= {
            "score": Decimal(one.shown.score).scaleb(-2),
            "band": one.shown.band,
            "grade": one.shown.grade,
            "as_of": instant(one.shown.as_of),
            "basis": rf"\x{one.shown.basis.hex()}",
        }
    return row


def _history_table(context: Context, rows: Sequence[tuple[uuid.UUID, HistoryRow]]) -> pa.Table:
    """Rows of the history in its columns but for the id."""
    count = len(rows)
    own = [row for _, row in rows]
    instants = pa.timestamp("us", "UTC")
    columns = {
        "ref": pa.array([ref.bytes for ref, _ in rows], pa.binary(16)),
        "model": pa.repeat(context.model.name, count),
        "model_version": pa.repeat(pa.scalar(context.model.version, pa.int32()), count),
        "kind": pa.array([row.kind for row in own]),
        "complete": pa.array([row.complete for row in own]),
        "as_of": pa.array([row.as_of for row in own], pa.int64()).cast(instants),
        "known_at": pa.repeat(pa.scalar(context.wall, instants), count),
        "score": decimals(np.array([row.score for row in own], np.int64) * (ONE // SCORE_UNITS)),
        "band": pa.array([row.band for row in own]),
        "grade": pa.array([row.grade for row in own]),
        "cause": pa.array([row.cause for row in own]),
        "basis": pa.array([row.basis for row in own], pa.binary()),
    }
    return pa.table(columns)


def _optional(at: int | None) -> dt.datetime | None:
    return None if at is None else instant(at)


def tell(conn: Connection, context: Context, outcomes: Sequence[Outcome]) -> None:
    """A change for each score that is shown anew, and one that names all who were touched, moved or not."""
    scores: list[tuple[int, str, dict[str, Any]]] = []
    touched: dict[int, list[str]] = defaultdict(list)
    for one in outcomes:
        channel = SCORERS + shard(one.subject.ref)
        if one.subject.claim.mark is not None:
            touched[channel].append(one.subject.ref.hex)
        row, stored = one.shown, one.subject.stored
        if row is None:
            continue
        body = {
            "ref": one.subject.ref.hex,
            "model": context.model.name,
            "score": Decimal(row.score).scaleb(-2),
            "previous": None if stored is None else Decimal(stored.score).scaleb(-2),
            "band": row.band,
            "previous_band": None if stored is None else stored.band,
            "grade": row.grade,
            "as_of": instant(row.as_of),
            "cause": row.cause,
        }
        scores.append((channel, "score", body))
    named = [(channel, "touched", {"refs": refs}) for channel, refs in touched.items()]
    append_all(conn, [*scores, *named], context.wall)
