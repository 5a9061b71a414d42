from __future__ import annotations

import psycopg
import pytest
from psycopg import errors

from mainstem.errors import ConfigurationError, StorageFullError, UnavailableError
from mainstem.store import Database, StoreSettings
from mainstem.store.failures import translated


@pytest.mark.parametrize(
    ("error", "ours"),
    [
        (errors.DiskFull, StorageFullError),
        (errors.AdminShutdown, UnavailableError),
        (errors.CrashShutdown, UnavailableError),
        (errors.CannotConnectNow, UnavailableError),
        (errors.TooManyConnections, UnavailableError),
        (errors.ConnectionFailure, UnavailableError),
        (errors.LockNotAvailable, UnavailableError),
        (errors.DeadlockDetected, UnavailableError),
        (errors.SerializationFailure, UnavailableError),
        (errors.QueryCanceled, UnavailableError),
        (psycopg.OperationalError, UnavailableError),
    ],
)
def test_what_may_pass_with_time_becomes_ours(error: type[psycopg.Error], ours: type[Exception]) -> None:
    with pytest.raises(ours) as raised, translated():
        raise error("the server's words, which may quote a value: ann@example.com")
    assert "ann@example.com" not in str(raised.value)
    assert isinstance(raised.value.__cause__, error)


@pytest.mark.parametrize("error", [errors.UniqueViolation, errors.CheckViolation, errors.SyntaxError, errors.DataError])
def test_what_is_the_statements_fault_passes_unchanged(error: type[psycopg.Error]) -> None:
    with pytest.raises(error), translated():
        raise error("no")


def test_an_unreadable_connection_string_is_named_without_its_password() -> None:
    with pytest.raises(ConfigurationError) as raised:
        Database("host=localhost password=hunter2 nonsense")
    assert raised.value.where == "database.url"
    assert "hunter2" not in str(raised.value)
    assert raised.value.__cause__ is None


@pytest.mark.parametrize("schema", ["", "Mainstem", "a-b", "mainstem", "x; DROP TABLE y", "1st"])
def test_a_fold_schema_has_to_be_a_plain_name_of_its_own(schema: str) -> None:
    with pytest.raises(ConfigurationError):
        Database("dbname=x", fold_schema=schema)


def test_settings_are_bounded() -> None:
    assert StoreSettings().pool_size == 4
    for wrong in ({"pool_size": 0}, {"pool_timeout": 0}, {"lock_timeout": -1}, {"poolsize": 4}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            StoreSettings.model_validate(wrong)
