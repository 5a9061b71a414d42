"""Outcomes into PostgreSQL, inside the scorer's transaction."""

from __future__ import annotations

import datetime as dt
import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from mainstem.analytics.batch import HistoryRow, Outcome
from mainstem.analytics.context import Context
from mainstem.analytics.inputs import instant
from mainstem.analytics.subjects import SCORERS, Claim, shard
from mainstem.errors import UnavailableError
from mainstem.store import Connection, append_changes

__all__ = ["postpone", "release", "write_outcomes"]

_REPLACE = """
    INSERT INTO score (ref, model, model_version, revision, score, band, grade, source, segment, as_of, computed_at,
                       due_at, last_seen_at, daily_at, settled_at, logged_at, pending, inputs, contributions)
    SELECT ref, %(model)s, %(version)s, revision + 1, score, band, grade, source, segment, as_of, %(wall)s, due_at,
           last_seen_at, daily_at, settled_at, logged_at, pending, inputs::jsonb, contributions::jsonb
    FROM unnest(%(ref)s::uuid[], %(revision)s::bigint[], %(score)s::numeric[], %(band)s::text[], %(grade)s::text[],
                %(source)s::text[], %(segment)s::text[], %(as_of)s::timestamptz[], %(due_at)s::timestamptz[],
                %(last_seen_at)s::timestamptz[], %(daily_at)s::timestamptz[], %(settled_at)s::timestamptz[],
                %(logged_at)s::timestamptz[], %(pending)s::boolean[], %(inputs)s::text[], %(contributions)s::text[])
         AS new (ref, revision, score, band, grade, source, segment, as_of, due_at, last_seen_at, daily_at, settled_at,
                 logged_at, pending, inputs, contributions)
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
    FROM unnest(%(ref)s::uuid[], %(revision)s::bigint[], %(segment)s::text[], %(due_at)s::timestamptz[],
                %(last_seen_at)s::timestamptz[], %(daily_at)s::timestamptz[], %(settled_at)s::timestamptz[],
                %(logged_at)s::timestamptz[], %(pending)s::boolean[])
         AS new (ref, revision, segment, due_at, last_seen_at, daily_at, settled_at, logged_at, pending)
    WHERE score.ref = new.ref AND score.model = %(model)s AND score.revision = new.revision
    """
_LOG = """
    INSERT INTO score_history (ref, model, model_version, kind, complete, as_of, known_at, score, band, grade, inputs,
                               contributions, cause)
    SELECT ref, %(model)s, %(version)s, kind, complete, as_of, %(wall)s, score, band, grade, inputs::jsonb,
           contributions::jsonb, cause
    FROM unnest(%(ref)s::uuid[], %(kind)s::text[], %(complete)s::boolean[], %(as_of)s::timestamptz[],
                %(score)s::numeric[], %(band)s::text[], %(grade)s::text[], %(inputs)s::text[], %(contributions)s::text[],
                %(cause)s::text[])
         AS new (ref, kind, complete, as_of, score, band, grade, inputs, contributions, cause)
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
        if some and conn.execute(statement, {**names, **_columns(some)}).rowcount != len(some):
            raise UnavailableError("Another scorer replaced one of these scores.", retry_after=0.1)
    history = [(one.subject.ref, row) for one in outcomes for row in one.history]
    if history:
        conn.execute(_LOG, {**names, **_history_columns(history)})
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


def _columns(outcomes: Sequence[Outcome]) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = defaultdict(list)
    for one in outcomes:
        stored = one.subject.stored
        columns["ref"].append(one.subject.ref)
        columns["revision"].append(0 if stored is None else stored.revision)
        columns["source"].append(one.subject.source)
        columns["segment"].append(one.subject.segment)
        columns["due_at"].append(instant(one.due_at))
        columns["last_seen_at"].append(_optional(one.last_seen))
        columns["daily_at"].append(instant(one.daily_at))
        columns["settled_at"].append(instant(one.settled_at))
        columns["logged_at"].append(_optional(one.logged_at))
        columns["pending"].append(one.pending)
        if one.shown is not None:
            _add_score(columns, one.shown)
    return columns


def _history_columns(rows: Sequence[tuple[uuid.UUID, HistoryRow]]) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = defaultdict(list)
    for ref, row in rows:
        columns["ref"].append(ref)
        columns["kind"].append(row.kind)
        columns["complete"].append(row.complete)
        columns["cause"].append(row.cause)
        _add_score(columns, row)
    return columns


def _add_score(columns: Mapping[str, list[Any]], row: HistoryRow) -> None:
    columns["score"].append(Decimal(row.score).scaleb(-2))
    columns["band"].append(row.band)
    columns["grade"].append(row.grade)
    columns["as_of"].append(instant(row.as_of))
    columns["inputs"].append(row.inputs.decode())
    columns["contributions"].append(row.contributions.decode())


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
