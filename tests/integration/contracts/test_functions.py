"""Each function and operator of a condition, at its edges, on DuckDB and on PostgreSQL: one answer."""

from __future__ import annotations

import datetime as dt
import ipaddress
import random
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

import duckdb
import psycopg
import pyarrow as pa
import pytest

from mainstem.contracts import Column, Expression, Kind, compile_condition
from mainstem.contracts._functions import FUNCTIONS
from mainstem.contracts._limits import FORMATS
from mainstem.contracts._pieces import quoted
from mainstem.contracts._regex import portable_pattern
from mainstem.contracts.duck import connect

LARGEST = Decimal("99999999999999999999999999999.999999999")
COLUMNS: Mapping[str, tuple[Kind, str, Any]] = {
    "t": (Kind.TEXT, "text", "Grün\U0001f600 b"),
    "e": (Kind.TEXT, "text", ""),
    "nt": (Kind.TEXT, "text", None),
    "line": (Kind.TEXT, "text", "a\nb"),
    "back": (Kind.TEXT, "text", "a\\b'c"),
    "tenth": (Kind.TEXT, "text", "\u00e4" * 6_250),
    "n": (Kind.NUMBER, "numeric", Decimal("-7.5")),
    "m": (Kind.NUMBER, "numeric", Decimal("2.255")),
    "big": (Kind.NUMBER, "numeric", LARGEST),
    "half": (Kind.NUMBER, "numeric", Decimal(10) ** 20),
    "nn": (Kind.NUMBER, "numeric", None),
    "i": (Kind.INTEGER, "bigint", -7),
    "z": (Kind.INTEGER, "bigint", 0),
    "most": (Kind.INTEGER, "bigint", 2**63 - 1),
    "least_i": (Kind.INTEGER, "bigint", -(2**63)),
    "yes": (Kind.BOOLEAN, "boolean", True),
    "maybe": (Kind.BOOLEAN, "boolean", None),
    "at": (Kind.TIMESTAMP, "timestamp", dt.datetime(2026, 3, 29, 23, 59, 59, 999999)),  # noqa: DTZ001 - UTC without zone
    "old": (Kind.TIMESTAMP, "timestamp", dt.datetime(1, 1, 1)),  # noqa: DTZ001
    "last": (Kind.TIMESTAMP, "timestamp", dt.datetime(9999, 12, 31, 23, 59, 59)),  # noqa: DTZ001
    "nat": (Kind.TIMESTAMP, "timestamp", None),
    "d": (Kind.DATE, "date", dt.date(2024, 2, 29)),
    "o": (Kind.OBJECT, "text", '{"a":{"b":"x\\"y"},"n":1.5,"l":[1,2],"z":null,"t":true}'),
}  # fmt: skip

EDGES: list[tuple[str, bool | None]] = [
    ("abs(n) = 7.5", True), ("abs(least_i) = 9223372036854775808", True), ("abs(nn) = 1", None),
    ("ceil(n) = -7 AND ceil(m) = 3", True), ("ceil(big) IS NULL", True), ("floor(n) = -8", True), ("floor(-big) IS NULL", True),
    ("round(m, 2) = 2.26", True), ("round(n) = -8", True), ("round(-m, 2) = -2.26", True), ("round(big) IS NULL", True),
    ("mod(i, 3) = -1", True), ("i % 3 = -1", True), ("n % 2 = -1.5", True), ("7 % i = 0", True), ("i % z IS NULL", True),
    ("8 % -3 = 2", True), ("mod(nn, 2) = 1", None),
    ("greatest(n, nn, i) = -7", True), ("least(n, i, z) = -7.5", True), ("greatest(nn, nn) IS NULL", True),
    ("greatest(at, '2030-01-01') = '2030-01-01'", True), ("least(d, at) = '2024-02-29'", True),
    ("coalesce(nt, e) = ''", True), ("coalesce(nn, i) = -7", True), ("coalesce(nt) IS NULL", True),
    ("nullif(e, '') IS NULL", True), ("nullif(nt, '') IS NULL", True), ("nullif(i, 1) = -7", True),
    ("length(t) = 7", True), ("length(e) = 0", True), ("length(nt) = 0", None), ("length('e\u0301') = 2", True),
    ("lower('\u00c4\u00d6X\u0130') = '\u00e4\u00f6xi'", True), ("upper(t) = 'GR\u00dcN\U0001f600 B'", True), ("upper('stra\u00dfe') = 'STRA\u00dfE'", True),
    ("lower(e) = ''", True), ("lower('\u03a3\u03a3') = '\u03c3\u03c3'", True), ("upper(nt) = ''", None),
    ("trim('  a b ') = 'a b'", True), ("trim('\ta ') = '\ta'", True), ("trim(e) = ''", True), ("trim(nt) = ''", None),
    ("substring(t, 3, 3) = '\u00fcn\U0001f600'", True), ("substring(t, 99) = ''", True), ("substring(t, 1, 0) = ''", True), ("substring(nt, 1) = ''", None),
    ("starts_with(t, 'Gr\u00fc')", True), ("starts_with(t, '')", True), ("starts_with(nt, 'a')", None), ("starts_with(t, nt)", None),
    ("ends_with(t, '\U0001f600 b')", True), ("ends_with(t, '')", True), ("ends_with('b', 'ab')", False), ("ends_with(nt, 'a')", None),
    ("contains(t, '\u00fcn')", True), ("contains(e, '')", True), ("contains(e, 'a')", False), ("contains(t, nt)", None), ("contains(t, 'g')", False),
    ("regexp_matches(t, '^Gr.n')", True), ("regexp_matches(line, 'a.b')", False), ("regexp_matches(line, 'a[^x]b')", True),
    ("regexp_matches(line, 'a$')", False), ("regexp_matches('a\n', 'a$')", False), ("regexp_matches('\u0663', '^\\d$')", False), ("regexp_matches('\u00e9', '^\\w$')", False),
    ("regexp_matches('x]y', '^[\\]x-z]+$')", True), ("regexp_matches('a-b', '^[a\\-b]{3}$')", True), ("regexp_matches(back, '\\\\b''c$')", True),
    ("regexp_matches(e, '^$')", True), ("regexp_matches('aXbXb', '^(?:a|b)(X(b)){2}$')", True), ("regexp_matches(nt, 'a')", None),
    ("regexp_matches('a{}', '^a\\{\\}$')", True), ("regexp_matches('A', 'a')", False), ("regexp_matches('5 ', '^\\S\\s$')", True),
    ("regexp_matches('a\u00a0b', '\\s')", False), ("regexp_matches('^.$', '^\\^\\.\\$$')", True), ("regexp_matches('a^', '^[a^]+$')", True),
    ("json_extract_string(o, '$.a.b') = 'x\"y'", True), ("json_extract_string(o, '$.n') = '1.5'", True), ("json_extract_string(o, '$.z') IS NULL", True),
    ("json_extract_string(o, '$.l') = '[1,2]'", True), ("json_extract_string(o, '$.t') = 'true'", True), ("json_extract_string(o, '$.none.x') IS NULL", True),
    ("year(at) = 2026 AND month(at) = 3 AND day(at) = 29", True), ("hour(at) = 23 AND minute(at) = 59", True), ("year(old) = 1", True),
    ("year(d) = 2024 AND hour(d) = 0", True), ("isodow(at) = 7 AND isodow('2026-01-05') = 1", True), ("year(nat) = 1", None), ("year(last) = 9999", True),
    ("date_diff('day', at, '2026-03-30') = 1", True), ("date_diff('hour', at, '2026-03-29T23:00:00Z') = 0", True),
    ("date_diff('minute', '2026-03-30T01:30:00+02:00', at) = 29", True), ("date_diff('second', old, last) = 315537897599", True),
    ("date_diff('day', d, at) = 759", True), ("date_diff('day', last, old) = -3652058", True), ("date_diff('day', nat, at) = 0", None),
    ("at < '2026-03-30T00:00:00+00:00'", True), ("at >= '2026-03-30T01:59:59.999999+02:00'", True), ("CAST(at AS DATE) = '2026-03-29'", True),
    ("d = '2024-02-29' AND d < at", True), ("CAST('2026-03-29T23:00:00-02:00' AS DATE) = '2026-03-30'", True),
    ("big + 0.000000001 IS NULL", True), ("big + 0 = big", True), ("-big - 0.000000001 IS NULL", True), ("half * 1 IS NULL", True),
    ("99999999999999999999 * 1 = 99999999999999999999", True), ("half * 1.5 IS NULL", True), ("half - 1 = 99999999999999999999", True),
    ("m * m = 5.085025", True), ("0.000000001 * 0.5 = 0.000000001", True), ("-0.000000001 * 0.4 = 0", True), ("most + 1 = 9223372036854775808", True),
    ("most * most IS NULL", True), ("-least_i = 9223372036854775808", True), ("i + nn = 1", None), ("n * -2 = 15", True), ("i = -7.0 AND i <> -7.1", True),
    ("o ->> '$.a.b' = 'x\"y'", True), ("o->>'a.b' = 'x\"y'", True), ("json_extract_string(o, 'n') = '1.5'", True), ("o ->> '$[\"n\"]' = '1.5'", True),
    ("json_extract_string(o, '$.a[\"b\"]') = 'x\"y'", True), ("json_extract_string(o, '$.\"n\"') LIKE '1%'", True), ("o ->> 'z' IS NULL", True),
    ("o ->> 'none' = 'x'", None), ("NOT o ->> 't' = 'false' AND o->>'t' IN ('true')", True), ("o->>'n' = o->>'l'", False),
    ("json_extract_path_text(o, 'n') = json_extract_scalar(o, '$.n')", True), ("o->>'n' || o->>'t' = '1.5true'", True),
    ("ifnull(nt, 'x') = nvl(nt, 'x')", True), ("lcase('A') || ucase('b') = 'aB'", True),
    ("NULL || t IS NULL", True), ("length(back || back) = 10", True), ("'a' || ('b' || t) || 'c' = 'abGr\u00fcn\U0001f600 bc'", True),
    ("length(tenth || tenth || tenth || tenth || tenth || tenth || tenth || tenth) = 50000", True),
    ("tenth || tenth || tenth || tenth || tenth || tenth || tenth || tenth || 'x' IS NULL", True),
    ("lower(upper(t || e) || 'X') || t = 'gr\u00fcn\U0001f600 bxGr\u00fcn\U0001f600 b'", True),
    ("t || e || '!' = 'Gr\u00fcn\U0001f600 b!'", True), ("t || nt IS NULL", True),
    ("t LIKE 'Gr_n_ b'", True), ("line LIKE 'a_b'", True), ("back LIKE 'a\\b%'", True), ("e LIKE '%'", True), ("t NOT LIKE 'g%'", True), ("nt LIKE 'a'", None),
    ("'\u00e4' > 'z' AND 'Z' < 'a'", True), ("t BETWEEN 'G' AND 'H'", True), ("n BETWEEN -8 AND i", True), ("nn BETWEEN 1 AND 2", None),
    ("t IN ('a', 'Gr\u00fcn\U0001f600 b')", True), ("i NOT IN (1, 2.5)", True), ("i IN (1, NULL)", None), ("e = ''", True), ("nt = nt", None),
    ("nt IS NOT DISTINCT FROM NULL", True), ("n IS DISTINCT FROM nn", True), ("maybe IS TRUE", False), ("maybe OR yes", True), ("maybe AND yes", None),
    ("NOT maybe", None), ("yes = true", True), ("maybe IS NOT FALSE", True), ("o IS NOT NULL", True),
    ("CASE WHEN maybe THEN false WHEN n < 0 THEN true END", True), ("CASE WHEN maybe THEN 1 ELSE 2.5 END = 2.5", True), ("CASE WHEN maybe THEN true END", None),
]  # fmt: skip


@pytest.fixture(scope="module")
def duck() -> Iterator[duckdb.DuckDBPyConnection]:
    types = {
        Kind.TEXT: pa.string(),
        Kind.OBJECT: pa.string(),
        Kind.NUMBER: pa.decimal128(38, 9),
        Kind.INTEGER: pa.int64(),
        Kind.BOOLEAN: pa.bool_(),
        Kind.TIMESTAMP: pa.timestamp("us"),
        Kind.DATE: pa.date32(),
    }
    with connect() as connection:
        connection.register("r", pa.table({n: pa.array([v], types[kind]) for n, (kind, _, v) in COLUMNS.items()}))
        yield connection


@pytest.fixture(scope="module")
def postgres_rows(postgres: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(f"{postgres} dbname=postgres", autocommit=True) as connection:
        columns = ", ".join(
            f'"{name}" {kind}{" COLLATE " + chr(34) + "C" + chr(34) if kind == "text" else ""}'
            for name, (_, kind, _) in COLUMNS.items()
        )
        connection.execute(f"CREATE TEMPORARY TABLE r ({columns})")
        places = ", ".join("%s" for _ in COLUMNS)
        connection.execute(f"INSERT INTO r VALUES ({places})", [value for _, _, value in COLUMNS.values()])
        yield connection


def _compiled(text: str) -> Expression:
    return compile_condition(
        text, {n: Column(kind, f'"{n}"', f'"{n}"') for n, (kind, _, _) in COLUMNS.items()}, where="edge"
    )


@pytest.mark.parametrize(("text", "expected"), EDGES)
def test_an_edge(
    duck: duckdb.DuckDBPyConnection,
    postgres_rows: psycopg.Connection[Any],
    text: str,
    expected: bool | None,  # noqa: FBT001 - an answer
) -> None:
    expression = _compiled(text)
    answers = (
        duck.execute(f"SELECT {expression.duckdb} FROM r").fetchall(),
        postgres_rows.execute(f"SELECT {expression.postgres} FROM r").fetchall(),
    )
    assert answers == ([(expected,)], [(expected,)])


def test_every_function_has_edges() -> None:
    assert [name for name in FUNCTIONS if not any(f"{name}(" in text for text, _ in EDGES)] == []


def test_letters_are_the_same_everywhere(
    duck: duckdb.DuckDBPyConnection, postgres_rows: psycopg.Connection[Any]
) -> None:
    """But for the letters of a Unicode that one of the engines is too old for: it leaves them as they are."""
    letters = [chr(code) for code in range(1, 0x2FFF) if not 0xD800 <= code < 0xE000]
    different = []
    for name in ("lower", "upper"):
        function = FUNCTIONS[name]
        of_duck = duck.execute(
            f"SELECT list_transform($1, lambda x: {function.duckdb.format('x')})", [letters]
        ).fetchone()
        rows = postgres_rows.execute(
            f"SELECT {function.postgres.format('x')} FROM unnest(%s::text[]) WITH ORDINALITY AS u(x, n) ORDER BY n",
            [letters],
        ).fetchall()
        assert of_duck is not None
        different += [
            (name, f"U+{ord(letter):04X}", one, other)
            for letter, one, (other,) in zip(letters, of_duck[0], rows, strict=True)
            if one != other and letter not in {one, other}
        ]
    assert different == []


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("email", ["a@b.co", "a.b+c@x-y.example"], ["", "a", "a@b", "a@b.", "a b@c.de", "a@@b.co", "a@b..co"]),
        ("uuid", ["6c0b6d1e-4b0c-5f0e-9a53-6d61696e7374"], ["", "6c0b6d1e4b0c5f0e9a536d61696e7374", "x"]),
        ("uri", ["https://a.b/c?d#e", "urn:isbn:1"], ["", "a.b", "http://a b", ":a"]),
        ("hostname", ["a", "a-b.example", "1.2"], ["", "-a", "a-", "a..b", "a_b", "a" * 64]),
        ("ipv4", ["0.0.0.0", "255.255.255.255"], ["", "256.1.1.1", "1.2.3", "01.2.3.4", "1.2.3.4.5"]),
        (
            "ipv6",
            ["::", "::1", "1:2:3:4:5:6:7:8", "fe80::1", "1::", "::ffff:1.2.3.4", "64:ff9b::1.2.3.4", "1::1.2.3.4"],
            ["", ":", "1::2::3", "g::", "1:2"],
        ),
    ],
)
def test_a_format(duck: duckdb.DuckDBPyConnection, name: str, good: list[str], bad: list[str]) -> None:
    def passes(value: str) -> bool:
        row = duck.execute("SELECT regexp_full_match($1, $2)", [value, FORMATS[name]]).fetchone()
        return bool(row and row[0])

    assert [value for value in good if not passes(value)] == []
    assert [value for value in bad if passes(value)] == []


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("a**", "nothing is there"), ("^*", "nothing is there"), ("(", "not closed"), ("a)", "not opened"), ("[", "not closed"), ("[]", "empty"),
        (r"\p{L}", "not the same everywhere"), (r"\bx", "not the same"), ("(?=a)", "of groups only"), ("a{256}", "up to 255"), ("a{3,2}", "up to 255"),
        ("{", "nothing is there"), ("a{", "must be escaped"), ("[[:alpha:]]", "must be escaped"), ("(a{9}){9}", "counted repetition"), ("a\\", "escapes nothing"),
        ("x" * 501, "longer than"), (r"(a)\1", "not the same"), ("a\0", "NUL"),
        ("[z-a]", "runs backwards"), (r"[\.--]", "runs backwards"), (r"[a-\d]", "ends in a shorthand"), (r"[\w--z]", "escaped to begin a range"),
        ("[a-", "not closed"), ("[a-c--e]", "escaped to begin"), ("[a-[]", "must be escaped"), ("[a-\0]", "NUL"), ("[a-\\", "escapes nothing"),
        ("(a|b)*a(a|b){255}c", "more than 500 characters"), ("a{255}b{255}", "more than 500"), ("(a?){200}" * 9, "more than 500"),
        ("(a{255})(b{255})", "more than 500"), ("((abc){200})", "more than 500"), ("(abcdef){99,}", "more than 500"),
    ],
)  # fmt: skip
def test_a_pattern_that_engines_read_differently_is_refused(pattern: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        portable_pattern(pattern)


@pytest.mark.parametrize(
    ("pattern", "among", "matched"),
    [
        (r"[\w-\.]", "a_9-.%/", "a_9-."), (r"[\w-z.@]", "a-.@`{", "a-.@"), (r"[\d-]", "5-a", "5-"), (r"[-a]", "-ab", "-a"),
        (r"[a-]", "a-b", "a-"), (r"[a-c-e]", "abcde-", "abce-"), (r"[+--]", "*+,-.", "+,-"), (r"[--/]", ",-./0", "-./"), (r"[\--\/]", ",-./0", "-./"),
        (r"[^\w-]", "a-_.", "."), (r"[\t-\r]", "\t\n\r\f a", "\t\n\r\f"), (r"[\s\-x]", " -xy", " -x"), (r"[a-z\]^]", "b]^A", "b]^"),
        ("[\u00e0-\u00ff-]", "\u00e9-\u0100", "\u00e9-"), (r"[\]-a]", "]^_`ab", "]^_`a"),
    ],
)  # fmt: skip
def test_a_class_of_characters_is_read_alike(
    duck: duckdb.DuckDBPyConnection, postgres_rows: Any, pattern: str, among: str, matched: str
) -> None:
    assert _matched(duck, postgres_rows, portable_pattern(pattern), among) == matched
    # RE2 itself reads what was written the same.
    assert _matched(duck, None, pattern, among) == matched


def test_a_usual_pattern_of_addresses(duck: duckdb.DuckDBPyConnection, postgres_rows: Any) -> None:
    pattern = portable_pattern(r"^[\w-\.]+@([\w-]+\.)+[\w-]{2,4}$")
    for text, good in (("a-b.c@x-y.example.com", True), ("a@b", False), ("a%b@x.com", False), ("@x.com", False)):
        assert _both(duck, postgres_rows, pattern, [text]) == [good], text


def test_any_class_that_is_taken_is_read_alike(duck: duckdb.DuckDBPyConnection, postgres_rows: Any) -> None:
    parts = ["a", "z", "A", "-", "-", "-", ".", r"\w", r"\d", r"\-", r"\.", "^", "_", "9", r"\]", "\u00e9", r"\t"]
    among = "".join(chr(code) for code in [9, 10, *range(32, 127), 0xE9, 0x100])
    taken = 0
    chosen = random.Random(7)
    for _ in range(150):
        pattern = f"[{''.join(chosen.choices(parts, k=chosen.randint(1, 6)))}]"
        try:
            portable = portable_pattern(pattern)
        except ValueError:
            continue
        taken += 1
        matched = _matched(duck, postgres_rows, portable, among)
        assert matched == "".join(letter for letter in among if re.match(portable, letter)), pattern
        assert matched == _matched(duck, None, pattern, among), pattern
    assert taken > 40


def _both(duck: duckdb.DuckDBPyConnection, postgres: Any, pattern: str, texts: list[str]) -> list[bool]:
    """Whether each text has the pattern: what both engines say."""
    row = duck.execute(f"SELECT list_transform($1, lambda x: regexp_matches(x, {quoted(pattern)}))", [texts]).fetchone()
    assert row is not None
    found: list[bool] = row[0]
    if postgres is not None:
        rows = postgres.execute(
            f'SELECT x COLLATE "C" ~ {quoted(pattern)} FROM unnest(%s::text[]) WITH ORDINALITY AS u(x, n) ORDER BY n',
            [texts],
        ).fetchall()
        assert [one for (one,) in rows] == found, pattern
    return found


def _matched(duck: duckdb.DuckDBPyConnection, postgres: Any, pattern: str, among: str) -> str:
    return "".join(
        letter for letter, one in zip(among, _both(duck, postgres, pattern, list(among)), strict=True) if one
    )


def test_the_format_of_ipv6_is_that_of_the_standard_library(duck: duckdb.DuckDBPyConnection) -> None:
    chosen = random.Random(6)
    parts = [
        "0",
        "1",
        "f",
        "FFFF",
        "0db8",
        "12345",
        "g",
        "1.2.3.4",
        "255.0.0.255",
        "256.1.1.1",
        "1.2.3",
        "01.2.3.4",
        "",
    ]
    weights = [9, 9, 9, 9, 9, 1, 1, 3, 3, 1, 1, 1, 2]
    texts = []
    for _ in range(20_000):
        groups = chosen.choices(parts, weights, k=chosen.randint(1, 9))
        if chosen.random() < 0.7:
            groups = [one for one in groups if one and ("." not in one or one is groups[-1])]
            # Where the zeros are left out.
            groups.insert(chosen.randint(0, len(groups)), "")
        text = ":".join(groups)
        texts.append(chosen.choice(["", "", ":"]) + text + chosen.choice(["", "", ":"]))
    asked = f"SELECT list_transform($1, lambda x: regexp_full_match(x, {quoted(FORMATS['ipv6'])}))"
    row = duck.execute(asked, [texts]).fetchone()
    assert row is not None
    wrong = [text for text, one in zip(texts, row[0], strict=True) if one != _is_ipv6(text)]
    assert wrong == []
    assert 1_000 < sum(row[0]) < 19_000


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True
