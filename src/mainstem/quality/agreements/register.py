"""Evaluations as they are kept: their figures with a history, the entities that differed, and what fields are worth by them."""

from __future__ import annotations

import dataclasses
import datetime as dt
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from mainstem.contracts import Contract
from mainstem.quality.agreements.agreement import Agreement, Truth, field_of
from mainstem.quality.agreements.evaluation import Compared, Difference, Evaluation, SideCounts
from mainstem.quality.dimensions import WHOLE, Dimension
from mainstem.quality.measurements import Measurement, Method, write_measurements
from mainstem.store import Connection, Database

__all__ = ["Run", "keep_evaluation", "last_run_at", "read_differences", "read_runs"]

# Every evaluation is kept so long, then the last of each day.
_EACH = dt.timedelta(days=2)
_KEPT = dt.timedelta(days=400)
_MOST_RUNS = 1000


@dataclasses.dataclass(frozen=True, slots=True)
class Run:
    """What an agreement came to once; `version` is the declaration's."""

    name: str
    at: dt.datetime
    version: int
    left: SideCounts
    right: SideCounts
    ambiguous: int
    agreeing: int
    n: int
    compared: tuple[Compared, ...]


def keep_evaluation(
    database: Database,
    agreement: Agreement,
    version: int,
    evaluation: Evaluation,
    contracts: tuple[Contract, Contract],
) -> None:
    """Keep an evaluation; its differences take the place of those before. Raises StorageFullError or UnavailableError."""
    name, at = agreement.name, evaluation.at
    figures = dataclasses.asdict(evaluation)
    del figures["at"], figures["differences"]
    with database.transaction() as conn:
        # Two schedulers for a moment: one keeps what it found after the other.
        conn.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"agreement {name}"])
        conn.execute(
            "INSERT INTO agreement_run (name, at, version, figures) VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING",
            [name, at, version, msgspec.json.encode(figures).decode()],
        )
        conn.execute(
            """
            DELETE FROM agreement_run AS old WHERE name = %s AND (at < %s OR at < %s AND EXISTS (
                SELECT FROM agreement_run AS later WHERE later.name = old.name AND later.at > old.at
                  AND (later.at AT TIME ZONE 'UTC')::date = (old.at AT TIME ZONE 'UTC')::date
            ))
            """,
            [name, at - _KEPT, at - _EACH],
        )
        conn.execute("DELETE FROM agreement_difference WHERE name = %s", [name])
        with conn.cursor() as cursor:
            cursor.executemany(
                """
                INSERT INTO agreement_difference
                    (name, place, kind, comparison, left_ref, right_ref, left_value, right_value, changed_at)
                VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)
                """,
                [[name, place, *_as_row(one)] for place, one in enumerate(evaluation.differences)],
            )
        conn.execute(
            "DELETE FROM quality_measurement WHERE method = %s AND name = %s AND day = %s",
            [str(Method.AGREEMENT), name, at.astimezone(dt.UTC).date()],
        )
        write_measurements(conn, _measurements(agreement, evaluation, contracts))


def last_run_at(conn: Connection, name: str) -> tuple[dt.datetime, int] | None:
    """When an agreement was evaluated last, and which version of it; None before the first time."""
    row = conn.execute(
        "SELECT at, version FROM agreement_run WHERE name = %s ORDER BY at DESC LIMIT 1", [name]
    ).fetchone()
    return None if row is None else (row[0], row[1])


def read_runs(conn: Connection, first: dt.date, last: dt.date) -> Mapping[str, Sequence[Run]]:
    """By agreement, the last evaluation of each of these days in UTC, the latest first; 1,000 of each at most."""
    rows = conn.execute(
        f"""
        SELECT name, at, version, figures FROM (
            SELECT *, row_number() OVER (PARTITION BY name ORDER BY at DESC) AS place FROM (
                SELECT DISTINCT ON (name, (at AT TIME ZONE 'UTC')::date) * FROM agreement_run
                WHERE at >= %s::date::timestamp AT TIME ZONE 'UTC' AND at < (%s::date + 1)::timestamp AT TIME ZONE 'UTC'
                ORDER BY name, (at AT TIME ZONE 'UTC')::date, at DESC
            ) AS daily
        ) AS numbered WHERE place <= {_MOST_RUNS} ORDER BY name, at DESC
        """,
        [first, last],
    ).fetchall()
    found: dict[str, list[Run]] = {}
    for name, at, version, figures in rows:
        found.setdefault(name, []).append(_run(name, at, version, figures))
    return found


def read_differences(
    conn: Connection, name: str, version: int, *, kind: str | None, limit: int
) -> tuple[int, list[Difference]]:
    """How many entities of a kind (all when None) are kept of the latest evaluation, and the first of them.

    None where it was of another version of the agreement: what is compared may be something else by now.
    """
    rows = conn.execute(
        """
        SELECT count(*) OVER (), kind, comparison, left_ref, right_ref, left_value, right_value, changed_at
        FROM agreement_difference WHERE name = %s AND (%s::text IS NULL OR kind = %s)
          AND (SELECT version FROM agreement_run WHERE name = %s ORDER BY at DESC LIMIT 1) = %s
        ORDER BY place LIMIT %s
        """,
        [name, kind, kind, name, version, limit],
    ).fetchall()
    found = [
        Difference(what, comparison, left and left.bytes, right and right.bytes, *rest)
        for _, what, comparison, left, right, *rest in rows
    ]
    return (rows[0][0] if rows else 0), found


def _run(name: str, at: dt.datetime, version: int, figures: Mapping[str, Any]) -> Run:
    return Run(
        name=name,
        at=at,
        version=version,
        left=SideCounts(**figures["left"]),
        right=SideCounts(**figures["right"]),
        ambiguous=figures["ambiguous"],
        agreeing=figures["agreeing"],
        n=figures["n"],
        compared=tuple(Compared(**one) for one in figures["compared"]),
    )


def _as_row(one: Difference) -> list[Any]:
    refs = [None if ref is None else uuid.UUID(bytes=ref) for ref in (one.left, one.right)]
    return [one.kind, one.comparison, *refs, one.left_value, one.right_value, one.changed_at]


def _measurements(
    agreement: Agreement, evaluation: Evaluation, contracts: tuple[Contract, Contract]
) -> Iterator[Measurement]:
    """What the evaluation says of fields: how true those are that are held beside a truth, else how consistent both are."""
    judged = {Truth.LEFT: ("right",), Truth.RIGHT: ("left",), Truth.NEITHER: ("left", "right")}[agreement.truth]
    dimension = Dimension.CONSISTENCY if agreement.truth is Truth.NEITHER else Dimension.ACCURACY
    for which in judged:
        side, contract = (agreement.left, contracts[0]) if which == "left" else (agreement.right, contracts[1])
        counted = [(WHOLE, evaluation.agreeing, evaluation.n)]
        for compared in evaluation.compared:
            field = field_of(contract, getattr(compared, which))
            if field is not None:
                counted.append((field.name, compared.agreeing, compared.n))
        for name, good, n in counted:
            yield Measurement(
                side.source, side.stream, name, dimension, Method.AGREEMENT, agreement.name, evaluation.at, good, n
            )
