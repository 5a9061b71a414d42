"""Who may do what: permissions, roles, API keys, accounts and sessions."""

from mainstem.access.keys import ApiKeyInfo, ApiKeys
from mainstem.access.permissions import ROLES, Permission, Role
from mainstem.access.principal import Principal
from mainstem.access.users import Session, Users

__all__ = ["ROLES", "ApiKeyInfo", "ApiKeys", "Permission", "Principal", "Role", "Session", "Users"]
