"""Answers leave in one write, in order, and nothing is lost where a connection ends."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any, cast

import pytest
import uvicorn
import uvicorn.server
import uvloop

from mainstem.runtime.http_limits import LimitedHttp
from mainstem.runtime.http_writing import OneWrite


class Recorded:
    """A transport that notes what happens to it."""

    def __init__(self) -> None:
        self.done: list[bytes | str] = []
        self.closing = False

    def write(self, data: bytes) -> None:
        self.done.append(data)

    def close(self) -> None:
        self.closing = True
        self.done.append("close")

    def abort(self) -> None:
        self.closing = True
        self.done.append("abort")

    def write_eof(self) -> None:
        self.done.append("eof")

    def is_closing(self) -> bool:
        return self.closing


def after(act: Callable[[OneWrite], None]) -> list[bytes | str]:
    """What a transport met when this was done in one turn of the event loop, and the turn had ended."""
    transport = Recorded()

    async def turn() -> None:
        act(OneWrite(cast("asyncio.Transport", transport), asyncio.get_running_loop()))
        await asyncio.sleep(0)

    asyncio.run(turn())
    return transport.done


def head_and_body(writer: OneWrite) -> None:
    writer.write(b"head ")
    writer.write(b"body")


def test_what_is_written_in_one_turn_leaves_in_one_write() -> None:
    assert after(head_and_body) == [b"head body"]
    assert after(lambda writer: writer.writelines([b"head ", b"body"])) == [b"head body"]


@pytest.mark.parametrize(("end", "said"), [("close", "close"), ("write_eof", "eof")])
def test_an_answer_leaves_before_its_connection_ends(end: str, said: str) -> None:
    def act(writer: OneWrite) -> None:
        head_and_body(writer)
        getattr(writer, end)()

    assert after(act) == [b"head body", said]


def test_a_connection_that_is_cut_off_sends_nothing_more() -> None:
    def act(writer: OneWrite) -> None:
        head_and_body(writer)
        writer.abort()
        writer.write(b"late")

    assert after(act) == ["abort"]


def test_much_is_handed_on_at_once_and_in_order() -> None:
    much = bytes(20_000)

    def act(writer: OneWrite) -> None:
        writer.write(b"head")
        writer.write(much)
        assert cast("Recorded", writer._transport).done == [b"head" + much]
        writer.write(b"tail")

    assert after(act) == [b"head" + much, b"tail"]


def test_what_is_written_turn_after_turn_leaves_turn_after_turn() -> None:
    transport = Recorded()

    async def turns() -> None:
        writer = OneWrite(cast("asyncio.Transport", transport), asyncio.get_running_loop())
        for data in (b"one", b"two"):
            writer.write(data)
            await asyncio.sleep(0)

    asyncio.run(turns())
    assert transport.done == [b"one", b"two"]


async def _answer(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
    await send({"type": "http.response.body", "body": b"body"})


async def _ask_and_say_no_more() -> bytes:
    config = uvicorn.Config(_answer, log_config=None)
    config.load()
    loop = asyncio.get_running_loop()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        theirs.shutdown(socket.SHUT_WR)
        await loop.connect_accepted_socket(lambda: LimitedHttp(config, uvicorn.server.ServerState(), {}), ours)
        return await asyncio.to_thread(lambda: b"".join(iter(lambda: theirs.recv(4096), b"")))


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_who_says_that_nothing_more_comes_is_answered(new_loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    with asyncio.Runner(loop_factory=new_loop) as runner:
        answer = runner.run(_ask_and_say_no_more())
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.endswith(b"body")
