"""Regular expressions that mean the same to RE2 (DuckDB), to PostgreSQL and to whoever reads the JSON Schema.

What the dialects share is let through; shorthands are written out, because a digit of PostgreSQL's need not be ASCII.
"""

from __future__ import annotations

import re
from typing import NoReturn

__all__ = ["portable_pattern"]

_LONGEST = 500
_MOST_REPEATS = 255
_SHORTHANDS = {"d": "0-9", "w": "A-Za-z0-9_", "s": r" \t\n\r\f"}
_CONTROLS = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}
_REPEAT = re.compile(r"\{(\d{1,3})(,(\d{1,3})?)?\}")
_QUANTIFIERS = frozenset("*+?{")


def portable_pattern(pattern: str) -> str:
    """The pattern in a form that every engine reads alike. Raises ValueError saying what is not allowed, and where."""
    if len(pattern) > _LONGEST:
        raise ValueError(f"it is longer than {_LONGEST} characters")
    return _Translation(pattern).run()


class _Translation:
    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._at = 0
        self._out: list[str] = []
        # Of each open group whether something in it is repeated a counted number of times.
        self._counted = [False]
        self._group_counted = False
        # Of each open group how many characters it would have with its counted repetitions written out; of the last part.
        self._sizes = [0]
        self._size = 0

    def run(self) -> str:
        repeatable = False
        while self._at < len(self._pattern):
            letter = self._pattern[self._at]
            if letter in _QUANTIFIERS:
                if not repeatable:
                    self._refuse(f"nothing is there for {letter!r} to repeat")
                self._quantifier(letter)
                repeatable = False
                continue
            self._group_counted = False
            repeatable = letter not in "^$(|"
            self._size = int(repeatable)
            self._single(letter)
            if letter != ")":
                self._sizes[-1] += self._size
        if len(self._counted) > 1:
            self._refuse("a parenthesis is not closed")
        return "".join(self._out)

    def _refuse(self, why: str) -> NoReturn:
        raise ValueError(f"at character {self._at + 1}, {why}")

    def _take(self, text: str, length: int = 1) -> None:
        self._out.append(text)
        self._at += length

    def _single(self, letter: str) -> None:
        if letter == "\\":
            self._escape()
        elif letter == "[":
            self._class()
        elif letter == "(":
            self._open()
        elif letter == ")":
            if len(self._counted) == 1:
                self._refuse("a parenthesis is closed that was not opened")
            self._group_counted = self._counted.pop()
            self._counted[-1] |= self._group_counted
            self._size = self._sizes.pop()
            self._sizes[-1] += self._size
            self._take(letter)
        elif letter == ".":
            self._take(r"[^\n]")
        elif letter == "\0":
            self._refuse("no text holds a NUL character")
        else:
            self._take(f"\\{letter}" if letter in "]}" else letter)

    def _escaped(self) -> str:
        self._at += 1
        if self._at == len(self._pattern):
            self._refuse("the backslash escapes nothing")
        return self._pattern[self._at]

    def _escape(self) -> None:
        letter = self._escaped()
        if letter.lower() in _SHORTHANDS:
            self._take(f"[{'' if letter.islower() else '^'}{_SHORTHANDS[letter.lower()]}]")
        elif letter in _CONTROLS or (letter.isascii() and not letter.isalnum() and letter.isprintable()):
            self._take(f"\\{letter}")
        else:
            self._refuse(f"\\{letter} is not the same everywhere")

    def _open(self) -> None:
        if self._pattern.startswith("(?:", self._at):
            self._take("(?:", 3)
        elif self._pattern.startswith("(?", self._at):
            self._refuse("of groups only (...) and (?:...) are the same everywhere")
        else:
            self._take("(")
        self._counted.append(False)
        self._sizes.append(0)

    def _class(self) -> None:
        start = self._at
        self._take("[")
        if self._pattern.startswith("^", self._at):
            self._take("^")
        first = self._at
        while self._at < len(self._pattern) and self._pattern[self._at] != "]":
            self._member()
        if self._at == len(self._pattern) or self._at == first:
            self._at = start
            self._refuse("a class of characters is empty or not closed")
        self._take("]")

    def _member(self) -> None:
        """A shorthand, a character or a range, and the hyphens behind a shorthand or range, which begin no other."""
        low, written = self._character()
        if low is None:
            self._out.append(written)
        elif self._hyphen():
            self._at += 1
            high, last = self._character()
            if high is None:
                self._refuse("a range in a class ends in a shorthand; to name the hyphen itself, escape it")
            elif high < low:
                self._refuse("a range in a class runs backwards; to name the hyphen itself, escape it")
            self._out.append(f"{written}-{last}")
        else:
            self._out.append(written)
            return
        if self._hyphen():
            self._at += 1
            if self._hyphen():
                self._refuse("a hyphen beside a shorthand or range must be escaped to begin a range")
            self._out.append(r"\-")

    def _hyphen(self) -> bool:
        """Whether a hyphen comes, and is not the last of its class."""
        return self._pattern.startswith("-", self._at) and not self._pattern.startswith("-]", self._at)

    def _character(self) -> tuple[str | None, str]:
        """The next character of a class, None of a shorthand, and how it is written; moves behind it."""
        if self._at == len(self._pattern):
            self._refuse("a class of characters is empty or not closed")
        letter = self._pattern[self._at]
        if letter == "\0":
            self._refuse("no text holds a NUL character")
        if letter == "[":
            self._refuse("a [ inside a class must be escaped")
        meant: str | None = letter
        written = r"\-" if letter == "-" else letter
        if letter == "\\":
            letter = self._escaped()
            if letter in _SHORTHANDS:
                meant, written = None, _SHORTHANDS[letter]
            elif letter in _CONTROLS or (letter.isascii() and not letter.isalnum() and letter.isprintable()):
                meant, written = _CONTROLS.get(letter, letter), f"\\{letter}"
            else:
                self._refuse(f"\\{letter} inside a class is not the same everywhere")
        self._at += 1
        return meant, written

    def _quantifier(self, letter: str) -> None:
        if letter != "{":
            self._take(letter)
        else:
            found = _REPEAT.match(self._pattern, self._at)
            if found is None:
                self._refuse("a { that repeats nothing must be escaped")
            least, most = int(found[1]), int(found[3] or found[1])
            if not least <= most <= _MOST_REPEATS:
                self._refuse(f"what is repeated is repeated up to {_MOST_REPEATS} times, and the lower number is first")
            if self._group_counted:
                self._refuse("a counted repetition is inside another one")
            self._counted[-1] = True
            # A pattern costs as much as it has characters when they are written out, for every character of a text.
            self._sizes[-1] += self._size * max(most - 1, 0)
            if sum(self._sizes) > _LONGEST:
                self._refuse(f"its repetitions make more than {_LONGEST} characters of it when they are written out")
            self._take(found[0], len(found[0]))
        if self._pattern.startswith("?", self._at):
            self._take("?")
