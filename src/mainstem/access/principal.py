"""Who is asking, and the decision point that every route goes through."""

from __future__ import annotations

import dataclasses

from mainstem.access.permissions import ROLES, Permission, Role
from mainstem.errors import PermissionDeniedError

__all__ = ["Principal"]


@dataclasses.dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated caller. `kind` is `key` or `user`; `sources` None means any source the role may write."""

    kind: str
    name: str
    role: Role
    sources: frozenset[str] | None = None

    def may(self, permission: Permission) -> bool:
        """Whether the role holds the permission."""
        return permission in ROLES[self.role]

    def require(self, permission: Permission) -> None:
        """Raises PermissionDeniedError when the role does not hold the permission."""
        if not self.may(permission):
            raise PermissionDeniedError(
                f"The role {self.role.value!r} may not do this; it needs the permission {permission.value!r}.",
                permission=permission.value,
                hint="Ask an administrator for a key or an account with a role that has it.",
            )

    def require_source(self, source: str) -> None:
        """Raises PermissionDeniedError when the caller may not write this source."""
        self.require_bound(source, Permission.DATA_INGEST)

    def require_bound(self, source: str | None, permission: Permission) -> None:
        """Raises PermissionDeniedError when the caller may not do this to the source's records; None: to all sources'."""
        self.require(permission)
        if self.sources is not None and source not in self.sources:
            raise PermissionDeniedError(
                f"This key may not write the source {source!r}."
                if source
                else "This key is bound to sources: name one.",
                permission=permission.value,
                hint="Create a key whose sources include it: mainstem apikey create NAME --role ingest --source SOURCE",
            )
