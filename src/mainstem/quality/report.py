"""Everything that is told of quality at once: streams, all of them together, fields, and breaches."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from mainstem.quality.breaches import Breach, Contracts, read_breaches
from mainstem.quality.dimensions import WHOLE, Counted, Dimension, Share
from mainstem.quality.history import QualityQuery, Spans, read_field_days, read_fields, read_remedied, read_streams
from mainstem.quality.measurements import Measured, measured, read_measurements
from mainstem.quality.scoring import DayScores, QualityScorer, Score, Scored
from mainstem.store import Connection

__all__ = ["QualityReport", "read_report"]


@dataclasses.dataclass(frozen=True, slots=True)
class QualityReport:
    """The quality of a selection. Fields have days only where one field was asked for."""

    overall: Scored
    streams: Mapping[tuple[str, str], Scored]
    fields: Sequence[Scored]
    breaches: Sequence[Breach]
    remedied: Mapping[tuple[str, str, str], Mapping[str, int]]
    """By (source, stream, field), of how many copies each remedy changed or marked a value."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Field:
    """Counts of one field; its days only where they were asked for."""

    name: tuple[str, str, str]
    spans: Spans
    days: Mapping[dt.date, Counted]


_NOTHING = Spans(Counted(), Counted(), Counted())


def read_report(conn: Connection, query: QualityQuery, contracts: Contracts, scorer: QualityScorer) -> QualityReport:
    """The report of a query, read in the connection's snapshot. Raises UnavailableError."""
    days = {name: scorer.judged(found) for name, found in read_streams(conn, query).items()}
    beside = measured(read_measurements(conn, query), query)
    streams = {
        name: scorer.score(
            (*name, WHOLE),
            contracts.active(*name),
            (Spans.of(days.get(name, {}), query), days.get(name, {})),
            beside.get((*name, WHOLE), {}),
            first=query.first,
        )
        for name in sorted({*days, *((source, stream) for source, stream, _ in beside)})
    }
    counted = list(_read_fields(conn, query))
    # What is held is compared on days, too, on which nothing was received.
    counted += [
        _Field(name, _NOTHING, {}) for name in sorted({*beside} - {one.name for one in counted}) if name[2] != WHOLE
    ]
    fields = [_field(one, days, query, contracts, scorer, beside.get(one.name, {})) for one in counted]
    return QualityReport(
        overall=_together(list(streams.values()), scorer),
        streams=streams,
        fields=fields,
        breaches=read_breaches(conn, query),
        remedied=read_remedied(conn, query),
    )


def _read_fields(conn: Connection, query: QualityQuery) -> Iterator[_Field]:
    if query.field is None:
        for name, spans in read_fields(conn, query).items():
            yield _Field(name, spans, {})
    else:
        for name, days in read_field_days(conn, query).items():
            yield _Field(name, Spans.of(days, query), days)


def _field(
    read: _Field,
    streams: Mapping[tuple[str, str], Mapping[dt.date, Counted]],
    query: QualityQuery,
    contracts: Contracts,
    scorer: QualityScorer,
    beside: Mapping[Dimension, Measured],
) -> Scored:
    """A field's quality: repeats are those of the field that tells records apart, lateness that of the field of the time."""
    source, stream, field = read.name
    contract = contracts.active(source, stream)
    identity = contract is not None and field == contract.record_id
    timed = contract is not None and field == contract.occurred_at
    spans, days = read.spans, dict(read.days)
    if identity or timed:
        more = {day: _of(one, identity=identity, timed=timed) for day, one in streams.get((source, stream), {}).items()}
        spans = spans + Spans.of(more, query)
        days = {day: counted + more.get(day, Counted()) for day, counted in days.items()}
    return scorer.score(read.name, contract, (spans, days), beside, first=query.first)


def _of(whole: Counted, *, identity: bool, timed: bool) -> Counted:
    return Counted(
        timed=whole.timed if timed else 0,
        late=whole.late if timed else 0,
        told=whole.told if identity else 0,
        repeated=whole.repeated if identity else 0,
    )


def _together(streams: Sequence[Scored], scorer: QualityScorer) -> Scored:
    """All streams as one: each dimension over those that are measured in it."""
    scores = {}
    for one in scorer.dimensions:
        found = [scored.scores[one] for scored in streams if one in scored.scores]
        if found:
            scores[one] = Score(
                share=_added(score.share for score in found),
                recent=_added(score.recent for score in found),
                before=_added(score.before for score in found),
                objective=found[0].objective,
                by=tuple(each for score in found for each in score.by) if all(score.by for score in found) else (),
            )
    why: dict[Dimension, str] = {}
    for scored in streams:
        why |= {one: text for one, text in scored.unmeasured.items() if one not in scores}
    by_day: defaultdict[dt.date, list[DayScores]] = defaultdict(list)
    for scored in streams:
        for day in scored.days:
            by_day[day.day].append(day)
    days = tuple(_day(day, by_day[day]) for day in sorted(by_day))
    checked = sum(scored.checked for scored in streams)
    return Scored("", "", WHOLE, required=True, checked=checked, scores=scores, unmeasured=why, days=days)


def _day(day: dt.date, parts: Sequence[DayScores]) -> DayScores:
    names = dict.fromkeys(name for part in parts for name in part.shares)
    shares = {name: _added(part.shares[name] for part in parts if name in part.shares) for name in names}
    return DayScores(day, sum(part.records for part in parts), shares, any(part.breached for part in parts))


def _added(shares: Iterable[Share]) -> Share:
    good, of = 0, 0
    for share in shares:
        good, of = good + share.good, of + share.of
    return Share(good, of)
