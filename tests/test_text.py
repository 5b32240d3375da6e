"""The one-line language: what it means, and where it points when it is wrong."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layerscope.core import propagate
from layerscope.core.contract import settings as settings_of
from layerscope.core.errors import LayerscopeError, TextError
from layerscope.sources import text


def layers(line):
    return [node.layer for node in text.read(line).nodes][1:]


def one(line):
    (layer,) = layers(f"12x12x4 | {line}")
    return layer.kind, {k: v for k, v in settings_of(layer).items() if v is not None}


@pytest.mark.parametrize(
    ("line", "kind", "expected"),
    [
        ("conv 16 3", "Conv2D", {"filters": 16, "kernel_size": (3, 3), "padding": "valid"}),
        ("Conv2D 16 3x5 SAME relu", "Conv2D", {"kernel_size": (3, 5), "padding": "same", "activation": "relu"}),
        ("conv 8 3 stride 2 dilation 1x2 groups 4 nobias", "Conv2D", {"strides": (2, 2), "dilation_rate": (1, 2)}),
        ("conv filters=8 kernel_size=3 strides=2x1", "Conv2D", {"filters": 8, "strides": (2, 1)}),
        ("conv 8 3 use_bias=no", "Conv2D", {"use_bias": False}),
        ("conv 8 3 initializer he_normal", "Conv2D", {"kernel_initializer": "he_normal"}),
        ("convt 8 3 stride 2 same output_padding=1", "Conv2DTranspose", {"output_padding": (1, 1)}),
        ("maxpool 3 2", "MaxPooling2D", {"pool_size": (3, 3), "strides": (2, 2), "return_switches": False}),
        ("avgpool 2 same", "AveragePooling2D", {"padding": "same"}),
        ("upsample 3 bilinear", "UpSampling2D", {"size": (3, 3), "interpolation": "bilinear"}),
        ("nails 2x3", "BedOfNails2D", {"size": (2, 3)}),
        ("pixelshuffle 2x1", "PixelShuffle2D", {"size": (2, 1)}),
        ("subpixel 2", "PixelShuffle2D", {"size": (2, 2)}),
        ("reshape 4x144", "Reshape", {"target_shape": (4, 144)}),
        ("dropout 0.25", "Dropout", {"rate": 0.25}),
        ("activation leaky_relu", "Activation", {"activation": "leaky_relu"}),
        ("zeropad 2", "ZeroPadding2D", {"padding": ((2, 2), (2, 2))}),
        ("crop 1", "Cropping2D", {"cropping": ((1, 1), (1, 1))}),
        ("gap keepdims=yes", "GlobalAveragePooling2D", {"keepdims": True}),
        ("dense 5 softmax nobias", "Dense", {"units": 5, "activation": "softmax", "use_bias": False}),
    ],
)
def test_what_words_mean(line, kind, expected):
    found_kind, found = one(line)
    assert found_kind == kind
    assert {key: found[key] for key in expected} == expected


def test_names_lines_and_repetition():
    graph = text.read("28x28x1\nconv 4 3 as first; maxpool 2 | [ conv 4 3 same ] x3")
    assert [node.name for node in graph.nodes] == [
        "input_layer", "first", "max_pooling2d", "conv2d", "conv2d_1", "conv2d_2",
    ]  # fmt: skip
    assert [node.name for node in text.read("8x8x1 as image | flatten").nodes] == ["image", "flatten"]
    nested = text.read("64x64x1 | [ [ conv 2 3 same ] x2 | maxpool 2 ] x2")
    assert [node.layer.kind for node in nested.nodes[1:]] == ["Conv2D", "Conv2D", "MaxPooling2D"] * 2


def test_open_sizes_have_names():
    graph = text.read("h×w×3 | conv 8 3 stride 2 same")
    (out,) = propagate.types(graph)[-1]
    assert str(out) == "(batch, floor((h + 1) / 2), floor((w + 1) / 2), 8)"


def test_unpool_closes_the_last_open_pool():
    graph = text.read("9x9x1 | maxpool 3 2 same | conv 1 3 same | maxpool 2 | unpool | conv 1 3 same | unpool")
    pools = {n.name: n for n in graph.nodes}
    first, second = pools["max_unpooling2d"], pools["max_unpooling2d_1"]
    assert graph.nodes[first.inputs[1][0]].name == "max_pooling2d_1"
    assert graph.nodes[second.inputs[1][0]].name == "max_pooling2d"
    assert (second.layer.pool_size, second.layer.strides, second.layer.padding) == ((3, 3), (2, 2), "same")
    kept = text.read("8x8x1 | maxpool 2 | maxpool 2 | unpool")
    assert [n.layer.return_switches for n in kept.nodes[1:3]] == [False, True]


WRONG = {
    "": 'the text is empty; a network looks like "28x28x1 | conv 16 3 | flatten | dense 10"',
    "conv 16 3 | dense 3": 'a network starts with the sizes of one example, as in "28x28x1 | ..."\n\n'
    "  conv 16 3 | dense 3\n  ^^^^",
    "8x8x1 | conv 16": "Conv2D needs kernel_size: conv FILTERS KERNEL_SIZE\n\n  8x8x1 | conv 16\n          ^^^^^^^",
    "8x8x1 | conv 16 3 7": "Conv2D takes filters and kernel_size as bare words; what is '7'?\n\n"
    "  8x8x1 | conv 16 3 7\n                    ^",
    "8x8x1 | conv 16 3 smae": "unknown setting of Conv2D 'smae'. Did you mean 'same' or 'softmax' or 'selu'?\n\n"
    "  8x8x1 | conv 16 3 smae\n                    ^^^^",
    "8x8x1 | conv 16 3 stride": "'stride' needs a value after it\n\n"
    "  8x8x1 | conv 16 3 stride\n                    ^^^^^^",
    "8x8x1 | conv 16 3 same valid": "Conv2D is told its padding twice\n\n"
    "  8x8x1 | conv 16 3 same valid\n                         ^^^^^",
    "8x8x1 | unpool": "nothing to undo: each unpool needs a maxpool before it that is not undone yet\n\n"
    "  8x8x1 | unpool\n          ^^^^^^",
    "8x8x1 | add": "Add joins several tensors, which one line cannot say; use Python or JSON\n\n"
    "  8x8x1 | add\n          ^^^",
    "8x8x1 | spectralnormalization": "SpectralNormalization holds other layers, which one line cannot say; "
    "use Python or JSON\n\n  8x8x1 | spectralnormalization\n          ^^^^^^^^^^^^^^^^^^^^^",
    "8x8x1 | inputlayer": "InputLayer stands first, as the sizes of one example\n\n"
    "  8x8x1 | inputlayer\n          ^^^^^^^^^^",
    "8x8x1 | conv 3 3 causal": "Conv2D: padding must be 'valid' or 'same', not 'causal'\n\n"
    "  8x8x1 | conv 3 3 causal\n          ^^^^^^^^^^^^^^^",
    "8x8x3 | conv 5 3 glu": "Conv2D: activation='glu' halves the last axis, which must be even, but is 5: "
    "(batch, 6, 6, 5)\nThe data's journey so far: input (8, 8, 3)\n\n  8x8x3 | conv 5 3 glu\n          ^^^^^^^^^^^^",
    "8x8x1 | [ conv 1 3": 'a bracket "[" is not closed\n\n  8x8x1 | [ conv 1 3\n                   ^',
    "8x8x1 | conv 1 3 ]": "this bracket was never opened\n\n  8x8x1 | conv 1 3 ]\n                   ^",
    "8x8x1 | [ conv 1 3 ]": 'after the brackets say how often, as in "[ conv 8 3 same ] x2"\n\n'
    "  8x8x1 | [ conv 1 3 ]\n          ^",
    "8x8x1 | conv 1 3 [ flatten ] x2": 'a bracket starts a stage of its own; put "|" before it\n\n'
    "  8x8x1 | conv 1 3 [ flatten ] x2\n                   ^",
    "8x8x1 | [[[[[ flatten ]x99999]x9]x9]x9]x9": "more than 10,000 layers\n\n"
    "  8x8x1 | [[[[[ flatten ]x99999]x9]x9]x9]x9\n              ^",
    "8x8x1 | " + "[" * 51: "brackets within brackets, more than 50 deep\n\n"
    "  ... " + "[" * 50 + "[\n  " + " " * 54 + "^",
    "8x8x1 | dropout 2": "Dropout: rate must be at least 0 and below 1, not 2\n\n"
    "  8x8x1 | dropout 2\n          ^^^^^^^^^",
}


@pytest.mark.parametrize("line", WRONG)
def test_mistakes_point_at_their_place(line):
    with pytest.raises(TextError) as caught:
        text.read(line)
    assert str(caught.value) == WRONG[line]


VOCABULARY = st.sampled_from(
    ["8x8x1", "|", "[", "]", "x2", "conv", "maxpool", "unpool", "dense", "flatten", "3", "2", "0", "-1"]
    + ["same", "relu", "stride", "=", "as", "1.5", "9999999", "\n", ";", "é", "x"]
)


def read_or_be_told(line):
    """A graph, or a mistake that has a message; anything else fails the test."""
    try:
        return text.read(line)
    except LayerscopeError as error:
        return str(error)


@settings(max_examples=400, deadline=None)
@given(st.lists(VOCABULARY, max_size=14))
def test_any_words_are_a_network_or_a_clear_mistake(words):
    assert read_or_be_told("8x8x1 | " + " ".join(words))


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=40))
def test_any_text_is_a_network_or_a_clear_mistake(line):
    assert read_or_be_told(line)
