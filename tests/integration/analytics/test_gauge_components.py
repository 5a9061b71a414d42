"""Components of health models that look at gauges: what a customer's states come to, and by how much that moved."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest

from mainstem.analytics import check_health_model, read_health_model
from mainstem.metrics import (
    FILLED,
    STEPS,
    GaugeMoment,
    MetricSet,
    add_steps,
    begin_gauges,
    begun_gauges,
    builtin_metrics,
    read_declared,
    touch_customers,
)
from mainstem.store import Connection

DAY = dt.timedelta(days=1)
OPEN = "name: open_tickets\nentity: ticket\nmeasure: count\nwhere: status = 'open'\nunit: tickets\n"
PAID = (
    "name: revenue\nentity: subscription\nmeasure: sum\nvalue: monthly_amount\nwhere: currency = 'EUR'\nunit: euros\n"
)
MODEL = """
name: support
components:
  - {name: load, kind: level, metric: open_tickets, weight: 50, curve: [[0, 100], [10, 0]]}
  - {name: rising, kind: change, metric: open_tickets, window: 7d, weight: 25, curve: [[-5, 100], [0, 80], [5, 0]]}
  - {name: recency, kind: recency, metric: events, weight: 25, curve: [[0, 100], [30, 0]]}
bands: [{name: bad, from: 0}, {name: good, from: 60}]
"""


@pytest.fixture
def support(world: Any) -> Any:
    """A model over open tickets, of a customer with an event an hour ago."""
    world.metrics = MetricSet([*builtin_metrics(), read_declared(OPEN), read_declared(PAID)])
    world.model = read_health_model(MODEL)
    check_health_model(world.model, world.metrics)
    world.customer("acme")
    world.happens(("acme", world.clock.data() - dt.timedelta(hours=1)))
    with world.database.transaction() as conn:
        begin_gauges(conn, list(world.metrics.gauges.values()), filled_to=FILLED)
    return world


def _step(world: Any, *steps: tuple[int, int], name: str = "acme") -> None:
    """Tickets become open (1) or cease to be (-1) so many days ago, as a commit has it."""
    now = world.clock.data()
    with world.database.transaction() as conn:
        conn.execute(STEPS)
        for days, sign in steps:
            _write(conn, world.ref(name), (now - days * DAY).date(), sign)
        moved = add_steps(conn, begun_gauges(conn, world.metrics.gauges.values()).measured, GaugeMoment(now))
        touch_customers(conn, (), [world.ref(name).bytes], now, moved=moved)
        conn.execute(
            """
            INSERT INTO stream_clock AS c VALUES (1, 0, 'app', 'tickets', %(now)s, %(now)s)
            ON CONFLICT (epoch, partition, source, stream) DO UPDATE SET
                last_occurred_at = excluded.last_occurred_at, last_received_at = excluded.last_received_at
            """,
            {"now": now},
        )


def _write(conn: Connection, customer: Any, day: dt.date, sign: int) -> None:
    conn.execute(
        """
        INSERT INTO entity_step (entity, ref, source, stream, customer, day, sign, attributes)
        VALUES ('ticket', gen_random_uuid(), 'app', 'tickets', %s, %s, %s, '{"status": "open"}')
        """,
        [customer, day, sign],
    )


def _told(world: Any, component: str) -> tuple[Any, str]:
    row = next(one for one in world.shown("acme")["contributions"] if one["component"] == component)
    return row["input"]["value"], row["reason"]


def test_a_component_reads_what_a_gauge_comes_to_and_how_it_moved(support: Any) -> None:
    _step(support, (400, 1), (20, 1), (20, 1), (2, 1), (1, -1))
    support.scorer.run_once()
    assert _told(support, "load") == (3, "Open tickets: 3 tickets.")
    assert _told(support, "rising") == (0, "Open tickets: as 7 days before.")
    _step(support, (0, 1), (0, 1))
    support.scorer.run_once()
    assert _told(support, "load") == (5, "Open tickets: 5 tickets.")
    assert _told(support, "rising") == (2, "Open tickets: 2 tickets more than 7 days before.")
    told = support.shown("acme")
    assert {one["input"]["grade"] for one in told["contributions"]} == {"fresh"}
    assert sum(one["points"] for one in told["contributions"]) == told["score"]
    _step(support, (0, -1), (0, -1), (0, -1))
    support.scorer.run_once()
    assert _told(support, "rising") == (-1, "Open tickets: 1 ticket less than 7 days before.")


def test_states_are_no_activity(support: Any) -> None:
    _step(support, (0, 1))
    support.scorer.run_once()
    assert support.shown("acme")["last_seen_at"] == support.clock.data() - dt.timedelta(hours=1)
    assert _told(support, "recency")[1] == "Active within the hour before the newest data."


def test_who_was_seen_long_ago_is_found_although_there_are_states(support: Any) -> None:
    support.customer("quiet")
    support.happens(("quiet", support.clock.data() - 90 * DAY))
    _step(support, (1, 1), name="quiet")
    support.scorer.run_once()
    told = next(one for one in support.shown("quiet")["contributions"] if one["component"] == "recency")
    assert told["reason"] == "No activity for 89 days."


def test_a_late_state_restates_every_midnight_since(support: Any) -> None:
    _step(support, (60, 1))
    support.scorer.run_once()
    for _ in range(50):
        support.clock.advance(DAY)
        support.happens(("acme", support.clock.data()))
        _step(support)
        support.scorer.run_once()
    before = {row["as_of"]: row["score"] for row in support.history("acme")}
    assert len(before) == 50
    # A ticket that was opened 45 days ago, and is told of now.
    _step(support, (45, 1))
    support.scorer.run_once()
    rows = support.history("acme")
    after = {row["as_of"]: row["score"] for row in rows}
    since = (support.clock.data() - 45 * DAY).replace(hour=0, minute=0, second=0, microsecond=0)
    changed = {at for at, score in after.items() if score != before[at]}
    assert changed == {at for at in before if at > since}
    assert len(changed) > 40
    assert {row["cause"] for row in rows if row["as_of"] in changed and row["score"] == after[row["as_of"]]} == {"late"}


def test_a_gauge_that_is_being_filled_says_nothing_yet(support: Any) -> None:
    _step(support, (3, 1))
    with support.database.transaction() as conn:
        begin_gauges(conn, list(support.metrics.gauges.values()))
    support.scorer.run_once()
    assert _told(support, "load") == (
        None,
        "Not measured here: nothing feeds open_tickets, or what was there is still being added up.",
    )
    with support.database.transaction() as conn:
        begin_gauges(conn, list(support.metrics.gauges.values()), filled_to=FILLED)
    support.clock.advance(dt.timedelta(minutes=6))
    support.scorer.run_once()
    assert _told(support, "load")[0] == Decimal(1)


def test_a_gauge_that_nobody_reads_any_more_says_nothing(support: Any) -> None:
    _step(support, (3, 1))
    support.scorer.run_once()
    assert _told(support, "load")[0] == 1
    support.metrics = MetricSet([*builtin_metrics(), read_declared(PAID)])
    _step(support)
    support.scorer.run_once()
    assert _told(support, "load")[0] is None
