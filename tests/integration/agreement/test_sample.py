"""Records that are fetched again are the truth: what is drawn, what is compared, and what is kept of it."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from mainstem.cli.exit_codes import ExitCode
from mainstem.cli.main import main
from mainstem.quality import wilson


@pytest.fixture
def run(systems: Any, capsys: pytest.CaptureFixture[str]) -> Any:
    def command(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        status = main(["agreement", *arguments, "--data-dir", str(systems.site.data_dir)])
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return command


def _written(path: Path, payloads: list[Any]) -> Path:
    lines = [payload if isinstance(payload, str) else json.dumps(payload) for payload in payloads]
    path.write_text("\n".join(lines) + "\n\n")
    return path


def test_a_sample_is_drawn_and_read_by_nobody_else(systems: Any, run: Any, tmp_path: Path) -> None:
    systems.send("crm", [systems.account(n) for n in range(1, 21)])
    systems.send("crm", [{"id": "A20", "rev": 3}], op="delete")
    drawn = set()
    for number in range(3):
        path = tmp_path / f"keys{number}"
        assert run("sample", "crm", "accounts", "--size", "5", "--output", str(path))[0] == ExitCode.OK
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        keys = path.read_text().splitlines()
        assert len(keys) == len(set(keys)) == 5
        assert set(keys) <= {f"A{n}" for n in range(1, 20)}
        drawn.add(frozenset(keys))
    assert len(drawn) > 1
    status, _, err = run("sample", "crm", "accounts", "--size", "5", "--output", str(tmp_path / "keys0"))
    assert status == ExitCode.USAGE
    assert "there already" in err
    assert run("sample", "crm", "accounts", "--size", "99", "--output", str(tmp_path / "all"))[0] == ExitCode.OK
    assert len((tmp_path / "all").read_text().splitlines()) == 19


def test_fields_are_compared_with_what_the_source_says_now(systems: Any, run: Any, tmp_path: Path) -> None:
    systems.send("crm", [systems.account(n) for n in range(1, 11)])
    systems.send("crm", [systems.account(11, plan=None), systems.account(12)])
    again = [
        *(systems.account(n) for n in range(1, 9)),
        # It says something else at the version that is held: what is held is wrong.
        systems.account(9, plan="pro", name="Renamed"),
        # It has moved on since it was fetched: late, not wrong.
        systems.account(10, plan="pro", rev=2),
        systems.account(11),
        systems.account(99),
        {**systems.account(1)},
        {"name": "nobody"},
        "no json",
    ]
    status, out, _ = run("compare", "crm", "accounts", str(_written(tmp_path / "again", again)), "--json")
    assert status == ExitCode.OK
    told = json.loads(out)
    counts = {name: told[name] for name in ("records", "compared", "moved", "absent", "gone", "repeated")}
    assert counts == {"records": 15, "compared": 10, "moved": 1, "absent": 1, "gone": 0, "repeated": 1}
    assert sum(one["n"] for one in told["refused"]) == 2
    fields = {one["field"]: (one["good"], one["of"], one["missing"]) for one in told["fields"]}
    assert fields["plan"] == (8, 9, 1)
    assert fields["name"] == (9, 10, 0)
    assert fields["mail"] == (10, 10, 0)
    assert (told["whole"]["good"], told["whole"]["of"]) == (9, 10)
    between = wilson(8, 9)
    assert between is not None
    assert next(one for one in told["fields"] if one["field"] == "plan")["interval"]["low"] == pytest.approx(
        between.low
    )
    kept = systems.site.query(
        "SELECT dimension, method, name, good, n FROM quality_measurement WHERE field = %s", "plan"
    )
    assert kept == [("accuracy", "sample", "crm.accounts", 8, 9)]
    # Nothing took effect.
    assert systems.site.query("SELECT count(*) FROM entity") == [(12,)]
    assert systems.site.query("SELECT count(*) FROM quarantine") == [(0,)]

    status, out, _ = run("compare", "crm", "accounts", str(tmp_path / "again"))
    assert status == ExitCode.OK
    assert "plan: 88.89% true" in out
    # Values are no part of it: they may be somebody's.
    assert "Renamed" not in out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("compare", "crm", "acounts", "FILE"), "Did you mean 'crm.accounts'"),
        (("compare", "crm", "accounts", "EMPTY"), "0 records"),
        (("compare", "crm", "accounts", "NONE"), "No such file"),
        (("sample", "mainstem", "usage_events", "--size", "1"), "stream of events"),
    ],
)
def test_what_cannot_be_meant_is_said(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("FILE").write_text("{}\n")
    Path("EMPTY").write_text("\n")
    status, _, err = run(*arguments)
    assert status == ExitCode.USAGE
    assert says in err
