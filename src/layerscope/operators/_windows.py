"""Windows with explicit pads along any number of axes, as ONNX and PyTorch place them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from layerscope.core import sizes
from layerscope.core.dataclasses import dataclass
from layerscope.core.errors import SettingError, ShapeError
from layerscope.core.reach import Window
from layerscope.core.sizes import Size

AUTO_PAD = ("NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER")


@dataclass(frozen=True)
class Placed:
    """Windows along one axis: how many, cells of padding before and after, and the geometry of one."""

    out: Size
    begin: Size
    end: Size
    kernel: int
    stride: int
    dilation: int

    def relation(self, axis: int) -> Window:
        """How the axis is read. An open pad counts as that of a size that the stride divides."""
        return Window(axis, self.stride, self.kernel, int(self._begin()), self.dilation)

    def _begin(self) -> float:
        low = sizes.lower_bound(self.begin)
        return low if low > -sizes.INFINITY else 0


def numbers(value: Any, what: str, least: int = 1) -> tuple[int, ...]:
    """A list of whole numbers that are at least `least`; one number stands for a list of it alone."""
    if isinstance(value, str | bytes) or not isinstance(value, Sequence):
        value = (value,)
    return tuple(sizes.checked(part, what, least) for part in cast(Sequence[Any], value))


def per_axis(values: Sequence[int], rank: int, what: str, default: int = 1) -> tuple[int, ...]:
    """One number an axis; none at all stand for the default. ShapeError where their count is another."""
    if not values:
        return (default,) * rank
    if len(values) != rank:
        raise ShapeError(f"{what} has {len(values)} numbers {tuple(values)}, but there are {rank} spatial axes")
    return tuple(values)


def auto_pad(value: Any, what: str) -> str:
    """One of ONNX's words for how pads are chosen."""
    if value not in AUTO_PAD:
        raise SettingError(f"{what}: auto_pad must be one of {', '.join(AUTO_PAD)}, not {value!r}")
    return cast(str, value)


def place(
    size: Size, kernel: int, stride: int, dilation: int, pads: tuple[int, int], auto: str, ceil_mode: bool = False
) -> Placed:
    """Windows along one axis of `size` cells.

    NOTSET, VALID: floor((n + pads - k) / s) + 1, k = dilation·(kernel - 1) + 1; with ceil_mode rounded up, without
    windows that would start in the padding at the end. SAME: ceil(n / s), the odd cell of padding at the end
    (UPPER) or the start (LOWER).
    """
    extent = dilation * (kernel - 1) + 1
    if auto.startswith("SAME"):
        out = sizes.ceil_div(size, stride)
        total = sizes.maximum((out - 1) * stride + extent - size, 0)
        if not isinstance(total, int):
            total = max(extent - stride, 0)
        small = total // 2
        begin, end = (small, total - small) if auto == "SAME_UPPER" else (total - small, small)
        return Placed(out, begin, end, kernel, stride, dilation)
    begin, end = (0, 0) if auto == "VALID" else pads
    spare = size + (begin + end - extent)
    if not sizes.at_least(spare, 0):
        raise ShapeError(
            f"a window covers {extent} cells, but the axis has only {size}"
            + (f", and {begin + end} of padding" if begin + end else "")
        )
    out = sizes.floor_div(spare, stride) + 1
    if ceil_mode:
        most = sizes.ceil_div(size + begin, stride)  # windows that start before the padding at the end
        up = sizes.ceil_div(spare, stride) + 1
        out = up if end + stride <= extent else up + most - sizes.maximum(up, most)
    return Placed(out, begin, end, kernel, stride, dilation)


def places(
    spatial: Sequence[Size],
    kernel: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
    pads: Sequence[int],
    auto: str,
    ceil_mode: bool = False,
) -> tuple[Placed, ...]:
    """One placement for each spatial axis; `pads` has all begins, then all ends."""
    rank = len(spatial)
    steps, spread = per_axis(strides, rank, "strides"), per_axis(dilations, rank, "dilations")
    edges = per_axis(pads, 2 * rank, "pads", 0) if pads else (0,) * 2 * rank
    return tuple(
        place(n, k, s, d, (b, e), auto, ceil_mode)
        for n, k, s, d, b, e in zip(spatial, kernel, steps, spread, edges[:rank], edges[rank:], strict=True)
    )


def size_list(values: Any, what: str, absent: bool = False) -> tuple[Any, ...]:
    """Sizes: whole numbers, open sizes, or names of these as in JSON; None where `absent` allows it."""
    if isinstance(values, str | bytes) or not isinstance(values, Sequence):
        raise SettingError(f"{what} must be a list of sizes, not {values!r}")
    return tuple(None if one is None and absent else size_of(one, what) for one in cast(Sequence[Any], values))


def size_of(value: Any, what: str) -> Size:
    """One size from itself or from its form in JSON."""
    if isinstance(value, sizes.Expression):
        return value
    if isinstance(value, str | list):
        return sizes.from_json(cast(object, value))
    return sizes.checked(value, what, least=0)
