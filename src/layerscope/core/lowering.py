"""The vocabulary into which executable layers, losses and optimizers are lowered.

`Builder` is what a layer sees of an engine's program. Values are opaque to it but for their
type. Axis 0 is the batch where a value has one; spatial axes follow; channels come last.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from layerscope.core.sizes import Size
from layerscope.core.types import TensorType

Pads = tuple[tuple[int, int], ...]
"""Begin and end of each spatial axis."""


class Value(Protocol):
    """One intermediate result of a program."""

    @property
    def type(self) -> TensorType: ...


class Builder(Protocol):
    """Each method adds one primitive and returns its result."""

    def conv(
        self,
        x: Value,
        kernel: Value,
        strides: Sequence[int],
        pads: Pads,
        dilation: Sequence[int],
        groups: int,
    ) -> Value:
        """Cross-correlation: (batch, *in, C_in) and (*k, C_in/groups, C_out) → (batch, *out, C_out)."""
        ...

    def conv_transpose(
        self,
        x: Value,
        kernel: Value,
        strides: Sequence[int],
        pads: Pads,
        dilation: Sequence[int],
        groups: int,
        sizes: Sequence[Size],
    ) -> Value:
        """Adjoint of `conv` in its input: (batch, *out, C_out) → (batch, *sizes, C_in)."""
        ...

    def matmul(self, x: Value, matrix: Value) -> Value:
        """(…, n) and (n, m) → (…, m)."""
        ...

    def dots(self, x: Value, y: Value) -> Value:
        """(batch, m, k) and (batch, n, k) → (batch, m, n): products of each example's rows."""
        ...

    def pool_max(self, x: Value, window: Sequence[int], strides: Sequence[int], pads: Pads) -> tuple[Value, Value]:
        """Largest value of each window, padded with -inf, and its switch (first wins a tie)."""
        ...

    def pool_mean(self, x: Value, window: Sequence[int], strides: Sequence[int], pads: Pads) -> Value:
        """Mean of each window without its padding."""
        ...

    def unpool(self, x: Value, switches: Value, plane: Sequence[Size]) -> Value:
        """Each value at its switch in a plane of zeros; of colliding values the last stays."""
        ...

    def repeat(self, x: Value, factors: Sequence[int]) -> Value:
        """Each spatial position `factor` times along its axis."""
        ...

    def nails(self, x: Value, factors: Sequence[int]) -> Value:
        """Each spatial position at the top-left of a window of zeros."""
        ...

    def pixel_shuffle(self, x: Value, factors: Sequence[int]) -> Value:
        """Each position's channels, in blocks of as many as the factors' product, as a block of positions."""
        ...

    def resize_linear(self, x: Value, factors: Sequence[int]) -> Value:
        """Linear interpolation with half-pixel centres, edges repeated."""
        ...

    def pad(self, x: Value, pads: Pads) -> Value:
        """Zeros around the spatial axes; a negative pad crops."""
        ...

    def reshape(self, x: Value, shape: tuple[Size, ...]) -> Value:
        """The same elements in row-major order."""
        ...

    def permute(self, x: Value, order: Sequence[int]) -> Value:
        """The axes in another order; the batch stays."""
        ...

    def concatenate(self, values: Sequence[Value], axis: int) -> Value:
        """Side by side along one axis."""
        ...

    def map(self, function: str, *values: Value, **constants: float) -> Value:
        """A pointwise function, with broadcasting: see `engine.primitives.map` for the list."""
        ...

    def reduce(self, how: str, x: Value, axes: Sequence[int], keep: bool = False) -> Value:
        """ "sum", "mean", "max" or "argmax" over axes."""
        ...

    def random(self, type: TensorType, seed: int = 0, law: str = "uniform") -> Value:
        """Numbers, "uniform" in [0, 1) or "normal", repeatable from seed, step and position; no gradient."""
        ...

    def table(self, numbers: Sequence[float], shape: tuple[int, ...]) -> Value:
        """Numbers that never change, in row-major order; no gradient."""
        ...

    def update(self, weight: Value, fresh: Value) -> None:
        """After a training step the weight is `fresh`, as moving averages are; who is lowered later reads that."""
        ...

    def note_logits(self, probabilities: Value, kind: str, logits: Value) -> None:
        """Remember that `probabilities` are the sigmoid or softmax of `logits`, for the losses."""
        ...

    def logits_of(self, probabilities: Value, kind: str) -> Value | None:
        """What `note_logits` remembered, if anything."""
        ...
