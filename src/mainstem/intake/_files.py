"""Which files a path means, and what their folders' names say."""

from __future__ import annotations

import dataclasses
import glob
import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import unquote

from mainstem.errors import ConfigurationError

__all__ = ["DataFile", "Unit", "find_files"]

_FORMATS = {
    ".parquet": "parquet",
    ".csv": "csv",
    ".tsv": "csv",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".json": "ndjson",
}
_READ = (
    "Files that are read end in .csv, .tsv, .ndjson, .jsonl, .json (a record a line) or .parquet, and in .gz besides."
)
_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"


@dataclasses.dataclass(frozen=True, slots=True)
class DataFile:
    """A file to load. `columns` are what its folders say (`module=AAA`), null for Hive's mark of no value."""

    path: Path
    format: str
    compressed: bool
    size: int
    columns: Mapping[str, str | None]

    def identity(self) -> str:
        """The same for the same content under the same file name and folder columns, wherever the file lies."""
        digest = hashlib.sha256(repr((self.path.name, sorted(self.columns.items()))).encode())
        with self.path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
        return f"file-{digest.hexdigest()[:32]}"


@dataclasses.dataclass(frozen=True, slots=True)
class Unit:
    """What is loaded together: repeated rows are numbered over all of it. `skipped` were found and are not data."""

    files: tuple[DataFile, ...]
    skipped: tuple[Path, ...]


def find_files(path: str) -> Unit:
    """The data files of a file, a folder (with its sub-folders) or a glob, in order of their names.

    In folders, names beginning with `_` or `.` are no data. Raises ConfigurationError when there is nothing to load, or
    a file that was named is of no format that is read.
    """
    root = Path(path)
    if root.is_file():
        return _unit([root], named=True)
    if root.is_dir():
        return _unit((file for file in root.rglob("*") if file.is_file()), named=False, below=root)
    found = [Path(one) for one in glob.glob(path, recursive=True)]  # noqa: PTH207 - Path.glob takes no absolute pattern
    if not found and not glob.has_magic(path):
        raise ConfigurationError("There is no such file or folder.", where=path, hint="Look at how it is spelled.")
    return _unit((file for file in found if file.is_file()), named=True)


def _unit(paths: Iterable[Path], *, named: bool, below: Path | None = None) -> Unit:
    files: list[DataFile] = []
    skipped: list[Path] = []
    for path in sorted(paths):
        suffixes = [suffix.lower() for suffix in path.suffixes]
        compressed = suffixes[-1:] == [".gz"]
        found = _FORMATS.get("".join(suffixes[-2:-1] if compressed else suffixes[-1:]))
        hidden = below is not None and any(part.startswith(("_", ".")) for part in path.relative_to(below).parts)
        if found is None and named:
            raise ConfigurationError("This is no file that can be loaded.", where=str(path), hint=_READ)
        if found is None or hidden or (compressed and found == "parquet"):
            skipped.append(path)
            continue
        files.append(DataFile(path, found, compressed, path.stat().st_size, _folder_columns(path)))
    if not files:
        raise ConfigurationError("There is nothing to load.", where=str(below or "PATH"), hint=_READ)
    return Unit(tuple(files), tuple(skipped))


def _folder_columns(path: Path) -> dict[str, str | None]:
    """`key=value` folders anywhere on the way, as engines that read partitioned data take them."""
    columns: dict[str, str | None] = {}
    for part in path.absolute().parts[:-1]:
        key, equals, value = part.partition("=")
        if equals and key:
            columns[unquote(key)] = None if value == _NO_VALUE else unquote(value)
    return columns
