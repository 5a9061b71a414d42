"""What every benchmark gives, and how it is written down."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import platform
import subprocess
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

__all__ = ["Figure", "machine", "percentile", "print_figures", "write_figures"]


@dataclasses.dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure. `limit` names what was measured beside it in the same run, `ratio` is value / limit's value.

    `higher_is_better` says which way is good; `must` is the promised figure, None where none is promised.
    """

    name: str
    value: float
    unit: str
    must: float | None
    limit: str
    limit_value: float
    higher_is_better: bool = True

    @property
    def ratio(self) -> float:
        """The figure against its limit or peer."""
        return self.value / self.limit_value if self.limit_value else float("nan")

    @property
    def kept(self) -> bool | None:
        """Whether the promise is kept; None where there is none."""
        if self.must is None:
            return None
        return self.value >= self.must if self.higher_is_better else self.value <= self.must


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that `share` percent of all do not exceed."""
    ordered = sorted(values)
    return ordered[max(math.ceil(len(ordered) * share / 100) - 1, 0)]


def machine() -> str:
    """Cores, memory and processor of this machine, without its name."""
    gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} cores, {gib:.0f} GiB, {platform.machine()}, Python {platform.python_version()}"


def _commit() -> str:
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parent,
    )
    return done.stdout.strip() or "unknown"


def write_figures(figures: list[Figure], path: Path) -> None:
    """Write JSON lines, one a figure."""
    commit, where = _commit(), machine()
    with path.open("w") as file:
        for figure in figures:
            row = {
                "name": figure.name,
                "value": round(figure.value, 3),
                "unit": figure.unit,
                "must": figure.must,
                "limit": figure.limit,
                "limit_value": round(figure.limit_value, 3),
                "ratio": round(figure.ratio, 4),
                "machine": where,
                "commit": commit,
            }
            file.write(json.dumps(row) + "\n")


def print_figures(figures: list[Figure]) -> None:
    """Print the figures as a table."""
    table = Table("figure", "value", "unit", "must", "kept", "beside", "its value", "ratio", title=machine())
    for figure in figures:
        kept = {None: "", True: "yes", False: "NO"}[figure.kept]
        table.add_row(
            figure.name,
            f"{figure.value:,.1f}",
            figure.unit,
            "" if figure.must is None else f"{figure.must:,.0f}",
            kept,
            figure.limit,
            f"{figure.limit_value:,.1f}",
            f"{figure.ratio:.3f}",
        )
    Console(width=160).print(table)
