"""Health models as they are declared."""

from __future__ import annotations

from decimal import Decimal

import pytest

from mainstem.analytics import Kind, Missing, builtin_health_model, check_health_model, read_health_model
from mainstem.errors import ConfigurationError
from mainstem.metrics import MetricSet, builtin_metrics, read_declared

GOOD = """
name: usage
components:
  - name: recency
    kind: recency
    metric: events
    weight: 30
    curve: [[0, 100], [7, 80], [7, 60], [30.5, 0]]
    missing: worst
  - {name: breadth, kind: breadth, metric: objects, window: 4w, weight: 12.5, curve: [[0, 0], [10, 100]]}
bands: [{name: good, from: 55.5}, {name: bad, label: In trouble, from: 0}]
segments:
  large:
    breadth: {curve: [[0, 0], [100, 100]], missing: neutral}
"""


def test_a_model_is_read() -> None:
    model = read_health_model(GOOD)
    recency, breadth = model.components
    assert recency.kind is Kind.RECENCY
    assert recency.curve.xs == (0, 7_000_000, 7_000_000, 30_500_000)
    assert recency.curve.at(6_999_999) == 800_000
    assert recency.curve.at(7_000_000) == 600_000
    assert (breadth.window, breadth.weight, breadth.missing) == (28, Decimal("12.5"), Missing.EXCLUDE)
    assert [(band.name, band.label, band.low) for band in model.bands] == [
        ("bad", "In trouble", 0),
        ("good", "Good", Decimal("55.5")),
    ]
    assert (model.band(5549), model.band(5550), model.band(10_000)) == ("bad", "good", "good")
    assert model.weights == {"": (300, 125), "large": (300, 125)}
    assert model.for_segment("large")[0] == recency
    assert model.for_segment("large")[1].missing is Missing.NEUTRAL
    assert model.for_segment("small") == model.for_segment(None) == model.components
    # Thirty days and a half of recency, rounded up, and the days at both ends.
    assert model.lookback == 32


def test_the_one_built_in_fits_the_metrics_built_in() -> None:
    model = builtin_health_model()
    check_health_model(model, MetricSet(builtin_metrics()))
    assert sum(one.weight for one in model.components) == 100
    assert {one.kind for one in model.components} == {kind for kind in Kind if not kind.of_gauges}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("    weight: 30\n", "    wieght: 30\n", "components[0]: 'wieght' is not known here. Did you mean 'weight'?"),
        ("kind: breadth", "kind: bredth", "components[1].kind: 'bredth' is not known here. Did you mean 'breadth'?"),
        (
            "    missing: worst",
            "    imputed: ignored",
            "components[0].imputed: 'ignored' is not known here. Did you mean 'ignore'?",
        ),
        ("    missing: worst", "    missing: worse", "Did you mean 'worst'?"),
        ("    weight: 30", "    weight: 0", "A weight lies above 0"),
        ("    weight: 30", "    weight: 1.0001", "at most 3 decimal places"),
        ("    weight: 30", "    weight: much", "components[0].weight: A number is expected here."),
        ("    missing: worst", "    window: 7d", "has no window"),
        ("window: 4w", "window: 4m", "For example: window: 30d"),
        ("window: 4w", "window: 500d", "up to 400 days"),
        ("window: 4w, ", "", "A window is a number of days or weeks"),
        ("[[0, 0], [10, 100]]", "[[0, 0]]", "at least two points"),
        ("[[0, 0], [10, 100]]", "[[10, 0], [0, 100]]", "do not rise"),
        ("[[0, 0], [10, 100]]", "[[0, 0], [10, 101]]", "from 0 to 100"),
        ("[[0, 0], [10, 100]]", "[[0, 0], [10]]", "A point of a curve is [input, points]."),
        ("[[0, 0], [10, 100]]", "[[1, 0], [1, 100]]", "A step of a curve"),
        ("[[0, 0], [10, 100]]", "[[0, 0], [1.0000001, 100]]", "at most 6 decimal places"),
        ("name: breadth", "name: recency", "'recency' is there twice"),
        ("name: usage", "name: My Model", "cannot be a name"),
        ("from: 0", "from: 5", "One band has to begin at 0."),
        ("from: 55.5", "from: 100", "different scores below 100"),
        ("from: 55.5", "from: 0", "different scores"),
        ("name: good", "name: churned", "customers that have left"),
        ("    breadth: {", "    breath: {", "segments.large: 'breath' is not known here. Did you mean 'breadth'?"),
        ("missing: neutral", "window: 7d", "segments.large.breadth: 'window' is not known here."),
        ("  large:\n", "  large: 5\n  small:\n", "segments.large: A mapping is expected here."),
    ],
)
def test_what_is_wrong_is_said(old: str, new: str, message: str) -> None:
    assert GOOD.count(old) == 1
    with pytest.raises(ConfigurationError) as refusal:
        read_health_model(GOOD.replace(old, new))
    assert str(refusal.value).startswith("health model")
    assert message in str(refusal.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("metric: events", "metric: event", "recency: There is no metric 'event'. Did you mean 'events'?"),
        ("metric: objects", "metric: quantity", "breadth: 'quantity' does not count different values."),
        ("metric: events", "metric: objects", "recency: 'objects' is no count and no sum."),
        (
            "    missing: worst",
            "    imputed: ignore",
            "recency.imputed: 'events' counts events whatever was imputed of them",
        ),
    ],
)
def test_a_model_has_to_fit_the_metrics(old: str, new: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        check_health_model(read_health_model(GOOD.replace(old, new)), MetricSet(builtin_metrics()))
    assert message in str(refusal.value)


GAUGE = "name: open_tickets\nentity: ticket\nmeasure: count\n"


@pytest.mark.parametrize(
    ("component", "message"),
    [
        ("kind: level, metric: open_tickets", None),
        ("kind: change, metric: open_tickets, window: 7d", None),
        ("kind: level, metric: open_tikets", "There is no metric 'open_tikets'. Did you mean 'open_tickets'?"),
        ("kind: level, metric: open_tickets, window: 7d", "How much it moved in a window is the kind change."),
        ("kind: change, metric: open_tickets", "A window is a number of days or weeks"),
        (
            "kind: frequency, metric: open_tickets, window: 7d",
            "states, and frequency does not look at one. Of 'open_tickets': level, change.",
        ),
        ("kind: level, metric: events", "'events' is a metric over events, and level does not look at one."),
    ],
)
def test_components_look_at_gauges_by_kinds_of_their_own(component: str, message: str | None) -> None:
    metrics = MetricSet([*builtin_metrics(), read_declared(GAUGE)])
    text = (
        f"name: m\ncomponents: [{{name: one, {component}, weight: 1, curve: [[-5, 100], [5, 0]]}}]\n"
        "bands: [{name: all, from: 0}]\n"
    )
    if message is None:
        check_health_model(read_health_model(text), metrics)
        return
    with pytest.raises(ConfigurationError) as refusal:
        check_health_model(read_health_model(text), metrics)
    assert message in str(refusal.value)
