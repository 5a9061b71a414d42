"""`mainstem lake`: what lies in the raw lake, whether it is whole, and making it compact."""

from __future__ import annotations

import dataclasses
import json as json_format
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from mainstem.cli.wording import counted
from mainstem.eventlog import EventLog
from mainstem.lake import Lake, LakeFile, LakeReader, compact, verify

__all__ = ["OpenLake", "lake_app"]

OpenLake = Callable[[Path | None], AbstractContextManager[tuple[Lake, EventLog]]]
"""Opens the lake and the log of a data folder; None: the configured one."""

_DataDir = Annotated[Path | None, Parameter(name="--data-dir", help="The installation's data folder.")]
_Json = Annotated[bool, Parameter(name="--json", negative="", help="One JSON object instead of text.")]


def lake_app(open_lake: OpenLake) -> App:
    """The commands, over a way to open the lake."""
    app = App(name="lake", help="The raw lake: every received copy, exactly once.")

    @app.command
    def ls(*, data_dir: _DataDir = None, json: _Json = False) -> int:
        """List what lies in the lake, by source, stream and received day."""
        with open_lake(data_dir) as (lake, _):
            content = _listing(lake)
        if json:
            print(json_format.dumps(content))
        else:
            _show_listing(content)
        return 0

    @app.command(name="verify")
    def verify_(
        *,
        deep: Annotated[bool, Parameter(negative="", help="Decrypt every row and prove its hash.")] = False,
        data_dir: _DataDir = None,
        json: _Json = False,
    ) -> int:
        """Prove that the lake is whole; exit status 1 when it is not."""
        with open_lake(data_dir) as (lake, log), Progress(console=Console(stderr=True), disable=json) as progress:
            total = sum(total.files for total in lake.manifest.totals())
            task = progress.add_task("Verifying", total=total)

            def advance(_: LakeFile) -> None:
                progress.advance(task)

            report = verify(lake, deep=deep, log=log, progress=advance)
        if json:
            print(json_format.dumps({**dataclasses.asdict(report), "whole": report.whole}))
        else:
            for problem in report.problems:
                print(f"{problem.kind}: {problem.where}: {problem.detail}")
            found = {"commit": report.commits, "file": report.files, "record": report.rows, "byte": report.size}
            what = ", ".join(counted(number, word) for word, number in found.items())
            print(f"{what}: {'whole' if report.whole else counted(len(report.problems), 'problem')}.")
        return 0 if report.whole else 1

    @app.command(name="compact")
    def compact_(*, data_dir: _DataDir = None, json: _Json = False) -> int:
        """Make one file of many small ones; the records stay the same, which is proven."""
        with open_lake(data_dir) as (lake, _):
            report = compact(lake)
        if json:
            print(json_format.dumps(dataclasses.asdict(report)))
        else:
            print(
                f"{counted(report.commits_before, 'commit')} became {report.commits_after:,}, "
                f"{counted(report.files_before, 'file')} {report.files_after:,}, "
                f"{counted(report.bytes_before, 'byte')} {report.bytes_after:,}."
            )
        return 0

    return app


def _listing(lake: Lake) -> dict[str, Any]:
    totals = lake.manifest.totals()
    return {
        "files": sum(total.files for total in totals),
        "rows": sum(total.rows for total in totals),
        "bytes": sum(total.size for total in totals),
        "streams": [
            {
                "source": total.source,
                "stream": total.stream,
                "day": total.day.isoformat(),
                "files": total.files,
                "rows": total.rows,
                "bytes": total.size,
            }
            for total in totals
        ],
        "chains": [
            {"epoch": span.epoch, "partition": span.partition, "lane": span.lane.label, "last": span.last}
            for span in LakeReader(lake).spans()
        ],
    }


def _show_listing(content: dict[str, Any]) -> None:
    table = Table("source", "stream", "received")
    for name in ("files", "records", "bytes"):
        table.add_column(name, justify="right")
    for line in content["streams"]:
        numbers = (f"{line[name]:,}" for name in ("files", "rows", "bytes"))
        table.add_row(line["source"], line["stream"], line["day"], *numbers)
    table.add_section()
    table.add_row("", "", "", *(f"{content[name]:,}" for name in ("files", "rows", "bytes")))
    Console().print(table)
