"""Two systems' records through the door, and what an agreement makes of them."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from mainstem.quality import Dimension, QualityQuery, wilson
from mainstem.quality.agreements import desk, evaluate_now, evaluation, read_differences, read_runs
from mainstem.quality.measurements import read_measurements

HOUR = dt.timedelta(hours=1)
PERSONAL = "logicalType: string, customProperties: [{{property: pii, value: {}}}]"


def test_values_are_compared_in_their_ways(systems: Any) -> None:
    systems.send("crm", [systems.account(n) for n in range(1, 6)])
    systems.send(
        "billing",
        [
            systems.customer(1),
            systems.customer(2, title="Another name", tier="professional"),
            systems.customer(3, places=4, paid=1010.2),
            systems.customer(4, begun="2025-03-04", tier=None),
            systems.customer(5, paid=1010.1),
        ],
    )
    systems.declare()
    found = systems.evaluate()
    counts = {one.left: (one.agreeing, one.differing, one.missing_left, one.missing_right) for one in found.compared}
    assert counts == {
        "name": (4, 1, 0, 0),
        "plan": (3, 1, 0, 1),
        "seats": (4, 1, 0, 0),
        # 10.1 of 1010.1 is no more than one percent, 10.2 of 1010.2 is.
        "revenue": (4, 1, 0, 0),
        "started_at": (4, 1, 0, 0),
    }
    assert (found.agreeing, found.n, found.left.matched, found.right.matched) == (2, 5, 5, 5)
    told = {(one.comparison, one.kind): (one.left, one.left_value, one.right_value) for one in found.differences}
    # Names are personal: which entities differ is told, and not in what.
    assert told == {
        (0, "differing"): (systems.ref("crm", "A2"), None, None),
        (1, "differing"): (systems.ref("crm", "A2"), "ent", "professional"),
        (1, "missing_right"): (systems.ref("crm", "A4"), "ent", None),
        (2, "differing"): (systems.ref("crm", "A3"), "3", "4"),
        (3, "differing"): (systems.ref("crm", "A3"), "1000", "1010.2"),
        (4, "differing"): (systems.ref("crm", "A4"), "2025-03-01T18:00:00.000000Z", "2025-03-04"),
    }


def test_each_entity_of_a_side_is_in_one_place(systems: Any) -> None:
    systems.send(
        "crm",
        [
            *(systems.account(n) for n in range(1, 5)),
            systems.account(5, mail=None),
            # Two of one address beside one; two of one address beside none.
            systems.account(6, mail="c7@example.org"),
            systems.account(7),
            systems.account(8, mail="twice@example.org"),
            systems.account(9, mail="twice@example.org"),
        ],
    )
    systems.send(
        "billing",
        [
            systems.customer(1),
            systems.customer(2),
            systems.customer(7),
            systems.customer(20),
            systems.customer(21, contact=" "),
        ],
    )
    systems.declare()
    found = systems.evaluate()
    left, right = found.left, found.right
    assert (left.total, left.matched, left.only, left.ambiguous, left.unkeyed, left.unsettled) == (9, 2, 4, 2, 1, 0)
    assert (right.total, right.matched, right.only, right.ambiguous, right.unkeyed, right.unsettled) == (
        5,
        2,
        1,
        1,
        1,
        0,
    )
    assert found.ambiguous == 1
    alone = [(one.kind, one.left or one.right) for one in found.differences if one.comparison is None]
    assert {ref for kind, ref in alone if kind == "only_left"} == {
        systems.ref("crm", name) for name in ("A3", "A4", "A8", "A9")
    }
    assert ("only_right", systems.ref("billing", "20")) in alone
    [ambiguous] = [one for one in found.differences if one.kind == "ambiguous"]
    assert ambiguous.left in {systems.ref("crm", "A6"), systems.ref("crm", "A7")}
    assert ambiguous.right == systems.ref("billing", "7")


def test_a_system_that_lags_is_not_wrong_yet(systems: Any, agreement_text: str) -> None:
    systems.send("crm", [systems.account(1), systems.account(2)])
    systems.send("billing", [systems.customer(1)])
    systems.declare(agreement_text + "settle: 1h\n")
    found = systems.evaluate(later=2 * HOUR)
    assert (found.left.matched, found.left.only, found.left.unsettled) == (1, 1, 0)
    # Said again it is not new: what counts is when the content came.
    systems.send("billing", [systems.customer(1)], observed_at=(dt.datetime.now(dt.UTC) + 2 * HOUR).isoformat())
    assert systems.evaluate(later=2 * HOUR).left.matched == 1
    systems.send("crm", [systems.account(1, plan="pro", rev=2)])
    young = systems.evaluate(later=HOUR / 2)
    assert (young.left.matched, young.left.only, young.left.unsettled, young.right.unsettled) == (0, 0, 2, 1)
    assert (young.n, young.differences) == (0, [])
    old = systems.evaluate(later=2 * HOUR)
    assert [(one.kind, one.left_value) for one in old.differences if one.comparison == 1] == [("differing", "pro")]


def test_an_own_key_beside_an_attribute_and_what_is_deleted(systems: Any, agreement_text: str) -> None:
    text = agreement_text.replace("{left: mail, right: contact}", "{left: key, right: crm_id}")
    systems.send("crm", [systems.account(1), systems.account(2), systems.account(3)])
    systems.send("billing", [systems.customer(1), systems.customer(2), systems.customer(30)])
    systems.send("crm", [{"id": "A2", "rev": 3}], op="delete")
    systems.declare(text)
    found = systems.evaluate()
    assert (found.left.total, found.left.matched, found.left.only, found.right.only) == (2, 1, 1, 2)


def test_fields_beside_a_truth_are_accurate_and_beside_another_consistent(systems: Any, agreement_text: str) -> None:
    systems.send("crm", [systems.account(n, seats=0 if n == 3 else n) for n in range(1, 11)])
    systems.send("billing", [systems.customer(n) for n in range(1, 11)])
    systems.declare()
    evaluation = systems.evaluate()
    day = evaluation.at.date()
    with systems.site.runtime() as runtime, runtime.database.snapshot() as conn:
        measured = {(one.source, one.field): one for one in read_measurements(conn, QualityQuery(day, day))}
        runs = read_runs(conn, day, day)["crm_and_billing"]
        assert read_differences(conn, "crm_and_billing", 1, kind="differing", limit=1)[0] == 1
    # The truth itself is measured by nothing.
    assert {source for source, _ in measured} == {"crm"}
    seats = measured["crm", "seats"]
    assert (seats.dimension, seats.good, seats.n, seats.name) == (Dimension.ACCURACY, 9, 10, "crm_and_billing")
    assert seats.interval == wilson(9, 10)
    assert (measured["crm", ""].good, measured["crm", ""].n) == (9, 10)
    assert [(one.n, one.agreeing, one.version) for one in runs] == [(10, 9, 1)]

    systems.declare(agreement_text.replace("truth: right", "truth: neither"))
    systems.evaluate(later=dt.timedelta(seconds=1))
    with systems.site.runtime() as runtime, runtime.database.snapshot() as conn:
        found = read_measurements(conn, QualityQuery(day, day))
    assert {(one.source, one.dimension) for one in found} == {
        ("crm", Dimension.CONSISTENCY), ("billing", Dimension.CONSISTENCY)
    }  # fmt: skip


def test_values_that_came_while_their_class_was_another_are_found(systems: Any, crm_text: str) -> None:
    systems.send("crm", [systems.account(n, plan="pro" if n == 3 else "ent") for n in range(1, 4)])
    systems.send("billing", [systems.customer(n) for n in range(1, 4)])
    systems.declare()
    before = systems.evaluate()
    assert [(one.agreeing, one.differing) for one in before.compared][:3] == [(3, 0), (2, 1), (3, 0)]

    # The plan is personal from now on, and what they match by and the name are not any more.
    text = crm_text.replace("version: 1.0.0", "version: 2.0.0").replace(
        "{name: plan, logicalType: string}", f"{{name: plan, {PERSONAL.format('name')}}}"
    )
    for name, pii in (("name", "name"), ("mail", "email")):
        sealed = f"{{name: {name}, {PERSONAL.format(pii)}}}"
        assert sealed in text
        text = text.replace(sealed, f"{{name: {name}, logicalType: string}}")
    systems.site.declare("contracts/crm.yaml", text)
    # One of them comes again, under the contract in force.
    systems.send("crm", [systems.account(2, rev=2)])
    found = systems.evaluate()
    assert (found.left.matched, found.left.unkeyed) == (3, 0)
    assert found.compared == before.compared
    # What was sealed once is shown no more than what is sealed now, nor written in the clear.
    told = {(one.comparison, one.left): (one.left_value, one.right_value) for one in found.differences}
    assert told == {(1, systems.ref("crm", "A3")): (None, None)}


def test_the_snapshot_is_over_when_the_comparing_begins(systems: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    systems.send("crm", [systems.account(1)])
    systems.send("billing", [systems.customer(1)])
    systems.declare()
    held = []
    compare = evaluation._compared
    with systems.site.runtime() as runtime:

        def watched(*given: Any) -> Any:
            with runtime.database.autocommit() as conn:
                # Of other backends: this one's own query holds a snapshot for as long as it runs.
                held.extend(
                    conn.execute(
                        "SELECT query FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
                        " AND backend_type = 'client backend' AND (backend_xmin IS NOT NULL OR xact_start IS NOT NULL)"
                    )
                )
            return compare(*given)

        monkeypatch.setattr(evaluation, "_compared", watched)
        [one] = runtime.agreements()
        assert evaluate_now(runtime.agreement_parts, one, runtime.clock.wall()).left.matched == 1
    assert held == []


def test_personal_numbers_that_need_not_be_equal_keep_to_memory(
    systems: Any, agreement_text: str, crm_text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = []
    opened = desk.open_desk

    def watched(what: str, folder: Any, hasher: Any) -> Any:
        folders.append(folder)
        return opened(what, folder, hasher)

    monkeypatch.setattr("mainstem.quality.agreements.evaluation.open_desk", watched)
    text = crm_text.replace(
        "{name: seats, logicalType: integer}",
        "{name: seats, logicalType: integer, customProperties: [{property: pii, value: name}]}",
    )
    systems.site.declare("contracts/crm.yaml", text.replace("version: 1.0.0", "version: 2.0.0"))
    systems.send("crm", [systems.account(1), systems.account(2)])
    systems.send("billing", [systems.customer(1), systems.customer(2, places=3)])
    for tolerance, agreeing, written in (("", 1, True), (", tolerance: 1", 2, False)):
        systems.declare(agreement_text.replace("as: number}", f"as: number{tolerance}}}", 1))
        found = systems.evaluate()
        assert found.compared[2].agreeing == agreeing
        assert (folders[-1] is not None) is written
        assert all(one.left_value is None for one in found.differences if one.comparison == 2)
