"""Contracts: read, checked, versioned and compiled.

`duck.connect` opens DuckDB for every room; `plan` has the columns of the check plan.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mainstem.lazy import lazy_door

if TYPE_CHECKING:
    from mainstem.contracts._canonical import near_attributes
    from mainstem.contracts._pieces import Kind
    from mainstem.contracts._places import declared_keys
    from mainstem.contracts._reference_tables import with_reference_tables
    from mainstem.contracts.audit import Audit, Audited
    from mainstem.contracts.bounds import BoundsSample, ProposedBounds
    from mainstem.contracts.builtins import builtin_contracts
    from mainstem.contracts.comparison import Change, compare_contracts
    from mainstem.contracts.contract import (
        ACTIVE,
        ANY_SOURCE,
        ROW_COUNT,
        Constant,
        Contract,
        ContractField,
        EntityMapping,
        Limit,
        Parent,
        Repeat,
        Rule,
        Severity,
        Volume,
    )
    from mainstem.contracts.dependents import Dependents, Use
    from mainstem.contracts.door_plan import DoorPlan, Picked
    from mainstem.contracts.drafting import draft_contract, field_name, guess_field
    from mainstem.contracts.evolving import Evolution, Observed, Proposed, propose_evolution
    from mainstem.contracts.expression import Column, Expression, compile_condition
    from mainstem.contracts.holding import Held, held_rows
    from mainstem.contracts.nesting import deepest
    from mainstem.contracts.parents import check_children, check_parents
    from mainstem.contracts.plan import (
        CHECKED,
        FIELD_PREFIX,
        ORIGINAL_PREFIX,
        RECORDS,
        REMEDIED_PREFIX,
        SURPLUS,
        Check,
        CheckPlan,
    )
    from mainstem.contracts.policy import DRIFT_OF_REASON, DriftKind, Policies, Policy
    from mainstem.contracts.publishing import described, json_schema
    from mainstem.contracts.reader import read_contract
    from mainstem.contracts.reasons import Reason
    from mainstem.contracts.registry import Registry
    from mainstem.contracts.remedy import Remedied, RemedyEffect
    from mainstem.contracts.spans import SPAN_HINT, read_span
    from mainstem.contracts.trial import FailedRow, Trial
else:
    __getattr__ = lazy_door(
        __name__,
        {
            "audit": "Audit Audited",
            "publishing": "described json_schema",
            "spans": "SPAN_HINT read_span",
            "trial": "FailedRow Trial",
            "dependents": "Dependents Use",
            "comparison": "Change compare_contracts",
            "bounds": "BoundsSample ProposedBounds",
            "builtins": "builtin_contracts",
            "_canonical": "near_attributes",
            "_pieces": "Kind",
            "_places": "declared_keys",
            "_reference_tables": "with_reference_tables",
            "drafting": "draft_contract field_name guess_field",
            "evolving": "Evolution Observed Proposed propose_evolution",
            "policy": "DRIFT_OF_REASON DriftKind Policies Policy",
            "contract": "ACTIVE ANY_SOURCE ROW_COUNT Constant Contract ContractField EntityMapping Limit Parent Repeat Rule Severity Volume",
            "door_plan": "DoorPlan Picked",
            "expression": "Column Expression compile_condition",
            "holding": "Held held_rows",
            "nesting": "deepest",
            "parents": "check_children check_parents",
            "plan": "CHECKED FIELD_PREFIX ORIGINAL_PREFIX RECORDS REMEDIED_PREFIX SURPLUS Check CheckPlan",
            "remedy": "Remedied RemedyEffect",
            "reader": "read_contract",
            "reasons": "Reason",
            "registry": "Registry",
        },
    )

__all__ = [
    "ACTIVE",
    "ANY_SOURCE",
    "CHECKED",
    "DRIFT_OF_REASON",
    "FIELD_PREFIX",
    "ORIGINAL_PREFIX",
    "RECORDS",
    "REMEDIED_PREFIX",
    "ROW_COUNT",
    "SPAN_HINT",
    "SURPLUS",
    "Audit",
    "Audited",
    "BoundsSample",
    "Change",
    "Check",
    "CheckPlan",
    "Column",
    "Constant",
    "Contract",
    "ContractField",
    "Dependents",
    "DoorPlan",
    "DriftKind",
    "EntityMapping",
    "Evolution",
    "Expression",
    "FailedRow",
    "Held",
    "Kind",
    "Limit",
    "Observed",
    "Parent",
    "Picked",
    "Policies",
    "Policy",
    "Proposed",
    "ProposedBounds",
    "Reason",
    "Registry",
    "Remedied",
    "RemedyEffect",
    "Repeat",
    "Rule",
    "Severity",
    "Trial",
    "Use",
    "Volume",
    "builtin_contracts",
    "check_children",
    "check_parents",
    "compare_contracts",
    "compile_condition",
    "declared_keys",
    "deepest",
    "described",
    "draft_contract",
    "field_name",
    "guess_field",
    "held_rows",
    "json_schema",
    "near_attributes",
    "propose_evolution",
    "read_contract",
    "read_span",
    "with_reference_tables",
]
