"""Of all descriptors a store may hold, recovery chooses a cover without gap or overlap that reaches as far as any."""

from __future__ import annotations

import datetime as dt

from hypothesis import given, settings
from hypothesis import strategies as st

from mainstem.lake.commit import Chain, FileKey, LakeCommit, LakeFile
from mainstem.lake.recovery import choose_cover
from mainstem.model import Lane

KEY = FileKey("shop", "orders", dt.date(2026, 1, 15), 1)
CHAINS = (Chain(1, 0, Lane.LIVE), Chain(1, 0, Lane.BULK), Chain(2, 3, Lane.LIVE))


def _commit(chain: Chain, first: int, last: int, salt: int) -> LakeCommit:
    span = chain.span(first, last)
    return LakeCommit.of(span, [LakeFile.of(KEY, span, b"%d" % salt, rows=last - first + 1, row_sum=salt)])


@st.composite
def _spans(draw: st.DrawFn) -> list[tuple[int, int]]:
    """Spans as crashes, other batch sizes and compaction leave them: pieces of several cuts of the same positions."""
    spans = []
    for _ in range(draw(st.integers(1, 4))):
        cuts = sorted(draw(st.sets(st.integers(1, 12), min_size=1, max_size=6)))
        pieces = [(before + 1, after) for before, after in zip([0, *cuts], cuts, strict=False)]
        spans += draw(st.lists(st.sampled_from(pieces), unique=True))
    return spans


def _furthest(spans: list[tuple[int, int]], after: int = 0) -> int:
    return max([_furthest(spans, last) for first, last in spans if first == after + 1], default=after)


@settings(max_examples=120, deadline=None)
@given(drawn=st.lists(st.tuples(st.sampled_from(CHAINS), _spans()), max_size=3))
def test_the_cover_is_contiguous_and_reaches_furthest(drawn: list[tuple[Chain, list[tuple[int, int]]]]) -> None:
    commits = [_commit(chain, first, last, salt) for salt, (chain, spans) in enumerate(drawn) for first, last in spans]
    chosen = choose_cover(commits)
    assert set(chosen) <= set(commits)
    assert [Chain.of(commit.span) for commit in chosen] == sorted(Chain.of(commit.span) for commit in chosen)
    for chain in CHAINS:
        reached = 0
        for commit in chosen:
            if Chain.of(commit.span) == chain:
                assert commit.span.first == reached + 1
                reached = commit.span.last
        assert reached == _furthest([span for one, spans in drawn if one == chain for span in spans])


@given(salt=st.integers(0, 100))
def test_what_compaction_made_is_preferred_to_what_it_was_made_of(salt: int) -> None:
    chain = CHAINS[0]
    parts = [_commit(chain, n, n, salt) for n in range(1, 9)]
    whole = _commit(chain, 1, 8, salt + 1)
    later = _commit(chain, 9, 10, salt)
    assert choose_cover([*parts, later, whole]) == [whole, later]
    assert choose_cover([later, *parts[::-1]]) == [*parts, later]
