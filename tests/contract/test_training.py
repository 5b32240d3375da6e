"""Layers that act otherwise while training: `lower` against `define`, their gradients, and what they keep for later."""

from __future__ import annotations

import numpy as np
import pytest

from layerscope.core.contract import Example
from layerscope.core.types import TensorType
from layerscope.engine.primitives.base import Frame
from layerscope.engine.program import Program
from layerscope.engine.reference import run
from layerscope.layers import BatchNormalization

from .cases import define, fixed, inputs_for, seed_of, title, weights_for
from .running import run_layer

STEP = 1e-5


def case_of(layer, *shape) -> Example:
    return Example(layer, (TensorType(shape),), (TensorType(shape),))


CASES = [
    case_of(BatchNormalization(), 4, 5, 3, 2),
    case_of(BatchNormalization(momentum=0.5, epsilon=0.1), 7, 4),
    case_of(BatchNormalization(center=False), 3, 6, 5),
    case_of(BatchNormalization(scale=False), 3, 6, 5),
    case_of(BatchNormalization(center=False, scale=False), 2, 3, 2, 2, 3),
    case_of(BatchNormalization(axis=1), 4, 2, 5, 3),
    case_of(BatchNormalization(axis=-2, scale=False), 3, 4, 2, 3),
]
EACH = pytest.mark.parametrize("case", CASES, ids=title)


@EACH
def test_values_are_those_of_define(case):
    arrays, weights = inputs_for(case), weights_for(case)
    made = run_layer(case, arrays, weights, training=True).outputs[0]
    wanted = define(case.layer, arrays, weights, training=True)[0]
    np.testing.assert_allclose(made, wanted, rtol=1e-10, atol=1e-12)
    assert np.abs(made - define(case.layer, arrays, weights)[0]).max() > 0.1, "at inference it is another function"


@EACH
def test_gradients_are_the_slopes_of_define(case):
    (x,), weights = inputs_for(case), weights_for(case)
    rng = np.random.default_rng(seed_of(case))
    cotangent = fixed(rng.normal(size=x.shape))
    ran = run_layer(case, [x], weights, cotangent, training=True)

    def value(array, heavy):
        return float((define(case.layer, [array], heavy, training=True)[0] * cotangent).sum())

    for number in range(x.size):
        shift = np.zeros(x.size)
        shift[number] = STEP
        shift = shift.reshape(x.shape)
        wanted = (value(fixed(x + shift), weights) - value(fixed(x - shift), weights)) / (2 * STEP)
        np.testing.assert_allclose(ran.inputs[0].flat[number], wanted, rtol=1e-6, atol=1e-7)
    for name in weights:
        for number in range(weights[name].size):
            ends = []
            for sign in (1, -1):
                moved = weights[name].copy()
                moved[number] += sign * STEP
                ends.append(value(x, {**weights, name: fixed(moved)}))
            np.testing.assert_allclose(
                ran.weights[name][number], (ends[0] - ends[1]) / (2 * STEP), rtol=1e-6, atol=1e-7
            )


def updated(case, times) -> tuple[dict, dict]:
    """What a layer that is used `times` times in one step makes of its weights: as primitives, and by `define`."""
    (x,), weights = inputs_for(case), weights_for(case)
    program = Program()
    inputs = {name: program.input(("weight", name), TensorType(array.shape)) for name, array in weights.items()}
    value = program.input(("data", 0), case.inputs[0])
    by_hand, array = dict(weights), x
    for _ in range(times):
        latest = {name: program.latest(weight) for name, weight in inputs.items()}
        (value,) = case.layer.lower(program, value, training=True, **latest)
        (array,), state = case.layer.define(array, training=True, **by_hand)
        by_hand |= state
    for name, weight in inputs.items():
        program.output(("weight", name), program.latest(weight))
    feeds = {("weight", name): array for name, array in weights.items()} | {("data", 0): x}
    made = run(program, feeds, Frame(len(x), np.dtype("float64")))
    return {name: made["weight", name] for name in weights}, by_hand


@EACH
@pytest.mark.parametrize("times", [1, 2])
def test_moving_averages(case, times):
    made, by_hand = updated(case, times)
    before = weights_for(case)
    for name, array in by_hand.items():
        np.testing.assert_allclose(made[name], array, rtol=1e-12)
        assert np.array_equal(array, before[name]) == (not name.startswith("moving"))


def test_one_step_of_moving_averages_by_hand():
    layer, x = BatchNormalization(momentum=0.75), np.array([[1.0, 10], [3, 30], [5, 20]])
    start = {"moving_mean": np.array([1.0, 0]), "moving_variance": np.array([1.0, 4])}
    _, state = layer.define(x, training=True, gamma=np.ones(2), beta=np.zeros(2), **start)
    assert state["moving_mean"].tolist() == [0.75 * 1 + 0.25 * 3, 0.25 * 20]
    np.testing.assert_allclose(state["moving_variance"], [0.75 + 0.25 * 8 / 3, 0.75 * 4 + 0.25 * 200 / 3])
