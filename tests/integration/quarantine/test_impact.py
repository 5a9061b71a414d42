"""Whom records that wait are about, counted against those who are known."""

from __future__ import annotations

from mainstem.analytics.impact import read_impact
from mainstem.quality import QualityQuery

from .conftest import Shop, view


def test_customers_of_whom_nothing_took_effect_yet_are_known_too(shop: Shop) -> None:
    """Of seven customers two are known by an event; who waits is never more than are known."""
    shop.site.send("shop", [view(n, plan="trial") for n in range(14)])
    shop.site.work()
    with shop.site.runtime() as runtime:
        today = runtime.clock.wall().date()
        query = QualityQuery(today, today, "shop")
        for good in (0, 2):
            if good:
                shop.site.send("shop", [view(20 + n, customer=f"c{n}") for n in range(good)])
                shop.site.work()
            with runtime.database.snapshot() as conn:
                impact = read_impact(conn, query, runtime.registry, ((), ()))
            assert (impact.customers, impact.scored, impact.known) == (7, 0, 7)
            assert [(one.quarantined, one.customers, one.unattributed) for one in impact.streams] == [(14, 7, 0)]
