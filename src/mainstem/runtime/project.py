"""The project folder that a contract's file lies in, and who in it uses a field."""

from __future__ import annotations

from pathlib import Path

from mainstem.analytics.dependents import DeclaredDependents
from mainstem.analytics.reader import read_health_model
from mainstem.contracts import Contract, Dependents, check_children
from mainstem.metrics import builtin_metrics, read_declared
from mainstem.runtime.declarations import read_contract_text, read_files, read_text

__all__ = ["check_references", "project_dependents", "read_contract_file"]


def read_contract_file(path: Path) -> Contract:
    """The contract in a file, with the reference tables of the project it lies in.

    Raises ConfigurationError naming the file and the place in it.
    """
    return read_contract_text(read_text(path), str(path), _project(path) or path.absolute().parent)


def project_dependents(contract_file: Path) -> Dependents:
    """Who uses fields: built-in metrics, and the metrics, health models and contracts of the project the file lies in.

    Raises ConfigurationError for one of these that cannot be read.
    """
    root = _project(contract_file)
    if root is None:
        return DeclaredDependents(builtin_metrics(), ())
    metrics = [one for _, one in read_files(root / "metrics", lambda text, where: read_declared(text, where=where))]
    models = [one for _, one in read_files(root / "health", lambda text, where: read_health_model(text, where=where))]
    return DeclaredDependents([*builtin_metrics(), *metrics], models, _contracts(root))


def check_references(contract: Contract, contract_file: Path) -> None:
    """Whether what the other contracts of the file's project refer to in this one can be referred to.

    Raises ConfigurationError naming the first that refers to something else, or that cannot be read.
    """
    root = _project(contract_file)
    if root is not None:
        check_children(contract, _contracts(root))


def _contracts(root: Path) -> list[Contract]:
    return [one for _, one in read_files(root / "contracts", lambda text, where: read_contract_text(text, where, root))]


def _project(contract_file: Path) -> Path | None:
    """The folder that the `contracts/` of a file lies in."""
    return next((folder.parent for folder in contract_file.absolute().parents if folder.name == "contracts"), None)
