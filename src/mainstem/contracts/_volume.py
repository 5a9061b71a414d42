"""How many records a load of the stream is to have: the standard's `rowCount`, and the custom property `loadVolume`."""

from __future__ import annotations

from decimal import Decimal

from open_data_contract_standard.model import DataQuality

from mainstem.contracts._custom import Custom
from mainstem.contracts.contract import ROW_COUNT, Severity, Volume
from mainstem.errors import ConfigurationError
from mainstem.hints import near_miss

__all__ = ["LOAD_VOLUME", "is_row_count", "read_volume"]

LOAD_VOLUME = "loadVolume"

_PARTS = ("from", "to", "loads")
_OTHER = (
    *("mustBe", "mustNotBe", "mustNotBeBetween", "arguments", "query", "implementation", "engine", "schedule"),
    "scheduler",
)
_DEFAULT_LOADS = 5
_MOST_LOADS = 100


def is_row_count(entry: DataQuality) -> bool:
    """Whether an entry of the stream's `quality` is about the number of its records."""
    return ROW_COUNT in (entry.metric, entry.rule) and entry.type in (None, "library")


def read_volume(entries: list[tuple[DataQuality, str]], custom: Custom, where: str) -> Volume | None:
    """What the entries that are `is_row_count` (each with its place) and the custom property say; None: nothing.

    Raises ConfigurationError for what would not be checked, and for a band that no load can be in.
    """
    if len(entries) > 1:
        raise ConfigurationError("is there a second time.", where=f"{where}: {entries[1][1]}", hint="Keep one.")
    least, most = _bounds(*entries[0], where) if entries else (None, None)
    share = custom.value(LOAD_VOLUME)
    if share is None:
        return Volume(least, most) if entries else None
    low, high, loads = _shares(share, custom)
    return Volume(least, most, low, high, loads)


def _bounds(entry: DataQuality, place: str, where: str) -> tuple[int | None, int | None]:
    entered = _Entry(entry, f"{where}: {place}")
    entered.check()
    least = [*entered.counts("mustBeGreaterOrEqualTo"), *(one + 1 for one in entered.counts("mustBeGreaterThan"))]
    most = [*entered.counts("mustBeLessOrEqualTo"), *(one - 1 for one in entered.counts("mustBeLessThan"))]
    between = entered.counts("mustBeBetween")
    least, most = [*least, *between[:1]], [*most, *between[1:]]
    if len(least) > 1 or len(most) > 1:
        raise entered.wrong("metric", "has two bounds of one side.", "Keep one of them.")
    if not least and not most:
        raise entered.wrong("metric", "has no bound.", "Write mustBeBetween: [least, most].")
    if most and max([0, *least]) > most[0]:
        raise entered.wrong("metric", "has a band in which no load can be.", "Write the lesser number first.")
    return next(iter(least), None), next(iter(most), None)


class _Entry:
    """One entry of `quality`, and where it stands."""

    def __init__(self, entry: DataQuality, where: str) -> None:
        self._entry = entry
        self._where = where

    def wrong(self, key: str, message: str, hint: str) -> ConfigurationError:
        return ConfigurationError(message, where=f"{self._where}.{key}", hint=hint)

    def check(self) -> None:
        """Raise ConfigurationError for what would have no effect."""
        entry = self._entry
        if entry.severity not in (None, Severity.HOLD.value):
            raise self.wrong("severity", f"is {entry.severity!r}.", "A load out of its band is held: write hold.")
        if entry.unit not in (None, "rows"):
            raise self.wrong("unit", f"is {entry.unit!r}.", "Write rows. For a share of earlier loads: `loadVolume`.")
        for key in _OTHER:
            if getattr(entry, key) is not None:
                raise self.wrong(key, "is not checked of `rowCount`.", "Write mustBeBetween: [least, most].")

    def counts(self, key: str) -> list[int]:
        """The numbers of a key: none, one, or the two of a list."""
        value = getattr(self._entry, key)
        if value is None:
            return []
        values = value if isinstance(value, list) else [value]
        for one in values:
            if isinstance(one, bool) or not isinstance(one, int | float) or one != one // 1 or not 0 <= one < 2**53:
                raise self.wrong(key, f"{one!r} is no number of records.", "Write whole numbers.")
        return [int(one) for one in values]


def _shares(value: object, custom: Custom) -> tuple[Decimal | None, Decimal | None, int]:
    if not isinstance(value, dict) or not value:
        raise custom.wrong(LOAD_VOLUME, f"is {value!r}.", "Write {from: 0.5, to: 2, loads: 5}.")
    for key in value:
        if key not in _PARTS:
            raise custom.wrong(LOAD_VOLUME, f"{key!r} is unknown here.", near_miss(str(key), _PARTS))
    low, high = (_share(value.get(key), key, custom) for key in ("from", "to"))
    if low is None and high is None:
        raise custom.wrong(LOAD_VOLUME, "has neither `from` nor `to`.", "Write {from: 0.5, to: 2}.")
    if (low is not None and low > 1) or (high is not None and high < 1):
        raise custom.wrong(
            LOAD_VOLUME, "leaves the usual load out.", "`from` is 1 at most, `to` 1 at least: shares of the median."
        )
    loads = value.get("loads", _DEFAULT_LOADS)
    if isinstance(loads, bool) or not isinstance(loads, int) or not 1 <= loads <= _MOST_LOADS:
        raise custom.wrong(LOAD_VOLUME, f"`loads` is {loads!r}.", f"Write how many loads count, 1 to {_MOST_LOADS}.")
    return low, high, loads


def _share(value: object, key: str, custom: Custom) -> Decimal | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1_000_000:
        raise custom.wrong(LOAD_VOLUME, f"`{key}` is {value!r}.", "Write a share of the median, such as 0.5 or 2.")
    return Decimal(repr(value))
