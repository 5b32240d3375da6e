"""The flags `linear`, `elementwise` and `injective`, each held to its law; and who must not claim them."""

from __future__ import annotations

import numpy as np
import pytest

from layerscope import layers as ls
from layerscope.core.contract import Example
from layerscope.core.reach import Window
from layerscope.core.types import TensorType

from .cases import (
    define,
    elements,
    executable_examples,
    fixed,
    inputs_for,
    is_float,
    small_examples,
    title,
    weights_for,
)
from .test_reach import poked

ALL = small_examples()
LINEAR = [case for case in executable_examples() if case.layer.linear]
OTHERS = [case for case in executable_examples() if not case.layer.linear and all(is_float(t) for t in case.inputs)]
ELEMENTWISE = [case for case in ALL if case.layer.elementwise]
INJECTIVE = [case for case in ALL if case.layer.injective]


def mixed(case: Example, seed: int, a: float):
    """f(a·x + (1-a)·y) and a·f(x) + (1-a)·f(y)."""
    weights = weights_for(case)
    x, y = inputs_for(case, seed=seed), inputs_for(case, seed=seed + 1)
    both = [fixed(a * p + (1 - a) * q) for p, q in zip(x, y, strict=True)]
    left = define(case.layer, both, weights)[0]
    right = a * define(case.layer, x, weights)[0] + (1 - a) * define(case.layer, y, weights)[0]
    return left, right


@pytest.mark.parametrize("case", LINEAR, ids=title)
@pytest.mark.parametrize("a", [0.3, -1.5, 4.0])
def test_linear_layers_are_linear_up_to_a_constant(case, a):
    left, right = mixed(case, 10, a)
    np.testing.assert_allclose(left, right, rtol=1e-9, atol=1e-9 * max(1.0, float(np.abs(right).max())))


@pytest.mark.parametrize("case", OTHERS, ids=title)
def test_whoever_does_not_claim_linear_is_not(case):
    """A counterexample for each: none is too modest."""
    apart = max(float(np.abs(np.subtract(*mixed(case, seed, 0.3))).max()) for seed in range(20, 24))
    assert apart > 1e-6


def test_unpooling_is_linear_only_while_its_switches_rest():
    """It takes switches too, so it claims nothing; a model that holds them still may."""
    case = next(case for case in ALL if isinstance(case.layer, ls.MaxUnpooling2D))
    assert not case.layer.linear
    (x, switches), y = inputs_for(case), inputs_for(case, seed=5)[0]
    left = define(case.layer, [0.3 * x + 0.7 * y, switches], {})[0]
    right = 0.3 * define(case.layer, [x, switches], {})[0] + 0.7 * define(case.layer, [y, switches], {})[0]
    np.testing.assert_allclose(left, right, rtol=1e-12)


def test_a_linear_layer_stops_being_linear_with_an_activation():
    for make in (
        lambda activation: ls.Dense(3, activation),
        lambda activation: ls.Conv2D(3, 2, activation=activation),
        lambda activation: ls.Conv2DTranspose(3, 2, activation=activation),
    ):
        claims = {name: make(name).linear for name in (None, "linear", "relu", "leaky_relu")}
        assert claims == {None: True, "linear": True, "relu": False, "leaky_relu": False}


def changes(case: Example, number: int) -> np.ndarray:
    return poked(case, number, inputs_for(case))


@pytest.mark.parametrize("case", ELEMENTWISE, ids=title)
def test_elementwise_layers_keep_to_their_own_index(case):
    assert [t.shape for t in case.outputs] == [case.inputs[0].shape]
    found = changes(case, 0)
    assert not (found & ~np.eye(len(found), dtype=bool)).any()
    assert case.layer.reach(0, *case.inputs) == (tuple(Window(a) for a in range(case.inputs[0].rank)),)


def test_softmax_is_not_elementwise():
    case = next(
        case for case in ALL if getattr(case.layer, "activation", "") == "softmax" and elements(*case.inputs) < 200
    )
    assert not case.layer.elementwise
    found = changes(case, 0)
    assert (found & ~np.eye(len(found), dtype=bool)).any()


def test_whoever_reads_elsewhere_does_not_claim_elementwise():
    """Same shape in and out is not enough."""
    for case in ALL:
        same_shape = [t.shape for t in case.outputs] == [t.shape for t in case.inputs]
        flat = isinstance(case.layer, ls.Flatten) and case.inputs[0].rank == 2  # the one case that moves nothing
        if same_shape and not flat and not case.layer.elementwise:
            found = changes(case, 0)
            assert (found & ~np.eye(len(found), dtype=bool)).any(), title(case)


@pytest.mark.parametrize("case", INJECTIVE, ids=title)
def test_injective_layers_show_every_change(case):
    """Each element alone changes some output, and no direction is lost: the slopes have full rank."""
    base = inputs_for(case)
    columns = []
    for number, array in enumerate(base):
        assert changes(case, number).any(axis=0).all()
        for place in np.ndindex(*array.shape):
            values = []
            for sign in (1, -1):
                moved = array.copy()
                moved[place] += sign * 1e-4
                arrays = [moved if n == number else a for n, a in enumerate(base)]
                values.append(define(case.layer, arrays, {})[0].ravel())
            columns.append((values[0] - values[1]) / 2e-4)
    slopes = np.array(columns)
    assert np.linalg.matrix_rank(slopes, tol=1e-6) == len(slopes) == elements(*case.inputs)


@pytest.mark.parametrize("name", [c.layer.activation for c in INJECTIVE if isinstance(c.layer, ls.Activation)])
def test_injective_functions_grow_everywhere(name):
    layer = ls.Activation(name)
    values = layer.define(np.linspace(-5, 5, 2001)[None])[0][0]
    assert (np.diff(values[0]) > 0).all()


@pytest.mark.parametrize("name", ["relu", "gelu", "softmax"])
def test_the_other_functions_lose_something(name):
    """A pair of inputs with one image."""
    assert not ls.Activation(name).injective
    pair = {
        "relu": ([[-1.0, 2.0]], [[-3.0, 2.0]]),
        "softmax": ([[0.0, 1.0]], [[5.0, 6.0]]),
        "gelu": ([[0.0, -40.0]], [[0.0, -50.0]]),
    }[name]
    one, two = (ls.Activation(name).define(np.array(x))[0][0] for x in pair)
    np.testing.assert_allclose(one, two, rtol=1e-12, atol=0)


@pytest.mark.parametrize("layer", [ls.Dense(9), ls.Conv2D(9, 1), ls.Conv2DTranspose(9, 3)], ids=lambda x: x.kind)
def test_layers_with_weights_claim_nothing_whatever_the_weights(layer):
    """All weights zero: everything becomes the same."""
    assert not layer.injective
    x = TensorType((1, 3, 3, 2))
    zero = {name: np.zeros(t.shape) for name, t in layer.weight_types(x).items()}
    case = Example(layer, (x,), layer.out(x))
    one, two = (define(layer, inputs_for(case, seed=s), zero)[0] for s in (0, 1))
    assert np.array_equal(one, two)


def test_flags_of_each_layer():
    """The list as it is meant; a changed claim shows here in words."""
    claims = {}
    for case in ALL:
        kind = case.layer.kind
        flags = claims.setdefault(kind, [set(), set(), set()])
        for seen, value in zip(flags, (case.layer.linear, case.layer.elementwise, case.layer.injective), strict=True):
            seen.add(value)
    assert {kind for kind, (linear, _, _) in claims.items() if linear == {True}} >= {
        *("Add", "AveragePooling2D", "BedOfNails2D", "Concatenate", "Cropping2D", "Dropout", "Flatten"),
        *("GlobalAveragePooling2D", "PixelShuffle2D", "Reshape", "UpSampling2D", "ZeroPadding2D"),
    }
    assert {kind for kind, (_, _, injective) in claims.items() if injective == {True}} >= {
        *("BedOfNails2D", "Concatenate", "Flatten", "PixelShuffle2D", "Reshape", "UpSampling2D", "ZeroPadding2D"),
    }
    assert claims["MaxPooling2D"] == claims["GlobalMaxPooling2D"] == [{False}, {False}, {False}]
