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
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mainstem.contracts import FIELD_PREFIX, CheckPlan, Constant, Contract, ContractField, Reason, Repeat
from mainstem.model import ENTITIES, FieldType, Op, PiiClass
from mainstem.privacy import Hasher, References
from mainstem.processing.columns import whole
from mainstem.processing.effects import EVENT_EFFECTS, REFERENCES, STATE_EFFECTS
from mainstem.processing.json_columns import json_text, json_value, sql_literal
from mainstem.processing.remedied import remedied_content

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

    def field(self, attribute: str) -> ContractField | None:
        """The field an attribute is mapped from; None for a constant and for what is not mapped."""
        mapped = self.contract.mapping.attributes.get(attribute)
        return self.contract.fields[mapped] if isinstance(mapped, str) else None

    def text(self, attribute: str) -> pa.Array:
        """An attribute as text; null where it is not mapped."""
        mapped = self.contract.mapping.attributes.get(attribute)
        if isinstance(mapped, Constant):
            return pa.repeat(mapped.value, self.checked.num_rows)
        if mapped is None:
            return pa.nulls(self.checked.num_rows, pa.string())
        return whole(self.checked[FIELD_PREFIX + mapped]).cast(pa.string())

    def reference(self, kind: str, values: pa.Array) -> pa.Array:
        """The references of values; each distinct one is noted as met when it is of a customer or a person."""
        encoded = values.dictionary_encode()
        refs = self.references.refs(self.source, kind, encoded.dictionary)
        if kind in _KEPT and len(refs):
            count = len(refs)
            columns = [refs, pa.repeat(self.source, count), pa.repeat(kind, count), encoded.dictionary]
            self.met.append(pa.Table.from_arrays(columns, schema=REFERENCES))
        return refs.take(encoded.indices)

    def need(self, attribute: str, values: pa.Array) -> None:
        """Note the rows in which an attribute that must be there is not."""
        field = self.field(attribute)
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
    contract: Contract, source: str, records: pa.Table, checked: pa.Table, keys: tuple[References, Hasher]
) -> Shaped:
    """Events of rows without a defect. `records` has the log's columns and the places of the rows of `checked`."""
    references, hasher = keys
    columns = _Columns(contract, source, checked, references)
    customers, events = columns.text("customer_id"), columns.text("event")
    columns.need("customer_id", customers)
    columns.need("event", events)
    table = {
        **_places(records),
        "record_hash": _identities(contract, source, records, checked, hasher),
        "occurred_at": pc.coalesce(whole(checked["occurred_at"]), whole(records["observed_at"])),
        "customer": columns.reference("customer", customers),
        "person": columns.reference("person", columns.text("person_id")),
        "event": events,
        "object": _object(columns),
        "quantity": _quantity(columns),
        "properties": _properties(columns),
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
    entity = ENTITIES[contract.mapping.entity]
    gone = pc.equal(checked["op"], Op.DELETE.value).combine_chunks()
    own = next((a.name for a in entity.attributes.values() if a.required and a.reference == entity.name), None)
    values = whole(checked["key"]) if own is None else pc.coalesce(columns.text(own), whole(checked["key"]))
    columns.need(own or "", values)
    customers = pc.if_else(gone, pa.scalar(None, pa.string()), columns.text("customer_id"))
    content = _content(contract, records, checked, connection)
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
    field = columns.field("object")
    values = columns.text("object")
    if field is None or field.pii is PiiClass.NONE:
        return values
    encoded = values.dictionary_encode()
    refs = columns.references.refs(columns.source, "object", encoded.dictionary)
    return pa.array([ref.hex() for ref in refs.to_pylist()], pa.string()).take(encoded.indices)


def _properties(columns: _Columns) -> pa.Array:
    field = columns.field("properties")
    if field is None or field.type is not FieldType.OBJECT or field.pii is not PiiClass.NONE:
        return pa.nulls(columns.checked.num_rows, pa.string())
    return columns.text("properties")


def _quantity(columns: _Columns) -> pa.Array:
    mapped = columns.contract.mapping.attributes.get("quantity")
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


def _content(
    contract: Contract, records: pa.Table, checked: pa.Table, connection: duckdb.DuckDBPyConnection
) -> Mapping[str, pa.Array]:
    """The mapped attributes as two columns of JSON objects: those without personal data, and the personal ones."""
    parts: dict[str, list[str]] = {"attributes": [], "personal": []}
    for name, mapped in sorted(contract.mapping.attributes.items()):
        if isinstance(mapped, Constant):
            parts["attributes"].append(sql_literal(f"{json_text(name)}:{json_text(mapped.value)}"))
            continue
        field = contract.fields[mapped]
        part = "attributes" if field.pii is PiiClass.NONE else "personal"
        parts[part].append(_member(name, field))
    columns = {part: f"concat_ws(',', {', '.join(members)})" if members else "''" for part, members in parts.items()}
    named = [mapped for mapped in contract.mapping.attributes.values() if isinstance(mapped, str)]
    table = checked.select(["op", *(FIELD_PREFIX + name for name in sorted(set(named)))])
    cleared = _cleared(contract, records, checked, connection)
    for name, mask in cleared.items():
        table = table.append_column(f"cleared_{name}", pa.array(mask))
    connection.register("checked", table)
    try:
        found = connection.execute(
            f"""
            SELECT CASE WHEN op = 'delete' THEN '{{}}' ELSE '{{' || {columns["attributes"]} || '}}' END AS attributes,
                CASE WHEN op <> 'delete' AND {columns["personal"]} <> ''
                THEN '{{' || {columns["personal"]} || '}}' END AS personal
            FROM checked
            """
        ).to_arrow_table()
    finally:
        connection.unregister("checked")
    return {name: whole(found[name]).cast(pa.string()) for name in found.column_names}


def _member(name: str, field: ContractField) -> str:
    """SQL for `"name":value`, null where there is no value; in a patch that clears the attribute, `"name":null`."""
    key = sql_literal(f"{json_text(name)}:")
    value = json_value(f'"{FIELD_PREFIX}{field.name}"', field.type)
    return f"CASE WHEN \"cleared_{field.name}\" THEN {key} || 'null' ELSE {key} || {value} END"


def _cleared(
    contract: Contract, records: pa.Table, checked: pa.Table, connection: duckdb.DuckDBPyConnection
) -> Mapping[str, npt.NDArray[np.bool_]]:
    """For each mapped field the patches whose payload names it with null, which takes the attribute away."""
    names = sorted({mapped for mapped in contract.mapping.attributes.values() if isinstance(mapped, str)})
    masks = {name: np.zeros(checked.num_rows, np.bool_) for name in names}
    patches = np.flatnonzero(np.asarray(pc.equal(checked["op"], Op.PATCH.value)))
    if not len(patches):
        return masks
    connection.register("patch", pa.table({"payload": records["payload"].take(patches).cast(pa.string())}))
    try:
        tests = [_is_cleared(contract.fields[name].paths) for name in names]
        found = connection.execute(f"SELECT {', '.join(tests)} FROM patch").fetchnumpy()
    finally:
        connection.unregister("patch")
    for name, column in zip(names, found.values(), strict=True):
        masks[name][patches] = np.asarray(column, np.bool_)
    return masks


def _is_cleared(paths: Sequence[Sequence[str]]) -> str:
    """Whether one of the paths leads to null, and none to a value."""
    types = [f"json_type(payload, {sql_literal(_json_path(path))})" for path in paths]
    one_of = f"list_value({', '.join(types)})"
    return f"(list_contains({one_of}, 'NULL') AND len(list_filter({one_of}, lambda kind: kind <> 'NULL')) = 0)"


def _json_path(path: Sequence[str]) -> str:
    return "$" + "".join(f'."{step}"' for step in path)
