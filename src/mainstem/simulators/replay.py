"""Feeding a data set through the door as data time reaches it."""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Callable

import pyarrow as pa

from mainstem.clock import Clock
from mainstem.errors import RetryableError
from mainstem.intake import Door, Rows, occurrence_ids
from mainstem.model import Lane
from mainstem.simulators.oulad import OuladData, Slice

__all__ = ["SOURCE", "Feeder"]

SOURCE = "oulad"
"""The source that the rows are of."""

# Rows that the contract numbers by their occurrence; the others carry their own identity.
_NUMBERED = frozenset({"clicks"})
_PATIENCE_SECONDS = 300.0


class Feeder:
    """Sends the rows of a data set; every one has an identity, so that feeding twice changes nothing."""

    def __init__(self, data: OuladData, door: Door, clock: Clock, stopping: threading.Event) -> None:
        self._data = data
        self._door = door
        self._clock = clock
        self._stopping = stopping
        self.rows = 0
        """Rows that are durable."""

    def feed_until(self, last: dt.date, first: dt.date) -> None:
        """Everything known from `first` to `last`, at once, in the bulk lane."""
        self._send(first, last, Lane.BULK)

    def follow(self, first: dt.date, last: dt.date, on_day: Callable[[dt.date], None] = lambda _: None) -> None:
        """Every day from `first` to `last` as soon as data time has reached it. Ends early when stopping."""
        day = first
        while day <= last and not self._stopping.is_set():
            reached = min(self._clock.data().date(), last)
            if reached < day:
                self._stopping.wait(0.02)
                continue
            self._send(day, reached, Lane.LIVE)
            on_day(reached)
            day = reached + dt.timedelta(days=1)

    def _send(self, first: dt.date, last: dt.date, lane: Lane) -> None:
        for part in self._data.between(first, last):
            if self._stopping.is_set():
                return
            self._carry(part, lane)
            self.rows += part.rows.num_rows

    def _carry(self, part: Slice, lane: Lane) -> None:
        payloads = part.rows["payload"].combine_chunks().cast(pa.binary())
        record_ids = None
        if part.stream in _NUMBERED:
            record_ids = occurrence_ids(self._door.parts.hasher, payloads, part.rows["n"].combine_chunks())
        rows = Rows(
            source=SOURCE,
            stream=part.stream,
            payloads=payloads,
            first=0,
            idempotency_key=f"{SOURCE}-{part.stream}-{part.rows['known'][0].as_py()}-{self.rows}",
            record_ids=record_ids,
            canonical=True,
            lane=lane,
            origin="demo",
        )
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                self._door.submit_rows(rows)
                return
            except RetryableError as error:
                if time.monotonic() > deadline or self._stopping.is_set():
                    raise
                self._stopping.wait(error.retry_after or 0.5)
