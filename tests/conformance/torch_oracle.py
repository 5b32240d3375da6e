"""PyTorch in float64: each layer spelled with its functions, channels first inside."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from contract.cases import inputs_for
from layerscope.core.contract import Example

from .oracles import Answer, pads_of, transposed

SPELLED: dict[str, Callable[..., Any]] = {}


def spells(kind: str):
    def keep(function):
        SPELLED[kind] = function
        return function

    return keep


@cache
def modules() -> tuple[Any, Any]:
    import torch
    from torch.nn import functional

    return torch, functional


def first(x):
    return x.permute(0, 3, 1, 2)


def last(x):
    return x.permute(0, 2, 3, 1)


def heavy(kernel):
    """(kh, kw, a, b) → (b, a, kh, kw); its gradient kernels want it contiguous."""
    return kernel.permute(3, 2, 0, 1).contiguous()


def framed(x, pads, value=0.0):
    """Pads (negative ones crop) around height and width; PyTorch lists the last axis first."""
    _, functional = modules()
    (top, bottom), (left, right) = pads
    return functional.pad(x, (left, right, top, bottom), value=value)


def ask(case: Example, arrays, weights, cotangent) -> Answer:
    torch, _ = modules()
    tensors = [torch.tensor(np.array(a), requires_grad=a.dtype.kind == "f") for a in arrays]
    values = {name: torch.tensor(np.array(w), requires_grad=True) for name, w in weights.items()}
    made = SPELLED[type(case.layer).__name__](case.layer, *tensors, **values)
    outputs = made if isinstance(made, tuple) else (made,)
    wanted = [t for t in tensors if t.requires_grad] + list(values.values())
    found = torch.autograd.grad((outputs[0] * torch.tensor(np.array(cotangent))).sum(), wanted)
    gradients = iter(g.numpy() for g in found)
    inputs = [next(gradients) if t.requires_grad else None for t in tensors]
    return Answer([o.detach().numpy() for o in outputs], inputs, dict(zip(weights, gradients, strict=True)))


def accepts(case: Example) -> bool:
    """Where unpooled values meet in one cell, PyTorch leaves open which stays (its threads race)."""
    if type(case.layer).__name__ != "MaxUnpooling2D":
        return True
    switches = inputs_for(case)[1]
    columns = switches.transpose(0, 3, 1, 2).reshape(-1, switches.shape[1] * switches.shape[2])
    return all(len(set(column.tolist())) == len(column) for column in columns)


@spells("Dense")
def dense(layer, x, kernel, bias=None):
    return activated(layer.activation, modules()[1].linear(x, kernel.T, bias))


@spells("Conv2D")
def conv2d(layer, x, kernel, bias=None):
    pads = pads_of(layer, x.shape[1:3], layer.kernel_size, layer.dilation_rate)
    y = modules()[1].conv2d(
        framed(first(x), pads), heavy(kernel), bias, layer.strides, 0, layer.dilation_rate, layer.groups
    )
    return activated(layer.activation, last(y))


@spells("Conv2DTranspose")
def conv2d_transpose(layer, x, kernel, bias=None):
    """Without any padding; then cropped, or with the cells that `output_padding` computes."""
    crops = transposed(layer, x.shape[1:3])
    more = [max(-end, 0) for _, end in crops]
    y = modules()[1].conv_transpose2d(
        first(x), heavy(kernel), bias, layer.strides, 0, more, layer.groups, layer.dilation_rate
    )
    return activated(layer.activation, last(framed(y, [(-a, -max(b, 0)) for a, b in crops])))


@spells("MaxPooling2D")
def max_pooling2d(layer, x):
    """Over an image framed with -inf; switches are brought back into the unframed plane."""
    torch, functional = modules()
    pads = pads_of(layer, x.shape[1:3], layer.pool_size)
    wide = framed(first(x), pads, -float("inf"))
    y, index = functional.max_pool2d(wide, layer.pool_size, layer.strides, return_indices=True)
    rows, columns = index // wide.shape[3] - pads[0][0], index % wide.shape[3] - pads[1][0]
    switches = last(rows * x.shape[2] + columns).to(torch.int32)
    return (last(y), switches) if layer.return_switches else last(y)


@spells("AveragePooling2D")
def average_pooling2d(layer, x):
    """`count_include_pad=False` where PyTorch can pad so; else the mean over the frame, corrected by that of ones."""
    torch, functional = modules()
    pads = pads_of(layer, x.shape[1:3], layer.pool_size)
    if all(a == b and 2 * a <= k for (a, b), k in zip(pads, layer.pool_size, strict=True)):
        both = [a for a, _ in pads]
        y = functional.avg_pool2d(first(x), layer.pool_size, layer.strides, both, count_include_pad=False)
        return last(y)

    def mean(z):
        return functional.avg_pool2d(framed(first(z), pads), layer.pool_size, layer.strides)

    return last(mean(x) / mean(torch.ones_like(x)))


@spells("GlobalMaxPooling2D")
def global_max_pooling2d(layer, x):
    y = last(modules()[1].adaptive_max_pool2d(first(x), 1))
    return y if layer.keepdims else y[:, 0, 0]


@spells("GlobalAveragePooling2D")
def global_average_pooling2d(layer, x):
    y = last(modules()[1].adaptive_avg_pool2d(first(x), 1))
    return y if layer.keepdims else y[:, 0, 0]


@spells("UpSampling2D")
def up_sampling2d(layer, x):
    extra = {"align_corners": False} if layer.interpolation == "bilinear" else {}
    sizes = [n * f for n, f in zip(x.shape[1:3], layer.size, strict=True)]
    return last(modules()[1].interpolate(first(x), sizes, mode=layer.interpolation, **extra))


@spells("BedOfNails2D")
def bed_of_nails2d(layer, x):
    """As the layer says: a depthwise transposed convolution with a 1×1 kernel of one."""
    torch, functional = modules()
    one = torch.ones((x.shape[3], 1, 1, 1), dtype=x.dtype)
    added = [s - 1 for s in layer.size]
    return last(functional.conv_transpose2d(first(x), one, None, layer.size, 0, added, x.shape[3]))


@spells("PixelShuffle2D")
def pixel_shuffle2d(layer, x):
    """With two factors `fold` puts the blocks side by side: its channels have the same order."""
    torch, functional = modules()
    r, s = layer.size
    if r == s:
        return last(torch.nn.PixelShuffle(r)(first(x)))
    plane = (x.shape[1] * r, x.shape[2] * s)
    return last(functional.fold(first(x).flatten(2), plane, (r, s), stride=(r, s)))


@spells("MaxUnpooling2D")
def max_unpooling2d(layer, x, switches):
    """The operator itself: the function around it refuses some planes that 'same' pooling makes."""
    torch, _ = modules()
    plane = list(
        layer.output_size
        or [(n - 1) * s + k for n, s, k in zip(x.shape[1:3], layer.strides, layer.pool_size, strict=True)]
    )
    return last(torch.ops.aten.max_unpool2d(first(x).contiguous(), first(switches).contiguous().long(), plane))


@spells("ZeroPadding2D")
def zero_padding2d(layer, x):
    (top, bottom), (left, right) = layer.padding
    return last(modules()[0].nn.ZeroPad2d((left, right, top, bottom))(first(x)))


@spells("Cropping2D")
def cropping2d(layer, x):
    return last(framed(first(x), [(-a, -b) for a, b in layer.cropping]))


@spells("Add")
def add(layer, *xs):
    total = xs[0]
    for x in xs[1:]:
        total = modules()[0].add(total, x)
    return total


@spells("Concatenate")
def concatenate(layer, *xs):
    return modules()[0].cat(xs, dim=layer.axis)


@spells("Flatten")
def flatten(layer, x):
    return modules()[0].flatten(x, 1) * 1


@spells("Reshape")
def reshape(layer, x):
    return x.reshape(x.shape[0], *layer.target_shape) * 1


@spells("Activation")
def activation(layer, x):
    return activated(layer.activation, x * 1)


@spells("Dropout")
def dropout(layer, x):
    return modules()[1].dropout(x, layer.rate, training=False) * 1


def activated(name, x):
    torch, functional = modules()
    if name in (None, "linear"):
        return x
    if name == "softmax":
        return functional.softmax(x, dim=-1)
    if name == "leaky_relu":
        return functional.leaky_relu(x, 0.2)
    if name in torch_more.FUNCTIONS:
        return torch_more.FUNCTIONS[name](functional, x)
    if name == "softplus":  # beyond its threshold PyTorch returns x itself: see docs/disagreements.md
        return functional.softplus(x, threshold=100)
    return getattr(torch if name in ("sigmoid", "tanh") else functional, name)(x)


from . import torch_more  # noqa: E402  which registers the other half
