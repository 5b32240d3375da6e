"""Examples in strips: results are those of whole examples, which programs can, and how many strips are taken."""

from __future__ import annotations

import numpy as np
import pytest
from tests.native.comparing import engines, going, settings
from tests.native.random_cases import CHECKED, Case

from layerscope import layers, losses, optimizers
from layerscope.core.errors import SizeError
from layerscope.engine.native import sizing, strip_edges
from layerscope.engine.native.draft import prepared
from layerscope.engine.native.operations import ToWhole, rest
from layerscope.engine.native.sizing import Choice
from layerscope.layers import Input
from layerscope.models import Model, Sequential

pytestmark = pytest.mark.usefixtures("one_cache")

RANDOM = np.random.default_rng(3)


def branching():
    """Convolutions of stride 1 and 2, a transposed one, pools, dropout, normalisation, a join, a mean over the image."""
    x = Input((16, 6, 2))
    a = layers.Conv2D(4, 3, padding="same", activation="relu")(x)
    b = layers.MaxPooling2D(2)(layers.BatchNormalization()(a))
    c = layers.Dropout(0.3)(layers.Conv2D(5, 5, strides=(2, 1), padding="same", activation="tanh")(b))
    d = layers.Conv2DTranspose(3, (4, 3), strides=(2, 1), padding="same")(c)
    e = layers.Conv2D(4, 3, padding="same")(layers.UpSampling2D(2)(layers.Concatenate()([b, d])))
    y = layers.GlobalAveragePooling2D()(layers.Add()([a, e]))
    return Model(x, layers.Dense(3, activation="softmax")(y))


def signals():
    return Sequential(
        [
            Input((32, 3)),
            layers.Conv1D(4, 9, padding="same", activation="relu"),
            layers.MaxPooling1D(2),
            layers.Conv1D(5, 3, strides=2, padding="same"),
            layers.Flatten(),
            layers.Dense(3, activation="softmax"),
        ]
    )


def overlapping(rows, padding):
    """Rows that do not divide evenly: pools whose windows overlap, of negative numbers too, and all that reads on."""

    def make():
        x = Input((rows, 7, 2))
        a = layers.BatchNormalization()(layers.Conv2D(4, 3, padding="valid")(x))
        a = layers.MaxPooling2D(3, strides=2, padding=padding)(a)
        b = layers.Dropout(0.3)(a)
        a = layers.Add()([layers.Conv2D(4, 3, padding="same", activation="tanh")(b), b])
        a = layers.AveragePooling2D(2, padding=padding)(layers.MaxPooling2D(3, strides=1, padding="same")(a))
        a = layers.Conv2DTranspose(3, 3, strides=2, padding="same")(a)
        return Model(x, layers.Dense(3, activation="softmax")(layers.GlobalAveragePooling2D()(a)))

    make.__name__ = f"overlapping {rows} {padding}"
    return make


def pools_in_registers():
    """Pools side by side that reach beyond the image, or leave its last row; volumes; a mean over each row's columns."""
    x = Input((29, 4, 2))
    a = layers.MaxPooling2D(2, padding="same")(layers.Conv2D(4, 3, padding="same", activation="relu")(x))
    b = layers.MaxPooling2D(2)(layers.Conv2D(3, (4, 3), padding="same")(a))
    c = layers.Conv3D(2, 3, padding="same")(layers.Reshape((29, 2, 2, 2))(x))
    c = layers.GlobalMaxPooling3D()(layers.MaxPooling3D(3, strides=(2, 1, 1), padding="same")(c))
    y = layers.Concatenate()([layers.GlobalAveragePooling2D()(b), layers.GlobalMaxPooling2D()(a), c])
    return Model(x, layers.Dense(3, activation="softmax")(y))


def between_rows():
    """Linear interpolation, by small factors and by one whose shares are read from tables."""
    x = Input((9, 4, 2))
    y = layers.UpSampling2D(2, interpolation="bilinear")(layers.Conv2D(3, 3, padding="same", activation="tanh")(x))
    z = layers.UpSampling2D((9, 3), interpolation="bilinear")(layers.Conv2D(2, 3, padding="same")(x))
    y = layers.UpSampling2D((1, 2), interpolation="bilinear")(layers.Conv2D(2, 3, padding="same")(y))
    found = [layers.GlobalAveragePooling2D()(layers.Activation("tanh")(image)) for image in (y, z)]
    return Model(x, layers.Dense(3, activation="softmax")(layers.Concatenate()(found)))


def framed():
    """Zeros around images, more above than below; rows and columns cut off, behind a transposed convolution and not."""
    x = Input((23, 8, 2))
    y = layers.Conv2D(3, 3, strides=2, activation="tanh")(layers.ZeroPadding2D(((2, 1), (0, 1)))(x))
    y = layers.MaxPooling2D(3, strides=2)(layers.ZeroPadding2D(((3, 1), (1, 0)))(y))
    y = layers.Cropping2D(((1, 0), (0, 1)))(layers.Conv2DTranspose(3, 3, strides=2)(y))
    y = layers.Conv2D(2, 3, padding="same")(layers.Cropping2D(((1, 2), (1, 0)))(layers.Activation("tanh")(y)))
    return Model(x, layers.Dense(3, activation="softmax")(layers.GlobalAveragePooling2D()(y)))


def averages():
    """Means of cells beyond the image, which is what rows to spare hold, that others read or multiply; zeros where they
    were; a last row that no mean reads; a largest number that is less than zero.
    """
    x = Input((27, 6, 2))
    y = layers.AveragePooling2D(3, strides=1, padding="same")(x)
    u = layers.AveragePooling2D((3, 1), strides=1, padding="same")(x)
    z = layers.Multiply()([layers.Conv2D(2, 3, padding="same", use_bias=False)(x), u])
    w = layers.MaxPooling2D(3, strides=1)(layers.ZeroPadding2D(1)(layers.Conv2D(2, 3, padding="same")(x)))
    v = layers.AveragePooling2D(2)(layers.Conv2D(2, 3, padding="same")(x))
    v = layers.Activation("tanh")(v)
    y = layers.Activation("tanh")(layers.Conv2D(3, 3, padding="same", activation="relu")(y))
    far = layers.Conv2D(2, (11, 1))(layers.ZeroPadding2D(((10, 0), (0, 0)))(x))  # beyond the strip before
    found = [layers.GlobalAveragePooling2D()(image) for image in (y, z, w, v, far)]
    found.append(layers.GlobalMaxPooling2D()(layers.Multiply()([x, layers.Rescaling(-1.0)(x)])))
    return Model(x, layers.Dense(3, activation="softmax")(layers.Concatenate()(found)))


def whole_as_strips_were():
    """A whole image of as many rows as strips had before it, with a margin as theirs was."""
    x = Input((16, 6, 2))
    same = {"padding": "same", "activation": "tanh"}
    y = layers.Conv2D(4, 5, **same)(layers.Conv2D(4, 5, **same)(x))
    y = layers.Conv2D(4, 5, **same)(layers.Conv2D(4, 5, **same)(layers.MaxPooling2D((4, 1))(y)))
    return Model(x, layers.Dense(3, activation="softmax")(layers.GlobalAveragePooling2D()(y)))


ODD = [overlapping(*sizes) for sizes in ((26, "valid"), (27, "same"), (29, "valid"), (31, "same"))]


def case(model, count, batch, **options):
    loss = losses.SparseCategoricalCrossentropy()
    model.compile(optimizers.Adam(0.01, epsilon=0.1), loss, engine="reference")
    found = Case(1, model._job, 2, batch, count, {"lanes": 8, "sums": 8, **options})
    found.inputs = [RANDOM.normal(size=(count, *(int(n) for n in model.input_shape[1:])))]
    found.targets = [RANDOM.integers(0, 3, count)]
    found.weights = {id: variable.array.astype(np.float64) for id, variable in model._variables.items()}
    return found


def large():
    """Two convolutions of a large image, and numbers of the whole image behind them."""
    same = {"padding": "same", "activation": "relu"}
    stack = [Input((128, 128, 3)), layers.Conv2D(16, 3, **same), layers.Conv2D(16, 3, **same), layers.Flatten()]
    return Sequential([*stack, layers.Dense(3)])


def test_the_report_says_what_is_cut(monkeypatch):
    monkeypatch.setenv("LAYERSCOPE_TARGET", "plain")
    model = large()
    model.compile("sgd", "mse", threads=2)
    few, many = model.engine_report(1), model.engine_report(64)
    assert str(few).startswith("native engine, float32, plain (4 examples at a time), 2 threads, batches of 1\n")
    assert str(model.engine_report()).split("\n")[0].endswith(", 2 threads, batches of 32")
    ways = {(row.program, row.layers, row.work): row.way.removesuffix("; 2 threads a block") for row in few.rows}
    told = {key: way.rsplit("; ", 1)[-1] for key, way in ways.items()}
    for program in ("training", "inference"):
        assert told[program, ("conv2d",), "convolution"] == "4 strips an example"
        assert told[program, ("conv2d_1",), "convolution"] == "4 strips an example"
        assert told[program, (), "out of strips"] == "4 strips an example"
        assert told[program, ("dense",), "product"] == "each example whole"
    assert not any("strips" in row.work + row.way or "whole" in row.way for row in many.rows)
    with pytest.raises(SizeError, match=r"^batch_size must be at least 1, not 0$"):
        model.engine_report(0)


def test_the_report_is_true_and_changes_nothing(monkeypatch):
    monkeypatch.setenv("LAYERSCOPE_TARGET", "plain")
    x, y = RANDOM.random((2, 128, 128, 3)), RANDOM.random((2, 3))
    strips_of = []
    for asked in (False, True):
        model = large()
        model.compile("sgd", "mse", threads=2)
        if asked:
            model.engine_report(64)
            model.engine_report(2)
        model.fit(x, y, batch_size=2, verbose=0)
        (code,) = model._job.__dict__["_native"].values()
        strips_of.append(code.options.strips)
    assert strips_of == [2, 2]
    assert any("; 2 strips an example" in row.way for row in model.engine_report(2).rows)


def test_the_report_says_what_is_cleared():
    """Between rows that do not divide evenly lie no zeros, which the kernel's gradient of what follows needs."""
    x = Input((27, 8, 4))
    y = layers.UpSampling2D(2, interpolation="bilinear")(layers.Conv2D(8, 3, padding="same")(x))
    model = Model(x, layers.Conv2D(2, 3, padding="same")(y))
    model.compile("sgd", "mse")
    with settings(strips=4, lanes=8):
        told = [row.work for row in model.engine_report(2).rows if row.program == "inference"]
    assert told == ["convolution", "ResizeLinear", "zeros in rows to spare", "convolution"]


def test_the_report_of_a_large_matrix_and_few_examples():
    model = Sequential([Input((512,)), layers.Dense(1024)])
    model.compile("sgd", "mse", threads=2)
    (row,) = [row for row in model.engine_report(1).rows if row.program == "inference"]
    assert row.way == "the matrix read as it lies, for up to 1 examples; in registers: add; 2 threads a block"
    (row,) = [row for row in model.engine_report(64).rows if row.program == "inference"]
    assert row.way.startswith("tile of ")


@pytest.mark.parametrize(
    "make",
    [branching, signals, pools_in_registers, between_rows, framed, averages, whole_as_strips_were, *ODD],
    ids=lambda make: make.__name__,
)
@pytest.mark.parametrize(
    ("count", "more"),
    [(2, {}), (4, {}), (2, {"gain": 1e9})] + [(count, CHECKED | {"gain": 1e9}) for count in (1, 2, 4)],
    ids=str,
)
def test_they_change_no_result(make, count, more):
    """Batches of 5 of 13 examples: full blocks, cut ones, and one of two."""
    asked = case(make(), 13, 5, strips=count, **more)
    native, reference = engines(asked, "float64")
    order = RANDOM.permutation(13)
    with settings(**asked.options):
        mine = native.predict(asked.inputs, 5, going)
        trained = native.train_epoch(asked.inputs, asked.targets, order, 5, going)
    np.testing.assert_allclose(mine[0], reference.predict(asked.inputs, 5, going)[0], rtol=1e-9, atol=1e-12)
    wanted = reference.train_epoch(asked.inputs, asked.targets, order, 5, going)
    for name, value in wanted.items():
        np.testing.assert_allclose(trained[name], value, rtol=1e-9)
    for id, array in reference.state.weights.items():
        np.testing.assert_allclose(native.state.weights[id], array, rtol=1e-7, atol=1e-9)


def test_padding_is_part_of_convolutions():
    """Zeros before one and cropping behind a transposed one, forwards and backwards; not before a pool."""
    x = Input((16, 16, 2))
    y = layers.Conv2D(3, 3, activation="relu")(layers.ZeroPadding2D(((2, 0), (1, 1)))(x))
    y = layers.Cropping2D(1)(layers.Conv2DTranspose(3, 3, strides=2, use_bias=False)(y))
    model = Model(x, layers.MaxPooling2D(3)(layers.ZeroPadding2D(1)(y)))
    model.compile("sgd", "mse", engine="reference")
    for program, pads in ((model._job.inference, 1), (model._job.training, 2)):
        assert [type(op.do).__name__ for op in prepared(program).ops].count("Pad") == pads


def images():
    """A result with the rows of the example and no more."""
    x = Input((13, 4, 2))
    return Model(x, layers.Conv2D(3, 3, padding="same", activation="tanh")(x))


def one_number_a_row():
    """A result that has nothing but rows."""
    x = Input((13, 4, 2))
    y = layers.Conv2D(1, (3, 4), activation="tanh")(layers.Conv2D(3, 3, padding="same")(x))
    return Model(x, layers.Reshape((11,))(y))


def weights_of_rows():
    """A weight for each row."""
    x = Input((13, 4, 2))
    return Model(x, layers.LayerNormalization(axis=[1, 2])(layers.Conv2D(3, 3, padding="same")(x)))


@pytest.mark.parametrize("make", [images, one_number_a_row, weights_of_rows])
@pytest.mark.parametrize("count", [2, 4])
@pytest.mark.parametrize("more", [{}, CHECKED], ids=str)
def test_results_with_rows_of_their_own(make, count, more):
    """Losses and gradients of targets in strips; results are written into arrays that hold nothing else."""
    check_images(make(), count, "mse", **more)


def check_images(model, count, loss, **more):
    """Inputs and targets are images, of which 13 are in batches of 5."""
    model.compile("sgd", loss, engine="reference")
    asked = Case(1, model._job, 2, 5, 13, {"lanes": 8, "sums": 8, "strips": count, **more})
    asked.inputs = [RANDOM.normal(size=(13, *(int(n) for n in model.input_shape[1:])))]
    asked.targets = [RANDOM.normal(size=(13, *(int(n) for n in model.output_shape[1:])))]
    asked.weights = {id: variable.array.astype(np.float64) for id, variable in model._variables.items()}
    native, reference = engines(asked, "float64")
    draft = sizing.tried(model._job.training, count)
    assert draft is not None
    odd = model.input_shape[1] % count != 0
    assert any(strip_edges.spare(draft, value) for value in draft.inputs.values()) is odd
    with settings(**asked.options):
        mine = native.predict(asked.inputs, 5, going)
        trained = native.train_epoch(asked.inputs, asked.targets, np.arange(13), 5, going)
    wanted = reference.predict(asked.inputs, 5, going)[0]
    np.testing.assert_allclose(mine[0], wanted, rtol=1e-12, atol=1e-14)  # sums of numbers of about 1
    wanted = reference.train_epoch(asked.inputs, asked.targets, np.arange(13), 5, going)
    np.testing.assert_allclose(trained["loss"], wanted["loss"], rtol=1e-12)
    for id, array in reference.state.weights.items():
        np.testing.assert_allclose(native.state.weights[id], array, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("count", [4, 8])
def test_overlapping_pools_and_odd_sizes_stay_in_strips(count):
    """The beginning of a network for photographs: 227 -> 55 -> 27 -> 13 rows, nothing whole but the mean."""
    x = Input((227, 227, 3))
    y = layers.MaxPooling2D(3, strides=2)(layers.Conv2D(8, 11, strides=4, activation="relu")(x))
    y = layers.MaxPooling2D(3, strides=2)(layers.Conv2D(8, 5, padding="same", activation="relu")(y))
    model = Model(x, layers.Dense(3)(layers.GlobalAveragePooling2D()(y)))
    model.compile("sgd", "mse", engine="reference")
    for program in (model._job.training, model._job.inference):
        draft = sizing.tried(program, count)
        assert draft is not None
        names = [type(op.do).__name__ for op in draft.ops]
        assert not {"ToStrips", "ToWhole"} & {*names}
        rows = {draft.in_strips[value]: rest(value)[0] for value in draft.in_strips}
        assert rows.keys() == {227, 55, 27, 13}
        assert all(n <= count * each <= 1.25 * n for n, each in rows.items())


class Mean(losses.MeanSquaredError):
    """The mean of what comes out: its gradient is one number everywhere."""

    def lower(self, program, target, output):
        return program.reduce("mean", output, range(output.type.rank))


@pytest.mark.parametrize("rows", [16, 13])
@pytest.mark.parametrize("count", [2, 4])
def test_a_gradient_that_is_one_number(rows, count):
    """Around an image of ones there are zeros, and its strips' neighbours hold ones."""
    x = Input((rows, 6, 2))
    y = layers.Conv2D(4, 3, padding="same", activation="tanh")(x)
    y = layers.Conv2D(3, 3, padding="same", bias_initializer="ones")(y)  # a mean of about 1
    check_images(Model(x, y), count, Mean())


def test_which_can():
    """The image's rows must be divisible wherever they are many."""
    program = case(branching(), 1, 1).job.inference
    assert sizing.tried(program, 4) is not None
    assert sizing.tried(program, 32) is None  # 16 rows
    drafts = sizing.tried(case(signals(), 1, 1).job.inference, 8)
    assert drafts is not None
    assert [type(op.do).__name__ for op in drafts.ops].count("ToWhole") == 1  # what is flattened


def test_how_many():
    """None where lanes are full; else as many as fill lanes and keep threads busy; what is compiled is used again."""
    x = Input((64, 64, 16))
    model = Model(x, layers.Conv2D(32, 3, padding="same")(x))
    model.compile("sgd", "mse", engine="reference")
    counts = (1, 2, 4, 8, 16)

    def best(batch, threads=2, lanes=16, choice=None):
        return (choice or Choice(model._job.inference, 64)).best(counts, batch, lanes, threads)

    assert best(32, threads=2) == 1
    assert best(32, threads=1) == 1
    assert best(16, threads=1) == 1
    assert best(16, threads=2) == 1  # two threads share the block
    assert best(16, threads=16) == 4  # as many would wait too much
    assert best(8, threads=2) == 2
    assert best(8, threads=16) == 8
    assert best(1, threads=2) == 16
    three = Choice(model._job.inference, 64)  # blocks, each of one thread
    assert three.best((1, 2), 48, 16, 4) == 1
    choice = Choice(model._job.inference, 64)
    assert best(8, choice=choice) == 2
    assert best(32, choice=choice) == 2
    assert best(1, choice=choice) == 16


def test_what_each_lane_has_whole_costs():
    """With 16 strips of 32 rows the second pool is whole in every lane, so that one image takes 8."""
    x = Input((32, 32, 3))
    y = layers.MaxPooling2D(2)(layers.Conv2D(32, 3, padding="same", activation="relu")(x))
    y = layers.MaxPooling2D(2)(layers.Conv2D(64, 3, padding="same", activation="relu")(y))
    model = Model(x, layers.Dense(10)(layers.GlobalAveragePooling2D()(y)))
    model.compile("sgd", "mse", engine="reference")
    program = model._job.inference
    whole = [sum(isinstance(op.do, ToWhole) for op in sizing.tried(program, count).ops) for count in (8, 16)]
    assert whole == [0, 1]
    assert Choice(program, 64).best((1, 2, 4, 8, 16), 1, 16, 1) == 8


def test_small_networks_have_none():
    x = Input((8, 8, 1))
    model = Model(x, layers.Conv2D(2, 3, padding="same")(x))
    model.compile("sgd", "mse", engine="reference")
    assert Choice(model._job.inference, 64).best((1, 2, 4), 1, 16, 2) == 1
