"""Data folders of earlier releases: this one opens each, serves what they served, and proves and rebuilds them."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import re
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from mainstem.cli.exit_codes import ExitCode
from mainstem.cli.main import main
from mainstem.lake import verify
from mainstem.processing.rebuild import export_observations
from mainstem.runtime.control_copy import copy_control
from mainstem.runtime.web import application
from mainstem.testing.site import Site

FOLDERS = sorted((Path(__file__).parents[2] / "data" / "folders").glob("*.tar.xz"))
# What says how long ago something was, and by the clock on the wall.
# Grades too: the wall clock goes on while the folder's data time stands still, and which of the two is behind counts.
AGEING = {"lag", "freshness_seconds", "age_seconds", "known_at", "grade"}
# Of the entries of a timeline, those that came to it after the first folders were made.
LATER_KINDS = {"score", "correction"}
# Sentences are made when they are read; these were made better.
REWORDED = (
    (r"Active within the last hour\.", "Active within the hour before the newest data."),
    (r"Active (an hour|\d+ hours) ago\.", r"Active \1 before the newest data."),
)


@pytest.fixture(params=FOLDERS, ids=lambda path: path.name.removesuffix(".tar.xz"))
def folder(request: pytest.FixtureRequest, empty_dsn: str, tmp_path: Path) -> Site:
    """An installation as an earlier release left it."""
    data_dir = tmp_path / "data"
    with tarfile.open(request.param) as archive:
        archive.extractall(data_dir, filter="data")
    with psycopg.connect(empty_dsn, autocommit=True) as connection:
        connection.execute((data_dir / "database.sql").read_bytes())
    site = Site(data_dir, empty_dsn)
    site.use(empty_dsn)
    return site


@pytest.fixture
def expected(folder: Site) -> Any:
    """What was said of it when it was made: a key, and answers by question."""
    return json.loads((folder.data_dir / "expected.json").read_text())


def _told(site: Site, key: str, questions: list[str]) -> dict[str, Any]:
    async def ask() -> dict[str, Any]:
        with site.runtime() as runtime, runtime.door:
            transport = httpx.ASGITransport(application(runtime))
            headers = {"Authorization": f"Bearer {key}"}
            async with httpx.AsyncClient(
                transport=transport, base_url="http://mainstem.test", headers=headers
            ) as client:
                answers = {}
                for question in questions:
                    answers[question] = (await client.get(question)).raise_for_status().json()["data"]
                return answers

    return asyncio.run(ask())


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """The values of an answer by where they stand in it, without those that age."""
    if isinstance(value, Mapping):
        for name, one in value.items():
            if name not in AGEING:
                yield from _leaves(one, f"{path}.{name}")
    elif isinstance(value, list):
        value = [one for one in value if not isinstance(one, Mapping) or one.get("kind") not in LATER_KINDS]
        yield f"{path}.length", len(value)
        for place, one in enumerate(value):
            yield from _leaves(one, f"{path}.{place}")
    elif isinstance(value, str):
        for then, now in REWORDED:
            value = re.sub(then, now, value)
        yield path, value
    else:
        yield path, value


def _changed(now: Any, then: Any) -> dict[str, Any]:
    """What an answer no longer says as it did; later releases may say more, and never less."""
    said = dict(_leaves(now))
    return {path: (value, said.get(path)) for path, value in _leaves(then) if said.get(path) != value}


def test_it_opens_and_answers_as_it_did(folder: Site, expected: Any) -> None:
    folder.prepare()
    answers = _told(folder, expected["key"], list(expected["answers"]))
    for question, answer in expected["answers"].items():
        assert _changed(answers[question], answer) == {}, question


def test_it_goes_on_and_is_proven_and_rebuilt(folder: Site, capsys: pytest.CaptureFixture[str]) -> None:
    folder.prepare()
    folder.work()
    folder.score()
    folder.fill_lake()
    with folder.runtime() as runtime:
        assert runtime.ledger.deep_check() == []
        report = verify(runtime.lake, deep=True, log=runtime.log)
    assert report.whole, report.problems
    # No contract here has a rule that warns or a remedy, and no gauge or journey is declared; quality and drift were not counted
    # then, nor decisions kept, so the first rebuild has nothing to compare them with.
    since = ["quality", "field_quality", "distinct", "drift", "quarantine_decision"]
    for empty in (["gauge", "track", "warning", "remedy", *since], ["gauge", "track", "warning", "remedy"]):
        capsys.readouterr()
        status = main(["rebuild", "analytics", "--from-lake", "--json", "--data-dir", str(folder.data_dir)])
        printed = capsys.readouterr()
        result = json.loads(printed.out)
        assert (status, result["identical"]) == (ExitCode.OK, True), printed.err
        assert [name for name, table in result["tables"].items() if not table["rows"]] == empty
    [(checked, received)] = folder.query(
        "SELECT (SELECT sum(records) FROM quality_count), sum(n) FROM log_received WHERE source <> 'mainstem'"
    )
    [(without,)] = folder.query("SELECT count(*) FROM quarantine WHERE reason = 'no_contract'")
    assert checked == received - without


def test_its_database_comes_back_from_lake_and_keys(
    folder: Site, expected: Any, second_dsn: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder.prepare()
    folder.work()
    folder.score()
    # What changes twice within a minute is logged in the next: the history then has all that is shown.
    [(standing,)] = folder.query("SELECT origin FROM replay")
    folder.stand_at(standing + dt.timedelta(minutes=5))
    folder.score()
    folder.fill_lake()
    with folder.runtime() as runtime:
        export_observations(runtime.lake, owner=runtime.owner)
        copy_control(runtime)
    shown = [
        f"SELECT to_jsonb({table}) - 'exported' FROM {table} ORDER BY id" for table in ("correction", "score_history")
    ]
    rebuild = ["rebuild", "analytics", "--from-lake", "--json", "--data-dir", str(folder.data_dir)]
    # Quality was not counted then: the first rebuild makes up for that.
    assert main(rebuild) == ExitCode.OK
    capsys.readouterr()
    assert main(rebuild) == ExitCode.OK
    before = json.loads(capsys.readouterr().out)
    kept = [folder.query(statement) for statement in shown]
    assert all(kept)
    answers = _told(folder, expected["key"], list(expected["answers"]))
    folder.use(second_dsn)
    assert main(rebuild) == ExitCode.OK
    after = json.loads(capsys.readouterr().out)
    assert after["tables"] == before["tables"]
    assert [folder.query(statement) for statement in shown] == kept
    for question, answer in _told(folder, expected["key"], list(expected["answers"])).items():
        # A score that changed twice within a minute is known as of when that was logged.
        changed = {
            path for path in _changed(answer, answers[question]) if not path.endswith((".as_of", ".computed_at"))
        }
        assert changed == set(), question
