"""Whatever came in, in whatever order and lane: a rebuild finds the same records accepted, and the same ones duplicate."""

from __future__ import annotations

import datetime as dt
import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mainstem.cli.exit_codes import ExitCode
from mainstem.cli.main import main
from mainstem.intake import CorrectedRecord, QuarantineFixed
from mainstem.metrics.known import KNOWN_MOVEMENTS
from mainstem.model import Lane, Place
from mainstem.testing.samples import SAMPLE_AT, accounts_contract, usage
from mainstem.testing.site import Site

PEOPLE = """
apiVersion: v3.2.0
kind: DataContract
id: desk-people
version: 1.0.0
schema:
  - name: people
    customProperties:
      - {property: source, value: desk}
      - {property: kind, value: state}
      - {property: partitionKey, value: account}
      - {property: entityVersion, value: updated_at}
      - property: mapping
        value: {entity: person, attributes: {person_id: id, customer_id: account}}
    properties:
      - {name: id, logicalType: string, required: true, primaryKey: true, customProperties: [{property: pii, value: identifier}]}
      - {name: account, logicalType: string, required: true}
      - {name: updated_at, logicalType: timestamp, required: true}
"""
GAUGE = "name: {name}\nentity: {entity}\nmeasure: count\n{where}"
MOVES = "SELECT series, ref, day, value FROM gauge_change WHERE value <> 0 ORDER BY series, ref, day"
TERMS = """
    SELECT source, stream, day, term, sum(n)::bigint FROM ledger
    WHERE term IN ('accepted', 'duplicate') GROUP BY 1, 2, 3, 4 HAVING sum(n) <> 0 ORDER BY 1, 2, 3, 4
"""


def rebuild(site: Site, capsys: pytest.CaptureFixture[str], expected: ExitCode = ExitCode.OK) -> dict[str, Any]:
    capsys.readouterr()
    status = main(["rebuild", "analytics", "--from-lake", "--json", "--data-dir", str(site.data_dir)])
    printed = capsys.readouterr()
    assert status == expected, printed.err
    result: dict[str, Any] = json.loads(printed.out)
    return result


def clicks(choose: random.Random, count: int) -> list[dict[str, Any]]:
    """Few ids, so that most are repeats; bodies differ; some are broken."""
    return [
        usage(choose.randrange(60), quantity=choose.randrange(1000))
        if choose.random() < 0.95
        else usage(choose.randrange(60), occurred_at="never")
        for _ in range(count)
    ]


def accounts(choose: random.Random, count: int) -> list[dict[str, Any]]:
    """Few customers and minutes, so that records repeat, return to an earlier content, come late, or after a delete."""
    return [
        {
            "stream": "accounts",
            "op": choose.choices(["upsert", "patch", "delete"], [6, 2, 1])[0],
            "observed_at": f"2026-01-1{choose.randrange(10)}T10:00:00Z",
            "payload": {
                "id": f"c{choose.randrange(6)}",
                "updated_at": f"2026-01-10T09:{choose.randrange(12):02}:00Z",
                **choose.choice([{"plan": "A"}, {"plan": "B"}, {"plan": None}, {}]),
            },
        }
        for _ in range(count)
    ]


def live(site: Site, choose: random.Random, sent: Sequence[tuple[str, list[dict[str, Any]]]]) -> None:
    """Send each in a lane by chance, in parts, and let it take effect by chance in between."""
    parts = [(source, records[n : n + 7]) for source, records in sent for n in range(0, len(records), 7)]
    choose.shuffle(parts)
    for source, records in parts:
        site.send(source, records, lane=choose.choice(list(Lane)))
        if choose.random() < 0.4:
            site.work()
    site.work()


def movements_as_known(site: Site, moments: Sequence[dt.datetime]) -> list[list[Any]]:
    """By how much gauges moved on each day, as it was known at each of the moments."""
    query = f"SELECT series, ref, day, value FROM ({KNOWN_MOVEMENTS}) AS known WHERE value <> 0 ORDER BY 1, 2, 3"
    return [site.query(query.replace("%(known_at)s", f"'{at.isoformat()}'")) for at in moments]


@pytest.mark.parametrize("seed", range(2))
def test_accepted_and_duplicate_are_each_the_same(
    migrated_dsn: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], seed: int
) -> None:
    choose = random.Random(seed)
    site = Site.begin(tmp_path / "data", migrated_dsn)
    site.declare("contracts/crm/accounts.yaml", accounts_contract("crm"))
    site.declare("metrics/on_a.yaml", GAUGE.format(name="on_a", entity="customer", where="where: plan = 'A'\n"))
    live(site, choose, [("app", clicks(choose, 90)), ("crm", accounts(choose, 90))])
    site.declare("metrics/known.yaml", GAUGE.format(name="known", entity="customer", where=""))
    site.declare("contracts/crm/accounts.yaml", accounts_contract("crm") + "description: {purpose: another version}\n")
    site.decide({"id": f"e{choose.randrange(60)}", "customer_id": "c1", "event": "opened", "occurred_at": SAMPLE_AT})
    live(site, choose, [("app", clicks(choose, 40)), ("crm", accounts(choose, 40))])
    site.fill_lake()
    before, moves = site.query(TERMS), site.query(MOVES)
    moments = [
        at for (at,) in site.query("SELECT first_known_at FROM gauge_change UNION SELECT known_at FROM correction")
    ]
    known = movements_as_known(site, moments)
    assert len(moments) > 4
    [(corrected,)] = site.query("SELECT count(*) FROM correction JOIN series USING (series) WHERE metric = 'on_a'")
    assert corrected > 0
    assert {term for *_, term, _ in before} == {"accepted", "duplicate"}
    assert len({series for series, *_ in moves}) == 2
    for _ in range(2):
        assert rebuild(site, capsys)["identical"] is True
        assert (site.query(TERMS), site.query(MOVES)) == (before, moves)
        assert movements_as_known(site, moments) == known


def test_a_corrected_record_comes_where_its_decision_stands(
    migrated_dsn: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site = Site.begin(tmp_path / "data", migrated_dsn)
    site.declare("contracts/crm/accounts.yaml", accounts_contract("crm"))
    site.send("crm", [_account(3, updated_at="never")])
    site.work()
    [(*place, received_at)] = site.query("SELECT epoch, partition, lane, position, index, received_at FROM quarantine")
    epoch, partition, lane, position, index = place
    record = CorrectedRecord(
        source="crm",
        stream="accounts",
        op="upsert",
        payload=msgspec.Raw(json.dumps(_account(3)["payload"]).encode()),
        received_at=received_at,
        observed_at=received_at,
        contract_version=1,
        partition_key="c1",
    )
    with site.runtime() as runtime, runtime.door:
        runtime.decisions.decide(
            QuarantineFixed(place=str(Place(epoch, partition, Lane(lane), position, index)), record=record)
        )
    site.work()
    # It says what an older one says that comes after it: both are news, but the other way round only one would be.
    site.send("crm", [_account(1)])
    site.work()
    site.fill_lake()
    [(accepted,)] = site.query("SELECT sum(n)::bigint FROM ledger WHERE (stream, term) = ('accounts', 'accepted')")
    assert accepted == 2
    assert rebuild(site, capsys)["identical"] is True


def test_what_is_counted_as_another_term_is_a_difference(
    migrated_dsn: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site = Site.begin(tmp_path / "data", migrated_dsn)
    site.send("app", [usage(n) for n in (1, 2, 1)])
    site.work()
    site.query(
        "UPDATE ledger SET n = n + CASE term WHEN 'accepted' THEN -1 ELSE 1 END WHERE source = 'app' RETURNING n"
    )
    result = rebuild(site, capsys, ExitCode.FAILED)
    assert {(one["table"], json.loads(one["key"])[3]) for one in result["differences"]} == {
        ("ledger", "accepted"),
        ("ledger", "duplicate"),
    }


def test_only_of_entities_with_records_in_several_partitions_the_sum_is_compared(
    migrated_dsn: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site = Site.begin(tmp_path / "data", migrated_dsn)
    site.declare("contracts/desk/people.yaml", PEOPLE)
    site.declare("metrics/people.yaml", GAUGE.format(name="known_people", entity="person", where=""))
    # The second of one customer's says something new only if the other customer's, between them in time, is there already.
    for pair in range(4):
        here, there = f"c{2 * pair}", f"c{2 * pair + 1}"
        for order in ((1, 2, 3), (1, 3, 2)):
            for minute in order:
                site.send("desk", [_person(f"p{pair}{order[1]}", there if minute == 2 else here, minute)])
            site.work()
    site.fill_lake()
    before = dict(site.query(_PEOPLE_TERMS))
    result = rebuild(site, capsys)
    after = dict(site.query(_PEOPLE_TERMS))
    assert result["identical"] is True
    assert before.values() != after.values()
    assert sum(before.values()) == sum(after.values()) == 24


_PEOPLE_TERMS = "SELECT term, sum(n)::bigint FROM ledger WHERE stream = 'people' GROUP BY term"


def _account(minute: int, **payload: Any) -> dict[str, Any]:
    at = f"2026-01-10T09:{minute:02}:00Z"
    return {"stream": "accounts", "op": "upsert", "payload": {"id": "c1", "plan": "A", "updated_at": at, **payload}}


def _person(person: str, account: str, minute: int) -> dict[str, Any]:
    at = f"2026-01-10T09:{minute:02}:00Z"
    payload = {"id": person, "account": account, "updated_at": at}
    return {"stream": "people", "op": "upsert", "payload": payload}
