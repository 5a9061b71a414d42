"""The contract suite of object stores: what every implementation of `lake.store.ObjectStore` must pass, unchanged.

    class TestMyObjects(ObjectSuite):
        @pytest.fixture
        def open_objects(self, ...): ...

The fixture `open_objects` is called without arguments and opens another handle on the same store, empty at first.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable

import pytest

from mainstem.errors import IntegrityError, NotFoundError
from mainstem.lake import ObjectStore

__all__ = ["ObjectSuite", "OpenObjects"]

OpenObjects = Callable[[], ObjectStore]

_PATH = "raw/source_system=shop/stream=orders/date=2026-01-15/schema_version=1/1-p0-live-1-2-ab.parquet"


class ObjectSuite:
    """Subclass it, give the fixture of the module's text, and its tests are yours."""

    @pytest.fixture
    def objects(self, open_objects: OpenObjects) -> ObjectStore:
        """A handle on an empty store."""
        return open_objects()

    def test_what_is_put_is_there_for_every_handle(self, objects: ObjectStore, open_objects: OpenObjects) -> None:
        assert objects.put(_PATH, b"abcdef") is True
        other = open_objects()
        assert other.get(_PATH) == b"abcdef"
        info = other.info(_PATH)
        assert info is not None
        assert (info.path, info.size) == (_PATH, 6)
        assert info.created_at.utcoffset() == dt.timedelta()
        assert list(other.list("raw")) == [info]

    def test_ranges_end_at_the_objects_end(self, objects: ObjectStore) -> None:
        objects.put(_PATH, b"abcdef")
        assert objects.get_range(_PATH, 0, 6) == b"abcdef"
        assert objects.get_range(_PATH, 2, 3) == b"cde"
        assert objects.get_range(_PATH, 4, 100) == b"ef"
        assert objects.get_range(_PATH, 3, 0) == b""

    def test_an_object_is_never_overwritten(self, objects: ObjectStore) -> None:
        objects.put(_PATH, b"first")
        with pytest.raises(IntegrityError):
            objects.put(_PATH, b"other")
        assert objects.get(_PATH) == b"first"

    def test_a_repeated_put_of_the_same_bytes_succeeds(self, objects: ObjectStore) -> None:
        objects.put(_PATH, b"same")
        assert objects.put(_PATH, b"same") is False
        assert objects.get(_PATH) == b"same"

    def test_of_many_puts_at_once_one_wins(self, open_objects: OpenObjects) -> None:
        outcomes: list[bool | None] = []
        begin = threading.Barrier(8)

        def put(data: bytes) -> None:
            store = open_objects()
            begin.wait()
            try:
                outcomes.append(store.put(_PATH, data))
            except IntegrityError:
                outcomes.append(None)

        threads = [threading.Thread(target=put, args=[b"x%d" % n * 100_000]) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(outcomes, key=str) == [None] * 7 + [True]

    def test_a_missing_object_is_not_found(self, objects: ObjectStore) -> None:
        assert objects.info("raw/none") is None
        with pytest.raises(NotFoundError):
            objects.get("raw/none")
        with pytest.raises(NotFoundError):
            objects.get_range("raw/none", 0, 1)
        assert objects.delete("raw/none") is False
        assert list(objects.list("nowhere")) == []

    def test_a_deleted_object_is_gone_and_may_be_put_anew(self, objects: ObjectStore) -> None:
        objects.put(_PATH, b"old")
        assert objects.delete(_PATH) is True
        assert objects.info(_PATH) is None
        assert objects.put(_PATH, b"new") is True
        assert objects.get(_PATH) == b"new"

    def test_a_folder_lists_what_is_below_it_and_nothing_beside_it(self, objects: ObjectStore) -> None:
        for path in ("raw/a/b/c", "raw/a/d", "raw/ab", "raw2/x", "commits/y"):
            objects.put(path, b"1")
        assert {info.path for info in objects.list("raw/a")} == {"raw/a/b/c", "raw/a/d"}
        assert {info.path for info in objects.list("raw")} == {"raw/a/b/c", "raw/a/d", "raw/ab"}

    def test_an_empty_object_is_an_object(self, objects: ObjectStore) -> None:
        objects.put("raw/empty", b"")
        assert objects.get("raw/empty") == b""
        assert [info.size for info in objects.list("raw")] == [0]

    def test_nothing_finished_is_swept(self, objects: ObjectStore) -> None:
        objects.put(_PATH, b"kept")
        assert objects.sweep_unfinished(dt.datetime(2100, 1, 1, tzinfo=dt.UTC)) == 0
        assert objects.get(_PATH) == b"kept"
