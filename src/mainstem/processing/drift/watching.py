"""Every batch against its contract: what is counted comes from columns, what is noticed from at most a hundred records.

New keys on the top level, defects that a policy decides about, and which declared fields were there are counted exactly,
whatever the size of the batch. Keys inside objects, changes of type from which values can still be read, and likely renames
are looked for in the batch's first records.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import threading
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import structlog

from mainstem.contracts import (
    ANY_SOURCE,
    DRIFT_OF_REASON,
    FIELD_PREFIX,
    SURPLUS,
    CheckPlan,
    Contract,
    DriftKind,
    Reason,
    declared_keys,
)
from mainstem.model import Op
from mainstem.processing.columns import whole
from mainstem.processing.drift.effects import DRIFT_COUNTS, MOST_PATHS, NO_NAME, PRESENCE, DriftEffects, Finding
from mainstem.processing.drift.memory import Sampled, StreamMemory, are_key_names, is_key_name, sampled, value_at
from mainstem.processing.failures import described

__all__ = ["Checked", "DriftWatch", "Seen", "drift_effects"]

_log = structlog.get_logger()

_SAMPLE = 100
# Once so many records of a contract version were looked at, fewer of each batch will do.
_KNOWN_WELL = 1_000
_SMALLER_SAMPLE = 25
_MOST_SAMPLED = 2 * _SAMPLE
_MOST_VALUES = 200
_MOST_STREAMS = 200
_MICROSECONDS_A_DAY = 86_400_000_000
_EPOCH = dt.date(1970, 1, 1)
_UNREADABLE = pa.array([Reason.INVALID_JSON, Reason.INVALID_TEXT, Reason.NOT_AN_OBJECT, Reason.TOO_DEEP], pa.string())

_Rows = npt.NDArray[np.intp]
_Mask = npt.NDArray[np.bool_]
_Path = tuple[str, ...]
_NAMELESS = (NO_NAME,)
_NO_ROWS: _Rows = np.array([], np.intp)


@dataclasses.dataclass(frozen=True, slots=True)
class Checked:
    """Records of one contract version and what their plan made of them, row by row."""

    source: str
    plan: CheckPlan
    records: pa.Table
    rows: pa.Table
    discarded: _Mask
    """Those that the contract lets go of, and nothing holds."""

    @property
    def contract(self) -> Contract:
        return self.plan.contract


@dataclasses.dataclass(slots=True)
class Seen:
    """Rows of `DRIFT_COUNTS` and `PRESENCE`, and findings, while they come together."""

    counts: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    presence: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    findings: list[Finding] = dataclasses.field(default_factory=list)
    undeclared: dict[int, str] = dataclasses.field(default_factory=dict)
    """Of rows with the defect `undeclared`: the key, where it looks like a name."""


def drift_effects(seen: Sequence[Seen]) -> DriftEffects:
    """What was seen in the groups of a span, in order."""
    return DriftEffects(
        pa.Table.from_pylist([row for one in seen for row in one.counts], DRIFT_COUNTS),
        pa.Table.from_pylist([row for one in seen for row in one.presence], PRESENCE),
        tuple(finding for one in seen for finding in one.findings),
    )


class DriftWatch:
    """Remembers a little of each stream; for any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._streams: dict[tuple[str, str, int], StreamMemory] = {}

    def look(self, checked: Checked) -> Seen:
        """What a group of records shows. Changes only what is remembered.

        What cannot be noticed is logged: it takes no count away, and is no record's fault. What cannot be counted is raised.
        """
        look = _Look(checked)
        look.count()
        with self._lock:
            try:
                look.notice(self._memory(checked))
            except Exception as error:  # noqa: BLE001 - see above
                _log.error("drift_failed", source=checked.source, stream=checked.contract.stream, **described(error))
        return look.seen

    def _memory(self, checked: Checked) -> StreamMemory:
        contract = checked.contract
        key = (checked.source, contract.stream, contract.version)
        known = self._streams.get(key)
        if known is None:
            if len(self._streams) >= _MOST_STREAMS:
                del self._streams[next(iter(self._streams))]
            known = self._streams[key] = StreamMemory(checked.source, contract)
        return known


class _Look:
    """One group."""

    def __init__(self, checked: Checked) -> None:
        self.seen = Seen()
        self._checked = checked
        self._plan, self._contract = checked.plan, checked.contract
        self._reasons = whole(checked.rows["reason"])
        self._bad: _Mask = np.asarray(self._reasons.is_valid())
        self._readable: _Mask = np.asarray(pc.invert(pc.is_in(self._reasons, _UNREADABLE)))
        self._received = checked.records["received_at"].cast(pa.int64()).to_numpy()
        self._stream = {
            "source": checked.source,
            "stream": self._contract.stream,
            "contract_version": self._contract.version,
        }
        # Rows by undeclared key: of the nameless ones a row once for each that it has.
        self._new: dict[_Path, _Rows] = {}
        self._sampled: dict[int, Sampled | None] = {}
        self._departing: dict[tuple[DriftKind, str], _Rows] = {}

    # Counting.

    def count(self) -> None:
        """Fill the counts and presence, and find the rows to be looked at."""
        self._count_new()
        # What cannot be read lacks every field, and says nothing about any.
        marked = {
            (kind, field): np.flatnonzero(mask & self._readable)
            for kind, field, mask in self._plan.marks(self._checked.rows)
        }
        for (kind, field), rows in marked.items():
            if len(rows):
                self._add(kind, field, rows, _NO_ROWS)
                self._departing[kind, field] = rows
        missing: dict[str, _Rows] = {}
        for reason, name, rows in self._defects():
            drift = DRIFT_OF_REASON.get(reason)
            if drift is None or name is None:
                continue
            self._add(drift, name, rows, self._discarded(reason, name, rows))
            known = self._departing.get((drift, name))
            self._departing[drift, name] = rows if known is None else np.union1d(known, rows)
            if reason is Reason.MISSING:
                missing[name] = rows
        self._count_present(missing, marked)

    def _discarded(self, reason: Reason, field: str | None, rows: _Rows) -> _Rows:
        """Those of the rows with a defect that are discarded for it."""
        return rows[self._checked.discarded[rows]] if self._plan.discards(reason, field) else _NO_ROWS

    def _defects(self) -> Iterator[tuple[Reason, str | None, _Rows]]:
        """Rows by their reason and field."""
        if not self._bad.any():
            return
        rows = np.flatnonzero(self._bad)
        named = self._checked.rows.select(["reason", "field"]).take(pa.array(rows))
        pairs = named.group_by(["reason", "field"], use_threads=False).aggregate([]).to_pylist()
        for pair in pairs:
            mask = pc.equal(named["reason"], pair["reason"])
            field = pair["field"]
            mask = pc.and_(mask, named["field"].is_null() if field is None else pc.equal(named["field"], field))
            yield Reason(pair["reason"]), field, rows[np.asarray(whole(mask.fill_null(False)))]

    def _count_new(self) -> None:
        surplus = whole(self._checked.rows[SURPLUS])
        rows, first, paths = self._new_keys(surplus)
        undeclared = np.flatnonzero(np.asarray(pc.equal(self._reasons, Reason.UNDECLARED.value).fill_null(False)))
        refused: dict[_Path, _Rows] = {}
        if len(undeclared):
            refused = self._refused(undeclared, rows, first, paths)
        discards = self._plan.discards(Reason.UNDECLARED, None)
        for path, some in refused.items():
            if not discards and path != _NAMELESS:
                self.seen.undeclared.update(dict.fromkeys(some.tolist(), ".".join(path)))
        for path, some in self._new.items():
            gone = self._discarded(Reason.UNDECLARED, None, refused.get(path, _NO_ROWS))
            self._add(DriftKind.NEW_FIELD, ".".join(path), some, gone)

    def _new_keys(self, surplus: pa.Array) -> tuple[_Rows, _Rows, list[_Path]]:
        """Note the rows of each undeclared key of the top level.

        Rows that have one, rising, with the place of each one's first key in the paths that come last.
        """
        if surplus.null_count == len(surplus):
            return _NO_ROWS, _NO_ROWS, [_NAMELESS]
        keys = surplus.flatten().dictionary_encode()
        names, codes = keys.dictionary, keys.indices.to_numpy()
        if not len(codes):
            return _NO_ROWS, _NO_ROWS, [_NAMELESS]
        rows = pc.list_parent_indices(surplus).to_numpy()
        # In the order in which they are met, so that it is always the same ones that are counted by name.
        first = np.zeros(len(names), np.int64)
        first[codes[::-1]] = np.arange(len(codes))[::-1]
        paths: list[_Path] = [_NAMELESS]
        numbers = np.zeros(len(names), np.int64)
        named = np.flatnonzero(are_key_names(names))
        named = named[np.argsort(first[named])[:MOST_PATHS]]
        numbers[named] = np.arange(1, len(named) + 1)
        paths += [(name,) for name in names.take(pa.array(named)).to_pylist()]
        of_rows = numbers[codes]
        for number in np.flatnonzero(np.bincount(of_rows)).tolist():
            having = of_rows == number
            self._new[paths[number]] = (
                _distinct(rows[having]) if number else _once_each(rows[having], codes[having], len(names))
            )
        starts = np.flatnonzero(np.diff(rows, prepend=-1))
        return rows[starts], of_rows[starts], paths

    def _refused(self, undeclared: _Rows, rows: _Rows, first: _Rows, paths: Sequence[_Path]) -> dict[_Path, _Rows]:
        """Rows that do not go on for an undeclared key, by that key; the rest is as of `_new_keys`.

        Notes the rows of keys inside objects: they are counted where a policy acts on them.
        """
        known = np.isin(undeclared, rows)
        numbers = first[np.searchsorted(rows, undeclared[known])]
        found = {paths[number]: undeclared[known][numbers == number] for number in np.unique(numbers).tolist()}
        inside = undeclared[~known]
        named: dict[_Path, list[int]] = {}
        for row, path in self._inner_keys(inside[:_SAMPLE].tolist()).items():
            named.setdefault(path, []).append(row)
        within = {path: np.array(some, np.intp) for path, some in named.items()}
        rest = inside[~np.isin(inside, [row for some in named.values() for row in some])]
        if len(rest):
            within[_NAMELESS] = rest
        for path, some in within.items():
            # One path for both where all keys are counted together, and no row in both.
            for by_path in (found, self._new):
                by_path[path] = np.sort(np.concatenate([by_path.get(path, _NO_ROWS), some]))
        return found

    def _inner_keys(self, rows: Sequence[int]) -> dict[int, _Path]:
        """The first undeclared key inside an object, of rows that have one."""
        inner = {path: set(keys) for path, keys in declared_keys(self._contract.fields.values()).items() if path}
        found: dict[int, _Path] = {}
        for row in rows:
            for one in self._sample(np.array([row], np.intp)):
                for path, known in inner.items():
                    inside = value_at(one.payload, path)
                    keys = [key for key in inside if key not in known] if isinstance(inside, dict) else []
                    if keys and all(map(is_key_name, (*path, keys[0]))):
                        found.setdefault(row, (*path, keys[0]))
        return found

    def _count_present(self, missing: dict[str, _Rows], marked: dict[tuple[DriftKind, str], _Rows]) -> None:
        """Which declared fields were there, in records that could say."""
        checked = self._checked.rows
        usable = ~self._bad
        if self._contract.key:
            # A patch says what changed, a tombstone nothing.
            usable &= np.asarray(whole(pc.equal(checked["op"], Op.UPSERT.value)))
        every, count = bool(usable.all()), int(usable.sum())
        self._present("", count, last=np.ones(len(usable), np.bool_))
        for name in self._contract.fields:
            column, refused = checked[FIELD_PREFIX + name], missing.get(name)
            if refused is None and not column.null_count:
                self._present(name, count, last=usable)
                continue
            absent = np.asarray(whole(column.is_null()))
            for kind in (DriftKind.TYPE_CHANGE, DriftKind.ENUM_GROWTH):
                absent[marked.get((kind, name), _NO_ROWS)] = False
            looked = usable
            if refused is not None:
                looked, absent[refused] = usable.copy(), True
                looked[refused] = True
            in_order = absent if every and refused is None else absent[looked]
            there = np.flatnonzero(~in_order)
            run = len(in_order) - 1 - int(there[-1]) if len(there) else len(in_order)
            numbers = {"absent": int(in_order.sum()), "refused": 0 if refused is None else len(refused), "run": run}
            self._present(name, len(in_order), last=looked, **numbers)

    def _present(
        self, field: str, records: int, *, last: _Mask, absent: int = 0, refused: int = 0, run: int = 0
    ) -> None:
        if not last.any():
            return
        row: dict[str, Any] = {"field": field, "records": records, "absent": absent, "refused": refused, "run": run}
        row["shared"] = self._contract.source == ANY_SOURCE
        self.seen.presence.append({**self._stream, **row, "last_at": int(self._received[last].max())})

    def _add(self, kind: DriftKind, path: str, rows: _Rows, discarded: _Rows) -> None:
        """Count rows, and those of them that are discarded for it, by the day on which they were received."""
        received, lost = self._received[rows], self._received[discarded] // _MICROSECONDS_A_DAY
        days = received // _MICROSECONDS_A_DAY
        for day in np.unique(days).tolist():
            of_day = received[days == day]
            self.seen.counts.append(
                {
                    **self._stream,
                    "kind": kind.value,
                    "path": path,
                    "day": _EPOCH + dt.timedelta(days=day),
                    "n": len(of_day),
                    "discarded": int((lost == day).sum()),
                    "first_at": int(of_day.min()),
                    "last_at": int(of_day.max()),
                }
            )

    # Noticing.

    def notice(self, memory: StreamMemory) -> None:
        """Look at some records whole."""
        findings = self.seen.findings
        some = _SAMPLE if memory.looked_at < _KNOWN_WELL else _SMALLER_SAMPLE
        findings += memory.look(self._sample(np.flatnonzero(self._readable)[:some]))
        for path, rows in self._new.items():
            sample = self._sample(rows[:_SAMPLE]) if memory.is_curious(path) else []
            findings += memory.new_key(path, sample, self._at(int(rows[0])))
        for (kind, field), rows in self._departing.items():
            known = self._values(field, rows) if kind is DriftKind.ENUM_GROWTH else []
            if known:
                findings += memory.grown(field, known, self._at(int(rows[0])))
            else:
                findings += memory.departing(kind, field, self._sample(rows[:_SAMPLE]))

    def _values(self, field: str, rows: _Rows) -> list[str]:
        """The distinct values of a field in some rows, as a contract lists them; none where a policy has taken them away."""
        distinct = whole(self._checked.rows[FIELD_PREFIX + field].take(pa.array(rows))).drop_null().unique()
        values = distinct[:_MOST_VALUES].to_pylist()
        return [f"{one.normalize():f}" if isinstance(one, Decimal) else str(one) for one in values]

    def _sample(self, rows: _Rows) -> list[Sampled]:
        """The records that can be read. They are remembered: most are looked at for more than one thing."""
        if len(self._sampled) > _MOST_SAMPLED:
            self._sampled.clear()
        new = [row for row in rows.tolist() if row not in self._sampled]
        if new:
            some = self._checked.records.select(["payload", "received_at"]).take(pa.array(new))
            found = sampled(some["payload"].to_pylist(), some["received_at"].to_pylist())
            self._sampled.update(zip(new, found, strict=True))
        return [one for row in rows.tolist() if (one := self._sampled[row]) is not None]

    def _at(self, row: int) -> dt.datetime:
        at: dt.datetime = self._checked.records["received_at"][row].as_py()
        return at


def _distinct(rows: _Rows) -> _Rows:
    """Each once, of rows in order."""
    return rows[np.diff(rows, prepend=-1) > 0]


def _once_each(rows: _Rows, codes: npt.NDArray[np.int64], keys: int) -> _Rows:
    """The rows in order, once for each of their keys, whose codes lie below `keys`."""
    pairs = np.sort(rows.astype(np.int64) * keys + codes)
    of_rows: _Rows = _distinct(pairs) // keys
    return of_rows
