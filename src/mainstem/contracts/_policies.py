"""The custom property `schemaChange`, of a stream and of a field, read and checked."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from typing import Any

from mainstem.contracts._custom import Custom
from mainstem.contracts.contract import Contract
from mainstem.contracts.policy import DriftKind, Policies, Policy
from mainstem.hints import near_miss
from mainstem.model import ENTITIES

__all__ = ["SCHEMA_CHANGE", "indispensable", "read_field_policies", "read_policies"]

SCHEMA_CHANGE = "schemaChange"
_OF_FIELDS = (DriftKind.MISSING_FIELD, DriftKind.TYPE_CHANGE, DriftKind.ENUM_GROWTH)
_OF_STREAMS = (DriftKind.NEW_FIELD, *_OF_FIELDS)


def read_policies(custom: Custom) -> Policies:
    """The stream's. Raises ConfigurationError."""
    return dataclasses.replace(Policies(), **_read(custom, _OF_STREAMS))


def read_field_policies(custom: Custom, stream: Policies, *, needed: bool, closed: bool) -> Policies:
    """A field's: what it says itself, else what the stream says. Raises ConfigurationError.

    A value that its record cannot be without is never discarded: `needed` fields go to quarantine where the stream says
    so, and must not say it themselves. Nor do the values of `closed` fields grow, which are an entity's and not a source's.
    """
    own = _read(custom, _OF_FIELDS)
    growth = DriftKind.ENUM_GROWTH.value
    if closed and own.get(growth) is Policy.EVOLVE:
        raise custom.wrong(
            SCHEMA_CHANGE, "lets values grow that are the entity's own.", "Say with `codes` what a new one means."
        )
    if needed and Policy.DISCARD_VALUE in own.values():
        raise custom.wrong(
            SCHEMA_CHANGE, "discards a value that no record can be without.", "Write discard_row or quarantine."
        )
    resolved = dataclasses.replace(stream, **own)
    if closed and resolved.enum_growth is Policy.EVOLVE:
        resolved = dataclasses.replace(resolved, enum_growth=Policy.QUARANTINE)
    if not needed:
        return resolved
    kept = {kind.value: Policy.QUARANTINE for kind in _OF_FIELDS if resolved.of(kind) is Policy.DISCARD_VALUE}
    return dataclasses.replace(resolved, **kept)


def indispensable(contract: Contract) -> frozenset[str]:
    """The fields without whose value a record is none: what identifies it, orders it, and what its entity needs."""
    attributes = ENTITIES[contract.mapping.entity].attributes
    mapped = (
        to
        for name, to in contract.mapping.attributes.items()
        if isinstance(to, str) and name in attributes and attributes[name].required
    )
    named = (
        contract.partition_key,
        contract.record_id,
        contract.occurred_at,
        contract.entity_version,
        contract.deleted,
    )
    return frozenset((*(name for name in named if name is not None), *contract.key, *mapped))


def _read(custom: Custom, kinds: Collection[DriftKind]) -> dict[str, Policy]:
    """The policies that are said here, by kind."""
    value: Any = custom.value(SCHEMA_CHANGE)
    if value is None:
        return {}
    if isinstance(value, str):
        policy = custom.choice(SCHEMA_CHANGE, Policy)
        return {kind.value: policy for kind in kinds}
    words, policies = [kind.value for kind in kinds], [policy.value for policy in Policy]
    if not isinstance(value, dict) or not value:
        raise custom.wrong(
            SCHEMA_CHANGE,
            f"is {value!r}.",
            f"Write one of {', '.join(policies)}, or one for each of {', '.join(words)}.",
        )
    for kind, policy in value.items():
        if kind not in words:
            raise custom.wrong(SCHEMA_CHANGE, f"{kind!r} is none of {', '.join(words)}.", near_miss(str(kind), words))
        if policy not in policies:
            raise custom.wrong(
                SCHEMA_CHANGE, f"{policy!r} is none of {', '.join(policies)}.", near_miss(str(policy), policies)
            )
    return {kind: Policy(policy) for kind, policy in value.items()}
