"""An outside validator, the standard's own JSON Schema, accepts our contracts, and is no pushover."""

from __future__ import annotations

import importlib.resources
import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from mainstem.contracts import builtin_contracts, read_contract
from mainstem.contracts._standard import load_standard

ROOT = Path(__file__).parents[3]
TEXTS = {
    **{
        str(path.relative_to(ROOT)): path.read_text()
        for path in sorted((ROOT / "examples").glob("*/contracts/*/*.yaml"))
    },
    **{f"built-in {name}": contract.text for name, contract in builtin_contracts().items()},
    **{
        f"{page.name} {number}": text
        for page in (ROOT / "docs/specs/contract.md", ROOT / "docs/guides/your-own-data.md")
        for number, text in enumerate(re.findall(r"```yaml\n(apiVersion.*?)```", page.read_text(), re.DOTALL))
    },
}


@pytest.fixture(scope="session")
def validator() -> Any:
    schema = json.loads((importlib.resources.files("open_data_contract_standard") / "schema.json").read_text())
    jsonschema.Draft201909Validator.check_schema(schema)
    return jsonschema.Draft201909Validator(schema)


def _errors(validator: Any, text: str) -> list[str]:
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(load_standard(text, "contract"))]


@pytest.mark.parametrize("name", TEXTS)
def test_our_contracts_are_the_standards(validator: Any, name: str) -> None:
    assert _errors(validator, TEXTS[name]) == []


def test_every_form_of_limit_and_rule_is_the_standards(validator: Any) -> None:
    text = """
apiVersion: v3.2.0
kind: DataContract
id: all
version: 1.0.0
status: active
customProperties: [{property: source, value: shop}]
schema:
  - name: orders
    customProperties:
      - {property: partitionKey, value: account}
      - {property: occurredAt, value: at}
      - {property: mapping, value: {entity: usage_event, attributes: {customer_id: account, event: {constant: e}, occurred_at: at}}}
    quality:
      - {name: r, type: custom, engine: mainstem, implementation: "n > 0", severity: warn, dimension: consistency}
    properties:
      - name: account
        logicalType: string
        required: true
        logicalTypeOptions: {minLength: 1, maxLength: 9, pattern: "^a", format: uuid}
        customProperties: [{property: limitSeverity, value: warn}]
      - {name: at, logicalType: timestamp, required: true, logicalTypeOptions: {minimum: "2020-01-01", exclusiveMaximum: "2030-01-01T00:00:00Z"}}
      - name: n
        logicalType: integer
        logicalTypeOptions: {minimum: 0, exclusiveMaximum: 9, multipleOf: 2, format: u8}
        quality: [{name: s, type: custom, engine: mainstem, implementation: "n <> 4"}]
      - {name: x, logicalType: number, logicalTypeOptions: {exclusiveMinimum: 0.5, maximum: 9}}
      - {name: day, logicalType: date, logicalTypeOptions: {minimum: "2020-01-01"}}
      - {name: tags, logicalType: array, logicalTypeOptions: {minItems: 1, maxItems: 3}}
"""
    assert len(read_contract(text, "all").rules) == 2
    assert _errors(validator, text) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("kind: DataContract", "kind: Contract"),
        ("logicalType: string", "logicalType: text"),
        ("version: 1.0.0", "versoin: 1"),
    ],
)
def test_the_validator_refuses(validator: Any, old: str, new: str) -> None:
    text = TEXTS["built-in usage_events"]
    assert old in text
    assert _errors(validator, text.replace(old, new))
