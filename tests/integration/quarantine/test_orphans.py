"""Records that refer to an account which is not known yet: they wait, take effect once it is, and are quarantined when it is late."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from mainstem.cli.main import main
from mainstem.contracts import read_contract
from mainstem.errors import ConfigurationError
from mainstem.intake import Load, load_files
from mainstem.processing import Author, QuarantineSelection
from mainstem.runtime.declarations import activate_contract, activate_folder
from mainstem.runtime.orphan_settling import OrphanSettling
from mainstem.testing.samples import SAMPLE_AT, accounts_contract, state_contract
from mainstem.testing.site import Site

VISITS = {
    "apiVersion": "v3.2.0",
    "kind": "DataContract",
    "id": "crm-visits",
    "version": "1.0.0",
    "customProperties": [{"property": "source", "value": "crm"}],
    "schema": [
        {
            "name": "visits",
            "customProperties": [
                {"property": "partitionKey", "value": "account"},
                {"property": "recordId", "value": "id"},
                {"property": "occurredAt", "value": "at"},
                {
                    "property": "mapping",
                    "value": {
                        "entity": "usage_event",
                        "attributes": {
                            "customer_id": "account",
                            "event": {"constant": "visit"},
                            "occurred_at": "at",
                            "quantity": "cost",
                        },
                    },
                },
            ],
            "properties": [
                {"name": "id", "logicalType": "string", "required": True},
                {"name": "account", "logicalType": "string", "required": True},
                {"name": "at", "logicalType": "timestamp", "required": True},
                {"name": "minutes", "logicalType": "integer"},
                {"name": "cost", "logicalType": "number"},
            ],
            "quality": [
                {
                    "name": "not_too_long",
                    "type": "custom",
                    "engine": "mainstem",
                    "severity": "hold",
                    "implementation": "minutes <= 600",
                }
            ],
        }
    ],
}


def visits(to: str = "accounts.id", wait: str = "1h", *quality: dict[str, Any]) -> str:
    """The contract of crm.visits, whose account is to be one of those that are known."""
    contract = json.loads(json.dumps(VISITS))
    contract["schema"][0]["quality"] += quality
    relationship = {"type": "foreignKey", "to": to, "customProperties": [{"property": "wait", "value": wait}]}
    contract["schema"][0]["properties"][1]["relationships"] = [relationship]
    return yaml.safe_dump(contract, sort_keys=False)


def people() -> str:
    """Persons, whose account is to be known; it may be left out."""
    relationship = [{"type": "foreignKey", "to": "accounts.id"}]
    fields = {"account": {"pii": "identifier", "relationships": relationship}}
    mapping = ("person", {"person_id": "id", "customer_id": "account"})
    return state_contract("crm", "people", mapping, fields)


def visit(number: int, account: str, **payload: Any) -> dict[str, Any]:
    return {"stream": "visits", "payload": {"id": f"v{number}", "account": account, "at": SAMPLE_AT, **payload}}


def account(name: str, **envelope: Any) -> dict[str, Any]:
    return {"stream": "accounts", **envelope, "payload": {"id": name, "plan": "free", "updated_at": SAMPLE_AT}}


def person(name: str, op: str = "upsert", **payload: Any) -> dict[str, Any]:
    return {"stream": "people", "op": op, "payload": {"id": name, "updated_at": SAMPLE_AT, **payload}}


class Crm:
    """An installation with accounts, and visits and people that refer to them."""

    def __init__(self, site: Site, capsys: pytest.CaptureFixture[str]) -> None:
        self.site = site
        self._capsys = capsys

    def send(self, *records: dict[str, Any]) -> None:
        self.site.send("crm", records)
        self.site.work()

    def settle(self) -> int:
        """Have what waits decided, and take effect; how many."""
        with self.site.runtime() as runtime:
            decided = OrphanSettling(runtime).step()
        self.site.work()
        return decided

    def terms(self, stream: str = "visits") -> dict[str, int]:
        """What became of a stream's records, without what is nothing; the ledger holds, and counts what there is."""
        with self.site.runtime() as runtime:
            assert runtime.ledger.deep_check() == []
        lines = [line for line in self.site.status() if line.stream == stream]
        names = ("accepted", "duplicate", "quarantined", "held", "pending")
        totals = {name: sum(getattr(line, name) for line in lines) for name in names}
        return {name: total for name, total in totals.items() if total}

    def visited(self) -> dict[bytes, int]:
        """Visits in effect, by customer."""
        rows = self.site.query(
            "SELECT ref, sum(value)::bigint FROM cell JOIN series USING (series)"
            " WHERE metric = 'events' AND stream = 'visits' AND value <> 0 GROUP BY ref"
        )
        return {ref.bytes: int(total) for ref, total in rows}

    def waiting(self) -> list[tuple[Any, ...]]:
        return self.site.query(
            "SELECT state, reason, field, held_by FROM quarantine WHERE state IN ('held', 'quarantined') ORDER BY id"
        )

    def rebuilt(self) -> Any:
        """Whether a rebuild says the same; None where there was nothing to compare with."""
        if self.site.query("SELECT 1 FROM pg_tables WHERE tablename = 'log_batch'"):
            self.site.fill_lake()
        self._capsys.readouterr()
        status = main(["rebuild", "analytics", "--from-lake", "--json", "--data-dir", str(self.site.data_dir)])
        printed = self._capsys.readouterr()
        assert status == 0, printed.err
        return json.loads(printed.out)["identical"]


@pytest.fixture
def crm(migrated_dsn: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Crm:
    site = Site.begin(tmp_path / "data", migrated_dsn)
    site.declare("contracts/crm/accounts.yaml", accounts_contract("crm"))
    site.declare("contracts/crm/visits.yaml", visits())
    site.declare("contracts/crm/people.yaml", people())
    return Crm(site, capsys)


@pytest.fixture
def other_dsn(postgres: str) -> Iterator[str]:
    name = f"t{uuid.uuid4().hex}"
    with psycopg.connect(f"{postgres} dbname=postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template0")
    yield f"{postgres} dbname={name}"
    with psycopg.connect(f"{postgres} dbname=postgres", autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_an_orphan_waits_and_takes_effect_once_its_parent_is_known(crm: Crm) -> None:
    crm.send(account("a"))
    crm.send(visit(1, "a"), visit(2, "b"), visit(3, "b"))
    assert crm.terms() == {"accepted": 1, "held": 2}
    assert crm.waiting() == [("held", "orphan", "account", ["account.foreignKey"])] * 2
    assert crm.settle() == 0
    crm.send(account("b"))
    assert (crm.settle(), crm.settle()) == (2, 0)
    assert crm.terms() == {"accepted": 3}
    assert sorted(crm.visited().values()) == [1, 2]
    decided = crm.site.query("SELECT DISTINCT decision, decided_by, reason FROM quarantine_decision")
    assert decided == [("replayed", "relationship", "what it refers to is known")]
    crm.send(visit(2, "b"))
    assert crm.terms() == {"accepted": 3, "duplicate": 1}
    assert crm.rebuilt() is True


def test_a_rebuild_finds_the_same_orphans_waiting(crm: Crm) -> None:
    """Though it folds partition after partition, and the accounts of some before their visits."""
    names = [f"c{n}" for n in range(40)]
    crm.send(*(visit(n, name) for n, name in enumerate(names)))
    crm.send(*map(account, names[:20]))
    assert crm.terms() == {"held": 40}
    assert crm.rebuilt() is True
    assert crm.settle() == 20
    assert crm.terms() == {"accepted": 20, "held": 20}
    assert crm.rebuilt() is True
    crm.send(*map(account, names[20:]))
    assert crm.settle() == 20
    assert crm.terms() == {"accepted": 40}
    assert crm.rebuilt() is True


def test_who_waited_long_enough_is_quarantined_and_let_go_on_when_its_parent_comes_after_all(crm: Crm) -> None:
    crm.site.declare("contracts/crm/visits.yaml", visits(wait="0s"))
    crm.send(visit(1, "late"), visit(2, "never"))
    assert crm.terms() == {"held": 2}
    assert (crm.settle(), crm.settle()) == (2, 0)
    assert crm.terms() == {"quarantined": 2}
    assert crm.waiting() == [("quarantined", "orphan", "account", [])] * 2
    assert crm.rebuilt() is True
    crm.send(account("late"))
    assert (crm.settle(), crm.settle()) == (1, 0)
    assert crm.terms() == {"accepted": 1, "quarantined": 1}
    with crm.site.runtime() as runtime, runtime.door:
        assert runtime.quarantine.dismiss(QuarantineSelection(source="crm"), Author("ann")).decided == 1
    crm.site.work()
    crm.send(account("never"))
    assert crm.settle() == 0
    assert crm.terms() == {"accepted": 1, "quarantined": 1}
    words = [word for (word,) in crm.site.query("SELECT decision FROM quarantine_decision ORDER BY 1")]
    assert words == ["dismissed", "overdue", "overdue", "replayed"]
    assert crm.rebuilt() is True


def test_one_that_is_held_for_another_reason_too_waits_for_somebodys_word(crm: Crm) -> None:
    crm.send(visit(1, "b", minutes=601))
    assert crm.waiting() == [
        ("held", "rule_failed", "account", ["not_too_long", "account.foreignKey"])
    ] or crm.waiting() == [("held", "rule_failed", None, ["not_too_long", "account.foreignKey"])]
    crm.send(account("b"))
    assert crm.settle() == 0
    assert crm.rebuilt() is True
    with crm.site.runtime() as runtime, runtime.door:
        assert runtime.quarantine.release(QuarantineSelection(source="crm"), Author("ann")).decided == 1
    crm.site.work()
    assert crm.terms() == {"accepted": 1}
    assert crm.rebuilt() is True


def test_somebody_may_release_an_orphan_or_give_it_up(crm: Crm) -> None:
    crm.send(visit(1, "nobody"), visit(2, "nothing"))
    [(first,), (second,)] = crm.site.query("SELECT id FROM quarantine ORDER BY index")
    with crm.site.runtime() as runtime, runtime.door:
        assert runtime.quarantine.replay(QuarantineSelection(ids=[first]), Author("ann")).failed == 1
        assert runtime.quarantine.release(QuarantineSelection(ids=[first]), Author("ann")).decided == 1
        assert runtime.quarantine.dismiss(QuarantineSelection(ids=[second]), Author("ann")).decided == 1
    crm.site.work()
    crm.send(account("nobody"), account("nothing"))
    assert crm.settle() == 0
    assert crm.terms() == {"accepted": 1, "held": 1}
    assert crm.rebuilt() is True


def test_a_fix_that_leads_to_another_partition_is_met_first_by_a_rebuild(crm: Crm) -> None:
    """Of forty customers some lie in partitions that a rebuild folds before those of the records as they came."""
    crm.site.declare("contracts/crm/visits.yaml", visits(wait="0s"))
    crm.send(*(account(f"c{n}") for n in range(40)))
    crm.send(*(visit(n, f"misspelt-{n}") for n in range(40)))
    assert crm.settle() == 40
    assert crm.terms() == {"quarantined": 40}
    ids = [id_ for (id_,) in crm.site.query("SELECT id FROM quarantine ORDER BY id")]
    with crm.site.runtime() as runtime, runtime.door:
        assert runtime.quarantine.dismiss(QuarantineSelection(ids=ids[::2]), Author("ann")).decided == 20
    crm.site.work()
    with crm.site.runtime() as runtime, runtime.door:
        for n, id_ in enumerate(ids):
            payload = json.dumps(visit(n, f"c{n}")["payload"]).encode()
            assert runtime.quarantine.fix(id_, payload, Author("ann")).decided == 1
    crm.site.work()
    assert crm.terms() == {"accepted": 40}
    assert crm.rebuilt() is True


def test_no_value_and_a_tombstone_wait_for_nothing(crm: Crm) -> None:
    crm.send(person("p1"), person("p2", account="b"), person("p3", account=None), person("p2", op="delete"))
    assert crm.terms("people") == {"accepted": 3, "held": 1}
    crm.send(account("b", op="delete"))
    crm.send(person("p4", account="b"))
    assert crm.settle() == 1
    # A parent that was deleted did come.
    assert crm.terms("people") == {"accepted": 5}
    assert crm.rebuilt() is True


def test_a_lost_database_comes_back_with_what_waits(crm: Crm, other_dsn: str) -> None:
    names = [f"c{n}" for n in range(20)]
    crm.send(*(visit(n, name) for n, name in enumerate(names)))
    crm.send(*map(account, names[:10]))
    assert crm.settle() == 10
    crm.send(*map(account, names[10:15]))
    crm.site.fill_lake()
    crm.site.use(other_dsn)
    assert crm.rebuilt() is None
    crm.settle()
    assert crm.terms() == {"accepted": 15, "held": 5}
    assert sorted(crm.visited().values()) == [1] * 15
    assert crm.rebuilt() is True


def test_a_lost_database_comes_back_with_what_was_given_up_as_it_was(crm: Crm, other_dsn: str) -> None:
    """One that no sum could hold never waited, though its account was known; the other one did."""
    crm.send(account("acme"))
    crm.send(visit(1, "acme", cost=10**21), visit(2, "unheard-of"))
    assert crm.terms() == {"quarantined": 1, "held": 1}
    with crm.site.runtime() as runtime, runtime.door:
        runtime.quarantine.dismiss(QuarantineSelection("crm", "visits"), Author("tester", "too late"))
    crm.site.work()
    crm.site.fill_lake()
    crm.site.use(other_dsn)
    assert crm.rebuilt() is None
    assert crm.terms() == {"quarantined": 1, "held": 1}
    assert crm.rebuilt() is True


@pytest.mark.parametrize(
    ("to", "says"),
    [
        ("acounts.id", "has no contract"),
        ("accounts.plan", "'plan' is not the primary key of crm.accounts"),
        ("visits.id", "'id' is not the primary key of crm.visits"),
    ],
)
def test_what_cannot_be_referred_to_is_told_when_a_contract_is_tried(crm: Crm, to: str, says: str) -> None:
    crm.send(visit(1, "nobody"))
    tried = read_contract(visits(to), "visits.yaml")
    with crm.site.runtime() as runtime, pytest.raises(ConfigurationError, match=says):
        runtime.quarantine.preview(QuarantineSelection(), tried)


@pytest.mark.parametrize(
    ("to", "says"),
    [
        ("acounts.id", "has no contract"),
        ("accounts.plan", "'plan' is not the primary key of crm.accounts"),
        ("visits.id", "'id' is not the primary key of crm.visits"),
    ],
)
def test_what_cannot_be_referred_to_is_told(crm: Crm, to: str, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        crm.site.declare("contracts/crm/visits.yaml", visits(to=to))


def test_what_others_refer_to_cannot_lose_its_key(crm: Crm) -> None:
    other = accounts_contract("crm").replace("name: id\n", "name: key\n").replace(": id\n", ": key\n")
    with pytest.raises(ConfigurationError, match="'id' is not the primary key") as error:
        crm.site.declare("contracts/crm/accounts.yaml", other)
    assert "crm.people, which is in force" in str(error.value)


def test_one_contract_cannot_take_away_what_others_refer_to(crm: Crm) -> None:
    other = accounts_contract("crm").replace("name: id\n", "name: key\n").replace(": id\n", ": key\n")
    with crm.site.runtime() as runtime, runtime.door, pytest.raises(ConfigurationError) as error:
        activate_contract(runtime, other, "the proposal", follows=1)
    assert "crm.people, which is in force" in str(error.value)
    assert crm.site.query("SELECT max(version) FROM contract WHERE stream = 'accounts'") == [(1,)]


def test_what_was_wrong_besides_is_told_when_the_wait_is_over(crm: Crm) -> None:
    crm.send(visit(1, "b", cost=10**21), visit(2, "b", cost=5))
    assert crm.terms() == {"held": 2}
    crm.send(account("b"))
    assert (crm.settle(), crm.settle()) == (2, 0)
    assert crm.terms() == {"accepted": 1, "quarantined": 1}
    with crm.site.runtime() as runtime:
        [failing] = runtime.quarantine.preview(QuarantineSelection(source="crm")).failing
    assert (failing.reason, failing.field) == ("out_of_range", "cost")
    assert crm.rebuilt() is True


def test_an_orphan_of_a_load_that_was_held_waits_for_both(crm: Crm, tmp_path: Path) -> None:
    count = {"metric": "rowCount", "type": "library", "mustBeBetween": [5, 10]}
    crm.site.declare("contracts/crm/visits.yaml", visits("accounts.id", "0s", count))
    file = tmp_path / "visits.ndjson"
    file.write_text("".join(json.dumps(visit(n, name)["payload"]) + "\n" for n, name in enumerate("ab")))
    with crm.site.runtime() as runtime, runtime.door as door:
        report = load_files(Load(str(file), "crm", "visits"), door)
    crm.site.work()
    assert report.held is not None
    crm.send(account("a"))
    assert crm.settle() == 0
    with crm.site.runtime() as runtime, runtime.door:
        runtime.quarantine.release(QuarantineSelection(load=report.held.id), Author("ann"))
    crm.site.work()
    crm.settle()
    # The one whose account did not come in time is quarantined, and goes on when it does.
    assert crm.terms() == {"accepted": 1, "quarantined": 1}
    crm.send(account("b"))
    assert crm.settle() == 1
    assert crm.terms() == {"accepted": 2}
    assert crm.rebuilt() is True


def test_parents_come_into_force_before_those_that_refer_to_them(migrated_dsn: str, tmp_path: Path) -> None:
    """So that a crash in between leaves no contract in force whose records would wait for one that is not."""
    site = Site.begin(tmp_path / "data", migrated_dsn)
    folder = tmp_path / "declared" / "contracts"
    folder.mkdir(parents=True)
    (folder / "a.yaml").write_text(visits())
    (folder / "b.yaml").write_text(accounts_contract("crm"))
    with site.runtime() as runtime, runtime.door:
        names = [one.name for one in activate_folder(runtime, folder.parent)]
    assert names == ["crm.accounts", "crm.visits"]
