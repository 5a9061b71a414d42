"""Entity versions and the states they add up to.

Nearly every record is the only one of its entity in the batch and newer than all before it: those are judged and written
by one statement, whatever their number. The others (several in a batch, patches, late ones) are merged one entity at a
time with its history, by `entity_merge`; both ways end in the same rows.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import uuid
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mainstem.errors import UnavailableError
from mainstem.metrics import STEPS
from mainstem.model import Op
from mainstem.privacy import Hasher, Sealer
from mainstem.processing.effects import StateEffects
from mainstem.processing.entity_merge import Order, State, Version, fold, merge
from mainstem.processing.entity_steps import Steps, first_seen, steps_between
from mainstem.processing.tables.binary_copy import Jsonb, copy_rows
from mainstem.processing.tables.entity_queries import HISTORY, INCOMING, JUDGE, LOCK, OLD, STEPPED
from mainstem.processing.tables.steps import StepCause, write_steps
from mainstem.store import Connection

__all__ = ["Entities", "Merged", "entity_context"]

_DayCount = Counter[tuple[str, str, dt.date]]


@dataclasses.dataclass(slots=True)
class Merged:
    """What became of the records of entities: counts by (source, stream, received day), and customers concerned."""

    accepted: _DayCount = dataclasses.field(default_factory=Counter)
    duplicate: _DayCount = dataclasses.field(default_factory=Counter)
    customers: set[bytes] = dataclasses.field(default_factory=set)
    moved: Mapping[bytes, dt.date] = dataclasses.field(default_factory=dict)
    """Customers of whom a gauge has moved, from which day on."""


_Records = dict[bytes, list[tuple[Version, Merged]]]
"""An entity kind's records by reference, in the order of their places, each with where it is counted."""

_Histories = dict[bytes, tuple[Sequence[Version], Sequence[Version]]]
"""By reference: what was looked at of its history, which then ends with it, and what that has become."""

_BEGINNING: Order = ("", dt.datetime(1, 1, 1, tzinfo=dt.UTC), bytes(16))
"""Before every version."""


def entity_context(ref: bytes) -> bytes:
    """What the personal attributes of an entity are sealed for, in a version and in the state alike."""
    return b"mainstem.entity\0" + ref


class Entities:
    """Merges entity records inside the sink's transaction."""

    def __init__(self, sealer: Sealer, hasher: Hasher) -> None:
        self._sealer = sealer
        self._hasher = hasher

    def merge(
        self,
        conn: Connection,
        groups: Sequence[StateEffects],
        corrected: Sequence[StateEffects] = (),
        *,
        watched: Collection[str] = (),
    ) -> tuple[Merged, Merged]:
        """Make the records part of their entities' histories and states; what became of them, and of corrected ones.

        When states of the `watched` entities begin and cease to be in force is put into the table `entity_step`.

        They follow one another in the order of their places, whatever group they are in: what is a repeat then does not
        depend on how the log was cut into spans. Raises UnavailableError when another transaction made one of the
        entities meanwhile: nothing is lost, try again.
        """
        merged, mended = Merged(), Merged()
        rows = [_with_group(group, corrected=False) for group in groups if group.rows.num_rows]
        rows += [_with_group(group, corrected=True) for group in corrected if group.rows.num_rows]
        if not rows:
            return merged, mended
        if watched:
            conn.execute(STEPS)
        table = pa.concat_tables(rows)
        if len(rows) > 1:
            table = table.sort_by([("position", "ascending"), ("index", "ascending")])
        simple = _alone(table["entity"], table["ref"]) & pc.not_equal(table["op"], Op.PATCH.value).to_numpy()
        simple &= pc.invert(table["corrected"]).to_numpy()
        rest = np.flatnonzero(~simple)
        single = np.flatnonzero(simple)
        if len(single):
            late = self._judge(conn, table.take(single), merged, watched)
            refs = pa.array([ref.bytes for ref in late], pa.binary(16))
            again = single[pc.is_in(table["ref"].take(single), value_set=refs).to_numpy()]
            rest = np.concatenate([rest, again])
        if len(rest):
            self._fold(conn, table.take(np.sort(rest)), (merged, mended), watched)
        return merged, mended

    def histories(self, conn: Connection, entity: str, refs: Sequence[uuid.UUID]) -> Mapping[bytes, Sequence[Version]]:
        """All versions of each reference, in merge order."""
        return self._histories(conn, entity, {ref.bytes: _BEGINNING for ref in refs})

    def _judge(self, conn: Connection, table: pa.Table, merged: Merged, watched: Collection[str]) -> list[uuid.UUID]:
        """Write the records that are newer than all before; the references of those that are not."""
        refs = table["ref"].to_pylist()
        sealed, remedied = (self._sealed(refs, table[name].to_pylist()) for name in ("personal", "remedied_personal"))
        conn.execute(INCOMING)
        names = (
            "version",
            "observed_at",
            "content_hash",
            "op",
            "source",
            "stream",
            "contract_version",
            "day",
            "customer",
        )
        copy_rows(
            conn,
            "incoming_entity",
            {
                "entity": table["entity"],
                "ref": table["ref"],
                **{name: table[name] for name in names},
                "attributes": Jsonb(table["attributes"]),
                "sealed": pa.array(sealed, pa.binary()),
                "remedied": Jsonb(table["remedied"]),
                "remedied_sealed": pa.array(remedied, pa.binary()),
                "position": table["position"].cast(pa.int64()),
                "index": table["index"].cast(pa.int32()),
            },
        )
        conn.execute(LOCK)
        late: list[uuid.UUID] = []
        made, first = 0, 0
        query = JUDGE.format(more=OLD, stepped=STEPPED) if watched else JUDGE.format(more="", stepped="")
        judged = conn.execute(query, {"watched": list(watched)}).fetchall()
        for source, stream, day, verdict, n, inserted, refs, customers, left in judged:
            counts = {"merge": None, "first": merged.accepted, "next": merged.accepted}.get(verdict, merged.duplicate)
            if counts is not None:
                counts[source, stream, day] += n
            made, first = inserted, first + n * (verdict == "first")
            late += refs or []
            merged.customers.update(customer.bytes for customer in (*(customers or ()), *(left or ())) if customer)
        if made != first:
            raise UnavailableError("Another partition made an entity at the same time.", retry_after=0.05)
        return late

    def _fold(
        self, conn: Connection, table: pa.Table, counted: tuple[Merged, Merged], watched: Collection[str]
    ) -> None:
        """Merge records one entity at a time; each is counted where it belongs."""
        merged, mended = counted
        by_entity: defaultdict[tuple[str, str], _Records] = defaultdict(lambda: defaultdict(list))
        causes: dict[bytes, StepCause] = {}
        for row in table.to_pylist():
            causes[row["ref"]] = StepCause(row["position"], row["index"], decided=row["corrected"])
            counts = mended if row["corrected"] else merged
            by_entity[row["entity"], row["source"]][row["ref"]].append((_version(row), counts))
        for (entity, source), records in sorted(by_entity.items()):
            histories = self._fold_entity(conn, entity, source, dict(sorted(records.items())))
            if entity in watched:
                self._step(conn, entity, source, histories, causes)

    def _fold_entity(self, conn: Connection, entity: str, source: str, records: _Records) -> _Histories:
        """Write the new histories and states; of each reference what was looked at of its history, and what it is now."""
        refs = [uuid.UUID(bytes=ref) for ref in records]
        there: dict[uuid.UUID, uuid.UUID | None] = dict(
            conn.execute(
                "SELECT ref, customer FROM entity WHERE entity = %s AND ref = ANY(%s) ORDER BY ref FOR UPDATE",
                [entity, refs],
            ).fetchall()
        )
        first = {ref: min(record.first for record, _ in incoming) for ref, incoming in records.items()}
        histories = self._histories(conn, entity, first)
        gone: list[tuple[bytes, Version]] = []
        new: list[tuple[bytes, Version]] = []
        states: list[tuple[bytes, Version, State]] = []
        folded: _Histories = {}
        for ref, incoming in records.items():
            history = histories[ref]
            for record, counts in incoming:
                history, accepted = merge(history, record)
                (counts.accepted if accepted else counts.duplicate)[source, record.stream, record.day] += 1
            folded[ref] = (histories[ref], history)
            before, after = set(histories[ref]), set(history)
            gone += [(ref, row) for row in histories[ref] if row not in after]
            new += [(ref, row) for row in history if row not in before]
            state = fold(history)
            if state is None:
                continue
            states.append((ref, history[-1], state))
            old = there.get(uuid.UUID(bytes=ref))
            customers = [one for one in (state.customer, old and old.bytes) if one]
            for _, counts in incoming:
                counts.customers.update(customers)
        self._rewrite(conn, entity, source, gone, new)
        known = [uuid.UUID(bytes=ref) in there for ref, _, _ in states]
        self._write_states(conn, entity, source, states, known)
        return folded

    def _step(
        self,
        conn: Connection,
        entity: str,
        source: str,
        histories: _Histories,
        causes: Mapping[bytes, StepCause],
    ) -> None:
        """Note when other states are in force than were before."""
        # What is older than what was looked at ceased when the first of that was observed: if that has moved, it has too.
        moved = {
            ref: _BEGINNING
            for ref, (before, after) in histories.items()
            if before and first_seen(before) != first_seen(after)
        }
        older: dict[bytes, list[Version]] = {}
        if moved:
            # By now the table has what the histories have become.
            for ref, rows in self._histories(conn, entity, moved).items():
                older[ref] = rows[: len(rows) - len(histories[ref][1])]
        steps: dict[bytes, Steps] = {}
        for ref, (before, after) in histories.items():
            rows = older.get(ref, [])
            steps[ref] = steps_between([*rows, *before], [*rows, *after])
        write_steps(conn, entity, source, steps, causes)

    def _histories(self, conn: Connection, entity: str, earliest: Mapping[bytes, Order]) -> dict[bytes, list[Version]]:
        """The versions of each reference that a record at its place can touch, in merge order, up to the latest."""
        asked = {
            "entity": entity,
            "refs": [uuid.UUID(bytes=ref) for ref in earliest],
            "versions": [version for version, _, _ in earliest.values()],
            "ats": [at for _, at, _ in earliest.values()],
            "hashes": [uuid.UUID(bytes=content) for _, _, content in earliest.values()],
        }
        histories: dict[bytes, list[Version]] = {ref: [] for ref in earliest}
        for ref, *columns in conn.execute(HISTORY, asked).fetchall():
            histories[ref.bytes].append(self._stored(ref.bytes, columns))
        return histories

    def _rewrite(
        self,
        conn: Connection,
        entity: str,
        source: str,
        gone: Sequence[tuple[bytes, Version]],
        new: Sequence[tuple[bytes, Version]],
    ) -> None:
        """Replace rows of histories."""
        if gone:
            conn.execute(
                """
                DELETE FROM entity_version AS v
                USING unnest(%s::uuid[], %s::text[], %s::timestamptz[], %s::uuid[]) AS g (ref, version, at, hash)
                WHERE v.entity = %s AND (v.ref, v.version, v.observed_at, v.content_hash)
                    = (g.ref, g.version, g.at, g.hash)
                """,
                [
                    [uuid.UUID(bytes=ref) for ref, _ in gone],
                    [row.version for _, row in gone],
                    [row.observed_at for _, row in gone],
                    [uuid.UUID(bytes=row.content_hash) for _, row in gone],
                    entity,
                ],
            )
        if not new:
            return
        rows = [row for _, row in new]
        sealed = self._sealed([ref for ref, _ in new], [row.personal for row in rows])
        remedied = self._sealed([ref for ref, _ in new], [row.remedied_personal for row in rows])
        count = len(rows)
        copy_rows(
            conn,
            "entity_version",
            {
                "entity": pa.array([entity] * count),
                "ref": pa.array([ref for ref, _ in new], pa.binary(16)),
                "version": pa.array([row.version for row in rows]),
                "observed_at": _times(row.observed_at for row in rows),
                "content_hash": pa.array([row.content_hash for row in rows], pa.binary(16)),
                "last_version": pa.array([row.last_version for row in rows]),
                "last_observed_at": _times(row.last_observed_at for row in rows),
                "accepted": pa.array([row.accepted for row in rows]),
                "op": pa.array([row.op.value for row in rows]),
                "source": pa.array([source] * count),
                "stream": pa.array([row.stream for row in rows]),
                "contract_version": pa.array([row.contract_version for row in rows], pa.int32()),
                "day": pa.array([row.day for row in rows], pa.date32()),
                "customer": pa.array([row.customer for row in rows], pa.binary(16)),
                "attributes": Jsonb(pa.array([row.attributes for row in rows])),
                "sealed": pa.array(sealed, pa.binary()),
                "remedied": Jsonb(pa.array([row.remedied for row in rows], pa.string())),
                "remedied_sealed": pa.array(remedied, pa.binary()),
            },
        )

    def _write_states(
        self,
        conn: Connection,
        entity: str,
        source: str,
        states: Sequence[tuple[bytes, Version, State]],
        known: Sequence[bool],
    ) -> None:
        contents = [state.content() for _, _, state in states]
        remedied = [state.remedies() for _, _, state in states]
        refs = [ref for ref, _, _ in states]
        sealed, remedied_sealed = (
            self._sealed(refs, [personal for _, personal in pairs]) for pairs in (contents, remedied)
        )
        written = conn.execute(
            """
            WITH given AS (
                SELECT * FROM unnest(%s::uuid[], %s::boolean[], %s::uuid[], %s::boolean[], %s::text[], %s::timestamptz[],
                    %s::uuid[], %s::uuid[], %s::text[], %s::bytea[], %s::text[], %s::bytea[])
                AS g (ref, known, customer, deleted, version, observed_at, row_hash, content_hash, attributes, sealed,
                    remedied, remedied_sealed)
            ), changed AS (
                UPDATE entity AS e SET customer = g.customer, deleted = g.deleted, version = g.version,
                    observed_at = g.observed_at, row_hash = g.row_hash, content_hash = g.content_hash,
                    attributes = g.attributes::jsonb, sealed = g.sealed, remedied = g.remedied::jsonb,
                    remedied_sealed = g.remedied_sealed
                FROM given AS g WHERE g.known AND e.entity = %s AND e.ref = g.ref
                RETURNING 1
            ), made AS (
                INSERT INTO entity (entity, ref, customer, source, deleted, version, observed_at, row_hash, content_hash,
                    attributes, sealed, remedied, remedied_sealed)
                SELECT %s, ref, customer, %s, deleted, version, observed_at, row_hash, content_hash, attributes::jsonb,
                    sealed, remedied::jsonb, remedied_sealed
                FROM given WHERE NOT known ORDER BY ref
                ON CONFLICT DO NOTHING RETURNING 1
            )
            SELECT (SELECT count(*) FROM changed) + (SELECT count(*) FROM made)
            """,
            [
                [uuid.UUID(bytes=ref) for ref in refs],
                list(known),
                [state.customer and uuid.UUID(bytes=state.customer) for _, _, state in states],
                [state.deleted for _, _, state in states],
                [last.last_version for _, last, _ in states],
                [last.last_observed_at for _, last, _ in states],
                [uuid.UUID(bytes=last.content_hash) for _, last, _ in states],
                [uuid.UUID(bytes=self._hash(last, state)) for _, last, state in states],
                [attributes for attributes, _ in contents],
                sealed,
                [plain for plain, _ in remedied],
                remedied_sealed,
                entity,
                entity,
                source,
            ],
        ).fetchall()
        if written != [(len(states),)]:
            raise UnavailableError("Another partition made an entity at the same time.", retry_after=0.05)

    def _hash(self, last: Version, state: State) -> bytes:
        """The state's content hash: the last version's own when it says everything."""
        if not state.patched:
            return last.content_hash
        content = [*state.content(), state.customer]
        said = state.said()
        if any(said):
            return self._hasher.digest(b"entity state remedied", [*content, *said])
        return self._hasher.digest(b"entity state", content)

    def _sealed(self, refs: Sequence[bytes], personal: Sequence[str | None]) -> list[bytes | None]:
        return [
            None if text is None else self._sealer.seal(text.encode(), entity_context(ref))
            for ref, text in zip(refs, personal, strict=True)
        ]

    def _opened(self, ref: bytes, sealed: bytes | None) -> str | None:
        return None if sealed is None else self._sealer.open(sealed, entity_context(ref)).decode()

    def _stored(self, ref: bytes, columns: list[Any]) -> Version:
        (version, observed_at, content_hash, last_version, last_observed_at, accepted, op, stream) = columns[:8]
        contract_version, day, customer, attributes, sealed, remedied, remedied_sealed = columns[8:]
        return Version(
            version=version,
            observed_at=observed_at,
            content_hash=content_hash.bytes,
            op=Op(op),
            stream=stream,
            contract_version=contract_version,
            day=day,
            attributes=attributes,
            personal=self._opened(ref, sealed),
            remedied=remedied,
            remedied_personal=self._opened(ref, remedied_sealed),
            customer=customer and customer.bytes,
            last_version=last_version,
            last_observed_at=last_observed_at,
            accepted=accepted,
        )


def _with_group(group: StateEffects, *, corrected: bool) -> pa.Table:
    """The rows with what their group knows, and the received day."""
    rows, contract = group.rows, group.contract
    constants: dict[str, Any] = {
        "entity": contract.mapping.entity,
        "source": group.source,
        "stream": contract.stream,
        "contract_version": pa.scalar(contract.version, pa.int32()),
        "corrected": corrected,
    }
    for name, value in constants.items():
        rows = rows.append_column(name, pa.repeat(value, rows.num_rows))
    return rows.append_column("day", rows["received_at"].cast(pa.timestamp("us", "UTC")).cast(pa.date32()))


def _alone(entities: pa.ChunkedArray, refs: pa.ChunkedArray) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Which rows are the only ones of their entity in the batch."""
    names = entities.combine_chunks().dictionary_encode().indices
    numbers = refs.combine_chunks().dictionary_encode().indices
    pairs = names.to_numpy().astype(np.int64) << 32 | numbers.to_numpy()
    _, inverse, counts = np.unique(pairs, return_inverse=True, return_counts=True)
    return np.asarray(counts[inverse] == 1)


def _times(values: Any) -> pa.Array:
    return pa.array(list(values), pa.timestamp("us", "UTC"))


def _version(row: dict[str, Any]) -> Version:
    return Version(
        version=row["version"],
        observed_at=row["observed_at"],
        content_hash=row["content_hash"],
        op=Op(row["op"]),
        stream=row["stream"],
        contract_version=row["contract_version"],
        day=row["day"],
        attributes=row["attributes"],
        personal=row["personal"],
        customer=row["customer"],
        last_version=row["version"],
        last_observed_at=row["observed_at"],
        remedied=row["remedied"],
        remedied_personal=row["remedied_personal"],
    )
