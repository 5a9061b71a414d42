"""Timelines of busy customers, of earlier releases and with damaged rows are trimmed, and read newest first."""

from __future__ import annotations

import base64
import datetime as dt
import json
import os
import uuid
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from mainstem.privacy import Keyring, Sealer
from mainstem.processing import newest_events, trim_timeline, unpack_timeline
from mainstem.processing.tables import timeline_trimming
from mainstem.processing.tables.timeline_body import MOST_BYTES, pack_body
from mainstem.store import Database

NOW = dt.datetime(2026, 1, 15, 12, tzinfo=dt.UTC)
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
BUSY, QUIET, OTHER = uuid.UUID(int=7 << 100), uuid.UUID(int=9), uuid.UUID(int=200 << 120)


@pytest.fixture
def sealer(tmp_path: Path) -> Sealer:
    return Keyring.create(tmp_path / "keys").sealer


def _lines(at: dt.datetime, count: int, size: int = 0, **said: object) -> bytes:
    """Events a second apart, the last one at `at`."""
    us = int((at - EPOCH).total_seconds()) * 1_000_000
    told = json.dumps({**said, "x": "y" * size}) if said or size else None
    return b"".join(
        f'[{us - 1_000_000 * (count - 1 - n)},"open","{n}",null,null{"," + told if told else ""}]\n'.encode()
        for n in range(count)
    )


def _insert(database: Database, ref: uuid.UUID, at: dt.datetime, n: int, body: bytes, *, clear: bool = False) -> None:
    with database.transaction() as conn:
        conn.execute(
            "INSERT INTO timeline (ref, last_at, source, stream, n, body, clear) VALUES (%s, %s, 'a', 's', %s, %s, %s)",
            (ref, at, n, body, clear),
        )


def _rows(database: Database, ref: uuid.UUID) -> list[tuple[int, bytes, bool]]:
    with database.autocommit() as conn:
        return conn.execute(
            "SELECT n, body, clear FROM timeline WHERE ref = %s ORDER BY last_at, id", (ref,)
        ).fetchall()


def _told(database: Database, sealer: Sealer, ref: uuid.UUID, most: int = 10**6) -> list[dt.datetime]:
    with database.snapshot() as conn:
        return [event.at for _, _, event in newest_events(conn, ref, sealer, until=NOW, most=most)]


def test_a_busy_day_is_joined_to_rows_of_bounded_size(
    database: Database, sealer: Sealer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timeline_trimming, "_BYTES", 4 * MOST_BYTES)
    times = [NOW - dt.timedelta(minutes=10 * n) for n in range(70)]
    for at in times:
        _insert(database, BUSY, at, 40, pack_body(_lines(at, 40), BUSY.bytes, None))
        _insert(database, BUSY, at, 1, _unpackable(at, BUSY, sealer))
        _insert(database, QUIET, at, 1, _lines(at, 1))
    before = _told(database, sealer, BUSY)

    def trim() -> list[tuple[int, bytes, bool]]:
        trim_timeline(database, sealer, before=NOW - dt.timedelta(days=9), keep=10**6, crowd=5)
        return _rows(database, BUSY)

    rows = trim()
    assert max(len(body) for _, body, _ in rows) <= MOST_BYTES
    assert len(rows) < 140 / 3
    assert all(len(unpack_timeline(body, BUSY.bytes, sealer)) == n for n, body, _ in rows)
    assert _told(database, sealer, BUSY) == before
    assert [n for n, _, _ in _rows(database, QUIET)] == [70]
    trim()
    assert trim() == trim(), "what is joined stays as it is"


def test_a_row_that_cannot_be_joined_keeps_no_other_from_it(database: Database, sealer: Sealer) -> None:
    for number in range(4):
        at = NOW - dt.timedelta(minutes=number)
        # Their counts are more than a count can be, together.
        _insert(database, BUSY, at, 2**31 - 1, _lines(at, 1))
        _insert(database, QUIET, at, 1, _lines(at, 1))
    with capture_logs() as logs:
        trim_timeline(database, sealer, before=NOW - dt.timedelta(days=9), keep=2**40, crowd=1)
    assert len(_rows(database, QUIET)) == 1
    assert len(_rows(database, BUSY)) == 4
    assert [(one["event"], one["ref"], one["code"]) for one in logs] == [
        ("timeline_not_trimmed", str(BUSY), "22003"),
    ]


def test_rows_of_earlier_releases_are_sealed_and_bounded(database: Database, sealer: Sealer) -> None:
    large = b"".join(
        _unsealed(_lines(NOW - dt.timedelta(minutes=n), 40, 2_000, who=f"ann-{n}-{number}"))
        for number, n in enumerate((3, 1, 2) * 20)
    )
    _insert(database, BUSY, NOW, 2_400, large, clear=True)
    _insert(database, QUIET, NOW, 1, _lines(NOW, 1, who="ann"), clear=True)
    _insert(database, OTHER, NOW, 1, _lines(NOW, 1), clear=True)
    told = _told(database, sealer, BUSY, most=500)
    trim_timeline(database, sealer, before=NOW - dt.timedelta(days=9), keep=1_000)
    rows = _rows(database, BUSY)
    assert sum(n for n, _, _ in rows) == 1_000
    assert max(len(body) for _, body, _ in rows) <= MOST_BYTES
    assert not any(clear for _, _, clear in rows)
    assert _told(database, sealer, BUSY, most=500) == told
    [(_, body, clear)] = _rows(database, QUIET)
    assert (b"ann" in body, clear) == (False, False)
    [event] = unpack_timeline(body, QUIET.bytes, sealer)
    assert json.loads(event.properties or b"")["who"] == "ann"
    assert _rows(database, OTHER) == [(1, _lines(NOW, 1), False)], "what has no properties stays as it was"


def test_a_damaged_row_of_an_earlier_release_keeps_no_other_from_being_sealed(
    database: Database, sealer: Sealer
) -> None:
    _insert(database, QUIET, NOW, 1, b'[1,"open"', clear=True)
    before = NOW - dt.timedelta(hours=1)
    _insert(database, QUIET, before, 1, _lines(before, 1, who="ann"), clear=True)
    _insert(database, OTHER, NOW, 1, _lines(NOW, 1, who="ann"), clear=True)
    with capture_logs() as logs:
        trim_timeline(database, sealer, before=NOW - dt.timedelta(days=9), keep=1_000)
    assert [clear for _, _, clear in _rows(database, QUIET)] == [False, True]
    assert [clear for _, _, clear in _rows(database, OTHER)] == [False]
    assert [(one["event"], one["ref"], one["code"]) for one in logs] == [
        ("timeline_not_trimmed", str(QUIET), "damaged"),
    ]


@pytest.mark.parametrize("code", ["P0001", "40P01", "57014"])
def test_a_row_that_cannot_be_written_anew_keeps_no_other_from_it(
    database: Database, sealer: Sealer, code: str
) -> None:
    for ref in (QUIET, uuid.UUID(int=10)):
        _insert(database, ref, NOW, 1, _lines(NOW, 1, who="ann"), clear=True)
    with database.transaction() as conn:
        conn.execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
            f" 'BEGIN RAISE EXCEPTION ''no'' USING ERRCODE = ''{code}''; END'"
        )
        conn.execute(
            f"CREATE TRIGGER refuse BEFORE INSERT ON timeline FOR EACH ROW WHEN (NEW.ref = '{QUIET}')"
            " EXECUTE FUNCTION refuse()"
        )
    with capture_logs() as logs:
        trim_timeline(database, sealer, before=NOW - dt.timedelta(days=9), keep=1_000)
    assert [clear for _, _, clear in _rows(database, QUIET)] == [True]
    assert [clear for _, _, clear in _rows(database, uuid.UUID(int=10))] == [False]
    assert [(one["ref"], one["code"]) for one in logs] == [(str(QUIET), code)]


def test_the_newest_events_are_found_whatever_rows_they_lie_in(database: Database, sealer: Sealer) -> None:
    for n in range(60):
        at = NOW + dt.timedelta(hours=30 - n)
        _insert(database, QUIET, at, 3, _lines(at, 3) if n % 2 else pack_body(_lines(at, 3, n=n), QUIET.bytes, sealer))
    # One commit brought history: its row ends lately and goes far back.
    _insert(database, QUIET, NOW, 5_000, pack_body(_lines(NOW, 5_000), QUIET.bytes, None))
    everything = _told(database, sealer, QUIET)
    assert everything == sorted(everything, reverse=True)
    assert (len(everything), everything[0]) == (30 * 3 + 5_000, NOW)
    for most in (1, 7, 200):
        assert _told(database, sealer, QUIET, most=most) == everything[:most]


def _unpackable(at: dt.datetime, ref: uuid.UUID, sealer: Sealer) -> bytes:
    """A body with an event of 40 kB that no compression makes smaller."""
    us = int((at - EPOCH).total_seconds()) * 1_000_000
    return pack_body(b'[%d,"open",null,null,null,{"x":"%s"}]\n' % (us, _noise(40_000)), ref.bytes, sealer)


def _noise(size: int) -> bytes:
    """Text that does not compress."""
    return base64.b85encode(os.urandom(size)).replace(b'"', b"").replace(b"\\", b"")


def _unsealed(lines: bytes) -> bytes:
    return pack_body(lines, b"", None)
