"""Numbers of a table: sums that may leave out what is unknown, and how they are written."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from layerscope.core import sizes
from layerscope.core.dataclasses import dataclass
from layerscope.core.sizes import Size
from layerscope.report.document import count

MOST_BITS = 1000
"""Of a number that is still shown in units."""
UNITS = ("bytes", "kB", "MB", "GB", "TB")
"""Powers of 1,000."""
LARGE = 1000
"""What open sizes are taken for where rows are put in order."""


@dataclass(frozen=True)
class Amount:
    """A number; None when unknown, a lower bound where `at_least`: then a part of it is unknown."""

    size: Size | None
    at_least: bool = False

    @staticmethod
    def total(parts: Iterable[Size | None]) -> Amount:
        """The sum of all that is known; unknown where nothing is."""
        total: Size = 0
        known, unknown = 0, 0
        for part in parts:
            known, unknown = known + (part is not None), unknown + (part is None)
            total = total + (part or 0)
        return Amount(None if unknown and not known else total, unknown > 0 and known > 0)

    @property
    def exact(self) -> Size | None:
        """The number; None where a part of it is unknown, for unknown is not zero."""
        return None if self.at_least else self.size

    @property
    def order(self) -> tuple[int, int]:
        """By this rows are put in order: unknown ones stand between the known and the zeros."""
        if self.size is None:
            return (0, 1)
        return (ordinal(self.size), 0 if not self.at_least else 1)

    def words(self) -> str:
        """1,234; "≥ 1,234"; "unknown"; nothing for zero."""
        if self.size is None:
            return "unknown"
        if self.at_least:
            return f"≥ {count(self.size)}"
        return "" if self.size == 0 else count(self.size)


def ordinal(size: Size) -> int:
    """A size as a number to compare by: open ones as if they were 1,000."""
    if isinstance(size, int):
        return size
    return sizes.number(sizes.bind(size, dict.fromkeys(sizes.names(size), LARGE)))


def largest(parts: Iterable[Size]) -> Size:
    """The largest of some sizes, at least one of them."""
    return max(parts, key=ordinal)


@dataclass(frozen=True)
class Unit:
    """The unit of a column of bytes, and how many decimals its numbers have."""

    name: str
    divisor: int
    decimals: int

    @staticmethod
    def of(amounts: Iterable[Amount]) -> Unit:
        """One in which the largest number has four digits; bytes where a size is open."""
        found = [amount.size for amount in amounts if amount.size is not None]
        if not all(isinstance(size, int) and size.bit_length() <= MOST_BITS for size in found):
            return Unit("bytes", 1, 0)
        most = max((size for size in found if isinstance(size, int)), default=0)
        power = 0
        while power < len(UNITS) - 1 and most >= 1000 ** (power + 1):
            power += 1
        digits = len(str(most // 1000**power))
        return Unit(UNITS[power], 1000**power, max(0, 4 - digits) if power else 0)

    def words(self, amount: Amount) -> str:
        """12.34; "< 0.001" for what rounds to zero; "≥ ", "unknown" and nothing as elsewhere."""
        size = amount.size
        if size is None or not isinstance(size, int) or self.divisor == 1 or (size == 0 and not amount.at_least):
            return amount.words()
        lead = "≥ " if amount.at_least else ""
        least = Fraction(1, 10**self.decimals)
        if 0 < Fraction(size, self.divisor) < least / 2:
            return f"{lead}< {float(least):.{self.decimals}f}"
        return f"{lead}{size / self.divisor:,.{self.decimals}f}"


def memory(size: Size) -> str:
    """Bytes in a readable unit, three digits: 784 bytes, 10.5 kB, 102 MB."""
    if not isinstance(size, int):
        return f"{size} bytes"
    if size.bit_length() > MOST_BITS:
        return f"about 10^{int(size.bit_length() * 0.30103)} bytes"
    power, value = 0, float(size)
    while power < len(UNITS) - 1 and value >= 999.5:
        power, value = power + 1, value / 1000
    if power == 0:
        return f"{size} {'byte' if size == 1 else 'bytes'}"
    decimals = 2 if value < 9.995 else 1 if value < 99.95 else 0
    return f"{value:,.{decimals}f} {UNITS[power]}"


def share(amount: Amount, total: Size) -> Fraction | None:
    """The share of a total; None where either is open or unknown."""
    if isinstance(amount.size, int) and isinstance(total, int):
        return Fraction(amount.size, total) if total else Fraction(0)
    return None


def percent(amount: Amount, total: Size) -> str:
    """12.3 (without the sign); "< 0.1"; "open" where sizes are."""
    part = share(amount, total)
    if part is None:
        return "unknown" if amount.size is None else "open"
    if amount.at_least:
        return f"≥ {100 * float(part):.1f}"
    if part == 0:
        return ""
    return "< 0.1" if part < Fraction(1, 2000) else f"{100 * float(part):.1f}"
