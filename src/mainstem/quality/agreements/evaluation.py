"""Comparing two sides: which entities match, and which values of those that do agree.

Each side is read once, in batches; the rest is DuckDB's, within a bound of memory. Each entity of a side is in exactly one of matched, only, ambiguous, unkeyed and unsettled.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Literal

import duckdb

from mainstem.privacy import Hasher
from mainstem.quality.agreements.agreement import Agreement, Comparison, ContractVersions
from mainstem.quality.agreements.desk import open_desk
from mainstem.quality.agreements.forms import asked_of, is_hashable, put_side
from mainstem.quality.agreements.held import HeldEntities
from mainstem.quality.agreements.reader import check_agreement
from mainstem.store import Connection

__all__ = ["MOST_DIFFERENCES", "Compared", "Difference", "Evaluation", "SideCounts", "evaluate"]

MOST_DIFFERENCES = 100
"""Kept of each kind, and of each comparison."""

Kind = Literal["differing", "missing_left", "missing_right", "only_left", "only_right", "ambiguous"]


@dataclasses.dataclass(frozen=True, slots=True)
class SideCounts:
    """What became of the entities of a side; the others add up to `total`."""

    total: int
    matched: int
    only: int
    """The other side has none of this key."""
    ambiguous: int
    """Several of a side have this key, and the other side has it too."""
    unkeyed: int
    """Without a value to match by."""
    unsettled: int
    """It, or the one that it matches, changed too lately to say that they differ."""


@dataclasses.dataclass(frozen=True, slots=True)
class Compared:
    """What matched entities say of a comparison; where neither side has a value they say nothing."""

    left: str
    right: str
    agreeing: int
    differing: int
    missing_left: int
    missing_right: int

    @property
    def n(self) -> int:
        """Entities of which both sides have a value."""
        return self.agreeing + self.differing


@dataclasses.dataclass(frozen=True, slots=True)
class Difference:
    """An entity that differs, or stands alone. Values are told of attributes without personal data only."""

    kind: Kind
    comparison: int | None
    """Its number, from 0; None where entities are alone."""
    left: bytes | None
    right: bytes | None
    left_value: str | None
    right_value: str | None
    changed_at: dt.datetime


@dataclasses.dataclass(frozen=True, slots=True)
class Evaluation:
    """What an agreement came to at an instant."""

    at: dt.datetime
    left: SideCounts
    right: SideCounts
    ambiguous: int
    """Keys that several of a side have, and the other side has too."""
    agreeing: int
    """Matched entities of which both sides have a value in some comparison and differ in none, of `n`."""
    n: int
    compared: Sequence[Compared]
    differences: Sequence[Difference]
    """The latest first, by kind and comparison."""


def evaluate(
    snapshot: Callable[[], AbstractContextManager[Connection]],
    agreement: Agreement,
    contracts: ContractVersions,
    held: HeldEntities,
    tools: tuple[Hasher, Path],
    now: dt.datetime,
) -> Evaluation:
    """Compare what is held of both sides in one snapshot, which is over when the comparing begins; `now` is wall time.

    `tools`: what hashes personal values, and the folder for what memory does not hold. Raises ConfigurationError where the
    contracts in force do not bear the agreement, IntegrityError where a seal does not open, StorageFullError, UnavailableError,
    also where there are more entities than memory and disk are allowed for.
    """
    both = check_agreement(agreement, contracts, where=f"agreement {agreement.name}")
    sides = {"l": agreement.left, "r": agreement.right}
    asked = {name: asked_of(agreement, both, contracts, left=name == "l") for name in sides}
    hasher, folder = tools
    bare = any(one.bare for columns in asked.values() for one in columns)
    with open_desk(repr(agreement.name), None if bare else folder, hasher) as desk:
        with snapshot() as conn:
            for (name, side), contract in zip(sides.items(), both, strict=True):
                put_side(conn, held, asked[name], (side.source, contract), desk, name)
        return _compared(desk.duck, agreement, now)


def _compared(duck: duckdb.DuckDBPyConnection, agreement: Agreement, now: dt.datetime) -> Evaluation:
    horizon = f"TIMESTAMPTZ '{(now - agreement.settle).isoformat()}'"
    duck.execute(
        """
        CREATE TABLE shared AS
        SELECT k, a.n AS ln, b.n AS rn, a.n > 1 OR b.n > 1 AS ambiguous
        FROM (SELECT k, count(*) AS n FROM l WHERE k IS NOT NULL GROUP BY k) AS a
        JOIN (SELECT k, count(*) AS n FROM r WHERE k IS NOT NULL GROUP BY k) AS b USING (k)
        """
    )
    columns = "".join(
        f", {_verdict(one, n)} AS c{n}, l.s{n} AS ls{n}, r.s{n} AS rs{n}" for n, one in enumerate(agreement.comparisons)
    )
    duck.execute(
        f"""
        CREATE TABLE pair AS
        SELECT l.ref AS left_ref, r.ref AS right_ref, greatest(l.changed_at, r.changed_at) AS moved_at,
            moved_at > {horizon} AS unsettled{columns}
        FROM shared JOIN l USING (k) JOIN r USING (k) WHERE NOT ambiguous
        """
    )
    [(ambiguous, young)] = duck.execute(
        "SELECT (SELECT count(*) FROM shared WHERE ambiguous), (SELECT count(*) FROM pair WHERE unsettled)"
    ).fetchall()
    left, right = _count_side(duck, "l", horizon, young), _count_side(duck, "r", horizon, young)
    compared = [_count_pairs(duck, one, n) for n, one in enumerate(agreement.comparisons)]
    numbers = range(len(agreement.comparisons))
    differs = " OR ".join(f"coalesce(c{n} = 'differing', false)" for n in numbers)
    said = " OR ".join(f"coalesce(c{n} IN ('agreeing', 'differing'), false)" for n in numbers)
    [(n, agreeing)] = duck.execute(
        f"SELECT count(*), count(*) FILTER (WHERE NOT ({differs})) FROM pair WHERE NOT unsettled AND ({said})"
    ).fetchall()
    differences = [one for number in numbers for one in _differing(duck, number)]
    differences += [*_alone(duck, "l", horizon), *_alone(duck, "r", horizon), *_ambiguous(duck)]
    return Evaluation(now, left, right, ambiguous, agreeing, n, compared, differences)


def _verdict(comparison: Comparison, n: int) -> str:
    """SQL for what a pair says of a comparison; null where neither side has a value."""
    left, right = f"l.v{n}", f"r.v{n}"
    apart = f"abs({left} - {right})"
    if comparison.relative:
        alike = f"{apart}::DOUBLE <= {comparison.tolerance}::DOUBLE * greatest(abs({left}), abs({right}))::DOUBLE"
    elif not is_hashable(comparison):
        alike = f"{apart} <= {comparison.tolerance:f}"
    else:
        alike = f"{left} = {right}"
    return f"""
        CASE WHEN {left} IS NULL AND {right} IS NULL THEN NULL WHEN {left} IS NULL THEN 'missing_left'
        WHEN {right} IS NULL THEN 'missing_right' WHEN {alike} THEN 'agreeing' ELSE 'differing' END
    """


def _count_side(duck: duckdb.DuckDBPyConnection, side: str, horizon: str, young: int) -> SideCounts:
    [(total, unkeyed, late, alone, ambiguous, paired)] = duck.execute(
        f"""
        SELECT count(*), count(*) FILTER (WHERE s.k IS NULL), count(*) FILTER (WHERE alone AND s.changed_at > {horizon}),
            count(*) FILTER (WHERE alone), count(*) FILTER (WHERE ambiguous), count(*) FILTER (WHERE NOT ambiguous)
        FROM (SELECT {side}.k, changed_at, ambiguous, {side}.k IS NOT NULL AND ambiguous IS NULL AS alone
            FROM {side} LEFT JOIN shared ON shared.k = {side}.k) AS s
        """
    ).fetchall()
    return SideCounts(total, paired - young, alone - late, ambiguous, unkeyed, late + young)


def _count_pairs(duck: duckdb.DuckDBPyConnection, comparison: Comparison, n: int) -> Compared:
    words = ("agreeing", "differing", "missing_left", "missing_right")
    counts = ", ".join(f"count(*) FILTER (WHERE c{n} = '{word}')" for word in words)
    [found] = duck.execute(f"SELECT {counts} FROM pair WHERE NOT unsettled").fetchall()
    return Compared(comparison.left, comparison.right, *found)


def _differing(duck: duckdb.DuckDBPyConnection, n: int) -> Iterator[Difference]:
    rows = duck.execute(
        f"""
        SELECT c{n} AS kind, {n} AS comparison, left_ref AS "left", right_ref AS "right", ls{n} AS left_value,
            rs{n} AS right_value, moved_at AS changed_at
        FROM pair WHERE NOT unsettled AND c{n} <> 'agreeing'
        QUALIFY row_number() OVER (PARTITION BY c{n} ORDER BY moved_at DESC, left_ref) <= {MOST_DIFFERENCES}
        ORDER BY kind, moved_at DESC, left_ref
        """
    ).to_arrow_table()
    return (Difference(**row) for row in rows.to_pylist())


def _alone(duck: duckdb.DuckDBPyConnection, side: str, horizon: str) -> Iterator[Difference]:
    rows = duck.execute(
        f"""
        SELECT ref, changed_at FROM {side} ANTI JOIN shared USING (k) WHERE k IS NOT NULL AND changed_at <= {horizon}
        ORDER BY changed_at DESC, ref LIMIT {MOST_DIFFERENCES}
        """
    ).to_arrow_table()
    for row in rows.to_pylist():
        ref, at = row["ref"], row["changed_at"]
        if side == "l":
            yield Difference("only_left", None, ref, None, None, None, at)
        else:
            yield Difference("only_right", None, None, ref, None, None, at)


def _ambiguous(duck: duckdb.DuckDBPyConnection) -> Iterator[Difference]:
    """Two that have an ambiguous key, one of each side: of each key its latest."""
    rows = duck.execute(
        f"""
        SELECT "left", "right", greatest(left_at, right_at) AS changed_at
        FROM (
            SELECT k, arg_max(ref, (changed_at, ref)) AS "left", max(changed_at) AS left_at
            FROM l SEMI JOIN (SELECT k FROM shared WHERE ambiguous) AS s USING (k) GROUP BY k
        ) JOIN (
            SELECT k, arg_max(ref, (changed_at, ref)) AS "right", max(changed_at) AS right_at
            FROM r SEMI JOIN (SELECT k FROM shared WHERE ambiguous) AS s USING (k) GROUP BY k
        ) USING (k)
        ORDER BY changed_at DESC, "left" LIMIT {MOST_DIFFERENCES}
        """
    ).to_arrow_table()
    return (
        Difference("ambiguous", None, row["left"], row["right"], None, None, row["changed_at"])
        for row in rows.to_pylist()
    )
