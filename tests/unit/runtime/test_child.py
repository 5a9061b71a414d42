from __future__ import annotations

import time

import pytest

from mainstem.runtime.child import Backoff
from mainstem.runtime.settings import RuntimeSettings


def test_the_pause_doubles_with_each_death_in_a_row_up_to_the_longest(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    backoff = Backoff(RuntimeSettings(restart_first=1, restart_longest=5, restart_steady=60))
    assert backoff.pause is None
    pauses = []
    for _ in range(5):
        backoff.started()
        assert backoff.pause is None
        now += 1
        pauses.append(backoff.died())
        now += 0.5
        assert backoff.died() == pauses[-1] - 0.5, "saying it again changes nothing"
        now += 60
        assert backoff.pause == 0
    assert pauses == [1, 2, 4, 5, 5]


def test_a_steady_run_makes_it_start_from_the_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    backoff = Backoff(RuntimeSettings(restart_first=1, restart_longest=5, restart_steady=60))
    for _ in range(3):
        backoff.started()
        backoff.died()
    backoff.started()
    now += 60
    assert backoff.died() == 1
