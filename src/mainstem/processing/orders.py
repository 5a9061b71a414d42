"""Orders: decisions about more records in quarantine than one request decides about, carried out in the background.

An order keeps who said what about which records, and how far that has been done. It goes through the records by id, a stretch
in a turn. What a turn decides is claimed in the order's name before it goes into the log, and counted in one transaction with
how far the order came. So whoever takes an order up after a kill finds the decisions that nobody has counted: they are in
effect or were never made, which the records themselves tell, and each is counted once.

Only records count that had been received when it was ordered. What was decided holds, whatever becomes of the order. A preview
of as many records is ordered too, and decides nothing.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import uuid
from collections.abc import Collection, Sequence
from typing import Any, Literal

import msgspec

from mainstem.errors import ConfigurationError, NotFoundError
from mainstem.eventlog import Head
from mainstem.processing.outcome import Failing, Outcome, Stretch, most_frequent
from mainstem.processing.quarantine_reader import OPEN, QuarantineSelection, Verb, count_entries
from mainstem.processing.replay import Author
from mainstem.store import Connection, Database

__all__ = ["Order", "Orders", "State", "Turn", "Uncounted"]

State = Literal["waiting", "running", "done", "cancelled", "failed"]

_COUNTS = ("matched", "passing", "decided", "underway", "settled", "failing")
_COLUMNS = (
    "id, verb, selection, source, author, why, ordered_at, selected, state, matched, passing, decided, underway, settled, "
    "failing, failures, error, ended_at, contract"
)
# The state in which a decision leaves a record.
_LEFT: dict[str, str] = {"replay": "fixed", "release": "fixed", "dismiss": "dismissed"}


@dataclasses.dataclass(frozen=True, slots=True)
class Order:
    """What was ordered, by whom and why, and how far it has come."""

    id: uuid.UUID
    verb: Verb
    selection: QuarantineSelection
    source: str | None
    """The source of all records that are meant; None: of any."""
    author: str
    why: str
    ordered_at: dt.datetime
    selected: int
    """How many records were meant when it was ordered."""
    state: State
    matched: int
    passing: int
    decided: int
    underway: int
    settled: int
    failing: int
    failures: Sequence[Failing]
    """What is wrong with those that do not pass; see `Outcome`."""
    error: str | None
    """Why it failed."""
    ended_at: dt.datetime | None
    contract: str | None = None
    """Of a preview: the text of a contract that is tried."""

    def told(self) -> dict[str, Any]:
        """For answers."""
        names = ("verb", "source", "why", "ordered_at", "selected", "state", *_COUNTS, "error", "ended_at")
        return {
            "id": str(self.id),
            "by": self.author,
            **{name: getattr(self, name) for name in names},
            "selection": _told(self.selection),
            "failures": [one.told() for one in self.failures],
        }


@dataclasses.dataclass(frozen=True, slots=True)
class Turn:
    """The next stretch of an order, and what it is decided with."""

    order: uuid.UUID
    number: int
    verb: Verb
    selection: QuarantineSelection
    author: Author
    stretch: Stretch
    contract: str | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Uncounted:
    """Decisions of an order's turn that ended before it counted them. `heads`: where the log holds them; None: if at all."""

    batch: int
    order: uuid.UUID
    claimed_at: dt.datetime
    heads: Sequence[Head] | None


class Orders:
    """The orders of an installation, for any thread; methods raise StorageFullError or UnavailableError.

    `at_once` is about how many records a request may decide without one.
    """

    def __init__(self, database: Database, at_once: int = 1) -> None:
        self._database = database
        self._at_once = at_once

    def place(
        self, verb: Verb, selection: QuarantineSelection, author: Author, contract: str | None = None
    ) -> Order | None:
        """Order a decision; None where it is about so few records that it can be made at once, or names them by id.

        `contract` is the text that a preview tries.
        """
        if selection.ids:
            return None
        meant = selection.meant_by(verb)
        id_ = uuid.uuid4()
        with self._database.transaction() as conn:
            selected = count_entries(conn, meant)
            if selected <= self._at_once:
                return None
            conn.execute(
                """
                INSERT INTO quarantine_order (id, verb, selection, source, author, why, selected, contract)
                VALUES (%(id)s, %(verb)s, %(selection)s, coalesce(%(source)s, (SELECT source FROM load WHERE id = %(load)s)),
                    %(author)s, %(why)s, %(selected)s, %(contract)s)
                """,
                {
                    "id": id_,
                    "verb": verb,
                    "selection": json.dumps(_told(selection)),
                    "source": selection.source,
                    "load": selection.load,
                    "author": author.by,
                    "why": author.reason,
                    "selected": selected,
                    "contract": contract,
                },
            )
            return _read(conn, id_)

    def read(self, id_: uuid.UUID) -> Order:
        """Raises NotFoundError."""
        with self._database.autocommit() as conn:
            return _read(conn, id_)

    def latest(
        self, *, sources: Collection[str] | None = None, any_source: bool = True, running: bool = False, limit: int = 50
    ) -> list[Order]:
        """Orders, the latest first: about these sources' records, or all; `running`: those that have not ended.

        With `any_source` those are among them that are about any source's records.
        """
        with self._database.autocommit() as conn:
            rows = conn.execute(
                f"""
                SELECT {_COLUMNS} FROM quarantine_order
                WHERE (%(all)s OR source = ANY(%(sources)s) OR %(any_source)s AND source IS NULL)
                AND (NOT %(running)s OR ended_at IS NULL) ORDER BY ordered_at DESC, id LIMIT %(limit)s
                """,
                {
                    "all": sources is None,
                    "sources": list(sources or ()),
                    "any_source": any_source,
                    "running": running,
                    "limit": limit,
                },
            ).fetchall()
        return [_order(row) for row in rows]

    def cancel(self, id_: uuid.UUID) -> Order:
        """End an order that has not ended; what was decided holds.

        Raises NotFoundError, and ConfigurationError where a whole load was decided about.
        """
        with self._database.transaction() as conn:
            order = _read(conn, id_)
            if order.selection.load is not None and order.verb != "preview" and order.ended_at is None:
                raise ConfigurationError(
                    f"The load {order.selection.load} is decided about as a whole: it cannot be left in part.",
                    hint="A load that is being given up can be released; one that is being released stays so.",
                )
            conn.execute(
                "UPDATE quarantine_order SET state = 'cancelled', ended_at = now() WHERE id = %s AND ended_at IS NULL",
                [id_],
            )
            return _read(conn, id_)

    def begin_turn(self, most: int) -> Turn | None:
        """The next stretch, of at most so many records, of the open order that has waited longest; None: nothing to do.

        An order whose decisions are not all counted waits.
        """
        with self._database.transaction() as conn:
            row = conn.execute(
                """
                UPDATE quarantine_order SET turn = turn + 1, turned_at = clock_timestamp(), state = 'running'
                WHERE id = (
                    SELECT id FROM quarantine_order AS o WHERE ended_at IS NULL
                    AND NOT EXISTS (SELECT FROM decision_batch AS b WHERE b.order_id = o.id)
                    ORDER BY turned_at, id LIMIT 1 FOR UPDATE
                ) RETURNING id, turn, verb, selection, author, why, ordered_at, reached, contract
                """
            ).fetchone()
        if row is None:
            return None
        id_, number, verb, told, author, why, ordered_at, reached, contract = row
        selection = _selection(told)
        if selection.load is None:
            selection = dataclasses.replace(selection, received_until=ordered_at)
        stretch = Stretch(most=most) if reached is None else Stretch(reached, most)
        return Turn(id_, number, verb, selection, Author(author, why, (id_, number)), stretch, contract)

    def end_turn(self, turn: Turn, outcome: Outcome) -> bool:
        """Count what a turn came to; False where another has had the next one meanwhile."""
        with self._database.transaction() as conn:
            row = conn.execute(
                "SELECT failures FROM quarantine_order WHERE id = %s AND turn = %s FOR UPDATE",
                [turn.order, turn.number],
            ).fetchone()
            if row is None:
                return False
            failures = most_frequent([*_failures(row[0]), *outcome.failing])
            conn.execute(
                """
                UPDATE quarantine_order SET matched = matched + %(matched)s, passing = passing + %(passing)s,
                    decided = decided + %(decided)s, underway = underway + %(underway)s, settled = settled + %(settled)s,
                    failing = failing + %(failed)s, failures = %(failures)s, reached = coalesce(%(reached)s, reached)
                WHERE id = %(id)s
                """,
                {
                    **{name: getattr(outcome, name) for name in ("matched", "passing", "decided", "underway")},
                    "settled": outcome.settled,
                    "failed": outcome.failed,
                    "failures": json.dumps([one.told() for one in failures]),
                    "reached": outcome.reached,
                    "id": turn.order,
                },
            )
            if outcome.reached is None:
                _end(conn, turn.order, "done", None)
            conn.execute(
                "UPDATE decision_batch SET order_id = NULL WHERE order_id = %s AND order_turn = %s",
                [turn.order, turn.number],
            )
        return True

    def fail(self, turn: Turn, error: str) -> None:
        """End an order that cannot be carried out; what was decided holds."""
        with self._database.transaction() as conn:
            _end(conn, turn.order, "failed", error)

    def uncounted(self) -> list[Uncounted]:
        """Decisions that a turn made, or was about to, when it ended in disorder."""
        with self._database.autocommit() as conn:
            rows = conn.execute(
                "SELECT id, order_id, claimed_at, heads FROM decision_batch WHERE order_id IS NOT NULL ORDER BY id"
            ).fetchall()
        return [
            Uncounted(batch, order, at, None if heads is None else msgspec.convert(heads, list[Head]))
            for batch, order, at, heads in rows
        ]

    def count(self, uncounted: Uncounted) -> int:
        """Count the decisions that were made, all of which are in effect; how many."""
        with self._database.transaction() as conn:
            [(verb,)] = conn.execute(
                "UPDATE quarantine_order SET turn = turn + 1 WHERE id = %s RETURNING verb", [uncounted.order]
            ).fetchall()
            [(made,)] = conn.execute(
                "SELECT count(*) FROM quarantine_claim AS c JOIN quarantine AS q ON q.id = c.record"
                " WHERE c.batch = %s AND q.state = %s",
                [uncounted.batch, _LEFT[verb]],
            ).fetchall()
            gone = conn.execute("DELETE FROM decision_batch WHERE id = %s", [uncounted.batch]).rowcount
            made = int(made) if gone else 0
            passing = 0 if verb == "dismiss" else made
            conn.execute(
                "UPDATE quarantine_order SET matched = matched + %(made)s, passing = passing + %(passing)s,"
                " decided = decided + %(made)s WHERE id = %(id)s",
                {"made": made, "passing": passing, "id": uncounted.order},
            )
        return made

    def trim(self, before: dt.datetime) -> int:
        """Forget orders that ended before; how many."""
        with self._database.autocommit() as conn:
            return conn.execute("DELETE FROM quarantine_order WHERE ended_at < %s", [before]).rowcount


def _end(conn: Connection, id_: uuid.UUID, state: State, error: str | None) -> None:
    conn.execute(
        "UPDATE quarantine_order SET state = %s, error = %s, ended_at = now() WHERE id = %s AND ended_at IS NULL",
        [state, error, id_],
    )


def _read(conn: Connection, id_: uuid.UUID) -> Order:
    row = conn.execute(f"SELECT {_COLUMNS} FROM quarantine_order WHERE id = %s", [id_]).fetchone()
    if row is None:
        raise NotFoundError(f"There is no order {id_}.", hint="Orders that ended are forgotten after a month.")
    return _order(row)


def _order(row: tuple[Any, ...]) -> Order:
    named = dict(zip(_COLUMNS.split(", "), row, strict=True))
    named["selection"] = _selection(named["selection"])
    named["failures"] = _failures(named["failures"])
    return Order(**named)


def _told(selection: QuarantineSelection) -> dict[str, Any]:
    """What was given of a selection, as JSON."""
    given = {
        "source": selection.source,
        "stream": selection.stream,
        "reason": selection.reason,
        "field": selection.field,
        "contract_version": selection.contract_version,
        "rule": selection.rule,
        "held_by": None if selection.held_by is None else list(selection.held_by),
        "load": None if selection.load is None else str(selection.load),
        "state": None if selection.states == OPEN else selection.states[0],
    }
    return {name: value for name, value in given.items() if value is not None}


def _selection(told: dict[str, Any]) -> QuarantineSelection:
    """The inverse of `_told`."""
    given = dict(told)
    state = given.pop("state", None)
    load = given.pop("load", None)
    return QuarantineSelection(
        **given, load=None if load is None else uuid.UUID(load), states=OPEN if state is None else (state,)
    )


def _failures(told: Sequence[dict[str, Any]]) -> list[Failing]:
    return [Failing(**{**one, "example": uuid.UUID(one["example"])}) for one in told]
