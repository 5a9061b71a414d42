"""Who may do what: permissions, roles, API keys, accounts and sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mainstem.lazy import lazy_door

if TYPE_CHECKING:
    from mainstem.access.keys import ApiKeyInfo, ApiKeys
    from mainstem.access.permissions import ROLES, Permission, Role
    from mainstem.access.principal import Principal
    from mainstem.access.users import Account, Session, Users
else:
    __getattr__ = lazy_door(
        __name__,
        {
            "keys": "ApiKeyInfo ApiKeys",
            "permissions": "ROLES Permission Role",
            "principal": "Principal",
            "users": "Account Session Users",
        },
    )

__all__ = ["ROLES", "Account", "ApiKeyInfo", "ApiKeys", "Permission", "Principal", "Role", "Session", "Users"]
