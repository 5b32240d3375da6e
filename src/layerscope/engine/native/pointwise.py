"""The native form of each pointwise function: `primitives.map.FUNCTIONS`, name for name.

A sum of products may be rounded once where NumPy rounds twice, and a zero may have the other sign.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from layerscope.engine.native import functions
from layerscope.engine.native.functions import muladd
from layerscope.engine.native.ir import Code, Index, Value, lanes, scalar
from layerscope.engine.primitives.map import GELU_CUBIC, GELU_ROOT

_Form = Callable[..., Value]

ROOTS = 8
"""Binary digits of an exponent behind the point that are taken by square roots."""


def _flag(code: Code, mask: Value, x: Value) -> Value:
    """1 where the mask is set, 0 elsewhere."""
    return code.select(mask, code.constant(1.0, x.type), code.constant(0.0, x.type))


def _gate(code: Code, how: str, x: Value, bound: float, yes: Value, no: Value) -> Value:
    """One of two, by a comparison with a number."""
    return code.select(code.compare(how, x, code.constant(bound, x.type)), yes, no)


def _zero(code: Code, x: Value) -> Value:
    return code.constant(0.0, x.type)


def _scale(code: Code, x: Value, factor: float) -> Value:
    return code.fmul(x, code.constant(factor, x.type))


def _shift(code: Code, x: Value, offset: float) -> Value:
    return code.fadd(x, code.constant(offset, x.type))


def _square(code: Code, x: Value) -> Value:
    return code.fmul(x, x)


def _double(code: Code, x: Value) -> Value:
    return code.fadd(x, x)


def _half(code: Code, x: Value) -> Value:
    return _scale(code, x, 0.5)


def _sign(code: Code, x: Value) -> Value:
    one = code.intrinsic("copysign", x.type, code.constant(1.0, x.type), x)
    return _gate(code, "one", x, 0.0, one, code.fabs(x))


def _clip(code: Code, x: Value, low: float, high: float) -> Value:
    return functions.at_most(code, functions.at_least(code, x, low), high)


def _clip_grad(code: Code, g: Value, x: Value, low: float, high: float) -> Value:
    inside = code.both(
        code.compare("oge", x, code.constant(low, x.type)), code.compare("ole", x, code.constant(high, x.type))
    )
    return code.select(inside, g, _zero(code, g))


def _constant(code: Code, x: Value) -> Value:
    return x


def _above(code: Code, x: Value, bound: float) -> Value:
    return _flag(code, code.compare("ogt", x, code.constant(bound, x.type)), x)


def _at_least(code: Code, x: Value, bound: float) -> Value:
    return _flag(code, code.compare("oge", x, code.constant(bound, x.type)), x)


def _equal(code: Code, x: Value, y: Value) -> Value:
    return _flag(code, code.compare("oeq", x, y), x)


def one_hot(code: Code, x: Value, index: Index) -> Value:
    """1 where x without its fraction is `index` (not below 0; one for all lanes, or one for each), 0 elsewhere.

    This is index <= x < index + 1, and for index 0 already from above -1: a comparison of numbers needs
    no conversion of x, which could be too large for one or NaN.
    """
    one = code.constant(1.0, x.type)
    if isinstance(index, int):
        first, how = code.constant(float(index or -1), x.type), "oge" if index else "ogt"
        inside = code.both(code.compare(how, x, first), code.compare("olt", x, code.constant(index + 1.0, x.type)))
        return code.select(inside, one, _zero(code, x))
    number = code.convert("sitofp", index, scalar(x.type))
    if number.type != x.type:
        number = code.splat(number, lanes(x.type))
    # From -1 up to 0 all numbers but -1 itself lose their fraction to 0.
    negative = code.both(code.compare("ogt", x, code.constant(-1.0, x.type)), code.compare("olt", x, _zero(code, x)))
    shown = code.select(negative, _zero(code, x), x)
    inside = code.both(code.compare("oge", shown, number), code.compare("olt", shown, code.fadd(number, one)))
    return code.select(inside, one, _zero(code, x))


def _one_hot(code: Code, x: Value, index: Index, depth: float = 0.0) -> Value:
    return one_hot(code, x, index)


def _power(code: Code, x: Value, exponent: float) -> Value:
    """x^exponent: whole digits of the exponent as squares, the first halves, quarters, ... as roots, and what is left
    of it, which is too little to lose much by, through the logarithm.
    """
    if exponent < 0:
        return code.fdiv(code.constant(1.0, x.type), _power(code, x, -exponent))
    whole, left, parts, now = int(exponent), exponent - int(exponent), list[Value](), x
    while whole:
        if whole % 2:
            parts.append(now)
        whole //= 2
        now = _square(code, now) if whole else x
    for digit in range(1, ROOTS + 1):
        if not left:
            break
        now = code.sqrt(now)
        if left >= 0.5**digit:
            parts.append(now)
            left -= 0.5**digit
    if left:
        parts.append(functions.exp(code, _scale(code, functions.log(code, x), left)))
    found = parts[0] if parts else code.constant(1.0, x.type)
    for part in parts[1:]:
        found = code.fmul(found, part)
    return found


def _power_grad(code: Code, g: Value, x: Value, exponent: float) -> Value:
    return code.fmul(g, _scale(code, _power(code, x, exponent - 1), exponent))


def _floor(code: Code, x: Value) -> Value:
    return code.intrinsic("floor", x.type, x)


def _relu(code: Code, x: Value) -> Value:
    return functions.at_least(code, x, 0.0)


def _relu_grad(code: Code, g: Value, r: Value) -> Value:
    return _gate(code, "ogt", r, 0.0, g, _zero(code, g))


def _leaky_relu(code: Code, x: Value, slope: float) -> Value:
    return _gate(code, "oge", x, 0.0, x, _scale(code, x, slope))


def _leaky_relu_grad(code: Code, g: Value, x: Value, slope: float) -> Value:
    return _gate(code, "oge", x, 0.0, g, _scale(code, g, slope))


def _elu(code: Code, x: Value, alpha: float = 1.0) -> Value:
    below = functions.expm1_of_negative(code, functions.at_most(code, x, 0.0))
    return _gate(code, "ogt", x, 0.0, x, below if alpha == 1 else _scale(code, below, alpha))


def _elu_grad(code: Code, g: Value, x: Value, alpha: float = 1.0) -> Value:
    slope = functions.exp_of_negative(code, functions.at_most(code, x, 0.0))
    below = code.fmul(g, slope)
    return _gate(code, "ogt", x, 0.0, g, below if alpha == 1 else _scale(code, below, alpha))


def _normal(code: Code, x: Value) -> Value:
    """How much of a normal distribution lies below x."""
    return muladd(code, functions.erf(code, _scale(code, x, math.sqrt(0.5))), 0.5, 0.5)


def _gelu(code: Code, x: Value) -> Value:
    return code.fmul(x, _normal(code, x))


def _gelu_grad(code: Code, g: Value, x: Value) -> Value:
    density = functions.exp_of_negative(code, code.fmul(x, _scale(code, x, -0.5)))
    weighted = code.fmul(x, _scale(code, density, 1 / math.sqrt(2 * math.pi)))
    return code.fmul(g, code.fadd(_normal(code, x), weighted))


def _tanh_argument(code: Code, x: Value) -> Value:
    return code.fmul(x, muladd(code, code.fmul(x, x), 2 * GELU_ROOT * GELU_CUBIC, 2 * GELU_ROOT))


def _gelu_tanh(code: Code, x: Value) -> Value:
    return code.fmul(x, functions.sigmoid(code, _tanh_argument(code, x)))


def _gelu_tanh_grad(code: Code, g: Value, x: Value) -> Value:
    x = functions.at_most(code, functions.at_least(code, x, -99.0), 99.0)  # beyond, powers may overflow
    s, d = functions.sigmoid_and_slope(code, _tanh_argument(code, x))
    slope = muladd(code, code.fmul(x, x), 6 * GELU_ROOT * GELU_CUBIC, 2 * GELU_ROOT)
    return code.fmul(g, muladd(code, code.fmul(x, d), slope, s))


def _silu(code: Code, x: Value) -> Value:
    return code.fmul(x, functions.sigmoid(code, x))


def _silu_grad(code: Code, g: Value, x: Value) -> Value:
    s, d = functions.sigmoid_and_slope(code, x)
    return code.fmul(g, muladd(code, d, x, s))


def _tanh_of_softplus(code: Code, x: Value) -> tuple[Value, Value, Value, Value]:
    """Numerator and denominator of tanh(log(1 + e^x)); e^-|x|, of which they are made; and where x is above 0."""
    e = functions.exp_of_negative(code, code.fneg(code.fabs(x)))
    above = code.compare("ogt", x, _zero(code, x))
    low = code.fmul(e, _shift(code, e, 2.0))
    twice = _double(code, e)
    high = _shift(code, twice, 1.0)
    under = code.select(above, muladd(code, twice, e, high), _shift(code, low, 2.0))
    return code.select(above, high, low), under, e, above


def _mish(code: Code, x: Value) -> Value:
    over, under, _, _ = _tanh_of_softplus(code, x)
    return code.fmul(x, code.fdiv(over, under))


def _mish_grad(code: Code, g: Value, x: Value) -> Value:
    over, under, e, above = _tanh_of_softplus(code, x)
    small = code.fmul(e, _scale(code, _shift(code, e, 1.0), 4.0))
    small = code.select(above, code.fmul(small, e), small)
    slope = code.fdiv(small, code.fmul(under, under))
    return code.fmul(g, muladd(code, x, slope, code.fdiv(over, under)))


def _softsign(code: Code, x: Value) -> Value:
    return code.fdiv(x, _shift(code, code.fabs(x), 1.0))


def _softsign_grad(code: Code, g: Value, x: Value) -> Value:
    return code.fdiv(g, _square(code, _shift(code, code.fabs(x), 1.0)))


def _squareplus_of(code: Code, x: Value) -> tuple[Value, Value]:
    root = code.sqrt(_shift(code, code.fmul(x, x), 4.0))
    sum_ = code.fadd(root, code.fabs(x))
    return root, _gate(code, "oge", x, 0.0, _half(code, sum_), code.fdiv(code.constant(2.0, x.type), sum_))


def _squareplus(code: Code, x: Value) -> Value:
    return _squareplus_of(code, x)[1]


def _squareplus_grad(code: Code, g: Value, x: Value) -> Value:
    root, result = _squareplus_of(code, x)
    return code.fmul(g, code.fdiv(result, root))


def _maximum(code: Code, x: Value, y: Value) -> Value:
    return code.select(code.either(code.compare("ogt", x, y), code.compare("uno", x, x)), x, y)


def _minimum(code: Code, x: Value, y: Value) -> Value:
    return code.select(code.either(code.compare("olt", x, y), code.compare("uno", x, x)), x, y)


def _maximum_grad(code: Code, g: Value, x: Value, y: Value) -> Value:
    equal = code.select(code.compare("oeq", x, y), _half(code, g), _zero(code, g))
    return code.select(code.compare("ogt", x, y), g, equal)


def _sigmoid_grad(code: Code, g: Value, r: Value) -> Value:
    return code.fmul(code.fmul(g, r), code.fsub(code.constant(1.0, r.type), r))


def _tanh_grad(code: Code, g: Value, r: Value) -> Value:
    return code.fmul(g, muladd(code, code.fneg(r), r, 1.0))


_CHEAP: dict[str, _Form] = {
    "add": Code.fadd,
    "sub": Code.fsub,
    "mul": Code.fmul,
    "neg": Code.fneg,
    "scale": _scale,
    "shift": _shift,
    "square": _square,
    "double": _double,
    "half": _half,
    "abs": Code.fabs,
    "sign": _sign,
    "clip": _clip,
    "clip_grad": _clip_grad,
    "constant": _constant,
    "above": _above,
    "at_least": _at_least,
    "equal": _equal,
    "floor": _floor,
    "relu": _relu,
    "relu_grad": _relu_grad,
    "leaky_relu": _leaky_relu,
    "leaky_relu_grad": _leaky_relu_grad,
    "maximum": _maximum,
    "minimum": _minimum,
    "maximum_grad": _maximum_grad,
}
"""What costs about four instructions at most."""

_FORMS: dict[str, _Form] = {
    **_CHEAP,
    "div": Code.fdiv,
    "sqrt": Code.sqrt,
    "exp": functions.exp,
    "log": functions.log,
    "power": _power,
    "power_grad": _power_grad,
    "one_hot": _one_hot,
    "elu": _elu,
    "elu_grad": _elu_grad,
    "gelu": _gelu,
    "gelu_grad": _gelu_grad,
    "sigmoid": functions.sigmoid,
    "sigmoid_grad": _sigmoid_grad,
    "tanh": functions.tanh,
    "tanh_grad": _tanh_grad,
    "softplus": functions.softplus,
    "gelu_tanh": _gelu_tanh,
    "gelu_tanh_grad": _gelu_tanh_grad,
    "silu": _silu,
    "silu_grad": _silu_grad,
    "mish": _mish,
    "mish_grad": _mish_grad,
    "softsign": _softsign,
    "softsign_grad": _softsign_grad,
    "squareplus": _squareplus,
    "squareplus_grad": _squareplus_grad,
}


def emit(code: Code, function: str, constants: Mapping[str, float | Index], *values: Value) -> Value:
    """The instructions of a function of `FUNCTIONS`; "one_hot" finds its place under "index"."""
    return _FORMS[function](code, *values, **constants)


def cheap(function: str) -> bool:
    """Whether a function costs so little that doing it again beats keeping its result."""
    return function in _CHEAP
