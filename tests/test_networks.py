"""Parameters, multiply-accumulates, receptive fields and effective strides of well-known networks."""

import pytest
from tests import networks

import layerscope as ls
from layerscope.analyses import receptive_field
from layerscope.core import propagate
from layerscope.core.graph import trace_calls
from layerscope.layers import LSTM, Attention, Dense, Embedding, Input, MultiHeadAttention
from layerscope.sources.json import load

# Trainable parameters, and MACs of one 224×224 image: torchvision's, without statistics of batch normalisation.
COUNTS = {
    "ResNet-18": (networks.resnet(18), 11_689_512, 1_814_073_344),
    "ResNet-34": (networks.resnet(34), 21_797_672, 3_663_761_408),
    "ResNet-50 v1.5": (networks.resnet(50), 25_557_032, 4_089_184_256),
    "ResNet-50 v1": (networks.resnet(50, "v1"), 25_557_032, 3_857_973_248),
    "ResNet-101 v1.5": (networks.resnet(101), 44_549_160, 7_801_405_440),
    "ResNet-152 v1.5": (networks.resnet(152), 60_192_808, 11_513_626_624),
    "VGG-16": (networks.vgg16(), 138_357_544, 15_470_264_320),
}


@pytest.mark.parametrize("name", COUNTS)
def test_parameters_and_macs(name):
    graph, parameters, macs = COUNTS[name]
    totals = ls.trace(graph).totals
    assert (totals["trainable_parameters"], totals["macs"]) == (parameters, macs)
    assert totals["at_least"] is False


# All parameters, statistics included: what Keras counts for its own MobileNet and InceptionV3, which are the same.
ALL = {"MobileNet v1": (networks.mobilenet(), 4_253_864), "Inception v3": (networks.inception_v3(), 23_851_784)}


@pytest.mark.parametrize("name", ALL)
def test_parameters_with_statistics(name):
    graph, parameters = ALL[name]
    assert ls.trace(graph).totals["parameters"] == parameters


@pytest.mark.parametrize("batch", [2, 64])
def test_macs_are_those_of_one_image_times_the_batch(batch):
    assert ls.trace(networks.resnet(18), batch=batch).totals["macs"] == 1_814_073_344 * batch


def stages(graph):
    """By layer: the receptive field (the smallest and the largest) and the effective stride, where both axes agree."""
    seen = receptive_field.fields(graph, propagate.types(graph))
    found = {}
    for node, outputs in zip(graph.nodes, seen, strict=True):
        rows = [outputs[0][0, axis] for axis in (1, 2) if (0, axis) in outputs[0]]
        told = {(row.extents, row.jump) for row in rows if not row.everything and row.bound is None}
        if len(rows) == 2 and len(told) == 1:
            (found[node.name],) = told
    return found


SLIM = {
    "AlexNet v2": (
        networks.alexnet_v2(),
        {"conv1": (11, 4), "pool1": (19, 8), "conv2": (51, 8), "conv3": (99, 16), "conv4": (131, 16)}
        | {"conv5": (163, 16), "pool5": (195, 32)},
    ),
    "VGG-16": (
        networks.vgg16(),
        {"pool1": (6, 2), "pool2": (16, 4), "pool3": (44, 8), "pool4": (100, 16), "conv5_1": (132, 16)}
        | {"conv5_2": (164, 16), "pool5": (212, 32)},
    ),
    "ResNet v1 50": (
        networks.slim_resnet(50), {"block1": (35, 8), "block2": (99, 16), "block3": (291, 32), "block4": (483, 32)}
    ),
    "ResNet v1 101": (
        networks.slim_resnet(101), {"block1": (35, 8), "block2": (99, 16), "block3": (835, 32), "block4": (1027, 32)}
    ),
    "ResNet v1 152": (
        networks.slim_resnet(152), {"block1": (35, 8), "block2": (163, 16), "block3": (1315, 32), "block4": (1507, 32)}
    ),
    "Inception v3": (
        networks.inception_v3(), {"MaxPool_5a": (31, 8), "Mixed_5d": (127, 8), "Mixed_6e": (927, 16), "Mixed_7c": (1311, 32)}
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SLIM)
def test_fields_and_strides_of_tf_slim(name):
    """Araujo, Norris & Sim, "Computing receptive fields of convolutional neural networks", Distill (2019)."""
    graph, expected = SLIM[name]
    found = stages(graph)
    assert {layer: found[layer] for layer in expected} == {
        layer: ((size, size), stride) for layer, (size, stride) in expected.items()
    }


def test_fields_of_mobilenet():
    expected = [3, 7, 11, 19, 27, 43, 59, 91, 123, 155, 187, 219, 251, 315]
    found = stages(networks.mobilenet())
    names = ["conv0", *(f"depthwise{number}" for number in range(1, 14))]
    assert [found[name][0] for name in names] == [(size, size) for size in expected]
    assert found["pointwise13"] == ((315, 315), 32)


@pytest.mark.parametrize(("depth", "size"), [(18, 435), (34, 899), (50, 427), (101, 971), (152, 1451)])
def test_fields_of_the_resnets_with_the_stride_in_the_3x3(depth, size):
    assert stages(networks.resnet(depth))["block4"] == ((size, size), 32)


def test_the_stride_in_the_1x1_sees_more():
    assert stages(networks.resnet(50, "v1"))["block4"] == ((483, 483), 32)


@pytest.mark.parametrize("size", [16, 64, 512])
def test_the_field_of_a_unet_depends_on_the_position_and_not_on_the_size(size):
    """188 and 204: dependency sets and gradients in float64 agree on it."""
    assert stages(networks.unet(4, 1, size))["conv2d_18"] == ((188, 204), 1)


# Layers that others count as nothing, several times, or by their parameters.
def lstm():
    x = Input((10, 32))
    return trace_calls([x], [LSTM(64)(LSTM(64, return_sequences=True)(x))])


def embedding():
    x = Input((10,), dtype="int32")
    return trace_calls([x], [Embedding(1000, 64)(x)])


def projected_attention():
    x = Input((10, 64))
    projected = Dense(64)(x)
    return trace_calls([x], [Attention()([projected, projected])])


def multi_head_attention():
    x = Input((10, 64))
    return trace_calls([x], [MultiHeadAttention(4, 16)(x, x)])


@pytest.mark.parametrize(
    ("build", "macs"),
    [(embedding, 0), (lstm, 1_146_880), (projected_attention, 107_520), (multi_head_attention, 353_280)],
)
def test_macs_of_layers_that_are_no_convolution(build, macs):
    totals = ls.trace(build(), batch=2).totals
    assert (totals["macs"], totals["at_least"]) == (macs, False)


def test_an_embedding_that_is_the_head_too_is_counted_once():
    tied = {"kind": "ReversibleEmbedding", "weights": {"embeddings": "table"}}
    sizes = {"input_dim": 1000, "output_dim": 64}
    nodes = [
        {"name": "words", "kind": "InputLayer", "settings": {"shape": [10], "dtype": "int32"}},
        {"name": "there", "inputs": [["words", 0]], "settings": sizes, **tied},
        {"name": "back", "inputs": [["there", 0]], "settings": {**sizes, "reverse": True}, **tied},
    ]
    graph = load({"layerscope": 1, "inputs": ["words"], "outputs": [["back", 0]], "nodes": nodes})
    totals = ls.trace(graph, batch=2).totals
    assert (totals["parameters"], totals["macs"], totals["at_least"]) == (64_000, 1_280_000, False)


def test_the_whole_network_lies_in_its_json(tmp_path):
    """Saved and read again, with branches, a network says the same of itself."""
    found = ls.trace(networks.inception_v3())
    found.save(tmp_path / "graph.json")
    again = ls.trace(tmp_path / "graph.json")
    assert again.to_json() == found.to_json()
