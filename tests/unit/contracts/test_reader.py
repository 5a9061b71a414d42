from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from mainstem.contracts import (
    Constant,
    Contract,
    Repeat,
    builtin_contracts,
    compare_contracts,
    described,
    read_contract,
)
from mainstem.errors import ConfigurationError
from mainstem.model import EntityKind, FieldType, PiiClass

Text = Callable[..., str]


def _error(text: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        read_contract(text, "c.yaml")
    assert caught.value.hint
    assert str(caught.value).startswith("c.yaml")
    return str(caught.value)


def test_the_builtin_contract_is_the_agreed_one() -> None:
    contract = builtin_contracts()["usage_events"]
    assert (contract.source, contract.stream, contract.version, contract.kind) == ("*", "usage_events", 0, "event")
    assert {name: (field.type, field.required) for name, field in contract.fields.items()} == {
        "customer_id": (FieldType.STRING, True),
        "person_id": (FieldType.STRING, False),
        "event": (FieldType.STRING, True),
        "occurred_at": (FieldType.TIMESTAMP, True),
        "quantity": (FieldType.NUMBER, False),
        "object": (FieldType.STRING, False),
        "properties": (FieldType.OBJECT, False),
        "id": (FieldType.STRING, False),
    }
    assert (contract.partition_key, contract.record_id, contract.occurred_at) == ("customer_id", "id", "occurred_at")
    assert contract.repeat is Repeat.ID
    assert [name for name, field in contract.fields.items() if field.pii is PiiClass.IDENTIFIER] == [
        "customer_id", "person_id",
    ]  # fmt: skip


def test_all_of_an_event_contract(event_text: Text) -> None:
    text = event_text(
        {"name": "n", "logicalType": "integer", "required": True, "description": " How many. ", "path": "a.b"},
        {"name": "list", "logicalType": "array", "physicalName": "List.1", "pii": "free_text"},
        {"name": "colour", "logicalType": "string", "enum": [{"value": "red"}, {"value": "blue", "label": "Blue"}]},
        top={
            "slaProperties": [{"property": "freshness", "value": 1.5, "unit": "h"}, {"property": "latency", "value": 1}]
        },
        repeat="occurrence",
        occurredAtImmutable=False,
        grace="2d",
        oldest="52w",
        ahead="90s",
        kind="event",
    )
    contract = read_contract(text, "c.yaml")
    assert (contract.source, contract.stream, contract.text) == ("shop", "things", text)
    assert contract.fingerprint == hashlib.sha256(text.encode()).hexdigest()
    assert (contract.repeat, contract.occurred_at_immutable) == (Repeat.OCCURRENCE, False)
    assert (contract.grace, contract.oldest) == (dt.timedelta(days=2), dt.timedelta(weeks=52))
    assert (contract.ahead, contract.freshness) == (dt.timedelta(seconds=90), dt.timedelta(minutes=90))
    n, listed, colour = (contract.fields[name] for name in ("n", "list", "colour"))
    assert (n.path, n.type, n.required, n.description) == (("a", "b"), FieldType.INTEGER, True, "How many.")
    assert (listed.path, listed.type, listed.array) == (("List.1",), FieldType.OBJECT, True)
    assert (listed.pii, colour.allowed) == (PiiClass.FREE_TEXT, ("red", "blue"))


def test_defaults(event_contract: Callable[..., Contract]) -> None:
    contract = event_contract()
    assert (contract.repeat, contract.occurred_at_immutable, contract.record_id) == (Repeat.ID, True, None)
    assert (contract.grace, contract.ahead, contract.freshness) == (
        dt.timedelta(hours=1),
        dt.timedelta(minutes=10),
        None,
    )
    assert contract.fields["customer"].pii is PiiClass.IDENTIFIER
    assert contract.fields["event"].pii is PiiClass.NONE
    assert contract.fields["event"].path == ("event",)


def test_all_of_a_state_contract(state_text: Text) -> None:
    text = state_text(
        {"name": "updated", "logicalType": "timestamp"},
        {"name": "gone", "logicalType": "boolean"},
        {"name": "region", "logicalType": "integer"},
        entityVersion="updated",
        deleted="gone",
        occurredAt="updated",
        mapping={
            "entity": "customer",
            "attributes": {"customer_id": "account", "plan": "plan", "region": "region", "own": {"constant": 1.5}, "flag": {"constant": True}, "segment": {"constant": "a"}},
        },
    )  # fmt: skip
    contract = read_contract(text, "c.yaml")
    assert (contract.kind, contract.key, contract.partition_key) == (EntityKind.STATE, ("account",), "account")
    assert (contract.entity_version, contract.deleted, contract.occurred_at) == ("updated", "gone", "updated")
    assert contract.mapping.attributes == {
        "customer_id": "account", "plan": "plan", "region": "region", "own": Constant("1.5"), "flag": Constant("true"),
        "segment": Constant("a"),
    }  # fmt: skip


def test_custom_properties_may_stand_on_the_contract_and_other_tools_may_have_theirs(event_text: Text) -> None:
    other = {"property": "anything", "value": [1], "vendor": "acme"}
    mine = {"property": "source", "value": "erp", "vendor": "mainstem"}
    contract = read_contract(event_text(source=None, top={"customProperties": [other, mine]}), "c.yaml")
    assert contract.source == "erp"


def test_documentation_of_the_standard_is_let_through(event_text: Text) -> None:
    text = event_text(
        {"name": "event", "businessName": "Event", "tags": ["a"], "examples": ["x"], "classification": "restricted",
         "criticalDataElement": True, "physicalType": "VARCHAR", "quality": [{"type": "text", "description": "Clean."}]},
        top={"name": "Things", "status": "active", "tenant": "acme", "domain": "sales", "tags": ["b"],
             "description": {"purpose": "p"}, "team": {"name": "t", "members": [{"username": "u"}]},
             "price": {"priceAmount": 1}, "contractCreatedTs": "2026-01-01T00:00:00Z", "support": [{"channel": "c"}]},
    )  # fmt: skip
    assert read_contract(text, "c.yaml").fields["event"].allowed == ()


@pytest.mark.parametrize(
    ("team", "owners"),
    [
        ({"name": "Sales data", "members": [{"username": "u", "role": "reader"}]}, ("Sales data",)),
        (
            {"name": "t", "members": [{"username": "ann", "role": "Owner"}, {"name": "Bo", "role": "data owner"}]},
            ("ann", "Bo"),
        ),
        ({"members": [{"username": "ann", "role": "owner", "dateOut": "2026-01-01"}]}, ()),
        ([{"username": "ann", "role": "Owner"}, {"username": "ann", "role": "owner"}, {"username": " "}], ("ann",)),
        ([{"username": "landowner", "role": "coowner"}], ()),
        (None, ()),
    ],
)
def test_a_team_says_who_owns_the_stream(event_text: Text, team: object, owners: tuple[str, ...]) -> None:
    text = event_text(top={} if team is None else {"team": team})
    assert read_contract(text, "c.yaml").owners == owners


def test_a_text_that_names_many_owners_is_read_all_the_same(event_text: Text) -> None:
    members = [{"username": f"{n:02}" + "u" * 300, "role": "owner"} for n in range(30)]
    owners = read_contract(event_text(top={"team": {"members": members}}), "c.yaml").owners
    assert [(len(owner), owner[:2]) for owner in owners] == [(200, f"{n:02}") for n in range(20)]


def test_valid_values_of_the_standards_own_rule(event_text: Text) -> None:
    rule = {"type": "library", "metric": "invalidValues", "mustBe": 0, "arguments": {"validValues": ["a", "b"]}}
    contract = read_contract(event_text({"name": "event", "quality": [rule]}), "c.yaml")
    assert contract.fields["event"].allowed == ("a", "b")


@pytest.mark.parametrize(
    ("logical_type", "values", "expected"),
    [
        ("integer", [1, -2], ("1", "-2")),
        ("number", [1, 1.50, 1e-7], ("1", "1.5", "0.0000001")),
        ("number", [10**28 + 1, -(10**29) + 1, 1.0e25], ("1" + "0" * 27 + "1", "-" + "9" * 29, "1" + "0" * 25)),
        ("date", ["2026-01-02"], ("2026-01-02",)),
    ],
)
def test_allowed_values_of_types(event_text: Text, logical_type: str, values: list[Any], expected: tuple[str]) -> None:
    field = {"name": "x", "logicalType": logical_type, "enum": [{"value": value} for value in values]}
    assert read_contract(event_text(field), "c.yaml").fields["x"].allowed == expected


FIELD = "schema[0].properties[3]"


@pytest.mark.parametrize(
    ("field", "where", "says"),
    [
        ({"name": "Big"}, f"{FIELD}.name", "no name of a field"),
        ({"name": "x" * 64}, f"{FIELD}.name", "no name of a field"),
        ({"logicalType": "text"}, f"{FIELD}.logicalType", "no type of a field"),
        ({"logicalType": "int"}, f"{FIELD}.logicalType", "Did you mean 'integer'?"),
        ({"logicalType": "time"}, f"{FIELD}.logicalType", "no type of a field"),
        ({"logicalType": None}, f"{FIELD}.logicalType", "no type of a field"),
        ({"requird": True}, f"{FIELD}.requird", "Did you mean 'required'?"),
        ({"required": "yes please"}, f"{FIELD}.required", "Write true or false."),
        ({"description": 5}, f"{FIELD}.description", "Put the value in quotes."),
        ({"logicalTypeOptions": {"maximum": 5}}, f"{FIELD}.logicalTypeOptions.maximum", "not checked"),
        ({"unique": True}, f"{FIELD}.unique", "`recordId`"),
        ({"logicalType": "array", "items": {"logicalType": "string"}}, f"{FIELD}.items", "not checked"),
        ({"logicalType": "object", "properties": [{"name": "a"}]}, f"{FIELD}.properties", "`path`"),
        ({"classification": "email"}, f"{FIELD}.classification", "pii: email"),
        ({"pii": "mail"}, f"{FIELD}.customProperties[0].value (pii)", "Did you mean 'email'?"),
        ({"path": ""}, f"{FIELD}.customProperties[0].value (path)", "no key of a path"),
        ({"path": "a..b"}, f"{FIELD}.customProperties[0].value (path)", "no key of a path"),
        ({"path": ["a", 5]}, f"{FIELD}.customProperties[0].value (path)", "5 is no key of a path"),
        ({"path": []}, f"{FIELD}.customProperties[0].value (path)", "no path"),
        ({"path": {"a": 1}}, f"{FIELD}.customProperties[0].value (path)", "no path"),
        ({"path": 'a"b'}, f"{FIELD}.customProperties[0].value (path)", "no key of a path"),
        ({"path": "$.*"}, f"{FIELD}.customProperties[0].value (path)", "no key of a path"),
        ({"path": "a\0"}, f"{FIELD}.customProperties[0].value (path)", "no key of a path"),
        ({"path": ["a"] * 21}, f"{FIELD}.customProperties[0].value (path)", "no path"),
        ({"path": "a", "physicalName": "b"}, f"{FIELD}.physicalName", "beside `path`"),
        ({"primaryKeyPosition": 1}, f"{FIELD}.primaryKeyPosition", "without `primaryKey: true`"),
        ({"enum": []}, f"{FIELD}.enum", "empty"),
        ({"enum": [{"value": "a"}, {"value": "a"}]}, f"{FIELD}.enum", "twice"),
        ({"enum": [{"value": True}]}, f"{FIELD}.enum", "Put it in quotes."),
        ({"enum": [{"value": 5}]}, f"{FIELD}.enum", "Put it in quotes."),
        ({"enum": [{"valu": "a"}]}, f"{FIELD}.enum[0].valu", "Did you mean 'value'?"),
        ({"logicalType": "integer", "enum": [{"value": 1.5}]}, f"{FIELD}.enum", "no integer"),
        ({"logicalType": "integer", "enum": [{"value": 2**63}]}, f"{FIELD}.enum", "no integer"),
        ({"logicalType": "number", "enum": [{"value": 1e-12}]}, f"{FIELD}.enum", "no number"),
        ({"logicalType": "number", "enum": [{"value": float("nan")}]}, f"{FIELD}.enum", "no number"),
        ({"logicalType": "date", "enum": [{"value": "2026-02-30"}]}, f"{FIELD}.enum", "no date"),
        ({"logicalType": "boolean", "enum": [{"value": True}]}, f"{FIELD}.enum", "strings, numbers and dates"),
        ({"quality": [{"type": "sql", "query": "SELECT 1"}]}, f"{FIELD}.quality[0]", "not checked"),
        ({"quality": [{"metric": "nullValues", "mustBe": 0}]}, f"{FIELD}.quality[0]", "not checked"),
        (
            {"quality": [{"metric": "invalidValues", "mustBe": 0, "arguments": {"validValues": "a"}}]},
            f"{FIELD}.quality[0].arguments.validValues",
            "no list",
        ),
        (
            {
                "enum": [{"value": "a"}],
                "quality": [{"metric": "invalidValues", "mustBe": 0, "arguments": {"validValues": ["a"]}}],
            },
            f"{FIELD}.quality[0].arguments.validValues",
            "second time",
        ),
    ],
)
def test_errors_in_a_field(event_text: Text, field: Mapping[str, Any], where: str, says: str) -> None:
    # A name of None would be taken away: a field that is wrong in its name replaces the usual one.
    message = _error(event_text({"name": "x", "logicalType": "string"} | dict(field)))
    assert message.startswith(f"c.yaml: {where}: ")
    assert says in message


@pytest.mark.parametrize(
    ("custom", "name", "says"),
    [
        ({"source": "Shop"}, "source", "no name"),
        ({"source": "mainstem"}, "source", "Mainstem's own"),
        ({"source": 5}, "source", "Put it in quotes."),
        ({"kind": "events"}, "kind", "Did you mean 'event'?"),
        ({"kind": "state"}, "kind", "does not fit"),
        ({"partitionKey": "custmer"}, "partitionKey", "Did you mean 'customer'?"),
        ({"partitionKey": "event"}, "partitionKey", "neither mapped to a customer or person"),
        ({"recordId": "no"}, "recordId", "is no field"),
        ({"occurredAt": "no"}, "occurredAt", "is no field"),
        ({"repeat": "never"}, "repeat", "none of id, body, occurrence, none"),
        ({"repeat": "body", "recordId": "event"}, "recordId", "has no effect with `repeat: body`"),
        ({"occurredAtImmutable": "yes"}, "occurredAtImmutable", "Write true or false."),
        ({"grace": "1 hour"}, "grace", "such as 10m"),
        ({"grace": 60}, "grace", "such as 10m"),
        ({"grace": "PT1H"}, "grace", "such as 10m"),
        ({"oldest": "99999w"}, "oldest", "100 years at most"),
        ({"deleted": "event"}, "deleted", "must be boolean"),
        ({"entityVersion": "at"}, "entityVersion", "no effect on a stream of kind event"),
        ({"mapping": "usage_event"}, "mapping", "`entity` and `attributes`"),
        ({"mapping": {"entity": "usage_event", "attribute": {}}}, "mapping", "Did you mean 'attributes'?"),
        ({"mapping": {"entity": "usage_events", "attributes": {"a": "at"}}}, "mapping", "Did you mean 'usage_event'?"),
        ({"mapping": {"entity": "usage_event"}}, "mapping", "has no `attributes`"),
    ],
)
def test_errors_in_custom_properties(event_text: Text, custom: Mapping[str, Any], name: str, says: str) -> None:
    message = _error(event_text(**custom))
    assert name in message
    assert says in message


@pytest.mark.parametrize(
    ("attributes", "says"),
    [
        ({"event": None}, "'event' is not mapped"),
        ({"evnt": "event"}, "Did you mean 'event'?"),
        ({"event": "evnt"}, "Did you mean 'event'?"),
        ({"event": "at"}, "cannot become without loss"),
        ({"quantity": "event"}, "cannot become without loss"),
        ({"properties": "list"}, "(array) cannot become without loss"),
        ({"quantity": {"constant": "many"}}, "no constant for 'quantity'"),
        ({"properties": {"constant": "{}"}}, "no constant for 'properties'"),
        ({"customer_id": {"constant": "c"}}, "cannot be the same in every record"),
        ({"event": {"const": "a"}}, "{constant: value}"),
        ({"event": ["a"]}, "{constant: value}"),
        ({"Event": "event"}, "no name of an attribute"),
        ({"occurred_at": "list"}, "cannot become without loss"),
        ({"object": "optional", "event": "optional"}, "'optional' is optional"),
    ],
)
def test_errors_in_a_mapping(event_text: Text, attributes: Mapping[str, Any], says: str) -> None:
    base = {"customer_id": "customer", "event": "event", "occurred_at": "at"}
    merged = {name: to for name, to in {**base, **attributes}.items() if to is not None}
    text = event_text(
        {"name": "list", "logicalType": "array"},
        {"name": "optional", "logicalType": "string"},
        mapping={"entity": "usage_event", "attributes": merged},
    )
    assert says in _error(text)


def test_constants_that_fit(event_contract: Callable[..., Contract]) -> None:
    attributes = {
        "customer_id": "customer",
        "event": {"constant": "login"},
        "occurred_at": "at",
        "quantity": {"constant": 2},
    }
    contract = event_contract(mapping={"entity": "usage_event", "attributes": attributes})
    assert (contract.mapping.attributes["event"], contract.mapping.attributes["quantity"]) == (
        Constant("login"), Constant("2"),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "custom", "says"),
    [
        ([{"name": "customer", "required": None}], {}, "'customer' is optional"),
        ([{"name": "customer", "logicalType": "number"}], {}, "must be string or integer"),
        ([{"name": "customer", "pii": "none"}], {}, "refers to a customer or person"),
        ([{"name": "at", "logicalType": "date"}], {}, "must be timestamp"),
        ([{"name": "event", "primaryKey": True}], {}, "recordId"),
        ([], {"occurredAt": None}, "'occurredAt' is missing"),
        ([{"name": "other", "logicalType": "timestamp"}], {"occurredAt": "other"}, "not what the mapping says"),
        ([], {"source": None}, "'source' is missing"),
        ([], {"mapping": None}, "'mapping' is missing"),
        ([], {"partitionKey": None}, "'partitionKey' is missing"),
        ([], {"partionKey": "customer"}, "Did you mean 'partitionKey'?"),
        ([], {"retention": "1d"}, "another tool needs that tool's `vendor`"),
    ],
)
def test_events_that_do_not_hold_together(
    event_text: Text, fields: list[Any], custom: Mapping[str, Any], says: str
) -> None:
    assert says in _error(event_text(*fields, **custom))


@pytest.mark.parametrize(
    ("fields", "custom", "says"),
    [
        ([{"name": "account", "primaryKey": None}], {}, "no field is the primary key"),
        ([{"name": "plan", "primaryKey": True}], {}, "position 1 too"),
        ([{"name": "plan", "primaryKey": True, "primaryKeyPosition": 2}], {}, "not what is mapped to 'customer_id'"),
        ([], {"repeat": "id"}, "no effect on a stream of kind state"),
        ([], {"oldest": "1d"}, "no effect on a stream of kind state"),
        ([], {"recordId": "plan"}, "no effect on a stream of kind state"),
        ([], {"deleted": "plan"}, "must be boolean"),
        ([{"name": "n", "logicalType": "number"}], {"entityVersion": "n"}, "must be integer"),
        ([], {"partitionKey": "plan"}, "neither mapped to a customer"),
    ],
)
def test_states_that_do_not_hold_together(
    state_text: Text, fields: list[Any], custom: Mapping[str, Any], says: str
) -> None:
    assert says in _error(state_text(*fields, **custom))


@pytest.mark.parametrize(
    ("top", "where", "says"),
    [
        ({"apiVersion": "v2.2.2"}, "apiVersion", "v3.2.0"),
        ({"kind": "Contract"}, "kind", "DataContract"),
        ({"version": 1.0}, "version", "Put the value in quotes."),
        ({"schem": []}, "schem", "Did you mean 'schema'?"),
        ({"schema": []}, "schema", "0 schema objects"),
        ({"schema": [{"name": "a"}, {"name": "b"}]}, "schema", "2 schema objects"),
        ({"schema": [{"name": "A"}]}, "schema[0].name", "no name of a stream"),
        ({"schema": [{}]}, "schema[0].name", "no name of a stream"),
        ({"schema": [{"name": "a", "logicalType": "array"}]}, "schema[0].logicalType", "Write object"),
        ({"schema": [{"name": "a", "quality": [{"type": "sql"}]}]}, "schema[0].quality[0]", "not checked"),
        ({"description": {"purpos": "x"}}, "description.purpos", "Did you mean 'purpose'?"),
        ({"team": {"membrs": []}}, "team.membrs", "Did you mean 'members'?"),
        ({"customProperties": [{"property": "source", "value": "erp"}]}, "schema[0].customProperties[0]", "twice"),
        ({"customProperties": [{"value": 1}]}, "customProperties[0]", "no `property`"),
        ({"customProperties": [{"property": "grace", "value": None}]}, "customProperties[0]", "no value"),
        (
            {"slaProperties": [{"property": "freshnes", "value": 1}]},
            "slaProperties[0].property",
            "Did you mean 'freshness'?",
        ),
        ({"slaProperties": [{"property": "freshness", "value": 1}]}, "slaProperties[0].unit", "s, min, h or d"),
        (
            {"slaProperties": [{"property": "freshness", "value": 0, "unit": "h"}]},
            "slaProperties[0].value",
            "above zero",
        ),
        (
            {"slaProperties": [{"property": "freshness", "value": True, "unit": "h"}]},
            "slaProperties[0].value",
            "above zero",
        ),
        ({"slaProperties": [{"property": "freshness", "value": 1, "unit": "h"}] * 2}, "slaProperties[1]", "twice"),
    ],
)
def test_errors_at_the_top(event_text: Text, top: Mapping[str, Any], where: str, says: str) -> None:
    message = _error(event_text(top=top))
    assert message.startswith(f"c.yaml: {where}")
    assert says in message


@pytest.mark.parametrize("missing", ["apiVersion", "kind", "id", "version"])
def test_what_the_standard_asks_for(event_text: Text, missing: str) -> None:
    lines = event_text().splitlines()
    assert f"'{missing}' is missing" in _error("\n".join(line for line in lines if not line.startswith(f"{missing}:")))


UNIQUE = """
apiVersion: v3.2.0
kind: DataContract
id: crm-accounts
version: 1.0.0
customProperties: [{property: source, value: crm}]
schema:
  - name: accounts
    customProperties:
      - {property: partitionKey, value: id}
      - {property: mapping, value: {entity: customer, attributes: {customer_id: id, mail: mail, whole: whole}}}
    properties:
      - {name: id, logicalType: string, required: true, primaryKey: true}
      - {name: mail, logicalType: string, unique: true}
      - {name: other, logicalType: string, unique: false}
      - {name: whole, logicalType: object}
"""


def test_a_field_of_entities_may_be_unique() -> None:
    contract = read_contract(UNIQUE, "accounts")
    assert {name for name, field in contract.fields.items() if field.unique} == {"mail"}
    assert described(contract)["fields"][1]["unique"] is True
    again = read_contract(UNIQUE.replace(", unique: true", ""), "accounts")
    [change] = compare_contracts(contract, again)
    assert (change.code, change.breaking) == ("unique_changed", False)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("unique: false", "unique: true", "nothing is held of 'other'"),
        ("logicalType: object", "logicalType: object, unique: true", "no single value"),
        ("value: crm", "value: '*'", "entities of one source"),
    ],
)
def test_unique_is_what_can_be_looked_for(old: str, new: str, says: str) -> None:
    assert old in UNIQUE
    with pytest.raises(ConfigurationError, match=says):
        read_contract(UNIQUE.replace(old, new), "accounts")
