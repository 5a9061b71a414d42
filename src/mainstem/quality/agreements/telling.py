"""Agreements as the API and `mainstem agreement` tell them."""

from __future__ import annotations

import dataclasses
import datetime as dt
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mainstem.errors import ConfigurationError
from mainstem.quality.agreements.agreement import Agreement, Contracts, is_personal
from mainstem.quality.agreements.due import InForce
from mainstem.quality.agreements.evaluation import Compared, Difference
from mainstem.quality.agreements.reader import check_agreement
from mainstem.quality.agreements.register import Run
from mainstem.quality.interval import wilson

__all__ = ["told_agreement", "told_differences"]

_CUSTOMER = "customer"


def told_agreement(one: InForce, runs: Sequence[Run], contracts: Contracts) -> dict[str, Any]:
    """An agreement with its latest figures and each day's share; `problem` is why it is not evaluated."""
    agreement, problem = one.agreement, None
    try:
        check_agreement(agreement, contracts, where=f"agreement {agreement.name}")
    except ConfigurationError as error:
        problem = str(error)
    return {
        **{name: getattr(agreement, name) for name in ("name", "label", "description")},
        "version": one.version,
        "severity": "warn",
        "left": dataclasses.asdict(agreement.left),
        "right": dataclasses.asdict(agreement.right),
        "truth": agreement.truth,
        "settle_seconds": agreement.settle.total_seconds(),
        "problem": problem,
        "latest": None if not runs else _run(runs[0]),
        "days": [
            {"day": run.at.astimezone(dt.UTC).date(), "at": run.at, **_share(run.agreeing, run.n)}
            for run in reversed(runs)
        ],
    }


def _run(run: Run) -> dict[str, Any]:
    return {
        "at": run.at,
        "version": run.version,
        **_share(run.agreeing, run.n),
        "matched": run.left.matched,
        "ambiguous": run.ambiguous,
        "left": dataclasses.asdict(run.left),
        "right": dataclasses.asdict(run.right),
        "compared": [_compared(one) for one in run.compared],
    }


def _compared(one: Compared) -> dict[str, Any]:
    return {**dataclasses.asdict(one), **_share(one.agreeing, one.n)}


def _share(good: int, n: int) -> dict[str, Any]:
    return {"value": good / n if n else None, "good": good, "of": n, "interval": wilson(good, n)}


def told_differences(
    found: Sequence[Difference],
    agreement: Agreement,
    contracts: Contracts,
    read_ids: Callable[[Sequence[uuid.UUID]], Mapping[uuid.UUID, str]],
) -> list[dict[str, Any]]:
    """Entities that differ: by their references, with their two values where they say nothing about a person.

    `read_ids` gives what references of customers stand for, of none where whoever asks may not know. What the contracts in
    force call personal is not told, whatever they called it when it was compared.
    """
    try:
        both = check_agreement(agreement, contracts)
    except ConfigurationError:
        return [_told(one, agreement, {}, shown=False) for one in found]
    refs = [
        uuid.UUID(bytes=ref)
        for one in found
        for ref, contract in zip((one.left, one.right), both, strict=True)
        if ref is not None and contract.mapping.entity == _CUSTOMER
    ]
    ids = read_ids(refs)
    shown = [not (is_personal(both[0], one.left) or is_personal(both[1], one.right)) for one in agreement.comparisons]
    return [_told(one, agreement, ids, shown=one.comparison is not None and shown[one.comparison]) for one in found]


def _told(one: Difference, agreement: Agreement, ids: Mapping[uuid.UUID, str], *, shown: bool) -> dict[str, Any]:
    compared = None if one.comparison is None else agreement.comparisons[one.comparison]
    left, right = (None if ref is None else uuid.UUID(bytes=ref) for ref in (one.left, one.right))
    return {
        "kind": one.kind,
        "attributes": None if compared is None else {"left": compared.left, "right": compared.right},
        "left": None if left is None else left.hex,
        "right": None if right is None else right.hex,
        "left_id": None if left is None else ids.get(left),
        "right_id": None if right is None else ids.get(right),
        "left_value": one.left_value if shown else None,
        "right_value": one.right_value if shown else None,
        "changed_at": one.changed_at,
    }
