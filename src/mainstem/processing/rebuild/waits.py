"""Which records waited for what they refer to, as a rebuild finds it: as it was, whatever is known by now."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mainstem.intake import QuarantineDismissed, QuarantineFixed, WaitEnded, decode_decision
from mainstem.lake import LakeQuery, LakeReader
from mainstem.model import DECISIONS_STREAM, MAINSTEM_SOURCE, Place
from mainstem.processing.orphans import Asked, Parents
from mainstem.store import Database

__all__ = ["RecordedWaits", "RefoundWaits"]

Mask = npt.NDArray[np.bool_]

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

    A record that was decided about as held, or given up, waited, or a check held it besides. Which of the others waited is not
    written down; those whose parents came are let go on after the rebuild.
    """

    def __init__(self, reader: LakeReader, known: Parents) -> None:
        self._known = known
        self._decided = np.array(sorted(set(_decided(reader))), _PLACE)

    def unknown(self, asked: Asked) -> Mask:
        span = asked.span
        mine = self._decided[
            (self._decided["epoch"] == span.epoch)
            & (self._decided["partition"] == span.partition)
            & (self._decided["lane"] == int(span.lane))
        ]
        decided = np.isin(_places(asked), mine["position"] << 32 | mine["index"])
        waited: Mask = self._known.unknown(asked) | (decided & np.asarray(asked.refs.is_valid()))
        return waited


def _places(asked: Asked) -> npt.NDArray[np.int64]:
    positions, indexes = (asked.records[name].to_numpy().astype(np.int64) for name in ("position", "index"))
    places: npt.NDArray[np.int64] = positions << 32 | indexes
    return places


def _decided(reader: LakeReader) -> list[tuple[int, int, int, int, int]]:
    """The places of records that decisions in the lake are about, and that may have waited by then."""
    places = []
    for block in reader.find(LakeQuery(MAINSTEM_SOURCE, DECISIONS_STREAM)):
        for payload in block.rows["payload"].to_pylist():
            decision = decode_decision(payload)
            if isinstance(decision, QuarantineFixed) and not decision.held:
                # It did not wait, or the end of its wait is among the others.
                continue
            if isinstance(decision, QuarantineFixed | QuarantineDismissed | WaitEnded):
                place = Place.parse(decision.place)
                places.append((place.epoch, place.partition, int(place.lane), place.position, place.index))
    return places
