"""Reference tables: small tables of a project that a contract enriches records from, and that become part of its text.

A rebuild years later has to read the same. So what is activated is the contract's own text and, as a second document of the
same YAML file, every table that it names: `reference: {<table>: <the text of the CSV file>}`.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import yaml

from mainstem.contracts._standard import load_standard
from mainstem.errors import ConfigurationError
from mainstem.hints import near_miss
from mainstem.model import NAME_PATTERN, is_name

__all__ = ["MOST_BYTES", "MOST_ROWS", "own_text", "split_text", "with_reference_tables"]

MOST_ROWS = 10_000
"""Of one table."""

MOST_BYTES = 1024 * 1024
"""Of all tables of a contract together."""

# Those in C where there are: a table may have a mebibyte.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
_SEPARATOR = "\n--- # reference tables, as they were when this was activated\n"


def own_text(text: str) -> tuple[str, str]:
    """A contract's own text, and what has been put behind it."""
    declared, separator, rest = text.partition(_SEPARATOR)
    return declared, separator + rest


def split_text(text: str, where: str) -> tuple[str, Mapping[str, Sequence[Mapping[str, str]]]]:
    """The contract's own text, and the rows of its reference tables by name.

    Raises ConfigurationError, naming the table and its line, for one that cannot be read.
    """
    declared, separator, rest = text.partition(_SEPARATOR)
    if not separator:
        return text, {}
    try:
        document = yaml.load(rest, _LOADER)  # noqa: S506 - a safe one
    except yaml.YAMLError as error:
        raise ConfigurationError("the reference tables are not YAML.", where=where) from error
    tables = document.get("reference") if isinstance(document, dict) else None
    if not isinstance(tables, dict):
        raise ConfigurationError("what follows the contract is no reference tables.", where=where)
    return declared, {str(name): _rows(str(name), str(told)) for name, told in tables.items()}


def with_reference_tables(text: str, where: str, read: Callable[[str], str]) -> str:
    """A contract's text with the tables that it names; as it is where it names none, or has them already.

    `read` gives the text of a table's file by the table's name. Raises ConfigurationError, also for too large a table.
    """
    if _SEPARATOR in text:
        return text
    names = sorted(set(_named(load_standard(text, where))))
    if not names:
        return text
    tables = {}
    for name in names:
        if not is_name(name):
            raise ConfigurationError(
                f"{name!r} is no name of a reference table.", where=where, hint=f"Names match {NAME_PATTERN}."
            )
        tables[name] = read(name)
        _rows(name, tables[name])
    size = sum(len(told.encode()) for told in tables.values())
    if size > MOST_BYTES:
        raise ConfigurationError(
            f"its reference tables have {size:,} bytes.",
            where=where,
            hint=f"Up to {MOST_BYTES:,} become part of a contract: leave out columns and rows that it does not need.",
        )
    return text.rstrip("\n") + _SEPARATOR + yaml.dump({"reference": tables}, Dumper=_DUMPER)


def _named(value: object) -> list[str]:
    """The tables that any `enrich` in a contract names."""
    if isinstance(value, list):
        return [name for one in value for name in _named(one)]
    if not isinstance(value, dict):
        return []
    enrich = value.get("enrich")
    own = [enrich["table"]] if isinstance(enrich, dict) and isinstance(enrich.get("table"), str) else []
    return own + [name for one in value.values() for name in _named(one)]


def _rows(name: str, text: str) -> Sequence[Mapping[str, str]]:
    where = f"reference/{name}.csv"
    if "\0" in text:
        raise ConfigurationError("holds a NUL character.", where=where, hint="Write text in UTF-8.")
    try:
        lines = list(csv.reader(io.StringIO(text.removeprefix("\ufeff")), strict=True))
    except csv.Error as error:
        raise ConfigurationError(f"is no CSV: {error}.", where=where) from error
    head, *rows = [line for line in lines if line] or [[]]
    if not head or not rows:
        raise ConfigurationError("holds no rows.", where=where, hint="The first line names the columns.")
    for column in head:
        if not is_name(column) or head.count(column) > 1:
            hint = (
                near_miss(column, [one for one in head if one != column]) or f"Names match {NAME_PATTERN}, each once."
            )
            raise ConfigurationError(f"{column!r} is no name of a column.", where=f"{where}:1", hint=hint)
    if len(rows) > MOST_ROWS:
        raise ConfigurationError(f"has {len(rows):,} rows.", where=where, hint=f"Up to {MOST_ROWS:,} are taken.")
    for number, row in enumerate(rows, 2):
        if len(row) != len(head):
            raise ConfigurationError(
                f"has {len(row)} values and {len(head)} columns.",
                where=f"{where}:{number}",
                hint="Give each column one.",
            )
    return [dict(zip(head, row, strict=True)) for row in rows]
