"""Recurrent layers, attention, embeddings: random settings against Keras 3."""

from __future__ import annotations

from random import Random

import pytest

from layerscope import layers as ls
from layerscope.core.contract import describe_settings
from layerscope.core.errors import LayerscopeError
from layerscope.core.types import TensorType

from .keras_described import call, make, ours, quiet, symbolic, told

COUNT = 40


def float_type(*shape: int) -> TensorType:
    return TensorType(shape)


def maybe(random: Random, **settings):
    """Some of the settings, as often as not."""
    return {name: value for name, value in settings.items() if random.random() < 0.5}


def cell_settings(random: Random, kind: str, units: int):
    told = maybe(
        random, use_bias=False, activation=random.choice(["relu", "linear"]), dropout=0.25, recurrent_dropout=0.5
    )
    if kind != "SimpleRNN":
        told |= maybe(random, recurrent_activation="relu")
    if kind == "GRU":
        told |= maybe(random, reset_after=False)
    if kind == "LSTM":
        told |= maybe(random, unit_forget_bias=False)
    return {"units": units, **told}


def flags(random: Random):
    return maybe(random, return_sequences=True, return_state=True, go_backwards=True, stateful=True, unroll=True)


KINDS = ("SimpleRNN", "LSTM", "GRU")


def recurrent(kind):
    def draw(random: Random):
        units, batch = random.randint(1, 5), random.randint(1, 3)
        layer = getattr(ls, kind)(**cell_settings(random, kind, units), **flags(random))
        x = float_type(batch, random.randint(1, 5), random.randint(1, 4))
        states = [float_type(batch, n) for n in layer.step.states] if random.random() < 0.5 else []
        return layer, (x, *states)

    return draw


def cell_of(random: Random, kind: str):
    return getattr(ls, f"{kind}Cell")(**cell_settings(random, kind, random.randint(1, 5)))


def cell(kind):
    def draw(random: Random):
        layer, batch = cell_of(random, kind), random.randint(1, 3)
        states = [float_type(batch, n) for n in layer.step.states]
        return layer, (float_type(batch, random.randint(1, 4)), *states)

    return draw


def cells(random: Random):
    return [cell_of(random, random.choice(KINDS)) for _ in range(random.randint(2, 3))]


def stacked(random: Random):
    layer, batch = ls.StackedRNNCells(cells(random)), random.randint(1, 3)
    states = [float_type(batch, n) for n in layer.step.states]
    return layer, (float_type(batch, random.randint(1, 4)), *states)


def rnn(random: Random):
    inner = random.choice([cells, lambda r: cell_of(r, r.choice(KINDS)), lambda r: ls.StackedRNNCells(cells(r))])
    layer, batch = ls.RNN(inner(random), **flags(random)), random.randint(1, 3)
    states = [float_type(batch, n) for n in layer.step.states]
    x = float_type(batch, random.randint(1, 5), random.randint(1, 4))
    with_states = random.random() < 0.5 and not isinstance(layer.cell, tuple | ls.StackedRNNCells)
    return layer, (x, *states) if with_states else (x,)


def bidirectional(random: Random):
    kind, units, batch = random.choice(KINDS), random.randint(1, 5), random.randint(1, 3)
    both = maybe(random, return_sequences=True, return_state=True)
    first = getattr(ls, kind)(**cell_settings(random, kind, units), **both)
    # Keras's symbolic outputs show the forward layer's states twice, so both have as many.
    other = "LSTM" if kind == "LSTM" else random.choice(["SimpleRNN", "GRU"])
    back = getattr(ls, other)(**cell_settings(random, other, units), **both, go_backwards=True)
    mode = random.choice(["concat", "sum", "mul", "ave", None])
    layer = ls.Bidirectional(first, mode, random.choice([None, back]))
    states = [float_type(batch, n) for n in (*first.step.states, *layer.backward.step.states)]
    x = float_type(batch, random.randint(1, 5), random.randint(1, 4))
    return layer, (x, *states) if random.random() < 0.3 and layer.backward_layer is None else (x,)


def time_distributed(random: Random):
    shape = tuple(random.randint(3, 7) for _ in range(random.choice([1, 3])))
    inner = {
        1: [ls.Dense(random.randint(1, 4)), ls.Activation("softmax"), ls.EinsumDense("ab,bc->ac", 4)],
        3: [ls.Conv2D(random.randint(1, 4), 2, random.randint(1, 2)), ls.Flatten(), ls.ZeroPadding2D((1, 2))],
    }
    return ls.TimeDistributed(random.choice(inner[len(shape)])), (float_type(2, random.randint(1, 4), *shape),)


def conv_lstm(rank):
    def draw(random: Random):
        settings = maybe(
            random, padding="same", data_format="channels_first", use_bias=False, activation="relu",
            dropout=0.5, recurrent_dropout=0.5, return_sequences=True, return_state=True, go_backwards=True, stateful=True,
        )  # fmt: skip
        step = random.choice(["strides", "dilation_rate"])
        settings[step] = tuple(random.randint(1, 2) for _ in range(rank))
        kernel = tuple(random.randint(1, 3) for _ in range(rank))
        layer = getattr(ls, f"ConvLSTM{rank}D")(random.randint(1, 3), kernel, **settings)
        inner, channels = [random.randint(5, 7) for _ in range(rank)], random.randint(1, 3)
        shape = [channels, *inner] if layer.data_format else [*inner, channels]
        return layer, (float_type(2, random.randint(1, 3), *shape),)

    return draw


def multi_head(random: Random):
    settings = maybe(
        random, value_dim=random.randint(1, 4), use_bias=False, output_shape=random.choice([3, (2, 3)]),
        use_gate=True, use_causal_mask=True, return_attention_scores=True, sliding_window=2,
    )  # fmt: skip
    if "value_dim" in settings:  # Keras on JAX computes that on the longer way only, which dropout asks for
        settings["dropout"] = 0.1
    layer = ls.MultiHeadAttention(random.randint(1, 3), random.randint(1, 4), **settings)
    rows, columns = random.randint(1, 5), random.randint(1, 5)
    query, value, key = (float_type(2, n, random.randint(1, 5)) for n in (rows, columns, columns))
    return layer, (query, value, key) if random.random() < 0.5 else (query, value)


def multi_head_axes(random: Random):
    axes = random.choice([None, 1, 2, (1, 2), (2, 1), -2, (-3,)])
    layer = ls.MultiHeadAttention(2, 3, attention_axes=axes, **maybe(random, return_attention_scores=True))
    used = {1, 2} if axes is None else {a % 4 for a in ((axes,) if isinstance(axes, int) else axes)}
    query = [2, random.randint(1, 4), random.randint(1, 4), 5]
    value = [n if axis not in used else random.randint(1, 4) for axis, n in enumerate(query)]
    return layer, (float_type(*query), float_type(*value))


def group_query(random: Random):
    settings = maybe(random, use_bias=False, use_gate=True, use_causal_mask=True, return_attention_scores=True)
    groups, features = random.randint(1, 3), random.randint(1, 5)
    layer = ls.GroupQueryAttention(random.randint(1, 4), groups * random.randint(1, 3), groups, **settings)
    query, value = (float_type(2, random.randint(1, 5), features) for _ in range(2))
    return layer, (query, value)


def single(kind):
    def draw(random: Random):
        settings = maybe(random, use_causal_mask=True, return_attention_scores=True)
        settings |= {"use_scale": random.random() < 0.5}
        if kind == "Attention":
            settings |= maybe(random, score_mode="concat")
        layer, features = getattr(ls, kind)(**settings), random.randint(1, 4)
        rows, columns = random.randint(1, 4), random.randint(1, 4)
        query, key = float_type(2, rows, features), float_type(2, columns, features)
        value = float_type(2, columns, random.randint(1, 4))
        return layer, (query, value, key) if random.random() < 0.5 else (query, key)

    return draw


def einsum(random: Random):
    """Two axes behind a leading "..." are equal: Keras's symbolic shape has them the wrong way round."""
    a, b, c, d = (random.randint(1, 4) for _ in range(4))
    equation, output, bias, shape = random.choice([
        ("ab,bc->ac", d, "c", (a, b)),
        ("abc,cd->abd", (b, d), "d", (a, b, c)),
        ("abc,cde->abde", (b, d, a), random.choice(["de", "e", "d", "be"]), (a, b, c)),
        ("abcd,cde->abe", (b, d), "e", (a, b, c, d)),
        ("...x,xy->...y", d, "y", random.choice([(a, b), (a, b, c), (a, b, b, d)])),
        ("...xy,xyz->...z", d, "z", (a, b, c, d)),
        ("ab...,bc->ac...", d, "c", random.choice([(a, b), (a, b, c), (a, b, c, d)])),
    ])  # fmt: skip
    settings = maybe(random, bias_axes=bias, activation="relu")
    return ls.EinsumDense(equation, output, **settings), (float_type(*shape),)


def embedding(random: Random):
    shape = [random.randint(1, 4) for _ in range(random.randint(1, 3))]
    layer = ls.Embedding(random.randint(1, 9), random.randint(1, 5), mask_zero=random.random() < 0.5)
    return layer, (TensorType(tuple(shape), random.choice(["int32", "int64", "uint8", "float32"])),)


def reversible(random: Random):
    settings = maybe(random, reverse=True, tie_weights=False, logit_soft_cap=3.0)
    layer = ls.ReversibleEmbedding(random.randint(1, 9), random.randint(1, 5), **settings)
    shape = tuple(random.randint(1, 4) for _ in range(2))
    return layer, (TensorType((*shape, layer.output_dim)) if layer.reverse else TensorType(shape, "int32"),)


SYMBOLIC = {
    **{kind: recurrent(kind) for kind in KINDS},
    **{f"{kind}Cell": cell(kind) for kind in KINDS},
    **{f"ConvLSTM{rank}D": conv_lstm(rank) for rank in (1, 2, 3)},
    "StackedRNNCells": stacked,
    "RNN": rnn,
    "Bidirectional": bidirectional,
    "TimeDistributed": time_distributed,
    "EinsumDense": einsum,
    "Embedding": embedding,
    "ReversibleEmbedding": reversible,
    "Attention": single("Attention"),
    "AdditiveAttention": single("AdditiveAttention"),
}
TRACED = {
    "MultiHeadAttention": multi_head,
    "MultiHeadAttention axes": multi_head_axes,
    "GroupQueryAttention": group_query,
}
"""Keras's symbolic shape of the scores knows the query's length only, so the shapes are those of the computation."""


def drawn(draw, count=COUNT):
    return [draw(Random(seed)) for seed in range(count)]


def described(layer, types):
    return f"{describe_settings(layer)} on {', '.join(map(str, types))}"


@pytest.mark.parametrize("name", SYMBOLIC)
def test_shapes_and_weights_of_random_settings(name):
    for layer, types in drawn(SYMBOLIC[name]):
        assert ours(layer, types) == told(layer, symbolic(types)), described(layer, types)


@pytest.mark.parametrize("name", TRACED)
def test_shapes_and_weights_of_random_settings_traced(name):
    for layer, types in drawn(TRACED[name]):
        assert ours(layer, types) == told(layer, symbolic(types), traced=True), described(layer, types)


X, LONG = float_type(2, 5, 3), float_type(2, 5, 4)
LSTM = ls.LSTM(4)
REFUSED = {
    "two axes": (LSTM, (float_type(2, 3),), "needs an input of 3 axes (batch, time, features), but got 2: (2, 3)"),
    "four axes": (ls.GRU(2), (float_type(2, 3, 4, 5),), "needs an input of 3 axes (batch, time, features), but got 4: (2, 3, 4, 5)"),
    "few dimensions": (ls.TimeDistributed(ls.Dense(2)), (float_type(2, 3),), "needs a batch, a time and at least one more axis, but got (2, 3)"),
    "inner": (
        ls.TimeDistributed(ls.Conv2D(2, 3)), (float_type(2, 3, 2, 2, 1),),
        "the inner Conv2D the kernel covers 3 cells along its height, but the input has only 2. Use a smaller kernel or padding='same'.",
    ),
    "one input": (ls.Attention(), (X,), "takes [query, value] or [query, value, key], but got 1 inputs"),
    "four inputs": (ls.AdditiveAttention(), (X,) * 4, "takes [query, value] or [query, value, key], but got 4 inputs"),
    "key of another length": (ls.MultiHeadAttention(2, 3), (X, X, float_type(2, 4, 3)), "value (2, 5, 3) and key (2, 4, 3) must be of the same shape but for the last axis"),
    "features": (ls.GroupQueryAttention(2, 2, 1), (X, LONG), "query (2, 5, 3) and value (2, 5, 4) must have equally many features"),
    "equation": (ls.EinsumDense("abc,cd->abd", (6, 2)), (X,), "axis 'b' of 'abc,cd->abd' is 5 in the input, 6 in output_shape"),
    "small image": (
        ls.ConvLSTM1D(2, 7), (float_type(2, 3, 5, 1),),
        "the kernel covers 7 cells along its length, but the input has only 5. Use a smaller kernel or padding='same'.",
    ),
    "axes of images": (
        ls.ConvLSTM2D(2, 3), (float_type(2, 3, 5, 1),),
        "needs an input of 5 axes (batch, time, height, width, channels), but got 4: (2, 3, 5, 1)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_keras_refuses_is_refused_with_a_reason(name):
    layer, types, message = REFUSED[name]
    with pytest.raises(LayerscopeError) as caught:
        layer.out(*types)
    assert str(caught.value) == message
    with pytest.raises((ValueError, TypeError, ZeroDivisionError, AttributeError, IndexError)):
        quiet(lambda: call(layer, make(layer), symbolic(types)))()


def test_the_comparison_can_fail():
    layer, x = ls.LSTM(4), float_type(2, 5, 3)
    assert ours(ls.GRU(4), (x,)) != told(layer, symbolic((x,)))
    assert ours(ls.LSTM(4, use_bias=False), (x,)) != told(layer, symbolic((x,)))
