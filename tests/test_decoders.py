"""Encoders turned round: exact sizes, twins, the same place for every way of enlarging, and what is refused."""

import re

import numpy as np
import pytest

from layerscope import sources
from layerscope.analyses import mirror
from layerscope.analyses.cost import cost
from layerscope.core import propagate
from layerscope.core.errors import GraphError, ShapeError, UnknownNameError
from layerscope.core.graph import trace_calls
from layerscope.layers import Add, Conv2D, Flatten, Input, MaxPooling2D, UpSampling2D
from layerscope.models import Model
from layerscope.studies.decoders import USUAL, WAYS, autoencoder

DOCUMENT = "28x28x1 | conv 16 3 same relu | maxpool 2 same | conv 8 3 same relu | maxpool 2 same | conv 4 3 same relu | maxpool 2 same as code"

ENCODERS = {
    "the document's": DOCUMENT,
    "valid padding": "28x28x1 | conv 16 3 relu | maxpool 2 | conv 8 3 relu | maxpool 2 | conv 4 3 relu",
    "strided convolutions, odd, colour": "27x31x3 | conv 8 3 stride 2 same relu | conv 8 4 stride 2 relu",
    "average pools": "28x28x1 | conv 4 3 same relu | avgpool 2 | conv 2 3 same relu | avgpool 2",
    "pools of 3": "29x30x3 | conv 4 3 same relu | maxpool 3 | conv 2 3 relu | maxpool 3 same",
    "pools that overlap": "29x30x1 | conv 4 3 same relu | maxpool 3 strides=2 same | conv 2 5 | maxpool 3 strides=2",
    "several convolutions between pools": "20x20x3 | [ conv 4 3 same relu | conv 4 3 same relu | maxpool 2 ] x2",
    "a pool first, a pool after a pool": "24x20x3 | maxpool 2 | maxpool 2 | conv 4 3 same relu | avgpool 5",
    "unlike along the axes": "30x17x1 | maxpool 3 strides=2 | conv 4 5 relu | avgpool 3x2 | dropout 0.2 | maxpool 2x1 same",
    "one by one": "13x13x1 | conv 4 1 relu | maxpool 2 | conv 3 1 | maxpool 5",
    "to one position": "8x8x1 | conv 4 3 same relu | maxpool 8",
    "activations apart": "16x16x3 | conv 8 3 | relu | maxpool 2 | conv 8 3 same | tanh | avgpool 2",
    "a vector as code": "29x29x3 | conv 8 3 same | relu | avgpool 3 | flatten | dense 20 relu | dense 10 as code",
    "frames, groups, dilation": "32x32x2 | zeropad 2 | conv 4 3 groups 2 dilation 2 relu | maxpool 3 strides=1 | maxpool 2 | crop 1",
    "dilated and strided": "33x35x1 | conv 4 3 dilation 2 stride 2 relu | conv 4 3 dilation 3 same relu | maxpool 2",
    "stride 3, kernel 5": "40x41x1 | conv 6 5 stride 3 same relu | conv 4 5 relu | avgpool 2 same",
    "a kernel smaller than its stride": "21x22x1 | conv 4 1 stride 3 relu | conv 2 2 relu | maxpool 2",
}  # fmt: skip


def read(text):
    return sources.read(text)


def shapes(graph):
    return [types[0].shape[1:] for types in propagate.types(graph)]


@pytest.mark.parametrize("name", WAYS)
@pytest.mark.parametrize("text", ENCODERS.values(), ids=ENCODERS)
def test_a_decoder_leads_back_to_exactly_the_image(text, name):
    encoder = read(text)
    before = [tuple(map(str, shape)) for shape in shapes(encoder)]
    if mirror.obstacle(encoder, name):
        assert name == "unpool"
        return
    graph = autoencoder(encoder, name)
    found = [tuple(map(str, shape)) for shape in shapes(graph)]
    assert found[: len(before)] == before
    assert found[-1] == before[0]
    assert graph.outputs == ((len(graph.nodes) - 1, 0),)
    last = next(node.layer for node in reversed(graph.nodes) if hasattr(node.layer, "kernel_size"))
    assert last.activation == "sigmoid"


@pytest.mark.parametrize("text", ENCODERS.values(), ids=ENCODERS)
def test_tensors_have_twins_in_reverse(text):
    """Behind each undone layer stands the size that its input had, channels and all."""
    encoder = read(text)
    decoded = iter(shapes(autoencoder(encoder, "nearest"))[len(encoder.nodes) - 1 :])
    links = mirror.chain(encoder)
    pooled = {n for n, link in enumerate(links) if link.kind in mirror.POOLS or link.kind in mirror.SKIPPED}
    for number in range(len(links) - 1, -1, -1):
        # A pool's own input stands behind the enlargement, before it is framed and convolved in one.
        if number not in pooled:
            assert links[number].before.shape[1:] in decoded, links[number].label


def test_layers_of_the_documents_encoder():
    found = {name: [n.layer.kind for n in autoencoder(read(DOCUMENT), name).nodes[7:]] for name in WAYS}
    plain = ["{}", "Cropping2D", "Conv2D", "{}", "Conv2D", "{}", "Conv2D"]
    transposed = ["Conv2DTranspose", "Cropping2D", "Conv2DTranspose", "Conv2DTranspose"]
    assert found == {
        "nearest": [kind.format("UpSampling2D") for kind in plain],
        "bilinear": [kind.format("UpSampling2D") for kind in plain],
        "nails": [kind.format("BedOfNails2D") for kind in plain],
        "unpool": ["MaxUnpooling2D", "Conv2D"] * 3,
        "transpose": transposed,
        "subpixel": [
            "Conv2D",
            "PixelShuffle2D",
            "Cropping2D",
            "Conv2D",
            "PixelShuffle2D",
            "Conv2D",
            "PixelShuffle2D",
        ],
        "transpose3": transposed,
    }
    assert tuple(WAYS) == (*USUAL, "transpose3")


def kinds(text, name="nearest"):
    encoder = read(text)
    return [node.layer.kind for node in autoencoder(encoder, name).nodes[len(encoder.nodes) :]]


def test_what_belongs_to_one_stage():
    assert kinds("8x8x3 | conv 4 3 same | relu | dropout 0.5 | maxpool 2") == ["UpSampling2D", "Conv2D"]
    assert kinds("8x8x3 | conv 4 3 same | maxpool 2 | maxpool 2") == ["UpSampling2D", "Conv2D"] * 2
    assert kinds("8x8x3 | conv 4 3 same | conv 4 3 same stride 2") == ["UpSampling2D", "Conv2D", "Conv2D"]
    assert kinds("8x8x3 | conv 4 3 stride 2 | maxpool 3") == [
        "UpSampling2D", "Conv2D", "UpSampling2D", "ZeroPadding2D", "Conv2D",
    ]  # fmt: skip


def test_settings_of_what_enlarges():
    def settings(name, kind):
        graph = autoencoder(read("8x8x3 | conv 4 3 same | maxpool 4x2"), name)
        (layer,) = [node.layer for node in graph.nodes if node.layer.kind == kind]
        return layer

    assert settings("bilinear", "UpSampling2D").interpolation == "bilinear"
    assert settings("nearest", "UpSampling2D").interpolation == "nearest"
    assert settings("nearest", "UpSampling2D").size == settings("nails", "BedOfNails2D").size == (4, 2)
    assert settings("subpixel", "PixelShuffle2D").size == settings("transpose", "Conv2DTranspose").strides == (4, 2)


def test_what_valid_pools_without_strides_took_comes_back_around():
    graph = autoencoder(read("9x9x1 | conv 2 3 same | maxpool 3x4 strides=1 | maxpool 7x6"))
    (frame,) = [node.layer for node in graph.nodes if node.layer.kind == "ZeroPadding2D"]
    assert frame.padding == ((1, 1), (1, 2))


@pytest.mark.parametrize(
    "layer",
    [
        "maxpool 2", "maxpool 2 same", "maxpool 3 strides=2", "maxpool 3 strides=2 same", "maxpool 4 strides=2",
        "avgpool 5 strides=2 same", "conv 2 3 stride 2", "conv 2 3 stride 2 same", "conv 2 5 stride 3",
        "conv 2 3 stride 2 dilation 2",
    ],
)  # fmt: skip
@pytest.mark.parametrize("size", [24, 25, 26, 27])
def test_enlarged_cells_stand_over_the_windows_that_they_come_from(layer, size):
    (link,) = mirror.chain(read(f"{size}x{size}x1 | {layer}"))
    (stage,) = mirror.plan([link])
    window, stride, begin = link.window[0], link.strides[0], link.layer.placements(link.before)[0].pads[0]
    # Of the first cell: the middle of its block in the decoder, and of its window in the encoder.
    assert abs((stride - 1) / 2 - stage.cut[0] - ((window - 1) / 2 - begin)) <= 0.5


def test_sizes_of_the_documents_encoder():
    encoder = read(DOCUMENT)
    graphs = {name: autoencoder(encoder, name) for name in WAYS}
    costs = {name: cost(graph, propagate.types(graph)) for name, graph in graphs.items()}
    first = 16 * 10 + 8 * 145 + 4 * 73
    three, four = 8 * 37 + 16 * 73 + 145, 8 * (4 * 16 + 1) + 16 * (8 * 16 + 1) + 16 * 16 + 1
    assert {name: c.parameters - first for name, c in costs.items()} == {
        "nearest": three, "bilinear": three, "nails": three, "unpool": three, "transpose": four,
        "subpixel": 32 * 37 + 64 * 73 + 4 * 145, "transpose3": three,
    }  # fmt: skip
    # Behind nails products with zeros count; a transposed convolution multiplies each input once.
    inputs = 16 * 4 * 8 + 49 * 8 * 16 + 196 * 16
    assert costs["transpose3"].macs == 352_800 + 9 * inputs
    assert costs["transpose"].macs == 352_800 + 16 * inputs
    assert costs["nails"].macs == 352_800 + 9 * (49 * 4 * 8 + 196 * 8 * 16 + 784 * 16)


def test_kernels_of_transposed_convolutions():
    def kernel(text, name):
        graph = autoencoder(read(text), name)
        return next(n.layer.kernel_size for n in graph.nodes if n.layer.kind == "Conv2DTranspose")

    line = "24x24x1 | conv 2 {} same | maxpool {}"
    assert kernel(line.format(3, 2), "transpose") == (4, 4)  # 3 + 2 - 1
    assert kernel(line.format(5, 2), "transpose") == (6, 6)
    assert kernel(line.format(3, 3), "transpose") == (6, 6)  # 5, and the next multiple of 3
    assert kernel(line.format(1, 4), "transpose") == (4, 4)
    assert kernel(line.format(3, "4x2"), "transpose") == (8, 4)
    assert kernel(line.format(5, 2), "transpose3") == (3, 3)


# --- the place: with the right weights every way repeats each value over the window that it comes from ---

PLACES = {
    "even": "12x8x1 | conv 1 3 same | maxpool 2",
    "odd, same": "7x9x1 | conv 1 3 same | maxpool 2 same",
    "odd, valid": "7x9x1 | conv 1 3 same | maxpool 2",
    "a valid convolution": "14x13x1 | conv 1 3 | maxpool 2",
    "a valid convolution, same pools": "13x11x1 | conv 1 3 | maxpool 2 same",
    "by 3": "10x11x1 | conv 1 3 same | maxpool 3 same",
    "by 3 and 2": "13x11x1 | conv 1 3 | maxpool 3x2",
    "by 4, same": "9x10x1 | conv 1 3 same | maxpool 4 same",
}


def repeating(layer, stride):
    """A kernel with which the layer makes of each value a block of it."""
    kernel = np.zeros(layer.weights[0].shape, np.float32)
    rows, columns = layer.kernel_size
    if layer.kind == "Conv2DTranspose":
        top, left = (rows - stride[0]) // 2, (columns - stride[1]) // 2
        kernel[top : top + stride[0], left : left + stride[1]] = 1
    else:
        kernel[(rows - 1) // 2, (columns - 1) // 2] = 1
    return kernel


@pytest.mark.parametrize("name", ["transpose", "subpixel"])
@pytest.mark.parametrize("text", PLACES.values(), ids=PLACES)
def test_all_ways_enlarge_to_the_same_place(text, name):
    encoder = read(text)
    stride = mirror.chain(encoder)[-1].layer.strides
    image = np.random.default_rng(0).uniform(-9, 2, (2, *shapes(encoder)[0])).astype(np.float32)
    found = {}
    for way in ("nearest", name):
        model = Model.from_graph(autoencoder(encoder, way))
        for layer in model.layers:
            if layer.weights:
                layer.set_weights([repeating(layer, stride), np.zeros(layer.weights[1].shape, np.float32)])
        found[way] = model(image)
    assert np.abs(found[name] - found["nearest"]).max() < 1e-6
    assert np.ptp(found["nearest"]) > 0.1


@pytest.mark.parametrize(
    "text",
    ["12x8x1 | maxpool 2", "7x9x1 | maxpool 2 same", "7x5x1 | maxpool 3 same", "8x8x1 | maxpool 4", "9x9x1 | maxpool 4 same"],
)  # fmt: skip
def test_blocks_come_back_exactly(text):
    """An image that is constant in each window of the pool survives pooling and nearest upsampling."""
    encoder = read(text)
    link = mirror.chain(encoder)[0]
    (height, width), places = shapes(encoder)[0][:2], link.layer.placements(link.before)
    rows, columns = (
        (np.arange(n) + p.pads[0]) // s for n, p, s in zip((height, width), places, link.strides, strict=True)
    )
    values = np.random.default_rng(0).uniform(0, 1, (rows.max() + 1, columns.max() + 1))
    image = values[rows][:, columns][None, ..., None].astype(np.float32)
    model = Model.from_graph(autoencoder(encoder, "nearest"))
    (conv,) = [layer for layer in model.layers if layer.weights]
    conv.set_weights([repeating(conv, (1, 1)), np.zeros(1, np.float32)])
    assert np.abs(model(image) - 1 / (1 + np.exp(-image))).max() < 1e-6


def test_unpooling_puts_maxima_back_where_they_stood():
    model = Model.from_graph(autoencoder(read("7x7x1 | maxpool 2 same"), "unpool"))
    (conv,) = [layer for layer in model.layers if layer.weights]
    conv.set_weights([repeating(conv, (1, 1)), np.zeros(1, np.float32)])
    image = np.zeros((1, 7, 7, 1), np.float32)
    for n, (i, j) in enumerate([(0, 1), (2, 2), (3, 5), (6, 0), (6, 6)], 1):
        image[0, i, j, 0] = n
    assert np.abs(model(image) - 1 / (1 + np.exp(-image))).max() < 1e-6


# --- what else is known of an encoder ---


def test_switch_bits():
    # 2×2 windows choose among 4 cells; at the odd edge of "same" pooling among 2 or 1.
    assert mirror.switch_bits(read("28x28x1 | maxpool 2")) == 14 * 14 * 2
    assert mirror.switch_bits(read("7x7x3 | maxpool 2 same")) == 3 * (9 * 2 + 6 * 1)
    assert mirror.switch_bits(read("9x9x1 | maxpool 3")) == int(np.ceil(9 * np.log2(9)))
    assert mirror.switch_bits(read("28x28x1 | conv 2 3 stride 2 | avgpool 2")) == 0
    assert mirror.switch_bits(read(DOCUMENT)) == 16 * 392 + 8 * 98 + 4 * 24


def test_code_and_factors():
    encoder = read("30x17x1 | maxpool 3 strides=2 | conv 4 5 relu | avgpool 3x2 | maxpool 2x1 same")
    assert mirror.code(encoder) == (2, 2, 4)
    assert mirror.factors(encoder) == ((2, 1), (3, 2), (2, 2))


def test_a_layer_that_is_used_twice_stays_one():
    conv, image = Conv2D(2, 3, padding="same"), Input((8, 8, 2))
    encoder = trace_calls([image], [MaxPooling2D(2)(conv(conv(image)))])
    graph = autoencoder(encoder, "nearest")
    assert graph.nodes[1].layer is graph.nodes[2].layer
    assert graph.nodes[1].layer is not conv


# --- what is refused ---

UNDONE = (
    "convolutions, pools, ZeroPadding, Cropping, Dense, Flatten, Permute, Reshape, activations, normalisations, dropout, "
    "and branches that meet again"
)

REFUSED = {
    "unknown": ("8x8x1 | maxpool 2", "nearst", UnknownNameError, "unknown decoder 'nearst'. Did you mean 'nearest' or 'bilinear' or 'nails'?"),
    "no switches of strides": (
        "8x8x1 | conv 2 3 stride 2 as small | maxpool 2", "unpool", GraphError,
        "this encoder has no decoder 'unpool': small (Conv2D) is a convolution with strides and keeps no switches; "
        "only max pooling can be unpooled",
    ),
    "no switches of averages": (
        "8x8x1 | avgpool 2", "unpool", GraphError,
        "this encoder has no decoder 'unpool': average_pooling2d (AveragePooling2D) is an average and keeps no "
        "switches; only max pooling can be unpooled",
    ),
    "a decoder in it": (
        "8x8x1 | maxpool 2 | upsample 2", "nearest", GraphError,
        f"up_sampling2d (UpSampling2D) has no layer that undoes it here; an encoder may have {UNDONE}",
    ),
    "a sequence": (
        "9x4 | simple_rnn 4", "nearest", GraphError,
        f"simple_rnn (SimpleRNN) has no layer that undoes it here; an encoder may have {UNDONE}",
    ),
    "no layers": (
        "8x8x1", "nearest", GraphError,
        "this encoder has no layers: its code is its input, (batch, 8, 8, 1), and nothing is to be undone",
    ),
    "averages over everything": (
        "8x8x1 | conv 4 3 | gap", "unpool", GraphError,
        "this encoder has no decoder 'unpool': global_average_pooling2d (GlobalAveragePooling2D) is a pool over "
        "everything and keeps no switches; only max pooling can be unpooled",
    ),
    "along one axis": (
        "32x3 | conv1d 4 3 stride 2", "nails", GraphError,
        "this encoder has no decoder 'nails': conv1d (Conv1D) makes 1-D data smaller, and no layer enlarges it so; "
        "nearest, transpose and subpixel do",
    ),
    "channels first": (
        "3x8x8 | conv 4 3 data_format=channels_first", "nearest", GraphError,
        "conv2d (Conv2D) has its channels first; a decoder is made for channels last: "
        "(batch, height, width, channels)",
    ),
    "open sizes": (
        "heightxwidthx1 | maxpool 2", "nearest", ShapeError,
        "an encoder takes an input of known sizes, such as 28x28x1 (height, width, channels), but this one's is "
        "(batch, height, width, 1)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case):
    text, name, kind, message = REFUSED[case]
    with pytest.raises(kind, match=f"^{re.escape(message)}$"):
        autoencoder(read(text), name)


def test_branches_that_meet_again_are_one_block():
    image = Input((9, 8, 2))
    a = Conv2D(2, 3, strides=2, padding="same", name="a")(image)
    b = MaxPooling2D(2, padding="same", name="b")(Conv2D(2, 5, padding="same")(image))
    (link,) = mirror.chain(trace_calls([image], [Add(name="sum")([a, b])]))
    assert (link.kind, link.label, link.strides) == ("block", "a … sum", (2, 2))
    # 3 cells around the even ones against 5 and a neighbour: from two cells before the first to three behind
    assert [(cover.window, cover.begin) for cover in link.covers] == [(6, 2), (6, 2)]


def test_branches_that_are_refused():
    image = Input((8, 8, 1))
    a = Conv2D(2, 3, padding="same", name="a")(image)
    b = Conv2D(2, 3, strides=2, padding="same", name="b")(image)
    c = Conv2D(2, 3, padding="same", name="c")(image)
    flat = Flatten(name="flat")
    cases = {
        "an encoder has one input and one output, but this one has 1 and 2": [a, b],
        f"up (UpSampling2D) has no layer that undoes it here; an encoder may have {UNDONE}": [
            Add(name="sum")([a, UpSampling2D(2, name="up")(b)])
        ],
        "flat (Flatten) stands in a branch; between a split and the place where the branches meet only convolutions, "
        "pools, padding, cropping, activations and normalisations are undone": [Add(name="sum")([flat(a), flat(c)])],
    }
    for message, outputs in cases.items():
        with pytest.raises(GraphError, match=f"^{re.escape(message)}$"):
            autoencoder(trace_calls([image], outputs))


def test_branches_of_different_strides_are_refused():
    image = Input((2, 2, 1))
    a = Conv2D(2, 2, name="a")(image)  # both make one position of it, but not by the same steps
    b = MaxPooling2D(2, name="b")(Conv2D(2, 1)(image))
    message = "sum (Add) joins branches of different strides: 1x1 and 2x2"
    with pytest.raises(GraphError, match=f"^{re.escape(message)}$"):
        autoencoder(trace_calls([image], [Add(name="sum")([a, b])]))
