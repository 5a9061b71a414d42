"""Bounds for `clip` and `flag`, proposed from sample records: the median, and so many scaled deviations to both sides.

The median absolute deviation times 1.4826 estimates the standard deviation of a normal distribution, and half of the values
may be wrong before it is (F. R. Hampel, The Influence Curve and Its Role in Robust Estimation, JASA 69, 1974). A value further
than 3.5 of them from the median is commonly called an outlier (B. Iglewicz, D. C. Hoaglin, How to Detect and Handle Outliers,
1993). A bound that follows from other records cannot be folded again record by record, so it is proposed, and declared.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import math
from collections.abc import Mapping, Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

import duckdb
import pyarrow as pa

from mainstem.contracts.contract import Contract, ContractField
from mainstem.contracts.plan import FIELD_PREFIX, ORIGINAL_PREFIX, CheckPlan
from mainstem.contracts.trial import sample_records
from mainstem.errors import ConfigurationError
from mainstem.hints import near_miss
from mainstem.model import FieldType, PiiClass

__all__ = ["BoundsSample", "ProposedBounds"]

_SCALE = 1.4826
_FEWEST = 20
_MOST_SEGMENTS = 100
_NUMERIC = (FieldType.INTEGER, FieldType.NUMBER)

Pair = tuple[Decimal, Decimal]


@dataclasses.dataclass(frozen=True, slots=True)
class ProposedBounds:
    """What a sample says of a field: the bounds of all its values (None: `why` not), and by value of the segment field.

    `beyond` is how many of the `values` are out of the bounds that they would be held to.
    """

    field: str
    values: int
    beyond: int
    every: Pair | None
    segments: Mapping[str, Pair]
    why: str | None = None

    def remedy(self, word: str, by: str | None) -> dict[str, Any] | None:
        """The entry of `remedies`, `word` being clip or flag; None where nothing is proposed."""
        if self.every is None:
            return None
        said: dict[str, Any] = {"min": _plain(self.every[0]), "max": _plain(self.every[1])}
        if by is not None and self.segments:
            pairs = {name: [_plain(low), _plain(high)] for name, (low, high) in self.segments.items()}
            said = {"by": by, "bounds": pairs, **said}
        return {word: said}


class BoundsSample:
    """The numbers in the records given to `add`, as their source sends them."""

    def __init__(
        self,
        contract: Contract,
        connection: duckdb.DuckDBPyConnection,
        now: dt.datetime,
        *,
        field: str | None = None,
        by: str | None = None,
    ) -> None:
        """`field` None: all numbers that are not personal. Raises ConfigurationError for names that cannot be used."""
        self._plan = CheckPlan.compile(contract)
        self._connection = connection
        self._now = now
        self._by = by
        numbers = [one for one in contract.fields.values() if one.type in _NUMERIC and one.pii is PiiClass.NONE]
        if by is not None:
            _usable(contract, by, "--by", (FieldType.STRING,))
        if field is not None:
            numbers = [_usable(contract, field, "--field", _NUMERIC)]
        self._fields: Sequence[ContractField] = numbers
        self._rows: list[pa.Table] = []

    def add(self, payloads: pa.Array, numbers: Sequence[int]) -> None:
        """Take records (binary) in; `numbers` are those they are told by. Raises duckdb.Error."""
        records = sample_records(self._plan.contract, payloads, numbers, self._now)
        checked = self._plan.run(self._connection, records)
        columns = {
            one.name: checked[(ORIGINAL_PREFIX if one.remedies else FIELD_PREFIX) + one.name].cast(
                pa.float64(), safe=False
            )
            for one in self._fields
        }
        # A remedy sees the segment with its own remedies done.
        segment = pa.nulls(len(checked), pa.string()) if self._by is None else checked[FIELD_PREFIX + self._by]
        self._rows.append(pa.table({"segment": segment, **columns}))

    def proposed(self, deviations: float) -> list[ProposedBounds]:
        """What the sample says, with bounds so many scaled deviations from the median. Raises ConfigurationError."""
        if not self._rows:
            return []
        self._connection.register("sample", pa.concat_tables(self._rows))
        try:
            return [self._propose(one, deviations) for one in self._fields]
        finally:
            self._connection.unregister("sample")

    def _propose(self, field: ContractField, deviations: float) -> ProposedBounds:
        value = f'"{field.name}"'
        rows = self._connection.execute(
            f"""
            SELECT segment, grouping(segment) = 1 AS every, count({value}), median({value}), mad({value}) FROM sample
            WHERE {value} IS NOT NULL GROUP BY GROUPING SETS ((segment), ()) ORDER BY segment
            """
        ).fetchall()
        [(_, _, values, *spread)] = [row for row in rows if row[1]] or [(None, True, 0, None, None)]
        every, why = _bounds(field, values, spread, deviations)
        found = [row for row in rows if not row[1] and row[0] is not None]
        if self._by is not None and len(found) > _MOST_SEGMENTS:
            raise ConfigurationError(
                f"{self._by!r} has {len(found)} values in the sample.",
                where="--by",
                hint=f"Bounds go by up to {_MOST_SEGMENTS} values: name a field with fewer.",
            )
        segments = {}
        for name, _, count, *of in found:
            pair, _ = _bounds(field, count, of, deviations)
            if pair is not None:
                segments[name] = pair
        beyond = self._beyond(value, every, segments) if every is not None else 0
        return ProposedBounds(field.name, values, beyond, every, segments, why)

    def _beyond(self, value: str, every: Pair, segments: Mapping[str, Pair]) -> int:
        held = pa.table(
            {
                "segment": pa.array(list(segments), pa.string()),
                "low": pa.array([float(low) for low, _ in segments.values()], pa.float64()),
                "high": pa.array([float(high) for _, high in segments.values()], pa.float64()),
            }
        )
        self._connection.register("held", held)
        try:
            [(beyond,)] = self._connection.execute(
                f"""
                SELECT count(*) FROM sample LEFT JOIN held USING (segment)
                WHERE {value} < coalesce(low, ?) OR {value} > coalesce(high, ?)
                """,
                [float(every[0]), float(every[1])],
            ).fetchall()
        finally:
            self._connection.unregister("held")
        return int(beyond)


def _usable(contract: Contract, name: str, option: str, kinds: Sequence[FieldType]) -> ContractField:
    field = contract.fields.get(name)
    if field is None:
        raise ConfigurationError(f"{name!r} is no field.", where=option, hint=near_miss(name, contract.fields))
    if field.type not in kinds:
        raise ConfigurationError(
            f"{name!r} is of type {field.type}.", where=option, hint=f"Name a field of type {' or '.join(kinds)}."
        )
    if field.pii is not PiiClass.NONE:
        raise ConfigurationError(
            f"{name!r} is {field.pii}, and what its values are must not stand in a contract.", where=option
        )
    return field


def _bounds(
    field: ContractField, values: int, spread: Sequence[float | None], deviations: float
) -> tuple[Pair | None, str | None]:
    """Bounds, rounded outwards: of numbers to three digits of the scaled deviation; or why there are none."""
    median, mad = spread
    if values < _FEWEST or median is None or mad is None:
        return None, f"{values} values are too few: {_FEWEST} are needed."
    if mad == 0:
        return None, "More than half of the values are the same."
    scaled = _SCALE * mad
    whole = field.type is FieldType.INTEGER
    step = Decimal(1) if whole else Decimal(1).scaleb(max(math.floor(math.log10(scaled)) - 2, -9))
    low, high = (Decimal(repr(median + side * deviations * scaled)) for side in (-1, 1))
    low, high = (
        (low / step).to_integral_value(ROUND_FLOOR) * step,
        (high / step).to_integral_value(ROUND_CEILING) * step,
    )
    if whole:
        # What no integer is beyond is no bound.
        low, high = max(low, Decimal(-(2**63))), min(high, Decimal(2**63 - 1))
    return (low, high), None


def _plain(number: Decimal) -> int | float:
    return int(number) if number == number.to_integral_value() else float(number)
