"""The random networks reach every layer that computes, in many forms, and are the same for the same number."""

from __future__ import annotations

from collections import Counter

import numpy as np

from layerscope import utils
from layerscope.optimizers import SGD

from .oracles import executable_kinds
from .random_models import EVERY, PLACE, random_inputs, random_model

SEEDS = range(200)


def test_every_layer_is_met_within_200_networks():
    nodes = [node for seed in SEEDS for node in random_model(seed).graph.nodes]
    met = Counter(type(node.layer).__name__ for node in nodes)
    assert {kind: met[kind] for kind in executable_kinds() if met[kind] < 10} == {}
    assert sum(getattr(node.layer, "return_switches", False) for node in nodes) >= 20
    for name in ("strides", "dilation_rate", "pool_size", "kernel_size"):
        assert len({getattr(node.layer, name) for node in nodes if hasattr(node.layer, name)}) >= 4, name


def test_numbers_of_inputs_and_outputs_and_shared_layers_vary():
    graphs = [random_model(seed).graph for seed in SEEDS]
    assert sum(len(graph.inputs) > 1 for graph in graphs) >= 10
    assert sum(len(graph.outputs) > 1 for graph in graphs) >= 10
    assert sum(len({id(node.layer) for node in graph.nodes}) < len(graph.nodes) for graph in graphs) >= 10
    assert sum(any(node.scope for node in graph.nodes) for graph in graphs) >= 5


def test_a_number_always_gives_the_same_network():
    for seed in (3, 4):
        one, two = random_model(seed), random_model(seed)
        assert one.to_json() == two.to_json()
        for a, b in zip(one.get_weights(), two.get_weights(), strict=True):
            assert np.array_equal(a, b)
        inputs = random_inputs(one, seed, 3)
        assert [x.shape for x in inputs] == [(3, *t.shape[1:]) for t in one.input_types]
        assert all(np.array_equal(a, b) for a, b in zip(inputs, random_inputs(two, seed, 3), strict=True))
        assert all(np.all(variable.numpy() != 0) for variable in one.weights)


def test_both_engines_train_networks_of_all_ranks_alike():
    """Of 300 such networks (seeds up to 1400) the largest difference was 2e-14."""
    for seed in range(PLACE, 20 * EVERY, EVERY):
        found = []
        for engine in ("reference", "native"):
            utils.set_random_seed(7)
            model = random_model(seed)
            model.compile(SGD(0.002), "mse", engine=engine, precision="float64")
            given = [array.astype("float64") for array in random_inputs(model, seed, 11)]
            made = model.predict(given, verbose=0)
            outputs = made if isinstance(made, list) else [made]
            goals = [np.random.default_rng(seed).normal(size=output.shape) for output in outputs]
            losses = model.fit(given, goals, batch_size=4, epochs=2, shuffle=False, verbose=0).history["loss"]
            found.append([*outputs, np.array(losses), *model.get_weights()])
        for one, other in zip(*found, strict=True):
            scale = max(1.0, float(np.abs(one).max(initial=0)))
            np.testing.assert_allclose(other, one, rtol=0, atol=1e-9 * scale, err_msg=f"seed {seed}")
