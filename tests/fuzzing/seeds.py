"""The inputs that mutations start from, written anew: python -m tests.fuzzing.seeds [READER ...].

Those of Keras and ONNX need these frameworks. Finds in the same folders stay: their names are hexadecimal.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from layerscope import operators, tracing
from layerscope.core.contract import Example, Layer
from layerscope.core.graph import Graph, trace_calls
from layerscope.layers import kinds
from layerscope.layers.input_layer import Input

from . import mutations
from .readers import CORPUS

LINES = (
    "28x28x1 | conv 16 3 same relu | maxpool 2 | flatten | dense 10 softmax",
    "28x28x1 | [ conv 8 3 same relu | maxpool 2 ] x2 | [ unpool | convt 8 3 same ] x2 | conv 1 1 sigmoid",
    "heightxwidthx3 | conv 16 5 stride 5 dilation 2 groups 1 nobias as first | gap | dropout 0.3 | dense 1",
    "4x2 as boxes\n dense 3 use_bias=no\n reshape 12 | dense units=1 activation=tanh",
    "8x8x4 | pixelshuffle 2 | pad 1x2 | crop 1 | upsample 2 bilinear | avgpool 2 same | nails 2 | gmp",
)


def text() -> Iterator[tuple[str, bytes]]:
    for number, line in enumerate(LINES):
        yield f"line-{number}", line.encode()


def branches(chosen: Sequence[type[Layer]]) -> Graph:
    """One network of unconnected branches, each with a layer of a kind, put to the inputs of its first example."""
    starts: list[Any] = []
    ends: list[Any] = []
    for cls in chosen:
        example = cls.examples()[0]
        inputs = [Input(type.shape[1:], batch_size=type.shape[0], dtype=type.dtype) for type in example.inputs]
        made = example.layer(*inputs)
        starts += inputs
        ends += made if isinstance(made, tuple) else [made]
    return trace_calls(starts, ends, "branches")


def graphs() -> Iterator[tuple[str, bytes]]:
    """All kinds of layers, some in each; a network of one piece; a layer that is called twice."""
    for name, all_kinds in (("layers", kinds()), ("operators", operators.kinds())):
        plain = [cls for cls in all_kinds.values() if _stands_alone(cls.examples()[0])]
        for number in range(0, len(plain), 12):
            yield f"{name}-{number // 12:02}", _json(branches(plain[number : number + 12]))
    yield "autoencoder", _json(tracing.trace("example:autoencoder-transpose").graph)
    yield "unpooling", _json(tracing.trace(LINES[1]).graph)
    yield "open", _json(tracing.trace(LINES[2]).graph)
    dense, image = kinds()["Dense"](4), Input((4,))
    added = kinds()["Add"]()([dense(image), dense(dense(image))])
    yield "shared", _json(trace_calls([image], [added], "shared"))


def _stands_alone(example: Example) -> bool:
    """Whether inputs of the network can be its inputs: it has some, with a batch, and none is switches of a pooling."""
    return bool(example.inputs) and all(type.rank and not type.plane for type in example.inputs)


def _json(graph: Graph) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        tracing.trace(graph).save(Path(folder) / "graph.json")
        return (Path(folder) / "graph.json").read_bytes()


def models() -> Iterator[tuple[str, bytes]]:
    """A network that was trained, and one that was not."""
    import numpy as np

    import layerscope as ls
    from layerscope.models import Model

    ls.utils.set_random_seed(0)
    for name, line in (("autoencoder", "6x6x1 | conv 2 3 same relu | maxpool 2 | upsample 2 | conv 1 3 same"),):
        model = Model.from_graph(tracing.trace(line).graph)
        yield f"fresh-{name}", _saved(model, ".npz")
        model.compile("adam", "mse")
        images = np.zeros((4, 6, 6, 1), np.float32)
        model.fit(images, images, epochs=1, verbose=0)
        yield f"trained-{name}", _saved(model, ".npz")


def _saved(model: Any, suffix: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"model{suffix}"
        model.save(path)
        return path.read_bytes()


# --- Keras ---


def keras_models() -> dict[str, Any]:
    """Small networks with what makes reading a config hard."""
    os.environ.setdefault("KERAS_BACKEND", "jax")
    import keras
    from keras import layers

    image = keras.Input((16, 16, 3), name="image")
    x = layers.Conv2D(4, 3, strides=2, padding="same", use_bias=False)(image)
    x = layers.BatchNormalization()(x)
    x = layers.Activation("relu")(x)
    side = layers.SeparableConv2D(4, 3, padding="same")(x)
    x = layers.Add()([x, side])
    x = layers.Concatenate()([x, layers.MaxPooling2D(3, 1, "same")(x)])
    x = layers.GlobalAveragePooling2D()(x)
    branched = keras.Model(image, [layers.Dense(3, "softmax", name="a")(x), layers.Dense(1, name="b")(x)])
    inner = keras.Sequential([layers.Input((8,)), layers.Dense(4, "relu"), layers.Dropout(0.5)], name="inner")
    left, right = keras.Input((8,), name="left"), keras.Input((8,), name="right")
    joined = layers.Concatenate()([inner(left), inner(right)])
    nested = keras.Model({"left": left, "right": right}, layers.Dense(1)(joined))
    words = keras.Input((12,), dtype="int32")
    y = layers.Embedding(50, 8, mask_zero=True)(words)
    y = layers.Bidirectional(layers.LSTM(4, return_sequences=True))(y)
    y = layers.MultiHeadAttention(2, 4)(y, y)
    y = layers.TimeDistributed(layers.Dense(4))(layers.LayerNormalization()(y))
    sequence = keras.Model(words, layers.GRU(3)(y))
    values = keras.Input((4,))
    arithmetic = keras.Model(values, keras.ops.mean(keras.ops.relu(values * 2.0 + 1.0), axis=-1, keepdims=True))
    chain = keras.Sequential(
        [layers.Input((None, None, 3)), layers.Rescaling(1 / 255), layers.ZeroPadding2D(1), layers.Conv2D(4, 3),
         layers.UpSampling2D(2), layers.Conv2DTranspose(2, 3, 2), layers.GlobalMaxPooling2D(), layers.Reshape((2, 1))]
    )  # fmt: skip
    return {"branched": branched, "nested": nested, "sequence": sequence, "arithmetic": arithmetic, "chain": chain}


def keras_archives() -> Iterator[tuple[str, bytes]]:
    """As Keras saves them, but for the weights, of which a few bytes stay."""
    for name, model in keras_models().items():
        held = mutations.entries(_saved(model, ".keras"))
        held["model.weights.h5"] = held["model.weights.h5"][:64]
        yield name, mutations.archive(list(held.items()))


def keras_json() -> Iterator[tuple[str, bytes]]:
    for name, model in keras_models().items():
        yield name, json.dumps(json.loads(model.to_json()), indent=1).encode()


def h5() -> Iterator[tuple[str, bytes]]:
    for name, model in keras_models().items():
        if name in ("branched", "nested"):
            yield name, _saved(model, ".h5")


# --- ONNX ---


def onnx_models() -> Iterator[tuple[str, bytes]]:
    """Convolutions, shapes that are computed, recurrence, control flow, quantisation."""
    from onnx import parser

    for name, source in ONNX.items():
        yield name, parser.parse_model(source).SerializeToString()


HEADER = '<ir_version: 8, opset_import: ["" : 17]>'
ONNX = {
    "convolution": f"""{HEADER} agraph (float[batch, 3, 16, 16] x) => (float[batch, 10] y)
    <float[4, 3, 3, 3] w = {{{", ".join(["0.5"] * 108)}}}, float[4] b = {{0, 0, 0, 0}}, float[10, 4] d = {{{", ".join(["1"] * 40)}}}>
    {{
        a = Conv <kernel_shape = [3, 3], strides = [2, 2], pads = [1, 1, 1, 1]> (x, w, b)
        n = BatchNormalization (a, b, b, b, b)
        r = Relu (n)
        p = MaxPool <kernel_shape = [2, 2], strides = [2, 2], ceil_mode = 1> (r)
        g = GlobalAveragePool (p)
        f = Flatten (g)
        y = Gemm <transB = 1> (f, d)
    }}""",
    "shapes": f"""{HEADER} agraph (float[batch, 8, 4, 4] x) => (float[a, b] y)
    <int64[1] zero = {{0}}, int64[1] minus = {{-1}}, int64[1] two = {{2}}, int64[1] start = {{1}}, int64[1] end = {{3}}>
    {{
        s = Shape (x)
        n = Gather <axis = 0> (s, zero)
        t = Concat <axis = 0> (n, minus)
        f = Reshape (x, t)
        c = Slice (f, start, end, start)
        u = Unsqueeze (c, two)
        e = Expand (u, start)
        q = Squeeze (e, two)
        m = Transpose <perm = [1, 0]> (q)
        k = Tile (m, end)
        y = MatMul (m, c)
    }}""",
    "recurrent": f"""{HEADER} agraph (float[5, batch, 2] x) => (float[5, 1, batch, 3] y)
    <float[1, 12, 2] w = {{{", ".join(["0.1"] * 24)}}}, float[1, 12, 3] r = {{{", ".join(["0.1"] * 36)}}}>
    {{
        y, h, c = LSTM <hidden_size = 3> (x, w, r)
    }}""",
    "attention": f"""{HEADER} agraph (float[2, 6, 8] x) => (float[2, 6, 8] y)
    <float[8, 8] w = {{{", ".join(["0.1"] * 64)}}}, float[8] g = {{1, 1, 1, 1, 1, 1, 1, 1}}>
    {{
        n = LayerNormalization <axis = -1> (x, g, g)
        q = MatMul (n, w)
        k = MatMul (n, w)
        t = Transpose <perm = [0, 2, 1]> (k)
        a = MatMul (q, t)
        p = Softmax <axis = -1> (a)
        o = MatMul (p, q)
        y = Add (o, x)
    }}""",
    "branches": f"""{HEADER} agraph (float[2, 3] x, bool c) => (float[2, 3] y)
    {{
        y = If (c) <
            then_branch = g1 () => (float[2, 3] a) {{ a = Relu (x) }},
            else_branch = g2 () => (float[2, 3] b) {{ b = Neg (x) }}
        >
    }}""",
    "loop": f"""{HEADER} agraph (float[2, 3] x, int64 n, bool c) => (float[2, 3] y)
    {{
        y = Loop (n, c, x) <
            body = g (int64 i, bool k, float[2, 3] v) => (bool o, float[2, 3] w) {{ o = Identity (k) w = Add (v, x) }}
        >
    }}""",
    "resize": f"""{HEADER} agraph (float[1, 2, 5, 5] x) => (float[1, 2, h, w] y)
    <float[4] s = {{1, 1, 2, 2}}, int64[8] p = {{0, 0, 1, 1, 0, 0, 1, 1}}, float[2, 2, 2, 2] w = {{{", ".join(["1"] * 16)}}}>
    {{
        q = Pad <mode = "constant"> (x, p)
        u = Resize <mode = "nearest"> (q, , s)
        y = ConvTranspose <strides = [2, 2], output_padding = [1, 1]> (u, w)
    }}""",
}

MAKERS: dict[str, Callable[[], Iterator[tuple[str, bytes]]]] = {
    "text": text, "json": graphs, "model": models,
    "keras": keras_archives, "keras_json": keras_json, "h5": h5, "onnx": onnx_models,
}  # fmt: skip
SUFFIXES = {"text": ".txt", "json": ".json", "model": ".npz", "keras_json": ".json"}


def main(names: list[str]) -> None:
    for name in names or MAKERS:
        folder = CORPUS / name
        folder.mkdir(parents=True, exist_ok=True)
        for stem, data in MAKERS[name]():
            (folder / f"{stem}{SUFFIXES.get(name, '.' + name)}").write_bytes(data)


if __name__ == "__main__":
    main(sys.argv[1:])
