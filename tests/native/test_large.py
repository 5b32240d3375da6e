"""What large networks need: a kernel's side and its gradient in parts, with the results of the definition."""

from __future__ import annotations

import numpy as np
import pytest
from tests.native.comparing import compare, engines, settings
from tests.native.random_cases import Case

from layerscope import layers, losses, optimizers
from layerscope.engine.native import assembly
from layerscope.engine.native.engine import options_for
from layerscope.models import Sequential

SMALL = {"lanes": 4, "sums": 12, "gain": 1e9, "large": 0, "checked": True, "guard": 64}


def case(stack, shape, options, batch=5, threads=2):
    """A network that trains for two batches and a smaller one."""
    model = Sequential([layers.Input(shape), *stack])
    model.compile(optimizers.SGD(0.1, momentum=0.5), losses.MeanSquaredError())
    random, count = np.random.default_rng(0), 2 * batch + 1
    weights = {id: random.normal(size=v.shape) * 0.3 for id, v in model._variables.items()}
    found = Case(1, model._job, threads, batch, count, options, [random.normal(size=(count, *shape))], [], weights)
    found.targets = [random.random((count, *model.output_shape[1:]))]
    return found


def layout(case, precision="float64"):
    """The layout of a case's training."""
    with settings(**case.options):
        native, _ = engines(case, precision)
        return assembly.assembled(native.job.training, options_for(precision, ("float64", "float64"))).memory.layout


@pytest.mark.parametrize(("first", "size"), [(layers.Conv2D, 15), (layers.Conv2DTranspose, 10)])
def test_kernels_in_panels_and_gradients_by_rows(first, size):
    stack = [first(8, 3, padding="same", activation="tanh"), layers.Conv2D(20, 3, padding="same")]
    made = case(stack, (size, 8, 8), SMALL)
    assert compare(made) == []
    small, whole = layout(made).regions, layout(case(stack, (size, 8, 8), {**SMALL, "large": 1 << 20})).regions
    assert small.get("packed", 0) < whole["packed"] / 4
    assert small["partial"] + small["parts"] < (whole["partial"] + whole["parts"]) / 2


def test_in_single_precision():
    stack = [layers.Conv2D(16, 3, padding="same", activation="relu"), layers.Conv2D(8, 3, padding="same")]
    assert compare(case(stack, (9, 12, 8), {**SMALL, "lanes": 8}), "float32") == []


@pytest.mark.parametrize("groups", [1, 2])
def test_matrices_as_they_lie(groups):
    stack = [layers.Dense(448, activation="tanh"), layers.Dense(432)]
    options = {"lanes": 16, "sums": 12, "groups": groups, "large": 0, "checked": True, "guard": 64}
    made = case(stack, (416,), options, batch=40)
    for made.seed in (0, 1):  # what is predicted, and what is measured
        assert compare(made) == []
    small, whole = layout(made).regions, layout(case(stack, (416,), {**options, "large": 1 << 30})).regions
    assert whole["packed"] > 0
    assert "packed" not in small
