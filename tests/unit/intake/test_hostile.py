"""Published corpora of hostile input: what the JSON standard calls unreadable is refused, all else is taken in."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from mainstem.errors import RefusedError
from mainstem.intake import DoorSettings
from mainstem.intake._reading import Reading, read

CORPUS = Path(__file__).parents[2] / "data" / "hostile_inputs.tar.gz"
SETTINGS = DoorSettings()
BEFORE, AFTER = b'{"stream":"s","payload":{"n":1}}', b'{"stream":"s","payload":{"n":2}}'


def corpus(folder: str) -> dict[str, bytes]:
    with tarfile.open(CORPUS) as tar:
        return {
            Path(member.name).name: file.read()
            for member in tar
            if member.name.startswith(folder) and (file := tar.extractfile(member)) is not None
        }


PARSING = corpus("json_test_suite/test_parsing/")
TRANSFORM = corpus("json_test_suite/test_transform/")
# Up to the parser, says the suite; these are up to the standard: RFC 8259 wants UTF-8 (8.1) and has no byte order mark.
UNREADABLE = {
    "i_string_UTF-16LE_with_BOM.json",
    "i_string_UTF-8_invalid_sequence.json",
    "i_string_UTF8_surrogate_U+D800.json",
    "i_string_invalid_utf-8.json",
    "i_string_iso_latin_1.json",
    "i_string_lone_utf8_continuation_byte.json",
    "i_string_not_in_unicode_range.json",
    "i_string_overlong_sequence_2_bytes.json",
    "i_string_overlong_sequence_6_bytes.json",
    "i_string_overlong_sequence_6_bytes_null.json",
    "i_string_truncated-utf-8.json",
    "i_string_utf16BE_no_BOM.json",
    "i_string_utf16LE_no_BOM.json",
    "i_structure_UTF-8_BOM_empty_object.json",
}
TOO_DEEP = {"i_structure_500_nested_arrays.json"}


def test_the_corpus_is_there() -> None:
    assert len(PARSING) == 318
    assert set(PARSING) > UNREADABLE | TOO_DEEP


def as_record(value: bytes) -> bytes:
    return b'{"stream":"s","payload":{"v":' + value + b"}}"


@pytest.mark.parametrize("name", PARSING)
def test_json_test_suite_as_a_value_among_neighbours(name: str) -> None:
    """Lines, because a broken array of brackets has no records to tell apart."""
    value = PARSING[name].replace(b"\n", b" ").replace(b"\r", b" ")
    body = b"\n".join([BEFORE, as_record(value), AFTER])
    found = read(body, "application/x-ndjson", None, SETTINGS)
    payloads = [payload for group in found.groups for payload in group.payload]
    assert payloads[0] == b'{"n":1}'
    assert payloads[-1] == b'{"n":2}'
    if name in TOO_DEEP:
        assert [(one.index, one.reason) for one in found.refused] == [(1, "too_deep")]
    elif name.startswith("y_") or (name.startswith("i_") and name not in UNREADABLE):
        assert payloads[1] == b'{"v":' + value + b"}"
        assert found.refused == []
    elif b"\n" in PARSING[name] and found.refused == []:
        # What made it invalid was a line break within a string.
        json.loads(payloads[1])
    else:
        assert [one.index for one in found.refused] == [1]
        assert found.refused[0].reason in {"unreadable", "too_deep"}
        assert found.refused[0].hint


def bodies() -> Iterator[tuple[str, bytes, str | None]]:
    for name, body in (PARSING | TRANSFORM).items():
        for stream in (None, "s"):
            yield name, body, stream


@pytest.mark.parametrize("content_type", ["application/json", "application/x-ndjson"])
def test_json_test_suite_as_whole_bodies(content_type: str) -> None:
    """None of these holds a record with stream and payload; bare, the ones that are readable objects are taken in."""
    for name, body, stream in bodies():
        hint: str | None = "none needed"
        try:
            found = read(body, content_type, stream, SETTINGS)
        except RefusedError as error:
            found, hint = Reading(), error.hint
        assert hint, name
        taken = [payload for group in found.groups for payload in group.payload]
        assert sorted(
            [i for group in found.groups for i in group.index] + [one.index for one in found.refused]
        ) == list(range(found.records)), name
        assert all(one.hint for one in found.refused), name
        if stream is None:
            assert taken == [], name
        for payload in taken:
            assert isinstance(json.loads(payload), dict), name


def test_naughty_strings_as_ids_keys_customers_and_values() -> None:
    strings = json.loads(corpus("naughty_strings/")["blns.json"])
    records = [
        {"stream": "s", "id": text, "key": text, "customer_id": text, "payload": {"text": text}} for text in strings
    ]
    body = json.dumps(records).encode()
    found = read(body, None, None, SETTINGS)
    assert found.refused == []
    assert len(found.groups) == 1
    assert found.groups[0].id == [text or None for text in strings]
    assert [json.loads(payload)["text"] for payload in found.groups[0].payload] == strings
    raw = json.dumps(records, ensure_ascii=False).encode()
    assert read(raw, None, None, SETTINGS).groups[0].id == found.groups[0].id


def test_naughty_strings_as_names_of_streams() -> None:
    strings = json.loads(corpus("naughty_strings/")["blns.json"])
    found = read(json.dumps([{"stream": text, "payload": {}} for text in strings]).encode(), None, None, SETTINGS)
    taken = {group.stream for group in found.groups}
    assert len(found.refused) + sum(len(group.payload) for group in found.groups) == len(strings)
    assert all(name.isidentifier() and name == name.lower() for name in taken)
    assert {one.reason for one in found.refused} <= {"bad_stream"}
