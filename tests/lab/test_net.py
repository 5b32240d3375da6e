"""Lines of text in the lab: what is wrong with them is told by a key, where, and with the numbers of the message."""

import json
from importlib.resources import files

import pytest

from layerscope.core.errors import LayerscopeError
from layerscope.lab import net, words
from layerscope.lab.net import LARGEST, LONGEST_AXIS, MOST_LAYERS
from layerscope.lab.scene import Text
from layerscope.lab.troubles import BY_AXIS, PATTERNS, trouble_of

A = "28x28x1 | "
WRONG = [
    ("", None, (0, 1), "net.empty", {}),
    ("28 28 1 | flatten", 0, (0, 2), "net.start", {}),
    ("ax28x1", 0, (0, 6), "net.open", {}),
    ("28x0x1", 0, (0, 6), "net.size", {"axis": Text("axis.width"), "value": 0}),
    ("100001x1x1", 0, (0, 10), "net.large", {"most": LONGEST_AXIS}),
    (A + "[ conv 3 3 same ] x65", None, (10, 1), "net.many", {"most": MOST_LAYERS}),
    (A + "conv 3 3 [ relu ] x2", None, (19, 1), "net.bracket.stage", {}),
    (A + "[" * 51, None, (60, 1), "net.bracket.deep", {"most": 50}),
    (A + "]", None, (10, 1), "net.bracket.unopened", {}),
    (A + "[ relu", None, (15, 1), "net.bracket.unclosed", {}),
    (A + "[ relu ] x0", None, (19, 1), "net.bracket.times", {}),
    (A + "wibblewobble", 1, (10, 12), "net.layer", {"name": "wibblewobble"}),
    (A + "convx 3", 1, (10, 5), "net.layer.near", {"name": "convx", "nearest": "conv, convt, deconv"}),
    (A + "concatenate", 1, (10, 11), "net.wordless", {"kind": "Concatenate"}),
    (A + "unpool", 1, (10, 6), "net.unpool.none", {}),
    (A + "conv 3", 1, (10, 6), "net.missing", {"kind": "Conv2D", "needed": "kernel_size", "usage": "conv FILTERS KERNEL_SIZE"}),
    (A + "conv 3 3 same same", 1, (24, 4), "net.twice", {"kind": "Conv2D", "setting": "padding"}),
    (A + "conv 3 3 as", 1, (19, 2), "net.as", {}),
    (A + "conv 3 3 3", 1, (19, 1), "net.bare", {"kind": "Conv2D", "places": "filters, kernel_size", "word": "3"}),
    (A + "flatten 3", 1, (18, 1), "net.bare.none", {"kind": "Flatten", "word": "3"}),
    (A + "conv 3 3 strides", 1, (19, 7), "net.value", {"word": "strides"}),
    (A + "crop a=1", 1, (15, 3), "net.setting", {"kind": "Cropping2D", "name": "a=1"}),
    (A + "conv 3 3 pading", 1, (19, 6), "net.setting.near", {"kind": "Conv2D", "name": "pading", "nearest": "padding"}),
    (A + "dense 3 activation=zzzz", 1, (10, 23), "net.activation", {"name": "zzzz"}),
    (A + "dense 3 activation=rel", 1, (10, 22), "net.activation.near", {"name": "rel", "nearest": "relu, relu6, elu"}),
    (A + "dense 3 activation=3", 1, (10, 20), "net.activation.name", {"kind": "Dense", "value": 3}),
    (A + "activation activation=none", 1, (10, 26), "net.activation.none", {"kind": "Activation"}),
    (A + "dense 3 as a | dense 3 as a", None, (0, 0), "net.name", {"name": "a"}),
    (A + "dense -1", 1, (10, 8), "net.least", {"kind": "Dense", "setting": "units", "least": 1, "value": -1}),
    (A + "dense 3.5", 1, (10, 9), "net.whole", {"kind": "Dense", "setting": "units", "value": "3.5"}),
    (A + "dense 9999999999999999999", 1, (10, 25), "net.most", {}),
    (A + "conv 3 3x3x3", 1, (10, 12), "net.axes", {"kind": "Conv2D", "setting": "kernel_size", "axes": 2, "value": "3x3x3"}),
    (A + "conv 3 3 padding=sme", 1, (10, 20), "net.padding", {"kind": "Conv2D", "value": "sme"}),
    (A + "flatten data_format=foo", 1, (10, 23), "net.format", {"kind": "Flatten", "value": "foo"}),
    (A + "up 2 interpolation=foo", 1, (10, 22), "net.interpolation", {"kind": "UpSampling2D", "value": "foo"}),
    (A + "dropout 1.5", 1, (10, 11), "net.rate", {"kind": "Dropout", "value": "1.5"}),
    (A + "leaky -1", 1, (10, 8), "net.number", {"kind": "LeakyReLU", "setting": "negative_slope", "least": 0, "value": -1}),
    (A + "convt 3 3 output_padding=1", 1, (10, 26), "net.output_padding", {"kind": "Conv2DTranspose", "value": "1x1", "strides": "1x1"}),
    (A + "conv 4 3 groups 3", 1, (10, 17), "net.groups.filters", {"kind": "Conv2D", "filters": 4, "groups": 3}),
    (A + "crop 1x2x3", 1, (10, 10), "net.frame", {"kind": "Cropping2D", "setting": "cropping", "value": "1x2x3"}),
    (A + "reshape 2.5", 1, (10, 11), "net.reshape.sequence", {"kind": "Reshape", "value": "2.5"}),
    (A + "reshape -1x-1", 1, (10, 13), "net.reshape.one", {"kind": "Reshape", "value": "-1x-1"}),
    ("28x28 | conv 3 3", 1, (8, 8), "net.rank.channel", {"kind": "Conv2D", "axes": 4, "shape": "28x28"}),
    (A + "flatten | conv 3 3", 2, (20, 8), "net.rank", {"kind": "Conv2D", "axes": 4, "shape": "784"}),
    (A + "conv 3 1x99", 1, (10, 11), "net.window.width", {"kind": "Conv2D", "window": 99, "size": 28}),
    ("1x1x1 | convt 3 2 same output_padding=0", 1, (8, 31), "net.convt.empty", {"kind": "Conv2DTranspose", "size": 0}),
    (A + "conv 2 3 groups 2", 1, (10, 17), "net.groups", {"kind": "Conv2D", "count": 1, "groups": 2}),
    (A + "conv 3 3 glu", 1, (10, 12), "net.glu", {"kind": "Conv2D", "size": 3}),
    (A + "reshape 5x5", 1, (10, 11), "net.reshape", {"kind": "Reshape", "shape": "28x28x1", "count": 784, "target": "5x5", "wanted": 25}),
    (A + "reshape 5x-1", 1, (10, 12), "net.reshape.multiple", {"kind": "Reshape", "shape": "28x28x1", "count": 784, "target": "5x-1", "wanted": 5}),
    (A + "crop 14", 1, (10, 7), "net.crop.height", {"kind": "Cropping2D", "cropping": "14,14x14,14", "size": 28}),
    (A + "bn 7", 1, (10, 4), "net.axis", {"kind": "BatchNormalization", "at": 7, "axes": 4, "shape": "28x28x1"}),
    (A + "bn 0", None, (0, 0), "net.axis.open", {"at": 0}),
    (A + "subpixel 2", 1, (10, 10), "net.shuffle", {"kind": "PixelShuffle2D", "rows": 2, "columns": 2, "block": 4, "count": 1}),
    (A + "pool 2 | conv 9 3 same | unpool", 3, (35, 6), "net.unpool.shapes", {"kind": "MaxUnpooling2D", "shape": "14x14x9", "switches": "14x14x1"}),
    (A + "pool 2 | unpool output_size=3", 2, (19, 20), "net.unpool.plane", {"kind": "MaxUnpooling2D", "value": "3x3", "plane": "28x28"}),
    ("4 | reshape 4x1 | reshape 4 | dense 2 | softmax | dense 3 nobias | reshape 3x1x1 | pad 1 | crop 1,1x2,2", 8, (91, 12), "net.crop.width",
     {"kind": "Cropping2D", "cropping": "1,1x2,2", "size": 3}),
]  # fmt: skip


@pytest.mark.parametrize(("text", "stage", "place", "key", "args"), WRONG, ids=[w[3] for w in WRONG])
def test_what_is_wrong_is_told_by_a_key_and_where(text, stage, place, key, args):
    trouble = net.read(text).trouble
    assert trouble is not None
    assert (trouble.stage, (trouble.start, trouble.length)) == (stage, place)
    assert (trouble.why.key, dict(trouble.why.args)) == (key, args)


UNREACHED = {"net.frame.pair", "net.dense.rank"}
"""Messages that a line of text does not reach: its pairs have two numbers, and its shapes an axis."""


def test_every_pattern_is_raised_by_a_text():
    raised = {key for *_, key, _ in WRONG}
    for pattern in PATTERNS:
        along = {f"{pattern}.height", f"{pattern}.width"} if pattern in BY_AXIS else {pattern}
        assert raised & along or pattern in UNREACHED, pattern
    assert trouble_of(LayerscopeError("something new")).key == "net.other"


def test_what_fits_has_no_trouble_and_all_stages():
    found = net.read("28x28x1 | [ conv 8 3 same relu ] x2 | pool 2 | flatten | dense 10")
    assert found.trouble is None
    assert found.stages == ("28x28x1", "conv 8 3 same relu", "conv 8 3 same relu", "pool 2", "flatten", "dense 10")
    assert [net.row(found, n)["name"] for n in range(6)] == [
        "input_layer", "conv2d", "conv2d_1", "max_pooling2d", "flatten", "dense"]  # fmt: skip
    assert net.totals(found) == {"parameters": 80 + 584 + 15690, "macs": 56448 + 451584 + 15680}


def test_stages_before_what_is_wrong_keep_their_facts():
    found = net.read("28x28x1 | conv 16 3 | conv 2 99 | flatten")
    assert [net.row(found, n)["shape"] for n in range(len(found.steps))] == [[28, 28, 1], [26, 26, 16]]
    assert found.stages[2:] == ("conv 2 99", "flatten")


def test_sizes_that_the_page_cannot_count_exactly_end_the_network():
    found = net.read("90000x90000x1 | conv 99999 1 | conv 99999 1")
    assert (found.trouble and found.trouble.why.key, len(found.steps)) == ("net.large", 2)
    assert 90000 * 90000 * 99999 <= LARGEST < 90000 * 90000 * 99999**2


def test_the_pages_table_of_layers_is_what_the_layers_say():
    told = files("layerscope.lab").joinpath("layers.json").read_text("utf-8")
    assert json.loads(told) == words.table(), "write it anew: words.written() has its text"
    assert told == words.written()
