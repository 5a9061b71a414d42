"""From checked rows to effects: the contract's mapping, in whole columns.

What a row lacks that its entity cannot be without, and what no sum could hold, is found here and told as a defect; the
engine puts such rows in quarantine beside those that failed the contract's own checks.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from decimal import Decimal

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mainstem.contracts import FIELD_PREFIX, CheckPlan, Constant, Contract, ContractField, Reason, Repeat
from mainstem.model import ENTITIES, Entity, Op, PiiClass
from mainstem.privacy import Hasher, References
from mainstem.processing.attributes import event_properties, state_content
from mainstem.processing.columns import whole
from mainstem.processing.effects import EVENT_EFFECTS, REFERENCES, STATE_EFFECTS
from mainstem.processing.remedied import imputed_attributes, remedied_content

__all__ = ["Defect", "Shaped", "shape_events", "shape_states"]

_QUANTITY = pa.decimal128(38, 9)
# A billion of these still fit a column of that type, so that no sum of a batch can overflow.
_LARGEST = pa.scalar(Decimal(10) ** 20, _QUANTITY)

# Kinds of references whose values are kept, so that they can be shown and linked.
_KEPT = ("customer", "person")


@dataclasses.dataclass(frozen=True, slots=True)
class Defect:
    """A row that cannot become an effect, by its number."""

    row: int
    reason: Reason
    field: str | None


@dataclasses.dataclass(frozen=True, slots=True)
class Shaped:
    """Effects of the good rows, in their order; the rows that have defects; references met, in `REFERENCES` columns."""

    rows: pa.Table
    defects: Sequence[Defect]
    references: Sequence[pa.Table]


@dataclasses.dataclass(slots=True)
class _Columns:
    """Mapped attributes of checked rows, and what is found out on the way."""

    contract: Contract
    source: str
    checked: pa.Table
    references: References
    defects: dict[int, Defect] = dataclasses.field(default_factory=dict)
    met: list[pa.Table] = dataclasses.field(default_factory=list)

    @property
    def entity(self) -> Entity:
        """What the rows are mapped to."""
        return ENTITIES[self.contract.mapping.entity]

    def mapped(self, column: str) -> str | Constant | None:
        """What the attribute is mapped to that is a part of the shape all events share; None where nothing is."""
        attribute = self.entity.in_column(column)
        return None if attribute is None else self.contract.mapping.attributes.get(attribute.name)

    def field(self, to: str | Constant | None) -> ContractField | None:
        """The field an attribute is mapped from; None for a constant and for what is not mapped."""
        return self.contract.fields[to] if isinstance(to, str) else None

    def text(self, to: str | Constant | None) -> pa.Array:
        """What an attribute is mapped to, as text; null where it is not mapped."""
        if isinstance(to, Constant):
            return pa.repeat(to.value, self.checked.num_rows)
        if to is None:
            return pa.nulls(self.checked.num_rows, pa.string())
        return whole(self.checked[FIELD_PREFIX + to]).cast(pa.string())

    def reference(self, kind: str, values: pa.Array) -> pa.Array:
        """The references of values; each distinct one is noted as met when it is of a customer or a person."""
        encoded = values.dictionary_encode()
        refs = self.references.refs(self.source, kind, encoded.dictionary)
        if kind in _KEPT and len(refs):
            count = len(refs)
            columns = [refs, pa.repeat(self.source, count), pa.repeat(kind, count), encoded.dictionary]
            self.met.append(pa.Table.from_arrays(columns, schema=REFERENCES))
        return refs.take(encoded.indices)

    def need(self, to: str | Constant | None, values: pa.Array) -> None:
        """Note the rows in which what must be there, from this field, is not."""
        field = self.field(to)
        for row in np.flatnonzero(np.asarray(values.is_null())):
            self.refuse(int(row), Reason.MISSING, field.name if field else None)

    def refuse(self, row: int, reason: Reason, field: str | None) -> None:
        self.defects.setdefault(row, Defect(row, reason, field))

    def good(self, table: pa.Table) -> pa.Table:
        """The table without the rows that have defects."""
        if not self.defects:
            return table
        keep = np.ones(self.checked.num_rows, np.bool_)
        keep[list(self.defects)] = False
        return table.filter(pa.array(keep))

    def shaped(self, table: pa.Table, schema: pa.Schema) -> Shaped:
        rows = self.good(table).select(schema.names).cast(schema)
        return Shaped(rows, [self.defects[row] for row in sorted(self.defects)], self.met)


def shape_events(
    plan: CheckPlan,
    source: str,
    records: pa.Table,
    checked: pa.Table,
    keys: tuple[References, Hasher, duckdb.DuckDBPyConnection],
) -> Shaped:
    """Events of rows without a defect. `records` has the log's columns and the places of the rows of `checked`."""
    contract = plan.contract
    references, hasher, connection = keys
    columns = _Columns(contract, source, checked, references)
    customer, event = columns.mapped("customer"), columns.mapped("event")
    customers, events = columns.text(customer), columns.text(event)
    columns.need(customer, customers)
    if (named := columns.entity.in_column("event")) is not None and named.required:
        columns.need(event, events)
    else:
        events = events.fill_null(columns.entity.name)
    table = {
        **_places(records),
        "record_hash": _identities(contract, source, records, checked, hasher),
        "occurred_at": pc.coalesce(whole(checked["occurred_at"]), whole(records["observed_at"])),
        "customer": columns.reference("customer", customers),
        "person": columns.reference("person", columns.text(columns.mapped("person"))),
        "event": events,
        "object": _object(columns),
        "quantity": _quantity(columns),
        "properties": event_properties(contract, checked, connection),
        "imputed": imputed_attributes(plan, checked),
    }
    return columns.shaped(pa.table(table), EVENT_EFFECTS)


def shape_states(
    plan: CheckPlan,
    source: str,
    records: pa.Table,
    checked: pa.Table,
    keys: tuple[References, Hasher, duckdb.DuckDBPyConnection],
) -> Shaped:
    """Versions of rows without a defect; as `shape_events`."""
    contract = plan.contract
    references, hasher, connection = keys
    columns = _Columns(contract, source, checked, references)
    entity, attributes = columns.entity, contract.mapping.attributes
    gone = pc.equal(checked["op"], Op.DELETE.value).combine_chunks()
    own = None if entity.own is None else attributes.get(entity.own.name)
    values = pc.coalesce(columns.text(own), whole(checked["key"]))
    columns.need(own, values)
    customers = pc.if_else(gone, pa.scalar(None, pa.string()), columns.text(attributes.get("customer_id")))
    content = state_content(contract, records, checked, connection)
    remedied, said = remedied_content(plan, checked, records["observed_at"], connection)
    table = {
        **_places(records),
        "ref": columns.reference(entity.name, values),
        "customer": columns.reference("customer", customers),
        "op": checked["op"],
        "version": checked["version"],
        "observed_at": records["observed_at"],
        "content_hash": _content_hash(hasher, [checked["op"], content["attributes"], content["personal"]], said),
        **{name: content[name] for name in ("attributes", "personal")},
        **remedied,
    }
    return columns.shaped(pa.table(table), STATE_EFFECTS)


def _content_hash(hasher: Hasher, content: Sequence[pa.Array], said: Sequence[pa.Array]) -> pa.Array:
    """The hash of what nothing was remedied in is that under a contract without remedies."""
    plain = hasher.hashes(b"entity", content)
    changed = pc.or_(*(part.is_valid() for part in said))
    if not changed.true_count:
        return plain
    return pc.if_else(changed, hasher.hashes(b"entity remedied", [*content, *said]), plain)


def _places(records: pa.Table) -> Mapping[str, pa.ChunkedArray]:
    return {name: records[name] for name in ("position", "index", "received_at", "slot")}


def _identities(contract: Contract, source: str, records: pa.Table, checked: pa.Table, hasher: Hasher) -> pa.Array:
    """Keyed hashes of what makes records repeats of each other; null where nothing does.

    The slot is part of it: it follows from the record, and makes the answer the same whoever owns which slots.
    """
    scope = f"{source}\0{contract.stream}\0".encode()
    match contract.repeat:
        case Repeat.NONE:
            return pa.nulls(records.num_rows, pa.binary(16))
        case Repeat.BODY:
            return hasher.hashes(b"body\0" + scope, [records["slot"], records["payload"]])
        case _:
            ids = whole(checked["record_id"])
            hashes = hasher.hashes(b"id\0" + scope, [records["slot"], ids])
            return pc.if_else(ids.is_valid(), hashes, pa.scalar(None, pa.binary(16))) if ids.null_count else hashes


def _object(columns: _Columns) -> pa.Array:
    mapped = columns.mapped("object")
    field, values = columns.field(mapped), columns.text(mapped)
    if field is None or field.pii is PiiClass.NONE:
        return values
    encoded = values.dictionary_encode()
    refs = columns.references.refs(columns.source, "object", encoded.dictionary)
    return pa.array([ref.hex() for ref in refs.to_pylist()], pa.string()).take(encoded.indices)


def _quantity(columns: _Columns) -> pa.Array:
    mapped = columns.mapped("quantity")
    if mapped is None:
        return pa.nulls(columns.checked.num_rows, _QUANTITY)
    if isinstance(mapped, Constant):
        return pa.repeat(pa.scalar(Decimal(mapped.value), _QUANTITY), columns.checked.num_rows)
    values = whole(columns.checked[FIELD_PREFIX + mapped]).cast(_QUANTITY)
    beyond = pc.greater(pc.abs(values), _LARGEST).fill_null(False)
    if beyond.true_count:
        for row in np.flatnonzero(np.asarray(beyond)):
            columns.refuse(int(row), Reason.OUT_OF_RANGE, mapped)
    return values
