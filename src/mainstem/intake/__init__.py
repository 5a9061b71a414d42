"""The door: the one way in for requests, webhooks, connectors and files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mainstem.lazy import lazy_door

if TYPE_CHECKING:
    from mainstem.intake._backlog import Positions
    from mainstem.intake._rows import BadLine
    from mainstem.intake.decisions import (
        ContractActivated,
        CorrectedRecord,
        Decision,
        Decisions,
        DeclarationActivated,
        QuarantineDismissed,
        QuarantineFixed,
        WaitEnded,
        decode_decision,
        encode_decision,
    )
    from mainstem.intake.delivery import CANONICAL_JSON, JSON, Delivery, Receipt, Refusal, Rows
    from mainstem.intake.door import Door, DoorParts
    from mainstem.intake.loading import Load, LoadProgress, LoadReport, load_files, occurrence_ids
    from mainstem.intake.loads import Loads, load_id
    from mainstem.intake.sampling import sample_rows
    from mainstem.intake.settings import DoorSettings, LoadSettings
else:
    __getattr__ = lazy_door(
        __name__,
        {
            "sampling": "sample_rows",
            "_backlog": "Positions",
            "_rows": "BadLine",
            "decisions": "ContractActivated CorrectedRecord Decision Decisions DeclarationActivated QuarantineDismissed QuarantineFixed WaitEnded decode_decision encode_decision",
            "delivery": "CANONICAL_JSON JSON Delivery Receipt Refusal Rows",
            "door": "Door DoorParts",
            "loading": "Load LoadProgress LoadReport load_files occurrence_ids",
            "loads": "Loads load_id",
            "settings": "DoorSettings LoadSettings",
        },
    )

__all__ = [
    "CANONICAL_JSON",
    "JSON",
    "BadLine",
    "ContractActivated",
    "CorrectedRecord",
    "Decision",
    "Decisions",
    "DeclarationActivated",
    "Delivery",
    "Door",
    "DoorParts",
    "DoorSettings",
    "Load",
    "LoadProgress",
    "LoadReport",
    "LoadSettings",
    "Loads",
    "Positions",
    "QuarantineDismissed",
    "QuarantineFixed",
    "Receipt",
    "Refusal",
    "Rows",
    "WaitEnded",
    "decode_decision",
    "encode_decision",
    "load_files",
    "load_id",
    "occurrence_ids",
    "sample_rows",
]
