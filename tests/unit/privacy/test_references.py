from __future__ import annotations

import hashlib
import hmac
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest

from mainstem.privacy import References, normalise

KEY = bytes(range(32))


def test_a_reference_is_the_documented_keyed_hash() -> None:
    expected = hmac.new(KEY, b"ref\0oulad\0customer\0AAA_2013J_11391", hashlib.sha256).digest()[:16]
    assert References(KEY).ref("oulad", "customer", "AAA_2013J_11391") == expected


def test_a_slot_is_the_documented_keyed_hash() -> None:
    digest = hmac.new(KEY, b"slot\0oulad\0clicks\0AAA", hashlib.sha256).digest()
    assert References(KEY).slot("oulad", "clicks", "AAA") == int.from_bytes(digest[:2], "big") % 4096


def test_values_are_normalised() -> None:
    references = References(KEY)
    assert normalise("customer", "  Jose\u0301 ") == "Jos\u00e9"
    assert references.ref("s", "email", " A.Person@Example.COM ") == references.ref(
        "s", "email", "a.person@example.com"
    )
    assert references.ref("s", "customer", "ABC") != references.ref("s", "customer", "abc")
    # Casefolding may undo the composition; the result is composed again.
    assert normalise("email", normalise("email", "\u0345\u03b1")) == normalise("email", "\u0345\u03b1")


def test_source_kind_and_value_cannot_be_confused() -> None:
    references = References(KEY)
    assert (
        len({references.ref(*parts) for parts in [("a", "b", "c"), ("ab", "", "c"), ("a", "bc", ""), ("b", "a", "c")]})
        == 4
    )


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())])
def test_a_column_gives_what_single_values_give(kind: pa.DataType) -> None:
    references = References(KEY)
    values = ["a", None, "", "a", "ü", "nul\0inside", "b"]
    column = pa.array(values, pa.string()).cast(kind)
    refs = references.refs("s", "person", column)
    assert refs.type == pa.binary(16)
    assert refs.to_pylist() == [None if v is None else references.ref("s", "person", v) for v in values]


def test_slots_of_many_are_those_of_each() -> None:
    references = References(KEY)
    keys = ["a", None, "", "a", "ü", "nul\0inside", "b"]
    for stream in ("t", "u"):
        slots = references.slots("s", stream, keys)
        assert slots.dtype == np.uint16
        assert slots.tolist() == [0 if key is None else References(KEY).slot("s", stream, key) for key in keys]
    assert references.slots("s", "t", keys).tolist() != references.slots("s", "u", keys).tolist()
    assert references.slots("s", "t", []).tolist() == []


def test_chunked_sliced_empty_and_all_null_columns() -> None:
    references = References(KEY)
    chunked = pa.chunked_array([["a", "b"], ["a", None]]).slice(1)
    assert references.refs("s", "k", chunked).to_pylist() == [
        references.ref("s", "k", "b"),
        references.ref("s", "k", "a"),
        None,
    ]
    assert references.refs("s", "k", pa.array([], pa.string())).type == pa.binary(16)
    with pytest.raises(TypeError, match="int64"):
        references.refs("s", "k", pa.array([1]))


def test_hashes_are_right_when_the_cache_overflows() -> None:
    small, large = References(KEY, cached=2), References(KEY)
    column = pa.array([f"v{n % 7}" for n in range(50)])
    assert small.refs("s", "k", column).equals(large.refs("s", "k", column))
    for stream in ("k", "l", "k"):
        assert (
            small.slots("s", stream, column.to_pylist()).tolist()
            == large.slots("s", stream, column.to_pylist()).tolist()
        )


def test_no_more_slots_are_remembered_than_allowed() -> None:
    references = References(KEY, cached=10)
    for n in range(100):
        references.slot("s", f"stream_{n % 7}", f"customer-{n}")
        # Beside each stream's own for no key.
        assert sum(len(known) - 1 for known in references._slots.values()) <= 10


def test_slots_spread_over_partitions() -> None:
    references = References(KEY)
    keyed = Counter(references.slot("s", "t", f"customer-{n}") % 16 for n in range(4000))
    unkeyed = Counter(references.delivery_slot("delivery", n) % 16 for n in range(4000))
    for counts in (keyed, unkeyed):
        assert len(counts) == 16
        assert max(counts.values()) < 2 * min(counts.values())
