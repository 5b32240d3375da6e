"""layerscope.keras: genuine Keras layers that compute what ours define, on every backend, gradients too."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path

import numpy as np
import pytest

from contract.cases import define, elements, executable_examples, inputs_for, seed_of
from contract.running import run_layer
from contract.settings import seeded
from layerscope import layers as ls
from layerscope.core.contract import Example, settings
from layerscope.core.errors import LayerscopeError
from layerscope.core.types import TensorType
from layerscope.models import Model

from . import random_models
from .oracles import MOST

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of Keras's variables
BACKENDS = ("jax", "tensorflow", "torch")
KINDS = ("BedOfNails2D", "PixelShuffle2D", "MaxPooling2D", "MaxUnpooling2D")
MODELS = 6
"""Whole models that each backend loads."""


@pytest.fixture(scope="module")
def keras():
    pytest.importorskip("jax")
    return pytest.importorskip("keras")


@pytest.fixture(scope="module")
def own(keras):
    import layerscope.keras

    return layerscope.keras


@dataclass
class Job:
    """A layer of ours put to arrays, and the Keras layer that should do the same."""

    case: Example
    arrays: list[np.ndarray]
    layer: str
    settings: dict

    @property
    def cotangent(self) -> np.ndarray:
        rng = np.random.default_rng(seed_of(self.case) + 5)
        return rng.normal(size=self.case.outputs[0].shape).astype("float32")


def job(case: Example, arrays=None) -> Job:
    kind, told = type(case.layer).__name__, dict(settings(case.layer))
    if kind == "MaxPooling2D":
        kind = "MaxPoolingWithSwitches2D"
        del told["return_switches"]
    if kind == "MaxUnpooling2D":
        told["output_size"] = case.outputs[0].shape[1:-1]
    return Job(case, arrays or inputs_for(case, "float32"), kind, told)


def ties() -> list[Job]:
    """Images of few different numbers, and of one, so that nearly every window has several winners."""
    found = []
    for n, (size, strides, padding) in enumerate(
        [(2, None, "valid"), (3, 2, "same"), ((2, 3), 1, "same"), (4, 3, "same")]
    ):
        layer = ls.MaxPooling2D(size, strides, padding, return_switches=True)
        x = TensorType((2, 7, 6, 2))
        rng = np.random.default_rng(n)
        for most in (1, 3):
            image = rng.integers(-most, 1, x.shape).astype("float32")
            found.append(job(Example(layer, (x,), layer.out(x)), [image]))
    lowest = np.full((1, 3, 3, 1), -np.inf, "float32")
    layer, x = ls.MaxPooling2D(3, 1, "same", return_switches=True), TensorType(lowest.shape)
    return [*found, job(Example(layer, (x,), layer.out(x)), [lowest])]


def collisions() -> list[Job]:
    """Switches of which many point at the same cell, whatever window they belong to."""
    found = []
    for n in range(4):
        values = TensorType((2, 4, 3, 2))
        layer = ls.MaxUnpooling2D(2, output_size=(2 + n, 3))
        case = Example(layer, (values, TensorType(values.shape, "int32")), (TensorType((2, 2 + n, 3, 2)),))
        rng = np.random.default_rng(n)
        switches = rng.integers(0, (2 + n) * 3, values.shape).astype("int32")
        found.append(job(case, [rng.normal(size=values.shape).astype("float32"), switches]))
    return found


def switched(case: Example) -> bool:
    return getattr(case.layer, "return_switches", True)


JOBS = [
    job(case)
    for kind in KINDS
    for case in [
        *(c for c in executable_examples() if type(c.layer).__name__ == kind and elements(*c.inputs) <= MOST),
        *seeded(kind, 8),
    ]
    if switched(case)
] + [*ties(), *collisions()]


def seeds() -> list[int]:
    """Numbers of models without what PyTorch takes otherwise: see docs/frameworks.md."""

    def plain(seed):
        graph = random_models.random_model(seed).graph
        return not any(otherwise(node.layer) for node in graph.nodes)

    return list(islice(filter(plain, count()), MODELS))


def otherwise(layer) -> bool:
    """Whether Keras computes something else on PyTorch."""
    return layer.kind.startswith("AveragePooling") and layer.padding == "same"


def averaged() -> Model:
    image = ls.Input((4, 3, 1))
    return Model(image, ls.AveragePooling2D((3, 1), (2, 1), padding="same")(image))


def normalised(shape, axis) -> Model:
    """Along inner axes, where Keras's own layer on PyTorch (3.15.1) takes the last ones, or refuses."""
    table = ls.Input(shape)
    model = Model(table, ls.LayerNormalization(axis=axis)(table))
    draw = np.random.default_rng(0).normal
    model.set_weights([draw(size=weight.shape).astype("float32") for weight in model.weights])
    return model


def added(cls, *shapes) -> Model:
    """Where Keras's own layer on TensorFlow (3.15.1) takes 3 numbers, one for each example, for one for each row."""
    given = [ls.Input(shape) for shape in shapes]
    return Model(given, cls()(given))


def special() -> list[Model]:
    """Models whose layers are said with several, since Keras's own is wrong on one backend."""
    return [
        *(
            normalised(shape, axis)
            for shape, axis in (((3, 3), 1), ((3, 4), 1), ((3, 4, 5), (1, 2)), ((3, 4, 5), (3, 1)))
        ),
        *(added(cls, *shapes) for cls in (ls.Add, ls.Average) for shapes in SUMS),
    ]


SUMS = [((3, 2, 1), (1, 1, 1)), ((3, 3), (1,)), ((2, 3, 3), (2, 1, 1), (1, 1, 1)), ((1, 1), (3, 3)), ((3, 3), (3, 1))]


@pytest.fixture(scope="module")
def results(keras, tmp_path_factory):
    """What each backend made of all jobs, and of the files that Keras on JAX wrote."""
    folder = tmp_path_factory.mktemp("backends")
    given = {"layers": [], "models": []}
    arrays = {}
    for number, one in enumerate(JOBS):
        names = [f"{number}/{place}" for place in range(len(one.arrays))]
        arrays |= dict(zip(names, one.arrays, strict=True)) | {f"{number}/cotangent": one.cotangent}
        given["layers"].append({"layer": one.layer, "settings": one.settings, "inputs": names})
    for number, model in enumerate([*map(random_models.random_model, seeds()), averaged(), *special()]):
        path = folder / f"{number}.keras"
        model.to_keras().save(path)
        inputs = random_models.random_inputs(model, number, 3)
        names = [f"model/{number}/{place}" for place in range(len(inputs))]
        arrays |= dict(zip(names, inputs, strict=True))
        given["models"].append({"path": str(path), "inputs": names})
    np.savez(folder / "jobs.npz", **arrays, **{key: json.dumps(value) for key, value in given.items()})
    return {backend: run(backend, folder) for backend in BACKENDS}


def run(backend: str, folder: Path) -> dict[str, np.ndarray]:
    script, target = Path(__file__).with_name("keras_backends.py"), folder / f"{backend}.npz"
    root = Path(__file__).parents[2] / "src"
    told = {"KERAS_BACKEND": backend, "CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": str(root)}
    done = subprocess.run(
        [sys.executable, str(script), str(folder / "jobs.npz"), str(target)],
        env=os.environ | told, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    with np.load(target) as found:
        return dict(found)


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_backend_computes_what_ours_define(results, backend):
    """Values are moved, never changed: they are equal to the last bit. A gradient may add a few up."""
    found = results[backend]
    for number, one in enumerate(JOBS):
        title = f"{one.layer}({one.settings})"
        ours = define(one.case.layer, one.arrays, {})
        for place, array in enumerate(ours):
            np.testing.assert_array_equal(found[f"layer/{number}/output/{place}"], array, title, strict=True)
        wide = [a.astype("float64") if a.dtype.kind == "f" else a for a in one.arrays]
        if np.isfinite(wide[0]).all():
            gradient = run_layer(one.case, wide, None, one.cotangent.astype("float64")).inputs[0]
            np.testing.assert_allclose(found[f"layer/{number}/gradient"], gradient, 1e-5, 1e-6, err_msg=title)


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_backend_loads_what_another_saved(results, backend):
    for number, seed in enumerate(seeds()):
        model = random_models.random_model(seed)
        ours = model(random_models.random_inputs(model, number, 3))
        for place, array in enumerate(ours if isinstance(ours, list) else [ours]):
            np.testing.assert_allclose(results[backend][f"model/{number}/output/{place}"], array, 1e-5, 1e-5)


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_edge_counts_twice_in_a_mean_on_pytorch_only(results, backend):
    """Behind the last row lies one of padding. It counts nowhere; but Keras on PyTorch repeats the last row there."""
    (x,) = random_models.random_inputs(averaged(), MODELS, 3)
    found = results[backend][f"model/{MODELS}/output/0"]
    last = (x[:, 2] + 2 * x[:, 3]) / 3 if backend == "torch" else (x[:, 2] + x[:, 3]) / 2
    np.testing.assert_allclose(found, np.stack([x[:, :3].mean(axis=1), last], axis=1), 1e-5, 1e-6)
    ours = averaged()(x)
    np.testing.assert_allclose(ours[:, 1], (x[:, 2] + x[:, 3]) / 2, 1e-5, 1e-6)


@pytest.mark.parametrize("backend", BACKENDS)
def test_what_is_said_with_several_layers_is_right_on_every_backend(results, backend):
    for number, model in enumerate(special(), MODELS + 1):
        given = random_models.random_inputs(model, number, 3)
        found = results[backend][f"model/{number}/output/0"]
        np.testing.assert_allclose(
            found, model(given if len(given) > 1 else given[0]), 1e-5, 1e-5, err_msg=f"{number}"
        )


def test_jobs_have_collisions_and_ties():
    """What the comparison is there for does occur in it."""
    pooled = [define(one.case.layer, one.arrays, {}) for one in ties()]
    assert all(np.unique(one.arrays[0]).size < 5 for one in ties())
    assert any((switches == 0).any() for _, switches in pooled)
    for one in collisions():
        per_image = one.arrays[1].reshape(2, -1, 2)
        assert any(len(np.unique(per_image[n, :, c])) < per_image.shape[1] for n in range(2) for c in range(2))


# --- Keras's own checks, and Keras's ways with a layer ---


def check(keras, layer, told, shape, expected, **options):
    from keras.src.testing.test_case import TestCase

    class Check(TestCase):
        def runTest(self): ...

    Check().run_layer_test(layer, told, input_shape=shape, expected_output_shape=expected, **options)


@pytest.mark.filterwarnings("ignore")  # of JAX and Keras among themselves
@pytest.mark.parametrize("order", ["channels_last", "channels_first"])
def test_keras_checks_of_layers(own, keras, order):
    def placed(shape):
        batch, height, width, channels = shape
        return (batch, channels, height, width) if order == "channels_first" else shape

    told = {"data_format": order}
    check(keras, own.BedOfNails2D, told | {"size": (3, 2)}, placed((2, 3, 4, 5)), placed((2, 9, 8, 5)))
    check(keras, own.PixelShuffle2D, told | {"size": (3, 2)}, placed((2, 3, 4, 12)), placed((2, 9, 8, 2)))
    windows = {"pool_size": (3, 2), "strides": 2, "padding": "same"}
    values = placed((2, 3, 3, 3))
    # Keras's training check adds up all outputs as a loss, but switches have no gradient
    check(keras, own.MaxPoolingWithSwitches2D, told | windows, placed((2, 5, 6, 3)), (values, values),
          expected_output_dtype=("float32", "int32"), run_training_check=False)  # fmt: skip
    check(keras, own.MaxUnpooling2D, told | windows, (values, values), placed((2, 6, 6, 3)),
          input_dtype=("float32", "int32"))  # fmt: skip
    check(keras, own.MaxUnpooling2D, told | windows, (values, values, placed((2, 5, 6, 3))), placed((2, 5, 6, 3)),
          input_dtype=("float32", "int32", "float32"))  # fmt: skip


@pytest.mark.parametrize("number", range(0, len(JOBS), 7))
def test_channels_first_is_the_transpose(own, keras, number):
    one = JOBS[number]
    turned = [np.moveaxis(array, 3, 1) for array in one.arrays]
    layer = getattr(own, one.layer)(**one.settings | {"data_format": "channels_first"})
    made = layer(turned if len(turned) > 1 else turned[0])
    for ours, theirs in zip(
        define(one.case.layer, one.arrays, {}), made if isinstance(made, tuple) else [made], strict=True
    ):
        np.testing.assert_array_equal(np.moveaxis(np.asarray(theirs), 1, 3), ours)


def test_open_sizes_in_a_functional_model(own, keras, tmp_path):
    """One model for all sizes: the plane comes from the image that was pooled. Saved and loaded."""
    image = keras.Input((None, None, 2))
    values, switches = own.MaxPoolingWithSwitches2D(2, padding="same")(image)
    back = own.MaxUnpooling2D(2, padding="same")([values, switches, image])
    model = keras.Model(image, own.PixelShuffle2D((1, 2))(own.BedOfNails2D(2)(back)))
    assert values.shape == switches.shape == (None, None, None, 2)
    assert model.output_shape == (None, None, None, 1)
    model.save(tmp_path / "open.keras")
    loaded = keras.models.load_model(tmp_path / "open.keras")
    for size in ((5, 7), (4, 3)):
        x = np.random.default_rng(0).normal(size=(2, *size, 2)).astype("float32")
        pooled, where = ls.MaxPooling2D(2, padding="same", return_switches=True)(x)
        ours = ls.MaxUnpooling2D(2, padding="same", output_size=size)([pooled, where])
        ours = ls.PixelShuffle2D((1, 2))(ls.BedOfNails2D(2)(ours))
        np.testing.assert_array_equal(np.asarray(loaded(x)), ours)


def test_nan_wins_as_in_numpy(own, keras):
    image = np.array([[1, np.nan, np.nan, 2]], "float32")[..., None, None].reshape(1, 2, 2, 1)
    values, switches = own.MaxPoolingWithSwitches2D(2)(image)
    assert np.isnan(np.asarray(values)).all()
    assert np.asarray(switches).item() == int(image.argmax())


def test_switches_out_of_the_plane_put_nothing_anywhere(own, keras):
    values = np.arange(1, 9, dtype="float32").reshape(2, 2, 2, 1)
    switches = np.array([[0, 4], [-1, 3], [9, 1], [2, -7]], "int32").reshape(2, 2, 2, 1)
    made = own.MaxUnpooling2D(1, output_size=2)([values, switches])
    assert np.asarray(made).ravel().tolist() == [1, 0, 0, 4, 0, 6, 7, 0]


ERRORS = [
    (lambda own, keras: own.BedOfNails2D(0), "BedOfNails2D: size must be at least 1, not 0"),
    (
        lambda own, keras: own.PixelShuffle2D(2, name="up")(keras.Input((4, 4, 6))),
        "up (PixelShuffle2D): blocks of 2×2 positions take a multiple of 4 channels, but got 6",
    ),
    (
        lambda own, keras: own.MaxPoolingWithSwitches2D(5, name="pool")(keras.Input((8, 4, 6))),
        "pool (MaxPoolingWithSwitches2D): the window covers 5 cells along its width, but the input has only 4. "
        "Use a smaller window or padding='same'.",
    ),
    (
        lambda own, keras: own.MaxUnpooling2D(2, name="back")(keras.Input((8, 4, 6))),
        "back (MaxUnpooling2D): takes [values, switches] or [values, switches, image]. "
        "The switches are the second output of MaxPoolingWithSwitches2D.",
    ),
    (
        lambda own, keras: own.MaxUnpooling2D(2, name="back")(own.MaxPoolingWithSwitches2D(2)(keras.Input((7, 8, 1)))),
        "back (MaxUnpooling2D): its output would be 6×8, but the switches point into a plane of 7×8: "
        "give output_size=(7, 8)",
    ),
    (
        lambda own, keras: own.BedOfNails2D(data_format="first"),
        "BedOfNails2D: data_format must be 'channels_last' or 'channels_first', not 'first'",
    ),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(ERRORS)))
def test_messages(own, keras, number):
    cause, message = ERRORS[number]
    with pytest.raises(LayerscopeError) as caught:
        cause(own, keras)
    # Keras puts a line before it, and the inputs behind it.
    told = re.sub(r"\x1b\[\d+m", "", str(caught.value)).split("\n\n")
    assert (told[1] if told[0].startswith("Exception encountered when calling") else told[0]) == message
