"""Convolutions of each channel by itself, alone or followed by one that mixes the channels."""

from __future__ import annotations

from typing import Any

from layerscope.core import sizes
from layerscope.core.costs import Saved
from layerscope.core.dataclasses import dataclass, replace
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
