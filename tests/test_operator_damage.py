"""Graphs of operators in JSON with settings of any kind in place of right ones: read, or refused with a reason."""

from __future__ import annotations

import copy
import dataclasses
import json
import random

import pytest

from layerscope import operators
from layerscope.analyses.cost import cost
from layerscope.analyses.receptive_field import fields
from layerscope.core import propagate
from layerscope.core.errors import LayerscopeError
from layerscope.sources import json as graph_json
from operator_cases import EXAMPLES, OURS, graph_of

STRANGE = [
    *(None, True, -1, 0, 1, 2, 10**9, 10**30, -(10**18), 1.5, float("nan"), 1e300, "", "x", "batch", "...ij,jk"),
    *([], [1], [0], [-1, -1], [2, 2, 2, 2], [[1]], [None], ["+", 1, 2], ["//", 1, 0], ["*", "n", 3], ["max", 1, "n"]),
    *({}, {"shape": [1]}, {"shape": [-1], "dtype": "float32"}, {"shape": ["n", 10**12]}),
]
BASES = [graph_json.dump(graph_of(case)) for case in EXAMPLES if type(case.layer).__module__ in OURS]


def damaged(draw: random.Random) -> dict:
    """A graph of one operator in which up to three settings are something else."""
    data = copy.deepcopy(draw.choice(BASES))
    node = data["nodes"][-1]
    cls = operators.kinds()[node["kind"].removeprefix("operators.")]
    for _ in range(draw.randint(1, 3)):
        name = draw.choice([field.name for field in dataclasses.fields(cls)])
        value = node["settings"].get(name)
        if isinstance(value, list) and value and draw.random() < 0.5:
            value[draw.randrange(len(value))] = copy.deepcopy(draw.choice(STRANGE))
        else:
            node["settings"][name] = copy.deepcopy(draw.choice(STRANGE))
    return data


@pytest.mark.parametrize("seed", range(8))
def test_whatever_the_settings_are(seed):
    draw, refused, count = random.Random(seed), 0, 150
    for _ in range(count):
        text = json.dumps(damaged(draw))
        try:
            graph = graph_json.load(json.loads(text))
            types = propagate.types(graph)
            cost(graph, types)
            fields(graph, types)
            for node, fed in zip(graph.nodes, propagate.fed_types(graph, types), strict=True):
                node.layer.operations(*fed)
                node.layer.saved(*fed)
            json.dumps(graph_json.dump(graph))
        except LayerscopeError:
            refused += 1
    assert count / 4 < refused < count, "some damage does no harm, most does"
