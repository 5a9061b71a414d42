from __future__ import annotations

import datetime as dt

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from mainstem.privacy import Hasher, Part

HASHER = Hasher(bytes(range(32)))
TEXT = st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
ROW = st.tuples(
    TEXT,
    st.none() | st.binary(max_size=20),
    st.none() | st.integers(-(2**63), 2**63 - 1),
    st.none() | st.datetimes(min_value=dt.datetime(1900, 1, 1), timezones=st.just(dt.UTC)),  # noqa: DTZ001
)
TYPES = (pa.string(), pa.binary(), pa.int64(), pa.timestamp("us", "UTC"))


@settings(max_examples=60, deadline=None)
@given(st.lists(ROW, min_size=1, max_size=30), st.binary(max_size=8))
def test_columns_and_rows_hash_alike(rows: list[tuple[Part, ...]], purpose: bytes) -> None:
    columns = [pa.array([row[n] for row in rows], kind) for n, kind in enumerate(TYPES)]
    assert HASHER.hashes(purpose, columns).to_pylist() == [HASHER.digest(purpose, row) for row in rows]


@settings(max_examples=300, deadline=None)
@given(st.lists(TEXT, max_size=4), st.lists(TEXT, max_size=4))
def test_different_rows_hash_differently(one: list[Part], other: list[Part]) -> None:
    assert (HASHER.digest(b"p", one) == HASHER.digest(b"p", other)) == (one == other)


@given(st.lists(st.binary(min_size=16, max_size=16), max_size=40))
def test_row_sums_add_up_over_any_split(hashes: list[bytes]) -> None:
    column = pa.array(hashes, pa.binary(16))
    half = len(hashes) // 2
    parts = HASHER.row_sum(column.slice(0, half)) + HASHER.row_sum(column.slice(half))
    assert HASHER.row_sum(column) == parts % 2**128 == sum(int.from_bytes(h, "big") for h in hashes) % 2**128
