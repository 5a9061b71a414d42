"""`mainstem contract bounds`: bounds for a contract's numbers, proposed from sample records."""

from __future__ import annotations

import json as json_format
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter, validators

from mainstem.cli.options import AsJson
from mainstem.cli.wording import counted

if TYPE_CHECKING:
    from mainstem.contracts import ProposedBounds

__all__ = ["bounds"]


def bounds(
    file: Annotated[Path, Parameter(help="A contract's file.")],
    /,
    *,
    sample: Annotated[str, Parameter(help="Records to look at: .csv, .ndjson, .parquet, a folder, a glob.")],
    by: Annotated[str | None, Parameter(help="A string field: bounds of their own for each of its values.")] = None,
    field: Annotated[str | None, Parameter(help="Only this field.")] = None,
    flag: Annotated[bool, Parameter(negative="", help="Propose to flag what is beyond, and not to clip it.")] = False,
    deviations: Annotated[
        float, Parameter(help="How many scaled deviations from the median.", validator=validators.Number(gt=0, lte=100))
    ] = 3.5,
    rows: Annotated[int, Parameter(help="At most so many records of the sample.")] = 1_000_000,
    json: AsJson = False,
) -> None:
    """Propose bounds for a contract's integers and numbers, to be put into their `remedies`.

    The bounds are the median, less and plus so many median absolute deviations, times 1.4826. They are of what the source
    sends, before any remedy. Personal fields are not looked at. Exit status 2: the contract or the sample cannot be read.
    """
    from mainstem.clock import SystemClock
    from mainstem.contracts import BoundsSample
    from mainstem.contracts.duck import connect
    from mainstem.intake import BadLine, sample_rows
    from mainstem.runtime.project import read_contract_file

    bad: list[BadLine] = []
    with connect() as connection:
        looked_at = BoundsSample(read_contract_file(file), connection, SystemClock().wall(), field=field, by=by)
        for payloads, numbers in sample_rows(sample, max(rows, 1), bad):
            looked_at.add(payloads, numbers)
        proposed = looked_at.proposed(deviations)
    word = "flag" if flag else "clip"
    if json:
        told = [
            {
                "field": one.field,
                "values": one.values,
                "beyond": one.beyond,
                "remedy": one.remedy(word, by),
                "why": one.why,
            }
            for one in proposed
        ]
        print(json_format.dumps(told))
    else:
        _print(proposed, word, by)


def _print(proposed: Sequence[ProposedBounds], word: str, by: str | None) -> None:
    import yaml

    if not proposed:
        print("Nothing is proposed: the contract has no numbers that are not personal, or the sample no records.")
    for one in proposed:
        remedy = one.remedy(word, by)
        if remedy is None:
            print(f"{one.field}: nothing is proposed. {one.why}")
            continue
        print(f"{one.field}: {one.beyond:,} of {counted(one.values, 'value')} are beyond.")
        entry = yaml.safe_dump([remedy], default_flow_style=True, sort_keys=False, width=10_000).strip()
        print(f"  - {{property: remedies, value: {entry}}}")
