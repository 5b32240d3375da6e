"""Dropout that drops many elements by one number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, cast

from layerscope.core import sizes
from layerscope.core.costs import NOTHING_SAVED, Saved
from layerscope.core.errors import SettingError, ShapeError
from layerscope.core.types import TensorType, show
from layerscope.layers._pointwise import Passing
from layerscope.layers._spatial import one_input, spatial

NoiseShape = tuple[int | None, ...] | None


def noise_shape(value: Any, kind: str) -> NoiseShape:
    """The sizes of the random numbers, None for those of the input; None: one number for each element."""
    if value is None:
        return None
    if not isinstance(value, list | tuple):
        raise SettingError(f"{kind}: noise_shape must be a sequence of sizes or None, not {value!r}")
    parts = cast(Sequence[Any], value)
    return tuple(None if part is None else sizes.checked(part, f"{kind}: a size of noise_shape") for part in parts)


def mask(given: NoiseShape, type: TensorType) -> TensorType:
    """Which numbers are kept; ShapeError when noise_shape has another number of axes than the input."""
    if given is None:
        return TensorType(type.shape, "bool")
    if len(given) != type.rank:
        raise ShapeError(f"noise_shape {show(given)} has {len(given)} axes, but the input {type.rank}: {type}")
    return TensorType(tuple(n if one is None else one for one, n in zip(given, type.shape, strict=True)), "bool")


class SpatialDropping(Passing):
    """While training, drops whole channels of an example. The kinds have their settings in Keras's order."""

    rank: ClassVar[int]
    rate: Any

    def out(self, *types: TensorType) -> tuple[TensorType, ...]:
        spatial(one_input(types), self.rank, self._first)
        return super().out(*types)

    @property
    def _first(self) -> bool:
        return getattr(self, "data_format", None) == "channels_first"

    def saved(self, *types: TensorType) -> Saved | None:
        """Which channels were kept."""
        batch, *rest = types[0].shape
        ones = (1,) * self.rank
        kept = (batch, rest[0], *ones) if self._first else (batch, *ones, rest[-1])
        return Saved(extra=(TensorType(kept, "bool"),)) if self.rate else NOTHING_SAVED
