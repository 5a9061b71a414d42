"""How many rows a load is to have: what is read, what is refused, and what it comes to beside earlier loads."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import pytest
import yaml

from mainstem.contracts import Contract, Volume, compare_contracts, described, read_contract
from mainstem.errors import ConfigurationError
from mainstem.intake.loads import band_of
from mainstem.model import HeldLoad

Text = Callable[..., str]


def _contract(text: str, count: dict[str, Any] | None = None, share: Any = None) -> Contract:
    data = yaml.safe_load(text)
    stream = data["schema"][0]
    if count is not None:
        stream["quality"] = [{"metric": "rowCount", **count}]
    if share is not None:
        stream["customProperties"].append({"property": "loadVolume", "value": share})
    return read_contract(yaml.safe_dump(data), "c.yaml")


@pytest.mark.parametrize(
    ("count", "bounds"),
    [
        ({"mustBeBetween": [5, 10]}, (5, 10)),
        ({"mustBeBetween": [5, 10], "type": "library", "severity": "hold", "unit": "rows"}, (5, 10)),
        ({"mustBeGreaterThan": 0}, (1, None)),
        ({"mustBeGreaterOrEqualTo": 5, "mustBeLessThan": 11}, (5, 10)),
        ({"mustBeLessOrEqualTo": 10}, (None, 10)),
        ({"metric": None, "rule": "rowCount", "mustBeBetween": [5, 10]}, (5, 10)),
    ],
)
def test_the_standards_row_count(
    event_text: Text, count: dict[str, Any], bounds: tuple[int | None, int | None]
) -> None:
    count = {"metric": "rowCount", **count}
    contract = _contract(event_text(), {key: value for key, value in count.items() if value is not None})
    assert contract.volume == Volume(*bounds)


def test_a_share_of_earlier_loads(event_text: Text) -> None:
    contract = _contract(event_text(), {"mustBeGreaterThan": 0}, {"from": 0.5, "to": 2, "loads": 3})
    assert contract.volume == Volume(1, None, Decimal("0.5"), Decimal(2), 3)
    assert described(contract)["load_volume"]["loads"] == 3
    assert _contract(event_text(), None, {"to": 1.5}).volume == Volume(None, None, None, Decimal("1.5"), 5)
    assert _contract(event_text()).volume is None
    [change] = compare_contracts(_contract(event_text()), contract)
    assert (change.code, change.breaking) == ("volume_changed", False)


@pytest.mark.parametrize(
    ("count", "share", "message"),
    [
        ({}, None, "has no bound"),
        ({"mustBeBetween": [10, 5]}, None, "in which no load can be"),
        ({"mustBeLessThan": 0}, None, "in which no load can be"),
        ({"mustBeBetween": [5]}, None, "at least 2 items"),
        ({"mustBeBetween": [5, 10], "mustBeLessThan": 9}, None, "two bounds of one side"),
        ({"mustBeGreaterThan": 1.5}, None, "is no number of records"),
        ({"mustBe": 5}, None, ".mustBe: is not checked"),
        ({"mustBeGreaterThan": 1, "severity": "warn"}, None, "write hold"),
        ({"mustBeGreaterThan": 1, "unit": "percent"}, None, ".unit: is 'percent'"),
        (None, {"from": 1.5}, "leaves the usual load out"),
        (None, {"to": 0.5}, "leaves the usual load out"),
        (None, {"loads": 5}, "neither `from` nor `to`"),
        (None, {"from": "half"}, "`from` is 'half'"),
        (None, {"form": 0.5}, "Did you mean 'from'"),
        (None, {"from": 0.5, "loads": 0}, "`loads` is 0"),
        (None, 5, "is 5"),
    ],
)
def test_what_would_not_be_checked_is_refused(
    event_text: Text, count: dict[str, Any] | None, share: Any, message: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        _contract(event_text(), count, share)
    assert message in str(caught.value)
    assert caught.value.hint


def test_a_second_count_is_one_too_many(event_text: Text) -> None:
    data = yaml.safe_load(event_text())
    data["schema"][0]["quality"] = [{"metric": "rowCount", "mustBeGreaterThan": n} for n in (1, 2)]
    with pytest.raises(ConfigurationError, match=r"quality\[1\]: is there a second time"):
        read_contract(yaml.safe_dump(data), "c.yaml")


HALF, TWICE = Decimal("0.5"), Decimal(2)


@pytest.mark.parametrize(
    ("volume", "history", "band"),
    [
        (Volume(None, None, HALF, TWICE), [10, 10], (None, None)),
        (Volume(None, None, HALF, TWICE), [9, 11, 1000], (6, 22)),
        (Volume(None, None, HALF, TWICE), [9, 10, 11, 12], (6, 21)),
        (Volume(None, None, HALF, TWICE, 1), [9], (5, 18)),
        (Volume(7, 20, HALF, TWICE), [10, 10, 10], (7, 20)),
        (Volume(2, 30, HALF, TWICE), [10, 10, 10], (5, 20)),
        (Volume(7, 20), [1, 1, 1], (7, 20)),
    ],
)
def test_the_band_beside_earlier_loads(
    volume: Volume, history: Sequence[int], band: tuple[int | None, int | None]
) -> None:
    assert band_of(volume, history) == band


@pytest.mark.parametrize("bounds", [(5, 10), (None, 10), (5, None)])
def test_records_say_that_their_load_is_held(bounds: tuple[int | None, int | None]) -> None:
    load = HeldLoad(uuid.uuid4(), 1234, *bounds)
    assert HeldLoad.of(load.origin) == load
    assert f"has 1,234 rows; {'5 to 10' if None not in bounds else 'at'}" in load.told()
    assert HeldLoad.of("load") is HeldLoad.of("api") is None
