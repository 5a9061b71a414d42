"""The next version that is proposed from what was noticed."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from mainstem.contracts import (
    Contract,
    DriftKind,
    Observed,
    builtin_contracts,
    propose_evolution,
    read_contract,
    with_reference_tables,
)
from mainstem.model import FieldType, PiiClass

Make = Callable[..., Contract]

N = {"name": "n", "logicalType": "integer", "required": True}
PLAN = {"name": "plan", "logicalType": "string", "enum": [{"value": "free"}]}
NEW = Observed(DriftKind.NEW_FIELD, "utmSource", "", ["string"], {"type": "string", "pii": None, "path": ["utmSource"]})
MAIL = Observed(
    DriftKind.NEW_FIELD, "to.mail", "", ["string"], {"type": "string", "pii": "email", "path": ["to", "mail"]}
)
WIDER = Observed(DriftKind.TYPE_CHANGE, "n", "number", ["number"], {"read": False})
TEXT = Observed(DriftKind.TYPE_CHANGE, "n", "string", ["string"], {"read": False})
GOLD = Observed(DriftKind.ENUM_GROWTH, "plan", "gold", [], {})
GONE = Observed(DriftKind.MISSING_FIELD, "n", "", [], {"required": True})
RENAME = Observed(DriftKind.RENAME, "count", "n", ["integer"], {"overlap": 1.0})
COUNT = Observed(DriftKind.NEW_FIELD, "count", "", ["integer"], {"type": "integer", "path": ["count"]})


def _next(contract: Contract, *observed: Observed) -> tuple[Contract | None, list[str | None]]:
    evolution = propose_evolution(contract, "shop", observed)
    left = [change.left for change in evolution.changes]
    return (None if evolution.text is None else read_contract(evolution.text, "next")), left


def test_new_fields_are_declared_where_they_lie(event_contract: Make) -> None:
    found, left = _next(event_contract(N), NEW, MAIL)
    assert found is not None
    assert left == [None, None]
    utm, mail = found.fields["utm_source"], found.fields["to_mail"]
    assert (utm.path, utm.type, utm.required, utm.pii) == (("utmSource",), FieldType.STRING, False, PiiClass.NONE)
    assert (mail.path, mail.pii) == (("to", "mail"), PiiClass.EMAIL)


def test_a_state_gains_an_attribute(state_contract: Make) -> None:
    found, _ = _next(state_contract(), NEW)
    assert found is not None
    assert found.mapping.attributes["utm_source"] == "utm_source"


def test_types_grow_to_what_takes_both(event_contract: Make) -> None:
    found, _ = _next(event_contract(N), WIDER)
    assert found is not None
    assert found.fields["n"].type is FieldType.NUMBER
    found, _ = _next(event_contract(N), WIDER, TEXT)
    assert found is not None
    assert found.fields["n"].type is FieldType.STRING


def test_a_value_that_was_read_all_the_same_changes_nothing(event_contract: Make) -> None:
    read = Observed(DriftKind.TYPE_CHANGE, "n", "string", ["string"], {"read": True})
    assert _next(event_contract(N), read) == (None, [])


def test_enumerations_grow_and_required_fields_become_optional(event_contract: Make) -> None:
    found, left = _next(event_contract(N, PLAN), GOLD, GONE)
    assert found is not None
    assert left == [None, None]
    assert found.fields["plan"].allowed == ("free", "gold")
    assert not found.fields["n"].required


def test_a_list_in_the_older_form_grows_too(event_contract: Make) -> None:
    listed = {"type": "library", "metric": "invalidValues", "mustBe": 0, "arguments": {"validValues": [1]}}
    old = event_contract({"name": "n", "logicalType": "integer", "quality": [listed]}, top={"apiVersion": "v3.1.0"})
    found, _ = _next(old, Observed(DriftKind.ENUM_GROWTH, "n", "2", [], {}))
    assert found is not None
    assert found.fields["n"].allowed == ("1", "2")


def test_a_rename_reads_the_field_elsewhere_and_declares_nothing_twice(event_contract: Make) -> None:
    found, left = _next(event_contract(N), COUNT, GONE, RENAME)
    assert found is not None
    assert left == [None]
    assert (found.fields["n"].path, found.fields["n"].required, "count" in found.fields) == (("count",), True, False)
    assert found.fields["n"].former == (("n",),)


def test_a_second_rename_keeps_both_names_before_it(event_contract: Make) -> None:
    nested = {**N, "path": ["a.b", "c"], "formerPaths": ["m", "o.p"]}
    found, left = _next(event_contract(nested), COUNT, GONE, RENAME)
    assert left == [None]
    assert found is not None
    assert found.fields["n"].paths == (("count",), ("a.b", "c"), ("m",), ("o", "p"))


def test_what_lies_at_the_same_place_is_read_elsewhere_too(event_contract: Make) -> None:
    shown = {"name": "shown", "logicalType": "string", "path": "n"}
    found, left = _next(event_contract(N, shown), COUNT, GONE, RENAME)
    assert left == [None]
    assert found is not None
    assert [found.fields[name].paths for name in ("n", "shown")] == [(("count",), ("n",))] * 2


def test_a_field_that_still_comes_is_not_renamed(event_contract: Make) -> None:
    both = dataclasses.replace(RENAME, evidence={**RENAME.evidence, "both": True})
    found, left = _next(event_contract(N), COUNT, both)
    assert found is not None
    assert (found.fields["n"].path, found.fields["count"].path) == (("n",), ("count",))
    assert [one is None for one in left] == [False, True]


@pytest.mark.parametrize(
    ("policy", "why"), [("freeze", "frozen"), ("discard_row", "discard_row"), ("discard_value", "discard_value")]
)
def test_what_is_frozen_or_discarded_stays_out(event_contract: Make, policy: str, why: str) -> None:
    found, left = _next(event_contract(N, PLAN, schemaChange=policy), NEW, WIDER, GOLD, GONE, RENAME)
    assert found is None
    assert len(left) == 5
    assert all(why in (one or "") for one in left)


def test_what_would_be_no_contract_is_left_out_and_the_rest_is_not(event_contract: Make) -> None:
    at = Observed(DriftKind.TYPE_CHANGE, "at", "string", ["string"], {"read": False})
    customer = Observed(DriftKind.MISSING_FIELD, "customer", "", [], {"required": True})
    personal = Observed(DriftKind.ENUM_GROWTH, "plan", "", [], {})
    nameless = Observed(DriftKind.NEW_FIELD, "*", "", [], {})
    empty = Observed(DriftKind.NEW_FIELD, "x", "", [], {"path": ["x"]})
    mixed = Observed(DriftKind.NEW_FIELD, "y", "", ["object", "string"], {"path": ["y"]})
    found, left = _next(event_contract(N, PLAN), at, customer, personal, nameless, empty, mixed, NEW)
    assert found is not None
    assert set(found.fields) == {"customer", "event", "at", "n", "plan", "utm_source"}
    assert [one is None for one in left].count(True) == 1
    assert any("no contract" in (one or "") for one in left)


def test_the_version_rises_and_what_else_stands_there_stays(event_text: Callable[..., str]) -> None:
    text = event_text(N, top={"version": "1.4.2", "tags": ["a"]})
    evolution = propose_evolution(read_contract(text, "t"), "shop", [NEW])
    assert evolution.text is not None
    said: dict[str, Any] = yaml.safe_load(evolution.text)
    assert (said["version"], said["tags"]) == ("1.5.0", ["a"])


def test_reference_tables_stay_behind_the_next_version(event_text: Callable[..., str]) -> None:
    enrich = [{"enrich": {"table": "plans", "key": "event", "column": "plan"}}]
    text = event_text({"name": "plan", "logicalType": "string", "remedies": enrich})
    contract = read_contract(
        with_reference_tables(text, "test.yaml", lambda _: "event,plan\nopened,free\n"), "test.yaml"
    )
    found, _ = _next(contract, NEW)
    assert found is not None
    assert (found.fields["plan"].remedies, "utm_source" in found.fields) == (contract.fields["plan"].remedies, True)


def test_a_source_evolves_away_from_the_contract_for_any_source() -> None:
    found, _ = _next(builtin_contracts()["usage_events"], NEW)
    assert found is not None
    assert (found.source, found.stream) == ("shop", "usage_events")
