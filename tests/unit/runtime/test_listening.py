"""A port that somebody is just letting go of is waited for; one in use is not."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from mainstem.errors import UnavailableError
from mainstem.runtime.listening import open_socket

HOST = "127.0.0.1"


@pytest.fixture
def taken() -> socket.socket:
    """A listening socket, of a port of its own."""
    return open_socket(HOST, 0)


def test_a_port_that_becomes_free_is_had(taken: socket.socket) -> None:
    port = taken.getsockname()[1]
    threading.Timer(0.2, taken.close).start()
    with open_socket(HOST, port, 30.0) as had:
        assert had.getsockname()[1] == port


@pytest.mark.parametrize("patience", [0.0, 0.2])
def test_a_port_in_use_is_told_when_patience_ends(taken: socket.socket, patience: float) -> None:
    began = time.monotonic()
    with taken, pytest.raises(UnavailableError, match="cannot be used: Address already in use"):
        open_socket(HOST, taken.getsockname()[1], patience)
    assert time.monotonic() - began >= patience


def test_what_is_no_matter_of_waiting_is_told_at_once() -> None:
    with pytest.raises(UnavailableError, match="cannot be used"):
        # An address of nobody here: of those that are kept for examples.
        open_socket("192.0.2.1", 0, 600.0)
