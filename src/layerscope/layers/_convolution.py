"""Convolution and transposed convolution in any number of spatial dimensions."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any, ClassVar

from layerscope.core import sizes
from layerscope.core.contract import Array, Layer, Outputs, refuse_channels_first
from layerscope.core.costs import Operations, Saved
from layerscope.core.errors import SettingError, ShapeError
from layerscope.core.lowering import Builder, Value
from layerscope.core.reach import EVERYTHING, Reads, Spread, Window
from layerscope.core.sizes import Size
from layerscope.core.types import TensorType, WeightType
from layerscope.layers import _activation
from layerscope.layers._spatial import (
    Placement,
    channels,
    floating,
    one_input,
    padding_name,
    per_axis,
    places,
    spatial,
)


@dataclass(frozen=True, eq=False)
class _Settings(Layer):
    """What both directions share: checks, bias, activation."""

    rank: ClassVar[int]
    filters: int
    kernel_size: Any
    strides: Any = 1
    padding: str = "valid"

    def _check(self, extra: Any) -> None:
        def put(name: str, value: object) -> None:
            object.__setattr__(self, name, value)

        put("filters", sizes.checked(self.filters, f"{self.kind}: filters"))
        put("kernel_size", per_axis(self.kernel_size, self.rank, f"{self.kind}: kernel_size"))
        put("strides", per_axis(self.strides, self.rank, f"{self.kind}: strides"))
        put("padding", padding_name(self.padding, f"{self.kind}: padding"))
        put("dilation_rate", per_axis(extra.dilation_rate, self.rank, f"{self.kind}: dilation_rate"))
        put("groups", sizes.checked(extra.groups, f"{self.kind}: groups"))
        put("activation", _activation.checked(extra.activation, self.kind))
        refuse_channels_first(self, extra.data_format)
        if self.filters % extra.groups:
            raise SettingError(f"{self.kind}: filters ({self.filters}) must be a multiple of groups ({extra.groups})")

    def _groups_fit(self, type: TensorType, groups: int) -> int:
        count = channels(type)
        if count % groups:
            raise ShapeError(f"the input's {count} channels cannot be split into {groups} groups")
        return count


@dataclass(frozen=True, eq=False)
class Convolution(_Settings):
    """Cross-correlation with a learned kernel."""

    data_format: str | None = None
    dilation_rate: Any = 1
    groups: int = 1
    activation: str | None = None
    use_bias: bool = True
    kernel_initializer: Any = "glorot_uniform"
    bias_initializer: Any = "zeros"

    def __post_init__(self) -> None:
        self._check(self)

    @property
    def linear(self) -> bool:
        return self.activation in (None, "linear")

    def placements(self, type: TensorType) -> tuple[Placement, ...]:
        """Output size and pads of each spatial axis."""
        return places(type, self.kernel_size, self.strides, self.padding, self.dilation_rate)

    def out(self, *types: TensorType) -> tuple[TensorType, ...]:
        x = one_input(types)
        found = self.placements(x)
        self._groups_fit(x, self.groups)
        return (TensorType((x.shape[0], *(p.out for p in found), self.filters), floating(x)),)

    def weight_types(self, *types: TensorType) -> dict[str, WeightType]:
        count = self._groups_fit(types[0], self.groups)
        kernel = (*self.kernel_size, count // self.groups, self.filters)
        found = {"kernel": WeightType(kernel, self.kernel_initializer)}
        return found | ({"bias": WeightType((self.filters,), self.bias_initializer)} if self.use_bias else {})

    def macs(self, *types: TensorType) -> Size:
        (out,) = self.out(*types)
        return out.elements * (channels(types[0]) // self.groups) * sizes.product(self.kernel_size)

    def operations(self, *types: TensorType) -> Operations | None:
        (out,) = self.out(*types)
        return Operations(bias=out.elements if self.use_bias else 0) + _activation.operations(self.activation, out)

    def saved(self, *types: TensorType) -> Saved | None:
        return _activation.saved(self.activation, self.out(*types)[0], inputs=(0,))

    def reach(self, output: int, *types: TensorType) -> tuple[Reads | None, ...]:
        middle = (
            Window(axis, s, k, p.pads[0], d)
            for axis, (s, k, d, p) in enumerate(
                zip(self.strides, self.kernel_size, self.dilation_rate, self.placements(types[0]), strict=True),
                1,
            )
        )
        return ((Window(0), *middle, EVERYTHING),)

    def define(
        self, *arrays: Array, training: bool = False, random: Array | None = None, **weights: Array
    ) -> Outputs:
        import numpy as np

        (x,), kernel = arrays, weights["kernel"]
        found = self.placements(TensorType(x.shape))
        padded = np.pad(x, ((0, 0), *(p.pads for p in found), (0, 0)))
        out = np.zeros((x.shape[0], *sizes.numbers(p.out for p in found), self.filters), x.dtype)
        each_in, each_out = x.shape[-1] // self.groups, self.filters // self.groups
        for position in itertools.product(*(range(n) for n in out.shape[1:-1])):
            for tap in itertools.product(*(range(k) for k in self.kernel_size)):
                source = tuple(
                    o * s + d * t for o, s, d, t in zip(position, self.strides, self.dilation_rate, tap, strict=True)
                )
                for g in range(self.groups):
                    ins, outs = slice(g * each_in, (g + 1) * each_in), slice(g * each_out, (g + 1) * each_out)
                    pixel = padded[(slice(None), *source, ins)]
                    out[(slice(None), *position, outs)] += pixel @ kernel[(*tap, slice(None), outs)]
        if self.use_bias:
            out = out + weights["bias"]
        return (_activation.define(self.activation, out),), {}

    def lower(self, program: Builder, *values: Value, training: bool = False, **weights: Value) -> tuple[Value, ...]:
        (x,) = values
        pads = tuple(p.pads for p in self.placements(x.type))
        y = program.conv(x, weights["kernel"], self.strides, pads, self.dilation_rate, self.groups)
        if self.use_bias:
            y = program.map("add", y, weights["bias"])
        return (_activation.lower(program, self.activation, y),)


@dataclass(frozen=True, eq=False)
class TransposedConvolution(_Settings):
    """The adjoint of a convolution with the same kernel (which is stored as (*k, out, in))."""

    output_padding: Any = None
    data_format: str | None = None
    dilation_rate: Any = 1
    activation: str | None = None
    use_bias: bool = True
    kernel_initializer: Any = "glorot_uniform"
    bias_initializer: Any = "zeros"
    groups: int = 1

    def __post_init__(self) -> None:
        self._check(self)
        if self.output_padding is not None:
            added = per_axis(self.output_padding, self.rank, f"{self.kind}: output_padding", least=0)
            if any(a >= s for a, s in zip(added, self.strides, strict=True)):
                raise SettingError(
                    f"{self.kind}: output_padding {added} must be smaller than strides {self.strides}, "
                    "or a smaller input already has this output size"
                )
            object.__setattr__(self, "output_padding", added)

    @property
    def linear(self) -> bool:
        return self.activation in (None, "linear")

    def placements(self, type: TensorType) -> tuple[Placement, ...]:
        """Output size and crops of each spatial axis; a negative crop at the end extends."""
        return tuple(self._place(n, axis) for axis, n in enumerate(spatial(type, self.rank)))

    def _place(self, n: Size, axis: int) -> Placement:
        stride = self.strides[axis]
        kernel = self.dilation_rate[axis] * (self.kernel_size[axis] - 1) + 1
        whole = (n - 1) * stride + kernel
        if self.output_padding is None:
            out = whole + max(stride - kernel, 0) if self.padding == "valid" else n * stride
        else:
            crop = 0 if self.padding == "valid" else 2 * (kernel // 2)
            out = whole - crop + self.output_padding[axis]
        if not sizes.at_least(out, 1):
            raise ShapeError(f"its output would have the size {out}: the padding crops all of it")
        total = whole - out
        assert isinstance(total, int)
        begin = max(total, 0) // 2 if self.padding == "same" else 0
        return Placement(out, begin, total - begin)

    def out(self, *types: TensorType) -> tuple[TensorType, ...]:
        x = one_input(types)
        found = self.placements(x)
        self._groups_fit(x, self.groups)
        return (TensorType((x.shape[0], *(p.out for p in found), self.filters), floating(x)),)

    def weight_types(self, *types: TensorType) -> dict[str, WeightType]:
        count = self._groups_fit(types[0], self.groups)
        kernel = (*self.kernel_size, self.filters // self.groups, count)
        found = {"kernel": WeightType(kernel, self.kernel_initializer)}
        return found | ({"bias": WeightType((self.filters,), self.bias_initializer)} if self.use_bias else {})

    def macs(self, *types: TensorType) -> Size:
        each = (self.filters // self.groups) * sizes.product(self.kernel_size)
        return types[0].elements * each

    def operations(self, *types: TensorType) -> Operations | None:
        (out,) = self.out(*types)
        return Operations(bias=out.elements if self.use_bias else 0) + _activation.operations(self.activation, out)

    def saved(self, *types: TensorType) -> Saved | None:
        return _activation.saved(self.activation, self.out(*types)[0], inputs=(0,))

    def reach(self, output: int, *types: TensorType) -> tuple[Reads | None, ...]:
        middle = (
            Spread(axis, s, k, p.pads[0], d)
            for axis, (s, k, d, p) in enumerate(
                zip(self.strides, self.kernel_size, self.dilation_rate, self.placements(types[0]), strict=True),
                1,
            )
        )
        return ((Window(0), *middle, EVERYTHING),)

    def define(
        self, *arrays: Array, training: bool = False, random: Array | None = None, **weights: Array
    ) -> Outputs:
        import numpy as np

        (x,), kernel = arrays, weights["kernel"]
        found = self.placements(TensorType(x.shape))
        out = np.zeros((x.shape[0], *sizes.numbers(p.out for p in found), self.filters), x.dtype)
        each_in, each_out = x.shape[-1] // self.groups, self.filters // self.groups
        for position in itertools.product(*(range(n) for n in x.shape[1:-1])):
            for tap in itertools.product(*(range(k) for k in self.kernel_size)):
                target = tuple(
                    i * s + d * t - p.pads[0]
                    for i, s, d, t, p in zip(position, self.strides, self.dilation_rate, tap, found, strict=True)
                )
                if any(not 0 <= place < n for place, n in zip(target, out.shape[1:-1], strict=True)):
                    continue
                for g in range(self.groups):
                    ins, outs = slice(g * each_in, (g + 1) * each_in), slice(g * each_out, (g + 1) * each_out)
                    pixel = x[(slice(None), *position, ins)]
                    out[(slice(None), *target, outs)] += pixel @ kernel[(*tap, slice(None), ins)].T
        if self.use_bias:
            out = out + weights["bias"]
        return (_activation.define(self.activation, out),), {}

    def lower(self, program: Builder, *values: Value, training: bool = False, **weights: Value) -> tuple[Value, ...]:
        (x,) = values
        found = self.placements(x.type)
        pads = tuple(p.pads for p in found)
        y = program.conv_transpose(
            x, weights["kernel"], self.strides, pads, self.dilation_rate, self.groups, [p.out for p in found]
        )
        if self.use_bias:
            y = program.map("add", y, weights["bias"])
        return (_activation.lower(program, self.activation, y),)
