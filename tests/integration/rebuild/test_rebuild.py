from __future__ import annotations

import json
from typing import Any

import pytest

from mainstem.cli.exit_codes import ExitCode
from mainstem.cli.main import main
from mainstem.processing.rebuild import fold_content
from mainstem.store import Database

Capture = pytest.CaptureFixture[str]


def _rebuild(site: Any, capsys: Capture) -> tuple[int, dict[str, Any], str]:
    capsys.readouterr()
    status = main(["rebuild", "analytics", "--from-lake", "--json", "--data-dir", str(site.data_dir)])
    printed = capsys.readouterr()
    return status, json.loads(printed.out) if printed.out else {}, printed.err


def _hashes(dsn: str) -> dict[str, dict[str, Any]]:
    with Database(dsn) as database, database.snapshot() as conn:
        content = fold_content(conn, "mainstem_fold")
    return {name: {"rows": one.rows, "hash": one.hash} for name, one in content.items()}


def test_the_new_fold_is_identical_and_takes_the_old_ones_place(site: Any, capsys: Capture, usage: Any) -> None:
    before = _hashes(site.dsn)
    site.query(
        "INSERT INTO correction (known_at, ref, series, bucket, new_value, cause, place)"
        " SELECT now(), ref, series, bucket, 1, 'late', 'x' FROM cell LIMIT 1 RETURNING id"
    )
    observed = "SELECT * FROM correction", "SELECT * FROM change_head ORDER BY 1", "SELECT * FROM touched ORDER BY 1"
    shown = [site.query(statement) for statement in observed]
    status, result, errors = _rebuild(site, capsys)
    assert (status, result.get("identical")) == (ExitCode.OK, True), errors
    assert result["tables"] == before == _hashes(site.dsn)
    # No contract here has a rule that warns.
    assert [name for name, table in result["tables"].items() if not table["rows"]] == ["warning", "remedy"]
    assert result["records"] == site.query("SELECT sum(n) FROM log_received")[0][0]
    assert site.query("SELECT generation FROM installation") == [(2,)]
    assert [site.query(statement) for statement in observed] == shown
    site.send("app", [usage(5), usage(1_000)])
    site.work()
    [(accepted,)] = site.query("SELECT sum(n) FROM ledger WHERE term = 'accepted' AND source = 'app'")
    assert accepted == 152
    status, result, errors = _rebuild(site, capsys)
    assert (status, result.get("identical")) == (ExitCode.OK, True), errors


def test_a_cell_that_does_not_follow_from_the_lake_is_named_and_nothing_is_swapped(site: Any, capsys: Capture) -> None:
    [(ref,)] = site.query(
        "UPDATE cell SET value = value + 1 WHERE (ref, series, bucket) = (SELECT ref, series, bucket FROM cell LIMIT 1)"
        " RETURNING ref"
    )
    before = _hashes(site.dsn)
    status, result, errors = _rebuild(site, capsys)
    assert (status, result["identical"]) == (ExitCode.FAILED, False)
    assert [(one["table"], json.loads(one["key"])[0]) for one in result["differences"]] == [("cell", str(ref))]
    assert f'differs: cell ["{ref}"' in errors
    assert _hashes(site.dsn) == before
    assert site.query("SELECT generation FROM installation") == [(1,)]
    assert site.query("SELECT count(*) FROM pg_namespace WHERE nspname = 'mainstem_rebuild'") == [(0,)]


def test_a_lost_database_comes_back_from_lake_and_keys(site: Any, capsys: Capture, second_dsn: str, usage: Any) -> None:
    status, result, errors = _rebuild(site, capsys)
    assert status == ExitCode.OK, errors
    received = "SELECT source, stream, sum(n) FROM log_received GROUP BY 1, 2 ORDER BY 1, 2"
    contracts = "SELECT source, stream, version, text FROM contract ORDER BY 1, 2, 3"
    before = site.query(received), site.query(contracts)
    site.use(second_dsn)
    status, again, errors = _rebuild(site, capsys)
    assert (status, again.get("identical")) == (ExitCode.OK, None), errors
    assert again["tables"] == result["tables"] == _hashes(second_dsn)
    assert (site.query(received), site.query(contracts)) == before
    site.send("app", [usage(5), usage(1_000)])
    site.work()
    assert site.query("SELECT DISTINCT epoch FROM log_batch") == [(2,)]
    [(accepted,)] = site.query("SELECT sum(n) FROM ledger WHERE term = 'accepted' AND source = 'app'")
    assert accepted == 152
    status, last, errors = _rebuild(site, capsys)
    assert (status, last.get("identical")) == (ExitCode.OK, True), errors


def test_a_track_that_does_not_follow_from_the_lake_is_named(site: Any, capsys: Capture) -> None:
    # One event fewer in one moment.
    [(ref,)] = site.query(
        """
        UPDATE track SET state = set_byte(state, octet_length(state) - 1, get_byte(state, octet_length(state) - 1) - 1)
        WHERE (series, bucket, ref) = (SELECT series, bucket, ref FROM track LIMIT 1) RETURNING ref
        """
    )
    status, result, _ = _rebuild(site, capsys)
    assert (status, result["identical"]) == (ExitCode.FAILED, False)
    assert [(one["table"], json.loads(one["key"])[2]) for one in result["differences"]] == [("track", str(ref))]
