from __future__ import annotations

import datetime as dt

from hypothesis import given
from hypothesis import strategies as st

from mainstem.lake import Chain, FileKey, LakeCommit, LakeFile, LakeSettings
from mainstem.lake.compaction import plan
from mainstem.model import Lane

CHAIN = Chain(1, 0, Lane.LIVE)
SETTINGS = LakeSettings(compact_bytes=1000, compact_commits=3)


def _commits(sizes: list[tuple[int, int]]) -> list[LakeCommit]:
    """Consecutive commits of (size, day)."""
    commits = []
    for number, (size, day) in enumerate(sizes):
        span = CHAIN.span(number + 1, number + 1)
        key = FileKey("shop", "orders", dt.date(2026, 1, day), 1)
        file = LakeFile(f"{number}", key, 1, 0, size, "")
        commits.append(LakeCommit(span, (file,), f"{number}"))
    return commits


def _planned(sizes: list[tuple[int, int]]) -> list[list[int]]:
    return [[commit.span.first for commit in run] for run in plan(_commits(sizes), SETTINGS)]


def test_small_neighbours_of_a_day_are_merged() -> None:
    assert _planned([(10, 1)] * 4) == [[1, 2, 3, 4]]
    assert _planned([(10, 1)] * 2) == []
    assert _planned([(10, 1)] * 4 + [(10, 2)] * 3) == [[1, 2, 3, 4], [5, 6, 7]]
    assert _planned([]) == []


def test_what_is_large_already_is_left_alone() -> None:
    assert _planned([(900, 1), (10, 1), (10, 1), (10, 1)]) == [[2, 3, 4]]
    assert _planned([(10, 1), (10, 1), (10, 1), (900, 1)]) == [[1, 2, 3]]
    assert _planned([(10, 1)] * 3 + [(500, 1)] + [(10, 1)] * 3) == [[1, 2, 3], [5, 6, 7]]
    assert _planned([(5000, 1)] * 5) == []


@given(st.lists(st.tuples(st.integers(1, 1500), st.integers(1, 3)), max_size=30))
def test_runs_are_consecutive_of_one_day_and_bounded(sizes: list[tuple[int, int]]) -> None:
    sizes = sorted(sizes, key=lambda one: one[1])
    commits = _commits(sizes)
    planned = plan(commits, SETTINGS)
    numbers = [commit.span.first for run in planned for commit in run]
    assert len(numbers) == len(set(numbers))
    for run in planned:
        assert [commit.span.first for commit in run] == list(range(run[0].span.first, run[-1].span.last + 1))
        assert len(run) >= 3
        assert sum(commit.size for commit in run) <= 1000
        assert len({commit.files[0].key.day for commit in run}) == 1
        assert max(commit.size for commit in run) * 2 <= sum(commit.size for commit in run)
