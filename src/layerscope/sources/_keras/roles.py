"""Names of weights, and types as a source states them."""

from __future__ import annotations

from collections.abc import Sequence

from layerscope.core import sizes
from layerscope.core.types import BITS, TensorType
from layerscope.sources._keras.plan import Weight


def roles_of(weights: Sequence[Weight]) -> dict[int, str]:
    """Names of variables, by their ids; those of the same name are numbered."""
    found: dict[int, str] = {}
    for one in weights:
        name, number = one.name, 2
        while name in found.values():
            name, number = f"{one.name}_{number}", number + 1
        found[one.id] = name
    return found


def typed(shape: Sequence[int | None], dtype: str, batch: sizes.Size, name: str) -> TensorType:
    """The type that a source states: an open first axis is the batch, the others get names."""
    found: list[sizes.Size] = []
    for axis, size in enumerate(shape):
        open_size: sizes.Size = batch if axis == 0 else sizes.named(f"{name}_{axis}")
        found.append(open_size if size is None else max(size, 1))
    return TensorType(tuple(found), dtype if dtype in BITS else "float32")
