"""`mainstem contract drift` and `evolve`: how streams depart from the contracts in force, and what to make of it."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json as json_format
import sys
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter, validators

from mainstem.cli.options import DEFAULT_DATA_DIR, AsJson, ConfigFile, DataDir
from mainstem.cli.wording import counted
from mainstem.errors import ConfigurationError

if TYPE_CHECKING:
    from mainstem.contracts import Evolution

__all__ = ["drift", "evolve"]

_MOST = 10_000
_SHOWN = 6


def drift(
    *,
    source: Annotated[str | None, Parameter(help="Only of this source.")] = None,
    stream: Annotated[str | None, Parameter(help="Only of this stream.")] = None,
    kind: Annotated[
        str | None, Parameter(help="Only new_field, missing_field, type_change, enum_growth or rename.")
    ] = None,
    since: Annotated[
        dt.datetime | None, Parameter(help="Only what was first seen then or later (UTC without an offset).")
    ] = None,
    limit: Annotated[int, Parameter(help="At most so many.", validator=validators.Number(gte=1, lte=_MOST))] = 200,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    config: ConfigFile = None,
    json: AsJson = False,
) -> None:
    """List how streams depart from their contracts, the latest first. Values are shown only where none is personal."""
    from mainstem.contracts import DriftKind
    from mainstem.hints import near_miss
    from mainstem.processing import DriftSelection, read_drift, told_drift
    from mainstem.runtime.wiring import connect_runtime

    words = [str(one) for one in DriftKind]
    if kind is not None and kind not in words:
        raise ConfigurationError(f"{kind!r} is no kind of drift.", where="--kind", hint=near_miss(kind, words))
    if since is not None and since.tzinfo is None:
        since = since.replace(tzinfo=dt.UTC)
    selection = DriftSelection(source, stream, None if kind is None else DriftKind(kind), since)
    with connect_runtime(data_dir, config) as runtime:
        with runtime.database.autocommit() as conn:
            entries = read_drift(conn, selection, limit=limit)
        rows = [told_drift(entry, runtime.registry) for entry in entries]
    if json:
        print(json_format.dumps(rows))
    else:
        _print_rows(rows)


def evolve(
    name: Annotated[str, Parameter(help="The stream, as SOURCE.STREAM.")],
    /,
    *,
    activate: Annotated[bool, Parameter(negative="", help="Put the proposal into force at once.")] = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    config: ConfigFile = None,
    json: AsJson = False,
) -> None:
    """Propose a stream's next contract from the drift that was found, and print it as YAML.

    What changes, and what is left to you and why, is said on the error output. Policies that freeze or discard are kept
    to. Once it is in force (--activate, or mainstem activate) what waits in quarantine and passes takes effect by itself.
    Keep the printed text as the contract's file: an older file that is activated later would be a new version again.
    """
    from mainstem.contracts import propose_evolution
    from mainstem.processing import DriftSelection, counted_renames, observed_drift, read_drift
    from mainstem.runtime.control_copy import copy_control
    from mainstem.runtime.declarations import activate_contract
    from mainstem.runtime.wiring import connect_runtime

    source, dot, stream = name.partition(".")
    if not dot or not source or not stream:
        raise ConfigurationError(f"{name!r} names no stream.", where="evolve", hint="Write SOURCE.STREAM.")
    with connect_runtime(data_dir, config) as runtime:
        contract = runtime.registry.active(source, stream)
        if contract is None:
            raise ConfigurationError(
                f"no contract is in force for {name}.", hint="Draft one from records: mainstem contract init"
            )
        selection = DriftSelection(source, stream, contract_version=contract.version)
        with runtime.database.autocommit() as conn:
            entries = read_drift(conn, selection, limit=_MOST)
            observed = [*observed_drift(entries), *counted_renames(conn, contract, source, entries)]
        evolution = propose_evolution(contract, source, observed)
        activated = None
        if activate and evolution.text is not None:
            with runtime.door:
                where = f"the proposal for {name}"
                activated = activate_contract(runtime, evolution.text, where, follows=contract.version).version
            copy_control(runtime)
    if json:
        changes = [dataclasses.asdict(change) for change in evolution.changes]
        told = {"contract": name, "version": contract.version, "changes": changes, "text": evolution.text}
        print(json_format.dumps({**told, "activated": activated}))
    else:
        _print_evolution(name, evolution, activated)


def _print_evolution(name: str, evolution: Evolution, activated: int | None) -> None:
    for change in evolution.changes:
        if change.left is None:
            print(f"changed  {change.message}", file=sys.stderr)
        else:
            print(f"left     {change.message}: {change.left}", file=sys.stderr)
    if evolution.text is None:
        print(f"{name}: there is nothing to change.", file=sys.stderr)
        return
    print(evolution.text, end="")
    if activated is not None:
        print(f"{name}, version {activated}: is in force now", file=sys.stderr)


def _print_rows(rows: list[dict[str, Any]]) -> None:
    if not rows:
        print("No stream departs from its contract.")
    for group in _grouped(rows):
        row = group[0]
        # Keys that have no name of their own are counted one by one.
        word = "key" if row["path"] == "*" else "record"
        told = [] if row["records"] is None else [counted(row["records"], word)]
        told += [row["policy"]] if row["policy"] else []
        told += [f"{row['discarded']:,} discarded"] if row["discarded"] else []
        told += [] if row["in_force"] else ["before the contract in force"]
        at = row["first_at"][:16].replace("T", " ")
        what = f"{row['kind'].replace('_', ' ')} {row['path']}{_observed(group)}"
        print(f"{at}  {row['source']}.{row['stream']} v{row['contract_version']}  {what}  [{', '.join(told)}]")


def _grouped(rows: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Findings of one field and kind, which are counted together."""
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in rows:
        key = tuple(row[name] for name in ("source", "stream", "contract_version", "kind", "path", "records"))
        groups.setdefault(key, []).append(row)
    return list(groups.values())


def _observed(group: list[dict[str, Any]]) -> str:
    seen = [row["observed"] for row in group if row["observed"]] or group[0]["types"]
    rest = f" and {len(seen) - _SHOWN} more" if len(seen) > _SHOWN else ""
    return f": {', '.join(seen[:_SHOWN])}{rest}" if seen else ""
