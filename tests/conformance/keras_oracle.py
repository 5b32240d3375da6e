"""Keras 3 on the JAX backend, in float64: the layer of the same name with the same settings."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from inspect import signature
from typing import Any

import numpy as np

from layerscope.core.contract import Example, settings
from layerscope.layers import kinds

from .oracles import Answer

TRANSPOSED = ("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose")
NOT_KERAS = {"MaxPooling2D": {"return_switches"}} | {kind: {"groups"} for kind in TRANSPOSED}
"""Settings that only ours have."""


OF_ONE_AXIS = ("UpSampling1D", "ZeroPadding1D", "Cropping1D")
"""Layers of which Keras takes the number of the only axis, or its two ends, without brackets around."""


def of_one_axis(told: dict[str, Any]) -> dict[str, Any]:
    """The settings of such a layer as Keras takes them."""
    return {name: value[0] if isinstance(value, tuple) else value for name, value in told.items()}


def spelled() -> list[str]:
    """The executable layers that Keras has, by what our layers say of themselves."""
    named = {kind: cls.spellings["keras"].name for kind, cls in kinds().items() if cls.executable}
    return [kind for kind, name in named.items() if name and kind != "InputLayer"]


@cache
def modules() -> tuple[Any, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import jax
        import keras
    assert keras.backend.backend() == "jax", "these tests speak of Keras on JAX: set KERAS_BACKEND=jax"
    return keras, jax


@contextmanager
def without_values() -> Iterator[None]:
    """Weights that are made here have shapes and no memory. Keras would fill them as soon as it next fills any."""
    keras, _ = modules()
    try:
        with keras.StatelessScope(initialize_variables=False):
            yield
    finally:
        keras.backend.clear_session(free_memory=False)


def accepts(case: Example) -> bool:
    """Keras refuses strides with dilation, and has no groups in a transposed convolution."""
    layer = case.layer
    if max(getattr(layer, "dilation_rate", (1,))) > 1 and max(layer.strides) > 1:
        return False
    if type(layer).__name__ == "RMSNormalization" and not layer.trailing(case.inputs[0]):  # see docs/disagreements.md
        return False
    if type(layer).__name__ == "Normalization" and layer.mean is None:  # made part of the layer by `adapt`
        return False
    return not (layer.kind in TRANSPOSED and layer.groups > 1)


def make(layer):
    keras, _ = modules()
    kind = type(layer).__name__
    given = {name: value for name, value in settings(layer).items() if name not in NOT_KERAS.get(kind, ())}
    if kind in OF_ONE_AXIS:
        given = of_one_axis(given)
    if given.get("activation") == "gelu_tanh":  # which has no name there
        given["activation"] = lambda x: keras.ops.gelu(x, approximate=True)
    return made(getattr(keras.layers, kinds()[kind].spellings["keras"].name), given, dtype="float64")


def made(cls: Any, told: dict[str, Any], **more: Any) -> Any:
    """A layer of Keras. Each one has `trainable`, but SpatialDropout1D, 2D, and 3D do not take it when they are made."""
    told = dict(told)
    trainable = told.pop("trainable")
    layer = cls(**told, **more)
    if not trainable:
        layer.trainable = False
    return layer


def ask(case: Example, arrays, weights, cotangent) -> Answer:
    """Value and vector-Jacobian product in one compiled call."""
    _, jax = modules()
    with warnings.catch_warnings(), jax.enable_x64(True):
        warnings.simplefilter("ignore")
        layer = make(case.layer)
        shapes = [a.shape for a in arrays]
        layer.build(shapes[0] if len(shapes) == 1 else shapes)
        kept = layer.trainable_variables
        moving = [v for v in layer.non_trainable_variables if v.name in weights]  # no states of random generators
        assert [v.name for v in (*kept, *moving)] == list(weights), "weights in Keras's order under Keras's names"
        assert [tuple(v.shape) for v in (*kept, *moving)] == [w.shape for w in weights.values()]
        mode = {"training": False} if "training" in signature(layer.call).parameters else {}
        rest = [v.value for v in layer.non_trainable_variables if v.name not in weights]

        def forward(data, values):
            fed = data[0] if len(data) == 1 else data
            return layer.stateless_call(values[: len(kept)], [*values[len(kept) :], *rest], fed, **mode)[0]

        def both(data, values, cotangent):
            y, back = jax.vjp(forward, data, values)
            return y, *back(cotangent.astype(y.dtype))

        compiled = jax.jit(both, compiler_options={"xla_backend_optimization_level": 0})
        y, data, values = compiled(
            [np.asarray(a) for a in arrays], list(map(np.asarray, weights.values())), cotangent
        )
        gradients = dict(zip(weights, map(np.asarray, values), strict=True))
        return Answer([np.asarray(y)], [np.asarray(g) for g in data], gradients)
