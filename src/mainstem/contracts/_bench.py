"""Prepared queries over batches of records.

To bind and optimise a plan's query takes longer than to run it over a small batch. So it is prepared once for each
connection, over a table whose rows are whatever was put on the bench last.
"""

from __future__ import annotations

import inspect
import itertools
import threading
import weakref
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar

import duckdb
import pyarrow as pa
from duckdb.func import FunctionNullHandling, PythonUDFType
from duckdb.sqltypes import VARCHAR

from mainstem.contracts._standardisers import Function

__all__ = ["Bench"]

_SCHEMA = pa.schema(
    [
        ("payload", pa.string()),
        ("as_of", pa.timestamp("us")),
        ("env_record_id", pa.string()),
        ("env_key", pa.string()),
        ("env_partition_key", pa.string()),
        ("env_op", pa.string()),
        ("env_at", pa.timestamp("us")),
    ]
)

_FEW_ROWS = 32
# More contracts than a worker meets; the oldest goes first.
_MOST_PREPARED = 256


class _Rows:
    """An Arrow stream to DuckDB, opened anew by every query, over the rows of the moment."""

    def __init__(self) -> None:
        self.table = _SCHEMA.empty_table()

    def __arrow_c_schema__(self) -> Any:
        return _SCHEMA.__arrow_c_schema__()

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return self.table.__arrow_c_stream__(requested_schema)


class Bench:
    """The prepared queries of one connection; used by the connection's thread alone."""

    _all: ClassVar[weakref.WeakKeyDictionary[duckdb.DuckDBPyConnection, Bench]] = weakref.WeakKeyDictionary()
    _lock: ClassVar = threading.Lock()

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        # A cursor has names of its own: what the caller registers does not make DuckDB plan anew.
        self._cursor = connection.cursor()
        self._rows = _Rows()
        self._cursor.register("records", self._rows)
        self._prepared: dict[str, str] = {}
        self._numbers = itertools.count()
        self._functions: set[str] = set()

    @classmethod
    def of(cls, connection: duckdb.DuckDBPyConnection) -> Bench:
        """The bench of a connection; it goes when the connection goes."""
        with cls._lock:
            bench = cls._all.get(connection)
            if bench is None:
                bench = cls._all[connection] = cls(connection)
            return bench

    def run(
        self, sql: str, columns: Mapping[str, Any], functions: Mapping[str, Function] = MappingProxyType({})
    ) -> pa.Table:
        """The result of a query over a table `records` of these columns. Raises duckdb.Error.

        `functions` are those of texts that the query calls, by names that say all about what each does.
        """
        name = self._prepared.get(sql)
        if name is None:
            self._know(functions)
            name = self._prepare(sql)
        rows = pa.table(dict(columns), schema=_SCHEMA)
        try:
            return self._execute(name, rows)
        except duckdb.OutOfMemoryException:
            # What is parsed of a chunk of rows is held to its end, once for each use: of wide or long records fewer fit.
            return self._execute(name, pa.Table.from_batches(rows.to_batches(max_chunksize=_FEW_ROWS)))

    def _execute(self, name: str, rows: pa.Table) -> pa.Table:
        self._rows.table = rows
        try:
            return self._cursor.execute(f"EXECUTE {name}").to_arrow_table()
        finally:
            self._rows.table = _SCHEMA.empty_table()

    def _know(self, functions: Mapping[str, Function]) -> None:
        for name, function in functions.items():
            if name not in self._functions:
                takes: list[Any] = [VARCHAR] * len(inspect.signature(function).parameters)
                self._cursor.create_function(
                    name, function, takes, VARCHAR, type=PythonUDFType.ARROW, null_handling=FunctionNullHandling.SPECIAL
                )
                self._functions.add(name)

    def _prepare(self, sql: str) -> str:
        if len(self._prepared) >= _MOST_PREPARED:
            oldest = next(iter(self._prepared))
            self._cursor.execute(f"DEALLOCATE {self._prepared.pop(oldest)}")
        name = f"q{next(self._numbers)}"
        self._cursor.execute(f"PREPARE {name} AS {sql}")
        self._prepared[sql] = name
        return name
