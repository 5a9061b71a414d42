from __future__ import annotations

import io
import logging
from collections.abc import Iterator

import pytest

from mainstem.runtime.logs import configure_logging
from mainstem.runtime.settings import RuntimeSettings


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    # A server that another test ran in this process may have cut it off.
    server = logging.getLogger("uvicorn")
    propagates, server.propagate = server.propagate, True
    stream = io.StringIO()
    configure_logging(RuntimeSettings(), "serve", stream)
    yield stream
    root.handlers[:], root.level = handlers, level
    server.propagate = propagates


@pytest.mark.parametrize("name", ["uvicorn.error", "uvicorn.access"])
def test_addresses_of_requests_and_sockets_are_not_logged(logged: io.StringIO, name: str) -> None:
    logging.getLogger(name).info('127.0.0.1 - "WebSocket /live?customer_id=jane@example.com" [accepted]')
    assert not logged.getvalue()


def test_what_fails_in_the_server_is_logged(logged: io.StringIO) -> None:
    logging.getLogger("uvicorn.error").error("the port is taken")
    assert '"role": "serve"' in logged.getvalue()
    assert "the port is taken" in logged.getvalue()
