"""Two versions of a contract compared: every change, and whether it breaks who sends records or who uses them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

from mainstem.contracts._numbers import EXACT
from mainstem.contracts._source_form import form_words
from mainstem.contracts.contract import Contract, ContractField, Limit, Severity
from mainstem.contracts.policy import Policies, Policy
from mainstem.errors import ConfigurationError
from mainstem.model import FieldType

__all__ = ["Change", "compare_contracts"]

# A record that was accepted may now be quarantined, or a number that was shown may now mean something else.
_IDENTITY = {
    "kind": "the kind",
    "key": "the primary key",
    "partition_key": "the partition key",
    "record_id": "the record id",
    "repeat": "what makes a repeat",
    "occurred_at": "the field of time",
    "occurred_at_immutable": "whether a repeat carries the same time",
    "entity_version": "the field that orders versions",
    "deleted": "the field that marks tombstones",
}
_LOWER = ("minimum", "exclusiveMinimum", "minLength", "minItems")
_UPPER = ("maximum", "exclusiveMaximum", "maxLength", "maxItems")


@dataclasses.dataclass(frozen=True, slots=True)
class Change:
    """One change. `fields` are those it is about, by the names of the old version (of the new one where they are new)."""

    code: str
    breaking: bool
    message: str
    fields: tuple[str, ...] = ()


def compare_contracts(old: Contract, new: Contract) -> list[Change]:
    """Every change from one version to the next, breaking ones first.

    Raises ConfigurationError for contracts of two streams.
    """
    if (old.source, old.stream) != (new.source, new.stream):
        raise ConfigurationError(
            f"{new.source}.{new.stream} is no version of {old.source}.{old.stream}.",
            hint="Compare two versions of one stream's contract.",
        )
    changes = [*_stream(old, new), *_mapping(old, new), *_fields(old, new), *_rules(old, new), *_volume(old, new)]
    return sorted(changes, key=lambda change: not change.breaking)


def _stream(old: Contract, new: Contract) -> Iterator[Change]:
    for name, words in _IDENTITY.items():
        before, after = getattr(old, name), getattr(new, name)
        if before != after:
            named = [*before, *after] if isinstance(before, tuple) else [before, after]
            fields = tuple(dict.fromkeys(one for one in named if one in old.fields))
            yield Change(f"{name}_changed", True, f"{words} was {_told(before)} and is {_told(after)}", fields)
    at = () if old.occurred_at is None else (old.occurred_at,)
    for name in ("oldest", "ahead"):
        before, after = getattr(old, name), getattr(new, name)
        if before != after:
            yield Change(f"{name}_changed", after < before, f"`{name}` was {before} and is {after}", at)
    for name in ("grace", "freshness"):
        before, after = getattr(old, name), getattr(new, name)
        if before != after:
            yield Change(f"{name}_changed", False, f"`{name}` was {_told(before)} and is {_told(after)}")
    yield from _policies("the stream", old.policies, new.policies, ("new_field",), ())


def _mapping(old: Contract, new: Contract) -> Iterator[Change]:
    if old.mapping.entity != new.mapping.entity:
        message = f"the entity was {old.mapping.entity} and is {new.mapping.entity}"
        yield Change("entity_changed", True, message, tuple(old.fields))
        return
    before, after = old.mapping.attributes, new.mapping.attributes
    for name in [*before, *(name for name in after if name not in before)]:
        was, now = before.get(name), after.get(name)
        if was == now:
            continue
        fields = tuple(one for one in (was, now) if isinstance(one, str) and one in old.fields)
        if was is None:
            yield Change("attribute_added", False, f"the attribute {name!r} is mapped now", fields)
        elif now is None:
            yield Change("attribute_removed", True, f"the attribute {name!r} is mapped no more", fields)
        else:
            yield Change("mapping_changed", True, f"the attribute {name!r} is mapped to something else", fields)


def _fields(old: Contract, new: Contract) -> Iterator[Change]:
    for name, before in old.fields.items():
        after = new.fields.get(name)
        if after is None:
            yield Change("field_removed", True, f"the field {name!r} is gone", (name,))
        else:
            yield from _field(before, after)
    for name, field in new.fields.items():
        if name not in old.fields:
            what = "required" if field.required else "optional"
            yield Change("field_added", field.required, f"the {what} field {name!r} is new", (name,))


def _field(before: ContractField, after: ContractField) -> Iterator[Change]:
    name = before.name
    if (before.type, before.array) != (after.type, after.array):
        wider = (before.type, after.type) == (FieldType.INTEGER, FieldType.NUMBER)
        words = f"{name!r} was {_type(before)} and is {_type(after)}"
        yield Change("type_widened" if wider else "type_changed", not wider, words, (name,))
    if before.paths != after.paths:
        # What is read in another order gives records that have both another value.
        known = list(dict.fromkeys(before.paths))
        as_before = [path for path in dict.fromkeys(after.paths) if path in known] == known
        words = "is read from other keys as well" if as_before else "lies elsewhere in the payload"
        yield Change("path_added" if as_before else "path_changed", not as_before, f"{name!r} {words}", (name,))
    for word in dict.fromkeys((*dict(form_words(before.form)), *dict(form_words(after.form)))):
        was, now = (dict(form_words(one.form)).get(word) for one in (before, after))
        if was != now:
            words = f"{name!r}: `{word}` was {_told(was)} and is {_told(now)}"
            yield Change(f"{word}_changed", True, words, (name,))
    if before.remedies != after.remedies:
        was, now = (", ".join(one.name for one in field.remedies) or "none" for field in (before, after))
        words = (
            f"the remedies of {name!r} say something else"
            if was == now
            else f"{name!r}: remedies were {was} and are {now}"
        )
        yield Change("remedies_changed", True, words, (name,))
    if before.required != after.required:
        words = f"{name!r} is {'required now' if after.required else 'optional now'}"
        yield Change("required_added" if after.required else "required_removed", after.required, words, (name,))
    if before.pii is not after.pii:
        yield Change("pii_changed", True, f"{name!r} was of the PII class {before.pii} and is {after.pii}", (name,))
    if set(before.allowed) != set(after.allowed):
        narrower = bool(after.allowed) and not (before.allowed and set(before.allowed) <= set(after.allowed))
        code = "allowed_narrowed" if narrower else "allowed_widened"
        yield Change(code, narrower, f"{'fewer' if narrower else 'more'} values of {name!r} are allowed", (name,))
    if before.completeness != after.completeness:
        yield Change("objective_changed", False, f"{name!r} has another objective of completeness", (name,))
    yield from _among_records(before, after)
    yield from _limits(before, after)
    kinds = ("missing_field", "type_change", "enum_growth")
    yield from _policies(repr(name), before.policies, after.policies, kinds, (name,))


def _among_records(before: ContractField, after: ContractField) -> Iterator[Change]:
    """What is asked of a field beside other records."""
    name = before.name
    if before.unique != after.unique:
        words = f"{name!r} is {'to be unique now' if after.unique else 'to be unique no more'}"
        yield Change("unique_changed", False, words, (name,))
    if before.parent != after.parent:
        harder = after.parent is not None and (before.parent is None or before.parent.wait == after.parent.wait)
        words = f"{name!r} referred to {_parent(before)} and refers to {_parent(after)}"
        yield Change("relationship_changed", harder, words, (name,))


def _policies(
    whose: str, before: Policies, after: Policies, kinds: Sequence[str], fields: tuple[str, ...]
) -> Iterator[Change]:
    """A policy breaks something where it discards what was not discarded before."""
    lossy = (Policy.DISCARD_ROW, Policy.DISCARD_VALUE)
    for kind in kinds:
        old, new = getattr(before, kind), getattr(after, kind)
        if old is not new:
            words = f"the policy of {whose} for {kind} was {old} and is {new}"
            yield Change("policy_changed", new in lossy and old not in lossy, words, fields)


def _limits(before: ContractField, after: ContractField) -> Iterator[Change]:
    was: Mapping[str, Limit] = {limit.word: limit for limit in before.limits}
    now: Mapping[str, Limit] = {limit.word: limit for limit in after.limits}
    for word in dict.fromkeys((*was, *now)):
        old, new = was.get(word), now.get(word)
        if old == new:
            continue
        hard = new is not None and new.severity is not Severity.WARN
        tighter = new is not None and (
            old is None or _stricter(old.severity, new.severity) or not _looser(old, new, after.type)
        )
        words = f"{before.name}.{word} was {_limit(old)} and is {_limit(new)}"
        code = "limit_tightened" if tighter else "limit_loosened"
        yield Change(code, tighter and hard, words, (before.name,))


def _stricter(before: Severity, after: Severity) -> bool:
    """Whether what took effect by itself, or could be let take effect, no longer does."""
    rising = (Severity.WARN, Severity.HOLD, Severity.QUARANTINE)
    return rising.index(after) > rising.index(before)


def _looser(old: Limit, new: Limit, kind: FieldType) -> bool:
    """Whether every value that passed still does."""
    if old.value == new.value:
        return True
    if old.word not in {*_LOWER, *_UPPER, "multipleOf"}:
        return False
    if kind in {FieldType.TIMESTAMP, FieldType.DATE}:
        return new.value <= old.value if old.word in _LOWER else new.value >= old.value
    before, after = Decimal(old.value), Decimal(new.value)
    if old.word == "multipleOf":
        return EXACT.remainder(before, after) == 0
    return after <= before if old.word in _LOWER else after >= before


def _volume(old: Contract, new: Contract) -> Iterator[Change]:
    if old.volume != new.volume:
        yield Change("volume_changed", False, "loads are expected to have another number of rows", ())


def _rules(old: Contract, new: Contract) -> Iterator[Change]:
    was, now = ({rule.name: rule for rule in contract.rules} for contract in (old, new))
    for name, rule in was.items():
        after = now.get(name)
        fields = tuple(sorted(rule.uses))
        if after is None:
            yield Change("rule_removed", False, f"the rule {name!r} is gone", fields)
        elif rule.expression != after.expression:
            hard = after.severity is not Severity.WARN
            yield Change("rule_changed", hard, f"the rule {name!r} says something else", tuple(sorted(after.uses)))
        elif rule.severity is not after.severity:
            hard = _stricter(rule.severity, after.severity)
            words = f"the rule {name!r} was of severity {rule.severity} and is {after.severity}"
            yield Change("severity_changed", hard, words, fields)
    for name, rule in now.items():
        if name not in was:
            hard = rule.severity is not Severity.WARN
            yield Change("rule_added", hard, f"the rule {name!r} is new", tuple(sorted(rule.uses)))


def _told(value: object) -> str:
    if value is None or value == ():
        return "not given"
    return " + ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _type(field: ContractField) -> str:
    return "an array" if field.array else str(field.type)


def _parent(field: ContractField) -> str:
    parent = field.parent
    return "nothing" if parent is None else f"{parent.stream}.{parent.field} (waiting {parent.wait})"


def _limit(limit: Limit | None) -> str:
    return "not there" if limit is None else f"{limit.value} ({limit.severity})"
