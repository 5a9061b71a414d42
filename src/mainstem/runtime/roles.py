"""What each role is made of, and how its process runs."""

from __future__ import annotations

import functools
import gc
import os
import sys
import threading
from collections.abc import Callable, Sequence

import structlog

from mainstem.errors import RetryableError
from mainstem.runtime.config import LoadedConfig
from mainstem.runtime.listening import address_of, listen
from mainstem.runtime.logs import configure_logging
from mainstem.runtime.service import Loop, Part, Role, Service
from mainstem.runtime.signals import StopSignals
from mainstem.runtime.watch import notify_ready, watch_supervisor
from mainstem.runtime.wiring import Runtime

__all__ = [
    "clock_follower",
    "keep_services",
    "run_jobs",
    "run_role",
    "schedule_services",
    "serve_services",
    "work_services",
]

_CLOCK_SECONDS = 1.0
# Python's own 5 ms is how long the door's committer waits each time it comes back from the disk, the compressor or
# Arrow, as long as the event loop has work; and all clients wait for the committer.
_SWITCH_SECONDS = 0.0005
_log = structlog.get_logger()


def run_role(name: str, loaded: LoadedConfig, services: Callable[[Runtime], Sequence[Service]]) -> None:
    """Be a role until a signal, or the end of the supervisor, asks for the end. Called in the main thread.

    Raises what a service died of, and as `Runtime.open`.
    """
    os.umask(0o077)
    configure_logging(loaded.config.runtime, name)
    with StopSignals() as stop:
        watch_supervisor(stop.request)
        with Runtime.open(loaded) as runtime:
            Role(name, services(runtime)).run(stop, ready=_ready)


def _ready() -> None:
    # What a role is made of stays: nobody is to wait while all of it is looked at for garbage.
    gc.freeze()
    notify_ready()


def serve_services(runtime: Runtime) -> Sequence[Service]:
    """The API and the dashboard."""
    from mainstem.runtime.http import HttpServer
    from mainstem.runtime.web import application

    sys.setswitchinterval(_SWITCH_SECONDS)
    settings = runtime.config.runtime
    door = runtime.door
    listening = listen(settings)
    _log.info("listening", url=address_of(listening, settings.host))
    return [
        clock_follower(runtime),
        Part("door", start=door.start, stop=door.stop),
        HttpServer(application(runtime), listening, drain_seconds=settings.drain_seconds),
    ]


def work_services(runtime: Runtime) -> Sequence[Service]:
    """What brings the log into effect."""
    worker = runtime.worker
    return [clock_follower(runtime), Part("worker", start=worker.start, stop=worker.stop)]


def keep_services(runtime: Runtime) -> Sequence[Service]:
    """What keeps the lake and the scores; beside a worker in one process, they would wait for each other's interpreter."""
    return [clock_follower(runtime), Loop("scorer", runtime.scorer.run), runtime.lake_writer]


def schedule_services(runtime: Runtime) -> Sequence[Service]:
    """The periodic jobs."""
    return [clock_follower(runtime), Loop("scheduler", functools.partial(run_jobs, runtime))]


def run_jobs(runtime: Runtime, stopping: threading.Event) -> None:
    """Run the periodic jobs until told to stop, whenever this process is the leader."""
    # Most of what there is: the other roles start without it.
    from mainstem.runtime.jobs import periodic_jobs
    from mainstem.runtime.scheduler import run_scheduler

    run_scheduler(runtime.database, periodic_jobs(runtime), stopping, owner=runtime.owner)


def clock_follower(runtime: Runtime) -> Service:
    """Keeps this process's data clock at the replay that the store knows of."""

    def follow(stopping: threading.Event) -> None:
        while not stopping.wait(_CLOCK_SECONDS):
            try:
                runtime.refresh_clock()
            except RetryableError:
                # The replay goes on meanwhile as it was last known.
                continue

    return Loop("clock", follow)
