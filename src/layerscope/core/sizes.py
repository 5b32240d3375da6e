"""Sizes of axes: an integer, or an expression of named sizes.

An expression is a polynomial with integer coefficients over *atoms*: a name ("batch"),
a floor quotient, or a maximum. Sizes of equal forms are equal; quotients and maxima of
different forms may be equal too, which then is an assumption. Every named size is at
least 1; from that follow bounds, and from bounds the comparisons that can be decided. One
that cannot is recorded as an assumption by whoever propagates (see `equal`, `at_least`).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import reduce
from typing import SupportsIndex, TypeAlias, cast

from layerscope.core.dataclasses import dataclass
from layerscope.core.errors import SizeError


@dataclass(frozen=True)
class Named:
    """A size that is known by name only."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Floor:
    """floor(numerator / denominator)."""

    numerator: Size
    denominator: int

    def __str__(self) -> str:
        return f"floor(({self.numerator}) / {self.denominator})"


@dataclass(frozen=True)
class Maximum:
    """The larger of two sizes."""

    left: Size
    right: Size

    def __str__(self) -> str:
        return f"max({self.left}, {self.right})"


Atom: TypeAlias = Named | Floor | Maximum
Monomial: TypeAlias = tuple[Atom, ...]
MOST_FACTORS, MOST_TERMS = 256, 100_000  # of a product: a small file can square sizes again and again


@dataclass(frozen=True)
class Expression:
    """A polynomial: pairs of a monomial (sorted atoms, with repetition) and its coefficient."""

    terms: tuple[tuple[Monomial, int], ...]

    def __add__(self, other: Size) -> Size:
        return _combine(self, other, 1)

    __radd__ = __add__

    def __sub__(self, other: Size) -> Size:
        return _combine(self, other, -1)

    def __rsub__(self, other: Size) -> Size:
        return _combine(other, self, -1)

    def __mul__(self, other: Size) -> Size:
        if isinstance(other, int):  # the order of the terms stays
            return Expression(tuple((monomial, factor * other) for monomial, factor in self.terms)) if other else 0
        rest = _terms(other)
        if len(self.terms) * len(rest) > MOST_TERMS or len(self.terms[0][0]) + len(rest[0][0]) > MOST_FACTORS:
            raise SizeError(f"a product of open sizes has over {MOST_FACTORS} factors or {MOST_TERMS:,} terms")
        product: dict[Monomial, int] = {}
        for left, a in self.terms:
            for right, b in rest:
                key = tuple(sorted(left + right, key=str))
                product[key] = product.get(key, 0) + a * b
        return _normal(product)

    __rmul__ = __mul__

    def __neg__(self) -> Size:
        return self * -1

    def __floordiv__(self, divisor: Size) -> Size:
        return floor_div(self, divisor)

    def __str__(self) -> str:
        words: list[str] = []
        for monomial, factor in self.terms:
            body = "·".join(map(str, monomial))
            if not monomial:
                body = str(abs(factor))
            elif abs(factor) != 1:
                body = f"{abs(factor)}·{body}"
            sign = "-" if factor < 0 else "+"
            words.append(body if not words and factor > 0 else f"{sign} {body}" if words else f"-{body}")
        return " ".join(words)

    __repr__ = __str__


Size: TypeAlias = int | Expression
Fold: TypeAlias = Callable[[Size, Size], Size]


def named(name: str) -> Expression:
    """The size called `name`, of which nothing is known but that it is at least 1."""
    return Expression((((Named(name),), 1),))


def _terms(size: Size) -> tuple[tuple[Monomial, int], ...]:
    return (((), size),) if isinstance(size, int) else size.terms


def _normal(terms: Mapping[Monomial, int]) -> Size:
    kept = [(monomial, factor) for monomial, factor in terms.items() if factor]
    if not kept:
        return 0
    if len(kept) == 1 and not kept[0][0]:
        return kept[0][1]
    kept.sort(key=lambda term: (-len(term[0]), [str(atom) for atom in term[0]]))
    return Expression(tuple(kept))


def _combine(left: Size, right: Size, sign: int) -> Size:
    total = dict(_terms(left))
    for monomial, factor in _terms(right):
        total[monomial] = total.get(monomial, 0) + sign * factor
    return _normal(total)


def floor_div(size: Size, divisor: Size) -> Size:
    """floor(size / divisor); exact when every coefficient of `size` is divisible."""
    if isinstance(divisor, int) and divisor < 1:
        raise SizeError(f"cannot divide {size} by {divisor}: a divisor must be at least 1")
    if isinstance(size, int) and isinstance(divisor, int):
        return size // divisor
    if not isinstance(divisor, int):
        if size == divisor:
            return 1
        raise SizeError(f"cannot divide {size} by {divisor}: the divisor's size is open")
    whole = {m: f // divisor for m, f in _terms(size) if f % divisor == 0}
    rest = {m: f for m, f in _terms(size) if f % divisor}
    if not rest:
        return _normal(whole)
    if set(rest) == {()}:
        return _normal(whole) + rest[()] // divisor
    constant = rest.pop((), 0)
    ((atoms, factor), *more) = rest.items()
    if not more and factor == len(atoms) == 1 and isinstance(one := atoms[0], Floor):  # one quotient of both divisors
        return _normal(whole) + floor_div(one.numerator + one.denominator * constant, one.denominator * divisor)
    remainder = _normal(rest) + constant % divisor
    return _normal(whole) + constant // divisor + Expression((((Floor(remainder, divisor),), 1),))


def quotient(size: Size, divisor: Size) -> Size | None:
    """size / divisor where that is whole, whatever the open sizes are; None otherwise."""
    if isinstance(divisor, int):
        if divisor == 0 or any(factor % divisor for _, factor in _terms(size)):
            return None
        return _normal({monomial: factor // divisor for monomial, factor in _terms(size)})
    if len(divisor.terms) != 1:
        return 1 if size == divisor else None
    ((atoms, by),) = divisor.terms
    found: dict[Monomial, int] = {}
    for monomial, factor in _terms(size):
        rest = list(monomial)
        for atom in atoms:
            if atom not in rest:
                return None
            rest.remove(atom)
        if factor % by:
            return None
        found[tuple(rest)] = found.get(tuple(rest), 0) + factor // by
    return _normal(found)


def ceil_div(size: Size, divisor: int) -> Size:
    """The smallest integer that is at least size / divisor."""
    return floor_div(size + (divisor - 1), divisor)


def maximum(left: Size, right: Size) -> Size:
    """The larger of two sizes, decided where their bounds decide it."""
    difference = left - right
    if lower_bound(difference) >= 0:
        return left
    if upper_bound(difference) <= 0:
        return right
    return Expression((((Maximum(left, right),), 1),))


def product(sizes: tuple[Size, ...]) -> Size:
    """The product of sizes; 1 for none."""
    factor, total = 1, cast(Size, 1)
    for size in sizes:
        if isinstance(size, int):
            factor *= size
        else:
            total = size if total == 1 else total * size
    return total * factor


INFINITY = float("inf")
MOST = 2**63 - 1  # the largest size that can be given: no machine addresses more


def lower_bound(size: Size) -> float:
    """A number that `size` never goes below."""
    return _bounds(size)[0]


def upper_bound(size: Size) -> float:
    """A number that `size` never exceeds."""
    return _bounds(size)[1]


def _bounds(size: Size) -> tuple[float, float]:
    low = high = 0.0
    for monomial, factor in _terms(size):
        least, most = 1.0, 1.0
        for atom in monomial:
            a, b = _atom_bounds(atom)
            corners = [_times(x, y) for x in (least, most) for y in (a, b)]
            least, most = min(corners), max(corners)
        ends = sorted((_times(least, factor), _times(most, factor)))
        low, high = low + ends[0], high + ends[1]
    return low, high


def _times(a: float, b: float) -> float:
    try:
        return 0.0 if a == 0 or b == 0 else a * b
    except OverflowError:  # an integer beyond all floats
        return INFINITY if (a > 0) == (b > 0) else -INFINITY


def _atom_bounds(atom: Atom) -> tuple[float, float]:
    if isinstance(atom, Named):
        return 1, INFINITY
    if isinstance(atom, Floor):
        low, high = _bounds(atom.numerator)
        return tuple(end if abs(end) == INFINITY else end // atom.denominator for end in (low, high))  # pyright: ignore[reportReturnType]
    (a, b), (c, d) = _bounds(atom.left), _bounds(atom.right)
    return max(a, c), max(b, d)


_assumptions: ContextVar[list[str] | None] = ContextVar("assumptions", default=None)


@contextmanager
def collecting(into: list[str]) -> Generator[None]:
    """Record in `into`, once each, the comparisons that sizes leave open."""
    token = _assumptions.set(into)
    try:
        yield
    finally:
        _assumptions.reset(token)


def _assume(statement: str) -> bool:
    listed = _assumptions.get()
    if listed is not None and statement not in listed:
        listed.append(statement)
    return True


def equal(left: Size, right: Size) -> bool:
    """Whether two sizes are equal; True, and an assumption, where that is open."""
    low, high = _bounds(left - right)
    if low == high == 0:
        return True
    if low > 0 or high < 0:
        return False
    return _assume(f"{left} = {right}")


def at_least(left: Size, right: Size) -> bool:
    """Whether left ≥ right; True, and an assumption, where that is open."""
    low, high = _bounds(left - right)
    if low >= 0:
        return True
    if high < 0:
        return False
    return _assume(f"{left} ≥ {right}")


def number(size: Size) -> int:
    """`size` itself; SizeError when it is open."""
    if isinstance(size, int):
        return size
    raise SizeError(f"needs to be a number, but the size {size} is open")


def numbers(shape: Iterable[Size]) -> tuple[int, ...]:
    """A shape of which every size is known; SizeError otherwise."""
    return tuple(number(size) for size in shape)


def bind(size: Size, values: Mapping[str, int]) -> Size:
    """`size` with the named sizes in `values` replaced by their numbers."""
    if isinstance(size, int):
        return size
    total: Size = 0
    for monomial, factor in size.terms:
        term: Size = factor
        for atom in monomial:
            term = term * _bind_atom(atom, values)
        total = total + term
    return total


def _bind_atom(atom: Atom, values: Mapping[str, int]) -> Size:
    if isinstance(atom, Named):
        return values.get(atom.name, named(atom.name))
    if isinstance(atom, Floor):
        return floor_div(bind(atom.numerator, values), atom.denominator)
    return maximum(bind(atom.left, values), bind(atom.right, values))


def names(size: Size) -> set[str]:
    """The names that `size` depends on."""
    found: set[str] = set()

    def visit(part: Size) -> None:
        for monomial, _ in _terms(part):
            for atom in monomial:
                if isinstance(atom, Named):
                    found.add(atom.name)
                elif isinstance(atom, Floor):
                    visit(atom.numerator)
                else:
                    visit(atom.left)
                    visit(atom.right)

    visit(size)
    return found


def to_json(size: Size) -> object:
    """An integer, a name, or nested lists ["+", …], ["*", …], ["//", a, n], ["max", a, b]."""
    if isinstance(size, int):
        return size
    terms = [_term_json(monomial, factor) for monomial, factor in size.terms]
    return terms[0] if len(terms) == 1 else ["+", *terms]


def _term_json(monomial: Monomial, factor: int) -> object:
    parts: list[object] = [] if factor == 1 and monomial else [factor]
    for atom in monomial:
        if isinstance(atom, Named):
            parts.append(atom.name)
        elif isinstance(atom, Floor):
            parts.append(["//", to_json(atom.numerator), atom.denominator])
        else:
            parts.append(["max", to_json(atom.left), to_json(atom.right)])
    return parts[0] if len(parts) == 1 else ["*", *parts]


def from_json(data: object) -> Size:
    """The inverse of `to_json`; SizeError for anything else."""
    if isinstance(data, bool):
        raise SizeError(f"not a size: {data!r}")
    if isinstance(data, int):
        return checked(data, "a size", -MOST)
    if isinstance(data, str) and data.isidentifier():
        return named(data)
    if isinstance(data, list) and len(items := cast(Sequence[object], data)) > 1:
        head, parts = items[0], [from_json(part) for part in items[1:]]
        by: dict[object, Fold] = {"+": lambda a, b: a + b, "*": lambda a, b: a * b, "//": floor_div, "max": maximum}
        if head in ("+", "*", "//", "max") and (head in ("+", "*") or len(parts) == 2):
            return reduce(by[head], parts)
    raise SizeError(f"not a size: {data!r}")


def checked(size: object, what: str, least: int = 1) -> int:
    """`size` as an integer that is at least `least`; SizeError naming `what` otherwise."""
    if type(size) is int and least <= size <= MOST:
        return size
    try:
        number = size.__index__() if isinstance(size, SupportsIndex) else None
    except TypeError:
        number = None
    if number is None or isinstance(size, bool):
        raise SizeError(f"{what} must be a whole number, not {size!r}")
    if number < least:
        raise SizeError(f"{what} must be at least {least}, not {number}")
    if number > MOST:
        raise SizeError(f"{what} must be at most {MOST:,}")
    return number
