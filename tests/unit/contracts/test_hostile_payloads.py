"""Payloads made to break readers. The forms follow those of public suites of such inputs; each is small and stands here."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mainstem.contracts import Contract, Reason, builtin_contracts

Check = Callable[..., list[dict[str, Any]]]

NO_JSON = [
    b"", b" ", b"{", b"}", b"{]", b"{}}", b"{} {}", b"{}#", b"[1,]", b'{"a":1,}', b'{"a":1,,}', b'{,"a":1}', b'{"a" 1}', b'{"a"::1}',
    b"{'a':1}", b"{a:1}", b"{1:1}", b'{"a"}', b'{"a":}', b'{"a":"b}', b'{"a":"\t"}', b'{"a":"\x00"}', b'{"a":"\\x41"}', b'{"a":"\\u00G0"}',
    b'{"a":"\\u12"}', b'{"a":"\\"}', b'{"a":NaN}', b'{"a":Infinity}', b'{"a":-Infinity}', b'{"a":nan}', b'{"a":inf}', b'{"a":+1}', b'{"a":01}',
    b'{"a":1.}', b'{"a":.5}', b'{"a":-}', b'{"a":1e}', b'{"a":1e+}', b'{"a":0x1}', b'{"a":1_000}', b'{"a":True}', b'{"a":nul}', b'{"a":1}/*c*/',
    b'{"a":/*c*/1}', b'{"a":1}//', b"\xef\xbb\xbf{}", b"<xml/>", b"undefined", b'{"a":[1}', b'{"a":[1]]}', b"\x00", b'{"a":1\x00}', b"{\x0c}",
    "{\u00a0}".encode(), b'{"a":\xc2\xa01}', b"{\xe2\x81\xa0}",
]  # fmt: skip
NO_OBJECT = [b"[]", b"[{}]", b"5", b"-0.5e10", b'"{}"', b"true", b"null", b" null ", b'["a",1e400]']
NO_TEXT = [
    b'{"a":"\xff"}', b'{"\xc3(":1}', b'{"a":"\xc0\xaf"}', b'{"a":"\xed\xa0\x80"}', b'{"a":"\xf4\xbf\xbf\xbf"}', b'{"a":"\xe2\x82"}',
    b'{"a":"\xfc\x83\xbf\xbf\xbf\xbf"}', "{}".encode("utf-16"), b'{"a":"\\ud800"}', b'{"a":"\\udead"}', b'{"a":"\\ud800\\u0041"}',
    b'{"a":"\\udd1e\\ud834"}', b'{"\\ud800":1}', b'{"a":["\\uDADA"]}',
]  # fmt: skip
TOO_DEEP = [
    b"[" * 5_000, b'{"a":' * 5_000, b'[{"":' * 5_000, b'{"a":' + b"[" * 257 + b"]" * 257 + b"}", b"[" * 257 + b"]" * 257,
    b'{"a":' + b"[" * 200_000 + b"]" * 200_000 + b"}",
]  # fmt: skip
HARMLESS = [
    b"{}", b" \t\r\n{} \n", b'{"":0}', b'{"a":{"a":1,"a":2}}', b'{"x":1,"x":2}', b'{"a":1e400}', b'{"a":-0}', b'{"a":123e-10000000}',
    b'{"a":"\\u0000"}', b'{"a":"\x7f"}', b'{"a":"\\/\\b\\f\\n\\r\\t"}', '{"a":"\u2028\ufeff\U0010ffff"}'.encode(), b'{"a":"\\ud83d\\ude39"}',
    b'{"a":"\\uFFFF"}', b'{"a":' + b"[" * 255 + b"]" * 255 + b"}", b'{"a":"' + b"[{" * 1000 + b'"}', b'{"a":' + b"9" * 5000 + b"}",
    b'{"a":"' + b'\\"{' * 500 + b'"}',
]  # fmt: skip
NAUGHTY = [
    "undefined", "null", "NaN", "-Infinity", "1/0", "0x0", "1,000.00", "`'\";--", "'; DROP TABLE x; --", "<script>alert(1)</script>",
    "$(touch /tmp/x)", "%s%n", "../../etc/passwd", "{{7*7}}", "\\u0000", "Ω≈ç√∫\u02dcµ≤≥÷", "田中さん", "👨‍👩‍👧‍👦🏳️‍🌈", "﷽", "T̴̰o", "\u202etest\u202c",
    "\u200b", "\ufeff", "ﬃ", "i̇İ\u0131I", "\x7f\x80\x9f", "a" * 100_000, "\\", '"', "[]", "{}", "true", "--version", "CON", "http://a/%%30%30",
]  # fmt: skip


@pytest.fixture(scope="module")
def contract() -> Contract:
    return builtin_contracts()["usage_events"]


def _around(check: Check, contract: Contract, payloads: list[bytes]) -> list[str | None]:
    """Reasons of payloads, each of which stands between good ones that must stay so."""
    good = {"customer_id": "c", "event": "e", "occurred_at": "2026-01-15T11:00:00Z"}
    rows = check(contract, [one for payload in payloads for one in (good, payload)] + [good])
    assert [row["reason"] for row in rows[::2]] == [None] * (len(payloads) + 1)
    return [row["reason"] for row in rows[1::2]]


@pytest.mark.parametrize(
    ("reason", "payloads"),
    [
        (Reason.INVALID_JSON, NO_JSON),
        (Reason.NOT_AN_OBJECT, NO_OBJECT),
        (Reason.INVALID_TEXT, NO_TEXT),
        (Reason.TOO_DEEP, TOO_DEEP),
        (Reason.NO_PARTITION_KEY, HARMLESS),
    ],
)
def test_each_is_told_by_its_reason(check: Check, contract: Contract, reason: Reason, payloads: list[bytes]) -> None:
    assert dict(zip(payloads, _around(check, contract, payloads), strict=True)) == dict.fromkeys(payloads, reason)


def test_one_bad_payload_alone(check: Check, contract: Contract) -> None:
    for payload in (*NO_JSON[:5], NO_TEXT[0], TOO_DEEP[0]):
        (row,) = check(contract, [payload])
        assert row["reason"] is not None


def test_payloads_that_would_complete_each_other_stay_apart(check: Check, contract: Contract) -> None:
    payloads = [b'{"customer_id":"a"},{"customer_id":"b"}', b'{"x":[1', b"2]}", b"{}],[{}", b'{"a":"', b'"}']
    assert _around(check, contract, payloads) == ["invalid_json"] * len(payloads)


def test_a_key_the_contract_reads_stands_once(check: Check, contract: Contract) -> None:
    good = b'"customer_id":"c","event":"e","occurred_at":"2026-01-15"'
    payloads = [
        b"{" + good + b',"event":"f"}',
        b"{" + good + b',"event":"e"}',
        b"{" + good + b',"\\u0065vent":"f"}',
        b"{" + good + b',"person_id":null,"person_id":null}',
        b"{" + good + b',"properties":{"a":1},"properties":null}',
        b"{" + good + b',"person_id":null,"x":1,"x":2}',
        b"{" + good + b',"Event":"f"}',
    ]
    twice = "duplicate_key"
    assert _around(check, contract, payloads) == [twice, twice, twice, twice, twice, None, None]


@pytest.mark.parametrize("ascii_only", [True, False])
def test_naughty_strings_are_kept_as_they_are(check: Check, contract: Contract, ascii_only: bool) -> None:  # noqa: FBT001
    payloads = [
        json.dumps(
            {
                "customer_id": text,
                "event": text,
                "occurred_at": "2026-01-15",
                "object": text,
                "properties": {text: text},
            },
            ensure_ascii=ascii_only,
        ).encode()
        for text in NAUGHTY
    ]
    rows = check(contract, payloads)
    for text, row in zip(NAUGHTY, rows, strict=True):
        assert row["reason"] is None
        assert (row["f_customer_id"], row["f_event"], row["f_object"]) == (text, text, text)
        assert json.loads(row["f_properties"]) == {text: text}


def test_a_folder_of_json_texts(check: Check, contract: Contract) -> None:
    """Of a parsing suite (files y_, n_, i_): nothing breaks, and what must not be read as JSON is not.

    MAINSTEM_JSON_SUITE names the folder; without it the texts above stand for it.
    """
    folder = os.environ.get("MAINSTEM_JSON_SUITE")
    files = sorted(Path(folder).glob("*.json")) if folder else []
    texts = {file.name: file.read_bytes() for file in files} or {f"n_{n}": text for n, text in enumerate(NO_JSON)}
    for name, reason in zip(texts, _around(check, contract, list(texts.values())), strict=True):
        if name.startswith("n_"):
            assert reason in {"invalid_json", "invalid_text", "too_deep"}, name
        elif name.startswith("y_"):
            assert reason in {"not_an_object", "no_partition_key"}, name
        else:
            assert reason is not None, name
