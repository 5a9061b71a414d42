"""Customers as they are served: found by what their source calls them, listed, and one with all that is known of it."""

from __future__ import annotations

import dataclasses
import datetime as dt
import uuid
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from mainstem.analytics.wording import Contribution, Wording
from mainstem.errors import NotFoundError
from mainstem.privacy import References, Sealer
from mainstem.processing import TimelineEvent, entity_context, newest_events, reference_ids
from mainstem.store import Connection

__all__ = ["SORTS", "CustomerQuery", "CustomerRow", "Customers", "HistoryPoint", "Profile", "ScoreView"]

SORTS: Mapping[str, tuple[str, str]] = {
    # Name to expression and its type; a customer without that value comes last whichever way.
    "score": ("score.score", "numeric"),
    "last_activity": ("score.last_seen_at", "timestamptz"),
    "segment": ("score.segment", "text"),
    "change": ("(score.score - before.score)", "numeric"),
}
"""What a list can be sorted by; not by names, which are sealed."""

_BEFORE = """
    LEFT JOIN (
        SELECT DISTINCT ON (ref) ref, score FROM score_history
        WHERE model = %(model)s AND kind = 'daily' AND as_of = %(before)s::timestamptz ORDER BY ref, id DESC
    ) AS before ON before.ref = score.ref
    """

_SCORE_THEN = """
    SELECT model, model_version, score, band, grade, as_of, known_at, basis FROM score_history AS one
    WHERE ref = %(ref)s AND model = %(model)s
      AND as_of <= coalesce(%(as_of)s::timestamptz, 'infinity')
      AND known_at <= coalesce(%(known_at)s::timestamptz, 'infinity')
      AND NOT (kind = 'live' AND EXISTS (
          SELECT FROM score_history AS restated
          WHERE restated.ref = one.ref AND restated.model = one.model AND restated.cause = 'late'
            AND restated.as_of <= one.as_of AND restated.as_of > one.as_of - interval '1 day'
            AND restated.known_at > one.known_at
            AND restated.known_at <= coalesce(%(known_at)s::timestamptz, 'infinity')))
    ORDER BY as_of DESC, known_at DESC, id DESC LIMIT 1
    """
_HISTORY_DAYS = dt.timedelta(days=90)
_MOST_HISTORY = 500
_TREND_DAYS = 30


@dataclasses.dataclass(frozen=True, slots=True)
class CustomerQuery:
    """Which customers, in which order. `after` is the sort value (None: none) and reference of the last one seen.

    `before` is the midnight that changes are counted from.
    """

    model: str
    before: dt.datetime | None = None
    bands: tuple[str, ...] = ()
    segments: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    sort: str = "score"
    descending: bool = False
    refs: tuple[uuid.UUID, ...] | None = None
    after: tuple[str | None, uuid.UUID] | None = None
    limit: int = 50


@dataclasses.dataclass(frozen=True, slots=True)
class CustomerRow:
    """A customer in a list. `sort_value` is what it was sorted by, as text."""

    ref: uuid.UUID
    source: str
    segment: str | None
    score: Decimal | None
    band: str | None
    grade: str
    as_of: dt.datetime | None
    last_activity_at: dt.datetime | None
    sort_value: str | None
    reason: str | None
    """Of the component that cost most points."""


@dataclasses.dataclass(frozen=True, slots=True)
class Profile:
    """What the sources tell of a customer. `id` is `<source>:<value>`."""

    id: str
    ref: uuid.UUID
    source: str
    name: str | None = None
    segment: str | None = None
    plan: str | None = None
    region: str | None = None
    started_at: str | None = None
    churned_at: str | None = None
    remedied: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """Of these attributes what a remedy changed or marked: the value as it came (`from`), by which remedies, and when (`at`)."""


@dataclasses.dataclass(frozen=True, slots=True)
class ScoreView:
    """A score as it is, or was, shown."""

    model: str
    model_version: int
    score: Decimal
    band: str
    grade: str
    as_of: dt.datetime
    computed_at: dt.datetime
    contributions: Sequence[Contribution]


@dataclasses.dataclass(frozen=True, slots=True)
class HistoryPoint:
    """A stored score."""

    at: dt.datetime
    score: Decimal
    band: str
    grade: str


@dataclasses.dataclass(frozen=True, slots=True)
class Customers:
    """Reads customers; what names them is unsealed here and nowhere else."""

    references: References
    sealer: Sealer
    wording: Wording

    def find(self, connection: Connection, customer_id: str) -> uuid.UUID:
        """The reference of `<source>:<value>`, or of a bare value that exactly one source knows.

        Raises NotFoundError.
        """
        source, separator, value = customer_id.partition(":")
        if separator and value:
            ref = uuid.UUID(bytes=self.references.ref(source, "customer", value))
            if connection.execute("SELECT FROM reference WHERE ref = %s AND kind = 'customer'", (ref,)).fetchall():
                return ref
        known = [
            row[0]
            for row in connection.execute("SELECT DISTINCT source FROM reference WHERE kind = 'customer'").fetchall()
        ]
        refs = [uuid.UUID(bytes=self.references.ref(each, "customer", customer_id)) for each in known if customer_id]
        found = connection.execute(
            "SELECT ref FROM reference WHERE ref = ANY(%s) AND kind = 'customer'", (refs,)
        ).fetchall()
        if len(found) == 1:
            return uuid.UUID(bytes=found[0][0].bytes)
        if found:
            raise NotFoundError(
                "Several sources know a customer of this id.", hint="Name the source: <source>:<id>, such as crm:42."
            )
        raise NotFoundError("No source knows this customer.", hint="Ids look like <source>:<id>, such as crm:42.")

    def ids(self, connection: Connection, refs: Iterable[uuid.UUID]) -> dict[uuid.UUID, str]:
        """What customers are called: `<source>:<value>` by reference."""
        return reference_ids(connection, self.sealer, refs)

    def profiles(self, connection: Connection, refs: Sequence[uuid.UUID]) -> dict[uuid.UUID, Profile]:
        """What is told of customers, by reference."""
        named = self.ids(connection, refs)
        rows = connection.execute(
            """
            SELECT DISTINCT ON (customer) customer, ref, attributes, sealed, remedied, remedied_sealed FROM entity
            WHERE entity = 'customer' AND customer = ANY(%s) AND NOT deleted ORDER BY customer, ref
            """,
            (list(refs),),
        ).fetchall()
        told: dict[uuid.UUID, dict[str, Any]] = {}
        for customer, entity, attributes, sealed, remedied, remedied_sealed in rows:
            told[customer] = {**attributes, **self._opened(entity, sealed)}
            told[customer]["remedied"] = {**(remedied or {}), **self._opened(entity, remedied_sealed)}
        names = ("name", "segment", "plan", "region", "started_at", "churned_at")
        return {
            ref: Profile(
                id=id_,
                ref=ref,
                source=id_.partition(":")[0],
                # An attribute that is not served may be personal, and so is what it was made from.
                remedied={name: one for name, one in told.get(ref, {}).get("remedied", {}).items() if name in names},
                **{n: told.get(ref, {}).get(n) for n in names},
            )
            for ref, id_ in named.items()
        }

    def _opened(self, entity: uuid.UUID, sealed: bytes | None) -> dict[str, Any]:
        """A sealed JSON object of an entity."""
        if sealed is None:
            return {}
        opened: dict[str, Any] = msgspec.json.decode(self.sealer.open(sealed, entity_context(entity.bytes)))
        return opened

    def page(self, connection: Connection, query: CustomerQuery) -> tuple[int, list[CustomerRow]]:
        """How many customers there are of this kind, and one page of them; those without the sort's value come last."""
        parameters = _parameters(query)
        # A customer without a score is in no band and no segment.
        table = "score" if query.bands or query.segments else "reference"
        kind = "score.model = %(model)s" if table == "score" else "reference.kind = 'customer'"
        [(total,)] = connection.execute(
            f"SELECT count(*) FROM {table} WHERE {kind} AND {_conditions(query, table)}", parameters
        ).fetchall()
        rows: list[Any] = []
        value, ref = query.after or (None, uuid.UUID(int=0))
        if query.after is None or value is not None:
            asked = parameters | {"after": value, "after_ref": ref, "limit": query.limit}
            rows = connection.execute(_with_value(query), asked).fetchall()
            ref = uuid.UUID(int=0)
        if len(rows) < query.limit:
            asked = parameters | {"after_ref": ref, "limit": query.limit - len(rows)}
            rows += connection.execute(_without_value(query), asked).fetchall()
        return total, [
            CustomerRow(*(*told, basis and self.wording.worst(query.model, version, basis)))
            for *told, version, basis in rows
        ]

    def choices(self, connection: Connection) -> tuple[list[str], list[str]]:
        """Segments and sources that customers have."""
        segments = connection.execute(
            "SELECT DISTINCT segment FROM score WHERE segment IS NOT NULL ORDER BY 1"
        ).fetchall()
        sources = connection.execute(
            "SELECT DISTINCT source FROM reference WHERE kind = 'customer' ORDER BY 1"
        ).fetchall()
        return [row[0] for row in segments], [row[0] for row in sources]

    def score(
        self,
        connection: Connection,
        ref: uuid.UUID,
        model: str,
        as_of: dt.datetime | None,
        known_at: dt.datetime | None,
    ) -> ScoreView | None:
        """The score that is shown now, or the last one stored for `as_of` among those known at `known_at`.

        One that was shown before a late record changed its day gives way to that day's restated score.
        """
        if as_of is None and known_at is None:
            row = connection.execute(
                "SELECT model, model_version, score, band, grade, as_of, computed_at, basis FROM score"
                " WHERE ref = %s AND model = %s",
                (ref, model),
            ).fetchone()
        else:
            row = connection.execute(
                _SCORE_THEN,
                {"ref": ref, "model": model, "as_of": as_of, "known_at": known_at},
            ).fetchone()
        if row is None:
            return None
        told = self.wording.contributions(row[0], row[1], row[7])
        return ScoreView(*(*row[:7], told))

    def history(
        self, connection: Connection, ref: uuid.UUID, model: str, until: dt.datetime, known_at: dt.datetime | None
    ) -> list[HistoryPoint]:
        """Stored scores of the 90 days before an instant of data time, oldest first: of each moment what was known last."""
        rows = connection.execute(
            """
            SELECT as_of, score, band, grade FROM (
                SELECT DISTINCT ON (as_of) as_of, score, band, grade FROM score_history
                WHERE ref = %(ref)s AND model = %(model)s AND as_of > %(from)s AND as_of <= %(until)s
                  AND known_at <= coalesce(%(known_at)s::timestamptz, 'infinity')
                ORDER BY as_of DESC, id DESC LIMIT %(most)s
            ) AS newest ORDER BY as_of
            """,
            {
                "ref": ref,
                "model": model,
                "from": until - _HISTORY_DAYS,
                "until": until,
                "known_at": known_at,
                "most": _MOST_HISTORY,
            },
        ).fetchall()
        return [HistoryPoint(*row) for row in rows]

    def daily(
        self, connection: Connection, refs: Sequence[uuid.UUID], model: str, last: dt.date
    ) -> dict[uuid.UUID, dict[dt.date, Decimal]]:
        """The daily scores of the 30 days up to `last`, by reference and day."""
        rows = connection.execute(
            """
            SELECT DISTINCT ON (ref, as_of) ref, (as_of AT TIME ZONE 'UTC')::date, score FROM score_history
            WHERE ref = ANY(%(refs)s) AND model = %(model)s AND kind = 'daily'
              AND as_of > %(first)s AND as_of <= %(last)s
            ORDER BY ref, as_of, id DESC
            """,
            {
                "refs": list(refs),
                "model": model,
                "first": _midnight(last - dt.timedelta(days=_TREND_DAYS)),
                "last": _midnight(last),
            },
        ).fetchall()
        found: dict[uuid.UUID, dict[dt.date, Decimal]] = {ref: {} for ref in refs}
        for ref, day, score in rows:
            found[ref][day] = score
        return found

    def timeline(
        self, connection: Connection, ref: uuid.UUID, until: dt.datetime, most: int
    ) -> list[tuple[str, str, TimelineEvent]]:
        """The newest events up to an instant, newest first, each with its source and stream."""
        return newest_events(connection, ref, self.sealer, until=until, most=most)


def _midnight(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(), dt.UTC)


def _parameters(query: CustomerQuery) -> dict[str, Any]:
    return {
        "model": query.model,
        "before": query.before,
        "bands": list(query.bands),
        "segments": list(query.segments),
        "sources": list(query.sources),
        "refs": list(query.refs or ()),
    }


def _conditions(query: CustomerQuery, table: str) -> str:
    """What narrows the list; sources and references are columns of `table` (score or reference)."""
    narrows = {
        "score.band = ANY(%(bands)s)": bool(query.bands),
        "score.segment = ANY(%(segments)s)": bool(query.segments),
        f"{table}.source = ANY(%(sources)s)": bool(query.sources),
        f"{table}.ref = ANY(%(refs)s)": query.refs is not None,
    }
    return " AND ".join(["true", *(condition for condition, wanted in narrows.items() if wanted)])


def _with_value(query: CustomerQuery) -> str:
    """The customers that have a value to sort by: found by it alone, mostly in an index, and then read."""
    expression, kind = SORTS[query.sort]
    direction, comparison = ("DESC", "<") if query.descending else ("ASC", ">")
    behind = (
        "" if query.after is None else f"AND ({expression}, score.ref) {comparison} (%(after)s::{kind}, %(after_ref)s)"
    )
    return f"""
        SELECT page.ref, score.source, score.segment, score.score, score.band, score.grade, score.as_of,
               score.last_seen_at, page.value::text, score.model_version, score.basis
        FROM (
            SELECT score.ref, {expression} AS value FROM score {_BEFORE if query.sort == "change" else ""}
            WHERE score.model = %(model)s AND {expression} IS NOT NULL AND {_conditions(query, "score")} {behind}
            ORDER BY {expression} {direction}, score.ref {direction} LIMIT %(limit)s
        ) AS page JOIN score ON score.ref = page.ref AND score.model = %(model)s
        ORDER BY page.value {direction}, page.ref {direction}
        """


def _without_value(query: CustomerQuery) -> str:
    """The customers that have none."""
    expression, _ = SORTS[query.sort]
    return f"""
        SELECT reference.ref, reference.source, score.segment, score.score, score.band, coalesce(score.grade, 'none'),
               score.as_of, score.last_seen_at, NULL, score.model_version, score.basis
        FROM reference LEFT JOIN score ON score.ref = reference.ref AND score.model = %(model)s
        {_BEFORE if query.sort == "change" else ""}
        WHERE reference.kind = 'customer' AND {expression} IS NULL AND {_conditions(query, "reference")}
          AND reference.ref > %(after_ref)s
        ORDER BY reference.ref LIMIT %(limit)s
        """
