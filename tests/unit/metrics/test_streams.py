"""What streams vouch for, and what that is worth."""

from __future__ import annotations

import datetime as dt

import pytest

from mainstem.metrics import Grade, StreamClock

NOW = dt.datetime(2026, 1, 15, 12, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
HOUR = dt.timedelta(hours=1)


def _clock(
    occurred: dt.datetime | None, received: dt.datetime | None = None, beat: dt.datetime | None = None
) -> StreamClock:
    return StreamClock("app", "usage", occurred, received or occurred, beat, HOUR, DAY)


@pytest.mark.parametrize(
    ("clock", "grade"),
    [
        (_clock(NOW - HOUR), Grade.FRESH),
        (_clock(NOW - DAY), Grade.FRESH),
        (_clock(NOW - DAY - HOUR), Grade.STALE),
        (_clock(NOW - DAY - HOUR, beat=NOW - HOUR), Grade.FRESH),
        (_clock(NOW - 300 * DAY, received=NOW - HOUR), Grade.HISTORICAL),
        (_clock(None, received=NOW), Grade.NONE),
    ],
)
def test_grades(clock: StreamClock, grade: Grade) -> None:
    assert clock.grade(NOW) is grade


def test_what_a_replay_brings_is_not_late() -> None:
    # Received now, in a replay a year behind, and silent since two days of data time.
    ahead = 365 * DAY
    clock = _clock(NOW - 2 * DAY, received=NOW - 2 * DAY + ahead)
    assert clock.grade(NOW, ahead) is Grade.STALE
    assert clock.grade(NOW) is Grade.HISTORICAL


def test_a_stream_vouches_up_to_its_latest_word_less_the_grace() -> None:
    assert _clock(NOW - DAY).complete_until == NOW - DAY - HOUR
    assert _clock(NOW - DAY, beat=NOW).complete_until == NOW - HOUR
    assert _clock(None, beat=NOW).complete_until == NOW - HOUR
    assert _clock(None).complete_until is None


def test_the_worst_of_grades() -> None:
    assert Grade.worst([Grade.FRESH, Grade.STALE, Grade.PARTIAL]) is Grade.STALE
    assert Grade.worst([]) is Grade.NONE
