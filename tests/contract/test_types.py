"""`out` and `weight_types` against what `define` really takes and gives."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layerscope.core.types import TensorType

from .cases import all_examples, define, executable_examples, fixed, inputs_for, is_float, title, weights_for
from .settings import RANDOM, Drawn

COUNTER = "count"
"""How much was seen of data, of Normalization: it is kept, as Keras does, and nothing is computed with it."""
EXAMPLES = pytest.mark.parametrize("case", all_examples(), ids=title)
EXECUTABLE = pytest.mark.parametrize("case", executable_examples(), ids=title)


@EXAMPLES
def test_out_is_what_the_example_says(case):
    assert case.layer.out(*case.inputs) == case.outputs


@EXECUTABLE
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_define_returns_these_types(case, dtype):
    check_types(case, dtype)


def check_types(case, dtype):
    arrays, weights = inputs_for(case, dtype), weights_for(case, dtype)
    outputs, state = case.layer.define(*arrays, **weights)
    assert len(outputs) == len(case.outputs)
    for array, type in zip(outputs, case.outputs, strict=True):
        assert array.shape == type.shape
        assert array.dtype == (dtype if is_float(type) else type.dtype)
    types = case.layer.weight_types(*case.inputs)
    assert {name: array.shape for name, array in state.items() if types[name].shape != array.shape} == {}


@pytest.mark.parametrize("kind", RANDOM)
@settings(max_examples=30, deadline=None, derandomize=True)
@given(data=st.data())
def test_define_returns_the_types_of_random_settings(kind, data):
    check_types(RANDOM[kind](Drawn(data)), "float64")


@EXECUTABLE
def test_a_float64_input_has_a_float64_output(case):
    if not any(map(is_float, case.inputs)):
        return  # whole numbers become floats of any width
    wide = [TensorType(t.shape, "float64" if is_float(t) else t.dtype, t.plane) for t in case.inputs]
    for type, narrow in zip(case.layer.out(*wide), case.outputs, strict=True):
        assert type.shape == narrow.shape
        assert type.dtype == ("float64" if is_float(narrow) else narrow.dtype)


@EXECUTABLE
def test_define_takes_exactly_these_weights(case):
    arrays, weights = inputs_for(case), weights_for(case)
    define(case.layer, arrays, weights)
    for name in set(weights) - {COUNTER}:
        less = {other: array for other, array in weights.items() if other != name}
        with pytest.raises(KeyError, match=name):
            define(case.layer, arrays, less)


@EXECUTABLE
def test_every_weight_matters(case):
    """A weight that `define` never reads would pass unnoticed otherwise."""
    arrays, weights = inputs_for(case), weights_for(case)
    before = define(case.layer, arrays, weights)[0]
    for name, array in weights.items():
        if name == COUNTER:
            continue
        for place in list(np.ndindex(*array.shape))[:: max(1, array.size // 7)]:
            changed = array.copy()
            changed[place] += 0.5
            after = define(case.layer, arrays, weights | {name: fixed(changed)})[0]
            assert not np.array_equal(before, after), f"{name}{list(place)} changes nothing"


@EXECUTABLE
def test_define_repeats(case):
    arrays, weights = inputs_for(case), weights_for(case)
    for one, two in zip(define(case.layer, arrays, weights), define(case.layer, arrays, weights), strict=True):
        assert np.array_equal(one, two)
