"""Rewrites of a draft that compute less: equal values once, and per channel what need not be done per element.

Batch normalisation, above all, subtracts the mean twice, divides gradients by a count at each element, and adds up
products with numbers that do not change within a sum.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from layerscope.core.types import TensorType
from layerscope.engine.native.operations import Op, Share, elements, fresh, of_batch
from layerscope.engine.primitives.map import Map
from layerscope.engine.primitives.reduce import Expand, Reduce
from layerscope.engine.primitives.shape import Permute, Reshape
from layerscope.engine.program import Value

if TYPE_CHECKING:
    from layerscope.engine.native.draft import Draft

SAME = (Map, Expand, Reduce, Reshape, Permute)
"""Operations whose results are equal where their inputs are."""


def merge(draft: Draft) -> None:
    """Rewrite a draft in its primitives so that it computes less; no result changes but by roundings."""
    _identities(draft)
    _equal(draft)
    _sums_of_multiples(draft)
    _shares(draft)
    draft.prune()


def _identities(draft: Draft) -> None:
    """`constant` says that no gradient passes, which is settled by now."""
    for op in draft.ops:
        if isinstance(op.do, Map) and op.do.function == "constant":
            draft.replace(op.outputs[0], op.inputs[0])
    draft.prune()


def _equal(draft: Draft) -> None:
    """Of operations that do the same to the same values, the first serves all."""
    seen: dict[Any, Op] = {}
    for op in list(draft.ops):
        if not isinstance(op.do, SAME):
            continue
        first = seen.setdefault((op.do, *map(id, op.inputs)), op)
        if first is not op:
            draft.ops.remove(op)
            for old, new in zip(op.outputs, first.outputs, strict=True):
                draft.replace(old, new)


def _sums_of_multiples(draft: Draft) -> None:
    """Σ (−x) = −Σ x, and Σ (x · c) = c · Σ x where c is the same for all that is added up."""
    maker = draft.maker()
    for op in list(draft.ops):
        while isinstance(op.do, Reduce) and op.do.how in ("sum", "mean") and 0 in op.do.axes and not op.do.keep:
            made = maker.get(op.inputs[0])
            factor = _factor(op.do, made) if made else None
            if made is None or factor is None:
                break
            value, by = factor
            total = fresh(op.outputs[0].type)
            inner = Op(op.do, (value,), (total,), op.label)
            op.do, op.inputs = made.do, (total, by) if by else (total,)
            draft.ops.insert(draft.ops.index(op), inner)
            maker |= {total: inner, op.outputs[0]: op}
            op = inner
    _equal(draft)


def _factor(do: Reduce, made: Op) -> tuple[Value, Value | None] | None:
    """What is multiplied by the same number in each sum, and the numbers (None for −1)."""
    if not isinstance(made.do, Map) or made.do.function not in ("neg", "mul"):
        return None
    if made.do.function == "neg":
        return made.inputs[0], None
    shape = made.outputs[0].type.shape
    kept = tuple(n for axis, n in enumerate(shape) if axis not in do.axes)
    for value, by in (made.inputs, made.inputs[::-1]):
        last = kept == shape[len(shape) - len(kept) :] and bool(kept)
        if value.type.shape == shape and not of_batch(by) and by.type.shape == kept and last:
            return value, by
    return None


def _shares(draft: Draft) -> None:
    """Numbers that are repeated over all examples meet an image as they are, divided by their count before."""
    for op in list(draft.ops):
        if not isinstance(op.do, Expand) or 0 not in op.do.axes or not op.inputs[0].type.rank:
            continue
        result = op.outputs[0]
        users = [user for user in draft.ops if result in user.inputs and _meets(user, result)]
        if not users:
            continue
        place = draft.ops.index(op)
        value, made = op.inputs[0], list[Op]()
        if op.do.mean:
            count = elements(n for a, n in enumerate(result.type.shape) if a in op.do.axes and isinstance(n, int))
            made.append(Op(Share(count), (value,), (fresh(value.type),), op.label))
            value = made[-1].outputs[0]
        kept = [axis for axis in range(result.type.rank) if axis not in op.do.axes]
        sizes = enumerate(result.type.shape)
        shape = tuple(n if axis in kept else 1 for axis, n in sizes if axis >= kept[0])
        if shape != value.type.shape:
            made.append(Op(Reshape(shape), (value,), (fresh(TensorType(shape)),), op.label))
            value = made[-1].outputs[0]
        draft.ops[place:place] = made
        for user in users:
            user.inputs = tuple(value if one is result else one for one in user.inputs)


def _meets(user: Op, value: Value) -> bool:
    """Whether a pointwise operation has another input of the result's shape."""
    if not isinstance(user.do, Map) or user.do.function not in ("add", "sub", "mul"):
        return False
    return any(one is not value and one.type.shape == user.outputs[0].type.shape for one in user.inputs)
