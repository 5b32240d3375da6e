"""Receptive and projective fields of 300 random networks in 1-D, 2-D and 3-D against float64 pokes by PyTorch."""

import numpy as np
import pytest

pytest.importorskip("torch")

from layerscope.analyses import receptive_field
from layerscope.core import boxes, propagate
from layerscope.core.indices import Indices

from .field_networks import Growing

NETWORKS = 300


def hull(truth):
    """First and last index along each axis where it is true; None for nowhere."""
    places = np.nonzero(truth)
    return tuple((int(p.min()), int(p.max())) for p in places) if len(places[0]) else None


def told(box):
    return box and tuple(part.hull for part in box[1:-1])


def members(found):
    return {i for low, high in found.intervals for i in range(low, high + 1)}


@pytest.mark.parametrize("seed", range(NETWORKS))
def test_fields_equal_pokes(seed):
    network = Growing(seed)
    rank, graph, depends = network.rank, network.graph, network.pokes()
    types = propagate.types(graph, 1)
    edge = graph.outputs[0]
    channels = Indices(((0, types[edge[0]][0].shape[-1] - 1),))
    unbounded = receptive_field.fields(graph, types)[edge[0]][0]
    for place in network.places(depends.shape[rank:]):
        box = (*boxes.single((0, *place)), channels)
        found = receptive_field.dependency(graph, types, {edge: box}).get(0)
        truth = depends[(..., *place)]
        assert told(found) == hull(truth), place
        for axis, seen in enumerate(np.nonzero(truth)):
            field = unbounded.get((0, axis + 1))
            assert not len(seen) or field is not None
            if field is not None and not field.everything:
                assert set(seen.tolist()) <= members(field.at(place[field.axis - 1]))
    for place in network.places(network.shape):
        box = boxes.single((0, *place, 0))
        reached = receptive_field.projection(graph, types, {0: box})[edge[0]][0]
        assert told(reached) == hull(depends[place]), place


def test_the_networks_are_of_all_kinds():
    kinds, joined, ranks = set(), 0, set()
    for seed in range(NETWORKS):
        network = Growing(seed)
        kinds |= {node.layer.kind for node in network.graph.nodes}
        joined += any(len(node.inputs) > 1 for node in network.graph.nodes)
        ranks.add(network.rank)
    assert ranks == {1, 2, 3}
    assert joined > 100
    for rank in ranks:
        stems = "Conv AveragePooling UpSampling ZeroPadding Cropping AdaptiveAveragePooling"
        assert kinds >= {f"{stem}{rank}D" for stem in stems.split()} | {f"Conv{rank}DTranspose"}
    assert kinds >= {"Add", "Multiply", "Concatenate", "BedOfNails2D"}
