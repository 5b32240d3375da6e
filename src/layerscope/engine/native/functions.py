"""Elementary functions over LLVM IR, for float or double, one number or a vector, without branches or calls.

Infinities, zeros and NaN give what NumPy gives. Exponentials below 2^-125 (float) and 2^-1021 (double),
where digits begin to be lost, may come out as 0. Errors are at most 2 units in the last place for float
(4 for `erf`, `tanh`, `sigmoid` and `softplus`) and 4 for double; `erf` of doubles is right to 1e-15.
Sums of products use fmuladd, so that processors without fma need no call either.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from layerscope.engine.native.ir import Code, Value, scalar


@dataclass(frozen=True)
class _Kind:
    """What is known of a type, and its polynomials, from the constant coefficient up.

    All were fitted by Remez exchange; their coefficients were rounded in turn and the rest fitted again.
    """

    whole: str
    digits: int
    """Bits of the fraction; the exponent begins above."""
    bias: int
    """Of the exponent."""
    highest: float
    """exp of this overflows."""
    log2: tuple[float, float]
    """log 2 in two parts, the first short, so that its product with an exponent is exact."""
    half_root: int
    """The bits of sqrt(1/2)."""
    exp: tuple[float, ...]
    """(exp r - 1 - r) / r^2 on |r| <= log(2)/2."""
    log: tuple[float, ...]
    """float: (log(1 + f) - f + f^2/2) / f^3; double: (log((1 + s)/(1 - s)) - 2s) / s^3 over s^2."""
    erf_small: tuple[float, ...]
    """erf(x)/x - 1 over x^2 on |x| <= 1."""
    erf_large: tuple[float, ...]
    """log(1 - erf(1 + u)) over u."""
    erf_one: float
    """From here on erf is 1."""


# fmt: off
_KINDS = {
    "float": _Kind(
        whole="i32",
        digits=23,
        bias=127,
        highest=89.0,
        log2=(0.693145751953125, 1.428606765330187e-06),
        half_root=0x3F3504F3,
        # relative error of exp - 1: 1.5e-8
        exp=(
            0.4999999701976776, 0.16666539013385773, 0.04166775569319725, 0.008367103524506092,
            0.0013835253193974495,
        ),
        # on sqrt(1/2) - 1 <= f <= sqrt(2) - 1, relative error of log 3.1e-8
        log=(
            0.3333333134651184, -0.250008225440979, 0.20001260936260223, -0.1662321388721466,
            0.14199545979499817, -0.13147591054439545, 0.1281484216451645, -0.07818213105201721,
        ),
        # relative error of erf 1.4e-9
        erf_small=(
            0.12837916612625122, -0.3761262595653534, 0.11283578723669052, -0.026853347197175026,
            0.005187162198126316, -0.0007997853099368513, 7.806903158780187e-05,
        ),
        # error of erf 1.7e-8 on 0 <= u <= 3
        erf_large=(
            -1.8496055603027344, -2.638960361480713, -0.8432129621505737, -0.04106266796588898,
            0.009063362143933773, -0.0011629710206761956,
        ),
        erf_one=4.0,
    ),
    "double": _Kind(
        whole="i64",
        digits=52,
        bias=1023,
        highest=710.0,
        log2=(0.6931471803691238, 1.9082149292705877e-10),
        half_root=0x3FE6A09E667F3BCD,
        # relative error of exp - 1: 1.6e-16
        exp=(
            0.5000000000000006, 0.1666666666666568, 0.04166666666656556, 0.008333333333198543,
            0.001388888893869999, 0.0001984127158777364, 2.4801493725677677e-05, 2.7554632906925174e-06,
            2.7631397704100173e-07, 2.6228738257399574e-08,
        ),
        # on s^2 <= (3 - 2 sqrt 2)^2, relative error of log 1.3e-18
        log=(
            0.6666666666666734, 0.3999999999941655, 0.28571428742062643, 0.222221986002801,
            0.18183563155004073, 0.15314075803688212, 0.1479573531373863,
        ),
        # relative error of erf 1.4e-17
        erf_small=(
            0.12837916709551256, -0.37612638903183343, 0.11283791670936949, -0.02686617064195855,
            0.0052239775967275375, -0.0008548325484418108, 0.00012055280473588267, -1.4924465087967299e-05,
            1.6444142391373277e-06, -1.6183918060688043e-07, 1.3616338310856457e-08, -7.60705693431118e-10,
        ),
        # error of erf 4.5e-17 on 0 <= u <= 5
        erf_large=(
            -1.8496055099332485, -2.6389675142347184, -0.8431072563625478, -0.04156109795933615,
            0.010033824481474494, -0.001977896878815503, 0.0002372991786678434, 2.6342858421246903e-05,
            -2.728729629415154e-05, 9.792328318948562e-06, -2.253147182192098e-06, 2.941581426713854e-07,
            9.756105605096272e-09, -1.4572646153514568e-08, 3.3744981736505244e-09, -3.862675342553392e-10,
            1.8780362274634078e-11,
        ),
        erf_one=6.0,
    ),
}
# fmt: on

_LOG1P = (
    0.9999999403953552,
    -0.49999094009399414,
    0.33310315012931824,
    -0.24769920110702515,
    0.18809281289577484,
    -0.13011881709098816,
    0.07032894343137741,
    -0.0245299581438303,
    0.003961197100579739,
)
"""log(1 + e) / e on 0 <= e <= 1 for float, relative error 7.7e-8."""


def _kind(x: Value) -> _Kind:
    return _KINDS[scalar(x.type)]


def muladd(code: Code, a: Value, b: Value | float, c: Value | float) -> Value:
    """a·b + c, rounded once where the processor does that as fast as a product."""
    b, c = (n if isinstance(n, Value) else code.constant(n, a.type) for n in (b, c))
    return code.intrinsic("fmuladd", a.type, a, b, c)


def at_least(code: Code, x: Value, low: float) -> Value:
    """The larger one; NaN stays."""
    bound = code.constant(low, x.type)
    return code.select(code.compare("ogt", bound, x), bound, x)


def at_most(code: Code, x: Value, high: float) -> Value:
    """The smaller one; NaN stays."""
    bound = code.constant(high, x.type)
    return code.select(code.compare("olt", bound, x), bound, x)


def _polynomial(code: Code, x: Value, coefficients: Sequence[float]) -> Value:
    total = code.constant(coefficients[-1], x.type)
    for coefficient in coefficients[-2::-1]:
        total = muladd(code, total, x, coefficient)
    return total


def _whole(code: Code, operation: str, a: Value, b: Value | int) -> Value:
    b = b if isinstance(b, Value) else Value(code.constant(b, a.type).name, a.type)
    return code.put(a.type, f"{operation} {a}, {b.name}")


def _bits(code: Code, x: Value) -> Value:
    return code.convert("bitcast", x, _kind(x).whole)


def _copysign(code: Code, x: Value, sign: Value) -> Value:
    return code.intrinsic("copysign", x.type, x, sign)


def _minus_abs(code: Code, x: Value) -> Value:
    return code.fneg(code.fabs(x))


def _reduce(code: Code, x: Value, bias: int) -> tuple[Value, Value]:
    """r and 2^(n + bias - the type's bias) for exp(x) = 2^n exp(r), n whole and |r| <= log(2)/2.

    Added to a number so large that its last place is 1, x/log 2 is rounded to a whole number,
    which then stands in the last bits. An exponent of 0 there gives 0.
    """
    kind = _kind(x)
    large = 1.5 * 2.0**kind.digits + bias
    shifted = muladd(code, x, 1 / math.log(2), large)
    n = code.fsub(shifted, code.constant(large, x.type))
    r = muladd(code, n, -kind.log2[0], x)
    r = muladd(code, n, -kind.log2[1], r)
    scale = _whole(code, "shl", _bits(code, shifted), kind.digits)
    return r, code.convert("bitcast", scale, scalar(x.type))


def exp(code: Code, x: Value) -> Value:
    """e^x."""
    kind = _kind(x)
    # The scale is half of 2^n, since 2^128 is no float; the polynomial is twice exp(r).
    x = at_most(code, at_least(code, x, (1 - kind.bias) * math.log(2)), kind.highest)
    r, scale = _reduce(code, x, kind.bias - 1)
    twice = _polynomial(code, r, [2.0, 2.0, *(2 * c for c in kind.exp)])
    return code.fmul(twice, scale)


def exp_of_negative(code: Code, x: Value) -> Value:
    """e^x for x <= 0."""
    kind = _kind(x)
    r, scale = _reduce(code, at_least(code, x, -kind.bias * math.log(2)), kind.bias)
    return code.fmul(_polynomial(code, r, [1.0, 1.0, *kind.exp]), scale)


def _expm1_reduced(code: Code, r: Value) -> Value:
    return muladd(code, code.fmul(r, r), _polynomial(code, r, _kind(r).exp), r)


def expm1_of_negative(code: Code, x: Value) -> Value:
    """e^x - 1 for x <= 0; the sign of a zero is lost."""
    kind = _kind(x)
    r, scale = _reduce(code, at_least(code, x, -kind.bias * math.log(2)), kind.bias)
    return muladd(code, scale, _expm1_reduced(code, r), code.fadd(scale, code.constant(-1.0, x.type)))


def expm1(code: Code, x: Value) -> Value:
    """e^x - 1, also where that is small."""
    kind = _kind(x)
    near = at_most(code, at_least(code, x, (1 - kind.bias) * math.log(2)), kind.highest)
    r, scale = _reduce(code, near, kind.bias - 1)
    half = muladd(code, scale, _expm1_reduced(code, r), code.fadd(scale, code.constant(-0.5, x.type)))
    return _copysign(code, code.fadd(half, half), x)


def _split(code: Code, x: Value) -> tuple[Value, Value]:
    """k and the bits of m for x = 2^k m with sqrt(1/2) <= m < sqrt(2); k 2^digits, as a whole number."""
    kind = _kind(x)
    bits = _bits(code, x)
    power = _whole(code, "and", _whole(code, "sub", bits, kind.half_root), -(1 << kind.digits))
    return power, _whole(code, "sub", bits, power)


def _number(code: Code, power: Value, type: str) -> Value:
    """k of k 2^digits as a number of a type."""
    kind = _KINDS[scalar(type)]
    k = _whole(code, "ashr", power, kind.digits)
    if scalar(type) == "float":
        return code.convert("sitofp", k, "float")
    # Few processors convert whole numbers of 64 bits; this sum is exact.
    large = code.constant(1.5 * 2.0**kind.digits, type)
    sum_ = _whole(code, "add", k, _bits(code, large))
    return code.fsub(code.convert("bitcast", sum_, scalar(type)), large)


def _log(code: Code, f: Value, k: Value) -> Value:
    """log(2^k (1 + f)) for 1 + f between sqrt(1/2) and sqrt(2)."""
    kind = _kind(f)
    high, low = kind.log2
    square = code.fmul(f, f)
    if scalar(f.type) == "float":
        rest = code.fmul(code.fmul(f, square), _polynomial(code, f, kind.log))
        rest = muladd(code, square, -0.5, muladd(code, k, low, rest))
        return muladd(code, k, high, code.fadd(f, rest))
    s = code.fdiv(f, code.fadd(f, code.constant(2.0, f.type)))
    z = code.fmul(s, s)
    half = code.fmul(square, code.constant(0.5, f.type))
    tail = muladd(code, z, _polynomial(code, z, kind.log), half)
    rest = muladd(code, s, tail, code.fmul(k, code.constant(low, f.type)))
    return muladd(code, k, high, code.fsub(f, code.fsub(half, rest)))


def _log_ends(code: Code, y: Value, x: Value, zero: float) -> Value:
    """The logarithm y, mended where x is infinite, NaN, `zero` or less."""
    y = code.select(code.compare("olt", x, code.constant(math.inf, x.type)), y, x)
    bound = code.constant(zero, x.type)
    outside = code.select(
        code.compare("oeq", x, bound), code.constant(-math.inf, x.type), code.constant(math.nan, x.type)
    )
    return code.select(code.compare("ole", x, bound), outside, y)


def log(code: Code, x: Value) -> Value:
    """The natural logarithm."""
    kind = _kind(x)
    tiny = code.compare("olt", x, code.constant(2.0 ** (1 - kind.bias), x.type))
    up = code.fmul(x, code.constant(2.0**kind.digits, x.type))
    power, bits = _split(code, code.select(tiny, up, x))
    k = _number(code, power, x.type)
    k = code.select(tiny, code.fadd(k, code.constant(-kind.digits, x.type)), k)
    f = code.fadd(code.convert("bitcast", bits, scalar(x.type)), code.constant(-1.0, x.type))
    return _log_ends(code, _log(code, f, k), x, 0.0)


def log1p(code: Code, x: Value) -> Value:
    """log(1 + x), also where that is small."""
    kind = _kind(x)
    power, _ = _split(code, code.fadd(x, code.constant(1.0, x.type)))
    # f = (1 + x) / 2^k - 1 without the rounding of 1 + x; 4 / 2^k, since 1 / 2^k may be too small.
    bits = _whole(
        code, "sub", Value(code.constant((kind.bias + 2) << kind.digits, power.type).name, power.type), power
    )
    scale = code.convert("bitcast", bits, scalar(x.type))
    quarter = code.constant(0.25, x.type)
    f = muladd(code, code.fmul(x, quarter), scale, muladd(code, scale, quarter, -1.0))
    y = _log_ends(code, _log(code, f, _number(code, power, x.type)), x, -1.0)
    return _copysign(code, y, x)


def _log1p_of_exp(code: Code, e: Value) -> Value:
    """log(1 + e) for 0 <= e <= 1."""
    if scalar(e.type) == "double":
        return log1p(code, e)
    return code.fmul(e, _polynomial(code, e, _LOG1P))


def tanh(code: Code, x: Value) -> Value:
    """The hyperbolic tangent."""
    e = expm1_of_negative(code, code.fmul(code.fabs(x), code.constant(-2.0, x.type)))
    return _copysign(code, code.fdiv(e, code.fadd(e, code.constant(2.0, x.type))), x)


def _sigmoid_of(code: Code, x: Value, e: Value) -> Value:
    one = code.constant(1.0, x.type)
    over = code.select(code.compare("olt", x, code.constant(0.0, x.type)), e, one)
    return code.fdiv(over, code.fadd(e, one))


def _softplus_of(code: Code, x: Value, e: Value) -> Value:
    return code.fadd(at_least(code, x, 0.0), _log1p_of_exp(code, e))


def sigmoid(code: Code, x: Value) -> Value:
    """1 / (1 + e^-x)."""
    return _sigmoid_of(code, x, exp_of_negative(code, _minus_abs(code, x)))


def softplus(code: Code, x: Value) -> Value:
    """log(1 + e^x)."""
    return _softplus_of(code, x, exp_of_negative(code, _minus_abs(code, x)))


def sigmoid_and_slope(code: Code, x: Value) -> tuple[Value, Value]:
    """1 / (1 + e^-x), and its derivative, also where that is small."""
    e = exp_of_negative(code, _minus_abs(code, x))
    one = code.fadd(e, code.constant(1.0, x.type))
    return _sigmoid_of(code, x, e), code.fdiv(e, code.fmul(one, one))


def sigmoid_softplus(code: Code, x: Value) -> tuple[Value, Value]:
    """Both, which share their exponential."""
    e = exp_of_negative(code, _minus_abs(code, x))
    return _sigmoid_of(code, x, e), _softplus_of(code, x, e)


def erf(code: Code, x: Value) -> Value:
    """The error function."""
    kind = _kind(x)
    size = code.fabs(x)
    small = muladd(code, _polynomial(code, code.fmul(x, x), kind.erf_small), size, size)
    above = code.fadd(at_most(code, size, kind.erf_one), code.constant(-1.0, x.type))
    r, scale = _reduce(code, _polynomial(code, above, kind.erf_large), kind.bias)
    large = muladd(code, code.fneg(_polynomial(code, r, [1.0, 1.0, *kind.exp])), scale, 1.0)
    near = code.compare("olt", size, code.constant(1.0, x.type))
    return _copysign(code, code.select(near, small, large), x)
