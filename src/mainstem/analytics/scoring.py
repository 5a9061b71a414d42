"""The scorer: keeps the scores of all customers what they should be, as of now and as of every midnight.

A step takes customers that were touched (an input changed), who waits longest first; every few minutes of data time those
whose score time alone has moved; and then some of the midnights that wait. A batch is one short transaction: what is read,
what is written, and the marks that are taken away belong together. A customer touched again meanwhile keeps its mark and
comes again. Two scorers never work on one customer (an advisory lock for each sixteenth of them), and a row is replaced
only as it was read (`revision`).
"""

from __future__ import annotations

import datetime as dt
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from decimal import Decimal

import structlog

from mainstem.analytics.batch import score_batch, score_live
from mainstem.analytics.context import Context, ScorerParts, read_context
from mainstem.analytics.filling import fill_midnights, within
from mainstem.analytics.inputs import instant
from mainstem.analytics.model import CHURNED
from mainstem.analytics.subjects import (
    SCORERS,
    Claim,
    claim_behind,
    claim_due,
    claim_touched,
    owned_shards,
    read_subjects,
    turn_now,
)
from mainstem.analytics.writing import postpone, release, tell, write_fillings, write_outcomes
from mainstem.errors import RetryableError
from mainstem.pace import Pace
from mainstem.store import CHANGE_CHANNEL, Connection, Database, ensure_partitions
from mainstem.telemetry import SCORES_COMPUTED

__all__ = ["Scorer"]

_log = structlog.get_logger()

# A stream that catches up by more than this has come back: what stood still behind it moves again.
_CAUGHT_UP = dt.timedelta(minutes=5)
_RETRY_SECONDS = 1.0
# While everybody is touched again and again, scoring rests so many times as long as it took, and leaves most of a core
# to what they are touched by.
_REST, _LONGEST_REST = 6.0, 5.0
# However fast data time runs, everybody is not looked at more often than this (wall time), and midnights are let gather
# for a moment: a customer's cells are then read once for several.
_SWEEP_SECONDS, _FILL_SECONDS = 1.0, 2.0
# A month's partition is made before data time gets there, however fast it runs.
_MONTH_AHEAD = dt.timedelta(days=31)
# Fewer at once are not worth a transaction of their own.
_LEAST_CUSTOMERS, _LEAST_MIDNIGHTS = 250, 1_000
_HORIZONS = """
    INSERT INTO stream_horizon (source, stream, complete_until, swept_at)
    SELECT *, %(now)s FROM unnest(%(source)s::text[], %(stream)s::text[], %(until)s::timestamptz[])
    ON CONFLICT (source, stream) DO UPDATE SET complete_until = EXCLUDED.complete_until, swept_at = EXCLUDED.swept_at
    """

_Claims = Callable[[Connection, Sequence[int], int], list[Claim]]
_Fed = frozenset[tuple[str, int]]
"""What feeds the model: sources and series."""


class Scorer:
    """Scores customers. `parts` gives the model, metrics and clock in force; one thread runs it.

    `shards` (numbers below 16) is the share of customers it takes; several processes may take the same, one works.
    """

    def __init__(
        self, database: Database, parts: Callable[[], ScorerParts], *, shards: Sequence[int] = range(SCORERS)
    ) -> None:
        self._database = database
        self._parts = parts
        self._shards = tuple(shards)
        self._swept_at: dt.datetime | None = None
        self._model: tuple[str, int] | None = None
        self._fed: _Fed = frozenset()
        self._fed_anew = False
        self._due: dt.datetime | None = None
        self._customers, self._midnights = Pace(_LEAST_CUSTOMERS), Pace(_LEAST_MIDNIGHTS)

    def run(self, stop: threading.Event) -> None:
        """Score until stopped; a store that cannot be reached is waited for."""
        swept = filled_up = time.monotonic() - max(_SWEEP_SECONDS, _FILL_SECONDS)
        while not stop.is_set():
            try:
                settings = self._parts().settings
                started = time.monotonic()
                may_sweep, may_fill = started - swept >= _SWEEP_SECONDS, started - filled_up >= _FILL_SECONDS
                scored, filled = self._step(may_sweep=may_sweep, may_fill=may_fill)
                took = time.monotonic() - started
                swept = started if may_sweep else swept
                if may_fill and not filled:
                    filled_up = time.monotonic()
                if not scored and not filled:
                    self._database.listen(CHANGE_CHANNEL, settings.poll_seconds)
                if not filled:
                    rest = min(_REST * took, _LONGEST_REST) if scored else 0.0
                    stop.wait(max(settings.pause_seconds, rest))
            except RetryableError as error:
                _log.warning("scoring_interrupted", error=str(error))
                stop.wait(error.retry_after or _RETRY_SECONDS)

    def run_once(self) -> int:
        """Score everybody who was touched or is due, and all midnights that wait; how many times one was scored.

        Raises StorageFullError or UnavailableError; what was scored before stays.
        """
        count = 0
        while any(step := self._step()):
            count += step[0]
        return count

    def scores_at(self, refs: Sequence[uuid.UUID], as_of: dt.datetime) -> dict[uuid.UUID, tuple[Decimal, str]]:
        """The scores and bands of customers at an instant, from all that is known now; nothing is stored.

        A customer of whom nothing is measured, or that is no customer, is absent. Raises UnavailableError.
        """
        parts = self._parts()
        with self._database.snapshot() as conn:
            context = read_context(conn, parts)
            subjects = read_subjects(conn, [Claim(ref) for ref in refs], parts.model.name)
            scored = score_live(conn, context, subjects, as_of)
        found = {}
        for subject, evaluation, row in scored:
            if evaluation.known[row]:
                total = int(evaluation.total[row])
                left = subject.churned_at is not None and instant(subject.churned_at) <= as_of
                found[subject.ref] = (Decimal(total).scaleb(-2), CHURNED if left else parts.model.band(total))
        return found

    def _step(self, *, may_sweep: bool = True, may_fill: bool = True) -> tuple[int, int]:
        """Everybody who is touched; then a batch of those who are due, and one of midnights: how many of each.

        So those that wait for somebody's act wait for one batch of each of the others at most.
        """
        parts = self._parts()
        now = parts.clock.data()
        ensure_partitions(self._database, "score_history", [now.date(), (now + _MONTH_AHEAD).date()])
        count = self._score_touched(parts)
        overdue = self._swept_at is None or abs(now - self._swept_at) >= parts.settings.sweep or self._fed_anew
        if self._due is None and may_sweep and overdue:
            self._prepare_sweep(parts)
            # What the preparation touched comes first.
            count += self._score_touched(parts)
            self._due = now
        if self._due is not None:
            due, model = self._due, parts.model.name
            scored, more = self._score(parts, lambda conn, shards, limit: claim_due(conn, shards, model, due, limit))
            count += scored
            if not more:
                self._swept_at, self._due = due, None
        return count, self._fill(parts) if may_fill else 0

    def _score_touched(self, parts: ScorerParts) -> int:
        """Everybody who has been touched until now, once."""
        with self._database.autocommit() as conn:
            turn = turn_now(conn)
        count = 0

        def take(conn: Connection, shards: Sequence[int], limit: int) -> list[Claim]:
            nonlocal turn
            claims, turn = claim_touched(conn, shards, turn, limit)
            return claims

        more = True
        while more:
            scored, more = self._score(parts, take)
            count += scored
        return count

    def _score(self, parts: ScorerParts, take: _Claims) -> tuple[int, bool]:
        """One transaction for the present of some customers; how many there were, and whether there may be more."""
        started = time.monotonic()
        settings, model = parts.settings, parts.model.name
        with self._database.transaction() as conn:
            shards = owned_shards(conn, self._shards)
            size = self._customers.size(settings.batch_seconds, settings.batch)
            claims = take(conn, shards, size) if shards else []
            if not claims:
                return 0, False
            context = read_context(conn, parts)
            outcomes = score_batch(conn, context, read_subjects(conn, claims, model))
            write_outcomes(conn, context, outcomes)
            scored = {one.subject.ref for one in outcomes}
            postpone(conn, context, [one.ref for one in claims if one.ref not in scored])
            release(conn, claims)
            tell(conn, context, outcomes)
        self._customers.took(len(claims), time.monotonic() - started)
        # Customers of whom nothing was measured before have to be looked at: with the next sweep, which then is due.
        self._fed_anew = self._fed_anew or _feeds(context) != self._fed
        SCORES_COMPUTED.inc(len(outcomes))
        return len(claims), len(claims) == size

    def _fill(self, parts: ScorerParts) -> int:
        """One transaction for midnights that wait; of how many customers."""
        started = time.monotonic()
        settings, model = parts.settings, parts.model.name
        most = self._midnights.size(settings.batch_seconds, settings.batch_rows)
        with self._database.transaction() as conn:
            shards = owned_shards(conn, self._shards)
            claims = claim_behind(conn, shards, model, settings.batch) if shards else []
            if not claims:
                return 0
            context = read_context(conn, parts)
            subjects = within(context, read_subjects(conn, claims, model), most)
            fillings = fill_midnights(conn, context, subjects, most)
            write_fillings(conn, context, fillings)
            filled = {one.subject.ref for one in fillings}
            postpone(conn, context, [one.ref for one in subjects if one.ref not in filled])
        self._midnights.took(sum(len(one.rows) for one in fillings), time.monotonic() - started)
        return len(subjects)

    def _prepare_sweep(self, parts: ScorerParts) -> None:
        """Find what has to be looked at although nothing touched it and nothing fell due."""
        model = parts.model
        with self._database.transaction() as conn:
            context = read_context(conn, parts)
            fed = _feeds(context)
            again = set(_returned_sources(conn, context))
            if self._model is not None:
                again |= {source for source, _ in fed - self._fed}
            if again:
                conn.execute(
                    "UPDATE score SET due_at = %s WHERE model = %s AND source = ANY(%s) AND due_at > %s",
                    [context.as_of, model.name, sorted(again), context.as_of],
                )
            if (self._model, self._fed) != ((model.name, model.version), fed):
                _look_at_all(conn, context)
            [(first,)] = conn.execute("SELECT min(settled_at) FROM score WHERE model = %s", [model.name]).fetchall()
        self._model, self._fed, self._fed_anew = (model.name, model.version), fed, False
        if first is not None:
            days = max(0, (context.as_of - first).days)
            ensure_partitions(
                self._database, "score_history", [(first + dt.timedelta(days=day)).date() for day in range(days + 1)]
            )


def _feeds(context: Context) -> _Fed:
    return frozenset((feed.source, feed.series) for feed in context.feeds)


def _returned_sources(conn: Connection, context: Context) -> list[str]:
    """Sources with a stream that has caught up since the last sweep; remembers where every stream stands."""
    stands = {
        (feed.source, feed.stream): until
        for feed in context.feeds
        if feed.clock is not None and (until := feed.clock.complete_until) is not None
    }
    rows = conn.execute("SELECT source, stream, complete_until, swept_at FROM stream_horizon").fetchall()
    before = {(source, stream): swept_at - until for source, stream, until, swept_at in rows}
    returned = {
        key[0] for key, until in stands.items() if key in before and before[key] - (context.as_of - until) > _CAUGHT_UP
    }
    streams = sorted(stands)
    conn.execute(
        _HORIZONS,
        {
            "now": context.as_of,
            "source": [source for source, _ in streams],
            "stream": [stream for _, stream in streams],
            "until": [stands[key] for key in streams],
        },
    )
    return sorted(returned)


def _look_at_all(conn: Connection, context: Context) -> None:
    """After another model came into force, or another source or metric: who has no score is touched, others are due."""
    model = context.model
    conn.execute(
        "UPDATE score SET due_at = %s WHERE model = %s AND model_version <> %s AND due_at > %s",
        [context.as_of, model.name, model.version, context.as_of],
    )
    conn.execute(
        """
        INSERT INTO touched (ref, since)
        SELECT ref, %s FROM reference
        WHERE kind = 'customer' AND source = ANY(%s) AND NOT EXISTS (
            SELECT FROM score WHERE score.ref = reference.ref AND score.model = %s
        )
        ORDER BY ref ON CONFLICT (ref) DO NOTHING
        """,
        [context.as_of, sorted({feed.source for feed in context.feeds}), model.name],
    )
