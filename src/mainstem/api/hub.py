"""Live subscriptions: a snapshot, then deltas, with a token after each message to resume from.

One pump follows the change stream for all clients of this process. Clients with the same subscription share a topic: what
a topic's clients are told is computed and encoded once. A delta holds new values, never differences, so that a client
which is told something twice ends in the same state; without that a snapshot could not overlap the deltas around it.

A client that does not keep up is dropped with a reason; it comes back with its token and has missed nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import threading
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import structlog

from mainstem.api.envelope import Meta, encode
from mainstem.api.tokens import ResumeToken, TokenSigner
from mainstem.clock import Clock
from mainstem.errors import RetryableError
from mainstem.store import CHANGE_CHANNEL, Change, Database, change_floors, change_heads, read_changes

__all__ = ["Feed", "LiveHub", "Subscriber", "TooManyError"]

_log = structlog.get_logger()

# A change is told at once, and the next ones at most this often: what a person sees is not better at a higher rate.
_INTERVAL = 0.25
# Without a notification (they can be lost when a connection breaks) changes are looked for this often.
_POLL = 1.0
# More changes than this at once are cheaper told as a snapshot.
_MOST_CHANGES = 10_000
# Messages that may wait for one client: at four a second this is half a minute.
_QUEUE = 128
_MOST_SUBSCRIBERS = 1_000


class Feed(Protocol):
    """What one subscription tells. Blocking; called in threads."""

    @property
    def key(self) -> str:
        """Equal for equal subscriptions; part of the token."""
        ...

    def snapshot(self) -> tuple[Meta, Any]:
        """The whole state."""
        ...

    def delta(self, changes: Sequence[Change]) -> tuple[Meta, list[dict[str, Any]]]:
        """New values of whatever these changes touched; an empty list when nothing of it is told here.

        Called with no changes too, about once a second: for what moves with time alone.
        """
        ...


class TooManyError(Exception):
    """This process serves as many subscribers as it may."""


@dataclasses.dataclass(eq=False, slots=True)
class Subscriber:
    """One client's queue of encoded messages; None ends it, and `dropped` says why."""

    queue: asyncio.Queue[bytes | None]
    dropped: str | None = None

    def offer(self, message: bytes) -> bool:
        """Queue a message; False, and the end, when the client is too slow."""
        try:
            self.queue.put_nowait(message)
        except asyncio.QueueFull:
            self.dropped = f"too slow: {self.queue.maxsize} messages were waiting"
            self.end()
            return False
        return True

    def end(self) -> None:
        """Let nothing follow, and forget what waits."""
        while not self.queue.empty():
            self.queue.get_nowait()
        self.queue.put_nowait(None)


@dataclasses.dataclass(eq=False, slots=True)
class _Topic:
    feed: Feed
    subscribers: set[Subscriber] = dataclasses.field(default_factory=set)


class LiveHub:
    """The subscriptions of one process. All of it belongs to one event loop. Its `clock` is the server's."""

    def __init__(self, database: Database, signer: TokenSigner, clock: Clock) -> None:
        self.clock = clock
        self._database = database
        self._signer = signer
        self._topics: dict[str, _Topic] = {}
        self._task: asyncio.Task[None] | None = None
        self._stopping = threading.Event()

    async def start(self) -> None:
        """Begin to follow the change stream."""
        self._task = asyncio.create_task(self._pump(), name="live-hub")

    async def stop(self) -> None:
        """End all subscriptions; clients come back with their tokens."""
        self._stopping.set()
        for topic in self._topics.values():
            for subscriber in topic.subscribers:
                subscriber.dropped = "the server stops"
                with contextlib.suppress(asyncio.QueueFull):
                    subscriber.queue.put_nowait(None)
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def subscribe(self, feed: Feed, token: str | None) -> Subscriber:
        """Join: the first messages are queued. Raises TooManyError, UnavailableError."""
        if sum(len(topic.subscribers) for topic in self._topics.values()) >= _MOST_SUBSCRIBERS:
            raise TooManyError
        subscriber = Subscriber(asyncio.Queue(_QUEUE))
        # Joined before the state is read: what changes meanwhile is told again, never missed.
        topic = self._topics.setdefault(feed.key, _Topic(feed))
        held = Subscriber(asyncio.Queue(_QUEUE))
        topic.subscribers.add(held)
        try:
            first = await asyncio.to_thread(self._first_messages, feed, token)
        finally:
            self.leave(feed, held)
        for message in first:
            subscriber.offer(message)
        while not held.queue.empty():
            meanwhile = held.queue.get_nowait()
            if meanwhile is not None:
                subscriber.offer(meanwhile)
        if held.dropped is not None:
            # More was told meanwhile than could be held: the client comes back with its token.
            subscriber.dropped = held.dropped
            subscriber.end()
        self._topics.setdefault(feed.key, topic).subscribers.add(subscriber)
        return subscriber

    def leave(self, feed: Feed, subscriber: Subscriber) -> None:
        """Forget a client."""
        topic = self._topics.get(feed.key)
        if topic is not None:
            topic.subscribers.discard(subscriber)
            if not topic.subscribers:
                del self._topics[feed.key]

    def _first_messages(self, feed: Feed, token: str | None) -> list[bytes]:
        generation = self._generation()
        if token is not None:
            resumed = self._resume(feed, token, generation)
            if resumed is not None:
                return [resumed]
        heads = change_heads(self._database)
        meta, data = feed.snapshot()
        snapshot = {"type": "snapshot", "token": self._token(generation, heads, feed), "meta": meta, "data": data}
        first = [encode(snapshot)]
        if token is not None:
            first.insert(
                0, encode({"type": "reset", "reason": "The token cannot be resumed from; a snapshot follows."})
            )
        return first

    def _resume(self, feed: Feed, token: str, generation: int) -> bytes | None:
        stood = self._signer.read(token, ResumeToken)
        if stood is None or stood.generation != generation or stood.subscription != feed.key:
            return None
        changes = read_changes(self._database, stood.positions, _MOST_CHANGES)
        # Floors are read after the changes: what was pruned in between is noticed.
        floors = change_floors(self._database)
        if len(changes) >= _MOST_CHANGES or any(stood.positions.get(c, 0) < floor for c, floor in floors.items()):
            return None
        return self._delta(feed, changes, _advanced(stood.positions, changes), generation)

    def _delta(self, feed: Feed, changes: Sequence[Change], positions: Mapping[int, int], generation: int) -> bytes:
        meta, told = feed.delta(changes)
        token = self._token(generation, positions, feed)
        return encode({"type": "delta", "token": token, "meta": meta, "changes": told})

    def _token(self, generation: int, positions: Mapping[int, int], feed: Feed) -> str:
        return self._signer.sign(ResumeToken(generation, dict(positions), feed.key))

    def _generation(self) -> int:
        with self._database.autocommit() as connection:
            row = connection.execute("SELECT generation FROM installation").fetchone()
        return int(row[0]) if row else 0

    async def _pump(self) -> None:
        positions: dict[int, int] | None = None
        generation = -1
        loop = asyncio.get_running_loop()
        spoke = float("-inf")
        while not self._stopping.is_set():
            try:
                now = await asyncio.to_thread(self._generation)
                if positions is None or now != generation:
                    if positions is not None:
                        self._reset_all()
                    positions, generation = await asyncio.to_thread(change_heads, self._database), now
                await asyncio.to_thread(self._database.listen, CHANGE_CHANNEL, _POLL)
                await asyncio.sleep(max(spoke + _INTERVAL - loop.time(), 0.0))
                spoke = loop.time()
                changes = await asyncio.to_thread(read_changes, self._database, positions, _MOST_CHANGES)
                positions = _advanced(positions, changes)
                for topic in list(self._topics.values()):
                    await self._tell(topic, changes, positions, generation)
            except RetryableError as error:
                _log.warning("live.waiting", error=type(error).__name__)
                await asyncio.sleep(_POLL)

    async def _tell(
        self, topic: _Topic, changes: Sequence[Change], positions: Mapping[int, int], generation: int
    ) -> None:
        meta, told = await asyncio.to_thread(topic.feed.delta, changes)
        if not told:
            return
        token = self._token(generation, positions, topic.feed)
        message = encode({"type": "delta", "token": token, "meta": meta, "changes": told})
        for subscriber in list(topic.subscribers):
            if not subscriber.offer(message):
                topic.subscribers.discard(subscriber)

    def _reset_all(self) -> None:
        """A rebuild was swapped in: everybody starts anew."""
        for topic in self._topics.values():
            for subscriber in topic.subscribers:
                subscriber.dropped = "the served state was rebuilt"
                with contextlib.suppress(asyncio.QueueFull):
                    subscriber.queue.put_nowait(None)


def _advanced(positions: Mapping[int, int], changes: Sequence[Change]) -> dict[int, int]:
    after = dict(positions)
    for change in changes:
        after[change.channel] = max(after.get(change.channel, 0), change.sequence)
    return after
