"""Which records of a span are new: events and decisions against what deduplication knows.

A stream's rows are judged together, in the order of their places, also when a contract changed in the middle of a span;
so of two equal ones the first takes effect, whatever group it is in.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mainstem.model import DECISIONS_STREAM, MAINSTEM_SOURCE
from mainstem.processing.columns import whole
from mainstem.processing.dedup import Days, DedupState, Keys, Mask, Run, Space, Unit, keys_of
from mainstem.processing.effects import DecisionEffect, EventEffects

__all__ = ["DECISIONS", "JudgedDecisions", "JudgedEvents", "count_days", "judge_decisions", "judge_events"]

DECISIONS = (MAINSTEM_SOURCE, DECISIONS_STREAM)
"""The stream of decisions, as the ledger names it."""

_MICROSECONDS_A_DAY = 86_400_000_000
_EPOCH = dt.date(1970, 1, 1)


@dataclasses.dataclass(frozen=True, slots=True)
class JudgedEvents:
    """Events of one group: `fresh` is the group with the new rows only, `repeats` counts the others by received day."""

    fresh: EventEffects
    repeats: Days


@dataclasses.dataclass(frozen=True, slots=True)
class JudgedDecisions:
    """The decisions that are new, the others by received day, and what is to be remembered of the new ones."""

    fresh: Sequence[DecisionEffect]
    repeats: Days
    runs: Sequence[Run]


@dataclasses.dataclass(frozen=True, slots=True)
class _Share:
    """The rows of one group that are judged within one unit."""

    group: int
    rows: npt.NDArray[np.intp]
    keys: Keys
    places: npt.NDArray[np.int64]


def count_days(received_at: pa.ChunkedArray, where: Mask | None = None) -> Days:
    """Rows by the UTC day of their `received_at`, of all or of those where the mask holds."""
    days = received_at.cast(pa.int64()).to_numpy() // _MICROSECONDS_A_DAY
    numbers, counts = np.unique(days if where is None else days[where], return_counts=True)
    return {
        _EPOCH + dt.timedelta(days=number): count
        for number, count in zip(numbers.tolist(), counts.tolist(), strict=True)
    }


def judge_events(groups: Sequence[EventEffects], dedup: DedupState) -> tuple[list[JudgedEvents], list[Run]]:
    """The groups without their repeats, in order, and the runs that make the rest known. Changes nothing."""
    fresh = [np.ones(group.rows.num_rows, np.bool_) for group in groups]
    runs = []
    for unit, shares in _shares(groups).items():
        keys = None if unit.space is None else _judge(unit, shares, fresh, dedup)
        days: Counter[dt.date] = Counter()
        for share in shares:
            mask = np.zeros(len(fresh[share.group]), np.bool_)
            mask[share.rows] = fresh[share.group][share.rows]
            days.update(count_days(groups[share.group].rows["received_at"], mask))
        if days:
            runs.append(Run(unit, keys, dict(days), dedup.slots))
    judged = []
    for group, mask in zip(groups, fresh, strict=True):
        if mask.all():
            judged.append(JudgedEvents(group, {}))
            continue
        rows = group.rows.filter(pa.array(mask))
        repeats = count_days(group.rows["received_at"], ~mask)
        judged.append(JudgedEvents(dataclasses.replace(group, rows=rows), repeats))
    return judged, runs


def judge_decisions(decisions: Sequence[DecisionEffect], dedup: DedupState) -> JudgedDecisions:
    """Decisions without repeats. Changes nothing."""
    if not decisions:
        return JudgedDecisions((), {}, ())
    fresh = np.ones(len(decisions), np.bool_)
    named = np.array([n for n, one in enumerate(decisions) if one.record_hash is not None], np.intp)
    received = pa.chunked_array([pa.array([one.received_at for one in decisions], pa.timestamp("us", "UTC"))])
    runs = []
    if len(named):
        hashes = pa.array([one.record_hash for one in decisions if one.record_hash is not None], pa.binary(16))
        verdict = dedup.stage(Unit(*DECISIONS, Space.WHOLE), keys_of(hashes, None))
        fresh[named] = verdict.fresh
        if len(verdict.keys):
            mask = np.zeros(len(decisions), np.bool_)
            mask[named] = verdict.fresh
            runs.append(Run(verdict.unit, verdict.keys, count_days(received, mask), dedup.slots))
    if len(named) < len(decisions):
        mask = np.ones(len(decisions), np.bool_)
        mask[named] = False
        runs.append(Run(Unit(*DECISIONS, None), None, count_days(received, mask), dedup.slots))
    kept = [one for one, new in zip(decisions, fresh.tolist(), strict=True) if new]
    return JudgedDecisions(kept, count_days(received, ~fresh), runs)


def _shares(groups: Sequence[EventEffects]) -> dict[Unit, list[_Share]]:
    """The rows of the groups by what they are judged in; those that cannot repeat have keys of nothing."""
    shares: defaultdict[Unit, list[_Share]] = defaultdict(list)
    for number, group in enumerate(groups):
        hashes = whole(group.rows["record_hash"])
        named = np.asarray(hashes.is_valid())
        places = group.rows["position"].to_numpy() << 32 | group.rows["index"].to_numpy().astype(np.int64)
        source, stream = group.source, group.contract.stream
        if named.any():
            space = Space.DAY if group.contract.occurred_at_immutable else Space.WHOLE
            occurred_at = whole(group.rows["occurred_at"])
            if not named.all():
                hashes, occurred_at = hashes.drop_null(), occurred_at.filter(pa.array(named))
            keys = keys_of(hashes, occurred_at if space is Space.DAY else None)
            rows = np.flatnonzero(named)
            shares[Unit(source, stream, space)].append(_Share(number, rows, keys, places[rows]))
        if not named.all():
            rows = np.flatnonzero(~named)
            shares[Unit(source, stream, None)].append(_Share(number, rows, Keys.empty(), places[rows]))
    return shares


def _judge(unit: Unit, shares: Sequence[_Share], fresh: Sequence[Mask], dedup: DedupState) -> Keys:
    """Mark in `fresh` the rows that are no repeats; their keys."""
    if len(shares) == 1:
        [share] = shares
        verdict = dedup.stage(unit, share.keys)
        fresh[share.group][share.rows] = verdict.fresh
        return verdict.keys
    order = np.argsort(np.concatenate([share.places for share in shares]), kind="stable")
    hi = np.concatenate([share.keys.hi for share in shares])
    lo = np.concatenate([share.keys.lo for share in shares])
    verdict = dedup.stage(unit, Keys(hi[order], lo[order]))
    found = np.empty(len(order), np.bool_)
    found[order] = verdict.fresh
    ends = np.cumsum([len(share.rows) for share in shares])[:-1]
    for share, part in zip(shares, np.split(found, ends), strict=True):
        fresh[share.group][share.rows] = part
    return verdict.keys
