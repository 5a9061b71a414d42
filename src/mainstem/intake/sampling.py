"""The rows of files as a load would read them, without a door: for trying a contract on them."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from mainstem.intake._files import find_files
from mainstem.intake._rows import BadLine, RowReader
from mainstem.intake.settings import DoorSettings, LoadSettings

__all__ = ["sample_rows"]


def sample_rows(path: str, most: int, bad: list[BadLine]) -> Iterator[tuple[pa.Array, Sequence[int]]]:
    """Payloads (binary), in chunks, with their numbers from 1: of the line where a row is one, else of the row.

    At most `most` rows; lines that are none are added to `bad`. Raises ConfigurationError for a path with nothing to
    read, or a CSV file without usable names.
    """
    unit, settings, left = find_files(path), LoadSettings(), most
    with tempfile.TemporaryDirectory(prefix="mainstem-sample-") as folder:
        reader = RowReader(unit.files, Path(folder), settings, DoorSettings().max_record)
        with contextlib.closing(reader):
            for file in unit.files:
                for chunk in reader.chunks(file, bad):
                    count = min(len(chunk.payloads), left)
                    numbers = range(chunk.first + 1, chunk.first + 1 + count) if chunk.lines is None else chunk.lines
                    yield chunk.payloads.slice(0, count), numbers[:count]
                    left -= count
                    if not left:
                        return
