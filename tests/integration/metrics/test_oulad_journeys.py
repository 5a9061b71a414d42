"""Real journeys, through the whole of Mainstem: held against plain SQL over the source's own files, and made anew alike."""

from __future__ import annotations

import dataclasses
import datetime as dt
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from mainstem.metrics import read_adoption, read_cohorts, read_funnel, read_retention
from mainstem.runtime.declarations import activate_folder
from mainstem.runtime.wiring import Runtime
from mainstem.simulators.oulad import OuladData
from mainstem.simulators.replay import Feeder
from mainstem.testing.site import Site

EXAMPLE = Path(__file__).parents[3] / "examples/oulad"
DAY = dt.timedelta(days=1)
STUDENT = "code_module || '_' || code_presentation || '_' || id_student::BIGINT"
HISTORY = 300 * DAY


@dataclasses.dataclass(frozen=True)
class Loaded:
    """The example's data in effect, and its source's files."""

    runtime: Runtime
    source: duckdb.DuckDBPyConnection
    today: dt.datetime

    def journey(self, name: str) -> Any:
        return self.runtime.metrics.current().journeys[name]

    @property
    def span(self) -> tuple[dt.datetime, dt.datetime]:
        return self.today - HISTORY, self.today + DAY

    @property
    def as_of(self) -> dt.datetime:
        return self.runtime.clock.data()


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory, kept_dsn: str) -> Iterator[Loaded]:
    site = Site.begin(tmp_path_factory.mktemp("journeys") / "data", kept_dsn)
    today = dt.datetime.now(dt.UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    with site.runtime() as runtime, runtime.door:
        activate_folder(runtime, EXAMPLE)
        data = OuladData(EXAMPLE / "data", today.date())
        first, end = data.days()
        Feeder(data, runtime.door, runtime.clock, threading.Event()).feed_until(end, first)
    # Hundreds of thousands of records: on a machine that does much else they take their time.
    site.work(patience=600)
    source = duckdb.connect()
    for path in (EXAMPLE / "data").glob("*.parquet"):
        source.read_parquet(str(path)).create_view(path.stem)
    source.read_parquet(str(EXAMPLE / "data/studentVle_ds/*/*/*.parquet"), hive_partitioning=True).create_view("raw")
    source.execute(
        f"""
        CREATE TABLE used AS SELECT DISTINCT {STUDENT} AS student, code_module AS module, date::INTEGER AS day, activity_type
        FROM raw JOIN vle USING (code_module, code_presentation, id_site);
        CREATE TABLE clicked AS SELECT {STUDENT} AS student, date::INTEGER AS day, sum(sum_click)::BIGINT AS clicks
        FROM raw GROUP BY ALL;
        CREATE TABLE handed AS SELECT DISTINCT {STUDENT} AS student, date_submitted::INTEGER AS day
        FROM studentAssessment JOIN assessments USING (id_assessment);
        CREATE TABLE began AS SELECT student, min(day) AS day FROM used GROUP BY student;
        """
    )
    # Both presentations begin on one day, and the last day with usage lies on today.
    [(last,)] = source.execute("SELECT max(day) FROM used").fetchall()
    source.execute(f"CREATE MACRO on_day(number) AS DATE '{today.date()}' - {last} + number")
    with site.runtime() as runtime:
        yield Loaded(runtime, source, today)


@pytest.mark.parametrize("module", [None, "AAA", "GGG"])
def test_the_funnel_is_that_of_the_files(loaded: Loaded, module: str | None) -> None:
    funnel = read_funnel(loaded.runtime.database, loaded.journey("first_work"), loaded.span, loaded.as_of, module)
    chosen = "" if module is None else f"WHERE resource.module = '{module}'"
    [expected] = loaded.source.execute(
        f"""
        SELECT count(DISTINCT resource.student), count(DISTINCT forum.student),
               count(DISTINCT CASE WHEN handed.day <= resource.day + 56 THEN handed.student END)
        FROM (FROM used WHERE activity_type = 'resource') AS resource
        LEFT JOIN (FROM used WHERE activity_type = 'forumng') AS forum
          ON forum.student = resource.student AND forum.day BETWEEN resource.day AND resource.day + 56
        LEFT JOIN handed ON handed.student = forum.student AND handed.day >= forum.day
        {chosen}
        """
    ).fetchall()
    assert tuple(step.count for step in funnel.steps) == expected
    assert expected[0] > expected[2] > 100


def test_retention_is_that_of_the_files(loaded: Loaded) -> None:
    journey = loaded.journey("coming_back")
    answer = read_retention(loaded.runtime.database, journey, loaded.span, loaded.as_of, None)
    rows = loaded.source.execute(
        """
        SELECT date_trunc('week', on_day(began.day))::DATE AS week, (used.day - began.day) // 7 AS bracket,
               count(DISTINCT used.student) AS n
        FROM began JOIN used USING (student) GROUP BY ALL
        """
    ).fetchall()
    expected = {(week, bracket): n for week, bracket, n in rows}
    found = {
        (cohort.begins.date(), n): bracket.count
        for cohort in answer.cohorts
        for n, bracket in enumerate(cohort.brackets)
        if bracket is not None and bracket.count
    }
    assert found == {key: n for key, n in expected.items() if key[1] <= 16}
    assert sum(cohort.size for cohort in answer.cohorts) == sum(
        n for (_, bracket), n in expected.items() if not bracket
    )


def test_the_cohorts_are_those_of_the_files(loaded: Loaded) -> None:
    metrics = loaded.runtime.metrics.current().metrics
    journey = loaded.journey("clicks_since_start")
    answer = read_cohorts(loaded.runtime.database, journey, metrics["clicks"], loaded.span, loaded.as_of, None)
    rows = loaded.source.execute(
        """
        SELECT date_trunc('month', on_day(began.day))::DATE, (clicked.day - began.day) // 7 AS bracket, sum(clicks)::BIGINT,
               count(DISTINCT student)
        FROM began JOIN clicked USING (student) WHERE bracket <= 16 GROUP BY ALL
        """
    ).fetchall()
    found = {
        (cohort.begins.date(), n): (bracket.total, bracket.customers)
        for cohort in answer.cohorts
        for n, bracket in enumerate(cohort.brackets)
        if bracket is not None and bracket.customers
    }
    assert found == {(month, bracket): (total, n) for month, bracket, total, n in rows}


def test_adoption_is_that_of_the_files(loaded: Loaded) -> None:
    journey = loaded.journey("quiz_adoption")
    answer = read_adoption(loaded.runtime.database, journey, loaded.span, loaded.as_of, None)
    rows = loaded.source.execute(
        """
        SELECT date_trunc('week', on_day(day))::DATE, count(DISTINCT student),
               count(DISTINCT CASE WHEN activity_type = 'quiz' THEN student END)
        FROM used GROUP BY ALL
        """
    ).fetchall()
    assert {(one.begins.date(), one.active, one.users) for one in answer.periods if one.active} == set(rows)
    [(adopted, median)] = loaded.source.execute(
        """
        SELECT count(*), median(quiz.day - began.day)
        FROM began JOIN (SELECT student, min(day) AS day FROM used WHERE activity_type = 'quiz' GROUP BY student) AS quiz
          USING (student)
        """
    ).fetchall()
    assert (answer.adopted, answer.median_days) == (adopted, median)
