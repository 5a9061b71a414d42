"""Whatever the order of arrival: one state, and spans that never overlap."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import json
import random
from decimal import Decimal
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from mainstem.model import Op
from mainstem.processing.entity_merge import State, Version, canonical_json, fold, merge

START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def _record(version: int, minute: int, op: Op, content: dict[str, Any], sent: int = 0) -> Version:
    if op is Op.DELETE:
        content = {}
    elif op is Op.UPSERT:
        content = {key: value for key, value in content.items() if value is not None}
    public = json.dumps({key: value for key, value in content.items() if key != "name"}, sort_keys=True)
    personal = json.dumps({"name": content["name"]}) if "name" in content else None
    observed = START + dt.timedelta(minutes=minute)
    # Of values that are even another was sent.
    remedied = {
        key: {"from": value + sent, "by": ["clip"], "at": observed.isoformat()}
        for key, value in sorted(content.items())
        if value is not None and value % 2 == 0 and sent
    }
    said = sorted((key, one["from"]) for key, one in remedied.items())
    parts = [{key: one for key, one in remedied.items() if (key == "name") is personal} for personal in (False, True)]
    return Version(
        version=str(version) if version else "",
        observed_at=observed,
        content_hash=hashlib.sha256(repr((op, public, personal, said)).encode()).digest()[:16],
        op=op,
        stream="accounts",
        contract_version=1,
        day=observed.date(),
        attributes=public,
        personal=personal,
        customer=None,
        last_version=str(version) if version else "",
        last_observed_at=observed,
        remedied=json.dumps(parts[0]) if parts[0] else None,
        remedied_personal=json.dumps(parts[1]) if parts[1] else None,
    )


_values = st.dictionaries(
    st.sampled_from(["plan", "seats", "name"]), st.one_of(st.none(), st.integers(0, 2)), max_size=3
)
_records = st.builds(
    _record,
    st.integers(0, 2),
    st.integers(0, 6),
    st.sampled_from([Op.UPSERT, Op.PATCH, Op.DELETE]),
    _values,
    st.integers(0, 1),
)


def _plain_fold(records: list[Version]) -> dict[str, Any] | None:
    """The rule as the documentation states it, over every record that ever came."""
    state: dict[str, Any] | None = None
    for record in sorted(records, key=lambda one: one.first):
        content = json.loads(record.attributes) | json.loads(record.personal or "{}")
        if record.op is Op.DELETE:
            state = None
        elif record.op is Op.UPSERT:
            state = content
        else:
            state = {key: value for key, value in ((state or {}) | content).items() if value is not None}
    return state


def _timeless(state: State | None) -> State | None:
    """A state without when its originals were observed first, which a late record with the same content moves."""
    if state is None:
        return None
    parts = [None if part is None else json.loads(part) for part in state.said()]
    return dataclasses.replace(state, remedied=parts[0] or {}, remedied_personal=parts[1] or {})


def _remedied_fold(records: list[Version]) -> dict[str, Any]:
    """Of each attribute that has a value, what it was made from by whoever said it last."""
    state: dict[str, Any] = {}
    for record in sorted(records, key=lambda one: one.first):
        named = json.loads(record.attributes) | json.loads(record.personal or "{}")
        new = json.loads(record.remedied or "{}") | json.loads(record.remedied_personal or "{}")
        kept = {key: one for key, one in state.items() if key not in named} if record.op is Op.PATCH else {}
        state = kept | new
    return {key: one["from"] for key, one in state.items()}


def _seen(state: State | None) -> dict[str, Any] | None:
    if state is None or state.deleted:
        return None
    return {key: int(value) for key, value in {**state.attributes, **state.personal}.items()}


def _merged(records: list[Version]) -> tuple[list[Version], int]:
    history: list[Version] = []
    accepted = 0
    for record in records:
        history, new = merge(history, record)
        accepted += new
    return history, accepted


@settings(max_examples=300, deadline=None)
@given(records=st.lists(_records, min_size=1, max_size=14), seed=st.integers())
def test_any_order_ends_in_the_same_state(records: list[Version], seed: int) -> None:
    shuffled = list(records)
    random.Random(seed).shuffle(shuffled)
    first, _ = _merged(records)
    second, _ = _merged(shuffled)
    one, two = fold(first), fold(second)
    assert _timeless(one) == _timeless(two)
    assert first[-1].last == second[-1].last == max(record.first for record in records)
    assert _seen(one) == _plain_fold(records)
    told = {} if one is None else {**one.remedied, **one.remedied_personal}
    assert {key: int(it["from"]) for key, it in told.items()} == _remedied_fold(records)


@settings(max_examples=300, deadline=None)
@given(records=st.lists(_records, min_size=1, max_size=14))
def test_history_is_ordered_and_counts_what_was_accepted(records: list[Version]) -> None:
    history, accepted = _merged(records)
    assert all(row.first <= row.last for row in history)
    assert all(one.last < two.first for one, two in pairwise(history))
    assert sum(row.accepted for row in history) == accepted


def test_a_return_to_an_earlier_content_is_a_version() -> None:
    a, b, again = (_record(0, minute, Op.UPSERT, {"plan": plan}) for minute, plan in ((0, 1), (1, 2), (2, 1)))
    history, accepted = _merged([a, b, again])
    assert (len(history), accepted) == (3, 3)
    assert _seen(fold(history)) == {"plan": 1}


def test_what_was_observed_again_needs_no_row_until_something_falls_between() -> None:
    a, repeat = _record(0, 0, Op.UPSERT, {"plan": 1}), _record(0, 9, Op.UPSERT, {"plan": 1})
    history, accepted = _merged([a, repeat])
    assert (len(history), accepted) == (1, 1)
    history, new = merge(history, _record(0, 5, Op.UPSERT, {"plan": 2}))
    assert new
    assert [row.accepted for row in history] == [True, True, False]
    assert _seen(fold(history)) == {"plan": 1}


def test_a_higher_vendor_version_wins_whenever_it_was_observed() -> None:
    history, _ = _merged([_record(2, 0, Op.UPSERT, {"plan": 2}), _record(1, 5, Op.UPSERT, {"plan": 1})])
    assert _seen(fold(history)) == {"plan": 2}


def test_canonical_json_is_blind_to_spelling() -> None:
    texts = ('{"a":1.50,"b":[1e2,-0.0]}', '{"b": [100,0], "a": 1.5}')
    spelled = {canonical_json(json.loads(text, parse_int=Decimal, parse_float=Decimal)) for text in texts}
    assert spelled == {'{"a":15E-1,"b":[1E2,0]}'}
