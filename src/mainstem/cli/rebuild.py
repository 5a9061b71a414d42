"""`mainstem rebuild`: what is a fold of the lake, made anew from it."""

from __future__ import annotations

import contextlib
import dataclasses
import json as json_format
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter
from rich.console import Console
from rich.progress import Progress

from mainstem.cli.exit_codes import ExitCode
from mainstem.cli.options import DEFAULT_DATA_DIR, AsJson, ConfigFile, DataDir
from mainstem.cli.wording import counted
from mainstem.errors import ConfigurationError

if TYPE_CHECKING:
    from mainstem.runtime.rebuild import RebuildReport

__all__ = ["app"]

app = App(name="rebuild", help="Make what is folded from the lake anew.")


@app.command
def analytics(
    *,
    from_lake: Annotated[bool, Parameter(negative="", help="From the raw lake and the keys alone.")] = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    config: ConfigFile = None,
    json: AsJson = False,
) -> int:
    """Make the analytics database anew from the raw lake, compare it with the one in use, and swap it in.

    Beside a running installation records are taken in throughout, and take effect again after the swap. Where
    PostgreSQL was lost, run it before `mainstem up`. On a difference nothing is swapped, the first keys that differ are
    printed and the exit status is 1.
    """
    if not from_lake:
        raise ConfigurationError("There is nothing else to rebuild from.", hint="Say so: --from-lake.")
    from mainstem.runtime.config import load_config
    from mainstem.runtime.logs import configure_logging
    from mainstem.runtime.rebuild import rebuild_analytics
    from mainstem.runtime.wiring import connect_runtime

    # The result alone goes to standard output.
    configure_logging(load_config(data_dir, config).config.runtime, "rebuild")
    with connect_runtime(data_dir, config, start=True, anew=True) as runtime, _progress(shown=not json) as on_progress:
        report = rebuild_analytics(runtime, on_progress=on_progress)
    for one in report.differences:
        print(f"differs: {one.table} {one.key}", file=sys.stderr)
    if json:
        print(json_format.dumps(_as_json(report)))
    else:
        _print(report)
    return ExitCode.FAILED if report.identical is False else ExitCode.OK


def _as_json(report: RebuildReport) -> dict[str, object]:
    return {
        "records": report.records,
        "seconds": round(report.seconds, 3),
        "paused": round(report.paused, 3),
        "control": report.control,
        "identical": report.identical,
        "tables": {name: dataclasses.asdict(content) for name, content in report.tables.items()},
        "differences": [dataclasses.asdict(one) for one in report.differences],
    }


def _print(report: RebuildReport) -> None:
    rate = report.records / report.seconds if report.seconds else 0.0
    print(f"Folded {counted(report.records, 'record')} in {report.seconds:.1f} s ({rate:,.0f}/s).")
    for name, content in report.tables.items():
        print(f"  {name:<12} {content.rows:>12,} rows  {content.hash[:16]}")
    print(_VERDICTS[report.identical])
    if report.identical is not None:
        print(f"The door was open throughout; nothing took effect for {report.paused:.1f} s.")
    if report.control:
        print("API keys, accounts and declarations are back. Start again: mainstem up")
    elif report.control == 0:
        print("The lake had no copy of API keys and accounts: make them anew (mainstem apikey create).")


_VERDICTS = {
    True: "Identical: the new analytics database is in use.",
    False: "Different: nothing was changed.",
    None: "There was none to compare with: the new analytics database is in use.",
}


@contextlib.contextmanager
def _progress(*, shown: bool) -> Iterator[Callable[[int, int], None]]:
    console = Console(stderr=True)
    if not shown or not console.is_terminal:
        yield _unheard
        return
    with Progress(console=console, transient=True) as bar:
        task = bar.add_task("Folding", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=max(total, done))


def _unheard(done: int, total: int) -> None:
    """For nobody who watches."""
