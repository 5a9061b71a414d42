"""What was declared, put back from the decisions in the lake."""

from __future__ import annotations

import datetime as dt
import hashlib

from mainstem.contracts import Registry
from mainstem.intake import ContractActivated, DeclarationActivated, decode_decision
from mainstem.lake import LakeQuery, LakeReader
from mainstem.model import DECISIONS_STREAM, MAINSTEM_SOURCE
from mainstem.store import Database

__all__ = ["restore_declared"]


def restore_declared(reader: LakeReader, registry: Registry, database: Database) -> int:
    """Put back every contract, metric, health model and agreement that the lake's decisions tell of; how many they tell of.

    What is there already stays as it is. Raises ConfigurationError for a text this release cannot read, IntegrityError
    for a damaged lake, StorageFullError or UnavailableError.
    """
    found = 0
    for block in reader.find(LakeQuery(MAINSTEM_SOURCE, DECISIONS_STREAM)):
        rows = block.rows.select(["payload", "observed_at"]).to_pylist()
        for row in rows:
            decision = decode_decision(row["payload"])
            if isinstance(decision, ContractActivated):
                registry.restore(decision.text, decision.version, row["observed_at"])
                found += 1
            elif isinstance(decision, DeclarationActivated):
                _declare(database, decision, row["observed_at"])
                found += 1
    return found


def _declare(database: Database, decision: DeclarationActivated, at: dt.datetime) -> None:
    with database.transaction() as conn:
        conn.execute(
            """
            INSERT INTO declaration (kind, name, version, fingerprint, text, activated_at, since, decided)
            VALUES (%s, %s, %s, %s, %s, %s, %s, true) ON CONFLICT DO NOTHING
            """,
            [
                decision.kind,
                decision.name,
                decision.version,
                hashlib.sha256(decision.text.encode()).hexdigest(),
                decision.text,
                at,
                decision.since,
            ],
        )
