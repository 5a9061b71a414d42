"""The spec of the file says everything there is, and its examples are contracts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mainstem.contracts import CheckPlan, DoorPlan, Reason, Repeat, Severity, read_contract
from mainstem.contracts._custom import FIELD_PROPERTIES, STREAM_PROPERTIES
from mainstem.contracts._functions import FUNCTIONS
from mainstem.contracts._limits import FORMATS, LIMITS
from mainstem.contracts._screen import DEEPEST
from mainstem.contracts._standard import VERSIONS
from mainstem.contracts.reader import _LOGICAL_TYPES, _REFUSED
from mainstem.model import NAME_PATTERN, EntityKind, PiiClass

SPEC = (Path(__file__).parents[3] / "docs" / "specs" / "contract.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```yaml\n(apiVersion.*?)```", SPEC, re.DOTALL)
WORDS = [
    *STREAM_PROPERTIES, *FIELD_PROPERTIES, *Reason, *Repeat, *PiiClass, *EntityKind, *_LOGICAL_TYPES, *_REFUSED, *VERSIONS,
    "name", "logicalType", "required", "physicalName", "primaryKey", "primaryKeyPosition", "enum", "quality", "description",
    "apiVersion", "id", "version", "schema", "customProperties", "slaProperties", "classification", "vendor", NAME_PATTERN,
    *Severity, *FORMATS, *(word for words in LIMITS.values() for word in words), *(one.call for one in FUNCTIONS.values()),
    "metric: rowCount", "loadVolume", "mustBeGreaterThan", "mustBeGreaterOrEqualTo", "mustBeLessThan", "mustBeLessOrEqualTo",
    "logicalTypeOptions", "engine", "implementation", "severity",
]  # fmt: skip


@pytest.mark.parametrize("word", sorted({str(word) for word in WORDS}))
def test_every_word_is_documented(word: str) -> None:
    assert f"`{word}`" in SPEC


def test_bounds_are_documented() -> None:
    assert f"{DEEPEST} levels" in SPEC


@pytest.mark.parametrize("text", EXAMPLES)
def test_the_examples_are_contracts(text: str) -> None:
    contract = read_contract(text, "docs/specs/contract.md")
    assert CheckPlan.compile(contract).contract == contract
    assert DoorPlan.compile(contract).pick([b"{}"]).partition_key == [None]


def test_there_is_an_example_of_each_kind() -> None:
    assert {read_contract(text, "docs/specs/contract.md").kind for text in EXAMPLES} == set(EntityKind)


def test_documented_defaults_are_the_real_ones() -> None:
    contract = read_contract(
        re.sub(r"      - \{property: (grace|oldest|ahead|repeat|occurredAtImmutable).*\n", "", EXAMPLES[0]), "spec"
    )
    assert (contract.repeat, contract.occurred_at_immutable) == (Repeat.ID, True)
    for name, documented in (("grace", "1h"), ("oldest", "7300d"), ("ahead", "10m")):
        assert f"`{documented}` when left out" in next(
            line for line in SPEC.splitlines() if line.startswith(f"| `{name}`")
        )
        explicit = read_contract(re.sub(rf"(property: {name}, value: )\w+", rf"\g<1>{documented}", EXAMPLES[0]), "spec")
        assert getattr(explicit, name) == getattr(contract, name)
