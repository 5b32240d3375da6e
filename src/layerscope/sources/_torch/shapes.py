"""What functions of torch that move, join and reshape tensors are as layers; see `_torch_functions`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

from layerscope.core.dataclasses import replace
from layerscope.sources._torch.reader import (
    FIRST,
    Reader,
    Unsupported,
    Value,
    channels_first,
    image_order,
    order_of,
    registry,
    straight,
)

FUNCTIONS: dict[str, Callable[..., Any]] = {}


form = registry(FUNCTIONS)


@form("contiguous", "clone", "alias")
def identity(reader: Reader, input: Any, *_: Any, **__: Any) -> Value:
    """Nothing."""
    return input


# --- joined ---


@form("cat", "concat", "concatenate")
def cat(reader: Reader, tensors: Sequence[Any], dim: int = 0) -> Value:
    """A Concatenate."""
    if not all(isinstance(value, Value) for value in tensors):
        raise Unsupported("it joins a parameter; Concatenate here joins tensors that depend on the input")
    first = tensors[0]
    values = [reader.arranged(v, first.axes) if v.axes != first.axes else v for v in tensors]
    axis = first.axes[dim]
    if axis == 0:
        raise Unsupported("it joins examples, along the batch")
    if len(values) == 1:
        return first
    order = None
    if any(value.order is not None for value in values):
        joined: list[int] = []
        for value in values:
            start, count = len(joined), value.ours[0]
            joined += [start + n for n in (value.order or range(count))]
        order = tuple(joined)
    (made,) = reader.add("Concatenate", {"axis": axis}, *values)
    return replace(first, tensor=made, order=order, positive=all(value.positive for value in values))


# --- turned and reshaped ---


@form("permute")
def permute(reader: Reader, input: Any, *dims: Any, **told: Any) -> Value:
    """Nothing here: the axes only lie otherwise."""
    listed = told.get("dims", dims)
    order = listed[0] if len(listed) == 1 and isinstance(listed[0], tuple | list) else listed
    chosen = [d % input.rank for d in order]
    if chosen[0] != 0:
        raise Unsupported("it moves the batch")
    return replace(input, axes=tuple(input.axes[d] for d in chosen))


@form("transpose", "swapaxes")
def transpose(reader: Reader, input: Any, dim0: int, dim1: int) -> Value:
    """Nothing here: two axes only lie otherwise."""
    first, second = dim0 % input.rank, dim1 % input.rank
    swapped = {first: second, second: first}
    return permute(reader, input, *(swapped.get(d, d) for d in range(input.rank)))


@form("movedim", "moveaxis")
def movedim(reader: Reader, input: Any, source: Any, destination: Any) -> Value:
    """Nothing here: some axes only lie elsewhere."""
    pairs = zip(*(v if isinstance(v, tuple | list) else (v,) for v in (source, destination)), strict=True)
    held = {there % input.rank: here % input.rank for here, there in pairs}
    rest = iter(axis for axis in range(input.rank) if axis not in held.values())
    return permute(reader, input, *(held[axis] if axis in held else next(rest) for axis in range(input.rank)))


@form("expand")
def expand(reader: Reader, input: Any, *sizes: Any, **_: Any) -> Value:
    """A RepeatVector, where one axis of one cell behind the batch is repeated."""
    wanted = reader.step.outputs[0].shape[1:]
    if input.rank != 3 or input.shape[0] != 1 or wanted[1:] != input.shape[1:]:
        raise Unsupported("it repeats numbers; layers here repeat a whole row of them, (batch, 1, n)")
    plain = reader.arranged(input, straight(3))
    (row,) = reader.add("Reshape", {"target_shape": plain.ours[1:]}, plain)
    return Value(reader.add("RepeatVector", {"n": wanted[0]}, row)[0], straight(3), None, input.positive)


@form("flatten")
def flatten(reader: Reader, input: Any, start_dim: int = 0, end_dim: int = -1) -> Value:
    """A Flatten; or axes merged."""
    if start_dim % input.rank == 0:
        raise Unsupported("it takes the batch along; flatten from axis 1")
    return reshaped(reader, input, reader.step.outputs[0].shape[1:])


@form("view", "reshape", "unflatten", "_unsafe_view")
def reshape(reader: Reader, input: Any, *_: Any, **__: Any) -> Value:
    """A Flatten or a Reshape. PyTorch says which sizes come out."""
    return reshaped(reader, input, reader.step.outputs[0].shape[1:])


def reshaped(reader: Reader, x: Value, wanted: tuple[int, ...]) -> Value:
    """The value with other sizes, given as PyTorch's without the batch."""
    if wanted == x.shape:
        return x
    if [n for n in wanted if n > 1] == [n for n in x.shape if n > 1] and x.order is None and len(wanted) > 1:
        return _single(reader, x, wanted)
    if len(wanted) == 1:
        (row,) = reader.add("Flatten", {}, x)
        return Value(row, (0, 1), order_of(x.ours, [axis - 1 for axis in x.axes[1:]]), x.positive)
    if x.rank == 2:
        return _unflattened(reader, x, wanted)
    if x.rank == 4 and x.axes == FIRST and wanted == (x.shape[0], prod(x.shape[1:])):
        (made,) = reader.add("Reshape", {"target_shape": wanted[::-1]}, x)
        return Value(made, (0, 2, 1), None, x.positive)
    if x.rank == 3 and x.axes == (0, 2, 1) and len(wanted) == 3 and wanted[0] == x.shape[0]:
        (made,) = reader.add("Reshape", {"target_shape": (*wanted[1:], wanted[0])}, x)
        return Value(made, FIRST, None, x.positive)
    plain = reader.arranged(x, straight(x.rank))
    (made,) = reader.add("Reshape", {"target_shape": wanted}, plain)
    return Value(made, straight(len(wanted) + 1), None, x.positive)


def _unflattened(reader: Reader, x: Value, wanted: tuple[int, ...]) -> Value:
    """A row of numbers with more axes: an image, where they stand in an image's order."""
    if len(wanted) in (2, 3, 4) and (x.order is not None or (len(wanted) > 2 and wanted[0] == 1)):
        channels, *middle = wanted
        if x.order == image_order(wanted):
            (made,) = reader.add("Reshape", {"target_shape": (*middle, channels)}, x)
            return Value(made, channels_first(len(middle)), None, x.positive)
    if x.order is not None:
        raise Unsupported(
            f"it makes {wanted} of the numbers of an image that stand in PyTorch's order, which is not the order here"
        )
    (made,) = reader.add("Reshape", {"target_shape": wanted}, x)
    return Value(made, straight(len(wanted) + 1), None, x.positive)


def _single(reader: Reader, x: Value, wanted: tuple[int, ...]) -> Value:
    """Axes of one cell come or go; all others keep their places. An image stays channels last."""
    if len(wanted) == 3:
        axes = FIRST
    else:
        axes = straight(len(wanted) + 1)
    kept = [x.axes[1:][place] for place, n in enumerate(x.shape) if n > 1]
    real = [axes[1:][place] for place, n in enumerate(wanted) if n > 1]
    if sorted(range(len(kept)), key=kept.__getitem__) != sorted(range(len(real)), key=real.__getitem__):
        if len(wanted) == 3 and kept == sorted(kept):
            axes = straight(4)
        elif len(wanted) == 2:
            axes = (0, 2, 1)  # a sequence whose channels are first there
        else:
            raise Unsupported(f"it makes {wanted} of {x.shape}, whose axes lie otherwise here")
    place = sorted(range(1, len(axes)), key=lambda a: axes[a])
    (made,) = reader.add("Reshape", {"target_shape": tuple(wanted[a - 1] for a in place)}, x)
    return Value(made, axes, None, x.positive)


@form("squeeze", "unsqueeze")
def single(reader: Reader, input: Any, *_: Any, **__: Any) -> Value:
    """A Reshape: an axis of one cell comes or goes."""
    return reshaped(reader, input, reader.step.outputs[0].shape[1:])


@form("pixel_shuffle")
def pixel_shuffle(reader: Reader, input: Any, upscale_factor: int) -> Value:
    """A PixelShuffle2D, whose channels have PyTorch's order."""
    x = reader.image(input)
    return replace(x, tensor=reader.add("PixelShuffle2D", {"size": upscale_factor}, x)[0])
