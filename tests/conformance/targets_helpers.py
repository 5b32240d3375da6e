"""What the tests of the targets share: single layers as models, their inputs, and how outputs are compared."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from contract.cases import executable_examples, inputs_for, seed_of, weights_for
from contract.settings import seeded
from layerscope.core.contract import Example
from layerscope.core.graph import Call, Symbolic, connect
from layerscope.layers.input_layer import InputLayer
from layerscope.models import Model

NEAR = 1e-5
KINDS = sorted({type(case.layer).__name__ for case in executable_examples()})


def layer_cases(kind: str, count: int) -> list[Example]:
    """A layer's own examples, and `count` with random settings."""
    mine = [case for case in executable_examples() if type(case.layer).__name__ == kind]
    return mine + seeded(kind, count, start=5)


def model_of(case: Example) -> tuple[Model, list[np.ndarray]]:
    """A model of one layer with random weights and an open batch, and inputs for it. Kernels of many inputs are made
    smaller: of sums of hundreds a softmax would show nothing but one 1, and rounding many times as large.
    """
    given = []
    for type in case.inputs:
        layer = InputLayer(type.shape[1:], dtype=type.dtype, plane=type.plane)
        given.append(Symbolic(Call(layer, (), layer.out())))
    made: Any = connect(case.layer, given)
    model = Model(given, list(made) if isinstance(made, tuple) else made)
    arrays = weights_for(case, "float32")
    for variable in model.weights:
        array = arrays[variable.role]
        many = math.prod(array.shape[:-1]) if variable.role == "kernel" else 1
        variable.assign(array / max(1.0, math.sqrt(many) / 8))
    given = inputs_for(case, "float32", seed_of(case))
    return model, [
        np.array(array, type.dtype if type.dtype != "float64" else "float32")
        for array, type in zip(given, case.inputs, strict=True)
    ]


def ours(model: Model, given: list[np.ndarray]) -> list[np.ndarray]:
    """The model's outputs, by the reference engine."""
    found: Any = model(given)
    return found if isinstance(found, list) else [found]


def distance(mine: list[np.ndarray], theirs: list[np.ndarray]) -> float:
    """The largest difference, beside outputs of 1 at least; shapes are equal."""
    assert [a.shape for a in mine] == [b.shape for b in theirs]
    gaps = [
        np.abs(a.astype(np.float64) - b).max() / max(1, np.abs(a).max()) for a, b in zip(mine, theirs, strict=True)
    ]
    return float(max(gaps))


def first(array: np.ndarray, sequence: bool = False) -> np.ndarray:
    """An image, a volume, or a sequence for convolutions with channels first; any other array as it is."""
    turn = array.ndim > 3 or (array.ndim == 3 and sequence)
    return np.ascontiguousarray(np.moveaxis(array, -1, 1)) if turn else array


def last(array: np.ndarray, sequence: bool = False) -> np.ndarray:
    """The inverse of `first`."""
    return np.moveaxis(array, 1, -1) if array.ndim > 3 or (array.ndim == 3 and sequence) else array


def sequences(model: Model) -> bool:
    """Whether these tests' networks have their tensors of three axes channels first in PyTorch.

    Those of `random_spatial` and of single layers are of one kind: all of them, or none.
    """
    kinds = {layer.kind for layer in model.layers} - {"SpatialDropout1D"}  # which leaves them as they are
    return any(kind.endswith(("1D", "1DTranspose")) for kind in kinds)


def unswapped(model: Model, found: list[np.ndarray]) -> list[np.ndarray]:
    """What `from_torch` of the model's module computes, with the model's axes.

    At an output PyTorch's swap of two axes reads as a sequence that is put channels first, so it is left out there.
    """
    layers: list[Any] = [model.graph.nodes[number].layer for number, _ in model.graph.outputs]
    return [
        array.swapaxes(1, 2) if layer.kind == "Permute" and layer.dims == (2, 1) else array
        for array, layer in zip(found, layers, strict=True)
    ]
