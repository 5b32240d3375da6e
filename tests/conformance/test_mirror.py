"""Mirrored decoders as Keras builds them from the Python that is written: the same shapes, and the same number of weights."""

import pytest
from tests.random_encoders import encoder as random_encoder

from layerscope import sources
from layerscope.analyses.mirror import WAYS, mirror
from layerscope.core import propagate
from layerscope.models import Model
from layerscope.telling.written import python

keras = pytest.importorskip("keras")


def built(graph):
    space = {}
    exec(python(graph, "autoencoder").replace("from layerscope.", "from keras."), space)
    return space["autoencoder"]


def takes(layer):
    """Whether Keras has this layer, with these settings."""
    if max(getattr(layer, "strides", None) or (1,)) > 1 and max(getattr(layer, "dilation_rate", (1,))) > 1:
        return False
    grouped = layer.kind.endswith("Transpose") and layer.groups > 1
    return hasattr(keras.layers, layer.kind) and not grouped


@pytest.mark.parametrize("up", ["nearest", "transpose"])
def test_keras_ends_at_the_image_too(up):
    tried = 0
    for seed in range(16):
        graph = mirror(random_encoder(seed, up), up).graph
        if not all(takes(node.layer) for node in graph.nodes):
            continue
        tried += 1
        model = built(graph)
        assert model.output_shape == model.input_shape, seed
        shapes = [tuple(None if i == 0 else n for i, n in enumerate(t[0].shape)) for t in propagate.types(graph)]
        assert sorted(str(layer.output.shape) for layer in model.layers) == sorted(map(str, shapes)), seed
        assert model.count_params() == sum(row.size for row in graph.parameters.values()), seed
    assert tried >= 5


@pytest.mark.parametrize("up", WAYS)
def test_to_keras(up):
    encoder = sources.read("13x11x2 | conv 4 3 relu | maxpool 2 same | conv 3 3 | relu | maxpool 2")
    model = Model.from_graph(mirror(encoder, up).graph).to_keras()
    assert model.output_shape == (None, 13, 11, 2)
