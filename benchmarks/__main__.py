"""`python -m benchmarks [NAME ...]`: run benchmarks, print the figures, write them to results/latest.jsonl."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from benchmarks import intake, spine
from benchmarks.recipe import Figure, print_figures, write_figures

BENCHMARKS: dict[str, Callable[[], Iterable[Figure]]] = {"intake": intake.run, "spine": spine.run}


def main(names: list[str]) -> int:
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        sys.stderr.write(f"Unknown: {', '.join(unknown)}. Known are: {', '.join(BENCHMARKS)}.\n")
        return 2
    figures: list[Figure] = []
    for name in names or list(BENCHMARKS):
        figures += BENCHMARKS[name]()
    write_figures(figures, Path(__file__).parent / "results" / "latest.jsonl")
    print_figures(figures)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
