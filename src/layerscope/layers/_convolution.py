"""Convolution and transposed convolution in any number of spatial dimensions."""

from __future__ import annotations

import itertools
from abc import abstractmethod
from typing import Any, ClassVar

from layerscope.core import sizes
from layerscope.core.contract import Array, Outputs, check_data_format
from layerscope.core.costs import Operations, Saved
from layerscope.core.dataclasses import dataclass
from layerscope.core.errors import SettingError, ShapeError
from layerscope.core.lowering import Builder, Value
from layerscope.core.reach import EVERYTHING, Everything, Reads, Relation, Spread, Window
from layerscope.core.sizes import Size
from layerscope.core.types import TensorType, WeightType
from layerscope.layers import _activation
from layerscope.layers._penalties import OfKernel
from layerscope.layers._spatial import Placement, Spatial, channels, floating, padding_name, per_axis, places, spatial


class Kernel(Spatial):
    """What all layers share that end with a bias and an activation behind a kernel that moves over positions.

    The kinds have these settings in the orders that Keras gives them, so this is no dataclass.
    """

    causal: ClassVar[bool] = False
    """Whether padding="causal" exists."""
    kernel_size: Any
    strides: Any
    padding: str
    data_format: str | None
    dilation_rate: Any
    activation: str | None
    use_bias: bool

    def _check(self) -> None:
        def put(name: str, value: object) -> None:
            object.__setattr__(self, name, value)

        put("kernel_size", per_axis(self.kernel_size, self.rank, f"{self.kind}: kernel_size"))
        put("strides", per_axis(self.strides, self.rank, f"{self.kind}: strides"))
        put("padding", padding_name(self.padding, f"{self.kind}: padding", self.causal))
        put("dilation_rate", per_axis(self.dilation_rate, self.rank, f"{self.kind}: dilation_rate"))
        check_data_format(self, self.data_format)
        put("activation", _activation.checked(self.activation, self))

    @property
    def linear(self) -> bool:
        return self.activation in (None, "linear")

    def placements(self, type: TensorType) -> tuple[Placement, ...]:
        """Output size and pads of each spatial axis of an input with its channels last."""
        return places(type, self.kernel_size, self.strides, self.padding, self.dilation_rate)

    @abstractmethod
    def count(self, type: TensorType) -> int:
        """The output channels for an input with its channels last; ShapeError when it does not fit."""

    def before(self, *types: TensorType) -> TensorType:
        """The type before the activation."""
        x = self.view(*types)
        found = self.placements(x)
        return self.give((x.shape[0], *(p.out for p in found), self.count(x)), floating(x))

    def out(self, *types: TensorType) -> tuple[TensorType, ...]:
        return (_activation.out(self.activation, self.before(*types)),)

    def operations(self, *types: TensorType) -> Operations | None:
        out = self.before(*types)
        return Operations(bias=out.elements if self.use_bias else 0) + _activation.operations(self.activation, out)

    def saved(self, *types: TensorType) -> Saved | None:
        return _activation.saved(self.activation, self.before(*types), inputs=(0,))

    def workspace(self, *types: TensorType) -> Size | None:
        return _activation.workspace(self.activation, self.before(*types))

    def moved(
        self, relation: type[Window] | type[Spread], channels: Relation | Everything, *types: TensorType
    ) -> Reads:
        """The reads of a kernel that moves so along each spatial axis."""
        found = self.placements(self.view(*types))
        steps = zip(self.strides, self.kernel_size, self.dilation_rate, found, strict=True)
        middle = (relation(axis, s, k, p.pads[0], d) for axis, (s, k, d, p) in enumerate(steps, 1))
        return _activation.reach(self.activation, self.turn(Window(0), *middle, channels), self.rank + 2)


@dataclass(frozen=True, eq=False)
class _Settings(Kernel, OfKernel):
    """The settings that stand first in both directions."""

    filters: int
    kernel_size: Any
    strides: Any = 1
    padding: str = "valid"


class _Grouped(_Settings):
    """What both directions share: filters in groups."""

    groups: int
    kernel_initializer: Any
    bias_initializer: Any

    def _check_groups(self, groups: int) -> None:
        object.__setattr__(self, "filters", sizes.checked(self.filters, f"{self.kind}: filters"))
        object.__setattr__(self, "groups", sizes.checked(groups, f"{self.kind}: groups"))
        if self.filters % groups:
            raise SettingError(f"{self.kind}: filters ({self.filters}) must be a multiple of groups ({groups})")

    def count(self, type: TensorType) -> int:
        count = channels(type)
        if count % self.groups:
            raise ShapeError(f"the input's {count} channels cannot be split into {self.groups} groups")
        return self.filters


@dataclass(frozen=True, eq=False)
class Convolution(_Grouped):
    """Cross-correlation with a learned kernel."""

    data_format: str | None = None
    dilation_rate: Any = 1
    groups: int = 1
    activation: str | None = None
    use_bias: bool = True
    kernel_initializer: Any = "glorot_uniform"
    bias_initializer: Any = "zeros"

    def __post_init__(self) -> None:
        self._check()
        self._check_groups(self.groups)

    def weight_types(self, *types: TensorType) -> dict[str, WeightType]:
        x = self.view(*types)
        self.count(x)
        kernel = (*self.kernel_size, channels(x) // self.groups, self.filters)
        found = {"kernel": WeightType(kernel, self.kernel_initializer)}
        return found | ({"bias": WeightType((self.filters,), self.bias_initializer)} if self.use_bias else {})

    def macs(self, *types: TensorType) -> Size:
        each = (channels(self.view(*types)) // self.groups) * sizes.product(self.kernel_size)
        return self.before(*types).elements * each

    def reach(self, output: int, *types: TensorType) -> tuple[Reads | None, ...]:
        return (self.moved(Window, EVERYTHING, *types),)

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


class TransposedConvolution(_Grouped):
    """The adjoint of a convolution with the same kernel (which is stored as (*k, out, in))."""

    output_padding: Any

    def __post_init__(self) -> None:
        self._check()
        self._check_groups(self.groups)
        if self.output_padding is not None:
            added = per_axis(self.output_padding, self.rank, f"{self.kind}: output_padding", least=0)
            if any(a >= s for a, s in zip(added, self.strides, strict=True)):
                raise SettingError(
                    f"{self.kind}: output_padding {added} must be smaller than strides {self.strides}, "
                    "or a smaller input already has this output size"
                )
            object.__setattr__(self, "output_padding", added)

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

    def weight_types(self, *types: TensorType) -> dict[str, WeightType]:
        x = self.view(*types)
        self.count(x)
        kernel = (*self.kernel_size, self.filters // self.groups, channels(x))
        found = {"kernel": WeightType(kernel, self.kernel_initializer)}
        return found | ({"bias": WeightType((self.filters,), self.bias_initializer)} if self.use_bias else {})

    def macs(self, *types: TensorType) -> Size:
        return self.view(*types).elements * (self.filters // self.groups) * sizes.product(self.kernel_size)

    def reach(self, output: int, *types: TensorType) -> tuple[Reads | None, ...]:
        return (self.moved(Spread, EVERYTHING, *types),)

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
