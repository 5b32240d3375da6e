"""The examples of all layers, arrays that fit them, and small versions of the large ones."""

from __future__ import annotations

import math
import zlib
from dataclasses import replace

import numpy as np

from layerscope.core.contract import Example, Layer, describe_settings
from layerscope.core.errors import LayerscopeError
from layerscope.core.types import TensorType
from layerscope.layers import kinds

SMALL = 400
"""Elements up to which every single one is poked."""


def title(case: Example) -> str:
    return f"{describe_settings(case.layer)} on {' and '.join(map(str, case.inputs)) or 'nothing'}"


def all_examples() -> list[Example]:
    return [example for cls in kinds().values() for example in cls.examples()]


def executable_examples() -> list[Example]:
    """Examples of the layers that compute (an InputLayer has no input to compute from)."""
    return [case for case in all_examples() if case.layer.executable and case.inputs]


def elements(*types: TensorType) -> int:
    return sum(math.prod(type.shape) for type in types)


def is_float(type: TensorType) -> bool:
    return type.dtype.startswith("float")


def seed_of(case: Example) -> int:
    return zlib.crc32(title(case).encode())


def fixed(array: np.ndarray) -> np.ndarray:
    """Read-only, so that whoever computes with it cannot change it unseen."""
    array = np.ascontiguousarray(array).reshape(np.shape(array))  # which has an axis, otherwise
    array.flags.writeable = False
    return array


def inputs_for(case: Example, dtype: str = "float64", seed: int | None = None) -> list[np.ndarray]:
    """Normal numbers, all different; for switches, winners of random planes of the right size."""
    rng = np.random.default_rng(seed_of(case) if seed is None else seed)
    made = []
    for number, type in enumerate(case.inputs):
        if is_float(type):
            made.append(fixed(rng.normal(size=type.shape).astype(dtype)))
        elif number in case.layer.integer_inputs:
            made.append(fixed(switches_for(case, rng)))
        else:  # pixels and counts, which are numbers like others to who computes
            made.append(fixed(rng.integers(0, 200, type.shape).astype(dtype)))
    return made


def switches_for(case: Example, rng: np.random.Generator) -> np.ndarray:
    """Switches of an unpooling: for each window, any of the cells that it covers."""
    layer, shape, plane = case.layer, case.inputs[1].shape, case.outputs[0].shape[1:-1]
    made = np.zeros(shape, np.int32)
    for place in np.ndindex(*shape):
        cells = [rng.choice(axis) for axis in window_cells(layer, shape, plane, place)]
        made[place] = cells[0] * plane[1] + cells[1]
    return made


def window_cells(layer, shape, plane, place) -> list[range]:
    """Rows and columns that the pooling window at `place` covers, computed here, not by the layer."""
    found = []
    for axis, (n, k, s) in enumerate(zip(plane, layer.pool_size, layer.strides, strict=True), 1):
        begin = same_pads(n, k, s)[0] if layer.padding == "same" else 0
        start = place[axis] * s - begin
        # an odd settings/plane pair may leave a window outside; then its nearest cell stands in
        low = min(max(start, 0), n - 1)
        found.append(range(low, max(min(start + k, n), low + 1)))
    return found


def same_pads(n: int, span: int, stride: int) -> tuple[int, int]:
    """TensorFlow's pads for 'same': ceil(n / s) windows, the odd cell at the end."""
    total = max((-(-n // stride) - 1) * stride + span - n, 0)
    return total // 2, total - total // 2


def weights_for(case: Example, dtype: str = "float64", positive: bool = False) -> dict[str, np.ndarray]:
    """One array for each weight type; positive ones with zero biases for pokes."""
    rng = np.random.default_rng(seed_of(case) + 1)
    made = {}
    for name, type in case.layer.weight_types(*case.inputs).items():
        spread = positive or name.endswith("variance")  # which is never negative
        array = rng.uniform(0.5, 1.5, type.shape) if spread else rng.normal(size=type.shape)
        if positive and name == "bias":
            array = np.zeros(type.shape)
        made[name] = fixed(array.astype(dtype))
    return made


def define(layer: Layer, arrays, weights, **options) -> tuple[np.ndarray, ...]:
    return layer.define(*arrays, **options, **weights)[0]


def small(case: Example) -> Example:
    """The example itself when it is small; else the same layer on a few cells."""
    if elements(*case.inputs) <= SMALL:
        return case
    shapes = [tuple(min(n, 2 if axis == 0 else 5) for axis, n in enumerate(t.shape)) for t in case.inputs]
    types = tuple(replace(t, shape=s, plane=None) for t, s in zip(case.inputs, shapes, strict=True))
    try:
        return Example(case.layer, types, case.layer.out(*types))
    except LayerscopeError:  # settings that fit their own input only (Reshape)
        return case


def small_examples() -> list[Example]:
    return [small(case) for case in executable_examples()]
