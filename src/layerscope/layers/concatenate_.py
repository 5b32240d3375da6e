from __future__ import annotations

from collections.abc import Sequence

from layerscope.core import sizes
from layerscope.core.contract import Array, Example, Layer, Outputs, Spelling
from layerscope.core.costs import NONE, NOTHING_SAVED, Operations, Saved
from layerscope.core.dataclasses import dataclass, replace
from layerscope.core.errors import SettingError, ShapeError
from layerscope.core.lowering import Builder, Value
from layerscope.core.reach import EVERYTHING, Reads, Window
from layerscope.core.sizes import Size
from layerscope.core.types import TensorType
from layerscope.layers._spatial import floating


@dataclass(frozen=True, eq=False)
class Concatenate(Layer):
    """Puts tensors side by side along one axis (the channels, unless told otherwise).

    Shapes: (batch, ..., n₁), (batch, ..., n₂), ... → (batch, ..., n₁ + n₂ + ...).
    Errors: ShapeError, naming the shapes, when another axis differs.
    """

    axis: int = -1

    law = "n₁ + n₂ + ... along the axis, all other axes equal"

    def __post_init__(self) -> None:
        if isinstance(self.axis, bool) or not isinstance(self.axis, int):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise SettingError(f"{self.kind}: axis must be a whole number, not {self.axis!r}")

    @property
    def linear(self) -> bool:
        return True

    @property
    def injective(self) -> bool:
        return True

    def _axis(self, types: Sequence[TensorType]) -> int:
        rank = types[0].rank
        axis = self.axis + rank if self.axis < 0 else self.axis
        if not 0 < axis < rank:
            raise ShapeError(f"axis {self.axis} is not one of the {rank - 1} axes after the batch")
        return axis

    def out(self, *types: TensorType) -> tuple[TensorType, ...]:
        if len(types) < 2:
            raise ShapeError(f"takes a list of at least two inputs, but got {len(types)}")
        listed = ", ".join(map(str, types))
        if len({type.rank for type in types}) > 1:
            raise ShapeError(f"the inputs have different numbers of axes: {listed}")
        axis, first = self._axis(types), types[0]
        for other in range(first.rank):
            if other != axis and not all(sizes.equal(first.shape[other], t.shape[other]) for t in types):
                found = ", ".join(str(t.shape[other]) for t in types)
                raise ShapeError(f"axis {other} must be equal, but is {found} in {listed}")
        total: Size = sum((t.shape[axis] for t in types[1:]), first.shape[axis])
        shape = (*first.shape[:axis], total, *first.shape[axis + 1 :])
        return (TensorType(shape, floating(first)),)

    def operations(self, *types: TensorType) -> Operations | None:
        return NONE

    def saved(self, *types: TensorType) -> Saved | None:
        return NOTHING_SAVED

    def reach(self, output: int, *types: TensorType) -> tuple[Reads | None, ...]:
        axis = self._axis(types)
        found: list[Reads] = []
        offset: Size = 0
        for type in types:
            plain: list[Window] = [Window(a) for a in range(type.rank)]
            if isinstance(offset, int):
                plain[axis] = replace(plain[axis], before=offset, partial=True)
                found.append(tuple(plain))
            else:
                found.append((*plain[:axis], EVERYTHING, *plain[axis + 1 :]))
            offset = offset + type.shape[axis]
        return tuple(found)

    def define(
        self, *arrays: Array, training: bool = False, random: Array | None = None, **weights: Array
    ) -> Outputs:
        import numpy as np

        return (np.concatenate(arrays, axis=self.axis),), {}

    def lower(self, program: Builder, *values: Value, training: bool = False, **weights: Value) -> tuple[Value, ...]:
        return (program.concatenate(values, self._axis([value.type for value in values])),)

    @classmethod
    def examples(cls) -> Sequence[Example]:
        x, y = TensorType((2, 4, 3, 5)), TensorType((2, 4, 3, 2))
        tall = TensorType((2, 1, 3, 5))
        return [
            Example(cls(), (x, y), (TensorType((2, 4, 3, 7)),)),
            Example(cls(axis=1), (x, tall, x), (TensorType((2, 9, 3, 5)),)),
        ]

    spellings = {
        "keras": Spelling("Concatenate"),
        "torch": Spelling("torch.cat", "channels are axis 1"),
        "onnx": Spelling("Concat", "channels are axis 1"),
    }
