"""Operators that move the elements of small tensors."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

from layerscope.core import sizes
from layerscope.core.sizes import Expression
from layerscope.sources._onnx import values
from layerscope.sources._onnx.site import FLOATING, Site
from layerscope.sources._onnx.structures import DTYPES
from layerscope.sources._onnx.values import (
    MOST,
    Known,
    Number,
    Unknown,
    broadcast,
    indices,
    integers,
    known,
    picked,
    truth,
)  # fmt: skip


def _shape(site: Site) -> list[Known]:
    operand = site.operands[0]
    if operand is None:
        raise Unknown
    shape = operand.type.shape[site.attributes.get("start", 0) : site.attributes.get("end")]
    return [Known((len(shape),), shape)]


def _count(site: Site) -> list[Known]:
    operand = site.operands[0]
    if operand is None:
        raise Unknown
    return [Known((), (operand.type.elements,))]


def _gather(site: Site) -> list[Known]:
    x, where = known(site, 0), known(site, 1)
    axis = x.axis(site.attributes.get("axis", 0))
    size, rank = x.dims[axis], len(where.dims)
    places = sizes.numbers([values.size(n) for n in where.items])
    if any(not -size <= n < size for n in places):
        raise Unknown
    chosen = Known(where.dims, [n % size for n in places])
    dims = (*x.dims[:axis], *where.dims, *x.dims[axis + 1 :])

    def source(index: tuple[int, ...]) -> Sequence[int]:
        place = chosen.at(index[axis : axis + rank])
        return (*index[:axis], int(values.number(place)), *index[axis + rank :])

    return [picked(x, dims, source)]


def _concat(site: Site) -> list[Known]:
    parts = [known(site, number) for number in range(len(site.operands))]
    axis = parts[0].axis(site.attributes.get("axis", 0))
    starts = list(itertools.accumulate((x.dims[axis] for x in parts), initial=0))
    dims = (*parts[0].dims[:axis], starts[-1], *parts[0].dims[axis + 1 :])
    items: list[Number] = []
    for index in indices(dims):
        part = next(n for n in range(len(parts)) if index[axis] < starts[n + 1])
        items.append(parts[part].at((*index[:axis], index[axis] - starts[part], *index[axis + 1 :])))
    return [Known(dims, items, parts[0].dtype)]


def _slice(site: Site) -> list[Known]:
    x = known(site, 0)
    starts, ends = integers(site, 1, "starts"), integers(site, 2, "ends")
    if starts is None or ends is None:
        raise Unknown
    axes = integers(site, 3, "axes") or tuple(range(len(starts)))
    steps = integers(site, 4) or (1,) * len(starts)
    chosen = [range(n) for n in x.dims]
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        axis, size = x.axis(axis), x.dims[x.axis(axis)]
        beyond = step < 0 and end < -size  # before the first element, which slice() cannot say with a number
        chosen[axis] = range(size)[slice(start, None if beyond else end, step)]
    return [picked(x, [len(r) for r in chosen], lambda index: [r[i] for r, i in zip(chosen, index, strict=True)])]


def _reshaped(x: Known, dims: Sequence[int]) -> Known:
    if math.prod(dims) != len(x.items):
        raise Unknown
    return Known(dims, x.items, x.dtype)


def _unsqueeze(site: Site) -> list[Known]:
    x, axes = known(site, 0), integers(site, 1, "axes")
    if axes is None:
        raise Unknown
    rank = len(x.dims) + len(axes)
    places, rest = {axis % rank for axis in axes}, iter(x.dims)
    return [_reshaped(x, [1 if axis in places else next(rest) for axis in range(rank)])]


def _squeeze(site: Site) -> list[Known]:
    x, axes = known(site, 0), integers(site, 1, "axes")
    gone = {n for n, size in enumerate(x.dims) if size == 1} if axes is None else {x.axis(a) for a in axes}
    return [_reshaped(x, [size for n, size in enumerate(x.dims) if n not in gone])]


def _reshape(site: Site) -> list[Known]:
    x, wanted = known(site, 0), integers(site, 1, "shape")
    if wanted is None:
        raise Unknown
    dims = list(wanted)
    if not site.attributes.get("allowzero", 0):
        dims = [x.dims[n] if size == 0 else size for n, size in enumerate(dims)]
    if -1 in dims:
        rest = math.prod(size for size in dims if size != -1)
        dims = [len(x.items) // rest if size == -1 else size for size in dims]
    return [_reshaped(x, dims)]


def _expand(site: Site) -> list[Known]:
    x, wanted = known(site, 0), integers(site, 1)
    dims = broadcast([x.dims, wanted or ()])
    return [picked(x, dims, lambda index: index)]


def _tile(site: Site) -> list[Known]:
    x, times = known(site, 0), integers(site, 1) or ()
    dims = [size * n for size, n in zip(x.dims, times, strict=True)]
    return [picked(x, dims, lambda index: [i % size for i, size in zip(index, x.dims, strict=True)])]


def _transpose(site: Site) -> list[Known]:
    x = known(site, 0)
    order = site.attributes.get("perm") or tuple(reversed(range(len(x.dims))))
    return [picked(x, [x.dims[a] for a in order], lambda index: [index[order.index(a)] for a in range(len(order))])]


def _split(site: Site) -> list[Known]:
    x, lengths = known(site, 0), integers(site, 1, "split")
    axis = x.axis(site.attributes.get("axis", 0))
    if lengths is None:
        part = -(-x.dims[axis] // len(site.outputs))
        lengths = tuple(min(part, x.dims[axis] - n * part) for n in range(len(site.outputs)))
    starts, found = itertools.accumulate(lengths, initial=0), list[Known]()
    for start, length in zip(starts, lengths, strict=False):
        dims = (*x.dims[:axis], length, *x.dims[axis + 1 :])
        shift = [start if n == axis else 0 for n in range(len(dims))]
        found.append(picked(x, dims, lambda index, shift=shift: [i + s for i, s in zip(index, shift, strict=True)]))
    return found


def _cast(site: Site) -> list[Known]:
    x = known(site, 0)
    if site.op == "CastLike":
        like = site.operand(1)
        dtype = "" if like is None else like.type.dtype
    else:
        dtype = DTYPES[site.attributes["to"]]
    items = x.items
    if dtype == "bool":
        items = [int(truth(n)) for n in items]
    elif dtype not in FLOATING:
        items = [math.trunc(n) if isinstance(n, float) else n for n in items]
    return [Known(x.dims, items, dtype)]


def _range(site: Site) -> list[Known]:
    parts = [known(site, number) for number in range(3)]
    start, limit, delta = (x.items[0] for x in parts)
    if isinstance(start, Expression) or isinstance(limit, Expression) or isinstance(delta, Expression):
        raise Unknown
    count = max(math.ceil((limit - start) / delta), 0)
    if count > MOST:
        raise Unknown
    return [Known((count,), [start + n * delta for n in range(count)], parts[0].dtype)]


def _filled(site: Site) -> list[Known]:
    dims, value = integers(site, 0) or (), site.attributes.get("value")
    item: Number = 0.0
    dtype = "float32"
    if value is not None:
        item = value.floats[0] if value.floats is not None else value.value.items[0]
        dtype = value.type.dtype
    if math.prod(dims) > MOST:
        raise Unknown
    return [Known(dims, (item,) * math.prod(dims), dtype)]


def _where(site: Site) -> list[Known]:
    test, yes, no = (known(site, number) for number in range(3))
    dims = broadcast([test.dims, yes.dims, no.dims])
    items = [yes.at(index) if truth(test.at(index)) else no.at(index) for index in indices(dims)]
    return [Known(dims, items, yes.dtype)]


def _nonzero(site: Site) -> list[Known]:
    x = known(site, 0)
    found = [index for index in indices(x.dims) if truth(x.at(index))]
    return [Known((len(x.dims), len(found)), [index[n] for n in range(len(x.dims)) for index in found])]


def _scatter(site: Site) -> list[Known]:
    """ScatterND and ScatterElements into a list of numbers, as when one size of a shape is replaced."""
    x, where, put = (known(site, number) for number in range(3))
    if len(x.dims) != 1 or site.attributes.get("reduction", "none") not in ("none", ""):
        raise Unknown
    items = list(x.items)
    for place, item in zip((values.number(n) for n in where.items), put.items, strict=True):
        items[place] = item
    return [Known(x.dims, items, x.dtype)]


FOLDS: dict[str, Callable[[Site], list[Known]]] = {
    "Shape": _shape, "Size": _count, "Gather": _gather, "Concat": _concat, "Slice": _slice, "Unsqueeze": _unsqueeze,
    "Squeeze": _squeeze, "Reshape": _reshape, "Expand": _expand, "Tile": _tile, "Transpose": _transpose,
    "Split": _split, "Cast": _cast, "CastLike": _cast, "Range": _range, "ConstantOfShape": _filled, "Where": _where,
    "NonZero": _nonzero, "ScatterND": _scatter, "ScatterElements": _scatter,
}  # fmt: skip
