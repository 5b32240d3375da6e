"""Losses of areas: how much of two masks is the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from layerscope.core.errors import SettingError
from layerscope.core.lowering import Builder, Value
from layerscope.core.types import TensorType
from layerscope.losses._base import EPSILON, Loss, check_number, check_values, minus_from, total


@dataclass
class _Overlap(Loss):
    """Base: `axis` holds the axes of one mask; None are all, the batch too."""

    def check(self, targets: NDArray[Any], output: TensorType) -> None:
        """Masks are shares."""
        check_values(targets, self.name, 0, 1, "masks")

    def fits(self, output: TensorType) -> None:
        """SettingError for an axis that there is not."""
        self._axes(output)

    def by_example(self, output: TensorType) -> bool:
        """Whether the batch is no axis of a mask."""
        return 0 not in self._axes(output)

    def _axes(self, type: TensorType) -> tuple[int, ...]:
        axis: int | Sequence[int] | None = getattr(self, "axis", None)
        if axis is None:
            return tuple(range(type.rank))
        given = [axis] if isinstance(axis, int) else list(axis)
        if not given or any(not isinstance(one, int) or not -type.rank <= one < type.rank for one in given):
            raise SettingError(
                f"{self.name}: axis must name axes of the output {type}, 0 being the batch, not {axis!r}"
            )
        return tuple(sorted({one % type.rank for one in given}))


@dataclass
class Dice(_Overlap):
    """1 - 2·Σ t·p / (Σ t + Σ p + 1e-7) over the axes of a mask (Dice 1945); mean over the rest.

    `axis`: those axes, 0 being the batch; None are all of them, which makes one mask of the batch. (1, 2, 3) takes
    each image by itself.
    """

    axis: int | Sequence[int] | None = None
    key = "dice"

    def each(self, program: Builder, target: Value, output: Value) -> Value:
        """1 - 2·Σ t·p / (Σ t + Σ p + 1e-7) of each mask."""
        axes = self._axes(output.type)
        both = program.reduce("sum", program.map("mul", target, output), axes)
        sizes = [program.reduce("sum", value, axes) for value in (target, output)]
        whole = program.map("shift", program.map("add", *sizes), offset=EPSILON)
        return minus_from(program, 1.0, program.map("div", program.map("double", both), whole))


@dataclass
class Tversky(_Overlap):
    """1 - I / (I + alpha·Σ t·(1-p) + beta·Σ (1-t)·p + 1e-7), I = Σ t·p, over the axes of a mask (Salehi 2017).

    At alpha = beta = 0.5 it is Dice. `alpha` weighs what is missed, `beta` what is wrongly marked. `axis`: see Dice.
    """

    alpha: float = 0.5
    beta: float = 0.5
    axis: int | Sequence[int] | None = None
    key = "tversky"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number(self.name, self.alpha, "alpha")
        check_number(self.name, self.beta, "beta")

    def each(self, program: Builder, target: Value, output: Value) -> Value:
        """1 - I / (I + alpha·missed + beta·wrong + 1e-7) of each mask."""
        axes = self._axes(output.type)
        both = program.reduce("sum", program.map("mul", target, output), axes)
        missed = program.reduce("sum", program.map("mul", target, minus_from(program, 1.0, output)), axes)
        wrong = program.reduce("sum", program.map("mul", minus_from(program, 1.0, target), output), axes)
        parts = [both, program.map("scale", missed, factor=self.alpha), program.map("scale", wrong, factor=self.beta)]
        whole = program.map("shift", total(program, parts), offset=EPSILON)
        return minus_from(program, 1.0, program.map("div", both, whole))
