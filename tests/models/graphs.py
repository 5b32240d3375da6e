"""Random graphs and random damage to their JSON, for hypothesis."""

import copy
import itertools

from hypothesis import strategies as st

from layerscope import Input, initializers
from layerscope.core.errors import LayerscopeError
from layerscope.core.graph import trace_calls
from layerscope.layers import (
    Activation,
    Add,
    BedOfNails2D,
    Concatenate,
    Conv2D,
    Conv2DTranspose,
    Cropping2D,
    Dense,
    Dropout,
    Flatten,
    GlobalAveragePooling2D,
    MaxPooling2D,
    MaxUnpooling2D,
    PixelShuffle2D,
    Reshape,
    UpSampling2D,
    ZeroPadding2D,
)

ACTIVATIONS = st.sampled_from([None, "relu", "softmax", "leaky_relu"])
INITIALIZERS = st.sampled_from(
    ["zeros", "he_normal", initializers.Constant(0.5), initializers.VarianceScaling(2.0, seed=3), initializers.Ones()]
)
PADDING = st.sampled_from(["valid", "same"])
NAMES = st.sampled_from([None, None, None, "first", "second", "a layer", "größe", "x/y", "#2"])
SIZES = st.integers(1, 3)
PAIRS = st.tuples(SIZES, SIZES)

LAYERS = st.one_of(
    st.builds(
        Conv2D, SIZES, PAIRS, strides=SIZES, padding=PADDING, activation=ACTIVATIONS, kernel_initializer=INITIALIZERS,
        use_bias=st.booleans(), name=NAMES,
    ),
    st.builds(Conv2DTranspose, SIZES, SIZES, strides=PAIRS, padding=PADDING, name=NAMES),
    st.builds(MaxPooling2D, PAIRS, padding=PADDING, return_switches=st.booleans(), name=NAMES),
    st.builds(UpSampling2D, PAIRS, interpolation=st.sampled_from(["nearest", "bilinear"])),
    st.builds(BedOfNails2D, SIZES),
    st.builds(PixelShuffle2D, PAIRS),
    st.builds(ZeroPadding2D, st.tuples(PAIRS, PAIRS)),
    st.builds(Cropping2D, SIZES),
    st.builds(Dense, SIZES, ACTIVATIONS, bias_initializer=INITIALIZERS, name=NAMES),
    st.builds(Activation, st.sampled_from(["relu", "softmax", "gelu"])),
    st.builds(Dropout, st.sampled_from([0.0, 0.25]), seed=st.sampled_from([None, 3])),
    st.builds(Reshape, st.sampled_from([(-1,), (-1, 1), (2, -1, 2)])),
    st.builds(Flatten),
    st.builds(GlobalAveragePooling2D, keepdims=st.booleans()),
    st.builds(Add, name=NAMES),
    st.builds(Concatenate, axis=st.sampled_from([-1, 1])),
    st.builds(MaxUnpooling2D, PAIRS),
)  # fmt: skip

OPEN = st.sampled_from([None, "side", 4, 5, 8])


@st.composite
def graphs(draw, shared=True):
    """A network that grew from one or two inputs by random layers at random tensors; some layers act twice."""
    names = draw(st.sampled_from([("image",), ("image", "mask"), (None,)]))
    starts = [Input((draw(OPEN), draw(OPEN), draw(SIZES)), name=name) for name in names]
    tensors, layers, used = list(starts), [], set()
    for _ in range(draw(st.integers(1, 8))):
        layer = draw(st.sampled_from(layers)) if shared and layers and draw(st.booleans()) else draw(LAYERS)
        if layer not in layers and layer.name in used:
            continue
        given = [draw(st.sampled_from(tensors)) for _ in range(2 if isinstance(layer, Add | Concatenate) else 1)]
        if isinstance(layer, MaxUnpooling2D):
            given = next(([a, b] for a, b in itertools.pairwise(tensors) if b.dtype == "int32"), given)
        try:
            made = layer(given)
        except LayerscopeError:
            continue
        layers.append(layer)
        used.add(layer.name)
        tensors += made if isinstance(made, tuple) else [made]
    ends = draw(st.lists(st.sampled_from(tensors), min_size=1, max_size=3, unique=True))
    try:
        return trace_calls(starts, ends, draw(st.sampled_from(["model", "größe"])))
    except LayerscopeError:
        return trace_calls(starts[:1], starts[:1])


JUNK = st.one_of(
    st.sampled_from(
        [
            None, True, False, 0, -1, 1, 2, 10**30, 1.5, float("nan"), "", "batch", "Dense", "InputLayer", "Opaque",
            [], {}, [[]], [None], ["+", 1], ["+", 1, "n"], ["//", 3, 0], ["//", "a", "b"], ["max", 1, 2], ["image", 0],
            [["image", 0]], "\ud800", "x" * 1000, {"shape": [1, 2]}, {"initializer": "Zeros"}, {"initializer": []},
            {"initializer": "Constant", "settings": []}, {"initializer": "Constant", "settings": {"value": "x"}},
        ]
    ),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=6,
    ),
)  # fmt: skip
KEYS = st.sampled_from(
    ["name", "kind", "settings", "x", "plane", "dtype", "outputs", "filters", "scope", "layerscope"]
)


def places(value, path=()):
    """The path of every part of nested lists and dictionaries."""
    yield path
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from places(value[key], (*path, key))


def at(value, path):
    for key in path:
        value = value[key]
    return value


@st.composite
def damaged(draw, documents):
    """One of the documents with one to three parts replaced, removed, added or put elsewhere."""
    document = copy.deepcopy(draw(st.sampled_from(documents)))
    for _ in range(draw(st.integers(1, 3))):
        paths = [path for path in places(document) if path]
        if not paths:
            break
        *way, last = draw(st.sampled_from(paths))
        inside, how = at(document, way), draw(st.integers(0, 9))
        if how < 6:
            inside[last] = copy.deepcopy(draw(JUNK))
        elif how < 7:
            del inside[last]
        elif how < 8 and isinstance(inside, dict):
            inside[draw(KEYS)] = copy.deepcopy(draw(JUNK))
        else:
            inside[last] = copy.deepcopy(at(document, draw(st.sampled_from(paths))))
    return document
