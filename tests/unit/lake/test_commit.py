from __future__ import annotations

import dataclasses
import datetime as dt
import json

import pytest

from mainstem.errors import IntegrityError
from mainstem.lake import Chain, FileKey, LakeCommit, LakeFile
from mainstem.lake.commit import named_span
from mainstem.model import Lane

KEY = FileKey("shop", "orders", dt.date(2026, 1, 15), 3)
SPAN = Chain(2, 1, Lane.BULK).span(17, 40)


def _commit() -> LakeCommit:
    files = [
        LakeFile.of(KEY, SPAN, b"one", rows=5, row_sum=2**128 - 1),
        LakeFile.of(dataclasses.replace(KEY, stream="users"), SPAN, b"two", rows=7, row_sum=3),
    ]
    return LakeCommit.of(SPAN, files)


def test_files_lie_where_data_engineers_look_for_them() -> None:
    assert _commit().files[0].path == (
        "raw/source_system=shop/stream=orders/date=2026-01-15/schema_version=3/"
        "2-p1-bulk-17-40-7692c3ad3540bb803c020b3aee66cd88.parquet"
    )


def test_a_descriptor_says_everything_and_is_named_for_it() -> None:
    commit = _commit()
    assert commit.descriptor.startswith("commits/2-p1-bulk-17-40-")
    assert LakeCommit.read(commit.descriptor, commit.describe()) == commit
    assert (commit.records, commit.row_sum, commit.size) == (12, 2, 6)
    assert LakeCommit.of(SPAN, commit.files[::-1]) == commit
    assert named_span(commit.descriptor) == SPAN
    assert named_span(commit.files[0].path) == SPAN
    assert named_span("commits/notes.txt") is None


def test_a_torn_changed_or_renamed_descriptor_is_none() -> None:
    commit = _commit()
    data = commit.describe()
    changed = json.loads(data)
    changed["files"][0]["rows"] = 6
    incomplete = json.loads(data)
    del incomplete["files"][0]["row_sum"]
    for other in (
        b"",
        data[:-1],
        data + b" ",
        b"[]",
        b"\xff",
        *(json.dumps(c).encode() for c in (changed, incomplete)),
    ):
        with pytest.raises(IntegrityError):
            LakeCommit.read(commit.descriptor, other)
    with pytest.raises(IntegrityError):
        LakeCommit.read(commit.descriptor.replace("-17-", "-16-"), data)


def test_a_later_releases_descriptor_says_so() -> None:
    with pytest.raises(IntegrityError, match="later release"):
        LakeCommit.read("commits/x", b'{"format": 2}')
