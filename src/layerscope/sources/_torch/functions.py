"""What each function of torch is as layers. A function gets the reader and PyTorch's own arguments.

`FUNCTIONS` is the list, by plain name; `REASONS` says of common ones that no layer does why not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from layerscope.core.contract import Layer
from layerscope.core.dataclasses import replace
from layerscope.core.types import TensorType
from layerscope.sources._torch import normalisation, pointwise, shapes
from layerscope.sources._torch.reader import FIRST, Constant, Reader, Unsupported, Value, make, order_of
from layerscope.sources._torch.tape import Tape

FUNCTIONS: dict[str, Callable[..., Any]] = {**shapes.FUNCTIONS, **normalisation.FUNCTIONS, **pointwise.FUNCTIONS}
REASONS = {
    "conv1d": "only images (batch, channels, height, width) are convolved here",
    "conv3d": "only images (batch, channels, height, width) are convolved here",
}
THROUGH = (*pointwise.ALONE, *(f"{name}_" for name in pointwise.ALONE), "gelu", "elu", "elu_", "leaky_relu")
THROUGH += ("leaky_relu_", "hardtanh", "hardtanh_", "dropout", "dropout_", "contiguous", "clone", "batch_norm")
"""What leaves each number at its place."""


def form(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register what functions of these names are."""

    def keep(function: Callable[..., Any]) -> Callable[..., Any]:
        FUNCTIONS.update(dict.fromkeys(names, function))
        return function

    return keep


def plan(tape: Tape) -> dict[int, tuple[int, ...]]:
    """The outputs of Linears that become images: in which order their units must stand here, by the step."""
    wanted: dict[int, tuple[int, ...]] = {}
    makers = {id(ref): step for step in tape.steps for ref in step.outputs}
    for step in tape.steps:
        if step.name not in ("view", "reshape", "unflatten") or not step.args or len(step.outputs[0].shape) != 4:
            continue
        source = step.args[0]
        users = tape.users(step.outputs[0])
        if len(source.shape) != 2 or (users and all(user.name in ("permute", "transpose") for user in users)):
            continue
        maker = makers.get(id(source))
        while maker is not None and maker.name in THROUGH:
            maker = makers.get(id(maker.args[0]))
        channels, height, width = step.outputs[0].shape[1:]
        order = order_of((height, width, channels), (2, 0, 1))
        if maker is not None and maker.name in ("linear", "matmul", "__matmul__") and order is not None:
            wanted.setdefault(id(maker), order)
    return wanted


def pair(value: Any) -> tuple[int, int]:
    """One number for both axes, or two."""
    parts = list(value) if isinstance(value, tuple | list) else [value]
    return (int(parts[0]), int(parts[-1]))


# --- with weights ---


@form("linear")
def linear(reader: Reader, input: Any, weight: Any, bias: Any = None) -> Value:
    """A Dense; its weights are put into our order where rows were images, or become such."""
    if not isinstance(weight, Constant) or not isinstance(input, Value) or isinstance(bias, Value):
        raise Unsupported("its weights are computed from the input")
    if input.axes[-1] != input.rank - 1:
        raise Unsupported(
            f"it acts on the last axis, which is the width of an image {input.shape}; flatten it first, or use a "
            "1×1 convolution"
        )
    wanted = reader.wanted.get(id(reader.step))

    def weights() -> dict[str, Any]:
        kernel = weight.tensor.T
        found = {"kernel": kernel}
        if input.order is not None:
            found["kernel"] = found["kernel"].new_empty(kernel.shape)
            found["kernel"][list(input.order)] = kernel
        if bias is not None:
            found["bias"] = bias.tensor
        if wanted is not None:
            found = {role: _moved(array, wanted) for role, array in found.items()}
        return found

    settings = {"units": int(weight.tensor.shape[0]), "use_bias": bias is not None}
    made = reader.weighted(
        "Dense", settings, (weight.key, input.order, wanted), weights, input.tensor, (weight, bias)
    )
    return Value(made, input.axes, wanted)


def _moved(array: Any, order: tuple[int, ...]) -> Any:
    found = array.new_empty(array.shape)
    found[..., list(order)] = array
    return found


@form("matmul", "__matmul__")
def matmul(reader: Reader, input: Any, other: Any) -> Value:
    """A Dense without bias, where the second factor is a matrix of weights."""
    if not isinstance(other, Constant) or other.tensor.dim() != 2:
        raise Unsupported("only a product with a matrix of weights is a layer here")
    return linear(reader, input, Constant(other.tensor.T, ("transposed", other.key), other.trainable))


@form("conv2d")
def conv2d(
    reader: Reader, input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1,
    groups: int = 1,
) -> Value:  # fmt: skip
    """A Conv2D; pads that are neither none nor those of "same" become a ZeroPadding2D before it."""
    if not isinstance(weight, Constant) or isinstance(bias, Value):
        raise Unsupported("its kernel is computed from the input")
    x, kernel = reader.image(input), tuple(weight.tensor.shape[2:])
    told = {"filters": int(weight.tensor.shape[0]), "kernel_size": kernel, "strides": pair(stride)}
    told |= {"dilation_rate": pair(dilation), "groups": groups, "use_bias": bias is not None}
    if not isinstance(padding, str):
        pads = pair(padding)
        padding = _fitting("Conv2D", told, x, pads, reader)
        if padding is None:
            (padded,) = reader.add("ZeroPadding2D", {"padding": tuple((p, p) for p in pads)}, x, suffix="_pad")
            x, padding = replace(x, tensor=padded), "valid"

    def weights() -> dict[str, Any]:
        found = {"kernel": weight.tensor.permute(2, 3, 1, 0)}
        return found | ({"bias": bias.tensor} if bias is not None else {})

    settings = told | {"padding": padding}
    return Value(
        reader.weighted("Conv2D", settings, (weight.key, "Conv2D"), weights, x.tensor, (weight, bias)), FIRST
    )


def _fitting(kind: str, told: dict[str, Any], x: Value, pads: tuple[int, int], reader: Reader) -> str | None:
    """Which of "valid" and "same" places the windows as PyTorch does: as many, beginning at the same cell."""
    out = reader.step.outputs[0].shape[2:]
    for padding in ("valid", "same"):
        layer: Any = make(kind, told | {"padding": padding})
        found = layer.placements(TensorType((1, *x.ours))) if _large_enough(layer, x) else ()
        if found and tuple(p.out for p in found) == out and tuple(p.pads[0] for p in found) == pads:
            return padding
    return None


def _large_enough(layer: Layer, x: Value) -> bool:
    told: Any = layer
    window = getattr(told, "kernel_size", None) or told.pool_size
    spread = getattr(told, "dilation_rate", (1, 1))
    return told.padding == "same" or all(
        d * (k - 1) + 1 <= n for k, d, n in zip(window, spread, x.ours, strict=False)
    )


@form("conv_transpose2d")
def conv_transpose2d(
    reader: Reader, input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0,
    output_padding: Any = 0, groups: int = 1, dilation: Any = 1,
) -> Value:  # fmt: skip
    """A Conv2DTranspose: with "same" where that crops alike, else all of it, and a Cropping2D."""
    if not isinstance(weight, Constant) or isinstance(bias, Value):
        raise Unsupported("its kernel is computed from the input")
    x, strides, crop, more = reader.image(input), pair(stride), pair(padding), pair(output_padding)
    told = {"filters": int(weight.tensor.shape[1]) * groups, "kernel_size": tuple(weight.tensor.shape[2:])}
    told |= {"strides": strides, "dilation_rate": pair(dilation), "groups": groups, "use_bias": bias is not None}
    ends = tuple((p, p - a) for p, a in zip(crop, more, strict=True))
    settings: dict[str, Any] | None = None
    for padding_name in ("same", "valid"):
        layer: Any = make("Conv2DTranspose", told | {"padding": padding_name})
        try:
            found = layer.placements(x.tensor.type)
        except ValueError:  # crops all of it
            continue
        if tuple(place.pads for place in found) == ends and settings is None:
            settings = told | {"padding": padding_name}

    def weights() -> dict[str, Any]:
        found = {"kernel": weight.tensor.permute(2, 3, 1, 0)}
        return found | ({"bias": bias.tensor} if bias is not None else {})

    key = (weight.key, "Conv2DTranspose")
    if settings is not None:
        return Value(reader.weighted("Conv2DTranspose", settings, key, weights, x.tensor, (weight, bias)), FIRST)
    whole = reader.weighted(
        "Conv2DTranspose", told | {"output_padding": more}, key, weights, x.tensor, (weight, bias)
    )
    (made,) = reader.add("Cropping2D", {"cropping": tuple((p, p) for p in crop)}, whole, suffix="_crop")
    return Value(made, FIRST)


# --- pools ---


def _window(kernel_size: Any, stride: Any) -> dict[str, Any]:
    return {"pool_size": pair(kernel_size), "strides": pair(stride if stride not in (None, [], ()) else kernel_size)}


def _framed(reader: Reader, x: Value, told: dict[str, Any], pads: tuple[int, int]) -> Value:
    """Zeros around an image, at the end as many as the last window needs."""
    out = reader.step.outputs[0].shape[2:]
    ends = tuple(
        (p, max((o - 1) * s + k - n - p, 0))
        for o, s, k, n, p in zip(out, told["strides"], told["pool_size"], x.ours[:2], pads, strict=True)
    )
    return replace(x, tensor=reader.add("ZeroPadding2D", {"padding": ends}, x, suffix="_pad")[0])


@form("max_pool2d", "max_pool2d_with_indices")
def max_pool2d(
    reader: Reader, input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1,
    ceil_mode: bool = False, return_indices: bool | None = None,
) -> tuple[Value, ...]:  # fmt: skip
    """A MaxPooling2D; other pads than "same" has become zeros before it, where no number is below zero."""
    x, told = reader.image(input), _window(kernel_size, stride)
    if pair(dilation) != (1, 1):
        raise Unsupported("its dilation: pools here have none")
    switches = len(reader.step.outputs) > 1
    fitting = _fitting("MaxPooling2D", told, x, pair(padding), reader)
    if fitting is None:
        if switches or not x.positive:
            raise Unsupported(
                f"with padding={pair(padding)} its windows are neither those of 'valid' nor those of 'same'"
                + (", and switches do not allow zeros around the image" if switches else
                   ", and zeros around the image would win over numbers below zero; put a ReLU before it")
            )  # fmt: skip
        x, fitting = _framed(reader, x, told, pair(padding)), "valid"
    made = reader.add("MaxPooling2D", {**told, "padding": fitting, "return_switches": switches}, x)
    return tuple(Value(tensor, FIRST, positive=x.positive and not n) for n, tensor in enumerate(made))


@form("max_unpool2d")
def max_unpool2d(
    reader: Reader, input: Any, indices: Any, kernel_size: Any, stride: Any = None, padding: Any = 0,
    output_size: Any = None,
) -> Value:  # fmt: skip
    """A MaxUnpooling2D; the plane is PyTorch's."""
    plane = reader.step.outputs[0].shape[2:]
    told = _window(kernel_size, stride) | {"output_size": plane}
    x = reader.image(input)
    return Value(reader.add("MaxUnpooling2D", told, x, reader.image(indices))[0], FIRST, positive=x.positive)


@form("avg_pool2d")
def avg_pool2d(
    reader: Reader, input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
    count_include_pad: bool = True, divisor_override: Any = None,
) -> Value:  # fmt: skip
    """An AveragePooling2D; pads that count become zeros before it."""
    if divisor_override is not None:
        raise Unsupported("its divisor_override: a mean here divides by the cells of its window")
    x, told, pads = reader.image(input), _window(kernel_size, stride), pair(padding)
    fitting = None
    if pads == (0, 0) or not count_include_pad:
        fitting = _fitting("AveragePooling2D", told, x, pads, reader)
    if fitting is None:
        if ceil_mode or not count_include_pad:
            raise Unsupported(f"with padding={pads} its windows are neither those of 'valid' nor those of 'same'")
        x, fitting = _framed(reader, x, told, pads), "valid"
    return Value(reader.add("AveragePooling2D", {**told, "padding": fitting}, x)[0], FIRST, positive=x.positive)


def _adaptive(one: str, many: str) -> Callable[..., Value]:
    def pooled(reader: Reader, input: Any, output_size: Any, return_indices: bool = False) -> Value:
        x = reader.image(input)
        out = reader.step.outputs[0].shape[2:]
        if out == (1, 1):
            return Value(reader.add(one, {"keepdims": True}, x)[0], FIRST, positive=x.positive)
        if any(n % m for n, m in zip(x.ours, out, strict=False)):
            raise Unsupported(f"windows of different sizes lead from {x.ours[:2]} to {out}, and pools here have one")
        window = tuple(n // m for n, m in zip(x.ours, out, strict=False))
        return Value(reader.add(many, {"pool_size": window}, x)[0], FIRST, positive=x.positive)

    return pooled


FUNCTIONS["adaptive_avg_pool2d"] = _adaptive("GlobalAveragePooling2D", "AveragePooling2D")
FUNCTIONS["adaptive_max_pool2d"] = _adaptive("GlobalMaxPooling2D", "MaxPooling2D")


def _over_plane(kind: str) -> Callable[..., Value]:
    def reduced(reader: Reader, input: Any, dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Value:
        x = reader.image(input)
        dims = [dim] if isinstance(dim, int) else list(dim or ())
        if sorted(d % 4 for d in dims) != [2, 3]:
            raise Unsupported(f"over the axes {tuple(dims)}; layers here reduce height and width together, (2, 3)")
        (made,) = reader.add(kind, {"keepdims": keepdim}, x)
        return Value(made, FIRST if keepdim else (0, 1), positive=x.positive)

    return reduced


FUNCTIONS["mean"] = _over_plane("GlobalAveragePooling2D")
FUNCTIONS["amax"] = _over_plane("GlobalMaxPooling2D")
