"""Quarantined records, and the decisions about them.

A decision may be met before the record it is about: a rebuild folds one partition after the other. It then leaves a row
that says only what was decided, and the record fills in the rest when it comes. Both orders end in the same row and the
same ledger.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence

import pyarrow as pa

from mainstem.errors import IntegrityError
from mainstem.intake import QuarantineDismissed, QuarantineFixed
from mainstem.model import Place, Span
from mainstem.processing.quarantine import quarantine_id
from mainstem.processing.tables.binary_copy import copy_rows
from mainstem.store import Connection

__all__ = ["decide_quarantine", "foresee_decisions", "write_quarantined"]

QuarantineDecision = QuarantineFixed | QuarantineDismissed
_OPEN = ("quarantined", "held")

_INCOMING = """
CREATE TEMPORARY TABLE IF NOT EXISTS incoming_quarantine (
    id uuid, position bigint, index integer, source text COLLATE "C", stream text COLLATE "C", contract_version integer,
    received_at timestamptz, reason text COLLATE "C", field text COLLATE "C", message text, rule text COLLATE "C", sealed bytea
) ON COMMIT DELETE ROWS
"""


def write_quarantined(conn: Connection, span: Span, rows: pa.Table, sealed: pa.Table) -> None:
    """Keep quarantined records, inside the sink's transaction. Raises IntegrityError when one is there already."""
    if not rows.num_rows:
        return
    places = zip(rows["position"].to_pylist(), rows["index"].to_pylist(), strict=True)
    ids = [quarantine_id(Place(span.epoch, span.partition, span.lane, *place)).bytes for place in places]
    conn.execute(_INCOMING)
    names = ("position", "source", "stream", "contract_version", "received_at", "reason", "field", "message", "rule")
    columns = {
        "id": pa.array(ids, pa.binary(16)),
        "index": rows["index"].cast(pa.int32()),
        "sealed": sealed["sealed"],
        **{name: rows[name] for name in names},
    }
    copy_rows(conn, "incoming_quarantine", columns)
    written = conn.execute(
        """
        INSERT INTO quarantine AS q (id, epoch, partition, lane, position, index, source, stream, contract_version,
            received_at, reason, field, message, rule, state, sealed)
        SELECT id, %s, %s, %s, position, index, source, stream, contract_version, received_at, reason, field, message,
            rule, 'quarantined', sealed
        FROM incoming_quarantine ORDER BY id
        ON CONFLICT (id) DO UPDATE SET source = excluded.source, stream = excluded.stream,
            contract_version = excluded.contract_version, received_at = excluded.received_at, reason = excluded.reason,
            field = excluded.field, message = excluded.message, rule = excluded.rule, sealed = excluded.sealed
        WHERE q.sealed = ''::bytea
        """,
        [span.epoch, span.partition, int(span.lane)],
    ).rowcount
    if written != rows.num_rows:
        raise IntegrityError(f"{rows.num_rows - written} records of {span} are in quarantine already.")


def foresee_decisions(conn: Connection, decisions: Sequence[QuarantineDecision]) -> list[bool]:
    """Which of the decisions, in this order, will change what they are about."""
    ids = [quarantine_id(Place.parse(decision.place)) for decision in decisions]
    states: dict[uuid.UUID, str] = dict(
        conn.execute("SELECT id, state FROM quarantine WHERE id = ANY(%s)", [ids]).fetchall()
    )
    changes = []
    for id_, decision in zip(ids, decisions, strict=True):
        state, before = _transition(decision)
        change = states.get(id_, before[0]) in before
        if change:
            states[id_] = state
        changes.append(change)
    return changes


def decide_quarantine(conn: Connection, decision: QuarantineDecision, at: dt.datetime) -> bool:
    """Apply a decision inside the sink's transaction; whether it changed anything.

    What is fixed stays fixed; what is dismissed can still be fixed.
    """
    place = Place.parse(decision.place)
    about = decision.record if isinstance(decision, QuarantineFixed) else decision
    state, before = _transition(decision)
    changed = conn.execute(
        """
        INSERT INTO quarantine AS q (id, epoch, partition, lane, position, index, source, stream, contract_version,
            received_at, reason, message, state, decided_at, sealed)
        VALUES (%s, %s, %s, %s, %s, %s, %s, %s, 0, %s, 'undecided', '', %s, %s, ''::bytea)
        ON CONFLICT (id) DO UPDATE SET state = excluded.state, decided_at = excluded.decided_at
        WHERE q.state = ANY(%s)
        """,
        [
            quarantine_id(place),
            place.epoch,
            place.partition,
            int(place.lane),
            place.position,
            place.index,
            about.source,
            about.stream,
            about.received_at,
            state,
            at,
            list(before),
        ],
    ).rowcount
    return bool(changed)


def _transition(decision: QuarantineDecision) -> tuple[str, tuple[str, ...]]:
    """The state a decision leads to, and those it leads from."""
    if isinstance(decision, QuarantineFixed):
        return "fixed", (*_OPEN, "dismissed")
    return "dismissed", _OPEN
