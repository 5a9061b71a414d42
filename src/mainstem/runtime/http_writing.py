"""Fewer system calls for an answer: its head and its body, which uvicorn writes one after the other, leave together."""

from __future__ import annotations

import asyncio
from typing import Any, Final

__all__ = ["OneWrite"]

# More than this is worth a write of its own, and the transport has to know of it to hold its writer back.
_MUCH: Final = 16 * 1024


class OneWrite:
    """A transport that sends what is written to it in one turn of the event loop with one write, at the turn's end.

    Everything else it leaves to the transport it stands for.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._held: list[bytes] = []
        self._size = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """As asyncio has it."""
        if not self._held:
            self._loop.call_soon(self._flush)
        self._held.append(data)
        self._size += len(data)
        if self._size >= _MUCH:
            self._flush()

    def writelines(self, several: list[bytes]) -> None:
        """As asyncio has it."""
        self.write(b"".join(several))

    def write_eof(self) -> None:
        """As asyncio has it."""
        try:
            self._flush()
        finally:
            self._transport.write_eof()

    def close(self) -> None:
        """As asyncio has it."""
        try:
            self._flush()
        finally:
            self._transport.close()

    def abort(self) -> None:
        """As asyncio has it."""
        self._taken()
        self._transport.abort()

    def _flush(self) -> None:
        # Taken first: a write that fails leaves nothing behind that would never be sent.
        held = self._taken()
        if held and not self._transport.is_closing():
            self._transport.write(b"".join(held))

    def _taken(self) -> list[bytes]:
        held, self._held, self._size = self._held, [], 0
        return held
