"""What a metric is: a declared measure over the events of one entity, kept in cells of one bucket length.

A *series* is one metric of one stream; its id is computed, so that a rebuild and every process name it alike.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import hashlib

__all__ = ["HOUR", "Bucket", "Granularity", "Measure", "Metric", "Series", "left_out_name", "series_id"]

HOUR = dt.timedelta(hours=1)


class Measure(enum.StrEnum):
    """How values of a metric merge (DESIGN: measures)."""

    COUNT = "count"
    SUM = "sum"
    MIN = "min"
    MAX = "max"
    FIRST = "first"
    LAST = "last"
    DISTINCT = "distinct"

    @property
    def additive(self) -> bool:
        """Whether a cell is a number that deltas are added to; otherwise it is a state."""
        return self in {Measure.COUNT, Measure.SUM}

    @property
    def retractable(self) -> bool:
        """Whether a value can be taken back from a cell without looking at the records again."""
        return self.additive or self is Measure.DISTINCT


class Bucket(enum.StrEnum):
    """The length of a cell in time; buckets begin at whole hours or days of UTC."""

    HOUR = "hour"
    DAY = "day"

    @property
    def length(self) -> dt.timedelta:
        """From the bucket's begin to its end."""
        return HOUR if self is Bucket.HOUR else dt.timedelta(days=1)


class Granularity(enum.StrEnum):
    """Spans of UTC time that values are shown by; weeks begin on Monday."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"

    def floor(self, instant: dt.datetime) -> dt.datetime:
        """The begin of the span that the instant lies in."""
        hour = instant.astimezone(dt.UTC).replace(minute=0, second=0, microsecond=0)
        match self:
            case Granularity.HOUR:
                return hour
            case Granularity.DAY:
                return hour.replace(hour=0)
            case Granularity.WEEK:
                return hour.replace(hour=0) - dt.timedelta(days=hour.weekday())
            case Granularity.MONTH:
                return hour.replace(day=1, hour=0)

    def after(self, start: dt.datetime) -> dt.datetime:
        """The begin of the next span, from the begin of one."""
        if self is Granularity.MONTH:
            return (start + dt.timedelta(days=32)).replace(day=1)
        return start + {"hour": HOUR, "day": dt.timedelta(days=1), "week": dt.timedelta(days=7)}[self]


@dataclasses.dataclass(frozen=True, slots=True)
class Metric:
    """A declared metric. `condition` is SQL for DuckDB over the entity's columns, already checked; None: every event."""

    name: str
    entity: str
    measure: Measure
    bucket: Bucket
    value: str | None = None
    """The attribute measured; None for a count."""
    where: str | None = None
    """The condition as declared."""
    condition: str | None = None
    leaves_out: str | None = None
    """SQL, as `condition`, for events that would count, were they not left out for what was imputed; None: none is."""
    rollup: bool = True
    """Whether sums over all customers are kept beside the cells."""
    label: str = ""
    unit: str = ""
    description: str = ""
    text: str = ""
    """The declaration this was read from."""
    since: dt.datetime | None = None
    """Records received before this do not count, so that a rebuild counts as was counted; None: all do."""

    def grains(self) -> tuple[Granularity, ...]:
        """The spans that sums over all customers are kept by: what is a state cannot be added up when read."""
        last = Granularity.DAY if self.measure.additive else Granularity.MONTH
        every = list(Granularity)
        return tuple(every[every.index(Granularity(self.bucket)) : every.index(last) + 1])

    def meaning(self) -> tuple[str, ...]:
        """What decides the numbers: two metrics with equal meanings fill their cells alike."""
        return (self.name, self.entity, self.measure, self.bucket, self.value or "", self.condition or "")

    def left_out(self) -> Metric | None:
        """The count of the events that it leaves out; None where it leaves none out."""
        if self.leaves_out is None:
            return None
        return dataclasses.replace(
            self,
            name=left_out_name(self.name),
            measure=Measure.COUNT,
            value=None,
            condition=self.leaves_out,
            leaves_out=None,
            rollup=False,
        )


@dataclasses.dataclass(frozen=True, slots=True)
class Series:
    """One metric of one stream, as registered with its cells. `grace` is the stream's when it was first seen."""

    id: int
    metric: str
    source: str
    stream: str
    measure: Measure
    bucket: dt.timedelta
    grace: dt.timedelta


def left_out_name(metric: str) -> str:
    """The name under which the events that a metric leaves out are counted; no declared metric can have it."""
    return f"{metric}.imputed"


def series_id(metric: str, source: str, stream: str) -> int:
    """The id of a metric's series for a stream: 63 bits of SHA-256, the same everywhere and for ever."""
    digest = hashlib.sha256(f"{metric}\0{source}\0{stream}".encode()).digest()
    return int.from_bytes(digest[:8]) & (2**63 - 1)
