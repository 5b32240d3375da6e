"""Arithmetic that all spatial layers share: sizes of windows, pads, and checks of their settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, cast

from layerscope.core import sizes
from layerscope.core.contract import Layer
from layerscope.core.dataclasses import dataclass, replace
from layerscope.core.errors import SettingError, ShapeError
from layerscope.core.reach import Everything, Reads
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


def sequence(value: Any) -> tuple[Any, ...]:
    """A list or tuple as a tuple; anything else alone in one."""
    return tuple(cast(Sequence[Any], value)) if isinstance(value, list | tuple) else (value,)


def padding_name(value: Any, what: str = "padding", causal: bool = False) -> str:
    """ "valid" or "same" (or "causal", where that exists), in any case."""
    known = ("valid", "same", "causal") if causal else ("valid", "same")
    if isinstance(value, str) and value.lower() in known:
        return value.lower()
    listed = "'valid', 'same' or 'causal'" if causal else "'valid' or 'same'"
    raise SettingError(f"{what} must be {listed}, not {value!r}")


def spatial(type: TensorType, rank: int, first: bool = False) -> tuple[Size, ...]:
    """The spatial sizes of a tensor, channels last or first; ShapeError when its rank is another."""
    if type.rank != rank + 2:
        named = ("channels", *AXES[rank]) if first else (*AXES[rank], "channels")
        axes = ", ".join(("batch", *named))
        message = f"needs an input of {rank + 2} axes ({axes}), but got {type.rank}: {type}."
        if type.rank == rank + 1:
            place = "first" if first else "last"
            message += f" Is the channel axis missing? Grey images need a {place} axis of size 1."
        raise ShapeError(message)
    return type.shape[2:] if first else type.shape[1:-1]


@dataclass(frozen=True, eq=False)
class Spatial(Layer):
    """A layer of one input with `rank` spatial axes, which a setting `data_format` may put behind the channels.

    Its family computes with channels last: `view` brings the input there, `give` the result back, `turn` its reads.
    """

    rank: ClassVar[int]

    @property
    def first(self) -> bool:
        """Whether the channels stand before the spatial axes."""
        return getattr(self, "data_format", None) == "channels_first"

    def view(self, *types: TensorType) -> TensorType:
        """The only input, its channels last; ShapeError when it has another number of axes."""
        x = one_input(types)
        sizes = spatial(x, self.rank, self.first)
        return replace(x, shape=(x.shape[0], *sizes, x.shape[1])) if self.first else x

    def give(self, shape: Sequence[Size], dtype: str) -> TensorType:
        """The type of a result, of which the shape is given with its channels last."""
        batch, *middle, last = shape
        return TensorType((batch, last, *middle) if self.first else tuple(shape), dtype)

    def turn(self, *reads: Any) -> Reads:
        """Reads of a result by axis, both channels last, in the order of `data_format`."""
        if not self.first:
            return reads
        last = self.rank + 1
        place = {0: 0, last: 1, **{axis: axis + 1 for axis in range(1, last)}}

        def moved(one: Any) -> Any:
            return one if isinstance(one, Everything) else replace(one, axis=place[one.axis])

        batch, *middle, channels = (moved(one) for one in reads)
        return (batch, channels, *middle)


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

    valid: floor((n - k) / s) + 1; same: ceil(n / s), the extra cell at the end (as TensorFlow); causal:
    ceil(n / s), all k - 1 cells before the begin, so that no window reaches past its own place.
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
    if padding == "causal":
        return Placement(out, window - 1, 0)
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
