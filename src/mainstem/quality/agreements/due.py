"""Which agreements are in force, and evaluating them: the one that waits longest, and any at a word."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterable, Sequence

import structlog

from mainstem.errors import ConfigurationError
from mainstem.privacy import Hasher
from mainstem.quality.agreements.agreement import Agreement, Contracts
from mainstem.quality.agreements.evaluation import Evaluation, evaluate
from mainstem.quality.agreements.held import HeldEntities
from mainstem.quality.agreements.reader import check_agreement, read_agreement
from mainstem.quality.agreements.register import keep_evaluation, last_run_at
from mainstem.store import Database

__all__ = ["EVERY", "AgreementParts", "InForce", "evaluate_due", "evaluate_now", "read_in_force"]

_log = structlog.get_logger()

EVERY = dt.timedelta(minutes=15)
"""From one evaluation of an agreement to the next."""


@dataclasses.dataclass(frozen=True, slots=True)
class InForce:
    """An agreement in force."""

    agreement: Agreement
    version: int


@dataclasses.dataclass(frozen=True, slots=True)
class AgreementParts:
    """What evaluating takes."""

    database: Database
    contracts: Contracts
    held: HeldEntities
    hasher: Hasher


def read_in_force(texts: Iterable[tuple[str, int, str]]) -> list[InForce]:
    """The agreements of (name, version, text) that this release can read; the others compare nothing until declared anew."""
    found = []
    for name, version, text in texts:
        try:
            found.append(InForce(read_agreement(text, where=f"agreement {name}"), version))
        except ConfigurationError as error:
            _log.error("agreement_unreadable", agreement=name, version=version, error=str(error))
    return found


def evaluate_due(parts: AgreementParts, in_force: Sequence[InForce], now: dt.datetime) -> str | None:
    """Evaluate the agreement that waits longest, if one does for `EVERY` or has another text by now; its name.

    One that the contracts in force do not bear is passed over: its problem is told with it. Raises IntegrityError,
    StorageFullError or UnavailableError.
    """
    waiting = []
    with parts.database.snapshot() as conn:
        for one in in_force:
            last = last_run_at(conn, one.agreement.name)
            if last is None or last[1] != one.version:
                waiting.append((dt.datetime.min.replace(tzinfo=dt.UTC), one))
            elif last[0] + EVERY <= now:
                waiting.append((last[0], one))
    for _, one in sorted(waiting, key=lambda each: (each[0], each[1].agreement.name)):
        try:
            check_agreement(one.agreement, parts.contracts)
        except ConfigurationError:
            continue
        evaluate_now(parts, one, now)
        return one.agreement.name
    return None


def evaluate_now(parts: AgreementParts, one: InForce, now: dt.datetime) -> Evaluation:
    """Evaluate an agreement and keep what it comes to.

    Raises ConfigurationError where the contracts in force do not bear it, IntegrityError, StorageFullError or
    UnavailableError.
    """
    contracts = check_agreement(one.agreement, parts.contracts, where=f"agreement {one.agreement.name}")
    with parts.database.snapshot() as conn:
        evaluation = evaluate(conn, one.agreement, parts.contracts, parts.held, parts.hasher, now)
    keep_evaluation(parts.database, one.agreement, one.version, evaluation, contracts)
    return evaluation
