"""Customers as they are served."""

from __future__ import annotations

import dataclasses
import datetime as dt
import uuid
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from mainstem.analytics import trim_history
from mainstem.analytics.customers import CustomerQuery, Customers
from mainstem.analytics.happenings import restated_days, shown_scores
from mainstem.analytics.overview import movers, spread
from mainstem.errors import NotFoundError
from mainstem.privacy import Keyring
from mainstem.processing import REFERENCES
from mainstem.processing.tables.references import ReferenceRegister

DAY = dt.timedelta(days=1)
HOUR = dt.timedelta(hours=1)


@pytest.fixture
def customers(world: Any, keyring: Keyring) -> Customers:
    return Customers(keyring.references, keyring.sealer, world.wording)


def _known(world: Any, keyring: Keyring, *ids: tuple[str, str]) -> dict[str, uuid.UUID]:
    """Make customers known under their ids; the world then finds them by name."""
    refs = {value: keyring.references.ref(source, "customer", value) for source, value in ids}
    rows = [{"ref": refs[v], "source": s, "kind": "customer", "value": v} for s, v in ids]
    with world.database.transaction() as conn:
        ReferenceRegister(keyring.sealer).write(conn, pa.Table.from_pylist(rows, schema=REFERENCES), world.clock.wall())
    named = {value: uuid.UUID(bytes=ref) for value, ref in refs.items()}
    world.ref = lambda name: named.get(name, uuid.uuid5(uuid.NAMESPACE_OID, name))
    return named


def test_customers_are_found_by_what_their_source_calls_them(
    world: Any, keyring: Keyring, customers: Customers
) -> None:
    refs = _known(world, keyring, ("app", "acme"), ("crm", "beta:1"), ("app", "gamma"))
    twin = keyring.references.ref("crm", "customer", "gamma")
    with world.database.transaction() as conn:
        row = {"ref": twin, "source": "crm", "kind": "customer", "value": "gamma"}
        table = pa.Table.from_pylist([row], schema=REFERENCES)
        ReferenceRegister(keyring.sealer).write(conn, table, world.clock.wall())
        assert customers.find(conn, "app:acme") == refs["acme"]
        assert customers.find(conn, "acme") == refs["acme"]
        # An id may have the separator in it.
        assert customers.find(conn, "crm:beta:1") == customers.find(conn, "beta:1") == refs["beta:1"]
        with pytest.raises(NotFoundError, match="Several sources"):
            customers.find(conn, "gamma")
        with pytest.raises(NotFoundError, match="No source knows"):
            customers.find(conn, "app:nobody")
        assert customers.ids(conn, [refs["acme"]]) == {refs["acme"]: "app:acme"}


def _midnight(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(), dt.UTC)


def test_what_happened_besides_events(world: Any) -> None:
    world.customer("a", "b")
    start = world.clock.data()
    world.happens(*(("a", start - day * DAY) for day in range(20)))
    world.scorer.run_once()
    world.clock.advance(5 * DAY)
    world.happens(*[("a", world.clock.data())] * 5)
    world.scorer.run_once()
    between = world.clock.wall()
    world.clock.advance(HOUR)
    world.happens(*[("a", start - 2 * DAY)] * 2, ("b", world.clock.data()))
    world.scorer.run_once()
    now = world.clock.data()
    with world.database.snapshot() as conn:
        moves = shown_scores(conn, world.ref("a"), "default", now, None)
        assert [one.previous for one in moves] == [one.score for one in moves[1:]] + [None]
        assert moves[0].score == world.score("a")
        assert [one.at for one in moves][-2:] == [start + 5 * DAY, start]
        assert shown_scores(conn, world.ref("a"), "default", start, None) == moves[-1:]
        assert shown_scores(conn, world.ref("a"), "default", now, between) == moves[-2:]
        [late] = restated_days(conn, world.ref("a"), (between, world.clock.wall()))
        assert (late.day, late.known_at) == ((start - 2 * DAY).date(), now)
        # One page, as before: what did not change in number is not told.
        assert late.changes == (("events", Decimal(1), Decimal(3)), ("quantity", Decimal(1), Decimal(3)))
        assert restated_days(conn, world.ref("a"), (start, between)) == []


def test_lists_are_filtered_sorted_and_paged(world: Any, keyring: Keyring, customers: Customers) -> None:
    names = [f"customer {number}" for number in range(12)]
    _known(world, keyring, *(("app", name) for name in names), ("crm", "unmeasured"))
    now = world.clock.data()
    for number, name in enumerate(names):
        world.customer(name, segment="large" if number % 3 else "small")
        world.happens(*((name, now - number * 3 * DAY - step * DAY) for step in range(20)))
    world.scorer.run_once()

    def listed(query: CustomerQuery) -> list[Any]:
        found: list[Any] = []
        with world.database.snapshot() as conn:
            while True:
                _, rows = customers.page(conn, query)
                found += rows
                if len(rows) < query.limit:
                    return found
                query = dataclasses.replace(query, after=(rows[-1].sort_value, rows[-1].ref))

    everybody = listed(CustomerQuery("default", limit=5))
    assert len({row.ref for row in everybody}) == len(everybody) == 13
    scores = [row.score for row in everybody if row.score is not None]
    assert scores == sorted(scores)
    assert everybody[-1].score is None
    descending = listed(CustomerQuery("default", descending=True, limit=4))
    assert [row.score for row in descending] == [*sorted(scores, reverse=True), None]
    seen = listed(CustomerQuery("default", sort="last_activity", limit=7))
    assert [row.last_activity_at for row in seen[:-1]] == sorted(row.last_activity_at for row in seen[:-1])
    by_segment = listed(CustomerQuery("default", sort="segment", limit=5))
    assert [row.segment for row in by_segment] == ["large"] * 8 + ["small"] * 4 + [None]
    assert len({row.ref for row in by_segment}) == 13
    small = listed(CustomerQuery("default", segments=("small",)))
    assert {row.ref for row in small} == {world.ref(name) for name in names[::3]}
    risky = listed(CustomerQuery("default", bands=("at_risk",), sources=("app",)))
    assert {row.band for row in risky} == {"at_risk"}
    assert listed(CustomerQuery("default", sources=("crm",)))[0].ref == world.ref("unmeasured")
    with world.database.snapshot() as conn:
        assert customers.page(conn, CustomerQuery("default", segments=("large",), limit=2))[0] == 8
        assert customers.choices(conn) == (["large", "small"], ["app", "crm"])


def test_all_customers_at_a_glance(world: Any, keyring: Keyring, customers: Customers) -> None:
    names = ["riser", "faller", "steady"]
    _known(world, keyring, *(("app", name) for name in names))
    world.customer(*names)
    now = world.clock.data()
    world.happens(
        *(("riser", now - 40 * DAY + day * DAY) for day in range(20)),
        *(("faller", now - day * DAY) for day in range(80)),
        *(("steady", now - day * DAY) for day in range(80)),
    )
    world.scorer.run_once()
    for _ in range(8):
        world.clock.advance(DAY)
        at = world.clock.data()
        world.happens(*(("riser", at - hour * HOUR) for hour in range(8)), ("steady", at))
        world.scorer.run_once()
    before = (world.clock.data() - 7 * DAY).date()
    with world.database.snapshot() as conn:
        [up], [down] = movers(conn, world.wording, "default", before, 1)
        seen = spread(conn, "default", before)
        query = CustomerQuery("default", before=_midnight(before), sort="change", descending=True, limit=2)
        _, most = customers.page(conn, query)
        _, least = customers.page(conn, dataclasses.replace(query, after=(most[-1].sort_value, most[-1].ref)))
    assert [row.ref for row in (*most, *least)] == [world.ref(name) for name in ("riser", "steady", "faller")]
    assert Decimal(most[0].sort_value or 0) == up.change
    assert (up.ref, down.ref) == (world.ref("riser"), world.ref("faller"))
    assert up.change > 0 > down.change
    assert up.reason == "Active within the hour before the newest data."
    assert down.reason == "No activity for 7 days."
    mean = seen.average
    counts = {one.band: (one.count, one.previous) for one in seen.bands}
    assert mean.score is not None
    assert abs(mean.score * 3 - sum(world.score(name) for name in names)) < Decimal("0.02")
    assert mean.previous is not None
    assert sum(count for count, _ in counts.values()) == 3
    assert sum(previous or 0 for _, previous in counts.values()) == 3
    assert sum(count for _, _, count in seen.histogram) == 3


def test_midnights_stay_and_exported_moments_go(world: Any) -> None:
    world.customer("a")
    now = world.clock.data()
    world.happens(*(("a", now - day * DAY) for day in range(20)))
    world.scorer.run_once()
    for _ in range(4):
        world.clock.advance(DAY)
        world.happens(("a", world.clock.data()), ("a", world.clock.data()))
        world.scorer.run_once()
    live, daily = len(world.history("a", "live")), len(world.history("a"))
    assert live > 2
    assert trim_history(world.database, world.clock.data() - DAY) == 0
    with world.database.transaction() as conn:
        conn.execute("UPDATE score_history SET exported = true")
    gone = trim_history(world.database, world.clock.data() - DAY)
    assert gone == live - len(world.history("a", "live")) > 0
    assert len(world.history("a")) == daily
