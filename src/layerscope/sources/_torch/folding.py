"""Batch normalisation, which in eval mode is a scale and a shift of each channel, folded into the layer before it."""

from __future__ import annotations

from typing import Any

from layerscope.sources._torch.reader import Constant, Reader, Unsupported, Value
from layerscope.sources._torch.tape import Step


def folded(reader: Reader, weight: Constant, bias: Any, axis: int, groups: int = 1) -> tuple[Constant, Any]:
    """The weights of this step with those of the normalisation behind it, if there is one. `axis`: the channels."""
    behind = _behind(reader, weight)
    if behind is None:
        return weight, bias
    names = ("input", "running_mean", "running_var", "weight", "bias", "training", "momentum", "eps")
    told = dict(zip(names, behind.args, strict=False)) | behind.kwargs
    mean, variance = (reader.get(told[name]).tensor for name in ("running_mean", "running_var"))
    scale = 1 / (variance + told["eps"]).sqrt()
    if told.get("weight") is not None:
        scale = scale * reader.get(told["weight"]).tensor
    shift = -mean * scale if bias is None else (bias.tensor - mean) * scale
    if told.get("bias") is not None:
        shift = shift + reader.get(told["bias"]).tensor
    array = weight.tensor
    if axis:  # the kernel of a transposed convolution is (in, out / groups, ...)
        grouped = array.reshape(groups, -1, *array.shape[1:])
        factors = scale.reshape(groups, 1, -1, *(1,) * (array.dim() - 2))
        array = (grouped * factors).reshape(array.shape)
    else:
        array = array * scale.reshape(-1, *(1,) * (array.dim() - 1))
    reader.folded.add(id(behind))
    key = ("folded", weight.key)
    return Constant(array, key, weight.trainable), Constant(shift, ("shift", weight.key), weight.trainable)


def _behind(reader: Reader, weight: Constant) -> Step | None:
    """The one step that takes this one's output, when it is a normalisation that can be folded."""
    tape, out = reader.tape, reader.step.outputs[0]
    users = tape.users(out)
    if len(users) != 1 or users[0].name != "batch_norm" or any(out is ref for ref in tape.outputs):
        return None
    told = dict(zip(("input", "mean", "variance", "weight", "bias", "training"), users[0].args, strict=False))
    if (told | users[0].kwargs).get("training") or told.get("input") is not out or told.get("mean") is None:
        return None
    again = [step for step in tape.steps if step is not reader.step and _takes(step, weight)]
    rows = len(out.shape) == 3 and not reader.step.name.startswith("conv")  # then other numbers are its channels
    return None if again or rows else users[0]


def _takes(step: Step, weight: Constant) -> bool:
    return len(step.args) > 1 and getattr(step.args[1], "parameter", None) == weight.key


def batch_norm(reader: Reader, input: Any, *args: Any, **kwargs: Any) -> Value:
    """Nothing, where it was folded into the layer before it."""
    if id(reader.step) in reader.folded and isinstance(input, Value):
        return input
    training = kwargs.get("training", args[4] if len(args) > 4 else False)
    if training:
        raise Unsupported("it changes its statistics in training; call module.eval() first")
    raise Unsupported("it can only be folded into a convolution or Linear that stands right before it")
