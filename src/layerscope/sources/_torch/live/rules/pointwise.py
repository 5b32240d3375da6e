"""Elementwise functions, softmax, dropout, and the losses that are made of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from layerscope.operators._axes import broadcast
from layerscope.operators.losses import CrossEntropy
from layerscope.operators.pointwise import Dropout, Pointwise, Softmax
from layerscope.operators.reductions import Reduction
from layerscope.operators.slicing import Split
from layerscope.operators.stretching import Cast
from layerscope.sources._torch.live.rules import rule
from layerscope.sources._torch.live.site import Refused, Site, Value, type_of

KEEPS = {
    "nothing": "add sub rsub neg eq ne lt le gt ge floor ceil round trunc frac sign sgn signbit logical_and "
    "logical_or logical_not logical_xor bitwise_and bitwise_or bitwise_xor bitwise_not isnan isinf isfinite "
    "heaviside floor_divide remainder fmod bitwise_left_shift bitwise_right_shift nan_to_num positive deg2rad "
    "rad2deg conj real_if_close zero hardsigmoid_backward isneginf isposinf",
    "outputs": "relu sigmoid tanh exp exp2 expm1 sqrt rsqrt reciprocal",
    "inputs": "silu gelu mish elu selu celu hardtanh hardswish hardsigmoid leaky_relu relu6 softplus softsign "
    "tanhshrink hardshrink softshrink threshold logsigmoid log_sigmoid log log2 log10 log1p abs square sin "
    "cos tan asin acos atan sinh cosh asinh acosh atanh atan2 erf erfc erfinv lgamma digamma clamp clamp_min "
    "clamp_max maximum minimum fmax fmin rdiv sinc logit xlogy hypot logaddexp logaddexp2 prelu rrelu polar "
    "complex copysign angle i0 ldexp",
    "partners": "mul",
}
"""What the backward pass keeps of each."""
WORK = {"addcmul": 2, "addcdiv": 2, "lerp": 3, "rdiv": 1, "softsign": 2, "tanhshrink": 2}


def plain(site: Site, operands: Sequence[Any], keeps: str, work: int = 1, name: str = "", **told: Any) -> Any:
    """An elementwise operator whose output has the dtype that PyTorch gave it."""
    return site.emit(
        Pointwise, name or site.name, operands, work, keeps, dtype=site.out.dtype, called=name, **told
    )  # fmt: skip


def tensors(site: Site, values: Sequence[Any]) -> list[Any]:
    """Those of the arguments that are tensors."""
    return [value for value in values if isinstance(value, site.capture.torch.Tensor)]


def _register(keeps: str, names: str) -> None:
    def elementwise(site: Site, *args: Any, **kwargs: Any) -> Any:
        """Element by element, of all tensors among the arguments."""
        given = tensors(site, (*args, *(value for key, value in kwargs.items() if key != "out")))
        if not given:
            raise Refused("it is given no tensor")
        return plain(site, given, keeps, WORK.get(site.name, 1))

    rule(*names.split())(elementwise)


for _keeps, _names in KEEPS.items():
    _register(_keeps, _names)
_register("inputs", "addcmul addcdiv lerp")


@rule("div")
def div(site: Site, input: Any, other: Any, **_: Any) -> Any:
    """The gradient needs the divisor, and the numerator only where the divisor has a gradient itself."""
    given = tensors(site, (input, other))
    if other is not given[-1]:
        return plain(site, given, "nothing")
    return plain(site, given, "partners" if site.value(other).constant else "inputs")


@rule("pow", "rpow", "float_power")
def power(site: Site, input: Any, exponent: Any, **_: Any) -> Any:
    """The gradient of an exponent needs the result, too."""
    given = tensors(site, (input, exponent))
    learned = site.name == "rpow" or exponent is given[-1]
    return plain(site, given, "ends" if learned else "inputs")


@rule("prelu", "_prelu_kernel")
def prelu(site: Site, input: Any, weight: Any) -> Any:
    """max(x, 0) + slope · min(x, 0); one slope, or one a channel."""
    return plain(site, (input, weight), "inputs", aligned=(0,))


@rule("where")
def where(site: Site, condition: Any, *choices: Any) -> Any:
    """A choice for each element."""
    if not choices:
        raise Refused("how many there are, only the data say")
    return plain(site, (condition, *tensors(site, choices)), "condition")


@rule("masked_fill")
def masked_fill(site: Site, input: Any, mask: Any, value: Any) -> Any:
    """Another number where a mask says so."""
    return plain(site, (mask, input, *tensors(site, (value,))), "condition")


@rule("glu")
def glu(site: Site, input: Any, dim: int = -1) -> Any:
    """One half, times the sigmoid of the other."""
    halves = site.emit(Split, "Split", (input,), dim, parts=2, called="chunk")
    return plain(site, halves, "inputs", 2)


@rule("softmax", "log_softmax", "softmin")
def softmax(site: Site, input: Any, dim: Any = None, *_: Any, dtype: Any = None, **__: Any) -> Any:
    """exp(x) divided by its sum along an axis, or its logarithm."""
    if dim is None:
        dim = 0 if input.dim() in (0, 1, 3) else 1
    (value,) = (site.value(input),)
    if value.type.dtype != site.out.dtype:
        (value,) = site.emit(Cast, "Cast", (input,), site.out.dtype, called="to")
    kind = "LogSoftmax" if site.name == "log_softmax" else "Softmax"
    return site.emit(Softmax, kind, (value,), int(dim))


@rule("dropout", "alpha_dropout", "feature_dropout", "dropout1d", "dropout2d", "dropout3d", "feature_alpha_dropout")
def dropout(site: Site, input: Any, p: float = 0.5, *_: Any, **__: Any) -> Any:
    """Nothing at inference."""
    if not isinstance(p, float | int):
        p = 0.5
    return site.emit(Dropout, "Dropout", (input,), rate=float(p), results=1)


@rule("nll_loss_forward", "nll_loss2d_forward", "nll_loss", "nll_loss_nd")
def nll_loss(site: Site, input: Any, target: Any, weight: Any = None, reduction: Any = 1, *_: Any, **__: Any) -> Any:
    """Minus the logarithm of the probability of the class that a label names."""
    how = {0: "none", 1: "mean", 2: "sum"}.get(reduction, reduction)
    (made,) = site.emit(
        CrossEntropy, "NegativeLogLikelihoodLoss", (input, target, weight), str(how), False, called="nll_loss"
    )  # fmt: skip
    return (made, *(Value(one) for one in site.types[1:]))


@rule(
    "mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "binary_cross_entropy", "soft_margin_loss", "kl_div",
    "binary_cross_entropy_with_logits", "poisson_nll_loss", "gaussian_nll_loss",
)  # fmt: skip
def loss(site: Site, input: Any, target: Any, *args: Any, **_: Any) -> Any:
    """A function of each pair of elements, and their mean or sum."""
    shape = broadcast(type_of(input).shape, type_of(target).shape)
    more = [one for one in tensors(site, args) if one is not None]
    made = site.emit(Pointwise, site.name, (input, target, *more), 2, "inputs", dtype=site.out.dtype)
    if site.out.shape == shape:
        return made
    return site.emit(Reduction, "ReduceMean", made, None, False, called="mean")
