"""Parts of what is concatenated lie in the whole, gradients where results were: which ones, and that the numbers are
those of the reference engine.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from tests.native.comparing import compare, engines, settings
from tests.native.random_cases import CHECKED, drawn

from layerscope import layers, losses, optimizers
from layerscope.engine.native import assembly, report
from layerscope.engine.native.engine import options_for
from layerscope.layers import Concatenate, Conv2D, Input, MaxPooling2D
from layerscope.models import Model


def conv(channels, **more):
    return Conv2D(channels, 3, padding="same", **more)


def dense(image):
    """Each layer reads all that came before: parts of parts."""
    x = conv(4, activation="relu")(image)
    for _ in range(3):
        x = Concatenate()([x, conv(3, activation="relu")(x)])
    return x


def branches(image):
    """A pool and convolutions of other sizes beside each other; the given image cannot be written anywhere else."""
    parts = [Conv2D(2, 1)(image), conv(3)(image), MaxPooling2D(3, strides=1, padding="same")(conv(2)(image)), image]
    return Concatenate()(parts)


def skips(image):
    """A value that is pooled, and concatenated much later."""
    left = conv(4, activation="relu")(image)
    x = conv(6, activation="relu")(MaxPooling2D(2)(left))
    return Concatenate()([layers.UpSampling2D(2)(x), left])


def twice(image):
    """Two wholes want the same part, one of them two times."""
    a, b = conv(2)(image), conv(3)(image)
    first, second = Concatenate()([a, b]), Concatenate()([b, a, a])
    return layers.Add()([conv(2)(first), conv(2)(second)])


def reshaped(image):
    """A part is seen under another shape as well."""
    a, b = conv(2)(image), conv(2)(image)
    scale = layers.Reshape((1, 1, 4))(layers.Dense(4)(layers.Flatten()(a)))
    return layers.Multiply()([Concatenate()([a, b]), scale])


def along_rows(image):
    return Concatenate(axis=1)([conv(2)(image), conv(2)(image)])


def normalized(image):
    """What is concatenated in one segment and normalized in the next one."""
    x = Concatenate()([layers.BatchNormalization()(conv(3)(image)), conv(2)(image)])
    return conv(2)(layers.BatchNormalization()(x))


MAKERS = [dense, branches, skips, twice, reshaped, along_rows, normalized]
IN_WHOLES = dict(zip(MAKERS, [6, 3, 2, 2, 1, 0, 2], strict=True))


def case_of(make, outputs=lambda x: [conv(2)(x)], size=(8, 12), **options):
    image = Input((*size, 3))
    found = outputs(make(image))
    model = Model(image, found if len(found) > 1 else found[0])
    model.compile(optimizers.SGD(0.1), losses.MeanSquaredError())
    return drawn(model, np.random.default_rng(0), {"lanes": 4, "sums": 12, **options})


def placed(case, program="training"):
    """How many values lie in others."""
    with settings(**case.options):
        native, _ = engines(case, "float64")
        options = options_for("float64", ("float64",) * 4)
    layout = assembly.assembled(getattr(native.job, program), options).memory.layout
    wholes = {id(whole): layout.buffers[whole] for whole, _ in layout.views.values()}
    for value, (whole, channel) in layout.views.items():
        own, other = layout.buffers[value], wholes[id(whole)]
        assert (own.offset, own.strides, own.origin) == (other.offset, other.strides, other.origin + channel)
    return len(layout.views)


@pytest.mark.parametrize("make", MAKERS)
def test_which_values_lie_in_others(make):
    assert placed(case_of(make)) == IN_WHOLES[make]


@pytest.mark.parametrize("more", [CHECKED, CHECKED | {"strips": 2}, {"gain": 1e9}, CHECKED | {"team": 2}], ids=str)
@pytest.mark.parametrize("make", MAKERS)
def test_the_numbers(make, more):
    case = case_of(make, **more)
    case.threads = 2 if "team" in more else 1
    assert compare(case) == []


def test_rows_to_spare():
    """Seven rows in two strips of four."""
    assert compare(case_of(dense, size=(7, 5), strips=2)) == []


def test_an_output_has_memory_of_its_own():
    """What is given back is written as it lies."""
    case = case_of(lambda image: image, lambda x: [a := conv(2)(x), conv(2)(Concatenate()([a, conv(3)(x)]))])
    assert (placed(case), placed(case, "inference")) == (2, 1)
    assert compare(case) == []


def test_nothing_is_copied():
    """No loop is left to concatenate; where one part is a given image, there is one."""
    for make, loops in ((dense, 0), (branches, 1)):
        case = case_of(make)
        native, _ = engines(case, "float64")
        rows = report.report(native.job, options_for("float64"), 1, "float64").rows
        assert sum((row.work, row.way) == ("Concatenate", "one loop") for row in rows) == 2 * loops


# --- written over what was read last ---


def chain(image):
    return conv(5, activation="relu")(conv(4, activation="relu")(image))


def residual(image):
    """What is added is read once more than the result of the convolution beside it."""
    x = conv(4, activation="relu")(image)
    return layers.Activation("relu")(layers.Add()([x, conv(4, activation="relu")(x)]))


def functions(image):
    """Functions whose gradient wants the result, the input, or both."""
    x = layers.Activation("tanh")(conv(3)(image))
    x = layers.Activation("silu")(conv(3)(x))
    return layers.Activation("softplus")(layers.PReLU()(conv(3)(x)))


def pooled(image):
    """Winners and what is spread to them have memory of their own."""
    return conv(3)(MaxPooling2D(2)(conv(4, activation="relu")(image)))


def behind_a_reshape(image):
    """A kernel's gradient reads what leads back to it under another shape."""
    x = layers.Dense(96, use_bias=False)(layers.Dense(5)(layers.Flatten()(image)))
    return conv(3)(layers.Reshape((8, 12, 1))(x))


def in_segments(image):
    x = layers.BatchNormalization()(conv(3, activation="relu")(image))
    return layers.Activation("relu")(layers.BatchNormalization()(conv(3)(x)))


WRITTEN_OVER = {chain: 3, residual: 4, functions: 6, pooled: 2, in_segments: 3, dense: 2}
"""Among them the targets, over which lies the loss's gradient."""


def written_over(case, program="training"):
    """How many values lie where another one lay that had as many numbers and was read no longer."""
    with settings(**case.options):
        native, _ = engines(case, "float64")
        options = options_for("float64", ("float64",) * 4)
    recipe = assembly.assembled(getattr(native.job, program), options)
    places: dict[int, list[object]] = {}
    for value, buffer in recipe.memory.layout.buffers.items():
        places.setdefault(id(buffer), []).append(value)
    order = {v: n for n, stage in enumerate(recipe.schedule.stages) for op in stage.all() for v in op.outputs}
    read = {v: n for n, stage in enumerate(recipe.schedule.stages) for op in stage.all() for v in op.inputs}
    found = 0
    for values in places.values():
        values.sort(key=lambda v: order.get(v, -1))
        assert all(read[a] == order[b] for a, b in itertools.pairwise(values))
        found += len(values) - 1
    return found


@pytest.mark.parametrize("make", WRITTEN_OVER)
def test_what_is_written_over_what_was_read_last(make):
    assert written_over(case_of(make)) == WRITTEN_OVER[make]


@pytest.mark.parametrize(
    "more", [CHECKED, CHECKED | {"strips": 2}, {"gain": 1e9}, CHECKED | {"team": 2, "large": 0}], ids=str
)
@pytest.mark.parametrize("make", [chain, residual, functions, pooled, behind_a_reshape, in_segments])
def test_numbers_written_over_others(make, more):
    case = case_of(make, **more)
    case.threads = 2 if "team" in more else 1
    assert compare(case) == []


def test_an_output_is_not_written_over():
    case = case_of(chain, lambda x: [x, conv(2)(x)])
    assert compare(case) == []
    assert written_over(case, "inference") == 0


def test_what_all_threads_share_is_read_behind_its_segment():
    """The gradient of a large matrix, of what the last stage of the segment reads for a function's gradient."""

    def normalized(image):
        x = layers.BatchNormalization()(layers.Dense(8)(layers.Flatten()(image)))
        return layers.Dense(8)(layers.Activation("relu")(x))

    assert compare(case_of(normalized, lambda x: [x], size=(2, 3), large=0)) == []
