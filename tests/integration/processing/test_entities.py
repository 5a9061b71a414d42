"""Entities end in the same state and the same rows whatever way their records came."""

from __future__ import annotations

import datetime as dt
import json
import random
import uuid
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mainstem.model import Lane
from mainstem.processing import entity_context

NOW = dt.datetime(2026, 1, 15, 12, tzinfo=dt.UTC)
COLUMNS = "deleted, version, observed_at, row_hash, content_hash, attributes::text, customer"


def _state(plant: Any, entity: str = "A") -> dict[str, Any] | None:
    """The entity's attributes, None when it is deleted."""
    ref = plant.keyring.references.ref("crm", "customer", entity)
    [(deleted, attributes, sealed)] = plant.query(
        "SELECT deleted, attributes::text, sealed FROM entity WHERE ref = %s", uuid.UUID(bytes=ref)
    )
    if deleted:
        assert (attributes, sealed) == ("{}", None)
        return None
    personal = plant.keyring.sealer.open(sealed, entity_context(ref)) if sealed else b"{}"
    return {**json.loads(attributes), **json.loads(personal)}


def _at(minute: int) -> dt.datetime:
    return NOW + dt.timedelta(minutes=minute)


def _deliver(plant: Any, contract: Any, payloads: list[Any], lane: Lane = Lane.LIVE, **envelope: Any) -> None:
    plant.deliver(plant.records(contract, payloads, **envelope), lane)


def test_one_record_at_a_time(plant: Any, accounts_contract: Any) -> None:
    sink = plant.sink()
    steps: list[tuple[str, dict[str, Any], dict[str, Any] | None]] = [
        ("upsert", {"name": "Ann", "plan": "free"}, {"name": "Ann", "plan": "free"}),
        ("upsert", {"name": "Ann", "plan": "free"}, {"name": "Ann", "plan": "free"}),
        ("upsert", {"name": "Ann", "plan": "pro"}, {"name": "Ann", "plan": "pro"}),
        ("upsert", {"name": "Ann", "plan": "free"}, {"name": "Ann", "plan": "free"}),
        ("patch", {"seats": 3}, {"name": "Ann", "plan": "free", "seats": 3}),
        ("patch", {"name": None}, {"plan": "free", "seats": 3}),
        ("upsert", {"plan": "free", "seats": 3}, {"plan": "free", "seats": 3}),
        ("delete", {}, None),
        ("delete", {}, None),
        ("upsert", {"plan": "new"}, {"plan": "new"}),
    ]
    content: dict[str, Any]
    expected: dict[str, Any] | None
    for minute, (op, content, expected) in enumerate(steps):
        _deliver(plant, accounts_contract, [{"id": "A", **content}], op=op, observed_at=_at(minute))
        plant.run(sink)
        assert _state(plant) == (None if expected is None else {"customer_id": "A", **expected})
    assert plant.totals() == {"received": 10, "accepted": 7, "duplicate": 3, "quarantined": 0, "pending": 0}
    assert plant.query("SELECT count(*) FROM entity_version WHERE accepted") == [(7,)]
    assert plant.ledger().deep_check() == []


def test_many_entities_in_one_batch(plant: Any, accounts_contract: Any) -> None:
    accounts = [{"id": f"a{n}", "name": f"N{n}", "seats": n} for n in range(300)]
    _deliver(plant, accounts_contract, accounts, observed_at=_at(0))
    _deliver(plant, accounts_contract, accounts, observed_at=_at(1))
    changed = [{**account, "seats": 1000} if n % 3 == 0 else account for n, account in enumerate(accounts)]
    _deliver(plant, accounts_contract, changed, observed_at=_at(2))
    plant.run()
    assert plant.totals() == {"received": 900, "accepted": 400, "duplicate": 500, "quarantined": 0, "pending": 0}
    assert _state(plant, "a3") == {"customer_id": "a3", "name": "N3", "seats": 1000}
    assert plant.query("SELECT count(*) FROM entity WHERE observed_at = %s", _at(2)) == [(300,)]
    assert plant.query("SELECT count(*) FROM touched") == [(300,)]
    assert plant.ledger().deep_check() == []


def test_an_older_record_that_comes_late_changes_nothing(plant: Any, accounts_contract: Any) -> None:
    sink = plant.sink()
    for modified, seats in ((5, 50), (3, 30), (4, 40)):
        _deliver(plant, accounts_contract, [{"id": "A", "seats": seats, "modified": modified}])
        plant.run(sink)
    assert _state(plant) == {"customer_id": "A", "seats": 50}
    assert plant.query("SELECT attributes->>'seats' FROM entity_version ORDER BY version") == [
        ("30",),
        ("40",),
        ("50",),
    ]


_contents = st.dictionaries(st.sampled_from(["plan", "seats", "name"]), st.integers(0, 1), max_size=2)
_records = st.lists(
    st.tuples(st.sampled_from(["upsert", "upsert", "patch", "delete"]), _contents, st.integers(0, 2)),
    min_size=2,
    max_size=8,
)


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(records=_records, seed=st.integers())
def test_any_interleaving_over_lanes_and_commits_ends_alike(
    plant: Any, accounts_contract: Any, records: list[Any], seed: int
) -> None:
    """Three entities with one history: in one batch, one by one, and shuffled over both lanes."""
    rng = random.Random(seed)
    records = [(*record, minute) for record, minute in zip(records, rng.sample(range(20), len(records)), strict=True)]
    ids = [uuid.uuid4().hex for _ in range(3)]
    sink = plant.sink()
    for name, entity in zip(("together", "alone", "shuffled"), ids, strict=True):
        rows = list(records)
        if name == "shuffled":
            rng.shuffle(rows)
        chunk = len(rows) if name == "together" else 1
        for start in range(0, len(rows), chunk):
            some = rows[start : start + chunk]
            lane = rng.choice(list(Lane)) if name == "shuffled" else Lane.LIVE
            _deliver(
                plant,
                accounts_contract,
                [{"id": entity, "modified": version, **{k: str(v) if k != "seats" else v for k, v in content.items()}}
                 for _, content, version, _ in some],
                lane,
                op=[op for op, *_ in some],
                observed_at=[_at(minute) for *_, minute in some],
            )  # fmt: skip
            if rng.random() < 0.4:
                plant.run(sink)
    plant.run(sink)
    states = [_state(plant, entity) for entity in ids]
    for state, entity in zip(states, ids, strict=True):
        assert state is None or state.pop("customer_id", entity) == entity
    assert states[0] == states[1] == states[2]
    rows = [
        plant.query(
            "SELECT deleted, version, observed_at, attributes::text FROM entity WHERE ref = %s",
            uuid.UUID(bytes=plant.keyring.references.ref("crm", "customer", entity)),
        )
        for entity in ids
    ]
    assert rows[0] == rows[1] == rows[2]
    assert plant.ledger().deep_check() == []
    assert plant.totals()["pending"] == 0


def test_the_same_records_of_one_entity_shuffled_give_the_same_row(plant: Any, accounts_contract: Any) -> None:
    """Here also the hashes: one entity, forgotten and received again in other orders."""
    payloads = [
        {"id": "A", "plan": "a"}, {"id": "A", "plan": "b"}, {"id": "A", "plan": "a"}, {"id": "A", "seats": 2},
        {"id": "A"}, {"id": "A", "plan": "c", "name": "Ann"}, {"id": "A", "name": None},
    ]  # fmt: skip
    ops = ["upsert", "upsert", "upsert", "patch", "delete", "upsert", "patch"]
    seen = set()
    for seed in range(6):
        order = random.Random(seed).sample(range(7), 7)
        lanes = [Lane(index % 2) for index in order]
        for lane in Lane:
            mine = [index for index, one in zip(order, lanes, strict=True) if one is lane]
            _deliver(
                plant,
                accounts_contract,
                [payloads[index] for index in mine],
                lane,
                op=[ops[index] for index in mine],
                observed_at=[_at(index) for index in mine],
            )
        plant.run()
        seen.add(plant.query(f"SELECT {COLUMNS} FROM entity")[0])
        with plant.database.transaction() as conn:
            conn.execute("TRUNCATE entity, entity_version")
    assert len(seen) == 1
