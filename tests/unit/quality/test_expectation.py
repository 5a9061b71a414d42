"""What a day is expected to be: robust, aware of weekdays, quiet where there is nothing to go by."""

from __future__ import annotations

import csv
import datetime as dt
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from mainstem.quality.anomalies import HISTORY, Scale, Tier
from mainstem.quality.anomalies.expectation import LEAST_DAYS, Expected, expect

Floats = npt.NDArray[np.float64]

# The day that is judged is a Sunday: seven days after the last one of the same name.
WEEK = (900.0, 1000.0, 1050.0, 1020.0, 980.0, 40.0, 25.0)


def _history(days: Sequence[float]) -> Floats:
    known = np.array(days, np.float64)[-HISTORY:]
    return np.pad(known, (HISTORY - len(known), 0), constant_values=np.nan)[None]


def _weeks(seed: int = 1, weeks: int = 8) -> list[float]:
    chance = np.random.default_rng(seed)
    return [float(chance.poisson(mean)) for _ in range(weeks) for mean in WEEK]


def _tier(days: Sequence[float], value: float, scale: Scale = Scale.COUNT, weight: float | None = None) -> Tier | None:
    return Tier.of(_expected(days, value, scale, weight).deviation[0])


def _expected(days: Sequence[float], value: float, scale: Scale, weight: float | None) -> Expected:
    weights = None if weight is None else np.array([weight])
    return expect(_history(days), np.array([value]), scale, weights)


def test_a_weekday_is_compared_with_its_kind() -> None:
    days = _weeks()
    # A Monday comes next.
    assert _tier(days, 910) is None
    assert _tier(days, 30) is Tier.ERROR
    # A Sunday comes next.
    assert _tier(days[:-1], 30) is None
    assert _tier(days[:-1], 910) is Tier.ERROR


def test_a_dead_day_is_an_error_and_half_a_day_more_than_nothing() -> None:
    days = _weeks()
    assert _tier(days, 0) is Tier.ERROR
    assert _tier(days, 450) in {Tier.WARN, Tier.ERROR}
    assert _tier(days, 3000) is Tier.ERROR


def test_one_bad_day_before_neither_hides_nor_makes_another() -> None:
    days = _weeks()
    days[-7] = 0
    days[-20] = 90_000
    assert _tier(days, 905) is None
    assert _tier(days, 0) is Tier.ERROR


def test_growth_is_followed() -> None:
    grown = [value * 1.02**day for day, value in enumerate(_weeks())]
    assert _tier(grown, 900 * 1.02**56) is None
    assert _tier(grown, 900) is not None


def test_a_new_stream_is_quiet() -> None:
    days = _weeks(weeks=3)
    assert len(days) == LEAST_DAYS
    assert _tier(days, 0) is Tier.ERROR
    assert _tier(days[1:], 0) is None


def test_a_weekday_without_a_rule_is_quiet() -> None:
    days = _weeks()
    for week in range(8):
        days[week * 7] = 900.0 if week % 2 else 0.0
    assert _tier(days, 0) is None
    assert _tier(days, 5000) is None


def test_few_records_say_little_by_chance() -> None:
    days = [float(value) for value in np.random.default_rng(3).poisson(3, 56)]
    assert _tier(days, 0) is None
    assert _tier(days, 9) is None
    assert _tier(days, 60) is not None


@pytest.mark.parametrize(
    ("usual", "value", "weight", "tier"),
    [
        (0.0, 0.0, 1e6, None),
        (0.0, 0.001, 1e6, None),
        (0.0, 0.01, 1e6, Tier.WARN),
        (0.0, 0.05, 1e6, Tier.ERROR),
        (0.0, 0.05, 60, None),
        (0.5, 0.52, 1e6, None),
        (0.5, 0.8, 1e6, Tier.ERROR),
        (1.0, 0.9, 1e6, Tier.ERROR),
    ],
)
def test_a_share_departs_by_what_matters_and_chance_does_not_make(
    usual: float, value: float, weight: float, tier: Tier | None
) -> None:
    assert _tier([usual] * 56, value, Scale.SHARE, weight) is tier


@pytest.mark.parametrize("sign", [1, -1])
def test_an_amount_may_be_negative(sign: int) -> None:
    days = [sign * (1e6 + 3e4 * float(value)) for value in np.random.default_rng(4).standard_normal(56)]
    assert _tier(days, sign * 1.01e6, Scale.AMOUNT) is None
    assert _tier(days, sign * 4e6, Scale.AMOUNT) is Tier.ERROR
    assert _tier(days, -sign * 1e6, Scale.AMOUNT) is Tier.ERROR
    assert _tier([0.0] * 56, 0.0, Scale.AMOUNT) is None


def test_a_value_is_beyond_its_band_exactly_when_it_is_an_anomaly() -> None:
    days = _weeks()
    band = _expected(days, 900, Scale.COUNT, None)
    low, high = float(band.low[0]), float(band.high[0])
    assert 0 < low < 900 < high
    assert _tier(days, low * 1.001) is None
    assert _tier(days, low * 0.999) is Tier.WARN
    assert _tier(days, high * 0.999) is None
    assert _tier(days, high * 1.001) is Tier.WARN


def test_many_series_are_judged_as_each_alone() -> None:
    histories = [_weeks(seed) for seed in range(20)]
    together = expect(np.concatenate([_history(days) for days in histories]), np.full(20, 400.0), Scale.COUNT)
    alone = [_expected(days, 400.0, Scale.COUNT, None).deviation[0] for days in histories]
    assert np.array_equal(together.deviation, np.array(alone))


def test_real_days_with_faults_put_in() -> None:
    """Requests to the City of Boston by the day (311 Service Requests 2015, PDDL): what is found of faults put in, and how
    often a day as it was is told."""
    text = (Path(__file__).parents[2] / "data" / "boston311_days.csv").read_text(encoding="utf-8").splitlines()
    counts = {dt.date.fromisoformat(row["day"]): int(row["requests"]) for row in csv.DictReader(text)}
    first = min(counts)
    days = [float(counts.get(first + dt.timedelta(days=n), 0)) for n in range((max(counts) - first).days + 1)]
    faults = {"none": 1.0, "dead": 0.0, "a tenth": 0.1, "ten times": 10.0}
    judged = {
        name: [_tier(days[:n], days[n] * factor) for n in range(LEAST_DAYS, len(days))]
        for name, factor in faults.items()
    }
    found = {name: sum(tier is not None for tier in tiers) / len(tiers) for name, tiers in judged.items()}
    assert found["dead"] == 1.0
    assert found["a tenth"] > 0.97
    assert found["ten times"] > 0.97
    assert found["none"] < 0.03
