from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from mainstem.errors import IntegrityError, UnavailableError
from mainstem.runtime.scheduler import Job, run_scheduler
from mainstem.runtime.service import Loop
from mainstem.store import Database

Until = Callable[[Callable[[], object]], None]
Run = Callable[[str, list[Job]], Loop]


@pytest.fixture
def run(database: Database) -> Iterator[Run]:
    """Start a scheduler of this owner."""
    started: list[Loop] = []

    def start(owner: str, jobs: list[Job]) -> Loop:
        def work(stopping: threading.Event) -> None:
            run_scheduler(database, jobs, stopping, owner=owner, ttl=0.6)

        loop = Loop(owner, work)
        loop.start()
        started.append(loop)
        return loop

    yield start
    for loop in started:
        loop.stop()


def test_jobs_come_again_and_one_that_fails_keeps_nobody_from_it(run: Run, until: Until) -> None:
    notes: list[str] = []

    def fail() -> None:
        notes.append("fail")
        raise ValueError("a defect")

    def postpone() -> None:
        notes.append("postpone")
        raise UnavailableError("not now")

    loop = run("a", [Job("fail", 0, fail), Job("postpone", 0, postpone), Job("good", 0, lambda: notes.append("good"))])
    until(lambda: all(notes.count(name) >= 2 for name in ("fail", "postpone", "good")))
    assert loop.failure is None


def test_only_the_leader_works_and_the_next_one_takes_over_at_once_when_it_stops(run: Run, until: Until) -> None:
    notes: list[str] = []
    first = run("a", [Job("job", 0, lambda: notes.append("a"))])
    until(lambda: notes)
    run("b", [Job("job", 0, lambda: notes.append("b"))])
    until(lambda: len(notes) > 5)
    first.stop()
    until(lambda: "b" in notes)
    turn = notes.index("b")
    assert set(notes[:turn]) == {"a"}
    assert set(notes[turn:]) == {"b"}


def test_a_leader_whose_lease_was_taken_steps_down(run: Run, until: Until, database: Database) -> None:
    notes: list[str] = []
    run("a", [Job("job", 0, lambda: notes.append("a"))])
    until(lambda: notes)
    with database.transaction() as connection:
        connection.execute(
            "UPDATE lease SET owner = 'b', epoch = epoch + 1, expires_at = clock_timestamp() + interval '50 seconds'"
            " WHERE name = 'scheduler'"
        )

    def quiet() -> bool:
        before = len(notes)
        threading.Event().wait(0.5)
        return len(notes) == before

    until(quiet)


def test_a_long_job_does_not_cost_the_lease(run: Run, until: Until, database: Database) -> None:
    begin, go_on = threading.Event(), threading.Event()

    def job() -> None:
        begin.set()
        go_on.wait()

    def expiry() -> object:
        with database.autocommit() as connection:
            row = connection.execute("SELECT expires_at FROM lease WHERE name = 'scheduler'").fetchone()
        assert row is not None
        return row[0]

    run("a", [Job("long", 0, job)])
    begin.wait()
    before = expiry()
    until(lambda: expiry() != before)
    go_on.set()


def test_what_a_person_has_to_see_to_ends_the_scheduler(run: Run, until: Until) -> None:
    def job() -> None:
        raise IntegrityError("two sums differ")

    loop = run("a", [Job("job", 0, job)])
    until(lambda: loop.failure is not None)
    assert isinstance(loop.failure, IntegrityError)
