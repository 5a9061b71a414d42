from __future__ import annotations

import datetime as dt
from types import SimpleNamespace
from typing import Any, cast

from mainstem.api.customers import CustomerReader
from mainstem.metrics import Grade, StreamClock
from mainstem.testing import FixedClock

DAY = dt.timedelta(days=1)


def stream(clock: FixedClock, source: str, age: dt.timedelta) -> StreamClock:
    at = clock.data() - age
    return StreamClock(source, "usage_events", at, clock.wall() - age, None, dt.timedelta(hours=1), DAY)


def test_a_customer_is_not_graded_by_another_sources_silence() -> None:
    clock = FixedClock()
    streams = [stream(clock, "shop", dt.timedelta(minutes=5)), stream(clock, "crm", 30 * DAY)]
    conservation = SimpleNamespace(clock=clock, clocks=lambda: {(one.source, one.stream): one for one in streams})
    nothing = cast(Any, None)
    reader = CustomerReader(nothing, nothing, nothing, cast(Any, conservation))
    assert (reader.meta(source="shop").grade, reader.meta(source="shop").freshness_of) == (
        Grade.FRESH,
        "shop.usage_events",
    )
    assert reader.meta(source="crm").grade is not Grade.FRESH
    assert reader.meta().grade is reader.meta(source="crm").grade
