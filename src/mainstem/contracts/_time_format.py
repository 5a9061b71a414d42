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
# A letter and how often it stands: what it matches, and DuckDB's word.
_LETTERS = {
    "yyyy": (r"\d{4}", "%Y"),
    "yy": (_TWO, "%y"),
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
    "X": (r"([Zz]|[+-]\d{2}(\d{2})?)", "%z"),
    "XX": (r"([Zz]|[+-]\d{4})", "%z"),
    "XXX": (r"([Zz]|[+-]\d{2}:\d{2})", "%z"),
    "xx": (r"[+-]\d{4}", "%z"),
    "xxx": (r"[+-]\d{2}:\d{2}", "%z"),
    "Z": (r"[+-]\d{4}", "%z"),
}
# The year also as `u`, which is the same of years from 1 on.
_LETTERS |= {word.replace("y", "u"): of for word, of in _LETTERS.items() if "y" in word}
_TOKEN = re.compile(r"'((?:[^']|'')*)'|([A-Za-z])\2*|[^A-Za-z']")
_OFFSET = "%z"
_DAY = ({"%Y", "%y"}, {"%m", "%b", "%B"}, {"%d"})


@dataclasses.dataclass(frozen=True, slots=True)
class TimeFormat:
    """A form of time: `matches` is a whole text of the form as a regular expression, `reads` DuckDB's format of it."""

    matches: str
    reads: str
    offset: bool
    """A text of the form ends with its offset from UTC."""
    century: bool
    """Years have two digits, and are those from 2000 to 2099."""

    @classmethod
    @functools.cache
    def of(cls, pattern: str, *, date_only: bool = False) -> TimeFormat:
        """The form that a pattern describes. Raises ValueError, saying what is wrong."""
        matches: list[str] = []
        reads: list[str] = []
        words: list[str] = []
        end = 0
        for token in _TOKEN.finditer(pattern):
            if token.start() != end:
                break
            if words[-1:] == [_OFFSET]:
                raise ValueError("an offset does not stand last")
            end = token.end()
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
            words.append(word)
            matches.append(match)
            reads.append(word)
        if end != len(pattern):
            raise ValueError("a quote does not end")
        _check(set(words), date_only=date_only)
        return cls("".join(matches), "".join(reads), _OFFSET in words, "%y" in words)

    def sql(self, text: str) -> str:
        """DuckDB's reading of the SQL expression `text`, null where that is of another form.

        It is a TIMESTAMP, or of a form with an offset a TIMESTAMPTZ.
        """
        pattern, reads = (one.replace("'", "''") for one in (self.matches, self.reads))
        source = f"regexp_replace({text}, '[Zz]$', '+00')" if self.offset else text
        read = f"try_strptime({source}, '{reads}')"
        if self.century:
            # DuckDB's two digits begin with 1969.
            read = f"CASE WHEN year({read}) < 2000 THEN {read} + INTERVAL 100 YEAR ELSE {read} END"
        return f"CASE WHEN regexp_full_match({text}, '{pattern}') THEN {read} END"


def _said(token: re.Match[str]) -> str:
    """The text that a part of a pattern stands for itself: quoted, a quote, or what is no letter."""
    if token[0] == "''":
        return "'"
    return token[0] if token[1] is None else token[1].replace("''", "'")


def _exactly(text: str) -> str:
    """What matches a text and nothing else."""
    return "".join(char if char.isalnum() or char in " _" else f"\\{char}" for char in text)


def _check(words: set[str], *, date_only: bool) -> None:
    for part, name in zip(_DAY, ("year", "month", "day"), strict=True):
        if not words & part:
            raise ValueError(f"it has no {name}")
    clock = words.difference(*_DAY)
    if date_only and clock:
        raise ValueError("a date has no hours")
    if clock and not clock & {"%H", "%I"}:
        raise ValueError("it has no hour")
    if ("%p" in words) != ("%I" in words):
        raise ValueError("h and a go together; H is the hour from 0 to 23")
    if {"%H", "%I"} <= words:
        raise ValueError("it has the hour twice")
