"""The live view of scores: everybody's, some customers', or the summary alone."""

from __future__ import annotations

import dataclasses
import datetime as dt
import uuid
from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, WebSocket

from mainstem.access import Permission
from mainstem.api.analytics import summary
from mainstem.api.customers import CustomerReader
from mainstem.api.envelope import Meta
from mainstem.api.hub import LiveHub
from mainstem.api.problems import ProblemError
from mainstem.api.security import Gate
from mainstem.api.sockets import serve_subscription
from mainstem.store import Change

__all__ = ["LiveScores", "live_scores_router"]

_SUMMARY_SECONDS = 2.0
_MOST_CUSTOMERS = 200


@dataclasses.dataclass(slots=True)
class LiveScores:
    """A feed of `/api/v1/stream/health-scores`. `refs` None: everybody; `scores` False: the summary alone."""

    reader: CustomerReader
    refs: frozenset[uuid.UUID] | None = None
    scores: bool = True
    _summed_at: dt.datetime | None = None
    _moved: bool = False

    @property
    def key(self) -> str:
        customers = "" if self.refs is None else ",".join(sorted(ref.hex for ref in self.refs))
        return f"health-scores/{self.scores}/{customers}"

    def snapshot(self) -> tuple[Meta, Any]:
        data: dict[str, Any] = {"model": self.reader.told_model()}
        if self.refs is None:
            data |= summary(self.reader)
        data["scores"] = self._told(self.refs) if self.scores else []
        return self.reader.meta(), data

    def delta(self, changes: Sequence[Change]) -> tuple[Meta, list[dict[str, Any]]]:
        moved = {uuid.UUID(hex=change.body["ref"]) for change in changes if change.kind == "score"}
        if self.refs is not None:
            moved &= self.refs
        told: list[dict[str, Any]] = []
        if moved and self.scores:
            told += [{"kind": "score", "value": value} for value in self._told(moved)]
        self._moved = self._moved or bool(moved)
        now = self.reader.conservation.clock.wall()
        due = self._summed_at is None or (now - self._summed_at).total_seconds() >= _SUMMARY_SECONDS
        if self.refs is None and self._moved and due:
            told.append({"kind": "summary", "value": summary(self.reader)})
            self._summed_at, self._moved = now, False
        if self.refs is not None:
            told += self._touched(changes)
        return self.reader.meta(), told

    def _told(self, refs: frozenset[uuid.UUID] | set[uuid.UUID] | None) -> list[dict[str, Any]]:
        model = self.reader.models.current().name
        with self.reader.database.snapshot() as connection:
            if refs is None:
                rows = connection.execute("SELECT ref FROM score WHERE model = %s", (model,)).fetchall()
                refs = {row[0] for row in rows}
            return self.reader.changes(connection, model, refs)

    def _touched(self, changes: Sequence[Change]) -> list[dict[str, Any]]:
        """Those customers of the subscription of whom something took effect, whether their score moved or not."""
        named = {uuid.UUID(hex=ref) for change in changes if change.kind == "touched" for ref in change.body["refs"]}
        touched = named & (self.refs or frozenset())
        if not touched:
            return []
        with self.reader.database.autocommit() as connection:
            ids = self.reader.customers.ids(connection, touched)
        at = self.reader.conservation.clock.wall()
        return [{"kind": "touched", "value": {"customer_id": id_, "at": at}} for id_ in ids.values()]


def live_scores_router(reader: CustomerReader, gate: Gate, hub: LiveHub) -> APIRouter:
    """`/api/v1/stream/health-scores`."""
    router = APIRouter(prefix="/api/v1/stream", tags=["stream"])

    @router.websocket("/health-scores")
    async def health_scores(socket: WebSocket) -> None:
        wanted = socket.query_params.getlist("customer_id")
        alone = socket.query_params.get("scope") == "summary"

        def feed() -> LiveScores:
            if len(wanted) > _MOST_CUSTOMERS:
                raise ProblemError(400, "invalid", f"At most {_MOST_CUSTOMERS} customers can be asked for.")
            refs = frozenset(reader.find(each) for each in wanted) if wanted else None
            return LiveScores(reader, refs, scores=not alone)

        await serve_subscription(socket, gate, Permission.ANALYTICS_READ, hub, feed)

    return router
