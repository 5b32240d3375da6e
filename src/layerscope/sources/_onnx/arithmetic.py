"""Arithmetic of numbers and open sizes, and of small tensors of them, element by element."""

from __future__ import annotations

import math
from collections.abc import Callable

from layerscope.core import sizes
from layerscope.core.sizes import Expression
from layerscope.sources._onnx.site import Site
from layerscope.sources._onnx.values import Known, Number, Unknown, broadcast, indices, integers, known, size, truth


def add(a: Number, b: Number) -> Number:
    """The sum of numbers or sizes."""
    if isinstance(a, Expression) or isinstance(b, Expression):
        return size(a) + size(b)
    return a + b


def subtract(a: Number, b: Number) -> Number:
    """The difference of numbers or sizes."""
    if isinstance(a, Expression) or isinstance(b, Expression):
        return size(a) - size(b)
    return a - b


def multiply(a: Number, b: Number) -> Number:
    """The product of numbers or sizes."""
    if isinstance(a, Expression) or isinstance(b, Expression):
        return size(a) * size(b)
    return a * b


def divide(a: Number, b: Number, whole: bool, fresh: Callable[[str], sizes.Size]) -> Number:
    """The quotient: towards zero for whole numbers, as in C. Of two open sizes it is a new one."""
    if not isinstance(a, Expression) and not isinstance(b, Expression):
        if b == 0:
            raise Unknown
        if not whole:
            return a / b
        quotient = abs(int(a)) // abs(int(b))
        return quotient if (a < 0) == (b < 0) else -quotient
    top, bottom = size(a), size(b)
    if top == bottom:
        return 1
    if isinstance(bottom, int):
        if bottom < 1 or sizes.lower_bound(top) < 0:
            raise Unknown
        found = sizes.floor_div(top, bottom)
        if not whole and found * bottom != top:
            raise Unknown
        return found
    if isinstance(top, Expression) and (exact := sizes.quotient(top, bottom)) is not None:
        return exact
    if not whole:
        raise Unknown
    return fresh("quotient")


def modulo(a: Number, b: Number, fresh: Callable[[str], sizes.Size], truncated: bool) -> Number:
    """The remainder, with the sign of the divisor (or of the dividend, as C's fmod has it)."""
    if not isinstance(a, Expression) and not isinstance(b, Expression):
        return math.fmod(a, b) if truncated else a % b
    top, bottom = size(a), size(b)
    if top == bottom or bottom == 1:
        return 0
    if isinstance(bottom, int) and bottom > 0:
        return top - sizes.floor_div(top, bottom) * bottom
    raise Unknown


def _compare(test: Callable[[float, float], bool]) -> Callable[[Number, Number], Number]:
    """A comparison as 0 or 1, where the bounds of open sizes decide it."""

    def decide(a: Number, b: Number) -> Number:
        if not isinstance(a, Expression) and not isinstance(b, Expression):
            return int(test(a, b))
        difference = subtract(a, b)
        low, high = sizes.lower_bound(size(difference)), sizes.upper_bound(size(difference))
        # `test` depends on the sign alone, so the signs that are possible decide
        signs = {n for n in (-1, 0, 1) if low <= n <= high or (n < 0 and low < 0) or (n > 0 and high > 0)}
        found = {test(n, 0) for n in signs}
        if len(found) != 1:
            raise Unknown
        return int(found.pop())

    return decide


def _elementwise(function: Callable[..., Number], dtype: str | None = None) -> Callable[[Site], list[Known]]:
    """A function of the elements of all operands, two at a time where there are more."""

    def run(site: Site) -> list[Known]:
        operands = [known(site, number) for number in range(len(site.operands))]
        dims = broadcast([x.dims for x in operands])
        items: list[Number] = []
        for index in indices(dims):
            first, *rest = (x.at(index) for x in operands)
            total = function(first) if len(operands) == 1 else first
            for item in rest:
                total = function(total, item)
            items.append(total)
        return [Known(dims, items, dtype or operands[0].dtype)]

    return run


def _quotients(site: Site) -> list[Known]:
    return _elementwise(lambda a, b: divide(a, b, known(site, 0).whole, site.fresh))(site)


def _remainders(site: Site) -> list[Known]:
    truncated = bool(site.attributes.get("fmod", 0))
    return _elementwise(lambda a, b: modulo(a, b, site.fresh, truncated))(site)


def _power(a: float, b: float) -> float:
    if not 0 <= b <= 64 or abs(a) >= 1 << 32:
        raise Unknown
    return a**b


def _largest(a: Number, b: Number) -> Number:
    if isinstance(a, Expression) or isinstance(b, Expression):
        return sizes.maximum(size(a), size(b))
    return max(a, b)


def _smallest(a: Number, b: Number) -> Number:
    if isinstance(a, Expression) or isinstance(b, Expression):
        return size(a) + size(b) - sizes.maximum(size(a), size(b))
    return min(a, b)


def _absolute(a: Number) -> Number:
    if isinstance(a, Expression):
        if sizes.lower_bound(a) < 0:
            raise Unknown
        return a
    return abs(a)


def _rounded(function: Callable[[float], int]) -> Callable[[Number], Number]:
    return lambda a: a if isinstance(a, Expression) else function(a)


def _plain(function: Callable[..., Number]) -> Callable[..., Number]:
    """A function of numbers only."""

    def run(*items: Number) -> Number:
        if any(isinstance(item, Expression) for item in items):
            raise Unknown
        return function(*items)

    return run


def _reduce(function: Callable[[Number, Number], Number], start: Number | None) -> Callable[[Site], list[Known]]:
    def run(site: Site) -> list[Known]:
        x, axes = known(site, 0), integers(site, 1, "axes")
        if not axes:
            axes = () if site.attributes.get("noop_with_empty_axes", 0) else tuple(range(len(x.dims)))
        gone = {x.axis(axis) for axis in axes}
        kept = [1 if n in gone else size for n, size in enumerate(x.dims)]
        totals: dict[tuple[int, ...], Number] = {}
        for index in indices(x.dims):
            place = tuple(0 if n in gone else i for n, i in enumerate(index))
            totals[place] = function(totals[place], x.at(index)) if place in totals else x.at(index)
        items = [totals.get(index, start) for index in indices(kept)]
        if any(item is None for item in items):
            raise Unknown
        dims = kept if site.attributes.get("keepdims", 1) else [size for n, size in enumerate(kept) if n not in gone]
        return [Known(dims, [item for item in items if item is not None], x.dtype)]

    return run


FOLDS: dict[str, Callable[[Site], list[Known]]] = {
    "Add": _elementwise(add), "Sub": _elementwise(subtract), "Mul": _elementwise(multiply), "Sum": _elementwise(add),
    "Div": _quotients, "Mod": _remainders, "Neg": _elementwise(lambda a: subtract(0, a)),
    "Max": _elementwise(lambda a, b=None: a if b is None else _largest(a, b)),
    "Min": _elementwise(lambda a, b=None: a if b is None else _smallest(a, b)),
    "Abs": _elementwise(_absolute), "Floor": _elementwise(_rounded(math.floor)),
    "Ceil": _elementwise(_rounded(math.ceil)), "Round": _elementwise(_rounded(round)),
    "Sqrt": _elementwise(_plain(math.sqrt)), "Pow": _elementwise(_plain(_power)),
    "Reciprocal": _elementwise(_plain(lambda a: 1 / a)),
    "Equal": _elementwise(_compare(lambda a, b: a == b), "bool"),
    "Less": _elementwise(_compare(lambda a, b: a < b), "bool"),
    "Greater": _elementwise(_compare(lambda a, b: a > b), "bool"),
    "LessOrEqual": _elementwise(_compare(lambda a, b: a <= b), "bool"),
    "GreaterOrEqual": _elementwise(_compare(lambda a, b: a >= b), "bool"),
    "And": _elementwise(lambda a, b: int(truth(a) and truth(b))),
    "Or": _elementwise(lambda a, b: int(truth(a) or truth(b))), "Not": _elementwise(lambda a: int(not truth(a))),
    "ReduceProd": _reduce(multiply, 1), "ReduceSum": _reduce(add, 0), "ReduceMax": _reduce(_largest, None),
    "ReduceMin": _reduce(_smallest, None),
}  # fmt: skip
