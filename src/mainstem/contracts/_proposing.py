"""Which entity a sample's records are, from the stream's name and its keys', and which key each attribute is.

A proposal is made only where it can be a whole one: every attribute that the entity needs has a key that is in all records.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from mainstem.model import CURRENCY, ENTITIES, Attribute, Entity, EntityKind, FieldType

__all__ = ["Key", "Proposal", "propose"]

_MOST_CODES = 50

# The first that a stream's name tells of: a `deal_tasks` is of tasks.
_NAMED = (
    ("satisfaction_response", r"nps|csat|ces|satisfaction|survey|feedback|rating"),
    ("revenue_transaction", r"invoice|charge|payment|refund|transaction|balance_transaction|chargeback"),
    ("subscription", r"subscription|membership"),
    ("market_observation", r"quote|price|market|index_value|exchange_rate|fx_"),
    ("benchmark", r"benchmark"),
    ("session", r"session"),
    ("engagement", r"email_event|engagement|campaign|newsletter|marketing_event"),
    ("activity", r"task|call|meeting|activit|note|appointment|todo"),
    ("conversation", r"conversation|chat|thread"),
    ("ticket", r"ticket|case|issue|request"),
    ("opportunity", r"opportunit|deal"),
)
_CONSTANTS: Mapping[tuple[str, str], tuple[tuple[str, str], ...]] = {
    ("satisfaction_response", "survey"): (
        ("nps", "nps"),
        ("ces", "ces"),
        ("csat|satisf|rating", "csat"),
        ("", "other"),
    ),
    ("revenue_transaction", "kind"): tuple(
        (word, word) for word in ("invoice", "refund", "chargeback", "charge", "payment")
    ),
    ("activity", "kind"): (
        *(("call", "call"), ("meeting|appointment", "meeting"), ("note", "note")),
        *(("mail", "email"), ("task|todo", "task"), ("", "other")),
    ),
}
"""What the stream's name says where no key does."""

_KEYS: Mapping[str, str] = {
    "person_id": r"(person|user|contact|requester|who|lead|member)_?id|contact|requester",
    "status": r"(ticket_?|task_?|subscription_?)?(status|state)",
    "stage": r"(deal_?)?stage(_?name)?",
    "stage_category": r"(deal_?)?stage(_?(name|category))?|status",
    "amount": r"(total_?)?amount(_?(due|paid|total|usd|eur))?|total|price|value",
    "monthly_amount": r"mrr|monthly_amount|monthly_recurring_revenue",
    "currency": r"(deal_?)?currency(_?iso)?(_?code)?",
    "probability": r"probability|win_probability",
    "closes_at": r"close_?date|expected_close(_?date)?|closes_at",
    "created_at": r"created(_?(at|date|on|time))?|create_?date",
    "kind": r"kind|type|task_?(sub)?type|activity_type|record_type|transaction_type",
    "event": r"event(_?(type|name))?|type|action",
    "subject": r"subject|title|summary",
    "channel": r"channel|via|medium",
    "campaign": r"(email_?)?campaign(_?(id|name|guid))?",
    "priority": r"priority|urgency",
    "owner_id": r"owner(_?id)?|(hubspot_?)?owner_?id",
    "assignee_id": r"assignee(_?id)?|(admin_?)?assignee_?id",
    "due_at": r"due(_?(at|date|on))?|activity_?date",
    "completed_at": r"completed(_?(at|date|on|date_?time))?",
    "solved_at": r"(solved|resolved)(_?(at|date|on))?",
    "closed_at": r"closed(_?(at|date|on))?",
    "first_response_at": r"first_(response|reply)_?at|first_admin_reply_at",
    "waiting_since": r"waiting_since",
    "started_at": r"start(ed)?(_?(at|date|on))?",
    "trial_ends_at": r"trial_end(s?_at)?",
    "renews_at": r"renews_at|current_period_end|next_billing_at",
    "canceled_at": r"cancell?ed_at",
    "ended_at": r"end(ed)?(_?(at|time|date))?",
    "score": r"score|rating|answer|response|value|sentiment",
    "duration": r"duration(_?(s|sec|seconds))?|length|session_length|call_?duration_?in_?seconds",
    "value": r"value|close|price|rate|median|p50",
    "symbol": r"symbol|ticker|series|code|pair",
    "metric": r"metric|measure|kpi|name",
    "transaction_id": r"(transaction|charge|payment|invoice|refund)?_?id",
    "response_id": r"(response|answer|rating)?_?id",
    "session_id": r"(session)?_?id",
    "engagement_id": r"(event|engagement)?_?id",
}
"""Keys that an attribute may lie under, beside its own name."""

_MEANINGS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "ticket.status": (
        *(("clos|archiv|deleted", "closed"), ("solv|done|complete", "solved"), ("hold|paus", "hold")),
        *(("pend|wait", "pending"), ("new|creat", "new"), ("", "open")),
    ),
    "conversation.status": (("snooz|pend|hold", "snoozed"), ("clos|solv|done|ended", "closed"), ("", "open")),
    "opportunity.stage_category": (("lost", "lost"), ("won", "won"), ("", "open")),
    "subscription.status": (
        *(("trial", "trialing"), ("past|overdue", "past_due"), ("unpaid", "unpaid"), ("cancel", "canceled")),
        *(("paus", "paused"), ("expir|ended", "expired"), ("incomplete", "incomplete"), ("", "active")),
    ),
    "activity.kind": (
        *(("call|phone", "call"), ("meet|event|demo", "meeting"), ("mail", "email")),
        *(("task|to.?do", "task"), ("note", "note"), ("", "other")),
    ),
    "activity.status": (("complet|done|clos|held", "completed"), ("cancel|no.?show", "canceled"), ("", "open")),
    "engagement.event": (
        *(("unsub", "unsubscribed"), ("spam|complain", "complained"), ("bounce", "bounced"), ("drop", "dropped")),
        *(
            ("defer", "deferred"),
            ("click", "clicked"),
            ("open", "opened"),
            ("deliver", "delivered"),
            ("repl", "replied"),
        ),
        *(("submi", "submitted"), ("attend", "attended"), ("sent|send|process", "sent")),
    ),
    "revenue_transaction.kind": (
        *(("chargeback|disput", "chargeback"), ("refund", "refund"), ("invoice", "invoice"), ("charge", "charge")),
        *(("pay", "payment"), ("credit", "credit"), ("fee", "fee"), ("adjust", "adjustment")),
    ),
    "satisfaction_response.survey": (("nps", "nps"), ("csat", "csat"), ("ces", "ces"), ("", "other")),
    "subscription.interval": (
        *(("day|dai", "day"), ("week", "week"), ("quarter", "quarter"), ("month", "month"), ("year|annual", "year")),
    ),
    "*.priority": (("urgent|critical|highest|p0|p1", "urgent"), ("high", "high"), ("low|minor", "low"), ("", "normal")),
}
"""What a source's words mean, by entity and attribute: the first that is found in the word."""

_NEGATED = re.compile(
    r"(?<![a-z])(?:not|no|non|never|un(?=[a-z])|in(?=activ|complet|valid)|de(?=activ)|dis(?=qualif|continu)|pay_?out)|fail|abandon"
)

_FITTING = {
    FieldType.STRING: {"string", "integer"},
    FieldType.NUMBER: {"number", "integer"},
    FieldType.INTEGER: {"integer"},
    FieldType.BOOLEAN: {"boolean"},
    FieldType.TIMESTAMP: {"timestamp"},
    FieldType.OBJECT: {"object"},
}
_CUSTOMER = re.compile(r"(customer|account|client|company|organi[sz]ation|tenant|workspace)(_?(id|key|code|ref))?")
_VERSION = re.compile(r"system_?modstamp|(hs_)?last_?modified(_?date)?|updated(_?(at|on|date))?|modified(_?at)?")
_DELETED = re.compile(r"(is_?)?(deleted|archived)")


class Key(Protocol):
    """One key of the payloads, as the draft saw it."""

    @property
    def name(self) -> str:
        """The field's name."""
        ...

    @property
    def key(self) -> str:
        """The payload's own."""
        ...

    @property
    def values(self) -> list[Any]:
        """Those that are there."""
        ...

    @property
    def type(self) -> str:
        """The logical type that takes all."""
        ...

    @property
    def required(self) -> bool:
        """Whether all records have it."""
        ...

    @property
    def unique(self) -> bool:
        """Whether no two have the same."""
        ...

    @property
    def identifies(self) -> bool:
        """Whether it can be an id."""
        ...


@dataclasses.dataclass(slots=True)
class Proposal:
    """An entity for the records. `codes` are by the field that they belong to, `second` fields that read a key again."""

    entity: str
    attributes: dict[str, Any]
    custom: dict[str, Any]
    key: str | None
    codes: dict[str, dict[str, str]] = dataclasses.field(default_factory=dict)
    second: dict[str, Key] = dataclasses.field(default_factory=dict)
    """Name of the field, and the key."""


def propose(seen: Sequence[Key], stream: str, personal: Callable[[Key], bool]) -> Proposal | None:
    """What the records are; None where the stream's name says nothing, or an attribute that is needed has no key.

    `personal` says whether a key's values look like somebody's.
    """
    for name, pattern in _NAMED:
        if re.search(pattern, stream) is not None:
            made = _Proposing(ENTITIES[name], seen, stream, personal).made()
            if made is not None:
                return made
    return None


class _Proposing:
    def __init__(self, entity: Entity, seen: Sequence[Key], stream: str, personal: Callable[[Key], bool]) -> None:
        self._entity = entity
        self._seen = seen
        self._stream = stream
        self._personal = personal
        self._proposal = Proposal(entity.name, {}, {}, None)
        self._used: set[str] = set()

    def made(self) -> Proposal | None:
        entity, proposal = self._entity, self._proposal
        event = entity.kind is EntityKind.EVENT
        identity = next(
            (one for one in self._seen if one.identifies and one.unique and re.search(r"(^|_)id$|^key$", one.name)),
            None,
        )
        if not event:
            if identity is None:
                return None
            proposal.key = identity.name
            self._used.add(identity.name)
            if entity.own is not None:
                proposal.attributes[entity.own.name] = identity.name
        for attribute in entity.attributes.values():
            if attribute.name not in proposal.attributes and attribute.reference != entity.name:
                self._map(attribute)
        if any(one.required and one.name not in proposal.attributes for one in entity.attributes.values()):
            return None
        if CURRENCY not in proposal.attributes:
            for name in [name for name in proposal.attributes if entity.attributes[name].money]:
                del proposal.attributes[name]
        self._identify(identity, event=event)
        return proposal

    def _identify(self, identity: Key | None, *, event: bool) -> None:
        proposal = self._proposal
        if event:
            proposal.custom |= {
                "partitionKey": proposal.attributes["customer_id"],
                "occurredAt": proposal.attributes["occurred_at"],
                **({"recordId": identity.name} if identity is not None else {"repeat": "body"}),
            }
            return
        proposal.custom["partitionKey"] = proposal.key
        for name, pattern, kind in (("entityVersion", _VERSION, "timestamp"), ("deleted", _DELETED, "boolean")):
            found = next((one for one in self._seen if one.type == kind and pattern.fullmatch(one.name)), None)
            if found is not None:
                proposal.custom[name] = found.name

    def _map(self, attribute: Attribute) -> None:
        for one in self._candidates(attribute):
            if attribute.allowed:
                if self._map_values(attribute, one):
                    return
            elif one.type in _FITTING[attribute.type] and (one.required or not attribute.required):
                self._proposal.attributes[attribute.name] = one.name
                self._used.add(one.name)
                return
        for pattern, value in _CONSTANTS.get((self._entity.name, attribute.name), ()):
            if re.search(pattern, self._stream) is not None:
                self._proposal.attributes[attribute.name] = {"constant": value}
                return

    def _candidates(self, attribute: Attribute) -> Iterator[Key]:
        """Keys that may be the attribute, likeliest first. An event has no place for what is personal."""
        if attribute.name == "properties":
            # A free object may say anything about anybody, and what is mapped lies in clear: somebody has to look at it first.
            return
        event = self._entity.kind is EntityKind.EVENT
        free = [one for one in self._seen if one.name not in self._used or attribute.allowed]
        if attribute.reference == "customer":
            able = [one for one in free if one.identifies or not attribute.required]
            yield from (one for one in able if _CUSTOMER.fullmatch(one.name) and one.type in {"string", "integer"})
            if attribute.required:
                person = re.compile(_KEYS["person_id"])
                yield from (one for one in free if person.fullmatch(one.name) and one.identifies)
            return
        if attribute.name == "occurred_at" and attribute.required:
            times = re.compile(r"occurred|observed|happened|timestamp|created|sent|paid|date|time|_at$|^at$")
            yield from (one for one in free if one.type == "timestamp" and one.required and times.search(one.name))
            return
        clear = [one for one in free if not (event and attribute.column is None and self._personal(one))]
        yield from (one for one in clear if one.name == attribute.name)
        pattern = re.compile(_KEYS.get(attribute.name, re.escape(attribute.name)))
        yield from (one for one in clear if one.name != attribute.name and pattern.fullmatch(one.name))

    def _map_values(self, attribute: Attribute, one: Key) -> bool:
        """Map a key whose words can be told to mean canonical values."""
        words = sorted({str(value) for value in one.values})
        fits = one.type == "string" and 0 < len(words) <= _MOST_CODES
        if not fits or (attribute.required and not one.required):
            return False
        codes = {word: self._meaning(attribute, word) for word in words}
        if None in codes.values():
            return False
        meant = {word: str(value) for word, value in codes.items() if word != value}
        name = one.name
        if name in self._proposal.attributes.values() or attribute.name == "stage_category":
            name = (
                attribute.name if attribute.name not in {other.name for other in self._seen} else f"{attribute.name}_2"
            )
            self._proposal.second[name] = one
        self._proposal.attributes[attribute.name] = name
        self._proposal.codes[name] = meant
        self._used.add(one.name)
        return True

    def _meaning(self, attribute: Attribute, word: str) -> str | None:
        plain = word.strip().lower()
        if plain in attribute.allowed:
            return plain
        known = _MEANINGS.get(f"{self._entity.name}.{attribute.name}") or _MEANINGS.get(f"*.{attribute.name}") or ()
        negated = _NEGATED.search(plain)
        for pattern, value in known:
            found = re.search(pattern, plain)
            # A word that is taken back means something else, unless the pattern is about that.
            if found is not None and (negated is None or (pattern and found.start() == negated.start())):
                return value
        return None
