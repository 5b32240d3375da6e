"""Layers of single numbers, joints of tensors and noise as PyTorch's modules and functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from layerscope.core.graph import Node
from layerscope.core.types import TensorType
from layerscope.targets._torch_layers import FORMS, Out, form
from layerscope.targets.torch import Value, Writer


def against(writer: Writer, array: Any, type: TensorType) -> Any:
    """Numbers in a shape that meets the proxies of a type: an image's channels stand second there."""
    whole = np.asarray(array).reshape((1,) * (type.rank - np.ndim(array)) + np.shape(array))
    return whole.transpose(0, 3, 1, 2) if type.rank == 4 else whole


def constant(writer: Writer, array: Any, type: TensorType, suffix: str) -> Any:
    """The proxy of numbers that are no parameters: a buffer of the module."""
    from layerscope.targets.torch import dtype

    held = np.array(against(writer, np.asarray(array, np.float64), type), order="C")
    return writer.attribute(suffix, writer.torch.from_numpy(held).to(dtype(writer.model, writer.torch)))


# --- functions with settings ---


@form("ReLU")
def relu(writer: Writer, node: Node, x: Value, *, out: Out) -> Value:
    """ReLU, ReLU6, LeakyReLU or Hardtanh where that is it; else by its definition."""
    layer: Any = node.layer
    nn, slope, most, threshold = writer.torch.nn, layer.negative_slope, layer.max_value, layer.threshold
    if not threshold and (not slope or most is None):
        made = nn.ReLU() if most is None else nn.ReLU6() if most == 6 else nn.Hardtanh(0.0, float(most))
        made = nn.LeakyReLU(slope) if slope else made
        return x.like(out[0], writer.module(made, x.held))
    y = x.proxy * (x.proxy > threshold)
    y = y if most is None else y.clamp(max=float(most))
    y = y - slope * (threshold - x.proxy).relu() if slope else y
    return Value(out[0], y, x.order)


@form("LeakyReLU")
def leaky_relu(writer: Writer, node: Node, x: Value, *, out: Out) -> Value:
    """LeakyReLU."""
    layer: Any = node.layer
    return x.like(out[0], writer.module(writer.torch.nn.LeakyReLU(layer.negative_slope), x.held))


@form("ELU")
def elu(writer: Writer, node: Node, x: Value, *, out: Out) -> Value:
    """ELU."""
    layer: Any = node.layer
    return x.like(out[0], writer.module(writer.torch.nn.ELU(layer.alpha), x.held))


@form("PReLU")
def prelu(writer: Writer, node: Node, x: Value, *, out: Out) -> Value:
    """PReLU where one slope, or one for each channel of an image, is learned; else by its definition."""
    alpha = writer.model._variables[node.weights["alpha"]].array
    if alpha.size == 1 or (x.type.rank == 4 and alpha.size == alpha.shape[-1]):

        def make() -> Any:
            found = writer.torch.nn.PReLU(alpha.size)
            found.weight = writer.parameter(node, "alpha", lambda array: array.ravel(), "prelu")
            return found

        return Value(out[0], writer.weighted(node, make, x.proxy), x.order if alpha.size == 1 else None)
    proxy = writer.rows(x)
    weight = writer.parameter(node, "alpha", lambda array: against(writer, array, x.type), "beside")
    return Value(out[0], proxy.relu() - writer.attribute("alpha", weight) * (-proxy).relu())


@form("Softmax")
def softmax(writer: Writer, node: Node, x: Value, *, out: Out) -> Value:
    """Softmax along an axis; over several by its definition."""
    layer: Any = node.layer
    dims = [(0, 2, 3, 1)[axis] if x.type.rank == 4 else axis for axis in layer.places(x.type)]
    proxy = writer.rows(x)
    if len(dims) == 1:
        return Value(out[0], writer.module(writer.torch.nn.Softmax(dim=dims[0]), proxy))
    return Value(out[0], (proxy - proxy.logsumexp(dim=tuple(dims), keepdim=True)).exp())


@form("Rescaling")
def rescaling(writer: Writer, node: Node, x: Value, *, out: Out) -> Value:
    """A product and a sum."""
    layer: Any = node.layer
    proxy = writer.rows(x)
    for name, value in (("scale", layer.scale), ("offset", layer.offset)):
        if value == 0 and name == "offset":
            continue
        held = constant(writer, value, x.type, name) if isinstance(value, tuple) else float(value)
        proxy = proxy * held if name == "scale" else proxy + held
    return Value(out[0], proxy)


@form("Normalization")
def normalization(writer: Writer, node: Node, x: Value, *, out: Out) -> Value:
    """A difference and a quotient; a product and a sum back."""
    layer: Any = node.layer
    weights = {role: writer.model._variables[id].array for role, id in node.weights.items()}
    mean, root = layer.moments(x.type, weights)
    proxy = writer.rows(x)
    held = [constant(writer, array, x.type, name) for name, array in (("mean", mean), ("deviation", root))]
    return Value(out[0], proxy * held[1] + held[0] if layer.invert else (proxy - held[0]) / held[1])


@form("Identity")
def identity(writer: Writer, node: Node, x: Value, *, out: Out) -> Value:
    """Nothing."""
    return x


@form("ActivityRegularization")
def activity_regularization(writer: Writer, node: Node, x: Value, *, out: Out) -> Value:
    """An Identity of the layer's name: no module of PyTorch adds to the loss, but a hook there can."""
    return x.like(out[0], writer.module(writer.torch.nn.Identity(), x.held))


# --- joints ---


def _alike(writer: Writer, values: Sequence[Value], out: TensorType) -> tuple[list[Any], bool]:
    """Proxies that can be joined; and whether their axes lie as in the network."""
    if len({value.type.rank for value in values}) == 1:
        return [writer.rows(value) for value in values], False
    found: list[Any] = []
    for value in values:
        proxy = writer.native(value)
        for _ in range(out.rank - value.type.rank):
            proxy = proxy.unsqueeze(1)
        found.append(proxy)
    return found, True


def _joint(join: Callable[[Any, Any, Any], Any]) -> Any:
    def joined(writer: Writer, node: Node, *values: Value, out: Out) -> Value:
        proxies, native = _alike(writer, values, out[0])
        total = proxies[0]
        for proxy in proxies[1:]:
            total = join(writer.torch, total, proxy)
        if node.layer.kind == "Average":
            total = total / len(values)
        return writer.turned(out[0], total) if native else Value(out[0], total)

    return joined


FORMS["Subtract"] = _joint(lambda torch, a, b: a - b)
FORMS["Multiply"] = _joint(lambda torch, a, b: a * b)
FORMS["Average"] = _joint(lambda torch, a, b: a + b)
FORMS["Maximum"] = _joint(lambda torch, a, b: torch.maximum(a, b))
FORMS["Minimum"] = _joint(lambda torch, a, b: torch.minimum(a, b))


@form("Dot")
def dot(writer: Writer, node: Node, *values: Value, out: Out) -> Value:
    """einsum."""
    layer: Any = node.layer
    axes = layer.places(tuple(value.type for value in values))
    letters, names, proxies = iter("acdefghij"), list[str](), list[Any]()
    for value, axis in zip(values, axes, strict=True):
        names.append("b" + "".join("z" if a == axis else next(letters) for a in range(1, value.type.rank)))
        proxy = writer.native(value)
        if layer.normalize:
            proxy = writer.torch.nn.functional.normalize(proxy, dim=axis, eps=1e-7)
        proxies.append(proxy)
    left = "b" + "".join(names).replace("b", "").replace("z", "")
    made = writer.torch.einsum(f"{','.join(names)}->{left}", *proxies)
    return writer.turned(out[0], made.unsqueeze(1) if len(left) == 1 else made)


# --- moved ---


@form("Permute")
def permute(writer: Writer, node: Node, x: Value, *, out: Out) -> Value:
    """permute."""
    layer: Any = node.layer
    return writer.turned(out[0], writer.native(x).permute(0, *layer.dims))


@form("RepeatVector")
def repeat_vector(writer: Writer, node: Node, x: Value, *, out: Out) -> Value:
    """expand."""
    layer: Any = node.layer
    return Value(out[0], writer.rows(x).unsqueeze(1).expand(-1, layer.n, -1))


# --- noise ---


@form("Dropout")
def dropout(writer: Writer, node: Node, x: Value, *, out: Out) -> Value:
    """Dropout; of ones, with which others are multiplied, where one number drops several."""
    layer: Any = node.layer
    made = writer.torch.nn.Dropout(float(layer.rate))
    if layer.noise_shape is None:
        return x.like(out[0], writer.module(made, x.held))
    proxy = writer.native(x)
    part = (slice(None), *(slice(None, 1) if n == 1 else slice(None) for n in layer.noise_shape[1:]))
    kept = writer.module(made, writer.torch.ones_like(proxy[part]))
    return writer.turned(out[0], proxy * kept)


def _spatial(name: str) -> Any:
    def dropped(writer: Writer, node: Node, x: Value, *, out: Out) -> Value:
        layer: Any = node.layer
        made = getattr(writer.torch.nn, name)(layer.rate)
        first = getattr(layer, "data_format", None) == "channels_first"
        if x.type.rank == 4 and not first:
            return Value(out[0], writer.module(made, x.proxy))
        proxy = writer.native(x)
        if first:
            return writer.turned(out[0], writer.module(made, proxy))
        return writer.turned(out[0], writer.module(made, proxy.movedim(-1, 1)).movedim(1, -1))

    return dropped


FORMS["SpatialDropout1D"] = _spatial("Dropout1d")
FORMS["SpatialDropout2D"] = _spatial("Dropout2d")
FORMS["SpatialDropout3D"] = _spatial("Dropout3d")


def _noise(writer: Writer, x: Value) -> Any:
    """Normal numbers in training, zeros at inference: PyTorch has no module for it.

    Half of ones dropped, the rest doubled, lie 1 from 1 in training; at inference all are 1.
    """
    torch = writer.torch
    away = writer.module(torch.nn.Dropout(0.5), torch.ones_like(x.proxy)) - 1
    return torch.randn_like(x.proxy) * (away * away)


@form("GaussianNoise")
def gaussian_noise(writer: Writer, node: Node, x: Value, *, out: Out) -> Value:
    """Added in training."""
    layer: Any = node.layer
    return Value(out[0], x.proxy + layer.stddev * _noise(writer, x), x.order) if layer.stddev else x


@form("GaussianDropout")
def gaussian_dropout(writer: Writer, node: Node, x: Value, *, out: Out) -> Value:
    """Multiplied in training."""
    layer: Any = node.layer
    deviation = float((layer.rate / (1 - layer.rate)) ** 0.5)
    return Value(out[0], x.proxy * (1 + deviation * _noise(writer, x)), x.order) if layer.rate else x


@form("AlphaDropout")
def alpha_dropout(writer: Writer, node: Node, x: Value, *, out: Out) -> Value:
    """AlphaDropout; FeatureAlphaDropout of whole channels of an image."""
    layer: Any = node.layer
    nn = writer.torch.nn
    if layer.noise_shape is None:
        return x.like(out[0], writer.module(nn.AlphaDropout(layer.rate), x.held))
    return Value(out[0], writer.module(nn.FeatureAlphaDropout(layer.rate), writer.rows(x)))


def refused(node: Node, fed: Sequence[TensorType]) -> str | None:
    """What PyTorch cannot say of these layers."""
    layer: Any = node.layer
    if layer.kind == "AlphaDropout" and layer.noise_shape is not None:
        ones = [n == 1 for n in layer.noise_shape[1:]]
        if fed[0].rank != 4 or ones != [True, True, False]:
            return (
                f"noise_shape={layer.noise_shape}: PyTorch drops single numbers or whole channels of images; leave "
                "it out, or say (None, 1, 1, None)"
            )
    return None
