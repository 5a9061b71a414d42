"""Numbers that stand in a contract, exact: decimals like those of a column of numbers."""

from __future__ import annotations

from decimal import Context, Decimal

__all__ = ["EXACT", "exact_number"]

EXACT = Context(prec=80)
"""Wide enough for a quotient of any two numbers; the usual one rounds at 28 digits, and fails at more."""

_PLACES = Decimal("1E-9")


def exact_number(value: object, *, below: int = 10**29) -> Decimal | None:
    """A number of YAML, or a decimal, without zeros at its end; None for what is none, reaches `below` or has more than nine places."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    number = Decimal(repr(value) if isinstance(value, float) else value)
    if not number.is_finite() or number.copy_abs() >= below or number.quantize(_PLACES, context=EXACT) != number:
        return None
    return number.normalize(EXACT)
