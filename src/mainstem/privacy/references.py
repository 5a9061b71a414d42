"""Computed references: what everything outside sealed parts calls a customer or a person.

A reference is a keyed hash of (source, kind, normalised value), computed and never minted: every process, every rebuild
and every partition count gives the same one, and without the index key nobody can tell whose it is. A slot is a keyed
hash of (source, stream, partition key): it says where in the log a record belongs, for ever.
"""

from __future__ import annotations

import functools
import hmac
import threading
import unicodedata
from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa

from mainstem.model import SLOTS

__all__ = ["References", "normalise"]

# About 20 MB when full; a live stream's customers of the last minutes fit, and a miss costs microseconds.
_CACHED = 65_536


def normalise(kind: str, value: str) -> str:
    """The form of a value in which equal ones are equal: NFC without outer white space, e-mail addresses casefolded."""
    text = unicodedata.normalize("NFC", value).strip()
    if kind == "email":
        text = unicodedata.normalize("NFC", text.casefold())
    return text


class _Slots(dict[str | None, int]):
    """The slots of one stream by partition key, computed when first asked for: a known one costs no line of Python."""

    def __init__(self, compute: Callable[[str], int], remember: Callable[[], None]) -> None:
        super().__init__({None: 0})
        self._compute = compute
        self._remember = remember

    def __missing__(self, key: str) -> int:
        self._remember()
        slot = self[key] = self._compute(key)
        return slot


class References:
    """Computes references and slots under one index key; thread-safe."""

    def __init__(self, index_key: bytes, *, cached: int = _CACHED) -> None:
        """`cached` distinct values (references and slots each) keep their hash at hand."""
        self._key = index_key
        self._cached = cached
        self._ref = functools.lru_cache(cached)(self._compute_ref)
        self._lock = threading.Lock()
        self._slots: dict[tuple[str, str], _Slots] = {}
        self._remembered = 0

    def __repr__(self) -> str:
        return "References()"

    def ref(self, source: str, kind: str, value: str) -> bytes:
        """The reference (16 bytes) of a value that the source uses for something of this kind (`customer`, `person`)."""
        return self._ref(source, kind, value)

    def refs(self, source: str, kind: str, values: pa.Array | pa.ChunkedArray) -> pa.Array:
        """The references of a column of strings, as binary(16); null stays null. Hashes each distinct value once."""
        return _per_distinct(values, lambda value: self._ref(source, kind, value))

    def slot(self, source: str, stream: str, key: str) -> int:
        """The slot of a partition key."""
        return self._slots_of(source, stream)[key]

    def slots(self, source: str, stream: str, keys: Sequence[str | None]) -> np.ndarray:
        """The slots of partition keys, as uint16; 0 where there is none (see `delivery_slot`)."""
        return np.fromiter(map(self._slots_of(source, stream).__getitem__, keys), np.uint16, len(keys))

    def delivery_slot(self, delivery: str, index: int) -> int:
        """The slot of a record without a partition key: by its delivery and its number there, so that they spread."""
        return self._slot_of(f"delivery\0{delivery}\0{index}")

    def _compute_ref(self, source: str, kind: str, value: str) -> bytes:
        message = f"ref\0{source}\0{kind}\0{normalise(kind, value)}"
        # A lone surrogate cannot come from Arrow or JSON we accepted; a caller's own string must not break us either.
        return hmac.digest(self._key, message.encode("utf-8", "surrogatepass"), "sha256")[:16]

    def _slots_of(self, source: str, stream: str) -> _Slots:
        known = self._slots.get((source, stream))
        if known is None:
            known = _Slots(lambda key: self._slot_of(f"slot\0{source}\0{stream}\0{key}"), self._remember)
            self._remember()
            self._slots[source, stream] = known
        return known

    def _remember(self) -> None:
        """One more slot, or stream of slots, is remembered: when they are too many, all are forgotten."""
        with self._lock:
            self._remembered += 1
            if self._remembered > self._cached:
                # Whoever still asks a forgotten one is answered; it goes when they do.
                self._slots = {}
                self._remembered = 0

    def _slot_of(self, message: str) -> int:
        digest = hmac.digest(self._key, message.encode("utf-8", "surrogatepass"), "sha256")
        return int.from_bytes(digest[:2], "big") % SLOTS


def _per_distinct(values: pa.Array | pa.ChunkedArray, function: Callable[[str], bytes]) -> pa.Array:
    """`function` of every value of a string column, called once per distinct one; null stays null."""
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    if pa.types.is_null(values.type):
        return pa.nulls(len(values), pa.binary(16))
    if not (pa.types.is_string(values.type) or pa.types.is_large_string(values.type)):
        raise TypeError(f"a column of strings is needed, not of {values.type}")
    encoded = values.dictionary_encode()
    distinct = pa.array([function(value) for value in encoded.dictionary.to_pylist()], pa.binary(16))
    return distinct.take(encoded.indices)
