"""Layers that are alike and fed the same are asked once, and answer as each of them would."""

import pytest

from layerscope import sources
from layerscope.core import propagate
from layerscope.core.contract import Kinds
from layerscope.core.dataclasses import twin
from layerscope.core.types import example
from layerscope.layers import LSTM, Bidirectional, Conv2D, Dense

REPEATED = "28x28x4 | [ conv 4 3 same relu | batchnorm ] x5 | conv 4 5 same | conv 8 3 same | flatten | dense 10"
NETWORKS = (REPEATED, "example:autoencoder", "example:image-conv", "9x4 | lstm 5 | dense 3 relu | dense 3 relu")


@pytest.mark.parametrize("what", NETWORKS)
def test_answers_are_those_of_every_layer_itself(what):
    graph = sources.read(what)
    types = propagate.changed(propagate.types(graph), example)
    for node, fed, one in zip(
        graph.nodes, propagate.fed_types(graph, types), propagate.asked(graph, types), strict=True
    ):
        layer = node.layer
        assert one.out == layer.out(*fed)
        assert one.weights == layer.weight_types(*fed)
        assert (one.macs, one.operations, one.saved) == (layer.macs(*fed), layer.operations(*fed), layer.saved(*fed))
        assert (one.shares, one.workspace) == (layer.shares(*fed), layer.workspace(*fed))
        assert one.reach(0) == layer.reach(0, *fed)


def test_one_is_asked_for_all_that_are_alike():
    graph = sources.read(REPEATED)
    asked = propagate.asked(graph, propagate.types(graph))
    first, *others = [one for node, one in zip(graph.nodes, asked, strict=True) if node.layer.kind == "Conv2D"]
    assert [one is first for one in others] == [True] * 4 + [False] * 2
    assert len({id(one) for one in asked}) == 7  # the input, five kinds of layers that compute, and Flatten


def test_equal_types_are_one_object():
    types = [type for row in propagate.types(sources.read(REPEATED)) for type in row]
    assert len({id(type) for type in types}) == len(set(types)) == 4


def test_layers_are_alike_by_class_and_settings():
    kinds = Kinds()
    one = kinds.of(Conv2D(4, 3, name="a"))
    assert kinds.of(Conv2D(4, (3, 3), name="b")) == one
    assert kinds.of(twin(Conv2D(4, 3), name="c")) == one
    others = [Conv2D(4, 3, padding="same"), Conv2D(5, 3), Dense(4), Bidirectional(LSTM(4)), Bidirectional(LSTM(4))]
    numbers = [kinds.of(layer) for layer in others]
    assert len({one, *numbers}) == 6  # a layer within a layer is equal to itself alone


def test_a_twin_is_another_object_with_the_same_values():
    layer = Conv2D(4, 3, padding="same", name="a")
    other = twin(layer, name="b")
    assert other is not layer
    assert vars(other) == vars(layer) | {"name": "b"}
    assert layer.name == "a"
