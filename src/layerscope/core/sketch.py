"""Networks whose sizes do not fit, kept whole all the same, so that it can be said what would make them fit.

A source that meets a layer that its inputs do not fit stops there with an error, and the layers behind it are not
read. Within `sketching()` it goes on: that layer's outputs, and those behind it, have open sizes, and nodes have no
weights.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, TypeAlias

from layerscope.core import sizes
from layerscope.core.errors import LayerscopeError
from layerscope.core.types import BATCH, TensorType

if TYPE_CHECKING:
    from layerscope.core.contract import Layer
    from layerscope.core.graph import Graph

Sketch: TypeAlias = "Callable[[], Graph]"
"""What an error carries: the network in which it arose, made when somebody asks."""

_on: ContextVar[bool] = ContextVar("sketching", default=False)


@contextmanager
def sketching() -> Generator[None]:
    """Within it, layers that their inputs do not fit become part of networks all the same."""
    token = _on.set(True)
    try:
        yield
    finally:
        _on.reset(token)


def on() -> bool:
    """Whether networks are being sketched."""
    return _on.get()


def guessed(layer: Layer, given: Sequence[TensorType]) -> tuple[TensorType, ...]:
    """Types for the outputs of a layer that does not take these inputs: as many as it has, of open sizes."""
    batch = next((type.shape[0] for type in given if type.rank), sizes.named(BATCH))
    for example in type(layer).examples():
        try:
            made = layer.out(*example.inputs)
        except LayerscopeError:
            continue
        return tuple(TensorType((batch, *_open(one.rank - 1)), one.dtype) for one in made)
    return (TensorType((batch, *_open(1))),)


def _open(count: int) -> tuple[sizes.Size, ...]:
    return tuple(sizes.named(f"unknown_{number}") for number in range(1, count + 1))
