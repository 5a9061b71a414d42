"""Which of its equals a row is, over a whole unit of any size: numbered on disk, with little memory."""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

__all__ = ["Numbering"]


class Numbering:
    """First `add` all rows in order, then `number` once, then ask for `numbers` of any stretch.

    Only rows that have equals are numbered: the others are 1, and in most data that is nearly all of them. Rows are
    compared by a hash that nobody relies on: were two to collide, one's number would be 2 instead of 1.
    """

    def __init__(self, folder: Path, memory: str) -> None:
        """`folder` holds 24 bytes a row while this lives."""
        self._duck = duckdb.connect(
            str(folder / "numbering.duckdb"),
            config={"memory_limit": memory, "threads": 2, "temp_directory": str(folder / "numbering")},
        )
        # One transaction: every commit would be made durable, and nothing here has to be.
        self._duck.execute("BEGIN")
        self._duck.execute("CREATE TABLE unit (seq BIGINT, hash UHUGEINT)")
        self.rows = 0

    def close(self) -> None:
        """Let go of the files."""
        self._duck.close()

    def add(self, rows: pa.Array) -> None:
        """The next rows (binary, no nulls)."""
        seq = np.arange(self.rows, self.rows + len(rows))
        self._duck.register("batch", pa.table({"seq": seq, "row": rows}))
        self._duck.execute("INSERT INTO unit SELECT seq, md5_number(row) FROM batch")
        self._duck.unregister("batch")
        self.rows += len(rows)

    def number(self) -> None:
        """Number the rows that have equals, in the order they were added."""
        self._duck.execute(
            """
            CREATE TABLE repeated AS
            SELECT seq, n FROM (
                SELECT seq, row_number() OVER (PARTITION BY hash ORDER BY seq) AS n
                FROM unit SEMI JOIN (SELECT hash FROM unit GROUP BY hash HAVING count(*) > 1) USING (hash)
            )
            WHERE n > 1 ORDER BY seq
            """
        )
        self._duck.execute("DROP TABLE unit")

    def numbers(self, first: int, count: int) -> np.ndarray:
        """The numbers of rows `first` to `first + count`, as int64."""
        found = self._duck.execute(
            "SELECT seq, n FROM repeated WHERE seq >= ? AND seq < ?", [first, first + count]
        ).fetchnumpy()
        numbers = np.ones(count, np.int64)
        numbers[found["seq"] - first] = found["n"]
        return numbers
