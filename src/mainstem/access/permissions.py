"""Permissions and roles: the one place that says who may do what."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["ROLES", "Permission", "Role"]


class Permission(enum.StrEnum):
    """What can be allowed, named `<thing>:<verb>`."""

    DATA_INGEST = "data:ingest"
    DATA_READ = "data:read"
    ANALYTICS_READ = "analytics:read"
    QUARANTINE_READ = "quarantine:read"
    QUARANTINE_REVEAL = "quarantine:reveal"
    QUARANTINE_DECIDE = "quarantine:decide"
    QUALITY_MUTE = "quality:mute"
    CONTRACTS_READ = "contracts:read"
    CONTRACTS_ACTIVATE = "contracts:activate"
    SYSTEM_READ = "system:read"
    KEYS_MANAGE = "keys:manage"
    USERS_MANAGE = "users:manage"


class Role(enum.StrEnum):
    """A named set of permissions."""

    ADMIN = "admin"
    ENGINEER = "engineer"
    ANALYST = "analyst"
    VIEWER = "viewer"
    INGEST = "ingest"


_VIEWER = frozenset({Permission.ANALYTICS_READ})
_ANALYST = _VIEWER | {Permission.DATA_READ, Permission.CONTRACTS_READ}
_ENGINEER = _ANALYST | {
    Permission.DATA_INGEST,
    Permission.QUARANTINE_READ,
    Permission.QUARANTINE_DECIDE,
    Permission.QUALITY_MUTE,
    Permission.CONTRACTS_ACTIVATE,
    Permission.SYSTEM_READ,
}

ROLES: Mapping[Role, frozenset[Permission]] = MappingProxyType(
    {
        Role.ADMIN: frozenset(Permission),
        Role.ENGINEER: frozenset(_ENGINEER),
        Role.ANALYST: frozenset(_ANALYST),
        Role.VIEWER: _VIEWER,
        Role.INGEST: frozenset({Permission.DATA_INGEST}),
    }
)
"""What each role may do."""
