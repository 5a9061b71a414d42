"""Contracts: read, checked, versioned and compiled.

`duck.connect` opens DuckDB for every room; `plan` has the columns of the check plan.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mainstem.lazy import lazy_door

if TYPE_CHECKING:
    from mainstem.contracts._pieces import Kind
    from mainstem.contracts.builtins import builtin_contracts
    from mainstem.contracts.comparison import Change, compare_contracts
    from mainstem.contracts.contract import (
        ACTIVE,
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
    from mainstem.contracts.dependents import Dependents, Use
    from mainstem.contracts.door_plan import DoorPlan, Picked
    from mainstem.contracts.drafting import draft_contract
    from mainstem.contracts.expression import Column, Expression, compile_condition
    from mainstem.contracts.nesting import deepest
    from mainstem.contracts.plan import CHECKED, FIELD_PREFIX, RECORDS, CheckPlan, Warned
    from mainstem.contracts.publishing import described, json_schema
    from mainstem.contracts.reader import read_contract
    from mainstem.contracts.reasons import Reason
    from mainstem.contracts.registry import Registry
    from mainstem.contracts.trial import FailedRow, Trial
else:
    __getattr__ = lazy_door(
        __name__,
        {
            "publishing": "described json_schema",
            "trial": "FailedRow Trial",
            "dependents": "Dependents Use",
            "comparison": "Change compare_contracts",
            "builtins": "builtin_contracts",
            "_pieces": "Kind",
            "contract": "ACTIVE ANY_SOURCE Constant Contract ContractField EntityMapping Limit Repeat Rule Severity",
            "drafting": "draft_contract",
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
    "ACTIVE",
    "ANY_SOURCE",
    "CHECKED",
    "FIELD_PREFIX",
    "RECORDS",
    "Change",
    "CheckPlan",
    "Column",
    "Constant",
    "Contract",
    "ContractField",
    "Dependents",
    "DoorPlan",
    "EntityMapping",
    "Expression",
    "FailedRow",
    "Kind",
    "Limit",
    "Picked",
    "Reason",
    "Registry",
    "Repeat",
    "Rule",
    "Severity",
    "Trial",
    "Use",
    "Warned",
    "builtin_contracts",
    "compare_contracts",
    "compile_condition",
    "deepest",
    "described",
    "draft_contract",
    "json_schema",
    "read_contract",
]
