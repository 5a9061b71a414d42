"""Forms of time that a contract declares: the standard's patterns, which are those of the JDK's DateTimeFormatter.

A pattern becomes a regular expression, which says strictly what is of the form, and a format of DuckDB's, which reads it.
Source: https://docs.oracle.com/en/java/javase/21/docs/api/java.base/java/time/format/DateTimeFormatter.html
"""

from __future__ import annotations

import dataclasses
import functools
import re

__all__ = ["TimeFormat"]

_TWO = r"\d{2}"
_ONE_OR_TWO = r"\d{1,2}"
_HOURS = r"[+-]([01]\d|2[0-3])"
_MINUTES = r"[0-5]\d"
# A letter and how often it stands: what it matches, and DuckDB's word.
_LETTERS = {
    # No store holds a year 0.
    "yyyy": (r"(\d{3}[1-9]|\d{2}[1-9]\d|\d[1-9]\d{2}|[1-9]\d{3})", "%Y"),
    "yy": (_TWO, "%Y"),
    "MMMM": ("[A-Za-z]{3,9}", "%B"),
    "MMM": ("[A-Za-z]{3}", "%b"),
    "MM": (_TWO, "%m"),
    "M": (_ONE_OR_TWO, "%m"),
    "dd": (_TWO, "%d"),
    "d": (_ONE_OR_TWO, "%d"),
    "HH": (_TWO, "%H"),
    "H": (_ONE_OR_TWO, "%H"),
    "hh": (_TWO, "%I"),
    "h": (_ONE_OR_TWO, "%I"),
    "mm": (_TWO, "%M"),
    "ss": (_TWO, "%S"),
    "a": ("[AaPp][Mm]", "%p"),
    **{"S" * n: (rf"\d{{{n}}}", "%f") for n in range(1, 7)},
    "X": (f"([Zz]|{_HOURS}({_MINUTES})?)", "%z"),
    "XX": (f"([Zz]|{_HOURS}{_MINUTES})", "%z"),
    "XXX": (f"([Zz]|{_HOURS}:{_MINUTES})", "%z"),
    "xx": (f"{_HOURS}{_MINUTES}", "%z"),
    "xxx": (f"{_HOURS}:{_MINUTES}", "%z"),
    "Z": (f"{_HOURS}{_MINUTES}", "%z"),
}
# The year also as `u`, which is the same of years from 1 on.
_LETTERS |= {word.replace("y", "u"): of for word, of in _LETTERS.items() if "y" in word}
_TOKEN = re.compile(r"'((?:[^']|'')*)'|([A-Za-z])\2*|[^A-Za-z']")
# What may take more digits than it has letters, or fewer.
_OPEN = frozenset(word for word, (match, _) in _LETTERS.items() if match == _ONE_OR_TWO or word[0] == "S")
_DIGITS = frozenset(word for word, (_, read) in _LETTERS.items() if read not in {"%B", "%b", "%p", "%z"})
_SHORT_YEARS = ("yy", "uu")
_OFFSET = "%z"
_DAY = ({"%Y"}, {"%m", "%b", "%B"}, {"%d"})


@dataclasses.dataclass(frozen=True, slots=True)
class TimeFormat:
    """A form of time: `matches` is a whole text of the form as a regular expression.

    `reads` is DuckDB's (and Python's) format of such a text with its year in full: two digits are those from 2000 to 2099.
    """

    matches: str
    reads: str
    offset: bool
    """A text of the form ends with its offset from UTC."""
    before_year: str | None
    """What stands before a year of two digits, as a regular expression; None for years of four."""

    @classmethod
    @functools.cache
    def of(cls, pattern: str, *, date_only: bool = False) -> TimeFormat:
        """The form that a pattern describes. Raises ValueError, saying what is wrong."""
        matches: list[str] = []
        reads: list[str] = []
        words: list[str] = []
        before_year: str | None = None
        open_end: str | None = None
        end = 0
        for token in _TOKEN.finditer(pattern):
            if token.start() != end:
                break
            if words[-1:] == [_OFFSET]:
                raise ValueError("an offset does not stand last")
            end = token.end()
            _check_end(open_end, token)
            open_end = token[0] if token[0] in _OPEN else None
            if token[2] is None:
                text = _said(token)
                matches.append(_exactly(text))
                reads.append(text.replace("%", "%%"))
                continue
            if token[0] not in _LETTERS:
                raise ValueError(f"{token[0]!r} is not read")
            match, word = _LETTERS[token[0]]
            if word in words:
                raise ValueError(f"{token[0]!r} says what another letter says already")
            if token[0] in _SHORT_YEARS:
                before_year = "".join(matches)
            words.append(word)
            matches.append(match)
            reads.append(word)
        if end != len(pattern):
            raise ValueError("a quote does not end")
        _check(set(words), date_only=date_only)
        return cls("".join(matches), "".join(reads), _OFFSET in words, before_year)

    def in_full(self, text: str) -> str:
        """A text of the form with all digits of its year."""
        return text if self.before_year is None else re.sub(f"^({self.before_year})", r"\g<1>20", text, flags=re.ASCII)

    def sql(self, text: str) -> str:
        """DuckDB's reading of the SQL expression `text`, null where that is of another form.

        It is a TIMESTAMP, or of a form with an offset a TIMESTAMPTZ.
        """
        pattern, reads = (one.replace("'", "''") for one in (self.matches, self.reads))
        source = f"regexp_replace({text}, '[Zz]$', '+00')" if self.offset else text
        if self.before_year is not None:
            # DuckDB's two digits begin with 1969.
            before = self.before_year.replace("'", "''")
            source = f"regexp_replace({source}, '^({before})', '\\120')"
        return f"CASE WHEN regexp_full_match({text}, '{pattern}') THEN try_strptime({source}, '{reads}') END"


def _said(token: re.Match[str]) -> str:
    """The text that a part of a pattern stands for itself: quoted, a quote, or what is no letter."""
    if token[0] == "''":
        return "'"
    return token[0] if token[1] is None else token[1].replace("''", "'")


def _check_end(open_end: str | None, token: re.Match[str]) -> None:
    """No digits may follow a number that may have more or fewer of them."""
    if open_end is not None and (token[0] in _DIGITS or _said(token)[:1].isdigit()):
        raise ValueError(f"nobody can tell where {open_end!r} ends: other digits follow")


def _exactly(text: str) -> str:
    """What matches a text and nothing else. Raises ValueError for what no text of a record holds."""
    if "\0" in text:
        raise ValueError("no text holds a U+0000")
    return "".join(f"\\{char}" if char.isascii() and not char.isalnum() and char not in " _" else char for char in text)


def _check(words: set[str], *, date_only: bool) -> None:
    for part, name in zip(_DAY, ("year", "month", "day"), strict=True):
        if not words & part:
            raise ValueError(f"it has no {name}")
        if len(words & part) > 1:
            raise ValueError(f"it has the {name} twice")
    clock = words.difference(*_DAY)
    if date_only and clock:
        raise ValueError("a date has no hours")
    if clock and not clock & {"%H", "%I"}:
        raise ValueError("it has no hour")
    if ("%p" in words) != ("%I" in words):
        raise ValueError("h and a go together; H is the hour from 0 to 23")
    if {"%H", "%I"} <= words:
        raise ValueError("it has the hour twice")
