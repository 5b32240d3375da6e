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


def spells(*kinds: str):
    def keep(function):
        SPELLED.update(dict.fromkeys(kinds, function))
        return function

    return keep


@cache
def modules() -> tuple[Any, Any]:
    import torch
    from torch.nn import functional

    return torch, functional


def first(x):
    return x.movedim(-1, 1)


def last(x):
    return x.movedim(1, -1)


def heavy(kernel):
    """(*k, a, b) → (b, a, *k); its gradient kernels want it contiguous."""
    return kernel.movedim((-1, -2), (0, 1)).contiguous()


def framed(x, pads, value=0.0):
    """Pads (negative ones crop) around the spatial axes; PyTorch lists the last axis first."""
    _, functional = modules()
    return functional.pad(x, [end for pair in reversed(pads) for end in pair], value=value)


def of_rank(name: str, layer):
    """PyTorch's function of this name for the layer's number of axes."""
    return getattr(modules()[1], f"{name}{layer.rank}d")


def named(*forms: str) -> list[str]:
    """Kinds of one, two and three spatial axes."""
    return [form.format(rank) for form in forms for rank in (1, 2, 3)]


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


def moved(layer, x, kernel, bias, groups):
    """A convolution of any number of axes, channels first."""
    pads = pads_of(layer, x.shape[2:], layer.kernel_size, layer.dilation_rate)
    moving = of_rank("conv", layer)
    return moving(framed(x, pads), heavy(kernel), bias, layer.strides, 0, layer.dilation_rate, groups)


@spells(*named("Conv{}D"))
def conv(layer, x, kernel, bias=None):
    return activated(layer.activation, last(moved(layer, first(x), kernel, bias, layer.groups)))


@spells("DepthwiseConv1D", "DepthwiseConv2D")
def depthwise(layer, x, kernel, bias=None):
    return activated(layer.activation, last(deepened(layer, x, kernel, bias)))


def deepened(layer, x, kernel, bias):
    """As many groups as channels; the multiplier's kernels of one channel stand side by side."""
    return moved(layer, first(x), kernel.reshape(*layer.kernel_size, 1, -1), bias, x.shape[-1])


@spells("SeparableConv1D", "SeparableConv2D")
def separable(layer, x, depthwise_kernel, pointwise_kernel, bias=None):
    deep = deepened(layer, x, depthwise_kernel, None)
    return activated(layer.activation, last(of_rank("conv", layer)(deep, heavy(pointwise_kernel), bias)))


@spells(*named("Conv{}DTranspose"))
def conv_transpose(layer, x, kernel, bias=None):
    """Without any padding; then cropped, or with the cells that `output_padding` computes."""
    crops = transposed(layer, x.shape[1:-1])
    more = [max(-end, 0) for _, end in crops]
    y = of_rank("conv_transpose", layer)(
        first(x), heavy(kernel), bias, layer.strides, 0, more, layer.groups, layer.dilation_rate
    )
    return activated(layer.activation, last(framed(y, [(-a, -max(b, 0)) for a, b in crops])))


@spells(*named("MaxPooling{}D"))
def max_pooling(layer, x):
    """Over an image framed with -inf."""
    torch, _ = modules()
    pads = pads_of(layer, x.shape[1:-1], layer.pool_size)
    wide = framed(first(x), pads, -float("inf"))
    y, index = of_rank("max_pool", layer)(wide, layer.pool_size, layer.strides, return_indices=True)
    if not getattr(layer, "return_switches", False):
        return last(y)
    rows, columns = index // wide.shape[3] - pads[0][0], index % wide.shape[3] - pads[1][0]
    return last(y), last(rows * x.shape[2] + columns).to(torch.int32)  # brought back into the unframed plane


@spells(*named("AveragePooling{}D"))
def average_pooling(layer, x):
    """`count_include_pad=False` where PyTorch can pad so; else the mean over the frame, corrected by that of ones.

    In three dimensions it wants the window to fit even before it pads.
    """
    torch, _ = modules()
    pads, pool = pads_of(layer, x.shape[1:-1], layer.pool_size), of_rank("avg_pool", layer)
    fits = layer.rank < 3 or all(k <= n for k, n in zip(layer.pool_size, x.shape[1:-1], strict=True))
    if fits and all(a == b and 2 * a <= k for (a, b), k in zip(pads, layer.pool_size, strict=True)):
        both = [a for a, _ in pads]
        return last(pool(first(x), layer.pool_size, layer.strides, both, count_include_pad=False))

    def mean(z):
        return pool(framed(first(z), pads), layer.pool_size, layer.strides)

    return last(mean(x) / mean(torch.ones_like(x)))


@spells(*named("GlobalMaxPooling{}D"))
def global_max_pooling(layer, x):
    return pooled_whole(layer, x, "adaptive_max_pool")


@spells(*named("GlobalAveragePooling{}D"))
def global_average_pooling(layer, x):
    return pooled_whole(layer, x, "adaptive_avg_pool")


def pooled_whole(layer, x, name):
    y = last(of_rank(name, layer)(first(x), 1))
    return y if layer.keepdims else y.flatten(1)


@spells(*named("UpSampling{}D"))
def up_sampling(layer, x):
    mode = getattr(layer, "interpolation", "nearest")
    extra = {"align_corners": False} if mode == "bilinear" else {}
    sizes = [n * f for n, f in zip(x.shape[1:-1], layer.size, strict=True)]
    return last(modules()[1].interpolate(first(x), sizes, mode=mode, **extra))


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


@spells(*named("ZeroPadding{}D"))
def zero_padding(layer, x):
    module = getattr(modules()[0].nn, f"ZeroPad{layer.rank}d")
    return last(module([end for pair in reversed(layer.padding) for end in pair])(first(x)))


@spells(*named("Cropping{}D"))
def cropping(layer, x):
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
