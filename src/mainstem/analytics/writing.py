"""Outcomes into PostgreSQL, inside the scorer's transaction."""

from __future__ import annotations

import datetime as dt
import uuid
from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec
import pyarrow as pa

from mainstem.analytics.batch import HistoryRow, Outcome
from mainstem.analytics.context import Context
from mainstem.analytics.inputs import instant
from mainstem.analytics.subjects import SCORERS, Claim, shard
from mainstem.errors import UnavailableError
from mainstem.metrics import copy_in
from mainstem.store import Connection, append_changes

__all__ = ["postpone", "release", "write_outcomes"]

_encoder = msgspec.json.Encoder(decimal_format="number")

_REPLACE = """
    INSERT INTO score (ref, model, model_version, revision, score, band, grade, source, segment, as_of, computed_at,
                       due_at, last_seen_at, daily_at, settled_at, logged_at, pending, inputs, contributions)
    SELECT ref, %(model)s, %(version)s, revision + 1, score, band, grade, source, segment, as_of, %(wall)s, due_at,
           last_seen_at, daily_at, settled_at, logged_at, pending, inputs, contributions
    FROM jsonb_to_recordset(%(rows)s::jsonb) AS new (
        ref uuid, revision bigint, score numeric, band text, grade text, source text, segment text, as_of timestamptz,
        due_at timestamptz, last_seen_at timestamptz, daily_at timestamptz, settled_at timestamptz,
        logged_at timestamptz, pending boolean, inputs jsonb, contributions jsonb)
    ON CONFLICT (ref, model) DO UPDATE SET
        model_version = EXCLUDED.model_version, revision = EXCLUDED.revision, score = EXCLUDED.score,
        band = EXCLUDED.band, grade = EXCLUDED.grade, source = EXCLUDED.source, segment = EXCLUDED.segment,
        as_of = EXCLUDED.as_of, computed_at = EXCLUDED.computed_at, due_at = EXCLUDED.due_at,
        last_seen_at = EXCLUDED.last_seen_at, daily_at = EXCLUDED.daily_at, settled_at = EXCLUDED.settled_at,
        logged_at = EXCLUDED.logged_at, pending = EXCLUDED.pending, inputs = EXCLUDED.inputs,
        contributions = EXCLUDED.contributions
    WHERE score.revision = EXCLUDED.revision - 1
    """
_KEEP = """
    UPDATE score SET revision = score.revision + 1, segment = new.segment, due_at = new.due_at,
        last_seen_at = new.last_seen_at, daily_at = new.daily_at, settled_at = new.settled_at,
        logged_at = new.logged_at, pending = new.pending
    FROM jsonb_to_recordset(%(rows)s::jsonb) AS new (
        ref uuid, revision bigint, segment text, due_at timestamptz, last_seen_at timestamptz, daily_at timestamptz,
        settled_at timestamptz, logged_at timestamptz, pending boolean)
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
    """Replace what is shown, append to the history, tell the change stream.

    Raises UnavailableError when somebody else replaced one of the scores: roll back and begin anew.
    """
    names = {"model": context.model.name, "version": context.model.version, "wall": context.wall}
    shown = [one for one in outcomes if one.shown is not None]
    kept = [one for one in outcomes if one.shown is None]
    for statement, some in ((_REPLACE, shown), (_KEEP, kept)):
        if some and conn.execute(statement, {**names, "rows": _told(some)}).rowcount != len(some):
            raise UnavailableError("Another scorer replaced one of these scores.", retry_after=0.1)
    history = [(one.subject.ref, row) for one in outcomes for row in one.history]
    if history:
        copy_in(conn, "score_history", _history_table(context, history))
    _tell(conn, context, shown)


def postpone(conn: Connection, context: Context, refs: Sequence[uuid.UUID]) -> None:
    """Look again in a day at scores that could not be computed now: nothing is measured any more. They stay as shown."""
    if refs:
        conn.execute(
            "UPDATE score SET due_at = %s WHERE model = %s AND ref = ANY(%s)",
            [context.as_of + dt.timedelta(days=1), context.model.name, list(refs)],
        )


def release(conn: Connection, claims: Sequence[Claim]) -> None:
    """Take away the marks of customers that were touched and are now scored; those touched again keep theirs."""
    marked = [one for one in claims if one.mark is not None]
    if marked:
        conn.execute(_RELEASE, [[one.ref for one in marked], [one.mark for one in marked]])


def _told(outcomes: Sequence[Outcome]) -> str:
    """Rows of the score table as JSON; inputs and contributions are JSON already."""
    rows = []
    for one in outcomes:
        stored, shown = one.subject.stored, one.shown
        row: dict[str, Any] = {
            "ref": one.subject.ref,
            "revision": 0 if stored is None else stored.revision,
            "source": one.subject.source,
            "segment": one.subject.segment,
            "due_at": instant(one.due_at),
            "last_seen_at": _optional(one.last_seen),
            "daily_at": instant(one.daily_at),
            "settled_at": instant(one.settled_at),
            "logged_at": _optional(one.logged_at),
            "pending": one.pending,
        }
        if shown is not None:
            row |= {
                "score": Decimal(shown.score).scaleb(-2),
                "band": shown.band,
                "grade": shown.grade,
                "as_of": instant(shown.as_of),
                "inputs": msgspec.Raw(shown.inputs),
                "contributions": msgspec.Raw(shown.contributions),
            }
        rows.append(row)
    return _encoder.encode(rows).decode()


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
        "score": pa.array([Decimal(row.score).scaleb(-2) for row in own], pa.decimal128(38, 9)),
        "band": pa.array([row.band for row in own]),
        "grade": pa.array([row.grade for row in own]),
        "cause": pa.array([row.cause for row in own]),
        "inputs": pa.array([b"\x01" + row.inputs for row in own], pa.binary()),
        "contributions": pa.array([b"\x01" + row.contributions for row in own], pa.binary()),
    }
    return pa.table(columns)


def _optional(at: int | None) -> dt.datetime | None:
    return None if at is None else instant(at)


def _tell(conn: Connection, context: Context, shown: Sequence[Outcome]) -> None:
    """One change for each score that is shown anew; channels in rising order, as everybody locks them."""
    by_shard: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for one in shown:
        row, stored = one.shown, one.subject.stored
        if row is None:
            continue
        by_shard[shard(one.subject.ref)].append(
            {
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
        )
    for number in sorted(by_shard):
        append_changes(conn, SCORERS + number, "score", by_shard[number], context.wall)
