from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, cast

from layerscope.core import sizes
from layerscope.core.contract import Example, Layer, Spelling
from layerscope.core.costs import NONE, NOTHING_SAVED, Operations, Saved
from layerscope.core.dataclasses import dataclass
from layerscope.core.errors import SettingError, SizeError
from layerscope.core.graph import Call, Symbolic
from layerscope.core.reach import Reads
from layerscope.core.sizes import Size
from layerscope.core.types import BATCH, BITS, TensorType

OPEN = {3: ("length",), 4: ("height", "width"), 5: ("depth", "height", "width")}
"""Names of the axes between the batch and the channels, by rank."""


def axis_names(shape: Sequence[Any]) -> tuple[str, ...]:
    """What the axes of one example are called: (height, width, channels), (length, channels), (length,), ...

    Channels are first where the last size is open and the first one is not: open channels fit hardly any layer.
    """
    rank = len(shape) + 1
    if rank == 2:
        return ("length",)
    if rank not in OPEN:
        return tuple(f"size_{n}" for n in range(1, rank))
    first = shape[-1] is None and shape[0] is not None
    return ("channels", *OPEN[rank]) if first else (*OPEN[rank], "channels")


@dataclass(frozen=True, eq=False)
class InputLayer(Layer):
    """Where data enters the network: the shape of one example, without the batch.

    A size that is None becomes a named one (batch, height, width, ...), with the layer's name, if any, before it.

    Shapes: none → (batch, *shape).
    Errors: SizeError when a size is not at least 1.
    """

    shape: Any = ()
    batch_size: Any = None
    dtype: str = "float32"
    plane: Any = None
    channel_axis: int = -1
    """The axis that holds channels; those between it and the batch, or behind it, have positions."""

    law = "(batch, *shape)"

    def __post_init__(self) -> None:
        given = self.shape
        if isinstance(given, int | str) or not isinstance(given, Sequence):
            raise SettingError(f"{self.kind}: shape must be a sequence of sizes, not {given!r}")
        parts = cast(Sequence[Any], given)
        prefix = re.sub(r"\W", "_", f"{self.name}_") if self.name else ""
        shape = tuple(_size(part, prefix + n) for part, n in zip(parts, axis_names(parts), strict=True))
        object.__setattr__(self, "shape", shape)
        if self.batch_size is not None:
            object.__setattr__(self, "batch_size", _size(self.batch_size, BATCH))
        if self.dtype not in BITS:
            raise SettingError(f"{self.kind}: unknown dtype {self.dtype!r}; known: {', '.join(BITS)}")
        if self.plane is not None:
            object.__setattr__(self, "plane", tuple(_size(part, "plane") for part in self.plane))

    def out(self, *types: TensorType) -> tuple[TensorType, ...]:
        batch = sizes.named(BATCH) if self.batch_size is None else self.batch_size
        return (TensorType((batch, *self.shape), self.dtype, self.plane),)

    def operations(self, *types: TensorType) -> Operations | None:
        return NONE

    def saved(self, *types: TensorType) -> Saved | None:
        return NOTHING_SAVED

    def reach(self, output: int, *types: TensorType) -> tuple[Reads | None, ...]:
        return ()

    @classmethod
    def examples(cls) -> Sequence[Example]:
        return [
            Example(cls((28, 28, 1), batch_size=2), (), (TensorType((2, 28, 28, 1)),)),
            Example(cls((4, 2)), (), (TensorType((sizes.named(BATCH), 4, 2)),)),
        ]

    spellings = {
        "keras": Spelling("InputLayer", "made by Input(shape)"),
        "torch": Spelling("", "no such module: the argument of forward"),
        "onnx": Spelling("", "no such operator: an input of the graph"),
    }


def _size(part: Any, name: str) -> Size:
    if part is None:
        return sizes.named(name)
    if isinstance(part, sizes.Expression):
        return part
    if isinstance(part, str):
        if part == BATCH != name:
            raise SizeError(f"a size cannot be called {BATCH!r}: that is the number of examples")
        return sizes.from_json(part)
    return sizes.checked(part, f"a size of {name}")


def Input(
    shape: Sequence[int | str | None] | None = None,
    batch_size: int | None = None,
    dtype: str | None = None,
    *,
    batch_shape: Sequence[int | None] | None = None,
    name: str | None = None,
) -> Symbolic:
    """A symbolic tensor of the shape (batch, *shape), from which layers build a graph.

    Shapes: `shape` is one example's, without the batch; None leaves a size open.
    Errors: SizeError when a size is not at least 1; SettingError when both shapes or none are given.
    Source: Keras 3, `keras.Input`.
    """
    if (shape is None) == (batch_shape is None):
        raise SettingError("Input: give either shape (without the batch) or batch_shape (with it)")
    if batch_shape is not None:
        if not batch_shape:
            raise SettingError("Input: batch_shape needs at least the batch")
        batch_size, *rest = batch_shape
        shape = rest
    assert shape is not None
    layer = InputLayer(shape, batch_size, getattr(dtype, "__name__", None) or str(dtype or "float32"), name=name)
    return Symbolic(Call(layer, (), layer.out()))
