"""The door: the one way in for requests, webhooks, connectors and files."""

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
    decode_decision,
    encode_decision,
)
from mainstem.intake.delivery import CANONICAL_JSON, JSON, Delivery, Receipt, Refusal, Rows
from mainstem.intake.door import Door, DoorParts
from mainstem.intake.loading import Load, LoadProgress, LoadReport, load_files, occurrence_ids
from mainstem.intake.settings import DoorSettings, LoadSettings

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
    "Positions",
    "QuarantineDismissed",
    "QuarantineFixed",
    "Receipt",
    "Refusal",
    "Rows",
    "decode_decision",
    "encode_decision",
    "load_files",
    "occurrence_ids",
]
