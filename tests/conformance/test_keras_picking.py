"""What is read of an axis of which keras.ops take some indices, against Keras's own outputs, in memory and from a file."""

import itertools

import numpy as np
import pytest

import layerscope as ls
from layerscope.analyses import receptive_field
from layerscope.core import boxes, propagate
from layerscope.core.indices import Indices

keras = pytest.importorskip("keras")

CASES = {
    "a list": lambda x: keras.ops.take(x, [3, 0, 4], axis=1),
    "an array": lambda x: keras.ops.take(x, np.array([3, -1]), axis=1),
    "the last axis but one": lambda x: keras.ops.take(x, [0, 2, 4], axis=-2),
    "one index": lambda x: keras.ops.take(x, 3, axis=1),
    "in brackets": lambda x: x[:, -2],
    "with a range": lambda x: x[:, 4:0:-2, 1],
    "with a new axis": lambda x: x[:, None, 1, ..., 0:2],
    "of a convolution": lambda x: keras.ops.take(keras.layers.Conv1D(2, 3, padding="same")(x), [4, 0], axis=1),
    "a convolution behind": lambda x: keras.layers.Conv1D(2, 2)(keras.ops.take(x, [4, 0, 1, 3], axis=1)),
}


def depends(model, shape):
    """For each output position, the positions of the input that change it."""
    x = np.random.default_rng(3).uniform(0.5, 1.5, (1, *shape)).astype("float32")
    before = np.asarray(model(x))
    found = {}
    for place in np.ndindex(*shape):
        moved = x.copy()
        moved[0, *place] += 0.5
        for where in np.argwhere(np.asarray(model(moved)) != before):
            found.setdefault(tuple(map(int, where[1:])), set()).add(place[0])
    return found


@pytest.mark.filterwarnings("ignore:__array__ implementation")  # Keras's variables under NumPy 2
@pytest.mark.parametrize("form", ["memory", "file"])
@pytest.mark.parametrize("name", CASES)
def test_what_is_read(name, form, tmp_path):
    x = keras.Input((5, 3))
    model = keras.Model(x, CASES[name](x))
    truth = depends(model, (5, 3))
    what = model
    if form == "file":
        what = tmp_path / "model.keras"
        model.save(what)
    graph = ls.trace(what).graph
    types = propagate.types(graph, 1)
    ((node, output),) = graph.outputs
    assert types[node][output].shape == (1, *model.output_shape[1:])
    for place in itertools.product(*map(range, model.output_shape[1:])):
        box = (Indices(((0, 0),)), *boxes.single(place))
        (found,) = receptive_field.dependency(graph, types, {(node, output): box}).values()
        assert {i for low, high in found[1].intervals for i in range(low, high + 1)} == truth[place]
