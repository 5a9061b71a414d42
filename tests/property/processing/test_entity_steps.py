"""When a state is in force: what had come last in merge order among what was observed by then, whatever came when."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import random
from collections import Counter
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from mainstem.model import Op
from mainstem.processing.entity_merge import Version, canonical_json, merge
from mainstem.processing.entity_steps import steps_between, steps_of

START = dt.datetime(2026, 1, 1, 6, tzinfo=dt.UTC)
DAYS = 8


def _record(number: int, content: int, said: tuple[int, int, Op, int | None]) -> Version:
    version, day, op, customer = said
    attributes = {} if op is Op.DELETE else {"n": content}
    observed = START + dt.timedelta(days=day, minutes=number)
    return Version(
        version=str(version),
        observed_at=observed,
        content_hash=hashlib.sha256(f"{content}{op}{customer}".encode()).digest()[:16],
        op=op,
        stream="tickets",
        contract_version=1,
        day=observed.date(),
        attributes=json.dumps(attributes),
        personal=None,
        customer=None if customer is None or op is Op.DELETE else bytes([customer]) * 16,
        last_version=str(version),
        last_observed_at=observed,
    )


def _histories(ops: list[Op], contents: int = 99) -> st.SearchStrategy[list[Version]]:
    """Records of so many different contents."""
    one = st.tuples(
        st.integers(0, 3), st.integers(0, DAYS - 1), st.sampled_from(ops), st.one_of(st.none(), st.integers(1, 2))
    )
    return st.lists(one, min_size=1, max_size=12).map(
        lambda given: [_record(number, number % contents, said) for number, said in enumerate(given)]
    )


def _merged(records: list[Version]) -> list[Version]:
    history: list[Version] = []
    for record in records:
        history, _ = merge(history, record)
    return history


@settings(max_examples=300, deadline=None)
@given(records=_histories([Op.UPSERT, Op.UPSERT, Op.DELETE]))
def test_at_the_end_of_each_day_counts_what_came_last_of_what_was_seen(records: list[Version]) -> None:
    steps = steps_of(_merged(records))
    for day in range(DAYS):
        end = (START + dt.timedelta(days=day)).date()
        counted: Counter[tuple[bytes, str]] = Counter()
        for (at, _, customer, attributes), n in steps.items():
            if at <= end:
                counted[customer, attributes] += n
        seen = [record for record in records if record.observed_at.date() <= end]
        last = max(seen, key=lambda record: record.first, default=None)
        expected = {}
        if last is not None and last.customer is not None:
            expected = {(last.customer, canonical_json(json.loads(last.attributes, parse_int=Decimal))): 1}
        assert {key: n for key, n in counted.items() if n} == expected


@settings(max_examples=300, deadline=None)
@given(records=_histories([Op.UPSERT, Op.PATCH, Op.DELETE]), seed=st.integers())
def test_any_order_ends_in_the_same_steps(records: list[Version], seed: int) -> None:
    shuffled = list(records)
    random.Random(seed).shuffle(shuffled)
    one, two = (steps_of(_merged(some)) for some in (records, shuffled))
    assert {step: n for step, n in one.items() if n} == {step: n for step, n in two.items() if n}


@settings(max_examples=500, deadline=None)
@given(records=_histories([Op.UPSERT, Op.PATCH, Op.DELETE], contents=2), seed=st.integers())
def test_each_record_moves_just_the_difference(records: list[Version], seed: int) -> None:
    shuffled = list(records)
    random.Random(seed).shuffle(shuffled)
    history: list[Version] = []
    moved: Counter[tuple[dt.date, str, bytes, str]] = Counter()
    for record in shuffled:
        after, _ = merge(history, record)
        moved.update(steps_between(history, after))
        history = after
    assert {step: n for step, n in moved.items() if n} == {step: n for step, n in steps_of(history).items() if n}
