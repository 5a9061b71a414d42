"""`mainstem quarantine`: what was set aside is looked at, previewed, replayed, fixed and dismissed."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mainstem.cli.main import main
from mainstem.errors import StorageFullError
from mainstem.intake import Decisions, Delivery
from mainstem.model import Lane
from mainstem.processing import Author, QuarantineSelection
from mainstem.processing.quarantine_reader import read_page
from mainstem.processing.tables.claims import Claim, Claims

from .conftest import Shop, contract, view


@pytest.fixture
def filled(shop: Shop) -> Shop:
    """Five good views, three of a plan that is not allowed, one without a time."""
    shop.site.send("shop", [view(n) for n in range(5)])
    shop.site.send("shop", [view(n, plan="trial") for n in range(5, 8)])
    shop.site.send("shop", [view(8, at=None)])
    shop.site.work()
    return shop


def _one(shop: Shop, reason: str) -> str:
    _, causes = shop.run("list", "--reason", reason)
    return str(causes[0]["example"])


def test_list_groups_by_cause(filled: Shop) -> None:
    _, causes = filled.run("list")
    assert [(one["reason"], one["field"], one["contract_version"], one["count"]) for one in causes] == [
        ("not_allowed", "plan", 1, 3),
        ("missing", "at", 1, 1),
    ]
    assert filled.run("list", "--source", "other") == (0, [])
    _, records = filled.run("list", "--records", "--limit", "2")
    _, rest = filled.run("list", "--records", "--before", records[-1]["id"])
    assert len(records) == 2
    assert len({one["id"] for one in [*records, *rest]}) == 4
    assert "payload" not in records[0]
    said = filled.said("list")
    assert "4 records" in said
    assert said.count("owned by ann") == 2
    assert {tuple(one["owners"]) for one in causes} == {("ann",)}


def test_list_says_where_another_contract_is_in_force_now(filled: Shop) -> None:
    assert "Another contract" not in filled.said("list")
    filled.declare("free", "paid", "gold")
    assert "replay --dry-run --all" in filled.said("list")


def test_show_has_the_untouched_payload_and_what_was_decided(filled: Shop) -> None:
    id_ = _one(filled, "missing")
    _, shown = filled.run("show", id_)
    assert shown["owners"] == ["ann"]
    assert json.loads(shown["payload"]) == view(8, at=None)["payload"]
    assert (shown["state"], shown["history"]) == ("quarantined", [])
    assert filled.run("fix", id_, "--set", "at=2026-01-10T09:00:00Z", "--why", "clock")[1]["decided"] == 1
    _, shown = filled.run("show", id_)
    [decision] = shown["history"]
    assert (shown["state"], decision["decision"], decision["reason"]) == ("fixed", "fixed", "clock")
    assert decision["by"].startswith("command:")
    assert json.loads(shown["payload"])["at"] is None
    assert main(["quarantine", "show", "00000000-0000-0000-0000-000000000000"]) != 0


def test_preview_decides_nothing(filled: Shop, tmp_path: Path) -> None:
    _, now = filled.run("replay", "--all", "--dry-run")
    assert (now["matched"], now["passing"], now["failing"], now["decided"]) == (4, 0, 4, 0)
    file = tmp_path / "next.yaml"
    file.write_text(contract("free", "paid", "trial"))
    _, tried = filled.run("replay", "--dry-run", "--contract", str(file))
    assert (tried["matched"], tried["passing"]) == (4, 3)
    assert [(one["reason"], one["field"], one["count"]) for one in tried["failures"]] == [("missing", "at", 1)]
    file.write_bytes(b"\xff")
    status, told = filled.run("replay", "--dry-run", "--contract", str(file))
    assert (status, "not text in UTF-8" in told) == (2, True)
    assert filled.line() == (9, 5, 0, 4)


def test_replay_takes_what_passes_now_and_leaves_the_rest(filled: Shop) -> None:
    filled.declare("free", "paid", "trial")
    _, done = filled.run("replay", "--stream", "views")
    assert (done["matched"], done["decided"], done["failing"], done["applied"]) == (4, 3, 1, True)
    assert filled.line() == (9, 8, 0, 1)
    assert filled.events() == 8
    _, again = filled.run("replay", "--stream", "views")
    assert (again["matched"], again["decided"]) == (1, 0)
    assert "Nothing was changed" in filled.said("replay", "--all")
    assert filled.site.query("SELECT decision, contract_version FROM quarantine_decision") == [("replayed", 2)] * 3


def test_a_late_replay_of_a_repeat_counts_once(filled: Shop) -> None:
    """The sender sent the record again, and right, before it was replayed."""
    filled.declare("free", "paid", "trial")
    filled.site.send("shop", [view(5)])
    filled.site.work()
    filled.run("replay", "--all")
    assert filled.line() == (10, 8, 1, 1)
    assert filled.events() == 8


def test_records_without_a_contract_are_read_by_the_one_that_came(shop: Shop) -> None:
    shop.site.send("mall", [view(n) for n in range(3)])
    shop.site.work()
    shop.site.declare("contracts/mall/views.yaml", contract("free").replace("shop", "mall"))
    _, done = shop.run("replay", "--source", "mall", "--reason", "no_contract")
    assert done["decided"] == 3
    assert shop.site.query("SELECT DISTINCT state FROM quarantine") == [("fixed",)]
    [accepted] = [line.accepted for line in shop.site.status() if line.source == "mall"]
    assert accepted == 3


def test_a_fix_that_does_not_pass_says_why(filled: Shop, tmp_path: Path) -> None:
    id_ = _one(filled, "missing")
    file = tmp_path / "fixed.json"
    file.write_text(json.dumps(view(8, plan="gold")["payload"]))
    status, told = filled.run("fix", id_, "--file", str(file))
    assert (status, told["decided"]) == (1, 0)
    assert [(one["reason"], one["field"]) for one in told["failures"]] == [("not_allowed", "plan")]
    file.write_text(json.dumps(view(8)["payload"]))
    _, tried = filled.run("fix", id_, "--file", str(file), "--dry-run")
    assert (tried["passing"], tried["decided"]) == (1, 0)
    assert filled.run("fix", id_, "--file", str(file))[1]["decided"] == 1
    status, again = filled.run("fix", id_, "--file", str(file))
    assert (status, again["decided"], again["settled"]) == (0, 0, 1)
    assert filled.line() == (9, 6, 0, 3)


def test_what_is_dismissed_stays_counted_and_can_still_be_fixed(filled: Shop) -> None:
    id_ = _one(filled, "missing")
    assert filled.run("dismiss", id_, "--reason", "test data")[1]["decided"] == 1
    assert filled.run("dismiss", id_, "--reason", "test data")[1] == {
        "matched": 0, "passing": 0, "decided": 0, "underway": 0, "settled": 1, "failing": 0, "applied": True, "failures": [],
    }  # fmt: skip
    assert filled.run("dismiss", "--cause", "not_allowed", "--reason", "old plan")[1]["decided"] == 3
    assert filled.run("list") == (0, [])
    assert filled.line() == (9, 5, 0, 4)
    assert filled.run("fix", id_, "--set", "at=2026-01-10T09:00:00Z")[1]["decided"] == 1
    _, shown = filled.run("show", id_)
    assert [one["decision"] for one in shown["history"]] == ["dismissed", "fixed"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["replay"],
        ["replay", "--all", "--source", "shop"],
        ["replay", "--all", "--contract", "x.yaml"],
        ["dismiss", "--reason", "why"],
        ["dismiss", "--all", "--reason", " "],
        ["fix", "00000000-0000-0000-0000-000000000001"],
    ],
)
def test_what_was_not_meant_is_asked_back(shop: Shop, arguments: list[str]) -> None:
    status, told = shop.run(*arguments)
    assert status == 2
    assert told


def test_a_rebuild_comes_to_the_same(filled: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    filled.declare("free", "paid", "trial")
    filled.run("replay", "--all")
    filled.run("dismiss", "--all", "--reason", "no time known")
    history = filled.site.query("SELECT * FROM quarantine_decision ORDER BY id, decided_at")
    filled.site.fill_lake()
    capsys.readouterr()
    assert main(["rebuild", "analytics", "--from-lake", "--json", "--data-dir", str(filled.site.data_dir)]) == 0
    told: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert told["identical"] is True
    assert filled.site.query("SELECT * FROM quarantine_decision ORDER BY id, decided_at") == history
    assert len(history) == 4


def test_ten_thousand_bad_rows_fixed_and_replayed_twice(shop: Shop) -> None:
    for first in range(0, 10_000, 2000):
        shop.site.send("shop", [view(n, plan="trial") for n in range(first, first + 2000)])
    shop.site.send("shop", [view(n) for n in range(10_000, 10_100)])
    shop.site.work()
    assert (shop.line(), shop.events()) == ((10_100, 100, 0, 10_000), 100)
    shop.declare("free", "paid", "trial")
    _, done = shop.run("replay", "--source", "shop", "--stream", "views")
    assert (done["matched"], done["decided"], done["failing"], done["applied"]) == (10_000, 10_000, 0, True)
    assert (shop.line(), shop.events()) == ((10_100, 10_100, 0, 0), 10_100)
    lanes = shop.site.query("SELECT DISTINCT lane FROM quarantine_decision")
    assert lanes == [(int(Lane.BULK),)], "live records do not wait behind so many"
    _, again = shop.run("replay", "--source", "shop", "--stream", "views")
    assert (again["matched"], again["decided"]) == (0, 0)
    assert (shop.line(), shop.events()) == ((10_100, 10_100, 0, 0), 10_100)
    customers = shop.site.query(
        "SELECT sum(value)::bigint FROM cell JOIN series USING (series)"
        " WHERE metric = 'events' AND source = 'shop' GROUP BY ref ORDER BY 1"
    )
    assert sorted(n for (n,) in customers) == sorted(len(range(first, 10_100, 7)) for first in range(7))


def test_what_the_envelope_said_wins_over_the_payload_as_it_does_at_the_door(filled: Shop) -> None:
    """And so a replayed record and its repeat are one, of one customer."""
    spoken = {**view(20, plan="trial"), "id": "evt-20", "customer_id": "c-envelope"}
    filled.site.send("shop", [spoken])
    filled.site.work()
    filled.declare("free", "paid", "trial")
    filled.run("replay", "--all")
    filled.site.send("shop", [spoken, {**view(21), "customer_id": "c-envelope"}])
    filled.site.work()
    received, accepted, duplicate, quarantined = filled.line()
    assert (received, accepted, duplicate, quarantined) == (12, 10, 1, 1)
    sizes = filled.site.query(
        "SELECT sum(value)::int FROM cell JOIN series USING (series) WHERE metric = 'events' AND source = 'shop' GROUP BY ref"
    )
    assert max(n for (n,) in sizes) == 2, "both lie with one customer"


def test_an_identity_that_the_new_contract_looks_for_elsewhere_is_found_there(shop: Shop) -> None:
    shop.site.send("shop", [view(n, plan="trial", event_id=f"real-{n}", id="same") for n in range(3)])
    shop.site.work()
    moved = contract("trial").replace("{name: id,", "{name: id, physicalName: event_id,")
    shop.site.declare("contracts/shop/views.yaml", moved)
    assert shop.run("replay", "--all")[1]["decided"] == 3
    assert (shop.line(), shop.events()) == ((3, 3, 0, 0), 3)


def test_a_corrected_identity_wins_over_the_envelope(filled: Shop) -> None:
    filled.site.send("shop", [{**view(20, at=None), "customer_id": "wrong"}, {**view(21), "customer_id": "right"}])
    filled.site.work()
    id_ = str(filled.site.query("SELECT id FROM quarantine WHERE reason = 'missing' ORDER BY received_at DESC")[0][0])
    assert filled.run("fix", id_, "--set", "customer=right", "--set", "at=2026-01-10T09:00:00Z")[1]["decided"] == 1
    [(most,)] = filled.site.query(
        "SELECT max(n) FROM (SELECT sum(value)::int AS n FROM cell JOIN series USING (series)"
        " WHERE metric = 'events' AND source = 'shop' GROUP BY ref) AS one"
    )
    assert most == 2


def test_a_record_that_the_door_cannot_place_stops_no_other(shop: Shop) -> None:
    nested = contract("free", "trial").replace(
        "        customProperties: [{property: pii, value: identifier}]",
        "        customProperties: [{property: pii, value: identifier}, {property: path, value: [who, id]}]",
    )
    shop.site.declare("contracts/shop/views.yaml", nested.replace("{value: trial}", "{value: other}"))
    twice = msgspec.Raw(b'{"id":"v1","at":"2026-01-10T09:01:00Z","plan":"trial","who":{"id":"c1","id":null}}')
    with shop.site.runtime() as runtime, runtime.door as door:
        door.submit(Delivery(source="shop", body=msgspec.json.encode([{"stream": "views", "payload": twice}])))
    shop.site.send("shop", [{"stream": "views", "payload": {**view(2, plan="trial")["payload"], "who": {"id": "c2"}}}])
    shop.site.work()
    shop.site.declare("contracts/shop/views.yaml", nested)
    _, done = shop.run("replay", "--all")
    assert (done["matched"], done["decided"]) == (2, 1)
    assert [(one["reason"], one["count"]) for one in done["failures"]] == [("no_partition_key", 1)]


def test_of_two_decisions_about_a_record_the_second_waits_for_the_first(
    filled: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    """They lie in two partitions: which came first would be lost, and a rebuild would come to something else."""
    id_ = uuid.UUID(_one(filled, "missing"))
    payloads = [json.dumps(view(8, customer=customer)["payload"]).encode() for customer in ("c1", "c4")]
    with filled.site.runtime() as runtime, runtime.door:
        first, second = (runtime.quarantine.fix(id_, payload, Author("test")) for payload in payloads)
    assert (first.decided, first.underway, second.decided, second.underway) == (1, 0, 0, 1)
    filled.site.work()
    filled.site.fill_lake()
    capsys.readouterr()
    assert main(["rebuild", "analytics", "--from-lake", "--json", "--data-dir", str(filled.site.data_dir)]) == 0
    # Once it is in effect there is room for the next.
    assert filled.run("fix", str(id_), "--set", "customer=c4")[1]["settled"] == 1


@pytest.mark.parametrize("meanwhile", ["fix", "dismiss"])
def test_of_what_was_decided_between_reading_and_claiming_it_nothing_is_decided_again(
    filled: Shop, monkeypatch: pytest.MonkeyPatch, meanwhile: str
) -> None:
    """Two decisions in the log, of two partitions: a rebuild could take the other one for the first."""
    id_ = uuid.UUID(_one(filled, "not_allowed"))
    filled.declare("free", "paid", "trial")
    whole = Claims.take

    def late(self: Claims, *arguments: Any) -> Claim:
        monkeypatch.setattr(Claims, "take", whole)
        with filled.site.runtime() as other, other.door:
            if meanwhile == "fix":
                payload = json.dumps(view(7, customer="c1")["payload"]).encode()
                assert other.quarantine.fix(id_, payload, Author("other")).decided == 1
            else:
                assert other.quarantine.dismiss(QuarantineSelection(ids=(id_,)), Author("other", "no")).decided == 1
        filled.site.work()
        return whole(self, *arguments)

    monkeypatch.setattr(Claims, "take", late)
    with filled.site.runtime() as runtime, runtime.door:
        outcome = runtime.quarantine.replay(QuarantineSelection(source="shop", reason="not_allowed"), Author("test"))
    assert (outcome.matched, outcome.decided, outcome.underway, outcome.settled) == (3, 2, 0, 1)
    filled.site.work()
    states = dict(filled.site.query("SELECT state, count(*)::int FROM quarantine GROUP BY 1"))
    assert states == (
        {"quarantined": 1, "fixed": 3} if meanwhile == "fix" else {"quarantined": 1, "fixed": 2, "dismissed": 1}
    )
    assert filled.site.query("SELECT count(*)::int FROM quarantine_decision") == [(3,)]


def test_a_decision_that_did_not_come_into_the_log_is_not_waited_for(
    filled: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    id_ = uuid.UUID(_one(filled, "missing"))

    def full(*_: object) -> None:
        raise StorageFullError("No room.", retry_after=1)

    payload = json.dumps(view(8)["payload"]).encode()
    with filled.site.runtime() as runtime, runtime.door:
        with monkeypatch.context() as patched:
            patched.setattr(Decisions, "decide", full)
            with pytest.raises(StorageFullError):
                runtime.quarantine.fix(id_, payload, Author("test"))
        assert runtime.quarantine.fix(id_, payload, Author("test")).decided == 1


def test_large_records_are_decided_a_few_at_a_time(filled: Shop) -> None:
    filled.site.send("shop", [view(20 + n, plan="trial", note="x" * 900) for n in range(20)])
    filled.site.send("shop", [view(50, plan="trial", note="x" * 20_000)])
    filled.site.work()
    sizes, last = [], uuid.UUID(int=0)
    with filled.site.runtime() as runtime, runtime.database.autocommit() as conn:
        while page := read_page(conn, QuarantineSelection(), following=last, limit=10, most_bytes=8_000):
            sizes.append([len(entry.sealed) for entry in page])
            last = page[-1].id
    assert sum(map(len, sizes)) == 25
    assert all(len(page) <= 10 and (len(page) == 1 or sum(page) <= 8_000) for page in sizes)
    assert max(map(len, sizes)) > 3
    filled.declare("free", "paid", "trial")
    assert filled.run("replay", "--all")[1]["decided"] == 24


def test_values_set_by_hand_keep_every_digit(filled: Shop) -> None:
    id_ = _one(filled, "missing")
    changes = ["amount=12345678901234567.123456789", "size=1.50", "note=NaN", "gone=null", "at=2026-01-10T09:00:00Z"]
    assert filled.run("fix", id_, *(part for change in changes for part in ("--set", change)))[1]["decided"] == 1
    filled.site.fill_lake()
    with filled.site.runtime() as runtime:
        [(payload,)] = [
            (batch.records.column("payload")[row].as_py(),)
            for partition in range(4)
            for batch in runtime.log.read(1, partition, Lane.LIVE, 0, max_records=1000, max_bytes=1 << 20)
            for row, stream in enumerate(batch.records.column("stream").to_pylist())
            if stream == "decisions" and b"12345678901234567" in batch.records.column("payload")[row].as_py()
        ]
    assert b'"amount":12345678901234567.123456789' in payload
    assert b'"size":1.50' in payload
    assert b'"note":"NaN"' in payload
    assert b'"gone"' not in payload
