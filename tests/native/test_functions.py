"""Native pointwise functions against their NumPy forms: one number or a vector, float or double."""

from __future__ import annotations

import ctypes
import functools
import inspect
import re

import numpy as np
import pytest
from scipy import special

from layerscope.engine.native import functions, objects, pointwise
from layerscope.engine.native.ir import Array, Code, Module, Value, vector
from layerscope.engine.primitives.map import FUNCTIONS, Function

COUNT = 1 << 14
DTYPES = {"float": np.float32, "double": np.float64}
WIDER = {"float": np.float64, "double": np.longdouble}
VARIANTS = [(real, lanes) for real in DTYPES for lanes in (1, 4, 8, 16)]

# Parts of functions, which have no row of their own.
PARTS = {"expm1": Function(np.expm1), "log1p": Function(np.log1p), "erf": Function(special.erf)}
ROWS = {**FUNCTIONS, **PARTS}

CONSTANTS = {
    "scale": {"factor": -1.75},
    "shift": {"offset": 0.625},
    "clip": {"low": -0.5, "high": 1.5},
    "clip_grad": {"low": -0.5, "high": 1.5},
    "above": {"bound": 0.5},
    "at_least": {"bound": 0.5},
    "one_hot": {"depth": 5, "index": 3},
    "leaky_relu": {"slope": 0.125},
    "power": {"exponent": 2.3},
    "power_grad": {"exponent": 2.3},
    "leaky_relu_grad": {"slope": 0.125},
    "elu": {"alpha": 1.75},
    "elu_grad": {"alpha": 1.75},
}

# Errors in units of the last place, for float and double; all other functions are exact.
ULPS = {
    **dict.fromkeys(("exp", "log", "expm1", "log1p", "elu"), (2, 4)),
    **dict.fromkeys(("sigmoid", "tanh", "softplus", "erf", "elu_grad", "tanh_grad"), (4, 4)),
    **dict.fromkeys(("gelu", "gelu_grad"), (4, 6)),
    **dict.fromkeys(("silu", "silu_grad", "mish", "mish_grad"), (6, 6)),
    **dict.fromkeys(("gelu_tanh", "gelu_tanh_grad"), (6, 6)),
    **dict.fromkeys(("power", "power_grad"), (5, 6)),
}

# What an error is a part of where the result is a difference: these, or the result if that is larger.
SCALES = {
    "erf": lambda x: np.full_like(x, x.dtype == np.float64),
    "gelu": np.abs,
    "gelu_grad": lambda g, x: np.abs(g),
    "tanh_grad": lambda g, r: np.abs(g),
    **dict.fromkeys(("silu", "mish"), lambda x: lost(x) * np.abs(x)),
    "gelu_tanh": np.abs,
    **dict.fromkeys(("silu_grad", "mish_grad", "gelu_tanh_grad"), lambda g, x: np.abs(g)),
}


def lost(x):
    """What exponentials lose where their digits do."""
    about = np.finfo(x.dtype)
    return about.tiny / about.eps


def arity(name):
    run = ROWS[name].run
    if isinstance(run, np.ufunc):
        return run.nin
    return len(set(inspect.signature(run).parameters) - set(CONSTANTS.get(name, {})))


def emitted(code, name, *values):
    if name in PARTS:
        return getattr(functions, name)(code, *values)
    return pointwise.emit(code, name, {k: v for k, v in CONSTANTS.get(name, {}).items() if k != "depth"}, *values)


def add_loop(module, name, inputs, outputs, real, lanes, make):
    """A function over arrays: make(code, *values) gives what it stores."""
    code = Code(module, [(f"a{n}", "ptr") for n in range(inputs + outputs)])
    arrays = [Array(p, vector(real, lanes), COUNT // lanes) for p in code.arguments]
    with code.loop(COUNT // lanes) as (i, _):
        results = make(code, *(code.load(a, i, aligned=False) for a in arrays[:inputs]))
        for result, array in zip(results, arrays[inputs:], strict=True):
            code.store(result, array, i, aligned=False)
    code.ret()
    module.add(code, name)


def module_of(name):
    """One function in all variants."""
    module = Module(16, attributes=objects.attributes(objects.chosen(objects.host())))
    for real, lanes in VARIANTS:
        add_loop(module, f"{real}{lanes}", arity(name), 1, real, lanes, lambda c, *v: [emitted(c, name, *v)])
    return module


@functools.cache
def loaded(name):
    return objects.load(objects.compile(module_of(name).text(), objects.host()))


def call(library, name, arrays, outputs=1):
    results = [np.full_like(arrays[0], 77) for _ in range(outputs)]
    pointers = [a.ctypes.data for a in [*arrays, *results]]
    ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * len(pointers))(library.address(name))(*pointers)
    return results[0] if outputs == 1 else results


def numbers(dtype, seed=0):
    """Special values, ranges where functions bend, and all magnitudes there are."""
    about, random = np.finfo(dtype), np.random.default_rng(seed)
    tiny = [about.tiny, about.tiny / 4, about.smallest_subnormal, about.eps, 1 - about.epsneg, 1 + about.eps]
    ends = [np.log(about.max), np.log(about.tiny), about.max, about.max / 3, np.inf]
    some = np.array([0, *tiny, 0.5, 1, 1.5, 2, 3, 4, *ends], dtype)
    special_values = np.concatenate([some, -some, [dtype(np.nan)]])
    ranges = [(-1, 1, 3000), (-12, 12, 5000), (-110, 110, 3000), (-about.maxexp, about.maxexp, 1000), (0, 5, 1000)]
    spread = [np.linspace(low, high, count).astype(dtype) for low, high, count in ranges]
    rest = COUNT - len(special_values) - sum(map(len, spread))
    bits = random.integers(0, 256, rest * np.dtype(dtype).itemsize, np.uint8).view(dtype)
    return np.concatenate([special_values, *spread, bits])


def inputs(name, dtype):
    """As many arrays as a function takes; the special values of each meet those of the others."""
    first = numbers(dtype)
    if arity(name) == 1:
        return [np.abs(first) if name == "power" else first]  # of numbers that are at least 0
    second = np.random.default_rng(1).permutation(numbers(dtype, 2))
    few = numbers(dtype)[:37]
    first[-37 * 37 :], second[-37 * 37 :] = np.repeat(few, 37), np.tile(few, 37)
    if name.endswith("_grad"):  # NumPy multiplies with 0 where these choose
        first = np.fmod(np.nan_to_num(first, posinf=1, neginf=-1), dtype(1))
    if name == "power_grad":
        second = np.fmin(np.abs(second), np.sqrt(np.finfo(dtype).max))  # beyond, wider arithmetic sees no overflow
    if name == "tanh_grad":
        second = np.clip(second, -1, 1)
    if arity(name) == 3:
        return [first, second, np.where(np.arange(COUNT) % 3 == 0, second, np.roll(second, 1))]
    return [first, second]


def reference(name, arrays, dtype):
    constants = {k: v for k, v in CONSTANTS.get(name, {}).items() if k != "index"}
    with np.errstate(all="ignore"):
        if name == "one_hot":
            return ROWS[name].run(arrays[0][:, None], **constants)[:, CONSTANTS[name]["index"]]
        return ROWS[name].run(*(a.astype(dtype) for a in arrays), **constants)


def check(name, real, arrays, result):
    """Exact, or as near to the result of wider arithmetic as `ULPS` says."""
    dtype = DTYPES[real]
    assert result.dtype == dtype
    if name not in ULPS:
        return np.testing.assert_array_equal(result, reference(name, arrays, dtype).astype(dtype))
    wider = np.float64 if name in ("erf", "gelu", "gelu_grad") else WIDER[real]
    expected = reference(name, arrays, wider)
    about = np.finfo(dtype)
    with np.errstate(all="ignore"):
        rounded = expected.astype(dtype)
        scale = SCALES[name](*arrays) if name in SCALES else np.zeros_like(rounded)
        unit = np.spacing(np.maximum(np.abs(rounded), np.minimum(scale, about.max)))
        error = np.abs(result.astype(wider) - expected) / unit
    sure = np.isfinite(rounded)
    np.testing.assert_array_equal(result[~sure], rounded[~sure])
    flushed = (result == 0) & (np.abs(expected) < 2 * about.tiny)
    error = np.where(sure & ~flushed, error, 0)
    worst = int(np.argmax(error))
    values = [a[worst] for a in arrays]
    assert error[worst] <= ULPS[name][real == "double"], (error[worst], values, result[worst], expected[worst])


@pytest.mark.parametrize(("real", "lanes"), VARIANTS)
@pytest.mark.parametrize("name", ROWS)
def test_a_function_is_numpys(name, real, lanes):
    arrays = inputs(name, DTYPES[real])
    check(name, real, arrays, call(loaded(name), f"{real}{lanes}", arrays))


@pytest.mark.parametrize("name", ROWS)
def test_without_fma_it_is_as_good_and_calls_nothing(name):
    module = Module(4)
    add_loop(module, "f", arity(name), 1, "float", 4, lambda c, *v: [emitted(c, name, *v)])
    add_loop(module, "d", arity(name), 1, "double", 2, lambda c, *v: [emitted(c, name, *v)])
    plain = objects.restricted(objects.host(), "plain")
    assert not re.search(r"\b(call\w*|bl)\s", objects.assembly(module.text(), plain))
    library = objects.load(objects.compile(module.text(), plain))
    for real in DTYPES:
        arrays = inputs(name, DTYPES[real])
        check(name, real, arrays, call(library, real[0], arrays))


@pytest.mark.parametrize("real", DTYPES)
@pytest.mark.parametrize("name", ["expm1", "log1p", "erf", "tanh"])
def test_odd_functions_keep_the_sign_of_zero(name, real):
    zeros = np.tile(DTYPES[real]([0.0, -0.0]), COUNT // 2)
    result = call(loaded(name), f"{real}8", [zeros])
    np.testing.assert_array_equal(np.signbit(result), np.signbit(zeros))


@pytest.mark.parametrize("name", ["tanh", "erf", "sigmoid"])
def test_no_more_than_one(name):
    for real, dtype in DTYPES.items():
        result = call(loaded(name), f"{real}4", [np.linspace(0, 60, COUNT, dtype=dtype)])
        assert result.max() == 1
        assert result.min() >= 0


@pytest.mark.parametrize("real", DTYPES)
def test_sigmoid_and_softplus_share_an_exponential(real):
    module = Module(4, real)
    add_loop(module, "both", 1, 2, real, 4, functions.sigmoid_softplus)
    assert module.text().count("shl") == 1
    arrays = [numbers(DTYPES[real])]
    library = objects.load(objects.compile(module.text(), objects.host()))
    sigmoid, softplus = call(library, "both", arrays, outputs=2)
    check("sigmoid", real, arrays, sigmoid)
    check("softplus", real, arrays, softplus)


@pytest.mark.parametrize("real", DTYPES)
@pytest.mark.parametrize("lanes", [1, 4])
@pytest.mark.parametrize("known", [True, False])
def test_one_hot_at_each_index(real, lanes, known):
    """An index that is known, one for all lanes, or one for each lane."""
    x = numbers(DTYPES[real])
    x[:64] = np.repeat([-1.5, -1, -0.75, -0.0, 0, 0.75, 1, 1.5], 8)
    with np.errstate(all="ignore"):
        expected = FUNCTIONS["one_hot"].run(x[:, None], depth=4)
    module = Module(lanes, real)
    for index in range(4):
        add_loop(module, f"at{index}", 1, 1, real, lanes, lambda c, v, i=index: [one_hot(c, v, i, known)])
    library = objects.load(objects.compile(module.text(), objects.host()))
    for index in range(4):
        np.testing.assert_array_equal(call(library, f"at{index}", [x]), expected[:, index])


def one_hot(code, x, index, known):
    return pointwise.emit(code, "one_hot", {"index": index if known else code.i64(index)}, x)


def test_an_index_for_each_lane():
    module = Module(4)
    places = Value("<i64 0, i64 1, i64 2, i64 3>", "<4 x i64>")
    add_loop(module, "eye", 1, 1, "float", 4, lambda c, v: [pointwise.one_hot(c, v, places)])
    library = objects.load(objects.compile(module.text(), objects.host()))
    labels = np.repeat(np.arange(COUNT // 4) % 5, 4).astype(np.float32)
    np.testing.assert_array_equal(call(library, "eye", [labels]), labels == np.arange(COUNT) % 4)
