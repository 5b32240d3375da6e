"""Rules of the operators that take parts, put tensors together, and pick or put elements by index."""

from __future__ import annotations

from layerscope.core import sizes
from layerscope.core.contract import Layer
from layerscope.core.sizes import Size
from layerscope.core.types import TensorType
from layerscope.operators import gathering, slicing
from layerscope.operators.stretching import Selection
from layerscope.sources._onnx.asking import constants
from layerscope.sources._onnx.rules.shaping import data, length, numbers, selected
from layerscope.sources._onnx.site import Refused, Rule, Site


def _concat(site: Site) -> Layer:
    axis, new = site.attributes.get("axis", 1), bool(site.attributes.get("new_axis", 0))
    return slicing.Concat(site.op, axis, new, **site.slotted())


def _split(site: Site) -> Layer:
    lengths, parts = site.integers(1, "split"), len(site.outputs)
    axis = site.attributes.get("axis", 0)
    if lengths is None and site.operand(1) is not None:
        x = data(site)
        where = axis % x.rank
        shapes = tuple(
            (*x.shape[:where], site.fresh("split"), *x.shape[where + 1 :]) for _ in range(len(site.outputs))
        )
        kept = tuple(n for n in range(x.rank) if n != where)
        return Selection(site.op, shapes, (x.dtype,) * len(shapes), kept, **site.slotted())
    return slicing.Split(site.op, axis, lengths, parts, **site.slotted(drop=(1,)))


def _split_to_sequence(site: Site) -> Layer:
    told, operand, x = site.integers(1), site.operand(1), data(site)
    axis = site.attributes.get("axis", 0)
    size = x.shape[axis % x.rank]
    if told is None and operand is not None:
        raise Refused("how long its parts are is known only when the network runs")
    if told is not None and operand is not None and operand.type.rank > 0:
        return slicing.Split(site.op, axis, told, **site.slotted(drop=(1,)))
    keep = bool(site.attributes.get("keepdims", 1)) if told is None else True
    step = 1 if told is None else sizes.number(told[0])
    if not isinstance(size, int):
        raise Refused(f"into how many parts it divides the open size {size} is known only when the network runs")
    if step < 1 or size > 1024 * step:
        raise Refused(f"it divides {size} into parts of {step}; at most 1,024 are followed")
    lengths = tuple(min(step, size - start) for start in range(0, size, step))
    return slicing.Split(site.op, axis, lengths, None, keep, **site.slotted(drop=(1,)))


def _slice(site: Site) -> Layer:
    starts, ends = site.integers(1, "starts"), site.integers(2, "ends")
    x, count = data(site), length(site.operand(1))
    try:
        axes = numbers(site, 3, "axes")
    except Refused:
        return selected(site, tuple(site.fresh("slice") for _ in x.shape))
    steps = site.integers(4)
    stepped = steps is None and site.operand(4) is not None
    if starts is None or ends is None or stepped or not all(isinstance(n, int) for n in steps or ()):
        cut = {axis % x.rank for axis in (range(count or x.rank) if axes is None else axes)}
        shape = tuple(site.fresh("slice") if axis in cut else size for axis, size in enumerate(x.shape))
        return selected(site, shape, tuple(axis for axis in range(x.rank) if axis not in cut))
    made = site.slotted(drop=(1, 2, 3, 4))
    return slicing.Slice(site.op, starts, ends, axes, None if steps is None else sizes.numbers(steps), **made)


def _pad(site: Site) -> Layer:
    x = data(site)
    told = site.integers(1, "pads" if site.version >= 2 else "paddings")
    mode = site.attributes.get("mode", "constant")
    if site.operand(3) is not None and site.integers(3) is None:
        return selected(site, tuple(site.fresh("pad") for _ in x.shape))
    axes = numbers(site, 3)
    if told is None:
        padded = range(x.rank) if axes is None else {axis % x.rank for axis in axes}
        shape = tuple(site.fresh("pad") if axis in padded else size for axis, size in enumerate(x.shape))
        return selected(site, shape, tuple(axis for axis in range(x.rank) if axis not in padded))
    half = len(told) // 2
    if len(told) % 2:
        raise Refused(f"it has {len(told)} pads, which are no pairs")
    drop = [1, 3] + ([2] if (fill := site.operand(2)) is not None and fill.tensor is None else [])
    return slicing.Pad(site.op, told[:half], told[half:], axes, mode, **site.slotted(drop=drop))


def _crop(site: Site) -> Layer:
    told, x = site.integers(1), data(site)
    axes = site.attributes.get("axes")
    if told is None:
        changed = range(x.rank) if axes is None else {axis % x.rank for axis in axes}
        shape = tuple(site.fresh("crop") if axis in changed else size for axis, size in enumerate(x.shape))
        return selected(site, shape, tuple(axis for axis in range(x.rank) if axis not in changed))
    return slicing.CenterCropPad(site.op, told, axes, **site.slotted(drop=(1,)))


def _gather(site: Site) -> Layer:
    told, operand = site.integers(1), site.operand(1)
    axis, index, indices = site.attributes.get("axis", 0), None, None
    if operand is not None and told and all(isinstance(one, int) for one in told):
        if operand.type.rank == 0:
            index = sizes.number(told[0])
        elif operand.type.rank == 1 and site.operands[0] is not None and site.operands[0].tensor is not None:
            indices = sizes.numbers(told)
    return gathering.Gather(site.op, axis, index, indices, **site.slotted())


def _gather_elements(site: Site) -> Layer:
    return gathering.GatherElements(site.op, site.attributes.get("axis", 0), **site.slotted())


def _gather_nd(site: Site) -> Layer:
    return gathering.GatherND(site.op, site.attributes.get("batch_dims", 0), **site.slotted())


def _scatter(site: Site) -> Layer:
    return gathering.Scatter(site.op, site.attributes.get("reduction", "none"), **site.slotted())


def _tensor_scatter(site: Site) -> Layer:
    return gathering.Scatter(site.op, "none", 1, **site.slotted())


def _one_hot(site: Site) -> Layer:
    depth = site.operand(1)
    value = None if depth is None else depth.value
    size: Size | None = value.items[0] if value is not None and len(value.items) == 1 else None
    if size is None and depth is not None and depth.scalar is not None:
        size = int(depth.scalar)
    known = site.fresh("depth") if size is None else size
    site = constants(site, 2)
    return gathering.OneHot(
        site.op, known, site.attributes.get("axis", -1), **site.slotted(drop=() if size is None else (1,))
    )


def _top_k(site: Site) -> Layer:
    told: tuple[Size, ...] | None = (site.attributes["k"],) if "k" in site.attributes else site.integers(1)
    axis = site.attributes.get("axis", -1)
    if told is None:
        return gathering.TopK(site.op, site.fresh("k"), axis, results=len(site.outputs), **site.slotted())
    return gathering.TopK(site.op, told[0], axis, results=len(site.outputs), **site.slotted(drop=(1,)))


def _nonzero(site: Site) -> Layer:
    shape = (data(site).rank, site.fresh("nonzero"))
    return Selection(site.op, (shape,), ("int64",), **site.slotted())


def _compress(site: Site) -> Layer:
    x, axis = data(site), site.attributes.get("axis")
    count = _chosen(site)
    if axis is None:
        return selected(site, (count,))
    if isinstance(count, int) and (picked := site.integers(1)) is not None:
        told = site.slotted()
        told["slots"] = (told["slots"][0], TensorType((count,), "int64"))
        indices = tuple(n for n, one in enumerate(picked) if one)
        return gathering.Gather(site.op, axis, None, indices, **told)
    shape = (*x.shape[: axis % x.rank], count, *x.shape[axis % x.rank + 1 :])
    return selected(site, shape, tuple(n for n in range(x.rank) if n != axis % x.rank))


def _chosen(site: Site) -> Size:
    """How many elements a known condition chooses; else a new size."""
    operand = site.operand(1)
    value = None if operand is None else operand.value
    if value is not None and all(isinstance(n, int) for n in value.items):
        return sum(bool(n) for n in value.items)
    return site.fresh("compress")


def _unique(site: Site) -> Layer:
    x, axis = data(site), site.attributes.get("axis")
    count = site.fresh("unique")
    shape: tuple[Size, ...] = (count,)
    length: Size = x.elements
    if axis is not None:
        shape = (*x.shape[: axis % x.rank], count, *x.shape[axis % x.rank + 1 :])
        length = x.shape[axis % x.rank]
    shapes = (shape, (count,), (length,), (count,))[: len(site.outputs)]
    return Selection(site.op, shapes, (x.dtype, "int64", "int64", "int64")[: len(shapes)], **site.slotted())


def _suppression(site: Site) -> Layer:
    site = constants(site, 2, 3, 4)
    return Selection(site.op, ((site.fresh("boxes"), 3),), ("int64",), described=False, **site.slotted())


RULES: dict[str, Rule] = {
    "Concat": _concat,
    "ConcatFromSequence": _concat,
    "Split": _split,
    "SplitToSequence": _split_to_sequence,
    "Slice": _slice,
    "Pad": _pad,
    "CenterCropPad": _crop,
    "Gather": _gather,
    "GatherElements": _gather_elements,
    "GatherND": _gather_nd,
    "Scatter": _scatter,
    "ScatterElements": _scatter,
    "ScatterND": _scatter,
    "TensorScatter": _tensor_scatter,
    "OneHot": _one_hot,
    "TopK": _top_k,
    "NonZero": _nonzero,
    "Compress": _compress,
    "Unique": _unique,
    "NonMaxSuppression": _suppression,
}
