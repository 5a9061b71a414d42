from __future__ import annotations

import threading

import pytest

from mainstem.runtime.service import Loop, Part, Role, Service
from mainstem.runtime.signals import StopSignals


class Recorder:
    """A service that notes what is done to it."""

    def __init__(self, name: str, notes: list[str]) -> None:
        self.name = name
        self.failure: BaseException | None = None
        self._notes = notes

    def start(self) -> None:
        self._notes.append(f"start {self.name}")

    def stop(self) -> None:
        self._notes.append(f"stop {self.name}")


def test_services_start_in_order_and_stop_in_reverse() -> None:
    notes: list[str] = []
    stop = StopSignals()

    def ready() -> None:
        notes.append("ready")
        stop.request()

    Role("role", [Recorder("a", notes), Recorder("b", notes)]).run(stop, ready=ready)
    assert notes == ["start a", "start b", "ready", "stop b", "stop a"]


def test_a_service_that_does_not_start_stops_those_that_did() -> None:
    notes: list[str] = []

    def refuse() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        Role("role", [Recorder("a", notes), Part("b", start=refuse)]).run(StopSignals(), ready=lambda: None)
    assert notes == ["start a", "stop a"]


def test_a_thread_that_dies_takes_its_role_with_it() -> None:
    notes: list[str] = []

    def work(_stopping: threading.Event) -> None:
        raise ValueError("the thread's own error")

    with pytest.raises(ValueError, match="the thread's own error"):
        Role("role", [Recorder("a", notes), Loop("loop", work)]).run(StopSignals(), ready=lambda: None)
    assert notes == ["start a", "stop a"]


def test_a_thread_that_ends_without_being_asked_has_died() -> None:
    with pytest.raises(RuntimeError, match="loop ended without being asked to"):
        Role("role", [Loop("loop", lambda _stopping: None)]).run(StopSignals(), ready=lambda: None)


def test_a_service_that_does_not_stop_in_order_does_not_keep_the_others_from_it() -> None:
    notes: list[str] = []
    stop = StopSignals()

    def fail() -> None:
        raise ValueError("no")

    Role("role", [Recorder("a", notes), Part("b", stop=fail)]).run(stop, ready=stop.request)
    assert notes == ["start a", "stop a"]


def test_a_role_that_is_asked_to_stop_while_it_starts_never_says_that_it_is_ready() -> None:
    notes: list[str] = []
    stop = StopSignals()
    parts: list[Service] = [Part("a", start=stop.request, stop=lambda: notes.append("stop a")), Recorder("b", notes)]
    Role("role", parts).run(stop, ready=lambda: notes.append("ready"))
    assert notes == ["stop a"]


def test_a_request_wakes_whoever_waits_and_a_second_one_hurries() -> None:
    stop = StopSignals()
    timer = threading.Timer(0.01, stop.request)
    timer.start()
    stop.wait(None)
    timer.join()
    assert stop.requested
    assert not stop.hurried
    stop.request()
    assert stop.hurried
