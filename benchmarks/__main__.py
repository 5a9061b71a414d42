"""`python -m benchmarks [NAME[=SIZE] ...]`: run benchmarks, print the figures, write them to results/latest.jsonl.

A benchmark that fails is told, and the others go on; then the exit status is 1. What SIZE counts is said by the benchmark.
"""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path

from benchmarks import api, checks, drift, entities, eventlog, freshness, intake, journeys, lake, memory, spine, startup
from benchmarks.recipe import Figure, print_figures, write_figures

BENCHMARKS: dict[str, Callable[..., Iterable[Figure]]] = {
    "intake": intake.run,
    "eventlog": eventlog.run,
    "checks": checks.run,
    "spine": spine.run,
    "entities": entities.run,
    "lake": lake.run,
    "startup": startup.run,
    "freshness": freshness.run,
    "drift": drift.run,
    "memory": memory.run,
    "api": api.run,
    "journeys": journeys.run,
}


def main(wanted: list[str]) -> int:
    asked = dict(_parsed(each) for each in wanted or BENCHMARKS)
    unknown = asked.keys() - BENCHMARKS.keys()
    if unknown:
        sys.stderr.write(f"Unknown: {', '.join(sorted(unknown))}. Known are: {', '.join(BENCHMARKS)}.\n")
        return 2
    figures: list[Figure] = []
    failed = [name for name, size in asked.items() if not _run(name, size, figures)]
    write_figures(figures, Path(__file__).parent / "results" / "latest.jsonl")
    print_figures(figures)
    if failed:
        sys.stderr.write(f"Failed: {', '.join(failed)}.\n")
    return 1 if failed else 0


def _parsed(wanted: str) -> tuple[str, int | None]:
    name, _, size = wanted.partition("=")
    return name, int(size) if size else None


def _run(name: str, size: int | None, figures: list[Figure]) -> bool:
    """Add a benchmark's figures as they come; whether it ran to its end."""
    started = time.monotonic()
    sys.stderr.write(f"{name} ...\n")
    try:
        for figure in BENCHMARKS[name]() if size is None else BENCHMARKS[name](size):
            sys.stderr.write(f"  {figure.name}: {figure.value:,.1f} {figure.unit}\n")
            figures.append(figure)
    except Exception:  # noqa: BLE001 - the others' figures are not lost with it
        traceback.print_exc()
        return False
    finally:
        sys.stderr.write(f"{name}: {time.monotonic() - started:.0f} s\n")
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
