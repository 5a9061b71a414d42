"""Which agreements are in force, and evaluating them: the one that waits longest, and any at a word."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import duckdb
import structlog

from mainstem.errors import ConfigurationError, IntegrityError
from mainstem.privacy import Hasher
from mainstem.quality.agreements.agreement import Agreement, ContractVersions
from mainstem.quality.agreements.evaluation import Evaluation, evaluate
from mainstem.quality.agreements.held import HeldEntities
from mainstem.quality.agreements.reader import check_agreement, read_agreement
from mainstem.quality.agreements.register import keep_evaluation, last_run_at
from mainstem.store import Database

__all__ = ["EVERY", "AgreementParts", "DueAgreements", "InForce", "Turns", "evaluate_now", "read_in_force"]

_log = structlog.get_logger()

_Key = TypeVar("_Key", bound=tuple[Any, ...])

EVERY = dt.timedelta(minutes=15)
"""From one look at what is held to the next."""


@dataclasses.dataclass(frozen=True, slots=True)
class InForce:
    """An agreement in force."""

    agreement: Agreement
    version: int


@dataclasses.dataclass(frozen=True, slots=True)
class AgreementParts:
    """What evaluating takes."""

    database: Database
    contracts: ContractVersions
    held: HeldEntities
    hasher: Hasher
    folder: Path
    """For what memory does not hold while comparing."""


class Turns:
    """Whose turn it is of things that are looked at every so often. Not safe to share between threads."""

    def __init__(self) -> None:
        self._tried: dict[Hashable, dt.datetime] = {}

    def due(self, done: Mapping[_Key, dt.datetime | None], now: dt.datetime) -> list[_Key]:
        """Of things by when they were done (None: never), those to look at, the one that waits longest first."""
        never = dt.datetime.min.replace(tzinfo=dt.UTC)
        waits = {key: max(at or never, self._tried.get(key, never)) for key, at in done.items()}
        return sorted((key for key, at in waits.items() if at <= now - EVERY), key=lambda key: (waits[key], key))

    @contextlib.contextmanager
    def turn(self, key: Hashable, now: dt.datetime, **named: str) -> Iterator[None]:
        """Have its turn. What is wrong with one is logged under its name, and keeps nothing else from its own."""
        self._tried[key] = now
        try:
            yield
        except (ConfigurationError, IntegrityError) as error:
            _log.error("comparison_failed", **named, error=str(error))
        except duckdb.Error as error:
            # Its words may quote a value.
            _log.error("comparison_failed", **named, error=type(error).__qualname__)


def read_in_force(texts: Iterable[tuple[str, int, str]]) -> list[InForce]:
    """The agreements of (name, version, text) that this release can read; the others compare nothing until declared anew."""
    found = []
    for name, version, text in texts:
        try:
            found.append(InForce(read_agreement(text, where=f"agreement {name}"), version))
        except ConfigurationError as error:
            _log.error("agreement_unreadable", agreement=name, version=version, error=str(error))
    return found


class DueAgreements:
    """Evaluates agreements in turn, one at a step; one that failed waits as long for its next turn as one that did not."""

    def __init__(self, parts: AgreementParts) -> None:
        self._parts = parts
        self._turns = Turns()

    def step(self, in_force: Sequence[InForce], now: dt.datetime) -> str | None:
        """Evaluate the agreement that waits longest, if one does for `EVERY` or has another text by now; its name.

        One that the contracts in force do not bear is passed over: its problem is told with it. Raises StorageFullError or
        UnavailableError.
        """
        found: dict[tuple[str, int], tuple[dt.datetime | None, InForce]] = {}
        with self._parts.database.snapshot() as conn:
            for one in in_force:
                at, version = last_run_at(conn, one.agreement.name) or (None, one.version)
                found[one.agreement.name, one.version] = (at if version == one.version else None, one)
        for key in self._turns.due({key: at for key, (at, _) in found.items()}, now):
            one = found[key][1]
            try:
                check_agreement(one.agreement, self._parts.contracts)
            except ConfigurationError:
                continue
            with self._turns.turn(key, now, agreement=one.agreement.name):
                evaluate_now(self._parts, one, now)
            return one.agreement.name
        return None


def evaluate_now(parts: AgreementParts, one: InForce, now: dt.datetime) -> Evaluation:
    """Evaluate an agreement and keep what it comes to.

    Raises ConfigurationError where the contracts in force do not bear it, IntegrityError, StorageFullError or
    UnavailableError.
    """
    contracts = check_agreement(one.agreement, parts.contracts, where=f"agreement {one.agreement.name}")
    tools = (parts.hasher, parts.folder)
    evaluation = evaluate(parts.database.snapshot, one.agreement, parts.contracts, parts.held, tools, now)
    keep_evaluation(parts.database, one.agreement, one.version, evaluation, contracts)
    return evaluation
