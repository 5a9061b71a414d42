"""A sealed copy, in the lake's store, of what only the control plane knows: who may do what, and what was declared.

Records tell everything else. API keys and accounts (hashes of their secrets, that is) are decisions of people too, and a
lost database must not lock everybody out. So must not what a contract said when it came with an older release. The copy is
made anew when something in it has changed: by the scheduler, and at once by a command that changes who may do what, so that
a key that was revoked stays so. A few old ones are kept, and a rebuild puts the latest into an empty database.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import msgspec
import structlog
import zstandard
from psycopg import sql

from mainstem.lake import ObjectStore
from mainstem.runtime.wiring import Runtime

__all__ = ["copy_control", "restore_control"]

_log = structlog.get_logger()

_FOLDER = "control"
_CONTEXT = b"mainstem.control.1"
_KEPT = 8
# Left out: what changes all the time, and what ends with a database anyway (sessions, leases, the log).
_TABLES = {
    "installation": ("key_check", "single", "generation"),
    "contract": (),
    "declaration": (),
    "api_key": ("last_used_at",),
    "app_user": (),
    "replay": (),
    "heartbeat": (),
    "log_refused": (),
    "quality_breach": (),
    "load": (),
    "anomaly": (),
    "anomaly_mute": (),
    "quality_measurement": (),
}


def copy_control(runtime: Runtime) -> bool:
    """Copy what has changed since the latest copy; whether anything had.

    Raises StorageFullError or UnavailableError; the copies that are there stay.
    """
    content: dict[str, Any] = {}
    with runtime.database.snapshot() as conn:
        for table, without in _TABLES.items():
            query = "SELECT coalesce(jsonb_agg(to_jsonb(row) - %s::text[] ORDER BY row), '[]')::text FROM {} AS row"
            [(text,)] = conn.execute(sql.SQL(query).format(sql.Identifier(table)), [list(without)]).fetchall()
            content[table] = msgspec.Raw(text.encode())
    data = msgspec.json.encode(content)
    name = runtime.keyring.hasher.digest(b"control", [data]).hex()
    objects = runtime.lake.objects
    copies = _copies(objects)
    if copies and copies[-1].endswith(f"-{name}.sealed"):
        return False
    sealed = runtime.keyring.sealer.seal(zstandard.compress(data), _CONTEXT)
    objects.put(f"{_FOLDER}/{_stamp(runtime.clock.wall())}-{name}.sealed", sealed)
    for path in copies[: 1 - _KEPT]:
        objects.delete(path)
    return True


def restore_control(runtime: Runtime) -> int:
    """Put the latest copy into a database that has none of it; how many rows it has. What is there stays as it is.

    Raises IntegrityError when the copy does not open, StorageFullError or UnavailableError.
    """
    copies = _copies(runtime.lake.objects)
    if not copies:
        return 0
    sealed = runtime.lake.objects.get(copies[-1])
    content = msgspec.json.decode(
        zstandard.decompress(runtime.keyring.sealer.open(sealed, _CONTEXT)), type=dict[str, list[dict[str, Any]]]
    )
    restored = 0
    with runtime.database.transaction() as conn:
        for table in _TABLES:
            rows = content.get(table, [])
            if table == "installation":
                for row in rows:
                    conn.execute("UPDATE installation SET id = %s, created_at = %s", [row["id"], row["created_at"]])
            elif rows:
                query = "INSERT INTO {0} ({1}) SELECT {1} FROM jsonb_populate_recordset(NULL::{0}, %s) ON CONFLICT DO NOTHING"
                # The columns are those of the release that made the copy: a later one gets its default.
                names = sql.SQL(", ").join(map(sql.Identifier, rows[0]))
                restored += conn.execute(
                    sql.SQL(query).format(sql.Identifier(table), names), [msgspec.json.encode(rows).decode()]
                ).rowcount
    _log.info("control_restored", rows=restored)
    return restored


def _copies(objects: ObjectStore) -> list[str]:
    """The copies that are there, the latest last."""
    return sorted(info.path for info in objects.list(_FOLDER) if info.path.endswith(".sealed"))


def _stamp(at: dt.datetime) -> str:
    """Names sort by it."""
    return f"{at:%Y%m%dT%H%M%S%f}"
