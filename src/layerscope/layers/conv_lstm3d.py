from __future__ import annotations

from collections.abc import Sequence

from layerscope.core.contract import Example, Spelling
from layerscope.core.dataclasses import dataclass
from layerscope.core.types import TensorType
from layerscope.layers._conv_lstm import ConvLSTM


@dataclass(frozen=True, eq=False)
class ConvLSTM3D(ConvLSTM):
    """An LSTM over sequences of volumes: input and state are convolved where LSTM multiplies by matrices.

    i, f, o = σ(x∗W + h∗U + b), g = activation(x∗W + h∗U + b); c' = f⊙c + i⊙g, h' = o⊙activation(c'). x∗W has the
    strides, padding and dilation that are given; h∗U has stride 1, no dilation and same padding, so that h keeps its
    size. The output is that of the last step, or with `return_sequences` those of all; output t depends on the inputs
    up to t only. Further inputs are the initial states h and c.

    Shapes: (batch, time, depth, height, width, C) → (batch, time, depth', height', width', filters), without time
    unless return_sequences; with return_state also h and c of the last step. n' = floor((n - d·(k - 1) - 1) / s) + 1
    (valid), ceil(n / s) (same). channels_first: the channels behind time. kernel (*k, C, 4·filters), recurrent_kernel
    (*k, filters, 4·filters), bias (4·filters,).
    MACs: batch × time × output positions × kernel area × (C + filters) × 4·filters.
    Other operations, for each output element and step: 4 additions of a bias, and 13 results as in LSTM.
    Kept for the backward pass: as for LSTM; with dropout, the four masked inputs of each step and their masks.
    Receptive field: the hull over all steps; everything where their number is open.
    Errors: SettingError when strides and dilation are both above 1; ShapeError when the input or a state does not
    fit; UnknownNameError or SettingError for an initializer, regularizer or constraint that is none.
    Source: Shi et al., "Convolutional LSTM network: a machine learning approach for precipitation nowcasting" (2015).
    """

    rank = 3
    law = "(batch, time, depth, height, width, C) → (batch, [time,] depth', height', width', filters)"

    @classmethod
    def examples(cls) -> Sequence[Example]:
        x, first = TensorType((2, 4, 6, 5, 7, 3)), TensorType((2, 4, 3, 6, 5, 7))
        y, small = TensorType((2, 4, 3, 5, 4)), (2, 4, 3, 3, 4, 2)
        state = TensorType((2, *small[2:]))
        full = cls(2, 3, 2, "same", return_sequences=True, return_state=True)
        return [
            Example(cls(4, 3), (x,), (y,)),
            Example(full, (x, state, state), (TensorType(small), state, state)),
            Example(
                cls(2, 2, padding="same", dilation_rate=2, use_bias=False, dropout=0.5),
                (x,),
                (TensorType((2, 6, 5, 7, 2)),),
            ),
            Example(cls(4, 3, data_format="channels_first"), (first,), (TensorType((2, 4, 4, 3, 5)),)),
        ]

    spellings = {
        "keras": Spelling("ConvLSTM3D"),
        "torch": Spelling("", "no such module"),
        "onnx": Spelling("", "no such operator: a Loop with Conv"),
    }
