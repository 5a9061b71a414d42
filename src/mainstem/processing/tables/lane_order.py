"""In which order the two lanes of a partition took effect.

Each lane is committed in the order of its positions; how the two come between each other is up to the worker. Where the
same event came in both with different bodies, the first one counts, and so the order is kept: a row a turn, as many as
bulk commits that met a live lane which had moved.
"""

from __future__ import annotations

import dataclasses

from mainstem.store import Connection

__all__ = ["Turn", "read_turns", "write_turn"]


@dataclasses.dataclass(frozen=True, slots=True)
class Turn:
    """Bulk positions up to `bulk` took effect while the live lane stood at `live`."""

    live: int
    bulk: int


def write_turn(conn: Connection, epoch: int, partition: int, turn: Turn) -> None:
    """Note a bulk commit, inside the sink's transaction."""
    conn.execute(
        """
        INSERT INTO lane_order (epoch, partition, live, bulk) VALUES (%s, %s, %s, %s)
        ON CONFLICT (epoch, partition, live) DO UPDATE SET bulk = excluded.bulk, exported = false
        """,
        [epoch, partition, turn.live, turn.bulk],
    )


def read_turns(conn: Connection) -> dict[tuple[int, int], list[Turn]]:
    """The turns of every (epoch, partition), first to last."""
    turns: dict[tuple[int, int], list[Turn]] = {}
    rows = conn.execute("SELECT epoch, partition, live, bulk FROM lane_order ORDER BY epoch, partition, live")
    for epoch, partition, live, bulk in rows:
        turns.setdefault((epoch, partition), []).append(Turn(live, bulk))
    return turns
