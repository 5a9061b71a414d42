"""Which contract is in force: the versions that were activated, with their full text.

A version's text never changes, so a contract read once is kept for ever. Which version is the newest is asked of the
database every few seconds: what another process activated is in force here that much later, and each record carries the
version it was stamped with.

A version number names one text for a stream whichever contract was in force, the stream's own or the one for any source:
a new one is above both.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import threading
import time
from collections.abc import Callable, Mapping

import structlog

from mainstem.contracts.builtins import builtin_contracts
from mainstem.contracts.contract import ANY_SOURCE, Contract
from mainstem.contracts.plan import CheckPlan
from mainstem.contracts.reader import read_contract
from mainstem.errors import ConfigurationError, NotFoundError, RetryableError
from mainstem.store import Connection, Database

__all__ = ["Registry"]

_log = structlog.get_logger()

_REFRESH_SECONDS = 2.0


class Registry:
    """The activated contracts of an installation; thread-safe."""

    def __init__(self, database: Database, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        """`monotonic` gives seconds; it is asked when the database was."""
        self._database = database
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._first = threading.Lock()
        self._read: dict[tuple[str, str, int], Contract] = {}
        self._newest: Mapping[tuple[str, str], int] = {}
        self._asked = float("-inf")

    def active(self, source: str, stream: str) -> Contract | None:
        """The contract in force for a stream: its own, else the one for any source, else None.

        Raises UnavailableError when nothing is known yet and the database cannot be asked.
        """
        self._keep_fresh()
        newest = self._newest
        for owner in (source, ANY_SOURCE):
            version = newest.get((owner, stream))
            if version is not None:
                return self._at(owner, stream, version)
        return None

    def streams(self) -> list[tuple[str, str]]:
        """Source (or `ANY_SOURCE`) and stream of every contract in force, in order. Raises as `active`."""
        self._keep_fresh()
        return sorted(self._newest)

    def at(self, source: str, stream: str, version: int) -> Contract:
        """The contract a record was stamped with; its source may be `ANY_SOURCE`.

        Raises NotFoundError for a version that never was, UnavailableError.
        """
        for owner in (source, ANY_SOURCE):
            try:
                contract = self._at(owner, stream, version)
            except NotFoundError:
                continue
            # A number is given once, to the source's own contract or to any source's: whose it is stays so.
            return self._read.setdefault((source, stream, version), contract)
        raise NotFoundError(f"{source}.{stream} never had a contract of version {version}.")

    def versions(self, source: str, stream: str) -> list[Contract]:
        """Every version of a stream's own contract (or of the one for `ANY_SOURCE`), oldest first."""
        with self._database.autocommit() as connection:
            rows = connection.execute(
                "SELECT version FROM contract WHERE source = %s AND stream = %s ORDER BY version", (source, stream)
            ).fetchall()
        return [self._at(source, stream, version) for (version,) in rows]

    def activate(
        self, text: str, at: dt.datetime, *, where: str = "contract", follows: int | None = None
    ) -> tuple[Contract, bool]:
        """Put a contract into force, in this process at once; the second value is whether that changed anything.

        `where` names the text's file in messages; `follows` is the version that the text was made from. Raises
        ConfigurationError for a text that is no contract, whose checks DuckDB does not take, that would replace a built-in
        one, or that follows a version which is no longer in force; StorageFullError, UnavailableError.
        """
        contract = read_contract(text, where)
        builtin = builtin_contracts().get(contract.stream)
        if contract.source == ANY_SOURCE and builtin is not None and builtin.fingerprint != contract.fingerprint:
            raise ConfigurationError(
                f"{contract.stream!r} of any source is Mainstem's own.",
                where=f"{where}: source",
                hint="Name the source that is to have another contract, or give the stream another name.",
            )
        if builtin is None or builtin.fingerprint != contract.fingerprint:
            CheckPlan.compile(contract).prove(where)
        with self._database.transaction() as connection:
            contract, changed = _append(connection, contract, at, where, follows)
        with self._lock:
            name = (contract.source, contract.stream)
            self._read[*name, contract.version] = contract
            self._newest = {**self._newest, name: max(contract.version, self._newest.get(name, 0))}
        return contract, changed

    def restore(self, text: str, version: int, at: dt.datetime) -> None:
        """Put back a version as a decision recorded it, for a rebuild; one that is there stays as it is.

        Raises ConfigurationError for a text that is no contract, StorageFullError, UnavailableError.
        """
        contract = dataclasses.replace(read_contract(text, "contract"), version=version)
        with self._database.transaction() as connection:
            _insert(connection, contract, at, decided=True)
        self.refresh()

    def undecided(self) -> list[Contract]:
        """Activated contracts that no decision tells of yet, those that come with Mainstem included.

        Raises UnavailableError.
        """
        with self._database.autocommit() as connection:
            rows = connection.execute(
                "SELECT source, stream, version FROM contract WHERE NOT decided ORDER BY activated_at, source, stream"
            ).fetchall()
        return [self._at(*row) for row in rows]

    def decided(self, contract: Contract) -> None:
        """Note that a decision tells of the contract. Raises StorageFullError, UnavailableError."""
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE contract SET decided = true WHERE source = %s AND stream = %s AND version = %s",
                (contract.source, contract.stream, contract.version),
            )

    def ensure_builtins(self, at: dt.datetime) -> list[Contract]:
        """Put the contracts that come with Mainstem into force; those that were not, or were of an older text."""
        activated = [self.activate(contract.text, at) for contract in builtin_contracts().values()]
        return [contract for contract, changed in activated if changed]

    def refresh(self) -> None:
        """Ask the database which versions are the newest. Raises UnavailableError."""
        with self._database.autocommit() as connection:
            rows = connection.execute(
                "SELECT source, stream, max(version) FROM contract GROUP BY source, stream"
            ).fetchall()
        with self._lock:
            # Versions only rise: an answer that was under way while one was activated here must not hide it.
            newest = {(source, stream): version for source, stream, version in rows}
            self._newest = {
                name: max(version, self._newest.get(name, 0)) for name, version in ({**self._newest, **newest}).items()
            }

    def _keep_fresh(self) -> None:
        with self._lock:
            now, last = self._monotonic(), self._asked
            if now - last < _REFRESH_SECONDS:
                return
            if last != float("-inf"):
                # The others go on with what is known while this one asks.
                self._asked = now
        if last == float("-inf"):
            self._ask_first(now)
            return
        try:
            self.refresh()
        except RetryableError:
            _log.warning("contracts_not_refreshed", hint="The database cannot be asked; known contracts stay in force.")

    def _ask_first(self, now: float) -> None:
        """Nothing is known yet, so nobody can go on before the answer."""
        with self._first:
            if self._asked == float("-inf"):
                self.refresh()
                with self._lock:
                    self._asked = now

    def _at(self, source: str, stream: str, version: int) -> Contract:
        contract = self._read.get((source, stream, version))
        if contract is not None:
            return contract
        with self._database.autocommit() as connection:
            row = connection.execute(
                "SELECT text FROM contract WHERE source = %s AND stream = %s AND version = %s",
                (source, stream, version),
            ).fetchone()
        if row is None:
            raise NotFoundError(f"There is no version {version} of the contract {source}.{stream}.")
        contract = dataclasses.replace(read_contract(row[0], f"contract {source}.{stream}"), version=version)
        with self._lock:
            return self._read.setdefault((source, stream, version), contract)


def _append(
    connection: Connection, contract: Contract, at: dt.datetime, where: str, follows: int | None
) -> tuple[Contract, bool]:
    """The contract as the newest version of its stream, and whether it was not already."""
    # One activation at a time; they are rare, and number themselves over several streams' rows.
    connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('mainstem contract', 0))")
    row = connection.execute(
        "SELECT version, fingerprint FROM contract WHERE source = %s AND stream = %s ORDER BY version DESC LIMIT 1",
        (contract.source, contract.stream),
    ).fetchone()
    if row is not None and row[1] == contract.fingerprint:
        return dataclasses.replace(contract, version=row[0]), False
    if follows is not None:
        _check_in_force(connection, contract, follows, where)
    highest = connection.execute(
        "SELECT coalesce(max(version), 0) FROM contract"
        " WHERE stream = %(stream)s AND (source IN (%(source)s, %(any)s) OR %(source)s = %(any)s)",
        {"source": contract.source, "stream": contract.stream, "any": ANY_SOURCE},
    ).fetchone()
    contract = dataclasses.replace(contract, version=(highest[0] if highest else 0) + 1)
    _insert(connection, contract, at, decided=False)
    return contract, True


def _check_in_force(connection: Connection, contract: Contract, version: int, where: str) -> None:
    """Raise ConfigurationError where another version is in force for the contract's stream."""
    row = connection.execute(
        "SELECT version FROM contract WHERE stream = %(stream)s AND source IN (%(source)s, %(any)s)"
        " ORDER BY source = %(any)s, version DESC LIMIT 1",
        {"source": contract.source, "stream": contract.stream, "any": ANY_SOURCE},
    ).fetchone()
    if row is None or row[0] != version:
        raise ConfigurationError(
            f"another version of {contract.source}.{contract.stream} came into force than version {version}, which it follows.",
            where=where,
            hint="Make it again from the one in force now.",
        )


def _insert(connection: Connection, contract: Contract, at: dt.datetime, *, decided: bool) -> None:
    connection.execute(
        "INSERT INTO contract (source, stream, version, fingerprint, text, activated_at, decided)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
        (contract.source, contract.stream, contract.version, contract.fingerprint, contract.text, at, decided),
    )
