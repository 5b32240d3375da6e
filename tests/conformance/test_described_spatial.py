"""Described spatial layers against Keras 3: shapes, weights, refusals; products by counting; reads by poking."""

from __future__ import annotations

import functools
import inspect
from dataclasses import MISSING, fields
from typing import Any

import numpy as np
import pytest

import layerscope as ls
from contract.cases import same_pads
from contract.test_reach import claimed, steered_union
from layerscope import layers
from layerscope.core.contract import Example
from layerscope.core.errors import ExportError, LayerscopeError, ShapeError
from layerscope.core.types import TensorType
from layerscope.layers import _activation

from . import keras_oracle
from .described_spatial import KINDS, POKES, Case, cases

COUNT = 48


@pytest.fixture(scope="module")
def keras():
    import keras

    return keras


def theirs(keras, case: Case):
    """What Keras says: the output's shape, and name, shape and trainability of the weights, in its order."""
    kind, settings, shapes = case
    layer = getattr(keras.layers, kind)(**settings)
    with keras_oracle.without_values():
        given = [keras.KerasTensor(shape) for shape in shapes]
        layer(given[0] if len(given) == 1 and kind not in MERGES else given)
    told = shapes[0] if len(shapes) == 1 and kind not in MERGES else shapes
    weights = [(weight.name, tuple(weight.shape), weight.trainable) for weight in layer.weights]
    return tuple(layer.compute_output_shape(told)), weights, layer.count_params()


def ours(case: Case):
    kind, settings, shapes = case
    layer = getattr(layers, kind)(**settings)
    types = [TensorType(shape) for shape in shapes]
    (out,) = layer.out(*types)
    weights = layer.weight_types(*types)
    listed = [(name, weight.shape, weight.trainable) for name, weight in weights.items()]
    return out.shape, listed, sum(weight.size for weight in weights.values())


MERGES = ("Subtract", "Multiply", "Average", "Maximum", "Minimum", "Dot")


@pytest.mark.parametrize("kind", KINDS)
def test_shapes_weights_and_refusals_are_those_of_keras(keras, kind):
    met = 0
    for case in cases(kind, COUNT):
        try:
            wanted = theirs(keras, case)
        except (ValueError, IndexError):  # the latter where Keras does not look at the number of axes first
            with pytest.raises(LayerscopeError):
                ours(case)
            continue
        assert ours(case) == wanted, case
        met += 1
    assert met > COUNT / 4


REFUSED = ("Conv", "Depthwise", "Separable", "MaxPool", "AveragePool", "Cropping", "ZeroPadding", "UpSampling", "Dot")


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.startswith(REFUSED)])
def test_some_of_the_cases_are_refused(keras, kind):
    """So that the test above compares refusals, too."""
    refused = 0
    for case in cases(kind, COUNT):
        try:
            ours(case)
        except ShapeError:
            refused += 1
    assert refused


DEFAULT_MORE = {"AveragePooling1D": "pool_size", "AveragePooling2D": "pool_size", "AveragePooling3D": "pool_size"}
OF_TRAINING = ("_regularizer", "_constraint")


@pytest.mark.parametrize("kind", [*KINDS, "Add", "Concatenate", "Dropout", "SpectralNormalization"])
def test_settings_have_keras_names_order_and_defaults(keras, kind):
    """All but penalties and constraints; a mean pool's window of 2 and our own settings behind are what we add."""
    told = inspect.signature(getattr(keras.layers, kind).__init__).parameters.values()
    wanted = {
        p.name: p.default
        for p in told
        if p.name not in ("self", "kwargs", "name", "dtype") and not p.name.endswith(OF_TRAINING)
    }
    cls = getattr(layers, kind)
    every = [f.name for f in fields(cls) if f.init]
    names = [name for name in every if name not in ("name", "trainable") and not name.endswith(OF_TRAINING)]
    assert {p.name for p in told if p.name.endswith(OF_TRAINING)} <= set(every)
    assert names[: len(wanted)] == list(wanted)
    assert names[len(wanted) :] in ([], ["groups"], ["return_switches"], ["rms_scaling"])
    required = [name for name, default in wanted.items() if default is inspect.Parameter.empty]
    assert [f.name for f in fields(cls) if f.init and f.default is MISSING] in (
        required,
        [name for name in required if name != DEFAULT_MORE.get(kind)],
    )
    given = {name: ONE[name] for name in required}
    mine = cls(**(given | {"layer": layers.Dense(2)} if "layer" in given else given))
    theirs = getattr(keras.layers, kind)(**(given | {"layer": keras.layers.Dense(2)} if "layer" in given else given))
    for name, default in wanted.items():
        if name not in required and not name.endswith("_initializer") and hasattr(theirs, name):
            assert plain(getattr(mine, name)) == plain(settled(theirs, name)), name
            assert default is inspect.Parameter.empty or name in names


ONE: dict[str, Any] = {
    "filters": 4, "kernel_size": 3, "pool_size": 2, "output_size": 2, "dims": (1,), "n": 2, "axes": 1, "rate": 0.5,
    "stddev": 0.5, "layer": None,
}  # fmt: skip


def settled(layer: Any, name: str) -> Any:
    """A setting as Keras's layer holds it, its own defaults of image order and activation put back to None."""
    value = getattr(layer, name)
    if name == "data_format" and value == "channels_last":
        return None
    if name == "activation" and getattr(value, "__name__", "") == "linear":
        return None
    return value


def plain(value: Any) -> Any:
    """Lists as tuples, and what is alone in one by itself: of one axis Keras holds numbers and pairs."""
    if not isinstance(value, list | tuple):
        return value
    return plain(value[0]) if len(value) == 1 else tuple(plain(part) for part in value)


ALIASES = ("AvgPool", "Convolution", "GlobalAvgPool", "GlobalMaxPool", "MaxPool", "SeparableConvolution")


def test_other_names_of_keras_are_known(keras):
    found = 0
    for name in dir(keras.layers):
        cls = getattr(keras.layers, name)
        if name.startswith(ALIASES) and inspect.isclass(cls) and cls.__name__ != name:
            assert getattr(layers, name).__name__ == cls.__name__
            assert layers.layer_class(name) is getattr(layers, cls.__name__)
            found += 1
    assert found == 20


def test_all_activations_of_keras_are_known(keras):
    names = {name for name in dir(keras.activations) if not name.startswith("_")}
    assert set(_activation.KNOWN) - set(_activation.OWN) == names - {"get", "serialize", "deserialize"}


@pytest.mark.parametrize("name", sorted({*_activation.KNOWN} - {*_activation.OWN}))
def test_activations_keep_or_halve_and_mix_as_keras_does(keras, name):
    """Shape from a call (Keras's own inference overlooks that glu halves), reads from pokes, distinctness too."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(1, 3, 6)).astype(np.float32)
    function = getattr(keras.activations, name)
    if name == "threshold":  # which Keras cannot call without arguments of its own
        function = functools.partial(function, threshold=0.1, default_value=0.0)
    y = np.asarray(function(x))
    for layer in (layers.Activation(name), layers.Dense(6, name), layers.Conv1D(6, 1, activation=name)):
        assert layer.out(TensorType(x.shape))[0].shape == y.shape
    changed = np.zeros((y.size, x.size), bool)
    for trial in range(60):  # flat pieces hide a change; somewhere else it shows
        base = rng.normal(scale=0.3 + trial / 10, size=x.shape).astype(np.float32)
        many = np.repeat(base, x.size, axis=0)
        many.reshape(x.size, -1)[np.arange(x.size), np.arange(x.size)] += 0.5
        before = np.asarray(function(np.repeat(base, x.size, axis=0)))
        changed |= (np.abs(np.asarray(function(many)) - before) > 1e-6).reshape(x.size, -1).T
    layer = layers.Activation(name)
    case = Example(layer, (TensorType(x.shape),), layer.out(TensorType(x.shape)))
    assert layer.elementwise == (not (changed & ~np.eye(*changed.shape, dtype=bool)).any())
    assert not (changed & ~claimed(case, 0)).any()
    if layer.elementwise:
        assert np.array_equal(changed, claimed(case, 0))
    if layer.injective:
        values = np.asarray(function(np.linspace(-4, 4, 2001, dtype=np.float32)))
        assert (np.diff(values) > 0).all()


def products(keras, layer, shape: tuple[int, ...], settings: dict[str, Any]) -> int:
    """What Keras adds up when all inputs and kernels are 1, before any crop, with cells of padding that are 1."""
    kind, rank = layer.kind, layer.rank
    first = settings.get("data_format") == "channels_first"
    middle, channels = (list(shape[2:]), shape[1]) if first else (list(shape[1:-1]), shape[-1])
    if layer.padding != "valid" and "Transpose" not in kind:
        for axis, (n, k, s, d) in enumerate(
            zip(middle, layer.kernel_size, layer.strides, layer.dilation_rate, strict=True)
        ):
            span = d * (k - 1) + 1
            middle[axis] = n + (span - 1 if layer.padding == "causal" else sum(same_pads(n, span, s)))
    told = settings | {"padding": "valid", "activation": None, "use_bias": False}
    told |= dict.fromkeys(INITIALIZERS[kind.replace(f"{rank}D", "")], "ones")
    if "Transpose" in kind:
        told["output_padding"] = None
    given = (shape[0], channels, *middle) if first else (shape[0], *middle, channels)
    total = float(np.asarray(getattr(keras.layers, kind)(**told)(np.ones(given, np.float32)), np.float64).sum())
    assert total == round(total)
    return round(total)


INITIALIZERS = {
    "Conv": ["kernel_initializer"], "ConvTranspose": ["kernel_initializer"],
    "DepthwiseConv": ["depthwise_initializer"],
}  # fmt: skip
PRODUCTS = [kind for kind in KINDS if kind.startswith(("Conv", "DepthwiseConv"))]


@pytest.mark.parametrize("kind", PRODUCTS)
def test_products_are_what_keras_adds_up(keras, kind):
    met = 0
    for case in cases(kind, 30, start=1):
        _, settings, shapes = case
        layer = getattr(layers, kind)(**settings)
        try:
            counted = layer.macs(TensorType(shapes[0]))
        except ShapeError:
            continue
        assert counted == products(keras, layer, shapes[0], settings), case
        met += 1
        if met == 10:
            return
    raise AssertionError("too few cases")


@pytest.mark.parametrize("rank", [1, 2])
def test_products_of_separable_convolutions_are_those_of_their_parts(keras, rank):
    """A depthwise convolution and one of kernel size 1, each counted through Keras."""
    met = 0
    for _, settings, shapes in cases(f"SeparableConv{rank}D", 24, start=1):
        layer = getattr(layers, f"SeparableConv{rank}D")(**settings)
        try:
            counted = layer.macs(TensorType(shapes[0]))
        except ShapeError:
            continue
        own = {k: v for k, v in settings.items() if k != "filters"}
        deep = getattr(layers, f"DepthwiseConv{rank}D")(**own | {"activation": None})
        first = products(keras, deep, shapes[0], own)
        (middle,) = deep.out(TensorType(shapes[0]))
        told = {"filters": settings["filters"], "kernel_size": 1, "data_format": settings["data_format"]}
        second = products(keras, getattr(layers, f"Conv{rank}D")(**told), middle.shape, told)
        assert counted == first + second
        met += 1
    assert met >= 8


@pytest.mark.parametrize("normalize", [False, True])
def test_products_of_dot(keras, normalize):
    for _, settings, shapes in cases("Dot", 24, start=1):
        layer = layers.Dot(**settings | {"normalize": normalize})
        try:
            counted = layer.macs(*map(TensorType, shapes))
        except ShapeError:
            continue
        fed = [np.ones(shape, np.float32) for shape in shapes]
        assert counted == np.asarray(keras.layers.Dot(settings["axes"])(fed)).sum()


BUMP = 1000.0
"""Large, as the outer weights of interpolations are small."""
NORMALISED = ("Normalization", "Softmax")


def poked(keras, kind: str, settings: dict[str, Any], shapes: list[tuple[int, ...]], number: int = 0) -> np.ndarray:
    """(outputs, inputs) of truth: whether bumping an element changes an output of Keras's layer, weights positive."""
    if kind.endswith(NORMALISED) or settings.get("activation"):  # changes may cancel by chance; not three times
        tries = [_poked(keras, kind, settings, shapes, number, seed, 0.5, 1.0) for seed in range(3)]
        return np.logical_or.reduce(tries)
    return _poked(keras, kind, settings, shapes, number, 5, BUMP, 0.0)


def _poked(keras, kind, settings, shapes, number, seed, bump, spread) -> np.ndarray:
    rng = np.random.default_rng(seed)
    bases = [(1 + spread * rng.normal(size=shape)).astype(np.float32) for shape in shapes]
    layer = getattr(keras.layers, kind)(**settings)
    count = int(np.prod(shapes[number]))
    still = [np.concatenate([base] * count) for base in bases]
    many = [array.copy() for array in still]
    many[number].reshape(count, count)[np.arange(count), np.arange(count)] += bump
    layer.build(still[0].shape if len(still) == 1 else [array.shape for array in still])
    for weight in layer.weights:
        weight.assign(rng.uniform(0.5, 1.5, weight.shape))
    before, after = (np.asarray(layer(x[0] if len(x) == 1 else x)) for x in (still, many))
    least = max(1e-5, 1e-6 * bump)  # a kernel that is zero at whole distances is 1e-8 there in float32
    return (np.abs(after - before) > least).reshape(count, -1).T


def check(keras, kind: str, settings: dict[str, Any], shapes: list[tuple[int, ...]]) -> None:
    layer = getattr(layers, kind)(**settings)
    types = tuple(map(TensorType, shapes))
    case = Example(layer, types, layer.out(*types))
    for number in range(len(shapes)):
        found, said = poked(keras, kind, settings, shapes, number), claimed(case, number)
        if kind == "GroupNormalization" and settings["groups"] == 2:
            assert not (found & ~said).any()
            found = steered_union(case, number, found)  # of its two halves of the channels each reads one
        assert np.array_equal(found, said), f"input {number} of {kind}({settings}) on {shapes}"


@pytest.mark.parametrize(("kind", "settings", "shape"), POKES, ids=str)
def test_reads_are_what_poking_keras_finds(keras, kind, settings, shape):
    check(keras, kind, settings, [shape])


@pytest.mark.parametrize("kind", ["Subtract", "Multiply", "Average"])
def test_reads_of_merges(keras, kind):
    check(keras, kind, {}, [(1, 3, 4, 2), (1, 3, 1, 2)])
    check(keras, kind, {}, [(1, 4), (1, 3, 4)])


@pytest.mark.parametrize("settings", [{"axes": (2, 1)}, {"axes": (1, 3)}, {"axes": 1}], ids=str)
def test_reads_of_dot(keras, settings):
    shapes = {(2, 1): [(1, 3, 4), (1, 4, 2)], (1, 3): [(1, 4, 2), (1, 2, 3, 4)], 1: [(1, 5), (1, 5)]}
    check(keras, "Dot", settings, shapes[settings["axes"]])


def test_a_wrong_read_is_found(keras):
    """Poking can fail: the reads of one pad do not pass for those of another."""
    layer, x = layers.ZeroPadding1D((0, 3)), TensorType((1, 4, 2))
    case = Example(layer, (x,), layer.out(x))
    assert not np.array_equal(poked(keras, "ZeroPadding1D", {"padding": (1, 2)}, [x.shape]), claimed(case, 0))


def test_spectral_normalization(keras):
    for inner, shape in (("Conv2D", (2, 7, 6, 3)), ("Dense", (2, 5)), ("Conv1D", (2, 7, 3))):
        settings = {"units": 4} if inner == "Dense" else {"filters": 4, "kernel_size": 3}
        layer = keras.layers.SpectralNormalization(getattr(keras.layers, inner)(**settings))
        layer.build(shape)
        mine = layers.SpectralNormalization(getattr(layers, inner)(**settings))
        listed = [
            (name, weight.shape, weight.trainable) for name, weight in mine.weight_types(TensorType(shape)).items()
        ]
        assert listed == [(w.name, tuple(w.shape), w.trainable) for w in layer.weights]
        assert mine.out(TensorType(shape))[0].shape == tuple(layer.compute_output_shape(shape))
    with pytest.raises(ShapeError) as caught:
        layers.SpectralNormalization(layers.ReLU()).out(TensorType((2, 5)))
    assert str(caught.value) == "the inner ReLU has neither a kernel nor embeddings to be normalised"


def test_no_target_takes_what_is_not_computed(tmp_path):
    x, y = ls.Input((8, 6, 3), name="x"), ls.Input((2,), name="y")
    made = layers.Add(name="sum")([layers.Conv2D(2, 3, activation="sparsemax", name="conv")(x), y])
    net = ls.Model([x, y], made, name="net")
    why = (
        "conv (Conv2D): activation='sparsemax' can be traced, but not computed or trained; those that can: "
        + ", ".join(_activation.NAMES)
    )
    uneven = "sum (Add): its inputs have 4 and 2 axes; bring them to the same number by Reshape"
    for file, form in (("net.onnx", "ONNX"), ("net.pt2", "a PyTorch module")):
        with pytest.raises(ExportError) as caught:
            net.export(tmp_path / file)
        assert str(caught.value) == f"this model cannot become {form}:\n  {why}\n  {uneven}"
    with pytest.raises(ExportError) as caught:
        net.to_keras()
    assert str(caught.value) == f"this model cannot become a Keras model:\n  {why}"


def test_add_of_fewer_axes_goes_to_keras(keras):
    x, y = ls.Input((4, 5, 3)), ls.Input((3,))
    net = ls.Model([x, y], layers.Add()([x, y]))
    a, b = np.ones((2, 4, 5, 3), np.float32), np.arange(6, dtype=np.float32).reshape(2, 3)
    np.testing.assert_allclose(np.asarray(net.to_keras()([a, b])), net.predict([a, b], verbose=0))
