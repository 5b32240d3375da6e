"""Keras's own answers for layers that are described only: shapes, weights, values, and what depends on what."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from layerscope.core.contract import Example, Layer, settings
from layerscope.core.types import TensorType
from layerscope.layers import kinds

from .keras_oracle import modules

CALL = ("return_attention_scores", "use_causal_mask", "reverse")
"""Settings here that are arguments of the call there."""
OWN = (*CALL, "attention_mask", "vocabulary_size", "adapted")


def quiet(function):
    """Without the frameworks' warnings about themselves."""

    def called(*arguments, **named):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return function(*arguments, **named)

    return called


def make(layer: Layer) -> Any:
    """Keras's layer with these settings, layers within them too; all weights begin as zeros, which is soon done."""
    keras, _ = modules()
    told = {name: _converted(value) for name, value in settings(layer).items() if name not in OWN}
    told |= {name: "zeros" for name in told if name.endswith("_initializer")}
    trainable = told.pop("trainable")  # every layer of Keras has it, but not every one takes it when it is made
    there = getattr(keras.layers, kinds()[type(layer).__name__].spellings["keras"].name)(**told)
    if not trainable:  # said to a layer, this is said to those within it too
        there.trainable = False
    return there


def _converted(value: Any) -> Any:
    if isinstance(value, Layer):
        return make(value)
    if isinstance(value, tuple) and any(isinstance(part, Layer) for part in value):
        return [make(part) for part in value]
    return value


def call(layer: Layer, there: Any, inputs: list[Any]) -> Any:
    """Keras's layer put to the inputs of ours, each in its place among the arguments."""
    kind = type(layer).__name__
    named = {name: True for name in CALL if getattr(layer, name, False)}
    if kind in ("MultiHeadAttention", "GroupQueryAttention"):
        if layer.attention_mask:
            *inputs, named["attention_mask"] = inputs
        query, value, *key = inputs
        return there(query, value, *key, **named)
    if kind.endswith(("Cell", "Cells")):
        return there(inputs[0], _nested(layer, inputs[1:]))
    if kind in ("Attention", "AdditiveAttention", "HashedCrossing"):
        return there(inputs, **named)
    if kind == "CategoryEncoding" and len(inputs) == 2:
        named["count_weights"] = inputs.pop()
    elif len(inputs) > 1:
        named["initial_state"] = _nested(getattr(layer, "cell", layer), inputs[1:])
    return there(inputs[0], **named)


def _nested(cell: Any, states: list[Any]) -> Any:
    """Flat states in Keras's form: of stacked cells, a list for each that has several."""
    parts = getattr(cell, "cells", cell)
    if not isinstance(parts, tuple):
        return states
    rest, made = list(states), []
    for part in parts:
        own = [rest.pop(0) for _ in part.step.states]
        made.append(own[0] if len(own) == 1 else own)
    return made


def symbolic(types: tuple[TensorType, ...]) -> list[Any]:
    """Keras's inputs of these types."""
    keras, _ = modules()
    return [keras.Input(batch_shape=type.shape, dtype=type.dtype) for type in types]


def arrays(types: tuple[TensorType, ...], seed: int = 0) -> list[Any]:
    """Numbers of these types: normal ones, small whole ones, truths."""
    rng = np.random.default_rng(seed)
    made = []
    for type in types:
        if type.dtype.startswith("float"):
            made.append(rng.normal(size=type.shape).astype(type.dtype))
        else:
            made.append(rng.integers(0, 2, size=type.shape).astype(type.dtype))
    return made


@quiet
def told(
    layer: Layer, inputs: list[Any], traced: bool = False
) -> tuple[list[Any], list[tuple[str, tuple[int, ...], bool]], int]:
    """Shapes of all outputs; name, shape and trainability of all weights in order; their elements.

    With symbolic inputs the shapes are what Keras says, or, `traced`, what it computes.
    """
    keras, jax = modules()
    there = make(layer)
    made = keras.tree.flatten(call(layer, there, list(inputs)))
    if traced:
        given = [jax.ShapeDtypeStruct(x.shape, x.dtype) for x in inputs]
        made = jax.eval_shape(lambda *xs: keras.tree.flatten(call(layer, there, list(xs))), *given)
    weights = [(w.path.rpartition("/")[2], tuple(w.shape), w.trainable) for w in there.weights]
    return [tuple(y.shape) for y in made], weights, there.count_params()


def ours(
    layer: Layer, types: tuple[TensorType, ...]
) -> tuple[list[Any], list[tuple[str, tuple[int, ...], bool]], int]:
    """The same of our layer."""
    weights = layer.weight_types(*types)
    rows = [(role.rpartition("/")[2], w.shape, w.trainable) for role, w in weights.items()]
    return [y.shape for y in layer.out(*types)], rows, sum(w.size for w in weights.values())


@quiet
def values(layer: Layer, inputs: list[Any], seed: int = 1) -> tuple[list[np.ndarray], dict[str, np.ndarray]]:
    """All outputs of Keras's layer, and the random weights that it had, under our names."""
    keras, jax = modules()
    there = make(layer)
    types = tuple(TensorType(x.shape, str(x.dtype)) for x in inputs)
    call(layer, there, symbolic(types))
    rng = np.random.default_rng(seed)
    there.set_weights([rng.normal(size=w.shape).astype("float32") for w in there.weights])
    named = dict(zip(layer.weight_types(*types), there.get_weights(), strict=True))
    made = jax.jit(lambda *given: keras.tree.flatten(call(layer, there, list(given))))(*inputs)
    return [np.asarray(y) for y in made], named


@quiet
def depends(case: Example, number: int) -> np.ndarray:
    """(outputs, inputs) of truth: whether an element of the first output changes with one of input `number`."""
    _, jax = modules()
    inputs = [np.abs(x) + 0.1 if x.dtype.kind == "f" else x for x in arrays(case.inputs)]
    there = make(case.layer)
    call(case.layer, there, symbolic(case.inputs))
    rng = np.random.default_rng(1)
    there.set_weights([rng.uniform(0.1, 0.2, size=w.shape).astype("float32") for w in there.weights])

    def first(x):
        made = call(case.layer, there, [*inputs[:number], x, *inputs[number + 1 :]])
        return made[0] if isinstance(made, list | tuple) else made

    jacobian = np.asarray(jax.jit(jax.jacrev(first))(inputs[number]))
    return (jacobian != 0).reshape(np.prod(case.outputs[0].shape), -1)
