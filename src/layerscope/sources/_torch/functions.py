"""What each function of torch is as layers. A function gets the reader and PyTorch's own arguments.

`FUNCTIONS` is the list, by plain name; `REASONS` says of common ones that no layer does why not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from layerscope.core.dataclasses import replace
from layerscope.sources._torch import shapes, spatial
from layerscope.sources._torch.folding import batch_norm, folded
from layerscope.sources._torch.reader import Constant, Reader, Unsupported, Value, image_order
from layerscope.sources._torch.tape import THROUGH, Tape, is_sequence

FUNCTIONS: dict[str, Callable[..., Any]] = {**shapes.FUNCTIONS, **spatial.FUNCTIONS, "batch_norm": batch_norm}
REASONS = {
    "layer_norm": "it normalises each example, and no layer here does",
    "group_norm": "it normalises each example, and no layer here does",
    "instance_norm": "it normalises each example, and no layer here does",
    "silu": "there is no such activation here",
    "hardtanh": "there is no such activation here",
    "prelu": "its slope is learned, and no activation here is",
    "mul": "no layer here multiplies tensors",
    "__mul__": "no layer here multiplies tensors",
    "feature_dropout": "it drops whole channels; Dropout here drops single numbers",
    "dropout2d": "it drops whole channels; Dropout here drops single numbers",
}


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
        if step.name not in ("view", "reshape", "unflatten") or not step.args:
            continue
        source, made = step.args[0], step.outputs[0]
        if len(made.shape) not in (4, 5) and not (len(made.shape) == 3 and is_sequence(tape, made)):
            continue
        users = tape.users(made)
        if len(source.shape) != 2 or (users and all(user.name in ("permute", "transpose") for user in users)):
            continue
        maker = makers.get(id(source))
        while maker is not None and maker.name in THROUGH:
            maker = makers.get(id(maker.args[0]))
        order = image_order(made.shape[1:])
        if maker is not None and maker.name in ("linear", "matmul", "__matmul__") and order is not None:
            wanted.setdefault(id(maker), order)
    return wanted


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
    weight, bias = folded(reader, weight, bias, axis=0)

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


# --- pointwise ---


def _pointwise(name: str, positive: bool, **wanted: Any) -> Callable[..., Value]:
    def activated(reader: Reader, input: Any, *args: Any, **kwargs: Any) -> Value:
        if not isinstance(input, Value):
            raise Unsupported("it takes a parameter as its input")
        told = dict(zip(wanted, args, strict=False)) | kwargs
        for key, value in wanted.items():
            if told.get(key, DEFAULTS.get((name, key), value)) != value:
                given = told.get(key, DEFAULTS.get((name, key)))
                raise Unsupported(f"its {key} is {given!r}; that of {name} here is {value!r}")
        (made,) = reader.add("Activation", {"activation": name}, input)
        return replace(input, tensor=made, positive=positive)

    return activated


DEFAULTS = {("leaky_relu", "negative_slope"): 0.01}
"""PyTorch's, where they are not ours."""
for _names, _made in (
    (("relu", "relu_"), _pointwise("relu", True)),
    (("sigmoid", "sigmoid_"), _pointwise("sigmoid", True)),
    (("tanh", "tanh_"), _pointwise("tanh", False)),
    (("gelu",), _pointwise("gelu", False, approximate="none")),
    (("elu", "elu_"), _pointwise("elu", False, alpha=1.0)),
    (("leaky_relu", "leaky_relu_"), _pointwise("leaky_relu", False, negative_slope=0.2)),
    (("softplus",), _pointwise("softplus", True, beta=1, threshold=20)),
):
    FUNCTIONS.update(dict.fromkeys(_names, _made))


@form("softmax")
def softmax(reader: Reader, input: Any, dim: Any = None, *_: Any, **__: Any) -> Value:
    """An Activation, where it is over our last axis: the channels of an image."""
    if dim is None or input.axes[dim] != input.rank - 1:
        raise Unsupported(f"over the axis {dim}; softmax here is over the channels of an image, or the last axis")
    return replace(input, tensor=reader.add("Activation", {"activation": "softmax"}, input)[0], positive=True)


@form("dropout", "dropout_")
def dropout(reader: Reader, input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Value:
    """A Dropout, whether the module is in training or not."""
    return replace(input, tensor=reader.add("Dropout", {"rate": p}, input)[0])
