from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from mainstem.errors import UnavailableError
from mainstem.store import Database, migrate
from mainstem.testing.postgres import PostgresServer


@pytest.fixture(scope="module")
def own_server() -> Iterator[PostgresServer]:
    with PostgresServer() as server:
        yield server


@pytest.fixture
def server(own_server: PostgresServer) -> PostgresServer:
    own_server.start()
    return own_server


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_a_restart_costs_the_transaction_under_way_and_nothing_else(server: PostgresServer, how: str) -> None:
    end: Callable[[], None] = getattr(server, how)
    with Database(server.dsn) as database:
        migrate(database)
        with database.transaction() as connection:
            connection.execute("TRUNCATE heartbeat")
            connection.execute("INSERT INTO heartbeat VALUES ('shop', 'kept', now())")
        assert database.listen("news", 60)
        # Several idle connections die with the server, and none of them may be handed out afterwards.
        with database.autocommit(), database.autocommit():
            pass
        with pytest.raises(UnavailableError), database.transaction() as connection:  # noqa: PT012
            connection.execute("INSERT INTO heartbeat VALUES ('shop', 'lost', now())")
            end()
        with pytest.raises(UnavailableError), database.transaction():
            pass
        server.start()
        with database.transaction() as connection:
            assert connection.execute("SELECT stream FROM heartbeat").fetchall() == [("kept",)]
            connection.execute("NOTIFY news")
        assert database.listen("news", 60)
        migrate(database)


def test_a_database_is_waited_for_while_it_recovers(server: PostgresServer) -> None:
    with Database(server.dsn) as database:
        migrate(database)
        server.kill()
        with pytest.raises(UnavailableError):
            database.wait_ready(0.01)
        server.start()
        database.wait_ready(60)
