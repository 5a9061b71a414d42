from __future__ import annotations

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from mainstem.privacy import References, normalise

REFERENCES = References(bytes(range(32)), cached=16)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
KIND = st.sampled_from(["customer", "person", "email"])


@given(KIND, TEXT)
def test_normalising_twice_changes_nothing(kind: str, value: str) -> None:
    assert normalise(kind, normalise(kind, value)) == normalise(kind, value)


@given(KIND, TEXT, TEXT)
def test_references_are_equal_when_normalised_values_are(kind: str, one: str, other: str) -> None:
    equal = REFERENCES.ref("s", kind, one) == REFERENCES.ref("s", kind, other)
    assert equal == (normalise(kind, one) == normalise(kind, other))


@given(KIND, st.lists(st.none() | TEXT, max_size=30))
def test_columns_and_single_values_agree(kind: str, values: list[str | None]) -> None:
    column = pa.array(values, pa.string())
    assert REFERENCES.refs("s", kind, column).to_pylist() == [
        None if value is None else REFERENCES.ref("s", kind, value) for value in values
    ]
    slots = REFERENCES.slots("s", "t", values).tolist()
    assert slots == [0 if value is None else REFERENCES.slot("s", "t", value) for value in values]
    assert all(0 <= slot < 4096 for slot in slots)
