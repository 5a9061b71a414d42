"""What SQL cannot standardise: phone numbers, countries, currencies, time zones; functions over columns of texts.

Each takes texts and gives the standard form of those that it knows, and null for the others. Names are looked up all at once;
a phone number is read once for each distinct one of a chunk. The tables are CLDR's and libphonenumber's, as of the versions
in `requirements/`: docs/decisions/0014 says what a new version of them means.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["Function", "countries", "currencies", "languages", "phones", "regions", "table_lookup", "time_zones"]

Function = Callable[..., pa.Array]
"""Takes arrays of texts, and gives one of the same length."""

# In CLDR's list of territories, and not in ISO 3166-1.
_NO_COUNTRY = frozenset(("AC", "CP", "CQ", "DG", "EA", "EU", "EZ", "IC", "QO", "TA", "UN", "XA", "XB", "XK", "ZZ"))
# What people write, and CLDR has under another name only.
_ALSO = {
    "US": ("usa", "u.s.", "u.s.a.", "united states of america", "america"),
    "GB": ("uk", "u.k.", "great britain", "britain", "england", "scotland", "wales", "northern ireland"),
    "KR": ("republic of korea", "korea, republic of", "korea (south)"),
    "KP": ("dprk", "democratic people's republic of korea"),
    "RU": ("russian federation",),
    "TR": ("turkey",),
    "CZ": ("czech republic",),
    "CI": ("ivory coast", "cote d'ivoire"),
    "HK": ("hong kong",),
    "MO": ("macau", "macao"),
    "MM": ("myanmar", "burma"),
    "VN": ("viet nam",),
    "LA": ("lao people's democratic republic",),
    "IR": ("iran, islamic republic of", "islamic republic of iran"),
    "SY": ("syrian arab republic",),
    "TZ": ("tanzania, united republic of",),
    "VE": ("venezuela, bolivarian republic of",),
    "BO": ("bolivia, plurinational state of",),
    "MD": ("moldova, republic of", "republic of moldova"),
    "TW": ("taiwan, province of china",),
    "NL": ("the netherlands", "holland"),
    "CV": ("cape verde",),
    "SZ": ("swaziland",),
    "MK": ("macedonia",),
    "CD": ("dr congo", "democratic republic of the congo", "congo, the democratic republic of the"),
    "CG": ("republic of the congo",),
    "PS": ("palestine", "palestine, state of"),
    "VA": ("holy see",),
    "FM": ("micronesia, federated states of",),
    "AE": ("uae", "u.a.e."),
}
# Signs that stand for one currency only. $, ¥ and kr do not.
_SIGNS = {
    "€": "EUR",
    "£": "GBP",
    "₹": "INR",
    "₺": "TRY",
    "₽": "RUB",
    "₩": "KRW",
    "₪": "ILS",
    "₫": "VND",
    "₴": "UAH",
    "₦": "NGN",
    "₱": "PHP",
    "฿": "THB",
    "₸": "KZT",
    "₾": "GEL",
    "₼": "AZN",
    "₲": "PYG",
    "₡": "CRC",
    "₵": "GHS",
    "us$": "USD",
    "a$": "AUD",
    "c$": "CAD",
    "ca$": "CAD",
    "nz$": "NZD",
    "hk$": "HKD",
    "r$": "BRL",
    "zł": "PLN",
}
# Longer ones name nothing, and are not looked at.
_LONGEST = 200
_MOST_NUMBERS = 65_536


def languages() -> frozenset[str]:
    """Languages that names are known in."""
    from babel.localedata import locale_identifiers

    return frozenset(locale_identifiers())


def regions() -> frozenset[str]:
    """Countries (ISO 3166 alpha-2) that phone numbers are known of."""
    import phonenumbers

    return frozenset(phonenumbers.SUPPORTED_REGIONS)


@functools.cache
def countries(spoken: tuple[str, ...]) -> Function:
    """Codes (alpha-2, alpha-3, numeric) and names of countries in English and other languages to alpha-2."""
    from babel import Locale
    from babel.core import get_global

    english = Locale("en").territories
    codes = {code for code in map(str, english) if len(code) == 2 and code.isalpha() and code not in _NO_COUNTRY}
    named: dict[str, set[str]] = {}
    for old, now in get_global("territory_aliases").items():
        if len(old) == 3 and len(now) == 1:
            _name(named, old, now[0], codes)
    for language in ("en", *spoken):
        for code, name in Locale.parse(language).territories.items():
            _name(named, name, code, codes)
    for code, names in _ALSO.items():
        for name in names:
            named[_key(name)] = {code}
    # A code is a code, whatever some language calls by these letters.
    named |= {_key(code): {code} for code in codes}
    return _lookup(named)


@functools.cache
def currencies(spoken: tuple[str, ...]) -> Function:
    """Codes, names and unmistakable signs of currencies to ISO 4217."""
    from babel import Locale

    codes = set(map(str, Locale("en").currencies))
    named: dict[str, set[str]] = {}
    for language in ("en", *spoken):
        locale = Locale.parse(language)
        plural = locale._data["currency_names_plural"]  # noqa: SLF001 - Babel has no other way to all of them at once
        for code, name in locale.currencies.items():
            _name(named, name, code, codes)
        for code, names in plural.items():
            for name in names.values():
                _name(named, name, code, codes)
    named |= {_key(sign): {code} for sign, code in _SIGNS.items()}
    named |= {_key(code): {code} for code in codes}
    return _lookup(named)


@functools.cache
def time_zones(known: frozenset[str]) -> Function:
    """Names of time zones in any case, and those of Windows, to `known` IANA names."""
    from babel.core import get_global

    windows = {name: zone for name, zone in get_global("windows_zone_mapping").items() if zone in known}
    named = {_key(name): {zone} for name, zone in windows.items()}
    named |= {_key(zone.replace("_", " ")): {zone} for zone in known}
    named |= {_key(zone): {zone} for zone in known}
    return _lookup(named)


def phones(numbers: pa.Array, region: pa.Array) -> pa.Array:
    """Phone numbers in E.164, those without a country code as of their row's region (ISO 3166 alpha-2)."""
    # One text for each pair, so that each distinct one is read once; no country's code has a NUL.
    pairs = pc.binary_join_element_wise(_whole(numbers), pc.fill_null(_whole(region), ""), "\0")
    encoded = pairs.dictionary_encode()
    known = [_phone(*pair.rsplit("\0", 1)) for pair in encoded.dictionary.to_pylist()]
    return pa.array(known, pa.string()).take(encoded.indices)


@functools.lru_cache(_MOST_NUMBERS)
def _phone(number: str, region: str) -> str | None:
    import phonenumbers

    if len(number) > _LONGEST:
        return None
    try:
        parsed = phonenumbers.parse(number, region.upper() or None)
    except phonenumbers.NumberParseException:
        return None
    # With an extension it is more than E.164 can say, and a number that cannot be must not look like one that is.
    if parsed.extension or not phonenumbers.is_valid_number(parsed):
        return None
    return str(phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164))


def table_lookup(rows: Sequence[tuple[str, str]]) -> Function:
    """What a table has for texts that are equal to its first column's."""
    names, values = (pa.array([row[side] for row in rows], pa.string()) for side in (0, 1))
    return lambda texts: values.take(pc.index_in(_whole(texts), value_set=names))


def _name(named: dict[str, set[str]], name: str, code: str, codes: Iterable[str]) -> None:
    if code in codes:
        named.setdefault(_key(name), set()).add(code)


_SPACE = re.compile(r"\s+")


def _key(name: str) -> str:
    """What names are compared by: composed, lower case, white space, apostrophes and dashes of one kind."""
    text = unicodedata.normalize("NFC", name).replace("\u2019", "'").replace("\u2013", "-")
    return _SPACE.sub(" ", text).strip().lower()


def _lookup(named: Mapping[str, set[str]]) -> Function:
    """Of names that mean one thing only."""
    table = {name: next(iter(codes)) for name, codes in named.items() if len(codes) == 1}
    names, codes = pa.array(list(table), pa.string()), pa.array(list(table.values()), pa.string())

    def looked_up(texts: pa.Array) -> pa.Array:
        # Distinct values once: a batch has thousands of records and a few dozen countries.
        encoded = _whole(texts).dictionary_encode()
        keys = pa.array([_known_key(text) for text in encoded.dictionary.to_pylist()], pa.string())
        return codes.take(pc.index_in(keys, value_set=names)).take(encoded.indices)

    return looked_up


@functools.lru_cache(_MOST_NUMBERS)
def _known_key(text: str | None) -> str | None:
    return None if text is None or len(text) > _LONGEST else _key(text)


def _whole(texts: pa.Array | pa.ChunkedArray) -> pa.Array:
    if isinstance(texts, pa.ChunkedArray):
        texts = pa.concat_arrays(texts.chunks) if texts.num_chunks else pa.array([], pa.string())
    return texts.cast(pa.string())
