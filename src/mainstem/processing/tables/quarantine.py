"""Quarantined records, and the decisions about them.

A decision may be met before the record it is about: a rebuild folds one partition after the other. It then leaves a row
that says only what was decided, and the record fills in the rest when it comes. Both orders end in the same row and the
same ledger.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import pyarrow as pa

from mainstem.errors import IntegrityError
from mainstem.intake import QuarantineDismissed, QuarantineFixed, WaitEnded
from mainstem.model import Place, Span
from mainstem.processing.quarantine import quarantine_id
from mainstem.processing.tables.binary_copy import Jsonb, copy_rows
from mainstem.processing.tables.orphans import settle_orphans
from mainstem.store import Connection

__all__ = ["Decided", "Left", "decide_quarantine", "foresee_decisions", "write_quarantined"]

QuarantineDecision = QuarantineFixed | QuarantineDismissed | WaitEnded
Left = Literal["held", "quarantined"]
"""The term that a decision takes a record out of."""

_OPEN = ("quarantined", "held")

_INCOMING = """
CREATE TEMPORARY TABLE IF NOT EXISTS incoming_quarantine (
    id uuid, position bigint, index integer, source text COLLATE "C", stream text COLLATE "C", contract_version integer,
    received_at timestamptz, reason text COLLATE "C", field text COLLATE "C", message text, rule text COLLATE "C",
    held_by jsonb, load uuid, customer uuid, sealed bytea
) ON COMMIT DELETE ROWS
"""


_DECIDED = """
CREATE TEMPORARY TABLE IF NOT EXISTS decided_quarantine (
    id uuid PRIMARY KEY, epoch integer, partition smallint, lane smallint, position bigint, index integer,
    source text COLLATE "C", stream text COLLATE "C", received_at timestamptz, state text COLLATE "C",
    decided_at timestamptz, dismissed boolean, held_by jsonb
) ON COMMIT DELETE ROWS
"""
# A rebuild may meet the fix of another partition before the end of the wait that came first.
_FIXED_AHEAD = "fixed ahead"
_STATES = """
    SELECT id, CASE WHEN state = 'fixed' AND held_by = '[]' AND NOT EXISTS (
        SELECT FROM quarantine_decision AS d WHERE d.id = q.id AND d.decision = 'overdue'
    ) THEN %(ahead)s ELSE state END, sealed = ''::bytea, held_by <> '[]'
    FROM quarantine AS q WHERE id = ANY(%(ids)s)
"""
# Of a record that is not there yet, but was held when it was decided about: it says by what.
_UNTOLD = '["undecided"]'
_TIMESTAMP = pa.timestamp("us", tz="UTC")
_PLACE_TYPES = {
    "id": pa.binary(16),
    "epoch": pa.int32(),
    "partition": pa.int16(),
    "lane": pa.int16(),
    "position": pa.int64(),
    "index": pa.int32(),
    "decided_at": _TIMESTAMP,
}
_DECIDED_TYPES = {
    **_PLACE_TYPES,
    "source": pa.string(),
    "stream": pa.string(),
    "received_at": _TIMESTAMP,
    "state": pa.string(),
    "dismissed": pa.bool_(),
    "held_by": pa.string(),
}
_HISTORY_TYPES = {
    **_PLACE_TYPES,
    "decision": pa.string(),
    "decided_by": pa.string(),
    "reason": pa.string(),
    "contract_version": pa.int32(),
    "released": pa.string(),
}


@dataclasses.dataclass(frozen=True, slots=True)
class Decided:
    """A decision about a quarantined record, its own place, and when it was made."""

    place: Place
    decision: QuarantineDecision
    at: dt.datetime
    changes: bool
    """As foreseen."""


def write_quarantined(conn: Connection, span: Span, rows: pa.Table, sealed: pa.Table) -> None:
    """Keep quarantined records, inside the sink's transaction. Raises IntegrityError when one is there already."""
    if not rows.num_rows:
        return
    places = zip(rows["position"].to_pylist(), rows["index"].to_pylist(), strict=True)
    ids = [quarantine_id(Place(span.epoch, span.partition, span.lane, *place)).bytes for place in places]
    conn.execute(_INCOMING)
    names = (
        "position",
        "source",
        "stream",
        "contract_version",
        "received_at",
        "reason",
        "field",
        "message",
        "rule",
        "load",
        "customer",
    )
    columns = {
        "id": pa.array(ids, pa.binary(16)),
        "index": rows["index"].cast(pa.int32()),
        "sealed": sealed["sealed"],
        "held_by": Jsonb(pa.array(map(json.dumps, rows["held_by"].to_pylist()), pa.string())),
        **{name: rows[name] for name in names},
    }
    copy_rows(conn, "incoming_quarantine", columns)
    written = conn.execute(
        """
        INSERT INTO quarantine AS q (id, epoch, partition, lane, position, index, source, stream, contract_version,
            received_at, reason, field, message, rule, held_by, load, customer, state, sealed)
        SELECT id, %s, %s, %s, position, index, source, stream, contract_version, received_at, reason, field, message,
            rule, held_by, load, customer, CASE WHEN held_by = '[]' THEN 'quarantined' ELSE 'held' END, sealed
        FROM incoming_quarantine ORDER BY id
        ON CONFLICT (id) DO UPDATE SET source = excluded.source, stream = excluded.stream,
            contract_version = excluded.contract_version, received_at = excluded.received_at, reason = excluded.reason,
            field = excluded.field, message = excluded.message, rule = excluded.rule,
            held_by = CASE WHEN q.held_by = '[]' THEN '[]' ELSE excluded.held_by END, load = excluded.load, customer = excluded.customer, sealed = excluded.sealed
        WHERE q.sealed = ''::bytea
        """,
        [span.epoch, span.partition, int(span.lane)],
    ).rowcount
    if written != rows.num_rows:
        raise IntegrityError(f"{rows.num_rows - written} records of {span} are in quarantine already.")


def foresee_decisions(conn: Connection, decisions: Sequence[QuarantineDecision]) -> list[Left | None]:
    """Of the decisions, in this order, the term that each takes its record out of; None where it will change nothing."""
    ids = [quarantine_id(Place.parse(decision.place)) for decision in decisions]
    rows = conn.execute(_STATES, {"ids": ids, "ahead": _FIXED_AHEAD}).fetchall()
    states = {id_: state for id_, state, _, _ in rows}
    held = {id_: holding for id_, _, untold, holding in rows if not untold}
    terms: list[Left | None] = []
    for id_, decision in zip(ids, decisions, strict=True):
        state, before = _transition(decision)
        found = states.get(id_, before[0])
        if found not in before:
            terms.append(None)
            continue
        # Of a record that has not come yet only the decision can tell.
        holding = isinstance(decision, WaitEnded) or held.get(id_, not _was_quarantined(decision))
        terms.append("held" if holding else "quarantined")
        states[id_] = "fixed" if found == _FIXED_AHEAD else state
        if isinstance(decision, WaitEnded):
            held[id_] = False
    return terms


def decide_quarantine(conn: Connection, decided: Sequence[Decided]) -> bool:
    """Apply decisions inside the sink's transaction, and keep that they were made.

    False when one that was foreseen to change what it is about would not: somebody else decided meanwhile, and the
    transaction has to be given up. What is fixed stays fixed; what is dismissed can still be fixed. A rebuild may meet the
    fix first: so what changes nothing was decided all the same.
    """
    if not decided:
        return True
    if not _apply(conn, [one for one in decided if one.changes]):
        return False
    history = _columns([_history(one) for one in decided], _HISTORY_TYPES)
    copy_rows(conn, "quarantine_decision", {**history, "released": Jsonb(history["released"])})
    return True


def _apply(conn: Connection, decided: Sequence[Decided]) -> bool:
    """Move records to the states that decisions lead to; False when one does not move."""
    ahead = _fixed_ahead(conn, [one.decision for one in decided if isinstance(one.decision, WaitEnded)])
    decided = [one for one in decided if not (isinstance(one.decision, WaitEnded) and one.decision.place in ahead)]
    if not decided:
        return True
    # Of several about one record the first says what they lead from, the last one where to.
    first: dict[uuid.UUID, Decided] = {}
    last: dict[uuid.UUID, Decided] = {}
    for one in decided:
        id_ = quarantine_id(Place.parse(one.decision.place))
        first.setdefault(id_, one)
        last[id_] = one
    ids = sorted(last)
    let_go = {quarantine_id(Place.parse(one.decision.place)) for one in decided if _was_quarantined(one.decision)}
    rows = [
        _row(id_, last[id_], dismissed="dismissed" in _transition(first[id_].decision)[1], let_go=id_ in let_go)
        for id_ in ids
    ]
    conn.execute(_DECIDED)
    columns = _columns(rows, _DECIDED_TYPES)
    copy_rows(conn, "decided_quarantine", {**columns, "held_by": Jsonb(columns["held_by"])})
    changed = conn.execute(
        """
        INSERT INTO quarantine AS q (id, epoch, partition, lane, position, index, source, stream, contract_version,
            received_at, reason, message, state, decided_at, held_by, sealed)
        SELECT id, epoch, partition, lane, position, index, source, stream, 0, received_at, 'undecided', '', state,
            decided_at, held_by, ''::bytea
        FROM decided_quarantine ORDER BY id
        ON CONFLICT (id) DO UPDATE SET decided_at = excluded.decided_at,
            state = excluded.state,
            held_by = CASE WHEN excluded.held_by = '[]' THEN '[]' ELSE q.held_by END
        WHERE q.state IN ('quarantined', 'held') OR (q.state = 'dismissed' AND (
            SELECT dismissed FROM decided_quarantine AS d WHERE d.id = q.id
        ))
        """
    ).rowcount
    settle_orphans(conn)
    return changed == len(rows)


def _fixed_ahead(conn: Connection, waits: Sequence[WaitEnded]) -> set[str]:
    """The places of records that are fixed already: the end of their wait, which came first, moves nothing but the terms."""
    if not waits:
        return set()
    ids = {quarantine_id(Place.parse(one.place)): one.place for one in waits}
    rows = conn.execute(_STATES, {"ids": list(ids), "ahead": _FIXED_AHEAD}).fetchall()
    return {ids[id_] for id_, state, _, _ in rows if state == _FIXED_AHEAD}


def _columns(rows: Sequence[Mapping[str, Any]], types: Mapping[str, pa.DataType]) -> dict[str, pa.Array]:
    return {name: pa.array([row[name] for row in rows], kind) for name, kind in types.items()}


def _row(id_: uuid.UUID, one: Decided, *, dismissed: bool, let_go: bool) -> dict[str, Any]:
    """What is decided of a record; `dismissed`: also when it was dismissed before; `let_go`: nothing held it then."""
    place = Place.parse(one.decision.place)
    about = one.decision.record if isinstance(one.decision, QuarantineFixed) else one.decision
    return {
        "id": id_.bytes,
        **_numbers(place),
        "source": about.source,
        "stream": about.stream,
        "received_at": about.received_at,
        "state": _transition(one.decision)[0],
        "decided_at": one.at,
        "dismissed": dismissed,
        "held_by": "[]" if let_go else _UNTOLD,
    }


def _history(one: Decided) -> dict[str, Any]:
    decision = one.decision
    fixed = decision if isinstance(decision, QuarantineFixed) else None
    return {
        "id": quarantine_id(Place.parse(decision.place)).bytes,
        **_numbers(one.place),
        "decided_at": one.at,
        "decision": _word_of(decision),
        "decided_by": decision.by,
        "reason": decision.reason,
        "contract_version": None if fixed is None else fixed.record.contract_version,
        "released": json.dumps([] if fixed is None else fixed.released),
    }


def _word_of(decision: QuarantineDecision) -> str:
    """A decision in one word."""
    match decision:
        case WaitEnded():
            return "overdue"
        case QuarantineDismissed():
            return "dismissed"
        case QuarantineFixed(unchanged=False):
            return "fixed"
        case _:
            return "released" if decision.released else "replayed"


def _numbers(place: Place) -> dict[str, int]:
    return {
        "epoch": place.epoch,
        "partition": place.partition,
        "lane": int(place.lane),
        "position": place.position,
        "index": place.index,
    }


def _was_quarantined(decision: QuarantineDecision) -> bool:
    """Whether the decision says that nothing held the record then, or from then on."""
    return isinstance(decision, WaitEnded) or (isinstance(decision, QuarantineFixed) and not decision.held)


def _transition(decision: QuarantineDecision) -> tuple[str, tuple[str, ...]]:
    """The state a decision leads to, and those it leads from."""
    if isinstance(decision, QuarantineFixed):
        return "fixed", (*_OPEN, "dismissed")
    if isinstance(decision, WaitEnded):
        return "quarantined", ("held", _FIXED_AHEAD)
    return "dismissed", _OPEN
