"""Journeys as they are declared."""

from __future__ import annotations

import datetime as dt

import pytest

from mainstem.errors import ConfigurationError
from mainstem.metrics import (
    Journey,
    JourneyKind,
    Metric,
    attributes_used,
    builtin_metrics,
    check_journey,
    read_declared,
)

FUNNEL = """
kind: funnel
name: buying
steps:
  - {name: seen, event: seen}
  - {name: bought, entity: milestone, event: order, where: quantity > 3}
window: 2d
"""
RETENTION = "kind: retention\nname: back\nstart: {event: seen}\nreturn: {}\n"
COHORT = "kind: cohort\nname: spent\nstart: {}\nmetric: quantity\n"
ADOPTION = "kind: adoption\nname: trying\nactive: {}\nfeature: {event: try}\n"


def _journey(text: str) -> Journey:
    journey = read_declared(text)
    assert isinstance(journey, Journey)
    return journey


def test_a_funnel_is_read() -> None:
    funnel = _journey(FUNNEL + "breakdown: {property: test.group, values: ['a', it's]}\n")
    assert (funnel.kind, funnel.window, funnel.strict) == (JourneyKind.FUNNEL, dt.timedelta(days=2), True)
    assert [(one.name, one.label, one.series) for one in funnel.steps] == [
        ("seen", "Seen", "buying/seen"),
        ("bought", "Bought", "buying/bought"),
    ]
    assert funnel.steps[1].where == "(event = 'order') AND (quantity > 3)"
    assert [(one.name, one.label) for one in funnel.variants] == [("seen=a", "a"), ("seen=it's", "it's")]
    where = "(event = 'seen') AND (json_extract_string(properties, '$.test.group') = 'it''s')"
    assert funnel.variants[1].where == where
    assert attributes_used(funnel.variants[1]).keys() == {"customer_id", "occurred_at", "event", "properties"}


def test_the_other_kinds_are_read() -> None:
    retention, cohort, adoption = _journey(RETENTION), _journey(COHORT), _journey(ADOPTION)
    assert [one.condition for one in retention.steps] == ["(event = 'seen')", None]
    assert (retention.every.days, retention.brackets, retention.unbounded) == (7, 8, False)
    assert (cohort.metric, cohort.period) == ("quantity", "month")
    assert [one.name for one in adoption.steps] == ["active", "feature"]
    assert {one.resolution for one in (*retention.tracks, *cohort.tracks, *adoption.tracks)} == {"day"}


def test_without_a_kind_it_is_a_metric() -> None:
    assert isinstance(read_declared("name: logins\nentity: usage_event\nmeasure: count\nbucket: day\n"), Metric)


def test_only_what_is_kept_is_its_meaning() -> None:
    funnel = _journey(FUNNEL)
    for text in (FUNNEL.replace("2d", "3d"), FUNNEL + "order: loose\nlabel: Other\n"):
        assert _journey(text).meaning() == funnel.meaning()
    for text in (
        FUNNEL.replace("event: seen", "event: look"),
        FUNNEL + "subject: person\n",
        FUNNEL + "resolution: minute\n",
        FUNNEL.replace("window", "  - {name: third}\nwindow"),
        FUNNEL + "breakdown: {property: test, values: [a]}\n",
    ):
        assert _journey(text).meaning() != funnel.meaning()
    assert _journey(RETENTION).meaning() == _journey(RETENTION + "every: day\nbrackets: 3\ncounts: from\n").meaning()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (FUNNEL.replace("funnel", "funel"), "metric: kind: 'funel' is not known here. Did you mean 'funnel'?"),
        (FUNNEL + "windw: 2d\n", "metric: 'windw' is not known here."),
        (FUNNEL + "start: {}\n", "metric: 'start' is not known here."),
        (FUNNEL.replace("window: 2d\n", ""), "metric: 'window' is missing."),
        (
            FUNNEL.replace("2d", "two days"),
            "metric: window: 'two days' is no span of time. Write a number and s, m, h, d or w",
        ),
        (FUNNEL.replace("2d", "90s") + "resolution: minute\n", "A window is a number of whole minutes"),
        (FUNNEL.replace("2d", "0d"), "A window is a number of whole seconds"),
        (FUNNEL.replace("2d", "2d\nresolution: secnd"), "Did you mean 'second'?"),
        (RETENTION.replace("return: {}", "return: {event: }"), "metric: return.event: A text is expected here."),
        (RETENTION.replace("return: {}", "return: {where: ''}"), "Where every event counts, leave 'where' out."),
        (FUNNEL + "order: loos\n", "Did you mean 'loose'?"),
        (FUNNEL.replace("name: bought", "name: seen"), "There are two steps 'seen'."),
        (FUNNEL.replace("name: bought", "name: Bought!"), "steps[1].name: 'Bought!' cannot be a name here."),
        (FUNNEL.replace("where", "were"), "metric: steps[1]: 'were' is not known here. Did you mean 'where'?"),
        (FUNNEL.replace("quantity > 3", "quantty > 3"), "steps[1].where: In the condition, at line 1, column 1"),
        (
            FUNNEL.replace("milestone", "milestones"),
            "steps[1].entity: 'milestones' is not known here. Did you mean 'milestone'?",
        ),
        ("kind: funnel\nname: x\nsteps: [{name: a}]\nwindow: 1d\n", "A funnel has 2 to 12 steps."),
        (FUNNEL + "breakdown: {property: a b, values: [x]}\n", "'a b' cannot be a property's name."),
        (FUNNEL + "breakdown: {property: a, values: [1]}\n", "A list of texts is expected here. Put numbers in quotes"),
        (
            FUNNEL + 'breakdown: {property: a, values: ["x\\0"]}\n',
            "A value has 100 characters at most, all of them visible.",
        ),
        (FUNNEL + f"breakdown: {{property: a, values: [{'x' * 101}]}}\n", "A value has 100 characters at most"),
        (FUNNEL + "breakdown: {property: a, values: [x, x]}\n", "At most 12 different values"),
        (FUNNEL + "subject: persn\n", "Did you mean 'person'?"),
        (FUNNEL.replace("name: buying", "name: Buying"), "metric: name: 'Buying' cannot be a name here."),
        (RETENTION.replace("return: {}\n", ""), "metric: 'return' is missing."),
        (RETENTION + "brackets: 0\n", "There are 1 to 60 brackets."),
        (RETENTION + "every: month\n", "metric: every: 'month' is not known here."),
        (RETENTION + "counts: form\n", "Did you mean 'from'?"),
        (RETENTION.replace("return: {}", "return: {name: x}"), "metric: return: 'name' is not known here."),
        (COHORT + "subject: person\n", "persons cannot be measured by it"),
        (COHORT + "period: hour\n", "Known are: day, month, week."),
        (COHORT.replace("metric: quantity\n", ""), "metric: 'metric' is missing."),
        (ADOPTION.replace("feature", "featur"), "Did you mean 'feature'?"),
    ],
)
def test_what_is_wrong_is_said(text: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        read_declared(text)
    assert message in str(refusal.value)


def test_a_cohort_needs_a_metric_that_adds_up() -> None:
    metrics = {one.name: one for one in builtin_metrics()}
    check_journey(_journey(COHORT), metrics)
    check_journey(_journey(FUNNEL), metrics)
    with pytest.raises(ConfigurationError, match="Did you mean 'quantity'"):
        check_journey(_journey(COHORT.replace(": quantity", ": quantty")), metrics)
    with pytest.raises(ConfigurationError, match="is a distinct, which cannot be added up"):
        check_journey(_journey(COHORT.replace(": quantity", ": objects")), metrics)
