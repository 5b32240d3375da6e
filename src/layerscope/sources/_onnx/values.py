"""The elements of small tensors while shapes are folded: numbers and open sizes."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from layerscope.core import sizes
from layerscope.core.sizes import Expression
from layerscope.sources._onnx.site import FLOATING, Site, Value

MOST = 1024
"""Elements of a tensor that is followed."""
Number = int | float | Expression
Dims = tuple[int, ...]


class Unknown(Exception):
    """These elements cannot be told without the data."""


class Known:
    """Elements in row-major order, their sizes, and what they are."""

    def __init__(self, dims: Sequence[Any], items: Sequence[Number], dtype: str = "int64") -> None:
        self.dims: Dims = tuple(dims)
        self.items: tuple[Number, ...] = tuple(items)
        self.dtype = dtype

    @property
    def whole(self) -> bool:
        return self.dtype not in FLOATING

    def at(self, index: Sequence[int]) -> Number:
        """The element at an index of as many axes; an axis of size 1 answers for every index (broadcasting)."""
        place = 0
        for size, i in zip(self.dims, index[len(index) - len(self.dims) :], strict=True):
            place = place * size + (i if size != 1 else 0)
        return self.items[place]

    def axis(self, axis: int) -> int:
        """An axis as a number from 0 on."""
        if not -len(self.dims) <= axis < len(self.dims):
            raise Unknown
        return axis % len(self.dims)


def known(site: Site, number: int) -> Known:
    """The elements of an operand; Unknown where the data decide them."""
    operand = site.operand(number)
    if operand is None or operand.type.dtype == "string" or (operand.weight and not operand.inline):
        raise Unknown
    if operand.value is not None:
        return Known(operand.value.dims, operand.value.items, operand.type.dtype)
    if operand.floats is not None:
        return Known(sizes.numbers(operand.type.shape), operand.floats, operand.type.dtype)
    raise Unknown


def as_value(found: Known) -> Value | None:
    """The elements as whole numbers and sizes; None where a fraction is among them."""
    whole = [int(n) if isinstance(n, float) and n.is_integer() else n for n in found.items]
    if any(isinstance(n, float) for n in whole):
        return None
    return Value(found.dims, tuple(n for n in whole if not isinstance(n, float)))


def as_floats(found: Known) -> tuple[float, ...] | None:
    """The elements of a floating tensor as numbers; None where a size is open."""
    if found.whole or any(isinstance(n, Expression) for n in found.items):
        return None
    return tuple(float(n) for n in found.items if not isinstance(n, Expression))


def integers(site: Site, number: int, attribute: str = "") -> tuple[int, ...] | None:
    """Whole numbers from an operand or an attribute; None where neither is given, Unknown where open."""
    if site.operand(number) is None and attribute not in site.attributes:
        return None
    found = site.integers(number, attribute)
    if found is None:
        raise Unknown
    return sizes.numbers(found)


def indices(dims: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """All indices of a tensor of these sizes; Unknown where these are too many."""
    count = math.prod(dims)
    if count > MOST:
        raise Unknown
    return itertools.product(*map(range, dims)) if count > 0 else iter(())


def picked(x: Known, dims: Sequence[int], where: Callable[[tuple[int, ...]], Sequence[int]]) -> Known:
    """The tensor of these sizes whose elements are those of x at `where`."""
    return Known(dims, [x.at(where(index)) for index in indices(dims)], x.dtype)


def size(number: Number) -> sizes.Size:
    """A number as a size; Unknown for a fraction."""
    if isinstance(number, float):
        if not number.is_integer():
            raise Unknown
        return int(number)
    return number


def number(item: Number) -> int:
    """A number that is whole and not open."""
    return sizes.number(size(item))


def truth(a: Number) -> bool:
    """Whether it is not 0; Unknown where that is open."""
    if isinstance(a, Expression):
        if sizes.lower_bound(a) > 0 or sizes.upper_bound(a) < 0:
            return True
        raise Unknown
    return bool(a)


def broadcast(shapes: Sequence[Dims]) -> Dims:
    """The common sizes of tensors that meet element by element."""
    rank = max(map(len, shapes), default=0)
    padded = [(1,) * (rank - len(dims)) + tuple(dims) for dims in shapes]
    found: list[int] = []
    for column in zip(*padded, strict=True):
        large = {n for n in column if n != 1}
        if len(large) > 1:
            raise Unknown
        found.append(large.pop() if large else 1)
    return tuple(found)
