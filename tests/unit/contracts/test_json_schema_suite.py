"""Limits and formats as the public test suite of JSON Schema understands them; where a contract differs, it is said here."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from mainstem.contracts import Contract
from mainstem.errors import ConfigurationError

CORPUS = Path(__file__).parents[2] / "data" / "hostile_inputs.tar.gz"
FOLDER = "json_schema_test_suite/draft2020-12/"
_NUMBERS = dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"), "number")
_TEXTS = dict.fromkeys(("minLength", "maxLength", "pattern", "format"), "string")
TYPES = {**_NUMBERS, **_TEXTS, "minItems": "array", "maxItems": "array"}
FORMATS = ("email", "uuid", "uri", "hostname", "ipv4", "ipv6")
PYTHON: Mapping[str, tuple[type, ...]] = {"number": (int, float), "string": (str,), "array": (list,)}

REFUSED: Mapping[str, list[Any]] = {
    "minLength": [2.0], "maxLength": [2.0], "minItems": [1.0], "maxItems": [2.0],
    "pattern": ["^\\p{Letter}+$", "\\p{Letter}cole", "^\\p{digit}+$", "^\\cC$", "^\\cc$"],
}  # fmt: skip
"""Limits that a contract cannot have: what not every engine reads alike, and a length with a point."""

LOOSE = {
    '"joe bloggs"@example.com', '"joe@bloggs"@example.com', "joe.bloggs@[IPv6:::1]", ".test@example.com", "test.@example.com",
    "te..st@example.com", "joe.bloggs@invalid=domain.com", "joe.bloggs@[127.0.0.300]", "https://[@example.org/test.txt",
    "https://example.org/foobar\u00ae.txt", "https://example.org/foobar\\.txt", 'https://example.org/foobar".txt',
    "https://example.org/foobar<>.txt", "https://example.org/foobar{}.txt", "https://example.org/foobar^.txt",
    "https://example.org/foobar`.txt", "https://example.org/foobar|.txt", "http://example.com/%6G", "http://example.com/%A",
    "http://example.com/%", "http://example.com:abc/path", "http://[::ffff:01.2.3.4]", "http:/[::1]",
}  # fmt: skip
"""Addresses of mail and URIs of which only the shape is looked at: the name, the domain, the scheme, and no white space."""

Check = Callable[..., list[dict[str, Any]]]


def _differs(word: str, limit: object, value: object) -> bool:
    """Whether the specification of contracts says something else than JSON Schema."""
    if word == "pattern":
        # White space of a pattern is that of ASCII, without the line tabulation.
        return limit in {"^\\s$", "^\\S$"} and str(value) not in " \t\n\f\r"
    if word == "multipleOf":
        return isinstance(value, float) and value > 1e29
    # The shape is looked at: a host's Punycode need not mean something, and of addresses and URIs only the parts are told apart.
    return word == "format" and (
        (limit == "hostname" and str(value).lower().startswith("xn--"))
        or (limit in {"email", "uri"} and value in LOOSE)
    )


def _groups() -> Iterator[Any]:
    """A limit, and the values of its type with whether they keep to it."""
    names = [word for word in TYPES if word != "format"]
    names += [f"optional/format/{name}" for name in FORMATS] + ["optional/ecmascript-regex", "optional/float-overflow"]
    with tarfile.open(CORPUS) as tar:
        for name in names:
            file = tar.extractfile(f"{FOLDER}{name}.json")
            assert file is not None
            for group in json.loads(file.read()):
                limits = {word: value for word, value in group["schema"].items() if word not in {"$schema", "type"}}
                if len(limits) == 1 and set(limits) <= set(TYPES):
                    [(word, limit)] = limits.items()
                    yield pytest.param(word, limit, group["tests"], id=f"{name}: {group['description']}")


@pytest.mark.parametrize(("word", "limit", "cases"), [*_groups()])
def test_a_limit_means_what_json_schema_says(
    event_contract: Callable[..., Contract], check: Check, word: str, limit: Any, cases: list[dict[str, Any]]
) -> None:
    kind = TYPES[word]
    field = {"name": "x", "logicalType": kind, "logicalTypeOptions": {word: limit}}
    if repr(limit) in [repr(one) for one in REFUSED.get(word, [])]:
        with pytest.raises(ConfigurationError, match=word):
            event_contract(field)
        return
    told = [(one["data"], one["valid"]) for one in cases if _is_of(kind, one["data"])]
    assert told
    good = {"customer": "c", "event": "e", "at": "2026-01-15T11:00:00Z"}
    rows = check(event_contract(field), [{**good, "x": value} for value, _ in told])
    for (value, valid), row in zip(told, rows, strict=True):
        passes = row["reason"] is None
        assert passes == valid or _differs(word, limit, value), (value, row["reason"])


def _is_of(kind: str, value: object) -> bool:
    return isinstance(value, PYTHON[kind]) and not isinstance(value, bool)
