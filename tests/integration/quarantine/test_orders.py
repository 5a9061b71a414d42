"""Orders: decisions about many records are carried out in the background, each once, whoever is killed meanwhile."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import AsyncIterator

import httpx
import pytest
import structlog.testing

from mainstem.access import Role
from mainstem.errors import ConfigurationError, UnavailableError
from mainstem.intake import Decisions
from mainstem.processing import Author, Order, Orders, Outcome, QuarantineSelection, Verb
from mainstem.runtime import in_effect, order_settling
from mainstem.runtime.load_settling import LoadSettling
from mainstem.runtime.order_settling import OrderSettling
from mainstem.runtime.web import application
from mainstem.runtime.wiring import Runtime

from .conftest import Loads, Shop, contract, view

ALL = QuarantineSelection(source="shop")
ANN = Author("user:ann", "asked the shop")


@pytest.fixture
def filled(shop: Shop) -> Shop:
    """Twelve views of a plan that is allowed by now, and three without a time, are in quarantine."""
    shop.site.send("shop", [view(n, plan="trial") for n in range(12)] + [view(n, at=None) for n in range(12, 15)])
    shop.site.work()
    shop.declare("free", "paid", "trial")
    # What the stream has in quarantine would be replayed by itself.
    shop.site.query("UPDATE contract SET replayed = true")
    return shop


def _place(runtime: Runtime, verb: Verb, selection: QuarantineSelection = ALL) -> Order:
    order = Orders(runtime.database).place(verb, selection, ANN)
    assert order is not None
    return order


def _counts(order: Order) -> tuple[str, int, int, int, int]:
    return order.state, order.matched, order.passing, order.decided, order.failing


def _decided(shop: Shop) -> list[tuple[int, int]]:
    """How many records have so many decisions."""
    return shop.site.query(
        "SELECT n::int, count(*)::int FROM (SELECT count(*) AS n FROM quarantine_decision GROUP BY id) AS one"
        " GROUP BY n ORDER BY n"
    )


def test_a_preview_of_a_load_keeps_nobody_from_settling_it_and_can_be_cancelled(loads: Loads) -> None:
    held = loads.held(loads.file(25))
    with loads.shop.site.runtime() as runtime, runtime.door:
        preview = _place(runtime, "preview", QuarantineSelection(load=held.id))
        loads.shop.site.query("UPDATE load SET state = 'released', decided_by = 'ann' WHERE id = %s", held.id)
        assert LoadSettling(runtime).step() == 25
        assert Orders(runtime.database).cancel(preview.id).state == "cancelled"


def test_it_goes_through_all_records_and_tells_how_far_it_is(filled: Shop) -> None:
    with filled.site.runtime() as runtime:
        orders, settling = Orders(runtime.database), OrderSettling(runtime)
        order = _place(runtime, "replay")
        assert (order.selected, order.state, order.decided) == (15, "waiting", 0)
        steps = [settling.step(turns=1, most=4) for _ in range(3)]
        halfway = orders.read(order.id)
        assert (halfway.state, halfway.matched, halfway.decided) == ("running", 12, sum(steps))
        steps += [settling.step(turns=3, most=4), settling.step()]
        ended = orders.read(order.id)
    assert (_counts(ended), sum(steps)) == (("done", 15, 12, 12, 3), 12)
    assert [(one.reason, one.field, one.count) for one in ended.failures] == [("missing", "at", 3)]
    filled.site.work()
    assert (filled.line(), filled.events(), _decided(filled)) == ((15, 12, 0, 3), 12, [(1, 12)])
    assert filled.site.query("SELECT DISTINCT decided_by, reason FROM quarantine_decision") == [
        ("user:ann", "asked the shop")
    ]


def test_a_preview_tells_how_far_it_is_and_decides_nothing(filled: Shop) -> None:
    with filled.site.runtime() as runtime:
        orders, settling = Orders(runtime.database), OrderSettling(runtime)
        plain, tried = _place(runtime, "preview"), orders.place("preview", ALL, ANN, contract("free", "paid"))
        assert tried is not None
        settling.step(turns=2, most=4)
        assert [orders.read(one.id).matched for one in (plain, tried)] == [4, 4]
        assert [settling.step(turns=20, most=4) for _ in range(2)] == [0, 0]
        ended, other = orders.read(plain.id), orders.read(tried.id)
    assert (_counts(ended), _counts(other)) == (("done", 15, 12, 0, 3), ("done", 15, 0, 0, 15))
    assert [(one.reason, one.field, one.count) for one in other.failures] == [
        ("not_allowed", "plan", 12),
        ("missing", "at", 3),
    ]
    filled.site.work()
    assert (filled.events(), _decided(filled)) == (0, [])


def test_what_comes_after_it_was_ordered_is_not_meant(filled: Shop) -> None:
    with filled.site.runtime() as runtime:
        order = _place(runtime, "dismiss")
    filled.site.send("shop", [view(20, at=None)])
    filled.site.work()
    with filled.site.runtime() as runtime:
        assert OrderSettling(runtime).step() == 15
        assert _counts(Orders(runtime.database).read(order.id)) == ("done", 15, 0, 15, 0)
    filled.site.work()
    assert filled.site.query("SELECT state, count(*)::int FROM quarantine GROUP BY state ORDER BY state") == [
        ("dismissed", 15),
        ("quarantined", 1),
    ]


def test_what_was_decided_before_it_was_cancelled_holds(filled: Shop) -> None:
    with filled.site.runtime() as runtime:
        orders, settling = Orders(runtime.database), OrderSettling(runtime)
        order = _place(runtime, "dismiss")
        assert settling.step(turns=1, most=4) == 4
        assert orders.cancel(order.id).state == "cancelled"
        assert settling.step() == 0
        assert _counts(orders.cancel(order.id)) == ("cancelled", 4, 0, 4, 0)
    filled.site.work()
    assert _decided(filled) == [(1, 4)]


@pytest.mark.parametrize("verb", ["replay", "dismiss"])
@pytest.mark.parametrize("where", ["between log and count", "before the log"])
def test_whoever_takes_it_up_after_a_kill_counts_each_decision_once(
    filled: Shop, monkeypatch: pytest.MonkeyPatch, verb: Verb, where: str
) -> None:
    with filled.site.runtime() as runtime:
        order = _place(runtime, verb)
        assert OrderSettling(runtime).step(turns=1, most=4) > 0
        with monkeypatch.context() as killing:
            if where == "before the log":
                killing.setattr(Decisions, "decide", _dies)
            else:
                killing.setattr(Orders, "end_turn", _dies)
            with pytest.raises(UnavailableError):
                OrderSettling(runtime).step(turns=1, most=8)
        # It is not known whether the log has them before all that it has is in effect.
        assert OrderSettling(runtime).step() == 0
    filled.site.work()
    monkeypatch.setattr(order_settling, "_CLAIMED", dt.timedelta())
    monkeypatch.setattr(in_effect, "_COMMITTED", dt.timedelta())
    with filled.site.runtime() as runtime:
        settling = OrderSettling(runtime)
        while settling.step():
            filled.site.work()
        ended = Orders(runtime.database).read(order.id)
    decided = {"replay": ("done", 15, 12, 12, 3), "dismiss": ("done", 15, 0, 15, 0)}[verb]
    assert (_counts(ended), ended.underway) == (decided, 0)
    assert _decided(filled) == [(1, decided[3])]


def _dies(*_: object) -> None:
    raise UnavailableError("killed here")


def test_one_that_had_the_next_turn_taken_counts_nothing(filled: Shop) -> None:
    """Whoever lost the lease in the middle of a turn does not notice."""
    with filled.site.runtime() as runtime, runtime.door:
        orders = Orders(runtime.database)
        order = _place(runtime, "dismiss")
        late = orders.begin_turn(4)
        assert late is not None
        now = orders.begin_turn(4)
        assert now is not None
        outcome = runtime.quarantine.dismiss(late.selection, late.author, late.stretch)
        assert orders.end_turn(late, outcome) is False
        assert orders.end_turn(now, Outcome(reached=uuid.UUID(int=0))) is True
        assert orders.begin_turn(4) is None, "before what it decided is counted"
        filled.site.work()
        [uncounted] = orders.uncounted()
        assert orders.count(uncounted) == 4
        assert orders.count(uncounted) == 0
        assert _counts(orders.read(order.id)) == ("running", 4, 0, 4, 0)


def test_one_that_cannot_be_carried_out_says_why_and_others_go_on(filled: Shop) -> None:
    filled.site.query("UPDATE quarantine SET sealed = 'x' WHERE field = 'at'")
    with filled.site.runtime() as runtime, structlog.testing.capture_logs() as logs:
        damaged = _place(runtime, "dismiss", QuarantineSelection(source="shop", field="at"))
        whole = _place(runtime, "dismiss", QuarantineSelection(source="shop", field="plan"))
        assert OrderSettling(runtime).step(most=5) == 12
        orders = Orders(runtime.database)
        failed = orders.read(damaged.id)
        assert (failed.state, orders.read(whole.id).state) == ("failed", "done")
        assert failed.error is not None
        assert failed.ended_at is not None
    assert [line["order"] for line in logs if line["event"] == "order_failed"] == [str(damaged.id)]


def test_orders_take_turns_and_are_forgotten_long_after_their_end(filled: Shop) -> None:
    with filled.site.runtime() as runtime:
        orders, settling = Orders(runtime.database), OrderSettling(runtime)
        first = _place(runtime, "dismiss", QuarantineSelection(source="shop", field="plan"))
        second = _place(runtime, "dismiss", QuarantineSelection(source="shop", field="at"))
        settling.step(turns=2, most=2)
        assert [orders.read(one.id).decided for one in (first, second)] == [2, 2]
        settling.step(turns=20, most=5)
        assert [one.state for one in orders.latest()] == ["done", "done"]
        assert order_settling.trim_orders(runtime) == 0
        filled.site.query("UPDATE quarantine_order SET ended_at = now() - interval '40 days' WHERE id = %s", first.id)
        assert order_settling.trim_orders(runtime) == 1
        assert [one.id for one in orders.latest()] == [second.id]


def test_a_load_is_gone_through_as_a_whole_and_cannot_be_left_in_part(loads: Loads) -> None:
    held = loads.held(loads.file(25))
    with loads.shop.site.runtime() as runtime:
        selection = QuarantineSelection(load=held.id)
        runtime.quarantine.note_word("release", selection, ANN)
        order = _place(runtime, "release", selection)
        assert order.source == "shop"
        assert LoadSettling(runtime).step() == 0, "the order does it"
        assert OrderSettling(runtime).step(turns=1, most=10) == 10
        with pytest.raises(ConfigurationError, match="as a whole"):
            Orders(runtime.database).cancel(order.id)
        assert OrderSettling(runtime).step(most=10) == 15
        assert _counts(Orders(runtime.database).read(order.id)) == ("done", 25, 25, 25, 0)
    loads.shop.site.work()
    assert loads.terms() == (55, 55, 0, 0, 0)


def test_a_release_that_was_killed_in_a_turn_counts_what_it_released(
    loads: Loads, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = loads.held(loads.file(25))
    with loads.shop.site.runtime() as runtime:
        selection = QuarantineSelection(load=held.id)
        runtime.quarantine.note_word("release", selection, ANN)
        order = _place(runtime, "release", selection)
        with monkeypatch.context() as killing:
            killing.setattr(Orders, "end_turn", _dies)
            with pytest.raises(UnavailableError):
                OrderSettling(runtime).step(turns=1, most=10)
    loads.shop.site.work()
    with loads.shop.site.runtime() as runtime:
        settling = OrderSettling(runtime)
        assert (settling.step(), settling.step()) == (25, 0)
        assert _counts(Orders(runtime.database).read(order.id)) == ("done", 25, 25, 25, 0)
    loads.shop.site.work()
    assert loads.terms() == (55, 55, 0, 0, 0)


BASE = "/api/v1/data/quarantine"


@pytest.fixture
async def client(filled: Shop) -> AsyncIterator[httpx.AsyncClient]:
    """Of an engineer, where a request decides about three records at most."""
    with filled.site.runtime() as runtime, runtime.door:
        settings = runtime.config.processing.model_copy(update={"decide_at_once": 3})
        runtime.config = runtime.config.model_copy(update={"processing": settings})
        headers = {"Authorization": f"Bearer {runtime.api_keys.create('engineer', Role.ENGINEER)}"}
        transport = httpx.ASGITransport(application(runtime))
        async with httpx.AsyncClient(transport=transport, base_url="http://mainstem.test", headers=headers) as client:
            client.headers["x-boss"] = runtime.api_keys.create("boss", Role.ADMIN)
            client.headers["x-bound"] = runtime.api_keys.create("bound", Role.ENGINEER, sources=["crm"])
            yield client


async def test_many_are_ordered_over_the_api_and_few_are_decided_at_once(
    client: httpx.AsyncClient, filled: Shop
) -> None:
    body = {"source": "shop", "field": "plan", "why": "a plan of ours"}
    asked = await client.post(f"{BASE}/replay", json=body)
    order = asked.json()["data"]["order"]
    assert (asked.status_code, asked.json()["data"]["decided"]) == (202, 0)
    assert {name: order[name] for name in ("verb", "by", "why", "selected", "state", "selection")} == {
        "verb": "replay",
        "by": "key:engineer",
        "why": "a plan of ours",
        "selected": 12,
        "state": "waiting",
        "selection": {"source": "shop", "field": "plan"},
    }
    few = await client.post(f"{BASE}/dismiss", json={"source": "shop", "field": "at", "why": "tests"})
    assert (few.status_code, few.json()["data"]["decided"], few.json()["data"]["order"]) == (202, 3, None)
    with filled.site.runtime() as runtime:
        assert OrderSettling(runtime).step() == 12
    told = (await client.get(f"{BASE}/orders/{order['id']}")).json()["data"]
    assert (told["state"], told["decided"], told["failing"], told["failures"]) == ("done", 12, 0, [])
    listed = (await client.get(f"{BASE}/orders", params={"source": "shop"})).json()["data"]
    assert listed == [told]
    assert (await client.get(f"{BASE}/orders", params={"running": True})).json()["data"] == []
    assert (await client.get(f"{BASE}/orders/{uuid.uuid4()}")).status_code == 404
    assert (await client.post(f"{BASE}/orders/{order['id']}/cancel")).json()["data"]["state"] == "done"


async def test_a_preview_of_many_is_ordered_and_seen_by_who_may(client: httpx.AsyncClient, filled: Shop) -> None:
    few = await client.post(f"{BASE}/preview", json={"source": "shop", "field": "at"})
    assert (few.status_code, few.json()["data"]["failing"], few.json()["data"]["order"]) == (200, 3, None)
    many = await client.post(f"{BASE}/preview", json={"source": "shop"})
    assert (many.status_code, many.json()["data"]["matched"]) == (202, 0)
    boss = {"Authorization": f"Bearer {client.headers['x-boss']}"}
    body = {"contract": contract("free", "paid")}
    tried = (await client.post(f"{BASE}/preview", json=body, headers=boss)).json()["data"]["order"]
    assert (tried["verb"], tried["source"], tried["selection"]) == (
        "preview",
        "shop",
        {"source": "shop", "stream": "views"},
    )
    with filled.site.runtime() as runtime:
        OrderSettling(runtime).step()
    plain = f"{BASE}/orders/{many.json()['data']['order']['id']}"
    told = (await client.get(plain)).json()["data"]
    assert (told["state"], told["matched"], told["passing"], told["failing"], told["decided"]) == ("done", 15, 12, 3, 0)
    # What a contract makes of records is for who may read them.
    assert [one["id"] for one in (await client.get(f"{BASE}/orders")).json()["data"]] == [told["id"]]
    for call in (client.get(f"{BASE}/orders/{tried['id']}"), client.post(f"{BASE}/orders/{tried['id']}/cancel")):
        answer = await call
        assert (answer.status_code, "quarantine:reveal" in answer.json()["detail"]) == (403, True)
    assert (await client.get(f"{BASE}/orders/{tried['id']}", headers=boss)).json()["data"]["failing"] == 15
    bound = {"Authorization": f"Bearer {client.headers['x-bound']}"}
    assert (await client.post(f"{BASE}/preview", json={"all": True}, headers=bound)).status_code == 403
    assert (await client.get(plain, headers=bound)).status_code == 403


async def test_an_order_is_cancelled_and_seen_by_nobody_of_another_source(client: httpx.AsyncClient) -> None:
    order = (await client.post(f"{BASE}/replay", json={"source": "shop"})).json()["data"]["order"]
    bound = {"Authorization": f"Bearer {client.headers['x-bound']}"}
    assert (await client.get(f"{BASE}/orders", headers=bound)).json()["data"] == []
    for call in (
        client.get(f"{BASE}/orders/{order['id']}", headers=bound),
        client.post(f"{BASE}/orders/{order['id']}/cancel", headers=bound),
        client.get(f"{BASE}/orders", params={"source": "shop"}, headers=bound),
    ):
        assert (await call).status_code == 403
    cancelled = (await client.post(f"{BASE}/orders/{order['id']}/cancel")).json()["data"]
    assert (cancelled["state"], cancelled["decided"]) == ("cancelled", 0)


async def test_what_is_unknown_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.get(f"{BASE}/orders", params={"sorce": "shop"})
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/invalid")
