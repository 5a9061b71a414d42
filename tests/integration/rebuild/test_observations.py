"""What was shown goes into the lake once and in order, and comes back from it as it was."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mainstem.access import ApiKeys, Role
from mainstem.analytics import trim_history
from mainstem.cli.exit_codes import ExitCode
from mainstem.cli.main import main
from mainstem.lake import LakeReader, compact, observed_chain, verify
from mainstem.processing.rebuild import export_observations
from mainstem.runtime.control_copy import copy_control
from mainstem.runtime.jobs import periodic_jobs
from mainstem.store import Database
from mainstem.testing.site import Site

Usage = Callable[..., dict[str, Any]]
AT = "2026-01-13T12:00:00Z"
CORRECTIONS = "SELECT to_jsonb(correction) - 'exported' FROM correction ORDER BY id"
HISTORY = "SELECT to_jsonb(score_history) - 'exported' FROM score_history ORDER BY id"
# What a customer's score is, without what only says when it was last looked at.
SCORES = "SELECT ref, model, model_version, score, band, grade, source, daily_at, basis FROM score ORDER BY 1"


def _day(day: int) -> dt.datetime:
    return dt.datetime(2026, 1, day, 12, tzinfo=dt.UTC)


@pytest.fixture
def seen(migrated_dsn: str, tmp_path: Path, usage: Usage) -> Site:
    """An installation that has shown scores over some days, and had to correct itself."""
    site = Site.begin(tmp_path / "data", migrated_dsn)
    site.stand_at(_day(11))
    site.send("app", [usage(n, occurred_at=_day(8 + n % 3).isoformat()) for n in range(70)])
    site.work()
    site.score()
    site.stand_at(_day(14))
    site.send("app", [usage(n, occurred_at=_day(13).isoformat()) for n in range(100, 120)])
    site.work()
    site.score()
    site.send("app", [usage(n, occurred_at=_day(9).isoformat(), customer_id="c3") for n in range(200, 230)])
    site.work()
    site.score()
    # The history gets a row a minute at most: what changed again within one is logged in the next.
    site.stand_at(_day(14) + dt.timedelta(minutes=5))
    site.score()
    site.fill_lake()
    assert site.query("SELECT count(*) FROM score WHERE pending") == [(0,)]
    assert site.query("SELECT count(*) FROM correction WHERE cause = 'late'") != [(0,)]
    assert site.query("SELECT count(*) FROM score_history WHERE cause = 'late'") != [(0,)]
    return site


def _export(site: Site, rows: int = 10_000) -> int:
    with site.runtime() as runtime:
        return export_observations(runtime.lake, owner=runtime.owner, rows=rows)


def _in_lake(site: Site, chain: int) -> list[Any]:
    place = observed_chain(chain)
    with site.runtime() as runtime:
        batches = list(LakeReader(runtime.lake).read(place.epoch, place.partition, place.lane))
    return [json.loads(payload) for batch in batches for payload in batch.records.column("payload").to_pylist()]


def _rebuild(site: Site, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    capsys.readouterr()
    status = main(["rebuild", "analytics", "--from-lake", "--json", "--data-dir", str(site.data_dir)])
    printed = capsys.readouterr()
    assert status == ExitCode.OK, printed.err
    result: dict[str, Any] = json.loads(printed.out)
    return result


def _known(site: Site, known_at: dt.datetime) -> list[Any]:
    """What the metric `events` was known to be, of all customers and days."""
    with site.runtime() as runtime, runtime.database.snapshot() as conn:
        from mainstem.metrics.known import KNOWN_CELLS

        rows = conn.execute(KNOWN_CELLS, {"known_at": known_at}).fetchall()
    return sorted((str(ref), series, bucket, value) for ref, series, bucket, value, _ in rows)


def test_each_goes_into_the_lake_once_and_in_order(seen: Site) -> None:
    rows = [[row for (row,) in seen.query(statement)] for statement in (CORRECTIONS, HISTORY)]
    assert _export(seen, rows=7) == sum(map(len, rows))
    assert _export(seen) == 0
    assert [_in_lake(seen, chain) for chain in (0, 1)] == rows
    seen.stand_at(_day(16))
    seen.score()
    later = [row for (row,) in seen.query(HISTORY)]
    assert len(later) > len(rows[1])
    assert _export(seen) == len(later) - len(rows[1])
    assert _in_lake(seen, 1) == later
    with seen.runtime() as runtime:
        compact(runtime.lake)
        report = verify(runtime.lake, deep=True, log=runtime.log)
        assert runtime.ledger.deep_check() == []
    assert report.whole, report.problems
    assert _in_lake(seen, 1) == later


def test_what_one_export_marks_no_other_writes(seen: Site) -> None:
    """A row that was exported meanwhile takes the whole commit with it."""
    with seen.runtime() as runtime:
        lake = runtime.lake

        def overtaken(path: str, data: bytes) -> bool:
            seen.query("UPDATE correction SET exported = true WHERE id = (SELECT min(id) FROM correction)")
            return put(path, data)

        put, lake.objects.put = lake.objects.put, overtaken  # type: ignore[method-assign]
        with pytest.raises(Exception, match="meanwhile"):
            export_observations(lake, owner="one")
    assert _in_lake(seen, 0) == []


def test_a_lost_database_comes_back_with_what_it_had_shown(
    seen: Site, second_dsn: str, capsys: pytest.CaptureFixture[str]
) -> None:
    [(latest,)] = seen.query("SELECT max(known_at) - interval '1 microsecond' FROM correction")
    with seen.runtime() as runtime:
        secret = ApiKeys(runtime.database, runtime.clock).create("reader", Role.VIEWER)
        ApiKeys(runtime.database, runtime.clock).create("old", Role.ADMIN)
        ApiKeys(runtime.database, runtime.clock).revoke("old")
        runtime.users.create("ada", "a long password", Role.ADMIN)
        copy_control(runtime)
        assert not copy_control(runtime)
    _export(seen)
    kept = CORRECTIONS, HISTORY, SCORES, "SELECT name, role, revoked_at FROM api_key ORDER BY 1", "SELECT * FROM replay"
    before = [seen.query(statement) for statement in kept]
    known = _known(seen, latest), _known(seen, latest + dt.timedelta(hours=1))
    tables = _rebuild(seen, capsys)["tables"]
    assert [seen.query(statement) for statement in kept] == before
    assert (_known(seen, latest), _known(seen, latest + dt.timedelta(hours=1))) == known
    seen.use(second_dsn)
    result = _rebuild(seen, capsys)
    assert (result["identical"], result["tables"]) == (None, tables)
    assert [seen.query(statement) for statement in kept] == before
    assert (_known(seen, latest), _known(seen, latest + dt.timedelta(hours=1))) == known
    with seen.runtime() as runtime:
        principal = ApiKeys(runtime.database, runtime.clock).authenticate(secret)
        assert principal is not None
        assert principal.name == "reader"
        assert runtime.users.sign_in("ada", "a long password") is not None
        assert runtime.ledger.deep_check() == []
    # Everybody is scored again, and nobody's score or midnight has to be another one.
    seen.score()
    assert seen.query(SCORES) == before[2]
    assert seen.query(HISTORY) == before[1]
    assert _export(seen) == 0
    # Life goes on behind it: ids rise, days are scored, a rebuild finds the same.
    seen.stand_at(_day(16))
    seen.score()
    after = seen.query(HISTORY)
    assert after[: len(before[1])] == before[1]
    assert len(after) > len(before[1])
    assert _rebuild(seen, capsys)["identical"] is True


def test_scores_and_when_they_are_due_outlive_a_rebuild(seen: Site, capsys: pytest.CaptureFixture[str]) -> None:
    whole = "SELECT to_jsonb(score) FROM score ORDER BY ref"
    before = seen.query(whole)
    assert before
    assert _rebuild(seen, capsys)["identical"] is True
    assert seen.query(whole) == before
    seen.score()
    assert seen.query(HISTORY) != []
    assert seen.query(whole) == before


def test_live_rows_go_once_the_lake_has_them(seen: Site) -> None:
    live = "SELECT count(*) FROM score_history WHERE kind = 'live'"
    daily = "SELECT count(*) FROM score_history WHERE kind = 'daily'"
    before = seen.query(live), seen.query(daily)
    with Database(seen.dsn) as database:
        assert trim_history(database, _day(13)) == 0
        _export(seen)
        assert trim_history(database, _day(13)) > 0
    assert seen.query(live) < before[0]
    assert seen.query(daily) == before[1]


def _run_jobs(site: Site) -> None:
    with site.runtime() as runtime:
        for job in periodic_jobs(runtime):
            job.run()


def test_the_periodic_jobs_forget_nothing_that_is_needed(seen: Site, capsys: pytest.CaptureFixture[str]) -> None:
    # The first time they also make decisions of what came with Mainstem.
    _run_jobs(seen)
    seen.work()
    seen.fill_lake()
    seen.send("app", [{"stream": "usage_events", "payload": {"customer_id": "c1", "event": "e", "occurred_at": AT}}])
    batches = "SELECT epoch, partition, lane, position FROM log_batch ORDER BY 1, 2, 3, 4"
    [waiting] = [row for row in seen.query(batches) if row not in _in_effect(seen)]
    for _ in range(2):
        _run_jobs(seen)
    # Everything else is in effect and in the lake.
    assert seen.query(batches) == [waiting]
    assert _export(seen) == 0
    assert list((seen.data_dir / "lake" / "control").glob("*.sealed"))
    seen.work()
    with seen.runtime() as runtime:
        runtime_jobs = {job.name: job for job in periodic_jobs(runtime)}
        runtime_jobs["trim_log"].run()
        # ... and now only what the lake does not have.
        assert seen.query(batches) == [waiting]
        runtime.lake_writer.drain()
        runtime.lake_writer.stop()
        runtime_jobs["trim_log"].run()
    assert seen.query(batches) == []
    assert _rebuild(seen, capsys)["identical"] is True


def _in_effect(site: Site) -> list[tuple[Any, ...]]:
    return site.query(
        "SELECT batch.epoch, batch.partition, batch.lane, batch.position FROM log_batch AS batch"
        " JOIN sink_position AS sink USING (epoch, partition, lane) WHERE batch.position <= sink.position"
    )
