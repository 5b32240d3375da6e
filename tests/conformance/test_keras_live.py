"""Keras models in memory: subclassed ones followed by one symbolic call, which leaves no trace in the model."""

from __future__ import annotations

import json

import numpy as np
import pytest

import layerscope as ls
from layerscope.core.errors import ShapeError, SourceError
from layerscope.sources._keras import files as keras_file

from . import keras_oracle


@pytest.fixture(scope="module")
def keras():
    pytest.importorskip("jax")
    pytest.importorskip("keras")
    return keras_oracle.modules()[0]


@pytest.fixture(scope="module")
def classes(keras):
    """A subclassed model with a block of its own, and a layer with a weight of its own."""
    kl, ops = keras.layers, keras.ops

    class Block(kl.Layer):
        def __init__(self, width, **settings):
            super().__init__(**settings)
            self.conv, self.dense = kl.Conv2D(width, 3, padding="same", name="conv"), kl.Dense(width, name="dense")

        def call(self, x):
            return ops.relu(self.conv(x)) + self.dense(x)

    class Linear(kl.Layer):
        def build(self, shape):
            self.kernel = self.add_weight(shape=(shape[-1], 7), name="kernel")
            self.bias = self.add_weight(shape=(7,), name="bias", trainable=False)

        def call(self, x):
            return ops.matmul(x, self.kernel) + self.bias

    class Net(keras.Model):
        def __init__(self):
            super().__init__(name="net")
            self.stem = kl.Conv2D(4, 3, name="stem")
            self.block = Block(4, name="block")
            self.head = keras.Sequential([kl.Flatten(name="flat"), kl.Dense(3, name="top")], name="head")
            self.linear = Linear(name="linear")

        def call(self, image, training=None):
            x = self.block(self.block(self.stem(image)))
            return self.linear(self.head(x, training=training))

    return Net, Block, Linear


def state(keras, model):
    """Everything that a call could leave behind."""
    layers = list(model._flatten_layers())
    return [
        [
            (type(layer), layer.name, layer.built, sorted(vars(layer)), list(layer._inbound_nodes), list(layer._outbound_nodes),
             [id(v) for v in layer.variables], layer._build_shapes_dict, getattr(layer, "_called", None),
             {name: set(ids) for name, ids in layer._tracker.stored_ids.items()}, layer._tracker.locked)
            for layer in layers
        ],
        dict(keras.src.backend.common.global_state.get_global_attribute("object_name_uids") or {}),
        len(keras.src.backend.common.global_state.get_global_attribute("uninitialized_variables") or ()),
    ]  # fmt: skip


ROWS = {
    "image": ("InputLayer", ["batch", 8, 8, 3], 0),
    "stem": ("Conv2D", ["batch", 6, 6, 4], 112),
    "block/conv": ("Conv2D", ["batch", 6, 6, 4], 148),
    "block/relu": ("Relu", ["batch", 6, 6, 4], 0),
    "block/dense": ("Dense", ["batch", 6, 6, 4], 20),
    "block/add": ("Add", ["batch", 6, 6, 4], 0),
    "block/conv#2": ("Conv2D", ["batch", 6, 6, 4], 148),
    "block/relu#2": ("Relu", ["batch", 6, 6, 4], 0),
    "block/dense#2": ("Dense", ["batch", 6, 6, 4], 20),
    "block/add#2": ("Add", ["batch", 6, 6, 4], 0),
    "head/flat": ("Flatten", ["batch", 144], 0),
    "head/top": ("Dense", ["batch", 3], 435),
    "linear/matmul": ("Matmul", ["batch", 7], 21),
    "linear/add": ("Add", ["batch", 7], 7),
}


def rows_of(trace):
    def plain(name):
        scope, slash, last = name.rpartition("/")
        stem, hash_, number = last.partition("#")
        words = stem.rsplit("_", 1)
        return scope + slash + (words[0] if words[-1].isdigit() else stem) + hash_ + number

    return {plain(row["name"]): (row["kind"], row["output_shape"], row["parameters"]) for row in trace.layers}


def test_a_subclassed_model_before_it_is_built_and_after(keras, classes):
    model = classes[0]()
    before = state(keras, model)
    trace = ls.trace(model, input=(8, 8, 3))
    assert rows_of(trace) == ROWS
    assert trace.totals | {"parameters": 743, "trainable_parameters": 736, "at_least": False} == trace.totals
    assert state(keras, model) == before
    assert model.weights == []
    model(np.zeros((2, 8, 8, 3), "float32"))
    before = state(keras, model)
    again = ls.trace(model)
    assert rows_of(again) == ROWS
    assert again.totals["parameters"] == model.count_params()
    assert state(keras, model) == before
    assert model(np.zeros((2, 8, 8, 3), "float32")).shape == (2, 7)


def test_a_block_within_a_functional_model_shows_its_layers(keras, classes):
    _, block, linear = classes
    image = keras.Input((8, 8, 4), name="image")
    model = keras.Model(image, linear(name="linear")(block(4, name="block")(image)), name="net")
    before = state(keras, model)
    trace = ls.trace(model)
    assert [row["name"].partition("/")[0] for row in trace.layers] == ["image", *["block"] * 4, *["linear"] * 2]
    assert trace.totals["parameters"] == model.count_params() == 148 + 20 + 28 + 7
    assert not trace.totals["at_least"]
    assert state(keras, model) == before
    # a file does not hold what the classes compute, but the shapes
    filed = ls.trace(keras_file.load(json.loads(model.to_json())))
    assert [(row["kind"], row["parameters"]) for row in filed.layers[1:]] == [("Block", None), ("Linear", None)]
    assert filed.layers[-1]["output_shape"] == ["batch", "linear_unknown"], "nobody in the file says it"


def test_frozen_parts_stay_frozen(keras, classes):
    model = classes[0]()
    model(np.zeros((1, 8, 8, 3), "float32"))
    model.block.trainable = False
    model.head.layers[1].trainable = False
    trace = ls.trace(model)
    assert trace.totals["trainable_parameters"] == 112 + 21
    assert trace.totals["parameters"] == 743


def test_weights_that_two_layers_share_count_once(keras):
    class Tied(keras.Model):
        def __init__(self):
            super().__init__(name="tied")
            self.embed = keras.layers.Embedding(11, 5, name="embed")
            self.dense = keras.layers.Dense(5, name="dense")

        def call(self, tokens):
            return keras.ops.matmul(self.dense(self.embed(tokens)), self.embed.embeddings)

    class Square(Tied):
        def __init__(self):
            super().__init__()
            self.embed = keras.layers.Embedding(5, 5, name="embed")

    model = Square()
    trace = ls.trace(model, input=(7,))
    assert trace.totals["parameters"] == 25 + 30
    assert trace.layers[-1]["shared"]
    assert trace.layers[-1]["macs"] == 7 * 5 * 5


def test_a_layer_that_cannot_be_followed_keeps_its_own_shapes_and_weights(keras):
    class Scaled(keras.layers.Layer):
        def build(self, shape):
            self.gain = self.add_weight(shape=(shape[-1],), name="gain")

        def compute_output_shape(self, shape):
            return shape

        def call(self, x):
            return x * float(np.mean(np.asarray(x)))

    image = keras.Input((6,), name="x")
    model = keras.Model(image, keras.layers.Dense(2, name="top")(Scaled(name="scaled")(image)))
    before = state(keras, model)
    rows = ls.trace(model).layers
    assert (rows[1]["kind"], rows[1]["output_shape"], rows[1]["weights"], rows[1]["macs"]) == (
        "Scaled", ["batch", 6], {"gain": [6]}, None,
    )  # fmt: skip
    assert state(keras, model) == before


def test_a_model_that_cannot_be_followed_says_which_line_stops_it(keras):
    class Asking(keras.Model):
        def __init__(self):
            super().__init__(name="asking")
            self.dense = keras.layers.Dense(2, name="dense")

        def call(self, x):
            x = self.dense(x)
            if float(keras.ops.sum(x)) > 0:
                return x
            return -x

    model = Asking()
    before = state(keras, model)
    with pytest.raises(SourceError) as caught:
        ls.trace(model, input=(3,))
    line = test_a_model_that_cannot_be_followed_says_which_line_stops_it.__code__.co_firstlineno + 8
    assert str(caught.value) == (
        f"Asking (asking) cannot be followed: {__file__}, line {line}: if float(keras.ops.sum(x)) > 0:\n"
        "  ValueError: A KerasTensor is symbolic: it's a placeholder for a shape an a dtype. It doesn't have any actual "
        "numerical value. You cannot convert it to a float."
    )
    assert state(keras, model) == before
    assert not model.dense.built


def test_several_inputs_of_a_subclassed_model(keras):
    kl = keras.layers

    class Two(keras.Model):
        def __init__(self):
            super().__init__(name="two")
            self.a, self.b, self.join = kl.Dense(2, name="a"), kl.Dense(3, name="b"), kl.Concatenate(name="join")

        def call(self, left, right):
            return {"joined": self.join([self.a(left), self.b(right)]), "left": left}

    class Listed(Two):
        def call(self, pair):
            return super().call(*pair)

    class Named(Two):
        def call(self, inputs):
            return super().call(inputs["left"], inputs["right"])

    for cls, given in ((Two, [(4,), (5,)]), (Two, {"left": (4,), "right": (5,)}), (Listed, [(4,), (5,)]), (Named, {"left": (4,), "right": (5,)})):  # fmt: skip
        trace = ls.trace(cls(), input=given)
        assert trace.layers[-1]["output_shape"] == ["batch", 5]
        assert trace.totals["parameters"] == 10 + 18
    model = Two()
    model(np.zeros((2, 4)), np.zeros((2, 5)))  # Keras notes the first one's shape only
    for asked in (lambda: ls.trace(model), lambda: ls.trace(Two(), input=(4,))):
        with pytest.raises(SourceError) as caught:
            asked()
        assert str(caught.value) == (
            "Two (two): the shape of right is unknown; say the sizes of one example of each: "
            "layerscope.trace(model, input={'left': ..., 'right': ...})"
        )


def test_models_that_do_not_know_their_input(keras, classes):
    with pytest.raises(SourceError) as caught:
        ls.trace(classes[0]())
    assert str(caught.value) == (
        "Net (net) is not built: the shapes of its inputs are unknown. Say the sizes of one example: "
        "layerscope.trace(model, input=(28, 28, 1))"
    )
    chain = keras.Sequential([keras.layers.Dense(3, name="a"), keras.layers.Dense(2, name="b")], name="chain")
    assert ls.trace(chain, input=(5,)).totals["parameters"] == 18 + 8
    assert not chain.built
    image = keras.Input((None, None, 3), name="image")
    model = keras.Model(image, keras.layers.Conv2D(2, 3, name="conv")(image))
    assert ls.trace(model, input=(10, 12, 3)).layers[-1]["output_shape"] == ["batch", 8, 10, 2]
    assert ls.trace(model, sizes={"height": 10}).layers[-1]["output_shape"] == [
        "batch",
        8,
        "width - 2",
        2,
    ]
    with pytest.raises(ShapeError) as misfit:
        ls.trace(model, input=(10, 12, 4))
    assert str(misfit.value) == "image (InputLayer): takes examples of (None, None, 3), but input says (10, 12, 4)"


def test_training_refuses_what_only_a_trace_can_take(keras, classes):
    image = keras.Input((8, 8, 4), name="image")
    model = keras.Model(
        image, classes[1](4, name="block")(keras.layers.Conv2D(4, 1, activation="sparsemax", name="conv")(image))
    )
    assert not ls.trace(model).totals["at_least"]
    with pytest.raises(SourceError) as caught:
        ls.from_keras(model)
    first, conv, block, known = str(caught.value).split("\n")
    assert first == f"this Keras model ({model.name}) cannot be taken over:"
    assert conv.startswith("  conv (Conv2D): activation=sparsemax is not known here; known: linear, relu, ")
    assert block.startswith("  block (Block): ")
    assert block.endswith(".Block is none of Keras's layers, and what it computes is Python code")
    assert known.startswith("Layers that can be: ")


def test_attention_of_every_kind_is_the_same_in_memory_and_from_its_file(keras):
    kl, ops = keras.layers, keras.ops
    x, tokens = keras.Input((7, 12)), keras.Input((6,), dtype="int32")
    heads = ops.reshape(kl.Dense(24, name="split")(x), (-1, 7, 4, 6))
    tied = kl.ReversibleEmbedding(20, 8, name="tied")
    models = {
        "grouped": keras.Model(x, kl.GroupQueryAttention(4, 6, 2, name="grouped")(x, x)),
        "function": keras.Model(x, ops.dot_product_attention(heads, heads, heads, is_causal=True)),
        "tied": keras.Model(tokens, tied(tied(tokens), reverse=True)),
    }
    # by hand: 7·12·40 + 6·49·8 + 7·24·12;  7·12·24 + 4·49·12;  6·8·20
    macs = {"grouped": 7728, "function": 4368, "tied": 960}
    for name, model in models.items():
        for trace in (ls.trace(model), ls.trace(keras_file.load(json.loads(model.to_json())))):
            assert (trace.totals["macs"], trace.totals["parameters"]) == (macs[name], model.count_params()), name
            assert tuple(trace.layers[-1]["output_shape"][1:]) == model.output_shape[1:]
            assert not trace.totals["at_least"]
