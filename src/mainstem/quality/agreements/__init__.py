"""Agreement: what two systems say alike of the same things, and how true that makes their fields."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mainstem.lazy import lazy_door

if TYPE_CHECKING:
    from mainstem.quality.agreements.agreement import (
        AGREEMENT,
        OWN_KEY,
        Agreement,
        Comparison,
        Contracts,
        Side,
        Truth,
        Way,
    )
    from mainstem.quality.agreements.due import (
        EVERY,
        AgreementParts,
        DueAgreements,
        InForce,
        evaluate_now,
        read_in_force,
    )
    from mainstem.quality.agreements.evaluation import Compared, Difference, Evaluation, Kind, SideCounts, evaluate
    from mainstem.quality.agreements.held import HELD, HeldEntities
    from mainstem.quality.agreements.reader import check_agreement, read_agreement
    from mainstem.quality.agreements.register import Run, keep_evaluation, last_run_at, read_differences, read_runs
    from mainstem.quality.agreements.telling import told_agreement, told_differences
else:
    __getattr__ = lazy_door(
        __name__,
        {
            "agreement": "AGREEMENT OWN_KEY Agreement Comparison Contracts Side Truth Way",
            "due": "EVERY AgreementParts DueAgreements InForce evaluate_now read_in_force",
            "evaluation": "Compared Difference Evaluation Kind SideCounts evaluate",
            "held": "HELD HeldEntities",
            "reader": "check_agreement read_agreement",
            "register": "Run keep_evaluation last_run_at read_differences read_runs",
            "telling": "told_agreement told_differences",
        },
    )

__all__ = [
    "AGREEMENT",
    "EVERY",
    "HELD",
    "OWN_KEY",
    "Agreement",
    "AgreementParts",
    "Compared",
    "Comparison",
    "Contracts",
    "Difference",
    "DueAgreements",
    "Evaluation",
    "HeldEntities",
    "InForce",
    "Kind",
    "Run",
    "Side",
    "SideCounts",
    "Truth",
    "Way",
    "check_agreement",
    "evaluate",
    "evaluate_now",
    "keep_evaluation",
    "last_run_at",
    "read_agreement",
    "read_differences",
    "read_in_force",
    "read_runs",
    "told_agreement",
    "told_differences",
]
