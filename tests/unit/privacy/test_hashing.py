from __future__ import annotations

import datetime as dt
import hashlib
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pytest

from mainstem.privacy import Hasher

KEY = bytes(range(32))
HASHER = Hasher(KEY)


def test_a_hash_is_the_documented_one() -> None:
    expected = hashlib.sha256(KEY + b"5:dedup" + b"3:abc" + b"-" + b"0:" + b"2:-7").digest()[:16]
    assert HASHER.digest(b"dedup", ["abc", None, b"", -7]) == expected


@pytest.mark.parametrize("rows", [3, 3000])
def test_columns_of_every_type_give_what_rows_give(rows: int) -> None:
    texts = ["a", None, "", "nul\0inside", "ü\U0001f600", "-", "1:a"]
    numbers = [0, -1, None, 2**63 - 1, -(2**63)]
    at = dt.datetime(1969, 7, 20, 20, 17, 40, 123456, tzinfo=dt.UTC)
    row_texts = [texts[n % len(texts)] for n in range(rows)]
    row_bytes = [None if t is None else t.encode() + b"\xff\x00" for t in row_texts]
    row_numbers = [numbers[n % len(numbers)] for n in range(rows)]
    row_times = [None if n % 5 == 4 else at + dt.timedelta(seconds=n) for n in range(rows)]
    fixed = [bytes([n % 256] * 16) for n in range(rows)]
    columns = [
        pa.array(row_texts),
        pa.array(row_texts, pa.large_string()),
        pa.array(row_texts).dictionary_encode(),
        pa.array(row_bytes, pa.binary()),
        pa.array(row_bytes, pa.large_binary()),
        pa.array(fixed, pa.binary(16)),
        pa.array(row_numbers, pa.int64()),
        pa.array([n % 65536 for n in range(rows)], pa.uint16()),
        pa.array([n % 2 == 0 for n in range(rows)]),
        pa.array(row_times, pa.timestamp("us", "UTC")),
        pa.array(row_times, pa.timestamp("us", "Europe/Vienna")),
        pa.nulls(rows),
    ]
    hashes = HASHER.hashes(b"row", columns)
    assert hashes.type == pa.binary(16)
    assert hashes.null_count == 0
    assert hashes.to_pylist() == [
        HASHER.digest(b"row", [t, t, t, b, b, f, i, n % 65536, n % 2 == 0, x, x, None])
        for n, (t, b, f, i, x) in enumerate(zip(row_texts, row_bytes, fixed, row_numbers, row_times, strict=True))
    ]


def test_purposes_and_boundaries_cannot_be_confused() -> None:
    rows: list[tuple[bytes, list[str | None]]] = [
        (b"p", ["ab", "c"]),
        (b"p", ["a", "bc"]),
        (b"p", ["abc"]),
        (b"p", ["abc", ""]),
        (b"p", ["abc", None]),
        (b"p", [None, "abc"]),
        (b"p", ["", "abc"]),
        (b"pa", ["b", "c"]),
        (b"", ["pab", "c"]),
        (b"p", ["2:ab1:c"]),
        (b"p", ["-"]),
        (b"p", [None]),
    ]
    assert len({HASHER.digest(purpose, parts) for purpose, parts in rows}) == len(rows)


def test_what_cannot_be_hashed_is_said() -> None:
    with pytest.raises(TypeError, match="double"):
        HASHER.hashes(b"p", [pa.array([1.5])])
    with pytest.raises(TypeError, match="timestamp"):
        HASHER.hashes(b"p", [pa.array([0], pa.timestamp("us"))])
    with pytest.raises(TypeError, match="float"):
        HASHER.digest(b"p", [1.5])  # type: ignore[list-item]
    with pytest.raises(ValueError, match="time zone"):
        HASHER.digest(b"p", [dt.datetime(2026, 1, 1)])  # noqa: DTZ001 - the naive one is the case
    with pytest.raises(ValueError, match="one length"):
        HASHER.hashes(b"p", [])
    with pytest.raises(ValueError, match="one length"):
        HASHER.hashes(b"p", [pa.array(["a"]), pa.array(["a", "b"])])
    with pytest.raises(pa.ArrowInvalid):
        HASHER.hashes(b"p", [pa.array([2**63], pa.uint64())])


def test_empty_chunked_and_sliced_columns() -> None:
    assert len(HASHER.hashes(b"p", [pa.array([], pa.string())])) == 0
    values = [f"v{n}" for n in range(20)]
    chunked = pa.chunked_array([values[:7], values[7:]])
    expected = HASHER.hashes(b"p", [pa.array(values)])
    assert HASHER.hashes(b"p", [chunked]).equals(expected)
    assert HASHER.hashes(b"p", [pa.array(values).slice(3)]).equals(expected.slice(3))


def test_threads_hash_alike() -> None:
    column = pa.array([f"v{n}" for n in range(5000)])
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: HASHER.hashes(b"p", [column]), range(8)))
    assert all(result.equals(results[0]) for result in results)


def test_a_row_sum_is_the_sum_of_big_endian_integers_in_any_order() -> None:
    hashes = [bytes([255]) * 16, bytes(15) + b"\x02", bytes(range(16)), bytes(16)]
    expected = sum(int.from_bytes(one, "big") for one in hashes) % 2**128
    column = pa.array(hashes, pa.binary(16))
    assert Hasher.row_sum(column) == expected
    assert Hasher.row_sum(column.take(pa.array([2, 0, 3, 1]))) == expected
    assert Hasher.row_sum(pa.chunked_array([hashes[:1], hashes[1:]], pa.binary(16))) == expected
    assert Hasher.row_sum(column.slice(2)) == int.from_bytes(hashes[2], "big")
    assert Hasher.row_sum(pa.array([], pa.binary(16))) == 0
    with pytest.raises(ValueError, match="every row"):
        Hasher.row_sum(pa.array([hashes[0], None], pa.binary(16)))
