"""Which metrics are in force."""

from __future__ import annotations

import datetime as dt
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from mainstem.errors import ConfigurationError, UnavailableError
from mainstem.intake import Delivery
from mainstem.metrics import Metrics, read_metric
from mainstem.store import Database
from mainstem.testing.site import Site

NOW = dt.datetime(2026, 1, 15, 12, tzinfo=dt.UTC)
TEXT = "name: logins\nentity: usage_event\nmeasure: count\nbucket: day\nwhere: event = 'login'\n"


def test_a_metric_in_force_counts_from_the_first_record_when_there_are_none(database: Database) -> None:
    metrics = Metrics(database)
    assert "logins" not in metrics.current().metrics
    declared, new = metrics.activate(read_metric(TEXT), NOW)
    assert (declared.version, new, declared.since) == (1, True, None)
    assert metrics.current().metrics["logins"].condition == "(event = 'login')"
    assert Metrics(database).current().metrics["logins"].since is None
    assert metrics.activate(read_metric(TEXT), NOW) == (declared, False)


@pytest.mark.parametrize("behind", [dt.timedelta(0), dt.timedelta(seconds=5)])
def test_a_later_metric_counts_what_is_received_after_it(database: Database, behind: dt.timedelta) -> None:
    latest = NOW - dt.timedelta(seconds=1)
    with database.transaction() as conn:
        conn.execute("INSERT INTO log_epoch VALUES (1, 1, %s)", [NOW])
        conn.execute("INSERT INTO log_received VALUES (1, 0, 0, 'app', 'usage', %s, 5)", [NOW.date()])
        conn.execute(
            "INSERT INTO log_head (epoch, partition, lane, position, open, last_received_at) VALUES "
            "(1, 0, 0, 1, true, %s), (1, 0, 1, 0, true, '-infinity')",
            [latest],
        )
    # This clock may be behind the one that stamped the last record.
    declared, _ = Metrics(database).activate(read_metric(TEXT), NOW - behind)
    assert declared.since == max(NOW - behind, latest + dt.timedelta(microseconds=1))


def test_a_commit_proves_its_metrics_and_an_activation_waits_for_it(database: Database) -> None:
    mine, others = Metrics(database), Metrics(database)
    used = mine.current()
    with ThreadPoolExecutor(1) as pool:
        with database.transaction() as conn:
            mine.prove(conn, used)
            activation = pool.submit(others.activate, read_metric(TEXT), NOW)
            while not conn.execute("SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted").fetchall():
                assert not activation.done()
            mine.prove(conn, used)
        activation.result(timeout=30)
    with database.transaction() as conn, pytest.raises(UnavailableError, match="metric"):
        mine.prove(conn, used)
    with database.transaction() as conn:
        mine.prove(conn, mine.current())
    assert "logins" in mine.current().metrics


def test_words_may_change_and_meanings_may_not(database: Database) -> None:
    metrics = Metrics(database)
    metrics.activate(read_metric(TEXT), NOW)
    declared, new = metrics.activate(read_metric(TEXT + "label: Sign-ins\n"), NOW)
    assert (declared.version, new) == (2, True)
    with pytest.raises(ConfigurationError, match="under a new name"):
        metrics.activate(read_metric(TEXT.replace("'login'", "'signin'")), NOW)
    with pytest.raises(ConfigurationError, match="built in"):
        metrics.activate(read_metric(TEXT.replace("logins", "events")), NOW)


def _store(database: Database, name: str, text: str) -> None:
    with database.transaction() as conn:
        conn.execute(
            "INSERT INTO declaration (kind, name, version, fingerprint, text, activated_at) VALUES ('metric', %s, 1, '', %s, %s)",
            [name, text, NOW],
        )


UNREADABLE = TEXT.replace("event = 'login'", "soundex(event) = 'login'")


def test_a_text_that_cannot_be_read_stops_nobody(database: Database) -> None:
    _store(database, "logins", UNREADABLE)
    _store(database, "visits", TEXT.replace("logins", "visits"))
    metrics = Metrics(database)
    with capture_logs() as logs:
        current = metrics.current()
        metrics.activate(read_metric(TEXT.replace("logins", "views")), NOW)
        current = metrics.current()
    assert {"events", "visits", "views"} <= set(current.metrics)
    assert "logins" not in current.metrics
    assert "the function 'soundex' is not allowed" in current.unreadable["logins"]
    [told] = [one for one in logs if one["event"] == "metric_unreadable"]
    assert (told["metric"], told["version"], told["log_level"]) == ("logins", 1, "error")
    with database.transaction() as conn:
        metrics.prove(conn, current)


def test_the_worker_measures_the_others(migrated_dsn: str, tmp_path: Path) -> None:
    site = Site.begin(tmp_path / "data", migrated_dsn)
    site.stand_at(NOW)
    record = {"customer_id": "acme", "person_id": "p", "event": "login", "occurred_at": "2026-01-15T10:00:00Z"}
    with site.runtime() as runtime, runtime.door as door:
        _store(runtime.database, "logins", UNREADABLE)
        runtime.metrics.activate(read_metric(TEXT.replace("logins", "visits")), NOW)
        body = json.dumps([{**record, "event_id": "1"}]).encode()
        assert door.submit(Delivery("shop", body, "application/json", stream="usage_events")).accepted == 1
    site.work()
    with site.runtime() as runtime, runtime.database.autocommit() as connection:
        measured = dict(connection.execute("SELECT metric, value FROM cell JOIN series USING (series)").fetchall())
    assert measured["visits"] == measured["events"] == 1
    assert "logins" not in measured


def test_it_can_be_declared_anew_and_measures_the_same_but_for_the_condition(database: Database) -> None:
    _store(database, "logins", UNREADABLE)
    metrics = Metrics(database)
    for other in (TEXT.replace("count", "distinct\nvalue: person"), TEXT.replace("day", "hour")):
        with pytest.raises(ConfigurationError, match="under a new name"):
            metrics.activate(read_metric(other), NOW)
    declared, new = metrics.activate(read_metric(TEXT), NOW)
    assert (declared.version, new) == (2, True)
    assert metrics.current().metrics["logins"].condition == "(event = 'login')"
    assert metrics.current().unreadable == {}


def test_a_text_that_is_not_even_yaml_can_be_declared_anew(database: Database) -> None:
    _store(database, "logins", "name: [logins")
    metrics = Metrics(database)
    assert set(metrics.current().unreadable) == {"logins"}
    assert metrics.activate(read_metric(TEXT), NOW)[1]
    assert "logins" in metrics.current().metrics


@pytest.mark.parametrize(
    "path", ["properties ->> '$.plan'", "properties->>'plan'", "json_extract_string(properties, 'plan')"]
)
def test_conditions_of_earlier_releases_are_read_and_mean_what_they_meant(database: Database, path: str) -> None:
    old = f"name: pros\nentity: usage_event\nmeasure: count\nbucket: day\nwhere: {path} = 'pro'\n"
    _store(database, "pros", old)
    metrics = Metrics(database)
    assert metrics.current().unreadable == {}
    same = read_metric(old.replace(path, "json_extract_string(properties, '$.plan')"))
    assert metrics.current().metrics["pros"].condition == same.condition
    assert metrics.activate(same, NOW)[1]
