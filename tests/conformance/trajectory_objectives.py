"""Losses and metrics by themselves: a program of one input, perhaps an activation, and the objective."""

from __future__ import annotations

from typing import Any

import numpy as np

import layerscope as ls
from layerscope.core.types import TensorType
from layerscope.engine.primitives.base import Frame
from layerscope.engine.program import Program
from layerscope.engine.reference import run


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
