"""`mainstem contract bounds`: what is proposed is what the definition says, and is a contract when it is put in."""

from __future__ import annotations

import json
import random
import statistics
from pathlib import Path
from typing import Any

import pytest
import yaml

from mainstem.cli.main import main
from mainstem.testing.samples import state_contract

FIELDS: dict[str, dict[str, Any]] = {
    "plan": {"customProperties": [{"property": "remedies", "value": [{"standardise": "lower"}]}]},
    "seats": {"logicalType": "integer"},
    "spend": {"logicalType": "number"},
    "same": {"logicalType": "integer"},
    "few": {"logicalType": "integer"},
    "income": {"logicalType": "number", "pii": "sensitive"},
}
MAPPING = ("customer", {"customer_id": "id", **{name: name for name in FIELDS}})


@pytest.fixture
def project(tmp_path: Path) -> tuple[Path, Path, list[dict[str, Any]]]:
    """A contract, a sample, and its records; one in a hundred of the spendings is wrong by a factor of thousand."""
    chance = random.Random(1)
    records = []
    for n in range(1000):
        plan = chance.choice(["free", "pro"])
        usual = chance.gauss(10 if plan == "free" else 500, 2 if plan == "free" else 50)
        records.append(
            {
                "id": f"c{n}",
                "updated_at": "2026-01-01T00:00:00Z",
                "plan": plan.upper(),
                "seats": max(round(usual), 0),
                "spend": round(usual * (1000 if n % 100 == 0 else 1), 2),
                "same": 5 if n % 3 else 6,
                "income": 1000,
                **({"few": n} if n < 5 else {}),
            }
        )
    sample = tmp_path / "sample.ndjson"
    sample.write_text("\n".join(map(json.dumps, records)))
    file = tmp_path / "contracts/crm/accounts.yaml"
    file.parent.mkdir(parents=True)
    file.write_text(state_contract("crm", "accounts", MAPPING, FIELDS))
    return file, sample, records


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, Any]:
    capsys.readouterr()
    status = main(["contract", "bounds", *map(str, arguments), "--json"])
    printed = capsys.readouterr()
    return status, json.loads(printed.out) if printed.out else printed.err


def _robust(values: list[float], deviations: float) -> tuple[float, float]:
    median = statistics.median(values)
    width = deviations * 1.4826 * statistics.median(abs(value - median) for value in values)
    return median - width, median + width


def test_bounds_are_the_median_and_its_deviations(project: Any, capsys: pytest.CaptureFixture[str]) -> None:
    file, sample, records = project
    status, found = run(capsys, file, "--sample", sample, "--by", "plan", "--deviations", 5)
    assert status == 0
    told = {one["field"]: one for one in found}
    # What is personal is not looked at, and what says nothing proposes nothing.
    assert set(told) == {"seats", "spend", "same", "few"}
    assert (told["same"]["remedy"], told["same"]["why"]) == (None, "More than half of the values are the same.")
    assert (told["few"]["remedy"], told["few"]["why"]) == (None, "5 values are too few: 20 are needed.")
    clip = told["spend"]["remedy"]["clip"]
    assert (clip["by"], sorted(clip["bounds"])) == ("plan", ["free", "pro"])
    for plan, (least, most) in clip["bounds"].items():
        low, high = _robust([one["spend"] for one in records if one["plan"] == plan.upper()], 5)
        assert least <= low <= least + 0.5
        assert most - 0.5 <= high <= most
    assert told["spend"]["beyond"] == 10
    assert all(isinstance(bound, int) for pair in told["seats"]["remedy"]["clip"]["bounds"].values() for bound in pair)


def test_what_is_proposed_can_be_declared(project: Any, capsys: pytest.CaptureFixture[str]) -> None:
    file, sample, _ = project
    assert (
        main(["contract", "bounds", str(file), "--sample", str(sample), "--by", "plan", "--field", "spend", "--flag"])
        == 0
    )
    printed = capsys.readouterr().out
    assert "of 1,000 values are beyond." in printed
    [entry] = yaml.safe_load(printed.splitlines()[1])
    contract = yaml.safe_load(file.read_text())
    next(one for one in contract["schema"][0]["properties"] if one["name"] == "spend")["customProperties"] = [entry]
    file.write_text(yaml.safe_dump(contract))
    capsys.readouterr()
    assert main(["contract", "check", str(file), "--sample", str(sample), "--json"]) == 0
    remedied = {one["field"]: one for one in json.loads(capsys.readouterr().out)["sample"]["remedied"]}
    assert remedied["plan"] == {"field": "plan", "remedy": "standardise.lower", "count": 1000}
    assert (remedied["spend"]["remedy"], f"{remedied['spend']['count']} of 1,000" in printed) == ("flag", True)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--by", "paln"], "Did you mean 'plan'?"),
        (["--by", "seats"], "'seats' is of type integer"),
        (["--field", "income"], "'income' is sensitive"),
        (["--field", "plan"], "'plan' is of type string"),
        (["--deviations", "0"], "deviations"),
    ],
)
def test_what_cannot_be_is_told(
    project: Any, capsys: pytest.CaptureFixture[str], options: list[str], told: str
) -> None:
    file, sample, _ = project
    status, message = run(capsys, file, "--sample", sample, *options)
    assert status == 2
    assert told in message
