"""What all metrics share: sums over the batch as primitives, and what becomes of the sums of a whole epoch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, cast

from numpy.typing import NDArray

from layerscope.core.errors import SettingError
from layerscope.core.lowering import Builder, Value
from layerscope.core.types import TensorType
from layerscope.losses import Loss
from layerscope.losses._base import unusual, weighed

Sums = NDArray[Any]
"""What one value of `lower` adds up to over all batches, in double precision."""
Result = float | list[float]


@dataclass
class Metric:
    """Base of all metrics: `lower` gives sums over a batch, `result` turns the sums over all batches into the metric.

    So a metric is that of the whole epoch, as Keras's are, not the mean of its batches. `falls`: whether less is
    better, which callbacks ask for. `name` is what the logs call it.
    """

    key: ClassVar[str] = ""
    """Its usual name: Keras's."""
    falls: ClassVar[bool] = False

    name: str = field(default="", kw_only=True)

    def __post_init__(self) -> None:
        self.name = self.name or self.key

    def target_type(self, output: TensorType) -> TensorType:
        """The type of targets that fits this output."""
        return output

    def fits(self, output: TensorType) -> None:
        """ShapeError where it cannot measure such an output."""

    def lower(self, program: Builder, target: Value, output: Value, weight: Value | None = None) -> Sequence[Value]:
        """Sums over the batch, as primitives, without a batch axis.

        `weight`: how much each example counts, (batch,), or each of its positions, (batch, ...).
        """
        raise NotImplementedError

    def result(self, sums: Sequence[Sums], count: float) -> Result:
        """The metric from the sums over all batches; `count` is how many examples there were."""
        raise NotImplementedError

    def to_json(self) -> dict[str, Any]:
        """Name and those settings that are not the usual ones, for a saved model."""
        return {"metric": type(self).__name__, "settings": unusual(self)}


def summed(program: Builder, values: Value, weight: Value | None = None, keep: int = 0) -> Value:
    """The sum over the batch and all other axes but the last `keep`."""
    return program.reduce("sum", weighed(program, values, weight), range(values.type.rank - keep))


def positions(value: Value) -> int:
    """How many numbers an example of a value has."""
    count = 1
    for size in value.type.shape[1:]:
        count *= cast(int, size)
    return count


@dataclass
class Mean(Metric):
    """Base of metrics that are a mean over examples, and over the positions of each."""

    def each(self, program: Builder, target: Value, output: Value) -> Value:
        """What the mean is of, (batch, ...), as primitives."""
        raise NotImplementedError

    def mask(self, program: Builder, target: Value) -> Value | None:
        """How much each position counts of itself; None where all count alike."""
        return None

    def lower(self, program: Builder, target: Value, output: Value, weight: Value | None = None) -> Sequence[Value]:
        """The sum over examples of their means over positions; where weights are given, theirs, too."""
        values, mask = self.each(program, target, output), self.mask(program, target)
        if mask is not None:
            weight = weighed(program, mask, weight)
        found = [summed(program, values, weight)]
        counts = [positions(values)]
        if weight is not None:
            found, counts = [*found, summed(program, weight)], [*counts, positions(weight)]
        return [
            one if count == 1 else program.map("scale", one, factor=1 / count)
            for one, count in zip(found, counts, strict=True)
        ]

    def result(self, sums: Sequence[Sums], count: float) -> Result:
        """The mean; 0 of nothing."""
        count = float(sums[1]) if len(sums) > 1 else count
        return float(sums[0]) / count if count else 0.0


@dataclass
class OfLoss(Mean):
    """Base of metrics that are the mean of a loss."""

    falls = True

    def objective(self) -> Loss:
        """The loss."""
        raise NotImplementedError

    def target_type(self, output: TensorType) -> TensorType:
        """That of the loss."""
        return self.objective().target_type(output)

    def fits(self, output: TensorType) -> None:
        """As the loss says."""
        self.objective().fits(output)

    def each(self, program: Builder, target: Value, output: Value) -> Value:
        """Each example's loss."""
        return self.objective().each(program, target, output)

    def mask(self, program: Builder, target: Value) -> Value | None:
        """As the loss masks."""
        return self.objective().mask(program, target)


@dataclass
class LossMean(OfLoss):
    """The mean of a loss that was given to `compile` as a metric."""

    loss: Loss | None = None

    def objective(self) -> Loss:
        """The loss that was given."""
        assert self.loss is not None
        return self.loss

    def fits(self, output: TensorType) -> None:
        """ShapeError for a loss of the whole batch, of which there is no mean over examples."""
        super().fits(output)
        if not self.objective().by_example(output):
            raise SettingError(
                f"{self.name} is a loss of the whole batch (axis={getattr(self.loss, 'axis', None)!r}), of which no "
                "mean over examples can be a metric; give it the axes of one example, axis=(1, 2, 3) for images"
            )

    def to_json(self) -> dict[str, Any]:
        """The loss, and the name."""
        return {"metric": "loss", "settings": {"name": self.name, "loss": self.objective().to_json()}}


def one_of(name: str, what: str, value: object, allowed: Sequence[object]) -> None:
    """SettingError unless a setting is one of some."""
    if value not in allowed:
        told = ", ".join(map(repr, allowed))
        raise SettingError(f"{name}: {what} must be one of {told}, not {value!r}")
