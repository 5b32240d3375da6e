"""Models in files: what comes back is what was saved, and nothing is lost on the way."""

import json
import os
import zipfile

import numpy as np
import pytest

import layerscope as ls
from layerscope import Input, Model, Sequential, initializers, load_model, losses, metrics, optimizers
from layerscope.core.errors import GraphError, LayerscopeError, OutputError, SettingError
from layerscope.core.files import replacing
from layerscope.core.graph import Call, Symbolic
from layerscope.layers import Conv2D, Dense, Dropout, InputLayer, kinds
from layerscope.sources import json as graph_json

from .helpers import as_json, dense_model, equal, image_model, numbers, refuses

EXAMPLES = [
    pytest.param(cls, number, id=f"{kind}-{number}")
    for kind, cls in kinds().items()
    if kind != "InputLayer"
    for number in range(len(cls.examples()))
]


def start(type):
    layer = InputLayer(type.shape[1:], dtype=type.dtype, plane=type.plane)
    return Symbolic(Call(layer, (), layer.out()))


def feed(type, seed):
    if type.dtype != "int32":
        return numbers(3, *type.shape[1:], seed=seed) - 0.5
    below = int(np.prod(type.plane)) if type.plane else 4
    return np.random.default_rng(seed).integers(below, size=(3, *type.shape[1:]))


@pytest.mark.parametrize(("cls", "number"), EXAMPLES)
def test_every_layer_comes_back(cls, number, tmp_path):
    example = cls.examples()[number]
    starts = [start(type) for type in example.inputs]
    made = example.layer(*starts)
    model = Model(starts, made)
    model.save(tmp_path / "m.npz")
    again = load_model(tmp_path / "m.npz")
    assert as_json(graph_json.dump(again.graph)) == as_json(graph_json.dump(model.graph))
    assert equal(again.get_weights(), model.get_weights())
    if example.layer.executable:
        x = [feed(type, seed) for seed, type in enumerate(example.inputs)]
        found, wanted = again.predict(x), model.predict(x)
        assert equal(found, wanted) if isinstance(wanted, list) else equal([found], [wanted])


OPTIMIZERS = {
    "sgd": optimizers.SGD(0.05),
    "momentum": optimizers.SGD(0.05, momentum=0.9),
    "nesterov": optimizers.SGD(0.05, momentum=0.9, nesterov=True),
    "rmsprop": optimizers.RMSprop(),
    "adam": optimizers.Adam(),
    "adadelta": optimizers.Adadelta(),
    "adamw": optimizers.AdamW(clipnorm=0.5),
    "adagrad": optimizers.Adagrad(),
    "adamax": optimizers.Adamax(),
    "nadam": optimizers.Nadam(),
    "lion": optimizers.Lion(),
    "schedule": optimizers.SGD(optimizers.schedules.CosineDecay(0.1, 10)),
}


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_training_goes_on_as_if_it_had_not_been_interrupted(name, precision, tmp_path):
    x, y = numbers(10, 8, 8, 1), np.arange(10) % 3
    settings = {"batch_size": 4, "shuffle": False, "verbose": 0, "seed": 5}
    whole = image_model(rate=0.5, optimizer=OPTIMIZERS[name], precision=precision, metrics=["accuracy"])
    half = image_model(rate=0.5, optimizer=OPTIMIZERS[name], precision=precision, metrics=["accuracy"])
    wanted = whole.fit(x, y, epochs=4, **settings)
    half.fit(x, y, epochs=2, **settings)
    half.save(tmp_path / "half.npz")
    later = load_model(tmp_path / "half.npz")
    assert equal([later.predict(x)], [half.predict(x)])
    assert later.evaluate(x, y, return_dict=True) == half.evaluate(x, y, return_dict=True)
    found = later.fit(x, y, epochs=4, initial_epoch=2, **settings)
    assert equal(later.get_weights(), whole.get_weights())
    assert {key: values[2:] for key, values in wanted.history.items()} == found.history
    assert later.optimizer == OPTIMIZERS[name]


def test_an_untrained_and_uncompiled_model_comes_back(tmp_path):
    model = dense_model(compiled=False)
    model.save(str(tmp_path / "m"))
    again = load_model(str(tmp_path / "m"))
    assert equal([again.predict(numbers(4, 3))], [model.predict(numbers(4, 3))])
    with pytest.raises(LayerscopeError, match="compile the model first"):
        again.fit(numbers(4, 3), numbers(4, 2))
    assert ls.Model.load(tmp_path / "m").name == "functional"


def test_initializers_and_numpy_numbers_among_the_settings(tmp_path):
    drawn = initializers.RandomNormal(mean=np.float64(0.5), stddev=np.float32(0.1), seed=np.int64(3))
    conv = Conv2D(2, np.int64(3), kernel_initializer=drawn, bias_initializer=initializers.Constant(np.float32(0.25)))
    model = Sequential([Input((6, 6, 1)), conv, Dropout(0.5, seed=np.int64(7))])
    model.save(tmp_path / "m.npz")
    again = load_model(tmp_path / "m.npz")
    assert equal(again.get_weights(), model.get_weights())
    layer = again.layers[1]
    assert initializers.get(layer.kernel_initializer) == initializers.RandomNormal(0.5, float(np.float32(0.1)), 3)
    assert again.layers[2].seed == 7


def test_what_no_file_can_hold_is_said(tmp_path):
    class Mine(initializers.Initializer):
        def to_json(self):
            return object

        def draw(self, random, shape):
            return np.zeros(shape)

    model = Sequential([Input((3,)), Dense(2, kernel_initializer=Mine())])
    with refuses(
        SettingError,
        "the setting <class 'object'> cannot be saved: it is no number, text, list or object of layerscope",
    ):
        model.save(tmp_path / "m.npz")
    assert os.listdir(tmp_path) == []


def test_losses_metrics_and_lists_of_outputs_come_back(tmp_path):
    x = Input((3,))
    model = Model(x, [Dense(2, name="a")(x), Dense(3, name="b")(x)])
    model.compile(
        "adam",
        [losses.BinaryCrossentropy(from_logits=True), losses.CategoricalCrossentropy(from_logits=True)],
        metrics=["mae", metrics.BinaryAccuracy()],
    )
    data, y = numbers(4, 3), [np.ones((4, 2)), np.eye(3)[[0, 1, 2, 0]]]
    model.save(tmp_path / "m.npz")
    again = load_model(tmp_path / "m.npz")
    assert again.evaluate(data, y, return_dict=True) == model.evaluate(data, y, return_dict=True)
    assert again.losses == model.losses
    assert equal(again.predict(data), model.predict(data))
    Model(x, [Dense(2)(x)]).save(tmp_path / "list.npz")
    assert isinstance(load_model(tmp_path / "list.npz").predict(data), list)


def test_a_layer_that_another_model_trains_in_float64(tmp_path):
    x, shared = Input((3,)), Dense(2)
    model, other = Model(x, shared(x)), Model(x, shared(x))
    other.compile("sgd", "mse", precision="float64")
    model.save(tmp_path / "m.npz")
    again = load_model(tmp_path / "m.npz")
    assert equal([again.predict(numbers(4, 3))], [model.predict(numbers(4, 3))])


def test_scopes_and_shared_layers_come_back(tmp_path):
    a = Input((3,), name="a")
    inner = Model(a, Dense(3, name="hidden")(a), name="inner")
    x = Input((3,), name="x")
    model = Model(x, inner(inner(x)), name="outer")
    model.save(tmp_path / "m.npz")
    again = load_model(tmp_path / "m.npz")
    assert again.count_params() == 12
    assert list(again.graph.parameters) == ["inner/hidden/kernel", "inner/hidden/bias"]
    assert equal([again.predict(numbers(4, 3))], [model.predict(numbers(4, 3))])


def test_loading_twice_makes_two_models(tmp_path):
    dense_model().save(tmp_path / "m.npz")
    one, two = load_model(tmp_path / "m.npz"), load_model(tmp_path / "m.npz")
    before = two.predict(numbers(4, 3))
    one.fit(numbers(4, 3), numbers(4, 2), verbose=0)
    assert np.array_equal(two.predict(numbers(4, 3)), before)


def test_the_file_is_a_plain_archive_without_code(tmp_path):
    model = dense_model(optimizer="adam")
    model.fit(numbers(4, 3), numbers(4, 2), verbose=0)
    model.save(tmp_path / "m.npz")
    with zipfile.ZipFile(tmp_path / "m.npz") as archive:
        assert sorted(archive.namelist()) == sorted(
            [
                "graph.json",
                "state.json",
                *(f"weights/{n}.npy" for n in range(2)),
                *(f"slots/{n}.npy" for n in range(4)),
            ]
        )
        assert json.loads(archive.read("graph.json")) == as_json(graph_json.dump(model.graph))
    with np.load(tmp_path / "m.npz", allow_pickle=False) as held:
        assert np.array_equal(held["weights/0"], model.get_weights()[0])
    assert ls.trace(tmp_path / "m.npz").totals["parameters"] == 8


def test_a_sequential_that_is_not_built_is_not_saved(tmp_path):
    with pytest.raises(GraphError, match="not built yet"):
        Sequential([Dense(2)]).save(tmp_path / "m.npz")
    assert os.listdir(tmp_path) == []


def test_missing_folders_are_made(tmp_path):
    dense_model().save(tmp_path / "a" / "b" / "m.npz")
    assert load_model(tmp_path / "a" / "b" / "m.npz").count_params() == 8


UNWRITABLE = {
    "below a file": ("{tmp}/file/m.npz", "cannot write {tmp}/file/m.npz: a part of this path is a file, not a folder"),
    "below a file, deeper": (
        "{tmp}/file/a/m.npz", "cannot write {tmp}/file/a/m.npz: a part of this path is a file, not a folder"
    ),
    "a folder": ("{tmp}/folder", "cannot write {tmp}/folder: Is a directory"),
    "in /proc": ("/proc/nope/m.npz", "cannot write /proc/nope/m.npz: No such file or directory"),
    "a name too long": ("{tmp}/" + "x" * 250, "cannot write {tmp}/" + "x" * 250 + ": File name too long"),
    "no name": ("", "cannot write '': give the name of a file"),
    "the root": ("/", "cannot write '/': give the name of a file"),
}  # fmt: skip


@pytest.mark.parametrize("name", UNWRITABLE)
def test_places_that_cannot_be_written(name, tmp_path):
    path, message = (text.replace("{tmp}", str(tmp_path)) for text in UNWRITABLE[name])
    (tmp_path / "file").write_text("mine")
    (tmp_path / "folder").mkdir()
    with refuses(OutputError, message):
        dense_model().save(path)
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"]
    assert (tmp_path / "file").read_text() == "mine"
    assert os.listdir(tmp_path / "folder") == []


def failing(error, calls=1):
    """A function that fails at its n-th call."""
    left = [calls]

    def fail(*given, **settings):
        left[0] -= 1
        if left[0] <= 0:
            raise error

    return fail


@pytest.mark.parametrize("where", ["replace", "fsync", "writestr"])
@pytest.mark.parametrize(
    ("error", "seen"),
    [(OSError(28, "No space left on device"), OutputError), (KeyboardInterrupt(), KeyboardInterrupt)],
    ids=["disk full", "Ctrl-C"],
)
def test_an_interrupted_save_leaves_the_old_file(where, error, seen, tmp_path, monkeypatch):
    path = tmp_path / "m.npz"
    old = dense_model(seed=1)
    old.save(path)
    before = path.read_bytes()
    with monkeypatch.context() as patch:
        if where == "writestr":
            patch.setattr(zipfile.ZipFile, "writestr", failing(error, 3))
        else:
            patch.setattr(os, where, failing(error))
        with pytest.raises(seen) as caught:
            dense_model(seed=2).save(path)
    if seen is OutputError:
        assert str(caught.value) == f"cannot write {path}: No space left on device"
    assert os.listdir(tmp_path) == ["m.npz"], "no temporary file stays"
    assert path.read_bytes() == before
    dense_model(seed=2).save(path)
    assert equal(load_model(path).get_weights(), dense_model(seed=2).get_weights())


def test_replacing_puts_whole_files_only(tmp_path):
    path = tmp_path / "text"

    def half():
        with replacing(path) as aside:
            aside.write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        half()
    assert os.listdir(tmp_path) == []
    with replacing(path) as aside:
        assert aside.parent == tmp_path
        assert aside.name.startswith(".text.")
        aside.write_text("whole")
        assert not path.exists()
    assert path.read_text() == "whole"
    assert os.listdir(tmp_path) == ["text"]


@pytest.mark.parametrize(("engine", "threads"), [("reference", None), ("native", 1), ("auto", None)])
def test_engine_and_threads_are_kept(engine, threads, tmp_path):
    """Another engine rounds otherwise, and training would not go on to the same bits."""
    model = image_model(rate=0.5, engine=engine)
    model.threads = threads
    model.save(tmp_path / "m.npz")
    again = load_model(tmp_path / "m.npz")
    assert (again._engine, again.threads) == (engine, threads)
