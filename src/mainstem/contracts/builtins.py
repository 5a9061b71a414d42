"""The contracts Mainstem brings along: streams that are accepted from any source without configuration."""

from __future__ import annotations

import functools
import importlib.resources
from collections.abc import Mapping
from types import MappingProxyType

from mainstem.contracts.contract import Contract
from mainstem.contracts.reader import read_contract

__all__ = ["builtin_contracts"]


@functools.cache
def builtin_contracts() -> Mapping[str, Contract]:
    """By stream; their source is `ANY_SOURCE`, their version 0."""
    folder = importlib.resources.files("mainstem.contracts") / "builtin"
    contracts = [
        read_contract(file.read_text(encoding="utf-8"), f"mainstem.contracts/builtin/{file.name}")
        for file in folder.iterdir()
        if file.name.endswith(".yaml")
    ]
    return MappingProxyType({contract.stream: contract for contract in sorted(contracts, key=lambda one: one.stream)})
