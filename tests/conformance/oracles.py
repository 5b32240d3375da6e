"""What the three oracles share: the cases, what they answer, and how answers are compared.

An oracle is a framework's own layer or function, put to the same numbers. It is imported when its
tests run, so that this folder can be collected without any framework.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from contract.cases import elements, executable_examples, fixed, inputs_for, is_float, seed_of, weights_for
from contract.running import run_layer
from contract.settings import seeded
from layerscope.core.contract import Example

MOST = 2000
"""Examples with more elements than this are left to the random settings, which are small."""


@dataclass
class Answer:
    """Outputs, channels last; and gradients of <first output, cotangent>, when the oracle has them."""

    outputs: list[np.ndarray]
    inputs: list[np.ndarray | None] | None = None
    weights: dict[str, np.ndarray] = field(default_factory=dict)


Ask = Callable[[Example, list, dict, np.ndarray], Answer]


def cases(kind: str, count: int, accepts: Callable[[Example], bool] = lambda case: True) -> list[Example]:
    """The small examples of a layer, and `count` random ones that the oracle accepts."""
    mine = [case for case in executable_examples() if type(case.layer).__name__ == kind]
    mine = [case for case in mine if elements(*case.inputs) <= MOST]
    chosen = [case for case in seeded(kind, 4 * count) if accepts(case)][:count]
    return [case for case in mine if accepts(case)] + chosen


def executable_kinds() -> list[str]:
    return sorted({type(case.layer).__name__ for case in executable_examples()})


def material(case: Example, dtype: str):
    """Inputs, weights and a cotangent, all exact in this dtype."""
    arrays, weights = inputs_for(case, dtype), weights_for(case, dtype)
    rng = np.random.default_rng(seed_of(case) + 5)
    return arrays, weights, fixed(rng.normal(size=case.outputs[0].shape).astype(dtype))


def check(case: Example, ask: Ask, dtype: str = "float64", rtol: float = 1e-9) -> None:
    """Our lowered layer in float64 against the oracle in `dtype`: outputs, and gradients where it has them."""
    arrays, weights, cotangent = material(case, dtype)
    theirs = ask(case, arrays, weights, cotangent)
    wide = [a.astype("float64") if is_float(t) else a for a, t in zip(arrays, case.inputs, strict=True)]
    heavy = {name: w.astype("float64") for name, w in weights.items()}
    ours = run_layer(case, wide, heavy, cotangent.astype("float64"))
    assert len(theirs.outputs) >= 1
    for mine, other in zip(ours.outputs, theirs.outputs, strict=False):
        near(mine, other, rtol)
    if theirs.inputs is None:
        return
    for mine, other in zip(ours.inputs, theirs.inputs, strict=True):
        if mine is not None:
            near(mine, other, rtol)
    assert set(theirs.weights) == set(ours.weights)
    for name, mine in ours.weights.items():
        near(mine, theirs.weights[name], rtol)


def near(mine: np.ndarray, other: np.ndarray, rtol: float) -> None:
    assert mine.shape == other.shape
    if mine.dtype.kind == "i":
        assert np.array_equal(mine, other)
        return
    scale = float(np.abs(other).max(initial=0))
    np.testing.assert_allclose(mine, other, rtol=rtol, atol=rtol * max(scale, 1e-6))


def same_pads(n: int, span: int, stride: int) -> tuple[int, int]:
    """TensorFlow's pads for 'same', from its documentation."""
    rest = n % stride
    total = max(span - (stride if rest == 0 else rest), 0)
    return total // 2, total - total // 2


def pads_of(layer, sizes, window, dilation=()) -> list[tuple[int, int]]:
    if layer.padding == "valid":
        return [(0, 0)] * len(sizes)
    spans = [d * (k - 1) + 1 for k, d in zip(window, dilation or (1,) * len(window), strict=True)]
    if layer.padding == "causal":
        return [(span - 1, 0) for span in spans]
    return [same_pads(n, k, s) for n, k, s in zip(sizes, spans, layer.strides, strict=True)]


def transposed(layer, sizes) -> list[tuple[int, int]]:
    """What a transposed convolution crops before and after each axis (negative: cells more), by Keras's formulas."""
    found = []
    for axis, n in enumerate(sizes):
        s = layer.strides[axis]
        k = layer.dilation_rate[axis] * (layer.kernel_size[axis] - 1) + 1
        added = layer.output_padding and layer.output_padding[axis]
        if layer.padding == "valid":
            out = n * s + max(k - s, 0) if added is None else (n - 1) * s + k + added
        else:
            out = n * s if added is None else (n - 1) * s + k - 2 * (k // 2) + added
        cut = (n - 1) * s + k - out
        begin = max(cut, 0) // 2 if layer.padding == "same" else 0
        found.append((begin, cut - begin))
    return found
