"""Arithmetic that all spatial layers share: sizes of windows, pads, and checks of their settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from layerscope.core import sizes
from layerscope.core.errors import SettingError, ShapeError
from layerscope.core.sizes import Size
from layerscope.core.types import TensorType, show

AXES = {1: ("length",), 2: ("height", "width"), 3: ("depth", "height", "width")}


def per_axis(value: Any, rank: int, what: str, least: int = 1) -> tuple[int, ...]:
    """One whole number for all axes, or one for each."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        parts = cast(Sequence[Any], value)
        if len(parts) != rank:
            raise SettingError(f"{what} must be one number or {rank}, not {value!r}")
        return tuple(sizes.checked(part, what, least) for part in parts)
    return (sizes.checked(value, what, least),) * rank


def padding_name(value: Any, what: str = "padding") -> str:
    """ "valid" or "same", in any case."""
    if isinstance(value, str) and value.lower() in ("valid", "same"):
        return value.lower()
    raise SettingError(f"{what} must be 'valid' or 'same', not {value!r}")


def spatial(type: TensorType, rank: int) -> tuple[Size, ...]:
    """The spatial sizes of a channels-last tensor; ShapeError when its rank is another."""
    if type.rank != rank + 2:
        axes = ", ".join(("batch", *AXES[rank], "channels"))
        message = f"needs an input of {rank + 2} axes ({axes}), but got {type.rank}: {type}."
        if type.rank == rank + 1:
            message += " Is the channel axis missing? Grey images need a last axis of size 1."
        raise ShapeError(message)
    return type.shape[1:-1]


def channels(type: TensorType) -> int:
    """The size of the last axis, which weights need to be a number."""
    last = type.shape[-1]
    if isinstance(last, int):
        return last
    raise ShapeError(f"needs to know the size of the last axis, but got {type}")


@dataclass(frozen=True)
class Placement:
    """Where windows stand along one axis."""

    out: Size
    begin: Size
    end: Size

    @property
    def pads(self) -> tuple[int, int]:
        """Begin and end as numbers; an open size counts as a multiple of the stride."""
        return _number(self.begin), _number(self.end)


def _number(pad: Size) -> int:
    if isinstance(pad, int):
        return pad
    low = sizes.lower_bound(pad)
    return int(low) if low > -sizes.INFINITY else 0


def place(size: Size, window: int, stride: int, padding: str, axis: str = "") -> Placement:
    """Windows of `window` cells every `stride` cells over `size` cells (the dilated kernel).

    valid: floor((n - k) / s) + 1; same: ceil(n / s), the extra cell at the end (as TensorFlow).
    """
    if padding == "valid":
        if not sizes.at_least(size, window):
            where = f" along its {axis}" if axis else ""
            raise ShapeError(
                f"the kernel covers {window} cells{where}, but the input has only {size}. "
                "Use a smaller kernel or padding='same'."
            )
        return Placement(sizes.floor_div(size - window, stride) + 1, 0, 0)
    out = sizes.ceil_div(size, stride)
    if stride == 1:
        total: Size = window - 1
    else:
        total = sizes.maximum((out - 1) * stride + window - size, 0)
        if not isinstance(total, int):
            return Placement(
                out, max(window - stride, 0) // 2, max(window - stride, 0) - max(window - stride, 0) // 2
            )
    begin = sizes.floor_div(total, 2)
    return Placement(out, begin, total - begin)


def places(
    type: TensorType,
    window: Sequence[int],
    strides: Sequence[int],
    padding: str,
    dilation: Sequence[int] | None = None,
) -> tuple[Placement, ...]:
    """One placement for each spatial axis."""
    rank = len(window)
    spread = dilation or (1,) * rank
    return tuple(
        place(n, d * (k - 1) + 1, s, padding, axis)
        for n, k, s, d, axis in zip(spatial(type, rank), window, strides, spread, AXES[rank], strict=True)
    )


def one_input(types: Sequence[TensorType]) -> TensorType:
    """The only input; ShapeError when there are none or several."""
    if len(types) != 1:
        raise ShapeError(f"takes one input, but got {len(types)}: {', '.join(show(t.shape) for t in types)}")
    return types[0]


def floating(type: TensorType) -> str:
    """The dtype of results: that of a floating input, float32 otherwise."""
    return type.dtype if type.dtype.startswith(("float", "bfloat")) else "float32"
