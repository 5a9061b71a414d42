"""What rests on bad data: the customers, metrics and parts of scores behind records that wait, and values that are missing."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from mainstem.analytics.dependents import DeclaredDependents
from mainstem.analytics.model import HealthModel
from mainstem.contracts import Contract, Use
from mainstem.metrics import Contracts, Gauge, Journey, Metric
from mainstem.model import EntityKind
from mainstem.quality import QualityQuery, read_fields
from mainstem.store import Connection

__all__ = ["Impact", "IncompleteField", "StreamImpact", "read_impact"]

# As `processing.QuarantineSelection` has it: what waits for a decision.
_OPEN = "state IN ('quarantined', 'held')"


@dataclasses.dataclass(frozen=True, slots=True)
class IncompleteField:
    """A field of which values are missing, and what rests on it."""

    field: str
    missing: int
    checked: int
    uses: Sequence[Use]


@dataclasses.dataclass(frozen=True, slots=True)
class StreamImpact:
    """What rests on one stream.

    `quarantined` wait for a decision: records of `customers`, and `unattributed` ones, which are of nobody that is known.
    `uses` is all that rests on the stream, through whole records or through single fields.
    """

    source: str
    stream: str
    quarantined: int
    customers: int
    unattributed: int
    fields: Sequence[IncompleteField]
    uses: Sequence[Use]

    def named(self, kind: str) -> list[str]:
        """The names of what rests on it, of one kind."""
        return sorted({use.name for use in self.uses if use.kind == kind})


@dataclasses.dataclass(frozen=True, slots=True)
class Impact:
    """Of all streams with something wrong: the most quarantined first. Customers are counted once over all streams."""

    customers: int
    scored: int
    """Of these, those who have a score."""
    known: int
    """Customers that are known at all, of the sources concerned, be it by records that wait alone."""
    streams: Sequence[StreamImpact]


@dataclasses.dataclass(frozen=True, slots=True)
class _Waiting:
    """Records of one stream that wait."""

    records: int = 0
    customers: int = 0
    unattributed: int = 0


def read_impact(
    conn: Connection,
    query: QualityQuery,
    contracts: Contracts,
    declared: tuple[Sequence[Metric | Gauge | Journey], Sequence[HealthModel]],
) -> Impact:
    """What rests on the streams of a query: on records that wait now, and on fields that lacked values on its days.

    `declared` are the metrics, journeys and health models in force. Raises UnavailableError.
    """
    waiting = _waiting(conn, query)
    incomplete: defaultdict[tuple[str, str], list[tuple[str, int, int]]] = defaultdict(list)
    for (source, stream, field), spans in read_fields(conn, query).items():
        if spans.total.missing:
            incomplete[source, stream].append((field, spans.total.missing, spans.total.checked))
    metrics, models = declared
    dependents = DeclaredDependents(metrics, models)
    streams = []
    for name in waiting.keys() | incomplete.keys():
        contract, wait = contracts.active(*name), waiting.get(name, _Waiting())
        fields = [
            IncompleteField(field, missing, checked, () if contract is None else dependents.of(contract, field))
            for field, missing, checked in incomplete[name]
        ]
        fields = [one for one in fields if _is_missed(contract, one)]
        if not wait.records and not fields:
            continue
        whole = list(_of_whole_records(contract, metrics, models)) if wait.records and contract else []
        uses = list(dict.fromkeys([*whole, *(use for one in fields for use in one.uses)]))
        streams.append(StreamImpact(*name, wait.records, wait.customers, wait.unattributed, fields, uses))
    streams.sort(key=lambda one: (-one.quarantined, one.source, one.stream))
    customers, scored, new = _customers(conn, query)
    return Impact(customers, scored, _known(conn, {one.source for one in streams}) + new, streams)


def _is_missed(contract: Contract | None, field: IncompleteField) -> bool:
    """Whether anybody lacks the values: that an optional field is empty which nothing is computed of is nobody's loss."""
    declared = None if contract is None else contract.fields.get(field.field)
    asked = declared is not None and (declared.required or declared.completeness is not None)
    return bool(field.uses) and (asked or any(use.kind != "entity" for use in field.uses))


def _waiting(conn: Connection, query: QualityQuery) -> Mapping[tuple[str, str], _Waiting]:
    rows = conn.execute(
        f"""
        SELECT source, stream, count(*), count(DISTINCT customer), count(*) FILTER (WHERE customer IS NULL)
        FROM quarantine WHERE {_OPEN} AND (%(source)s::text IS NULL OR source = %(source)s)
          AND (%(stream)s::text IS NULL OR stream = %(stream)s) AND source <> 'mainstem'
        GROUP BY 1, 2
        """,
        query.parameters(),
    ).fetchall()
    return {(source, stream): _Waiting(*counts) for source, stream, *counts in rows}


def _customers(conn: Connection, query: QualityQuery) -> tuple[int, int, int]:
    """The customers of all that waits, how many of them have a score, and of how many nothing ever took effect."""
    [(customers, scored, new)] = conn.execute(
        f"""
        SELECT count(*), count(*) FILTER (WHERE EXISTS (SELECT FROM score WHERE score.ref = waiting.customer)),
            count(*) FILTER (WHERE NOT EXISTS (SELECT FROM reference WHERE reference.ref = waiting.customer))
        FROM (
            SELECT DISTINCT customer FROM quarantine
            WHERE {_OPEN} AND customer IS NOT NULL AND (%(source)s::text IS NULL OR source = %(source)s)
              AND (%(stream)s::text IS NULL OR stream = %(stream)s)
        ) AS waiting
        """,
        query.parameters(),
    ).fetchall()
    return int(customers), int(scored), int(new)


def _known(conn: Connection, sources: set[str]) -> int:
    [(count,)] = conn.execute(
        "SELECT count(*) FROM reference WHERE kind = 'customer' AND source = ANY(%s)", [sorted(sources)]
    ).fetchall()
    return int(count)


def _of_whole_records(
    contract: Contract, metrics: Sequence[Metric | Gauge | Journey], models: Sequence[HealthModel]
) -> Iterator[Use]:
    """What lacks a record that did not take effect."""
    entity = contract.mapping.entity
    if contract.kind is not EntityKind.EVENT:
        yield from (Use("entity", f"{entity}.{name}", "records") for name in contract.mapping.attributes)
    counted = [one.name for one in metrics if isinstance(one, Metric | Gauge) and one.entity == entity]
    yield from (Use("metric", name, "records") for name in counted)
    journeys = [one for one in metrics if isinstance(one, Journey)]
    told = [one.name for one in journeys if entity in {track.entity for track in one.tracks}]
    yield from (Use("journey", name, "records") for name in told)
    for model in models:
        for component in model.components:
            if component.metric in counted:
                yield Use("health component", f"{model.name}.{component.name}", f"metric {component.metric}")
