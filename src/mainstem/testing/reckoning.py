"""The reckoning after a run of faults: everything acknowledged is in effect once, and in the lake once a copy."""

from __future__ import annotations

import json
import time
import uuid
from collections import Counter

from mainstem.lake import verify
from mainstem.metrics import series_id
from mainstem.metrics.state import entries_of
from mainstem.processing import Author, QuarantineSelection
from mainstem.runtime.wiring import Runtime, connect_runtime
from mainstem.store import Database
from mainstem.testing.tree import RunningTree
from mainstem.testing.workload import EVENTS, JOURNEY_NAME, SOURCE, Expected

__all__ = ["check_rebuild", "reckon", "release"]

_DRAIN_SECONDS = 900.0


def reckon(tree: RunningTree, expected: Expected) -> int:
    """Wait until everything is worked off, release what is held, and check; how many copies were received.

    Raises AssertionError for what does not hold.
    """
    release(tree)
    with connect_runtime(tree.data_dir) as runtime:
        received = _wait_worked_off(runtime)
        lines = [line for line in runtime.ledger.status(SOURCE) if line.stream == EVENTS]
        held, waiting = _held(runtime.database)
        assert held >= expected.held, f"{held} were held, {expected.held} sent"
        assert not waiting, f"{waiting} of {held} were not released"
        assert not any(line.held for line in runtime.ledger.status(SOURCE))
        violations = runtime.ledger.deep_check()
        assert not violations, violations
        accepted = sum(line.accepted for line in lines)
        assert accepted == expected.events.total(), f"{accepted} accepted, {expected.events.total()} acknowledged"
        # An invalid record that came twice is there twice: it has no identity that could be trusted.
        quarantined = sum(line.quarantined for line in lines)
        assert quarantined >= expected.invalid, f"{quarantined} in quarantine, {expected.invalid} sent"
        copies, counted = sum(line.received for line in lines), _checked(runtime.database)
        assert counted == copies, f"the quality of {counted} copies was counted, {copies} were received"
        references = runtime.keyring.references

        def ref(kind: str, value: str) -> uuid.UUID:
            return uuid.UUID(bytes=references.ref(SOURCE, kind, value))

        assert _served(runtime.database) == {ref("customer", c): n for c, n in expected.events.items()}
        if JOURNEY_NAME in runtime.metrics.current().journeys:
            assert _tracked(runtime.database) == {ref("customer", c): n for c, n in expected.events.items()}
        assert _accounts(runtime.database) == {ref("customer", a): plan for a, plan in expected.accounts.items()}
        report = verify(runtime.lake, deep=True, log=runtime.log)
        assert report.whole, report.problems
    return received


def release(tree: RunningTree) -> int:
    """Release whatever is held, once everything is worked off; how many. It need not be in effect yet."""
    with connect_runtime(tree.data_dir) as runtime:
        _wait_worked_off(runtime)
        with runtime.door:
            return runtime.quarantine.release(QuarantineSelection(), Author("reckoning")).decided


def check_rebuild(tree: RunningTree) -> int:
    """Rebuild beside the running tree, to identical hashes; how many records were folded."""
    report = json.loads(tree.command("rebuild", "analytics", "--from-lake", "--json", seconds=1800))
    assert report["identical"] is True, report
    return int(report["records"])


def _wait_worked_off(runtime: Runtime) -> int:
    """Until nothing is pending, and the lake has as many rows as were received, stream by stream."""
    deadline = time.monotonic() + _DRAIN_SECONDS
    while True:
        lines = runtime.ledger.status(SOURCE)
        received: Counter[str] = Counter()
        for line in lines:
            received[line.stream] += line.received
        totals = [total for total in runtime.lake.manifest.totals() if total.source == SOURCE]
        laked: Counter[str] = Counter()
        for total in totals:
            laked[total.stream] += total.rows
        if not any(line.pending for line in runtime.ledger.status()) and laked == received:
            return received.total()
        assert time.monotonic() < deadline, f"not worked off: {lines}, {laked} rows in the lake"
        time.sleep(0.2)


def _served(database: Database) -> dict[uuid.UUID, int]:
    """Events of each customer, as metrics serve them."""
    with database.snapshot() as connection:
        rows = connection.execute(
            "SELECT ref, sum(value)::bigint FROM cell WHERE series = %s GROUP BY ref",
            [series_id("events", SOURCE, EVENTS)],
        ).fetchall()
    return dict(rows)


def _tracked(database: Database) -> dict[uuid.UUID, int]:
    """Events of each customer, as the journey's track has them: how many each of its moments holds, added up."""
    with database.snapshot() as connection:
        rows = connection.execute(
            "SELECT ref, substr(state, 3) FROM track WHERE series = %s",
            [series_id(f"{JOURNEY_NAME}/used", SOURCE, EVENTS)],
            binary=True,
        ).fetchall()
    counts: Counter[uuid.UUID] = Counter()
    for ref, body in rows:
        counts[ref] += int(entries_of(body)[1].sum())
    return dict(counts)


def _checked(database: Database) -> int:
    """Copies of events whose quality was counted."""
    with database.snapshot() as connection:
        [(count,)] = connection.execute(
            "SELECT coalesce(sum(records), 0)::bigint FROM quality_count WHERE (source, stream) = (%s, %s)",
            [SOURCE, EVENTS],
        ).fetchall()
    return int(count)


def _held(database: Database) -> tuple[int, int]:
    """Records that were held, and how many of them are not in effect."""
    with database.snapshot() as connection:
        [(held, waiting)] = connection.execute(
            "SELECT count(*), count(*) FILTER (WHERE state <> 'fixed') FROM quarantine WHERE held_by <> '[]'"
        ).fetchall()
    return int(held), int(waiting)


def _accounts(database: Database) -> dict[uuid.UUID, str | None]:
    """The plan of each account, None for a deleted one."""
    with database.snapshot() as connection:
        rows = connection.execute(
            "SELECT ref, CASE WHEN deleted THEN NULL ELSE attributes ->> 'plan' END FROM entity WHERE source = %s",
            [SOURCE],
        ).fetchall()
    return dict(rows)
