"""Sums, repetitions and products along axes of values without a batch: constraints, regularizers, and cases of their own."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import pytest
from tests.native.comparing import engines, going, settings
from tests.native.random_cases import CHECKED, Case

from layerscope import Input, layers, losses, optimizers
from layerscope.constraints import MaxNorm, MinMaxNorm, UnitNorm
from layerscope.core.errors import TrainingError
from layerscope.core.types import TensorType
from layerscope.engine.plan import Job
from layerscope.engine.primitives.matmul import RowProduct
from layerscope.engine.primitives.reduce import ReduceMaxAdjoint
from layerscope.models import Sequential
from layerscope.regularizers import OrthogonalRegularizer

CONSTRAINTS = {
    "max": lambda axis: MaxNorm(0.3, axis),
    "unit": UnitNorm,
    "range": lambda axis: MinMaxNorm(0.2, 0.3, 1.0, axis),
    "towards": lambda axis: MinMaxNorm(0.2, 0.3, 0.6, axis),
}


def case_of(shape, stack, threads=2, batch=16, count=40, **options):
    model = Sequential([Input(shape), *stack])
    model.compile(optimizers.Adam(0.05), losses.MeanSquaredError())
    random = np.random.default_rng(0)
    weights = {id: random.normal(size=v.shape) * 0.3 for id, v in model._variables.items()}
    inputs = [random.normal(size=(count, *shape))]
    targets = [random.normal(size=(count, *model.output_shape[1:]))]
    return Case(1, model._job, threads, batch, count, options, inputs, targets, weights)


def alike(case, passes=3, rtol=1e-12):
    """What is measured and the weights, after some epochs, by both engines; those of the native one."""
    native, reference = engines(case, "float64")
    order, found = np.arange(case.count), []
    with settings(**case.options):
        for engine in (native, reference):
            told = [engine.train_epoch(case.inputs, case.targets, order, case.batch, going) for _ in range(passes)]
            told.append(engine.evaluate(case.inputs, case.targets, case.batch, going))
            found.append(([one["loss"] for one in told], engine.state.weights))
    np.testing.assert_allclose(found[0][0], found[1][0], rtol=rtol)
    for id, array in found[1][1].items():
        np.testing.assert_allclose(found[0][1][id], array, rtol=rtol, atol=rtol * np.abs(array).max(), err_msg=id)
    return native.state.weights


AXES = [0, 1, 2, 3, -1, [0, 1], (0, 1, 2), [0, 3], [1, 3], [0, 1, 2, 3]]
BOUNDS = {"max": (0.0, 0.3), "unit": (1.0, 1.0), "range": (0.2, 0.3), "towards": (0.0, np.inf)}


@pytest.mark.parametrize("axis", AXES, ids=str)
def test_norms_along_any_axes(axis):
    stack = [
        layers.Conv2D(n, (2, 1), padding="same", kernel_constraint=CONSTRAINTS[kind](axis), name=kind)
        for kind, n in zip(CONSTRAINTS, (21, 5, 2, 17), strict=True)
    ]
    lanes = (1, 4, 16)[AXES.index(axis) % 3]
    kernels = alike(case_of((4, 3, 5), stack, lanes=lanes, **CHECKED))
    for kind, (low, high) in BOUNDS.items():
        axes = tuple(axis) if isinstance(axis, list) else axis
        norms = np.sqrt((kernels[f"{kind}/kernel"] ** 2).sum(axis=axes))
        assert norms.min() > low - 1e-6
        assert norms.max() < high + 1e-12


@pytest.mark.parametrize("lanes", [1, 8])
@pytest.mark.parametrize("mode", ["rows", "columns"])
def test_orthogonal_rows_and_columns(mode, lanes):
    sizes = (2, 2, 40, 5, 70, 37, 3, 9, 70) + (1,) * (mode == "rows")
    stack = [
        layers.Dense(n, activation="tanh", kernel_regularizer=OrthogonalRegularizer(0.4, mode)) for n in sizes[1:]
    ]
    alike(case_of((sizes[0],), stack, lanes=lanes, **CHECKED))


def test_all_at_once_and_shared_among_any_number_of_threads():
    both = {"kernel_regularizer": OrthogonalRegularizer(0.3), "kernel_constraint": MaxNorm(0.4)}
    stack = [layers.Dense(65, activation="tanh", **both), layers.BatchNormalization(), layers.Dense(50, **both)]
    stack += [layers.Dense(3, kernel_constraint=UnitNorm(1), bias_constraint="non_neg")]
    for threads in (1, 2, 5):
        alike(case_of((33,), stack, threads, lanes=4))


def test_the_number_of_threads_changes_no_bit():
    """Small whole numbers make the batch's own sums exact: what is left is what regularizer and constraint do."""
    made = layers.Dense(64, kernel_regularizer=OrthogonalRegularizer(0.3), kernel_constraint=MaxNorm(0.9))
    found = []
    for threads in (1, 2, 3, 5):
        case = case_of((41,), [made], threads, batch=64, count=64, lanes=4)
        random = np.random.default_rng(4)
        case.job.__dict__["update"] = optimizers.SGD(0.25)
        case.inputs, case.targets = ([random.integers(-3, 4, (64, n)).astype(float)] for n in (41, 64))
        case.weights = {id: random.integers(-8, 9, array.shape) / 8 for id, array in case.weights.items()}
        found.append(alike(case, passes=1))
    for one in found[1:]:
        assert {id: array.tobytes() for id, array in one.items()} == {i: a.tobytes() for i, a in found[0].items()}


# --- programs that no layer asks for ---


class Own(Job):
    """A small network, and beside it weights of given shapes that a rule makes something of in each step."""

    def __init__(self, job, shapes, rule):
        super().__init__(job.graph, job.aims, job.update)
        self.shapes, self.rule = shapes, rule

    @cached_property
    def training(self):
        program, _ = self.gradients()
        own = [program.input(("weight", f"own{n}"), TensorType(shape)) for n, shape in enumerate(self.shapes)]
        for number, value in enumerate(self.rule(program, *own)):
            program.output(("weight", f"own{number}"), value)
        return program.pruned()


def ruled(shapes, rule, threads=3, **options):
    """Some steps of a rule on weights of these shapes, by both engines."""
    case = case_of((3,), [layers.Dense(2)], threads, count=64, **options)
    case.job = Own(case.job, shapes, rule)
    random = np.random.default_rng(1)
    case.weights |= {f"own{n}": random.normal(size=shape) for n, shape in enumerate(shapes)}
    return alike(case, passes=2)


def row_product(program, x, y):
    return program.add(RowProduct(), x, y)[0]


RULES = {
    "mean of some": ([(5, 3, 70)], lambda p, w: [p.map("sub", w, p.reduce("mean", w, (0, 2), keep=True))]),
    "mean of all": ([(5, 70)], lambda p, w: [p.map("sub", w, p.reduce("mean", w, (0, 1)))]),
    "missing axes": ([(5, 70)], lambda p, w: [p.map("mul", w, p.reduce("sum", w, (0,)))]),
    "both repeated": (
        [(9, 1), (1, 70)],
        lambda p, a, b: [
            p.reduce("mean", p.map("mul", a, b), (1,), keep=True),
            p.reduce("sum", p.map("tanh", p.map("mul", a, b)), (0,), keep=True),
        ],
    ),
    "turned": ([(4, 5, 6)], lambda p, w: [p.permute(p.reshape(p.permute(w, (2, 0, 1)), (5, 6, 4)), (2, 0, 1))]),
    "products": (
        [(8, 8), (8, 8)],
        lambda p, a, b: [p.map("tanh", p.matmul(a, b)), p.map("tanh", row_product(p, a, p.permute(b, (1, 0))))],
    ),
    "product of three axes": (
        [(3, 4, 66), (66, 66)],
        lambda p, a, b: [p.map("tanh", p.matmul(a, b)), p.map("tanh", row_product(p, a, a))],
    ),
    # What reads a sum, and a number of its own that is made no earlier than that sum:
    "two sums": (
        [(70,)],
        lambda p, w: [
            p.map("tanh", p.map("mul", p.map("mul", w, p.reduce("sum", w, (0,))), p.reduce("sum", p.map("square", w), (0,))))
        ],
    ),
    # What is written in place while others still read it:
    "exchanged": ([(70,), (70,)], lambda p, a, b: [p.map("tanh", b), p.map("tanh", a)]),
    "read later": (
        [(70,), (70,)],
        lambda p, a, b: [p.map("tanh", a), p.map("sub", a, p.map("mul", b, p.reduce("sum", p.map("square", b), (0,))))],
    ),
    "an output read along an axis": (
        [(7, 10), (1, 10)],
        lambda p, a, b: [c := p.map("tanh", p.map("add", a, b)), p.reduce("mean", c, (0,), keep=True)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", RULES)
def test_rules_of_weights(name):
    shapes, rule = RULES[name]
    for threads, lanes, more in ((3, 1, CHECKED), (1, 4, CHECKED), (3, 16, CHECKED), (3, 16, {})):
        ruled(shapes, rule, threads, lanes=lanes, **more)


def largest_of(axes):
    """The weight less its largest; the gradient that each of these gets; and where they are."""

    def rule(p, w, g):
        most = p.reduce("max", w, axes, keep=True)
        kept = p.reshape(p.reduce("sum", p.map("tanh", g), axes), most.type.shape)
        given = p.add(ReduceMaxAdjoint(axes), kept, w)[0]
        place = p.reduce("argmax", w, axes[:1], keep=True)
        return [p.map("sub", w, most), p.map("mul", p.map("add", given, g), p.map("shift", place, offset=1.0))]

    return rule


LARGEST = [(0,), (1,), (2,), (-1,), (0, 2), (2, 0), (1, 2), (2, 1), (0, 1, 2), (2, 1, 0), (1, 0)]


@pytest.mark.parametrize("axes", LARGEST, ids=str)
def test_the_largest_along_axes(axes):
    turn, options = LARGEST.index(axes), [(3, 16), (1, 4), (3, 1)]
    axes = tuple(axis % 3 for axis in axes)
    for number, shape in enumerate([(5, 3, 70), (4, 37, 2), (1, 6, 1)]):
        threads, lanes = options[(turn + number) % 3]
        ruled([shape, shape], largest_of(axes), threads, lanes=lanes, **CHECKED)


class Scaled(layers.Dense):
    """A dense layer whose columns are divided by their largest weight."""

    def lower(self, program, *values, training=False, **weights):
        size = program.map("abs", weights["kernel"])
        scale = program.map("shift", program.reduce("max", size, (0,), keep=True), offset=0.1)
        kernel = program.map("div", weights["kernel"], scale)
        return super().lower(program, *values, training=training, **weights | {"kernel": kernel})


def test_a_layer_that_takes_the_largest_of_its_weights():
    """With its gradient, which goes to the largest weight of each column."""
    stack = [Scaled(37, activation="tanh"), Scaled(5)]
    for threads, lanes in ((1, 4), (3, 16)):
        alike(case_of((21,), stack, threads, lanes=lanes, **CHECKED))


SPECIAL = {
    "equal": [1.0, 2.0, 2.0, 2.0, -1.0],
    "NaN": [1.0, np.nan, 3.0, np.nan, 2.0],
    "infinite": [-np.inf] * 5,
    "zeros": [-0.0, 0.0, -1.0, 0.0, -0.0],
    "the last": [np.nan] * 3 + [np.inf] * 2,
}


@pytest.mark.parametrize("name", SPECIAL)
@pytest.mark.parametrize("axis", [0, 1])
def test_the_first_of_equal_ones_gets_the_gradient_and_nan_is_above_all(name, axis):
    """As NumPy has it, whatever the order in which lanes look; along contiguous numbers and across them."""
    row = np.resize(SPECIAL[name], 37)
    matrix = np.stack([np.roll(row, n) for n in range(23)])
    matrix = matrix if axis else matrix.T.copy()

    def rule(p, w, g):
        given = p.add(ReduceMaxAdjoint((axis,)), p.reduce("sum", p.map("abs", g), (axis,)), w)[0]
        place = p.reduce("argmax", w, (axis,), keep=True)
        return [
            p.map("mul", p.reduce("max", w, (axis,), keep=True), p.map("at_least", w, bound=-np.inf)),
            p.map("add", given, place),
        ]

    for threads, lanes, more in ((1, 1, CHECKED), (2, 4, CHECKED), (3, 16, CHECKED), (3, 16, {})):
        case = case_of((3,), [layers.Dense(2)], threads, count=16, lanes=lanes, **more)
        case.job = Own(case.job, [matrix.shape] * 2, rule)
        case.weights |= {"own0": matrix, "own1": np.ones(matrix.shape)}
        native, reference = engines(case, "float64")
        with settings(**case.options):
            for engine in (native, reference):
                engine.train_epoch(case.inputs, case.targets, np.arange(16), 16, going)
        for id in ("own0", "own1"):
            np.testing.assert_array_equal(native.state.weights[id], reference.state.weights[id], err_msg=id)


def test_what_is_along_axes_is_not_written_over_what_it_still_reads():
    for threads in (1, 3):
        ruled([(70, 70)], lambda p, w: [p.permute(w, (1, 0))], threads, lanes=4)
        ruled(
            [(70, 40)], lambda p, w: [p.add(ReduceMaxAdjoint((0,)), p.reduce("max", w, (0,)), w)[0]], threads, lanes=4
        )


def test_what_has_no_form():
    with pytest.raises(TrainingError) as told:
        ruled([(4, 1)], lambda p, w: [p.reduce("sum", p.map("one_hot", w, depth=3.0), (1,), keep=True)])
    assert str(told.value) == (
        "the native engine has no Map of values without a batch; compile with engine='reference'"
    )
