"""Mean pools and their adjoint: random networks of them, in strips and not; what is cut, shared, and exchanged."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.native.comparing import compare, wrong
from tests.native.random_cases import CHECKED, OFTEN, Case, drawn

from layerscope import layers, losses, optimizers
from layerscope.engine.native import assembly, means, sizing
from layerscope.engine.native.draft import prepared
from layerscope.engine.native.engine import options_for
from layerscope.engine.native.operations import Correlate, Means, Pair, ToStrips, ToWhole, rest
from layerscope.layers import Input
from layerscope.models import Model

SHAPES = {1: [(8, 150)], 2: [(6, 18), (3, 12)], 3: [(4, 9), (3, 6), (2, 6)]}
"""From which size on, and below which, each axis is, by the number of axes."""


def named(name, rank):
    return getattr(layers, name.format(rank))


def windows(random, rank, sizes):
    """Side by side, overlapping, with gaps; now and then one that is large."""
    large = random.random() < 0.25
    window = [int(random.integers(-(-2 * n // 3), n + 1) if large else random.integers(1, 4)) for n in sizes]
    disjoint = random.random() < 0.3
    strides = window if disjoint else [int(random.integers(1, 4)) for _ in window]
    padding = str(random.choice(["same", "valid"]))
    padding = padding if all(k <= n for k, n in zip(window, sizes, strict=True)) else "same"
    return named("AveragePooling{}D", rank)(tuple(window), strides=tuple(strides), padding=padding)


def network(seed):
    """Means, one behind the other or beside each other, with what may join their loops or change places with them."""
    random = np.random.default_rng([seed, 11])
    rank = int(random.choice([1, 2, 2, 3]))
    sizes = [int(random.integers(*around)) for around in SHAPES[rank]]
    sizes[0] -= sizes[0] % 4 * int(random.random() < 0.5)
    x = given = Input((*sizes, int(random.integers(1, 7))))
    conv, most = named("Conv{}D", rank), named("MaxPooling{}D", rank)
    if random.random() < 0.7:
        x = conv(int(random.integers(1, 7)), 3, padding="same", activation=str(random.choice(["relu", "tanh"])))(x)
    for _ in range(int(random.integers(1, 4))):
        around = [int(n) for n in x.type.shape[1:-1]]
        kind = random.choice(
            ["mean", "mean", "behind", "behind", "before", "before", "twice", "max", "conv", "scaled"]
        )
        if kind == "twice":
            pool = windows(random, rank, around)
            x = layers.Multiply()([pool(x), pool(layers.Activation("tanh")(x))])
            continue
        if kind == "max":
            x = most(2, strides=int(random.integers(1, 3)), padding="same")(x)
        elif kind == "scaled":
            x = layers.Dropout(0.2)(layers.BatchNormalization()(x))
        elif kind != "before":
            x = windows(random, rank, around)(x)
        channels = int(x.type.shape[-1])
        if kind in ("behind", "before"):
            groups = 2 if channels % 2 == 0 and random.random() < 0.3 else 1
            x = conv(groups * int(random.integers(1, 5)), 1, groups=groups, use_bias=random.random() < 0.7)(x)
        if kind == "before":
            x = windows(random, rank, around)(x)
        if kind == "conv":
            x = conv(int(random.integers(1, 4)), 3, padding="same")(x)
        x = layers.Activation(str(random.choice(["relu", "linear", "tanh", "softmax"])))(x)
    model = Model(given, x)
    model.compile(optimizers.SGD(0.1), losses.MeanSquaredError())
    lanes = int(random.choice([1, 4, 8, 16]))
    strips = int(random.choice([1, 2, 2, 4])) if lanes > 1 else 1
    options = {"lanes": lanes, "sums": 8, "team": int(random.choice([0, 0, 3]))}
    options |= {"strips": strips} if strips > 1 and sizing.tried(model._job.training, strips) else {}
    options |= CHECKED if random.random() < OFTEN else {}
    count = int(random.integers(1, 12))
    batch, threads = int(random.integers(1, count + 1)), int(random.integers(1, 4))
    return drawn(model, random, options, seed, threads, batch, count, scale=None)


@pytest.mark.parametrize("first", range(0, 24, 6))
def test_networks_of_doubles(first):
    assert wrong(network, range(first, first + 6)) == {}


@pytest.mark.parametrize("first", range(100, 106, 6))
def test_networks_of_floats(first):
    assert wrong(network, range(first, first + 6), "float32") == {}


def compiled(x, y, loss="mse"):
    model = Model(x, y)
    model.compile("sgd", loss, engine="reference")
    return model._job


def both(shape, body, threads=1, **options):
    """What differs between the engines in five examples behind a convolution, what `body` makes, and another one."""
    x, rank = Input(shape), len(shape) - 1
    conv = named("Conv{}D", rank)
    y = conv(2, 3, padding="same", activation="tanh")(body(conv(4, 3, padding="same", activation="relu")(x)))
    model = Model(x, named("GlobalAveragePooling{}D", rank)()(y))
    model.compile(optimizers.SGD(0.1), "mse", engine="reference")
    random = np.random.default_rng(6)
    case = Case(1, model._job, threads, 5, 5, {"lanes": 8, "sums": 8, **options})
    case.inputs, case.targets = [random.normal(size=(5, *shape))], [random.normal(size=(5, 2))]
    case.weights = {id: random.normal(size=v.shape) / 3 for id, v in model._variables.items()}
    return compare(case), model._job


@pytest.mark.parametrize("count", [2, 4])
@pytest.mark.parametrize("rows", [27, 30])
@pytest.mark.parametrize(
    ("rank", "window", "strides", "padding"),
    [
        (2, 3, 1, "same"),
        (2, 3, 2, "same"),
        (2, 5, 3, "same"),
        (2, 3, 2, "valid"),
        (1, 3, 1, "same"),
        (1, 3, 2, "same"),
    ],
)
def test_strips(rank, rows, window, strides, padding, count):
    """Weights at the edges of examples, none at those of strips; zeros in rows to spare, before and behind."""
    mean = named("AveragePooling{}D", rank)(window, strides=strides, padding=padding)
    differing, job = both((rows, *(5,) * (rank - 1), 3), mean, strips=count)
    assert differing == []
    draft = sizing.tried(job.training, count)
    cut = (
        {op.do.back for op in draft.ops if isinstance(op.do, Means) and op.outputs[0] in draft.in_strips}
        if draft
        else set()
    )
    assert cut == {False, True} or (rows, count) != (30, 2)


@pytest.mark.parametrize("shape", [(41, 3), (40, 3), (9, 7, 3), (5, 4, 3, 2)])
@pytest.mark.parametrize(("window", "strides"), [(3, 1), (3, 2)])
@pytest.mark.parametrize("threads", [2, 11])
def test_threads_of_one_block(shape, window, strides, threads):
    """Each has some rows, or some columns of a sequence: all results are made once."""
    mean = named("AveragePooling{}D", len(shape) - 1)(window, strides=strides, padding="same")
    assert both(shape, mean, threads, team=threads)[0] == []


def test_means_beside_each_other():
    """Windows of other sizes go over the same image in loops of their own, or in one; so do their adjoints."""

    def body(x):
        pools = [layers.AveragePooling2D(size, strides=2, padding="same") for size in (2, 3, (3, 2), 3)]
        return layers.Add()([layers.Activation("tanh")(pool(x)) for pool in pools])

    assert both((9, 8, 3), body)[0] == []


@pytest.mark.parametrize(
    ("shape", "window", "strides"),
    [
        ((150, 3), 70, 7),
        ((90, 3), 40, 18),
        ((90, 3), 17, 20),
        ((60, 41, 2), 20, 20),
        ((41, 37, 2), (18, 18), (17, 19)),
        ((30, 31, 2), 9, 1),
        ((90, 7, 2), (70, 2), (1, 3)),
        ((9, 8, 9, 2), 5, 1),
    ],
)
@pytest.mark.parametrize("padding", ["same", "valid"])
def test_large_windows_and_strides(shape, window, strides, padding):
    """Windows that are looped over; phases along an axis that are, and some that no window reaches."""
    mean = named("AveragePooling{}D", len(shape) - 1)(window, strides=strides, padding=padding)
    differing, job = both(shape, mean)
    assert differing == []
    found = [op.do for op in prepared(job.training).ops if isinstance(op.do, Means)]
    assert [do.back for do in found] == [False, True]
    assert np.prod(found[0].windows.window) > means.UNROLLED or len(found[1].axes[-1].phases) > means.BESIDE


@pytest.mark.parametrize(
    ("window", "strides", "padding"), [(3, 2, "same"), (3, 1, "same"), (2, 2, "same"), (5, 2, "valid")]
)
def test_all_is_in_strips_and_shared(window, strides, padding):
    """Forward and back nothing is whole, nothing is cleared first, and threads share each loop nest."""
    x = Input((50, 50, 8))
    y = layers.Conv2D(8, 3, padding="same", activation="relu")(x)
    y = layers.Conv2D(8, 3, padding="same")(layers.AveragePooling2D(window, strides=strides, padding=padding)(y))
    job = compiled(x, layers.Dense(3)(layers.GlobalAveragePooling2D()(y)))
    draft = sizing.tried(job.training, 2)
    assert draft is not None
    assert not any(isinstance(op.do, ToStrips | ToWhole) for op in draft.ops)
    options = replace(options_for("float32", ("float32", "float32")), lanes=8, strips=2, same=(-1,))
    made = assembly.assembled(job.training, options).stages
    kernels = [
        (step.kernel, step.stage) for step in made if step.stage and means.of(step.stage) and step.kernel.turns
    ]
    (forward, one), (backward, other) = kernels
    assert [op.do.back for stage in (one, other) for op in stage.ops if isinstance(op.do, Means)] == [False, True]
    assert forward.turns == rest(one.stored[0])[0]
    assert backward.turns == -(-rest(other.stored[0])[0] // strides)  # of all phases together
    assert "relu_grad" in [getattr(op.do, "function", "") for op in other.ops]


def order(program):
    """Means and convolutions of a program in their order: with how many channels, or from how many to how many."""
    found = []
    for op in prepared(program).ops:
        if isinstance(op.do, Means):
            found.append(f"{'back' if op.do.back else 'mean'} {rest(op.inputs[0])[-1]}")
        elif isinstance(op.do, Correlate) and op.do.axes:
            found.append(f"{op.do.inputs}->{op.do.outputs}")
        elif isinstance(op.do, Pair) and op.do.axes:
            found.append(f"{op.do.moving}x{op.do.still} at {rest(op.inputs[1])[0]}")
    return found


def chain(*behind, trained=True):
    """Layers behind a convolution to 8 channels (or the image, which has no gradient), before a mean of tanh."""
    x = Input((10, 10, 8))
    y = layers.Conv2D(8, 3, padding="same", activation="tanh")(x) if trained else x
    for layer in behind:
        y = layer(y)
    return compiled(x, layers.GlobalAveragePooling2D()(layers.Activation("tanh")(y)))


def test_a_convolution_to_fewer_channels_goes_before_the_pool():
    pool = layers.AveragePooling2D(3, strides=1, padding="same")
    job = chain(pool, layers.Conv2D(4, 1))
    assert order(job.inference) == ["8->8", "8->4", "mean 4"]
    assert order(job.training) == ["8->8", "8->4", "mean 4", "back 4", "8x4 at 10", "4->8", "8x8 at 10"]
    job = chain(pool, layers.Conv2D(3, 1, activation="relu"), trained=False)
    assert order(job.training) == ["8->3", "mean 3", "back 3", "8x3 at 10"]


def test_a_convolution_goes_behind_the_pool_that_leaves_fewer_positions():
    job = chain(layers.Conv2D(6, 1), layers.AveragePooling2D(2))
    assert order(job.inference) == ["8->8", "mean 8", "8->6"]
    assert order(job.training) == ["8->8", "mean 8", "8->6", "6->8", "back 8", "8x6 at 5", "8x8 at 10"]
    job = chain(
        layers.Conv2D(12, 1, use_bias=False), layers.AveragePooling2D(3, strides=1, padding="same"), trained=False
    )
    assert order(job.training) == ["mean 8", "8->12", "8x12 at 10"]


def test_where_the_order_stays():
    """More channels or positions otherwise; a window; strides; others that read what lies between."""
    near = layers.AveragePooling2D(3, strides=1, padding="same")
    fewer = layers.AveragePooling2D(2)
    assert order(chain(near, layers.Conv2D(12, 1)).inference) == ["8->8", "mean 8", "8->12"]
    assert order(chain(fewer, layers.Conv2D(7, 1)).inference) == ["8->8", "mean 8", "8->7"]
    assert order(chain(near, layers.Conv2D(4, 3)).inference) == ["8->8", "mean 8", "8->4"]
    assert order(chain(near, layers.Conv2D(4, 1, strides=2)).inference) == ["8->8", "mean 8", "8->4"]
    assert order(chain(layers.Conv2D(6, 1, activation="relu"), fewer).inference) == ["8->8", "8->6", "mean 6"]
    x = Input((10, 10, 8))
    y = near(x)
    y = layers.Concatenate()([layers.Activation("tanh")(y), layers.Conv2D(4, 1)(y)])
    assert order(compiled(x, layers.GlobalAveragePooling2D()(y)).inference) == ["mean 8", "8->4"]
    z = layers.Conv2D(6, 1)(x)
    y = layers.Add()([layers.GlobalAveragePooling2D()(image) for image in (z, fewer(z))])
    assert order(compiled(x, y).inference) == ["8->6", "mean 6"]


@pytest.mark.parametrize("sizes", [(10, 10), (10, 12)])
def test_layers_that_are_used_twice(sizes):
    """One kernel behind pools of images of one size or two, and one before them."""
    first, pool = layers.Conv2D(3, 1), layers.AveragePooling2D(3, strides=1, padding="same")
    second, half = layers.Conv2D(6, 1), layers.AveragePooling2D(2)
    images = [Input((n, n, 4)) for n in sizes]
    grown = [layers.Conv2D(8, 3, padding="same", activation="tanh")(x) for x in images]
    found = [second(layers.Activation("tanh")(first(pool(x)))) for x in grown]
    found = [layers.GlobalAveragePooling2D()(layers.Activation("tanh")(half(x))) for x in found]
    model = Model(images, layers.Concatenate()(found))
    model.compile(optimizers.SGD(0.1), "mse")
    told = order(model._job.training)
    assert (told.count("8->3"), told.count("mean 3"), told.count("3->6")) == (2, 4, 2)
    assert not {"mean 8", "mean 6"} & {*told}
    random = np.random.default_rng(4)
    case = Case(1, model._job, 2, 5, 8, {"lanes": 8, "sums": 8})
    case.inputs, case.targets = [random.normal(size=(8, n, n, 4)) for n in sizes], [random.normal(size=(8, 12))]
    case.weights = {id: random.normal(size=v.shape) / 3 for id, v in model._variables.items()}
    assert compare(case) == []
