"""The canonical entities: what every source's streams are mapped to."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from mainstem.model.entity import Attribute, Entity, EntityKind, FieldType

__all__ = ["CURRENCY", "ENTITIES"]

CURRENCY = "currency"
"""The attribute that says in which currency the amounts of money of an entity are: three letters of ISO 4217."""

_S, _N, _I, _B = FieldType.STRING, FieldType.NUMBER, FieldType.INTEGER, FieldType.BOOLEAN
_T, _O = FieldType.TIMESTAMP, FieldType.OBJECT

_CUSTOMER = Attribute("customer_id", _S, "Whose it is.", reference="customer", column="customer")
_NEEDS_CUSTOMER = Attribute("customer_id", _S, "Whose it is.", required=True, reference="customer", column="customer")
_PERSON = Attribute("person_id", _S, "The contact or user.", reference="person", column="person")
_OCCURRED = Attribute("occurred_at", _T, "When it happened.", required=True, column="occurred_at")
_OBJECT = Attribute("object", _S, "What it was done to.", column="object")
_PROPERTIES = Attribute("properties", _O, "What else there is to say.", column="properties")
_CURRENCY = Attribute(CURRENCY, _S, "Three letters of ISO 4217; kept in capitals.")
_NEEDS_CURRENCY = Attribute(CURRENCY, _S, "Three letters of ISO 4217; kept in capitals.", required=True)
_CREATED = Attribute("created_at", _T, "When the source made it.")
_CHANNEL = Attribute("channel", _S, "How it came, in the source's words.")
_PRIORITY = Attribute("priority", _S, "How urgent it is.", allowed=("low", "normal", "high", "urgent"))
_INDUSTRY = Attribute("industry", _S, "The industry it speaks of.")
_REGION = Attribute("region", _S, "The country or region it speaks of.")


def _own(entity: str) -> Attribute:
    return Attribute(f"{entity}_id", _S, "Its id at the source.", required=True, reference=entity)


def _entity(name: str, kind: EntityKind, description: str, *attributes: Attribute) -> Entity:
    return Entity(name, kind, MappingProxyType({a.name: a for a in attributes}), description)


def _state(name: str, description: str, *attributes: Attribute) -> Entity:
    return _entity(name, EntityKind.STATE, description, *attributes)


def _event(name: str, description: str, *attributes: Attribute) -> Entity:
    return _entity(name, EntityKind.EVENT, description, _NEEDS_CUSTOMER, _PERSON, *attributes)


_EVENT_SHAPE = (
    Attribute("event", _S, "What was done.", required=True, column="event"),
    _OCCURRED,
    _OBJECT,
    Attribute("quantity", _N, "How much of it.", column="quantity"),
    _PROPERTIES,
)

_CUSTOMERS = (
    _state(
        "customer",
        "The account whose health is scored.",
        _NEEDS_CUSTOMER,
        Attribute("name", _S),
        Attribute("segment", _S, "The group that it is compared with."),
        Attribute("plan", _S),
        Attribute("region", _S),
        Attribute("started_at", _T, "Since when it is a customer."),
        Attribute("churned_at", _T, "Since when it is none any more."),
    ),
    _state(
        "person",
        "A contact or user.",
        Attribute("person_id", _S, "Its id at the source.", required=True, reference="person", column="person"),
        _CUSTOMER,
        Attribute("name", _S),
        Attribute("email", _S),
        Attribute("role", _S),
    ),
)

_USE = (
    _event("usage_event", "Something that was done with the product.", *_EVENT_SHAPE),
    _event("milestone", "Something that is reached once: onboarded, first invoice paid.", *_EVENT_SHAPE),
    _event(
        "session",
        "A stretch of use without a long pause, told when it is over.",
        Attribute("event", _S, "What kind of session; `session` when it is not mapped.", column="event"),
        _OCCURRED,
        Attribute("duration", _N, "How long it was, in seconds.", column="quantity"),
        Attribute("session_id", _S, "Its id at the source."),
        Attribute("ended_at", _T, "When it ended."),
        Attribute("object", _S, "Where it began: a page or screen.", column="object"),
        Attribute("events", _I, "How many events it has."),
        Attribute("platform", _S),
        Attribute("device", _S),
        Attribute("country", _S),
        _PROPERTIES,
    ),
)

_SALES = (
    _state(
        "opportunity",
        "A deal that may be won: a new contract, a renewal, an expansion.",
        _own("opportunity"),
        _CUSTOMER,
        _PERSON,
        Attribute("name", _S),
        Attribute("stage", _S, "The stage in the source's words."),
        Attribute("stage_category", _S, "What the stage comes to.", required=True, allowed=("open", "won", "lost")),
        Attribute("pipeline", _S),
        Attribute("kind", _S, "New business, renewal or expansion, in the source's words."),
        Attribute("amount", _N, "What it is worth.", money=True),
        _CURRENCY,
        Attribute("probability", _N, "How likely it is to be won, from 0 to 1."),
        Attribute("owner_id", _S, "Who of us works on it."),
        Attribute("lead_source", _S),
        _CREATED,
        Attribute("closes_at", _T, "When it is expected to be decided, or was."),
    ),
    _state(
        "activity",
        "What we do with a customer, planned or done: a task, a call, a meeting.",
        _own("activity"),
        _CUSTOMER,
        _PERSON,
        Attribute(
            "kind", _S, "What it is.", required=True, allowed=("call", "meeting", "email", "task", "note", "other")
        ),
        Attribute("status", _S, "How far it is.", allowed=("open", "completed", "canceled")),
        Attribute("direction", _S, "Who began it.", allowed=("inbound", "outbound")),
        Attribute("subject", _S),
        _PRIORITY,
        Attribute("owner_id", _S, "Who of us does it."),
        Attribute("opportunity_id", _S, "The opportunity it is about."),
        Attribute("ticket_id", _S, "The ticket it is about."),
        Attribute("outcome", _S, "What came of it, in the source's words."),
        Attribute("duration", _N, "How long it was, in seconds."),
        _CREATED,
        Attribute("occurred_at", _T, "When it took place, or is to."),
        Attribute("due_at", _T, "Until when it is to be done."),
        Attribute("completed_at", _T, "When it was done."),
    ),
    _event(
        "engagement",
        "What became of an e-mail or campaign with one person: it was sent, opened, clicked.",
        Attribute(
            "event",
            _S,
            "What became of it.",
            required=True,
            column="event",
            allowed=(
                *("sent", "delivered", "opened", "clicked", "replied", "submitted", "attended"),
                *("bounced", "dropped", "deferred", "unsubscribed", "complained"),
            ),
        ),
        _OCCURRED,
        Attribute("object", _S, "The e-mail, page or event by name or id.", column="object"),
        Attribute("quantity", _N, "How much of it.", column="quantity"),
        Attribute("engagement_id", _S, "Its id at the source."),
        Attribute("campaign", _S, "The campaign by name or id."),
        _CHANNEL,
        _PROPERTIES,
    ),
)

_SUPPORT = (
    _state(
        "ticket",
        "A request to support.",
        _own("ticket"),
        _CUSTOMER,
        _PERSON,
        Attribute(
            "status",
            _S,
            "How far it is.",
            required=True,
            allowed=("new", "open", "pending", "hold", "solved", "closed"),
        ),
        _PRIORITY,
        Attribute("kind", _S, "Question, incident, problem, in the source's words."),
        Attribute("subject", _S),
        _CHANNEL,
        Attribute("assignee_id", _S, "Who of us has it."),
        Attribute("group_id", _S, "The team that has it."),
        Attribute("satisfaction", _S, "What the customer said of it, in the source's words."),
        Attribute("replies", _I, "How often we answered."),
        Attribute("reopens", _I, "How often it was opened again."),
        Attribute("escalated", _B, "Whether it was escalated."),
        Attribute("sla_breached", _B, "Whether an agreed time has passed."),
        _CREATED,
        Attribute("first_response_at", _T, "When we first answered."),
        Attribute("due_at", _T, "Until when it is to be solved."),
        Attribute("solved_at", _T, "When it was solved."),
        Attribute("closed_at", _T, "When it was closed for good."),
    ),
    _state(
        "conversation",
        "An exchange of messages with people of a customer.",
        _own("conversation"),
        _CUSTOMER,
        _PERSON,
        Attribute("status", _S, "How far it is.", required=True, allowed=("open", "snoozed", "closed")),
        Attribute("priority", _S, "How urgent it is, in the source's words."),
        Attribute("subject", _S),
        _CHANNEL,
        Attribute("assignee_id", _S, "Who of us has it."),
        Attribute("ticket_id", _S, "The ticket that came of it."),
        Attribute("messages", _I, "How many messages it has."),
        Attribute("reopens", _I, "How often it was opened again."),
        Attribute("rating", _N, "What the customer said of it, on the source's scale."),
        _CREATED,
        Attribute("first_response_at", _T, "When we first answered."),
        Attribute("waiting_since", _T, "Since when the customer waits for an answer."),
        Attribute("snoozed_until", _T, "Until when it rests."),
        Attribute("closed_at", _T, "When it was last closed."),
    ),
    _event(
        "satisfaction_response",
        "An answer to a survey: how likely to recommend (NPS), how content (CSAT), how easy it was (CES).",
        Attribute(
            "survey",
            _S,
            "Which kind of survey.",
            required=True,
            column="event",
            allowed=("nps", "csat", "ces", "other"),
        ),
        _OCCURRED,
        Attribute("score", _N, "The answer as a number, on the survey's scale.", required=True, column="quantity"),
        Attribute("best_score", _N, "The best answer there could be."),
        Attribute("response_id", _S, "Its id at the source."),
        Attribute("object", _S, "The survey or question by name or id.", column="object"),
        Attribute("ticket_id", _S, "The ticket it is about."),
        Attribute("conversation_id", _S, "The conversation it is about."),
        Attribute("reason", _S, "The reason that was picked, in the source's words."),
        _CHANNEL,
        _PROPERTIES,
    ),
)

_MONEY = (
    _state(
        "subscription",
        "What a customer pays for again and again.",
        _own("subscription"),
        _NEEDS_CUSTOMER,
        _PERSON,
        Attribute(
            "status",
            _S,
            "How it stands.",
            required=True,
            allowed=("incomplete", "trialing", "active", "past_due", "unpaid", "paused", "canceled", "expired"),
        ),
        Attribute("plan", _S),
        Attribute("product", _S),
        Attribute("quantity", _N, "How many of it: seats, licences."),
        Attribute("amount", _N, "What is paid for one interval.", money=True),
        Attribute("monthly_amount", _N, "What that comes to for a month: recurring revenue.", money=True),
        _CURRENCY,
        Attribute("interval", _S, "How often it is paid.", allowed=("day", "week", "month", "quarter", "year")),
        Attribute("interval_count", _I, "Every how many of these."),
        _CREATED,
        Attribute("started_at", _T, "When it began."),
        Attribute("trial_ends_at", _T, "When the trial ends."),
        Attribute("renews_at", _T, "When it is paid next."),
        Attribute("cancels_at", _T, "When it is going to end."),
        Attribute("canceled_at", _T, "When it was canceled."),
        Attribute("ended_at", _T, "When it ended."),
    ),
    _event(
        "revenue_transaction",
        "Money that was asked for, paid or given back.",
        Attribute(
            "kind",
            _S,
            "What happened.",
            required=True,
            column="event",
            allowed=("invoice", "charge", "payment", "refund", "credit", "chargeback", "fee", "adjustment"),
        ),
        _OCCURRED,
        Attribute("amount", _N, "How much, as the source signs it.", required=True, column="quantity", money=True),
        _NEEDS_CURRENCY,
        Attribute("transaction_id", _S, "Its id at the source."),
        Attribute("object", _S, "The product or plan.", column="object"),
        Attribute("invoice_id", _S, "The invoice it belongs to."),
        Attribute("subscription_id", _S, "The subscription it belongs to."),
        Attribute("tax", _N, "The tax in it.", money=True),
        Attribute("method", _S, "How it was paid, in the source's words."),
        _PROPERTIES,
    ),
)

_MARKET = (
    _state(
        "benchmark",
        "What a figure is elsewhere: in an industry, a region, a group of companies. It belongs to no customer.",
        _own("benchmark"),
        Attribute("metric", _S, "The figure by name.", required=True),
        Attribute("value", _N, "What it is there.", required=True),
        Attribute("percentile", _N, "Which share of those looked at is at most so, from 0 to 100; 50 is the median."),
        Attribute("unit", _S),
        _CURRENCY,
        _INDUSTRY,
        _REGION,
        Attribute("segment", _S, "The group of companies."),
        Attribute("sample_size", _I, "How many were looked at."),
        Attribute("period_begins_at", _T, "The time it speaks of, from its begin"),
        Attribute("period_ends_at", _T, "to its end."),
        Attribute("publisher", _S, "Who says so."),
    ),
    _state(
        "market_observation",
        "A figure of a market at an instant: a price, an index, a rate. It belongs to no customer, and may be revised.",
        Attribute("market_observation_id", _S, "Its id, where the source has one.", reference="market_observation"),
        Attribute("symbol", _S, "What was looked at: a share, an index, a series.", required=True),
        Attribute("occurred_at", _T, "Of when the figure is.", required=True),
        Attribute("value", _N, "The figure.", required=True),
        Attribute("kind", _S, "What it is.", allowed=("price", "index", "rate", "volume", "count", "other")),
        Attribute("unit", _S),
        _CURRENCY,
        _INDUSTRY,
        _REGION,
        Attribute("exchange", _S, "Where it was traded."),
        Attribute("publisher", _S, "Who says so."),
    ),
)

ENTITIES: Mapping[str, Entity] = MappingProxyType(
    {one.name: one for one in (*_CUSTOMERS, *_USE, *_SALES, *_SUPPORT, *_MONEY, *_MARKET)}
)
"""By name. Events share one shape on purpose: customer, person, event, object, quantity, time."""
