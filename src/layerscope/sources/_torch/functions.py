"""What each function of torch is as layers. A function gets the reader and PyTorch's own arguments.

`FUNCTIONS` is the list, by plain name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from layerscope.sources._torch import normalisation, pointwise, shapes, spatial
from layerscope.sources._torch.reader import Constant, Reader, Unsupported, Value, image_order, registry
from layerscope.sources._torch.tape import THROUGH, Tape, is_sequence

FUNCTIONS: dict[str, Callable[..., Any]] = {
    **shapes.FUNCTIONS,
    **normalisation.FUNCTIONS,
    **pointwise.FUNCTIONS,
    **spatial.FUNCTIONS,
}


form = registry(FUNCTIONS)


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
