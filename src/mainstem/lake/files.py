"""Record files: Parquet whose clear columns identify nobody, and whose sealed column holds the rest.

A row group is one block of up to 10,000 rows. Column `sealed` has the block (compressed, then sealed) in the group's first
row and null in the others, uncompressed and without statistics: tools that read other columns never touch it, and a
reader that wants one record fetches one row group. `docs/specs/lake.md` describes the file for readers elsewhere.
"""

from __future__ import annotations

import contextlib
import io
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import zstandard

from mainstem.errors import IntegrityError
from mainstem.lake.block import BLOCK_COLUMNS, decode_block, encode_block
from mainstem.lake.commit import SUM_MODULUS, Chain, FileKey, LakeFile
from mainstem.lake.rows import ROWS, row_hashes
from mainstem.lake.settings import LakeSettings
from mainstem.lake.store import ObjectStore
from mainstem.model import Span
from mainstem.privacy import Hasher, Sealer

__all__ = ["FILE", "HASHED", "FileBuilder", "FileCodec", "FileReader", "RangedObject"]

_FORMAT_KEY, _FORMAT = b"mainstem.lake.format", b"1"
_LABEL = pa.dictionary(pa.int32(), pa.string())
_TIMESTAMP = pa.timestamp("us", tz="UTC")
_HASH = pa.binary(16)

FILE = pa.schema(
    [
        # Labels are dictionaries, the type that Arrow gives to folders' names: `stream` is one of both.
        pa.field("source", _LABEL, nullable=False),
        pa.field("stream", _LABEL, nullable=False),
        pa.field("op", _LABEL, nullable=False),
        pa.field("occurred_at", _TIMESTAMP),
        pa.field("observed_at", _TIMESTAMP, nullable=False),
        pa.field("received_at", _TIMESTAMP, nullable=False),
        pa.field("epoch", pa.int32(), nullable=False),
        pa.field("partition", pa.int32(), nullable=False),
        pa.field("lane", _LABEL, nullable=False),
        pa.field("position", pa.int64(), nullable=False),
        pa.field("index", pa.int64(), nullable=False),
        pa.field("slot", pa.int32(), nullable=False),
        pa.field("contract_version", pa.int32(), nullable=False),
        pa.field("origin", _LABEL, nullable=False),
        pa.field("content_type", _LABEL, nullable=False),
        pa.field("record_id_hash", _HASH),
        pa.field("key_hash", _HASH),
        pa.field("partition_key_hash", _HASH),
        pa.field("delivery_hash", _HASH),
        pa.field("block", pa.int32(), nullable=False),
        pa.field("offset", pa.int32(), nullable=False),
        pa.field("length", pa.int32(), nullable=False),
        pa.field("sealed", pa.binary()),
    ],
    metadata={_FORMAT_KEY: _FORMAT},
)
"""The columns of a record file; signed integers only, which every table format knows."""

HASHED = ("record_id", "key", "partition_key", "delivery")
"""Values of the envelope that stand in clear columns as keyed hashes, `<name>_hash`."""

_SEALED = "sealed"
# Values that hardly ever repeat.
_UNIQUE = ("record_id",)
# What a row's numbers, times and labels take while it is held.
_NUMBERS_BYTES = 100
_CLEAR = tuple(name for name in FILE.names if name != _SEALED)
_ENVELOPE_CLEAR = tuple(name for name in ROWS.names if name not in BLOCK_COLUMNS)
_DELTA = dict.fromkeys(("occurred_at", "observed_at", "position", "index", "offset", "length"), "DELTA_BINARY_PACKED")
# Random bytes: a codec or a dictionary would only cost.
_INCOMPRESSIBLE = (_SEALED, "record_id_hash", "key_hash")
_WRITING: dict[str, Any] = {
    "use_dictionary": [name for name in FILE.names if name not in _DELTA and name not in _INCOMPRESSIBLE],
    "column_encoding": _DELTA,
    "compression": {name: "none" if name in _INCOMPRESSIBLE else "zstd" for name in FILE.names},
    "write_statistics": ["occurred_at", "observed_at", "received_at", "position"],
    "write_page_checksum": True,
}


class _Compressors(threading.local):
    """zstd's contexts belong to one thread."""

    def __init__(self, level: int) -> None:
        self.packer = zstandard.ZstdCompressor(level=level)
        self.unpacker = zstandard.ZstdDecompressor()


class FileCodec:
    """Everything that turns rows into files and back: keys and sizes. Safe to share between threads."""

    def __init__(self, sealer: Sealer, hasher: Hasher, settings: LakeSettings) -> None:
        self.sealer = sealer
        self.hasher = hasher
        self.settings = settings
        self._zstd = _Compressors(settings.compression_level)

    def value_hash(self, column: str, key: FileKey, value: str) -> bytes:
        """What stands in `<column>_hash` for a value of a column in `HASHED`."""
        return self.hasher.digest(_value_purpose(column, key), [value])

    def value_hashes(self, column: str, key: FileKey, values: pa.Array) -> pa.Array:
        """`value_hash` of each; null stays null."""
        if values.null_count == len(values):
            return pa.nulls(len(values), _HASH)
        purpose = _value_purpose(column, key)
        if column in _UNIQUE:
            return pc.if_else(values.is_valid(), self.hasher.hashes(purpose, [values]), pa.scalar(None, _HASH))
        # Deliveries and keys repeat: each distinct value is hashed once.
        encoded = values.dictionary_encode()
        return self.hasher.hashes(purpose, [encoded.dictionary]).take(encoded.indices)

    def seal(self, data: bytes, context: bytes) -> bytes:
        """A block, compressed and sealed."""
        return self.sealer.seal(self._zstd.packer.compress(data), context)

    def open(self, sealed: bytes, context: bytes) -> bytes:
        """A block in the clear. Raises IntegrityError when it is damaged or is not the block of these rows."""
        return self._zstd.unpacker.decompress(self.sealer.open(sealed, context))


class FileBuilder:
    """Makes one file, in memory, from rows of one key in rising places."""

    def __init__(self, codec: FileCodec, chain: Chain, key: FileKey) -> None:
        self.rows_added = 0
        self._codec = codec
        self._chain = chain
        self._key = key
        self._pending: list[pa.Table] = []
        self._pending_rows = 0
        self._pending_bytes = 0
        self._blocks = 0
        self._row_sum = 0
        self._sink = pa.BufferOutputStream()
        self._writer = pq.ParquetWriter(
            self._sink, FILE, compression_level=_levels(codec.settings.compression_level), **_WRITING
        )

    @property
    def memory(self) -> int:
        """Bytes held."""
        return self._pending_bytes + int(self._sink.tell())

    def add(self, rows: pa.Table) -> None:
        """Take rows in `ROWS` columns."""
        settings = self._codec.settings
        self.rows_added += len(rows)
        while len(rows):
            taken = min(len(rows), settings.block_records - self._pending_rows)
            sizes = np.cumsum(_row_bytes(rows.slice(0, taken)))
            room = settings.block_bytes - self._pending_bytes
            # One more than fits: a block is closed by the row that fills it, so that a huge row has its place too.
            taken = min(taken, int(np.searchsorted(sizes, room)) + 1)
            self._pending.append(rows.slice(0, taken))
            self._pending_rows += taken
            self._pending_bytes += int(sizes[taken - 1])
            if self._pending_rows >= settings.block_records or self._pending_bytes >= settings.block_bytes:
                self._write_block()
            rows = rows.slice(taken)

    def finish(self, span: Span) -> tuple[LakeFile, bytes]:
        """The file, named for the span it belongs to, and its bytes. Nothing can be added afterwards."""
        if self._pending:
            self._write_block()
        self._writer.close()
        data = self._sink.getvalue().to_pybytes()
        return LakeFile.of(self._key, span, data, rows=self.rows_added, row_sum=self._row_sum), data

    def _write_block(self) -> None:
        rows = pa.concat_tables(self._pending).combine_chunks()
        self._pending, self._pending_rows, self._pending_bytes = [], 0, 0
        hashes = row_hashes(self._codec.hasher, self._chain, rows)
        self._row_sum = (self._row_sum + self._codec.hasher.row_sum(hashes)) % SUM_MODULUS
        data, offsets, lengths = encode_block(rows)
        sealed = self._codec.seal(data, _context(self._chain, self._key, rows))
        constants = {"epoch": self._chain.epoch, "partition": self._chain.partition, "block": self._blocks}
        columns: dict[str, Any] = {
            name: pa.repeat(pa.scalar(value, FILE.field(name).type), len(rows)) for name, value in constants.items()
        }
        columns["lane"] = pa.repeat(self._chain.lane.label, len(rows)).dictionary_encode()
        columns["offset"] = pa.array(offsets)
        columns["length"] = pa.array(lengths)
        for name in HASHED:
            values = rows.column(name).combine_chunks()
            columns[f"{name}_hash"] = self._codec.value_hashes(name, self._key, values)
        columns[_SEALED] = pa.concat_arrays([pa.array([sealed]), pa.nulls(len(rows) - 1, pa.binary())])
        for name in _ENVELOPE_CLEAR:
            kind = FILE.field(name).type
            column = rows.column(name).combine_chunks()
            columns[name] = column.dictionary_encode() if pa.types.is_dictionary(kind) else column.cast(kind)
        self._writer.write_table(
            pa.table([columns[name] for name in FILE.names], schema=FILE), row_group_size=len(rows)
        )
        self._blocks += 1


class FileReader:
    """Reads one file. Raises IntegrityError from every method when it does not hold what it should."""

    def __init__(self, codec: FileCodec, chain: Chain, file: LakeFile, source: io.RawIOBase | bytes) -> None:
        """`source` is the file's bytes, or a `RangedObject` of which only what is asked for is fetched."""
        self.chain = chain
        self._codec = codec
        self._file = file
        opened = pa.BufferReader(source) if isinstance(source, bytes) else pa.PythonFile(source, mode="r")
        with self._checked():
            self._parquet = pq.ParquetFile(opened, page_checksum_verification=True)
            schema = self._parquet.schema_arrow
            if (schema.metadata or {}).get(_FORMAT_KEY) != _FORMAT:
                raise IntegrityError("It is not of a format that this release reads.")
            if schema != FILE:
                raise IntegrityError("The columns are not those of a record file.")

    @property
    def blocks(self) -> int:
        """Number of blocks."""
        return int(self._parquet.metadata.num_row_groups)

    def last_position(self, block: int) -> int:
        """The highest position of a block, without reading it."""
        with self._checked():
            statistics = self._parquet.metadata.row_group(block).column(FILE.get_field_index("position")).statistics
            if statistics is None or not statistics.has_min_max:
                raise IntegrityError("A block does not say its positions.")
            return int(statistics.max)

    def clear(self, block: int, columns: Sequence[str]) -> pa.Table:
        """Clear columns of a block."""
        with self._checked():
            return self._parquet.read_row_group(block, columns=list(columns), use_threads=False)

    def read(self, block: int) -> pa.Table:
        """The rows of a block, in `ROWS` columns."""
        table = self.clear(block, [*_ENVELOPE_CLEAR, "length", _SEALED])
        with self._checked():
            columns = {name: table.column(name).cast(ROWS.field(name).type) for name in _ENVELOPE_CLEAR}
            sealed = table.column(_SEALED)[0].as_py()
            if sealed is None:
                raise IntegrityError("A block is missing.")
            data = self._codec.open(sealed, _context(self.chain, self._file.key, table))
            columns |= decode_block(data, table.column("length").to_numpy())
            return pa.table([columns[name] for name in ROWS.names], schema=ROWS)

    @contextlib.contextmanager
    def _checked(self) -> Iterator[None]:
        """Within it, whatever a damaged file provokes becomes an IntegrityError that names the file."""
        try:
            yield
        except (pa.ArrowException, OSError, ValueError, IntegrityError, zstandard.ZstdError) as error:
            raise IntegrityError(
                f"{self._file.path} is damaged: {error.message if isinstance(error, IntegrityError) else 'unreadable.'}",
                hint="Restore it from a copy; `mainstem lake verify --deep` lists what is wrong.",
            ) from error


class RangedObject(io.RawIOBase):
    """An object as a file that can be read at any place, each read one range."""

    def __init__(self, store: ObjectStore, file: LakeFile) -> None:
        super().__init__()
        self._store = store
        self._file = file
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._file.size}[whence]
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        rest = max(self._file.size - self._at, 0)
        length = rest if size is None or size < 0 else min(size, rest)
        data = self._store.get_range(self._file.path, self._at, length)
        self._at += len(data)
        return data


def _context(chain: Chain, key: FileKey, rows: pa.Table) -> bytes:
    """What a block is sealed for: it opens only beside its own first and last row. The day follows from the place."""
    ends = [(rows.column("position")[n].as_py(), rows.column("index")[n].as_py()) for n in (0, len(rows) - 1)]
    places = "\0".join(f"{position}-{index}" for position, index in ends)
    return f"lake.block\0{key.source}\0{key.stream}\0{key.contract_version}\0{chain}\0{places}\0{len(rows)}".encode()


def _value_purpose(column: str, key: FileKey) -> bytes:
    return f"lake.{column}\0{key.source}\0{key.stream}".encode()


def _levels(level: int) -> dict[str, int]:
    return {name: level for name in _CLEAR if name not in _INCOMPRESSIBLE}


def _row_bytes(rows: pa.Table) -> Any:
    """Bytes of each row as it is held: its values, and some for its numbers."""
    sizes = np.full(len(rows), _NUMBERS_BYTES, np.int64)
    for name in ("record_id", "key", "partition_key", "delivery", "payload"):
        sizes += pc.binary_length(rows.column(name)).fill_null(0).to_numpy()
    return sizes
