"""Hostile bodies over real HTTP: refused with a reason, or in quarantine with one; neighbours are in effect."""

from __future__ import annotations

import datetime as dt
import gzip
import io
import json
import tarfile
import uuid
import zlib
from pathlib import Path
from typing import Any

import pytest
import zstandard

CORPUS = Path(__file__).parents[2] / "data" / "hostile_inputs.tar.gz"
MARK = "zq7planted"
MIB = 1 << 20


def corpus(folder: str) -> dict[str, bytes]:
    with tarfile.open(CORPUS) as tar:
        return {
            Path(member.name).name: file.read()
            for member in tar
            if member.name.startswith(folder) and (file := tar.extractfile(member)) is not None
        }


def record(customer: str = "neighbour", **payload: Any) -> dict[str, Any]:
    at = (dt.datetime.now(dt.UTC) - dt.timedelta(hours=1)).isoformat()
    good = {"id": uuid.uuid4().hex, "customer_id": customer, "event": "used", "occurred_at": at}
    return {"stream": "usage_events", "payload": {**good, **payload}}


def lines(*records: bytes) -> bytes:
    return b"\n".join(records)


def good(customer: str = "neighbour", **payload: Any) -> bytes:
    return json.dumps(record(customer, **payload)).encode()


@pytest.mark.parametrize("kind", ["n_", "i_", "y_"])
def test_every_file_of_the_json_test_suite_between_two_neighbours(target: Any, kind: str) -> None:
    source = f"suite_{kind[0]}"
    files = {name: text for name, text in corpus("json_test_suite/test_parsing/").items() if name.startswith(kind)}
    assert len(files) > 30
    for name, text in files.items():
        value = text.replace(b"\n", b" ").replace(b"\r", b" ")
        at = json.dumps(record()["payload"]["occurred_at"]).encode()
        middle = (
            b'{"stream":"usage_events","payload":{"id":"' + name.encode() + b'","customer_id":"c","event":"e",'
            b'"occurred_at":' + at + b',"properties":' + value + b"}}"
        )
        answer = target.send(lines(good(), middle, good()), source=source, Content_Type="application/x-ndjson")
        assert answer.status_code == 202, (name, answer.text)
        data = answer.json()["data"]
        assert data["accepted"] + len(data["refused"]) == 3
        assert data["accepted"] >= 2, (name, data)
        if data["refused"]:
            assert [one["index"] for one in data["refused"]] == [1]
            assert data["refused"][0]["reason"]
            assert data["refused"][0]["hint"]
        if kind == "y_":
            assert data["refused"] == [], name
    totals = target.settled(source)
    assert totals["accepted"] + totals["quarantined"] + totals["duplicate"] == totals["received"]
    assert totals["quarantined"] == target.reasons(source).total()
    assert target.events(source, "neighbour") == 2 * len(files)


def test_every_file_of_the_json_test_suite_as_a_body(target: Any) -> None:
    for name, text in {**corpus("json_test_suite/test_parsing/"), **corpus("json_test_suite/test_transform/")}.items():
        for query in ("", "?stream=usage_events"):
            answer = target.send(text, source="whole", query=query)
            assert answer.status_code in {202, 400, 413, 422}, (name, answer.text)
    totals = target.settled("whole")
    assert totals["quarantined"] == target.reasons("whole").total() == totals["received"]


def test_every_value_of_the_json_schema_suite_between_neighbours(target: Any) -> None:
    groups = [json.loads(text) for name, text in corpus("json_schema_test_suite/").items() if name.endswith(".json")]
    cases = [case["data"] for file in groups for group in file for case in group["tests"]]
    # The values as they are, and the schemas, which nest deeper.
    values = {json.dumps(value) for value in [*cases, *(group["schema"] for file in groups for group in file)]}
    assert len(values) > 1_000
    records = [one for value in sorted(values) for one in (good(), good("suite", properties={"v": json.loads(value)}))]
    answer = target.send(lines(*records), source="schemas", Content_Type="application/x-ndjson")
    assert (answer.status_code, answer.json()["data"]["accepted"]) == (202, len(records)), answer.text
    totals = target.settled("schemas")
    nul = sum("\\u0000" in value for value in values)
    assert target.reasons("schemas") == {"nul_character": nul}
    assert (totals["received"], totals["accepted"]) == (len(records), len(records) - nul)
    assert (target.events("schemas", "neighbour"), target.events("schemas", "suite")) == (
        len(values),
        len(values) - nul,
    )


def test_naughty_strings_everywhere(target: Any) -> None:
    strings = [text for text in json.loads(corpus("naughty_strings/")["blns.json"]) if text.strip()]
    records = [
        record(text, id=f"{n}-{text}", person_id=text, event=text[:100], object=text, properties={text: text})
        for n, text in enumerate(strings)
    ]
    answer = target.send(json.dumps(records).encode(), source="naughty")
    assert answer.status_code == 202, answer.text
    assert answer.json()["data"]["accepted"] == len(strings)
    totals = target.settled("naughty")
    assert totals["accepted"] == len(strings), target.reasons("naughty")
    for text in strings:
        answer = target.get(f"/api/v1/analytics/customer-health/{_quoted('naughty:' + text)}")
        assert answer.status_code in {200, 404}, (text, answer.text)
        answer = target.get(f"/api/v1/analytics/usage-trends/7d?customer_id={_quoted('naughty:' + text)}")
        assert answer.status_code == 200, (text, answer.text)
        answer = target.get(f"/api/v1/analytics/customers?search={_quoted(text)}&sort={_quoted(text)}")
        assert answer.status_code < 500, (text, answer.text)


def _quoted(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in text.encode())


HOSTILE: dict[str, tuple[dict[str, Any], str | None]] = {
    "a number for an id's text": ({"customer_id": {"no": MARK}}, "wrong_type"),
    "a list for a time": ({"occurred_at": [MARK]}, "wrong_type"),
    "a text for a number": ({"quantity": MARK}, "wrong_type"),
    "a number beyond all": ({"quantity": 10**400}, "out_of_range"),
    "an object for a text": ({"event": {"x": MARK}}, "wrong_type"),
    "thirty years ahead": ({"occurred_at": "2056-01-01T00:00:00Z"}, "in_future"),
    "thirty years back": ({"occurred_at": "1996-01-01T00:00:00Z"}, "too_old"),
    "before the calendar": ({"occurred_at": "0000-00-00T00:00:00Z"}, "invalid_time"),
    "a leap second": ({"occurred_at": "2016-12-31T23:59:60Z"}, ...),  # type: ignore[dict-item]
    "a year of six digits": ({"occurred_at": "+292277-01-01T00:00:00Z"}, "invalid_time"),
    "a huge time": ({"occurred_at": 10**30}, ...),  # type: ignore[dict-item]
    "a NUL in the customer": ({"customer_id": f"a\x00{MARK}"}, "nul_character"),
    "a NUL in the event": ({"event": f"a\x00{MARK}"}, "nul_character"),
    "a NUL in the id": ({"id": f"a\x00{MARK}"}, ...),  # type: ignore[dict-item]
    "emoji": ({"customer_id": "🦄👩‍👩‍👧", "id": "🦄", "event": "🦄"}, None),
    "half an emoji": ({"event": "\ud83e"}, "invalid_text"),
    "nothing at all": ({"customer_id": "   "}, "no_partition_key"),
    "no event": ({"event": None}, "missing"),
    "a million characters": ({"object": "x" * 900_000}, None),
    "a long id": ({"id": "x" * 100_000}, ...),  # type: ignore[dict-item]
    "not a number": ({"quantity": float("nan")}, "refused"),
    "deep": ({"properties": json.loads("[" * 60 + "]" * 60)}, ...),  # type: ignore[dict-item]
    "too deep": ({"properties": json.loads("[" * 400 + "]" * 400)}, "refused"),
}
"""Payloads; None: taken; a reason: of the quarantine; `refused`; an ellipsis: any of these, told in order."""


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_value_between_two_neighbours(target: Any, name: str) -> None:
    payload, expected = HOSTILE[name]
    source = "value_" + "".join(c for c in name.lower() if c.isalpha())
    answer = target.send(lines(good(), good("hostile", **payload), good()), source=source,
                         Content_Type="application/x-ndjson")  # fmt: skip
    assert answer.status_code == 202, answer.text
    refused = answer.json()["data"]["refused"]
    totals = target.settled(source)
    reasons = target.reasons(source)
    if expected is None:
        assert (refused, totals["accepted"]) == ([], 3), (refused, reasons)
    elif expected == "refused":
        assert [one["index"] for one in refused] == [1]
    elif isinstance(expected, str):
        assert (refused, dict(reasons)) == ([], {expected: 1})
    assert len(refused) + totals["accepted"] + totals["quarantined"] == 3
    assert target.events(source, "neighbour") == 2


def test_a_key_twice(target: Any) -> None:
    text = good("twice")
    twice = text.replace(b'"event"', b'"event": "' + MARK.encode() + b'", "event"')
    answer = target.send(lines(good(), twice, good()), source="twice", Content_Type="application/x-ndjson")
    assert answer.status_code == 202
    assert target.settled("twice")["accepted"] == 2
    assert dict(target.reasons("twice")) == {"duplicate_key": 1}
    both = b'{"stream":"usage_events","stream":"other","payload":{},"payload":{"a":1}}'
    answer = target.send(lines(good(), both, good()), source="twice", Content_Type="application/x-ndjson")
    assert answer.status_code == 202
    assert answer.json()["data"]["accepted"] >= 2
    assert target.settled("twice")["accepted"] == 4


def test_invalid_utf8_between_two_neighbours(target: Any) -> None:
    for bad in (b"\xff\xfe", b"\xc0\x80", b"\xed\xa0\x80", b"\xf8\x88\x80\x80\x80", b"\x80", b"\xe2\x28\xa1"):
        broken = good().replace(b'"used"', b'"' + bad + MARK.encode() + b'"')
        answer = target.send(lines(good(), broken, good()), source="utf", Content_Type="application/x-ndjson")
        assert answer.status_code == 202, answer.text
        assert [one["index"] for one in answer.json()["data"]["refused"]] == [1]
    assert target.settled("utf")["accepted"] == 12


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_broken_and_bursting_compression(target: Any, encoding: str) -> None:
    compress = gzip.compress if encoding == "gzip" else zstandard.ZstdCompressor().compress
    whole = compress(json.dumps([record(object=uuid.uuid4().hex) for _ in range(500)]).encode())
    before = target.memory("serve")
    for broken in (whole[:-10], whole[: len(whole) // 2], whole[:3], b"", whole + b"garbage", whole[::-1], b"\0" * 100):
        answer = target.send(broken, source="packed", Content_Encoding=encoding)
        assert answer.status_code == 400, answer.text
    bomb = compress(b"[" + b" " * (1024 * MIB) + b"]")
    assert len(bomb) < 2 * MIB
    for _ in range(5):
        answer = target.send(bomb, source="packed", Content_Encoding=encoding)
        assert (answer.status_code, answer.json()["errors"][0]["reason"]) == (413, "too_large"), answer.text
    twice = compress(bomb)
    assert target.send(twice, source="packed", Content_Encoding=encoding).status_code in {400, 413}
    assert target.send(twice, source="packed", Content_Encoding=f"{encoding}, {encoding}").status_code == 415
    assert target.memory("serve") - before < 300 * MIB
    assert target.send(whole, source="packed", Content_Encoding=encoding).status_code == 202
    assert target.settled("packed")["received"] in {500, 1000}


def test_unknown_kinds_of_bodies(target: Any) -> None:
    text = good()
    for header, status in {
        "text/html": {202, 415},
        "application/xml": {202, 415},
        "multipart/form-data; boundary=x": {202, 415},
        "application/json; charset=utf-16": {202, 400, 415},
        "application/json; charset=latin-1": {202, 400, 415},
        "🦄": {202, 400, 415},
        "x" * 5000: {202, 400, 415},
    }.items():
        answer = target.send(text, source="kinds", Content_Type=header.encode())
        assert answer.status_code in status, (header, answer.text)
    for encoding in ("br", "deflate", "compress", "gzip, br", "x" * 3000, "gzip;q=1"):
        answer = target.send(zlib.compress(text), source="kinds", Content_Encoding=encoding)
        assert answer.status_code == 415, (encoding, answer.text)
    for key in ("", "x" * 5000, "a\tb", "ü".encode()):
        answer = target.send(text, source="kinds", Idempotency_Key=key)
        assert answer.status_code in {202, 400}, answer.text
    for source in ("UPPER", "a" * 64, "a-b", "..%2f..%2fetc", "%00", "mainstem", "🦄", "1a", "a%20b", "'; drop table"):
        answer = target.send(text, source=_quoted(source) if "%" not in source else source)
        assert answer.status_code in {400, 403, 404, 405}, (source, answer.text)
    for stream in ("UPPER", "a" * 64, "", "%00", "..", "a'b"):
        answer = target.send(text, source="kinds", query=f"?stream={stream}")
        assert answer.status_code in {202, 400, 422}, (stream, answer.text)
    for lane in ("", "fast", "%00"):
        assert target.send(text, source="kinds", query=f"?lane={lane}").status_code in {400, 422}


def test_a_million_tiny_records(target: Any) -> None:
    before = target.memory("serve")
    tiny = b'{"stream":"usage_events","payload":{}}'
    answer = target.send(lines(*[tiny] * 1_000_000), source="tiny", Content_Type="application/x-ndjson")
    assert answer.status_code == 413, answer.text
    packed = gzip.compress(lines(*[tiny] * 1_000_000))
    answer = target.send(packed, source="tiny", Content_Type="application/x-ndjson", Content_Encoding="gzip")
    assert answer.status_code == 413, answer.text
    for text in (b"[" + b"{}," * 999_999 + b"{}]", b"[" * MIB, b"{}\n" * MIB, b'{"a":' * MIB, b"1" * 10 * MIB):
        answer = target.send(text, source="tiny")
        assert answer.status_code in {400, 413, 422}, answer.text
    most = io.BytesIO()
    most.write(b"[" + b",".join([tiny] * 50_000) + b"]")
    assert target.send(most.getvalue(), source="tiny").status_code == 202
    totals = target.settled("tiny")
    assert totals["received"] == totals["quarantined"] == 50_000
    assert target.memory("serve") - before < 600 * MIB
    assert target.memory("work") < 1500 * MIB
    assert target.memory("keep") < 1500 * MIB
