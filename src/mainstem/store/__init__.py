"""PostgreSQL: connections, unit of work, migrations, leases, the change stream."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mainstem.lazy import lazy_door

if TYPE_CHECKING:
    from mainstem.store.changes import (
        CHANGE_CHANNEL,
        Change,
        append_all,
        append_changes,
        change_floors,
        change_heads,
        prune_changes,
        read_changes,
    )
    from mainstem.store.database import CONTROL_SCHEMA, FOLD_SCHEMA, Database
    from mainstem.store.failures import contended
    from mainstem.store.leases import Lease, check_lease
    from mainstem.store.partitions import PARTITIONED, ensure_partitions
    from mainstem.store.pool import Connection
    from mainstem.store.schema import create_fold, drop_fold, migrate, swap_fold
    from mainstem.store.settings import StoreSettings
else:
    __getattr__ = lazy_door(
        __name__,
        {
            "changes": "CHANGE_CHANNEL Change append_all append_changes change_floors change_heads prune_changes read_changes",
            "database": "CONTROL_SCHEMA FOLD_SCHEMA Database",
            "failures": "contended",
            "leases": "Lease check_lease",
            "partitions": "PARTITIONED ensure_partitions",
            "pool": "Connection",
            "schema": "create_fold drop_fold migrate swap_fold",
            "settings": "StoreSettings",
        },
    )

__all__ = [
    "CHANGE_CHANNEL",
    "CONTROL_SCHEMA",
    "FOLD_SCHEMA",
    "PARTITIONED",
    "Change",
    "Connection",
    "Database",
    "Lease",
    "StoreSettings",
    "append_all",
    "append_changes",
    "change_floors",
    "change_heads",
    "check_lease",
    "contended",
    "create_fold",
    "drop_fold",
    "ensure_partitions",
    "migrate",
    "prune_changes",
    "read_changes",
    "swap_fold",
]
