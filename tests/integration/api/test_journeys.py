"""What the routes of journeys answer, and what they refuse."""

from __future__ import annotations

import datetime as dt
import itertools
import threading
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any

import httpx
import pyarrow as pa
import pytest

from mainstem.access import Role
from mainstem.api.app import Services
from mainstem.api.journeys import Shared
from mainstem.errors import UnavailableError
from mainstem.metrics import Metrics, merge_cells, prepare_cells, read_declared
from mainstem.model import Lane, Span
from mainstem.processing import EVENT_EFFECTS
from mainstem.store import Database

NOW = dt.datetime(2026, 1, 15, 12, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
DECLARED = (
    """
kind: funnel
name: buying
label: From seeing to buying
steps: [{name: seen, event: seen}, {name: bought, event: bought}]
window: 2d
breakdown: {property: test, values: [old, new]}
""",
    "kind: retention\nname: returning\nstart: {event: seen}\nreturn: {}\nevery: day\nbrackets: 3\n",
    "kind: cohort\nname: doing\nstart: {event: seen}\nmetric: events\nperiod: week\nevery: week\nbrackets: 2\n",
    "kind: adoption\nname: trying\nactive: {}\nfeature: {event: bought}\nperiod: day\n",
)


@pytest.fixture
def journeys(services: Services) -> Database:
    """Four journeys and a few events in effect."""
    metrics = Metrics(services.database)
    for text in DECLARED:
        metrics.activate(read_declared(text), NOW)
    happened = [
        (b"a", "seen", 3.0, "old"),
        (b"a", "bought", 2.5, None),
        (b"b", "seen", 1.0, "new"),
        (b"b", "seen", 0.5, "old"),
    ]
    rows = [
        {
            "position": 1,
            "index": number,
            "received_at": NOW,
            "slot": 1,
            "record_hash": bytes([number]) * 16,
            "customer": name * 16,
            "person": None,
            "event": event,
            "object": None,
            "quantity": None,
            "occurred_at": NOW - ago * DAY,
            "properties": test and f'{{"test": "{test}"}}',
        }
        for number, (name, event, ago, test) in enumerate(happened)
    ]
    deltas = metrics.current().deltas(pa.Table.from_pylist(rows, EVENT_EFFECTS), "app", "usage", "usage_event")
    prepare_cells(services.database, deltas, NOW)
    with services.database.transaction() as conn:
        merge_cells(conn, deltas, known_at=NOW, data_now=NOW, span=Span(1, 0, Lane.LIVE, 1, 1), cause="late")
    return services.database


async def _data(client: httpx.AsyncClient, headers: dict[str, str], path: str, **asked: str) -> Any:
    answer = await client.get(f"/api/v1/analytics/{path}", params=asked, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


@pytest.fixture
def viewer(bearer: dict[Role, dict[str, str]]) -> dict[str, str]:
    return bearer[Role.VIEWER]


@pytest.mark.usefixtures("journeys")
async def test_journeys_are_listed_as_they_are_declared(client: httpx.AsyncClient, viewer: dict[str, str]) -> None:
    listed = await _data(client, viewer, "journeys")
    assert [(one["name"], one["kind"]) for one in listed["journeys"]] == [
        ("buying", "funnel"),
        ("doing", "cohort"),
        ("returning", "retention"),
        ("trying", "adoption"),
    ]
    funnel = listed["journeys"][0]
    assert funnel["events"][1] == {
        "name": "bought",
        "label": "Bought",
        "entity": "usage_event",
        "where": "event = 'bought'",
    }
    assert (funnel["window_seconds"], funnel["order"], funnel["breakdown"]["values"]) == (
        172_800,
        "strict",
        ["old", "new"],
    )
    assert listed["unreadable"] == []


@pytest.mark.usefixtures("journeys")
async def test_a_funnel_is_answered(client: httpx.AsyncClient, viewer: dict[str, str]) -> None:
    data = await _data(client, viewer, "funnels/buying")
    assert [step["count"] for step in data["steps"]] == [2, 1]
    assert data["steps"][1] == {
        "name": "bought",
        "label": "Bought",
        "count": 1,
        "of_previous": 0.5,
        "of_first": 0.5,
        "seconds_from_previous": 43_200,
        "seconds_from_first": 43_200,
    }
    assert (data["conversion"], data["open"], data["crossed"]) == (0.5, 1, 1)
    assert [(one["value"], one["conversion"]) for one in data["variants"]] == [("old", 1.0), ("new", 0.0)]
    assert data["variants"][1]["difference"]["value"] == -1.0
    assert data["variants"][1]["difference"]["clear"] is False
    assert (data["from"], data["to"], data["segment"]) == ("2025-10-18", "2026-01-15", None)
    narrow = await _data(client, viewer, "funnels/buying", **{"from": "2026-01-14", "to": "2026-01-15"})
    assert [step["count"] for step in narrow["steps"]] == [1, 0]
    assert (await _data(client, viewer, "funnels/buying", days="2"))["steps"] == narrow["steps"]
    before = await _data(client, viewer, "funnels/buying", as_of="2026-01-12T18:00:00Z")
    assert ([step["count"] for step in before["steps"]], before["as_of"]) == ([1, 0], "2026-01-12T18:00:00Z")
    nobody = await _data(client, viewer, "funnels/buying", segment="unknown")
    assert [step["of_first"] for step in nobody["steps"]] == [None, None]


@pytest.mark.usefixtures("journeys")
async def test_the_other_kinds_are_answered(client: httpx.AsyncClient, viewer: dict[str, str]) -> None:
    retention = await _data(client, viewer, "retention/returning", **{"from": "2026-01-12"})
    assert [cohort["size"] for cohort in retention["cohorts"]] == [1, 0, 1, 0]
    assert [one and one["count"] for one in retention["cohorts"][0]["brackets"]] == [1, 1, 0, 0]
    assert retention["cohorts"][2]["brackets"][2:] == [None, None]
    cohorts = await _data(client, viewer, "cohorts/doing", **{"from": "2026-01-12"})
    assert cohorts["cohorts"][0]["brackets"][0] == {"total": 4, "customers": 2, "average": 2.0, "complete": False}
    adoption = await _data(client, viewer, "adoption/trying", **{"from": "2026-01-12"})
    assert [(one["active"], one["users"]) for one in adoption["periods"]] == [(1, 0), (1, 1), (1, 0), (1, 0)]
    assert (adoption["began"], adoption["adopted"], adoption["median_days"]) == (2, 1, 1.0)


@pytest.mark.usefixtures("journeys")
@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("funnels/byuing", 404, "Did you mean 'buying'?"),
        ("funnels/returning", 404, "There is no funnel 'returning'."),
        ("funnels/buying?from=2026-01-02&to=2026-01-01", 400, "lies after"),
        ("funnels/buying?from=2001-01-02", 400, "ten years"),
        ("retention/returning?from=2024-01-02", 400, "400 periods"),
        ("funnels/buying?as_of=2026-01-16T00:00:00Z", 400, "lies ahead"),
        ("funnels/buying?as_of=0001-01-01T00:00:00Z", 400, "`as_of` lies before 1970"),
        ("retention/returning?as_of=0001-01-01T00:00:00%2B14:00", 400, "`as_of` lies before 1970"),
        ("funnels/buying?from=2026-01-02&days=3", 400, "or for `days`"),
        ("funnels/buying?form=2026-01-02", 422, "form"),
        ("funnels/buying?from=0001-01-01", 422, "from"),
    ],
)
async def test_what_cannot_be_asked_is_said(
    client: httpx.AsyncClient, viewer: dict[str, str], path: str, status: int, said: str
) -> None:
    answer = await client.get(f"/api/v1/analytics/{path}", headers=viewer)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert said in answer.text


async def test_a_cohort_whose_metric_is_gone_says_so(
    client: httpx.AsyncClient, viewer: dict[str, str], services: Services
) -> None:
    text = DECLARED[2].replace("metric: events", "metric: gone")
    Metrics(services.database).activate(read_declared(text), NOW)
    answer = await client.get("/api/v1/analytics/cohorts/doing", headers=viewer)
    assert answer.status_code == 404
    assert "there is no such metric" in answer.text


async def test_a_journey_that_cannot_be_read_is_named(
    client: httpx.AsyncClient, viewer: dict[str, str], services: Services
) -> None:
    Metrics(services.database).activate(read_declared(DECLARED[1]), NOW)
    with services.database.transaction() as conn:
        conn.execute("UPDATE declaration SET text = replace(text, 'every: day', 'every: moon')")
    answer = await client.get("/api/v1/analytics/retention/returning", headers=viewer)
    assert answer.status_code == 404
    assert "cannot be read" in answer.text
    [unreadable] = (await _data(client, viewer, "journeys"))["unreadable"]
    assert unreadable["metric"] == "returning"


def test_an_answer_is_shared_for_twenty_times_what_it_cost() -> None:
    at = [0.0]
    shared = Shared(lambda: at[0])
    computed: list[float] = []

    def compute() -> float:
        computed.append(at[0])
        at[0] += 0.5
        return computed[-1]

    assert shared.get("a", compute) == 0.0
    at[0] = 10.4
    assert shared.get("a", compute) == 0.0
    at[0] = 10.5
    assert shared.get("a", compute) == 10.5
    assert shared.get("b", compute) == 11.0
    assert computed == [0.0, 10.5, 11.0]


def test_those_who_ask_at_once_wait_for_one() -> None:
    shared, computed, inside = Shared(), [], threading.Event()
    asking = threading.Barrier(4)

    def compute() -> int:
        computed.append(1)
        inside.wait(30)
        return len(computed)

    answers: list[int] = []

    def ask() -> None:
        asking.wait(30)
        answers.append(shared.get("a", compute))

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    asking.wait(30)
    inside.set()
    for thread in threads:
        thread.join()
    assert (answers, computed) == ([1, 1, 1], [1])


def test_questions_leave_room_for_everything_else() -> None:
    shared, release = Shared(), threading.Event()
    known = shared.get("known", lambda: "answer")
    lock, active, most = threading.Lock(), [0], [0]

    def compute() -> str:
        with lock:
            active[0] += 1
            most[0] = max(most[0], active[0])
        release.wait(30)
        with lock:
            active[0] -= 1
        return "answer"

    with ThreadPoolExecutor(26) as pool:
        asked = [pool.submit(shared.get, number, compute) for number in range(26)]
        # Six find no room; the others wait for their turns.
        refused = list(itertools.islice(as_completed(asked, timeout=30), 6))
        assert all(isinstance(one.exception(), UnavailableError) for one in refused)
        # What is known is told without a turn.
        assert shared.get("known", compute) == known
        release.set()
        assert [one.result() for one in asked if one not in refused] == ["answer"] * 20
    assert most == [2]


def test_what_nobody_asks_any_more_is_forgotten() -> None:
    at = [0.0]
    shared = Shared(lambda: at[0])
    for number in range(500):
        at[0] += 1.0
        assert shared.get(number, object) is not None
    assert len(shared._entries) <= 200
