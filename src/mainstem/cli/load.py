"""`mainstem load`: files into a stream, through the same door as everything else."""

from __future__ import annotations

import contextlib
import json as json_format
import sys
from collections.abc import Callable, Iterator
from typing import Annotated, Literal

from cyclopts import Parameter
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from mainstem.cli.exit_codes import ExitCode
from mainstem.cli.options import DEFAULT_DATA_DIR, AsJson, ConfigFile, DataDir
from mainstem.intake import Door, Load, LoadProgress, LoadReport, load_files
from mainstem.model import Lane

__all__ = ["load", "report_load"]

# More would scroll away what matters; `--json` has all of them.
_SHOWN = 20


def load(
    path: Annotated[str, Parameter(help="A file, a folder or a glob: .csv, .tsv, .ndjson, .jsonl, .parquet, .gz.")],
    /,
    *,
    source: Annotated[str, Parameter(help="The source system the rows come from.")],
    stream: Annotated[str, Parameter(help="The stream they belong to.")],
    lane: Annotated[Literal["bulk", "live"], Parameter(help="Bulk gives way to live records.")] = "bulk",
    data_dir: DataDir = DEFAULT_DATA_DIR,
    config: ConfigFile = None,
    json: AsJson = False,
) -> int:
    """Load files into a stream of a running installation.

    Rows of CSV and Parquet become JSON objects, lines of NDJSON are kept as they are; folders named key=value become
    columns. Run it again whenever it was broken off: a row counts once, in whatever order files are loaded. What PATH
    names is one unit: where a stream's contract numbers occurrences, equal rows are numbered over all of it.

    A line that cannot be read is reported with its number, and everything else is loaded. Exit status 0: every row was
    taken in; 1: some were not, and all others were; 3: the installation could not take it in time, run it again.
    """
    from mainstem.runtime.wiring import connect_runtime

    wanted = Load(path, source, stream, Lane[lane.upper()])
    with connect_runtime(data_dir, config) as runtime, runtime.door as door:
        return report_load(wanted, door, as_json=json)


def report_load(wanted: Load, door: Door, *, as_json: bool) -> ExitCode:
    """Load through an open door, with a progress bar on a terminal, and print what became of it."""
    with _progress(Console(stderr=True), shown=not as_json) as on_progress:
        report = load_files(wanted, door, on_progress=on_progress)
    if as_json:
        print(json_format.dumps(_as_json(report)))
    else:
        _print(report)
    return ExitCode.FAILED if report.bad else ExitCode.OK


@contextlib.contextmanager
def _progress(console: Console, *, shown: bool) -> Iterator[Callable[[LoadProgress], None]]:
    if not shown or not console.is_terminal:
        yield lambda _: None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rows]:,} rows"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        tasks = {phase: bar.add_task(phase.capitalize(), total=1.0, rows=0, visible=False) for phase in _PHASES}

        def on_progress(progress: LoadProgress) -> None:
            bar.update(tasks[progress.phase], completed=progress.done, rows=progress.rows, visible=True)

        yield on_progress


_PHASES = ("numbering", "loading")


def _as_json(report: LoadReport) -> dict[str, object]:
    return {
        "files": report.files,
        "rows": report.rows,
        "accepted": report.accepted,
        "refused": [{"file": bad.file, "line": bad.line, "row": bad.row, "reason": bad.reason} for bad in report.bad],
        "warnings": list(report.warnings),
        "skipped": [str(path) for path in report.skipped],
        "seconds": round(report.seconds, 3),
    }


def _print(report: LoadReport) -> None:
    for path in report.skipped:
        print(f"skipped: {path}", file=sys.stderr)
    for warning in report.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    for bad in report.bad[:_SHOWN]:
        where = f":{bad.line}" if bad.line is not None else f" row {bad.row}" if bad.row is not None else ""
        print(f"{bad.file}{where}: {bad.reason}", file=sys.stderr)
    if len(report.bad) > _SHOWN:
        print(f"... and {len(report.bad) - _SHOWN:,} more; --json lists all.", file=sys.stderr)
    rate = report.accepted / report.seconds if report.seconds else 0.0
    print(
        f"{report.accepted:,} of {report.rows:,} rows of {report.files:,} files were taken in, "
        f"in {report.seconds:.1f} s ({rate:,.0f}/s); {len(report.bad):,} could not be read."
    )
