"""What is known of drift, for people and programs: findings with their counts, and what was done about each."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from mainstem.contracts import Contract, DriftKind, Observed
from mainstem.errors import NotFoundError
from mainstem.processing.drift.effects import EXPECTED, NO_NAME
from mainstem.processing.drift.likeness import compare, likely
from mainstem.processing.drift.memory import fits_type
from mainstem.store import Connection

__all__ = ["DriftEntry", "DriftSelection", "counted_renames", "observed_drift", "read_drift", "told_drift"]


class _Contracts(Protocol):
    def active(self, source: str, stream: str) -> Contract | None: ...

    def at(self, source: str, stream: str, version: int) -> Contract: ...


@dataclasses.dataclass(frozen=True, slots=True)
class DriftSelection:
    """Findings that agree with everything given; `since` is when their first record was received, or later."""

    source: str | None = None
    stream: str | None = None
    kind: DriftKind | None = None
    since: dt.datetime | None = None
    contract_version: int | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class DriftEntry:
    """A finding.

    `records` and `discarded` count copies of its kind and path; None where they are not counted: likely renames, keys inside
    objects, and types from which values can still be read. Of `NO_NAME` `records` counts keys, those included that have a
    name of their own but no finding.
    """

    source: str
    stream: str
    contract_version: int
    kind: DriftKind
    path: str
    observed: str
    types: Sequence[str]
    first_at: dt.datetime
    last_at: dt.datetime | None
    known_at: dt.datetime
    records: int | None
    discarded: int
    evidence: Mapping[str, Any]


def read_drift(conn: Connection, selection: DriftSelection, *, limit: int) -> list[DriftEntry]:
    """Findings, the latest first."""
    rows = conn.execute(
        """
        WITH found AS (
            SELECT * FROM drift_finding AS f
            WHERE (%(source)s::text IS NULL OR f.source = %(source)s) AND (%(stream)s::text IS NULL OR f.stream = %(stream)s)
                AND (%(kind)s::text IS NULL OR f.kind = %(kind)s)
                AND (%(since)s::timestamptz IS NULL OR f.first_at >= %(since)s)
                AND (%(version)s::integer IS NULL OR f.contract_version = %(version)s)
            ORDER BY f.first_at DESC, f.source, f.stream, f.contract_version DESC, f.kind, f.path, f.observed LIMIT %(limit)s
        ), counted AS (
            SELECT c.source, c.stream, c.contract_version, c.kind, c.path, sum(n) AS n, sum(discarded) AS discarded,
                max(last_at) AS last_at
            FROM (SELECT DISTINCT source, stream, contract_version FROM found) AS f
            JOIN drift_count AS c USING (source, stream, contract_version) GROUP BY 1, 2, 3, 4, 5
        ), told AS (
            -- What is counted by name and told under none is of those that are counted together.
            SELECT c.source, c.stream, c.contract_version, c.kind, sum(c.n)::bigint AS n,
                sum(c.discarded)::bigint AS discarded, max(c.last_at) AS last_at,
                CASE WHEN c.kind = 'new_field' AND f.path IS NULL THEN %(nameless)s ELSE c.path END AS path
            FROM counted AS c LEFT JOIN drift_finding AS f
                ON (f.source, f.stream, f.contract_version, f.kind, f.path, f.observed)
                    = (c.source, c.stream, c.contract_version, c.kind, c.path, '') AND c.kind = 'new_field'
            GROUP BY 1, 2, 3, 4, 8
        ), missing AS (
            SELECT p.source, p.stream, p.contract_version, p.field, sum(run)::bigint AS run
            FROM (SELECT DISTINCT source, stream, contract_version FROM found WHERE kind = 'missing_field') AS f
            JOIN field_presence AS p USING (source, stream, contract_version) GROUP BY 1, 2, 3, 4
        )
        SELECT f.source, f.stream, f.contract_version, f.kind, f.path, f.observed, f.types, f.first_at, told.last_at,
            f.known_at, coalesce(told.n, missing.run), coalesce(told.discarded, 0), f.evidence
        FROM found AS f
        LEFT JOIN told ON (told.source, told.stream, told.contract_version, told.kind, told.path)
            = (f.source, f.stream, f.contract_version, f.kind, f.path)
            AND NOT (f.kind = 'type_change' AND f.evidence @> '{"read": true}')
        LEFT JOIN missing ON f.kind = 'missing_field'
            AND (missing.source, missing.stream, missing.contract_version, missing.field)
            = (f.source, f.stream, f.contract_version, f.path)
        ORDER BY f.first_at DESC, f.source, f.stream, f.contract_version DESC, f.kind, f.path, f.observed
        """,
        {
            "source": selection.source,
            "stream": selection.stream,
            "kind": None if selection.kind is None else selection.kind.value,
            "since": selection.since,
            "version": selection.contract_version,
            "limit": limit,
            "nameless": NO_NAME,
        },
    ).fetchall()
    names = [field.name for field in dataclasses.fields(DriftEntry)]
    entries = (dict(zip(names, row, strict=True)) for row in rows)
    return [DriftEntry(**{**entry, "kind": DriftKind(entry["kind"])}) for entry in entries]


def told_drift(entry: DriftEntry, contracts: _Contracts) -> dict[str, Any]:
    """A finding as JSON values, with the policy that decided about it and whether its contract is still in force."""
    active = contracts.active(entry.source, entry.stream)
    said = dataclasses.asdict(entry)
    times = {name: _text(said[name]) for name in ("first_at", "last_at", "known_at")}
    return {
        **said,
        **times,
        "kind": entry.kind.value,
        "types": list(entry.types),
        "policy": _policy(entry, contracts),
        "in_force": active is not None and active.version == entry.contract_version,
    }


def _text(at: dt.datetime | None) -> str | None:
    return None if at is None else at.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")


def observed_drift(entries: Sequence[DriftEntry]) -> list[Observed]:
    """Findings as a proposal is made from them."""
    return [Observed(one.kind, one.path, one.observed, one.types, one.evidence) for one in entries]


def counted_renames(conn: Connection, contract: Contract, source: str, entries: Sequence[DriftEntry]) -> list[Observed]:
    """Renames that no worker noticed, because it began too late to know the field: by counts, names and types.

    `entries` are the findings of the contract's version. The field did come, so often that chance does not explain why it
    lacks in the latest records, and it lacks in at least half as many in a row as have the new key.
    """
    known = {one.path for one in entries if one.kind is DriftKind.RENAME}
    found = {one.observed for one in entries if one.kind is DriftKind.RENAME}
    rows = conn.execute(
        """
        SELECT field, sum(absent)::bigint, sum(refused)::bigint, sum(run)::bigint, sum(records)::bigint FROM field_presence
        WHERE source = %s AND stream = %s AND contract_version = %s GROUP BY field
        """,
        [source, contract.stream, contract.version],
    ).fetchall()
    whole = next((records for field, _, _, _, records in rows if not field), 0)
    runs = {}
    for name, absent, refused, run, _ in rows:
        field, seen = contract.fields.get(name), whole + refused
        present, before = seen - absent, seen - run
        if field is not None and present > 0 and (field.required or run * present >= EXPECTED * before):
            runs[name] = run
    gone = [contract.fields[name] for name in sorted(runs) if runs[name] and name not in found]
    renames = []
    for one in entries:
        if one.kind is not DriftKind.NEW_FIELD or one.path in known or one.records is None:
            continue
        for field in gone:
            alike = compare(field.path[-1], one.path, (), (), same_type=fits_type(field, one.types))
            if 2 * runs[field.name] >= one.records and likely(alike):
                renames.append((alike, Observed(DriftKind.RENAME, one.path, field.name, one.types, alike.told())))
    # The likeliest first: a field is read from one other key.
    return [observed for _, observed in sorted(renames, key=lambda pair: -pair[0].score)]


def _policy(entry: DriftEntry, contracts: _Contracts) -> str | None:
    try:
        contract = contracts.at(entry.source, entry.stream, entry.contract_version)
    except NotFoundError:
        return None
    field = contract.fields.get(entry.path)
    if entry.kind is DriftKind.NEW_FIELD:
        return contract.policies.new_field.value
    if entry.kind is DriftKind.RENAME or field is None:
        return None
    return field.policies.of(entry.kind).value
