"""What was shown, put into the lake beside what was received: records of Mainstem's own that never were in the log.

Each kind has a chain of its own in epoch 0, where no log ever is. Its commits are ordinary ones: reader, recovery,
compaction and verification know nothing of it. Whoever appends holds the chain's lease, and the manifest takes the commit in
one transaction with what the caller does beside (marking rows as exported): so each row lies in the lake exactly once.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import pyarrow as pa

from mainstem.lake.buffer import ChainBuffer
from mainstem.lake.commit import OBSERVED_EPOCH, Chain
from mainstem.lake.lake import Lake
from mainstem.lake.manifest import Proof
from mainstem.model import Lane, LogBatch
from mainstem.store import Connection, Lease

__all__ = ["append_observed", "observed_chain"]


def observed_chain(number: int) -> Chain:
    """The chain of a kind of observation; `number` is below 64 and never given to another kind."""
    return Chain(OBSERVED_EPOCH, number, Lane.LIVE)


def append_observed(
    lake: Lake, chain: Chain, records: pa.RecordBatch, *, owner: str, beside: Callable[[Connection], None]
) -> bool:
    """Append records (in `ENVELOPE` columns) to an observed chain as one commit; False when another appends this moment.

    `beside` runs in the transaction that makes the commit exist. Raises FencedError, StorageFullError or UnavailableError
    with nothing appended, or with an unknown outcome when the connection broke; and what `beside` raises.
    """
    ttl = dt.timedelta(seconds=lake.settings.lease_seconds)
    lease = Lease(lake.database, f"lake/{chain.epoch}/{chain.partition}", owner, ttl)
    epoch = lease.acquire()
    if epoch is None:
        return False
    try:
        now = lake.clock.wall()
        position = lake.manifest.positions().get((chain.epoch, chain.partition, chain.lane), 0)
        buffer = ChainBuffer(lake.codec, chain, position)
        buffer.add([LogBatch(chain.epoch, chain.partition, chain.lane, position + 1, now, records)], now)
        prepared = buffer.prepare(now)
        lake.publish(prepared.commit, prepared.files)
        lake.manifest.commit(prepared.commit, Proof(lease.name, epoch), beside)
    finally:
        lease.release()
    return True
