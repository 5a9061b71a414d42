"""The supervisor: starts a tree of processes in order, keeps it alive, drains it in order and leaves nothing behind.

Order of a start: lock, what an earlier run left, socket, `begin` (keys), PostgreSQL, `prepare` (tables), roles, scheduler. Of a
stop: the socket closes, scheduler, roles (each finishes what it has in hand), PostgreSQL, guardian, lock. A second request
to stop cuts short what is left of the first.

When the supervisor itself is killed the roles notice by the watch pipe, and PostgreSQL is stopped by the guardian.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import secrets
import signal
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import structlog

from mainstem.clock import Clock
from mainstem.errors import FatalError, MainstemError
from mainstem.runtime.child import Backoff, Child, RoleProcess
from mainstem.runtime.figures import forget_figures
from mainstem.runtime.folders import run_folder
from mainstem.runtime.guardian_process import TREE_VARIABLE
from mainstem.runtime.listening import address_of, open_socket
from mainstem.runtime.lock import FileLock
from mainstem.runtime.postgres import EmbeddedPostgres
from mainstem.runtime.processes import ProcessId, kill_all, reap_adopted, wait_gone, with_environment
from mainstem.runtime.service import Service
from mainstem.runtime.settings import DatabaseSettings, RuntimeSettings
from mainstem.runtime.signals import StopSignals
from mainstem.runtime.state import RunState, read_state, remove_state, write_state
from mainstem.telemetry import PROCESS_RESTARTS

__all__ = ["Supervisor", "Tree"]

# A role without a supervisor ends itself within three seconds.
_ORPHAN_SECONDS = 4.0
_KILL_SECONDS = 10.0
# A process that is no longer seen may not have let go of its sockets yet.
_PORT_SECONDS = 5.0
_IDLE_SECONDS = 1.0
_log = structlog.get_logger()


@dataclasses.dataclass(frozen=True, slots=True)
class Tree:
    """What a supervisor runs.

    `begin` is called when the data folder is locked, the port is had and nothing runs; `prepare` with the embedded database's
    connection string (None: a database of the user's own) before any role starts; each once. `background` makes a service that runs in the supervisor itself (the scheduler), anew
    after each of its deaths. A role process that exits with one of `fatal` would only do so again: the tree stops.
    """

    roles: Sequence[RoleProcess]
    begin: Callable[[], None] = lambda: None
    prepare: Callable[[str | None], None] = lambda _dsn: None
    background: Callable[[], Service] | None = None
    fatal: Mapping[int, str] = dataclasses.field(default_factory=dict)
    """Exit status to what it means."""


class Supervisor:
    """Runs one tree on one data folder. `run` is called once, in the main thread."""

    def __init__(
        self, data_dir: Path, tree: Tree, settings: RuntimeSettings, database: DatabaseSettings, clock: Clock
    ) -> None:
        """Without `database.url` PostgreSQL is a part of the tree."""
        self._data_dir = data_dir
        self._tree = tree
        self._settings = settings
        self._clock = clock
        self._stop = StopSignals()
        self._id = secrets.token_hex(8)
        self._postgres = EmbeddedPostgres(data_dir, database, tree=self._id) if database.url is None else None
        self._postgres_backoff = Backoff(settings)
        self._children = [Child(role, Backoff(settings)) for role in tree.roles for _ in range(role.count)]
        self._background: Service | None = None
        self._background_backoff = Backoff(settings)
        self._socket: socket.socket | None = None
        # Nothing is ever written to it: it closes with this process, and the roles notice.
        self._watch = os.pipe()
        self._url: str | None = None
        self._dsn: str | None = None
        self._was_ready = False
        self._started_at = clock.wall().isoformat()

    def stop(self) -> None:
        """Ask for the end, from any thread; asking again hurries it."""
        self._stop.request()

    def run(
        self,
        on_ready: Callable[[str | None], None] = lambda _url: None,
        on_stop: Callable[[], None] = lambda: None,
    ) -> None:
        """Run until asked to stop.

        `on_ready` is called once, with the address, when every role has worked; `on_stop` when the end has begun and
        everything still runs. Raises UnavailableError when another tree runs on the data folder or the port is taken, FatalError when a role
        cannot work without a person changing something, and what `prepare` and the embedded server raise.
        """
        with self._stop, FileLock(run_folder(self._data_dir) / "lock", f"The data folder {self._data_dir}"):
            try:
                self._start()
                while not self._stop.requested:
                    self._look(on_ready)
            finally:
                try:
                    on_stop()
                finally:
                    self._drain()

    def _start(self) -> None:
        # An orphan may hold the very port. Nothing is made, and nobody told of it, before the port is had.
        unfinished = self._end_orphans()
        if any(role.listens for role in self._tree.roles):
            patience = _PORT_SECONDS if unfinished else 0.0
            self._socket = open_socket(self._settings.host, self._settings.port, patience)
            self._url = address_of(self._socket, self._settings.host)
        self._tree.begin()
        self._write_state()
        if self._postgres is not None:
            self._dsn = self._postgres.start(lambda: self._stop.requested)
            self._postgres_backoff.started()
            self._write_state()
        if self._stop.requested:
            return
        self._tree.prepare(self._dsn)
        for child in self._children:
            if not self._stop.requested:
                self._start_child(child)
        self._write_state()
        if not self._stop.requested:
            self._start_background()

    def _end_orphans(self) -> bool:
        """End the roles of an earlier run that outlived its supervisor; they are on their way, or hang. Whether there was one."""
        before = read_state(self._data_dir)
        if before is None:
            return False

        def left() -> list[ProcessId]:
            return with_environment(TREE_VARIABLE, before.tree)

        orphans = left()
        if orphans:
            _log.warning("orphans_found", processes=len(orphans))
            wait_gone(orphans, _ORPHAN_SECONDS, lambda: self._stop.hurried)
            kill_all(left, _KILL_SECONDS)
        remove_state(self._data_dir)
        return True

    def _start_child(self, child: Child) -> None:
        child.start(
            watch=self._watch[0],
            listening=self._socket.fileno() if self._socket else None,
            environment={TREE_VARIABLE: self._id},
        )

    def _start_background(self) -> None:
        if self._tree.background is not None:
            self._background = self._tree.background()
            self._background.start()
            self._background_backoff.started()

    def _look(self, on_ready: Callable[[str | None], None]) -> None:
        """One turn: see what has died, start what is due, wait for the next thing to happen."""
        self._reap_adopted()
        self._look_after_postgres()
        self._look_after_background()
        for child in self._children:
            self._look_after(child)
        if not self._was_ready and all(child.ready for child in self._children):
            self._was_ready = True
            self._write_state()
            on_ready(self._url)
        backoffs = [self._postgres_backoff, self._background_backoff, *(child.backoff for child in self._children)]
        pauses = [backoff.pause for backoff in backoffs]
        pipes = {child.ready_pipe: child for child in self._children if child.ready_pipe is not None}
        seconds = min([_IDLE_SECONDS, *(pause for pause in pauses if pause is not None)])
        for pipe in self._stop.wait(seconds, pipes):
            pipes[pipe].read_ready()

    def _look_after_postgres(self) -> None:
        postgres, backoff = self._postgres, self._postgres_backoff
        if postgres is None:
            return
        if postgres.guard():
            PROCESS_RESTARTS.labels("guardian").inc()
            _log.error("guardian_restarted")
            self._write_state()
        if postgres.running:
            return
        if backoff.pause is None:
            _log.error("database_ended", log=str(postgres.home.log))
        if backoff.died() == 0:
            # Roles are left alone: their connections come back with the server, which recovers as long as it takes.
            self._start_again("postgres", backoff, postgres.launch)

    def _look_after_background(self) -> None:
        service, backoff = self._background, self._background_backoff
        if service is None or service.failure is None:
            return
        if backoff.pause is None:
            _log.error("service_failed", role="supervisor", service=service.name, exc_info=service.failure)
            if isinstance(service.failure, FatalError):
                raise service.failure
            with contextlib.suppress(Exception):
                service.stop()
        if backoff.died() == 0:
            self._start_again(service.name, backoff, self._start_background)

    def _look_after(self, child: Child) -> None:
        pid = child.pid
        status = child.reap()
        if status is not None and pid is not None:
            forget_figures(pid)
            meaning = self._tree.fatal.get(status)
            if meaning is not None:
                raise FatalError(f"The role {child.role.name} cannot work: {meaning}.", hint="Its reason is above.")
            pause = child.backoff.died()
            _log.error("role_ended", role=child.role.name, status=status, restart_in=round(pause, 2))
        if not child.running and child.backoff.pause == 0:
            self._start_again(child.role.name, child.backoff, lambda: self._start_child(child))

    def _start_again(self, name: str, backoff: Backoff, start: Callable[[], None]) -> None:
        """Start what has died. What cannot be started now (no process, no memory, no room) is tried again later."""
        backoff.started()
        try:
            start()
        except FatalError:
            raise
        except (MainstemError, OSError) as error:
            _log.warning("restart_failed", role=name, reason=str(error), retry_in=round(backoff.died(), 2))
            return
        PROCESS_RESTARTS.labels(name).inc()
        _log.info("process_restarted", role=name)
        self._write_state()

    def _reap_adopted(self) -> None:
        own = [child.pid for child in self._children if child.pid is not None]
        reap_adopted([*own, *(self._postgres.pids if self._postgres else ())])

    def _drain(self) -> None:
        # Of a start that failed its reason is what matters, and it comes last.
        if self._was_ready or self._stop.requested:
            _log.info("stopping", ready=self._was_ready)
        if self._socket is not None:
            self._socket.close()
        if self._background is not None and self._background.failure is None:
            with contextlib.suppress(Exception):
                self._background.stop()
        self._end_children()
        if self._postgres is not None:
            self._postgres.stop(lambda: self._stop.hurried)
        for descriptor in self._watch:
            os.close(descriptor)
        remove_state(self._data_dir)

    def _end_children(self) -> None:
        for child in self._children:
            child.send(signal.SIGTERM)
        deadline = time.monotonic() + self._settings.drain_seconds
        killed = False
        while any(child.running for child in self._children):
            for child in self._children:
                child.reap()
            if not killed and (self._stop.hurried or time.monotonic() > deadline):
                killed = True
                for child in self._children:
                    child.send(signal.SIGKILL)
            self._stop.wait(0.05)

    def _write_state(self) -> None:
        processes: dict[str, list[ProcessId]] = {}
        for child in self._children:
            self._add(processes, child.role.name, child.process)
        if self._postgres is not None:
            self._add(processes, "postgres", self._postgres.process)
            self._add(processes, "guardian", self._postgres.guardian)
        state = RunState(
            tree=self._id,
            supervisor=ProcessId.own(),
            started_at=self._started_at,
            url=self._url,
            dsn=self._dsn,
            ready=self._was_ready,
            processes=processes,
        )
        try:
            write_state(self._data_dir, state)
        except OSError as error:
            # A full disk must not end what recovers from it by itself; the numbers in the file are only a help.
            _log.warning("state_not_written", reason=error.strerror)

    @staticmethod
    def _add(processes: dict[str, list[ProcessId]], role: str, process: ProcessId | None) -> None:
        if process is not None:
            processes.setdefault(role, []).append(process)
