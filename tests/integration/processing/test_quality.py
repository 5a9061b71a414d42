"""Counts of quality belong to a commit like everything else of it: once, whatever is repeated or torn down."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest

from mainstem.errors import FencedError, UnavailableError
from mainstem.model import Lane
from mainstem.store import Database

from .conftest import TornDatabase

_FIELDS = """
    SELECT field, sum(checked)::int, sum(missing)::int, sum(bad)::int FROM quality_count
    CROSS JOIN LATERAL unnest(fields, field_checked, field_missing, field_invalid) AS one (field, checked, missing, bad)
    GROUP BY field
    """


def _records(plant: Any) -> int:
    [(records,)] = plant.query("SELECT coalesce(sum(records), 0)::int FROM quality_count")
    return int(records)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_span_that_is_committed_again_counts_once(
    plant: Any, make_usage: Any, usage_contract: Any, database: Database, when: str
) -> None:
    with TornDatabase(database.dsn) as torn:
        sink, engine, lease = plant.sink(torn), plant.engine(), plant.lease(0)
        plant.deliver(plant.records(usage_contract, make_usage(5), slot=0))
        sink.commit(engine.process(plant.batches(0)), lease_epoch=lease)
        plant.deliver(plant.records(usage_contract, make_usage(10), slot=0))
        effects = engine.process(plant.batches(0, after=1))
        torn.torn = when
        with pytest.raises(UnavailableError):
            sink.commit(effects, lease_epoch=lease)
        assert _records(plant) == (5 if when == "before" else 15)
        for _ in range(2):
            with contextlib.suppress(FencedError):
                sink.commit(effects, lease_epoch=lease)
        assert _records(plant) == 15
        sink.close()


def test_what_is_rehearsed_counts_nothing(plant: Any, make_usage: Any, usage_contract: Any) -> None:
    sink, lease = plant.sink(), plant.lease(0)
    plant.deliver(plant.records(usage_contract, make_usage(10), slot=0))
    effects = plant.engine().process(plant.batches(0))
    sink.commit(effects, lease_epoch=lease, rehearse=True)
    assert _records(plant) == 0
    sink.commit(effects, lease_epoch=lease)
    assert _records(plant) == 10


def test_counts_add_up_over_partitions_lanes_and_versions(plant: Any, make_usage: Any, usage_contract: Any) -> None:
    later = plant.contracts.add(plant.variant(usage_contract, version=2))
    events = make_usage(100)
    for event in events[::4]:
        del event["page"]
    for event in events[::10]:
        event["n"] = "many"
    plant.deliver(plant.records(usage_contract, [*events[:60], b"{"]))
    plant.deliver(plant.records(later, events[40:]), Lane.BULK)
    plant.run()
    found = {field: tuple(counts) for field, *counts in plant.query(_FIELDS)}
    # Twenty came twice: each copy that was checked counts.
    both = [*events[:60], *events[40:]]
    missing, bad = sum("page" not in event for event in both), sum(event["n"] == "many" for event in both)
    assert found["page"] == (120, missing, 0)
    assert found["n"] == (120, 0, bad)
    assert found["customer"] == (120, 0, 0)
    assert plant.query("SELECT sum(records)::int, sum(invalid)::int, sum(timed)::int FROM quality_count") == [
        (121, bad + 1, 60)
    ]
    assert plant.query("SELECT contract_version, sum(records)::int FROM quality_count GROUP BY 1 ORDER BY 1") == [
        (1, 61),
        (2, 60),
    ]


def test_a_quarantined_record_says_whose_it_is(plant: Any, make_usage: Any, usage_contract: Any) -> None:
    events = [event | {"n": "many"} for event in make_usage(6, customers=2)]
    plant.deliver(plant.records(usage_contract, [*events, {"event": "open"}]))
    plant.run()
    rows = plant.query("SELECT encode(uuid_send(customer), 'hex'), count(*) FROM quarantine GROUP BY 1 ORDER BY 1")
    references = plant.keyring.references
    known = sorted(references.ref("app", "customer", name).hex() for name in ("c0", "c1"))
    assert rows == [(known[0], 3), (known[1], 3), (None, 1)]
