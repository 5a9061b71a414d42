"""`mainstem contract`: whether a contract is right, what it says, what a new version would break."""

from __future__ import annotations

import dataclasses
import json as json_format
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from mainstem.cli.contract_bounds import bounds
from mainstem.cli.contract_drift import drift, evolve
from mainstem.cli.exit_codes import ExitCode
from mainstem.cli.options import AsJson
from mainstem.cli.wording import counted

if TYPE_CHECKING:
    from mainstem.contracts import Contract, Use

__all__ = ["app"]

app = App(
    name="contract",
    help="Check, show, compare and draft contracts, with no running installation; see drift, and have a contract follow it.",
)
app.command(bounds)
app.command(drift)
app.command(evolve)

_File = Annotated[Path, Parameter(help="A contract's file.")]
# More would scroll away what matters.
_SHOWN = 10


@app.command
def check(
    file: _File,
    /,
    *,
    against: Annotated[Path | None, Parameter(help="The version before: a breaking change fails.")] = None,
    sample: Annotated[
        str | None, Parameter(help="Records to try it on: .csv, .ndjson, .parquet, a folder, a glob.")
    ] = None,
    rows: Annotated[int, Parameter(help="At most so many records of the sample.")] = 1_000_000,
    json: AsJson = False,
) -> int:
    """Read and compile a contract; try it on sample records; compare it with the version before.

    What a breaking change hits is looked for in the project the file lies in: the folders metrics/ and health/ beside
    contracts/, and the contracts in it that refer to this one. Values of records are never printed. Exit status 0: all is well;
    1: a change breaks something or a record fails; 2: the contract, the version before or the sample cannot be read, or
    another contract of the project refers to a key that this one does not have.
    """
    from mainstem.contracts import CheckPlan, DoorPlan, near_attributes
    from mainstem.runtime.project import check_references, read_contract_file

    contract = read_contract_file(file)
    CheckPlan.compile(contract).prove(str(file))
    check_references(contract, file)
    DoorPlan.compile(contract)
    result: dict[str, Any] = {"contract": f"{contract.source}.{contract.stream}", "fingerprint": contract.fingerprint}
    result["notes"] = [
        f"{own!r} is kept as an attribute of your own; {contract.mapping.entity} has one called {canonical!r}."
        for own, canonical in near_attributes(contract)
    ]
    good = True
    if against is not None:
        result["changes"] = _changes(against, file)
        good = not any(change["breaking"] for change in result["changes"])
    if sample is not None:
        result["sample"] = _tried(contract, sample, rows)
        good = good and result["sample"]["rows"] == result["sample"]["passed"] and not result["sample"]["unreadable"]
    result["ok"] = good
    if json:
        print(json_format.dumps(result))
    else:
        _print_check(result)
    return ExitCode.OK if good else ExitCode.FAILED


@app.command
def diff(old: _File, new: _File, /, *, json: AsJson = False) -> int:
    """Every change from one version of a contract to the next, and what the breaking ones hit.

    Exit status 0: none breaks anything; 1: one does; 2: a file cannot be read, or the two are of different streams.
    """
    changes = _changes(old, new)
    if json:
        print(json_format.dumps(changes))
    else:
        _print_changes(changes)
    return ExitCode.FAILED if any(change["breaking"] for change in changes) else ExitCode.OK


@app.command
def init(
    sample: Annotated[str, Parameter(help="Records: .csv, .ndjson, .parquet, a folder, a glob.")],
    /,
    *,
    source: Annotated[str, Parameter(help="The source system the records come from.")],
    stream: Annotated[str, Parameter(help="The stream they are to belong to.")],
    rows: Annotated[int, Parameter(help="At most so many records are looked at.")] = 10_000,
) -> None:
    """Draft a contract from sample records and print it, for a person to read and correct.

    Guessed are types, what is required, the customer's id, the event's id, the time, allowed values, and what is
    personal. The draft takes all of the records it was made from, but for those without the customer's id, which are
    counted on standard error. Exit status 2: none can be drafted.
    """
    import msgspec

    from mainstem.contracts import draft_contract, read_contract
    from mainstem.errors import ConfigurationError
    from mainstem.intake import BadLine, sample_rows

    bad: list[BadLine] = []
    payloads = []
    for chunk, numbers in sample_rows(sample, max(rows, 1), bad):
        for payload, number in zip(chunk.to_pylist(), numbers, strict=True):
            try:
                payloads.append(msgspec.json.decode(payload, type=dict[str, Any]))
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                raise ConfigurationError(
                    f"record {number} is no JSON object.", where=sample, hint="Leave it out of the sample."
                ) from None
    text = draft_contract(payloads, source, stream)
    contract = read_contract(text, "the draft")
    tried = _tried(contract, sample, rows)
    nobodys = sum(one["count"] for one in tried["reasons"] if one["field"] == contract.partition_key)
    if tried["rows"] != tried["passed"] + nobodys:
        first = next((one for one in tried["failed"] if one["field"] != contract.partition_key), tried["failed"][0])
        raise ConfigurationError(
            f"record {first['row']} does not fit what all others say: {first['message']}",
            where=sample,
            hint="Leave it out of the sample, or write the contract by hand.",
        )
    print(text, end="")
    if bad:
        line = "" if bad[0].line is None else f":{bad[0].line}"
        told = f"{bad[0].file}{line}: {bad[0].reason}"
        print(f"{counted(len(bad), 'line')} of the sample cannot be read, the first {told}.", file=sys.stderr)
    if nobodys:
        print(
            f"{nobodys:,} of {counted(tried['rows'], 'record')} have no {contract.partition_key}, the customer's id: "
            "they would wait in quarantine.",
            file=sys.stderr,
        )


@app.command
def show(file: _File, /, *, json: AsJson = False) -> None:
    """What a contract says once it is compiled: fields, limits, rules, personal data, mapping."""
    from mainstem.contracts import described
    from mainstem.runtime.project import read_contract_file

    said = described(read_contract_file(file))
    print(json_format.dumps(said)) if json else _print_contract(said)


def _changes(old: Path, new: Path) -> list[dict[str, Any]]:
    """Changes, each with what it hits where it breaks something."""
    from mainstem.contracts import compare_contracts
    from mainstem.runtime.project import project_dependents, read_contract_file

    before, after = read_contract_file(old), read_contract_file(new)
    dependents = project_dependents(new)
    rows = []
    for change in compare_contracts(before, after):
        uses: list[Use] = []
        if change.breaking:
            for field in change.fields:
                uses += dependents.of(before if field in before.fields else after, field)
        hits = [dataclasses.asdict(use) for use in dict.fromkeys(uses)]
        rows.append({**dataclasses.asdict(change), "fields": list(change.fields), "hits": hits})
    return rows


def _tried(contract: Contract, sample: str, most: int) -> dict[str, Any]:
    from mainstem.clock import SystemClock
    from mainstem.contracts import Trial
    from mainstem.contracts.duck import connect
    from mainstem.intake import BadLine, sample_rows

    bad: list[BadLine] = []
    with connect() as connection:
        trial = Trial(contract, connection, SystemClock().wall(), _SHOWN)
        for payloads, numbers in sample_rows(sample, max(most, 1), bad):
            trial.add(payloads, numbers)
    reasons = [
        {"reason": reason, "field": field, "rule": rule, "count": count}
        for (reason, field, rule), count in trial.reasons.most_common()
    ]
    return {
        "rows": trial.rows,
        "passed": trial.passed,
        "held": trial.held,
        "discarded": trial.discarded,
        "reasons": reasons,
        "warnings": dict(trial.warnings.most_common()),
        "remedied": [
            {"field": field, "remedy": remedy, "count": count}
            for (field, remedy), count in sorted(trial.remedied.items())
        ],
        "failed": [dataclasses.asdict(one) for one in trial.failed],
        "unreadable": [{"file": one.file, "line": one.line, "reason": one.reason} for one in bad],
    }


def _print_check(result: dict[str, Any]) -> None:
    print(f"{result['contract']}: the contract is valid.")
    for note in result["notes"]:
        print(f"Perhaps a slip: {note}")
    if "changes" in result:
        _print_changes(result["changes"])
    if result.get("sample") is not None:
        _print_sample(result["sample"])


def _print_sample(sample: dict[str, Any]) -> None:
    print(f"{sample['passed']:,} of {counted(sample['rows'], 'record')} pass.")
    if sample["held"]:
        print(f"{sample['held']:,} would be held, and take effect when somebody releases them.")
    if sample["discarded"]:
        print(f"{sample['discarded']:,} are discarded, as the contract says; the others would wait in quarantine.")
    for one in sample["reasons"]:
        where = " ".join(part for part in (one["field"], one["rule"]) if part)
        print(f"  {one['count']:,} {one['reason']} {where}".rstrip())
    for one in sample["failed"]:
        print(f"  record {one['row']}: {one['message']}")
    for rule, count in sample["warnings"].items():
        print(f"  {count:,} pass with a warning: {rule}")
    for one in sample["remedied"]:
        print(f"  {one['count']:,} of those that pass are remedied: {one['field']} {one['remedy']}")
    for one in sample["unreadable"][:_SHOWN]:
        line = "" if one["line"] is None else f":{one['line']}"
        print(f"  {one['file']}{line}: {one['reason']}")


def _print_changes(changes: Sequence[dict[str, Any]]) -> None:
    if not changes:
        print("Nothing changes.")
    for change in changes:
        print(f"{'BREAKS' if change['breaking'] else 'fits  '}  {change['message']}")
        for hit in change["hits"]:
            print(f"          hits the {hit['kind']} {hit['name']} ({hit['by']})")


def _print_contract(said: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    console.print(f"{said['source']}.{said['stream']}: {said['kind']}, becomes {said['entity']}")
    for name in ("key", "partition_key", "record_id", "occurred_at", "repeat", "freshness_seconds"):
        if said[name]:
            console.print(f"  {name.replace('_', ' ')}: {said[name]}")
    fields = Table("field", "type", "required", "path", "personal data", "remedies", "limits", "attribute")
    for one in said["fields"]:
        limits = [
            f"{limit['limit']} {limit['value']}"
            + ("" if limit["severity"] == "quarantine" else f" ({limit['severity']})")
            for limit in one["limits"]
        ]
        if one["allowed"]:
            limits.insert(0, f"one of {', '.join(one['allowed'])}")
        pii = "" if one["pii"] == "none" else one["pii"]
        fields.add_row(
            one["name"],
            one["type"],
            "yes" if one["required"] else "",
            ".".join(one["path"]),
            pii,
            ", ".join(remedy["remedy"] for remedy in one["remedies"]),
            "; ".join(limits),
            ", ".join(one["attributes"]),
        )
    console.print(fields)
    if said["rules"]:
        rules = Table("rule", "severity", "condition", "")
        for one in said["rules"]:
            rules.add_row(one["name"], one["severity"], one["condition"], one["description"])
        console.print(rules)
