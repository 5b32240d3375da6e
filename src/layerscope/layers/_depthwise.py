"""Convolutions of each channel by itself, alone or followed by one that mixes the channels."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from layerscope.core import sizes
from layerscope.core.contract import Array, Outputs
from layerscope.core.costs import Saved
from layerscope.core.dataclasses import dataclass, replace
from layerscope.core.lowering import Builder, Value
from layerscope.core.reach import EVERYTHING, Reads, Spread, Window
from layerscope.core.sizes import Size
from layerscope.core.types import TensorType, WeightType
from layerscope.layers import _activation
from layerscope.layers._convolution import Kernel
from layerscope.layers._penalties import OfDepth, OfPoints
from layerscope.layers._spatial import channels, floating


class _Depthwise(Kernel):
    """What both kinds share: the channels that the depthwise part makes."""

    depth_multiplier: Any
    depthwise_initializer: Any
    bias_initializer: Any

    def _check_multiplier(self) -> None:
        given = sizes.checked(self.depth_multiplier, f"{self.kind}: depth_multiplier")
        object.__setattr__(self, "depth_multiplier", given)

    def _deep(self, *types: TensorType) -> TensorType:
        """The result of the depthwise part."""
        x = self.view(*types)
        found = self.placements(x)
        return self.give((x.shape[0], *(p.out for p in found), channels(x) * self.depth_multiplier), floating(x))

    def _depthwise_type(self, x: TensorType) -> WeightType:
        return WeightType((*self.kernel_size, channels(x), self.depth_multiplier), self.depthwise_initializer)

    def _deepened(self, x: Array, kernel: Array) -> Array:
        """For `define`: the result of the depthwise part."""
        import numpy as np

        found = self.placements(TensorType(x.shape))
        padded = np.pad(x, ((0, 0), *(p.pads for p in found), (0, 0)))
        out = np.zeros((x.shape[0], *sizes.numbers(p.out for p in found), *kernel.shape[-2:]), x.dtype)
        for place in np.ndindex(out.shape[1:-2]):
            for tap in itertools.product(*(range(k) for k in self.kernel_size)):
                steps = zip(place, self.strides, self.dilation_rate, tap, strict=True)
                source = (o * s + d * t for o, s, d, t in steps)
                out[(slice(None), *place)] += padded[(slice(None), *source)][..., None] * kernel[tap]
        return out.reshape(*out.shape[:-2], -1)

    def _deepening(self, program: Builder, x: Value, kernel: Value) -> Value:
        """For `lower`: the depthwise part, a convolution in as many groups as the input has channels."""
        *window, count, each = kernel.type.shape
        pads = tuple(p.pads for p in self.placements(x.type))
        kernel = program.reshape(kernel, (*window, 1, count * each))
        return program.conv(x, kernel, self.strides, pads, self.dilation_rate, channels(x.type))

    def _ended(self, y: Array, weights: Mapping[str, Array]) -> Outputs:
        """For `define`: bias and activation."""
        return (_activation.define(self.activation, y + weights["bias"] if self.use_bias else y),), {}

    def _ending(self, program: Builder, y: Value, weights: Mapping[str, Value]) -> tuple[Value, ...]:
        """For `lower`: bias and activation."""
        if self.use_bias:
            y = program.map("add", y, weights["bias"])
        return (_activation.lower(program, self.activation, y),)

    def _bias(self, x: TensorType) -> dict[str, WeightType]:
        return {"bias": WeightType((self.count(x),), self.bias_initializer)} if self.use_bias else {}


@dataclass(frozen=True, eq=False)
class DepthwiseConvolution(_Depthwise, OfDepth):
    """Each channel by itself, with `depth_multiplier` kernels for each."""

    kernel_size: Any
    strides: Any = 1
    padding: str = "valid"
    depth_multiplier: Any = 1
    data_format: str | None = None
    dilation_rate: Any = 1
    activation: str | None = None
    use_bias: bool = True
    depthwise_initializer: Any = "glorot_uniform"
    bias_initializer: Any = "zeros"

    def __post_init__(self) -> None:
        self._check()
        self._check_multiplier()

    def count(self, type: TensorType) -> int:
        return channels(type) * self.depth_multiplier

    def weight_types(self, *types: TensorType) -> dict[str, WeightType]:
        x = self.view(*types)
        return {"kernel": self._depthwise_type(x), **self._bias(x)}

    def macs(self, *types: TensorType) -> Size:
        return self._deep(*types).elements * sizes.product(self.kernel_size)

    def reach(self, output: int, *types: TensorType) -> tuple[Reads | None, ...]:
        own = Spread(self.rank + 1, self.depth_multiplier, self.depth_multiplier)
        return (self.moved(Window, own, *types),)

    def define(
        self, *arrays: Array, training: bool = False, random: Array | None = None, **weights: Array
    ) -> Outputs:
        return self._ended(self._deepened(arrays[0], weights["kernel"]), weights)

    def lower(self, program: Builder, *values: Value, training: bool = False, **weights: Value) -> tuple[Value, ...]:
        return self._ending(program, self._deepening(program, values[0], weights["kernel"]), weights)


@dataclass(frozen=True, eq=False)
class SeparableConvolution(_Depthwise, OfPoints):
    """A depthwise convolution, then one of kernel size 1 that mixes its channels."""

    filters: Any
    kernel_size: Any
    strides: Any = 1
    padding: str = "valid"
    data_format: str | None = None
    dilation_rate: Any = 1
    depth_multiplier: Any = 1
    activation: str | None = None
    use_bias: bool = True
    depthwise_initializer: Any = "glorot_uniform"
    pointwise_initializer: Any = "glorot_uniform"
    bias_initializer: Any = "zeros"

    def __post_init__(self) -> None:
        self._check()
        self._check_multiplier()
        object.__setattr__(self, "filters", sizes.checked(self.filters, f"{self.kind}: filters"))

    def count(self, type: TensorType) -> int:
        return self.filters

    def weight_types(self, *types: TensorType) -> dict[str, WeightType]:
        x = self.view(*types)
        mixing = (*(1,) * self.rank, channels(x) * self.depth_multiplier, self.filters)
        return {
            "depthwise_kernel": self._depthwise_type(x),
            "pointwise_kernel": WeightType(mixing, self.pointwise_initializer),
            **self._bias(x),
        }

    def macs(self, *types: TensorType) -> Size:
        return self._deep(*types).elements * (sizes.product(self.kernel_size) + self.filters)

    def saved(self, *types: TensorType) -> Saved | None:
        """Besides what a convolution keeps, the result of the depthwise part."""
        kept = super().saved(*types)
        return kept and replace(kept, extra=(self._deep(*types), *kept.extra))

    def workspace(self, *types: TensorType) -> Size | None:
        """The result of the depthwise part."""
        return self._deep(*types).bytes + _activation.workspace(self.activation, self.before(*types))

    def reach(self, output: int, *types: TensorType) -> tuple[Reads | None, ...]:
        return (self.moved(Window, EVERYTHING, *types),)

    def define(
        self, *arrays: Array, training: bool = False, random: Array | None = None, **weights: Array
    ) -> Outputs:
        deep = self._deepened(arrays[0], weights["depthwise_kernel"])
        mixing = weights["pointwise_kernel"]
        return self._ended(deep @ mixing.reshape(mixing.shape[-2:]), weights)

    def lower(self, program: Builder, *values: Value, training: bool = False, **weights: Value) -> tuple[Value, ...]:
        deep = self._deepening(program, values[0], weights["depthwise_kernel"])
        ones = (1,) * self.rank
        mixed = program.conv(deep, weights["pointwise_kernel"], ones, ((0, 0),) * self.rank, ones, 1)
        return self._ending(program, mixed, weights)
