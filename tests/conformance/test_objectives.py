"""Every loss and metric against Keras 3 in double precision: values, gradients, and sums over uneven batches.

Keras runs on TensorFlow, in a process of its own: on JAX and PyTorch it takes means in float32. A metric is compared after 8 examples
at a time, by the reference engine and by the native one.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import layerscope as ls
from layerscope.core.types import TensorType
from layerscope.engine.primitives.base import Frame
from layerscope.engine.program import Program
from layerscope.engine.reference import Means, run

from . import objective_cases, objectives_keras, trajectory_objectives, trajectory_runs
from .objective_cases import Case

SCRIPT = Path(objectives_keras.__file__)
LOSSES = list(objective_cases.losses())
METRICS = list(objective_cases.metrics())
EXACT = 1e-11
SINGLE = {"IoU", "MeanIoU", "OneHotIoU", "OneHotMeanIoU", "BinaryIoU", "R2Score", "SSIM", "PSNR"}
"""What the others compute, or a part of it, in single precision."""
ROUNDED = {"LogCosh": 2e-9, "LogCoshError": 2e-9}
"""What is added that Keras rounded to single precision: log 2."""


def weighable(case: Case) -> bool:
    """Whether Keras weighs examples here: IoU takes whole numbers only, some others one axis of labels only."""
    return "IoU" not in case.kind and (len(case.shape) == 2 or case.kind in ("MeanSquaredError", "MeanAbsoluteError"))


def told(case: Case, **more: Any) -> dict[str, Any]:
    target, output = case.arrays()
    return {
        "kind": case.kind,
        "settings": case.settings,
        "target": target.tolist(),
        "output": output.tolist(),
        **more,
    }


@pytest.fixture(scope="session")
def keras(tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    """What Keras makes of all cases."""
    trajectory_runs.need("keras", "tensorflow")
    folder = tmp_path_factory.mktemp("objectives")
    cases = {
        "losses": [told(case) for case in LOSSES],
        "metrics": [told(case, weighed=weighable(case)) for case in METRICS],
    }
    (folder / "cases.json").write_text(json.dumps(cases), encoding="utf-8")
    return trajectory_runs.keras_arrays("tensorflow", folder, str(SCRIPT), str(folder / "cases.json"))


def near(mine: Any, theirs: Any, tolerance: float, apart: float = 0.0) -> None:
    """`apart`: how much further the whole may be off."""
    least = tolerance * max(1.0 if tolerance > 1e-9 else 1e-3, np.abs(theirs).max()) + apart
    np.testing.assert_allclose(mine, theirs, rtol=tolerance, atol=least)


@pytest.mark.parametrize("number", range(len(LOSSES)), ids=[str(case) for case in LOSSES])
def test_losses(number: int, keras: dict[str, np.ndarray]) -> None:
    """Value and gradient."""
    case = LOSSES[number]
    loss = getattr(ls.losses, case.kind)(**case.settings)
    target, output = case.arrays()
    loss.fits(TensorType(output.shape))
    loss.check(target, TensorType(output.shape))
    value, gradient = trajectory_objectives.ours(loss, target, output)
    near(value, keras[f"loss/{number}"], 1e-6 if case.kind in SINGLE else EXACT, ROUNDED.get(case.kind, 0.0))
    near(gradient, keras[f"gradient/{number}"], 1e-5 if case.kind in SINGLE else EXACT)


def weighed(metric: Any, target: np.ndarray, output: np.ndarray, weights: np.ndarray) -> Any:
    """A metric with weights of examples: its program, batch by batch."""
    means = Means({"it": metric})
    for start in range(0, len(target), objectives_keras.BATCH):
        part = slice(start, start + objectives_keras.BATCH)
        given = [array[part].astype("float64") for array in (target, output, weights)]
        program = Program()
        values = [program.input((name,), TensorType(array.shape)) for name, array in zip("tpw", given, strict=True)]
        for number, sums in enumerate(metric.lower(program, *values)):
            program.output(("metric", "it", number), sums)
        feeds = dict(zip([("t",), ("p",), ("w",)], given, strict=True))
        made = run(program.pruned(), feeds, Frame(len(given[0]), np.dtype("float64")))
        means.add(made, len(given[0]))
    return means.values()["it"]


def test_weights_of_examples_and_positions() -> None:
    """By the definition: the mean of what each example loses times its weight; over what counts, where labels do not."""
    random = np.random.default_rng(0)
    t, p, w = random.integers(0, 4, (6, 3)), random.random((6, 3, 4)), random.random((6, 3))
    each = -np.log(p / p.sum(-1, keepdims=True))[np.arange(6)[:, None], np.arange(3), t]
    kept = t != 2
    for settings, over, divisor in (
        ({}, np.ones_like(w), w.size),
        ({"ignore_class": 2}, kept, kept.sum()),
        ({"reduction": "sum"}, np.ones_like(w), 1),
    ):
        loss = ls.losses.SparseCategoricalCrossentropy(**settings)
        for weight in (w, w[:, 0]):
            near(lowered(loss, t, p, weight), (each * over * weight.reshape(6, -1)).sum() / divisor, EXACT)
    dice = ls.losses.Dice()
    near(lowered(dice, w, w * w, w[:, 0]), dice_of(w, w * w) * w[:, 0].mean(), EXACT)


def dice_of(t: np.ndarray, p: np.ndarray) -> float:
    return 1 - 2 * (t * p).sum() / (t.sum() + p.sum() + 1e-7)


def lowered(loss: Any, *given: np.ndarray) -> float:
    """A weighted loss by the reference engine."""
    program = Program()
    values = [program.input((name,), TensorType(array.shape)) for name, array in zip("tpw", given, strict=True)]
    program.output(("it",), loss.weighted(program, *values))
    feeds = {(name,): array.astype("float64") for name, array in zip("tpw", given, strict=True)}
    return float(run(program.pruned(), feeds, Frame(len(given[0]), np.dtype("float64")))["it",])


@pytest.mark.parametrize("number", range(len(METRICS)), ids=[str(case) for case in METRICS])
def test_metrics(number: int, keras: dict[str, np.ndarray]) -> None:
    """The reference engine's, in double precision."""
    case = METRICS[number]
    tolerance = 1e-6 if case.kind in SINGLE else EXACT
    target, output = case.arrays()
    apart, theirs = ROUNDED.get(case.kind, 0.0), keras[f"metric/{number}"]
    if "ignore_class" in case.settings and case.kind.endswith("Crossentropy"):
        # Without weights Keras counts what is ignored as 0, here and nowhere else.
        theirs = theirs * target.size / (target != case.settings["ignore_class"]).sum()
    near(measured(case, "reference"), theirs, tolerance, apart)
    if weighable(case):
        metric = getattr(ls.metrics, case.kind)(**case.settings)
        found = weighed(metric, target, output, objectives_keras.weights(len(target)))
        near(found, keras[f"weighed/{number}"], tolerance, apart)


def measured(case: Case, engine: str, precision: str = "float64") -> Any:
    """A metric as `evaluate` gives it, of a network that hands its input on."""
    target, output = case.arrays()
    metric = getattr(ls.metrics, case.kind)(**case.settings)
    model = ls.Sequential([ls.Input(output.shape[1:]), ls.layers.Activation("linear")])
    labels = target.ndim < output.ndim
    loss = "sparse_categorical_crossentropy" if labels else "mean_squared_error"
    model.compile("sgd", loss, metrics=[metric], engine=engine, precision=precision, threads=2)
    found = model.evaluate(output, target, batch_size=objectives_keras.BATCH, return_dict=True)
    assert list(found) == ["loss", metric.name]
    return found[metric.name]


@pytest.mark.parametrize("number", range(0, len(METRICS), 3), ids=[str(case) for case in METRICS[::3]])
def test_metrics_of_the_native_engine(number: int) -> None:
    """Native and reference agree, in double and in single precision."""
    case = METRICS[number]
    near(measured(case, "native"), measured(case, "reference"), EXACT)
    near(measured(case, "native", "float32"), measured(case, "reference", "float32"), 2e-5)


def test_every_loss_and_metric_is_compared() -> None:
    assert {case.kind for case in LOSSES} == {cls.__name__ for cls in ls.losses.CLASSES}
    assert {case.kind for case in METRICS} == {cls.__name__ for cls in ls.metrics.CLASSES}
