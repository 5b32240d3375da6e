"""What functions of PyTorch read, against pokes: one input for each position, 1 there and 0 elsewhere.

Weights are positive, so that an output is not 0 exactly where it depends on the poked position.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import layerscope as ls
from layerscope.analyses import receptive_field
from layerscope.core import boxes, propagate
from layerscope.core.errors import SourceError
from layerscope.core.indices import Indices

torch = pytest.importorskip("torch")
nn, functional = torch.nn, torch.nn.functional
pytestmark = pytest.mark.filterwarnings("ignore:Using padding=.same.:UserWarning")


def poked(function, n):
    """For each output position the input positions on which it depends."""
    count = 1
    for size in n:
        count *= size
    with torch.no_grad():
        y = function(torch.eye(count).reshape(count, 1, *n))
    spatial = tuple(y.shape[2:])
    rows = y.reshape(count, -1, *spatial).abs().amax(1) > 1e-6
    places = list(itertools.product(*map(range, n)))
    return spatial, {
        place: {places[one] for one in rows[(slice(None), *place)].nonzero().flatten().tolist()}
        for place in itertools.product(*map(range, spatial))
    }


def claimed(function, n, spatial):
    """The same by the relations of our layers, one after the other."""
    graph = ls.trace(function, input=(1, 1, *n)).graph
    types = propagate.types(graph)
    found = {}
    for place in itertools.product(*map(range, spatial)):
        node, number = graph.outputs[0]
        indices = [Indices(((0, size - 1),)) for size in types[node][number].shape[:2]]
        indices += [Indices(((o, o),)) for o in place]
        while indices and graph.nodes[node].inputs:
            fed = [types[source][output] for source, output in graph.nodes[node].inputs]
            reads = graph.nodes[node].layer.reach(number, *fed)[0]
            indices = boxes.pull(reads, tuple(indices), fed[0]) or ()
            node, number = graph.nodes[node].inputs[0]
        wanted = [[i for low, high in one.intervals for i in range(low, high + 1)] for one in indices[2:]]
        found[place] = set(itertools.product(*wanted)) if indices else set()
    return found


def positive(module):
    with torch.no_grad():
        for one in module.parameters():
            one.fill_(1.0 if one.dim() > 1 else 0.0)
    return module


def resized(**told):
    return lambda x: functional.interpolate(x, **told)


class Picking(nn.Module):
    """Takes positions by what it holds: a list of indices, a mask, both as buffers."""

    def __init__(self, pick):
        super().__init__()
        self.pick = pick
        self.register_buffer("indices", torch.tensor([4, 0, 1]))
        self.register_buffer("mask", torch.tensor([True, False, True, True, False]))

    def forward(self, x):
        return self.pick(x, self)


def convolved(x):
    return functional.conv2d(x, torch.ones(1, 1, 1, 3), padding=(0, 1))


CASES = {
    # what, sizes of the input, how many positions may be claimed that are not read
    "convolution": (positive(nn.Conv2d(1, 2, (3, 2), (2, 1), (1, 0), (1, 2))), (6, 7), 0),
    "same": (positive(nn.Conv2d(1, 1, (4, 3), padding="same")), (5, 4), 0),
    "transposed convolution": (positive(nn.ConvTranspose2d(1, 1, 3, 2, 1, 1)), (4, 3), 0),
    "one dimension": (positive(nn.Conv1d(1, 1, 3, 2)), (9,), 0),
    "average pooling": (nn.AvgPool2d(3, 2, 1, ceil_mode=True), (6, 5), 0),
    "adaptive pooling": (nn.AdaptiveAvgPool2d((3, 4)), (7, 4), 0),
    "global pooling": (nn.AdaptiveAvgPool2d(1), (4, 3), 0),
    "nearest": (resized(scale_factor=2), (4, 3), 0),
    "nearest, any ratio": (resized(scale_factor=1.5), (5, 4), 0),
    "nearest, to a size": (resized(size=(7, 3)), (5, 4), 0),
    "nearest-exact": (resized(scale_factor=(1.5, 2.0), mode="nearest-exact"), (6, 4), 0),
    "bilinear": (resized(scale_factor=2, mode="bilinear"), (4, 5), 3),
    "bilinear, corners": (resized(size=(7, 9), mode="bilinear", align_corners=True), (4, 5), 3),
    "bilinear, smaller": (resized(size=(3, 2), mode="bilinear"), (6, 6), 3),
    "bicubic": (resized(scale_factor=2, mode="bicubic"), (6, 5), 15),
    "shuffled": (lambda x: functional.pixel_shuffle(functional.pixel_unshuffle(x, 2), 2), (4, 6), 3),
    "padded": (lambda x: functional.pad(x, (1, 2, 0, 3)), (4, 5), 0),
    "cut": (lambda x: x[..., 1:6:2, -3:], (7, 5), 0),
    "split": (lambda x: x.split([2, 3], -1)[1], (4, 5), 0),
    "one index": (lambda x: x[..., -2], (4, 5), 0),
    "one index of a convolution": (lambda x: functional.conv2d(x, torch.ones(1, 1, 2, 3))[:, :, 1], (4, 5), 0),
    "selected": (lambda x: x.select(2, 1), (4, 5), 0),
    "apart": (lambda x: x.unbind(-1)[2], (4, 5), 0),
    "squeezed": (lambda x: x[..., 3:4].squeeze(-1), (4, 5), 0),
    "side by side": (lambda x: torch.cat([x[..., 2:], x[..., :2]], -1)[..., :3], (3, 5), 3),
    "turned": (lambda x: x.transpose(2, 3) * 2, (3, 5), 0),
    "a list": (lambda x: x[..., [3, 0, 4]], (2, 5), 0),
    "a list in the middle": (lambda x: x[:, :, [1, 0, 1]], (2, 5), 0),
    "a list in equal steps": (lambda x: x[..., [0, 2, 4]], (2, 5), 0),
    "a list and a range": (lambda x: x[:, :, 1:, [3, 0]], (3, 5), 0),
    "a list and one index": (lambda x: x[:, :, 1, [3, 0]], (3, 5), 0),
    "an array": (lambda x: x[..., np.array([3, -1, 1])], (2, 5), 0),
    "a tensor": (lambda x: x[..., torch.tensor([3, 0])], (2, 5), 0),
    "a range of indices": (lambda x: x[..., torch.arange(4, -1, -2) - 5], (2, 5), 0),
    "a buffer": (Picking(lambda x, own: x[..., own.indices]), (2, 5), 0),
    "of a buffer": (Picking(lambda x, own: x[..., (own.indices + 2).remainder(5).flip(0)]), (2, 5), 0),
    "a mask": (Picking(lambda x, own: x[..., own.mask]), (2, 5), 0),
    "the rest of a mask": (Picking(lambda x, own: x[..., ~own.mask]), (2, 5), 0),
    "a list of switches": (lambda x: x[..., [True, False, False, True, True]], (2, 5), 0),
    "index_select": (Picking(lambda x, own: x.index_select(3, own.indices)), (2, 5), 0),
    "a list of a list": (lambda x: x[..., [3, 0, 4]][..., [2, 0]], (2, 5), 0),
    "a list of a convolution": (lambda x: convolved(x)[..., [3, 0]], (2, 6), 0),
    "a convolution of a list": (lambda x: convolved(x[..., [3, 0, 4, 1]]), (2, 6), 0),
    "flipped": (lambda x: x.flip(2, 3), (2, 5), 0),
    "left and right": (lambda x: torch.fliplr(x.transpose(1, 2)).transpose(1, 2), (2, 5), 0),
    "rolled": (lambda x: x.roll((1, -2), (2, 3)), (3, 5), 0),
    "changed in place": (lambda x: x[..., torch.tensor([3, 0]).add_(1)], (2, 5), 4),
    "flat": (lambda x: x.flatten(2).unsqueeze(1).mean(1), (3, 4), 0),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_read(name):
    function, n, spare = CASES[name]
    spatial, truth = poked(function, n)
    ours = claimed(function, n, spatial)
    assert {place: truth[place] - ours[place] for place in truth if truth[place] - ours[place]} == {}
    if name != "flat":  # a row of an image has no columns any more
        wide = {place: ours[place] - truth[place] for place in truth}
        assert {place: more for place, more in wide.items() if len(more) > spare} == {}


def test_the_field_of_one_index():
    """Three positions from the sixth on, whatever else is looked at; and where two are added, both."""
    torch.manual_seed(0)
    conv = nn.Conv1d(1, 2, 3)
    for function, expected in (
        (lambda x: conv(x)[..., -1], [(6, 8)]),
        (lambda x: conv(x)[..., 5:].unbind(-1)[0], [(5, 7)]),
        (lambda x: conv(x)[..., 0] + conv(x)[..., 5], [(0, 2), (5, 7)]),
    ):
        graph = ls.trace(function, input=(1, 1, 9)).graph
        types = propagate.types(graph)
        ((node, output),) = graph.outputs
        (field,) = receptive_field.fields(graph, types)[node][output].values()
        assert [list(found.intervals) for found in field.sets] == [expected]
        assert (field.jump, field.start, field.everything) == (0, expected[0][0], False)
        (read,) = receptive_field.read_at_all(graph, types).values()
        assert list(read[2].intervals) == expected


def test_fields_behind_a_list_of_indices():
    """Of each position by itself, as pokes have it: a list has no period. Where lists meet, both."""
    weight = torch.ones(1, 1, 3)

    def conv(x, **told):
        return functional.conv1d(x, weight, **told)

    for function, count in (
        (lambda x: conv(x)[..., [5, 0, 6]], 3),
        (lambda x: conv(x[..., [5, 0, 6, 1]], padding=1), 4),
        (lambda x: conv(conv(x[..., [8, 0, 3, 2, 5, 1]]), stride=2, padding=1), 2),
        (lambda x: functional.interpolate(x[..., [5, 0, 1]], scale_factor=2), 6),
        (lambda x: x[..., [5, 0, 1]] + conv(x)[..., [2, 0, 5]], 3),
        (lambda x: x[..., [5, 0, 1]] + conv(x, stride=3), 3),
        (lambda x: conv(x.flip(-1), padding=1)[..., [7, 0, 3]], 3),
    ):
        _, truth = poked(function, (9,))
        trace = ls.trace(function, input=(1, 1, 9))
        types = propagate.types(trace.graph)
        node, output = trace.graph.outputs[0]
        (field,) = [
            one for (_, axis), one in receptive_field.fields(trace.graph, types)[node][output].items() if axis == 2
        ]
        found = [{i for low, high in part.intervals for i in range(low, high + 1)} for part in field.sets]
        assert [{place[0] for place in truth[o,]} for o in range(count)] == [one & set(range(9)) for one in found]
        assert (field.jump, field.phases, field.ends) == (0, count, True)
        for o in range(count):
            (box,) = trace.receptive_field(position=(o,)).inputs
            assert box.box == ((min(truth[o,])[0], max(truth[o,])[0]),)


def test_what_no_list_picks_is_never_read():
    graph = ls.trace(lambda x: functional.conv1d(x[..., [7, 1, 2, 6]], torch.ones(1, 1, 2)), input=(1, 1, 9)).graph
    (read,) = receptive_field.read_at_all(graph, propagate.types(graph)).values()
    assert list(read[2].intervals) == [(1, 2), (6, 7)]


def test_indices_that_the_batch_decides_are_not_told():
    """With an open batch each example is taken once; which, depends on how many there are."""
    trace = ls.trace(lambda x: x[torch.arange(x.shape[0]).flip(0)][:, [2, 0]], input=(None, 3, 4))
    first, last = [node.layer for node in trace.graph.nodes if node.inputs and node.layer.type_name == "Gather"]
    assert (first.indices, last.indices) == (None, (2, 0))


def test_a_mask_of_data_is_refused_still():
    with pytest.raises(SourceError, match="the numbers of a tensor decide how many elements come out"):
        ls.trace(lambda x: x[..., x[0, 0] > 0], input=(1, 1, 4))
