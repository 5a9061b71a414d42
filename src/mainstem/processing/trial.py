"""The contracts in force, and one as if it were."""

from __future__ import annotations

import dataclasses

from mainstem.contracts import ANY_SOURCE, Contract
from mainstem.processing.embedded import Contracts

__all__ = ["Trial"]

# Above every version that is numbered.
_TRIAL = 2**31 - 1


class Trial:
    """`Contracts` in which `contract` is in force for what it covers; the others are as they are."""

    def __init__(self, contracts: Contracts, contract: Contract) -> None:
        self._contracts = contracts
        self._contract = dataclasses.replace(contract, version=_TRIAL)

    def active(self, source: str, stream: str) -> Contract | None:
        """See `Contracts`."""
        return self._contract if self._covers(source, stream) else self._contracts.active(source, stream)

    def at(self, source: str, stream: str, version: int) -> Contract:
        """See `Contracts`. Raises NotFoundError."""
        tried = version == _TRIAL and self._covers(source, stream)
        return self._contract if tried else self._contracts.at(source, stream, version)

    def _covers(self, source: str, stream: str) -> bool:
        return self._contract.stream == stream and self._contract.source in (source, ANY_SOURCE)
