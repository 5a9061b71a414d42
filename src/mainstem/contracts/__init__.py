"""Contracts: read, checked, versioned and compiled.

`duck.connect` opens DuckDB for every room; `plan` has the columns of the check plan.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mainstem.lazy import lazy_door

if TYPE_CHECKING:
    from mainstem.contracts.builtins import builtin_contracts
    from mainstem.contracts.contract import ANY_SOURCE, Constant, Contract, ContractField, EntityMapping, Repeat
    from mainstem.contracts.door_plan import DoorPlan, Picked
    from mainstem.contracts.nesting import deepest
    from mainstem.contracts.plan import CHECKED, FIELD_PREFIX, RECORDS, CheckPlan
    from mainstem.contracts.reader import read_contract
    from mainstem.contracts.reasons import Reason
    from mainstem.contracts.registry import Registry
else:
    __getattr__ = lazy_door(
        __name__,
        {
            "builtins": "builtin_contracts",
            "contract": "ANY_SOURCE Constant Contract ContractField EntityMapping Repeat",
            "door_plan": "DoorPlan Picked",
            "nesting": "deepest",
            "plan": "CHECKED FIELD_PREFIX RECORDS CheckPlan",
            "reader": "read_contract",
            "reasons": "Reason",
            "registry": "Registry",
        },
    )

__all__ = [
    "ANY_SOURCE",
    "CHECKED",
    "FIELD_PREFIX",
    "RECORDS",
    "CheckPlan",
    "Constant",
    "Contract",
    "ContractField",
    "DoorPlan",
    "EntityMapping",
    "Picked",
    "Reason",
    "Registry",
    "Repeat",
    "builtin_contracts",
    "deepest",
    "read_contract",
]
