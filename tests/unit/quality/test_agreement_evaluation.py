"""Whatever both sides hold: what DuckDB counts is what a loop over all of it counts."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mainstem.contracts import Contract, read_contract
from mainstem.privacy import Hasher
from mainstem.quality.agreements import HELD, Evaluation, evaluate, read_agreement

NOW = dt.datetime(2026, 1, 15, 12, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
CONTRACT = """
apiVersion: v3.2.0
kind: DataContract
id: one
version: 1.0.0
customProperties: [{property: source, value: SOURCE}]
schema:
  - name: stream
    customProperties:
      - {property: partitionKey, value: id}
      - property: mapping
        value: {entity: customer, attributes: {customer_id: id, mail: mail, plan: plan, seats: seats}}
    properties:
      - {name: id, logicalType: string, required: true, primaryKey: true}
      - {name: mail, logicalType: string, customProperties: [{property: pii, value: email}]}
      - {name: plan, logicalType: string}
      - {name: seats, logicalType: number}
"""
AGREEMENT = """
name: both
left: {source: a, stream: stream}
right: {source: b, stream: stream}
match: {left: mail, right: mail}
settle: 1h
compare:
  - {left: plan, right: plan, values: {"it's": text, x: "$.plan"}}
  - {left: seats, right: seats, as: number, tolerance: 0.1}
"""
MEANT = {"it's": "text", "x": "$.plan"}


class Known:
    """Both streams."""

    def __init__(self) -> None:
        self._read = {source: read_contract(CONTRACT.replace("SOURCE", source), "contract") for source in ("a", "b")}

    def active(self, source: str, stream: str) -> Contract | None:
        return self._read.get(source) if stream == "stream" else None

    def streams(self) -> list[tuple[str, str]]:
        return [(source, "stream") for source in self._read]

    def versions(self, source: str, stream: str) -> list[Contract]:
        return [one for one in self._read.values() if (one.source, one.stream) == (source, stream)]


KNOWN = Known()

_entity = st.fixed_dictionaries(
    {
        "mail": st.sampled_from([None, " ", "a@x", "A@X ", "b@x", "c@x", "d@x", "e@x"]),
        "plan": st.sampled_from([None, "it's", "text", "x", "$.plan"]),
        "seats": st.sampled_from([None, "1", "1.1", "1.2", "-3"]),
        "young": st.booleans(),
    }
)
_side = st.lists(_entity, max_size=7)


def _held(sides: dict[str, list[dict[str, Any]]]) -> Any:
    def read(conn: Any, entity: str, source: str, stream: str, *, personal: bool, keys: bool) -> Iterator[pa.Table]:
        assert (entity, stream, personal, keys) == ("customer", "stream", True, False)
        for n, one in enumerate(sides[source]):
            clear = {name: one[name] for name in ("plan", "seats") if one[name] is not None}
            row = {
                "ref": f"{source}{n}".encode().ljust(16),
                "changed_at": NOW - (HOUR / 2 if one["young"] else 2 * HOUR),
                "key": None,
                "attributes": json.dumps(clear),
                "personal": None if one["mail"] is None else json.dumps({"mail": one["mail"]}),
            }
            yield pa.Table.from_pylist([row], HELD)

    return read


def _key(one: dict[str, Any]) -> str | None:
    return (one["mail"] or "").strip().lower() or None


def _expected(left: list[dict[str, Any]], right: list[dict[str, Any]]) -> Counter[tuple[str, str]]:
    """Counts by side or pair, one entity at a time."""
    found: Counter[tuple[str, str]] = Counter()
    for name, own, others in (("left", left, right), ("right", right, left)):
        for one in own:
            key = _key(one)
            mine, theirs = ([each for each in side if _key(each) == key] for side in (own, others))
            if key is None:
                found[name, "unkeyed"] += 1
            elif not theirs:
                found[name, "unsettled" if one["young"] else "only"] += 1
            elif len(mine) > 1 or len(theirs) > 1:
                found[name, "ambiguous"] += 1
            elif one["young"] or theirs[0]["young"]:
                found[name, "unsettled"] += 1
            else:
                found[name, "matched"] += 1
                if name == "left":
                    _expect_pair(found, one, theirs[0])
    return found


def _expect_pair(found: Counter[tuple[str, str]], one: dict[str, Any], other: dict[str, Any]) -> None:
    said = []
    for name in ("plan", "seats"):
        own, theirs = one[name], other[name]
        if own is None and theirs is None:
            continue
        if own is None or theirs is None:
            found[name, "missing_left" if own is None else "missing_right"] += 1
            continue
        tenths = [round(float(each) * 10) for each in (own, theirs)] if name == "seats" else [0, 0]
        alike = abs(tenths[0] - tenths[1]) <= 1 if name == "seats" else MEANT.get(own, own) == theirs
        found[name, "agreeing" if alike else "differing"] += 1
        said.append(alike)
    found["whole", "n"] += bool(said)
    found["whole", "agreeing"] += bool(said) and all(said)


def _counted(found: Evaluation) -> Counter[tuple[str, str]]:
    counts: Counter[tuple[str, str]] = Counter()
    for name, side in (("left", found.left), ("right", found.right)):
        for word in ("matched", "only", "ambiguous", "unkeyed", "unsettled"):
            counts[name, word] = getattr(side, word)
    for one in found.compared:
        for word in ("agreeing", "differing", "missing_left", "missing_right"):
            counts[one.left, word] = getattr(one, word)
    counts["whole", "n"], counts["whole", "agreeing"] = found.n, found.agreeing
    return +counts


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("comparing")


@settings(max_examples=60)
@given(_side, _side)
def test_every_entity_and_every_value_is_counted_once(
    folder: Path, left: list[dict[str, Any]], right: list[dict[str, Any]]
) -> None:
    # The port asks nothing of a database.
    snapshot: Any = contextlib.nullcontext
    found: Any = evaluate(
        snapshot,
        read_agreement(AGREEMENT),
        KNOWN,
        _held({"a": left, "b": right}),
        (Hasher(b"k" * 32), folder),
        NOW,
    )
    assert _counted(found) == +_expected(left, right)
    assert (found.left.total, found.right.total) == (len(left), len(right))
    kinds = Counter(one.kind for one in found.differences)
    assert kinds["differing"] == sum(one.differing for one in found.compared)
    assert (kinds["only_left"], kinds["only_right"]) == (found.left.only, found.right.only)
    assert kinds["ambiguous"] == found.ambiguous
