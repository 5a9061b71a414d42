"""What was shown, into the lake and back: corrections of metrics, and the history of scores. Lanes' turns go with them.

A row's payload is the row itself as JSON, without the mark that it was exported: PostgreSQL writes and reads it, so that
numbers keep their digits and instants their microseconds. Rows go in the order of their ids; one whose transaction ended
late goes with the next ones. Back they come with the ids they had.
"""

from __future__ import annotations

import dataclasses

import msgspec
import structlog
from psycopg import sql

from mainstem.errors import FencedError
from mainstem.lake import Lake, LakeReader, append_observed, observed_chain
from mainstem.model import CORRECTIONS_STREAM, SCORES_STREAM
from mainstem.processing.rebuild.observations import renumber
from mainstem.processing.rebuild.own_records import own_records
from mainstem.processing.rebuild.turns import export_turns
from mainstem.store import Connection, Database, ensure_partitions

__all__ = ["export_observations", "restore_exported"]

_log = structlog.get_logger()

# One block of a lake file, one commit.
_ROWS = 10_000


@dataclasses.dataclass(frozen=True, slots=True)
class _Kind:
    """A table of observations, its stream and chain in the lake, and the column that says when a row was true."""

    table: str
    stream: str
    chain: int
    at: str


_KINDS = (
    _Kind("correction", CORRECTIONS_STREAM, 0, "known_at"),
    _Kind("score_history", SCORES_STREAM, 1, "as_of"),
)
_WAITING = """
    SELECT id, {at}, known_at, encode(uuid_send(ref), 'hex'), (to_jsonb(row) - 'exported')::text
    FROM {table} AS row WHERE NOT exported ORDER BY id LIMIT %s
    """
_MARK = "UPDATE {table} SET exported = true WHERE NOT exported AND id = ANY(%s)"
# The columns are those that the row had when it was exported: a later one gets its default.
_RESTORE = """
    INSERT INTO {table} ({names}, exported) OVERRIDING SYSTEM VALUE
    SELECT {names}, true FROM jsonb_populate_recordset(NULL::{table}, ({rows}))
    """
# Early releases kept scores with their words. How these become what is kept now, the fold's migrations know.
_WORDS = ("inputs", "contributions")
_WITHOUT_WORDS = """
    SELECT jsonb_agg(one - 'inputs' - 'contributions'
                     || jsonb_build_object('basis', score_basis(one -> 'inputs', one -> 'contributions')))
    FROM jsonb_array_elements(%s::jsonb) AS one
    """


def export_observations(lake: Lake, *, owner: str, rows: int = _ROWS) -> int:
    """Bring the observations that the lake does not have into it, each once, and the turns of lanes; how many they were.

    `rows` at most become one commit. Raises FencedError when another took over meanwhile, StorageFullError or
    UnavailableError; what was exported before stays so.
    """
    exported = export_turns(lake, owner=owner)
    for kind in _KINDS:
        while moved := _export_some(lake, kind, owner, rows):
            exported += moved
    if exported:
        _log.info("observations_exported", rows=exported)
    return exported


def restore_exported(reader: LakeReader, database: Database) -> int:
    """Put the lake's observations into the empty tables of a fold; how many they were.

    Raises IntegrityError for a damaged lake, StorageFullError or UnavailableError.
    """
    restored = 0
    for kind in _KINDS:
        chain = observed_chain(kind.chain)
        for batch in reader.read(chain.epoch, chain.partition, chain.lane):
            payloads = batch.records.column("payload").to_pylist()
            days = {at.date() for at in batch.records.column("occurred_at").to_pylist()}
            ensure_partitions(database, kind.table, days)
            # All rows of a batch were exported by one release.
            columns = list(msgspec.json.decode(payloads[0]))
            rows = "SELECT %s::jsonb"
            if set(_WORDS) <= set(columns):
                columns = [*(name for name in columns if name not in _WORDS), "basis"]
                rows = _WITHOUT_WORDS
            names = sql.SQL(", ").join(map(sql.Identifier, columns))
            statement = sql.SQL(_RESTORE).format(table=sql.Identifier(kind.table), names=names, rows=sql.SQL(rows))
            with database.transaction() as conn:
                conn.execute(statement, [(b"[" + b",".join(payloads) + b"]").decode()])
            restored += len(payloads)
    with database.transaction() as conn:
        renumber(conn, database.fold_schema)
    return restored


def _export_some(lake: Lake, kind: _Kind, owner: str, limit: int) -> int:
    names = {"table": sql.Identifier(kind.table), "at": sql.Identifier(kind.at)}
    with lake.database.autocommit() as conn:
        waiting = conn.execute(sql.SQL(_WAITING).format(**names), [limit]).fetchall()
    if not waiting:
        return 0
    ids = [row[0] for row in waiting]

    def mark(conn: Connection) -> None:
        if conn.execute(sql.SQL(_MARK).format(**names), [ids]).rowcount != len(ids):
            raise FencedError(f"Rows of {kind.table} were exported or removed meanwhile.")

    done = append_observed(
        lake, observed_chain(kind.chain), own_records(kind.stream, waiting), owner=owner, beside=mark
    )
    return len(ids) if done else 0
