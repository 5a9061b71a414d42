"""`mainstem activate`: a folder's declarations into force."""

from __future__ import annotations

import dataclasses
import json as json_format
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from mainstem.cli.options import DEFAULT_DATA_DIR, AsJson, ConfigFile, DataDir
from mainstem.cli.wording import counted
from mainstem.contracts import ACTIVE

__all__ = ["activate"]


def activate(
    folder: Annotated[Path, Parameter(help="A folder with contracts/, metrics/, health/ and agreements/.")],
    /,
    *,
    check: Annotated[bool, Parameter(help="Only say whether they could be activated.", negative="")] = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    config: ConfigFile = None,
    json: AsJson = False,
) -> None:
    """Put contracts, metrics, health models and agreements into force.

    All files are read and checked before the first is put into force. What is in force already stays as it is; another
    text under a known name becomes a new version. Records that came before keep the version they came with.
    """
    from mainstem.runtime.control_copy import copy_control
    from mainstem.runtime.declarations import activate_folder, read_folder
    from mainstem.runtime.wiring import connect_runtime

    with connect_runtime(data_dir, config) as runtime:
        if check:
            found = read_folder(runtime, folder)
            counts = {
                "contract": found.contracts,
                "metric": found.metrics,
                "health model": found.health,
                "agreement": found.agreements,
            }
            numbers = {
                "contracts": len(found.contracts),
                "metrics": len(found.metrics),
                "health": len(found.health),
                "agreements": len(found.agreements),
            }
            words = ", ".join(counted(len(files), word) for word, files in counts.items())
            print(json_format.dumps(numbers) if json else f"Nothing is wrong: {words}.")
            _warn([(f"{one.source}.{one.stream}", one.status) for _, one in found.contracts], "would be")
            return
        with runtime.door:
            activations = activate_folder(runtime, folder)
        # Records that are stamped with a contract may reach the lake before the decision about it does.
        copy_control(runtime)
    if json:
        print(json_format.dumps([dataclasses.asdict(one) for one in activations]))
        return
    for one in activations:
        state = "is in force now" if one.new else "was in force already"
        print(f"{one.kind.replace('_', ' ')} {one.name}, version {one.version}: {state}")
    _warn([(one.name, one.status) for one in activations], "is")


def _warn(contracts: Sequence[tuple[str, str]], verb: str) -> None:
    """Name the contracts, each with its status, whose own text says that they are not, or no longer, in force."""
    for name, status in contracts:
        if status != ACTIVE:
            print(
                f"warning: the contract {name} {verb} in force although it says status: {status}. "
                f"Write status: {ACTIVE} when it is meant to be.",
                file=sys.stderr,
            )
