"""The sentences."""

from __future__ import annotations

import datetime as dt

import pytest

from mainstem.analytics import builtin_health_model
from mainstem.analytics.explain import Explainer, stale_note
from mainstem.metrics import Grade, builtin_metrics

COMPONENTS = {one.name: one for one in builtin_health_model().components}
ONE = 1_000_000


@pytest.mark.parametrize(
    ("component", "value", "sentence"),
    [
        ("recency", 12 * ONE + 500_000, "No activity for 12 days."),
        ("recency", ONE, "No activity for a day."),
        ("recency", ONE // 24 * 3, "Active 3 hours before the newest data."),
        ("recency", ONE // 24, "Active an hour before the newest data."),
        ("recency", 5, "Active within the hour before the newest data."),
        ("recency", None, "No activity ever; counted as the worst."),
        ("frequency", 12_345 * ONE, "12,345 events in 30 days."),
        ("frequency", 0, "0 events in 30 days."),
        ("frequency", 1_500_000, "1.50 events in 30 days."),
        ("breadth", ONE, "1 object in 30 days."),
        ("breadth", 7 * ONE, "7 objects in 30 days."),
        ("trend", ONE + 250_000, "25 % more events than in the 30 days before."),
        ("trend", 600_000, "40 % fewer events than in the 30 days before."),
        ("trend", ONE, "As many events as in the 30 days before."),
        ("trend", None, "Nothing to compare with yet; left out."),
        ("milestones", 2 * ONE, "2 milestones in 90 days."),
    ],
)
def test_reasons(component: str, value: int | None, sentence: str) -> None:
    one = COMPONENTS[component]
    explainer = Explainer({metric.name: metric for metric in builtin_metrics()})
    assert explainer.reason(one, value, measured=True, missing=one.missing) == sentence


@pytest.mark.parametrize(
    ("component", "value", "left_out", "sentence"),
    [
        ("frequency", 5 * ONE, 2, " 2 of 7 inputs imputed, left out."),
        ("frequency", None, 1, " 1 of 1 inputs imputed, left out."),
        ("frequency", 5 * ONE, 0, ""),
        ("recency", ONE, 1, " 1 input imputed, left out."),
        ("breadth", ONE, 1_200, " 1,200 inputs imputed, left out."),
        ("trend", ONE, 3, " 3 inputs imputed, left out."),
    ],
)
def test_what_was_left_out_is_told(component: str, value: int | None, left_out: int, sentence: str) -> None:
    explainer = Explainer({metric.name: metric for metric in builtin_metrics()})
    assert explainer.left_out(COMPONENTS[component], value, left_out) == sentence
    none = explainer.reason(COMPONENTS["frequency"], None, measured=True, missing=COMPONENTS["frequency"].missing)
    assert none == "Nothing that counts in 30 days; counted as the worst."


def test_what_is_not_measured_and_what_is_stale() -> None:
    one = COMPONENTS["milestones"]
    unmeasured = Explainer({}).reason(one, None, measured=False, missing=one.missing)
    assert unmeasured == "Not measured here: nothing feeds milestones."
    at = dt.datetime(2026, 1, 2, 3, 4, tzinfo=dt.UTC)
    assert stale_note(Grade.STALE, at) == " Input stale: nothing newer than 2026-01-02 03:04 UTC."
    assert stale_note(Grade.HISTORICAL, at).startswith(" Input historical")
    assert not stale_note(Grade.FRESH, at)
    assert not stale_note(Grade.STALE, None)
