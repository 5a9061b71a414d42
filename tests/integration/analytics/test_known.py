"""Scores as they were known then."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

from mainstem.analytics.customers import Customers, ScoreView
from mainstem.privacy import Keyring

DAY = dt.timedelta(days=1)
HOUR = dt.timedelta(hours=1)


def test_a_score_can_be_asked_as_of_then_and_as_known_then(world: Any, keyring: Keyring) -> None:
    customers = Customers(keyring.references, keyring.sealer, world.wording)

    def score(as_of: dt.datetime | None, known_at: dt.datetime | None = None) -> ScoreView:
        with world.database.snapshot() as conn:
            found = customers.score(conn, world.ref("a"), "default", as_of, known_at)
        assert found is not None
        return found

    world.customer("a", "other")
    start = world.clock.data()
    world.happens(("a", start), *(("other", start - day * DAY) for day in range(5)))
    world.scorer.run_once()
    for _ in range(20):
        world.clock.advance(2 * DAY)
        world.happens(("other", world.clock.data()), ("other", world.clock.data() - DAY))
        world.scorer.run_once()
    known_before = world.clock.wall()
    asked = start + 10 * DAY
    shown_then = score(asked)
    assert shown_then.as_of == asked
    world.clock.advance(HOUR)
    # 38 days late: the customer had been busy all the time.
    world.happens(*(("a", start + day * DAY) for day in range(1, 9)))
    world.scorer.run_once()
    now_known = score(asked)
    # The live score of that noon speaks of a day that was restated since.
    assert now_known.as_of == asked.replace(hour=0)
    assert now_known.score > shown_then.score + 5
    assert score(asked, known_before) == shown_then
    assert score(None).score == world.score("a")
    assert score(start - DAY + HOUR * 36).as_of <= start + 12 * HOUR
    with world.database.snapshot() as conn:
        assert customers.score(conn, world.ref("a"), "default", start - DAY, None) is None
        history = customers.history(conn, world.ref("a"), "default", world.clock.data(), None)
        before = customers.history(conn, world.ref("a"), "default", world.clock.data(), known_before)
    assert [point.at for point in history] == sorted(point.at for point in history)
    changed = {point.at: point.score for point in history}
    assert sum(changed[point.at] - point.score for point in before) > Decimal(10)
