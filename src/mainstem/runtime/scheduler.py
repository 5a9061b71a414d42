"""The scheduler: periodic jobs, run by whichever of any number of schedulers holds the lease.

Jobs run one at a time, in a thread beside the one that keeps the lease, so that a long one does not lose it. A job that
fails is logged and comes again at its next time. A job is written to be repeated and to be run twice at once: a scheduler
that lost its lease in the middle of one does not notice until its end.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import datetime as dt
import threading
import time
from collections.abc import Callable, Sequence

import structlog

from mainstem.errors import FatalError, RetryableError
from mainstem.store import Database, Lease

__all__ = ["Job", "run_scheduler"]

_TTL_SECONDS = 10.0
_LOOK_SECONDS = 0.2
_log = structlog.get_logger()


@dataclasses.dataclass(frozen=True, slots=True)
class Job:
    """Something to do every `every` seconds, and once when a scheduler takes over."""

    name: str
    every: float
    run: Callable[[], object]


def run_scheduler(
    database: Database, jobs: Sequence[Job], stopping: threading.Event, *, owner: str, ttl: float = _TTL_SECONDS
) -> None:
    """Run the jobs whenever the lease `scheduler` is ours, until `stopping` is set.

    `owner` names this process's life; `ttl` is how many seconds another scheduler waits for one that vanished. Raises
    FatalError when a job does.
    """
    lease = Lease(database, "scheduler", owner, dt.timedelta(seconds=ttl))
    with concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="job") as pool:
        while not stopping.is_set():
            try:
                if lease.acquire() is not None:
                    _log.info("scheduler_leads", epoch=lease.epoch)
                    _lead(lease, jobs, stopping, pool)
            except RetryableError as error:
                _log.warning("scheduler_waits", reason=str(error))
            stopping.wait(ttl / 3)
    # Where it cannot be given up now, it runs out by itself.
    with contextlib.suppress(RetryableError):
        lease.release()


def _lead(
    lease: Lease, jobs: Sequence[Job], stopping: threading.Event, pool: concurrent.futures.ThreadPoolExecutor
) -> None:
    """Run jobs as they come due, until told to stop or the lease is another's. Raises RetryableError."""
    renew_every = lease.ttl.total_seconds() / 3
    renew_at = time.monotonic() + renew_every
    due = dict.fromkeys(range(len(jobs)), time.monotonic())
    running: concurrent.futures.Future[None] | None = None
    while not stopping.is_set():
        now = time.monotonic()
        if now >= renew_at:
            renew_at = now + renew_every
            if not lease.renew():
                _log.info("scheduler_steps_down")
                return
        if running is not None and running.done():
            running.result()
            running = None
        if running is None:
            turn = min(due, key=due.__getitem__, default=None)
            if turn is not None and due[turn] <= now:
                due[turn] = now + jobs[turn].every
                running = pool.submit(_run_job, jobs[turn])
        stopping.wait(_LOOK_SECONDS)


def _run_job(job: Job) -> None:
    """Raises FatalError: what a person has to see to must not be repeated quietly for ever."""
    began = time.monotonic()
    try:
        job.run()
    except FatalError:
        raise
    except RetryableError as error:
        _log.warning("job_postponed", job=job.name, reason=str(error))
    except Exception:  # noqa: BLE001 - whatever one job met, the others are due
        _log.exception("job_failed", job=job.name)
    else:
        _log.debug("job_done", job=job.name, seconds=round(time.monotonic() - began, 3))
