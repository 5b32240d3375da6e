"""Normalisations."""

from __future__ import annotations

from typing import Any

from layerscope.core.types import TensorType
from layerscope.operators.normalisation import (
    BatchNormalization,
    GroupNormalization,
    LocalResponseNormalization,
    Normalization,
)
from layerscope.operators.pointwise import Pointwise
from layerscope.operators.reductions import Reduction
from layerscope.sources._torch.live.rules import rule
from layerscope.sources._torch.live.site import Site, Value, type_of


def _channels(site: Site, input: Any, given: Any) -> Any:
    """The operand, or one number a channel where there is none."""
    return Value(TensorType((int(input.shape[1]),), type_of(input).dtype)) if given is None else given


@rule("batch_norm", "native_batch_norm", "_native_batch_norm_legit_no_training", "cudnn_batch_norm")
def batch_norm(
    site: Site, input: Any, running_mean: Any, running_var: Any, weight: Any = None, bias: Any = None, *_: Any,
    **__: Any,
) -> Any:  # fmt: skip
    """With the statistics that were learned, where there are any; otherwise with those of the batch."""
    if not site.python:  # weight, bias, running_mean, running_var
        running_mean, running_var, weight, bias = weight, bias, running_mean, running_var
    own = [_channels(site, input, one) for one in (weight, bias, running_mean, running_var)]
    return site.emit(BatchNormalization, "BatchNormalization", (input, *own), running_mean is None, results=1)


@rule("instance_norm")
def instance_norm(
    site: Site, input: Any, running_mean: Any = None, running_var: Any = None, weight: Any = None, bias: Any = None,
    use_input_stats: bool = True, *_: Any, **__: Any,
) -> Any:  # fmt: skip
    """Each channel of each example by its own statistics, or by learned ones."""
    if not site.python:
        running_mean, running_var, weight, bias = weight, bias, running_mean, running_var
    if not use_input_stats:
        own = [_channels(site, input, one) for one in (weight, bias, running_mean, running_var)]
        return site.emit(BatchNormalization, "BatchNormalization", (input, *own), results=1)
    return site.emit(Normalization, "InstanceNormalization", (input, weight, bias), by_channel=True)


@rule("layer_norm", "native_layer_norm")
def layer_norm(site: Site, input: Any, normalized_shape: Any, weight: Any = None, bias: Any = None, *_: Any,
               **__: Any) -> Any:  # fmt: skip
    """Over the last axes."""
    axes = tuple(range(-len(tuple(normalized_shape)), 0))
    return site.emit(Normalization, "LayerNormalization", (input, weight, bias), axes)


@rule("rms_norm", "_fused_rms_norm")
def rms_norm(site: Site, input: Any, normalized_shape: Any, weight: Any = None, *_: Any, **__: Any) -> Any:
    """Over the last axes, by the mean of squares."""
    axes = tuple(range(-len(tuple(normalized_shape)), 0))
    return site.emit(Normalization, "RMSNormalization", (input, weight), axes)


@rule("group_norm")
def group_norm(site: Site, input: Any, num_groups: int, weight: Any = None, bias: Any = None, *_: Any,
               **__: Any) -> Any:  # fmt: skip
    """Groups of channels of each example."""
    return site.emit(GroupNormalization, "GroupNormalization", (input, weight, bias), int(num_groups))


@rule("native_group_norm")
def native_group_norm(site: Site, input: Any, weight: Any, bias: Any, n: Any, c: Any, hw: Any, group: int,
                      *_: Any) -> Any:  # fmt: skip
    """ATen's own."""
    return group_norm(site, input, group, weight, bias)


@rule("local_response_norm")
def local_response_norm(site: Site, input: Any, size: int, *_: Any, **__: Any) -> Any:
    """By the squares of neighbouring channels."""
    return site.emit(LocalResponseNormalization, "LRN", (input,), int(size))


@rule("_weight_norm_interface")
def weight_norm(site: Site, v: Any, g: Any, dim: int = 0) -> Any:
    """The direction of v with the length g: its norm over all axes but one, and a product."""
    axes = tuple(axis for axis in range(v.dim()) if axis != int(dim) % v.dim())
    (length,) = site.emit(Reduction, "ReduceL2", (v,), axes, True, 1, 1, "ends", called="norm")
    made = site.emit(Pointwise, "WeightNorm", (v, g, length), 2, "inputs", called="weight_norm")
    return (*made, length)
