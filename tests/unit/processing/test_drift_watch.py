"""What is noticed in batches: counts from columns, findings from samples, and never a value that may be somebody's."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pytest

from mainstem.contracts import RECORDS, CheckPlan, Contract, DriftKind, read_contract
from mainstem.contracts.duck import connect
from mainstem.processing.drift.discarding import discarded_rows
from mainstem.processing.drift.effects import MOST_PATHS
from mainstem.processing.drift.likeness import compare, likely
from mainstem.processing.drift.memory import Sampled, StreamMemory, are_key_names, is_key_name
from mainstem.processing.drift.watching import Checked, DriftWatch, Seen

AT = dt.datetime(2026, 1, 15, 12, tzinfo=dt.UTC)
FIELDS = (
    {"name": "customer", "logicalType": "string", "required": True},
    {"name": "event", "logicalType": "string", "required": True},
    {"name": "at", "logicalType": "timestamp", "required": True},
    {"name": "n", "logicalType": "integer"},
    {"name": "mail", "logicalType": "string", "enum": [{"value": "a@b.co"}], "customProperties": [{"property": "pii", "value": "email"}]},
    {"name": "plan", "logicalType": "string", "enum": [{"value": "free"}]},
    {"name": "city", "logicalType": "string", "customProperties": [{"property": "path", "value": "to.city"}]},
)  # fmt: skip


def _contract(*more: dict[str, Any], **custom: Any) -> Contract:
    mapping = {"customer_id": "customer", "event": "event", "occurred_at": "at"}
    custom = {
        "source": "shop",
        "partitionKey": "customer",
        "occurredAt": "at",
        "mapping": {"entity": "usage_event", "attributes": mapping},
        **custom,
    }
    properties = [{"property": name, "value": value} for name, value in custom.items()]
    fields = {one["name"]: one for one in FIELDS}
    fields |= {one["name"]: {**fields[one["name"]], **one} for one in more}
    schema = {"name": "things", "customProperties": properties, "properties": [*fields.values()]}
    head = {"apiVersion": "v3.2.0", "kind": "DataContract", "id": "t", "version": "1.0.0"}
    return read_contract(json.dumps({**head, "schema": [schema]}), "t")


def _good(number: int = 0, **payload: Any) -> dict[str, Any]:
    return {"customer": f"c{number}", "event": "e", "at": "2026-01-15T11:00:00Z", **payload}


class _Stream:
    """Batches of one stream under the eyes of one watch."""

    def __init__(self, *fields: dict[str, Any], **custom: Any) -> None:
        """`fields` are declared besides, or otherwise than they are in `FIELDS`."""
        self._plan = CheckPlan.compile(_contract(*fields, **custom))
        self._watch = DriftWatch()

    def look(self, *payloads: Any, at: Sequence[dt.datetime] | None = None) -> Seen:
        count = len(payloads)
        columns: dict[str, Sequence[Any]] = {
            "n": range(count),
            "payload": [one if isinstance(one, bytes) else json.dumps(one).encode() for one in payloads],
            "as_of": [AT] * count,
            "op": ["event"] * count,
        }
        arrays = [pa.array(columns.get(one.name, [None] * count), one.type) for one in RECORDS]
        records = pa.table(arrays, schema=RECORDS)
        records = records.append_column("received_at", pa.array(at or [AT] * count, RECORDS.field("as_of").type))
        with connect() as connection:
            rows = self._plan.run(connection, records)
        return self._watch.look(Checked("shop", self._plan, records, rows, discarded_rows(self._plan, rows)))


def _counts(seen: Seen) -> dict[tuple[str, str], int]:
    found: dict[tuple[str, str], int] = {}
    for row in seen.counts:
        key = (row["kind"], row["path"])
        found[key] = found.get(key, 0) + row["n"]
    return found


def _found(seen: Seen) -> set[tuple[str, str, str]]:
    return {(one.kind.value, one.path, one.observed) for one in seen.findings}


def test_a_batch_as_declared_shows_nothing() -> None:
    seen = _Stream().look(*(_good(n, n=n, plan="free", to={"city": "Riga"}) for n in range(50)))
    assert (seen.counts, seen.findings) == ([], [])


def test_new_keys_are_counted_by_name_and_day_and_told_once_a_batch() -> None:
    stream = _Stream()
    days = [AT, AT, AT + dt.timedelta(days=1)]
    seen = stream.look(_good(), _good(utm="x"), _good(utm=5, ref=None), at=days)
    assert _counts(seen) == {("new_field", "utm"): 2, ("new_field", "ref"): 1}
    assert len([row for row in seen.counts if row["path"] == "utm"]) == 2
    assert _found(seen) == {("new_field", "utm", ""), ("new_field", "ref", "")}
    [utm] = [one for one in seen.findings if one.path == "utm"]
    assert (utm.types, utm.at) == (("integer", "string"), AT)
    assert [one.types for one in stream.look(_good(utm="y")).findings] == [("integer", "string")], (
        "a commit may have failed"
    )
    assert [one.types for one in stream.look(_good(utm=1.5)).findings] == [("integer", "number", "string")]


def test_keys_inside_objects_are_found_and_those_of_whole_objects_are_not() -> None:
    seen = _Stream().look(_good(to={"city": "Riga", "zip": "1001"}))
    assert _found(seen) == {("new_field", "to.zip", "")}
    assert seen.counts == []


def test_keys_that_look_like_data_are_not_told() -> None:
    seen = _Stream().look(_good(**{"ann@example.org": 1}), _good(**{"12345678": 1}), _good(**{"x" * 80: 1}))
    assert _counts(seen) == {("new_field", "*"): 3}
    assert _found(seen) == {("new_field", "*", "")}
    assert not any(map(is_key_name, ("a@b", "id123456", "", "9lives", "tab\t")))
    assert all(map(is_key_name, ("utm_source", "Plan__c", "$ref", "e.mail", "line 2")))


def test_names_are_told_from_data_alike_one_by_one_and_in_columns() -> None:
    odd = [
        "",
        "\0",
        "a\0",
        "a\n",
        "\na",
        "a\nb",
        "é",
        "e\u0301",
        "\U0001f600",
        "a\u0663",
        "a" * 63,
        "a" * 64,
        "k" * 10**6,
        "*",
        "-a",
        " a",
    ]
    keys = [
        *odd,
        "a@b",
        "id1234",
        "id12345",
        "utm",
        "$ref",
        "_",
        "a.b: c-d",
        "a\u2028",
        "a\u0661\u0662\u0663\u0664\u0665",
    ]
    assert are_key_names(pa.array(keys)).tolist() == [is_key_name(key) for key in keys]


def test_more_new_keys_than_can_be_told_are_counted_together() -> None:
    seen = _Stream().look(*(_good(**{f"key_{n}": n}) for n in range(MOST_PATHS + 50)))
    counts = _counts(seen)
    assert (len(counts), counts["new_field", "*"]) == (MOST_PATHS + 1, 50)
    assert ("new_field", f"key_{MOST_PATHS - 1}") in counts


def test_values_are_told_only_where_none_is_personal() -> None:
    seen = _Stream().look(_good(plan="gold"), _good(mail="ann@example.org"), _good(plan="x" * 100))
    assert _counts(seen) == {("enum_growth", "plan"): 2, ("enum_growth", "mail"): 1}
    assert _found(seen) == {("enum_growth", "plan", "gold"), ("enum_growth", "plan", ""), ("enum_growth", "mail", "")}
    assert "ann" not in repr(seen)


def test_every_value_that_is_not_allowed_is_told_however_rare() -> None:
    seen = _Stream().look(*(_good(plan="gold") for _ in range(300)), _good(plan="silver"))
    assert _found(seen) == {("enum_growth", "plan", "gold"), ("enum_growth", "plan", "silver")}
    seen = _Stream(schemaChange="discard_value").look(*(_good(plan="gold") for _ in range(3)))
    assert _found(seen) == {("enum_growth", "plan", "gold")}


def test_a_type_that_is_not_read_and_one_that_is_read_all_the_same() -> None:
    stream = _Stream()
    assert _found(stream.look(*(_good(n="7") for _ in range(5)))) == set(), "a habit is no change"
    seen = stream.look(_good(n=7), _good(n="8"), _good(n="many"), _good(n={}))
    assert _counts(seen) == {("type_change", "n"): 2}
    assert _found(seen) == {("type_change", "n", "string"), ("type_change", "n", "object")}
    evidence = [one.evidence for one in seen.findings if one.observed == "string"]
    assert {"read": True} in evidence
    assert {"read": False} in evidence


def test_which_fields_were_there() -> None:
    seen = _Stream().look(_good(n=1), _good(n=2), _good(), b"not json", _good(), _good(plan="gold", n=3), _good())
    by_field = {row["field"]: row for row in seen.presence}
    assert by_field[""]["records"] == 5
    n = by_field["n"]
    assert (n["records"], n["absent"], n["refused"], n["run"]) == (5, 3, 0, 3)
    customer = by_field["customer"]
    assert (customer["absent"], customer["run"]) == (0, 0)


def test_required_fields_that_are_missing_are_counted_with_those_that_go_no_further() -> None:
    seen = _Stream().look(_good(), *({"customer": "c", "at": "2026-01-15T11:00:00Z"} for _ in range(3)))
    [event] = [row for row in seen.presence if row["field"] == "event"]
    assert (event["records"], event["absent"], event["refused"], event["run"]) == (4, 3, 3, 3)
    assert ("missing_field", "event", "") in _found(seen)


def test_a_rename_is_told_by_its_values() -> None:
    stream = _Stream()
    stream.look(*(_good(n=n) for n in range(40)))
    seen = stream.look(*(_good(zz=n) for n in range(20)))
    [rename] = [one for one in seen.findings if one.kind is DriftKind.RENAME]
    assert (rename.path, rename.observed) == ("zz", "n")
    assert rename.evidence == {"overlap": 1.0, "compared": 20, "names": 0.0, "same_type": True}


def test_a_rename_is_told_by_its_name_and_type() -> None:
    stream = _Stream()
    stream.look(*(_good(plan="free") for _ in range(5)))
    seen = stream.look(*(_good(plan_name="free") for _ in range(5)))
    assert ("rename", "plan_name", "plan") in _found(seen)


def test_a_rename_is_taken_back_by_a_record_with_both() -> None:
    stream = _Stream()
    stream.look(*(_good(plan="free") for _ in range(5)))
    told = [stream.look(_good(plan_name="free")), stream.look(_good(plan_name="free", plan="free"))]
    renames = [one for seen in told for one in seen.findings if one.kind is DriftKind.RENAME]
    assert [one.evidence.get("both", False) for one in renames] == [False, True]


def test_a_key_beside_its_field_or_with_other_values_is_no_rename() -> None:
    stream = _Stream()
    stream.look(*(_good(n=n) for n in range(40)))
    seen = stream.look(*(_good(n=n, zz=n) for n in range(20)), *(_good(other=1000 + n) for n in range(20)))
    assert not [one for one in seen.findings if one.kind is DriftKind.RENAME]


@pytest.mark.parametrize(
    ("old", "new", "before", "after", "same", "verdict"),
    [
        ("amount", "total", {"1", "2", "3", "4", "5"}, {"1", "2", "3", "4", "9"}, True, True),
        ("amount", "total", {"1", "2"}, {"1", "2"}, True, False),
        ("customer_email", "email", set(), set(), True, True),
        ("customer_email", "email", set(), set(), False, False),
        ("amount", "colour", set(), {"red"}, True, False),
    ],
)
def test_likeness(old: str, new: str, before: set[str], after: set[str], *, same: bool, verdict: bool) -> None:
    assert likely(compare(old, new, before, after, same_type=same)) is verdict


def test_discards_are_counted_under_what_they_are_discarded_for() -> None:
    seen = _Stream(schemaChange="discard_row").look(
        _good(), _good(utm=1, ref=2), _good(plan="gold"), _good(to={"city": "Riga", "zip": "1"})
    )
    lost = {(row["kind"], row["path"]): (row["n"], row["discarded"]) for row in seen.counts}
    assert lost == {
        ("new_field", "utm"): (1, 1),
        ("new_field", "ref"): (1, 0),
        ("new_field", "to.zip"): (1, 1),
        ("enum_growth", "plan"): (1, 1),
    }


def test_a_key_that_is_set_aside_is_named() -> None:
    seen = _Stream(schemaChange="quarantine").look(_good(), _good(utm=1), _good(to={"zip": "1"}))
    assert seen.undeclared == {1: "utm", 2: "to.zip"}


@pytest.mark.parametrize("value", ["anna@example.org", "+371 2612-3456", "3712612", "x" * 65, "a\nb"])
def test_a_value_that_may_be_somebodys_is_not_told_whatever_its_field(value: str) -> None:
    assert _found(_Stream().look(_good(plan=value))) == {("enum_growth", "plan", "")}
    assert _found(_Stream(schemaChange="discard_value").look(_good(plan=value))) == {("enum_growth", "plan", "")}


@pytest.mark.parametrize("policy", ["freeze", "discard_row"])
def test_a_key_inside_an_object_that_is_refused_is_told_in_whichever_record(policy: str) -> None:
    seen = _Stream(schemaChange=policy).look(*(_good() for _ in range(150)), _good(to={"zip": "1"}))
    assert _counts(seen) == {("new_field", "to.zip"): 1}
    assert _found(seen) == {("new_field", "to.zip", "")}


def test_nobody_is_curious_of_keys_that_will_have_no_name() -> None:
    contract = _contract()
    memory = StreamMemory("shop", contract)
    assert memory.is_curious(("k0",))
    for number in range(MOST_PATHS):
        list(memory.new_key((f"k{number}",), [Sampled({f"k{number}": 1}, AT)], AT))
    assert memory.is_curious(("k0",))
    assert not memory.is_curious(("another",))
    assert not StreamMemory("shop", contract).is_curious(("a@b",))


def test_of_an_object_with_very_many_keys_the_first_ones_are_looked_at() -> None:
    seen = _Stream().look(_good(to={f"k{number}": 1 for number in range(10 * MOST_PATHS)}))
    assert len(_found(seen)) == MOST_PATHS


def test_payloads_that_cannot_be_read_disturb_nothing() -> None:
    bad = [b"", b"[]", b'{"customer":', b"\xff", b'{"a":' * 300 + b"1" + b"}" * 300]
    seen = _Stream().look(*bad, _good(utm=1))
    assert _counts(seen) == {("new_field", "utm"): 1}
    assert {row["field"]: row["records"] for row in seen.presence}[""] == 1


@pytest.mark.parametrize("policy", ["discard_value", "evolve"])
def test_what_cannot_be_read_lacks_no_field(policy: str) -> None:
    required = [{"name": "n", "required": True}]
    seen = _Stream(*required, schemaChange=policy).look(_good(n=1), b"", b"[]", b'{"n":')
    assert seen.counts == []
    assert seen.findings == []


def test_no_value_keeps_what_its_neighbours_show_from_being_counted_and_told() -> None:
    hostile = ["1E+9999999", "-1e-9999999", 10**40, "9" * 5000, 5e-324, [[[{}]]], "2026-99-99T99:99:99Z", "\x00"]
    seen = _Stream().look(*(_good(utm=value) for value in hostile), _good(ref=1), _good(plan="gold"))
    assert _counts(seen) == {("new_field", "utm"): 8, ("new_field", "ref"): 1, ("enum_growth", "plan"): 1}
    assert {path for _, path, _ in _found(seen)} == {"utm", "ref", "plan"}


def test_keys_that_are_counted_together_are_counted_one_by_one() -> None:
    """So that a sum over records comes to the same however many of the keys have names by then."""
    stream = _Stream(schemaChange="freeze")
    seen = stream.look(
        _good(**{"a@b": 1, "c@d": 2}), b'{"customer":"c","event":"e","at":"2026-01-15T11:00:00Z","@":1,"@":2}'
    )
    assert _counts(seen) == {("new_field", "*"): 3}
    assert _counts(stream.look(_good(**{"a@b": 1}), _good(to={"c@d": 1}))) == {("new_field", "*"): 2}


def test_a_declared_word_for_nothing_is_no_change_of_type() -> None:
    seen = _Stream(missing=["-9", "?"]).look(_good(n=1), _good(n="?"), _good(n=2))
    assert "type_change" not in {kind for kind, _, _ in _found(seen)}
    assert _found(_Stream().look(_good(n=1), _good(n="7"))) == {("type_change", "n", "string")}
