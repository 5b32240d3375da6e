"""What PyTorch's normalising functions are as layers. Their weights are put where our axes and orders lie."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

from layerscope.core.dataclasses import replace
from layerscope.sources._torch.reader import Constant, Reader, Unsupported, Value, registry

FUNCTIONS: dict[str, Callable[..., Any]] = {}


form = registry(FUNCTIONS)


def constants(what: Any, *given: Any) -> None:
    """Unsupported where the input is a parameter, or a weight is computed from the input."""
    if not isinstance(what, Value):
        raise Unsupported("it takes a parameter as its input")
    if any(isinstance(one, Value) for one in given):
        raise Unsupported("its weights are computed from the input")


def counted(x: Value, axis: int) -> int:
    """An axis of ours, -1 for the last one."""
    return -1 if axis == x.rank - 1 else axis


def placed(array: Any, order: tuple[int, ...] | None) -> Any:
    """Numbers of a row in our order."""
    if order is None:
        return array
    found = array.new_empty(array.shape)
    found[list(order)] = array
    return found


def weighted(
    reader: Reader, kind: str, settings: dict[str, Any], x: Value, roles: dict[str, Any], turn: Callable[[Any], Any]
) -> Value:
    """A layer with those of these weights that are there, each turned."""
    held = {role: constant for role, constant in roles.items() if constant is not None}
    key = (next((constant.key for constant in held.values()), id(reader.step)), kind, x.axes, x.order)

    def weights() -> dict[str, Any]:
        return {role: turn(constant.tensor) for role, constant in held.items()}

    made = reader.weighted(kind, settings, key, weights, x.tensor, tuple(held.values()), tuple(held))
    return replace(x, tensor=made, positive=False)


def _affine(weight: Any, bias: Any, eps: float) -> dict[str, Any]:
    return {"scale": weight is not None, "center": bias is not None, "epsilon": float(eps)}


@form("batch_norm")
def batch_norm(
    reader: Reader, input: Any, running_mean: Any, running_var: Any, weight: Any = None, bias: Any = None,
    training: bool = False, momentum: Any = 0.1, eps: float = 1e-5, *_: Any,
) -> Value:  # fmt: skip
    """A BatchNormalization of the axis that PyTorch has second; its momentum is the share of the old value."""
    constants(input, running_mean, running_var, weight, bias)
    if running_mean is None or running_var is None:
        raise Unsupported("it has no running statistics; at inference BatchNormalization here takes them")
    told = {"axis": counted(input, input.axes[1]), "momentum": 1 - (momentum or 0.01)}
    roles = {"gamma": weight, "beta": bias, "moving_mean": running_mean, "moving_variance": running_var}
    settings = told | _affine(weight, bias, eps)
    return weighted(reader, "BatchNormalization", settings, input, roles, lambda a: placed(a, input.order))


@form("layer_norm")
def layer_norm(
    reader: Reader, input: Any, normalized_shape: Sequence[int], weight: Any = None, bias: Any = None,
    eps: float = 1e-5, *_: Any,
) -> Value:  # fmt: skip
    """A LayerNormalization of the axes that PyTorch has last."""
    constants(input, weight, bias)
    settings, turn = _last(input, len(normalized_shape))
    return weighted(
        reader, "LayerNormalization", settings | _affine(weight, bias, eps), input,
        {"gamma": weight, "beta": bias}, turn,
    )  # fmt: skip


def _last(x: Value, count: int) -> tuple[dict[str, Any], Callable[[Any], Any]]:
    """The axes of ours that are the last ones there, and how a weight of theirs becomes one of ours."""
    axes = x.axes[-count:]
    if 0 in axes:
        raise Unsupported("it normalises over the batch")
    order = sorted(range(count), key=axes.__getitem__)

    def turn(array: Any) -> Any:
        return placed(array, x.order) if count == 1 else array.permute(order)

    return {"axis": counted(x, axes[0]) if count == 1 else tuple(sorted(axes))}, turn


@form("rms_norm")
def rms_norm(
    reader: Reader, input: Any, normalized_shape: Sequence[int], weight: Any = None, eps: Any = None
) -> Value:
    """An RMSNormalization of the axes that PyTorch has last; without a weight its scale is 1, and stays so."""
    constants(input, weight)
    settings, turn = _last(input, len(normalized_shape))
    if weight is None:
        ones = reader.ones(tuple(normalized_shape))
        weight = Constant(ones, ("ones", id(reader.step)), False)
    settings["epsilon"] = 1.1920928955078125e-07 if eps is None else float(eps)
    return weighted(reader, "RMSNormalization", settings, input, {"scale": weight}, turn)


@form("group_norm")
def group_norm(
    reader: Reader, input: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5, *_: Any
) -> Value:
    """A GroupNormalization of the axis that PyTorch has second."""
    constants(input, weight, bias)
    if input.order is not None and num_groups not in (1, prod(input.ours)):
        raise Unsupported(
            "its groups are of an image's numbers in a row in PyTorch's order, which is not the order here"
        )
    settings = {"groups": num_groups, "axis": counted(input, input.axes[1])} | _affine(weight, bias, eps)
    roles = {"gamma": weight, "beta": bias}
    return weighted(reader, "GroupNormalization", settings, input, roles, lambda a: placed(a, input.order))


@form("instance_norm")
def instance_norm(
    reader: Reader, input: Any, running_mean: Any = None, running_var: Any = None, weight: Any = None,
    bias: Any = None, use_input_stats: bool = True, momentum: float = 0.1, eps: float = 1e-5, *_: Any,
) -> Value:  # fmt: skip
    """A GroupNormalization of one channel each; with running statistics, at inference, a BatchNormalization."""
    if use_input_stats:
        channels = input.shape[0] if isinstance(input, Value) else 1
        return group_norm(reader, input, channels, weight, bias, eps)
    return batch_norm(reader, input, running_mean, running_var, weight, bias, False, momentum, eps)


@form("normalize")
def normalize(reader: Reader, input: Any, p: float = 2.0, dim: Any = 1, eps: float = 1e-12, out: Any = None) -> Value:
    """A UnitNormalization."""
    constants(input)
    if p != 2 or eps != 1e-12:
        raise Unsupported(f"its p is {p} and its eps {eps}; UnitNormalization here has 2 and 1e-12")
    dims = dim if isinstance(dim, tuple | list) else (dim,)
    axes = sorted(input.axes[d % input.rank] for d in dims)
    (made,) = reader.add("UnitNormalization", {"axis": axes[0] if len(axes) == 1 else tuple(axes)}, input)
    return replace(input, tensor=made)
