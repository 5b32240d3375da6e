"""The numbers of small arrays that depend on no data: lists of indices. They are computed when a rule asks."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from layerscope.sources._jax.values import Value

MOST = 1024
"""Elements of an array whose numbers are asked for."""


def small(shape: Sequence[Any]) -> bool:
    """Whether an array of these sizes is that small."""
    return math.prod(int(n) for n in shape) <= MOST


def held(array: Any) -> Callable[[], Any] | None:
    """Those of an array or number that is there; None for what has none, or very many."""
    numeric = isinstance(array, int | float) or (hasattr(array, "__array__") and hasattr(array, "shape"))
    return (lambda: array) if numeric and small(getattr(array, "shape", ())) else None


def made(eqn: Any, given: Sequence[Value]) -> list[Callable[[], Any] | None]:
    """Those of what an equation makes of constants, by running it."""
    if any(value.numbers is None for value in given) or not all(small(var.aval.shape) for var in eqn.outvars):
        return [None] * len(eqn.outvars)
    found: list[Any] = []

    def results() -> list[Any]:
        if not found:
            there = [value.numbers() for value in given if value.numbers is not None]
            one = eqn.primitive.bind(*there, **eqn.params)
            found.extend(one if eqn.primitive.multiple_results else [one])
        return found

    return [lambda n=n: results()[n] for n in range(len(eqn.outvars))]


def whole(value: Value) -> tuple[int, ...] | None:
    """The whole numbers that a value stands for, in row-major order; None where nobody knows them."""
    if value.numbers is None or not value.type.dtype.startswith(("int", "uint")):
        return None
    try:
        array = value.numbers()
        return tuple(map(int, array.reshape(-1))) if hasattr(array, "reshape") else (int(array),)
    except Exception:  # whatever JAX raises: then nobody knows them
        return None
