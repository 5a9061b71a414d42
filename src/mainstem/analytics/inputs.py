"""The inputs of scores, for many customers and instants at once.

Everything that cells know of a batch of customers is read by a few queries into arrays of days, and any number of
(customer, instant) pairs is then answered from them. A window is a number of whole days of UTC; the day of the instant
counts from its midnight on. What time alone takes away (the day that leaves a window, the age of the last event) goes by
each stream's horizon: the instant, or where the stream stopped vouching, if that is earlier. What came in counts at once.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import itertools
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mainstem.analytics.model import INPUT_UNITS, Component, Kind
from mainstem.metrics import StreamClock, distinct_entries, distinct_total, left_out_name
from mainstem.store import Connection

__all__ = [
    "DAY",
    "NEVER",
    "DaySpan",
    "Feed",
    "History",
    "Inputs",
    "Rows",
    "Subjects",
    "inputs_of",
    "instant",
    "microseconds",
    "read_history",
]

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

DAY = 86_400_000_000
"""A day in microseconds, the unit of all instants here (since 1970)."""

NEVER = np.iinfo(np.int64).min
"""No instant."""


@dataclasses.dataclass(frozen=True, slots=True)
class Feed:
    """One series that a model looks at, and what its stream vouches for (None: never heard of).

    One of a `gauge` is of states: its days hold by how much it moved.
    """

    series: int
    metric: str
    source: str
    stream: str
    distinct: bool
    clock: StreamClock | None
    gauge: bool = False

    @property
    def complete_until(self) -> int:
        """In microseconds; NEVER when nothing was heard of the stream."""
        until = None if self.clock is None else self.clock.complete_until
        return NEVER if until is None else microseconds(until)


@dataclasses.dataclass(frozen=True, slots=True)
class Rows:
    """What to score: positions of customers in a batch, each at an instant (microseconds)."""

    customers: Ints
    as_of: Ints


@dataclasses.dataclass(frozen=True, slots=True)
class _Days:
    """One series of a batch: customers x days."""

    sums: npt.NDArray[Any]
    """Values in millionths, added up from the first day: column d holds the days before it, of a gauge all of them."""
    last: Ints
    """The latest event or movement up to and including each day; column 0 is what lies before the first."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Sets:
    """The different values of one distinct metric over a batch, all series together, ordered by customer."""

    customers: Ints
    days: Ints
    before: Ints
    """The latest earlier day on which the same customer had the same value; NEVER for none."""
    sketches: Mapping[int, Sequence[tuple[int, bytes]]]
    """Of customers with a day above the exact bound: all their states, by day."""


@dataclasses.dataclass(frozen=True, slots=True)
class History:
    """What cells know of a batch of customers since day `first` (days since 1970)."""

    first: int
    feeds: Sequence[Feed]
    own: Flags
    """Customers x feeds: whether the feed's source is the customer's."""
    days: Mapping[int, _Days]
    sets: Mapping[str, _Sets]


@dataclasses.dataclass(frozen=True, slots=True)
class Inputs:
    """Inputs of n rows for k components."""

    values: Sequence[npt.NDArray[Any]]
    """k arrays of n, in millionths."""
    missing: Flags
    """n x k: the customer has nothing that could be measured."""
    unmeasured: Flags
    """n x k: nothing feeds the component's metric at the customer's source."""
    uses: Sequence[Flags]
    """k of n x feeds: the feeds a component rests on for a row."""
    horizons: Ints
    """n x feeds: how far each feed vouches, at most the row's instant."""
    ages: Mapping[int, Ints]
    """By the column of each recency component, n: microseconds from the last event to the horizon, below 0 if later."""
    last_seen: Ints
    """n: the customer's latest event in any count or sum the model looks at; NEVER for none."""
    left_out: Ints
    """n x k: how many events did not count because of what was imputed; 0 where the component asks for none to be told."""


def microseconds(instant: dt.datetime) -> int:
    """Microseconds since 1970."""
    return (instant - _EPOCH) // dt.timedelta(microseconds=1)


def instant(at: int) -> dt.datetime:
    """The instant of microseconds since 1970."""
    return _EPOCH + dt.timedelta(microseconds=int(at))


_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)

# One row a customer and series: a query that sends a row a day costs more for each row than for what is in it.
_DAY_NUMBER = "(cell.bucket AT TIME ZONE 'UTC')::date - DATE '1970-01-01'"
_WHERE = """
    FROM cell WHERE cell.ref = ANY(%(refs)s) AND cell.series = ANY(%(series)s)
    AND cell.bucket >= %(first)s AND cell.bucket < %(end)s AND cell.value <> 0
    """
_NUMBERS = np.dtype([("day", ">i4"), ("whole", ">i8"), ("millionths", ">i4"), ("last", ">i8")])
_READ_NUMBERS = f"""
    SELECT ref, series, string_agg(
        int4send(day) || int8send(floor(value)::bigint) || int4send(((value - floor(value)) * 1000000)::int)
        || int8send((extract(epoch FROM last_at) * 1000000)::bigint), ''::bytea)
    FROM (
        SELECT cell.ref, cell.series, {_DAY_NUMBER} AS day, round(sum(cell.value), 6) AS value,
               max(cell.last_at) AS last_at {_WHERE} GROUP BY cell.ref, cell.series, day
    ) AS days GROUP BY ref, series
    """
# A gauge is what it moved by on all days; those before the first are one.
_READ_GAUGES = """
    SELECT ref, series, string_agg(
        int4send(day) || int8send(floor(value)::bigint) || int4send(((value - floor(value)) * 1000000)::int)
        || int8send(moved * 86400000000), ''::bytea)
    FROM (
        SELECT ref, series, greatest(day - DATE '1970-01-01', %(before)s) AS day, round(sum(value), 6) AS value,
               max(day - DATE '1970-01-01')::bigint AS moved
        FROM gauge_change WHERE ref = ANY(%(refs)s) AND series = ANY(%(series)s)
          AND day - DATE '1970-01-01' <= %(last)s AND value <> 0 GROUP BY 1, 2, 3
    ) AS days GROUP BY ref, series
    """
_READ_STATES = f"""
    SELECT cell.ref, cell.series, array_agg({_DAY_NUMBER}), array_agg(cell.state) {_WHERE} GROUP BY cell.ref, cell.series
    """
_READ_OLDER = """
    SELECT one.ref, feed.series, old.last_at FROM unnest(%(refs)s::uuid[]) AS one (ref)
    CROSS JOIN unnest(%(series)s::bigint[]) AS feed (series)
    CROSS JOIN LATERAL (
        SELECT last_at FROM cell
        WHERE cell.ref = one.ref AND cell.series = feed.series AND cell.bucket < %(first)s AND cell.value <> 0
        ORDER BY cell.bucket DESC LIMIT 1
    ) AS old
    """


@dataclasses.dataclass(frozen=True, slots=True)
class Subjects:
    """The customers of a batch, and the source each reference belongs to."""

    refs: Sequence[uuid.UUID]
    sources: Sequence[str]


@dataclasses.dataclass(frozen=True, slots=True)
class DaySpan:
    """Days since 1970: cells are read from `first` to `last`, rows lie on `asked` or later."""

    first: int
    asked: int
    last: int


def read_history(conn: Connection, subjects: Subjects, feeds: Sequence[Feed], span: DaySpan) -> History:
    """Read the cells of the customers, and of those who are silent when they were seen before."""
    first = span.first
    places = {ref: place for place, ref in enumerate(subjects.refs)}
    bounds: dict[str, Any] = {
        "refs": list(subjects.refs),
        "first": _EPOCH + dt.timedelta(days=first),
        "end": _EPOCH + dt.timedelta(days=span.last + 1),
    }
    shape = (len(subjects.refs), span.last + 1 - first)
    of_feed = np.array([feed.source for feed in feeds], object)
    own = np.array(subjects.sources, object)[:, None] == of_feed[None, :]
    numbers = [feed.series for feed in feeds if not feed.distinct and not feed.gauge]
    gauges = [feed.series for feed in feeds if feed.gauge]
    found: dict[int, list[tuple[int, bytes]]] = {series: [] for series in (*numbers, *gauges)}
    for query, some in ((_READ_NUMBERS, numbers), (_READ_GAUGES, gauges)):
        asked = {**bounds, "before": first - 1, "last": span.last, "series": some}
        for ref, series, packed in conn.execute(query, asked, binary=True).fetchall() if some else ():
            found[series].append((places[ref], packed))
    days = {series: _spread(some, first, shape) for series, some in found.items()}
    metric_of = {feed.series: feed.metric for feed in feeds if feed.distinct}
    states: dict[str, list[tuple[int, int, bytes]]] = {metric: [] for metric in metric_of.values()}
    if metric_of:
        rows = conn.execute(_READ_STATES, {**bounds, "series": list(metric_of)}, binary=True).fetchall()
        for ref, series, on, sets in rows:
            states[metric_of[series]] += zip(itertools.repeat(places[ref]), on, sets, strict=False)
    history = History(first, feeds, own, days, {metric: _gathered(some) for metric, some in states.items()})
    _add_older(conn, subjects.refs, history, span.asked, bounds)
    return history


def _spread(packed: Sequence[tuple[int, bytes]], first: int, shape: tuple[int, int]) -> _Days:
    """Packed days of customers as matrices, added up along the days."""
    rows = np.frombuffer(b"".join([data for _, data in packed]), _NUMBERS)
    counts = [len(data) // _NUMBERS.itemsize for _, data in packed]
    customers = np.repeat(np.array([place for place, _ in packed], np.int64), counts)
    places = rows["day"].astype(np.int64) - first + 1
    whole: npt.NDArray[Any] = rows["whole"].astype(np.int64)
    sums: npt.NDArray[Any] = np.zeros((shape[0], shape[1] + 1), np.int64)
    # Below this the sum of a year of days fits in 64 bits; above, Python's integers take over.
    if len(whole) and int(np.abs(whole).max()) > 2**33:
        whole, sums = whole.astype(object), sums.astype(object)
    sums[customers, places] = whole * INPUT_UNITS + rows["millionths"]
    last = np.full((shape[0], shape[1] + 1), NEVER, np.int64)
    last[customers, places] = rows["last"].astype(np.int64)
    return _Days(np.cumsum(sums, axis=1), np.maximum.accumulate(last, axis=1))


def _gathered(rows: Sequence[tuple[int, int, bytes]]) -> _Sets:
    """Rows of (customer, day, set) as entries, each with when the customer had the same value before."""
    customers = np.array([customer for customer, _, _ in rows], np.int64)
    days, states = np.array([day for _, day, _ in rows], np.int64), [state for _, _, state in rows]
    groups, hashes, sketched = distinct_entries(np.arange(len(states)), states)
    owners, on = customers[groups], days[groups]
    order = np.lexsort((on, hashes, owners))
    owners, on, hashes = owners[order], on[order], hashes[order]
    before = np.full(len(on), NEVER, np.int64)
    again = np.flatnonzero((owners[1:] == owners[:-1]) & (hashes[1:] == hashes[:-1]))
    before[again + 1] = on[again]
    approximate = {int(customers[place]) for place in sketched}
    sketches: dict[int, list[tuple[int, bytes]]] = {customer: [] for customer in approximate}
    for customer, day, state in zip(customers.tolist(), days.tolist(), states, strict=True):
        if customer in approximate:
            sketches[customer].append((day, state))
    return _Sets(owners, on, before, sketches)


def _add_older(
    conn: Connection, refs: Sequence[uuid.UUID], history: History, asked: int, bounds: Mapping[str, Any]
) -> None:
    """Put into column 0 when those were last seen before the first day of whom nothing is known up to day `asked`."""
    unknown = np.ones(len(refs), np.bool_)
    series = [feed.series for feed in history.feeds if not feed.distinct and not feed.gauge]
    for one in series:
        unknown &= history.days[one].last[:, asked - history.first + 1] == NEVER
    some = [refs[place] for place in np.flatnonzero(unknown).tolist()]
    if not some or not series:
        return
    places = {ref: place for place, ref in enumerate(refs)}
    parameters = {"refs": some, "series": series, "first": bounds["first"]}
    for ref, one, last in conn.execute(_READ_OLDER, parameters).fetchall():
        known = history.days[one].last[places[ref]]
        np.maximum(known, microseconds(last), out=known)


def inputs_of(history: History, components: Sequence[Component], rows: Rows) -> Inputs:
    """The inputs of the components for each row. All days that they look back on must have been read."""
    return _Asked(history, rows).inputs(components)


class _Asked:
    """One question to a history."""

    def __init__(self, history: History, rows: Rows) -> None:
        self._history = history
        self._rows = rows
        self._own = history.own[rows.customers]
        # An instant at midnight ends the day before.
        self._today = (rows.as_of - 1) // DAY
        until = np.array([feed.complete_until for feed in history.feeds], np.int64)
        self._horizons = np.minimum(rows.as_of[:, None], until[None, :]).reshape(len(rows.as_of), len(until))
        self._last = np.full(self._horizons.shape, NEVER, np.int64)
        for place, feed in enumerate(history.feeds):
            if not feed.distinct:
                seen = history.days[feed.series].last[rows.customers, self._column(self._today + 1)]
                self._last[:, place] = np.where(self._own[:, place], seen, NEVER)

    def inputs(self, components: Sequence[Component]) -> Inputs:
        values, uses = [], []
        ages: dict[int, Ints] = {}
        missing = np.zeros((len(self._rows.as_of), len(components)), np.bool_)
        unmeasured = np.zeros_like(missing)
        active = self._active()
        left_out = np.zeros(missing.shape, np.int64)
        for column, component in enumerate(components):
            own = self._fed(component.metric)
            if component.ignores_imputed:
                ignored = self._fed(left_out_name(component.metric))
                left_out[:, column] = self._summed(component.looks_back, 0, ignored) // INPUT_UNITS
            busy: Flags = own & active
            used = np.where(np.any(busy, axis=1, keepdims=True), busy, own)
            unmeasured[:, column] = ~own.any(axis=1)
            if component.kind is Kind.RECENCY:
                ages[column], absent = self._age(used)
                value = np.maximum(ages[column], 0) // (DAY // INPUT_UNITS)
            else:
                value, absent = self._value(component, used)
            if component.kind not in {Kind.RECENCY, Kind.TREND}:
                # Nothing is known where all there is was left out; it is not nothing that was done.
                absent = absent | ((value == 0) & (left_out[:, column] > 0))
            values.append(value)
            missing[:, column] = absent
            uses.append(used)
        events = np.array([not feed.gauge for feed in self._history.feeds], np.bool_)
        last_seen = self._last[:, events].max(axis=1, initial=NEVER)
        return Inputs(values, missing, unmeasured, uses, self._horizons, ages, last_seen, left_out)

    def _fed(self, metric: str) -> Flags:
        """Rows x feeds: whether the feed is of the metric, and of the customer's source."""
        fed = np.array([feed.metric == metric for feed in self._history.feeds], np.bool_)
        result: Flags = self._own & fed.reshape(1, -1)
        return result

    def _active(self) -> Flags:
        """Rows x feeds: whether the customer ever did anything on the feed's stream, or had a state there."""
        streams: dict[tuple[str, str], Flags] = {}
        keys = [(feed.source, feed.stream) for feed in self._history.feeds]
        for place, key in enumerate(keys):
            seen = self._last[:, place] != NEVER
            streams[key] = streams[key] | seen if key in streams else seen
        return np.stack([streams[key] for key in keys], axis=1) if keys else np.zeros_like(self._own)

    def _value(self, component: Component, used: Flags) -> tuple[npt.NDArray[Any], Flags]:
        if component.kind is Kind.TREND:
            return self._trend(component, used)
        if component.kind is Kind.BREADTH:
            return self._breadth(component, used), np.zeros(len(used), np.bool_)
        if component.kind is Kind.LEVEL:
            return self._level(used), np.zeros(len(used), np.bool_)
        return self._summed(component.window, 0, used), np.zeros(len(used), np.bool_)

    def _age(self, used: Flags) -> tuple[Ints, Flags]:
        """From the last event to the horizon, on the stream where that is shortest; 0 where there never was one."""
        seen = used & (self._last != NEVER)
        most = np.iinfo(np.int64).max
        # A stream that vouches for nothing lets nobody grow older.
        horizons = np.where(self._horizons == NEVER, self._last, self._horizons)
        ages = np.where(seen, horizons - np.where(seen, self._last, 0), most).min(axis=1, initial=most)
        absent = ages == most
        return np.where(absent, 0, ages), absent

    def _trend(self, component: Component, used: Flags) -> tuple[npt.NDArray[Any], Flags]:
        recent = self._summed(component.window, 0, used)
        earlier = self._summed(component.window, component.window, used)
        absent = earlier <= 0
        if len(recent) and max(int(recent.max()), int(earlier.max())) >= 2**43:
            recent, earlier = recent.astype(object), earlier.astype(object)
        return np.where(absent, 0, np.maximum(recent, 0) * INPUT_UNITS // np.where(absent, 1, earlier)), absent

    def _summed(self, window: int, back: int, used: Flags) -> npt.NDArray[Any]:
        """Sums over windows, `back` days before the latest one."""
        total: npt.NDArray[Any] = np.zeros(len(used), np.int64)
        for place, feed in enumerate(self._history.feeds):
            if feed.distinct or not used[:, place].any():
                continue
            start = self._start(window, self._horizons[:, place])
            end = start if back else self._today + 1
            sums = self._history.days[feed.series].sums
            customers = self._rows.customers
            value = sums[customers, self._column(end)] - sums[customers, self._column(start - back)]
            total = total + np.where(used[:, place], value, 0)
        return total

    def _level(self, used: Flags) -> npt.NDArray[Any]:
        """What gauges come to at the end of the day, or as far as it has come."""
        total: npt.NDArray[Any] = np.zeros(len(used), np.int64)
        for place, feed in enumerate(self._history.feeds):
            if feed.gauge and used[:, place].any():
                value = self._history.days[feed.series].sums[self._rows.customers, self._column(self._today + 1)]
                total = total + np.where(used[:, place], value, 0)
        return total

    def _breadth(self, component: Component, used: Flags) -> npt.NDArray[Any]:
        found = np.zeros(len(used), np.int64)
        sets = self._history.sets.get(component.metric)
        if sets is None:
            return found
        far = np.where(used, self._horizons, np.iinfo(np.int64).max).min(axis=1, initial=np.iinfo(np.int64).max)
        start = self._start(component.window, np.minimum(far, self._rows.as_of))
        spans = np.stack([start, self._today], axis=1)
        kinds, group = np.unique(spans, axis=0, return_inverse=True)
        group = group.reshape(-1)
        for number, (first, last) in enumerate(kinds.tolist()):
            rows = np.flatnonzero(group == number)
            found[rows] = _different(sets, self._rows.customers[rows], first, last)
        return np.where(used.any(axis=1), found, 0) * INPUT_UNITS

    def _start(self, window: int, horizons: Ints) -> Ints:
        """The first day of windows that end where streams stopped vouching."""
        # A stream that never vouched for anything takes nothing away: its windows are as long as what was read.
        return np.where(horizons == NEVER, self._history.first, (horizons - 1) // DAY - window + 1)

    def _column(self, day: Ints) -> Ints:
        """The column that holds everything before a day."""
        width = next((days.last.shape[1] for days in self._history.days.values()), 1)
        return np.clip(day - self._history.first, 0, width - 1)


def _different(sets: _Sets, customers: Ints, first: int, last: int) -> Ints:
    """How many different values each of the customers had from day `first` to `last`."""
    if len(customers) == 1:
        # One customer at an instant of its own (it has left): its stretch of the entries is enough.
        low, high = np.searchsorted(sets.customers, [customers[0], customers[0] + 1]).tolist()
    else:
        low, high = 0, len(sets.days)
    days = sets.days[low:high]
    fresh = (days >= first) & (days <= last) & (sets.before[low:high] < first)
    counts = np.bincount(sets.customers[low:high][fresh], minlength=int(customers.max(initial=0)) + 1)[customers]
    for place in np.flatnonzero(np.isin(customers, list(sets.sketches))):
        states = [state for day, state in sets.sketches[int(customers[place])] if first <= day <= last]
        counts[place] = distinct_total(states)[0]
    return counts
