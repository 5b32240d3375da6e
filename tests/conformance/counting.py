"""Recurrent layers and attention in plain NumPy, step by step, counting what they compute.

Each definition gives the numbers that Keras gives (test_described_costs.py compares them), so what it counts on the
way is what the layer computes.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

FUNCTIONS = {
    "tanh": np.tanh,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "relu": lambda x: np.maximum(x, 0),
}


@dataclass
class Count:
    """Products, and the other columns of costs."""

    macs: int = 0
    bias: int = 0
    pointwise: int = 0
    pooling: int = 0

    def product(self, a, b):
        """A matrix product (of the last two axes)."""
        result = a @ b
        self.macs += result.size * a.shape[-1]
        return result

    def einsum(self, equation, a, b):
        """An Einstein sum; with ones, the sum of the result is the number of its products."""
        self.macs += int(np.einsum(equation, np.ones(a.shape), np.ones(b.shape)).sum())
        return np.einsum(equation, a, b)

    def add_bias(self, x, b):
        self.bias += x.size
        return x + b

    def apply(self, name, x):
        if name in (None, "linear"):
            return x
        self.pointwise += x.size
        return FUNCTIONS[name](x)

    def each(self, result):
        """The result of one elementwise addition, product, ... that has just been computed."""
        self.pointwise += result.size
        return result

    def softmax(self, x):
        self.pointwise += x.size
        powers = np.exp(x - x.max(-1, keepdims=True))
        return powers / powers.sum(-1, keepdims=True)

    def summed(self, x):
        self.pooling += x.size
        return x.sum(-1)


def simple_step(count, cell, w, x, states):
    (h,) = states
    z = count.product(x, w["kernel"])
    if cell.use_bias:
        z = count.add_bias(z, w["bias"])
    h = count.apply(cell.activation, count.each(z + count.product(h, w["recurrent_kernel"])))
    return h, (h,)


def lstm_step(count, cell, w, x, states):
    h, c = states
    z = count.each(count.product(x, w["kernel"]) + count.product(h, w["recurrent_kernel"]))
    if cell.use_bias:
        z = count.add_bias(z, w["bias"])
    i, f, g, o = np.split(z, 4, axis=-1)
    i, f, o = (count.apply(cell.recurrent_activation, part) for part in (i, f, o))
    g = count.apply(cell.activation, g)
    c = count.each(count.each(f * c) + count.each(i * g))
    h = count.each(o * count.apply(cell.activation, c))
    return h, (h, c)


def gru_step(count, cell, w, x, states):
    (h,) = states
    n = cell.units
    u = w["recurrent_kernel"]
    given = count.product(x, w["kernel"])
    bias, again = (w["bias"] if cell.reset_after else (w["bias"], None)) if cell.use_bias else (None, None)
    if bias is not None:
        given = count.add_bias(given, bias)
    z, r, g = np.split(given, 3, axis=-1)
    if cell.reset_after:
        inner = count.product(h, u)
        if again is not None:
            inner = count.add_bias(inner, again)
        a, b, last = np.split(inner, 3, axis=-1)
    else:
        a, b = count.product(h, u[:, :n]), count.product(h, u[:, n : 2 * n])
    z = count.apply(cell.recurrent_activation, count.each(z + a))
    r = count.apply(cell.recurrent_activation, count.each(r + b))
    back = count.each(r * last) if cell.reset_after else count.product(count.each(r * h), u[:, 2 * n :])
    g = count.apply(cell.activation, count.each(g + back))
    h = count.each(count.each(z * h) + count.each(count.each(1 - z) * g))
    return h, (h,)


STEPS = {"SimpleRNN": simple_step, "LSTM": lstm_step, "GRU": gru_step}


def recurrent(count, layer, weights, x):
    """All steps of a layer, one after the other."""
    kind = type(layer).__name__.removesuffix("Cell")
    states = tuple(np.zeros((x.shape[0], n)) for n in layer.step.states)
    order = range(x.shape[1])[:: -1 if layer.go_backwards else 1]
    outputs = []
    for t in order:
        h, states = STEPS[kind](count, layer, weights, x[:, t], states)
        outputs.append(h)
    return np.stack(outputs, axis=1) if layer.return_sequences else outputs[-1]


def stacked(count, layer, weights, x):
    """All steps of an RNN of several cells; the last output."""
    states = [tuple(np.zeros((x.shape[0], n)) for n in cell.step.states) for cell in layer.cell]
    h = x[:, 0]
    for t in range(x.shape[1]):
        h = x[:, t]
        for number, cell in enumerate(layer.cell):
            own = {
                role.removeprefix(f"cell_{number}/"): w
                for role, w in weights.items()
                if role.startswith(f"cell_{number}/")
            }
            h, states[number] = STEPS[cell.kind.removesuffix("Cell")](count, cell, own, h, states[number])
    return h


def bidirectional(count, layer, weights, x):
    """Both directions, merged."""
    parts = []
    for name, inner in (("forward", layer.layer), ("backward", layer.backward)):
        own = {role.removeprefix(f"{name}/"): w for role, w in weights.items() if role.startswith(name)}
        parts.append(recurrent(count, inner, own, x))
    one, other = parts
    if layer.layer.return_sequences:
        other = other[:, ::-1]
    if layer.merge_mode == "concat":
        return np.concatenate([one, other], axis=-1)
    merged = count.each(one * other if layer.merge_mode == "mul" else one + other)
    return count.each(merged / 2) if layer.merge_mode == "ave" else merged


def heads(count, layer, weights, query, value, key):
    """Multi-head attention, and grouped, head by head in Einstein sums."""
    made = layer.heads
    key = value if key is None else key

    def project(name, x):
        y = count.einsum("btf,fhd->bthd", x, weights[f"{name}/kernel"])
        return count.add_bias(y, weights[f"{name}/bias"]) if layer.use_bias else y

    q, k = project("query", query), project("key", key)
    gate = count.apply("sigmoid", project("gate", query)) if layer.use_gate else None
    v = project("value", value)
    group = made.queries // made.keys
    k, v = (np.repeat(part, group, axis=2) for part in (k, v))
    scores = count.einsum("bshd,bthd->bhts", k, count.each(q / np.sqrt(made.key_dim)))
    rows, columns = np.indices(scores.shape[-2:])
    hidden = np.zeros(scores.shape[-2:], bool)
    if layer.use_causal_mask:
        hidden |= columns > rows
    if layer.sliding_window is not None:
        hidden |= abs(rows - columns) >= layer.sliding_window
    if made.masked:
        scores = count.each(np.where(hidden, -1e9, scores))
    joined = count.einsum("bhts,bshd->bthd", count.softmax(scores), v)
    if gate is not None:
        joined = count.each(joined * gate)
    out = count.einsum("bthd,hdf->btf", joined, weights["attention_output/kernel"])
    return count.add_bias(out, weights["attention_output/bias"]) if layer.use_bias else out


def single(count, layer, weights, query, value, key):
    """Attention with dot, concat and additive scores."""
    key = value if key is None else key
    additive = type(layer).__name__ == "AdditiveAttention"
    if not additive and layer.score_mode == "dot":
        scores = count.product(query, key.swapaxes(-1, -2))
        if layer.use_scale:
            scores = count.each(scores * weights["scale"])
    else:
        pairs = count.each(query[:, :, None] + key[:, None])
        if additive:
            pairs = count.apply("tanh", pairs)
            scores = count.product(pairs, weights["scale"]) if layer.use_scale else count.summed(pairs)
        else:
            pairs = count.each(pairs * weights["scale"]) if layer.use_scale else pairs
            scores = count.summed(count.apply("tanh", pairs))
            scores = count.each(scores * weights["concat_score_weight"])
    if layer.use_causal_mask:
        hidden = np.triu(np.ones(scores.shape[-2:], bool), 1)
        scores = count.each(np.where(hidden, -1e9, scores))
    return count.product(count.softmax(scores), value)


def convolved(count, x, kernel, strides, dilation, padding):
    """A convolution, channels last, with its zeros; every product with them counts."""
    size = [d * (k - 1) + 1 for k, d in zip(kernel.shape, dilation, strict=False)]
    if padding == "same":
        outs = [-(-n // s) for n, s in zip(x.shape[1:-1], strides, strict=True)]
        total = [max((o - 1) * s + k - n, 0) for o, s, k, n in zip(outs, strides, size, x.shape[1:-1], strict=True)]
        x = np.pad(x, [(0, 0), *((p // 2, p - p // 2) for p in total), (0, 0)])
    outs = [(n - k) // s + 1 for n, k, s in zip(x.shape[1:-1], size, strides, strict=True)]
    result = np.zeros((x.shape[0], *outs, kernel.shape[-1]))
    for tap in itertools.product(*(range(k) for k in kernel.shape[:-2])):
        cut = tuple(
            slice(t * d, t * d + s * (o - 1) + 1, s) for t, d, s, o in zip(tap, dilation, strides, outs, strict=True)
        )
        result += count.product(x[:, *cut], kernel[tap])
    return result


def conv_lstm(count, layer, weights, x):
    """All steps of a convolutional LSTM, channels last; the last output."""
    ones = (1,) * layer.rank
    state = layer.state(type("Shape", (), {"shape": x.shape, "dtype": "float32"})).shape
    h, c = np.zeros(state), np.zeros(state)
    for t in range(x.shape[1])[:: -1 if layer.go_backwards else 1]:
        z = convolved(count, x[:, t], weights["kernel"], layer.strides, layer.dilation_rate, layer.padding)
        if layer.use_bias:
            z = count.add_bias(z, weights["bias"])
        z = count.each(z + convolved(count, h, weights["recurrent_kernel"], ones, ones, "same"))
        i, f, g, o = np.split(z, 4, axis=-1)
        i, f, o = (count.apply(layer.recurrent_activation, part) for part in (i, f, o))
        g = count.apply(layer.activation, g)
        c = count.each(count.each(f * c) + count.each(i * g))
        h = count.each(o * count.apply(layer.activation, c))
    return h
