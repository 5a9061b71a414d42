"""What `mainstem quarantine` prints."""

from __future__ import annotations

import base64
import json as json_format
import uuid
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mainstem.cli.wording import counted

if TYPE_CHECKING:
    from mainstem.processing import Cause, Outcome, QuarantinedRecord, QuarantineEntry

__all__ = ["Owners", "causes_as_rows", "print_causes", "print_entries", "print_entry", "report"]


Owners = Mapping[tuple[str, str], Sequence[str]]
"""Whom the contracts in force name as the owners of (source, stream)."""


def causes_as_rows(causes: Sequence[Cause], owners: Owners) -> list[dict[str, Any]]:
    """Causes for `--json`."""
    return [
        {
            "source": one.source,
            "stream": one.stream,
            "reason": one.reason,
            "field": one.field,
            "rule": one.rule,
            "state": one.state,
            "held_by": list(one.held_by),
            "load": str(one.load) if one.load else None,
            "contract_version": one.contract_version,
            "message": one.message,
            "count": one.count,
            "first_at": one.first_at.isoformat(),
            "last_at": one.last_at.isoformat(),
            "example": str(one.example),
            "owners": list(owners[one.source, one.stream]),
        }
        for one in causes
    ]


def print_causes(causes: Sequence[Cause], owners: Owners) -> None:
    """A table of causes."""
    if not causes:
        print("Nothing waits in quarantine, and nothing is held.")
        return
    width = max(len(f"{one.count:,}") for one in causes)
    for one in causes:
        about = [one.reason, one.field and f"field {one.field}", one.rule and f"rule {one.rule}"]
        if one.held_by:
            about = [one.reason, f"held by {', '.join(one.held_by)}", f"load {one.load}" if one.load else None]
        told = ", ".join(part for part in about if part)
        print(f"{one.count:>{width},}  {one.source}.{one.stream} v{one.contract_version}: {told}")
        print(
            f"{'':{width}}  from {one.first_at:%Y-%m-%d %H:%M} to {one.last_at:%Y-%m-%d %H:%M}; such as {one.example}"
        )
        if asked := owners[one.source, one.stream]:
            print(f"{'':{width}}  owned by {', '.join(asked)}")
    print(f"{counted(sum(one.count for one in causes), 'record')}.")


def print_entries(entries: Sequence[QuarantineEntry], *, as_json: bool) -> None:
    """Single records, one a line."""
    if as_json:
        print(json_format.dumps([_entry(entry) for entry in entries]))
        return
    for one in entries:
        where = f"{one.source}.{one.stream}\t{one.reason}\t{one.field or ''}"
        print(f"{one.id}\t{one.received_at:%Y-%m-%d %H:%M:%S}\t{one.state}\t{where}")


def print_entry(
    entry: QuarantineEntry,
    record: QuarantinedRecord,
    history: Sequence[Mapping[str, Any]],
    owners: Sequence[str],
    *,
    as_json: bool,
) -> None:
    """A record with its content and history."""
    told = _entry(entry) | {
        "origin": record.origin,
        "op": record.op,
        "record_id": record.record_id,
        "key": record.key,
        "partition_key": record.partition_key,
        "occurred_at": record.occurred_at.isoformat() if record.occurred_at else None,
        "owners": list(owners),
        "history": [{**one, "at": one["at"].isoformat()} for one in history],
        **_payload(record.payload),
    }
    if as_json:
        print(json_format.dumps(told))
        return
    print(f"{entry.source}.{entry.stream} {entry.id}: {entry.state}")
    print(f"{entry.reason}{f' in {entry.field}' if entry.field else ''}: {entry.message}")
    print(f"received {entry.received_at.isoformat()}, contract version {entry.contract_version}, place {entry.place}")
    if owners:
        print(f"owned by {', '.join(owners)}")
    for one in history:
        why = f": {one['reason']}" if one["reason"] else ""
        past = f" past {', '.join(one['released'])}" if one["released"] else ""
        print(f"{one['decision']}{past} {one['at'].isoformat()} by {one['by'] or 'unknown'}{why}")
    print(record.payload.decode(errors="replace"))


def report(what: str, outcome: Outcome, *, applied: bool, as_json: bool, load: uuid.UUID | None = None) -> None:
    """What became of a selection, or of a `load`. `applied`: the decisions are in effect."""
    if as_json:
        print(json_format.dumps({**outcome.told(), "applied": applied}))
        return
    if what == "preview":
        settled = f" {outcome.settled:,} were decided before." if outcome.settled else ""
        print(f"{outcome.passing:,} of {counted(outcome.matched, 'record')} would pass.{settled}")
    elif outcome.decided:
        state = "in effect" if applied else "decided, and will be in effect when the worker comes to them"
        print(f"{outcome.decided:,} of {counted(outcome.matched, 'record')} {what}: {state}.")
    elif load is not None and not outcome.matched:
        print(f"The load {load} is {what}. None of its records waits now; what is still on its way follows.")
    else:
        settled = f" {outcome.settled:,} were decided before." if outcome.settled else ""
        print(f"Nothing was changed: of {counted(outcome.matched, 'record')} that waited, none was {what}.{settled}")
    if outcome.underway:
        print(f"About {outcome.underway:,} another decision is on its way: look again in a moment.")
    for one in outcome.failing:
        print(f"{one.count:,} {one.source}.{one.stream} {one.reason}: {one.message} For example record {one.example}.")
    rest = outcome.failed - sum(one.count for one in outcome.failing)
    if rest:
        print(f"{rest:,} for other causes.")


def _entry(entry: QuarantineEntry) -> dict[str, Any]:
    return {
        "id": str(entry.id),
        "place": str(entry.place),
        "source": entry.source,
        "stream": entry.stream,
        "contract_version": entry.contract_version,
        "received_at": entry.received_at.isoformat(),
        "reason": entry.reason,
        "field": entry.field,
        "rule": entry.rule,
        "held_by": list(entry.held_by),
        "load": str(entry.load) if entry.load else None,
        "message": entry.message,
        "state": entry.state,
        "decided_at": entry.decided_at.isoformat() if entry.decided_at else None,
    }


def _payload(payload: bytes) -> dict[str, str]:
    """As text; what is no UTF-8 as base64."""
    try:
        return {"payload": payload.decode()}
    except UnicodeDecodeError:
        return {"payload_base64": base64.b64encode(payload).decode()}
