"""Whole networks, exported by PyTorch's two exporters and read from ONNX files that hold no weights.

The figures are those of docs and literature: parameters and multiply-accumulates of ResNet, VGG-16 and MobileNet at
224×224, receptive fields behind convolutions of TF-Slim's networks and of a U-Net (see definitions).
"""

from __future__ import annotations

import json
from functools import partial

import pytest
from torch import nn

from layerscope.analyses.cost import cost
from layerscope.analyses.receptive_field import fields
from layerscope.core import propagate
from layerscope.operators.standing import Undescribed
from layerscope.sources import json as graph_json
from layerscope.sources import onnx as source

from .torch_networks import Encoder, UNet, exported, mobilenet, resnet, vgg16

IMAGE = (1, 3, 224, 224)
RESNET_50 = partial(resnet, (3, 4, 6, 3), True)
CASES = [
    # network, shape of the input, dynamo, trainable parameters, multiply-accumulates
    ("resnet-18", partial(resnet, (2, 2, 2, 2), False), IMAGE, False, 11_689_512, 1_814_073_344),
    ("resnet-50 v1.5", RESNET_50, IMAGE, True, 25_557_032, 4_089_184_256),
    ("resnet-50 v1", partial(resnet, (3, 4, 6, 3), True, True), IMAGE, False, 25_557_032, 3_857_973_248),
    ("vgg-16", vgg16, IMAGE, True, 138_357_544, 15_470_264_320),
    ("mobilenet", mobilenet, IMAGE, False, 4_231_976, 568_740_352),
    ("lstm", partial(nn.LSTM, 32, 64, 2, batch_first=True), (2, 10, 32), True, 58_368, 1_146_880),
    # unfolded, the gates' rows are cut and put together in ONNX's order
    ("lstm both ways", partial(nn.LSTM, 8, 16, bidirectional=True), (7, 2, 8), False, 3_328, 14 * 2 * 64 * (8 + 16)),
    ("gru", partial(nn.GRU, 32, 12), (7, 2, 32), False, 1_656, 14 * 36 * (32 + 12)),
    ("dense on three axes", partial(nn.Linear, 12, 5), (2, 7, 12), False, 65, 14 * 12 * 5),
    # three projections and the output's, both products of the heads, two Linears
    ("encoder", Encoder, (2, 10, 64), False, 49_984, 20 * 64 * 64 * (3 + 1 + 8) + 2 * 2 * 10 * 10 * 64),
    ("encoder, dynamo", Encoder, (2, 10, 64), True, 49_984, 20 * 64 * 64 * (3 + 1 + 8) + 2 * 2 * 10 * 10 * 64),
    (
        "pytorch's own encoder",
        partial(nn.TransformerEncoderLayer, 64, 4, 128, batch_first=True),
        (2, 10, 64),
        True,
        33_472,
        353_280 + 2 * 20 * 64 * 128,
    ),
]


def read(make, shape, dynamo):
    graph = source.read_bytes(exported(make, shape, dynamo), "network")
    assert [node.label for node in graph.nodes if isinstance(node.layer, Undescribed)] == []
    return graph, propagate.types(graph)


@pytest.mark.parametrize(
    ("make", "shape", "dynamo", "parameters", "macs"), [c[1:] for c in CASES], ids=[c[0] for c in CASES]
)
def test_parameters_and_multiply_accumulates(make, shape, dynamo, parameters, macs):
    graph, types = read(make, shape, dynamo)
    found = cost(graph, types)
    assert (found.trainable, found.macs, found.at_least) == (parameters, macs, False)


@pytest.mark.parametrize("make", [partial(nn.LSTM, 8, 16, 2, bidirectional=True), partial(nn.Linear, 8, 5)])
def test_no_node_only_moves_a_weight(make):
    """Exported without folding; zeros for the first state are made by a node that reads no weight."""
    graph, _ = read(make, (7, 2, 8), False)
    loose = [node for node in graph.nodes if not node.inputs and node.label != graph.nodes[0].label]
    assert [node.weights for node in loose if node.weights] == []
    stored = {name: tuple(weight.shape) for name, weight in make().state_dict().items()}
    assert {row.id.removeprefix("network."): row.shape for row in graph.parameters.values()} == stored


def test_a_network_from_a_file_survives_json():
    graph, types = read(Encoder, (2, 10, 64), False)
    again = graph_json.load(json.loads(json.dumps(graph_json.dump(graph))))
    assert propagate.types(again) == types
    assert cost(again, types) == cost(graph, types)
    assert again.parameters == graph.parameters


def widest(graph, types):
    """Smallest and largest receptive field along the height and the width, where the last convolution's result is."""
    seen = fields(graph, types)
    images = [n for n, kinds in enumerate(types) if kinds[0].rank == 4 and kinds[0].shape[2] != 1]
    return [seen[images[-1]][0][0, axis].extents for axis in (2, 3)]


def test_receptive_field_of_a_u_net():
    graph, types = read(partial(UNet, 4), (1, 3, 64, 64), False)
    assert types[-1][0].shape == (1, 2, 64, 64)
    assert widest(graph, types) == [(188, 204)] * 2


def test_receptive_field_of_resnet():
    assert widest(*read(partial(resnet, (2, 2, 2, 2), False), IMAGE, False)) == [(435, 435)] * 2


def test_u_net_costs_what_its_convolutions_cost():
    graph, types = read(partial(UNet, 4, 2), (1, 3, 32, 32), True)
    # by hand: two 3×3 at each level down and up, transposed 2×2 (its input positions), 1×1 at the end
    down = 1024 * 9 * (3 * 4 + 4 * 4) + 256 * 9 * (4 * 8 + 8 * 8) + 64 * 9 * (8 * 16 + 16 * 16)
    up = 64 * 4 * 16 * 8 + 256 * 9 * (16 * 8 + 8 * 8) + 256 * 4 * 8 * 4 + 1024 * 9 * (8 * 4 + 4 * 4)
    found = cost(graph, types)
    assert (found.macs, found.at_least) == (down + up + 1024 * 4 * 2, False)
