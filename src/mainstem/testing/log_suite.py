"""The contract suite of event logs: what every implementation of `eventlog.EventLog` must pass, unchanged.

    class TestMyLog(LogSuite):
        @pytest.fixture
        def open_log(self, log_clock): ...

A subclass gives three fixtures:

- `open_log`: called without arguments, opens another handle on the same log, as another process would. The first call
  finds it empty, with 4 partitions. Every handle takes its time from the fixture `log_clock`.
- `hold`: `hold(appends)` begins an append through a door of its own that is neither decided nor given up before its
  `with` block ends; a log that cannot show one undecided yields without having begun and appends at the end.
- `database`: a migrated `store.Database`, empty; readers' leases and positions lie there whatever the log is.

Handles are dropped without ceremony, as a killed process drops them.
"""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

import pyarrow as pa
import pytest

from mainstem.errors import FencedError
from mainstem.eventlog import Append, EventLog, LogEpoch
from mainstem.model import ENVELOPE, Lane, LogBatch
from mainstem.store import Database, Lease, check_lease
from mainstem.testing.clock import FixedClock
from mainstem.testing.log_records import append_of, payloads, read_all

__all__ = ["Hold", "LogSuite", "OpenLog"]

OpenLog = Callable[[], EventLog]
Hold = Callable[[Sequence[Append]], AbstractContextManager[None]]

_LONG = 60.0
"""Seconds no test waits unless it is about to fail."""


def _place(batches: Sequence[LogBatch]) -> list[int]:
    return [batch.position for batch in batches]


class LogSuite:
    """Subclass it, give the fixtures of the module's text, and its tests are yours."""

    @pytest.fixture
    def log_clock(self) -> FixedClock:
        """The time of every handle."""
        return FixedClock()

    @pytest.fixture
    def log(self, open_log: OpenLog) -> EventLog:
        """A handle on an empty log."""
        return open_log()

    # --- what is appended is there, in order

    def test_an_empty_log_has_one_open_epoch_and_nothing_in_it(self, log: EventLog) -> None:
        assert list(log.epochs()) == [LogEpoch(1, 4, closed=False)]
        heads = log.heads(1)
        assert {(head.partition, head.lane) for head in heads} == {(p, lane) for p in range(4) for lane in Lane}
        assert {head.position for head in heads} == {0}
        assert log.read(1, 0, Lane.LIVE, 0, max_records=10, max_bytes=1000) == []
        assert log.received() == {}
        assert log.pending({}) == {}
        assert log.oldest(1, 0, Lane.LIVE, 0) is None
        assert log.trim(1, 0, Lane.LIVE, 10) == 0

    def test_appends_are_read_back_in_order_with_their_places(self, log: EventLog, log_clock: FixedClock) -> None:
        appends = [append_of(b"a%d" % n, b"b%d" % n) for n in range(5)]
        positions = [log.append([append])[0] for append in appends]
        batches = read_all(log)
        assert _place(batches) == positions == sorted(set(positions))
        assert [batch.records for batch in batches] == [append.records for append in appends]
        assert {(b.epoch, b.partition, b.lane, b.received_at) for b in batches} == {(1, 0, Lane.LIVE, log_clock.wall())}
        assert str(batches[0].place(1)) == f"1-p0-live-{positions[0]}-1"

    def test_what_was_acknowledged_is_there_after_a_reopening(self, log: EventLog, open_log: OpenLog) -> None:
        [first] = log.append([append_of(b"before")])
        del log
        again = open_log()
        [second] = again.append([append_of(b"after")])
        assert second > first
        assert payloads(read_all(again)) == [b"before", b"after"]

    def test_one_call_may_append_to_many_places_and_answers_in_the_order_given(self, log: EventLog) -> None:
        appends = [
            append_of(b"x", partition=3),
            append_of(b"y", partition=1, lane=Lane.BULK),
            append_of(b"z", partition=3),
            append_of(b"w", partition=0),
        ]
        positions = log.append(appends)
        assert payloads(read_all(log, 3)) == [b"x", b"z"]
        assert _place(read_all(log, 3)) == [positions[0], positions[2]]
        assert _place(read_all(log, 1, Lane.BULK)) == [positions[1]]
        assert _place(read_all(log, 0)) == [positions[3]]
        assert log.append([]) == []

    def test_lanes_and_partitions_do_not_see_each_other(self, log: EventLog) -> None:
        log.append([append_of(b"live"), append_of(b"bulk", lane=Lane.BULK), append_of(b"other", partition=1)])
        assert payloads(read_all(log, 0, Lane.LIVE)) == [b"live"]
        assert payloads(read_all(log, 0, Lane.BULK)) == [b"bulk"]
        assert payloads(read_all(log, 1, Lane.LIVE)) == [b"other"]
        assert read_all(log, 1, Lane.BULK) == []

    def test_payloads_and_ids_come_back_as_they_were(self, log: EventLog) -> None:
        strange = [
            b"",
            b"\x00",
            "żółć 🦔 \u202e".encode(),
            b"\xff\xfe not utf-8",
            b'{"a":"\\u0000"}',
            bytes(range(256)),
        ]
        records = append_of(*strange).records
        ids = ["", "\x00", "🦔", "a\x00b", " ", "\u2028"]
        for name in ("record_id", "key", "partition_key", "delivery"):
            place = records.schema.get_field_index(name)
            records = records.set_column(place, records.schema.field(place), pa.array(ids))
        log.append([Append(0, Lane.LIVE, records)])
        [batch] = read_all(log)
        assert batch.records == records

    def test_a_slice_of_a_larger_batch_is_appended_alone(self, log: EventLog) -> None:
        whole = append_of(*[b"%d" % n for n in range(100)])
        log.append([Append(0, Lane.LIVE, whole.records.slice(40, 3))])
        assert payloads(read_all(log)) == [b"40", b"41", b"42"]

    def test_a_large_batch_is_one_position(self, log: EventLog) -> None:
        append = append_of(*[b"%d" % n * 50 for n in range(10_000)])
        log.append([append])
        [batch] = read_all(log)
        assert batch.records == append.records

    def test_batches_that_are_none_are_refused(self, log: EventLog) -> None:
        good = append_of(b"x").records
        without_payload = good.set_column(14, ENVELOPE.field("payload"), pa.array([None], pa.binary()))
        for bad in (good.slice(0, 0), good.select(["source", "payload"]), without_payload):
            with pytest.raises(ValueError, match=r"batch|columns|payload"):
                log.append([append_of(b"good"), Append(0, Lane.LIVE, bad)])
        assert log.received() == {}

    # --- bounds of a read

    def test_a_read_keeps_to_both_bounds_but_gives_at_least_one(self, log: EventLog) -> None:
        positions = [log.append([append_of(b"a" * 1000, b"b" * 1000)])[0] for _ in range(6)]
        one = read_all(log)[0].records.nbytes

        def places(after: int, records: int, size: int) -> list[int]:
            return _place(log.read(1, 0, Lane.LIVE, after, max_records=records, max_bytes=size))

        assert places(0, 5, 1 << 30) == positions[:2]
        assert places(0, 4, 1 << 30) == positions[:2]
        assert places(0, 1, 1 << 30) == positions[:1]
        assert places(0, 1000, one * 3 + 10) == positions[:3]
        assert places(0, 1000, 1) == positions[:1]
        assert places(positions[2], 1000, 1 << 30) == positions[3:]
        assert places(positions[-1], 1000, 1 << 30) == []

    # --- time

    def test_received_at_never_falls_although_the_clock_does(
        self, log: EventLog, open_log: OpenLog, log_clock: FixedClock
    ) -> None:
        start = log_clock.wall()
        log.append([append_of(b"1")])
        log_clock.advance(dt.timedelta(hours=-3))
        log.append([append_of(b"2"), append_of(b"2", lane=Lane.BULK)])
        open_log().append([append_of(b"3")])
        log_clock.set(start + dt.timedelta(seconds=5))
        log.append([append_of(b"4", lane=Lane.BULK)])
        log_clock.set(start - dt.timedelta(days=1))
        log.append([append_of(b"5")])
        later = start + dt.timedelta(seconds=5)
        assert [batch.received_at for batch in read_all(log)] == [start, start, start, later]
        assert [batch.received_at for batch in read_all(log, 0, Lane.BULK)] == [start, later]

    def test_received_at_does_not_fall_at_a_new_epoch(self, log: EventLog, log_clock: FixedClock) -> None:
        start = log_clock.wall()
        log.append([append_of(b"old", partition=1)])
        log_clock.advance(dt.timedelta(hours=-1))
        log.repartition(2)
        log.append([append_of(b"new", partition=1)])
        [batch] = read_all(log, 1, epoch=2)
        assert batch.received_at == start

    # --- counts

    def test_received_and_pending_are_counted_by_source_stream_and_day(
        self, log: EventLog, log_clock: FixedClock
    ) -> None:
        log_clock.set(dt.datetime(2026, 1, 15, 23, 59, 59, 999_999, tzinfo=dt.UTC))
        [first] = log.append([append_of(b"a", b"b")])
        log_clock.advance(dt.timedelta(microseconds=1))
        log.append([append_of(b"c"), append_of(b"d", partition=1, stream="tickets"), append_of(b"e", lane=Lane.BULK)])
        orders, tickets = ("shop", "orders"), ("shop", "tickets")
        old, new = dt.date(2026, 1, 15), dt.date(2026, 1, 16)
        everything = {(*orders, old): 2, (*orders, new): 2, (*tickets, new): 1}
        assert log.received() == everything
        assert log.pending({}) == everything
        assert log.pending({(1, 0, Lane.LIVE): first}) == {(*orders, new): 2, (*tickets, new): 1}
        heads = {(head.epoch, head.partition, head.lane): head.position for head in log.heads(1)}
        assert log.pending(heads) == {}
        log.trim(1, 0, Lane.LIVE, first)
        assert log.received() == everything

    def test_records_of_many_streams_in_one_batch_are_counted_apart(self, log: EventLog, log_clock: FixedClock) -> None:
        parts = [append_of(b"1", b"2", source=s, stream=t).records for s in ("crm", "shop") for t in ("a", "b")]
        mixed = pa.Table.from_batches([*parts, parts[0]]).combine_chunks().to_batches()[0]
        log.append([Append(0, Lane.LIVE, mixed)])
        day = log_clock.wall().date()
        assert log.received() == {
            ("crm", "a", day): 4,
            ("crm", "b", day): 2,
            ("shop", "a", day): 2,
            ("shop", "b", day): 2,
        }
        assert log.pending({}) == log.received()

    def test_heads_and_oldest_follow_the_appends(self, log: EventLog, log_clock: FixedClock) -> None:
        start = log_clock.wall()
        [first] = log.append([append_of(b"a", partition=2)])
        log_clock.advance(dt.timedelta(seconds=1))
        [second] = log.append([append_of(b"b", partition=2)])
        head = {(h.partition, h.lane): h.position for h in log.heads(1)}
        assert head[2, Lane.LIVE] == second
        assert head[2, Lane.BULK] == head[0, Lane.LIVE] == 0
        assert log.oldest(1, 2, Lane.LIVE, 0) == start
        assert log.oldest(1, 2, Lane.LIVE, first) == start + dt.timedelta(seconds=1)
        assert log.oldest(1, 2, Lane.LIVE, second) is None

    # --- several doors and readers

    def test_a_position_held_open_is_never_overtaken(self, log: EventLog, open_log: OpenLog, hold: Hold) -> None:
        """Door A has begun and not decided; door B appends to the same lane meanwhile. The reader must miss neither."""
        other = open_log()
        door = threading.Thread(target=lambda: other.append([append_of(b"later")]))
        seen: list[LogBatch] = []

        def poll() -> None:
            after = seen[-1].position if seen else 0
            seen.extend(log.read(1, 0, Lane.LIVE, after, max_records=10, max_bytes=1 << 20))

        with hold([append_of(b"held")]):
            door.start()
            assert log.append([append_of(b"elsewhere", partition=1)])
            for _ in range(20):
                poll()
                door.join(0.01)
        door.join(_LONG)
        assert not door.is_alive()
        poll()
        poll()
        assert sorted(payloads(seen)) == [b"held", b"later"]
        assert _place(seen) == _place(read_all(log))

    def test_two_doors_at_once_lose_and_hide_nothing_from_a_polling_reader(
        self, log: EventLog, open_log: OpenLog
    ) -> None:
        doors = [(name, open_log()) for name in ("a", "a", "b", "b")]
        answers: list[tuple[int, Lane, int, bytes]] = []

        def write(worker: int, door: EventLog) -> None:
            for turn in range(12):
                own = b"%d-%d" % (worker, turn)
                # Ascending, descending: doors must not wait for each other in a circle.
                partitions = (0, 1) if worker % 2 else (1, 0)
                appends = [append_of(own, own * (turn + 1), partition=p, lane=Lane(turn % 2)) for p in partitions]
                for append, position in zip(appends, door.append(appends), strict=True):
                    answers.append((append.partition, append.lane, position, own))

        threads = [threading.Thread(target=write, args=(n, door)) for n, (_, door) in enumerate(doors)]
        seen: dict[tuple[int, Lane], list[LogBatch]] = {(p, lane): [] for p in (0, 1) for lane in Lane}
        for thread in threads:
            thread.start()
        done = False
        while not done:
            done = not any(thread.is_alive() for thread in threads)
            for (partition, lane), batches in seen.items():
                after = batches[-1].position if batches else 0
                batches.extend(log.read(1, partition, lane, after, max_records=1000, max_bytes=1 << 20))
        for (partition, lane), batches in seen.items():
            assert _place(batches) == _place(read_all(log, partition, lane))
            answered = {position: own for p, ln, position, own in answers if (p, ln) == (partition, lane)}
            assert {batch.position: payloads([batch])[0] for batch in batches} == answered
            assert len(answered) == 24

    def test_a_zombie_reader_is_refused_and_each_record_is_taken_once(self, log: EventLog, database: Database) -> None:
        """The log knows no owners; a reader's lease and position, in its own transaction, make it the only one."""
        log.append([append_of(b"1")])
        log.append([append_of(b"2")])
        taken: list[bytes] = []
        # A lease of no length has run out as soon as it is taken.
        zombie = Lease(database, "engine/1/0", "first", dt.timedelta(0))
        owner = Lease(database, "engine/1/0", "second", dt.timedelta(minutes=1))
        old = zombie.acquire()
        stale = log.read(1, 0, Lane.LIVE, 0, max_records=1, max_bytes=1)
        new = owner.acquire()
        assert old is not None
        assert new is not None
        assert new > old
        self._commit(database, log.read(1, 0, Lane.LIVE, 0, max_records=9, max_bytes=1 << 20), new, taken)
        with pytest.raises(FencedError):
            self._commit(database, stale, old, taken)
        assert taken == [b"1", b"2"]
        assert not zombie.renew()
        assert self._position(database) == log.heads(1)[0].position

    def _commit(self, database: Database, batches: Sequence[LogBatch], epoch: int, taken: list[bytes]) -> None:
        with database.transaction() as connection:
            check_lease(connection, "engine/1/0", epoch)
            connection.execute(
                """
                INSERT INTO lake_position (epoch, partition, lane, position, lease_epoch) VALUES (1, 0, 0, %(p)s, %(e)s)
                ON CONFLICT (epoch, partition, lane) DO UPDATE SET position = %(p)s, lease_epoch = %(e)s
                """,
                {"p": batches[-1].position, "e": epoch},
            )
        taken.extend(payloads(batches))

    def _position(self, database: Database) -> int:
        with database.transaction() as connection:
            [(position,)] = connection.execute("SELECT position FROM lake_position").fetchall()
        return int(position)

    def test_wait_returns_when_another_door_has_appended(self, log: EventLog, open_log: OpenLog) -> None:
        taken: list[bytes] = []

        def follow() -> None:
            after = 0
            while len(taken) < 3:
                for batch in log.read(1, 0, Lane.LIVE, after, max_records=10, max_bytes=1 << 20):
                    taken.extend(payloads([batch]))
                    after = batch.position
                    told.set()
                if len(taken) < 3:
                    log.wait(2 * _LONG)

        told = threading.Event()
        reader = threading.Thread(target=follow, daemon=True)
        reader.start()
        door = open_log()
        for payload in (b"1", b"2", b"3"):
            told.clear()
            door.append([append_of(payload)])
            # Each is waited for, so that the next one finds the reader asleep or about to be.
            assert told.wait(_LONG), "an append did not wake the reader"
        reader.join(_LONG)
        assert not reader.is_alive()
        assert taken == [b"1", b"2", b"3"]

    def test_wait_returns_when_it_is_woken(self, log: EventLog) -> None:
        for _ in range(3):
            log.wait(0.01)
        waiting = threading.Thread(target=log.wait, args=[2 * _LONG], daemon=True)
        waiting.start()
        while waiting.is_alive():
            # Its first wait may have returned before it was woken, or be woken before it begins.
            log.wake()
            waiting.join(0.01)
        began = time.monotonic()
        log.wake()
        log.wait(_LONG)
        assert time.monotonic() - began < _LONG / 2

    def test_wait_returns_by_itself_when_nothing_happens(self, log: EventLog) -> None:
        for _ in range(3):
            log.wait(0.01)
        assert log.received() == {}

    # --- trimming

    def test_trimmed_positions_are_gone_and_never_given_again(self, log: EventLog, open_log: OpenLog) -> None:
        positions = [log.append([append_of(b"%d" % n)])[0] for n in range(4)]
        log.append([append_of(b"bulk", lane=Lane.BULK)])
        assert log.trim(1, 0, Lane.LIVE, positions[1]) == 2
        assert log.trim(1, 0, Lane.LIVE, positions[1]) == 0
        assert payloads(read_all(log)) == [b"2", b"3"]
        assert payloads(read_all(log, 0, Lane.BULK)) == [b"bulk"]
        assert log.trim(1, 0, Lane.LIVE, positions[-1]) == 2
        again = open_log()
        assert read_all(again) == []
        assert again.append([append_of(b"next")])[0] > positions[-1]

    # --- another number of partitions

    def test_a_changed_partition_count_mints_an_epoch_and_keeps_the_old_one_readable(self, log: EventLog) -> None:
        log.append([append_of(b"old", partition=3)])
        assert log.repartition(8) == LogEpoch(2, 8, closed=False)
        log.append([append_of(b"new", partition=7)])
        assert list(log.epochs()) == [LogEpoch(1, 4, closed=True), LogEpoch(2, 8, closed=False)]
        assert payloads(read_all(log, 3, epoch=1)) == [b"old"]
        assert payloads(read_all(log, 7, epoch=2)) == [b"new"]
        assert read_all(log, 3, epoch=2) == []
        assert len(log.heads(2)) == 16
        assert sum(log.received().values()) == sum(log.pending({}).values()) == 2
        log.trim(1, 3, Lane.LIVE, log.heads(1)[-1].position + 1000)
        assert [epoch.number for epoch in log.epochs()] == [2]

    def test_a_door_with_a_stale_partition_count_is_refused_until_it_asks(
        self, log: EventLog, open_log: OpenLog
    ) -> None:
        stale = open_log()
        stale.append([append_of(b"1", partition=1)])
        log.repartition(8)
        # Partition 1 is there in both epochs, and still not where 4 partitions would have put the record.
        with pytest.raises(FencedError):
            stale.append([append_of(b"2", partition=1)])
        assert stale.epochs()[-1] == LogEpoch(2, 8, closed=False)
        stale.append([append_of(b"2", partition=1)])
        assert sum(log.received().values()) == 2
        assert payloads(read_all(log, 1, epoch=2)) == [b"2"]

    def test_a_record_in_the_wrong_partition_is_refused_with_all_of_its_call(self, log: EventLog) -> None:
        misplaced = Append(1, Lane.LIVE, append_of(b"x", partition=2).records)
        beyond = append_of(b"x", partition=7)
        for bad in (misplaced, beyond):
            with pytest.raises(FencedError):
                log.append([append_of(b"good"), bad])
        assert log.received() == {}
        assert read_all(log) == []

    def test_a_number_of_partitions_that_cannot_be_changes_nothing(self, log: EventLog) -> None:
        for number in (0, 3, 32, -4):
            with pytest.raises(ValueError, match="partitions"):
                log.repartition(number)
        assert list(log.epochs()) == [LogEpoch(1, 4, closed=False)]

    def test_appends_racing_with_a_new_partition_count_land_wholly_on_one_side(
        self, log: EventLog, open_log: OpenLog
    ) -> None:
        written: list[bytes] = []
        fenced = threading.Event()

        def write(worker: int, door: EventLog) -> None:
            for turn in range(20):
                payload = b"%d-%d" % (worker, turn)
                try:
                    door.append([append_of(payload, partition=worker)])
                except FencedError:
                    door.epochs()
                    door.append([append_of(payload, partition=worker)])
                    fenced.set()
                written.append(payload)

        threads = [threading.Thread(target=write, args=(n, open_log())) for n in range(2)]
        for thread in threads:
            thread.start()
        while not written:
            log.wait(0.01)
        log.repartition(2)
        for thread in threads:
            thread.join(_LONG)
        kept = payloads([b for epoch in (1, 2) for p in range(2) for b in read_all(log, p, epoch=epoch)])
        assert sorted(kept) == sorted(written)
        assert len(kept) == 40
        for p in range(2):
            order = payloads(read_all(log, p, epoch=1)) + payloads(read_all(log, p, epoch=2))
            assert order == [b"%d-%d" % (p, turn) for turn in range(20)]
