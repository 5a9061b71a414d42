"""A client as the documentation asks for one: it sends a body again until it is acknowledged."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Sequence
from typing import Any

import httpx

__all__ = ["RetryingClient"]

_PATIENCE_SECONDS = 180.0


class RetryingClient:
    """Sends bodies to one source until each is acknowledged. Raises AssertionError when one never is."""

    def __init__(self, url: str, key: str, source: str, stopping: threading.Event | None = None) -> None:
        self._address = f"{url}/api/v1/data/ingest/{source}"
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        self._stopping = stopping or threading.Event()
        self._client: httpx.Client | None = None
        self.attempts = 0
        self.acknowledged = 0

    def send(self, records: Sequence[dict[str, Any]]) -> None:
        """Send one array of records, all of which have to be taken."""
        body = json.dumps(records).encode()
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            self.attempts += 1
            try:
                answer = self._connected().post(self._address, content=body, headers=self._headers)
            except httpx.TransportError:
                self.close()
            else:
                if answer.status_code == httpx.codes.ACCEPTED:
                    assert answer.json()["data"]["accepted"] == len(records), answer.text
                    self.acknowledged += len(records)
                    return
                assert answer.status_code in {429, 503}, answer.text
            if time.monotonic() > deadline:
                raise AssertionError(f"no acknowledgement in {_PATIENCE_SECONDS} s")
            self._stopping.wait(0.1)

    def close(self) -> None:
        """Close the connection; the next send opens another."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _connected(self) -> httpx.Client:
        if self._client is None:
            self._client = httpx.Client(timeout=20)
        return self._client
