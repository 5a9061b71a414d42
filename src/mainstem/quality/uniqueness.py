"""Fields that are declared `unique`: whether entities share a value, over all that are held.

A record knows nothing of the other entities, so no check of it can say this, and nothing is kept from taking effect: it warns.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import uuid
from collections.abc import Sequence

import duckdb

from mainstem.contracts import Contract, ContractField
from mainstem.model import PiiClass
from mainstem.quality.agreements import OWN_KEY, AgreementParts, Side
from mainstem.quality.agreements.agreement import Part, part_of
from mainstem.quality.agreements.desk import open_desk
from mainstem.quality.agreements.due import Turns
from mainstem.quality.agreements.forms import Asked, plain_text, put_side, value_of
from mainstem.quality.dimensions import WHOLE, Dimension
from mainstem.quality.measurements import Measurement, Method, write_measurements
from mainstem.store import Connection, Database

__all__ = ["DueUniqueness", "SharedValue", "Uniqueness", "find_shared", "keep_shared", "read_shared"]

_MOST_VALUES = 100
_MOST_REFS = 20


@dataclasses.dataclass(frozen=True, slots=True)
class SharedValue:
    """A value, of which nothing is said, that `n` entities have; `refs` are some of them."""

    source: str
    stream: str
    field: str
    n: int
    refs: tuple[bytes, ...]
    at: dt.datetime


@dataclasses.dataclass(frozen=True, slots=True)
class Uniqueness:
    """What was found of a stream: how many values of each field are nobody else's, and those that are shared the most."""

    measurements: Sequence[Measurement]
    shared: Sequence[SharedValue]


class DueUniqueness:
    """Looks at streams with unique fields in turn, one at a step."""

    def __init__(self, parts: AgreementParts) -> None:
        self._parts = parts
        self._turns = Turns()

    def step(self, streams: Sequence[tuple[str, str]], now: dt.datetime) -> tuple[str, str] | None:
        """Look at the stream that waits longest, if one does for as long as agreements do; its source and name.

        `streams` are all that may have such fields, by source. Raises StorageFullError or UnavailableError.
        """
        parts = self._parts
        _forget(parts)
        with parts.database.snapshot() as conn:
            rows = conn.execute(
                "SELECT name, max(measured_at) FROM quality_measurement WHERE method = %s GROUP BY 1",
                [str(Method.UNIQUE)],
            ).fetchall()
        seen = dict(rows)
        for source, stream in self._turns.due({name: seen.get(".".join(name)) for name in streams}, now):
            contract = parts.contracts.active(source, stream)
            if contract is None or not _unique_fields(contract):
                continue
            with self._turns.turn((source, stream), now, source=source, stream=stream):
                keep_shared(parts.database, (source, stream), find_shared(parts, contract, source, now))
            return source, stream
        return None


def _forget(parts: AgreementParts) -> None:
    """Forget the shared values of streams in which nothing is to be unique any more."""
    with parts.database.transaction() as conn:
        for source, stream in conn.execute("SELECT DISTINCT source, stream FROM shared_value").fetchall():
            contract = parts.contracts.active(source, stream)
            if contract is None or not _unique_fields(contract):
                conn.execute("DELETE FROM shared_value WHERE (source, stream) = (%s, %s)", [source, stream])


def find_shared(parts: AgreementParts, contract: Contract, source: str, now: dt.datetime) -> Uniqueness:
    """Look for values of the stream's unique fields that several of its entities have; `now` is wall time.

    Raises IntegrityError where a seal does not open, StorageFullError, UnavailableError, also where memory and disk do not do.
    """
    fields = _unique_fields(contract)
    attributes = {field: name for name, field in contract.mapping.attributes.items() if isinstance(field, str)}
    asked = []
    for n, field in enumerate(fields):
        part = part_of(parts.contracts, Side(source, contract.stream, OWN_KEY), contract, attributes[field.name])
        asked.append(_asked(n, field, attributes[field.name], part))
    name = f"{source}.{contract.stream}"
    with open_desk(name, parts.folder, parts.hasher) as desk:
        with parts.database.snapshot() as conn:
            put_side(conn, parts.held, asked, (source, contract), desk, "entity")
        duck = desk.duck

        def measurement(field: str, good: int, n: int) -> Measurement:
            return Measurement(source, contract.stream, field, Dimension.UNIQUENESS, Method.UNIQUE, name, now, good, n)

        measurements, shared = [], []
        for n, field in enumerate(fields):
            measurements.append(measurement(field.name, *_count(duck, n)))
            shared += [SharedValue(source, contract.stream, field.name, k, refs, now) for k, refs in _groups(duck, n)]
        measurements.append(measurement(WHOLE, *_count_whole(duck, len(fields))))
        return Uniqueness(measurements, shared)


def keep_shared(database: Database, stream: tuple[str, str], found: Uniqueness) -> None:
    """Keep what was found of a stream in the place of what was. Raises StorageFullError or UnavailableError."""
    with database.transaction() as conn:
        conn.execute("DELETE FROM shared_value WHERE (source, stream) = (%s, %s)", stream)
        with conn.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO shared_value (source, stream, field, place, n, refs, at) VALUES (%s, %s, %s, %s, %s, %s, %s)",
                [
                    [
                        one.source,
                        one.stream,
                        one.field,
                        place,
                        one.n,
                        [uuid.UUID(bytes=ref) for ref in one.refs],
                        one.at,
                    ]
                    for place, one in enumerate(found.shared)
                ],
            )
        write_measurements(conn, found.measurements)


def read_shared(
    conn: Connection, source: str | None, stream: str | None, field: str | None, *, limit: int
) -> tuple[int, list[SharedValue]]:
    """How many shared values are kept of these streams (all when None), and those that most entities share."""
    rows = conn.execute(
        """
        SELECT count(*) OVER (), source, stream, field, n, refs, at FROM shared_value
        WHERE (%s::text IS NULL OR source = %s) AND (%s::text IS NULL OR stream = %s) AND (%s::text IS NULL OR field = %s)
        ORDER BY n DESC, source, stream, field, place LIMIT %s
        """,
        [source, source, stream, stream, field, field, limit],
    ).fetchall()
    found = [
        SharedValue(source, stream, field, n, tuple(ref.bytes for ref in refs), at)
        for _, source, stream, field, n, refs, at in rows
    ]
    return (rows[0][0] if rows else 0), found


def _unique_fields(contract: Contract) -> list[ContractField]:
    return [field for field in contract.fields.values() if field.unique]


def _asked(n: int, field: ContractField, attribute: str, part: Part) -> Asked:
    plain = plain_text(value_of(attribute, part), fold=field.pii is PiiClass.EMAIL)
    return Asked(f"v{n}", attribute, part.sealed, f"nullif({plain}, '')", hashed=part.sealed)


def _count(duck: duckdb.DuckDBPyConnection, n: int) -> tuple[int, int]:
    """How many entities have a value that no other has, of those that have one."""
    [(good, of)] = duck.execute(
        f"""
        SELECT count(*) FILTER (WHERE k = 1), coalesce(sum(k), 0)::BIGINT
        FROM (SELECT count(*) AS k FROM entity WHERE v{n} IS NOT NULL GROUP BY v{n})
        """
    ).fetchall()
    return good, of


def _count_whole(duck: duckdb.DuckDBPyConnection, fields: int) -> tuple[int, int]:
    """How many entities share no value, of those that have one in some field."""
    counts = ", ".join(f"count(*) OVER (PARTITION BY v{n}) AS k{n}, v{n}" for n in range(fields))
    any_value = " OR ".join(f"v{n} IS NOT NULL" for n in range(fields))
    shares = " OR ".join(f"(v{n} IS NOT NULL AND k{n} > 1)" for n in range(fields))
    [(good, of)] = duck.execute(
        f"SELECT count(*) FILTER (WHERE NOT ({shares})), count(*) FROM (SELECT {counts} FROM entity) WHERE {any_value}"
    ).fetchall()
    return good, of


def _groups(duck: duckdb.DuckDBPyConnection, n: int) -> list[tuple[int, tuple[bytes, ...]]]:
    rows = duck.execute(
        f"""
        SELECT count(*) AS k, list(ref ORDER BY ref)[:{_MOST_REFS}] AS refs FROM entity WHERE v{n} IS NOT NULL
        GROUP BY v{n} HAVING count(*) > 1 ORDER BY k DESC, refs LIMIT {_MOST_VALUES}
        """
    ).fetchall()
    return [(k, tuple(refs)) for k, refs in rows]
