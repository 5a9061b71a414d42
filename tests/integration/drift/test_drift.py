"""Drift on its way: through policies, ledger and findings to a contract that follows, and again from the lake."""

from __future__ import annotations

import datetime as dt
import json
import random
from collections import Counter
from typing import Any

import pytest
import yaml

from mainstem.cli.main import main
from mainstem.contracts import Policy, read_contract
from mainstem.errors import UnavailableError
from mainstem.model import PiiClass
from mainstem.processing import join_drift_days, sink_postgres
from mainstem.processing.drift.effects import MOST_PATHS
from mainstem.runtime.activation_replay import replay_activations
from mainstem.store import Database, append_all

from .conftest import Orders, order, payloads


def _run(orders: Orders, capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    """`mainstem contract ... --json`."""
    capsys.readouterr()
    status = main(["contract", *arguments, "--json", "--data-dir", str(orders.site.data_dir)])
    printed = capsys.readouterr()
    assert status in {0, None}, printed.err
    [told] = [line for line in printed.out.splitlines() if line.startswith(("[", "{"))]
    return json.loads(told)


def _replayed(orders: Orders) -> int:
    """Let time pass since the last activation, and what waits go through it."""
    orders.site.query("UPDATE contract SET activated_at = activated_at - interval '1 minute'")
    with orders.site.runtime() as runtime:
        return replay_activations(runtime)


def test_findings_and_counts_are_written_with_the_records_and_told_once(orders: Orders) -> None:
    orders.declare()
    orders.work(*payloads(20), *payloads(5, 20, utm="x"), *payloads(3, 25, plan="gold"), *payloads(2, 28, amount="x"))
    assert orders.terms() == {"received": 30, "accepted": 25, "quarantined": 5}
    assert orders.counts() == {
        ("enum_growth", "plan"): (3, 0),
        ("new_field", "utm"): (5, 0),
        ("type_change", "amount"): (2, 0),
    }
    found = {("enum_growth", "plan", "gold"), ("new_field", "utm", ""), ("type_change", "amount", "string")}
    assert set(orders.findings()) == found
    assert sorted(orders.told()) == sorted(found), "from four partitions, each once"
    orders.work(*payloads(5, 30, utm="x"))
    assert (len(orders.told()), orders.counts()["new_field", "utm"]) == (3, (10, 0))


def test_what_a_failed_commit_would_have_told_is_told_by_the_next(
    orders: Orders, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders.declare()
    failures = iter(range(3))

    def broken(*arguments: Any) -> Any:
        if next(failures, None) is not None:
            raise UnavailableError("The database is away.", retry_after=0.05)
        return append_all(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(sink_postgres, "append_all", broken)
        orders.work(*payloads(10, account="c1", utm="x"))
    assert next(failures, None) is None
    assert orders.told() == [("new_field", "utm", "")]
    assert orders.counts() == {("new_field", "utm"): (10, 0)}


@pytest.mark.parametrize("policy", Policy)
def test_the_equation_holds_under_every_policy_and_a_rebuild_finds_the_same(
    orders: Orders, capsys: pytest.CaptureFixture[str], policy: Policy
) -> None:
    orders.declare(policy=policy.value)
    chance = random.Random(policy.value)
    bad: list[dict[str, Any]] = [
        {"utm": "x"}, {"shipping": {"city": "Riga", "zip": "1"}}, {"amount": None}, {"amount": "x"}, {"plan": "gold"},
        {"at": "then"}, {"account": None}, {"plan": "gold", "amount": "x"}, {},
    ]  # fmt: skip
    sent = [order(n, **chance.choice(bad)) for n in range(200)]
    orders.work(*sent, *sent[:50])
    with orders.site.runtime() as runtime:
        assert runtime.ledger.deep_check() == []
    terms = orders.terms()
    assert terms["received"] == 250
    assert ("discarded" in terms) == (policy is Policy.DISCARD_ROW)
    assert sum(lost for _, lost in orders.counts().values()) == terms.get("discarded", 0)
    before, findings = (terms, orders.counts()), orders.findings()
    told = orders.rebuild(capsys)
    assert told["identical"] is True
    assert ((orders.terms(), orders.counts()), orders.findings()) == (before, findings)


def test_what_is_discarded_is_told_by_the_api_of_the_ledger_and_kept_in_the_lake(orders: Orders) -> None:
    orders.declare({"name": "plan", "policy": "discard_row"})
    orders.work(*payloads(4), *payloads(3, 4, plan="gold"))
    assert orders.terms() == {"received": 7, "accepted": 4, "discarded": 3}
    orders.site.fill_lake()
    [(rows,)] = orders.site.query("SELECT sum(rows)::int FROM lake_file WHERE source = 'shop'")
    assert rows == 7


def test_a_value_that_is_discarded_leaves_the_record(orders: Orders) -> None:
    orders.declare({"name": "amount", "policy": "discard_value"}, {"name": "plan", "policy": "discard_value"})
    orders.work(order(1, amount="x"), order(2, amount=None), order(3, plan="gold", amount=7))
    assert orders.terms() == {"received": 3, "accepted": 3}
    assert orders.amounts() == 7
    assert orders.counts() == {
        ("enum_growth", "plan"): (1, 0), ("missing_field", "amount"): (1, 0), ("type_change", "amount"): (1, 0),
    }  # fmt: skip


def test_an_optional_field_that_no_longer_comes_is_missing(orders: Orders) -> None:
    orders.declare()
    orders.work(*payloads(50))
    one = {"account": "c1", "shipping": None}
    orders.work(*(order(100 + n, **one) for n in range(99)))
    assert orders.findings() == {}
    orders.work(*(order(200 + n, **one) for n in range(60)))
    [(key, evidence)] = orders.findings().items()
    assert key == ("missing_field", "city", "")
    assert evidence["run"] >= 100


def test_a_record_in_quarantine_is_not_discarded_by_a_later_policy(orders: Orders) -> None:
    orders.declare()
    orders.work(*payloads(3, plan="gold"))
    orders.declare({"name": "plan", "policy": "discard_row"}, version="1.1.0")
    _replayed(orders)
    orders.work()
    assert orders.terms() == {"received": 3, "quarantined": 3}


def test_a_contract_follows_drift_and_what_waited_takes_effect(
    orders: Orders, capsys: pytest.CaptureFixture[str]
) -> None:
    orders.declare()
    orders.work(
        *payloads(20),
        *payloads(10, 20, plan="gold", utm="x"),
        *payloads(10, 30, amount=1.5),
        *payloads(5, 40, kind=None),
    )
    assert orders.terms() == {"received": 45, "accepted": 20, "quarantined": 25}
    listed = _run(orders, capsys, "drift", "--source", "shop")
    assert {(one["kind"], one["path"], one["records"], one["policy"], one["in_force"]) for one in listed} == {
        ("new_field", "utm", 10, "evolve", True),
        ("enum_growth", "plan", 10, "quarantine", True),
        ("type_change", "amount", 10, "quarantine", True),
        ("missing_field", "kind", 5, "quarantine", True),
    }
    assert [one["path"] for one in _run(orders, capsys, "drift", "--kind", "new_field")] == ["utm"]
    assert _run(orders, capsys, "drift", "--stream", "other") == []
    assert _run(orders, capsys, "drift", "--since", "2100-01-01T00:00:00") == []

    proposed = _run(orders, capsys, "evolve", "shop.orders")
    assert (proposed["version"], proposed["activated"]) == (1, None)
    left = {change["path"] for change in proposed["changes"] if change["left"] is not None}
    assert left == {"kind"}, "an event cannot be without its name"
    evolved = _run(orders, capsys, "evolve", "shop.orders", "--activate")
    assert (evolved["activated"], evolved["text"]) == (2, proposed["text"])

    assert _replayed(orders) == 20
    orders.work(*payloads(2, 100, plan="gold", amount=2.5, utm="y"))
    assert orders.terms() == {"received": 47, "accepted": 42, "quarantined": 5}
    assert {one["in_force"] for one in _run(orders, capsys, "drift")} == {False}
    assert _run(orders, capsys, "evolve", "shop.orders")["text"] is None
    assert orders.rebuild(capsys)["identical"] is True
    assert orders.terms() == {"received": 47, "accepted": 42, "quarantined": 5}


def test_what_waited_in_its_old_form_when_a_field_was_renamed_takes_effect(
    orders: Orders, capsys: pytest.CaptureFixture[str]
) -> None:
    orders.declare()
    # One worker sees all of it: what it remembers of the field is what it knows the rename by.
    orders.send(*payloads(60))
    orders.send(*payloads(20, 100, plan="gold"))
    orders.work(*[order(n, total=n % 5 + 1, amount=None) for n in range(200, 240)])
    assert orders.terms() == {"received": 120, "accepted": 60, "quarantined": 60}
    changes = _run(orders, capsys, "evolve", "shop.orders", "--activate")["changes"]
    assert {(one["kind"], one["path"], one["left"]) for one in changes} == {
        ("rename", "total", None),
        ("enum_growth", "plan", None),
    }
    assert _replayed(orders) == 60
    # A straggler of the old form, too.
    orders.work(order(300))
    assert orders.terms() == {"received": 121, "accepted": 121}
    assert orders.amounts() == 24 * (1 + 2 + 3 + 4 + 5) + 1
    assert orders.rebuild(capsys)["identical"] is True


@pytest.mark.parametrize(("every", "still_comes"), [(1, False), (1, True), (20, False)])
def test_a_rename_that_no_worker_remembers_is_known_by_the_counts(
    orders: Orders, capsys: pytest.CaptureFixture[str], *, every: int, still_comes: bool
) -> None:
    orders.declare({"name": "nick", "logicalType": "string", "pii": "name"})
    orders.work(*(order(n, nick=None if (n + 1) % every else f"n{n}") for n in range(40)))
    # Each work is a worker of its own, which has not met the field.
    orders.work(*(order(n, nick_name=f"n{n}", nick=f"n{n}" if still_comes else None) for n in range(40, 80)))
    assert set(orders.findings()) == {("new_field", "nick_name", "")}
    text = _run(orders, capsys, "evolve", "shop.orders")["text"]
    fields = read_contract(text, "next").fields
    if still_comes or every > 1:
        assert (fields["nick"].paths, fields["nick_name"].path) == ((("nick",),), ("nick_name",))
    else:
        assert (fields["nick"].paths, fields["nick"].pii) == ((("nick_name",), ("nick",)), PiiClass.NAME)
        assert "nick_name" not in fields


def test_findings_and_proposals_are_told_to_people(orders: Orders, capsys: pytest.CaptureFixture[str]) -> None:
    data = ["--data-dir", str(orders.site.data_dir)]
    orders.declare(policy={"enum_growth": "discard_row", "new_field": "evolve"})
    main(["contract", "drift", *data])
    assert "No stream departs" in capsys.readouterr().out
    orders.work(*payloads(5, plan="gold"), *payloads(5, 5, plan="silver"), *payloads(5, 10, utm="x"))
    orders.work(order(15, ref="x"), order(16, **{"a@b": 1, "c@d": 1}))
    capsys.readouterr()
    main(["contract", "drift", *data])
    said = capsys.readouterr().out
    assert "  shop.orders v1  enum growth plan: gold, silver  [10 records, discard_row, 10 discarded]\n" in said
    assert "  shop.orders v1  new field utm: string  [5 records, evolve]\n" in said
    assert "  shop.orders v1  new field ref: string  [1 record, evolve]\n" in said
    assert "  shop.orders v1  new field *  [2 keys, evolve]\n" in said
    main(["contract", "evolve", "shop.orders", *data])
    printed = capsys.readouterr()
    assert "changed  the field 'utm' (string) is new" in printed.err
    assert "left     enum growth 'plan' (gold): the contract says discard_row." in printed.err
    assert read_contract(printed.out, "printed").fields["utm"].path == ("utm",)
    main(["contract", "evolve", "shop.orders", "--activate", *data])
    assert "shop.orders, version 2: is in force now" in capsys.readouterr().err
    main(["contract", "evolve", "shop.orders", *data])
    assert "there is nothing to change" in capsys.readouterr().err


def test_what_is_known_already_is_not_undone_by_who_knows_less(
    orders: Orders, capsys: pytest.CaptureFixture[str]
) -> None:
    orders.declare()
    one = {"account": "c1"}
    orders.work(
        *(order(n, **one, owner=f"u{n}@example.org", slot="first") for n in range(30)),
        order(30, **one, amount="8"),
        order(31, **one, amount="many"),
    )
    # Another worker, which has seen nothing of it.
    orders.work(*(order(n, **one, owner="nobody", slot="2026-01-14T10:00:00Z", amount=n) for n in range(40, 43)))
    orders.work(order(50, **one, amount=1), order(51, **one, amount="9"))
    found = orders.findings()
    assert found["type_change", "amount", "string"]["read"] is False
    owner, slot = found["new_field", "owner", ""], found["new_field", "slot", ""]
    assert (owner["pii"], slot["type"], slot["types"]) == ("email", "string", ["string"])
    changes = _run(orders, capsys, "evolve", "shop.orders")["changes"]
    assert {(change["path"], change["left"]) for change in changes if change["kind"] == "new_field"} == {
        ("owner", None), ("slot", None),
    }  # fmt: skip
    assert [change["path"] for change in changes if change["kind"] == "type_change"] == ["amount"]


def test_a_storm_of_one_kind_hides_no_other_and_no_discard_is_silent(
    orders: Orders, capsys: pytest.CaptureFixture[str]
) -> None:
    orders.declare(policy={"new_field": "discard_row"})
    for start in (0, 800):
        orders.work(*(order(n, plan=f"plan {n}") for n in range(start, start + 800)))
    orders.work(*(order(n, **{f"key_{n}": 1}) for n in range(2000, 2600)), order(2600, amount="x"))
    orders.work(*(order(n, **{f"key_{n}": 1}) for n in range(3000, 3300)))
    assert orders.terms() == {"received": 2501, "quarantined": 1601, "discarded": 900}
    listed = _run(orders, capsys, "drift", "--limit", "10000")
    kinds = Counter(one["kind"] for one in listed)
    assert kinds["enum_growth"] <= 400, "each partition looks at the bound before it adds its own"
    assert kinds["type_change"] == 1
    told = {one["path"]: one for one in listed if one["kind"] == "new_field"}
    assert sum(one["discarded"] for one in told.values()) == 900
    assert told["*"]["records"] == told["*"]["discarded"] > 0


_ACCOUNTS = """
apiVersion: v3.2.0
kind: DataContract
id: crm-accounts
version: 1.0.0
schema:
  - name: accounts
    customProperties:
      - {property: source, value: crm}
      - {property: partitionKey, value: id}
      - {property: mapping, value: {entity: customer, attributes: {customer_id: id, plan: plan}}}
    properties:
      - {name: id, logicalType: string, required: true, primaryKey: true}
      - {name: plan, logicalType: string}
"""


def test_a_state_gains_an_attribute_and_a_person_stays_sealed(
    orders: Orders, capsys: pytest.CaptureFixture[str]
) -> None:
    orders.site.declare("contracts/crm/accounts.yaml", _ACCOUNTS)

    def send(*payloads: dict[str, Any]) -> None:
        orders.site.send("crm", [{"stream": "accounts", "op": "upsert", "payload": one} for one in payloads])
        orders.site.work()

    send(*({"id": f"a{n}", "plan": "free", "tier": "gold", "ownerEmail": f"u{n}@example.org"} for n in range(12)))
    evolved = _run(orders, capsys, "evolve", "crm.accounts", "--activate")
    assert all(change["left"] is None for change in evolved["changes"])
    send({"id": "a1", "plan": "free", "tier": "silver", "ownerEmail": "new@example.org"})
    [(attributes, sealed)] = orders.site.query(
        "SELECT attributes, sealed IS NOT NULL FROM entity WHERE attributes ? 'tier'"
    )
    assert attributes == {"plan": "free", "tier": "silver"}
    assert sealed
    assert "example.org" not in str(orders.findings())
    # Under a name of before as under that of today.
    renamed = yaml.safe_load(evolved["text"])
    [email] = [one for one in renamed["schema"][0]["properties"] if one.get("physicalName") == "ownerEmail"]
    email["physicalName"] = "contact"
    email["customProperties"].append({"property": "formerPaths", "value": ["ownerEmail"]})
    orders.site.declare("contracts/crm/accounts.yaml", yaml.safe_dump(renamed))
    send(*({"id": f"b{n}", "plan": "free", key: "z@example.org"} for n, key in enumerate(("ownerEmail", "contact"))))
    send({"id": "b2", "plan": "free", "ownerEmail": {"at": "z@example.org"}})
    assert orders.site.query("SELECT count(*)::int, count(sealed)::int FROM entity") == [(14, 14)]
    for table in ("entity", "entity_version", "quarantine", "drift_finding", "drift_count", "change", "reference"):
        assert orders.site.query(f"SELECT 1 FROM {table} AS t WHERE t::text LIKE '%%example.org%%'") == []
    assert orders.rebuild(capsys)["identical"] is True


def test_the_lake_keeps_both_versions_apart_and_one_reader_reads_both(
    orders: Orders, capsys: pytest.CaptureFixture[str]
) -> None:
    from mainstem.lake import LakeQuery, LakeReader

    orders.declare()
    orders.work(*payloads(5), order(5, amount=1.5))
    _run(orders, capsys, "evolve", "shop.orders", "--activate")
    orders.work(*payloads(5, 10, amount=2.5))
    orders.site.fill_lake()
    versions = orders.site.query("SELECT DISTINCT contract_version FROM lake_file WHERE source = 'shop' ORDER BY 1")
    assert versions == [(1,), (2,)]
    with orders.site.runtime() as runtime:
        blocks = list(LakeReader(runtime.lake).find(LakeQuery("shop", "orders")))
    assert sum(block.rows.num_rows for block in blocks) == 11


def test_words_that_are_none_are_refused(orders: Orders, capsys: pytest.CaptureFixture[str]) -> None:
    data = ["--data-dir", str(orders.site.data_dir)]
    for arguments in (["drift", "--kind", "renames"], ["evolve", "shop"], ["evolve", "shop.nothing"]):
        assert main(["contract", *arguments, *data]) == 2
        assert capsys.readouterr().err


def test_a_storm_of_keys_is_bounded_and_none_that_may_be_somebodys_is_kept(
    orders: Orders, capsys: pytest.CaptureFixture[str]
) -> None:
    orders.declare()
    sent = [order(n, **{f"key_{n}_{chr(97 + n % 26)}": n, f"user{n}@example.org": 1}) for n in range(1500)]
    for start in range(0, len(sent), 250):
        orders.work(*sent[start : start + 250])
    assert orders.terms() == {"received": 1500, "accepted": 1500}
    [(paths, copies)] = orders.site.query("SELECT count(DISTINCT path), sum(n)::int FROM drift_count")
    assert paths <= 4 * MOST_PATHS + 1
    [(findings,)] = orders.site.query("SELECT count(*) FROM drift_finding")
    # The bound is looked at before a batch adds its own.
    assert findings <= 1000 + MOST_PATHS
    for table in ("drift_count", "drift_finding", "change"):
        [(leaks,)] = orders.site.query(f"SELECT count(*) FROM {table} AS t WHERE t::text LIKE '%%example.org%%'")
        assert leaks == 0
    assert copies == 3000, "each key of each record"
    counts = orders.counts()
    [(rows, day)] = orders.site.query("SELECT count(*)::int, max(day) FROM drift_count")
    assert rows > paths
    with Database(orders.site.dsn) as database:
        assert [join_drift_days(database, day + n * dt.timedelta(days=1)) for n in range(3)] == [0, paths, 0]
    assert orders.counts() == counts
    assert orders.site.query("SELECT count(*)::int, max(epoch) FROM drift_count") == [(paths, 0)]
    orders.work(*(order(n, **{f"late_{n}": n}) for n in range(1500, 1600)))
    assert orders.counts()["new_field", "*"][0] == counts["new_field", "*"][0] + 100
    assert orders.rebuild(capsys)["identical"] is True
