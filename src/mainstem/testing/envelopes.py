"""Records for tests: plain ones by the number, and hostile ones of every shape the envelope allows."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

from mainstem.model import ENVELOPE, Op

__all__ = ["envelope_rows", "make_records"]

_AT = dt.datetime(2026, 1, 15, 11, 59, tzinfo=dt.UTC)

_TIMES = st.datetimes(dt.datetime(1900, 1, 1), dt.datetime(2199, 1, 1), timezones=st.just(dt.UTC))  # noqa: DTZ001
# Everything UTF-8 can hold, NUL and unassigned code points included.
_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
_MAYBE = st.none() | _TEXT


def make_records(count: int, *, partition: int = 0, start: int = 0, **values: Any) -> pa.RecordBatch:
    """`count` records of `shop.orders` for a partition, numbered from `start`; `values` replace a column's."""
    rows = [
        {
            "source": "shop",
            "stream": "orders",
            "contract_version": 1,
            "record_id": f"record-{number}",
            "key": None,
            "partition_key": f"customer-{number % 7}",
            "slot": partition,
            "op": "event",
            "occurred_at": _AT,
            "observed_at": _AT,
            "origin": "api",
            "delivery": "delivery-1",
            "delivery_index": number,
            "content_type": "application/json",
            "payload": b'{"n": %d}' % number,
            **values,
        }
        for number in range(start, start + count)
    ]
    return pa.RecordBatch.from_pylist(rows, schema=ENVELOPE)


def envelope_rows(*, sources: Sequence[str] = ("shop", "crm"), streams: Sequence[str] = ("orders", "users")) -> Any:
    """A strategy of one record as a dictionary of `ENVELOPE` columns."""
    return st.fixed_dictionaries(
        {
            "source": st.sampled_from(sources),
            "stream": st.sampled_from(streams),
            "contract_version": st.integers(0, 3),
            "record_id": _MAYBE,
            "key": _MAYBE,
            "partition_key": _MAYBE,
            "slot": st.integers(0, 4095),
            "op": st.sampled_from([str(op) for op in Op]),
            "occurred_at": st.none() | _TIMES,
            "observed_at": _TIMES,
            "origin": st.sampled_from(["api", "load", "webhook"]),
            "delivery": _TEXT,
            "delivery_index": st.integers(0, 2**32 - 1),
            "content_type": st.sampled_from(["application/json", "application/json;canonical"]),
            "payload": st.binary(max_size=200),
        }
    )
