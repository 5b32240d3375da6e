"""Losses as operators: cross-entropy of scores, and of logarithms of probabilities."""

from __future__ import annotations

from collections.abc import Sequence

from layerscope.core.contract import Example
from layerscope.core.costs import Operations, Saved
from layerscope.core.dataclasses import dataclass
from layerscope.core.errors import SettingError
from layerscope.core.reach import EVERYTHING, Reads, Window
from layerscope.core.types import TensorType
from layerscope.operators._axes import fits, needed, rank_of, whole
from layerscope.operators._operator import Operator


@dataclass(frozen=True, eq=False)
class CrossEntropy(Operator):
    """Minus the logarithm of the probability of the class that a label names; classes are axis 1.

    `scores`: the input are scores, of which log-softmax is taken first and is a second output; otherwise they are
    logarithms of probabilities. `reduction` is "none", or one number for all: "sum" or "mean".
    Shapes: (batch, classes, *n) and labels (batch, *n) → (batch, *n) or one number.
    Units: log-softmax is one pointwise operation a score, the pick of a label one, the sum counts as pooling.
    Errors: ShapeError where labels and scores do not fit.
    Source: ONNX operators SoftmaxCrossEntropyLoss, NegativeLogLikelihoodLoss.
    """

    reduction: str = "mean"
    scores: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.reduction not in ("none", "sum", "mean"):
            raise SettingError(f"{self.kind}: reduction must be none, sum or mean, not {self.reduction!r}")

    def infer(self, *operands: TensorType | None) -> tuple[TensorType, ...]:
        x, labels = needed(operands, 0, "the scores"), needed(operands, 1, "the labels")
        rank_of(x, 2, "its operand of scores")
        rank_of(labels, x.rank - 1, "its operand of labels", x.rank - 1)
        for axis, (a, b) in enumerate(zip(labels.shape, (x.shape[0], *x.shape[2:]), strict=True)):
            fits(a, b, f"the size of axis {axis} of the labels", "that of the scores")
        loss = TensorType(labels.shape if self.reduction == "none" else (), x.dtype)
        return (loss, x) if self.scores else (loss,)

    def effort(self, *operands: TensorType | None) -> Operations | None:
        x, labels = needed(operands, 0, "the scores"), needed(operands, 1, "the labels")
        return Operations(
            pointwise=labels.elements + (x.elements if self.scores else 0),
            pooling=0 if self.reduction == "none" else labels.elements,
        )

    def kept(self, *operands: TensorType | None) -> Saved | None:
        return Saved((1,), extra=(needed(operands, 0, "the scores"),) if self.scores else ())

    def reads(self, output: int, *operands: TensorType | None) -> tuple[Reads | None, ...]:
        x = needed(operands, 0, "the scores")
        rest = tuple(map(whole, operands[2:]))
        if output == 1:
            return ((Window(0), EVERYTHING, *map(Window, range(2, x.rank))), None, *rest)
        if self.reduction != "none":
            return (*map(whole, operands[:2]), *rest)
        axes = range(1, x.rank - 1)
        return ((Window(0), EVERYTHING, *map(Window, axes)), (Window(0), *map(Window, axes)), *rest)

    @classmethod
    def examples(cls) -> Sequence[Example]:
        inputs = (TensorType((4, 10, 6)), TensorType((4, 6), "int64"))
        return [
            Example(cls("SoftmaxCrossEntropyLoss", slots=(None, None), results=1), inputs, (TensorType(()),)),
            Example(
                cls("NegativeLogLikelihoodLoss", "none", False, slots=(None, None)), inputs, (TensorType((4, 6)),)
            ),
        ]
