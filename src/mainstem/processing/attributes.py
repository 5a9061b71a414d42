"""Mapped attributes as JSON: the two parts of a state's version, and what an event has beyond the shape of all events."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mainstem.contracts import FIELD_PREFIX, Constant, Contract, ContractField
from mainstem.model import CURRENCY, ENTITIES, FieldType, Op, PiiClass
from mainstem.processing.columns import whole
from mainstem.processing.json_columns import json_text, json_value, sql_literal

__all__ = ["event_properties", "state_content"]


def event_properties(contract: Contract, checked: pa.Table, connection: duckdb.DuckDBPyConnection) -> pa.Array:
    """The mapped `properties` of events with the attributes beside them that no column holds, as JSON objects.

    Null where there are none. An attribute wins over a property of its name. Nothing of it is personal.
    """
    attributes = ENTITIES[contract.mapping.entity].attributes
    mapped = contract.mapping.attributes.get("properties")
    field = contract.fields[mapped] if isinstance(mapped, str) else None
    if field is not None and (field.type is not FieldType.OBJECT or field.pii is not PiiClass.NONE):
        field = None
    beside = [name for name in contract.mapping.attributes if attributes[name].column is None]
    if not beside:
        if field is None:
            return pa.nulls(checked.num_rows, pa.string())
        return whole(checked[FIELD_PREFIX + field.name]).cast(pa.string())
    members = [_member_of(contract, name, to) for name, to in _mapped(contract, beside)]
    own = f"concat_ws(',', {', '.join(members)})"
    used = {to for _, to in _mapped(contract, beside) if isinstance(to, str)}
    given = "NULL"
    if field is not None:
        used.add(field.name)
        given = f'"{FIELD_PREFIX}{field.name}"'
    table = checked.select([FIELD_PREFIX + name for name in sorted(used)]).append_column(
        "n", pa.array(np.arange(checked.num_rows))
    )
    return _asked(
        connection,
        table,
        f"""
        SELECT CASE WHEN own = '' THEN given WHEN given IS NULL THEN '{{' || own || '}}'
            ELSE json_merge_patch(given, '{{' || own || '}}')::VARCHAR END AS properties
        FROM (SELECT n, {own} AS own, {given}::VARCHAR AS given FROM checked) ORDER BY n
        """,
    )["properties"]


def state_content(
    contract: Contract, records: pa.Table, checked: pa.Table, connection: duckdb.DuckDBPyConnection
) -> Mapping[str, pa.Array]:
    """The mapped attributes as two columns of JSON objects: those without personal data, and the personal ones."""
    parts: dict[str, list[str]] = {"attributes": [], "personal": []}
    for name, mapped in _mapped(contract, contract.mapping.attributes):
        personal = isinstance(mapped, str) and contract.fields[mapped].pii is not PiiClass.NONE
        member = _member_of(contract, name, mapped)
        if isinstance(mapped, str):
            key = sql_literal(f"{json_text(name)}:null")
            member = f'CASE WHEN "cleared_{mapped}" THEN {key} ELSE {member} END'
        parts["personal" if personal else "attributes"].append(member)
    columns = {part: f"concat_ws(',', {', '.join(members)})" if members else "''" for part, members in parts.items()}
    named = [mapped for mapped in contract.mapping.attributes.values() if isinstance(mapped, str)]
    table = checked.select(["op", *(FIELD_PREFIX + name for name in sorted(set(named)))])
    cleared = _cleared(contract, records, checked, connection)
    for name, mask in cleared.items():
        table = table.append_column(f"cleared_{name}", pa.array(mask))
    return _asked(
        connection,
        table,
        f"""
        SELECT CASE WHEN op = 'delete' THEN '{{}}' ELSE '{{' || {columns["attributes"]} || '}}' END AS attributes,
            CASE WHEN op <> 'delete' AND {columns["personal"]} <> ''
            THEN '{{' || {columns["personal"]} || '}}' END AS personal
        FROM checked
        """,
    )


def _asked(connection: duckdb.DuckDBPyConnection, checked: pa.Table, query: str) -> Mapping[str, pa.Array]:
    """The columns, of text, that a query over the table `checked` answers."""
    connection.register("checked", checked)
    try:
        found = connection.execute(query).to_arrow_table()
    finally:
        connection.unregister("checked")
    return {name: whole(found[name]).cast(pa.string()) for name in found.column_names}


def _mapped(contract: Contract, names: Iterable[str]) -> Iterator[tuple[str, str | Constant]]:
    """Attributes with what they are mapped to, by name."""
    for name in sorted(names):
        yield name, contract.mapping.attributes[name]


def _member_of(contract: Contract, name: str, to: str | Constant) -> str:
    """SQL for `"name":value`, null where there is no value."""
    attribute = ENTITIES[contract.mapping.entity].attributes.get(name)
    currency = attribute is not None and name == CURRENCY
    if isinstance(to, Constant):
        number = attribute is not None and attribute.type is FieldType.NUMBER
        text = to.value.upper() if currency else to.value
        # What a decimal may be written as is more than what JSON takes for a number.
        return sql_literal(f"{json_text(name)}:{f'{Decimal(text).normalize():f}' if number else json_text(text)}")
    return _member(name, contract.fields[to], capitals=currency)


def _member(name: str, field: ContractField, *, capitals: bool) -> str:
    column = f'"{FIELD_PREFIX}{field.name}"'
    value = json_value(f"upper({column})" if capitals and field.type is FieldType.STRING else column, field.type)
    return f"{sql_literal(f'{json_text(name)}:')} || {value}"


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
