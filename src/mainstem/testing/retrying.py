"""A client as the documentation asks for one: it sends a body again until it is acknowledged."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any, Literal

import httpx

__all__ = ["RetryingClient"]

_PATIENCE_SECONDS = 400.0
_PAUSE_SECONDS = 0.1


class RetryingClient:
    """Sends bodies to one source until each is acknowledged. Raises AssertionError when one never is."""

    def __init__(self, url: str, key: str, source: str) -> None:
        self._address = f"{url}/api/v1/data/ingest/{source}"
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        self._client: httpx.Client | None = None
        self.attempts = 0
        self.acknowledged = 0
        self.turned_away: dict[str, int] = {}
        """Answers of 429 and 503, by what they say."""

    def send(
        self,
        records: Sequence[dict[str, Any]],
        *,
        lane: Literal["live", "bulk"] = "live",
        key: str | None = None,
        refused: int = 0,
    ) -> None:
        """Send one array of records, of which `refused` have to be refused; `key` is an Idempotency-Key."""
        body = json.dumps(records).encode()
        headers = self._headers if key is None else {**self._headers, "Idempotency-Key": key}
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            self.attempts += 1
            try:
                answer = self._connected().post(self._address, content=body, headers=headers, params={"lane": lane})
            except httpx.TransportError:
                self.close()
            else:
                if answer.status_code == httpx.codes.ACCEPTED:
                    receipt = answer.json()["data"]
                    assert receipt["accepted"] == len(records) - refused, answer.text
                    assert len(receipt["refused"]) == refused, answer.text
                    self.acknowledged += receipt["accepted"]
                    return
                assert answer.status_code in {429, 503}, answer.text
                why = str(answer.json()["detail"])
                self.turned_away[why] = self.turned_away.get(why, 0) + 1
            if time.monotonic() > deadline:
                raise AssertionError(f"no acknowledgement in {_PATIENCE_SECONDS} s")
            time.sleep(_PAUSE_SECONDS)

    def close(self) -> None:
        """Close the connection; the next send opens another."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _connected(self) -> httpx.Client:
        if self._client is None:
            self._client = httpx.Client(timeout=20)
        return self._client
