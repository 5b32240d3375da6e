"""Random numbers: the same bits as those of `primitives.random`, whichever thread computes which example."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from layerscope.engine.native.ir import Value, vector
from layerscope.engine.native.operations import Op, rest
from layerscope.engine.primitives.random import (
    GOLDEN,
    HALF_ROOT,
    INNER,
    LOG,
    LOG2,
    OUTER,
    ROOT,
    Random,
)

if TYPE_CHECKING:
    from layerscope.engine.native.kernel import Kernel, Scope

FIRST, SEED, STEP = range(3)
"""Places in a thread's counters: see `kernel`."""


def emit(s: Scope, op: Op) -> Value:
    """As `primitives.random`: of a hash of seed, step, stream and the element's place in the batch."""
    k, random = s.kernel, op.do
    assert isinstance(random, Random)
    top = _bits(s, op, random)
    if random.law == "normal":
        return k.convert("fpext", _normal(k, top), k.module.real)
    return k.fmul(k.convert("sitofp", top, k.module.real), k.constant(2.0**-24))


def _bits(s: Scope, op: Op, random: Random) -> Value:
    """24 bits for each lane."""
    k = s.kernel
    counters = k.array(s.memory.counters)
    own = k.put("i64", f"add i64 {k.load(counters, SEED).name}, {_whole((random.seed << 32) % 2**64, 'i64')}")
    key = Value("0", "i64")
    for part in (own, k.load(counters, STEP), Value(str(random.stream), "i64")):
        word = k.put("i64", f"mul i64 {k.put('i64', f'add i64 {part.name}, 1').name}, {_whole(GOLDEN, 'i64')}")
        key = _mixed(k, k.put("i64", f"add i64 {word.name}, {key.name}"))
    lanes = k.module.lanes
    wide = vector("i64", lanes)
    together = s.memory.together
    first = k.add(k.load(counters, FIRST), k.mul(s.index[0], together))
    shape = rest(op.outputs[0])
    size = math.prod(shape)
    strides = [math.prod(shape[n + 1 :]) for n in range(len(shape))]
    flat = k.add(k.dot(s.index[1:], strides), 1)
    start = k.add(k.mul(first, int(size * op.strips)), flat)
    place = k.splat(k.i64(start))
    if lanes > 1:  # lane s·together + e holds strip s of example e
        starts = [
            int((n % together * op.strips + (n // together if op.strips > 1 else 0)) * size) for n in range(lanes)
        ]
        place = k.put(wide, f"add {place}, <{', '.join(f'i64 {n}' for n in starts)}>")
    hashed = k.put(wide, f"mul {place}, {_whole(GOLDEN, wide)}")
    bits = _mixed(k, k.put(wide, f"add {hashed}, {k.splat(key).name}"))
    return k.convert("trunc", k.put(wide, f"lshr {bits}, {_whole(40, wide)}"), "i32")


def _mixed(k: Kernel, z: Value) -> Value:
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB), (31, 0)):
        z = k.put(z.type, f"xor {z}, {k.put(z.type, f'lshr {z}, {_whole(shift, z.type)}').name}")
        if factor:
            z = k.put(z.type, f"mul {z}, {_whole(factor, z.type)}")
    return z


def _whole(number: int, type: str) -> str:
    signed = number - 2**64 if number >= 2**63 else number
    return str(signed) if type == "i64" else f"splat (i64 {signed})"


def _normal(k: Kernel, top: Value) -> Value:
    """The quantile of the middle of the part that 24 bits name, step by step as `primitives.random.normal`."""

    def whole(operation: str, a: Value, number: int) -> Value:
        return k.put(a.type, f"{operation} {a}, {k.constant(number, a.type).name}")

    middle = whole("add", whole("shl", top, 1), 1 - 2**24)
    x = k.convert("sitofp", middle, "float")

    def one(number: float) -> Value:
        return k.constant(number, x.type)

    def polynomial(a: Value, coefficients: Sequence[float]) -> Value:
        total = one(coefficients[0])
        for coefficient in coefficients[1:]:
            total = k.fadd(k.fmul(total, a), one(coefficient))
        return total

    x = k.fmul(x, one(2.0**-24))
    t = k.fmul(k.fsub(one(1), x), k.fadd(one(1), x))
    bits = k.convert("bitcast", t, "i32")
    power = whole("and", whole("sub", bits, HALF_ROOT), -(1 << 23))
    f = k.fsub(k.convert("bitcast", k.put(bits.type, f"sub {bits}, {power.name}"), "float"), one(1))
    n = k.convert("sitofp", whole("ashr", power, 23), "float")
    square = k.fmul(f, f)
    rest_ = k.fadd(k.fmul(k.fmul(f, square), polynomial(f, LOG[::-1])), k.fmul(n, one(LOG2[1])))
    log = k.fadd(k.fmul(n, one(LOG2[0])), k.fadd(f, k.fadd(k.fmul(square, one(-0.5)), rest_)))
    w = k.fneg(log)
    inner = polynomial(k.fsub(w, one(2.5)), INNER)
    outer = polynomial(k.fsub(k.sqrt(w), one(3)), OUTER)
    found = k.select(k.compare("olt", w, one(5)), inner, outer)
    return k.fmul(k.fmul(found, x), one(ROOT))
