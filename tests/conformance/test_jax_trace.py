"""Functions of JAX, modules of Flax and Equinox: parameters, multiply-accumulates, rows and memory."""

from __future__ import annotations

import json
from functools import partial

import equinox as eqx
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import layerscope as ls
from layerscope.sources import json as graph_json

from . import jax_networks as networks

torch = pytest.importorskip("torch")
from . import torch_networks  # noqa: E402

S = jax.ShapeDtypeStruct


def abstract(make):
    return nnx.eval_shape(lambda: make(nnx.Rngs(0)))


def rows(trace, *keys):
    return [tuple(row[key] for key in keys) for row in trace.layers]


NETWORKS = {
    # module, input, parameters, multiply-accumulates
    "ResNet-18": (networks.resnet18, (1, 224, 224, 3), 11_689_512, 1_814_073_344),
    "ResNet-50": (networks.resnet50, (1, 224, 224, 3), 25_557_032, 4_089_184_256),
    "ResNet-152": (networks.resnet152, (1, 224, 224, 3), 60_192_808, 11_513_626_624),
    "ViT-B/16": (networks.ViT(), (1, 224, 224, 3), 86_567_656, 17_563_828_224),
    "ResNet-18 in nnx": (abstract(networks.NnxResNet18), (1, 224, 224, 3), 11_689_512, 1_814_073_344),
    # embedding; input and recurrent products with 4 gates and one bias, 7 steps of 2 sequences; labels
    "LSTM": (
        networks.Tagger(), ((2, 7), "int32"), 1000 * 32 + (32 + 64 + 1) * 256 + 65 * 9, 14 * (96 * 256 + 64 * 9),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", NETWORKS)
def test_parameters_and_multiply_accumulates_of_networks(name):
    module, input, parameters, macs = NETWORKS[name]
    totals = ls.trace(module, input=input).totals
    assert (totals["parameters"], totals["macs"]) == (parameters, macs)
    assert not totals["at_least"]
    assert not totals["operations_at_least"]


@pytest.mark.parametrize("deep", [False, True])
def test_resnets_are_those_of_pytorch(deep):
    """The same network in both: all kinds of operations, the peak, and what the backward pass keeps, but for the
    statistics of batch normalisation, which are no results in JAX (two numbers a channel).
    """
    with torch.device("meta"):
        twin = torch_networks.resnet((3, 4, 6, 3) if deep else (2, 2, 2, 2), deep)
    theirs = ls.trace(twin, input=(1, 3, 224, 224)).totals
    module = networks.resnet50 if deep else networks.resnet18
    ours = ls.trace(module, input=(1, 224, 224, 3)).totals
    for key in ("parameters", "macs", "operations"):
        assert ours[key] == theirs[key]
    memory, other = ours["memory"], theirs["memory"]
    channels = sum(one.num_features for one in twin.modules() if isinstance(one, torch.nn.BatchNorm2d))
    assert memory["peak"] == other["peak"]
    assert memory["saved"] == other["saved"] - 2 * 4 * channels


def test_all_batches_at_once():
    trace = ls.trace(networks.resnet18, input=(None, 64, 64, 3))
    one, eight = (ls.trace(networks.resnet18, input=(n, 64, 64, 3)).totals for n in (1, 8))
    assert trace.totals["macs"] == one["macs"]
    assert ls.trace(networks.resnet18, input=(None, 64, 64, 3), batch=8).totals["macs"] == eight["macs"]
    assert eight["macs"] == 8 * one["macs"]


def flops(function, *given):
    """Operations by XLA's own count, which it does not give for some products of axes of size 1."""
    return jax.jit(function).lower(*given).cost_analysis().get("flops")


def ordered(random, word, letters):
    """Axes in any order, in which the spatial ones follow each other as they do in `letters`."""
    places = list(word + "-" * len(letters))
    random.shuffle(places)
    rest = iter(letters)
    return "".join(next(rest) if letter == "-" else letter for letter in places)


def test_products_as_xla_counts_them():
    """Without padding XLA's compiler counts two operations for each multiply-accumulate."""
    random, compared = np.random.default_rng(11), 0
    for _ in range(60):
        rank = int(random.integers(1, 4))
        group, kernel = int(random.integers(1, 4)), random.integers(1, 4, rank)
        batches = int(random.choice([1, 2])) if group == 1 else 1
        dilation, strides = random.integers(1, 3, rank), random.integers(1, 3, rank)
        sizes = (kernel - 1) * dilation + 1 + random.integers(0, 5, rank)
        letters = "".join(random.permutation(list("DHW"[-rank:])))
        orders = [ordered(random, word, letters) for word in ("NC", "OI", "NC")]
        found = dict(zip("NC" + letters, (2 * batches, 2 * group, *map(int, sizes)), strict=True))
        held = dict(zip("OI" + letters, (2 * group * batches, 2, *map(int, kernel)), strict=True))
        x, w = (
            S(tuple(table[letter] for letter in order), "float32")
            for table, order in ((found, orders[0]), (held, orders[1]))
        )
        function = partial(
            jax.lax.conv_general_dilated, window_strides=tuple(map(int, strides)), padding="VALID",
            rhs_dilation=tuple(map(int, dilation)), dimension_numbers=tuple(orders), feature_group_count=group,
            batch_group_count=batches,
        )  # fmt: skip
        totals = ls.trace(function, input=[x, w], framework="jax").totals
        counted = flops(function, x, w)
        if counted is not None:
            assert 2 * totals["macs"] == counted
            compared += 1
    assert compared > 50
    for equation, shapes in {
        "bij,bjk->bik": [(2, 3, 4), (2, 4, 5)],
        "ab,cbd->acd": [(3, 4), (2, 4, 5)],
        "abc,cab->": [(2, 3, 4), (4, 2, 3)],
        "abcd,cdef->abef": [(2, 3, 4, 5), (4, 5, 2, 2)],
    }.items():
        given = [S(shape, "float32") for shape in shapes]
        function = partial(jnp.einsum, equation)
        assert 2 * ls.trace(function, input=given, framework="jax").totals["macs"] == flops(function, *given)


def test_transposed_convolutions_count_input_positions():
    for padding in ("SAME", "VALID"):
        module = nn.ConvTranspose(6, (4, 3), (2, 3), padding)
        totals = ls.trace(module, input=(2, 5, 7, 4)).totals
        assert totals["macs"] == 2 * 5 * 7 * 4 * 6 * 4 * 3
        keras_like = ls.trace(torch.nn.ConvTranspose2d(4, 6, (4, 3), (2, 3)), input=(2, 4, 5, 7)).totals
        assert keras_like["macs"] == totals["macs"]
    stretched = partial(
        jax.lax.conv_general_dilated, window_strides=(2,), padding=((2, 3),), lhs_dilation=(3,),
        dimension_numbers=("NWC", "WIO", "NWC"),
    )  # fmt: skip
    x, w = (1, 4, 1), (4, 1, 1)
    reads = jax.jacrev(lambda x: stretched(x, jnp.ones(w)))(jnp.ones(x))
    assert ls.trace(stretched, input=[x, w], framework="jax").totals["macs"] == int((reads != 0).sum())


def test_rows_are_layers():
    trace = ls.trace(networks.ViT(depth=1, width=32, heads=2), input=(1, 32, 32, 3))
    assert rows(trace, "name", "kind", "parameters", "macs") == [
        ("image", "InputLayer", 0, 0),
        ("patches", "Conv", 24_608, 98_304),
        ("reshape", "reshape", 0, 0),
        ("concatenate", "concatenate", 32, 0),
        ("add", "add", 160, 0),
        ("block0/norm1", "LayerNorm", 64, 0),
        ("block0/attention/query", "DenseGeneral", 1_056, 5_120),
        ("block0/attention/key", "DenseGeneral", 1_056, 5_120),
        ("block0/attention/value", "DenseGeneral", 1_056, 5_120),
        ("block0/attention/dot_product_attention", "dot_product_attention", 0, 1_600),
        ("block0/attention/out", "DenseGeneral", 1_056, 5_120),
        ("block0/add", "add", 0, 0),
        ("block0/norm2", "LayerNorm", 64, 0),
        ("block0/up", "Dense", 4_224, 20_480),
        ("block0/gelu", "gelu", 0, 0),
        ("block0/down", "Dense", 4_128, 20_480),
        ("block0/add_1", "add", 0, 0),
        ("norm", "LayerNorm", 64, 0),
        ("getitem", "getitem", 0, 0),
        ("head", "Dense", 33_000, 32_000),
    ]
    kinds = {row["name"]: row["operations"] for row in trace.layers}
    assert kinds["block0/norm1"] == {"bias": 0, "pointwise": 0, "normalisation": 160, "pooling": 0}
    assert kinds["block0/up"] == {"bias": 640, "pointwise": 0, "normalisation": 0, "pooling": 0}
    assert kinds["block0/gelu"] == {"bias": 0, "pointwise": 640, "normalisation": 0, "pooling": 0}


def test_modules_of_nnx():
    class Twice(nnx.Module):
        def __init__(self, rngs):
            self.layers = nnx.List([nnx.Linear(4, 4, rngs=rngs) for _ in range(2)])
            self.drop = nnx.Dropout(0.5, rngs=rngs)
            self.norm = nnx.BatchNorm(4, rngs=rngs)

        def __call__(self, x):
            for layer in (*self.layers, self.layers[0]):
                x = self.drop(nnx.relu(layer(x)))
            return self.norm(x)

    for module in (Twice(nnx.Rngs(0)), abstract(Twice)):
        trace = ls.trace(module, input=(3, 4))
        assert rows(trace, "name", "kind", "parameters") == [
            ("x", "InputLayer", 0),
            ("layers/0", "Linear", 20),
            ("relu", "relu", 0),
            ("layers/1", "Linear", 20),
            ("relu_1", "relu", 0),
            ("layers/0#2", "Linear", 20),
            ("relu_2", "relu", 0),
            ("norm", "BatchNorm", 8),
        ]
        assert (trace.totals["parameters"], trace.totals["macs"]) == (48, 3 * 3 * 16)


def test_modules_of_equinox():
    module = eqx.filter_eval_shape(networks.ConvNet, jax.random.key(0))
    single = ls.trace(module, input=(3, 16, 16))
    assert rows(single, "name", "kind", "output_shape", "parameters", "macs") == [
        ("x", "InputLayer", [3, 16, 16], 0, 0),
        ("convs/0", "Conv2d", [8, 16, 16], 224, 55_296),
        ("relu", "relu", [8, 16, 16], 0, 0),
        ("convs/1", "Conv2d", [16, 8, 8], 1_168, 73_728),
        ("relu_1", "relu", [16, 8, 8], 0, 0),
        ("pool", "MaxPool2d", [16, 4, 4], 0, 0),
        ("reshape", "reshape", [256], 0, 0),
        ("head", "Linear", [10], 2_570, 2_560),
    ]
    many = ls.trace(jax.vmap(networks.ConvNet(jax.random.key(0))), input=(5, 3, 16, 16))
    assert rows(many, "name", "kind", "parameters") == rows(single, "name", "kind", "parameters")
    assert many.totals["macs"] == 5 * single.totals["macs"]
    assert repr(many.receptive_field("pool")) == "pool, 4 × 4 positions\n  of x, 16 × 16, it sees 7 × 7"


def test_a_tied_weight_counts_once():
    table = eqx.nn.Embedding(50, 8, key=jax.random.key(0))
    head = eqx.nn.Linear(8, 50, use_bias=False, key=jax.random.key(1))
    head = eqx.tree_at(lambda one: one.weight, head, table.weight)

    def call(words):
        return jax.vmap(head)(jax.vmap(table)(words))

    totals = ls.trace(call, input=((7,), "int32"), framework="jax").totals
    assert (totals["parameters"], totals["macs"]) == (400, 7 * 400)


class Both(eqx.Module):
    table: eqx.nn.Embedding
    head: eqx.nn.Linear

    def __call__(self, words):
        return jax.vmap(self.head)(jax.vmap(self.table)(words))


def test_a_weight_that_is_tied_in_a_tree():
    key = jax.random.key(0)
    made = Both(eqx.nn.Embedding(50, 8, key=key), eqx.nn.Linear(8, 50, use_bias=False, key=key))
    tied = eqx.tree_at(lambda one: one.head.weight, made, made.table.weight)
    assert [ls.trace(one, input=((7,), "int32")).totals["parameters"] for one in (made, tied)] == [800, 400]


def dense(parameters, x):
    for layer in parameters["layers"]:
        x = jnp.tanh(x @ layer["w"] + layer["b"])
    return {"out": x, "sum": x.sum()}


def test_functions_of_parameters():
    layer = {"w": S((4, 4), "float32"), "b": S((4,), "float32")}
    for function in (dense, jax.jit(dense)):
        trace = ls.trace(function, parameters={"layers": [layer, layer]}, input=(3, 4))
        scope = "" if function is dense else "dense/"
        assert rows(trace, "name", "parameters", "macs") == [
            ("x", 0, 0),
            *(
                (scope + name, *counts)
                for name, counts in {
                    "matmul": (16, 48), "add": (4, 0), "tanh": (0, 0), "matmul_1": (16, 48), "add_1": (4, 0),
                    "tanh_1": (0, 0), "sum": (0, 0),
                }.items()
            ),
        ]  # fmt: skip
        assert set(trace.graph.parameters) == {"layers.0.w", "layers.0.b", "layers.1.w", "layers.1.b"}


MATRIX = jnp.ones((4, 4))


def looped(x):
    return jax.lax.scan(lambda state, row: (jnp.tanh(state @ MATRIX + row), state), jnp.zeros(4), x)


def test_loops_and_branches():
    totals = ls.trace(looped, input=(6, 4)).totals
    assert (totals["parameters"], totals["macs"], totals["at_least"]) == (16, 6 * 16, False)
    assert totals["operations"]["pointwise"] == 6 * 8
    assert totals["memory"]["saved_at_least"]
    inner = ls.trace(lambda x: jax.lax.map(looped, x), input=(3, 6, 4)).totals
    assert (inner["macs"], inner["at_least"]) == (3 * 6 * 16, False)
    counted = ls.trace(lambda x: jax.lax.fori_loop(0, 5, lambda _, y: y @ MATRIX, x), input=(2, 4))
    assert (counted.totals["macs"], counted.totals["at_least"]) == (5 * 32, False)
    while_ = ls.trace(lambda x: jax.lax.while_loop(lambda y: y.sum() < 9, lambda y: y @ MATRIX, x), input=(2, 4))
    assert (while_.totals["macs"], while_.totals["at_least"]) == (32, True)
    both = lambda x: jax.lax.cond(x.sum() > 0, lambda y: y @ MATRIX @ MATRIX, lambda y: y @ MATRIX, x)  # noqa: E731
    branches = ls.trace(both, input=(2, 4))
    assert (branches.totals["macs"], branches.totals["at_least"]) == (32, True)
    assert [row["name"] for row in branches.layers if "branch" in row["name"]] == [
        "cond/branch_0/matmul",
        "cond/branch_1/matmul",
        "cond/branch_1/matmul_1",
    ]
    again = ls.trace(jax.checkpoint(lambda x: jnp.sin(x @ MATRIX)), input=(2, 4), framework="jax")
    assert rows(again, "name", "macs") == [("x", 0), ("matmul", 32), ("sin", 0)]


def test_weights_of_many_layers_in_one():
    """A stack of layers that is scanned: its weights are one array, of which each turn reads a part."""

    class Stack(nn.Module):
        @nn.compact
        def __call__(self, x):
            layers = nn.scan(
                nn.Dense, variable_axes={"params": 0}, split_rngs={"params": True}, length=5, in_axes=nn.broadcast
            )
            del layers

            def body(state, weight):
                return jnp.tanh(state @ weight), None

            weights = self.param("weights", nn.initializers.zeros, (5, 4, 4))
            return jax.lax.scan(body, x, weights)[0]

    totals = ls.trace(Stack(), input=(2, 4)).totals
    assert (totals["parameters"], totals["macs"]) == (80, 5 * 32)


def test_functions_that_are_jitted_are_scopes():
    @jax.jit
    def block(x):
        return jax.nn.relu(x) * 2

    trace = ls.trace(lambda x: block(block(x)), input=(3, 4))
    assert [row["name"] for row in trace.layers] == ["x", "block/relu", "block/mul", "block#2/relu", "block#2/mul"]


def test_functions_of_libraries_are_one_row():
    def function(x):
        x = jax.nn.gelu(jax.nn.gelu(x))
        for _ in range(2):
            x = jax.nn.softplus(x)
        return jax.nn.softmax(x, axis=0) + jnp.clip(x, 0, 1) + jnp.where(x > 0, x, 0.0)

    trace = ls.trace(function, input=(3, 4))
    assert [row["name"] for row in trace.layers] == [
        "x", "gelu", "gelu_1", "softplus", "softplus_1", "softmax", "clip", "add", "gt", "where", "add_1",
    ]  # fmt: skip
    assert {row["operations"]["pointwise"] for row in trace.layers[1:]} == {12}


def test_what_nobody_described_is_unknown():
    totals = ls.trace(lambda x: jnp.linalg.cholesky(x @ x.T), input=(3, 3)).totals
    assert (totals["macs"], totals["at_least"]) == (27, True)


def test_a_saved_graph_is_the_same():
    for module, input in ((networks.ViT(depth=1, width=32, heads=2), (2, 32, 32, 3)), (looped, (6, 4))):
        trace = ls.trace(module, input=input)
        text = json.dumps(graph_json.dump(trace.graph))
        again = graph_json.load(json.loads(text))
        assert ls.trace(again).to_json() == trace.to_json()
        assert json.dumps(graph_json.dump(again)) == text
