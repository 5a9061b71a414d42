"""The scorer: keeps the scores of all customers what they should be, as of now and as of every midnight.

A round takes customers that were touched (an input changed) and, every few minutes of data time, those whose score time
alone has moved. A batch is one transaction: what is read, what is written, and the marks that are taken away belong
together. A customer touched again meanwhile keeps its mark and comes again. Two scorers never work on one customer (an
advisory lock for each sixteenth of them), and a row is replaced only as it was read (`revision`).
"""

from __future__ import annotations

import datetime as dt
import threading
import uuid
from collections.abc import Callable, Sequence
from decimal import Decimal

import structlog

from mainstem.analytics.batch import score_batch, score_live
from mainstem.analytics.context import Context, ScorerParts, read_context
from mainstem.analytics.inputs import instant
from mainstem.analytics.model import CHURNED
from mainstem.analytics.subjects import SCORERS, Claim, claim, owned_shards, read_subjects
from mainstem.analytics.writing import postpone, release, write_outcomes
from mainstem.errors import RetryableError
from mainstem.metrics import SegmentRollups
from mainstem.store import CHANGE_CHANNEL, Connection, Database, ensure_partitions
from mainstem.telemetry import SCORES_COMPUTED

__all__ = ["Scorer"]

_log = structlog.get_logger()

# A stream that catches up by more than this has come back: what stood still behind it moves again.
_CAUGHT_UP = dt.timedelta(minutes=5)
_RETRY_SECONDS = 1.0
_RETRY_SECONDS = 1.0
_HORIZONS = """
    INSERT INTO stream_horizon (source, stream, complete_until, swept_at)
    SELECT *, %(now)s FROM unnest(%(source)s::text[], %(stream)s::text[], %(until)s::timestamptz[])
    ON CONFLICT (source, stream) DO UPDATE SET complete_until = EXCLUDED.complete_until, swept_at = EXCLUDED.swept_at
    """


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

    def run(self, stop: threading.Event) -> None:
        """Score until stopped, and keep the sums of segments beside; a store that cannot be reached is waited for."""
        segments = threading.Thread(target=self._keep_segments, args=[stop], name="mainstem-segments")
        segments.start()
        while not stop.is_set():
            try:
                settings = self._parts().settings
                self.run_once()
                self._database.listen(CHANGE_CHANNEL, settings.poll_seconds)
                stop.wait(settings.pause_seconds)
            except RetryableError as error:
                _log.warning("scoring_interrupted", error=str(error))
                stop.wait(error.retry_after or _RETRY_SECONDS)
        segments.join()

    def _keep_segments(self, stop: threading.Event) -> None:
        segments = SegmentRollups(self._database)
        pause = _RETRY_SECONDS
        while not stop.wait(pause):
            try:
                took = segments.refresh()
                # While years of history come in, every day changes all the time: this takes a twentieth of ours then.
                pause = max(self._parts().settings.segments_seconds, 20 * took)
            except RetryableError as error:
                _log.warning("segments_interrupted", error=str(error))

    def run_once(self) -> int:
        """Score everybody who was touched and, when it is time for a sweep, who is due; how many were scored.

        Raises StorageFullError or UnavailableError; what was scored before stays.
        """
        parts = self._parts()
        now = parts.clock.data()
        sweep = self._swept_at is None or abs(now - self._swept_at) >= parts.settings.sweep
        if sweep:
            self._prepare_sweep(parts)
        ensure_partitions(self._database, "score_history", [now.date()])
        count = 0
        while scored := self._batch(parts, now if sweep else None):
            count += scored
        if sweep:
            self._swept_at = now
        return count

    def scores_at(self, refs: Sequence[uuid.UUID], as_of: dt.datetime) -> dict[uuid.UUID, tuple[Decimal, str]]:
        """The scores and bands of customers at an instant, from all that is known now; nothing is stored.

        A customer of whom nothing is measured, or that is no customer, is absent. Raises UnavailableError.
        """
        parts = self._parts()
        with self._database.snapshot() as conn:
            context = read_context(conn, parts)
            subjects = read_subjects(conn, [Claim(ref) for ref in refs], parts.model.name)
            if not subjects:
                return {}
            evaluation = score_live(conn, context, subjects, as_of)
        found = {}
        for place, one in enumerate(subjects):
            if evaluation.known[place]:
                total = int(evaluation.total[place])
                left = one.churned_at is not None and instant(one.churned_at) <= as_of
                found[one.ref] = (Decimal(total).scaleb(-2), CHURNED if left else parts.model.band(total))
        return found

    def _batch(self, parts: ScorerParts, due: dt.datetime | None) -> int:
        """One transaction; how many customers it took."""
        with self._database.transaction() as conn:
            shards = owned_shards(conn, self._shards)
            claims = claim(conn, shards, parts.model.name, due, parts.settings.batch) if shards else []
            if not claims:
                return 0
            context = read_context(conn, parts)
            outcomes = score_batch(conn, context, read_subjects(conn, claims, parts.model.name))
            write_outcomes(conn, context, outcomes)
            scored = {one.subject.ref for one in outcomes}
            postpone(conn, context, [one.ref for one in claims if one.ref not in scored])
            release(conn, claims)
        SCORES_COMPUTED.inc(len(outcomes))
        return len(claims)

    def _prepare_sweep(self, parts: ScorerParts) -> None:
        """Find what has to be looked at although nothing touched it and nothing fell due."""
        model = parts.model
        with self._database.transaction() as conn:
            context = read_context(conn, parts)
            returned = _returned_sources(conn, context)
            if returned:
                conn.execute(
                    "UPDATE score SET due_at = %s WHERE model = %s AND source = ANY(%s) AND due_at > %s",
                    [context.as_of, model.name, returned, context.as_of],
                )
            if self._model != (model.name, model.version):
                _look_at_all(conn, context)
            [(first,)] = conn.execute("SELECT min(settled_at) FROM score WHERE model = %s", [model.name]).fetchall()
        self._model = model.name, model.version
        if first is not None:
            days = max(0, (context.as_of - first).days)
            ensure_partitions(
                self._database, "score_history", [(first + dt.timedelta(days=day)).date() for day in range(days + 1)]
            )


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
    """After another model came into force: every score is due, and who has none is touched."""
    model = context.model
    conn.execute(
        "UPDATE score SET due_at = %s WHERE model = %s AND model_version <> %s AND due_at > %s",
        [context.as_of, model.name, model.version, context.as_of],
    )
    conn.execute(
        """
        INSERT INTO touched (ref, since)
        SELECT ref, %s FROM reference
        WHERE kind = 'customer' AND NOT EXISTS (
            SELECT FROM score WHERE score.ref = reference.ref AND score.model = %s
        )
        ORDER BY ref ON CONFLICT (ref) DO NOTHING
        """,
        [context.as_of, model.name],
    )
