"""DuckDB SQL that writes typed columns as JSON."""

from __future__ import annotations

import json

from mainstem.model import FieldType

__all__ = ["json_text", "json_value", "sql_literal"]


def json_value(column: str, kind: FieldType) -> str:
    """SQL for a column's value as JSON; null where there is none."""
    match kind:
        case FieldType.INTEGER | FieldType.BOOLEAN:
            return f"{column}::VARCHAR"
        case FieldType.NUMBER:
            return f"regexp_replace({column}::VARCHAR, '\\.?0+$', '')"
        case FieldType.TIMESTAMP:
            return f"strftime({column}, '\"%Y-%m-%dT%H:%M:%S.%fZ\"')"
        case FieldType.DATE:
            return f"'\"' || {column}::VARCHAR || '\"'"
        case FieldType.OBJECT:
            return column
        case _:
            return f"to_json({column})::VARCHAR"


def json_text(text: str) -> str:
    """A text as JSON."""
    return json.dumps(text, ensure_ascii=False)


def sql_literal(text: str) -> str:
    """A SQL string."""
    return "'" + text.replace("'", "''") + "'"
