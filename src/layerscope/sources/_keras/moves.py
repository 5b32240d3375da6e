"""Functions of keras.ops that move numbers, where it can be said which number goes where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from layerscope.core import sizes
from layerscope.core.contract import Layer
from layerscope.core.errors import LayerscopeError
from layerscope.core.types import TensorType
from layerscope.operators.arrange import Transpose
from layerscope.operators.gathering import Gather
from layerscope.operators.reshape import Reshape, Squeeze, Unsqueeze
from layerscope.operators.slicing import Concat, Indexed, Slice, Split
from layerscope.sources._keras.plan import Use

END = 2**31 - 1
"""Behind the last index of every axis."""


def exact(kind: str, name: str, use: Use, told: Mapping[str, Any], given: Sequence[TensorType]) -> Layer | None:
    """The operator for a function with these settings; None where none fits, or it cannot be said."""
    try:
        return _made(kind, name, use, told, given)
    except (LayerscopeError, TypeError, ValueError, KeyError, IndexError):
        return None


def _made(kind: str, name: str, use: Use, told: Mapping[str, Any], given: Sequence[TensorType]) -> Layer | None:
    rank = given[0].rank
    if kind == "Reshape":
        shape = told["newshape"]
        shape = (shape,) if isinstance(shape, int) else shape
        return Reshape(kind, tuple(-1 if size is None else size for size in shape), name=name)
    if kind in ("Transpose", "Swapaxes", "Moveaxis"):
        return Transpose(kind, _order(kind, told, rank), name=name)
    if kind == "ExpandDims":
        return Unsqueeze(kind, _axes(told["axis"]), name=name)
    if kind == "Squeeze":
        axis = told.get("axis")
        return Squeeze(kind, None if axis is None else _axes(axis), name=name)
    if kind in ("Concatenate", "Stack"):
        return Concat(kind, int(told["axis"]), kind == "Stack", slots=(None,) * len(given), name=name)
    if kind == "Split":
        axis, cuts = int(told.get("axis", 0)), told["indices_or_sections"]
        if isinstance(cuts, int):
            return Split(kind, axis, None, cuts, name=name)
        ends = (0, *cuts, sizes.number(given[0].shape[axis]))
        return Split(kind, axis, tuple(b - a for a, b in pairwise(ends)), name=name)
    if kind == "GetItem" and len(given) == 1:
        key = use.args[1] if len(use.args) > 1 else use.kwargs["key"]
        return _sliced(kind, name, key, rank) or _indexed(kind, name, key, given[0])
    if kind == "Take" and len(given) == 1 and isinstance(told.get("axis"), int):
        return _taken(kind, name, told["axis"], use.args[1] if len(use.args) > 1 else use.kwargs["indices"], given[0])
    return None


def _taken(kind: str, name: str, axis: int, value: Any, given: TensorType) -> Layer | None:
    """Slices by one index or an array of them; of a list those that leave the axis are nobody's."""
    shape, indices = _whole(value)
    size = given.shape[axis]
    inside = bool(indices) and isinstance(size, int) and all(-size <= i < size for i in indices)
    index = indices[0] if inside and not shape else None
    told = indices if inside and len(shape) == 1 else None
    return Gather(kind, axis % given.rank, index, told, slots=(None, TensorType(shape, "int32")), name=name)


def _whole(value: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Sizes and whole numbers of an array, a list, or one number; in memory or from a file. TypeError for another."""
    if isinstance(value, Mapping) and value.get("class_name") in ("__numpy__", "__tensor__"):
        value = value["config"]["value"]
    value = getattr(value, "tolist", lambda: value)()
    if isinstance(value, list | tuple) and value:
        shapes, rows = zip(*map(_whole, value), strict=True)
        if len(set(shapes)) == 1:
            return (len(value), *shapes[0]), tuple(i for row in rows for i in row)
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{value!r} is no whole number")
    return (), (value,)


def _indexed(kind: str, name: str, key: Any, given: TensorType) -> Layer | None:
    """Ranges, single indices and new axes of size 1."""
    told = list(key) if isinstance(key, list | tuple) else [key]
    parts = [part if part is None or type(part) is int else _range(part) for part in told]
    if any(part is None and one is not None for part, one in zip(parts, told, strict=True)):
        return None
    if Ellipsis in parts:
        place = parts.index(Ellipsis)
        rest = given.rank - sum(part is not None for part in parts) + 1
        parts[place : place + 1] = [(None, None, None)] * rest
    parts += [(None, None, None)] * (given.rank - sum(part is not None for part in parts))
    picks: list[Any] = []
    taken: list[tuple[int, int]] = []
    axis = 0
    for part in parts:
        size = given.shape[axis] if axis < given.rank else 1
        if part is None:
            picks.append(None)
            continue
        if part == (None, None, None):
            picks.append((axis, 0, None, 1))
        elif not isinstance(size, int):
            return None
        elif isinstance(part, tuple):
            start, stop, step = slice(*part).indices(size)
            picks.append((axis, start, max(-((start - stop) // step), 0), step))
        else:
            taken.append((axis, part + size if part < 0 else part))
        axis += 1
    return Indexed(kind, tuple(picks), tuple(taken), name=name)


def _axes(axis: Any) -> tuple[int, ...]:
    return (axis,) if isinstance(axis, int) else tuple(axis)


def _order(kind: str, told: Mapping[str, Any], rank: int) -> tuple[int, ...]:
    """Where each axis of the output comes from."""
    if kind == "Transpose":
        axes = told.get("axes")
        return tuple(reversed(range(rank))) if axes is None else tuple(axis % rank for axis in axes)
    if kind == "Swapaxes":
        order, one, two = list(range(rank)), told["axis1"], told["axis2"]
        order[one], order[two] = order[two], order[one]
        return tuple(order)
    sources = [axis % rank for axis in _axes(told["source"])]
    places = [axis % rank for axis in _axes(told["destination"])]
    order = [axis for axis in range(rank) if axis not in sources]
    for place, source in sorted(zip(places, sources, strict=True)):
        order.insert(place, source)
    return tuple(order)


def _sliced(kind: str, name: str, key: Any, rank: int) -> Layer | None:
    """A slice by nothing but ranges; a single index takes its axis away, which is no slice."""
    parts = [_range(part) for part in (key if isinstance(key, tuple) else (key,))]
    if Ellipsis in parts:
        place = parts.index(Ellipsis)
        parts[place : place + 1] = [(None, None, None)] * (rank - len(parts) + 1)
    if not all(isinstance(part, tuple) for part in parts):
        return None
    steps = [1 if step is None else step for _, _, step in parts]
    starts = [
        (0 if step > 0 else END) if start is None else start for (start, _, _), step in zip(parts, steps, strict=True)
    ]
    ends = [
        (END if step > 0 else -END) if end is None else end for (_, end, _), step in zip(parts, steps, strict=True)
    ]
    return Slice(kind, tuple(starts), tuple(ends), tuple(range(len(parts))), tuple(steps), name=name)


def _range(part: Any) -> Any:
    """(start, stop, step), Ellipsis, or None for anything else; in memory or from a file."""
    if isinstance(part, slice):
        return (part.start, part.stop, part.step)
    if part is Ellipsis:
        return part
    if isinstance(part, Mapping) and part.get("class_name") == "__slice__":
        config = part["config"]
        return (config["start"], config["stop"], config["step"])
    return Ellipsis if isinstance(part, Mapping) and part.get("class_name") == "__ellipsis__" else None
