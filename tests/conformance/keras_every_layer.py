"""A small model around each layer of keras.layers: the layer, the shapes of its inputs, how it is called."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

IMAGE, LINE, BLOCK, ROW, STEPS = (9, 8, 4), (9, 4), (6, 5, 4, 3), (6,), (5, 4)


@dataclass(frozen=True)
class Sample:
    """`make` builds the layer from keras.layers; `shapes` are of one example of each input."""

    make: Callable[[Any], Any]
    shapes: tuple[tuple[int | None, ...], ...] = (ROW,)
    dtype: str = "float32"
    together: bool = True
    """Whether several inputs are handed over as one list."""


def spatial() -> dict[str, Sample]:
    """Convolutions, pools, pads and the like, in each number of dimensions."""
    found: dict[str, Sample] = {}
    for rank, shape in ((1, LINE), (2, IMAGE), (3, BLOCK)):

        def add(kind: str, *args: Any, rank: int = rank, shape: Any = shape, **settings: Any) -> None:
            name = f"{kind}{rank}D" if "{" not in kind else kind.format(rank)
            found[name] = Sample(lambda kl: getattr(kl, name)(*args, **settings), (shape,))

        add("Conv", 4, 3, strides=2, padding="same", activation="selu")
        add("Conv{}DTranspose", 4, 3, strides=2, activation="mish")
        add("MaxPooling", 2, padding="same")
        add("AveragePooling", 3, strides=2)
        add("GlobalMaxPooling", keepdims=True)
        add("GlobalAveragePooling")
        add("AdaptiveMaxPooling", 3)
        add("AdaptiveAveragePooling", 2)
        add("UpSampling", 3)
        add("ZeroPadding", 2)
        add("Cropping", 1)
        add("SpatialDropout", 0.3)
        if rank < 3:
            add("DepthwiseConv", 3, depth_multiplier=2, padding="same")
            add("SeparableConv", 5, 3, depth_multiplier=2, activation="relu6")
    return found


def plain() -> dict[str, Sample]:
    """Layers of one tensor that keep or rearrange it, and merges."""
    row = {
        "Activation": ("silu",), "ActivityRegularization": (0.1,), "AlphaDropout": (0.2,), "Dense": (3, "swish"),
        "Dropout": (0.3,), "ELU": (0.7,), "Flatten": (), "GaussianDropout": (0.1,), "GaussianNoise": (0.1,),
        "Identity": (), "LeakyReLU": (0.1,), "Masking": (0.0,), "PReLU": (), "ReLU": (6.0,), "RepeatVector": (3,),
        "Reshape": ((2, -1),), "Softmax": (), "UnitNormalization": (), "LayerNormalization": (),
        "RMSNormalization": (), "BatchNormalization": (), "Rescaling": (0.5,), "Normalization": (),
    }  # fmt: skip
    found = {kind: Sample(lambda kl, kind=kind, args=args: getattr(kl, kind)(*args)) for kind, args in row.items()}
    found["Permute"] = Sample(lambda kl: kl.Permute((3, 1, 2)), (IMAGE,))
    found["GroupNormalization"] = Sample(lambda kl: kl.GroupNormalization(2), (IMAGE,))
    found["EinsumDense"] = Sample(
        lambda kl: kl.EinsumDense("abc,cd->abd", output_shape=(5, 7), bias_axes="d"), (STEPS,)
    )
    found["SpectralNormalization"] = Sample(lambda kl: kl.SpectralNormalization(kl.Conv2D(3, 2)), (IMAGE,))
    for kind in ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate"):
        found[kind] = Sample(lambda kl, kind=kind: getattr(kl, kind)(), (IMAGE, IMAGE))
    found["Dot"] = Sample(lambda kl: kl.Dot((2, 1)), ((3, 4), (4, 5)))
    return found


def sequences() -> dict[str, Sample]:
    """Recurrent and attention layers."""
    found = {
        "Embedding": Sample(lambda kl: kl.Embedding(11, 3, mask_zero=True), (ROW,), "int32"),
        "SimpleRNN": Sample(lambda kl: kl.SimpleRNN(3, return_sequences=True), (STEPS,)),
        "LSTM": Sample(lambda kl: kl.LSTM(3, return_sequences=True, return_state=True), (STEPS,)),
        "GRU": Sample(lambda kl: kl.GRU(3, return_state=True, reset_after=False), (STEPS,)),
        "RNN": Sample(lambda kl: kl.RNN(kl.LSTMCell(3), return_state=True), (STEPS,)),
        "StackedRNNCells": Sample(lambda kl: kl.RNN(kl.StackedRNNCells([kl.GRUCell(3), kl.LSTMCell(2)])), (STEPS,)),
        "SimpleRNNCell": Sample(lambda kl: kl.RNN(kl.SimpleRNNCell(3)), (STEPS,)),
        "LSTMCell": Sample(lambda kl: kl.RNN([kl.LSTMCell(3), kl.LSTMCell(4)]), (STEPS,)),
        "GRUCell": Sample(lambda kl: kl.RNN(kl.GRUCell(3)), (STEPS,)),
        "Bidirectional": Sample(lambda kl: kl.Bidirectional(kl.LSTM(3, return_sequences=True)), (STEPS,)),
        "TimeDistributed": Sample(lambda kl: kl.TimeDistributed(kl.Conv2D(3, 2)), ((5, *IMAGE),)),
        "Attention": Sample(lambda kl: kl.Attention(use_scale=True, score_mode="concat"), (STEPS, (7, 4))),
        "AdditiveAttention": Sample(lambda kl: kl.AdditiveAttention(), (STEPS, (7, 4), (7, 4))),
        "MultiHeadAttention": Sample(
            lambda kl: kl.MultiHeadAttention(2, 3, value_dim=4, output_shape=5), (STEPS, (7, 3), (7, 2)), together=False
        ),
        "GroupQueryAttention": Sample(
            lambda kl: kl.GroupQueryAttention(3, 4, 2, use_bias=False), (STEPS, (7, 4)), together=False
        ),
        "ConvLSTM1D": Sample(lambda kl: kl.ConvLSTM1D(3, 2, return_sequences=True), ((5, *LINE),)),
        "ConvLSTM2D": Sample(lambda kl: kl.ConvLSTM2D(3, 2, padding="same"), ((5, *IMAGE),)),
        "ConvLSTM3D": Sample(lambda kl: kl.ConvLSTM3D(2, 2, return_state=True), ((2, *BLOCK),)),
    }  # fmt: skip
    return found


SAMPLES = spatial() | plain() | sequences()
