"""`mainstem demo`: real data through the whole of Mainstem, on a live dashboard."""

from __future__ import annotations

import contextlib
import datetime as dt
import json as json_format
import os
import secrets
import shutil
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from mainstem.cli.exit_codes import ExitCode
from mainstem.cli.options import AsJson
from mainstem.cli.up import FATAL, role_command

if TYPE_CHECKING:
    # Imported when the verb runs, so that `--help` answers at once.
    from mainstem.access import Users
    from mainstem.runtime.config import LoadedConfig
    from mainstem.simulators.demo import DemoPlan

__all__ = ["demo"]

_USER = "demo"
# What the feeder has in hand is durable by then, unless a query over a large folder has just begun.
_LAST_SECONDS = 3.0


def demo(
    *,
    dataset: Annotated[str, Parameter(help="An example that comes with Mainstem.")] = "oulad",
    folder: Annotated[
        Path | None, Parameter(help="A folder with the whole data set; else the example's extract.")
    ] = None,
    data_dir: Annotated[Path, Parameter(help="The data folder of the demo.")] = Path("mainstem-data/demo"),
    port: Annotated[int, Parameter(help="Port of the dashboard; 0: any free one.")] = 8321,
    speed: Annotated[float, Parameter(help="Days of history a second; 0: everything at once, without a clock.")] = 4.0,
    origin: Annotated[dt.date | None, Parameter(help="Day to put the data's last day on; else today.")] = None,
    fresh: Annotated[bool, Parameter(help="Remove the demo's data folder first.", negative="")] = False,
    exit: Annotated[bool, Parameter(help="End when everything is processed and served.", negative="")] = False,  # noqa: A002 - the option's name
    json: AsJson = False,
) -> int:
    """Replay real usage data and show it on a live dashboard, until Ctrl-C.

    With --exit the status is 0 only if the conservation equation and the totals hold, and 130 when it was told to stop
    before that was known.
    """
    os.umask(0o077)
    from mainstem.clock import SystemClock
    from mainstem.runtime.config import load_config
    from mainstem.runtime.folders import make_data_folder
    from mainstem.runtime.logs import configure_logging
    from mainstem.simulators.demo import DemoPlan, dataset_folder, remembered_last_day

    if fresh and data_dir.exists():
        shutil.rmtree(data_dir)
    declarations = dataset_folder(dataset)
    home = make_data_folder(data_dir)
    loaded = load_config(home, None, options={("runtime", "port"): port, ("runtime", "log_level"): "warning"})
    configure_logging(loaded.config.runtime, "demo")
    plan = DemoPlan(
        declarations=declarations,
        data=folder or declarations / "data",
        last_day=remembered_last_day(home, origin or SystemClock().wall().date()),
        speed=speed,
    )
    run = _Run(plan, loaded, _Teller(quiet=json), ends=exit)
    run.supervise()
    if json:
        print(json_format.dumps(run.outcome), flush=True)
    status = _judged(run.outcome) if exit else ExitCode.OK
    if run.feeding:
        # A query of minutes may be under way, and the interpreter would not end before it. Nothing waits for its answer.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    return status


def _judged(outcome: dict[str, Any]) -> ExitCode:
    """The status of a demo that was to end by itself."""
    differences = outcome.get("differences")
    if differences is None:
        print("mainstem: The demo was told to stop before it was done.", file=sys.stderr)
        return ExitCode.INTERRUPTED
    for difference in differences:
        print(f"mainstem: {difference}", file=sys.stderr)
    return ExitCode.FAILED if differences else ExitCode.OK


class _Run:
    """One process tree, and a thread beside it that feeds."""

    def __init__(self, plan: DemoPlan, loaded: LoadedConfig, say: _Teller, *, ends: bool) -> None:
        from mainstem.clock import SystemClock
        from mainstem.runtime.supervisor import Supervisor
        from mainstem.runtime.tree import mainstem_tree

        self.outcome: dict[str, Any] = {}
        self._started = time.monotonic()
        self._plan = plan
        self._loaded = loaded
        self._say = say
        self._ends = ends
        self._stopping = threading.Event()
        self._failure: BaseException | None = None
        self._feeder: threading.Thread | None = None
        tree = mainstem_tree(
            loaded, lambda role: role_command(role, loaded.data_dir, loaded.file), FATAL, announce=say.line
        )
        config = loaded.config
        self._supervisor = Supervisor(loaded.data_dir, tree, config.runtime, config.database, SystemClock())

    def supervise(self) -> None:
        """Run until Ctrl-C, or until the demo has ended. Raises what feeding failed of."""
        self._supervisor.run(self._ready, self._stop)
        if self._failure is not None:
            raise self._failure

    @property
    def feeding(self) -> bool:
        """Whether the feeder is still at work."""
        return self._feeder is not None and self._feeder.is_alive()

    def _stop(self) -> None:
        """Have the feeder end while there is still a database for what it has in hand."""
        self._stopping.set()
        if self._feeder is not None:
            self._feeder.join(_LAST_SECONDS)

    def _ready(self, url: str | None) -> None:
        self.outcome["seconds_to_ready"] = self._seconds()
        self._feeder = threading.Thread(target=self._feed_guarded, args=(url,), name="demo", daemon=True)
        self._feeder.start()

    def _feed_guarded(self, url: str | None) -> None:
        try:
            self._feed(url)
        except BaseException as error:  # noqa: BLE001 - raised again in the main thread
            # What fails because everything is being stopped has not failed.
            self._failure = None if self._stopping.is_set() else error
        self.outcome["seconds_total"] = self._seconds()
        if self._ends or self._failure is not None:
            self._supervisor.stop()

    def _feed(self, url: str | None) -> None:
        from mainstem.runtime.wiring import Runtime
        from mainstem.simulators.demo import Demo

        with Runtime.open(self._loaded) as runtime, runtime.door:
            password = _new_password(runtime.users)
            self._say.line(f"\n  Dashboard  {url}\n  Sign in    {_USER} / {password}\n")
            demo = Demo(self._plan, runtime, self._stopping)
            demo.run(self._say.progress)
            if self._stopping.is_set():
                return
            self._say.line("\nThe replay has reached today; everything from now on is live. Ctrl-C ends.")
            if self._ends and (result := demo.result()) is not None:
                self.outcome |= result.as_json()
                self._say.line(_summary(self.outcome))

    def _seconds(self) -> float:
        return round(time.monotonic() - self._started, 2)


def _summary(outcome: dict[str, Any]) -> str:
    terms = ("accepted", "duplicate", "quarantined", "held", "discarded", "pending")
    sum_of = " + ".join(f"{outcome[term]:,} {term}" for term in terms)
    return (
        f"{outcome['received']:,} received = {sum_of}; {outcome['clicks']:,} clicks, {outcome['customers']:,} customers"
    )


def _new_password(users: Users) -> str:
    """A new password for the demo's user; nobody remembers the one before."""
    from mainstem.access import Role

    password = secrets.token_urlsafe(9)
    if not users.set_password(_USER, password):
        users.create(_USER, password, Role.ADMIN)
    return password


class _Teller:
    """Says on a terminal what goes on; quiet when a program reads."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._last = 0.0

    def line(self, text: str) -> None:
        if not self._quiet:
            self._print(f"{text}\n")

    def progress(self, first: dt.date, day: dt.date, last: dt.date, rows: int) -> None:
        now = time.monotonic()
        if self._quiet or not sys.stdout.isatty() or (now - self._last < 0.1 and day != last):
            return
        self._last = now
        share = ((day - first).days + 1) / ((last - first).days + 1)
        bar = "█" * round(share * 30)
        self._print(f"\r  {bar:<30} {day}  {share:4.0%}  {rows:,} records")

    @staticmethod
    def _print(text: str) -> None:
        # A terminal that was closed is no reason to stop: whoever closed it, or nohup, decides.
        with contextlib.suppress(OSError):
            print(text, end="", flush=True)
