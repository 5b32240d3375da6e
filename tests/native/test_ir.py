"""The vocabulary over LLVM IR, by calling what it makes."""

from __future__ import annotations

import numpy as np
import pytest

from layerscope.engine.native import objects
from layerscope.engine.native.ir import Array, Code, Module, Value

from .calling import I64, aligned, called


def turns(start, end, step, known_start, known_end, checked=False):
    """What a loop that carries its count, the sum of its indices and the last of them leaves behind."""
    module = Module(1, checked=checked)
    code = Code(module, [("out", "ptr"), ("start", "i64"), ("end", "i64")])
    out, first, last = code.arguments
    carry = [Value("0", "i64"), Value("0", "i64"), Value("-1", "i64")]
    with code.loop(end if known_end else last, step, start if known_start else first, carry) as (index, state):
        count, total, _ = state.values
        state.values = [code.i64(code.add(count, 1)), code.i64(code.add(total, index)), code.i64(index)]
    for place, value in enumerate(state.values):
        code.store(value, Array(out, "i64", 3), place)
    code.ret()
    module.add(code, "turns")
    result = np.zeros(3, np.int64)
    called(module, "turns", result, start, end)
    return list(result)


@pytest.mark.parametrize(("known_start", "known_end"), [(True, True), (True, False), (False, True), (False, False)])
@pytest.mark.parametrize(
    ("start", "end", "step"),
    [
        (0, 1, 1),
        (0, 7, 1),
        (0, 2, 4),
        (0, 4, 4),
        (0, 5, 4),
        (0, 9, 4),
        (3, 12, 3),
        (5, 6, 1),
        (-3, 3, 2),
        (0, 0, 1),
        (4, 2, 1),
    ],
)
def test_loops(start, end, step, known_start, known_end):
    if known_start and known_end and end <= start:
        with pytest.raises(AssertionError, match="without turns"):
            turns(start, end, step, known_start, known_end)
        return
    indices = range(start, end, step)
    expected = [len(indices), sum(indices), indices[-1] if indices else -1]
    assert turns(start, end, step, known_start, known_end) == expected


def test_one_known_turn_makes_no_loop():
    module = Module(1)
    code = Code(module, [("n", "i64")])
    with code.loop(4, 4) as (index, _):
        assert index == 0
    assert "br" not in code.text()


def test_loops_within_loops():
    module = Module(1)
    code = Code(module, [("out", "ptr"), ("n", "i64"), ("m", "i64")])
    out, n, m = code.arguments
    with code.loop(n, carry=[Value("1", "i64")]) as (i, outer):
        with code.loop(m, carry=outer.values) as (j, inner):
            with code.loop(3, carry=inner.values) as (k, innermost):
                innermost.values = [code.i64(code.add(innermost.values[0], code.dot([i, j, k], [100, 10, 1])))]
            inner.values = innermost.values
        outer.values = inner.values
    code.store(outer.values[0], Array(out, "i64", 1), 0)
    code.ret()
    module.add(code, "nest")
    for a, b in [(0, 5), (4, 0), (1, 1), (3, 4)]:
        result = np.zeros(1, np.int64)
        called(module, "nest", result, a, b)
        assert result[0] == 1 + sum(100 * i + 10 * j + k for i in range(a) for j in range(b) for k in range(3))


def stores(end, array_of):
    """Numbers 0, 1, ... to the first `end` places of an array on eight numbers, checked: the numbers, violations."""
    module = Module(1, checked=True)
    code = Code(module, [("out", "ptr"), ("n", "i64")])
    array, start = array_of(code, code.arguments[0])
    with code.loop(code.add(code.arguments[1], start), start=start) as (index, _):
        number = code.put("float", f"sitofp {code.i64(index)} to float")
        code.store(number, array, index)
    code.ret()
    module.add(code, "stores")
    memory = np.full(8, -9, np.float32)
    loaded = called(module, "stores", memory, end)
    return list(memory), I64.from_address(loaded.address("violations")).value


def test_checked_code_counts_violations():
    numbers, violations = stores(4, lambda code, out: (Array(out, "float", 4), 0))
    assert (numbers, violations) == ([0, 1, 2, 3, -9, -9, -9, -9], 0)
    numbers, violations = stores(7, lambda code, out: (Array(out, "float", 4), 0))
    assert (numbers, violations) == ([6, 1, 2, 3, -9, -9, -9, -9], 3)  # instead at the first item


def test_checked_code_with_a_margin():
    def inside(code, out):
        return code.shifted(Array(out, "float", 4), 2), -2

    numbers, violations = stores(4, inside)
    assert (numbers, violations) == ([-2, -1, 0, 1, -9, -9, -9, -9], 0)
    numbers, violations = stores(6, inside)
    assert (numbers, violations) == ([3, -1, 0, 1, -9, -9, -9, -9], 2)  # instead at the first item


def test_checked_loads_far_outside_do_not_crash():
    module = Module(1, checked=True)
    code = Code(module, [("x", "ptr"), ("n", "i64")])
    x, n = code.arguments
    value = code.load(Array(x, "float", 2), n)
    code.store(value, Array(x, "float", 2), 1)
    code.store(value, Array(x, "float", 2), 2**40)
    code.ret()
    module.add(code, "far")
    memory = np.array([3, 4], np.float32)
    loaded = called(module, "far", memory, -(2**50))
    assert list(memory) == [3, 3]
    assert I64.from_address(loaded.address("violations")).value == 2


@pytest.mark.parametrize("checked", [False, True])
@pytest.mark.parametrize("lanes", [1, 4, 8])
def test_numbers_of_every_width(lanes, checked):
    module = Module(lanes, checked=checked)
    code = Code(module, [("x", "ptr"), ("y", "ptr"), ("n", "i64")])
    x, y, n = code.arguments
    source, sink = Array(x, module.vector, 6), Array(y, module.vector, 6)
    with code.loop(n) as (index, _):
        a = code.load(source, index)
        b = code.sqrt(code.fabs(code.fsub(a, code.broadcast(source, 0))))
        c = code.fma(b, code.constant(0.5), code.fneg(a))
        positive = code.compare("ogt", c, code.constant(0.0))
        code.store(code.select(code.negate(positive), code.fdiv(c, code.constant(3.0)), c), sink, index)
    code.ret()
    module.add(code, "numbers")
    given, made = aligned(6 * lanes), aligned(6 * lanes)
    given[:] = np.random.default_rng(0).standard_normal(given.size)
    called(module, "numbers", given, made, 6)
    c = np.sqrt(np.abs(given - given[0])) * 0.5 - given
    np.testing.assert_allclose(made, np.where(c > 0, c, c / 3), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(
    ("name", "type", "full"),
    [
        ("fma", "float", "llvm.fma.f32"),
        ("fma", "double", "llvm.fma.f64"),
        ("fabs", "<16 x float>", "llvm.fabs.v16f32"),
        ("sqrt", "<2 x double>", "llvm.sqrt.v2f64"),
        ("smax", "i64", "llvm.smax.i64"),
        ("umin", "<4 x i32>", "llvm.umin.v4i32"),
    ],
)
def test_names_of_intrinsics(name, type, full):
    module = Module(1)
    code = Code(module, [("p", "ptr")])
    value = code.load(Array(code.arguments[0], type, 1), 0)
    code.intrinsic(name, type, *[value] * {"fma": 3, "fabs": 1, "sqrt": 1}.get(name, 2))
    code.ret()
    module.add(code, "f")
    assert f"@{full}(" in module.text()
    objects.compile(module.text(), objects.host())  # LLVM checks the name against the types


def test_functions_of_the_same_text_exist_once():
    module = Module(1)
    names = []
    for number in (1, 2, 1):
        code = Code(module, [("p", "ptr")])
        code.store(Value(str(number), "i64"), Array(code.arguments[0], "i64", 1), 0)
        code.ret()
        names.append(module.add(code))
    assert names[0] == names[2] != names[1]
    assert module.text().count("define ") == 2
    assert module.table([1, 2], "i32") == module.table([1, 2], "i32") != module.table([1, 3], "i32")
