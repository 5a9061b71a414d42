from __future__ import annotations

import gzip
import json
import random
import threading
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mainstem.errors import BackPressureError, ConfigurationError, IntegrityError, RefusedError, UnavailableError
from mainstem.eventlog import Append
from mainstem.intake import (
    CANONICAL_JSON,
    Door,
    DoorParts,
    DoorSettings,
    Load,
    LoadProgress,
    LoadReport,
    LoadSettings,
    load_files,
)
from mainstem.model import Lane

SMALL = LoadSettings(chunk_rows=37, chunks_under_way=3)


def load(door: Door, path: Path, stream: str = "by_occurrence", settings: LoadSettings = SMALL) -> LoadReport:
    return load_files(Load(str(path), "shop", stream), door, settings)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the files to load lie; beside it are the keys."""
    folder = tmp_path / "files"
    folder.mkdir()
    return folder


def rows(n: int, distinct: int = 40) -> list[dict[str, str]]:
    choose = random.Random(7)
    return [
        {"customer_id": f"c{choose.randrange(distinct)}", "event": "view", "occurred_at": "2026-01-14"}
        for _ in range(n)
    ]


def write_csv(path: Path, found: Sequence[dict[str, str]]) -> Path:
    lines = [",".join(found[0]), *(",".join(row.values()) for row in found)]
    path.write_text("\n".join(lines) + "\n")
    return path


def identities(logged: Any) -> Counter[tuple[str, bytes]]:
    return Counter((row["record_id"], row["payload"]) for row in logged.records())


def test_rows_of_a_csv(door: Door, logged: Any, folder: Path) -> None:
    found = rows(500)
    report = load(door, write_csv(folder / "a.csv", found))
    assert (report.files, report.rows, report.accepted, report.bad, report.warnings) == (1, 500, 500, (), ())
    kept = logged.records(Lane.BULK)
    assert [json.loads(row["payload"]) for row in kept] == found
    assert [row["delivery_index"] for row in kept] == list(range(500))
    assert {row["content_type"] for row in kept} == {CANONICAL_JSON}
    assert {row["origin"] for row in kept} == {"load"}
    assert {row["partition_key"] for row in kept} == {row["customer_id"] for row in found}
    assert all(row["slot"] % 4 == row["partition"] for row in kept)
    assert len({row["delivery"] for row in kept}) == 1


def test_occurrences_are_told_apart(door: Door, logged: Any, folder: Path) -> None:
    load(door, write_csv(folder / "a.csv", rows(500)))
    found = identities(logged)
    assert len(found) == 500
    assert len({payload for _, payload in found}) == 40
    assert all(len(identity) == 32 for identity, _ in found)


def test_the_same_rows_in_any_order_cut_and_number_of_clients_have_the_same_identities(
    door: Door, logged: Any, folder: Path
) -> None:
    found = rows(400)
    load(door, write_csv(folder / "a.csv", found))
    first = identities(logged)
    load(door, folder / "a.csv", settings=LoadSettings(chunk_rows=1000))
    random.Random(1).shuffle(found)
    parts = folder / "parts"
    parts.mkdir()
    for n in range(4):
        write_csv(parts / f"{n}.csv", found[n * 100 : n * 100 + 100])
    load(door, parts)
    with ThreadPoolExecutor(2) as pool:
        reports = list(pool.map(lambda path: load(door, path), [parts, folder / "a.csv"]))
    assert [report.accepted for report in reports] == [400, 400]
    assert identities(logged) == Counter(dict.fromkeys(first, 5))


def test_lines_of_ndjson_keep_their_bytes_and_their_neighbours(door: Door, logged: Any, folder: Path) -> None:
    file = folder / "a.ndjson"
    lines = [json.dumps(row).encode() for row in rows(100)]
    lines[10] = b'{"customer_id": "c1", '
    lines[20] = b""
    lines[30] = b"[1]"
    lines[40] = b'  {"customer_id" : "c1"}  '
    lines[50] = b'{"a":"\xff"}'
    lines[60] = b'{"customer_id":"\\ud800"}'
    file.write_bytes(b"\n".join(lines))
    report = load(door, file)
    assert (report.rows, report.accepted) == (99, 96)
    assert [(bad.line, bad.reason.partition(":")[0]) for bad in report.bad] == [
        (11, "unreadable"),
        (31, "not_an_object"),
        (51, "unreadable"),
    ]
    assert {bad.file for bad in report.bad} == {str(file)}
    kept = {row["payload"] for row in logged.records()}
    assert b'{"customer_id" : "c1"}' in kept
    assert b'{"customer_id":"\\ud800"}' in kept
    assert {row["content_type"] for row in logged.records()} == {"application/json"}


def test_broken_lines_of_a_csv_are_told_and_the_rest_is_loaded(door: Door, logged: Any, folder: Path) -> None:
    file = folder / "a.csv"
    file.write_bytes(b"customer_id,event,occurred_at\nc1,view,2026-01-14\nc2,view\nc3,view,2026-01-14\n")
    report = load(door, file)
    assert (report.rows, report.accepted) == (2, 2)
    assert [(bad.line, bad.reason) for bad in report.bad] == [(3, "fewer values than columns")]
    assert sorted(logged.column("partition_key")) == ["c1", "c3"]


def test_a_row_too_large_for_the_door_is_told(parts: DoorParts, logged: Any, folder: Path) -> None:
    table = pa.table({"customer_id": ["a", "b", "c"], "note": [["x"], ["x" * 2000], ["y"]]})
    pq.write_table(table, folder / "a.parquet")
    with Door(parts, DoorSettings(max_record=1000)) as door:
        report = load(door, folder / "a.parquet")
    assert (report.rows, report.accepted) == (3, 2)
    assert [(bad.line, bad.row) for bad in report.bad] == [(None, 2)]
    assert sorted(logged.column("partition_key")) == ["a", "c"]


def test_partitioned_parquet(door: Door, logged: Any, folder: Path) -> None:
    for module in ("AAA", "BBB"):
        below = folder / f"event={module}"
        below.mkdir()
        table = pa.table({"customer_id": [float(n % 10) for n in range(100)], "occurred_at": ["2026-01-14"] * 100})
        pq.write_table(table, below / "part-0.parquet")
    report = load(door, folder)
    assert (report.files, report.accepted) == (2, 200)
    kept = [json.loads(row["payload"]) for row in logged.records()]
    assert Counter(row["event"] for row in kept) == {"AAA": 100, "BBB": 100}
    assert len(set(logged.column("record_id"))) == 200


def test_rows_without_id_are_known_by_their_file(door: Door, logged: Any, folder: Path) -> None:
    """The built-in stream asks for ids. Without them a file is its own Idempotency-Key."""
    write_csv(folder / "monday.csv", rows(50))
    report = load(door, folder / "monday.csv", "usage_events")
    assert report.warnings == ()
    load(door, folder / "monday.csv", "usage_events")
    (folder / "tuesday.csv").write_bytes((folder / "monday.csv").read_bytes())
    load(door, folder / "tuesday.csv", "usage_events")
    counted = Counter(logged.column("record_id"))
    assert sorted(counted.values()) == [1] * 50 + [2] * 50
    assert all(identity.startswith("ik:file-") for identity in counted)


def test_rows_with_an_id_are_known_by_it(door: Door, logged: Any, folder: Path) -> None:
    write_csv(folder / "a.csv", [{"id": f"e{n}", **row} for n, row in enumerate(rows(20))])
    load(door, folder / "a.csv", "usage_events")
    assert sorted(logged.column("record_id")) == sorted(f"e{n}" for n in range(20))


@pytest.mark.parametrize("stream", ["by_body", "by_none"])
def test_where_ids_do_not_count_there_are_none(door: Door, logged: Any, folder: Path, stream: str) -> None:
    load(door, write_csv(folder / "a.csv", rows(20)), stream)
    assert logged.column("record_id") == [None] * 20


def test_entities(door: Door, logged: Any, folder: Path) -> None:
    write_csv(folder / "a.csv", [{"Id": "1", "Name": "Acme"}, {"Id": "2", "Name": "Blitz"}])
    load(door, folder / "a.csv", "accounts")
    assert sorted((row["key"], row["op"]) for row in logged.records()) == [("1", "upsert"), ("2", "upsert")]


def test_a_stream_without_contract(door: Door, logged: Any, folder: Path) -> None:
    report = load(door, write_csv(folder / "a.csv", rows(20)), "mystery")
    assert report.accepted == 20
    assert "no contract" in report.warnings[0]
    assert set(logged.column("contract_version")) == {0}


def test_folders_do_not_change_lines(door: Door, folder: Path) -> None:
    (folder / "day=1").mkdir()
    (folder / "day=1" / "a.ndjson").write_text('{"customer_id":"c1"}\n')
    (folder / "README.md").write_text("about")
    report = load(door, folder)
    assert "day" in report.warnings[0]
    assert [path.name for path in report.skipped] == ["README.md"]


def test_compressed_files(door: Door, logged: Any, folder: Path) -> None:
    (folder / "a.csv.gz").write_bytes(gzip.compress(b"customer_id,event\nc1,view\n"))
    (folder / "b.ndjson.gz").write_bytes(gzip.compress(b'{"customer_id":"c2"}\n'))
    assert load(door, folder).accepted == 2
    assert sorted(logged.column("partition_key")) == ["c1", "c2"]


def test_progress(door: Door, folder: Path) -> None:
    told: list[LoadProgress] = []
    write_csv(folder / "a.csv", rows(300))
    load_files(Load(str(folder), "shop", "by_occurrence"), door, SMALL, told.append)
    assert [one.phase for one in told] == sorted((one.phase for one in told), reverse=True)
    for phase in ("numbering", "loading"):
        done = [one.done for one in told if one.phase == phase]
        assert done == sorted(done)
        assert 0 < done[0] <= done[-1] <= 1.0
    assert told[-1].rows == 300


def test_a_load_waits_while_the_door_is_closed_to_it(
    door: Door, parts: DoorParts, logged: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = parts.log.append
    failures = iter(
        [BackPressureError("full", retry_after=0.01, queue_age=1), UnavailableError("gone", retry_after=0.01)]
    )

    def now_and_then(appends: Sequence[Append]) -> Sequence[int]:
        error = next(failures, None)
        if error is not None:
            raise error
        return append(appends)

    monkeypatch.setattr(parts.log, "append", now_and_then)
    assert load(door, write_csv(folder / "a.csv", rows(200))).accepted == 200
    assert len(identities(logged)) == 200
    assert next(failures, None) is None


def test_a_load_gives_up_at_last_and_can_be_run_again(door: Door, parts: DoorParts, logged: Any, folder: Path) -> None:
    file = write_csv(folder / "a.csv", rows(300))
    append = parts.log.append
    left = 3
    lock = threading.Lock()

    def until_it_breaks(appends: Sequence[Append]) -> Sequence[int]:
        nonlocal left
        with lock:
            left -= 1
        if left < 0:
            raise UnavailableError("gone", retry_after=0.01)
        return append(appends)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts.log, "append", until_it_breaks)
        with pytest.raises(UnavailableError):
            load(door, file, settings=LoadSettings(chunk_rows=37, patience=0.02))
    assert 0 < len(logged.records()) < 300
    load(door, file)
    assert len(identities(logged)) == 300, "what was loaded twice has the same identity twice"


def test_a_file_that_changes_meanwhile(door: Door, folder: Path) -> None:
    for name in "ab":
        (folder / f"{name}.ndjson").write_text('{"customer_id":"c1"}\n' * 50)

    def grow(progress: LoadProgress) -> None:
        if progress.phase == "numbering" and progress.rows == 100:
            (folder / "a.ndjson").write_text('{"customer_id":"c1"}\n' * 60)

    with pytest.raises(IntegrityError):
        load_files(Load(str(folder), "shop", "by_occurrence"), door, LoadSettings(), grow)


@pytest.mark.parametrize(
    ("load_of", "error"),
    [
        (Load("{folder}/none.csv", "shop", "usage_events"), ConfigurationError),
        (Load("{folder}/a.csv", "Shop", "usage_events"), RefusedError),
        (Load("{folder}/a.csv", "shop", "Usage"), RefusedError),
    ],
)
def test_what_cannot_be_loaded(door: Door, folder: Path, load_of: Load, error: type[Exception]) -> None:
    write_csv(folder / "a.csv", rows(3))
    wanted = Load(load_of.path.format(folder=folder), load_of.source, load_of.stream)
    with pytest.raises(error):
        load_files(wanted, door)
