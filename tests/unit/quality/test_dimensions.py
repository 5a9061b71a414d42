"""What a field is held to, and what is not measured of it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
import yaml

from mainstem.contracts import Contract, read_contract
from mainstem.errors import ConfigurationError
from mainstem.quality import WHOLE, Share
from mainstem.quality.dimensions import objective, unmeasured
from mainstem.quality.settings import QualitySettings


def _contract(*, required: bool = False, kind: str = "event", **custom: Any) -> Contract:
    attributes = {"customer_id": "account", "plan": "plan"}
    if kind == "event":
        attributes = {"customer_id": "account", "event": "account", "occurred_at": "at"}
    stream = [
        {"property": "source", "value": "shop"},
        {"property": "partitionKey", "value": "account"},
        {
            "property": "mapping",
            "value": {"entity": {"event": "usage_event"}.get(kind, "customer"), "attributes": attributes},
        },
        *([{"property": "occurredAt", "value": "at"}] if kind == "event" else []),
    ]
    plan = {
        "name": "plan",
        "logicalType": "string",
        "required": required,
        "customProperties": [{"property": name, "value": value} for name, value in custom.items()],
    }
    fields = [
        {"name": "account", "logicalType": "string", "required": True, "primaryKey": kind != "event"},
        {"name": "at", "logicalType": "timestamp", "required": True},
        plan,
    ]
    head = {"apiVersion": "v3.2.0", "kind": "DataContract", "id": "t", "version": "1.0.0"}
    schema = [{"name": "things", "customProperties": stream, "properties": fields}]
    return read_contract(yaml.safe_dump({**head, "schema": schema}), "t.yaml")


@pytest.mark.parametrize(
    ("contract", "expected"),
    [
        (_contract(), None),
        (_contract(required=True), Decimal("0.8")),
        (_contract(completeness=0.5), Decimal("0.5")),
        (_contract(required=True, completeness=1), Decimal(1)),
    ],
)
def test_a_contracts_own_objective_wins(contract: Contract, expected: Decimal | None) -> None:
    assert objective(contract, "plan", QualitySettings(completeness=0.8)) == expected
    assert objective(contract, WHOLE, QualitySettings(completeness=0.8)) == Decimal("0.8")
    assert objective(contract, "unknown", QualitySettings()) is None
    assert objective(None, "plan", QualitySettings()) is None


@pytest.mark.parametrize("value", [0, -0.1, 1.01, "0.9", True, "nan"])
def test_an_objective_is_a_share(value: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"is no share") as raised:
        _contract(completeness=value)
    assert "schema[0].properties[2].customProperties[0].value" in str(raised.value)


def test_a_share_is_exact() -> None:
    # As floats 0.95 * 100 lies above 95.
    assert not Share(95, 100).below(Decimal("0.95"))
    assert Share(94, 100).below(Decimal("0.95"))
    assert not Share(0, 0).below(Decimal("0.95"))
    assert Share(0, 0).value is None


def test_why_a_dimension_is_not_measured_is_said() -> None:
    told = {str(name): why for name, why in unmeasured(_contract(kind="state"), WHOLE).items()}
    assert set(told) == {"consistency", "uniqueness", "timeliness", "accuracy"}
    assert "truth" in told["accuracy"]
    assert "every version" in told["uniqueness"]
    assert {str(name) for name in unmeasured(_contract(), WHOLE)} == {"consistency", "accuracy"}
    assert {str(name) for name in unmeasured(_contract(), "at")} == {"consistency", "uniqueness", "accuracy"}
    assert {str(name) for name in unmeasured(None, WHOLE)} == {"consistency", "uniqueness", "accuracy"}
