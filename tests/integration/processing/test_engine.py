"""What the engine makes of records, good and bad."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from structlog.testing import capture_logs

from mainstem.contracts import CheckPlan, Contract, Repeat
from mainstem.errors import UnavailableError
from mainstem.model import Lane, LogBatch, Place
from mainstem.processing import EVENT_EFFECTS, STATE_EFFECTS, Effects, EventEffects, StateEffects, open_record
from mainstem.processing import embedded as embedded_module
from mainstem.processing.shaping import shape_events

NOW = dt.datetime(2026, 1, 15, 12, tzinfo=dt.UTC)


@pytest.fixture
def process(kit: Any) -> Any:
    def run(contract: Contract, payloads: list[Any], **envelope: Any) -> Effects:
        batch = LogBatch(1, 0, Lane.LIVE, 7, NOW, kit.records(contract, payloads, **envelope))
        effects: Effects = kit.engine().process([batch])
        assert _rows(effects) == effects.records == len(payloads)
        return effects

    return run


def _rows(effects: Effects) -> int:
    parts: list[EventEffects | StateEffects] = [*effects.events, *effects.states]
    rows: int = sum(part.rows.num_rows for part in parts) + len(effects.decisions) + effects.quarantined.num_rows
    return rows


def _reasons(effects: Effects) -> list[tuple[int, str, str | None]]:
    rows = effects.quarantined.to_pylist()
    return sorted((row["index"], row["reason"], row["field"]) for row in rows)


def test_an_event_is_mapped(kit: Any, process: Any, usage_contract: Contract) -> None:
    payload = {
        "id": "e1",
        "customer": " C1 ",
        "person": "p1",
        "event": "open",
        "at": "2026-01-15T11:00:00+01:00",
        "n": 2.5,
    }
    effects = process(usage_contract, [payload | {"page": "/a"}])
    [events] = effects.events
    assert events.rows.schema == EVENT_EFFECTS
    [row] = events.rows.to_pylist()
    references = kit.keyring.references
    assert row["customer"] == references.ref("app", "customer", "C1")
    assert row["person"] == references.ref("app", "person", "p1")
    assert row["occurred_at"] == dt.datetime(2026, 1, 15, 10, tzinfo=dt.UTC)
    assert (row["event"], row["object"], row["quantity"]) == ("open", "/a", Decimal("2.5"))
    assert (row["position"], row["index"], row["received_at"]) == (7, 0, NOW)
    kinds = {(row["kind"], row["value"]) for row in effects.references.to_pylist()}
    assert kinds == {("customer", " C1 "), ("person", "p1")}


def test_bad_records_leave_their_neighbours_alone(kit: Any, process: Any, usage_contract: Contract) -> None:
    good = {"id": "e1", "customer": "c", "event": "open", "at": "2026-01-15T11:00:00Z"}
    payloads: list[Any] = [
        good,
        b"{not json",
        {**good, "at": "2026-01-16T12:00:00Z"},
        {**good, "at": "1900-01-01T00:00:00Z"},
        {key: value for key, value in good.items() if key != "event"},
        {**good, "n": "many"},
        {**good, "n": 10**25},
        good | {"id": "e2"},
    ]
    effects = process(usage_contract, payloads)
    assert [row["index"] for row in effects.events[0].rows.to_pylist()] == [0, 7]
    assert _reasons(effects) == [
        (1, "invalid_json", None),
        (2, "in_future", "at"),
        (3, "too_old", "at"),
        (4, "missing", "event"),
        (5, "wrong_type", "n"),
        (6, "out_of_range", "n"),
    ]
    sealed = {row["index"]: row["sealed"] for row in effects.sealed.to_pylist()}
    assert open_record(kit.keyring.sealer, Place(1, 0, Lane.LIVE, 7, 1), sealed[1]).payload == b"{not json"
    assert not any("2026-01-16" in row["message"] for row in effects.quarantined.to_pylist())


@pytest.mark.parametrize("version", [0, 9])
def test_a_record_without_contract_waits_in_quarantine(process: Any, usage_contract: Contract, version: int) -> None:
    effects = process(usage_contract, [{"customer": "c"}], contract_version=version)
    assert _reasons(effects) == [(0, "no_contract", None)]


def _hashes(effects: Effects) -> list[bytes | None]:
    hashes: list[bytes | None] = effects.events[0].rows["record_hash"].to_pylist()
    return hashes


def test_what_makes_a_repeat_is_the_contracts_word(kit: Any, process: Any, usage_contract: Contract) -> None:
    one = {"id": "a", "customer": "c", "event": "open", "at": "2026-01-15T11:00:00Z"}
    other = one | {"event": "save"}
    anonymous = {key: value for key, value in one.items() if key != "id"}
    by_id = _hashes(process(usage_contract, [one, other, one | {"id": "b"}, anonymous]))
    assert by_id[0] == by_id[1] != by_id[2]
    assert by_id[3] is None

    contracts = {
        kind: kit.contracts.add(kit.variant(usage_contract, version=n, repeat=kind)) for n, kind in enumerate(Repeat, 2)
    }
    by_body = _hashes(process(contracts[Repeat.BODY], [one, other, dict(one)]))
    assert by_body[0] == by_body[2] != by_body[1]
    assert _hashes(process(contracts[Repeat.NONE], [one, one])) == [None, None]
    numbered = _hashes(process(contracts[Repeat.OCCURRENCE], [anonymous] * 3, record_id=["h1", "h2", "h1"]))
    assert numbered[0] == numbered[2] != numbered[1]


def test_the_same_id_in_another_slot_is_another_event(process: Any, usage_contract: Contract) -> None:
    one = {"id": "a", "customer": "c", "event": "open", "at": "2026-01-15T11:00:00Z"}
    here, there = _hashes(process(usage_contract, [one, one], slot=[4, 8]))
    assert here != there


def test_a_personal_object_becomes_a_pseudonym(kit: Any, process: Any, personal_contract: Contract) -> None:
    one = {"id": "a", "customer": "c", "event": "open", "at": "2026-01-15T11:00:00Z", "page": "ann@example.org"}
    effects = process(personal_contract, [one])
    [row] = effects.events[0].rows.to_pylist()
    assert row["object"] == kit.keyring.references.ref("app", "object", "ann@example.org").hex()


def test_an_entity_is_mapped(kit: Any, process: Any, accounts_contract: Contract) -> None:
    payloads = [
        {"id": "A", "name": "Ann", "plan": "pro", "seats": 5, "started": "2025-01-02", "modified": 3},
        {"id": "A", "plan": "pro", "name": None, "modified": 12},
        {"id": "A", "gone": True, "plan": "pro", "modified": 13},
        {"id": "A", "plan": None, "modified": 14},
    ]
    effects = process(accounts_contract, payloads, op=["upsert", "upsert", "upsert", "patch"])
    [states] = effects.states
    assert states.rows.schema == STATE_EFFECTS
    rows = states.rows.to_pylist()
    ref = kit.keyring.references.ref("crm", "customer", "A")
    assert {row["ref"] for row in rows} == {ref}
    assert [row["op"] for row in rows] == ["upsert", "upsert", "delete", "patch"]
    assert [row["customer"] for row in rows] == [ref, ref, None, ref]
    assert json.loads(rows[0]["attributes"]) == {
        "plan": "pro",
        "seats": 5,
        "started_at": "2025-01-02T00:00:00.000000Z",
    }
    assert json.loads(rows[0]["personal"]) == {"customer_id": "A", "name": "Ann"}
    assert (rows[1]["attributes"], rows[1]["personal"]) == ('{"plan":"pro"}', '{"customer_id":"A"}')
    assert (rows[2]["attributes"], rows[2]["personal"]) == ("{}", None)
    assert json.loads(rows[3]["attributes"]) == {"plan": None}
    assert sorted(row["version"] for row in rows) == [row["version"] for row in rows]
    assert len({row["content_hash"] for row in rows}) == 4


def test_the_same_span_gives_the_same_effects(process: Any, make_usage: Any, usage_contract: Contract) -> None:
    first, second = (process(usage_contract, [*make_usage(600), b"broken"]) for _ in range(2))
    assert first.events[0].rows.equals(second.events[0].rows)
    assert first.quarantined.equals(second.quarantined)
    assert first.references.equals(second.references)


def test_groups_keep_to_their_contract(kit: Any, usage_contract: Contract, accounts_contract: Contract) -> None:
    usage = kit.records(usage_contract, [{"id": "e", "customer": "c", "event": "x", "at": "2026-01-15T11:00:00Z"}] * 2)
    other = kit.records(accounts_contract, [{"id": "A"}])
    mixed = pa.Table.from_batches([usage.slice(0, 1), other, usage.slice(1, 1)]).combine_chunks().to_batches()[0]
    effects = kit.engine().process([LogBatch(1, 0, Lane.LIVE, 1, NOW, mixed)])
    assert effects.events[0].rows["index"].to_pylist() == [0, 2]
    assert effects.states[0].rows["index"].to_pylist() == [1]


def test_a_poison_record_stands_alone_in_quarantine(
    monkeypatch: pytest.MonkeyPatch, process: Any, make_usage: Any, usage_contract: Contract
) -> None:
    real = shape_events

    def failing(plan: CheckPlan, source: str, records: pa.Table, *rest: Any) -> Any:
        if any(b"POISON" in payload for payload in records["payload"].to_pylist()):
            raise ZeroDivisionError("never shown: a value of the record")
        return real(plan, source, records, *rest)

    monkeypatch.setattr(embedded_module, "shape_events", failing)
    payloads = make_usage(40)
    payloads[13]["note"] = payloads[31]["note"] = "POISON"
    with capture_logs() as logs:
        effects = process(usage_contract, payloads)
    assert "never shown" not in repr(logs)
    assert _reasons(effects) == [(13, "unprocessable", None), (31, "unprocessable", None)]
    [message, _] = effects.quarantined["message"].to_pylist()
    assert "ZeroDivisionError" in message
    assert "never shown" not in message


def test_a_store_that_cannot_be_reached_is_not_the_records_fault(
    monkeypatch: pytest.MonkeyPatch, kit: Any, process: Any, make_usage: Any, usage_contract: Contract
) -> None:
    def unreachable(*_: Any) -> Contract:
        raise UnavailableError("The database is away.")

    monkeypatch.setattr(kit.contracts, "at", unreachable)
    with pytest.raises(UnavailableError):
        process(usage_contract, make_usage(3))
