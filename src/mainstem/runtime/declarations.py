"""Putting a folder's declarations into force: contracts, metrics and journeys, health models, agreements.

What is activated becomes a decision too, with its full text, so that the lake alone is enough to build everything again.
A crash may come between the two; the scheduler then makes up for the decision.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from mainstem.analytics.health_models import activate_health_model
from mainstem.analytics.model import HealthModel
from mainstem.analytics.reader import check_health_model, read_health_model
from mainstem.contracts import (
    ACTIVE,
    ANY_SOURCE,
    CheckPlan,
    Contract,
    Registry,
    check_parents,
    read_contract,
    with_reference_tables,
)
from mainstem.errors import ConfigurationError
from mainstem.intake import ContractActivated, DeclarationActivated
from mainstem.metrics import (
    Declaration,
    Gauge,
    Journey,
    Metric,
    MetricSet,
    activate_declaration,
    builtin_metrics,
    check_journey,
    declaration_decided,
    read_declared,
    undecided_declarations,
)
from mainstem.quality.agreements import AGREEMENT, Agreement, check_agreement, read_agreement
from mainstem.runtime.wiring import Runtime

__all__ = [
    "Activation",
    "activate_contract",
    "activate_folder",
    "read_contract_text",
    "read_files",
    "read_folder",
    "read_text",
    "record_activations",
]

_Read = TypeVar("_Read")
_SUFFIXES = frozenset({".yaml", ".yml"})


@dataclasses.dataclass(frozen=True, slots=True)
class Activation:
    """A declaration in force. `new`: it was not before, or with another text."""

    kind: str
    """contract, metric, health_model or agreement."""
    name: str
    version: int
    new: bool
    status: str = ACTIVE
    """What a contract's text says of itself: a draft is in force as anything else, but was perhaps not meant to be."""


@dataclasses.dataclass(frozen=True, slots=True)
class Declarations:
    """What a folder declares, read and checked, each with its file."""

    contracts: Sequence[tuple[Path, Contract]]
    metrics: Sequence[tuple[Path, Metric | Gauge | Journey]]
    health: Sequence[tuple[Path, HealthModel]]
    agreements: Sequence[tuple[Path, Agreement]]

    def active(self, source: str, stream: str) -> Contract | None:
        """The contract that the folder declares for a stream."""
        return next((one for _, one in self.contracts if (one.source, one.stream) == (source, stream)), None)

    def streams(self) -> Sequence[tuple[str, str]]:
        """Source and stream of every declared contract."""
        return [(one.source, one.stream) for _, one in self.contracts]


@dataclasses.dataclass(frozen=True, slots=True)
class _Together:
    """The contracts that would be in force with those that a folder declares."""

    declared: Declarations
    registry: Registry

    def active(self, source: str, stream: str) -> Contract | None:
        own, standing = self.declared.active(source, stream), self.registry.active(source, stream)
        if own is None and (standing is None or standing.source == ANY_SOURCE):
            own = self.declared.active(ANY_SOURCE, stream)
        return own or standing

    def streams(self) -> Sequence[tuple[str, str]]:
        return sorted({*self.declared.streams(), *self.registry.streams()})


def read_folder(runtime: Runtime, folder: Path) -> Declarations:
    """Read `contracts/`, `metrics/`, `health/` and `agreements/` in a folder, and check them together; nothing comes into force.

    Raises ConfigurationError, naming the file, for the first thing that is wrong, and for a folder that declares nothing.
    """
    found = Declarations(
        read_files(folder / "contracts", lambda text, where: read_contract_text(text, where, folder)),
        read_files(folder / "metrics", lambda text, where: read_declared(text, where=where)),
        read_files(folder / "health", lambda text, where: read_health_model(text, where=where)),
        read_files(folder / "agreements", lambda text, where: read_agreement(text, where=where)),
    )
    if not (found.contracts or found.metrics or found.health or found.agreements):
        raise ConfigurationError(
            "nothing is declared here.",
            where=str(folder),
            hint="Files are looked for in contracts/, metrics/, health/ and agreements/, and end in .yaml.",
        )
    _check_names(found)
    together = _Together(found, runtime.registry)
    _check_contracts(found.contracts, together)
    builtin = {metric.name for metric in builtin_metrics()}
    for path, metric in found.metrics:
        if metric.name in builtin:
            raise ConfigurationError(
                f"the metric {metric.name!r} is built in.", where=str(path), hint="Give yours another name."
            )
    declared = {metric.name: metric for _, metric in found.metrics}
    known = runtime.metrics.current().declared()
    measured = MetricSet([*(one for one in known if one.name not in declared), *declared.values()])
    for path, metric in found.metrics:
        if isinstance(metric, Journey):
            check_journey(metric, measured.metrics, where=str(path))
    for path, model in found.health:
        check_health_model(model, measured, where=str(path))
    for path, agreement in found.agreements:
        check_agreement(agreement, together, where=str(path))
    return found


def _check_contracts(declared: Sequence[tuple[Path, Contract]], together: _Together) -> None:
    """Raise ConfigurationError for a contract that does not work by itself, or beside those in force."""
    for path, contract in declared:
        CheckPlan.compile(contract).prove(str(path))
    _check_references(together)


def _check_references(together: _Together) -> None:
    """Raise ConfigurationError where a contract would refer to what cannot be referred to."""
    for path, contract in together.declared.contracts:
        check_parents(contract, together.active, str(path))
    for name in together.registry.streams():
        standing = together.active(*name)
        if standing is not None and together.declared.active(*name) is None:
            # What is in force may refer to what is about to change.
            check_parents(standing, together.active, f"{name[0]}.{name[1]}, which is in force")


def _parents_first(declared: Sequence[tuple[Path, Contract]]) -> list[tuple[Path, Contract]]:
    """Each contract behind those that it refers to, so that a crash leaves none in force whose parents have no contract."""
    left, ordered = list(declared), list[tuple[Path, Contract]]()
    while left:
        waiting = {one.stream for _, one in left}
        # Of those that refer to each other in a circle, the first comes first.
        ready = [one for one in left if not _parents_of(one[1]) & waiting] or left[:1]
        ordered += ready
        left = [one for one in left if one not in ready]
    return ordered


def _parents_of(contract: Contract) -> set[str]:
    """The other streams that a contract's fields refer to."""
    return {field.parent.stream for field in contract.fields.values() if field.parent is not None} - {contract.stream}


def activate_folder(runtime: Runtime, folder: Path) -> list[Activation]:
    """Put into force what a folder declares, and make decisions of it; the runtime's door has to be started.

    Raises as `read_folder` before anything is put into force; ConfigurationError also when it comes to one that cannot
    replace the text in force (a metric that would measure something else); StorageFullError or UnavailableError.
    """
    found = read_folder(runtime, folder)
    now = runtime.clock.wall()
    done = []
    for path, declared in _parents_first(found.contracts):
        contract, new = runtime.registry.activate(declared.text, now, where=str(path))
        done.append(
            Activation("contract", f"{contract.source}.{contract.stream}", contract.version, new, declared.status)
        )
    for _, metric in found.metrics:
        done.append(_activation(*runtime.metrics.activate(metric, now)))
    for _, model in found.health:
        done.append(_activation(*activate_health_model(runtime.database, model, now)))
    for _, agreement in found.agreements:
        done.append(
            _activation(*activate_declaration(runtime.database, AGREEMENT, agreement.name, agreement.text, now))
        )
    record_activations(runtime)
    return done


def activate_contract(runtime: Runtime, text: str, where: str, *, follows: int) -> Activation:
    """Put one contract into force, and make a decision of it; the runtime's door has to be started.

    `where` names the text in messages, `follows` is the version it was made from. Raises ConfigurationError, also where that
    one is no longer in force, or where others that are refer to what it would take away; StorageFullError or UnavailableError.
    """
    proposed = Declarations([(Path(where), read_contract(text, where))], (), (), ())
    _check_references(_Together(proposed, runtime.registry))
    contract, new = runtime.registry.activate(text, runtime.clock.wall(), where=where, follows=follows)
    record_activations(runtime)
    return Activation("contract", f"{contract.source}.{contract.stream}", contract.version, new)


def record_activations(runtime: Runtime) -> int:
    """Make a decision of every activation that is none yet; how many. The runtime's door has to be started.

    Repeating one is harmless: the same decision has the same id. Raises StorageFullError or UnavailableError.
    """
    contracts = runtime.registry.undecided()
    for contract in contracts:
        runtime.decisions.decide(
            ContractActivated(
                source=contract.source,
                stream=contract.stream,
                version=contract.version,
                fingerprint=contract.fingerprint,
                text=contract.text,
            )
        )
        runtime.registry.decided(contract)
    declarations = undecided_declarations(runtime.database)
    for one in declarations:
        runtime.decisions.decide(
            DeclarationActivated(kind=one.kind, name=one.name, version=one.version, text=one.text, since=one.since)
        )
        declaration_decided(runtime.database, one)
    return len(contracts) + len(declarations)


def _activation(declaration: Declaration, new: bool) -> Activation:  # noqa: FBT001 - a pair taken apart
    return Activation(declaration.kind, declaration.name, declaration.version, new)


def read_files(folder: Path, read: Callable[[str, str], _Read]) -> list[tuple[Path, _Read]]:
    """The declarations in a folder and those below it, each with its file. Raises ConfigurationError."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix in _SUFFIXES and path.is_file())
    return [(path, read(read_text(path), str(path))) for path in paths]


def read_contract_text(text: str, where: str, project: Path) -> Contract:
    """The contract in a text of a project's folder, whose reference tables become part of it. Raises ConfigurationError."""
    completed = with_reference_tables(text, where, lambda name: read_text(project / "reference" / f"{name}.csv"))
    return read_contract(completed, where)


def read_text(path: Path) -> str:
    """A declaration's text. Raises ConfigurationError when it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text in UTF-8"
        raise ConfigurationError(f"it cannot be read: {reason}.", where=str(path)) from error


def _check_names(found: Declarations) -> None:
    """Raise ConfigurationError where two files declare the same."""
    seen: dict[tuple[str, str], Path] = {}
    named = [
        *((path, "contract", f"{one.source}.{one.stream}") for path, one in found.contracts),
        *((path, "metric", one.name) for path, one in found.metrics),
        *((path, "health model", one.name) for path, one in found.health),
        *((path, "agreement", one.name) for path, one in found.agreements),
    ]
    for path, kind, name in named:
        other = seen.setdefault((kind, name), path)
        if other != path:
            raise ConfigurationError(f"the {kind} {name!r} is declared in {other} too.", where=str(path))
