"""The contracts and metrics of the guide about entities, as they stand there."""

from __future__ import annotations

import re
from pathlib import Path

from mainstem.analytics import check_health_model, read_health_model
from mainstem.contracts import CheckPlan, read_contract
from mainstem.metrics import Gauge, Metric, MetricSet, builtin_metrics, read_declared

GUIDE = (Path(__file__).parents[3] / "docs/guides/entities.md").read_text()
BLOCKS = re.findall(r"^```yaml\n(.*?)^```$", GUIDE, re.DOTALL | re.MULTILINE)
METRICS = [block for block in BLOCKS if block.startswith("name: ") and "components:" not in block]


def test_the_desks_contract_holds() -> None:
    [text] = [block for block in BLOCKS if block.startswith("apiVersion")]
    contract = read_contract(text, "the guide")
    CheckPlan.compile(contract).prove("the guide")
    assert contract.mapping.entity == "ticket"


def test_the_survey_fits_its_contract() -> None:
    [field] = [block for block in BLOCKS if block.startswith("- name: score")]
    fixture = (Path(__file__).parents[2] / "data/entities/satisfaction_response.yaml").read_text()
    lines = [line for line in fixture.splitlines() if "name: score," not in line]
    place = next(n for n, line in enumerate(lines) if line.strip() == "properties:") + 1
    lines[place:place] = [f"      {line}" for line in field.splitlines()]
    assert read_contract("\n".join(lines), "the guide").fields["score"].required


def test_the_metrics_are_read() -> None:
    metrics = [read_declared(block) for block in METRICS]
    assert [(metric.name, type(metric)) for metric in metrics] == [
        ("refunds", Metric), ("open_tickets", Gauge), ("recurring_revenue", Gauge),
    ]  # fmt: skip


def test_the_model_fits_the_metrics() -> None:
    [text] = [block for block in BLOCKS if block.startswith("name: ") and "components:" in block]
    check_health_model(
        read_health_model(text), MetricSet([*builtin_metrics(), *(read_declared(block) for block in METRICS)])
    )
