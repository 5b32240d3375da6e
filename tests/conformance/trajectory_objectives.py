"""Losses and metrics by themselves: a program of one input, perhaps an activation, and the objective.

Beside ours stand Keras on JAX and PyTorch, each with its own value and its own gradient, in float64.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import layerscope as ls
from layerscope.core.types import TensorType
from layerscope.engine.primitives.base import Frame
from layerscope.engine.program import Program
from layerscope.engine.reference import run

from . import keras_oracle


def ours(
    objective: Any, target: np.ndarray, output: np.ndarray, activation: str | None = None, dtype: str = "float64"
) -> tuple[float, np.ndarray]:
    """The value, and its gradient with respect to `output` (the logits, where there is an activation)."""
    program = Program()
    fed = program.input(("data", 0), TensorType(output.shape), differentiable=True)
    made = ls.layers.Activation(activation).lower(program, fed)[0] if activation else fed
    aim = program.input(("target", 0), TensorType(target.shape))
    total = objective.lower(program, aim, made)
    assert total.type.shape == (), "one number"
    program.output(("loss",), total)
    start = program.input(("scalar", "one"), TensorType(()))
    (gradient,) = program.differentiate(total, start, [fed])
    if gradient is not None:
        assert gradient.type.shape == output.shape
        program.output(("gradient",), gradient)
    feeds = {
        ("data", 0): output.astype(dtype),
        ("target", 0): target.astype(dtype),
        ("scalar", "one"): np.ones((), dtype),
    }
    small = program.pruned()
    found = run(small, {key: feeds[key] for key in small.inputs}, Frame(len(output), np.dtype(dtype)))
    assert all(array.dtype == dtype for array in found.values())
    return float(found["loss",]), found.get(("gradient",), np.zeros(output.shape))


def keras(function: Callable[..., Any], target: np.ndarray, output: np.ndarray) -> tuple[float, np.ndarray]:
    """Value and gradient of a function of (jax.numpy, target, output), by JAX, compiled as a whole."""
    _, jax = keras_oracle.modules()
    with warnings.catch_warnings(), jax.enable_x64(output.dtype == "float64"):
        warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)  # Keras with NumPy 2
        both = jax.value_and_grad(lambda z, t: function(jax.numpy, t, z))
        compiled = jax.jit(both, compiler_options={"xla_backend_optimization_level": 0})
        value, gradient = compiled(output, target)
        assert value.dtype == gradient.dtype == output.dtype
        return float(value), np.asarray(gradient)


def torch(function: Callable[..., Any], target: np.ndarray, output: np.ndarray) -> tuple[float, np.ndarray]:
    """Value and gradient of a function of (torch.nn.functional, target, output), by PyTorch."""
    import torch
    from torch.nn import functional

    z = torch.tensor(output, requires_grad=True)
    value = function(functional, torch.tensor(target), z)
    value.backward()
    return float(value.detach()), z.grad.numpy()


def near(mine: tuple[float, np.ndarray], other: tuple[float, np.ndarray], rtol: float) -> None:
    """Value against value, gradient against gradient (relative to the largest)."""
    assert np.isfinite(mine[0])
    assert np.isfinite(mine[1]).all()
    assert mine[0] == pytest.approx(other[0], rel=rtol, abs=rtol * 1e-3)
    np.testing.assert_allclose(mine[1], other[1], rtol=rtol, atol=rtol * np.abs(other[1]).max())
