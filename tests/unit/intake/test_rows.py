from __future__ import annotations

import csv
import decimal
import gzip
import io
import json
import random
import tarfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mainstem.errors import ConfigurationError
from mainstem.intake import _lines
from mainstem.intake._files import find_files
from mainstem.intake._rows import BadLine, Chunk, RowReader
from mainstem.intake.settings import LoadSettings

CORPUS = Path(__file__).parents[2] / "data" / "hostile_inputs.tar.gz"


def read_all(
    path: Path, scratch: Path, *, chunk_rows: int = 1000, longest: int = 1 << 20
) -> tuple[list[Chunk], list[BadLine]]:
    unit = find_files(str(path))
    bad: list[BadLine] = []
    scratch.mkdir(exist_ok=True)
    with closing(RowReader(unit.files, scratch, LoadSettings(chunk_rows=chunk_rows), longest)) as reader:
        chunks = [chunk for file in unit.files for chunk in reader.chunks(file, bad)]
    return chunks, bad


def rows(chunks: list[Chunk]) -> list[bytes]:
    return [payload for chunk in chunks for payload in chunk.payloads.to_pylist()]


def objects(chunks: list[Chunk]) -> list[Any]:
    return [json.loads(payload) for payload in rows(chunks)]


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    return tmp_path / "scratch"


def test_lines_of_ndjson_are_kept_byte_for_byte(tmp_path: Path, scratch: Path) -> None:
    file = tmp_path / "a.ndjson"
    file.write_bytes(b'\xef\xbb\xbf{"b": 1.0,"a" :"\xc3\xa9"}\r\n\n  {"c":[ ]}  \nbroken\n{"d":1}')
    chunks, bad = read_all(file, scratch)
    assert rows(chunks) == [b'{"b": 1.0,"a" :"\xc3\xa9"}', b'{"c":[ ]}', b"broken", b'{"d":1}']
    assert [line for chunk in chunks for line in chunk.lines or ()] == [1, 3, 4, 5]
    assert [chunk.first for chunk in chunks] == [0, 3]
    assert not any(chunk.canonical or chunk.readable for chunk in chunks)
    assert bad == []


def test_ndjson_in_many_blocks(tmp_path: Path, scratch: Path) -> None:
    file = tmp_path / "a.jsonl"
    lines = [json.dumps({"n": n, "pad": "x" * 900}).encode() for n in range(10_000)]
    file.write_bytes(b"\n".join(lines) + b"\n")
    chunks, _ = read_all(file, scratch, chunk_rows=777)
    assert rows(chunks) == lines
    assert [line for chunk in chunks for line in chunk.lines or ()] == list(range(1, 10_001))
    assert [chunk.first for chunk in chunks][1] == 777
    done = [chunk.done for chunk in chunks]
    assert done == sorted(done)
    assert done[-1] == 1.0


def test_a_line_without_end_is_not_held_in_memory(tmp_path: Path, scratch: Path) -> None:
    file = tmp_path / "a.ndjson"
    with file.open("wb") as out:
        out.write(b'{"n":1}\n{"n":"')
        for _ in range(20):
            out.write(b"x" * (1 << 20))
        out.write(b'"}\n{"n":3}\n')
    chunks, bad = read_all(file, scratch)
    assert rows(chunks) == [b'{"n":1}', b'{"n":3}']
    assert [line for chunk in chunks for line in chunk.lines or ()] == [1, 3]
    assert [(one.line, one.reason) for one in bad] == [(2, "longer than a line may be")]


@pytest.mark.parametrize("name", ["a.ndjson.gz", "a.csv.gz"])
def test_gzip(tmp_path: Path, scratch: Path, name: str) -> None:
    text = b'{"n":1}\n{"n":2}\n' if "json" in name else b"n\n1\n2\n"
    (tmp_path / name).write_bytes(gzip.compress(text))
    chunks, bad = read_all(tmp_path / name, scratch)
    assert [int(found["n"]) for found in objects(chunks)] == [1, 2]
    assert bad == []


@pytest.mark.parametrize("name", ["a.ndjson.gz", "a.csv.gz"])
@pytest.mark.parametrize("spoil", [lambda body: body[:-10], lambda body: body[:100] + bytes(9) + body[109:]])
def test_a_broken_gzip_file_is_told(tmp_path: Path, scratch: Path, name: str, spoil: Callable[[bytes], bytes]) -> None:
    text = b"".join(b'{"n":%d}\n' % random.Random(n).getrandbits(60) for n in range(1000))
    if "csv" in name:
        text = b"n\n" + text.replace(b'{"n":', b"").replace(b"}", b"")
    (tmp_path / name).write_bytes(spoil(gzip.compress(text)))
    _, bad = read_all(tmp_path / name, scratch)
    assert [(one.line, one.row) for one in bad] == [(None, None)]
    assert "could not be read to its end" in bad[0].reason


def test_csv_values_are_text_and_the_empty_one_is_null(tmp_path: Path, scratch: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_bytes(b'id,name,note\r\n1,"bo,b",\r\n007,"say ""hi""\r\nthere",""\r\n\r\n1e3,\xc3\xa9,"null"\r\n')
    chunks, bad = read_all(file, scratch)
    assert rows(chunks) == [
        b'{"id":"1","name":"bo,b","note":null}',
        b'{"id":"007","name":"say \\"hi\\"\\r\\nthere","note":""}',
        '{"id":"1e3","name":"é","note":"null"}'.encode(),
    ]
    assert chunks[0].canonical
    assert chunks[0].readable
    assert bad == []


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_csv_delimiters(tmp_path: Path, scratch: Path, delimiter: str) -> None:
    file = tmp_path / ("a.tsv" if delimiter == "\t" else "a.csv")
    file.write_text(f"id{delimiter}name\n1{delimiter}ann\n")
    assert objects(read_all(file, scratch)[0]) == [{"id": "1", "name": "ann"}]


def test_csv_names_that_databases_would_not_like(tmp_path: Path, scratch: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text(',Id,ID,it\'s,"a""b"\n0,1,2,3,4\n')
    assert objects(read_all(file, scratch)[0]) == [{"": "0", "Id": "1", "ID": "2", "it's": "3", 'a"b': "4"}]


def test_broken_csv_lines_are_told_and_change_no_other(tmp_path: Path, scratch: Path) -> None:
    """A sniffing reader would give up quotes altogether for the sake of the line with the stray one."""
    file = tmp_path / "a.csv"
    file.write_bytes(
        b'id,name,n\n1,ann,3\n2,"bo,b",\n3,cy,4,5\n4\n5,"multi\nline",6\n6,"broken"x,7\n7,\xff,8\n8,"zed ""q""",9\n'
    )
    chunks, bad = read_all(file, scratch)
    assert [found["id"] for found in objects(chunks)] == ["1", "2", "5", "8"]
    assert objects(chunks)[1]["name"] == "bo,b"
    assert objects(chunks)[3]["name"] == 'zed "q"'
    assert [one.line for one in bad] == [4, 5, 8, 9]
    assert "more values" in bad[0].reason
    assert "fewer values" in bad[1].reason
    assert "quote" in bad[2].reason
    assert "UTF-8" in bad[3].reason
    assert not any(value in one.reason for one in bad for value in ("cy", "broken"))


def test_a_quote_that_is_never_closed_is_told(tmp_path: Path, scratch: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text('id,name\n1,"ok"\n2,"open\n3,c\n4,d\n')
    chunks, bad = read_all(file, scratch)
    assert [found["id"] for found in objects(chunks)] == ["1"]
    assert [(one.line, one.last) for one in bad] == [(3, 5)]
    assert "lines 3 to 5, which it holds, were not loaded" in bad[0].reason


@pytest.mark.parametrize("compressed", [False, True])
def test_the_lines_that_open_quotes_hold_are_named(tmp_path: Path, scratch: Path, *, compressed: bool) -> None:
    """More of them than a block of the file, behind others, and the rows that follow are loaded."""
    many = "".join(f"{number},{'x' * 100}\n" for number in range(60_000))
    text = f'id,name\n1,"open\n2,b\nx"3,c\n4,"d"d\n5,e\n6,"open\n{many}y"7,"g"\n8,h\n9,"open\n10,i'
    file = tmp_path / ("a.csv.gz" if compressed else "a.csv")
    file.write_bytes(gzip.compress(text.encode()) if compressed else text.encode())
    chunks, bad = read_all(file, scratch, longest=1 << 24)
    assert [found["id"] for found in objects(chunks)] == ["5", "8"]
    assert [(one.line, one.last) for one in bad] == [(2, 4), (5, None), (7, 60_008), (60_010, 60_011)]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_blank_lines_do_not_hide_which_line_is_broken(
    tmp_path: Path, scratch: Path, end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And so what an open quote holds, neither."""
    file = tmp_path / "a.csv"
    file.write_bytes(end.join(["id,name", "1,a", "", "", "2,b,c", "", "3,c", "", '4,"open', "5,d", "6,e"]).encode())
    for block in (4 << 20, 5):
        monkeypatch.setattr(_lines, "_BLOCK", block)
        chunks, bad = read_all(file, scratch)
        assert [found["id"] for found in objects(chunks)] == ["1", "3"]
        assert [(one.line, one.last) for one in bad] == [(5, None), (9, 11)]


def test_an_empty_parquet_file_is_told(tmp_path: Path, scratch: Path) -> None:
    (tmp_path / "a.parquet").touch()
    assert [one.reason for one in read_all(tmp_path / "a.parquet", scratch)[1]] == [
        "the file could not be read to its end: not a Parquet file"
    ]


def test_mixed_line_ends_of_csv_are_told(tmp_path: Path, scratch: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_bytes(b"id,name\n1,a\r\n2,b\n")
    chunks, bad = read_all(file, scratch)
    assert len(rows(chunks)) + len(bad) >= 1
    assert "line ends are mixed" in bad[0].reason


@pytest.mark.parametrize(
    "text", ["\n\nid,note\n1,x\n", '\n"id","no\nte"\n1,x\n', '"id","a;b;c|d"\n1,x\n', "\r\n\r\nid,note\r\n1,x\r\n"]
)
def test_csv_heads(tmp_path: Path, scratch: Path, text: str) -> None:
    (tmp_path / "a.csv").write_text(text, newline="")
    chunks, bad = read_all(tmp_path / "a.csv", scratch)
    assert [list(found.values()) for found in objects(chunks)] == [["1", "x"]]
    assert bad == []


@pytest.mark.parametrize("text", ["", "\n\n", "id,name\n"])
def test_csv_without_rows(tmp_path: Path, scratch: Path, text: str) -> None:
    (tmp_path / "a.csv").write_text(text)
    assert read_all(tmp_path / "a.csv", scratch) == ([], [])


@pytest.mark.parametrize("text", [b"id,id\n1,2\n", b"id,\xff\n1,2\n"])
def test_csv_without_usable_names(tmp_path: Path, scratch: Path, text: bytes) -> None:
    (tmp_path / "a.csv").write_bytes(text)
    with pytest.raises(ConfigurationError, match=r"a\.csv"):
        read_all(tmp_path / "a.csv", scratch)


def csv_spectrum() -> dict[str, tuple[bytes, Any]]:
    with tarfile.open(CORPUS) as tar:
        files = {member.name: file.read() for member in tar if (file := tar.extractfile(member)) is not None}
    return {
        Path(name).stem: (body, json.loads(files[f"csv_spectrum/json/{Path(name).stem}.json"]))
        for name, body in files.items()
        if name.startswith("csv_spectrum/csvs/")
    }


@pytest.mark.parametrize("name", csv_spectrum())
def test_csv_spectrum(tmp_path: Path, scratch: Path, name: str) -> None:
    body, expected = csv_spectrum()[name]
    (tmp_path / "a.csv").write_bytes(body)
    chunks, bad = read_all(tmp_path / "a.csv", scratch)
    found = [{key: value or "" for key, value in row.items()} for row in objects(chunks)]
    # The corpus expects line ends within quotes as they are on Unix.
    assert [{key: value.replace("\r\n", "\n") for key, value in row.items()} for row in found] == [
        {key: value.replace("\r\n", "\n") for key, value in row.items()} for row in expected
    ]
    assert bad == []


def test_parquet_values(tmp_path: Path, scratch: Path) -> None:
    table = pa.table(
        {
            "i": pa.array([9_007_199_254_740_993], pa.int64()),
            "d": pa.array([1.0], pa.float64()),
            "nan": pa.array([float("nan")], pa.float64()),
            "inf": pa.array([float("-inf")], pa.float32()),
            "single": pa.array([0.1], pa.float32()),
            "large": pa.array([1e300], pa.float64()),
            "exact": pa.array([decimal.Decimal("12345678901234567890.123456789")], pa.decimal128(38, 9)),
            "short": pa.array([decimal.Decimal("1.50")], pa.decimal128(9, 2)),
            "t": pa.array([1_768_478_400_123_456], pa.timestamp("us", tz="Europe/Berlin")),
            "naive": pa.array([1_768_478_400_000], pa.timestamp("ms")),
            "day": pa.array([20_000], pa.date32()),
            "bytes": pa.array([b"\x00\xff"], pa.binary()),
            "none": pa.array([None], pa.string()),
            "text": pa.array(['quote " nul \0 é 😀'], pa.string()),
            "flag": pa.array([True], pa.bool_()),
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    chunks, bad = read_all(tmp_path / "a.parquet", scratch)
    assert objects(chunks) == [
        {
            "i": 9_007_199_254_740_993,
            "d": 1.0,
            "nan": None,
            "inf": None,
            "single": 0.1,
            "large": 1e300,
            "exact": "12345678901234567890.123456789",
            "short": 1.5,
            "t": "2026-01-15 12:00:00.123456+00",
            "naive": "2026-01-15 12:00:00",
            "day": "2024-10-04",
            "bytes": "AP8=",
            "none": None,
            "text": 'quote " nul \0 é 😀',
            "flag": True,
        }
    ]
    assert b'"d":1,' in rows(chunks)[0], "whole numbers have no fraction, whatever their type"
    assert chunks[0].readable
    assert bad == []


def test_nested_parquet_values_are_looked_at_again(tmp_path: Path, scratch: Path) -> None:
    table = pa.table({"tags": [["a", "b"]], "at": [{"x": 1, "y": [float("nan")]}]})
    pq.write_table(table, tmp_path / "a.parquet")
    chunks, _ = read_all(tmp_path / "a.parquet", scratch)
    assert rows(chunks)[0].startswith(b'{"tags":["a","b"],"at":{"x":1')
    assert not chunks[0].readable


def test_parquet_in_order_and_in_chunks(tmp_path: Path, scratch: Path) -> None:
    pq.write_table(pa.table({"n": range(60_000)}), tmp_path / "a.parquet", row_group_size=10_000)
    chunks, _ = read_all(tmp_path / "a.parquet", scratch, chunk_rows=7_000)
    assert [found["n"] for found in objects(chunks)] == list(range(60_000))
    firsts = [chunk.first for chunk in chunks]
    lengths = [len(chunk.payloads) for chunk in chunks]
    assert firsts == [sum(lengths[:n]) for n in range(len(lengths))]
    assert max(lengths) <= 7_000
    assert chunks[-1].done == 1.0


def test_a_file_that_is_no_parquet_is_told(tmp_path: Path, scratch: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1 nonsense")
    chunks, bad = read_all(tmp_path / "a.parquet", scratch)
    assert chunks == []
    assert "not a Parquet file" in bad[0].reason


def test_folders_of_a_partitioned_data_set_become_columns(tmp_path: Path, scratch: Path) -> None:
    for module, n in (("AAA", 1), ("B%20B", 2), ("__HIVE_DEFAULT_PARTITION__", 3)):
        folder = tmp_path / f"code_module={module}" / "n=7"
        folder.mkdir(parents=True)
        pq.write_table(pa.table({"n": [n]}), folder / "part-0.parquet")
        (folder / "b.csv").write_text("x\ny\n")
    chunks, _ = read_all(tmp_path, scratch)
    found = objects(chunks)
    assert {(row["code_module"], row["n"]) for row in found if "x" not in row} == {("AAA", 1), ("B B", 2), (None, 3)}
    assert {(row["code_module"], row["n"]) for row in found if "x" in row} == {("AAA", "7"), ("B B", "7"), (None, "7")}


def test_which_files_of_a_folder_are_data(tmp_path: Path) -> None:
    for name in ("b.csv", "a.ndjson", "_manifest.csv", ".hidden.csv", "README.md", "sub/c.parquet", "_tmp/d.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x\n")
    unit = find_files(str(tmp_path))
    assert [file.path.name for file in unit.files] == ["a.ndjson", "b.csv", "c.parquet"]
    assert sorted(path.name for path in unit.skipped) == [".hidden.csv", "README.md", "_manifest.csv", "d.csv"]


def test_a_glob_and_a_file_named_outright(tmp_path: Path) -> None:
    for name in ("a1.csv", "a2.csv", "b.csv", "_c.csv"):
        (tmp_path / name).write_text("x\n")
    assert [file.path.name for file in find_files(str(tmp_path / "a*.csv")).files] == ["a1.csv", "a2.csv"]
    assert [file.path.name for file in find_files(str(tmp_path / "_c.csv")).files] == ["_c.csv"]


@pytest.mark.parametrize("path", ["nothing-*.csv", "missing.csv", ".", "readme.md"])
def test_nothing_to_load(tmp_path: Path, path: str) -> None:
    (tmp_path / "readme.md").write_text("x")
    with pytest.raises(ConfigurationError) as caught:
        find_files(str(tmp_path / path))
    assert caught.value.hint


def test_a_files_identity_is_its_content_name_and_folders(tmp_path: Path) -> None:
    def identity(folder: str, name: str, text: str) -> str:
        path = tmp_path / folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return find_files(str(path)).files[0].identity()

    first = identity("one", "a.csv", "x\n1\n")
    assert identity("two", "a.csv", "x\n1\n") == first
    others = {
        identity("one", "b.csv", "x\n1\n"),
        identity("three", "a.csv", "x\n2\n"),
        identity("day=1", "a.csv", "x\n1\n"),
        identity("day=2", "a.csv", "x\n1\n"),
    }
    assert len(others | {first}) == 5


def test_only_the_files_of_the_unit_can_be_read(tmp_path: Path, scratch: Path) -> None:
    """A file's name goes into SQL: whatever it says, nothing else is opened."""
    (tmp_path / "secret.csv").write_text("x\nsecret\n")
    file = tmp_path / "a'), read_csv('secret.csv.csv"
    file.write_text("x\n1\n")
    chunks, bad = read_all(file, scratch)
    assert objects(chunks) == [{"x": "1"}]
    assert bad == []


def test_csv_text_of_any_kind_survives(tmp_path: Path, scratch: Path) -> None:
    with tarfile.open(CORPUS) as tar:
        file = tar.extractfile("naughty_strings/blns.json")
        assert file is not None
        strings = json.loads(file.read())
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerow(["n", "text"])
    writer.writerows((n, text) for n, text in enumerate(strings))
    (tmp_path / "a.csv").write_text(out.getvalue(), newline="")
    chunks, bad = read_all(tmp_path / "a.csv", scratch)
    assert [row["text"] for row in objects(chunks)] == strings
    assert bad == []
