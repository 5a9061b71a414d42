"""What a commit is about to write, and what it comes to in the ledger."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from mainstem.errors import IntegrityError
from mainstem.intake import QuarantineDismissed, QuarantineFixed, WaitEnded
from mainstem.metrics import CellDeltas, Gauge, MetricSet
from mainstem.model import Place, Span
from mainstem.processing.dedup import Days, Run
from mainstem.processing.effects import Effects, EventEffects, StateEffects
from mainstem.processing.sink import Commit
from mainstem.processing.tables.entities import Merged
from mainstem.processing.tables.ledger_terms import StreamTime, Term, Terms
from mainstem.processing.tables.quarantine import Left
from mainstem.processing.tables.timeline import TimelineRows
from mainstem.processing.verdicts import DECISIONS, JudgedDecisions, JudgedEvents, count_days

__all__ = ["Correction", "Plan", "change_of", "commit_of", "stream_times", "terms_of"]


_SET_ASIDE: tuple[Literal["quarantined", "held"], ...] = ("quarantined", "held")


@dataclasses.dataclass(frozen=True, slots=True)
class Correction:
    """A decision about a quarantined record, and what it will change of what it is about."""

    place: Place
    decision: QuarantineFixed | QuarantineDismissed | WaitEnded
    at: dt.datetime
    """When it was decided."""
    left: Left | None
    """The term that it takes its record out of; None: it will change nothing."""

    @property
    def changes(self) -> bool:
        """Whether it will change what it is about."""
        return self.left is not None


@dataclasses.dataclass(frozen=True, slots=True)
class Plan:
    """Everything of a commit that is known before its transaction."""

    now: dt.datetime
    known_at: dt.datetime
    decisions: JudgedDecisions
    corrections: Sequence[Correction]
    events: Sequence[JudgedEvents]
    """First those of the span's groups, then those that corrections come to, each in order."""
    runs: Sequence[Run]
    metrics: MetricSet
    """Those that `deltas` were computed with."""
    deltas: CellDeltas
    corrected_deltas: CellDeltas
    """Of corrected events, at the places of the decisions about them."""
    corrected_states: Sequence[StateEffects]
    timeline: Sequence[TimelineRows]
    beginning: Sequence[Gauge] = ()
    """Gauges that this fold does not measure yet, and that begin with this commit."""

    @property
    def again(self) -> bool:
        """Whether the transaction writes to the same tables more than once, or to all of a table."""
        return bool(self.beginning or self.deltas.more or self.corrected_deltas.series or self.corrected_states)


def terms_of(effects: Effects, plan: Plan, merged: Merged, corrected: Merged) -> Terms:
    """What the ledger gains, each term from what was written for it."""
    terms: Terms = Terms()
    for source, stream, day, term, n in _counted(effects, plan, (merged, corrected)):
        terms[source, stream, day, term] += n
    return terms


def _counted(effects: Effects, plan: Plan, merged: Sequence[Merged]) -> Iterator[tuple[str, str, dt.date, Term, int]]:
    for run in plan.runs:
        yield from _by_day(run.unit.source, run.unit.stream, run.days, "accepted")
    for judged in plan.events:
        yield from _by_day(judged.fresh.source, judged.fresh.contract.stream, judged.repeats, "duplicate")
    yield from _by_day(*DECISIONS, plan.decisions.repeats, "duplicate")
    for one in merged:
        yield from ((*key, "accepted", n) for key, n in one.accepted.items())
        yield from ((*key, "duplicate", n) for key, n in one.duplicate.items())
    for term in _SET_ASIDE:
        for source, stream, rows in _by_stream(effects.set_aside(term)):
            yield from _by_day(source, stream, count_days(rows["received_at"]), term)
    for source, stream, rows in _by_stream(effects.discarded):
        yield from _by_day(source, stream, count_days(rows["received_at"]), "discarded")
    for correction in plan.corrections:
        if correction.changes:
            yield from _moved(correction)


def _moved(correction: Correction) -> Iterator[tuple[str, str, dt.date, Term, int]]:
    """The terms that a decision takes a record out of, and brings it into."""
    decision, left = correction.decision, correction.left
    if isinstance(decision, QuarantineDismissed) or left is None:
        return
    record = decision.record if isinstance(decision, QuarantineFixed) else decision
    day = record.received_at.astimezone(dt.UTC).date()
    yield record.source, record.stream, day, left, -1
    if isinstance(decision, WaitEnded):
        yield record.source, record.stream, day, "quarantined", 1


def _by_day(source: str, stream: str, days: Days, term: Term) -> Iterator[tuple[str, str, dt.date, Term, int]]:
    return ((source, stream, day, term, n) for day, n in days.items())


def commit_of(effects: Effects, plan: Plan, merged: Merged) -> Commit:
    """The span's records by what became of them. Raises IntegrityError when they do not add up to all of them."""
    own = plan.events[: len(effects.events)]
    commit = Commit(
        accepted=sum(judged.fresh.rows.num_rows for judged in own)
        + len(plan.decisions.fresh)
        + merged.accepted.total(),
        duplicate=sum(sum(judged.repeats.values()) for judged in own)
        + sum(plan.decisions.repeats.values())
        + merged.duplicate.total(),
        quarantined=effects.set_aside("quarantined").num_rows,
        held=effects.set_aside("held").num_rows,
        discarded=effects.discarded.num_rows,
    )
    if sum(dataclasses.astuple(commit)) != effects.records:
        raise IntegrityError(f"{effects.span} holds {effects.records} records, and {commit} does not add up to them.")
    return commit


def stream_times(effects: Effects, plan: Plan) -> dict[tuple[str, str], StreamTime]:
    """What each stream was heard of, corrected records included; that of an entity is as true as when it was observed."""
    times: dict[tuple[str, str], StreamTime] = {}

    def hear(source: str, stream: str, rows: pa.Table, column: str | None) -> None:
        known, received = times.get((source, stream), (None, rows["received_at"][0].as_py()))
        received = max(received, pc.max(rows["received_at"]).as_py())
        latest = pc.max(rows[column]).as_py() if column else known
        times[source, stream] = (latest if known is None else max(known, latest), received)

    for group, column in _groups(effects, plan):
        if group.rows.num_rows:
            hear(group.source, group.contract.stream, group.rows, column)
    for rows_without_time in (effects.quarantined, effects.discarded):
        for source, stream, rows in _by_stream(rows_without_time):
            hear(source, stream, rows, None)
    return times


def _groups(effects: Effects, plan: Plan) -> Iterator[tuple[EventEffects | StateEffects, str]]:
    for events in (*effects.events, *(judged.fresh for judged in plan.events[len(effects.events) :])):
        yield events, "occurred_at"
    for states in (*effects.states, *plan.corrected_states):
        yield states, "observed_at"


def _by_stream(rows: pa.Table) -> Iterator[tuple[str, str, pa.Table]]:
    """The rows of each source and stream."""
    pairs = rows.group_by(["source", "stream"]).aggregate([]).to_pylist()
    for pair in pairs:
        source, stream = pair["source"], pair["stream"]
        if len(pairs) == 1:
            yield source, stream, rows
        else:
            yield source, stream, rows.filter((pc.field("source") == source) & (pc.field("stream") == stream))


def change_of(span: Span, terms: Terms) -> dict[str, Any]:
    """The change that tells what a commit did, by stream."""
    streams: dict[tuple[str, str], dict[str, Any]] = {}
    for (source, stream, _, term), n in sorted(terms.items()):
        line = streams.setdefault((source, stream), {"source": source, "stream": stream})
        line[term] = line.get(term, 0) + n
    return {
        "epoch": span.epoch,
        "partition": span.partition,
        "lane": span.lane.label,
        "position": span.last,
        "streams": list(streams.values()),
    }
