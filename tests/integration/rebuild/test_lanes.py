"""The same event in both lanes with different bodies: the first one counts, in a rebuild too."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mainstem.cli.exit_codes import ExitCode
from mainstem.cli.main import main
from mainstem.model import Lane
from mainstem.processing.rebuild import export_observations
from mainstem.testing.site import Site

QUANTITIES = """
    SELECT metric, sum(value)::integer FROM cell JOIN series USING (series)
    WHERE metric IN ('events', 'quantity') GROUP BY metric ORDER BY metric
"""


TURNS = "SELECT epoch, partition, live, bulk FROM lane_order ORDER BY 1, 2, 3"


def _export(site: Site) -> int:
    with site.runtime() as runtime:
        return export_observations(runtime.lake, owner=runtime.owner)


def _rebuild(site: Site, capsys: pytest.CaptureFixture[str], *, lost: bool = False) -> Any:
    capsys.readouterr()
    status = main(["rebuild", "analytics", "--from-lake", "--json", "--data-dir", str(site.data_dir)])
    printed = capsys.readouterr()
    assert status == ExitCode.OK, printed.err
    result = json.loads(printed.out)
    assert result["identical"] is (None if lost else True)
    return result["tables"]


def test_a_rebuild_lets_the_same_body_count(
    migrated_dsn: str, second_dsn: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], usage: Any
) -> None:
    site = Site.begin(tmp_path / "data", migrated_dsn)
    expected = 0
    # Twenty events each: bulk before live, live before bulk, and so on, all within a minute or two.
    for turn in range(4):
        numbers = range(20 * turn, 20 * turn + 20)
        first, second = (Lane.BULK, Lane.LIVE) if turn % 2 else (Lane.LIVE, Lane.BULK)
        site.send("app", [usage(n, quantity=1) for n in numbers], lane=first)
        site.work()
        site.send("app", [usage(n, quantity=1000) for n in numbers], lane=second)
        site.work()
        expected += len(numbers)
        # Turns that go on after they were brought to the lake go there again.
        _export(site)
    assert site.query(QUANTITIES) == [("events", expected), ("quantity", expected)]
    site.fill_lake()
    turns = site.query(TURNS)
    # A key of chance decides how many partitions the customers lie in.
    assert len(turns) > len({turn[:2] for turn in turns}), "both lanes of some partition took turns"
    for _ in range(2):
        tables = _rebuild(site, capsys)
        assert site.query(QUANTITIES) == [("events", expected), ("quantity", expected)]
        assert site.query(TURNS) == turns
        assert _export(site) == 0
    # The database is lost: lake and keys are enough for the same bodies to count.
    site.use(second_dsn)
    assert _rebuild(site, capsys, lost=True) == tables
    assert site.query(QUANTITIES) == [("events", expected), ("quantity", expected)]
    assert site.query(TURNS) == turns
    assert _export(site) == 0
    assert _rebuild(site, capsys) == tables


def test_a_lake_behind_in_one_lane_is_folded_no_further_than_its_turns(
    migrated_dsn: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], usage: Any
) -> None:
    site = Site.begin(tmp_path / "data", migrated_dsn)
    site.send("app", [usage(n, quantity=1) for n in range(20)])
    site.send("app", [usage(n, quantity=1) for n in range(20, 40)], lane=Lane.BULK)
    site.work()
    site.fill_lake()
    # What follows is in effect and not yet in the lake: the rebuild itself has to bring it there, in the right order.
    for numbers, first, second in ((range(40, 60), Lane.BULK, Lane.LIVE), (range(60, 80), Lane.LIVE, Lane.BULK)):
        site.send("app", [usage(n, quantity=1) for n in numbers], lane=first)
        site.work()
        site.send("app", [usage(n, quantity=1000) for n in numbers], lane=second)
        site.work()
    _rebuild(site, capsys)
    assert site.query(QUANTITIES) == [("events", 80), ("quantity", 80)]
