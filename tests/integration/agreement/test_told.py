"""What the scheduler, the command line and the API tell of agreements, and what becomes of fields by them."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import uuid
from typing import Any

import httpx
import pytest

from mainstem.access import ApiKeys, Role
from mainstem.cli.exit_codes import ExitCode
from mainstem.cli.main import main
from mainstem.quality import BREACH_CHANNEL, QualitySettings, find_breaches
from mainstem.quality.agreements import DueAgreements
from mainstem.runtime.jobs import periodic_jobs
from mainstem.runtime.web import application
from mainstem.store import read_changes

PATH = "/api/v1/data/quality/"


@pytest.fixture
def compared(systems: Any) -> Any:
    """Two hundred companies in both, 30 of them with other seats: the scheduler's job has compared them."""
    numbers = range(1, 201)
    systems.send("crm", [systems.account(n, seats=n + (n <= 30)) for n in numbers])
    systems.send("billing", [systems.customer(n) for n in numbers])
    systems.declare()
    with systems.site.runtime() as runtime:
        [job] = [job for job in periodic_jobs(runtime) if job.name == "compare_systems"]
        job.run()
        job.run()
    return systems


@pytest.fixture
def ask(compared: Any) -> Any:
    def asked(path: str, status: int = 200, **parameters: Any) -> Any:
        async def fetch() -> Any:
            with compared.site.runtime() as runtime, runtime.door:
                key = ApiKeys(runtime.database, runtime.clock).create(uuid.uuid4().hex, Role.ANALYST)
                async with httpx.AsyncClient(
                    transport=httpx.ASGITransport(application(runtime)),
                    base_url="http://mainstem.test",
                    headers={"Authorization": f"Bearer {key}"},
                ) as client:
                    answer = await client.get(f"{PATH}{path}", params=parameters)
            assert answer.status_code == status, answer.text
            return answer.json().get("data", answer.json())

        return asyncio.run(fetch())

    return asked


def test_the_api_tells_rates_with_intervals_and_who_differs(compared: Any, ask: Any) -> None:
    # The second time it was not due: a quarter of an hour has to pass.
    assert compared.site.query("SELECT count(*) FROM agreement_run") == [(1,)]
    [one] = ask("agreements")["agreements"]
    assert (one["name"], one["truth"], one["problem"], one["version"]) == ("crm_and_billing", "right", None, 1)
    latest = one["latest"]
    assert (latest["good"], latest["of"], latest["matched"], latest["value"]) == (170, 200, 200, 0.85)
    assert 0.79 < latest["interval"]["low"] < 0.85 < latest["interval"]["high"] < 0.9
    [seats] = [each for each in latest["compared"] if each["left"] == "seats"]
    assert (seats["right"], seats["differing"], seats["value"]) == ("places", 30, 0.85)
    assert [day["value"] for day in one["days"]] == [0.85]
    assert ask("agreements", source="shop")["agreements"] == []

    told = ask("agreements/crm_and_billing", kind="differing", limit=3)
    assert told["differences_total"] == 30
    assert len(told["differences"]) == 3
    first = told["differences"][0]
    assert first["attributes"] == {"left": "seats", "right": "places"}
    assert int(first["left_value"]) == int(first["right_value"]) + 1
    number = first["right_id"].removeprefix("billing:")
    assert (first["left_id"], first["left"]) == (f"crm:A{number}", compared.ref("crm", f"A{number}").hex())
    assert bytes.fromhex(first["left"]) in {compared.ref("crm", f"A{n}") for n in range(1, 31)}
    wrong = ask("agreements/crm_and_biling", 404)
    assert (wrong["type"], "crm_and_billing" in wrong["hint"]) == ("/problems/not-found", True)
    assert ask("agreements", 422, **{"from": "2026-01-02", "to": "2026-01-01"})["type"] == "/problems/invalid"


def test_a_field_is_accurate_by_it_and_misses_its_objective_once(compared: Any, ask: Any) -> None:
    found = ask("metrics", source="crm")
    fields = {one["field"]: one for one in found["fields"]}
    seats = fields["seats"]["scores"]["accuracy"]
    assert (seats["good"], seats["of"], seats["objective"], seats["breached"]) == (170, 200, 0.99, True)
    assert seats["interval"]["high"] < 0.99
    [by] = seats["measured"]
    assert (by["method"], by["name"]) == ("agreement", "crm_and_billing")
    # The interval decides: by 200 that agree a field may still be 99 % accurate, and is not graded down.
    assert fields["plan"]["scores"]["accuracy"]["breached"] is False
    assert (fields["seats"]["grade"], fields["seats"]["worst"]) == ("poor", "accuracy")
    assert "accuracy" not in fields["rev"]["scores"]
    assert "truth" in fields["rev"]["unmeasured"]["accuracy"]
    assert found["overall"]["scores"]["accuracy"]["of"] == 200
    [day] = ask("metrics", source="crm", field="seats")["fields"][0]["days"]
    assert (day["accuracy"], day["breached"]) == (0.85, True)
    # The truth is measured by nothing.
    assert all("accuracy" not in one["scores"] for one in ask("metrics", source="billing")["fields"])

    with compared.site.runtime() as runtime:

        def breaches() -> list[tuple[str, str]]:
            new = find_breaches(runtime.database, runtime.registry, QualitySettings(), runtime.clock)
            return [(one.field, str(one.dimension)) for one in new]

        assert breaches() == [("seats", "accuracy")]
        assert breaches() == []
        [change] = [one for one in read_changes(runtime.database, {}, 100) if one.kind == "quality"]
    assert (change.channel, change.body["value"], change.body["objective"]) == (BREACH_CHANNEL, 0.85, 0.99)
    [told] = ask("metrics", source="crm")["breaches"]
    assert (told["dimension"], told["field"]) == ("accuracy", "seats")


def test_few_that_differ_prove_nothing(systems: Any) -> None:
    systems.send("crm", [systems.account(n, seats=n + (n == 1)) for n in range(1, 31)])
    systems.send("billing", [systems.customer(n) for n in range(1, 31)])
    systems.declare()
    systems.evaluate()
    with systems.site.runtime() as runtime:
        assert find_breaches(runtime.database, runtime.registry, QualitySettings(), runtime.clock) == []


def test_neither_is_the_truth_of_the_other(compared: Any, ask: Any, agreement_text: str) -> None:
    compared.declare(agreement_text.replace("truth: right", "truth: neither"))
    compared.evaluate(later=dt.timedelta(seconds=1))
    for source, field in (("crm", "seats"), ("billing", "places")):
        fields = {one["field"]: one for one in ask("metrics", source=source)["fields"]}
        scores = fields[field]["scores"]
        # What was said of accuracy under the other word is taken back.
        assert "accuracy" not in scores
        assert (scores["consistency"]["value"], scores["consistency"]["objective"]) == (0.85, None)
        assert fields[field]["grade"] == "poor"


def test_the_command_line_tells_it(compared: Any, capsys: pytest.CaptureFixture[str]) -> None:
    def run(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        status = main(["agreement", *arguments, "--data-dir", str(compared.site.data_dir)])
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    status, out, _ = run("list")
    assert status == ExitCode.OK
    assert "crm_and_billing  crm.accounts and billing.customers, billing.customers is the truth: 85.00% agree" in out
    assert json.loads(run("list", "--json")[1])[0]["latest"]["of"] == 200
    status, out, _ = run("check", "crm_and_billing")
    assert status == ExitCode.OK
    assert "30 differ" in out
    assert compared.site.query("SELECT count(*) FROM agreement_run") == [(2,)]
    status, out, err = run("show", "crm_and_billing", "--limit", "2")
    assert (status, out.count("differing seats/places")) == (ExitCode.OK, 2)
    assert "28 more" in err
    # What is personal is in no answer.
    assert "Company" not in out
    assert "example.org" not in out
    assert json.loads(run("show", "crm_and_billing", "--json")[1])["differences_total"] == 30
    status, _, err = run("show", "crm_and_biling")
    assert status == ExitCode.USAGE
    assert "crm_and_billing" in err


def test_what_the_contracts_do_not_bear_any_more_is_told(compared: Any, ask: Any) -> None:
    site = compared.site
    text = site.query("SELECT text FROM contract WHERE source = 'billing' ORDER BY version DESC LIMIT 1")[0][0]
    site.declare("contracts/billing.yaml", text.replace("places: places, ", ""))
    [one] = ask("agreements")["agreements"]
    assert "maps nothing to the attribute 'places'" in one["problem"]
    with site.runtime() as runtime:
        [job] = [job for job in periodic_jobs(runtime) if job.name == "compare_systems"]
        job.run()
    assert site.query("SELECT count(*) FROM agreement_run") == [(1,)]


def test_it_comes_back_from_the_lake(compared: Any) -> None:
    """A declared agreement is a decision like any other declaration."""
    [(kind, text)] = compared.site.query("SELECT kind, text FROM declaration WHERE kind = 'agreement' AND decided")
    assert kind == "agreement"
    assert "crm_and_billing" in text


def test_one_that_fails_waits_for_its_next_turn_and_keeps_no_other_from_its_own(
    systems: Any, agreement_text: str
) -> None:
    systems.send("crm", [systems.account(1)])
    systems.send("billing", [systems.customer(1)])
    systems.declare(agreement_text.replace("crm_and_billing", "a_sealed_one"))
    systems.declare(agreement_text.replace("{left: mail, right: contact}", "{left: plan, right: tier}"))
    # Personal attributes are opened of both; the damaged one is told, and the scheduler goes on.
    systems.site.query("UPDATE entity SET sealed = '\\x00'::bytea WHERE source = 'crm'")
    systems.declare(
        "name: clear\nleft: {source: crm, stream: accounts}\nright: {source: billing, stream: customers}\n"
        "match: {left: plan, right: tier}\ncompare: [{left: seats, right: places}]\n"
    )
    with systems.site.runtime() as runtime:
        due = DueAgreements(runtime.agreement_parts)
        in_force, now = runtime.agreements(), runtime.clock.wall()
        assert [due.step(in_force, now) for _ in range(4)] == ["a_sealed_one", "clear", "crm_and_billing", None]
        assert systems.site.query("SELECT DISTINCT name FROM agreement_run") == [("clear",)]
        later = now + dt.timedelta(minutes=15)
        assert due.step(in_force, later) == "a_sealed_one"


def test_differences_are_those_of_what_is_compared_now(compared: Any, ask: Any, agreement_text: str) -> None:
    assert ask("agreements/crm_and_billing")["differences_total"] == 30
    compared.declare(agreement_text.replace("  - {left: name, right: name, as: ignore_case}\n", ""))
    assert ask("agreements/crm_and_billing")["differences_total"] == 0
    compared.evaluate(later=dt.timedelta(seconds=1))
    told = ask("agreements/crm_and_billing", limit=1)
    assert (told["differences_total"], told["differences"][0]["attributes"]["left"]) == (30, "seats")


def test_what_is_personal_now_is_not_told_of_what_was_compared_before(compared: Any, ask: Any) -> None:
    assert ask("agreements/crm_and_billing")["differences"][0]["left_value"] is not None
    text = compared.site.query("SELECT text FROM contract WHERE source = 'crm' ORDER BY version DESC LIMIT 1")[0][0]
    named = "name: seats, logicalType: integer"
    assert named in text
    pii = f"{named}, customProperties: [{{property: pii, value: sensitive}}]"
    compared.site.declare("contracts/crm.yaml", text.replace(named, pii))
    told = ask("agreements/crm_and_billing")
    assert told["differences_total"] == 30
    assert {(one["left_value"], one["right_value"]) for one in told["differences"]} == {(None, None)}
