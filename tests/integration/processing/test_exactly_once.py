"""Whatever is repeated, torn down or taken over: every record takes effect once."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest

from mainstem.errors import FencedError, UnavailableError
from mainstem.model import Lane
from mainstem.processing import PostgresSink
from mainstem.store import Database

from .conftest import TornDatabase


@pytest.fixture
def torn(database: Database) -> Iterator[TornDatabase]:
    with TornDatabase(database.dsn) as torn:
        yield torn


def test_records_take_effect_once_with_everything_that_belongs_to_it(
    plant: Any, make_usage: Any, usage_contract: Any
) -> None:
    events = make_usage(500)
    plant.deliver(plant.records(usage_contract, [*events, *events[:100], {"customer": "c1"}, b"{"]))
    plant.deliver(plant.records(usage_contract, events[300:] + make_usage(50, first=500)), Lane.BULK)
    plant.run()
    totals = plant.totals()
    assert totals == {"received": 852, "accepted": 550, "duplicate": 300, "quarantined": 2, "pending": 0}
    assert plant.events() == 550
    assert plant.ledger().deep_check() == []
    [(timeline,)] = plant.query("SELECT sum(n) FROM timeline")
    assert timeline == 550
    assert plant.query("SELECT count(*) FROM reference") == [(7 + 14,)]
    assert plant.query("SELECT count(*) FROM touched") == [(7,)]
    [(occurred, received)] = plant.query("SELECT max(last_occurred_at), max(last_received_at) FROM stream_clock")
    assert (occurred, received) == (plant.clock.wall(), plant.clock.wall())


def test_a_repeated_span_is_refused(plant: Any, make_usage: Any, usage_contract: Any) -> None:
    plant.deliver(plant.records(usage_contract, make_usage(20, customers=1)))
    sink = plant.run()
    [partition] = [p for (_, p, _), position in sink.positions().items() if position]
    effects = plant.engine().process(plant.batches(partition))
    for candidate in (sink, plant.sink()):
        with pytest.raises(FencedError):
            candidate.commit(effects, lease_epoch=plant.lease(partition))
    assert plant.totals()["accepted"] == 20


def test_a_span_that_was_processed_but_not_committed_is_processed_again(
    plant: Any, make_usage: Any, usage_contract: Any
) -> None:
    plant.deliver(plant.records(usage_contract, make_usage(30)))
    engine = plant.engine()
    for partition in range(4):
        if batches := plant.batches(partition):
            engine.process(batches)
    plant.run()
    assert plant.totals()["accepted"] == plant.events() == 30


def test_a_zombie_commits_nothing(plant: Any, make_usage: Any, usage_contract: Any) -> None:
    plant.deliver(plant.records(usage_contract, make_usage(20, customers=1), slot=0))
    zombie, owner = plant.sink(), plant.sink()
    old = plant.lease(0, "zombie")
    effects = plant.engine().process(plant.batches(0))
    plant.lease(0, "owner")
    with pytest.raises(FencedError):
        zombie.commit(effects, lease_epoch=old)
    assert plant.totals()["pending"] == 20
    owner.commit(effects, lease_epoch=plant.lease(0, "owner"))
    with pytest.raises(FencedError):
        zombie.commit(effects, lease_epoch=old)
    assert plant.totals()["accepted"] == plant.events() == 20


def test_memory_of_a_former_owner_is_not_trusted(plant: Any, make_usage: Any, usage_contract: Any) -> None:
    """It lost the partition and got it back; what the other did in between it has to learn."""
    first, second = plant.sink(), plant.sink()
    engine = plant.engine()
    plant.deliver(plant.records(usage_contract, make_usage(10), slot=0))
    first.commit(engine.process(plant.batches(0)), lease_epoch=plant.lease(0, "first"))
    plant.deliver(plant.records(usage_contract, make_usage(20), slot=0))
    second.commit(engine.process(plant.batches(0, after=1)), lease_epoch=plant.lease(0, "second"))
    plant.deliver(plant.records(usage_contract, make_usage(30), slot=0))
    first.commit(engine.process(plant.batches(0, after=2)), lease_epoch=plant.lease(0, "first"))
    assert plant.totals() == {"received": 60, "accepted": 30, "duplicate": 30, "quarantined": 0, "pending": 0}


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_commit_whose_outcome_is_unknown(
    plant: Any, torn: TornDatabase, make_usage: Any, usage_contract: Any, when: str
) -> None:
    sink: PostgresSink = plant.sink(torn)
    engine, lease = plant.engine(), plant.lease(0)
    plant.deliver(plant.records(usage_contract, make_usage(10), slot=0))
    sink.commit(engine.process(plant.batches(0)), lease_epoch=lease)
    plant.deliver(plant.records(usage_contract, make_usage(20), slot=0))
    effects = engine.process(plant.batches(0, after=1))
    torn.torn = when
    with pytest.raises(UnavailableError):
        sink.commit(effects, lease_epoch=lease)
    done = sink.positions()[1, 0, Lane.LIVE]
    assert done == (1 if when == "before" else 2)
    if when == "before":
        sink.commit(effects, lease_epoch=lease)
    else:
        with pytest.raises(FencedError):
            sink.commit(effects, lease_epoch=lease)
    plant.deliver(plant.records(usage_contract, make_usage(25), slot=0))
    sink.commit(engine.process(plant.batches(0, after=2)), lease_epoch=lease)
    assert plant.totals() == {"received": 55, "accepted": 25, "duplicate": 30, "quarantined": 0, "pending": 0}
    assert plant.events() == 25
    assert plant.ledger().deep_check() == []


def test_a_failed_write_leaves_memory_as_it_was(
    plant: Any, monkeypatch: pytest.MonkeyPatch, make_usage: Any, usage_contract: Any
) -> None:
    from mainstem.processing import sink_postgres

    sink, lease = plant.sink(), plant.lease(0)
    plant.deliver(plant.records(usage_contract, make_usage(20), slot=0))
    effects = plant.engine().process(plant.batches(0))

    def broken(*_: Any, **__: Any) -> None:
        raise UnavailableError("The database is away.")

    with monkeypatch.context() as patch:
        patch.setattr(sink_postgres, "append_all", broken)
        with pytest.raises(UnavailableError):
            sink.commit(effects, lease_epoch=lease)
    assert plant.totals()["pending"] == 20
    assert sink.commit(effects, lease_epoch=lease).accepted == 20


@pytest.mark.parametrize("immutable", [True, False])
def test_repeats_are_found_over_batches_lanes_contracts_and_seals(
    plant: Any, usage_contract: Any, make_usage: Any, *, immutable: bool
) -> None:
    """Chunks of the same events again and again, in two contract versions, through sinks that come and go."""
    one = plant.contracts.add(plant.variant(usage_contract, version=3, occurred_at_immutable=immutable))
    two = plant.contracts.add(plant.variant(usage_contract, version=4, occurred_at_immutable=immutable))
    rng = random.Random(5)
    events = make_usage(700, customers=11)
    seen: set[str] = set()
    sink = plant.sink()
    for turn in range(5):
        some = rng.choices(events, k=120)
        seen |= {event["id"] for event in some}
        versions = [rng.choice((one, two)).version for _ in some]
        plant.deliver(plant.records(one, some, contract_version=versions), rng.choice(list(Lane)))
        sink = plant.run(plant.sink() if turn % 2 else sink)
    assert plant.totals()["accepted"] == plant.events() == len(seen)
    assert plant.query("SELECT count(*) > 0 FROM dedup_segment") == [(True,)]
    assert plant.ledger().deep_check() == []


def test_another_number_of_partitions_forgets_nothing(plant: Any, usage_contract: Any, make_usage: Any) -> None:
    events = make_usage(600, customers=40)
    for number, partitions in enumerate((4, 8, 2)):
        if number:
            plant.log.repartition(partitions)
        plant.deliver(plant.records(usage_contract, events[: 200 * (number + 1)]))
        plant.run()
    assert plant.totals() == {"received": 1200, "accepted": 600, "duplicate": 600, "quarantined": 0, "pending": 0}
    assert plant.ledger().deep_check() == []


def test_receipts_that_cannot_repeat_all_count(plant: Any, usage_contract: Any, make_usage: Any) -> None:
    events = [{key: value for key, value in event.items() if key != "id"} for event in make_usage(5, customers=1)]
    for _ in range(14):
        plant.deliver(plant.records(usage_contract, events))
    plant.run()
    assert plant.totals()["accepted"] == plant.events() == 70
    assert plant.ledger().deep_check() == []
    [(runs,)] = plant.query("SELECT count(*) FROM dedup_run WHERE space = 'none'")
    assert runs < 14
