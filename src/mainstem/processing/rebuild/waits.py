"""Which records waited for what they refer to, as a rebuild finds it: as it was, whatever is known by now."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from mainstem.intake import QuarantineDismissed, QuarantineFixed, WaitEnded, decode_decision
from mainstem.lake import LakeQuery, LakeReader
from mainstem.model import DECISIONS_STREAM, MAINSTEM_SOURCE, Place
from mainstem.processing.orphans import Asked, Parents
from mainstem.store import Database

__all__ = ["RecordedWaits", "RefoundWaits"]

Mask = npt.NDArray[np.bool_]
_PlaceRow: TypeAlias = tuple[int, int, int, int, int]

_PLACE = np.dtype(
    [("epoch", np.int64), ("partition", np.int64), ("lane", np.int64), ("position", np.int64), ("index", np.int64)]
)


class RecordedWaits:
    """As the fold in use has it, which is as far as what is being folded, or further."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def unknown(self, asked: Asked) -> Mask:
        span = asked.span
        with self._database.autocommit() as conn:
            rows = conn.execute(
                "SELECT position, index FROM orphan WHERE (epoch, partition, lane) = (%s, %s, %s)"
                " AND position BETWEEN %s AND %s AND rule = %s",
                [span.epoch, span.partition, int(span.lane), span.first, span.last, asked.rule],
            ).fetchall()
        return np.isin(_places(asked), np.array([position << 32 | index for position, index in rows], np.int64))


class RefoundWaits:
    """Where the fold in use was lost: what is not known in the new one by then, and what was decided about.

    A record that was decided about as held, or whose wait ended, waited, or a check held it besides; one that was decided about as
    quarantined did not. Which of the others waited is not written down; those whose parents came are let go on after the rebuild.
    """

    def __init__(self, reader: LakeReader, known: Parents) -> None:
        self._known = known
        waited, others = _decided(reader)
        self._waited = np.array(sorted(waited), _PLACE)
        self._others = np.array(sorted(others - waited), _PLACE)

    def unknown(self, asked: Asked) -> Mask:
        found: Mask = self._known.unknown(asked) & ~_among(self._others, asked)
        found |= _among(self._waited, asked) & np.asarray(asked.refs.is_valid())
        return found


def _among(decided: npt.NDArray[np.void], asked: Asked) -> Mask:
    """Which of the records asked about are at one of these places."""
    span = asked.span
    mine = decided[
        (decided["epoch"] == span.epoch)
        & (decided["partition"] == span.partition)
        & (decided["lane"] == int(span.lane))
    ]
    return np.isin(_places(asked), mine["position"] << 32 | mine["index"])


def _places(asked: Asked) -> npt.NDArray[np.int64]:
    positions, indexes = (asked.records[name].to_numpy().astype(np.int64) for name in ("position", "index"))
    places: npt.NDArray[np.int64] = positions << 32 | indexes
    return places


def _decided(reader: LakeReader) -> tuple[set[_PlaceRow], set[_PlaceRow]]:
    """The places of records that decisions in the lake are about: those that may have waited by then, and the others."""
    waited: set[_PlaceRow] = set()
    others: set[_PlaceRow] = set()
    for block in reader.find(LakeQuery(MAINSTEM_SOURCE, DECISIONS_STREAM)):
        for payload in block.rows["payload"].to_pylist():
            decision = decode_decision(payload)
            if isinstance(decision, QuarantineFixed | QuarantineDismissed | WaitEnded):
                place = Place.parse(decision.place)
                row = (place.epoch, place.partition, int(place.lane), place.position, place.index)
                # A dismissal that does not say may be of either.
                (others if not isinstance(decision, WaitEnded) and decision.held is False else waited).add(row)
    return waited, others
