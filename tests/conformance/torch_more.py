"""PyTorch in float64, continued: what joins, normalises, changes or moves numbers, as its functions compute it."""

from __future__ import annotations

from functools import reduce
from typing import Any

from .torch_oracle import modules, spells

FUNCTIONS = {
    "gelu_tanh": lambda F, x: F.gelu(x, approximate="tanh"),
    "exponential": lambda F, x: x.exp(),
    "hard_shrink": lambda F, x: F.hardshrink(x),
    "hard_sigmoid": lambda F, x: F.relu6(x + 3) / 6,  # whose own slope is a sixth in single precision
    "hard_silu": lambda F, x: F.hardswish(x),
    "hard_tanh": lambda F, x: F.hardtanh(x),
    "log_sigmoid": lambda F, x: F.logsigmoid(x),
    "log_softmax": lambda F, x: F.log_softmax(x, dim=-1),
    "soft_shrink": lambda F, x: F.softshrink(x),
    "sparse_plus": lambda F, x: F.relu(x - 1) + ((x.clamp(-1, 1) + 1) / 2) ** 2,
    "sparse_sigmoid": lambda F, x: ((x + 1) / 2).clamp(0, 1),
    "squareplus": lambda F, x: (x + (x * x + 4).sqrt()) / 2,
    "tanh_shrink": lambda F, x: F.tanhshrink(x),
}
"""Activations that PyTorch calls otherwise, or has in parts."""


def widened(xs: Any) -> list[Any]:
    most = max(x.dim() for x in xs)
    return [x.reshape(x.shape[0], *(1,) * (most - x.dim()), *x.shape[1:]) for x in xs]


@spells("Subtract")
def subtract(layer, *xs):
    return modules()[0].sub(*widened(xs))


@spells("Multiply")
def multiply(layer, *xs):
    return reduce(modules()[0].mul, widened(xs)) * 1


@spells("Average")
def average(layer, *xs):
    torch, _ = modules()
    return torch.stack(torch.broadcast_tensors(*widened(xs))).mean(dim=0)


@spells("Maximum")
def maximum(layer, *xs):
    return reduce(modules()[0].maximum, widened(xs)) * 1


@spells("Minimum")
def minimum(layer, *xs):
    return reduce(modules()[0].minimum, widened(xs)) * 1


@spells("Dot")
def dot(layer, x, y):
    torch, functional = modules()
    axes = layer.axes if isinstance(layer.axes, tuple) else (layer.axes, layer.axes)
    if layer.normalize:
        x, y = (functional.normalize(v, dim=axis, eps=1e-7) for v, axis in zip((x, y), axes, strict=True))
    rows = [
        v.movedim(axis, -1).flatten(1, -2) if v.dim() > 2 else v[:, None]
        for v, axis in zip((x, y), axes, strict=True)
    ]
    rest = [
        tuple(n for a, n in enumerate(v.shape) if a not in (0, axis % v.dim()))
        for v, axis in zip((x, y), axes, strict=True)
    ]
    made = torch.bmm(rows[0], rows[1].transpose(1, 2))
    return made.reshape(x.shape[0], *rest[0], *rest[1]) if any(rest) else made.reshape(-1, 1)


# --- normalised ---


def places(layer, x) -> tuple[int, ...]:
    axes = layer.axis if isinstance(layer.axis, tuple) else (layer.axis,)
    return tuple(sorted(axis % x.dim() for axis in axes))


def at_the_end(layer, x, function):
    """A function of the last axes, put to the layer's axes."""
    axes = places(layer, x)
    ends = tuple(range(-len(axes), 0))
    moved = x.movedim(axes, ends)
    return function(moved, moved.shape[-len(axes) :]).movedim(ends, axes)


@spells("LayerNormalization")
def layer_normalization(layer, x, gamma=None, beta=None):
    _, functional = modules()

    def whole(y, shape):
        if layer.rms_scaling:
            variance = y.var(dim=tuple(range(-len(shape), 0)), unbiased=False, keepdim=True)
            return y / (variance + layer.epsilon).sqrt() * gamma.reshape(shape)
        held = [None if weight is None else weight.reshape(shape) for weight in (gamma, beta)]
        return functional.layer_norm(y, shape, *held, eps=layer.epsilon)

    return at_the_end(layer, x, whole)


@spells("RMSNormalization")
def rms_normalization(layer, x, scale):
    norm = modules()[1].rms_norm
    return at_the_end(layer, x, lambda y, shape: norm(y, shape, scale.reshape(shape), eps=layer.epsilon))


@spells("UnitNormalization")
def unit_normalization(layer, x):
    length = modules()[0].linalg.vector_norm(x, dim=places(layer, x), keepdim=True)
    return x / length.clamp(min=1e-12)


@spells("GroupNormalization")
def group_normalization(layer, x, gamma=None, beta=None):
    (axis,) = places(layer, x)
    groups = x.shape[axis] if layer.groups == -1 else layer.groups
    if gamma is None:  # its gradient wants both or none
        gamma = modules()[0].ones(x.shape[axis], dtype=x.dtype)
    return modules()[1].group_norm(x.movedim(axis, 1), groups, gamma, beta, layer.epsilon).movedim(1, axis)


@spells("BatchNormalization")
def batch_normalization(layer, x, moving_mean, moving_variance, gamma=None, beta=None):
    """Its channels are the second axis. PyTorch has no gradient of the statistics: that is written out."""
    (axis,) = places(layer, x)
    still = [moving_mean.detach(), moving_variance.detach()]
    y = modules()[1].batch_norm(x.movedim(axis, 1), *still, gamma, beta, training=False, eps=layer.epsilon)
    out = (x.detach().movedim(axis, -1) - moving_mean) / (moving_variance + layer.epsilon).sqrt()
    out = (out if gamma is None else out * gamma.detach()).movedim(-1, axis)
    return y.movedim(1, axis) + out - out.detach()


@spells("Normalization")
def normalization(layer, x, mean=None, variance=None, count=None):
    torch, _ = modules()
    axes = places(layer, x) if layer.axis else ()
    given = (
        [torch.tensor(v, dtype=x.dtype) for v in (layer.mean, layer.variance)] if mean is None else [mean, variance]
    )
    sizes = [x.shape[axis] for axis in axes]
    shape = [n if axis in axes else 1 for axis, n in enumerate(x.shape)]
    center, spread = (value.expand(sizes).reshape(shape) for value in given)
    root = spread.sqrt().clamp(min=1e-7)
    made = x * root + center if layer.invert else (x - center) / root
    return made if count is None else made + 0 * count


@spells("Softmax")
def softmax(layer, x):
    torch, _ = modules()
    return at_the_end(layer, x, lambda y, shape: torch.softmax(y.flatten(-len(shape)), dim=-1).unflatten(-1, shape))


# --- changed ---


@spells("ReLU")
def relu(layer, x):
    _, functional = modules()
    y = functional.threshold(x, layer.threshold, 0.0)
    y = y if layer.max_value is None else y.clamp(max=layer.max_value)
    return y - layer.negative_slope * functional.relu(layer.threshold - x)


@spells("LeakyReLU")
def leaky_relu(layer, x):
    return modules()[1].leaky_relu(x, layer.negative_slope)


@spells("ELU")
def elu(layer, x):
    return modules()[1].elu(x, layer.alpha)


@spells("PReLU")
def prelu(layer, x, alpha):
    torch, _ = modules()
    return torch.where(x > 0, x, alpha * x)


@spells("Rescaling")
def rescaling(layer, x):
    torch, _ = modules()
    scale, offset = (torch.tensor(value, dtype=x.dtype) for value in (layer.scale, layer.offset))
    return torch.addcmul(offset, x, scale) if offset.dim() else x * scale + offset


# --- moved, or passed through ---


@spells("Permute")
def permute(layer, x):
    return x.permute(0, *layer.dims) * 1


@spells("RepeatVector")
def repeat_vector(layer, x):
    return x.unsqueeze(1).expand(-1, layer.n, -1) * 1


def passed(name: str):
    def function(layer, x):
        return getattr(modules()[1], name)(x, 0.5, training=False) * 1

    return function


for _kind, _name in {
    "SpatialDropout1D": "dropout1d",
    "SpatialDropout2D": "dropout2d",
    "SpatialDropout3D": "dropout3d",
    "AlphaDropout": "alpha_dropout",
}.items():
    spells(_kind)(passed(_name))
for _kind in ("Identity", "GaussianNoise", "GaussianDropout", "ActivityRegularization"):
    spells(_kind)(lambda layer, x: modules()[0].nn.Identity()(x) * 1)
