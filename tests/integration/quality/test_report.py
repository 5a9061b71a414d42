"""Scores, trends and grades over days, and what is told of them."""

from __future__ import annotations

import datetime as dt
from typing import Any

from mainstem.processing import join_quality_days
from mainstem.quality import (
    Dimension,
    QualityGrade,
    QualityQuery,
    QualityReport,
    QualityScorer,
    QualitySettings,
    by_worst,
    read_report,
)

TODAY = dt.date(2026, 1, 15)


def _report(counts: Any, scorer: QualityScorer | None = None, **query: Any) -> QualityReport:
    asked = QualityQuery(**{"first": TODAY - dt.timedelta(days=27), "last": TODAY, **query})
    with counts.database.snapshot() as conn:
        return read_report(conn, asked, counts, scorer or QualityScorer(QualitySettings()))


def test_each_dimension_is_a_share_of_what_could_have_it(counts: Any) -> None:
    counts.write(TODAY, (60, 6, 3, 1, 50, 5), {"account": (6, 0, 0), "amount": (20, 3, 1)}, told=(54, 9))
    counts.write(TODAY, (40, 4, 2, 1, 50, 5), {"account": (4, 0, 0), "amount": (10, 2, 1)}, partition=1)
    report = _report(counts)
    orders = report.streams["shop", "orders"]
    shares = {str(name): (score.share.good, score.share.of) for name, score in orders.scores.items()}
    assert shares == {
        "completeness": (90, 100),
        "validity": (95, 100),
        "consistency": (98, 100),
        "uniqueness": (54, 63),
        "timeliness": (90, 100),
    }
    fields = {one.field: one for one in report.fields}
    amount = {str(name): (score.share.good, score.share.of) for name, score in fields["amount"].scores.items()}
    # A value that is not there is neither valid nor not.
    assert amount == {"completeness": (70, 100), "validity": (65, 70), "consistency": (98, 100)}
    assert {str(name) for name in fields["id"].scores} == {"completeness", "validity", "uniqueness"}
    assert fields["id"].scores[Dimension.UNIQUENESS].share.of == 63
    assert fields["at"].scores[Dimension.TIMELINESS].share.good == 90
    assert set(fields["page"].unmeasured) == set(Dimension) - {Dimension.COMPLETENESS, Dimension.VALIDITY}


def test_an_objective_is_the_contracts_or_the_usual_one_and_of_an_optional_field_none(counts: Any) -> None:
    counts.write(TODAY, (100, 6, 0, 0, 0, 0), {"account": (6, 0, 0), "amount": (39, 0, 0), "page": (99, 0, 0)})
    fields = {one.field: one for one in _report(counts).fields}
    breached = {name: one.scores[Dimension.COMPLETENESS].breached for name, one in fields.items()}
    assert breached == {"id": False, "account": True, "kind": False, "at": False, "amount": False, "page": None}
    assert fields["account"].grade is QualityGrade.POOR
    assert fields["page"].grade is QualityGrade.GOOD
    lax = QualityScorer(QualitySettings(completeness=0.9))
    assert {one.field: one.grade for one in _report(counts, lax).fields}["account"] is QualityGrade.FAIR


def test_the_trend_is_the_last_seven_days_against_the_seven_before(counts: Any) -> None:
    for days, missing in ((0, 0), (6, 10), (7, 40), (13, 40), (14, 90)):
        counts.write(TODAY - dt.timedelta(days=days), (100, missing, 0, 0, 0, 0), {"account": (missing, 0, 0)})
    report = _report(counts)
    for scored in (
        report.streams["shop", "orders"],
        report.overall,
        {one.field: one for one in report.fields}["account"],
    ):
        score = scored.scores[Dimension.COMPLETENESS]
        assert (score.recent.value, score.before.value) == (0.95, 0.6)
        assert round(score.change or 0, 9) == 0.35
        assert score.share.of == 500
    # Days that are asked for may be fewer than the trend needs.
    [short] = _report(counts, first=TODAY).streams.values()
    assert short.scores[Dimension.COMPLETENESS].share.of == 100
    assert short.scores[Dimension.COMPLETENESS].before.value == 0.6
    assert [day.day for day in short.days] == [TODAY]


def test_one_field_comes_with_its_days(counts: Any) -> None:
    for days in range(3):
        counts.write(TODAY - dt.timedelta(days=days), (10, 0, 0, 0, 10, 2), {"amount": (days, 1, 0)})
    [amount] = _report(counts, field="amount").fields
    assert [(day.day, day.shares[Dimension.COMPLETENESS].good) for day in amount.days] == [
        (TODAY - dt.timedelta(days=2), 8),
        (TODAY - dt.timedelta(days=1), 9),
        (TODAY, 10),
    ]
    [at] = _report(counts, field="at").fields
    assert [day.shares[Dimension.TIMELINESS].good for day in at.days] == [8, 8, 8]
    assert all(not one.days for one in _report(counts).fields)


def test_the_worst_fields_come_first_and_one_dimension_may_be_asked_for(counts: Any) -> None:
    counts.write(
        TODAY, (100, 0, 0, 0, 0, 0), {"kind": (0, 30, 0), "id": (10, 0, 0), "account": (0, 30, 0), "page": (70, 5, 0)}
    )
    fields = sorted(_report(counts).fields, key=by_worst)
    assert [one.field for one in fields[:4]] == ["account", "kind", "page", "id"]
    assert fields[0].worst is Dimension.VALIDITY
    only = _report(counts, QualityScorer(QualitySettings(), (Dimension.COMPLETENESS,))).fields
    assert min(only, key=by_worst).field == "id"
    assert {name for one in only for name in one.scores} == {Dimension.COMPLETENESS}


def test_what_a_replay_of_history_brings_is_not_late(counts: Any) -> None:
    for days in range(3):
        counts.write(TODAY - dt.timedelta(days=days), (10, 0, 0, 0, 10, 10))
    scorer = QualityScorer(QualitySettings(), replayed=(TODAY - dt.timedelta(days=1), TODAY))
    [orders] = _report(counts, scorer).streams.values()
    assert orders.scores[Dimension.TIMELINESS].share.of == 10
    assert [day.shares[Dimension.TIMELINESS].value for day in orders.days] == [0.0, None, None]
    report = _report(counts, scorer, first=TODAY)
    for one in (report.overall, report.streams["shop", "orders"]):
        assert Dimension.TIMELINESS not in one.scores
        assert "history" in one.unmeasured[Dimension.TIMELINESS]


def test_nothing_counted_is_no_quality(counts: Any) -> None:
    report = _report(counts)
    assert (report.streams, report.fields, report.breaches) == ({}, [], [])
    assert report.overall.grade is QualityGrade.NONE


def test_joined_days_say_the_same(counts: Any) -> None:
    def write() -> None:
        for partition in range(3):
            for days in range(3):
                record, fields = (10, 1, partition, 1, 9, days), {"amount": (days, partition, 1), "page": (1, 0, 0)}
                counts.write(TODAY - dt.timedelta(days=days), record, fields, partition=partition)

    def told() -> tuple[Any, Any]:
        report = _report(counts)
        return report.streams, report.fields

    def rows() -> list[int]:
        with counts.database.snapshot() as conn:
            return [
                n for (n,) in conn.execute("SELECT count(*) FROM quality_count GROUP BY day ORDER BY day").fetchall()
            ]

    write()
    before = told()
    for joined in (2, 0):
        assert join_quality_days(counts.database, TODAY) == joined
        assert (rows(), told()) == ([1, 1, 3], before)
    write()
    twice = told()
    assert join_quality_days(counts.database, TODAY) == 2
    assert (rows(), told()) == ([1, 1, 3], twice)
