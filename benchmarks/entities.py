"""Rows of a source's table merged by their key, as a connector syncs them: what one worker's engine and sink come to.

Three passes over the same log, a commit after another in one thread: every row new; the same table again with a tenth of
it changed; and a few entities that say much, which is how a counter in a row behaves. Beside the first two PostgreSQL alone
merging the bare rows, staged by COPY, which keeps no history, seals nothing and counts nothing.

    python -m benchmarks entities=300000     with so many rows a pass
"""

from __future__ import annotations

import datetime as dt
import json
import time
from collections.abc import Iterator, Sequence

import psycopg
import pyarrow as pa

from benchmarks.installation import Installation, installation
from benchmarks.recipe import Figure
from mainstem.intake import Rows
from mainstem.model import Lane
from mainstem.processing import lease_name
from mainstem.store import Lease
from mainstem.testing.samples import state_contract

__all__ = ["run"]

_ROWS = 100_000
_CHUNK = 25_000
_TALKERS = 10
_NOW = dt.datetime(2026, 6, 1, tzinfo=dt.UTC)

_CONTRACT = state_contract(
    "crm",
    "accounts",
    ("customer", {"customer_id": "id", "name": "name", "plan": "plan", "region": "region"}),
    {"name": {"pii": "name"}, "plan": {}, "region": {}, "seats": {"logicalType": "integer"}},
)


def run(rows: int = _ROWS) -> Iterator[Figure]:
    first = _table(rows, 0, changed=1)
    again = _table(rows, 1, changed=10)
    talkers = [_row(n % _TALKERS, n) for n in range(rows // 5)]
    with installation() as site:
        site.registry.activate(_CONTRACT, site.clock.wall())
        with site.door:
            new, synced, said = (_merged(site, payloads, n) for n, payloads in enumerate((first, again, talkers)))
        bare_new, bare_synced = _bare(site.database.dsn, [first, again])
    limit = "COPY and upsert of the bare rows"
    yield Figure("rows merged by key, all new", new, "rows/s", 15_000, limit, bare_new)
    yield Figure("rows merged by key, a tenth changed", synced, "rows/s", 15_000, limit, bare_synced)
    yield Figure(
        f"versions of {_TALKERS} entities that say much", said, "rows/s", None, "rows merged by key, all new", new
    )


def _table(rows: int, turn: int, *, changed: int) -> list[bytes]:
    """A source's table at its `turn`-th sync; every `changed`-th row is another than the sync before."""
    return [_row(n, turn if n % changed == 0 else 0) for n in range(rows)]


def _row(number: int, version: int) -> bytes:
    row = {
        "id": f"account-{number}",
        "name": f"Company number {number} Ltd",
        "plan": ("free", "team", "business")[(number + version) % 3],
        "region": ("emea", "amer", "apac")[number % 3],
        "seats": number % 50,
        "updated_at": (_NOW + dt.timedelta(seconds=version)).isoformat(),
    }
    return json.dumps(row).encode()


def _merged(site: Installation, payloads: Sequence[bytes], turn: int) -> float:
    """Rows a second from the log into entities' histories and states."""
    epoch = site.log.epochs()[-1]
    starts = {head.partition: head.position for head in site.log.heads(epoch.number) if head.lane is Lane.BULK}
    for at in range(0, len(payloads), _CHUNK):
        chunk = pa.array(payloads[at : at + _CHUNK], pa.binary())
        site.door.submit_rows(Rows("crm", "accounts", chunk, at, f"sync-{turn}"))
    began = time.perf_counter()
    for partition in range(epoch.partitions):
        lease = Lease(site.database, lease_name(epoch.number, partition), "bench", dt.timedelta(minutes=10))
        lease_epoch, after = lease.acquire(), starts.get(partition, 0)
        assert lease_epoch is not None
        while batches := site.log.read(
            epoch.number, partition, Lane.BULK, after, max_records=_CHUNK, max_bytes=64 * 2**20
        ):
            commit = site.sink.commit(site.engine.process(batches), lease_epoch=lease_epoch)
            assert not commit.quarantined
            after = batches[-1].position
    return len(payloads) / (time.perf_counter() - began)


def _bare(dsn: str, syncs: Sequence[Sequence[bytes]]) -> list[float]:
    """Rows a second that PostgreSQL alone merges, sync by sync."""
    rates = []
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute("CREATE TABLE bare (id text PRIMARY KEY, body jsonb NOT NULL)")
        for payloads in syncs:
            began = time.perf_counter()
            with conn.transaction():
                conn.execute("CREATE TEMPORARY TABLE staged (body jsonb) ON COMMIT DROP")
                with conn.cursor().copy("COPY staged FROM STDIN") as copy:
                    copy.write(b"\n".join(payloads) + b"\n")
                conn.execute(
                    """
                    INSERT INTO bare SELECT body ->> 'id', body FROM staged
                    ON CONFLICT (id) DO UPDATE SET body = EXCLUDED.body WHERE bare.body <> EXCLUDED.body
                    """
                )
            rates.append(len(payloads) / (time.perf_counter() - began))
    return rates
