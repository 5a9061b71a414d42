"""Looking into quarantine: causes with their counts, single records, and what was decided about them."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self

from mainstem.errors import NotFoundError
from mainstem.model import Lane, Place
from mainstem.store import Connection

__all__ = [
    "OPEN",
    "Cause",
    "QuarantineEntry",
    "QuarantineSelection",
    "Verb",
    "count_entries",
    "read_causes",
    "read_entries",
    "read_entry",
    "read_history",
    "read_page",
]

OPEN = ("quarantined", "held")
"""States of records that wait for a decision."""
Verb = Literal["replay", "release", "dismiss", "preview"]
"""What can be decided about many records at once."""
_MOST_CAUSES = 1000
_CAUSE = "source, stream, reason, field, rule, held_by, load, contract_version"
_COLUMNS = (
    "id, epoch, partition, lane, position, index, source, stream, contract_version, received_at, reason, field, rule, message,"
    " state, decided_at, held_by, load"
)


@dataclasses.dataclass(frozen=True, slots=True)
class QuarantineSelection:
    """Which quarantined or held records are meant: all that agree with everything given. Without anything: all."""

    source: str | None = None
    stream: str | None = None
    reason: str | None = None
    field: str | None = None
    contract_version: int | None = None
    other_than_version: int | None = None
    """Only those that another contract version put there."""
    rule: str | None = None
    held_by: Sequence[str] | None = None
    """Only those that exactly these checks hold, in the order of the contract."""
    load: uuid.UUID | None = None
    """Only those of this load, which was held as a whole."""
    parted: bool = True
    """Also some records of a load that is held, or was dismissed, as a whole."""
    received_until: dt.datetime | None = None
    ids: Sequence[uuid.UUID] = ()
    states: Sequence[str] = OPEN

    def meant_by(self, verb: Verb) -> Self:
        """The same, as a verb means it: in the states that it finds records in, and no part of a load but by naming ids."""
        states = self.states
        if verb == "release":
            held: tuple[str, ...] = ("held",) if self.load is None else ("held", "dismissed")
            found = (*OPEN, "dismissed") if self.ids else held
            states = found if states == OPEN else tuple(state for state in found if state in states)
        parted = self.parted and (self.load is not None or bool(self.ids))
        return dataclasses.replace(self, states=states, parted=parted)

    def condition(self) -> tuple[str, dict[str, Any]]:
        """SQL over `quarantine`, and its parameters."""
        given: dict[str, Any] = {
            "source": self.source,
            "stream": self.stream,
            "reason": self.reason,
            "field": self.field,
            "contract_version": self.contract_version,
            "rule": self.rule,
            "load": self.load,
        }
        given = {name: value for name, value in given.items() if value is not None}
        parts = ["state = ANY(%(states)s)", *(f"{name} = %({name})s" for name in given)]
        given["states"] = list(self.states)
        if self.ids:
            parts.append("id = ANY(%(ids)s)")
            given["ids"] = list(self.ids)
        if not self.parted:
            parts.append("(load IS NULL OR load IN (SELECT id FROM load WHERE state IN ('passed', 'released')))")
        if self.held_by is not None:
            parts.append("held_by = %(held_by)s::jsonb")
            given["held_by"] = json.dumps(list(self.held_by))
        if self.other_than_version is not None:
            parts.append("contract_version <> %(other)s")
            given["other"] = self.other_than_version
        if self.received_until is not None:
            parts.append("received_at <= %(received_until)s")
            given["received_until"] = self.received_until
        return " AND ".join(parts), given


@dataclasses.dataclass(frozen=True, slots=True)
class Cause:
    """Records that wait for the same reason. `example` is the id of the latest."""

    source: str
    stream: str
    reason: str
    field: str | None
    rule: str | None
    held_by: Sequence[str]
    """The checks that hold them; none where they are quarantined."""
    load: uuid.UUID | None
    """The load that they came with, where that was held as a whole."""
    contract_version: int
    message: str
    count: int
    first_at: dt.datetime
    last_at: dt.datetime
    example: uuid.UUID

    @property
    def state(self) -> str:
        """What they wait as."""
        return "held" if self.held_by else "quarantined"


@dataclasses.dataclass(frozen=True, slots=True)
class QuarantineEntry:
    """A record that was quarantined or held, without its content."""

    id: uuid.UUID
    place: Place
    source: str
    stream: str
    contract_version: int
    received_at: dt.datetime
    reason: str
    field: str | None
    rule: str | None
    message: str
    state: str
    decided_at: dt.datetime | None
    held_by: Sequence[str] = ()
    """The checks that hold it, or held it; none of a record that is quarantined."""
    load: uuid.UUID | None = None
    """The load that it came with, where that was held as a whole."""
    sealed: bytes = dataclasses.field(repr=False, default=b"")


def read_causes(conn: Connection, selection: QuarantineSelection) -> list[Cause]:
    """The selected records by cause, the most frequent first; a thousand causes at most."""
    condition, given = selection.condition()
    # The example is looked up: to have it from the groups, all rows would be sorted.
    rows = conn.execute(
        f"""
        SELECT cause.*, example.id FROM (
            SELECT {_CAUSE}, min(message) AS message, count(*) AS n, min(received_at) AS first_at, max(received_at) AS last_at
            FROM quarantine WHERE {condition} GROUP BY {_CAUSE} ORDER BY n DESC, {_CAUSE} LIMIT {_MOST_CAUSES}
        ) AS cause CROSS JOIN LATERAL (
            SELECT id FROM quarantine AS one
            WHERE {condition} AND (one.source, one.stream, one.reason, one.received_at, one.contract_version, one.held_by)
                = (cause.source, cause.stream, cause.reason, cause.last_at, cause.contract_version, cause.held_by)
                AND one.field IS NOT DISTINCT FROM cause.field AND one.rule IS NOT DISTINCT FROM cause.rule
                AND one.load IS NOT DISTINCT FROM cause.load
            ORDER BY id DESC LIMIT 1
        ) AS example ORDER BY n DESC, {_CAUSE}
        """,
        given,
    ).fetchall()
    return [Cause(*row) for row in rows]


def count_entries(conn: Connection, selection: QuarantineSelection) -> int:
    """How many are selected."""
    condition, given = selection.condition()
    [(count,)] = conn.execute(f"SELECT count(*) FROM quarantine WHERE {condition}", given).fetchall()
    return int(count)


def read_entries(
    conn: Connection,
    selection: QuarantineSelection,
    *,
    limit: int,
    after: tuple[dt.datetime, uuid.UUID] | None = None,
    sealed: bool = False,
) -> list[QuarantineEntry]:
    """Selected records, the latest first and older than `after`."""
    condition, given = selection.condition()
    given |= {"limit": limit}
    if after is not None:
        condition += " AND (received_at, id) < (%(at)s, %(id)s)"
        given |= {"at": after[0], "id": after[1]}
    rows = conn.execute(
        f"SELECT {_COLUMNS}, {'sealed' if sealed else 'NULL'} FROM quarantine WHERE {condition}"
        " ORDER BY received_at DESC, id DESC LIMIT %(limit)s",
        given,
    ).fetchall()
    return [_entry(row) for row in rows]


def read_page(
    conn: Connection, selection: QuarantineSelection, *, following: uuid.UUID, limit: int, most_bytes: int
) -> list[QuarantineEntry]:
    """Selected records with their sealed content, by id, from the one behind `following`.

    As many as `limit`, and not more than `most_bytes` of content, but always one where there is one.
    """
    condition, given = selection.condition()
    given |= {"following": following, "limit": limit, "most_bytes": most_bytes}
    rows = conn.execute(
        f"""
        SELECT {_COLUMNS}, sealed FROM (
            SELECT *, sum(octet_length(sealed)) OVER (ORDER BY id) - octet_length(sealed) AS before FROM (
                SELECT {_COLUMNS}, sealed FROM quarantine
                WHERE {condition} AND id > %(following)s ORDER BY id LIMIT %(limit)s
            ) AS page
        ) AS page WHERE before + octet_length(sealed) <= %(most_bytes)s OR before = 0 ORDER BY id
        """,
        given,
    ).fetchall()
    return [_entry(row) for row in rows]


def _entry(row: tuple[Any, ...]) -> QuarantineEntry:
    id_, epoch, partition, lane, position, index, *rest, sealed = row
    source, stream, version, received_at, reason, field, rule, message, state, decided_at, held_by, load = rest
    return QuarantineEntry(
        id=id_,
        place=Place(epoch, partition, Lane(lane), position, index),
        source=source,
        stream=stream,
        contract_version=version,
        received_at=received_at,
        reason=reason,
        field=field,
        rule=rule,
        message=message,
        state=state,
        decided_at=decided_at,
        held_by=held_by,
        load=load,
        sealed=bytes(sealed or b""),
    )


def read_entry(conn: Connection, id_: uuid.UUID) -> QuarantineEntry:
    """One record, in whatever state, with its sealed content. Raises NotFoundError."""
    selection = QuarantineSelection(ids=[id_], states=(*OPEN, "dismissed", "fixed"))
    entries = read_entries(conn, selection, limit=1, sealed=True)
    if not entries or not entries[0].sealed:
        raise NotFoundError(f"No record {id_} is in quarantine.", hint="List them: mainstem quarantine list --records")
    return entries[0]


def read_history(conn: Connection, id_: uuid.UUID) -> list[Mapping[str, Any]]:
    """What was decided about a record, in order: `decision`, `at`, `by`, `reason`, `contract_version`, `released`."""
    rows = conn.execute(
        "SELECT decision, decided_at, decided_by, reason, contract_version, released FROM quarantine_decision WHERE id = %s"
        " ORDER BY decided_at, decision DESC",
        [id_],
    ).fetchall()
    names = ("decision", "at", "by", "reason", "contract_version", "released")
    return [dict(zip(names, row, strict=True)) for row in rows]
