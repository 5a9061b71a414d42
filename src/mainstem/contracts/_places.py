"""Where declared fields lie in a payload, and the SQL that takes them from there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

from mainstem.contracts._sql import literal
from mainstem.contracts.contract import ContractField
from mainstem.model import FieldType

__all__ = ["declared_keys", "extracted", "extracted_text", "json_path", "tree_of"]

Tree: TypeAlias = dict[str, "Tree | str"]


def declared_keys(fields: Iterable[ContractField]) -> dict[tuple[str, ...], list[str]]:
    """The keys that declared paths go through, by the path of the object they lie in: `()` is the payload.

    What lies in an object that is a field itself is declared as a whole.
    """
    known: dict[tuple[str, ...], list[str]] = {}
    paths = [path for field in fields for path in field.paths]
    for path in paths:
        for depth in range(len(path)):
            if path[:depth] in paths:
                break
            keys = known.setdefault(path[:depth], [])
            if path[depth] not in keys:
                keys.append(path[depth])
    return known


def tree_of(fields: Iterable[ContractField]) -> tuple[Tree, list[str]]:
    """What to take from a payload in one go, shaped like it, and the names of fields that do not fit into that shape.

    A path that leads through another field, and keys that differ in case only, cannot be in one structure of DuckDB's.
    """
    tree: Tree = {}
    lone = []
    ways = [(field, path) for field in fields for path in field.paths]
    for field, path in sorted(ways, key=lambda way: -len(way[1])):
        if not _plant(tree, path, "JSON" if field.type is FieldType.OBJECT else "VARCHAR"):
            lone.append(field.name)
    return tree, lone


def _plant(tree: Tree, path: Sequence[str], leaf: str) -> bool:
    """Put a path into the tree; False, and the tree unchanged, when it does not fit."""
    step, *rest = path
    alike = [key for key in tree if key.lower() == step.lower()]
    if not rest:
        if alike:
            return alike == [step] and tree[step] == leaf
        tree[step] = leaf
        return True
    if alike:
        below = tree.get(step)
        return isinstance(below, dict) and _plant(below, rest, leaf)
    below = {}
    tree[step] = below
    return _plant(below, rest, leaf)


def extracted(field: ContractField) -> str:
    """The value as JSON; null also where it is one."""
    if len(field.paths) == 1:
        return f"nullif(json_extract(payload, {json_path(field.path)}), 'null')"
    return f"list_filter(json_extract(payload, {_json_paths(field)}), lambda value: value <> 'null')[1]"


def extracted_text(field: ContractField) -> str:
    """The value as text; of a string without its quotes."""
    if len(field.paths) == 1:
        return f"json_extract_string(payload, {json_path(field.path)})"
    return f"list_filter(json_extract_string(payload, {_json_paths(field)}), lambda value: value IS NOT NULL)[1]"


def _json_paths(field: ContractField) -> str:
    # All in one go: each call parses the payload of every row anew, and holds what it parsed of a whole chunk.
    return f"[{', '.join(map(json_path, field.paths))}]"


def json_path(path: Sequence[str]) -> str:
    return literal("$" + "".join(f'."{step}"' for step in path))
