"""What was remedied in checked rows: of each mapped attribute the value as it was and by what, or whether it was made up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import duckdb
import numpy as np
import pyarrow as pa

from mainstem.contracts import ORIGINAL_PREFIX, REMEDIED_PREFIX, CheckPlan, ContractField, RemedyEffect
from mainstem.model import FieldType, PiiClass
from mainstem.processing.columns import whole
from mainstem.processing.json_columns import json_text, json_value, sql_literal

__all__ = ["imputed_attributes", "remedied_content"]

_PARTS = ("remedied", "remedied_personal")


def imputed_attributes(plan: CheckPlan, checked: pa.Table) -> pa.Array:
    """Of each row the mapped attributes, by name, whose values an `impute` remedy made up; null where there are none."""
    made = {one.field: done for _, one, done in plan.remedies(checked) if one.effect is RemedyEffect.IMPUTED}
    names = [
        name for name, to in sorted(plan.contract.mapping.attributes.items()) if isinstance(to, str) and to in made
    ]
    if not names:
        return pa.nulls(checked.num_rows, pa.list_(pa.string()))
    mapping = plan.contract.mapping.attributes
    marks = np.stack([made[str(mapping[name])] for name in names], axis=1)
    counts = marks.sum(axis=1)
    offsets = pa.array(np.concatenate([[0], np.cumsum(counts)]), pa.int32(), mask=np.append(counts == 0, False))
    return pa.ListArray.from_arrays(offsets, pa.array(names).take(pa.array(np.nonzero(marks)[1])))


def remedied_content(
    plan: CheckPlan, checked: pa.Table, observed_at: pa.ChunkedArray, connection: duckdb.DuckDBPyConnection
) -> tuple[Mapping[str, pa.Array], Sequence[pa.Array]]:
    """Two columns of JSON objects, as `STATE_EFFECTS` has them: without personal data, and the personal ones.

    Then the same without the times, for what is equal whenever it was observed.
    """
    numbers: dict[str, list[int]] = {}
    for number, one, _ in plan.remedies(checked):
        numbers.setdefault(one.field, []).append(number)
    attributes = [
        (name, plan.contract.fields[to])
        for name, to in sorted(plan.contract.mapping.attributes.items())
        if isinstance(to, str) and to in numbers
    ]
    if not attributes:
        nothing = {part: pa.nulls(checked.num_rows, pa.string()) for part in _PARTS}
        return nothing, list(nothing.values())
    parts: dict[str, list[str]] = {part: [] for part in _PARTS}
    for name, field in attributes:
        part = _PARTS[field.pii is not PiiClass.NONE]
        parts[part].append(_member(name, field, [(n, plan.remedied[n].remedy) for n in numbers[field.name]]))
    at = json_value("observed_at", FieldType.TIMESTAMP)
    timed = [_joined(parts[part], f"""',"at":' || {at} || '}}'""") + f" AS {part}" for part in _PARTS]
    timeless = [_joined(parts[part], "'}'") + f" AS {part}_said" for part in _PARTS]
    needed = [f"{REMEDIED_PREFIX}{n}" for some in numbers.values() for n in some]
    needed += [ORIGINAL_PREFIX + name for name in numbers]
    connection.register("checked", checked.select(needed).append_column("observed_at", observed_at))
    try:
        found = connection.execute(f"SELECT {', '.join([*timed, *timeless])} FROM checked").to_arrow_table()
    finally:
        connection.unregister("checked")
    columns = [whole(column).cast(pa.string()) for column in found.columns]
    return dict(zip(_PARTS, columns, strict=False)), columns[len(_PARTS) :]


def _joined(members: Sequence[str], end: str) -> str:
    """SQL for an object of members, each closed by `end`; null where there is none."""
    closed = ", ".join(f"{member} || {end}" for member in members)
    return f"'{{' || nullif(concat_ws(',', {closed}), '') || '}}'" if members else "NULL::VARCHAR"


def _member(name: str, field: ContractField, remedies: Sequence[tuple[int, str]]) -> str:
    """SQL for `"name":{"from":value,"by":[remedy, ...]`, null where none of the remedies did something."""
    by = [f"CASE WHEN {REMEDIED_PREFIX}{n} THEN {sql_literal(json_text(remedy))} END" for n, remedy in remedies]
    original = json_value(f'"{ORIGINAL_PREFIX}{field.name}"', field.type)
    begins, between = sql_literal(f'{json_text(name)}:{{"from":'), sql_literal(',"by":[')
    return (
        f"{begins} || coalesce({original}, 'null') || {between} || nullif(concat_ws(',', {', '.join(by)}), '') || ']'"
    )
