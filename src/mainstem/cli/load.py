"""`mainstem load`: files into a stream, through the same door as everything else."""

from __future__ import annotations

import contextlib
import dataclasses
import json as json_format
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from mainstem.cli.exit_codes import ExitCode
from mainstem.cli.options import DEFAULT_DATA_DIR, AsJson, ConfigFile, DataDir
from mainstem.cli.wording import counted
from mainstem.errors import RetryableError
from mainstem.intake import Door, Load, LoadProgress, LoadReport, load_files
from mainstem.model import Lane

if TYPE_CHECKING:
    from mainstem.processing import Ledger

__all__ = ["load"]

# More would scroll away what matters; `--json` has all of them.
_SHOWN = 20
# How long it is worth waiting for the workers, to say what became of the rows.
_SETTLE_SECONDS = 2.0
_LOOK_SECONDS = 0.1


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

    Where the stream's contract says how many rows a load has (`rowCount`, `loadVolume`), what PATH names is counted first. A
    load that is out of its band is taken in and held as a whole: nothing of it takes effect until somebody releases it.

    A line that cannot be read is reported with its number, and everything else is loaded. Exit status 0: every row was
    taken in; 1: some were not, and all others were, or the load is held; 3: the installation could not take it in time,
    run it again; 130: broken off by Ctrl-C, run it again.
    """
    from mainstem.runtime.wiring import connect_runtime

    wanted = Load(path, source, stream, Lane[lane.upper()])
    with connect_runtime(data_dir, config) as runtime, runtime.door as door:
        before = None if json else _counts(runtime.ledger, wanted)
        report = _load(wanted, door, quiet=json)
        if report is None:
            return ExitCode.INTERRUPTED
        if json:
            print(json_format.dumps(_as_json(report)))
        else:
            _print(report)
        if before is not None and report.accepted:
            print(_became(runtime.ledger, wanted, before, report.accepted))
    return ExitCode.FAILED if report.bad or report.held else ExitCode.OK


def _load(wanted: Load, door: Door, *, quiet: bool) -> LoadReport | None:
    """Load, with a progress bar on a terminal; None when Ctrl-C broke it off, which is told."""
    acknowledged = 0
    with _progress(Console(stderr=True), shown=not quiet) as shown:

        def on_progress(progress: LoadProgress) -> None:
            nonlocal acknowledged
            if progress.phase == "loading":
                acknowledged = progress.rows
            shown(progress)

        try:
            return load_files(wanted, door, on_progress=on_progress)
        except (KeyboardInterrupt, RetryableError) as error:
            # Those under way when it ended may have been taken in as well.
            told = counted(acknowledged, "row")
            safe = "To finish, run the same command again: what was taken in counts once."
            print(f"Broken off: at least {told} had been taken in. {safe}", file=sys.stderr)
            if isinstance(error, RetryableError):
                raise
            return None


def _counts(ledger: Ledger, wanted: Load) -> Counter[str]:
    """What the ledger counts of the stream, over all days."""
    counts: Counter[str] = Counter()
    for line in ledger.status(wanted.source):
        if line.stream == wanted.stream:
            counts.update({name: getattr(line, name) for name in _STATES})
    return counts


def _became(ledger: Ledger, wanted: Load, before: Counter[str], accepted: int) -> str:
    """What became of the rows that were taken in, where it can be told from what else came into the stream."""
    deadline = time.monotonic() + _SETTLE_SECONDS
    while (now := _counts(ledger, wanted))["pending"] and time.monotonic() < deadline:
        time.sleep(_LOOK_SECONDS)
    if before["pending"] or now["received"] - before["received"] != accepted:
        return f"What became of them is counted on the Data page, and by GET /api/v1/data/status/{wanted.source}."
    told = [
        f"{now[name] - before[name]:,} {words}" for name, words in _STATES.items() if words and now[name] - before[name]
    ]
    later = f" See GET /api/v1/data/status/{wanted.source} for these." if now["pending"] else ""
    return f"Of these: {', '.join(told)}.{later}"


_STATES = {
    "received": "",
    "accepted": "new and in effect",
    "duplicate": "repeats of what was there, which change nothing",
    "quarantined": "in quarantine",
    "held": "held",
    "discarded": "discarded",
    "pending": "still to be worked off",
}
"""The terms of the ledger, and how a sentence has them."""


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


_PHASES = ("numbering", "counting", "loading")


def _as_json(report: LoadReport) -> dict[str, object]:
    return {
        "files": report.files,
        "rows": report.rows,
        "accepted": report.accepted,
        "refused": [
            {
                "file": bad.file,
                "line": bad.line,
                "last_line": bad.last or bad.line,
                "row": bad.row,
                "reason": bad.reason,
            }
            for bad in report.bad
        ],
        "held": None
        if report.held is None
        else {**dataclasses.asdict(report.held), "id": str(report.held.id), "reason": report.held.told()},
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
    if report.held is not None:
        print(f"HELD: {report.held.told()}", file=sys.stderr)
    if len(report.bad) > _SHOWN:
        print(f"... and {len(report.bad) - _SHOWN:,} more; --json lists all.", file=sys.stderr)
    rate = report.accepted / report.seconds if report.seconds else 0.0
    print(
        f"Took in {report.accepted:,} of {counted(report.rows, 'row')} of {counted(report.files, 'file')} "
        f"in {report.seconds:.1f} s ({rate:,.0f}/s); {len(report.bad):,} could not be read."
    )
