"""Convolutions with fewer products than taps times results: the matrices, one axis at a time.

Each is y = Aᵀ [(G g) ⊙ (Bᵀ d)]: `d` is a patch of the image, `g` the taps, `y` neighbouring results. What the
kernel's side costs is paid once a batch, so products and the two other sides count. Two axes nest: the taps are a
matrix and each factor is applied from both sides. The kernel's gradient is Gᵀ [(Bᵀ d) ⊙ (A y)], summed up before Gᵀ.
Source: Winograd, "Arithmetic Complexity of Computations" (1980); Lavin & Gray, "Fast Algorithms for
Convolutional Neural Networks" (2016). Those for nearest upsampling are this project's.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

Row = tuple[float, ...]
Matrix = tuple[Row, ...]


@dataclass(frozen=True)
class Algorithm:
    """`a` (results × products), `b` (products × patch), `g` (products × taps); patches lie `step` inputs apart."""

    step: int
    a: Matrix
    b: Matrix
    g: Matrix

    @property
    def results(self) -> int:
        return len(self.a)

    @property
    def products(self) -> int:
        return len(self.b)

    @property
    def patch(self) -> int:
        return len(self.b[0])

    @functools.cached_property
    def sums(self) -> tuple[tuple[int, ...], ...]:
        """Products that all results take alike, together: one sum serves them."""
        found: dict[Row, list[int]] = {}
        for product in range(self.products):
            found.setdefault(tuple(row[product] for row in self.a), []).append(product)
        return tuple(map(tuple, found.values()))

    @functools.cached_property
    def back(self) -> Matrix:
        """Aᵀ for sums in place of products: results × sums."""
        return tuple(tuple(row[products[0]] for products in self.sums) for row in self.a)

    @functools.cached_property
    def inputs(self) -> Matrix:
        """The rows of Bᵀ, each once."""
        return tuple(dict.fromkeys(self.b))

    @functools.cached_property
    def alike(self) -> tuple[Matrix, ...]:
        """`inputs` in parts: rows that share sums, which are neighbours, together."""
        found: list[Matrix] = []
        for row in self.inputs:
            shares = bool(found) and len(found[-1]) == 1 and opposite(found[-1][0], row)
            found[-1:] = [(found[-1][0], row)] if shares else [*found[-1:], (row,)]
        return tuple(found)

    def input_of(self, product: int) -> int:
        """Which row of `inputs` a product reads."""
        return self.inputs.index(self.b[product])

    @property
    def few(self) -> bool:
        """Whether there are so few sums that all of them may stay in registers; if not they are all of one form:
        sum n has as many products as the others, and reads inputs from n on.
        """
        return len(self.sums) <= 3

    @property
    def together(self) -> int:
        """How many sums must be made at once: one where each has a product and an input of its own, in order."""
        own = [(n,) for n in range(self.products)]
        return 1 if list(self.sums) == own and self.inputs == self.b else len(self.sums)

    def of_results(self) -> Matrix:
        """The rows of A, which bring a gradient of results into the form of the products."""
        return tuple(zip(*self.a, strict=True))


def direct(results: int, taps: int, stride: int = 1) -> Algorithm:
    """The definition: a product for each result and tap."""
    pairs, patch = [(y, t) for y in range(results) for t in range(taps)], (results - 1) * stride + taps
    a = tuple(tuple(float(y == row) for y, _ in pairs) for row in range(results))
    b = tuple(tuple(float(x == y * stride + t) for x in range(patch)) for y, t in pairs)
    return Algorithm(results * stride, a, b, tuple(tuple(float(x == t) for x in range(taps)) for _, t in pairs))


def winograd(squares: Sequence[float], taps: int = 3) -> Algorithm:
    """F(m, taps) from the points 0, infinity and ±√s for each of `squares`: m + taps - 1 products for m results.

    A row of Bᵀ holds the coefficients of the polynomial that is zero in all other points, a row of G the powers of
    its point over that polynomial's value there, a column of Aᵀ the powers of its point.
    """
    points = [0.0] + [sign * math.sqrt(s) for s in squares for sign in (1, -1)]
    size = len(points) + 1
    results = size + 1 - taps
    whole = _product([[-s, 0.0, 1.0] for s in squares])  # without the point 0
    b: list[Row] = [_padded(whole, size)]
    g: list[Row] = [tuple(float(t == 0) / whole[0] for t in range(taps))]
    for number, s in enumerate(squares):
        others = [r for place, r in enumerate(squares) if place != number]
        value = 2 * s * math.prod(s - r for r in others)
        for sign in (1, -1):
            rest = [[-r, 0.0, 1.0] for r in others]
            b.append(_padded([0.0, *_product([[sign * math.sqrt(s), 1.0], *rest])], size))
            g.append(tuple(_power(s, sign, t) / value for t in range(taps)))
    b.append(_padded([0.0, *whole], size))
    g.append(tuple(float(t == taps - 1) for t in range(taps)))
    powers = [
        [float(y == 0), *(_power(s, sign, y) for s in squares for sign in (1, -1)), float(y == results - 1)]
        for y in range(results)
    ]
    return Algorithm(results, tuple(map(tuple, powers)), tuple(b), tuple(g))


def pointed(points: Sequence[float], results: int, taps: int) -> Algorithm:
    """F(results, taps) from any points and infinity: results + taps - 1 products. Of `winograd`'s it differs where
    those at opposite points share sums.
    """
    size = results + taps - 1
    assert len(points) + 1 == size, "points"
    others = [[q for q in points if q != p] for p in points]
    roots = [[[-q, 1.0] for q in some] for some in (*others, points)]
    b = [_padded(_product(some), size) for some in roots]
    scales = [math.prod(p - q for q in some) for p, some in zip(points, others, strict=True)]
    g = [tuple(p**t / scale for t in range(taps)) for p, scale in zip(points, scales, strict=True)]
    g.append(tuple(float(t == taps - 1) for t in range(taps)))
    a = tuple((*(p**y for p in points), float(y == results - 1)) for y in range(results))
    return Algorithm(results, a, tuple(b), tuple(g))


def _power(square: float, sign: int, exponent: int) -> float:
    root = sign * math.sqrt(square) if exponent % 2 else 1.0
    return root * square ** (exponent // 2)


def _product(polynomials: Sequence[Sequence[float]]) -> list[float]:
    found = [1.0]
    for one in polynomials:
        made = [0.0] * (len(found) + len(one) - 1)
        for i, x in enumerate(found):
            for j, y in enumerate(one):
                made[i + j] += x * y
        found = made
    return found


def _padded(row: Sequence[float], size: int) -> Row:
    return (*row, *[0.0] * (size - len(row)))


F2, F4 = winograd((1.0,)), winograd((0.5, 2.0))
"""Four products for two results of three taps; six for four."""

F25 = winograd((0.5, 2.0), taps=5)
"""Six products for two results of five taps."""

CENTRE = Algorithm(1, ((1, 1, 0), (1, 0, 1)), ((0, 1, 0), (1, -1, 0), (0, -1, 1)), ((1, 1, 1), (1, 0, 0), (0, 0, 1)))
"""Three taps behind nearest upsampling by 2: with S = w0 + w1 + w2 the two results around one small pixel are
S·x[q] + w0·(x[q-1] - x[q]) and S·x[q] + w2·(x[q+1] - x[q]).
"""

BETWEEN = Algorithm(1, ((1, 1, 1), (1, 1, 0)), ((1, 0), (0, 1), (1, -1)), ((1, 0, 0), (0, 1, 1), (0, 1, 0)))
"""The same between two small pixels: w0·x[q] + (w1 + w2)·x[q+1], and that + w1·(x[q] - x[q+1])."""

ADJOINT = Algorithm(2, ((1, 1, 1),), ((0, 1, 1, 0), (1, 0, -1, 0), (0, -1, 0, 1)), ((1, 1, 1), (0, 0, 1), (1, 0, 0)))
"""The adjoint of both: S·(g[0] + g[1]) + w2·(g[-1] - g[1]) + w0·(g[2] - g[0])."""


def opposite(row: Row, other: Row) -> bool:
    """Whether two rows differ in some signs only, and share several numbers otherwise."""
    same = sum(x == y != 0 for x, y in zip(row, other, strict=True))
    apart = sum(x == -y != 0 for x, y in zip(row, other, strict=True))
    return all(abs(x) == abs(y) for x, y in zip(row, other, strict=True)) and min(same, apart) > 0
