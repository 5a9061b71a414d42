"""Two workers whose batches change the same rows: each waits for the other, and never both for each other."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from mainstem.processing import Commit


def known(plant: Any, contract: Any, events: Sequence[Any]) -> None:
    """Have the customers be known: who is new to two workers is waited for at the reference already."""
    plant.deliver(plant.records(contract, events, slot=0))
    plant.run()


def side_by_side(plant: Any, held: str) -> Sequence[Commit]:
    """Commit what partitions 0 and 1 have at once: both are under way when the table `held` is let go."""
    effects = [plant.engine().process(plant.batches(partition, after)) for partition, after in ((0, 1), (1, 0))]
    leases = [plant.lease(partition) for partition in (0, 1)]
    sinks = [plant.sink(), plant.sink()]
    with ThreadPoolExecutor(2) as pool:
        with plant.database.transaction() as conn:
            conn.execute(f"LOCK TABLE {held} IN SHARE ROW EXCLUSIVE MODE")
            commits = [
                pool.submit(sink.commit, one, lease_epoch=lease)
                for sink, one, lease in zip(sinks, effects, leases, strict=True)
            ]
            while plant.query("SELECT count(*) FROM pg_locks WHERE NOT granted") != [(2,)]:
                assert not any(one.done() for one in commits)
        return [one.result() for one in commits]


def test_events_and_states_of_the_same_customers(plant: Any, make_usage: Any, usage_contract: Any) -> None:
    accounts = plant.contracts.at("crm", "accounts", 1)
    usage = plant.contracts.add(plant.variant(usage_contract, source="crm"))
    known(plant, usage, make_usage(2, customers=2))
    for slot, (active, changed) in enumerate((("c0", "c1"), ("c1", "c0"))):
        plant.deliver(
            plant.records(usage, [dict(make_usage(1)[0], person=None, id=f"new {slot}", customer=active)], slot=slot)
        )
        plant.deliver(plant.records(accounts, [{"id": changed, "plan": "gold"}], slot=slot))
    assert [one.accepted for one in side_by_side(plant, "stream_clock")] == [2, 2]
    assert plant.query("SELECT count(*) FROM touched") == [(2,)]


def test_two_versions_of_a_contract_about_the_same_customers(plant: Any, make_usage: Any, usage_contract: Any) -> None:
    versions = [usage_contract, plant.contracts.add(plant.variant(usage_contract, version=2))]
    known(plant, usage_contract, make_usage(2, customers=2))
    for slot, customers in enumerate((("c0", "c1"), ("c1", "c0"))):
        for contract, customer in zip(versions, customers, strict=True):
            event = dict(make_usage(1)[0], person=None, id=f"new {slot}{customer}", customer=customer)
            plant.deliver(plant.records(contract, [event], slot=slot))
    assert [one.accepted for one in side_by_side(plant, "rollup")] == [2, 2]
    assert plant.events() == 6
