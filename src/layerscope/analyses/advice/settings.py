"""Which other values of a layer's settings are worth a try."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import permutations
from typing import Any, TypeGuard, cast

from layerscope.analyses.advice.drafts import Draft, Misfit
from layerscope.core import sizes
from layerscope.core.contract import Layer
from layerscope.core.dataclasses import dataclass
from layerscope.core.types import TensorType

Variant = tuple[str, Any, float]
"""A setting, a value for it, and how large a change that is."""
COUNTS = ("filters", "units")
MOST_SHAPES = 3


@dataclass(frozen=True)
class Wishes:
    """What the misfit asks for: numbers of channels that would fit, and by how much too few or too many there are."""

    channels: tuple[int, ...]
    ratio: Fraction | None


def product(numbers: Sequence[int]) -> int:
    """The product; 1 for none."""
    return math.prod(numbers)


def wishes(draft: Draft, misfit: Misfit) -> Wishes:
    """Numbers that stand in the misfit."""
    found: dict[int, None] = {}
    ratio = None
    for type in misfit.fed:
        found |= {size: None for size in type.shape[1:] if isinstance(size, int)}
    if misfit.at_target:
        goal = draft.target or ()
        found = {size: None for size in reversed(goal) if isinstance(size, int)} | found
        ratio = _ratio(sizes.product(goal), misfit.fed[0])
    else:
        layer: Any = draft.graph.nodes[misfit.node].layer
        shape = getattr(layer, "target_shape", None)
        if _numbers(shape) and misfit.fed and -1 not in shape:
            ratio = _ratio(sizes.product(shape), misfit.fed[0])
        for count in (getattr(layer, "groups", 1), getattr(layer, "block", 1)):
            last = misfit.fed[0].shape[-1] if misfit.fed and misfit.fed[0].rank else None
            if isinstance(last, int) and isinstance(count, int) and count > 1:
                found |= dict.fromkeys(((last // count + 1) * count, last // count * count))
    return Wishes(tuple(size for size in found if size > 0)[:12], ratio)


def _ratio(wanted: object, type: TensorType) -> Fraction | None:
    given = sizes.product(type.shape[1:])
    return Fraction(wanted, given) if isinstance(wanted, int) and isinstance(given, int) and given else None


def variants(layer: Layer, fed: Sequence[TensorType], asked: Wishes, at_misfit: bool) -> Iterator[Variant]:
    """Other values of each of a layer's settings."""
    yield from _switches(layer)
    yield from _counts(layer, asked)
    yield from _windows(layer, fed)
    yield from _frames(layer)
    if at_misfit and fed:
        yield from _shapes(layer, fed[0])
        yield from _axes(layer, fed)


def _switches(layer: Any) -> Iterator[Variant]:
    """Settings of two values."""
    padding = getattr(layer, "padding", None)
    if padding in ("valid", "same"):
        yield "padding", "same" if padding == "valid" else "valid", 1.0
    elif padding == "causal":
        yield "padding", "valid", 1.0
    for name, cost in (("return_sequences", 1.0), ("keepdims", 1.2)):
        value = getattr(layer, name, None)
        if isinstance(value, bool):
            yield name, not value, cost


def _counts(layer: Any, asked: Wishes) -> Iterator[Variant]:
    """Filters and units."""
    for name in COUNTS:
        value = getattr(layer, name, None)
        if not isinstance(value, int):
            continue
        wanted = list(asked.channels)
        if asked.ratio is not None and (value * asked.ratio).denominator == 1:
            wanted.insert(0, int(value * asked.ratio))
        for place, number in enumerate(dict.fromkeys(wanted)):
            if 0 < number != value:
                yield name, number, 1.4 + 0.01 * place
    groups = getattr(layer, "groups", 1)
    if isinstance(groups, int) and groups > 1:
        yield "groups", 1, 2.0


def _windows(layer: Any, fed: Sequence[TensorType]) -> Iterator[Variant]:
    """Kernels, strides, pools, factors, dilation, output padding: one more or less, along all axes or along one."""
    for name, steps, cost in (
        ("kernel_size", (-1, 1, -2, 2), 1.9),
        ("pool_size", (-1, 1, -2, 2), 1.8),
        ("strides", (-1, 1, -2, 2), 2.0),
        ("size", (-1, 1, -2, 2), 1.9),
    ):
        value = getattr(layer, name, None)
        if not _numbers(value):
            continue
        for step in steps:
            for changed, more in _stepped(value, step):
                if name in ("kernel_size", "strides") or max(changed) > 1:  # else it does nothing: it is taken out
                    alone = 0.6 if name == "kernel_size" and max(changed) == 1 else 0.0
                    yield name, changed, cost + more + alone + 0.1 * (abs(step) - 1)
        if name in ("kernel_size", "pool_size") and (least := _clamped(value, fed)) is not None:
            yield name, least, cost + 0.2
    dilation = getattr(layer, "dilation_rate", None)
    if _numbers(dilation) and max(dilation) > 1:
        yield "dilation_rate", (1,) * len(dilation), 1.9
    if hasattr(layer, "output_padding"):
        for number in range(max(layer.strides)):
            yield "output_padding", (number,) * len(layer.strides), 1.7
        if layer.output_padding is not None:
            yield "output_padding", None, 1.7


def _stepped(value: tuple[int, ...], step: int) -> Iterator[tuple[tuple[int, ...], float]]:
    """With so much more along all axes, and along each by itself."""
    if min(value) + step >= 1:
        yield tuple(n + step for n in value), 0.0
    for axis in range(len(value) if len(value) > 1 else 0):
        if value[axis] + step >= 1:
            yield (*value[:axis], value[axis] + step, *value[axis + 1 :]), 0.8 if len(set(value)) == 1 else 0.3


def _clamped(value: tuple[int, ...], fed: Sequence[TensorType]) -> tuple[int, ...] | None:
    """A window that is no larger than what it lies on."""
    if not fed or fed[0].rank != len(value) + 2:
        return None
    room = fed[0].shape[1:-1]
    least = tuple(min(n, size) if isinstance(size, int) else n for n, size in zip(value, room, strict=True))
    return None if least == value else least


def _frames(layer: Any) -> Iterator[Variant]:
    """Cells that are added or cut off at each end: one more or less on both, or at one end of all axes."""
    for name in ("padding", "cropping"):
        found = getattr(layer, name, None)
        if not isinstance(found, tuple) or not all(isinstance(part, tuple) for part in cast(tuple[Any, ...], found)):
            continue
        value = cast(tuple[tuple[int, int], ...], found)
        for begin, end in ((0, -1), (0, 1), (-1, 0), (1, 0), (-1, -1), (1, 1)):
            changed = tuple((a + begin, b + end) for a, b in value)
            if all(min(part) >= 0 for part in changed):
                yield name, changed[0] if len(changed) == 1 else changed, 1.8 + 0.1 * (begin != 0)


def _shapes(layer: Any, type: TensorType) -> Iterator[Variant]:
    """Shapes that a Reshape could have instead; orders of axes."""
    target = getattr(layer, "target_shape", None)
    count = sizes.product(type.shape[1:])
    if _numbers(target) and isinstance(count, int):
        for shape in _reshaped(target, count):
            yield "target_shape", shape, 1.5
    order = getattr(layer, "dims", None)
    if _numbers(order) and type.rank <= 5:
        for dims in permutations(range(1, type.rank)):
            yield "dims", dims, 1.8


def _reshaped(target: tuple[int, ...], count: int) -> Iterator[tuple[int, ...]]:
    """The target with one size put right (the last first), then with equal sizes before its last one."""
    for axis in range(len(target) - 1, -1, -1):
        rest = math.prod(size for place, size in enumerate(target) if place != axis and size != -1)
        if -1 not in target[:axis] + target[axis + 1 :] and count % rest == 0:
            yield (*target[:axis], count // rest, *target[axis + 1 :])
    axes = len(target) - 1
    if axes in (2, 3):
        for side, channels in squares(count, axes)[:MOST_SHAPES]:
            yield (*(side,) * axes, channels)


def _axes(layer: Any, fed: Sequence[TensorType]) -> Iterator[Variant]:
    """Along which axis tensors are put side by side."""
    axis = getattr(layer, "axis", None)
    if isinstance(axis, int) and len(fed) > 1:
        for other in range(1, fed[0].rank):
            yield "axis", other, 2.0


def entries(shape: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], float]]:
    """Other shapes of an input: with a channel axis, and with spatial sizes that are multiples of 2, 4, 8, ..."""
    yield (*shape, 1), 3.0
    if not _numbers(shape) or len(shape) < 2:
        return
    seen: set[tuple[int, ...]] = {shape}
    for power in (2, 4, 8, 16, 32):
        for up in (True, False):
            sizes = tuple((n + power - 1) // power * power if up else n // power * power for n in shape[:-1])
            changed = (*sizes, shape[-1])
            if changed not in seen and min(sizes) > 0:
                seen.add(changed)
                yield changed, 3.4 + 0.02 * power


def squares(count: int, axes: int = 2) -> list[tuple[int, int]]:
    """(side, channels) with side^axes · channels = count and a side above 1, the fewest channels first."""
    found = [
        (side, count // side**axes) for side in range(2, int(count ** (1 / axes)) + 2) if count % side**axes == 0
    ]
    return found[::-1]


def spatial_shapes(given: Sequence[int], rank: int) -> Iterator[tuple[int, ...]]:
    """Shapes of the same numbers with `rank` spatial axes and channels."""
    if len(given) == rank:
        yield (*given, 1)
    elif len(given) == 1 and rank == 1:
        yield (given[0], 1)
    elif len(given) == 1:
        for side, channels in squares(given[0], rank)[:MOST_SHAPES]:
            yield (*(side,) * rank, channels)
    elif len(given) > rank + 1 and given[-1] == 1:
        yield tuple(given[:-1])


def _numbers(value: object) -> TypeGuard[tuple[int, ...]]:
    parts = cast(tuple[Any, ...], value) if isinstance(value, tuple) else ()
    return bool(parts) and all(type(part) is int for part in parts)
