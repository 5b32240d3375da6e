"""Twenty steps of training by every loss, in float64, by both engines; as Keras on TensorFlow and as PyTorch's autograd
of the formulas takes them.
"""

from __future__ import annotations

import os
from functools import cache

import numpy as np
import pytest

import layerscope as ls

from . import loss_steps, loss_steps_torch, trajectory_runs
from .loss_steps import COUNT, NETWORKS, OPTIMIZERS, STEPS

BOUND = 1e-11
ROUNDED = {"LogCosh": float(np.float32(np.log(2))) - np.log(2)}
"""By how much more Keras takes off: log 2 is rounded to single precision there."""


@cache
def ours(engine: str, optimizer: str) -> dict[str, np.ndarray]:
    model = loss_steps.build(ls.layers, ls.Input, ls.Model, NETWORKS)
    objectives = [getattr(ls.losses, one.kind)(**one.settings) for one in NETWORKS]
    rule = getattr(ls.optimizers, optimizer)(**OPTIMIZERS[optimizer])
    model.compile(rule, objectives, engine=engine, precision="float64")
    loss_steps.begin(model)
    given, wanted = loss_steps.arrays(NETWORKS)
    history = model.fit(given, wanted, batch_size=COUNT, epochs=STEPS, shuffle=False, verbose=0).history
    return {f"{one.name}/loss": np.array(history[f"{one.name}_loss"]) for one in NETWORKS} | loss_steps.last(model)


def near(mine: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> None:
    """All losses and weights that the other has are the same."""
    far = {}
    for name, array in other.items():
        distance = np.abs(mine[name] - array).max() / np.abs(array).max()
        if not distance <= BOUND:
            far[name] = distance
    assert far == {}


@pytest.fixture(scope="module")
def keras(tmp_path_factory) -> dict[str, np.ndarray]:
    """What Keras makes of them, in a process of its own."""
    trajectory_runs.need("keras", "tensorflow")
    folder = tmp_path_factory.mktemp("losses")
    paths = os.pathsep.join(filter(None, [str(loss_steps.ROOT), os.environ.get("PYTHONPATH")]))
    return trajectory_runs.keras_arrays("tensorflow", folder, "-m", loss_steps.__name__, PYTHONPATH=paths)


def test_every_loss_is_here():
    assert {one.kind for one in NETWORKS} == {kind.__name__ for kind in ls.losses.CLASSES}
    assert len({one.name for one in NETWORKS}) == len(NETWORKS)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("engine", ["reference", "native"])
def test_they_learn_and_keras_takes_the_same_steps(engine, optimizer, keras):
    mine = ours(engine, optimizer)
    for one in NETWORKS:
        losses = mine[f"{one.name}/loss"]
        assert losses.shape == (STEPS,)
        assert losses[-1] < losses[0], one.name
    start = f"{optimizer}/"
    other = {name.removeprefix(start): array for name, array in keras.items() if name.startswith(start)}
    assert {name.partition("/")[0] for name in mine} - {name.partition("/")[0] for name in other} == {
        name for one in NETWORKS if one.kind == "SSIM" for name in (one.name, f"{one.name}_hidden")
    }
    for one in NETWORKS:
        if one.kind in ROUNDED:
            other[f"{one.name}/loss"] = other[f"{one.name}/loss"] + ROUNDED[one.kind]
    near(mine, other)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("engine", ["reference", "native"])
def test_autograd_of_the_formulas_takes_the_same_steps(engine, optimizer):
    pytest.importorskip("torch")
    near(ours(engine, optimizer), loss_steps_torch.trained(optimizer))
