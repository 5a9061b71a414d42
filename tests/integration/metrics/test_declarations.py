"""Which metrics are in force."""

from __future__ import annotations

import datetime as dt

import pytest

from mainstem.errors import ConfigurationError
from mainstem.metrics import Metrics, read_metric
from mainstem.store import Database

NOW = dt.datetime(2026, 1, 15, 12, tzinfo=dt.UTC)
TEXT = "name: logins\nentity: usage_event\nmeasure: count\nbucket: day\nwhere: event = 'login'\n"


def test_a_metric_in_force_counts_from_the_first_record_when_there_are_none(database: Database) -> None:
    metrics = Metrics(database)
    assert "logins" not in metrics.current().metrics
    declared, new = metrics.activate(read_metric(TEXT), NOW)
    assert (declared.version, new, declared.since) == (1, True, None)
    assert metrics.current().metrics["logins"].condition == "event = 'login'"
    assert Metrics(database).current().metrics["logins"].since is None
    assert metrics.activate(read_metric(TEXT), NOW) == (declared, False)


def test_a_later_metric_counts_what_is_received_after_everybody_heard_of_it(database: Database) -> None:
    with database.transaction() as conn:
        conn.execute("INSERT INTO log_epoch VALUES (1, 1, %s)", [NOW])
        conn.execute("INSERT INTO log_received VALUES (1, 0, 0, 'app', 'usage', %s, 5)", [NOW.date()])
    declared, _ = Metrics(database).activate(read_metric(TEXT), NOW)
    assert declared.since is not None
    assert declared.since > NOW


def test_words_may_change_and_meanings_may_not(database: Database) -> None:
    metrics = Metrics(database)
    metrics.activate(read_metric(TEXT), NOW)
    declared, new = metrics.activate(read_metric(TEXT + "label: Sign-ins\n"), NOW)
    assert (declared.version, new) == (2, True)
    with pytest.raises(ConfigurationError, match="under a new name"):
        metrics.activate(read_metric(TEXT.replace("'login'", "'signin'")), NOW)
    with pytest.raises(ConfigurationError, match="built in"):
        metrics.activate(read_metric(TEXT.replace("logins", "events")), NOW)
