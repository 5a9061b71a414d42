from __future__ import annotations

import datetime as dt
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mainstem.errors import RefusedError
from mainstem.intake import DoorSettings, Refusal
from mainstem.intake._reading import Columns, Form, Reading, _crowded, form_of, read, read_rows
from mainstem.intake._salvage import split_array

SETTINGS = DoorSettings()
GOOD = {"stream": "usage_events", "payload": {"event": "opened"}}
GOOD_BYTES = json.dumps(GOOD).encode()


def reading(body: bytes, stream: str | None = None, content_type: str | None = None, **limits: int) -> Reading:
    return read(body, content_type, stream, DoorSettings(**limits) if limits else SETTINGS)


def reading_or_reason(body: bytes, stream: str | None, content_type: str | None) -> tuple[Reading, str | None]:
    try:
        return reading(body, stream, content_type), None
    except RefusedError as error:
        return Reading(), error.reason


def payloads(found: Reading) -> list[bytes]:
    return [payload for group in found.groups for payload in group.payload]


def only(found: Reading) -> Columns:
    assert found.refused == []
    assert len(found.groups) == 1
    return found.groups[0]


def refusal(record: Any) -> Refusal:
    """The refusal of one record between two good ones, which are taken in."""
    text = record if isinstance(record, bytes) else json.dumps(record).encode()
    found = reading(b"[" + GOOD_BYTES + b", " + text + b"," + GOOD_BYTES + b"]")
    assert found.records == 3
    assert [list(group.index) for group in found.groups] == [[0, 2]]
    (refused,) = found.refused
    assert refused.index == 1
    assert refused.hint
    return refused


def test_one_record() -> None:
    columns = only(reading(b'\n {"stream": "usage_events", "payload": { "a" : 1 } } '))
    assert columns.stream == "usage_events"
    assert columns.payload == [b'{ "a" : 1 }']
    assert list(columns.index) == [0]
    assert columns.id is columns.key is columns.customer_id is columns.occurred_at is columns.op is None


def test_one_record_in_pretty_print() -> None:
    assert only(reading(json.dumps(GOOD, indent=2).encode())).payload == [b'{\n    "event": "opened"\n  }']


def test_every_field_of_the_envelope() -> None:
    envelope = {
        **GOOD,
        "id": 7,
        "key": "k",
        "customer_id": "acme",
        "occurred_at": "2026-01-15T12:00:00.5+02:00",
        "observed_at": "2026-01-15T12:00:00Z",
        "op": "patch",
    }
    columns = only(reading(json.dumps([envelope, GOOD]).encode()))
    assert columns.id == ["7", None]
    assert columns.key == ["k", None]
    assert columns.customer_id == ["acme", None]
    assert columns.occurred_at is not None
    assert columns.occurred_at[0].as_py() == dt.datetime(2026, 1, 15, 10, 0, 0, 500_000, tzinfo=dt.UTC)
    assert columns.observed_at is not None
    assert columns.observed_at[0].as_py() == dt.datetime(2026, 1, 15, 12, tzinfo=dt.UTC)
    assert columns.op == ["patch", None]


def test_payload_bytes_are_kept_as_they_are() -> None:
    payload = b'{"b":1.000,  "a":"\\u00e9\xc3\xa9","a":1e400,"n":[ ]}'
    body = b'[{"payload":' + payload + b',"stream":"s"}]'
    assert only(reading(body)).payload == [payload]


def test_an_id_is_text_or_a_whole_number_of_any_size() -> None:
    body = (
        b'[{"stream":"s","payload":{},"id":123456789012345678901234567890},{"stream":"s","payload":{},"id":"\\u0000"}]'
    )
    assert only(reading(body)).id == ["123456789012345678901234567890", "\0"]


def test_the_first_and_the_last_moment() -> None:
    times = ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "0001-06-01T00:00:00"]
    columns = only(reading(json.dumps([{**GOOD, "occurred_at": time} for time in times]).encode()))
    assert columns.occurred_at is not None
    assert [time.year for time in columns.occurred_at.to_pylist()] == [1, 9999, 1]


def test_an_empty_id_is_none() -> None:
    assert only(reading(json.dumps([{**GOOD, "id": ""}, {**GOOD, "id": "a"}]).encode())).id == [None, "a"]
    assert only(reading(json.dumps([{**GOOD, "id": ""}]).encode())).id is None


def test_streams_are_kept_apart_in_order() -> None:
    records = [{"stream": name, "payload": {"n": n}} for n, name in enumerate("abacab")]
    found = reading(json.dumps(records).encode())
    assert {group.stream: list(group.index) for group in found.groups} == {"a": [0, 2, 4], "b": [1, 5], "c": [3]}
    assert payloads(found) == [f'{{"n": {n}}}'.encode() for n in (0, 2, 4, 1, 5, 3)]


@pytest.mark.parametrize(
    "content_type", [None, "application/json; charset=UTF-8", "application/x-ndjson", "application/jsonl"]
)
@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n", b"\n\n\n"])
def test_lines(content_type: str | None, end: bytes) -> None:
    body = GOOD_BYTES + b"\r\n" + GOOD_BYTES + end
    found = reading(body, content_type=content_type)
    assert [list(group.index) for group in found.groups] == [[0, 1]]


def test_a_broken_line_takes_no_neighbour_with_it() -> None:
    body = b"\n".join([GOOD_BYTES, b'{"stream": "usage_', b"", GOOD_BYTES, GOOD_BYTES + GOOD_BYTES])
    found = reading(body, content_type="application/x-ndjson")
    assert found.records == 4
    assert [(one.index, one.reason) for one in found.refused] == [(1, "unreadable"), (3, "unreadable")]
    assert [list(group.index) for group in found.groups] == [[0, 2]]


def test_lines_longer_than_one_slice() -> None:
    line = json.dumps({"stream": "s", "payload": {"text": "x" * 50_000}}).encode()
    broken = line.replace(b'"s"', b"7")
    body = b"\n".join([line] * 50 + [broken] + [line] * 50)
    found = reading(body, content_type="application/x-ndjson", max_body=64 << 20)
    assert found.records == 101
    assert [one.index for one in found.refused] == [50]
    assert sorted(index for group in found.groups for index in group.index) == [*range(50), *range(51, 101)]


def test_one_object_that_is_broken_is_not_taken_for_lines() -> None:
    (refused,) = reading(b'{\n"stream": "s",\n"payload": {},\n}').refused
    assert (refused.index, refused.reason) == (0, "unreadable")


@pytest.mark.parametrize("body", [b"", b" \n\t", b"\xef\xbb\xbf"])
def test_an_empty_body_is_refused(body: bytes) -> None:
    with pytest.raises(RefusedError) as caught:
        reading(body)
    assert caught.value.reason == "empty_body"


def test_an_empty_array_holds_no_records() -> None:
    assert reading(b" [ ] ").records == 0


def test_a_byte_order_mark_is_passed_over() -> None:
    assert len(only(reading(b"\xef\xbb\xbf[" + GOOD_BYTES + b"]")).payload) == 1


@pytest.mark.parametrize(
    "content_type",
    ["text/csv", "application/x-www-form-urlencoded", "application/octet-stream", "application/json; charset=utf-16"],
)
def test_other_content_types_are_refused(content_type: str) -> None:
    with pytest.raises(RefusedError) as caught:
        form_of(content_type, GOOD_BYTES)
    assert caught.value.reason == "unsupported_media_type"


def test_json_by_another_name() -> None:
    assert form_of("application/cloudevents+json", b"[]") is Form.ARRAY


@pytest.mark.parametrize(
    ("record", "field", "reason"),
    [
        ({"payload": {}}, "stream", "missing_stream"),
        ({"steam": "usage_events", "payload": {}}, "stream", "missing_stream"),
        ({"stream": None, "payload": {}}, "stream", "missing_stream"),
        ({"stream": 7, "payload": {}}, "stream", "bad_stream"),
        ({"stream": "Usage Events", "payload": {}}, "stream", "bad_stream"),
        ({"stream": "", "payload": {}}, "stream", "bad_stream"),
        ({"stream": "a" * 64, "payload": {}}, "stream", "bad_stream"),
        ({"stream": "a\0b", "payload": {}}, "stream", "bad_stream"),
        ({"stream": "\ud800", "payload": {}}, "stream", "bad_stream"),
        ({"stream": "usage_events"}, "payload", "missing_payload"),
        ({"stream": "usage_events", "payload": None}, "payload", "missing_payload"),
        ({"stream": "usage_events", "payload": []}, "payload", "bad_payload"),
        ({"stream": "usage_events", "payload": "{}"}, "payload", "bad_payload"),
        ({**GOOD, "id": 1.5}, "id", "bad_field"),
        ({**GOOD, "id": True}, "id", "bad_field"),
        ({**GOOD, "id": ["a"]}, "id", "bad_field"),
        ({**GOOD, "id": "\ud800"}, "id", "bad_field"),
        ({**GOOD, "id": "x" * 1025}, "id", "too_long"),
        ({**GOOD, "key": {}}, "key", "bad_field"),
        ({**GOOD, "customer_id": False}, "customer_id", "bad_field"),
        ({**GOOD, "customer_id": "x" * 1025}, "customer_id", "too_long"),
        ({**GOOD, "occurred_at": "yesterday"}, "occurred_at", "bad_field"),
        ({**GOOD, "occurred_at": "2026-02-30T00:00:00Z"}, "occurred_at", "bad_field"),
        ({**GOOD, "occurred_at": 1768478400}, "occurred_at", "bad_field"),
        ({**GOOD, "observed_at": ""}, "observed_at", "bad_field"),
        ({**GOOD, "observed_at": "0001-01-01T00:00:00+14:00"}, "observed_at", "bad_field"),
        ({**GOOD, "occurred_at": "9999-12-31T23:00:00-02:00"}, "occurred_at", "bad_field"),
        ({**GOOD, "op": "insert"}, "op", "bad_field"),
        ({**GOOD, "op": 1}, "op", "bad_field"),
        (7, None, "not_an_object"),
        ("text", None, "not_an_object"),
        ([GOOD], None, "not_an_object"),
        (None, None, "not_an_object"),
        (b"", None, "unreadable"),
        (b"NaN", None, "unreadable"),
        (b'{"stream":"s","payload":{"a":01}}', None, "unreadable"),
        (b'{"stream":"s","payload":{"a":1,}}', None, "unreadable"),
        (b'{"stream":"s","payload":{"a":Infinity}}', None, "unreadable"),
        (b'{"stream":"s","payload":{"a":"\xff"}}', None, "unreadable"),
        (b'{"stream":"s","payload":{"a":"\xed\xa0\x80"}}', None, "unreadable"),
        (b'{"stream":"s","payload":{"a":"\x01"}}', None, "unreadable"),
        (b'{"stream":"s" "payload":{}}', None, "unreadable"),
        (GOOD_BYTES + b" " + GOOD_BYTES, None, "unreadable"),
        (b'{"stream":"s","payload":{"a":"' + b"x" * (1 << 20) + b'"}}', None, "too_large"),
        (b'{"stream":"s","payload":{"a":' + b"[" * 64 + b"]" * 64 + b"}}", None, "too_deep"),
        (b'{"stream":"s","payload":' + b'{"a":' * 64 + b"{}" + b"}" * 64 + b"}", None, "too_deep"),
        (b'{"stream":"s","payload":{"a":' + b"[" * 60_000 + b"]" * 60_000 + b"}}", None, "too_deep"),
    ],
)
def test_refusals(record: Any, field: str | None, reason: str) -> None:
    refused = refusal(record)
    assert (refused.field, refused.reason) == (field, reason)


def test_a_whole_number_that_python_would_not_write_out() -> None:
    assert refusal(b'{"stream":"s","payload":{},"id":' + b"9" * 5_000 + b"}").reason == "too_long"


def test_a_near_miss_of_a_required_key_is_named() -> None:
    assert "steam" in refusal({"steam": "usage_events", "payload": {}}).hint


def test_nesting_up_to_the_limit_is_taken_in() -> None:
    for payload in (b'{"a":' + b"[" * 63 + b"]" * 63 + b"}", b'{"a":' * 63 + b"{}" + b"}" * 63):
        for end in (b"", b"," + GOOD_BYTES.replace(b"usage_events", b"s"), b', {"stream": "s", "payload": 7}'):
            found = reading(b'[{"stream":"s","payload":' + payload + b"}" + end + b"]")
            assert payloads(found)[0] == payload


def test_brackets_in_strings_are_not_nesting() -> None:
    payload = json.dumps({"a": "[{" * 500 + '\\"'}).encode()
    assert only(reading(b'[{"stream":"s","payload":' + payload + b"}]")).payload == [payload]


def test_half_surrogates_are_readable_and_left_to_the_checks() -> None:
    payload = b'{"a":"\\ud800", "b" : 1}'
    body = b'[{"stream":"usage_events","id":"x","payload":' + payload + b"}, " + GOOD_BYTES + b"]"
    columns = only(reading(body))
    assert columns.payload == [payload, b'{"event": "opened"}']
    assert columns.id == ["x", None]


@pytest.mark.parametrize(
    "body",
    [
        b"[" + GOOD_BYTES,
        b"[" + GOOD_BYTES + b"]]",
        b"[" + GOOD_BYTES + b"}",
        b"[" + GOOD_BYTES + b"] x",
        b'[{"stream":"s","payload":{"a":"',
        b'["' + b'\\"' * 100_000,
        b"[" * 100_000,
    ],
)
def test_an_array_without_end_is_refused_as_a_whole(body: bytes) -> None:
    with pytest.raises(RefusedError) as caught:
        reading(body)
    assert caught.value.reason == "unreadable"
    assert caught.value.hint


def test_unknown_keys_are_ignored_with_a_warning() -> None:
    found = reading(json.dumps([{**GOOD, "custmer_id": "acme"}, GOOD, {**GOOD, "zzz": 1}]).encode())
    assert only(found).customer_id is None
    near, far = sorted(found.warnings)
    assert "'custmer_id'" in near
    assert "'customer_id'" in near
    assert "'zzz'" in far


def test_unknown_keys_are_told_of_doubtful_bodies_too() -> None:
    found = reading(json.dumps([{**GOOD, "occured_at": "x"}, {**GOOD, "id": 1.5}]).encode())
    assert len(found.refused) == 1
    assert "'occured_at'" in found.warnings[0]


def test_bare_payloads() -> None:
    columns = only(reading(b'[ {"a": 1} ,{"b":[ ]}]', stream="usage_events"))
    assert columns.stream == "usage_events"
    assert columns.payload == [b'{"a": 1}', b'{"b":[ ]}']


def test_a_bare_record_that_is_no_object_is_refused() -> None:
    found = reading(b'[{"a":1}, 7, {"b":"\\udc00"}, {"c":"\xff"}, {}]', stream="s")
    assert [(one.index, one.reason) for one in found.refused] == [(1, "not_an_object"), (3, "unreadable")]
    assert payloads(found) == [b'{"a":1}', b'{"b":"\\udc00"}', b"{}"]


def test_envelopes_sent_as_bare_payloads_are_warned_of() -> None:
    found = reading(b"[" + GOOD_BYTES + b"]", stream="usage_events")
    assert payloads(found) == [GOOD_BYTES]
    assert "envelope" in found.warnings[0]
    assert reading(b'[{"event":"x"}]', stream="usage_events").warnings == []


@pytest.mark.parametrize("stream", [None, "usage_events"])
@pytest.mark.parametrize("content_type", ["application/json", "application/x-ndjson"])
def test_too_many_records_are_refused_as_a_whole(stream: str | None, content_type: str) -> None:
    join = b"\n" if "nd" in content_type else b","
    lines = join.join([GOOD_BYTES] * 11)
    body = lines if "nd" in content_type else b"[" + lines + b"]"
    with pytest.raises(RefusedError) as caught:
        reading(body, stream, content_type, max_records=10)
    assert caught.value.reason == "too_many_records"


@pytest.mark.parametrize(
    "body",
    [b"[" + b"1," * 3_000_000 + b"1]", b"[" + b"{}," * 3_000_000 + b"{}]", b"1 " * 3_000_000, b"1\n" * 3_000_000],
)
@pytest.mark.parametrize("stream", [None, "s"])
def test_countless_tiny_records_are_refused(body: bytes, stream: str | None) -> None:
    kind = "application/json" if body.startswith(b"[") else "application/x-ndjson"
    found, reason = reading_or_reason(body, stream, kind)
    assert reason in {None, "too_many_records", "unreadable"}
    assert found.groups == []
    assert len(found.refused) <= SETTINGS.max_records


def test_a_large_doubtful_array_is_refused_as_a_whole() -> None:
    body = b"[" + b",".join([GOOD_BYTES] * 100 + [b"oops"]) + b"]"
    with pytest.raises(RefusedError) as caught:
        reading(body, max_split=1_000)
    assert caught.value.reason == "unreadable"
    assert "1000" in str(caught.value.hint)


def test_rows_are_taken_one_by_one() -> None:
    found = read_rows([b'{"a":1}', b'{"b":2}'], "s", SETTINGS)
    assert only(found).payload == [b'{"a":1}', b'{"b":2}']


@pytest.mark.parametrize(
    ("rows", "refused"),
    [
        ([b'{"a":[1', b"2]}", b"{}"], [0, 1]),
        ([b"{},{}", b"{}"], [0]),
        ([b"{} {}", b"{}"], [0]),
        ([b'{"a":"x', b'y"}', b"{} {}"], [0, 1, 2]),
        ([b'{"a":"\xff"}', b"{}"], [0]),
        ([b"[]", b"{}"], [0]),
    ],
)
def test_rows_do_not_run_into_each_other(rows: list[bytes], refused: list[int]) -> None:
    found = read_rows(rows, "s", SETTINGS)
    assert [one.index for one in found.refused] == refused
    assert found.records == len(rows)
    assert len(payloads(found)) == len(rows) - len(refused)


def test_rows_are_as_many_as_there_are() -> None:
    assert len(payloads(read_rows([b"{}"] * 11, "s", DoorSettings(max_records=10)))) == 11


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@settings(max_examples=50)
@given(st.lists(json_values, max_size=8), st.sampled_from([(",", ":"), (" ,\n", " : ")]))
def test_an_array_is_cut_into_its_elements(values: list[Any], separators: tuple[str, str]) -> None:
    body = json.dumps(values, separators=separators).encode()
    elements = split_array(body, 100)
    assert elements is not None
    assert [json.loads(element) for element in elements] == values


@settings(max_examples=50)
@given(st.lists(json_values, max_size=6))
def test_slow_and_fast_reading_agree(values: list[Any]) -> None:
    """A record that sends the body down the slow path changes nothing for the others."""
    records = [{"stream": "s", "payload": {"v": value}, "id": str(n)} for n, value in enumerate(values)]
    fast = reading(json.dumps(records).encode()) if records else Reading()
    slow = reading(json.dumps([*records, {"stream": 1}]).encode())
    assert payloads(fast) == payloads(slow)
    assert [group.id for group in fast.groups] == [group.id for group in slow.groups]
    assert len(slow.refused) == 1


@given(
    st.binary(max_size=60)
    | st.text(alphabet='[]{}",:\\u0 ade1-.\n', max_size=60).map(str.encode)
    | st.lists(json_values, max_size=3).flatmap(
        lambda values: st.integers(0, 80).map(lambda cut: json.dumps(values).encode()[:cut])
    ),
    st.sampled_from([None, "application/x-ndjson"]),
    st.sampled_from([None, "s"]),
)
def test_whatever_is_sent_is_read_or_refused(body: bytes, content_type: str | None, stream: str | None) -> None:
    found, _ = reading_or_reason(body, stream, content_type)
    taken = [index for group in found.groups for index in group.index]
    assert sorted(taken + [one.index for one in found.refused]) == list(range(found.records))
    for payload in payloads(found):
        assert payload in body
        payload.decode()
        assert isinstance(json.loads(payload), dict)
    for group in found.groups:
        msgspec.json.encode(group.id)


@given(st.lists(st.integers(0, 12), min_size=1, max_size=40), st.integers(4, 10), st.sampled_from([b"[", b"{", b"[ {"]))
def test_crowded_payloads_are_found_among_many(counts: list[int], most: int, bracket: bytes) -> None:
    rows = [b'{"a":' + bracket * count + b"x" * (count % 5) + b"}" for count in counts]
    crowded = [row for row in rows if row.count(b"[") + row.count(b"{") > most]
    assert list(_crowded(rows, max(map(len, rows)), most)) == crowded


def test_a_deep_payload_is_found_behind_any_number_of_others() -> None:
    wide = b'{"a":[' + b"[]," * 40_000 + b"[]]}"
    rows = [b"{}"] * 20 + [wide] * 30 + [b'{"a":' + b"[" * 64 + b"]" * 64 + b"}"] + [b"{}"] * 20
    found = read_rows(rows, "s", SETTINGS)
    assert [(refused.index, refused.reason) for refused in found.refused] == [(50, "too_deep")]
    assert len(payloads(found)) == 70
