"""The plans against plain Python: what is read, and that nothing breaks."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any

import pyarrow as pa
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mainstem.contracts import RECORDS, CheckPlan, DoorPlan, Reason, builtin_contracts, read_contract
from mainstem.contracts._screen import screen
from mainstem.contracts.duck import connect

FIELDS = ("string", "integer", "number", "boolean", "timestamp", "date", "object", "array")
CONTRACT = read_contract(
    json.dumps(
        {
            "apiVersion": "v3.2.0", "kind": "DataContract", "id": "t", "version": "1",
            "schema": [{
                "name": "t",
                "customProperties": [{"property": name, "value": value} for name, value in {
                    "source": "s", "partitionKey": "customer", "occurredAt": "at", "recordId": "id",
                    "mapping": {"entity": "usage_event", "attributes": {"customer_id": "customer", "event": "event", "occurred_at": "at"}},
                }.items()],
                "properties": [
                    {"name": "customer", "logicalType": "string", "required": True, "customProperties": [{"property": "path", "value": "who.c"}]},
                    {"name": "event", "logicalType": "string", "required": True},
                    {"name": "at", "logicalType": "timestamp", "required": True},
                    {"name": "id", "logicalType": "string"},
                    *({"name": f"x_{name}", "logicalType": name, "physicalName": "x"} for name in FIELDS),
                ],
            }],
        }
    ),
    "t",
)  # fmt: skip
CONNECTION = connect()
PLAN, DOOR = CheckPlan.compile(CONTRACT), DoorPlan.compile(CONTRACT)
AS_OF = dt.datetime(2026, 1, 15, 12, tzinfo=dt.UTC)
REASONS = {str(reason) for reason in Reason}

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
TIMES = st.datetimes(dt.datetime(1, 1, 2), dt.datetime(9999, 12, 30))  # noqa: DTZ001
NUMBERS = (
    st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.decimals(-100, 100, places=3).map(float)
)
LIKELY = st.one_of(
    st.none(), st.booleans(), NUMBERS, NUMBERS.map(str), TEXT, TIMES.map(str), TIMES.map(lambda at: at.isoformat() + "Z"),
    st.dates().map(str), st.sampled_from(["", " ", "true", "{}", "[]", "1e5", "-0", "007", "\0", "NaN", "\u00a0", "1.", ".5"]),
)  # fmt: skip
VALUES = st.recursive(
    LIKELY, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3), max_leaves=8
)


def _run(payloads: Sequence[bytes], **envelope: Sequence[Any]) -> list[dict[str, Any]]:
    count = len(payloads)
    columns: dict[str, Sequence[Any]] = {
        "n": range(count), "payload": payloads, "as_of": [AS_OF] * count, "op": ["event"] * count, **envelope,
    }  # fmt: skip
    table = pa.table(
        [pa.array(columns.get(field.name, [None] * count), field.type) for field in RECORDS], schema=RECORDS
    )
    rows: list[dict[str, Any]] = PLAN.run(CONNECTION, table).to_pylist()
    return rows


@settings(max_examples=50, deadline=None)
@given(st.lists(st.binary(max_size=30) | VALUES.map(lambda v: json.dumps(v).encode()), min_size=1, max_size=12))
def test_no_payload_breaks_a_plan(payloads: list[bytes]) -> None:
    rows = _run(payloads)
    assert [row["n"] for row in rows] == list(range(len(payloads)))
    assert {row["reason"] for row in rows} <= REASONS
    assert len(DOOR.pick(payloads).partition_key or ()) == len(payloads)


@settings(max_examples=60, deadline=None)
@given(st.lists(VALUES, min_size=1, max_size=12), st.booleans())
# Less than the last place, whatever its first digit.
@example([5.5e-154, 5.5e-20, 9.9e-12, "99999e-15", "5e-10", "-5.5e-10", 4.9e-10, "1e-9999"], True)
def test_every_reading_of_a_value_is_right(values: list[Any], ascii_only: bool) -> None:  # noqa: FBT001
    base = {"who": {"c": "c"}, "event": "e", "at": "2026-01-15"}
    rows = _run([json.dumps(base | {"x": value}, ensure_ascii=ascii_only).encode() for value in values])
    for value, row in zip(values, rows, strict=True):
        assert _is_string(row["f_x_string"], value)
        assert row["f_x_integer"] == _integer(value)
        assert row["f_x_number"] == _number(value)
        assert (row["f_x_object"] is not None) == isinstance(value, dict)
        assert (row["f_x_array"] is not None) == isinstance(value, list)
        if isinstance(value, dict | list):
            assert json.loads(row["f_x_object"] or row["f_x_array"]) == value


def _is_string(read: str | None, value: object) -> bool:
    if isinstance(value, bool | dict | list) or value is None:
        return read is None
    # Of a number with a fraction some text that reads as the same one.
    return float(read or "nan") == value if isinstance(value, float) else read == str(value)


def _plain(value: object) -> Decimal | None:
    """The exact number of a JSON number or of a text that is written as one."""
    if isinstance(value, bool) or not isinstance(value, int | float | str) or value == "":
        return None
    text = value if isinstance(value, str) else repr(value)
    if isinstance(value, str) and not (
        text.isascii() and text.strip("+-.eE0123456789") == "" and text[-1:] not in "eE+-"
    ):
        return None
    try:
        number = Decimal(text)
    except ArithmeticError:
        return None
    return number if number.is_finite() else None


def _integer(value: object) -> int | None:
    number = _plain(value)
    if number is None or number != int(number) or not -(2**63) <= number < 2**63:
        return None
    if isinstance(value, float) and abs(number) >= 2**53:
        return None
    return (
        None
        if isinstance(value, str) and ("e" in value.lower() or value.startswith((".", "-.", "+.")))
        else int(number)
    )


def _number(value: object) -> Decimal | None:
    number = _plain(value)
    if number is None or abs(number) >= 10**29:
        return None
    return number.quantize(Decimal("1E-9"), ROUND_HALF_UP) if abs(number) < 10**19 else number


_DIGITS = st.text("0123456789", max_size=34)
_EXPONENTS = st.sampled_from(["", "-", "+"]).flatmap(lambda sign: st.integers(0, 40).map(lambda n: f"{sign}{n}"))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["", "-", "+"]), _DIGITS, _DIGITS, st.sampled_from("eE"), _EXPONENTS),
        min_size=20,
        max_size=60,
    )
)
@example(
    [
        ("", "70335", "07977327825003", "E", "+5"),
        ("-", "", "5", "e", "-9"),
        ("", "9" * 30, "", "e", "-1"),
        ("", "0", "", "e", "9999"),
    ]
)
@example([("", "9" * 29, "9" * 9 + "4", "e", "0"), ("", "9" * 29, "9" * 9 + "5", "e", "0"), ("", "1", "", "e", "29")])
@example(
    [
        ("", "69427439840746543107637995", "0649890421499", "E", "+3"),
        ("", "0", "0" * 5000 + "1", "e", "5000"),
        ("", "1", "", "e", "9999"),
    ]
)
def test_quoted_numbers_with_an_exponent_are_exact(parts: list[tuple[str, str, str, str, str]]) -> None:
    texts = [
        f"{sign}{whole or '0'}{'.' + rest if rest else ''}{e}{exponent}" for sign, whole, rest, e, exponent in parts
    ]
    base = {"who": {"c": "c"}, "event": "e", "at": "2026-01-15"}
    rows = _run([json.dumps(base | {"x": text}).encode() for text in texts])
    for text, row in zip(texts, rows, strict=True):
        number = Decimal(text)
        rounded = None
        if number.adjusted() < 30 or not number:
            rounded = number.quantize(Decimal("1E-9"), ROUND_HALF_UP, Context(prec=9_999))
        assert row["f_x_number"] == (None if rounded is None or rounded.copy_abs() >= 10**29 else rounded), text


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(LIKELY, LIKELY, LIKELY), min_size=1, max_size=12))
def test_what_the_door_picks_is_what_the_plan_reads(parts: list[tuple[Any, Any, Any]]) -> None:
    payloads = [json.dumps({"who": {"c": c}, "id": i, "at": at, "event": "e"}).encode() for c, i, at in parts]
    picked = DOOR.pick(payloads)
    assert picked.record_id is not None
    assert picked.partition_key is not None
    assert picked.occurred_at is not None
    alone = _run(payloads)
    told = _run(
        payloads, record_id=picked.record_id, partition_key=picked.partition_key, occurred_at=picked.occurred_at
    )
    for row, other, part in zip(alone, told, parts, strict=True):
        # A number with a fraction or an exponent has several texts; the door keeps the one that was sent.
        if not isinstance(part[0], float):
            assert row["partition_key"] == other["partition_key"]
        if not isinstance(part[1], float):
            assert row["record_id"] == other["record_id"]
        assert row["occurred_at"] == other["occurred_at"]
        if not any(isinstance(one, float) for one in part):
            assert (row["reason"], row["field"]) == (other["reason"], other["field"])
    assert [row["occurred_at"] for row in alone if row["occurred_at"]] == [
        at for at in picked.occurred_at.to_pylist() if at
    ]


def _strict(payload: bytes) -> bool:
    """Whether a text is a JSON object by RFC 8259, without half surrogates."""

    def refuse(_: str) -> None:
        raise ValueError

    try:
        value = json.loads(payload.decode(), parse_constant=refuse)
        json.dumps(value, ensure_ascii=False).encode()
    except ValueError:
        return False
    return isinstance(value, dict)


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(TEXT, VALUES, max_size=4).map(lambda v: json.dumps(v).encode()),
    st.lists(st.tuples(st.integers(0, 200), st.binary(max_size=3) | st.sampled_from([b",", b"]", b"}", b'"', b"\\", b"NaN", b"\\ud800"]), st.integers(0, 3)), max_size=3),
)  # fmt: skip
def test_the_strict_look_agrees_with_the_standard_library(payload: bytes, cuts: list[tuple[int, bytes, int]]) -> None:
    for at, insert, gone in cuts:
        payload = payload[:at] + insert + payload[at + gone :]
    _, defects = screen(pa.array([b"{}", payload], pa.binary()))
    assert (1 in defects) == (not _strict(payload))
    assert 0 not in defects


def test_the_builtin_contract_compiles() -> None:
    for contract in builtin_contracts().values():
        assert CheckPlan.compile(contract).contract is contract
        assert DoorPlan.compile(contract).pick([]).partition_key == []
