"""Contracts: read, checked, versioned and compiled.

`duck.connect` opens DuckDB for every room; `plan` has the columns of the check plan.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mainstem.lazy import lazy_door

if TYPE_CHECKING:
    from mainstem.contracts._pieces import Kind
    from mainstem.contracts.builtins import builtin_contracts
    from mainstem.contracts.contract import (
        ANY_SOURCE,
        Constant,
        Contract,
        ContractField,
        EntityMapping,
        Limit,
        Repeat,
        Rule,
        Severity,
    )
    from mainstem.contracts.door_plan import DoorPlan, Picked
    from mainstem.contracts.expression import Column, Expression, compile_condition
    from mainstem.contracts.nesting import deepest
    from mainstem.contracts.plan import CHECKED, FIELD_PREFIX, RECORDS, CheckPlan, Warned
    from mainstem.contracts.reader import read_contract
    from mainstem.contracts.reasons import Reason
    from mainstem.contracts.registry import Registry
else:
    __getattr__ = lazy_door(
        __name__,
        {
            "builtins": "builtin_contracts",
            "_pieces": "Kind",
            "contract": "ANY_SOURCE Constant Contract ContractField EntityMapping Limit Repeat Rule Severity",
            "door_plan": "DoorPlan Picked",
            "expression": "Column Expression compile_condition",
            "nesting": "deepest",
            "plan": "CHECKED FIELD_PREFIX RECORDS CheckPlan Warned",
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
    "Column",
    "Constant",
    "Contract",
    "ContractField",
    "DoorPlan",
    "EntityMapping",
    "Expression",
    "Kind",
    "Limit",
    "Picked",
    "Reason",
    "Registry",
    "Repeat",
    "Rule",
    "Severity",
    "Warned",
    "builtin_contracts",
    "compile_condition",
    "deepest",
    "read_contract",
]
