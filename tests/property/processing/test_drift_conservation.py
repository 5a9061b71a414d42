"""Whatever a contract's policies and severities are and whatever is sent: each record is in exactly one state, none in silence."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import uuid
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mainstem.contracts import ROW_COUNT, Contract, DriftKind, Policy, Severity, read_contract
from mainstem.errors import NotFoundError
from mainstem.model import ENVELOPE, HeldLoad, Lane, LogBatch
from mainstem.privacy import Keyring
from mainstem.processing import EmbeddedEngine
from mainstem.processing.drift.effects import MOST_PATHS
from mainstem.testing.parents import AllKnown

AT = dt.datetime(2026, 1, 15, 12, tzinfo=dt.UTC)
GOOD = {"account": "a", "event": "e", "at": "2026-01-15T11:00:00Z", "n": 1, "plan": "free", "to": {"city": "Riga"}}
KINDS = [kind.value for kind in DriftKind if kind is not DriftKind.RENAME]

POLICIES = st.dictionaries(st.sampled_from(KINDS), st.sampled_from([str(policy) for policy in Policy]), min_size=1)
VALUES: st.SearchStrategy[Any] = st.sampled_from(
    [None, "", "x", "free", "gold", 5, 2.5, True, {}, [1], "2026-01-15T11:00:00Z", 10**30]
)
CHANGES = st.dictionaries(
    st.sampled_from(["account", "event", "at", "n", "plan", "to", "utm", "to.zip"]), VALUES, max_size=3
)
RULES = st.dictionaries(st.sampled_from(["small", "free", "rigan"]), st.sampled_from([str(one) for one in Severity]))
CONDITIONS = {"small": "n < 3", "free": "plan = 'free'", "rigan": "city = 'Riga' OR n > 1"}
KEYS = st.sampled_from(["utm", "a@b", "c@d", "to.c@d", "", "*", "\0", "é", "x y", "to.", "n"])
NEW: st.SearchStrategy[dict[str, Any]] = st.dictionaries(
    KEYS, st.sampled_from([1, "1E+9999999", 10**40, [], {}, None]), min_size=1, max_size=4
)
TWICE = b'{"account":"a","event":"e","at":"2026-01-15T11:00:00Z","n":1,"u":1,"u":2,"@":1,"@":2,"e":1e400}'
PAYLOADS = st.lists(CHANGES | st.sampled_from([b"", b"[]", b'{"n":']), min_size=1, max_size=12)


class _One:
    """The contracts of an installation that has one."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract

    def active(self, source: str, stream: str) -> Contract | None:
        return self._contract if (source, stream) == ("shop", "things") else None

    def at(self, source: str, stream: str, version: int) -> Contract:
        if version != self._contract.version or self.active(source, stream) is None:
            raise NotFoundError("no such contract")
        return self._contract


def _contract(stream: dict[str, str], field: dict[str, str], rules: dict[str, str], kind: str) -> Contract:
    state = kind == "state"
    attributes = {"customer_id": "account", "plan": "plan", "n": "n", "city": "city"}
    custom: dict[str, Any] = {"source": "shop", "partitionKey": "account", "schemaChange": stream}
    if state:
        custom["mapping"] = {"entity": "customer", "attributes": attributes}
    else:
        attributes = {
            "customer_id": "account",
            "event": "event",
            "occurred_at": "at",
            "quantity": "n",
            "object": "plan",
        }
        custom |= {"occurredAt": "at", "repeat": "none", "mapping": {"entity": "usage_event", "attributes": attributes}}
    properties = [{"property": name, "value": value} for name, value in custom.items()]
    own = {name: policy for name, policy in field.items() if name != DriftKind.NEW_FIELD.value}
    n = {"name": "n", "logicalType": "integer", "required": True}
    if own:
        n["customProperties"] = [{"property": "schemaChange", "value": own}]
    fields = [
        {"name": "account", "logicalType": "string", "required": True, "primaryKey": state},
        {"name": "event", "logicalType": "string", "required": True},
        {"name": "at", "logicalType": "timestamp", "required": True},
        n,
        {"name": "plan", "logicalType": "string", "enum": [{"value": "free"}, {"value": "paid"}]},
        {"name": "city", "logicalType": "string", "customProperties": [{"property": "path", "value": "to.city"}]},
    ]
    quality = [
        {"name": name, "type": "custom", "engine": "mainstem", "implementation": CONDITIONS[name], "severity": severity}
        for name, severity in rules.items()
    ]
    schema = {"name": "things", "customProperties": properties, "properties": fields, "quality": quality}
    head = {"apiVersion": "v3.2.0", "kind": "DataContract", "id": "t", "version": "1.0.0"}
    return dataclasses.replace(read_contract(json.dumps({**head, "schema": [schema]}), "t"), version=1)


def _payload(change: dict[str, Any] | bytes) -> bytes:
    if isinstance(change, bytes):
        return change
    whole: dict[str, Any] = {**GOOD, **{name: value for name, value in change.items() if name[:3] != "to."}}
    inside = {name[3:]: value for name, value in change.items() if name[:3] == "to."}
    if inside and isinstance(whole["to"], dict):
        whole["to"] = {**whole["to"], **inside}
    return json.dumps(whole).encode()


LOAD = HeldLoad(uuid.UUID(int=7), 12, 20, None)
"""Of every second record where a load is held."""


def _batch(
    contract: Contract, payloads: list[bytes], position: int = 1, at: dt.datetime = AT, *, load: bool = False
) -> LogBatch:
    rows = [
        {
            "source": "shop",
            "stream": "things",
            "contract_version": contract.version,
            "record_id": None,
            "key": None,
            "partition_key": None,
            "slot": 0,
            "op": "event" if contract.kind == "event" else "upsert",
            "occurred_at": None,
            "observed_at": AT,
            "origin": LOAD.origin if load and number % 2 else "api",
            "delivery": "d",
            "delivery_index": number,
            "content_type": "application/json",
            "payload": payload,
        }
        for number, payload in enumerate(payloads)
    ]
    return LogBatch(1, 0, Lane.LIVE, position, at, pa.RecordBatch.from_pylist(rows, ENVELOPE))


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keyring:
    return Keyring.create(Path(tmp_path_factory.mktemp("keys")) / "keys")


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.tuples(POLICIES, POLICIES, RULES, st.sampled_from(["event", "state"])), PAYLOADS, st.booleans())
def test_every_record_is_in_exactly_one_state(
    keys: Keyring,
    said: tuple[dict[str, str], dict[str, str], dict[str, str], str],
    payloads: list[Any],
    load: bool,  # noqa: FBT001 - a case
) -> None:
    stream, field, rules, _ = said
    contract = _contract(*said)
    engine = EmbeddedEngine(_One(contract), keys.references, keys.hasher, keys.sealer, AllKnown())
    batch = _batch(contract, list(map(_payload, payloads)), load=load)
    effects = engine.process([batch])
    places = Counter(
        index
        for table in (*[one.rows for one in effects.events], *[one.rows for one in effects.states], effects.quarantined)
        for index in table["index"].to_pylist()
    )
    assert max(places.values(), default=1) == 1
    assert len(places) + effects.discarded.num_rows == effects.records == len(payloads)
    # What is discarded is counted again where it says for what.
    counted = effects.drift.counts
    assert sum(counted["discarded"].to_pylist()) == effects.discarded.num_rows
    assert all(
        n >= lost >= 0 for n, lost in zip(counted["n"].to_pylist(), counted["discarded"].to_pylist(), strict=True)
    )
    if Policy.DISCARD_ROW not in {*stream.values(), *field.values()}:
        assert effects.discarded.num_rows == 0
    assert effects.quarantined.num_rows == effects.sealed.num_rows
    quarantined, held = (effects.set_aside(term) for term in ("quarantined", "held"))
    assert quarantined.num_rows + held.num_rows == effects.quarantined.num_rows
    holding = {name for name, severity in rules.items() if severity == Severity.HOLD}
    if load:
        # None of it takes effect, and none is lost.
        assert {n for n in range(len(payloads)) if n % 2} <= set(effects.quarantined["index"].to_pylist())
        holding.add(ROW_COUNT)
    assert {name for names in held["held_by"].to_pylist() for name in names} <= holding
    _check_release(engine, batch, held)
    assert "unprocessable" not in effects.quarantined["reason"].to_pylist()


def _check_release(engine: EmbeddedEngine, batch: LogBatch, held: pa.Table) -> None:
    """Past exactly what holds it a record has no defect but what a policy discards, and past less it is held."""
    for index, names in zip(held["index"].to_pylist(), held["held_by"].to_pylist(), strict=True):
        record = pa.table(batch.records.slice(index, 1))
        for name, value in (("position", 0), ("index", index), ("received_at", AT)):
            record = record.append_column(name, pa.array([value], pa.timestamp("us", "UTC") if value is AT else None))
        assert not any(engine.failing(record, names)["held_by"].to_pylist())
        [less] = engine.failing(record, names[1:])["held_by"].to_pylist()
        assert less == names[:1]


@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    stream=POLICIES,
    kind=st.sampled_from(["event", "state"]),
    payloads=st.lists(CHANGES | NEW | st.sampled_from([b"[]", TWICE]), min_size=2, max_size=12),
    data=st.data(),
    storm=st.booleans(),
)
def test_counts_are_the_same_however_the_log_is_cut(
    keys: Keyring, stream: dict[str, str], kind: str, payloads: list[Any], data: st.DataObject, *, storm: bool
) -> None:
    """A rebuild cuts it otherwise, and refuses to be put in the place of a fold that counted something else."""
    contract = _contract(stream, {}, {}, kind)
    if storm:
        payloads = [{f"{letter}{n}": 1 for letter in "kl"} for n in range(MOST_PATHS)] + payloads
    at = data.draw(st.lists(st.sampled_from([AT, AT + dt.timedelta(days=1)]), min_size=1, max_size=4))
    batches = [
        _batch(contract, [_payload(one)], number + 1, at[number % len(at)]) for number, one in enumerate(payloads)
    ]
    size = data.draw(st.integers(len(batches) // 3 or 1, len(batches)))
    counted: list[Counter[tuple[str, dt.date, str]]] = [Counter(), Counter()]
    for counts, step in zip(counted, (len(batches), size), strict=True):
        engine = EmbeddedEngine(_One(contract), keys.references, keys.hasher, keys.sealer, AllKnown())
        for start in range(0, len(batches), step):
            effects = engine.process(batches[start : start + step])
            for row in effects.drift.counts.to_pylist():
                for name in ("n", "discarded"):
                    counts[row["kind"], row["day"], name] += row[name]
    assert counted[0] == counted[1]
