"""Dropout: random numbers that repeat, and the share that they drop."""

from __future__ import annotations

import math

import numpy as np
import pytest

from layerscope.core.contract import Example
from layerscope.core.types import TensorType
from layerscope.engine.primitives import random
from layerscope.engine.primitives.base import Frame
from layerscope.engine.primitives.random import Random, mix, uniform
from layerscope.engine.program import Program
from layerscope.engine.reference import run
from layerscope.layers import Dropout

from .cases import fixed, inputs_for
from .running import run_layer


def case_of(rate, shape=(4, 5, 6, 3), seed=None) -> Example:
    layer, x = Dropout(rate, seed=seed), TensorType(shape)
    return Example(layer, (x,), layer.out(x))


def dropped(rate=0.5, shape=(4, 5, 6, 3), layer_seed=None, **frame) -> np.ndarray:
    """Where a dropout in training has put zeros over ones."""
    case = case_of(rate, shape, layer_seed)
    return run_layer(case, [fixed(np.ones(shape))], training=True, **frame).outputs[0] == 0


def test_the_same_seed_and_step_drop_the_same():
    assert np.array_equal(dropped(seed=3, step=7), dropped(seed=3, step=7))


@pytest.mark.parametrize("change", [{"seed": 4}, {"step": 8}, {"layer_seed": 1}], ids=str)
def test_another_seed_or_step_drops_others(change):
    first, second = dropped(seed=3, step=7), dropped(**{"seed": 3, "step": 7, **change})
    share = np.mean(first != second)
    assert 0.35 < share < 0.65, "independent halves differ in half of the places"


def test_two_dropouts_of_one_network_drop_others():
    program, x = Program(), TensorType((50, 40))
    value = program.input(("data", 0), x)
    for number in range(2):
        program.output(("output", number), Dropout(0.5).lower(program, value, training=True)[0])
    made = run(program, {("data", 0): np.ones(x.shape)}, Frame(50, np.dtype("float64")))
    assert 0.4 < np.mean((made["output", 0] == 0) != (made["output", 1] == 0)) < 0.6


@pytest.mark.parametrize("rate", [0.1, 0.25, 0.5, 0.8])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_share_dropped_is_the_rate(rate, seed):
    """Within six standard deviations of the binomial count over 100,000 numbers."""
    count = 100_000
    zeros = int(dropped(rate, (100, 1000), seed=seed).sum())
    assert abs(zeros - count * rate) <= 6 * math.sqrt(count * rate * (1 - rate))


@pytest.mark.parametrize("rate", [0.0, 0.3, 0.9])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_define_with_the_same_numbers_is_lower(rate, dtype):
    case = case_of(rate, seed=2)
    arrays = inputs_for(case, dtype)
    made = run_layer(case, arrays, training=True, dtype=dtype, seed=5, step=9).outputs[0]
    numbers = uniform(arrays[0].shape, 5 + (2 << 32), 9, 1)
    wanted = case.layer.define(*arrays, training=True, random=numbers)[0][0]
    assert made.dtype == wanted.dtype == np.dtype(dtype)
    np.testing.assert_allclose(made, wanted, rtol=1e-6 if dtype == "float32" else 1e-12)
    kept = wanted != 0
    np.testing.assert_allclose(wanted[kept], arrays[0][kept] / (1 - rate), rtol=1e-6)


def test_a_number_equal_to_the_rate_is_kept(monkeypatch):
    """Of the 2²⁴ numbers exactly rate · 2²⁴ drop: those below it."""
    monkeypatch.setitem(random.LAWS, "uniform", lambda shape, *_: np.full(shape, 0.5))
    assert not dropped(0.5).any()
    monkeypatch.setitem(random.LAWS, "uniform", lambda shape, *_: np.full(shape, 0.5 - 2**-24))
    assert dropped(0.5).all()


def test_gradients_flow_through_what_was_kept():
    case = case_of(0.4)
    arrays = inputs_for(case)
    cotangent = fixed(np.random.default_rng(0).normal(size=arrays[0].shape))
    ran = run_layer(case, arrays, cotangent=cotangent, training=True, seed=1)
    kept = ran.outputs[0] != 0
    np.testing.assert_allclose(ran.inputs[0], np.where(kept, cotangent / 0.6, 0), rtol=1e-12)


def test_at_inference_nothing_is_dropped():
    case = case_of(0.9)
    arrays = inputs_for(case)
    ran = run_layer(case, arrays, cotangent=arrays[0])
    assert np.array_equal(ran.outputs[0], arrays[0])
    assert np.array_equal(ran.inputs[0], arrays[0])
    assert not ran.program.instructions


def test_the_mean_is_kept():
    """That is why the rest is divided by 1 - rate."""
    case = case_of(0.3, (100, 1000))
    made = run_layer(case, [fixed(np.ones((100, 1000)))], training=True, seed=2).outputs[0]
    assert abs(made.mean() - 1) <= 6 * math.sqrt(0.3 / 0.7 / made.size)


def test_uniform_numbers_are_uniform():
    """Each of 16 equal parts of [0, 1) gets its share within six standard deviations; 24 bits, 1 excluded."""
    numbers = uniform((100_000,), 1, 2, 3)
    assert numbers.min() >= 0
    assert numbers.max() < 1
    assert np.array_equal(numbers * 2**24, np.floor(numbers * 2**24))
    counts = np.bincount((numbers * 16).astype(int), minlength=16)
    assert np.abs(counts - 6250).max() <= 6 * math.sqrt(6250 * 15 / 16)
    neighbours = np.corrcoef(numbers[:-1], numbers[1:])[0, 1]
    assert abs(neighbours) < 6 / math.sqrt(100_000)


def test_the_mixer_is_splitmix64():
    """First outputs for seed 1234567, from the reference implementation (Vigna, prng.di.unimi.it)."""
    golden = np.uint64(0x9E3779B97F4A7C15)
    counters = np.uint64(1234567) + np.arange(1, 4, dtype=np.uint64) * golden
    assert mix(counters).tolist() == [6457827717110365317, 3203168211198807973, 9817491932198370423]


def test_random_numbers_carry_no_gradient():
    program, x = Program(), TensorType((2, 3))
    value = program.input(("data", 0), x, True)
    noise = program.random(x)
    total = program.map("mul", value, noise)
    assert isinstance(program.instructions[0].primitive, Random)
    (gradient,) = program.differentiate(total, program.input(("cotangent",), x), [value])
    assert gradient is not None
    assert not program.differentiable(noise)
