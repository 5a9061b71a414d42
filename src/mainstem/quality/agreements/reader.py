"""From the text of an agreement to an `Agreement`: strict, with near misses; and whether the contracts in force bear it."""

from __future__ import annotations

import datetime as dt
import decimal
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from mainstem.contracts import SPAN_HINT, Contract, read_span
from mainstem.errors import ConfigurationError
from mainstem.fields import Fields, read_yaml
from mainstem.hints import near_miss
from mainstem.model import EntityKind, FieldType, is_name
from mainstem.quality.agreements.agreement import (
    OWN_KEY,
    Agreement,
    Comparison,
    Contracts,
    Side,
    Truth,
    Way,
    field_of,
)

__all__ = ["check_agreement", "read_agreement"]

_MOST_COMPARISONS = 50
_MOST_VALUES = 1000
_PERCENT = re.compile(r"(\d{1,3}(?:\.\d{1,6})?) ?%")
# Two of this size can still be taken from one another (see `forms`).
_LARGEST = decimal.Decimal(10) ** 27
_PLACES = -9
_SEVERITY = "warn"
_MICROSECOND = dt.timedelta(microseconds=1)

_NUMBERS = frozenset({FieldType.INTEGER, FieldType.NUMBER})
_TIMES = frozenset({FieldType.TIMESTAMP, FieldType.DATE})
_TYPES: Mapping[Way, frozenset[FieldType]] = MappingProxyType(
    {
        Way.EXACT: frozenset(FieldType) - {FieldType.OBJECT},
        Way.IGNORE_CASE: frozenset({FieldType.STRING}),
        Way.NUMBER: _NUMBERS,
        Way.TIME: _TIMES,
    }
)


def read_agreement(text: str, *, where: str = "agreement") -> Agreement:
    """The agreement a YAML text declares. `where` names the text in messages. Raises ConfigurationError."""
    fields = read_yaml(text, where).only(
        "name", "label", "description", "left", "right", "match", "compare", "truth", "settle", "severity"
    )
    name = fields.take("name", str)
    if not is_name(name):
        raise ConfigurationError(
            f"{name!r} cannot be a name.", where=fields.at("name"), hint="Names match [a-z][a-z0-9_]{0,62}."
        )
    fields.choice("severity", [_SEVERITY], _SEVERITY)
    match = _inner(fields, "match").only("left", "right", "ignore_case")
    left, right = _side(fields, match, "left"), _side(fields, match, "right")
    if (left.source, left.stream) == (right.source, right.stream):
        raise ConfigurationError(
            "Both sides are one stream, which always agrees with itself.", where=fields.at("right")
        )
    comparisons = tuple(_comparison(one) for one in fields.each("compare"))
    if not 1 <= len(comparisons) <= _MOST_COMPARISONS:
        raise ConfigurationError(f"1 to {_MOST_COMPARISONS} pairs are compared.", where=fields.at("compare"))
    for side in ("left", "right"):
        names = [getattr(one, side) for one in comparisons]
        twice = next((one for one in names if names.count(one) > 1), None)
        if twice is not None:
            raise ConfigurationError(f"{twice!r} of the {side} is compared twice.", where=fields.at("compare"))
    return Agreement(
        name=name,
        label=fields.take("label", str, name.replace("_", " ").capitalize()),
        description=fields.take("description", str, "").strip(),
        left=left,
        right=right,
        ignore_case=match.take("ignore_case", bool, None),
        comparisons=comparisons,
        truth=Truth(fields.choice("truth", Truth, Truth.NEITHER)),
        settle=_span(fields, "settle", dt.timedelta(0)),
        text=text,
    )


_KEYED = ("customer", "person")


def check_agreement(
    agreement: Agreement, contracts: Contracts, *, where: str = "agreement"
) -> tuple[Contract, Contract]:
    """The contracts of the left and of the right.

    Raises ConfigurationError where a stream has none, is one of events, or maps nothing to an attribute, and where two types
    cannot be compared in the way that is declared.
    """
    left = _contract(agreement.left, contracts, f"{where}: left")
    right = _contract(agreement.right, contracts, f"{where}: right")
    for contract, side, name in ((left, agreement.left, "left"), (right, agreement.right, "right")):
        if side.by != OWN_KEY:
            _mapped(contract, side.by, f"{where}: match.{name}")
        elif contract.mapping.entity not in _KEYED:
            raise ConfigurationError(
                f"The keys of {contract.mapping.entity!r} are kept as references only.",
                where=f"{where}: match.{name}",
                hint="Match by an attribute that the key is mapped to, such as ticket_id.",
            )
    for place, comparison in enumerate(agreement.comparisons):
        at = f"{where}: compare[{place}]"
        _mapped(left, comparison.left, f"{at}.left")
        _mapped(right, comparison.right, f"{at}.right")
        _check_types(comparison, left, right, at)
    return left, right


def _inner(fields: Fields, key: str) -> Fields:
    inner = fields.inner(key)
    if inner is None:
        raise ConfigurationError(f"{key!r} is missing.", where=fields.where)
    return inner


def _side(fields: Fields, match: Fields, name: str) -> Side:
    inner = _inner(fields, name).only("source", "stream")
    return Side(inner.take("source", str), inner.take("stream", str), match.take(name, str))


def _comparison(fields: Fields) -> Comparison:
    fields.only("left", "right", "as", "tolerance", "values")
    way = Way(fields.choice("as", Way, Way.EXACT))
    tolerance, relative = _tolerance(fields, way)
    values = _values(fields)
    if values and way in {Way.NUMBER, Way.TIME}:
        raise ConfigurationError(
            "Values stand for others only where texts are compared.",
            where=fields.at("values"),
            hint=f"Leave out `as: {way}`, or the values.",
        )
    return Comparison(fields.take("left", str), fields.take("right", str), way, tolerance, relative, values)


def _tolerance(fields: Fields, way: Way) -> tuple[decimal.Decimal, bool]:
    """The tolerance, and whether it is a share of the larger value."""
    if "tolerance" not in fields.keys():  # noqa: SIM118 - not a mapping
        return decimal.Decimal(0), False
    where = fields.at("tolerance")
    if way is Way.TIME:
        return decimal.Decimal(_span(fields, "tolerance", None) // _MICROSECOND), False
    if way is not Way.NUMBER:
        raise ConfigurationError(
            "Only numbers and times can be nearly alike.", where=where, hint="Write `as: number` or `as: time`."
        )
    given: Any = fields.take("tolerance", object)
    if isinstance(given, str):
        found = _PERCENT.fullmatch(given)
        if found is None or decimal.Decimal(found[1]) > 100:
            raise ConfigurationError(f"{given!r} is no tolerance.", where=where, hint="Write 0.01, or a share: 1%.")
        share = decimal.Decimal(found[1]) / 100
        # A share of nought is none: the values have to be the same.
        return share, share != 0
    tolerance = fields.take("tolerance", decimal.Decimal)
    exponent = tolerance.normalize().as_tuple().exponent
    if not 0 <= tolerance < _LARGEST or not isinstance(exponent, int) or exponent < _PLACES:
        raise ConfigurationError(
            "A tolerance is no less than 0, below 10^27, with at most nine decimal places.", where=where
        )
    return tolerance, False


def _values(fields: Fields) -> Mapping[str, str]:
    inner = fields.inner("values")
    if inner is None:
        return MappingProxyType({})
    values = {name: inner.take(name, str) for name in inner.keys()}  # noqa: SIM118 - not a mapping
    if not 1 <= len(values) <= _MOST_VALUES:
        raise ConfigurationError(f"1 to {_MOST_VALUES:,} values stand for others.", where=fields.at("values"))
    return MappingProxyType(values)


def _span(fields: Fields, key: str, default: dt.timedelta | None) -> dt.timedelta:
    text = fields.text(key)
    span = read_span(text) if text is not None else default
    if span is None:
        raise ConfigurationError("A span of time is expected here.", where=fields.at(key), hint=SPAN_HINT)
    return span


def _contract(side: Side, contracts: Contracts, where: str) -> Contract:
    contract = contracts.active(side.source, side.stream)
    name = f"{side.source}.{side.stream}"
    if contract is None:
        known = [f"{source}.{stream}" for source, stream in contracts.streams()]
        raise ConfigurationError(f"No contract is in force for {name}.", where=where, hint=near_miss(name, known))
    if contract.kind is not EntityKind.STATE:
        raise ConfigurationError(
            f"{name} is a stream of events, which have no current state.",
            where=where,
            hint="Name a stream of a state entity, such as customer or person.",
        )
    return contract


def _mapped(contract: Contract, attribute: str, where: str) -> None:
    known = contract.mapping.attributes
    if attribute not in known:
        raise ConfigurationError(
            f"{contract.stream} maps nothing to the attribute {attribute!r}.",
            where=where,
            hint=near_miss(attribute, known),
        )


def _check_types(comparison: Comparison, left: Contract, right: Contract, where: str) -> None:
    # A constant is a text.
    one, other = (
        field.type if (field := field_of(contract, name)) is not None else FieldType.STRING
        for contract, name in ((left, comparison.left), (right, comparison.right))
    )
    for attribute, kind in ((comparison.left, one), (comparison.right, other)):
        if kind not in _TYPES[comparison.way]:
            raise ConfigurationError(
                f"{attribute!r} is of the type {kind}, which is not compared `as: {comparison.way}`.",
                where=where,
                hint="Write `as: number` for numbers and `as: time` for times and dates; objects are not compared.",
            )
    if comparison.way is Way.EXACT and not comparison.values and one is not other:
        for kinds, way in ((_NUMBERS, Way.NUMBER), (_TIMES, Way.TIME)):
            if {one, other} <= kinds:
                raise ConfigurationError(
                    f"{one} and {other} are written in different ways.", where=where, hint=f"Write `as: {way}`."
                )
        raise ConfigurationError(
            f"{one} and {other} are never alike.", where=where, hint="Say with `values` what stands for what."
        )
