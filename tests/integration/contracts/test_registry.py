from __future__ import annotations

import dataclasses
import threading
from concurrent.futures import ThreadPoolExecutor, wait

import pytest

from mainstem.contracts import ANY_SOURCE, Registry, builtin_contracts
from mainstem.errors import ConfigurationError, NotFoundError, UnavailableError
from mainstem.store import Database
from mainstem.testing import FixedClock

TEXT = """
apiVersion: v3.2.0
kind: DataContract
id: test
version: 1.0.0
schema:
  - name: {stream}
    customProperties:
      - {{property: source, value: "{source}"}}
      - {{property: partitionKey, value: customer}}
      - {{property: occurredAt, value: at}}
      - {{property: grace, value: {grace}h}}
      - property: mapping
        value: {{entity: usage_event, attributes: {{customer_id: customer, event: event, occurred_at: at}}}}
    properties:
      - {{name: customer, logicalType: string, required: true}}
      - {{name: event, logicalType: string, required: true}}
      - {{name: at, logicalType: timestamp, required: true}}
"""


def _text(grace: int, *, source: str = "shop", stream: str = "clicks") -> str:
    return TEXT.format(grace=grace, source=source, stream=stream)


class Seconds:
    """A monotonic clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_nothing_is_active_at_first(database: Database) -> None:
    registry = Registry(database)
    assert registry.active("shop", "clicks") is None
    with pytest.raises(NotFoundError, match="version 1"):
        registry.at("shop", "clicks", 1)


def test_versions_rise_with_each_new_text_and_stay(database: Database, clock: FixedClock) -> None:
    registry = Registry(database)
    first, changed = registry.activate(_text(1), clock.wall())
    assert (first.version, changed) == (1, True)
    assert registry.active("shop", "clicks") == first
    again, changed = registry.activate(_text(1), clock.wall())
    assert (again, changed) == (first, False)
    second, changed = registry.activate(_text(2), clock.wall())
    assert (second.version, changed) == (2, True)
    back, changed = registry.activate(_text(1), clock.wall())
    assert (back.version, changed, back.fingerprint) == (3, True, first.fingerprint)
    for version, contract in ((1, first), (2, second), (3, back)):
        assert Registry(database).at("shop", "clicks", version) == contract
    assert registry.versions("shop", "clicks") == [first, second, back]
    assert registry.active("other", "clicks") is None


def test_a_text_made_from_a_version_that_is_no_longer_in_force_takes_nothing_back(
    database: Database, clock: FixedClock
) -> None:
    registry = Registry(database)
    registry.activate(_text(1), clock.wall())
    assert registry.activate(_text(2), clock.wall(), follows=1)[0].version == 2
    with pytest.raises(ConfigurationError, match="another version"):
        registry.activate(_text(3), clock.wall(), follows=1)
    assert registry.activate(_text(2), clock.wall(), follows=1) == (registry.active("shop", "clicks"), False)
    shared = _text(1, source=ANY_SOURCE, stream="views")
    assert registry.activate(shared, clock.wall())[0].version == 1
    assert registry.activate(_text(2, stream="views"), clock.wall(), follows=1)[0].version == 2
    with pytest.raises(ConfigurationError, match="another version"):
        registry.activate(_text(3, stream="views"), clock.wall(), follows=1)


def test_a_text_that_is_no_contract_changes_nothing(database: Database, clock: FixedClock) -> None:
    registry = Registry(database)
    registry.activate(_text(1), clock.wall())
    with pytest.raises(ConfigurationError, match=r"^clicks\.yaml: schema"):
        registry.activate(_text(1).replace("partitionKey", "partionKey"), clock.wall(), where="clicks.yaml")
    assert [contract.version for contract in registry.versions("shop", "clicks")] == [1]


def test_a_contract_for_any_source_gives_way_to_the_streams_own(database: Database, clock: FixedClock) -> None:
    registry = Registry(database)
    shared, _ = registry.activate(_text(1, source=ANY_SOURCE), clock.wall())
    assert registry.active("shop", "clicks") == shared
    own, _ = registry.activate(_text(1), clock.wall())
    assert registry.active("shop", "clicks") == own
    assert registry.active("other", "clicks") == shared


def test_a_number_names_one_text_whichever_was_in_force(database: Database, clock: FixedClock) -> None:
    registry = Registry(database)
    texts = [_text(1, source=ANY_SOURCE), _text(1), _text(2, source=ANY_SOURCE), _text(2), _text(1, source="other")]
    activated = [registry.activate(text, clock.wall())[0] for text in texts]
    assert [contract.version for contract in activated] == [1, 2, 3, 4, 4]
    for contract in activated[:4]:
        assert registry.at("shop", "clicks", contract.version) == contract


def test_another_process_sees_it_soon_and_this_one_at_once(database: Database, clock: FixedClock) -> None:
    seconds = Seconds()
    here, there = Registry(database, monotonic=seconds), Registry(database, monotonic=seconds)
    assert there.active("shop", "clicks") is None
    here.activate(_text(1), clock.wall())
    first = here.active("shop", "clicks")
    assert first is not None
    seconds.now += 1.9
    assert there.active("shop", "clicks") is None
    seconds.now += 0.2
    assert there.active("shop", "clicks") == first
    second, _ = here.activate(_text(2), clock.wall())
    assert there.active("shop", "clicks") == first
    there.refresh()
    assert there.active("shop", "clicks") == second


def test_known_contracts_stay_in_force_while_the_database_is_away(database: Database, clock: FixedClock) -> None:
    seconds = Seconds()
    registry = Registry(database, monotonic=seconds)
    contract, _ = registry.activate(_text(1), clock.wall())
    assert registry.active("shop", "clicks") == contract
    away = Registry(Database("host=/nowhere user=nobody dbname=nothing connect_timeout=1"), monotonic=seconds)
    with pytest.raises(UnavailableError):
        away.active("shop", "clicks")
    registry._database = away._database
    seconds.now += 10
    assert registry.active("shop", "clicks") == contract
    with pytest.raises(UnavailableError):
        registry.refresh()


def test_builtins_are_activated_once(database: Database, clock: FixedClock) -> None:
    registry = Registry(database)
    (activated,) = registry.ensure_builtins(clock.wall())
    assert activated == dataclasses.replace(builtin_contracts()["usage_events"], version=1)
    assert registry.ensure_builtins(clock.wall()) == []
    assert registry.active("anything", "usage_events") == activated
    assert registry.at("anything", "usage_events", 1) == activated


def test_a_builtin_is_replaced_for_a_source_only(database: Database, clock: FixedClock) -> None:
    registry = Registry(database)
    registry.ensure_builtins(clock.wall())
    with pytest.raises(ConfigurationError, match="Name the source"):
        registry.activate(_text(1, source=ANY_SOURCE, stream="usage_events"), clock.wall())
    own, _ = registry.activate(_text(1, stream="usage_events"), clock.wall())
    assert own.version == 2
    assert registry.active("shop", "usage_events") == own


def test_a_builtin_of_an_older_release_is_replaced(database: Database, clock: FixedClock) -> None:
    registry = Registry(database)
    older = builtin_contracts()["usage_events"].text.replace("1.0.0", "0.9.0")
    registry.restore(older, 1, clock.wall())
    (activated,) = registry.ensure_builtins(clock.wall())
    assert activated.version == 2
    assert registry.at("any", "usage_events", 1).text == older


def test_restored_versions_keep_their_numbers(database: Database, clock: FixedClock) -> None:
    registry = Registry(database)
    registry.restore(_text(2), 7, clock.wall())
    registry.restore(_text(1), 3, clock.wall())
    registry.restore(_text(9), 7, clock.wall())
    active = registry.active("shop", "clicks")
    assert active is not None
    assert (active.version, active.text) == (7, _text(2))
    assert registry.at("shop", "clicks", 3).text == _text(1)


def test_many_at_once_agree(database: Database, clock: FixedClock) -> None:
    registries = [Registry(database) for _ in range(4)]
    texts = [_text(grace) for grace in range(1, 7)]
    with ThreadPoolExecutor(4) as pool:
        done = list(
            pool.map(lambda n: registries[n % 4].activate(texts[n % 6], clock.wall()), range(24)),
        )
    versions = registries[0].versions("shop", "clicks")
    assert [contract.version for contract in versions] == list(range(1, len(versions) + 1))
    by_version = {contract.version: contract for contract in versions}
    assert all(by_version[contract.version] == contract for contract, _ in done)
    assert sum(changed for _, changed in done) == len(versions)
    for registry in registries:
        registry.refresh()
        assert registry.active("shop", "clicks") == versions[-1]


def test_checks_that_duckdb_does_not_take_do_not_come_into_force(
    database: Database, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mainstem.contracts._limits.portable_pattern", lambda pattern: pattern)
    registry = Registry(database)
    text = _text(1).rstrip() + "\n      - {name: plan, logicalType: string, logicalTypeOptions: {pattern: '[z-a]'}}\n"
    with pytest.raises(
        ConfigurationError, match=r"^c.yaml: DuckDB does not take the contract's checks.*invalid.*range"
    ):
        registry.activate(text, clock.wall(), where="c.yaml")
    assert registry.active("shop", "clicks") is None


def test_nobody_goes_on_before_the_first_answer(
    database: Database, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that starts under traffic would take streams for ones without a contract."""
    Registry(database).ensure_builtins(clock.wall())
    asked, answer = threading.Event(), threading.Event()
    registry = Registry(database)
    refresh = registry.refresh

    def slow() -> None:
        asked.set()
        assert answer.wait(30)
        refresh()

    monkeypatch.setattr(registry, "refresh", slow)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(registry.active, "shop", "usage_events")
        assert asked.wait(30)
        second = pool.submit(registry.active, "shop", "usage_events")
        early = wait([second], timeout=0.2).done
        answer.set()
        assert not early
        assert first.result(30) is not None
        assert second.result(30) == first.result()
