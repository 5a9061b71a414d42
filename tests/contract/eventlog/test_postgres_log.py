"""PostgreSQL's log keeps the contract of event logs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import pytest

from mainstem.eventlog import Append, PostgresLog
from mainstem.privacy import Keyring
from mainstem.store import Database
from mainstem.testing import FixedClock
from mainstem.testing.log_suite import Hold, LogSuite, OpenLog


class TestPostgresLog(LogSuite):
    @pytest.fixture
    def open_log(self, database: Database, keyring: Keyring, log_clock: FixedClock) -> Iterator[OpenLog]:
        with contextlib.ExitStack() as stack:

            def open_one() -> PostgresLog:
                own = stack.enter_context(Database(database.dsn))
                return PostgresLog(own, keyring.sealer, log_clock, partitions=4)

            yield open_one

    @pytest.fixture
    def hold(self, database: Database, keyring: Keyring, log_clock: FixedClock) -> Hold:
        @contextlib.contextmanager
        def held(appends: Sequence[Append]) -> Iterator[None]:
            log = PostgresLog(database, keyring.sealer, log_clock, partitions=4)
            parameters = log._encoded(appends, log.epochs()[-1])
            with database.transaction() as connection:
                assert log._append_on(connection, parameters)
                yield

        return held
