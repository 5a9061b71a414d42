"""Routes about customers: the list, and one customer with everything that explains its score."""

from __future__ import annotations

import dataclasses
import datetime as dt
import uuid
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from fastapi.responses import Response

from mainstem.access import Permission
from mainstem.analytics.customers import CustomerQuery, CustomerRow, Customers, Profile
from mainstem.analytics.health_models import HealthModels
from mainstem.analytics.model import HealthModel
from mainstem.analytics.overview import Mover, movers
from mainstem.analytics.wording import Contribution
from mainstem.api.conservation import Conservation
from mainstem.api.envelope import Meta, answer, graded
from mainstem.api.instants import zoned
from mainstem.api.problems import ProblemError
from mainstem.api.security import requires
from mainstem.api.timeline import Seen, read_timeline
from mainstem.api.tokens import PageToken, TokenSigner
from mainstem.errors import NotFoundError
from mainstem.metrics import Grade
from mainstem.model import MAINSTEM_SOURCE
from mainstem.store import Connection, Database

__all__ = ["CustomerReader", "customers_router"]

_DAYS = 30
_WEEK = dt.timedelta(days=7)
_MOST_MOVERS = 8

_Sort = Literal["score", "-score", "last_activity", "-last_activity", "segment", "-segment", "change", "-change"]


@dataclasses.dataclass(frozen=True, slots=True)
class CustomerReader:
    """What the routes about customers work with."""

    database: Database
    customers: Customers
    models: HealthModels
    conservation: Conservation

    def find(self, customer_id: str) -> uuid.UUID:
        """The reference of a customer. Raises NotFoundError."""
        with self.database.autocommit() as connection:
            return self.customers.find(connection, customer_id)

    def meta(self, next_cursor: str | None = None, source: str | None = None) -> Meta:
        """Of an answer about scores: graded by all streams that feed them.

        A customer is one source's, whose streams alone feed its score: with `source` no other's silence is told of it.
        """
        clocks = self.conservation.clocks()
        streams = [
            clock for (owner, _), clock in clocks.items() if owner != MAINSTEM_SOURCE and source in {None, owner}
        ]
        return graded(self.conservation.clock, streams, next_cursor)

    def told_model(self) -> dict[str, Any]:
        """The model in force; see Model."""
        return told_model(self.models.current())

    def movers(self, connection: Connection, model: HealthModel, before: dt.date) -> dict[str, list[dict[str, Any]]]:
        """Those who moved most, `up` and `down`; see Mover."""
        up, down = movers(connection, self.customers.wording, model.name, before, _MOST_MOVERS)
        profiles = self.customers.profiles(connection, [mover.ref for mover in (*up, *down)])
        return {
            name: [_told_mover(mover, profiles[mover.ref]) for mover in found if mover.ref in profiles]
            for name, found in (("up", up), ("down", down))
        }

    def changes(self, connection: Connection, model: str, refs: Iterable[uuid.UUID]) -> list[dict[str, Any]]:
        """The scores of customers as they are now; see `scores` of the live view."""
        wanted = list(refs)
        rows = connection.execute(
            "SELECT ref, score, band, grade, as_of FROM score WHERE model = %s AND ref = ANY(%s)", (model, wanted)
        ).fetchall()
        today = self.conservation.clock.data().date()
        daily = self.customers.daily(connection, wanted, model, today)
        ids = self.customers.ids(connection, wanted)
        return [
            {
                "customer_id": ids[ref],
                "score": score,
                "band": band,
                "grade": grade,
                "as_of": as_of,
                "change": _change(score, daily.get(ref, {}), today),
            }
            for ref, score, band, grade, as_of in rows
            if ref in ids
        ]


def told_model(model: HealthModel) -> dict[str, Any]:
    """A model; see Model in docs/specs/api-shapes.md."""
    lows = [band.low for band in model.bands]
    highs = [*lows[1:], Decimal(100)]
    return {
        "name": model.name,
        "label": model.label,
        "version": model.version,
        "bands": [
            {"band": band.name, "label": band.label, "low": band.low, "high": high}
            for band, high in zip(model.bands, highs, strict=True)
        ],
    }


def customers_router(reader: CustomerReader, signer: TokenSigner) -> APIRouter:
    """`/api/v1/analytics/customers` and `/api/v1/analytics/customer-health/{customer_id}`."""
    router = APIRouter(prefix="/api/v1/analytics", tags=["analytics"])
    reads = [requires(Permission.ANALYTICS_READ)]
    clock = reader.conservation.clock

    @router.get("/customers", dependencies=reads)
    def customers(  # noqa: PLR0913, PLR0917 - parameters of a query are parameters
        band: Annotated[list[str], Query()] = [],  # noqa: B006 - FastAPI copies defaults
        segment: Annotated[list[str], Query()] = [],  # noqa: B006 - as above
        source: Annotated[list[str], Query()] = [],  # noqa: B006 - as above
        q: Annotated[str | None, Query(description="A customer's id, with or without its source.")] = None,
        sort: _Sort = "score",
        cursor: str | None = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
    ) -> Response:
        model = reader.models.current()
        shape = f"customers/{model.name}/{sorted(band)}/{sorted(segment)}/{sorted(source)}/{q}/{sort}"
        with reader.database.snapshot() as connection:
            query = CustomerQuery(
                model=model.name,
                before=dt.datetime.combine(clock.data().date() - _WEEK, dt.time(), dt.UTC),
                bands=tuple(band),
                segments=tuple(segment),
                sources=tuple(source),
                sort=sort.removeprefix("-"),
                descending=sort.startswith("-"),
                refs=None if not q else _searched(reader, connection, q),
                after=_after(signer, cursor, shape),
                limit=limit + 1,
            )
            total, rows = reader.customers.page(connection, query)
            more, rows = len(rows) > limit, rows[:limit]
            refs = [row.ref for row in rows]
            profiles = reader.customers.profiles(connection, refs)
            today = clock.data().date()
            daily = reader.customers.daily(connection, refs, model.name, today)
            segments, sources = reader.customers.choices(connection)
        data = {
            "total": total,
            "bands": told_model(model)["bands"],
            "segments": segments,
            "sources": sources,
            "rows": [_told_row(row, profiles[row.ref], daily[row.ref], today) for row in rows],
        }
        token = PageToken(shape, [rows[-1].sort_value, str(rows[-1].ref)]) if more else None
        return answer(data, reader.meta(signer.sign(token) if token else None))

    @router.get("/customer-health/{customer_id:path}", dependencies=reads)
    def customer_health(
        customer_id: str, as_of: dt.datetime | None = None, known_at: dt.datetime | None = None
    ) -> Response:
        as_of, known_at = zoned("as_of", as_of), zoned("known_at", known_at)
        model = reader.models.current()
        until = as_of or clock.data()
        with reader.database.snapshot() as connection:
            ref = reader.customers.find(connection, customer_id)
            profile = reader.customers.profiles(connection, [ref])[ref]
            score = reader.customers.score(connection, ref, model.name, as_of, known_at)
            history = reader.customers.history(connection, ref, model.name, until, known_at)
            daily = reader.customers.daily(connection, [ref], model.name, until.date())[ref]
            timeline = read_timeline(reader, connection, ref, model, Seen(until, known_at))
        data = {
            "customer": profile,
            "score": score.score if score else None,
            "band": score.band if score else None,
            "grade": score.grade if score else Grade.NONE,
            "as_of": score.as_of if score else until,
            "known_at": known_at or clock.wall(),
            "computed_at": score.computed_at if score else None,
            "change": _change(score.score, daily, until.date()) if score else None,
            "model": told_model(model),
            "contributions": [_contribution(one, until) for one in score.contributions] if score else [],
            "history": history,
            "timeline": timeline,
        }
        return answer(data, reader.meta(source=profile.source))

    return router


def _searched(reader: CustomerReader, connection: Connection, text: str) -> tuple[uuid.UUID, ...]:
    try:
        return (reader.customers.find(connection, text),)
    except NotFoundError:
        return ()


def _after(signer: TokenSigner, cursor: str | None, shape: str) -> tuple[str | None, uuid.UUID] | None:
    if cursor is None:
        return None
    token = signer.read(cursor, PageToken)
    if token is None or token.query != shape:
        raise ProblemError(400, "invalid", "The cursor is of another query, or not ours.")
    return token.after[0], uuid.UUID(token.after[1])


def _change(score: Decimal, daily: Mapping[dt.date, Decimal], today: dt.date) -> Decimal | None:
    before = daily.get(today - _WEEK)
    return None if before is None else score - before


def _told_row(row: CustomerRow, profile: Profile, daily: Mapping[dt.date, Decimal], today: dt.date) -> dict[str, Any]:
    return {
        "customer_id": profile.id,
        "name": profile.name,
        "segment": row.segment or profile.segment,
        "source": row.source,
        "score": row.score,
        "band": row.band,
        "grade": row.grade,
        "as_of": row.as_of,
        "change": None if row.score is None else _change(row.score, daily, today),
        "trend": [daily.get(today - dt.timedelta(days=n)) for n in range(_DAYS - 1, -1, -1)],
        "last_activity_at": row.last_activity_at,
        "reason": row.reason,
    }


def _told_mover(mover: Mover, profile: Profile) -> dict[str, Any]:
    return {
        "customer_id": profile.id,
        "name": profile.name,
        "segment": profile.segment,
        "score": mover.score,
        "previous": mover.previous,
        "change": mover.change,
        "band": mover.band,
        "grade": mover.grade,
        "reason": mover.reason,
    }


def _contribution(one: Contribution, now: dt.datetime) -> dict[str, Any]:
    found = one.input
    age = None if found.at is None else max((now - found.at).total_seconds(), 0.0)
    return {
        "component": one.component,
        "label": one.label,
        "points": one.points,
        "weight": one.weight,
        "reason": one.reason,
        "input": {
            "value": found.value,
            "unit": found.unit,
            "age_seconds": age,
            "grade": found.grade,
            "left_out": found.left_out,
        },
    }
