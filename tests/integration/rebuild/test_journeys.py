"""Whatever comes in, in whatever order, lane, worker and with whatever corrections: a journey is what its records say."""

from __future__ import annotations

import datetime as dt
import json
import random
from pathlib import Path
from typing import Any

import pytest

from mainstem.cli.main import main
from mainstem.metrics import read_funnel, read_retention
from mainstem.model import Lane
from mainstem.testing.samples import usage
from mainstem.testing.site import Site

JOURNEYS = {
    "funnel": """
kind: funnel
name: buying
subject: {subject}
steps: [{{name: seen, event: seen}}, {{name: tried, event: tried}}, {{name: bought, event: bought}}]
window: 12h
""",
    "retention": """
kind: retention
name: returning
subject: {subject}
start: {{event: seen}}
return: {{event: bought}}
every: day
brackets: 3
""",
}
BEGIN = dt.datetime(2026, 1, 5, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
SPAN = (BEGIN, BEGIN + 7 * DAY)


def happenings(choose: random.Random, count: int) -> list[dict[str, Any]]:
    """Events by few customers and persons, over a few days; each id is of one event for ever."""
    return [
        {
            "id": f"e{number}",
            "customer_id": f"c{number % 5}",
            "person_id": f"p{number % 15}",
            "event": choose.choice(["seen", "tried", "bought"]),
            "occurred_at": (BEGIN + dt.timedelta(seconds=choose.randrange(4 * 86_400))).isoformat(),
        }
        for number in range(count)
    ]


def furthest(events: list[dict[str, Any]]) -> int:
    """How many steps one subject takes at best, by trying every entry."""
    times = {
        name: sorted({dt.datetime.fromisoformat(one["occurred_at"]) for one in events if one["event"] == name})
        for name in ("seen", "tried", "bought")
    }
    best = 0
    for entry in times["seen"]:
        at, steps = entry, 1
        for name in ("tried", "bought"):
            later = [one for one in times[name] if one > at]
            if not later or later[0] - entry > dt.timedelta(hours=12):
                break
            at, steps = later[0], steps + 1
        best = max(best, steps)
    return best


def came_back(events: list[dict[str, Any]]) -> tuple[int, set[int]] | None:
    """The day of one subject's first start, and after how many days it came back."""

    def days(event: str) -> list[int]:
        return [(dt.datetime.fromisoformat(one["occurred_at"]) - BEGIN).days for one in events if one["event"] == event]

    if not days("seen"):
        return None
    first = min(days("seen"))
    return first, {day - first for day in days("bought") if 0 <= day - first <= 3}


def check(site: Site, events: list[dict[str, Any]], subject: str) -> None:
    """What is answered is what a count over the events says."""
    by_subject: dict[str, list[dict[str, Any]]] = {}
    for event in events:
        by_subject.setdefault(event[f"{subject}_id"], []).append(event)
    ways = [furthest(own) for own in by_subject.values()]
    returns = [one for own in by_subject.values() if (one := came_back(own)) is not None]
    with site.runtime() as runtime:
        known = runtime.metrics.current().journeys
        funnel = read_funnel(runtime.database, known["buying"], SPAN, SPAN[1], None)
        retention = read_retention(runtime.database, known["returning"], SPAN, SPAN[1] + 4 * DAY, None)
    assert [step.count for step in funnel.steps] == [sum(way > n for way in ways) for n in range(3)]
    assert funnel.steps[2].count >= 1
    for day, cohort in enumerate(retention.cohorts):
        own = [back for first, back in returns if first == day]
        assert cohort.size == len(own)
        assert [one and one.count for one in cohort.brackets] == [sum(n in back for back in own) for n in range(4)]


@pytest.mark.parametrize(("subject", "seed"), [("customer", 1), ("person", 2)])
def test_late_shuffled_repeated_and_corrected_records_end_in_the_same_journey(
    migrated_dsn: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], subject: str, seed: int
) -> None:
    choose = random.Random(seed)
    site = Site.begin(tmp_path / "data", migrated_dsn)
    for name, text in JOURNEYS.items():
        site.declare(f"metrics/{name}.yaml", text.format(subject=subject))
    events = happenings(choose, 150)
    # Two are broken when they come: one will be fixed, the other dismissed.
    broken = [dict(one, occurred_at="never") for one in events[:2]]
    sent = [*broken, *events[2:], *choose.sample(events[2:], 60)]
    choose.shuffle(sent)
    for start in range(0, len(sent), 30):
        records = [{"stream": "usage_events", "payload": one} for one in sent[start : start + 30]]
        site.send("app", records, lane=choose.choice(list(Lane)))
        if choose.random() < 0.5:
            site.work()
    site.work()
    check(site, events[2:], subject)
    [(first,)] = site.query("SELECT customer FROM quarantine ORDER BY position, index, id LIMIT 1")
    assert first is not None
    fixed = events[0]
    site.decide(fixed)
    site.work()
    check(site, [fixed, *events[2:]], subject)
    # A day late, and it changes what was answered.
    late = dict(events[0], id="late", event="seen", occurred_at=BEGIN.isoformat())
    site.send("app", [usage(0, **late)])
    site.work()
    check(site, [fixed, late, *events[2:]], subject)
    site.fill_lake()
    capsys.readouterr()
    assert main(["rebuild", "analytics", "--from-lake", "--json", "--data-dir", str(site.data_dir)]) == 0
    assert json.loads(capsys.readouterr().out)["identical"] is True
    check(site, [fixed, late, *events[2:]], subject)
