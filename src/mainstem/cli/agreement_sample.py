"""`mainstem agreement sample` and `compare`: a random sample of a stream, fetched again, as the truth.

Both work on the installation's own folder: whoever can read its keys may see what they seal.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from cyclopts import Parameter, validators

from mainstem.cli.options import DEFAULT_DATA_DIR, AsJson, ConfigFile, DataDir
from mainstem.cli.wording import counted
from mainstem.errors import ConfigurationError

if TYPE_CHECKING:
    from mainstem.contracts import Contract
    from mainstem.processing import Sample
    from mainstem.runtime.wiring import Runtime

__all__ = ["compare", "sample"]

_MOST = 100_000
_BREAKS = ("\n", "\r")

_Source = Annotated[str, Parameter(help="The source.")]
_Stream = Annotated[str, Parameter(help="A stream of entities.")]


def sample(
    source: _Source,
    stream: _Stream,
    /,
    *,
    size: Annotated[int, Parameter(help="So many keys.", validator=validators.Number(gte=1, lte=_MOST))],
    output: Annotated[
        Path | None, Parameter(help="The file that is made; SOURCE.STREAM.keys.txt when nothing is said.")
    ] = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    config: ConfigFile = None,
) -> None:
    """Draw keys of held entities at random and write them to a file, a key a line, as the source wrote them.

    Fetch these records from the source again, and give them to `mainstem agreement compare`. The file may name people: only
    its owner can read it. One that is there already is not written over.
    """
    from mainstem.processing import sample_keys
    from mainstem.runtime.wiring import connect_runtime

    path = output or Path(f"{source}.{stream}.keys.txt")
    with connect_runtime(data_dir, config) as runtime:
        contract = _contract(runtime, source, stream)
        with runtime.database.snapshot() as conn:
            keys = sample_keys(conn, contract, source, size, runtime.keyring.sealer)
    whole = [key for key in keys if not any(one in key for one in _BREAKS)]
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError as error:
        raise ConfigurationError(
            "the file is there already.", where=str(path), hint="Name another: --output"
        ) from error
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.writelines(f"{key}\n" for key in whole)
    print(f"{counted(len(whole), 'key')} in {path}")
    if len(whole) < len(keys):
        print(f"left out: {counted(len(keys) - len(whole), 'key')} with a line break", file=sys.stderr)


def compare(
    source: _Source,
    stream: _Stream,
    file: Annotated[Path, Parameter(help="Records as the source writes them, a JSON object a line.")],
    /,
    *,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    config: ConfigFile = None,
    json: AsJson = False,
) -> None:
    """Compare records that were fetched again, field by field, with what is held, and keep the accuracy of each field.

    The records go through the stream's contract and take no effect. Who wants to know how accurate the stream is, and not how
    accurate some records are, fetches what `mainstem agreement sample` drew.
    """
    from mainstem.processing import EmbeddedEngine, compare_refetched
    from mainstem.quality import write_measurements
    from mainstem.runtime.wiring import connect_runtime

    payloads = _payloads(file)
    with connect_runtime(data_dir, config) as runtime:
        contract, keyring, now = _contract(runtime, source, stream), runtime.keyring, runtime.clock.wall()
        engine = EmbeddedEngine(runtime.registry, keyring.references, keyring.hasher, keyring.sealer, runtime.parents)
        with runtime.database.snapshot() as conn:
            found = compare_refetched(conn, contract, source, payloads, (engine, keyring.sealer), now)
        if found.compared:
            with runtime.database.transaction() as conn:
                write_measurements(conn, found.measurements(source, stream, now))
    told = _told(found, len(payloads))
    print(msgspec.json.encode(told).decode()) if json else _print(told)


def _contract(runtime: Runtime, source: str, stream: str) -> Contract:
    from mainstem.hints import near_miss

    contract = runtime.registry.active(source, stream)
    if contract is None:
        known = [".".join(name) for name in runtime.registry.streams()]
        name = f"{source}.{stream}"
        raise ConfigurationError(f"No contract is in force for {name}.", where=name, hint=near_miss(name, known))
    return contract


def _payloads(file: Path) -> list[bytes]:
    try:
        lines = [line for line in file.read_bytes().splitlines() if line.strip()]
    except OSError as error:
        raise ConfigurationError(f"it cannot be read: {error.strerror}.", where=str(file)) from error
    if not 1 <= len(lines) <= _MOST:
        raise ConfigurationError(
            f"{counted(len(lines), 'record')} are in it; 1 to {_MOST:,} can be compared.", where=str(file)
        )
    return lines


def _told(found: Sample, records: int) -> dict[str, Any]:
    from mainstem.quality import WHOLE, wilson

    def told(name: str) -> dict[str, Any]:
        one = found.fields[name]
        value = one.good / one.n if one.n else None
        share = {"value": value, "good": one.good, "of": one.n, "interval": wilson(one.good, one.n)}
        return {**share, "missing": one.missing}

    return {
        "records": records,
        "compared": found.compared,
        "moved": found.moved,
        "absent": found.absent,
        "gone": found.gone,
        "both_gone": found.both_gone,
        "repeated": found.repeated,
        "refused": [{"reason": reason, "field": field, "n": n} for (reason, field), n in found.refused.items()],
        "whole": told(WHOLE),
        "fields": [{"field": name, **told(name)} for name in found.fields if name != WHOLE],
    }


def _print(told: dict[str, Any]) -> None:
    others = {
        "moved": "of another version than is held",
        "absent": "of which nothing is held",
        "gone": "deleted at the source, and held",
        "both_gone": "deleted at the source, and not held",
        "repeated": "there again further down",
    }
    print(f"{counted(told['records'], 'record')}, {told['compared']:,} compared")
    for name, words in others.items():
        if told[name]:
            print(f"  {told[name]:,} {words}")
    for one in told["refused"]:
        print(f"  {one['n']:,} not taken: {one['reason']}{' ' + one['field'] if one['field'] else ''}")
    for name, one in [("whole records", told["whole"]), *((one["field"], one) for one in told["fields"])]:
        if one["value"] is not None:
            between = one["interval"]
            missing = f"; {one['missing']:,} missing" if one["missing"] else ""
            said = f"{one['value']:.2%} true ({between.low:.2%} to {between.high:.2%}), {one['of']:,} compared{missing}"
            print(f"  {name}: {said}")
