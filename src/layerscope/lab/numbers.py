"""Numbers of the lab: how they are printed and where examples come from, the same in Python and in TypeScript."""

from __future__ import annotations

import math
from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Context, Decimal

_DIGITS = Context(prec=3, rounding=ROUND_HALF_UP)  # JavaScript's toPrecision rounds halves away from zero


def text(value: float) -> str:
    """An integer whole, anything else with three digits; the minus is U+2212; 1.5e6 and 2e−4 beyond five places."""
    if math.isnan(value) or math.isinf(value):
        return "NaN" if math.isnan(value) else ("∞" if value > 0 else "−∞")
    sign, size = ("−" if value < 0 else ""), abs(value)
    if size == int(size) and size < 1e5:
        return f"{sign}{int(size)}"
    rounded = _DIGITS.plus(Decimal(size))
    exponent = rounded.adjusted()
    if -4 < exponent < 5:
        plain = f"{rounded:f}"
        return sign + (plain.rstrip("0").rstrip(".") if "." in plain else plain)
    mantissa = f"{rounded.scaleb(-exponent):f}"
    mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
    return f"{sign}{mantissa}e{'−' if exponent < 0 else ''}{abs(exponent)}"


def amount(value: float) -> str:
    """A count, whole however large, with a comma before every three digits: 113,000."""
    return f"{'−' if value < 0 else ''}{abs(int(value)):,}"


def said(value: float) -> str:
    """A number in a sentence: whole ones as an amount, others with three digits."""
    return amount(value) if math.isfinite(value) and value == int(value) else text(value)


def draws(seed: int) -> Iterator[int]:
    """Whole numbers from 0 to 65,535: upper half of a 32-bit linear congruential generator (Numerical Recipes)."""
    state = seed & 0xFFFFFFFF
    while True:
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        yield state >> 16


def whole(count: int, low: int, high: int, seed: int) -> list[float]:
    """`count` whole numbers from low to high, both included."""
    source = draws(seed)
    return [float(low + next(source) % (high - low + 1)) for _ in range(count)]
