"""A role is a list of services, started in order and stopped in reverse, that live and die together.

A service whose thread dies takes its role with it: the process ends with an error and the supervisor starts it again,
which is simpler and surer than mending half a role.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Protocol

import structlog

from mainstem.runtime.signals import StopSignals

__all__ = ["Loop", "Part", "Role", "Service"]

_LOOK_SECONDS = 0.2
_log = structlog.get_logger()


class Service(Protocol):
    """One thing that runs. `start` returns when it works, `stop` when it has finished what it had in hand.

    A service with threads has their first exception in `failure`; None as long as all is well.
    """

    @property
    def name(self) -> str:
        """For logs; bounded."""
        ...

    @property
    def failure(self) -> BaseException | None:
        """What it died of."""
        ...

    def start(self) -> None:
        """Begin. Called once; raises when it cannot."""
        ...

    def stop(self) -> None:
        """End. Called once after a `start` that returned, also when it has failed."""
        ...


class Part:
    """A service made of something that has `start` and `stop` already, or only one of them."""

    def __init__(
        self, name: str, *, start: Callable[[], object] | None = None, stop: Callable[[], object] | None = None
    ) -> None:
        self.name = name
        self.failure: BaseException | None = None
        self._start = start
        self._stop = stop

    def start(self) -> None:
        if self._start is not None:
            self._start()

    def stop(self) -> None:
        if self._stop is not None:
            self._stop()


class Loop:
    """A service that is one thread: `run` works until the event it is given is set, then returns."""

    def __init__(self, name: str, run: Callable[[threading.Event], None]) -> None:
        self.name = name
        self.failure: BaseException | None = None
        self._run = run
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._guarded, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()

    def _guarded(self) -> None:
        try:
            self._run(self._stopping)
        except BaseException as error:  # noqa: BLE001 - whatever it was, the role has to hear of it
            self.failure = error
            return
        if not self._stopping.is_set():
            self.failure = RuntimeError(f"{self.name} ended without being asked to")


class Role:
    """The services of one process."""

    def __init__(self, name: str, services: Sequence[Service]) -> None:
        self.name = name
        self._services = services

    def run(self, stop: StopSignals, *, ready: Callable[[], None]) -> None:
        """Start all, call `ready`, wait for `stop`, stop all. Raises what a service died of, when one did."""
        started: list[Service] = []
        failure: BaseException | None = None
        try:
            for service in self._services:
                if stop.requested:
                    break
                service.start()
                started.append(service)
            else:
                _log.info("role_ready", role=self.name)
                ready()
            failure = self._wait(started, stop)
        finally:
            self._stop(started)
        if failure is not None:
            raise failure

    def _wait(self, services: Sequence[Service], stop: StopSignals) -> BaseException | None:
        while not stop.requested:
            for service in services:
                if service.failure is not None:
                    _log.error("service_failed", role=self.name, service=service.name, exc_info=service.failure)
                    return service.failure
            stop.wait(_LOOK_SECONDS)
        return None

    def _stop(self, started: Sequence[Service]) -> None:
        for service in reversed(started):
            try:
                service.stop()
            except Exception:  # noqa: BLE001 - the others have things in hand too
                _log.exception("service_stop_failed", role=self.name, service=service.name)
        _log.info("role_stopped", role=self.name)
