"""Times read a column at once are the times read one by one."""

from __future__ import annotations

import datetime as dt

from hypothesis import example, given
from hypothesis import strategies as st

from mainstem.contracts._times import time_of_text, times_of_texts

DAYS = st.dates().map(str) | st.sampled_from(["0000-01-01", "0001-01-01", "9999-12-31", "2026-02-30", "20260102"])
CLOCKS = st.times().map(str) | st.sampled_from(
    ["", "00", "24:00", "0304", "03:04", "030405", "23:59:60", "03:04:05.", "03:04:05.1234567", "23:59:59.999999"]
)
ZONES = st.sampled_from(["", "Z", "z", " Z", "+01", "-0130", "+05:30", "-23:59", "+24:00", "+23:60", "+1"])


@st.composite
def _texts(draw: st.DrawFn) -> str:
    clock = draw(CLOCKS)
    return draw(DAYS) + (draw(st.sampled_from("T t")) + clock + draw(ZONES) if clock else "")


def _column() -> st.SearchStrategy[list[str | None]]:
    # Columns of one form are what is read at once; of all forms, what must not be.
    alike = st.tuples(st.sampled_from(["T", " "]), ZONES).flatmap(
        lambda form: st.lists(
            st.none() | st.datetimes().map(lambda at: at.isoformat(form[0], "microseconds") + form[1]), max_size=5
        )
    )
    return alike | st.lists(st.none() | _texts() | st.text(max_size=30), max_size=5)


@given(_column())
@example(["2026-01-02T03+01"])
@example(["2026-01-02T03"])
@example(["0001-01-01T00:00:00+05:00"])
@example(["9999-12-31T23:59:59.999999Z"])
@example(["9999-12-31T23:59:59.999999-01:00"])
@example(["1700000000123"])
def test_a_column_is_read_as_each_of_its_texts(column: list[str | None]) -> None:
    times = times_of_texts(column)
    if times is not None:
        assert times.to_pylist() == [None if text is None else time_of_text(text) for text in column]


def test_common_forms_are_read_at_once() -> None:
    for form in ("2026-01-02T03:04:05Z", "2026-01-02T04:04:05+01:00", "2026-01-02 03:04:05.000", "2026-01-02T03:04:05"):
        times = times_of_texts([form, None] * 3)
        assert times is not None
        assert times.to_pylist() == [dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC), None] * 3
    assert times_of_texts([None]) is not None
    assert times_of_texts([1]) is None
