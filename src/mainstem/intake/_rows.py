"""Rows of files as payloads: lines of NDJSON as they are, rows of CSV and Parquet as canonical JSON objects.

Canonical: keys in the order of the columns, then the folders'; every CSV value as text (what looks like a number in one
file need not in the next), empty and unquoted as null; Parquet's values as JSON has them, but whole numbers without a
fraction whatever their type (as RFC 8785 has it), decimals of more than 15 digits as text, bytes as base64, and null for
a number that is none (JSON has no NaN).
"""

from __future__ import annotations

import csv
import dataclasses
import gzip
import io
import itertools
import re
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import duckdb
import pyarrow as pa

from mainstem.errors import ConfigurationError
from mainstem.intake._files import DataFile
from mainstem.intake._lines import line_numbers, past_blank_lines, quoted_ends
from mainstem.intake.settings import LoadSettings

__all__ = ["BadLine", "Chunk", "RowReader"]

_BLOCK = 4 << 20
_HEAD = 1 << 16
_SPACE = b" \t\r\n"
_BOM = b"\xef\xbb\xbf"
_DELIMITERS = ",;\t|"
# More digits than a double, and so most readers of JSON, can keep.
_EXACT_DIGITS = 15

_OPEN_QUOTE = "UNQUOTED VALUE"
_SWALLOWED = "a quote that is not closed, or text behind a closed one; lines {} to {}, which it holds, were not loaded"
_ONE_LINE = {
    "TOO MANY COLUMNS": "more values than columns",
    "MISSING COLUMNS": "fewer values than columns",
    _OPEN_QUOTE: "a quote that is not closed, or text behind a closed one",
    "INVALID ENCODING": "not valid UTF-8",
    "LINE SIZE OVER MAXIMUM": "longer than a line may be",
}
_WHOLE_FILE = {
    "CSV Parser state machine": "its line ends are mixed (some CRLF, some LF), or its quotes are not closed",
    "No magic bytes": "not a Parquet file",
    "too small to be a Parquet file": "not a Parquet file",
    "Footer length": "a broken Parquet file",
    "not a gzip": "not a gzip file",
    "GZIP": "a broken gzip file",
    "Compressed file ended": "a truncated gzip file",
    "Error -3": "a broken gzip file",
    "CRC": "a broken gzip file",
}


@dataclasses.dataclass(frozen=True, slots=True)
class BadLine:
    """What was not loaded: a line, a row where rows are no lines, or what is left of a file (both numbers None).

    Both count from 1; `reason` holds no value of it. `last` is the last line where there are several, from `line` on.
    """

    file: str
    line: int | None
    reason: str
    row: int | None = None
    last: int | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Chunk:
    """Rows that follow one another in a file.

    `first` is the number of the first one; `lines` are their line numbers, where a row is a line. `readable`: they are
    JSON objects for sure. `done` is how much of the file is read with them, 0 to 1.
    """

    payloads: pa.Array
    first: int
    done: float
    canonical: bool
    readable: bool
    lines: Sequence[int] | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class _Header:
    """The head of a CSV file: its columns, what stands between them, its lines, and about how many rows follow."""

    names: list[str]
    delimiter: str
    lines: int
    rows: float


class RowReader:
    """Reads the files of one unit; not to be shared between threads."""

    def __init__(self, files: Sequence[DataFile], folder: Path, settings: LoadSettings, longest: int) -> None:
        """`folder` is for what does not fit in memory, `longest` the bytes of the longest line that is read."""
        self._chunk_rows = settings.chunk_rows
        self._longest = longest
        self._duck = duckdb.connect(":memory:", config={"memory_limit": settings.memory, "threads": 2})
        # In this order: nothing about files can be set once all others are out of reach.
        for setting, value in (
            ("temp_directory", str(folder)),
            ("TimeZone", "UTC"),
            ("autoinstall_known_extensions", False),
            ("autoload_known_extensions", False),
            ("python_enable_replacements", False),
            ("allowed_paths", [str(file.path.absolute()) for file in files]),
            ("enable_external_access", False),
            ("lock_configuration", True),
        ):
            self._duck.execute(f"SET {setting} = ?", [value])

    def close(self) -> None:
        """Let go of memory and files."""
        self._duck.close()

    def chunks(self, file: DataFile, bad: list[BadLine]) -> Iterator[Chunk]:
        """The rows of a file, in order; lines that are none are added to `bad` by the time it is through.

        Raises ConfigurationError for a CSV file whose first line does not name its columns.
        """
        read = {"ndjson": self._ndjson, "csv": self._csv, "parquet": self._parquet}[file.format]
        try:
            yield from read(file, bad)
        except (duckdb.Error, OSError, EOFError, zlib.error) as error:
            text = str(error)
            reason = next((known for mark, known in _WHOLE_FILE.items() if mark in text), type(error).__name__)
            # DuckDB's own words may quote what it could not read.
            bad.append(BadLine(str(file.path), None, f"the file could not be read to its end: {reason}"))

    def _parquet(self, file: DataFile, _: list[BadLine]) -> Iterator[Chunk]:
        relation = f"read_parquet({_literal(str(file.path.absolute()))}, hive_partitioning = false)"
        described = self._duck.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()
        members = [(name, *_json_value(_quoted(name), kind)) for name, kind, *_ in described]
        row = self._duck.execute(f"SELECT count(*) FROM {relation}").fetchone()
        total = max(row[0] if row else 0, 1)
        readable = all(flat for _, _, flat in members)
        query = f"SELECT {_object([(name, sql) for name, sql, _ in members], file)} FROM {relation}"
        for first, payloads in self._batches(query):
            yield Chunk(payloads, first, min((first + len(payloads)) / total, 1.0), canonical=True, readable=readable)

    def _csv(self, file: DataFile, bad: list[BadLine]) -> Iterator[Chunk]:
        header = _csv_header(file)
        if header is None:
            return
        names, delimiter = header.names, header.delimiter
        columns = ", ".join(f"'c{i}': 'VARCHAR'" for i in range(len(names)))
        # Nothing is guessed: DuckDB's sniffer lets one broken line change how all others are read.
        relation = (
            f"read_csv({_literal(str(file.path.absolute()))}, auto_detect = false, header = false, "
            f"skip = {header.lines}, "
            f"columns = {{{columns}}}, delim = {_literal(delimiter)}, quote = '\"', escape = '\"', "
            f"allow_quoted_nulls = false, hive_partitioning = false, max_line_size = {self._longest}, "
            "store_rejects = true, rejects_table = 'bad_lines', rejects_scan = 'bad_scans')"
        )
        query = f"SELECT {_object([(name, f'c{i}') for i, name in enumerate(names)], file)} FROM {relation}"
        for first, payloads in self._batches(query):
            done = min((first + len(payloads)) / header.rows, 0.99)
            yield Chunk(payloads, first, done, canonical=True, readable=True)
        found = self._duck.execute(
            # Of several a line is told the first: an open quote makes the others.
            "SELECT line_byte_position, arg_min(error_type, coalesce(byte_position, 0)) FROM bad_lines GROUP BY 1 ORDER BY 1"
        ).fetchall()
        self._duck.execute("DROP TABLE bad_lines; DROP TABLE bad_scans")
        positions = past_blank_lines(file, [position for position, _ in found])
        found = list(zip(positions, (error for _, error in found), strict=True))
        lines = line_numbers(file, positions)
        quoted = [position for position, error in found if error == _OPEN_QUOTE]
        ends = dict(zip(quoted, quoted_ends(file, quoted), strict=True))
        for line, (position, error) in zip(lines, found, strict=True):
            last = ends.get(position, line)
            bad.append(
                BadLine(
                    str(file.path),
                    line,
                    _ONE_LINE.get(error, error.lower()) if last == line else _SWALLOWED.format(line, last),
                    last=last if last > line else None,
                )
            )

    def _batches(self, query: str) -> Iterator[tuple[int, pa.Array]]:
        """The one column of a query, as bytes, with the number of each batch's first row."""
        first = 0
        for batch in self._duck.execute(query).to_arrow_reader(self._chunk_rows):
            for start in range(0, batch.num_rows, self._chunk_rows):
                payloads = batch.column(0).slice(start, self._chunk_rows).cast(pa.binary())
                yield first, payloads
                first += len(payloads)

    def _ndjson(self, file: DataFile, bad: list[BadLine]) -> Iterator[Chunk]:
        first = 0
        for block, number, done in _line_blocks(file, self._longest, bad):
            lines = list(map(bytes.strip, block, itertools.repeat(_SPACE)))
            for start in range(0, len(lines), self._chunk_rows):
                part = lines[start : start + self._chunk_rows]
                numbers: Sequence[int] = range(number + start, number + start + len(part))
                if b"" in part:
                    numbers = list(itertools.compress(numbers, part))
                    part = list(filter(None, part))
                if part:
                    payloads = pa.array(part, pa.binary())
                    yield Chunk(payloads, first, done, canonical=False, readable=False, lines=numbers)
                    first += len(part)


def _line_blocks(file: DataFile, longest: int, bad: list[BadLine]) -> Iterator[tuple[list[bytes], int, float]]:
    """Lines of a file in blocks, with the first one's number (from 1) and how much of the file is read."""
    size = max(file.size, 1)
    with file.path.open("rb") as raw, gzip.open(raw) if file.compressed else raw as source:
        number, rest, skipping = 1, b"", False
        while block := source.read(_BLOCK):
            if number == 1 and not rest:
                block = block.removeprefix(_BOM)
            lines = (rest + block).split(b"\n")
            rest = lines.pop()
            if skipping and lines:
                lines[0], skipping = b"", False
            if lines:
                yield lines, number, min(raw.tell() / size, 1.0)
                number += len(lines)
            if len(rest) > longest:
                if not skipping:
                    bad.append(BadLine(str(file.path), number, _ONE_LINE["LINE SIZE OVER MAXIMUM"]))
                rest, skipping = b"", True
        if rest and not skipping:
            yield [rest], number, 1.0


def _csv_header(file: DataFile) -> _Header | None:
    """The first row that is not blank; None when there is none."""
    with file.path.open("rb") as raw, gzip.open(raw) if file.compressed else raw as source:
        head = source.read(_HEAD).removeprefix(_BOM)
        consumed = max(raw.tell(), 1)
    text = head.decode(errors="replace")
    unquoted = re.sub(r'"[^"]*"', "", text).lstrip().partition("\n")[0]
    delimiter = max(_DELIMITERS, key=unquoted.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    # Rows, as DuckDB skips them: a name may hold a line end.
    lines, names = next(((number, row) for number, row in enumerate(reader, 1) if row), (0, None))
    if names is None:
        return None
    for name in names:
        if "\ufffd" in name:
            raise ConfigurationError("The names of the columns are not valid UTF-8.", where=str(file.path))
        if names.count(name) > 1:
            hint = "The first line names the columns: give each a name of its own."
            raise ConfigurationError("Two columns have the same name.", where=str(file.path), hint=hint)
    rows = max(head.count(b"\n"), 1) * file.size / consumed
    return _Header(names, delimiter, lines, max(rows, 1.0))


def _object(members: Sequence[tuple[str, str]], file: DataFile) -> str:
    """SQL of a row as JSON text; a column of the file wins over one of a folder."""
    own = {name for name, _ in members}
    folders = [
        (name, "NULL" if value is None else _literal(value)) for name, value in file.columns.items() if name not in own
    ]
    return f"json_object({', '.join(f'{_literal(name)}, {sql}' for name, sql in [*members, *folders])})::VARCHAR"


def _json_value(column: str, kind: str) -> tuple[str, bool]:
    """SQL of a Parquet column as JSON has it, and whether it cannot but be valid JSON."""
    if kind in {"FLOAT", "DOUBLE"}:
        # By its text a float of 32 bits is the 0.1 that was meant, and not 0.10000000149011612.
        value = f"{column}::VARCHAR::DOUBLE" if kind == "FLOAT" else column
        whole = f"{column} = trunc({column}) AND abs({column}) < {2**53}"
        # In this order: NaN equals itself here, but no absolute value bounds it.
        return (
            f"CASE WHEN {whole} THEN to_json({column}::BIGINT) WHEN isfinite({column}) THEN to_json({value}) END",
            True,
        )
    if kind == "BLOB":
        return f"base64({column})", True
    if kind.startswith("DECIMAL(") and int(kind[8:].split(",", maxsplit=1)[0]) > _EXACT_DIGITS and kind[-1] == ")":
        return f"{column}::VARCHAR", True
    flat = kind.isalpha() or (kind.startswith(("DECIMAL(", "TIMESTAMP")) and not kind.endswith("]"))
    return column, flat and kind != "JSON"


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
