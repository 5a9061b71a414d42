"""Hostile WebSocket clients: garbage, floods, forged tokens, readers that do not read, thousands of them."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import socket
import struct
import threading
import time
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

PATH = "/api/v1/stream/live-metrics"
MIB = 1 << 20


def address(target: Any, path: str = PATH) -> str:
    return f"ws://127.0.0.1:{target.tree.port}{path}"


def join(target: Any, path: str = PATH) -> ClientConnection:
    return connect(
        address(target, path), additional_headers={"Authorization": f"Bearer {target.reader}"}, max_size=None
    )


def first(target: Any, path: str = PATH) -> list[dict[str, Any]]:
    """The messages up to the first snapshot."""
    found: list[dict[str, Any]] = []
    with join(target, path) as client:
        while not found or found[-1]["type"] != "snapshot":
            found.append(json.loads(client.recv(30)))
    return found


def upgraded(target: Any, key: str | None = None, path: str = PATH) -> socket.socket:
    """A connection after its handshake, to send whatever one likes on."""
    connection = socket.create_connection(target.address, timeout=60)
    lines = [
        f"GET {path} HTTP/1.1",
        "Host: x",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
        f"Authorization: Bearer {key or target.reader}",
    ]
    connection.sendall("\r\n".join([*lines, "", ""]).encode())
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += connection.recv(1)
    assert b" 101 " in answer.split(b"\r\n")[0], answer
    return connection


def frame(opcode: int, data: bytes, *, final: bool = True, masked: bool = True, length: int | None = None) -> bytes:
    size = len(data) if length is None else length
    head = bytes([opcode | (0x80 if final else 0)])
    mask_bit = 0x80 if masked else 0
    if size < 126:
        head += bytes([mask_bit | size])
    elif size < 1 << 16:
        head += bytes([mask_bit | 126]) + struct.pack("!H", size)
    else:
        head += bytes([mask_bit | 127]) + struct.pack("!Q", size)
    return head + (b"\0\0\0\0" if masked else b"") + data


GARBAGE = {
    "noise": os.urandom(4096),
    "not masked": frame(1, b"hello", masked=False),
    "an unknown opcode": frame(5, b"hello"),
    "reserved bits": b"\xf1" + frame(1, b"hello")[1:],
    "no utf-8": frame(1, b"\xff\xfe"),
    "a fragmented ping": frame(9, b"x", final=False),
    "a continuation of nothing": frame(0, b"x"),
    "a long ping": frame(9, b"x" * 1000),
    "a close of one byte": frame(8, b"x"),
    "a huge frame declared": frame(2, b"x" * 100, length=1 << 62),
    "a huge frame": frame(1, b"x" * 8 * MIB),
    "many fragments": frame(1, b"x" * 100, final=False) + frame(0, b"x" * 100, final=False) * 1000,
    "plain http": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
}


@pytest.mark.parametrize("name", GARBAGE)
def test_garbage_ends_the_connection_and_nothing_else(target: Any, name: str) -> None:
    before = target.memory("serve")
    with upgraded(target) as connection:
        with contextlib.suppress(OSError):
            connection.sendall(GARBAGE[name])
        connection.settimeout(60)
        # Whatever was told meanwhile, and then the end.
        with contextlib.suppress(OSError):
            while connection.recv(65536):
                pass
    assert first(target)[-1]["type"] == "snapshot"
    assert target.memory("serve") - before < 50 * MIB


def test_a_flood_of_small_messages_and_pings_is_read_and_forgotten(target: Any) -> None:
    before = target.memory("serve")
    with upgraded(target) as connection:
        connection.settimeout(10)
        reader = threading.Thread(target=_read_all, args=(connection,))
        reader.start()
        with contextlib.suppress(OSError):
            for _ in range(50):
                connection.sendall(frame(1, b"x" * 100) * 200 + frame(9, b"ping") * 200)
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
        reader.join()
    assert target.memory("serve") - before < 50 * MIB


def _read_all(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while connection.recv(65536):
            pass


def test_forged_tokens_are_answered_with_a_reset(target: Any) -> None:
    real = first(target)[-1]["token"]
    raw = base64.urlsafe_b64decode(real + "=" * (-len(real) % 4))
    changed = base64.urlsafe_b64encode(raw[:-1] + bytes([raw[-1] ^ 1])).decode().rstrip("=")
    for token in (
        changed,
        real[:-4],
        real + "AAAA",
        "x",
        "%00",
        "%F0%9F%A6%84",
        "A" * 8000,
        "..",
        real.swapcase(),
        "=" * 9,
    ):
        found = first(target, f"{PATH}?token={token}")
        assert [message["type"] for message in found] == ["reset", "snapshot"], token
    # A token of another subscription is none of this one.
    other = first(target, "/api/v1/stream/health-scores")[-1]["token"]
    assert first(target, f"{PATH}?token={other}")[0]["type"] == "reset"


def test_whoever_may_not_look_is_told_so(target: Any) -> None:
    for headers, code in (
        ({"Authorization": "Bearer nobody"}, 4401),
        ({"Authorization": f"Bearer {target.ingest}"}, 4403),
        ({}, 4401),
        ({"Cookie": "mainstem_session=forged", "Origin": "http://evil.example"}, 4401),
    ):
        with connect(address(target), additional_headers=headers) as client:
            with pytest.raises(ConnectionClosed):
                client.recv(30)
            assert client.close_code == code


@pytest.mark.soak
def test_readers_that_do_not_read_are_cut_off(target: Any) -> None:
    """Their system's buffers are kept small, so that what is sent to them waits in the server."""
    before = target.memory("serve")
    connections = []
    for _ in range(50):
        connection = upgraded(target)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connections.append(connection)
    deadline = time.monotonic() + 150
    (process,) = target.processes["serve"]
    ports = {connection.getsockname()[1] for connection in connections}
    while _peers(target.tree.port) & ports:
        assert time.monotonic() < deadline
        time.sleep(1)
    assert process.alive
    assert target.memory("serve") - before < 100 * MIB
    for connection in connections:
        connection.close()


def _peers(port: int) -> set[int]:
    """The other ends' ports of the server's established connections."""
    with open("/proc/net/tcp") as file:  # noqa: PTH123 - not a file
        rows = [line.split() for line in file.readlines()[1:]]
    return {
        int(row[2].rpartition(":")[2], 16)
        for row in rows
        if int(row[1].rpartition(":")[2], 16) == port and row[3] == "01"
    }


@pytest.mark.timeout(180)
def test_thousands_of_connections(target: Any) -> None:
    before = target.memory("serve")
    connections: list[socket.socket] = []
    refused = 0
    try:
        for _ in range(2_000):
            try:
                connections.append(socket.create_connection(target.address, timeout=30))
            except OSError:
                refused += 1
                break
        assert httpx.get(target.tree.url + "/healthz", timeout=60).status_code in {200, 503}
    finally:
        for connection in connections:
            connection.close()
    # One after another: each is checked, told who is asking, and forgotten.
    for _ in range(300):
        with contextlib.suppress(OSError, AssertionError):
            upgraded(target, key="nobody").close()
    assert first(target)[-1]["type"] == "snapshot"
    assert httpx.get(target.tree.url + "/healthz", timeout=60).status_code == 200
    assert target.memory("serve") - before < 200 * MIB
