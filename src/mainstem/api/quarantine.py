"""Routes about quarantined and held records: why they were set aside, single ones, and deciding about them."""

from __future__ import annotations

import base64
import uuid
from typing import Annotated, Any, Literal

import structlog
from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from mainstem.access import Permission, Principal
from mainstem.api.conservation import Conservation
from mainstem.api.envelope import Meta, answer
from mainstem.api.problems import ProblemError
from mainstem.api.quarantine_orders import add_orders
from mainstem.api.security import requires
from mainstem.api.tokens import PageToken, TokenSigner
from mainstem.clock import Clock
from mainstem.contracts import read_contract
from mainstem.processing import (
    OPEN,
    Author,
    Orders,
    Outcome,
    Quarantine,
    QuarantinedRecord,
    QuarantineEntry,
    QuarantineSelection,
    Verb,
    count_entries,
    merge_patch,
    read_causes,
    read_entries,
    read_entry,
    read_history,
)

__all__ = ["quarantine_router"]

_log = structlog.get_logger()

_Text = Annotated[str, Field(max_length=1000, pattern=r"^[^\x00]*$")]
_State = Literal["quarantined", "held"]


class _Asked(BaseModel):
    """Of the routes that read."""

    source: _Text | None = None
    stream: _Text | None = None
    reason: _Text | None = None
    state: _State | None = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50

    def selection(self) -> QuarantineSelection:
        return QuarantineSelection(self.source, self.stream, self.reason, states=_states(self.state))


class _Paged(_Asked):
    field: _Text | None = None
    contract_version: Annotated[int, Field(ge=0, lt=2**31)] | None = None
    rule: _Text | None = None
    cursor: str | None = None

    def selection(self) -> QuarantineSelection:
        return QuarantineSelection(
            self.source,
            self.stream,
            self.reason,
            self.field,
            self.contract_version,
            rule=self.rule,
            states=_states(self.state),
        )


class _Selected(BaseModel):
    """Records that wait and agree with everything given."""

    model_config = ConfigDict(extra="forbid")
    source: _Text | None = None
    stream: _Text | None = None
    reason: _Text | None = None
    field: _Text | None = None
    contract_version: Annotated[int, Field(ge=0, lt=2**31)] | None = None
    rule: _Text | None = None
    state: _State | None = None
    held_by: Annotated[list[_Text], Field(max_length=1000)] | None = None
    """Exactly these checks hold them."""
    load: uuid.UUID | None = None
    """A whole load that was held; of the routes that decide it is said alone."""
    ids: Annotated[list[uuid.UUID], Field(max_length=10_000)] = []
    all: bool = False
    """Has to be said where nothing else is."""

    def selection(self) -> QuarantineSelection:
        """Raises ProblemError where everything is meant and not said."""
        chosen = QuarantineSelection(
            self.source,
            self.stream,
            self.reason,
            self.field,
            self.contract_version,
            rule=self.rule,
            held_by=self.held_by,
            load=self.load,
            ids=tuple(self.ids),
            states=_states(self.state),
        )
        if self.load is not None and self.model_fields_set - {"why"} != {"load"}:
            raise ProblemError(422, "invalid", "A load is decided about as a whole: say `load` alone.")
        if self.all != (chosen == QuarantineSelection()):
            raise ProblemError(
                422, "invalid", "Say which records: source, stream, reason, field, state or ids; or all alone."
            )
        return chosen


class _Previewed(_Selected):
    contract: Annotated[str, Field(max_length=500_000)] | None = None
    """The text of a contract, as if it were in force."""


class _Replayed(_Selected):
    why: _Text = ""


class _Released(_Selected):
    why: _Text = ""


class _Dismissed(_Selected):
    why: Annotated[str, Field(min_length=1, max_length=1000, pattern=r"^[^\x00]*\S[^\x00]*$")]


class _Corrected(BaseModel):
    """Either the whole payload, as JSON text so that no number changes on its way, or a merge patch (RFC 7396)."""

    model_config = ConfigDict(extra="forbid")
    payload: str | None = None
    patch: dict[str, Any] | None = None
    release: bool = False
    """No check that holds stands in its way."""

    def check(self, who: Principal) -> None:
        """Raises ProblemError, and PermissionDeniedError for a patch by somebody who may not read what it leaves."""
        if (self.payload is None) == (self.patch is None):
            raise ProblemError(422, "invalid", "Give either `payload`, as JSON text, or `patch`.")
        if self.patch is not None:
            # Beside what is not changed, enough values read that out by rules that compare the two.
            who.require(Permission.QUARANTINE_REVEAL)

    def applied_to(self, payload: bytes) -> bytes:
        """The record's payload as corrected. Raises RecordError."""
        if self.payload is not None:
            return self.payload.encode(errors="replace")
        return merge_patch(payload, self.patch or {})


class _Fixed(_Corrected):
    why: _Text = ""


_Reader = Annotated[Principal, requires(Permission.QUARANTINE_READ)]
_Decider = Annotated[Principal, requires(Permission.QUARANTINE_DECIDE)]


def quarantine_router(
    quarantine: Quarantine, orders: Orders, conservation: Conservation, signer: TokenSigner
) -> APIRouter:
    """Routes below `/api/v1/data/quarantine`; the door behind `quarantine` has to be started."""
    router = APIRouter(prefix="/api/v1/data/quarantine", tags=["quarantine"])
    clock = conservation.clock
    _add_reading(router, quarantine, conservation, signer)
    _add_record(router, quarantine, conservation)
    _add_preview(router, quarantine, orders, clock)
    _add_deciding(router, quarantine, orders, clock)
    _add_fixing(router, quarantine, clock)
    add_orders(router, orders, clock)
    return router


def _add_reading(router: APIRouter, quarantine: Quarantine, conservation: Conservation, signer: TokenSigner) -> None:
    database = conservation.database
    reads = [requires(Permission.QUARANTINE_READ)]

    @router.get("", dependencies=reads)
    def causes(asked: Annotated[_Asked, Query()]) -> Response:
        selection = asked.selection()
        with database.snapshot() as conn:
            found = read_causes(conn, selection)
            newest = read_entries(conn, selection, limit=asked.limit)
            total = count_entries(conn, selection)
        reasons = [
            {name: getattr(one, name) for name in _OF_A_CAUSE}
            | {"example": str(one.example), "owners": quarantine.owners_of(one.source, one.stream)}
            for one in found
        ]
        data = {"total": total, "reasons": reasons, "rows": [_entry(entry) for entry in newest]}
        return answer(data, conservation.graded(asked.source, asked.stream))

    @router.get("/records", dependencies=reads)
    def records(asked: Annotated[_Paged, Query()]) -> Response:
        selection, query = asked.selection(), f"quarantine/{asked.selection()}"
        with database.autocommit() as conn:
            after = None
            if asked.cursor is not None:
                token = signer.read(asked.cursor, PageToken)
                if token is None or token.query != query:
                    raise ProblemError(400, "invalid", "The cursor is of another query, or not ours.")
                last = read_entry(conn, uuid.UUID(token.after[0]))
                after = (last.received_at, last.id)
            entries = read_entries(conn, selection, limit=asked.limit + 1, after=after)
        more = len(entries) > asked.limit
        entries = entries[: asked.limit]
        next_cursor = signer.sign(PageToken(query, [str(entries[-1].id)])) if more else None
        return answer(
            [_entry(entry) for entry in entries], conservation.graded(asked.source, asked.stream, next_cursor)
        )


def _add_record(router: APIRouter, quarantine: Quarantine, conservation: Conservation) -> None:
    @router.get("/records/{record}")
    def record(record: uuid.UUID, who: _Reader, *, reveal: bool = False) -> Response:
        if reveal:
            who.require(Permission.QUARANTINE_REVEAL)
        with conservation.database.autocommit() as conn:
            entry, history = read_entry(conn, record), read_history(conn, record)
        content = None
        if reveal:
            content = _content(quarantine.record(record)[1])
            _log.info("quarantine_payload_read", by=_name(who), record=str(record), source=entry.source)
        paths = [list(path) for path in quarantine.paths_of(entry)]
        told = {"paths": paths, "owners": quarantine.owners_of(entry.source, entry.stream), "history": history}
        meta = conservation.graded(entry.source, entry.stream)
        return answer(_entry(entry) | told | {"content": content}, meta)


def _add_preview(router: APIRouter, quarantine: Quarantine, orders: Orders, clock: Clock) -> None:
    @router.post("/preview")
    def preview(body: _Previewed, who: _Decider) -> Response:
        contract = None
        if body.contract is not None:
            # Enough contracts with patterns read out a value, letter by letter.
            who.require(Permission.QUARANTINE_REVEAL)
            contract = read_contract(body.contract, "contract")
            _log.info("quarantine_contract_tried", by=_name(who), source=contract.source, stream=contract.stream)
        selection = QuarantineSelection() if contract and body.model_fields_set == {"contract"} else body.selection()
        if contract is not None:
            selection = quarantine.tried_on(selection, contract)
        selection = _own(quarantine, selection, who)
        order = orders.place("preview", selection, Author(_name(who)), body.contract)
        if order is not None:
            _log.info("quarantine_ordered", order=str(order.id), verb="preview", by=_name(who), selected=order.selected)
            return answer(Outcome().told() | {"order": order.told()}, Meta.now(clock), status=202)
        return answer(quarantine.preview(selection, contract).told() | {"order": None}, Meta.now(clock))

    @router.post("/records/{record}/preview")
    def preview_fix(record: uuid.UUID, body: _Corrected, who: _Decider) -> Response:
        body.check(who)
        entry, content = quarantine.record(record)
        who.require_bound(entry.source, Permission.QUARANTINE_DECIDE)
        outcome = quarantine.try_fix(record, body.applied_to(content.payload), release=body.release)
        return answer(outcome.told(), Meta.now(clock))


def _add_deciding(router: APIRouter, quarantine: Quarantine, orders: Orders, clock: Clock) -> None:
    def decided(verb: Verb, body: _Replayed | _Released | _Dismissed, who: Principal) -> Response:
        selection, author = _own(quarantine, body.selection(), who), Author(_name(who), body.why)
        quarantine.note_word(verb, selection, author)
        order = orders.place(verb, selection, author)
        if order is not None:
            _log.info("quarantine_ordered", order=str(order.id), verb=verb, by=author.by, selected=order.selected)
            return answer(Outcome().told() | {"order": order.told()}, Meta.now(clock), status=202)
        decide = {"replay": quarantine.replay, "release": quarantine.release, "dismiss": quarantine.dismiss}[verb]
        return _decided(decide(selection, author), clock)

    @router.post("/replay", status_code=202)
    def replay(body: _Replayed, who: _Decider) -> Response:
        return decided("replay", body, who)

    @router.post("/release", status_code=202)
    def release(body: _Released, who: _Decider) -> Response:
        return decided("release", body, who)

    @router.post("/dismiss", status_code=202)
    def dismiss(body: _Dismissed, who: _Decider) -> Response:
        return decided("dismiss", body, who)


def _add_fixing(router: APIRouter, quarantine: Quarantine, clock: Clock) -> None:
    @router.post("/records/{record}/fix", status_code=202)
    def fix(record: uuid.UUID, body: _Fixed, who: _Decider) -> Response:
        body.check(who)
        entry, content = quarantine.record(record)
        who.require_bound(entry.source, Permission.QUARANTINE_DECIDE)
        payload = body.applied_to(content.payload)
        outcome = quarantine.fix(record, payload, Author(_name(who), body.why), release=body.release)
        if outcome.failing:
            errors = [{"field": one.field, "reason": one.reason, "hint": one.message} for one in outcome.failing]
            raise ProblemError(422, "invalid", "The corrected record does not pass its contract.", errors=errors)
        if outcome.underway:
            raise ProblemError(
                409, "underway", "Another decision about this record is on its way. Look again in a moment."
            )
        return _decided(outcome, clock)


def _decided(outcome: Outcome, clock: Clock) -> Response:
    return answer(outcome.told() | {"order": None}, Meta.now(clock), status=202)


def _own(quarantine: Quarantine, selection: QuarantineSelection, who: Principal) -> QuarantineSelection:
    """Raises PermissionDeniedError where a key that is bound to sources means others' records."""
    if selection.ids or selection.load is not None:
        for source in quarantine.sources_of(selection):
            who.require_bound(source, Permission.QUARANTINE_DECIDE)
    else:
        who.require_bound(selection.source, Permission.QUARANTINE_DECIDE)
    return selection


_OF_A_CAUSE = (
    "source",
    "stream",
    "reason",
    "field",
    "rule",
    "state",
    "held_by",
    "load",
    "contract_version",
    "message",
    "count",
    "first_at",
    "last_at",
)


def _states(state: _State | None) -> tuple[str, ...]:
    return OPEN if state is None else (state,)


def _name(who: Principal) -> str:
    return f"{who.kind}:{who.name}"


def _entry(entry: QuarantineEntry) -> dict[str, Any]:
    place = entry.place
    return {
        "id": str(entry.id),
        "source": entry.source,
        "stream": entry.stream,
        "reason": entry.reason,
        "field": entry.field,
        "rule": entry.rule,
        "held_by": entry.held_by,
        "load": entry.load,
        "message": entry.message,
        "contract_version": entry.contract_version,
        "received_at": entry.received_at,
        "state": entry.state,
        "decided_at": entry.decided_at,
        "place": {
            "epoch": place.epoch,
            "partition": place.partition,
            "lane": place.lane.label,
            "position": place.position,
            "index": place.index,
        },
    }


def _content(record: QuarantinedRecord) -> dict[str, Any]:
    """What may be personal. A payload that is no UTF-8 is told as base64."""
    try:
        payload = {"payload": record.payload.decode(), "payload_base64": None}
    except UnicodeDecodeError:
        payload = {"payload": None, "payload_base64": base64.b64encode(record.payload).decode()}
    names = ("origin", "op", "record_id", "key", "partition_key", "occurred_at", "observed_at")
    return {**{name: getattr(record, name) for name in names}, **payload}
