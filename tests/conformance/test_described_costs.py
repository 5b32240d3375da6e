"""What described sequence layers compute and read: counted by definitions that give Keras's own numbers, and by pokes."""

from __future__ import annotations

import numpy as np
import pytest

from contract.test_reach import claimed
from layerscope import layers as ls
from layerscope.core.contract import Example, describe_settings
from layerscope.core.types import TensorType

from . import counting
from .keras_described import arrays, depends, values


def recurrent_cases():
    x = (2, 3, 4)
    for bias in (True, False):
        yield ls.SimpleRNN(5, use_bias=bias), x
        yield ls.LSTM(5, use_bias=bias, return_sequences=True), x
        for after in (True, False):
            yield ls.GRU(5, use_bias=bias, reset_after=after, go_backwards=True), x
    yield ls.LSTM(3, "relu", "linear"), (1, 4, 2)
    yield ls.GRU(3, None, "relu"), (1, 4, 2)
    yield ls.SimpleRNN(3, "linear", return_sequences=True, go_backwards=True), (1, 1, 2)


def check(layer, define, inputs):
    """The definition gives Keras's numbers; what it counts is what the layer says."""
    theirs, weights = values(layer, inputs)
    count = counting.Count()
    mine = define(count, layer, weights, *(x.astype("float64") for x in inputs))
    np.testing.assert_allclose(mine, theirs[0], rtol=2e-4, atol=2e-4)
    types = [TensorType(x.shape) for x in inputs]
    said = layer.operations(*types)
    assert count.macs == layer.macs(*types) > 0
    assert (count.bias, count.pointwise, count.pooling) == (said.bias, said.pointwise, said.pooling)
    assert said.normalisation == 0


def ids(parts):
    return [describe_settings(layer) for layer, *_ in parts]


RECURRENT = [*recurrent_cases()]


@pytest.mark.parametrize(("layer", "shape"), RECURRENT, ids=ids(RECURRENT))
def test_recurrent_layers(layer, shape):
    check(layer, counting.recurrent, arrays((TensorType(shape),)))


def test_stacked_cells():
    layer = ls.RNN([ls.LSTMCell(4), ls.SimpleRNNCell(3, use_bias=False), ls.GRUCell(2)])
    check(layer, counting.stacked, arrays((TensorType((2, 3, 5)),)))


@pytest.mark.parametrize("mode", ["concat", "sum", "mul", "ave"])
@pytest.mark.parametrize("sequences", [True, False])
def test_bidirectional(mode, sequences):
    layer = ls.Bidirectional(ls.LSTM(3, return_sequences=sequences), mode)
    check(layer, counting.bidirectional, arrays((TensorType((2, 4, 5)),)))


def test_bidirectional_of_two_kinds():
    layer = ls.Bidirectional(ls.SimpleRNN(3), "sum", ls.GRU(3, go_backwards=True))
    check(layer, counting.bidirectional, arrays((TensorType((2, 4, 5)),)))


CONVOLVED = [
    (ls.ConvLSTM1D(3, 3), (2, 3, 7, 2)),
    (ls.ConvLSTM2D(2, (2, 3), (2, 1), "same", go_backwards=True), (2, 3, 5, 4, 3)),
    (ls.ConvLSTM2D(2, 2, dilation_rate=(2, 1), use_bias=False, activation="relu"), (1, 2, 5, 6, 1)),
    (ls.ConvLSTM3D(2, 2, padding="same"), (1, 2, 3, 4, 3, 2)),
]


@pytest.mark.parametrize(("layer", "shape"), CONVOLVED, ids=ids(CONVOLVED))
def test_convolutional_lstms(layer, shape):
    check(layer, counting.conv_lstm, arrays((TensorType(shape),)))


def test_channels_first_costs_the_same():
    first, last = ls.ConvLSTM2D(3, 2, data_format="channels_first"), ls.ConvLSTM2D(3, 2)
    x, y = TensorType((2, 4, 1, 5, 6)), TensorType((2, 4, 5, 6, 1))
    assert (first.macs(x), first.operations(x)) == (last.macs(y), last.operations(y))


HEADS = [
    (ls.MultiHeadAttention(2, 3), ((2, 4, 5), (2, 6, 3))),
    (ls.MultiHeadAttention(2, 3, use_bias=False), ((2, 4, 5), (2, 6, 3), (2, 6, 2))),
    (ls.MultiHeadAttention(3, 2, 4, 0.1, use_gate=True, output_shape=7), ((2, 4, 5), (2, 4, 5))),
    (ls.MultiHeadAttention(2, 2, use_causal_mask=True), ((2, 4, 5), (2, 4, 5))),
    (ls.MultiHeadAttention(2, 2, sliding_window=2, use_causal_mask=True), ((2, 5, 3), (2, 5, 3))),
    (ls.MultiHeadAttention(2, 2, sliding_window=2), ((2, 5, 3), (2, 5, 3))),
    (ls.GroupQueryAttention(3, 4, 2), ((2, 4, 5), (2, 6, 5))),
    (ls.GroupQueryAttention(3, 6, 2, 0.1, False, use_gate=True, use_causal_mask=True), ((2, 4, 5), (2, 4, 5))),
]


@pytest.mark.parametrize(("layer", "shapes"), HEADS, ids=ids(HEADS))
def test_attention_with_heads(layer, shapes):
    def define(count, layer, weights, query, value, key=None):
        return counting.heads(count, layer, weights, query, value, key)

    check(layer, define, arrays(tuple(map(TensorType, shapes))))


SINGLE = [
    *((ls.Attention(scale, mode), 2) for scale in (False, True) for mode in ("dot", "concat")),
    (ls.Attention(use_causal_mask=True), 3),
    (ls.AdditiveAttention(), 3),
    (ls.AdditiveAttention(False, use_causal_mask=True), 2),
]


@pytest.mark.parametrize(("layer", "number"), SINGLE, ids=ids(SINGLE))
def test_attention_with_one_head(layer, number):
    def define(count, layer, weights, query, value, key=None):
        return counting.single(count, layer, weights, query, value, key)

    shapes = [(2, 4, 3), (2, 5, 3 if number == 2 else 2), (2, 5, 3)][:number]
    check(layer, define, arrays(tuple(map(TensorType, shapes))))


EINSUMS = [
    (ls.EinsumDense("abc,cd->abd", (None, 6)), (2, 3, 4)),
    (ls.EinsumDense("...x,xyz->...yz", (4, 2)), (2, 3, 3, 5)),
    (ls.EinsumDense("ab...,bc->ac...", 3), (2, 4, 5, 2)),
    (ls.EinsumDense("abcd,cde->abe", (None, 3)), (2, 3, 4, 5)),
]


@pytest.mark.parametrize(("layer", "shape"), EINSUMS, ids=ids(EINSUMS))
def test_einsums(layer, shape):
    def define(count, layer, weights, x):
        return count.einsum(layer.equation, x, weights["kernel"])

    check(layer, define, arrays((TensorType(shape),)))


def example(layer, *shapes):
    types = tuple(map(TensorType, shapes))
    return Example(layer, types, layer.out(*types))


EXACT = [
    *(example(layer, shape) for layer, shape in EINSUMS),
    example(ls.TimeDistributed(ls.Conv2D(2, 2, 2)), (2, 3, 5, 4, 1)),
    example(ls.TimeDistributed(ls.Dense(2)), (2, 3, 4)),
    example(ls.CenterCrop(3, 4), (2, 6, 7, 1)),
    example(ls.CenterCrop(3, 4, "channels_first"), (1, 2, 6, 7)),
    example(ls.Resizing(6, 4, "nearest"), (1, 3, 4, 2)),
    example(ls.Resizing(2, 3, "nearest"), (1, 8, 9, 1)),
    example(ls.Resizing(8, 9), (1, 4, 3, 1)),
    example(ls.Resizing(3, 2), (1, 9, 8, 1)),
    example(ls.Resizing(6, 5), (1, 9, 8, 1)),
    example(ls.Resizing(5, 12), (1, 3, 7, 1)),
    example(ls.Resizing(7, 11), (1, 10, 4, 1)),
    example(ls.Resizing(9, 2, data_format="channels_first"), (1, 1, 3, 6)),
    example(ls.STFTSpectrogram("real", 4, 3, scaling=None, window=None, fft_length=8), (2, 13, 1)),
    example(ls.STFTSpectrogram("log", 4, 3, padding="same", window=None, expand_dims=True), (1, 13, 2)),
    example(ls.MultiHeadAttention(2, 3), (2, 4, 3), (2, 5, 3), (2, 5, 2)),
    example(ls.MultiHeadAttention(1, 2, attention_axes=2), (1, 3, 4, 2), (1, 3, 2, 3)),
    example(ls.MultiHeadAttention(1, 2, sliding_window=3), (1, 6, 2), (1, 6, 2)),
    example(ls.GroupQueryAttention(2, 4, 2), (2, 3, 2), (2, 4, 2)),
    example(ls.Attention(), (2, 3, 2), (2, 4, 3), (2, 4, 2)),
    example(ls.AdditiveAttention(), (2, 3, 2), (2, 4, 2)),
    example(ls.ReversibleEmbedding(5, 3, reverse=True), (2, 2, 3)),
    example(ls.LSTM(3), (2, 4, 3)),
    example(ls.GRU(3), (2, 4, 3), (2, 3)),
    example(ls.Bidirectional(ls.SimpleRNN(2)), (2, 4, 3)),
]


def title(case):
    return f"{describe_settings(case.layer)} on {' and '.join(map(str, case.inputs))}"


@pytest.mark.parametrize("case", EXACT, ids=title)
def test_what_is_said_to_be_read_is_read(case):
    for number in range(len(case.inputs)):
        found, said = depends(case, number), claimed(case, number)
        assert np.array_equal(found, said), f"input {number}"


CAUSAL = [
    (example(ls.LSTM(2, return_sequences=True), (1, 4, 2)), 0),
    (example(ls.GRU(2, return_sequences=True, go_backwards=True), (1, 4, 2)), 0),
    (example(ls.MultiHeadAttention(1, 2, use_causal_mask=True), (1, 4, 2), (1, 4, 2), (1, 4, 2)), 1),
]


@pytest.mark.parametrize(
    ("case", "number"), CAUSAL, ids=lambda part: title(part) if isinstance(part, Example) else ""
)
def test_causal_layers_read_no_later_step(case, number):
    """`reach` says all steps; the docstrings, that those after it are not among them."""
    found = depends(case, number)
    assert not (found & ~claimed(case, number)).any()
    time, features = case.inputs[number].shape[1:]
    steps = found.reshape(time, -1, time, features).any(axis=(1, 3))
    order = steps[:, ::-1] if getattr(case.layer, "go_backwards", False) else steps
    assert np.array_equal(order, np.tril(np.ones((time, time), bool)))


def test_a_causal_window_is_exact():
    """Of the values; a first position has one key, whose weight is 1 whatever it is."""
    case = example(ls.MultiHeadAttention(1, 2, sliding_window=2, use_causal_mask=True), *((1, 5, 2),) * 3)
    assert np.array_equal(depends(case, 1), claimed(case, 1))


CONV_LSTM = [
    example(ls.ConvLSTM1D(2, 3), (1, 3, 12, 1)),
    example(ls.ConvLSTM1D(1, 2, 2, "same"), (1, 2, 13, 2)),
    example(ls.ConvLSTM1D(1, 3, dilation_rate=2), (1, 1, 12, 1)),
    example(ls.ConvLSTM2D(1, (2, 3), data_format="channels_first"), (1, 2, 1, 6, 7)),
]


@pytest.mark.parametrize("case", CONV_LSTM, ids=title)
def test_the_hull_of_a_convolutional_lstm_is_over_all_steps(case):
    """Each row of what one output position reads, taken together over time and channels."""
    found, said = depends(case, 0), claimed(case, 0)
    assert not (found & ~said).any()
    outputs, inputs = case.outputs[0].shape, case.inputs[0].shape
    first = case.layer.first
    channels = (1 if first else len(outputs) - 1, len(outputs) + 1, len(outputs) + (2 if first else len(inputs) - 1))
    wide = [part.reshape(*outputs, *inputs).any(axis=channels) for part in (found, said)]
    assert np.array_equal(*wide)


def test_auto_contrast_reads_its_own_channel():
    """The smallest and the largest number of it win: two of all that are read."""
    case = example(ls.AutoContrast(), (2, 3, 3, 2))
    found, said = depends(case, 0), claimed(case, 0)
    assert (found.sum(axis=1) >= 2).sum() > 0
    assert not (found & ~said).any()


def test_an_embedding_reads_its_own_number():
    case = Example(ls.Embedding(9, 4), (TensorType((2, 3), "int32"),), (TensorType((2, 3, 4)),))
    said = claimed(case, 0).reshape(2, 3, 4, 2, 3)
    assert np.array_equal(said.all(axis=2), np.eye(6, dtype=bool).reshape(2, 3, 2, 3))


def test_the_count_can_fail():
    layer, x = ls.LSTM(4), arrays((TensorType((2, 3, 5)),))

    class Wrong(ls.LSTM):
        def macs(self, *types):
            return super().macs(*types) + 1

    check(layer, counting.recurrent, x)
    with pytest.raises(KeyError, match="Wrong"):
        check(Wrong(4), counting.recurrent, x)
