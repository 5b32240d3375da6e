"""Pointwise functions as PyTorch's modules, or as what its functions make of a proxy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

MODULES: dict[str, Callable[[Any], Any]] = {
    "relu": lambda nn: nn.ReLU(),
    "leaky_relu": lambda nn: nn.LeakyReLU(0.2),
    "elu": lambda nn: nn.ELU(),
    "gelu": lambda nn: nn.GELU(),
    "gelu_tanh": lambda nn: nn.GELU(approximate="tanh"),
    "sigmoid": lambda nn: nn.Sigmoid(),
    "tanh": lambda nn: nn.Tanh(),
    "softplus": lambda nn: nn.Softplus(),
    "celu": lambda nn: nn.CELU(),
    "hard_shrink": lambda nn: nn.Hardshrink(),
    "hard_sigmoid": lambda nn: nn.Hardsigmoid(),
    "hard_silu": lambda nn: nn.Hardswish(),
    "hard_tanh": lambda nn: nn.Hardtanh(),
    "log_sigmoid": lambda nn: nn.LogSigmoid(),
    "mish": lambda nn: nn.Mish(),
    "relu6": lambda nn: nn.ReLU6(),
    "selu": lambda nn: nn.SELU(),
    "silu": lambda nn: nn.SiLU(),
    "soft_shrink": lambda nn: nn.Softshrink(),
    "softsign": lambda nn: nn.Softsign(),
    "tanh_shrink": lambda nn: nn.Tanhshrink(),
}
"""Functions that PyTorch has a module for."""


def _sparse_plus(x: Any) -> Any:
    inner = x.clamp(-1, 1) + 1
    return inner * inner / 4 + (x - 1).relu()


FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "exponential": lambda x: x.exp(),
    "sparse_plus": _sparse_plus,
    "sparse_sigmoid": lambda x: ((x + 1) / 2).clamp(0, 1),
    "squareplus": lambda x: (x + (x * x + 4).sqrt()) / 2,
}
"""All others that act on each number by itself."""
MIXING = {"softmax": "Softmax", "log_softmax": "LogSoftmax"}
"""Modules that take the number of an axis."""
