from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from layerscope.core.contract import Array, Example, Outputs, Spelling, Words
from layerscope.core.costs import Saved
from layerscope.core.dataclasses import dataclass
from layerscope.core.errors import ShapeError
from layerscope.core.lowering import Builder, Value
from layerscope.core.reach import Reads, same
from layerscope.core.types import TensorType, WeightType
from layerscope.layers._normalisation import (
    Normalisation,
    blocks,
    groups_of,
    kept,
    numbers_of,
    one_axis,
    scale_and_shift,
    standardised,
)
from layerscope.layers._penalties import OfScale
from layerscope.layers._spatial import floating


@dataclass(frozen=True, eq=False)
class GroupNormalization(Normalisation, OfScale):
    """Each example's channels, in groups, brought to mean 0 and variance 1 over positions and the group's channels.

    groups=1 normalises an example as a whole, groups=-1 each channel by itself (instance normalisation).

    Shapes: (batch, ...) → (batch, ...); gamma, beta (C,), C the size of `axis`.
    Errors: ShapeError when groups do not divide C, or C is open; SettingError for groups that are neither -1 nor ≥ 1.
    Source: Wu & He, "Group normalization" (2018).
    """

    groups: int = 32
    axis: Any = -1
    epsilon: float = 1e-3
    center: bool = True
    scale: bool = True
    beta_initializer: Any = "zeros"
    gamma_initializer: Any = "ones"

    words = Words(("groupnorm", "group_normalization", "gn"), ("groups",))
    law = "(...) → (...)"

    def __post_init__(self) -> None:
        object.__setattr__(self, "groups", groups_of(self.groups, self.kind))
        object.__setattr__(self, "axis", one_axis(self.axis, self.kind))

    @property
    def axes(self) -> tuple[int, ...]:
        return (self.axis,)

    def _split(self, type: TensorType) -> tuple[int, int]:
        """Groups, and the channels of each."""
        (count,) = self.along(type)
        groups = count if self.groups == -1 else self.groups
        return groups, blocks(count, groups)

    def out(self, *types: TensorType) -> tuple[TensorType, ...]:
        found = super().out(*types)
        if self.places(types[0]) == (0,):
            raise ShapeError("its axis is the batch; groups are of another axis")
        self._split(types[0])
        return found

    def weight_types(self, *types: TensorType) -> dict[str, WeightType]:
        return scale_and_shift(self, self.along(types[0]))

    def saved(self, *types: TensorType) -> Saved | None:
        groups, _ = self._split(types[0])
        return kept(numbers_of((types[0].shape[0], groups), floating(types[0])), 2)

    def reach(self, output: int, *types: TensorType) -> tuple[Reads | None, ...]:
        """All positions; along the channels all, whatever the groups, but its own of groups of one channel."""
        rank = types[0].rank
        (channels,) = self.places(types[0])
        alone = self._split(types[0])[1] == 1
        return (same(rank, everything=tuple(a for a in range(1, rank) if a != channels or not alone)),)

    def define(
        self, *arrays: Array, training: bool = False, random: Array | None = None, **weights: Array
    ) -> Outputs:
        import numpy as np

        (x,) = arrays
        groups, each = self._split(TensorType(x.shape))
        place = self.axis % x.ndim
        parts = x.reshape(*x.shape[:place], groups, each, *x.shape[place + 1 :])
        others = tuple(axis for axis in range(1, parts.ndim) if axis != place)
        mean, variance = parts.mean(axis=others, keepdims=True), parts.var(axis=others, keepdims=True)
        y = ((parts - mean) / np.sqrt(variance + self.epsilon)).reshape(x.shape)
        return (self.rescaled(y, *self.affine(weights)).astype(x.dtype),), {}

    def lower(self, program: Builder, *values: Value, training: bool = False, **weights: Value) -> tuple[Value, ...]:
        (x,) = values
        groups, each = self._split(x.type)
        (place,) = self.places(x.type)
        shape = x.type.shape
        parts = program.reshape(x, (*shape[:place], groups, each, *shape[place + 1 :]))
        others = tuple(axis for axis in range(1, len(shape) + 1) if axis != place)
        y = program.reshape(standardised(program, parts, others, self.epsilon), shape)
        return (self.scaled(program, y, *self.affine(weights)),)

    @classmethod
    def examples(cls) -> Sequence[Example]:
        x, first = TensorType((2, 7, 5, 6)), TensorType((2, 6, 7, 5))
        return [
            Example(cls(3), (x,), (x,)),
            Example(cls(-1, axis=1, center=False), (first,), (first,)),
            Example(cls(1), (TensorType((4, 6)),), (TensorType((4, 6)),)),
        ]

    spellings = {
        "keras": Spelling("GroupNormalization"),
        "torch": Spelling("torch.nn.GroupNorm", "channels first; eps 1e-5"),
        "onnx": Spelling("GroupNormalization", "channels first; epsilon 1e-5"),
    }
