"""Arrays that people hand to fit, evaluate and predict: brought into order, or refused with advice.

A source (`models.streams`) goes the same way as an array; what is asked of its numbers is asked when they are read.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from layerscope.core import sizes
from layerscope.core.errors import DataError, ShapeError
from layerscope.core.graph import Graph
from layerscope.core.types import TensorType, show
from layerscope.layers.input_layer import InputLayer
from layerscope.losses import Loss, fits, mismatch
from layerscope.models.streams import Checked, Source

if TYPE_CHECKING:
    from layerscope.models.objectives import Objectives

Array = NDArray[Any]
ROWS = 4096
"""Examples looked at together when all numbers are checked."""


def listed(data: Any, names: Sequence[str], what: str) -> list[Any]:
    """One array for each name, from an array, a list of arrays, or a dictionary by name.

    For a single name a list of one array is that array; nested lists of numbers are themselves the array.
    """
    if isinstance(data, Mapping):
        missing = [name for name in names if name not in data]
        if missing:
            raise DataError(f"{what}: nothing is given for {', '.join(missing)}; given are {', '.join(data)}")
        return [data[name] for name in names]
    if len(names) == 1 and not (isinstance(data, list | tuple) and len(data) == 1 and _is_array(data[0])):
        return [data]
    if isinstance(data, list | tuple) and len(data) == len(names):
        return list(data)
    given = f"{len(data)} were" if isinstance(data, list | tuple) else "one was"
    needed = "one array is" if len(names) == 1 else f"{len(names)} arrays are"
    raise DataError(f"{what}: {needed} needed ({', '.join(names)}), but {given} given")


def _is_array(value: Any) -> bool:
    return isinstance(value, Source) or (not isinstance(value, list | tuple) and np.ndim(value) > 0)


def numbers(value: Any, what: str) -> Array:
    """An array (or source) of numbers with a batch axis; DataError otherwise."""
    try:
        array: Any = value if isinstance(value, Source) else np.asarray(value)
    except ValueError as error:
        raise DataError(f"{what}: not an array of numbers: {error}") from None
    if array.dtype.kind not in "fiub":
        raise DataError(f"{what} must hold numbers, but is an array of {array.dtype}")
    if not array.shape or not len(array):
        raise DataError(f"{what} holds no examples: its shape is {show(array.shape)}")
    return array


def finite(array: Any, what: str) -> Any:
    """The array; DataError naming the first example with a NaN or infinity. A source is looked at as it is read."""
    if array.dtype.kind == "f":
        if isinstance(array, Source):
            return Checked(array, lambda part, rows: _finite(part, what, rows))
        _finite(array, what)
    return array


def _finite(array: Array, what: str, numbered: Array | None = None) -> None:
    for start in range(0, len(array), ROWS):
        rows = array[start : start + ROWS]
        if rows.flags.c_contiguous and np.isfinite(np.vdot(rows, rows)):
            continue  # a finite sum of squares has finite parts, and takes half the time
        good = np.isfinite(rows)
        if not good.all():
            bad = ~good.reshape(len(good), -1).all(axis=1)
            first = start + int(bad.argmax())
            kind = "NaN" if np.isnan(array[first]).any() else "infinity"
            first = first if numbered is None else int(numbered[first])
            raise DataError(
                f"{what} contains {kind}: first in example {first}. Remove such examples, or replace the "
                f"values (numpy.nan_to_num), before training."
            )


def inputs(data: Any, graph: Graph, types: Sequence[TensorType], what: str = "x") -> list[Array]:
    """The arrays (or sources) for the graph's inputs, each with fitting sizes."""
    names = [graph.nodes[number].label for number in graph.inputs]
    arrays: list[Array] = []
    for number, name, value, type in zip(graph.inputs, names, listed(data, names, what), types, strict=True):
        array = numbers(value, what)
        title = what if len(names) == 1 else f"{what}[{name!r}]"
        if not _same(array.shape[1:], type.shape[1:]):
            raise ShapeError(
                f"{title} has the shape {show(array.shape[1:])} per example, but the model's input {name} is "
                f"{show(type.shape[1:])}.{_advice(array.shape, type)}"
            )
        arrays.append(_typed(array, (number, 0) in graph.switches))
    if len({len(array) for array in arrays}) > 1:
        raise DataError(f"{what}: the inputs have different numbers of examples: {[len(a) for a in arrays]}")
    return arrays


def some(array: Any) -> Array:
    """The first examples of an array or source."""
    return array.array(0, 1024) if isinstance(array, Source) else array[:1024]


def _typed(array: Any, switches: bool) -> Any:
    """Only switches may be int32, which engines keep; all else they turn into their floating type."""
    if isinstance(array, Source):
        if switches or array.dtype == np.int32:
            raise DataError("sources give no int32, which switches are; give those as an array")
        return array
    if switches:
        return array.astype(np.int32, copy=False)
    return array.astype(np.int64) if array.dtype == np.int32 else array


def specific(graph: Graph, arrays: Sequence[Array]) -> Graph:
    """The graph with the sizes that its inputs leave open as these arrays have them: pads depend on them.

    The batch is open in it, whatever batch size the inputs name.
    """
    nodes = list(graph.nodes)
    for number, array in zip(graph.inputs, arrays, strict=True):
        layer = nodes[number].layer
        if isinstance(layer, InputLayer) and (layer.shape != array.shape[1:] or layer.batch_size is not None):
            layer = replace(layer, shape=array.shape[1:], batch_size=None)
            nodes[number] = replace(nodes[number], layer=layer)
    same = all(a is b for a, b in zip(nodes, graph.nodes, strict=True))
    return graph if same else replace(graph, nodes=tuple(nodes))


def _same(have: Sequence[int], want: Sequence[object]) -> bool:
    return len(have) == len(want) and all(not isinstance(w, int) or h == w for h, w in zip(have, want, strict=True))


def _advice(shape: Sequence[int], type: TensorType) -> str:
    want = type.shape[1:]
    if len(shape) == len(want) + 1 > 2 and not _same(shape[1:], want) and _same((*shape[2:], shape[1]), want):
        order = (0, *range(2, len(shape)), 1)
        return f" Its channels stand first, as in PyTorch: numpy.transpose(x, {order}) puts them last."
    if _same((*shape[1:], 1), want):
        return " Add the channel axis: x[..., None]."
    if _same(shape, want):
        return " It looks like one example without a batch; use x[None]."
    have = math.prod(shape[1:])
    if all(isinstance(w, int) for w in want) and have == sizes.product(want):
        return f" The numbers are as many: x.reshape(-1, {', '.join(map(str, want))}) fits."
    return ""


def targets(
    data: Any, graph: Graph, objectives: Objectives, outputs: Sequence[TensorType], what: str = "y"
) -> list[Array]:
    """The arrays for outputs that have a loss or a metric, shaped as these want them, finite, within their domain."""
    kept = [n for n in range(len(outputs)) if objectives.of(n) is not None]
    names = [objectives.names[n] for n in kept]
    if isinstance(data, list | tuple) and len(data) == len(outputs) > len(kept):
        data = [data[n] for n in kept]
        data = data[0] if len(data) == 1 else data
    arrays: list[Array] = []
    for value, number in zip(listed(data, names, what), kept, strict=True):
        objective, output = objectives.of(number), outputs[number]
        assert objective is not None
        array = _typed(numbers(value, what), switches=False)
        expected = objective.target_type(output)
        if not fits(array.shape, expected):
            raise mismatch(objective, array.shape, output, flatten_advice(graph))
        array = finite(array, what if len(names) == 1 else f"{what}[{len(arrays)}]")
        ones = (1,) * (expected.rank - len(array.shape))
        array = array.reshape(len(array), *array.shape[1 : expected.rank], *ones)
        arrays.append(_checked(objective, output, array) if isinstance(objective, Loss) else array)
    return arrays


def _checked(loss: Loss, output: TensorType, array: Any) -> Any:
    if isinstance(array, Source):
        return Checked(array, lambda part, rows: loss.check(part, output))
    loss.check(array, output)
    return array


def flatten_advice(graph: Graph) -> str:
    """Names the Dense layers that act at each position because no Flatten stands before them."""
    from layerscope.core import propagate

    types = propagate.types(graph)
    for number, node in enumerate(graph.nodes):
        if node.layer.kind == "Dense" and types[number][0].rank > 2:
            before = types[node.inputs[0][0]][node.inputs[0][1]]
            flat = sizes.product(before.shape[1:])
            return (
                f" {node.label} (Dense) acts on the last axis only, so it keeps the other axes of its input "
                f"{show(before.shape[1:])}. Put Flatten before it: it then takes all {flat} numbers."
            )
    return ""
