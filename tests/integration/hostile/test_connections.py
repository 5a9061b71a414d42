"""Hostile connections: heads and bodies without end, too slow, or no HTTP at all."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import Any

import httpx
import pytest

MIB = 1 << 20


def head(target: Any, *extra: str, method: str = "POST", path: str = "/api/v1/data/ingest/shop") -> bytes:
    given = [f"{method} {path} HTTP/1.1", "Host: x", f"Authorization: Bearer {target.ingest}", *extra]
    return "\r\n".join([*given, "", ""]).encode()


def test_ten_gigabytes_declared(target: Any) -> None:
    before = target.memory("serve")
    answer = target.raw(head(target, f"Content-Length: {10 << 30}"))
    assert b" 413 " in answer.split(b"\r\n")[0]
    assert b"too_large" in answer
    # To a route that anybody may call, too.
    for path in ("/api/v1/auth/sign-in", "/api/v1/auth/sign-out"):
        answer = target.raw(head(target, f"Content-Length: {10 << 30}", path=path))
        assert b" 413 " in answer.split(b"\r\n")[0], answer
    for length in ("-1", "99999999999999999999999999", "0x10", "1, 2", "1\r\nContent-Length: 2", " "):
        answer = target.raw(head(target, f"Content-Length: {length}") + b"{}")
        assert answer.split(b"\r\n")[0].split()[1:2] in ([b"400"], [b"413"]), (length, answer)
    assert target.memory("serve") - before < 50 * MIB


def test_a_body_without_end_in_chunks(target: Any) -> None:
    before = target.memory("serve")
    chunk = b"100000\r\n" + b"[" * MIB + b"\r\n"
    for path, most in (("/api/v1/data/ingest/shop", 64), ("/api/v1/auth/sign-in", 64)):
        with target.connection() as connection:
            sent = 0
            with contextlib.suppress(OSError):
                connection.sendall(
                    head(target, "Transfer-Encoding: chunked", "Content-Type: application/json", path=path)
                )
                connection.settimeout(5)
                for _ in range(200):
                    connection.sendall(chunk)
                    sent += 1
            assert sent < most, path
            with contextlib.suppress(OSError):
                assert b" 413 " in connection.recv(65536).split(b"\r\n")[0]
    assert target.memory("serve") - before < 150 * MIB


def test_no_http(target: Any) -> None:
    for data in (
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 500,
        b"GET\r\n\r\n",
        b"\0" * 10_000,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nbroken header\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n",
        b"GET \xff\xfe HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET http://[::1 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"CONNECT example.org:443 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"BREW / HTTP/1.1\r\nHost: a\r\n\r\n",
        head(target, "Transfer-Encoding: chunked", "Content-Length: 2") + b"{}",
        head(target, "Transfer-Encoding: gzip, chunked") + b"zz\r\n",
        head(target, "Transfer-Encoding: chunked") + b"fffffffffffffffff\r\n{}",
    ):
        answer = target.raw(data)
        status = answer.split(b"\r\n")[0].split()[1:2]
        assert not status or b"400" <= status[0] < b"500", (data[:40], answer[:300])
    assert httpx.get(target.tree.url + "/healthz").status_code == 200


def test_heads_without_end(target: Any) -> None:
    before = target.memory("serve")
    for start, more in (
        (b"GET / HTTP/1.1\r\nX: ", b"y" * MIB),
        (b"GET / HTTP/1.1\r\n", b"".join(b"X-%d: y\r\n" % n for n in range(50_000))),
        (b"GET /", b"y" * MIB),
        (b"G", b"G" * MIB),
    ):
        with target.connection() as connection:
            sent = 0
            with contextlib.suppress(OSError):
                connection.sendall(start)
                for _ in range(100):
                    connection.sendall(more)
                    sent += 1
            assert sent < 50
    answer = target.raw(b"GET /healthz HTTP/1.1\r\nHost: a\r\n" + b"X: " + b"y" * 100_000)
    assert b" 431 " in answer.split(b"\r\n")[0]
    assert target.memory("serve") - before < 50 * MIB
    assert httpx.get(target.tree.url + "/healthz").status_code == 200


@pytest.mark.timeout(120)
def test_slow_heads_and_bodies_are_cut_off_while_others_are_served(target: Any) -> None:
    began = time.monotonic()
    idle = [socket.create_connection(target.address) for _ in range(200)]
    dripping = [socket.create_connection(target.address) for _ in range(100)]
    bodies = [socket.create_connection(target.address) for _ in range(100)]
    for connection in dripping:
        connection.sendall(b"GET /healthz HTTP/1.1\r\n")
    for connection in bodies:
        connection.sendall(head(target, "Content-Length: 100000") + b"[")
    stop = threading.Event()

    def drip() -> None:
        while not stop.wait(0.5):
            for n, connection in enumerate(dripping + bodies):
                with contextlib.suppress(OSError):
                    connection.sendall(b"X: y\r\n" if n < len(dripping) else b" ")

    thread = threading.Thread(target=drip)
    thread.start()
    try:
        assert target.send(b'{"stream":"usage_events","payload":{}}', source="slow").status_code == 202
        answers = []
        for connection in dripping + bodies + idle:
            connection.settimeout(90)
            answer = b""
            with contextlib.suppress(OSError):
                while chunk := connection.recv(4096):
                    answer += chunk
            answers.append(answer)
    finally:
        stop.set()
        thread.join()
        for connection in idle + dripping + bodies:
            connection.close()
    assert time.monotonic() - began < 90
    told = [answer.split(b"\r\n")[0] for answer in answers[: len(dripping) + len(bodies)] if answer]
    assert told
    assert set(told) == {b"HTTP/1.1 408 Request Timeout"}
    assert answers[-1] == b""
    assert target.send(b'{"stream":"usage_events","payload":{}}', source="slow").status_code == 202


def test_a_body_that_ends_early(target: Any) -> None:
    for _ in range(50):
        with target.connection() as connection:
            connection.sendall(
                head(target, "Content-Length: 1000", path="/api/v1/data/ingest/ends") + b'[{"stream":"usage_events"'
            )
    assert target.settled("ends")["received"] == 0
    assert httpx.get(target.tree.url + "/readyz").status_code == 200


def test_requests_in_a_pipe(target: Any) -> None:
    text = b'{"stream":"usage_events","payload":{}}'
    one = head(target, f"Content-Length: {len(text)}", path="/api/v1/data/ingest/piped") + text
    last = head(target, f"Content-Length: {len(text)}", "Connection: close", path="/api/v1/data/ingest/piped") + text
    with target.connection() as connection:
        connection.sendall(one * 99 + last)
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
    assert answer.count(b"HTTP/1.1 202 ") == 100
    assert target.settled("piped")["received"] == 100


def test_hostile_addresses_and_headers(target: Any) -> None:
    for path in (
        "/api/v1/analytics/customer-health/%00",
        "/api/v1/analytics/customer-health/%ff%fe",
        "/api/v1/analytics/customer-health/" + "a" * 5000,
        "/api/v1/analytics/usage-trends/%00",
        "/api/v1/analytics/usage-trends/7d?metric=%00",
        "/api/v1/analytics/usage-trends/7d?customer_id=%00",
        "/api/v1/analytics/usage-trends/7d?segment=%00",
        "/api/v1/analytics/customers?cursor=%00&limit=5",
        "/api/v1/analytics/customers?limit=99999999999999999999",
        "/api/v1/analytics/customers?limit=-1",
        "/api/v1/analytics/customers?sort=%00",
        "/api/v1/analytics/customers?search=%00",
        "/api/v1/data/status/%00",
        "/api/v1/data/quality/metrics?stream=%00&source=%00",
        "/api/v1/data/quarantine?source=%00&reason=%00&cursor=%00",
        "/..%2f..%2f..%2fetc%2fpasswd",
        "/assets/..%2f..%2f..%2fapp.py",
        "/assets/%00",
        "//etc/passwd",
        "/%00",
    ):
        answer = target.get(path)
        assert answer.status_code < 500, (path, answer.text)
        assert "root:" not in answer.text
    for key in ("x" * 10_000, "\xff", "Bearer", "ms_" + "a" * 43):
        answer = httpx.get(
            target.tree.url + "/api/v1/analytics/customers",
            headers=[(b"Authorization", f"Bearer {key}".encode("latin-1"))],
        )
        assert answer.status_code == 401, answer.text
    for cookie in ("x" * 8000, "mainstem_session=\xff\xfe", "mainstem_session=" + "a." * 1000, "=;=;;;"):
        answer = httpx.get(
            target.tree.url + "/api/v1/analytics/customers", headers=[(b"Cookie", cookie.encode("latin-1"))]
        )
        assert answer.status_code == 401, answer.text
    for text in (b"", b"null", b"[]", b"{", b'{"name":1,"password":[]}', b'{"name":"a","password":"' + b"x" * 5000 + b'"}',
                 b'{"name":"\\u0000","password":"\\u0000"}', b'{"name":"\\ud800","password":"x"}'):  # fmt: skip
        answer = httpx.post(
            target.tree.url + "/api/v1/auth/sign-in", content=text, headers={"Content-Type": "application/json"}
        )
        assert answer.status_code in {401, 422}, (text[:60], answer.text)
        assert answer.json()["type"].startswith("/problems/")


_INSTANTS = (
    "0001-01-01T00:00:00Z", "0001-01-01T00:00:00%2B14:00", "0001-01-20T00:00:00", "9999-12-31T23:59:59Z",
    "9999-12-31T23:59:59-12:00", "9999-12-01T00:00:00Z",
)  # fmt: skip


@pytest.mark.parametrize("name", ["as_of", "known_at"])
def test_instants_at_the_ends_of_time(target: Any, name: str) -> None:
    known = b'{"customer_id": "known", "event": "used", "occurred_at": "2026-01-10T00:00:00Z"}'
    assert target.send(known, source="ends", query="?stream=usage_events").status_code == 202
    target.settled("ends")
    for path in (
        "/api/v1/analytics/customer-health/ends:known",
        "/api/v1/analytics/customers",
        "/api/v1/analytics/usage-trends/12m",
    ):
        for instant in _INSTANTS:
            answer = target.get(f"{path}?{name}={instant}")
            assert answer.status_code < 500, (path, instant, answer.text)
            if name == "as_of" and path.endswith("known"):
                answer = target.get(f"{path}?as_of=2026-01-01T00:00:00Z&known_at={instant}")
                assert answer.status_code < 500, (path, instant, answer.text)
