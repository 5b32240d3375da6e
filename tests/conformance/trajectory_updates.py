"""Optimizers by themselves: the same weights and the same gradients at every step, ours and the frameworks'."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from layerscope.core.types import TensorType
from layerscope.engine.primitives.base import Frame
from layerscope.engine.program import Program
from layerscope.engine.reference import run
from layerscope.optimizers import Optimizer

from . import keras_oracle

STEPS = 30
SHAPE = (7, 5)


@cache
def problem() -> tuple[np.ndarray, np.ndarray]:
    """A weight and its gradients of all steps: of many sizes, some zero, a few of them always zero."""
    rng = np.random.default_rng(11)
    gradients = rng.normal(size=(STEPS, *SHAPE)) * 10.0 ** rng.integers(-6, 3, SHAPE)
    gradients[rng.random(gradients.shape) < 0.1] = 0
    gradients[:, 0, 0] = 0
    return rng.normal(size=SHAPE), gradients


def ours(optimizer: Optimizer, weight: np.ndarray, gradients: np.ndarray, dtype: str = "float64") -> np.ndarray:
    """The weight after each step."""
    program = Program()
    type = TensorType(weight.shape)
    slots = {name: program.input(("slot", name), type) for name in optimizer.slots}
    scalars = {name: program.input(("scalar", name), TensorType(())) for name in optimizer.scalars(1)}
    fed = program.input(("weight",), type), program.input(("gradient",), type)
    clipped = optimizer.clip(program, {"only": fed[1]})["only"]
    fresh, changed = optimizer.lower(program, fed[0], clipped, slots, scalars)
    program.output(("weight",), fresh)
    for name, value in changed.items():
        program.output(("slot", name), value)
    state: dict[Any, np.ndarray] = {("slot", name): np.zeros(weight.shape, dtype) for name in optimizer.slots}
    state["weight",] = weight.astype(dtype)
    found = []
    for number, gradient in enumerate(gradients):
        numbers = {("scalar", n): np.asarray(v, dtype) for n, v in optimizer.scalars(number + 1).items()}
        feeds = {**state, **numbers, ("gradient",): gradient.astype(dtype)}
        state = run(program, feeds, Frame(1, np.dtype(dtype)))
        found.append(state["weight",])
    assert all(array.dtype == dtype for array in found)
    return np.array(found)


def keras(name: str, settings: dict[str, Any], weight: np.ndarray, gradients: np.ndarray, dtype: str) -> np.ndarray:
    """The weight after each step of Keras's optimizer of that name, on JAX."""
    framework, jax = keras_oracle.modules()
    before = framework.config.floatx()
    framework.config.set_floatx(dtype)  # the learning rate is a variable of this type
    try:
        with warnings.catch_warnings(), jax.enable_x64(dtype == "float64"):
            warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)  # with NumPy 2
            variable = framework.Variable(weight.astype(dtype), dtype=dtype)
            optimizer = getattr(framework.optimizers, name)(**settings)
            found = []
            for gradient in gradients:
                optimizer.apply([jax.numpy.asarray(gradient.astype(dtype))], [variable])
                found.append(np.array(variable.value))
    finally:
        framework.config.set_floatx(before)
    assert all(array.dtype == dtype for array in found)
    return np.array(found)


def torch(make: Callable[[list], Any], weight: np.ndarray, gradients: np.ndarray, **changing: Callable) -> np.ndarray:
    """The weight after each step of PyTorch's optimizer; `changing` gives settings that depend on the step."""
    import torch

    variable = torch.nn.Parameter(torch.tensor(weight))
    optimizer = make([variable])
    found = []
    for number, gradient in enumerate(gradients):
        for setting, at in changing.items():
            optimizer.param_groups[0][setting] = at(number + 1)
        variable.grad = torch.tensor(gradient)
        optimizer.step()
        found.append(variable.detach().numpy().copy())
    return np.array(found)
