from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

from layerscope.core.contract import Example, Spelling
from layerscope.core.dataclasses import dataclass
from layerscope.core.types import TensorType
from layerscope.layers import _recurrent


@dataclass(frozen=True, eq=False)
class StackedRNNCells(_recurrent.Cell):
    """Several cells as one: each takes the output of the one before it, and all have their states.

    For RNN, which repeats them together, step by step.

    Shapes: (batch, features), and all states, (batch, n) each, from the lowest cell up → (batch, size of the last
    cell), and the new states. Weights: the cells', as cell_0/kernel, cell_0/recurrent_kernel, ..., cell_1/kernel, ...
    MACs: the sum of the cells'.
    Errors: SettingError when `cells` is no list of cells; ShapeError when a state does not fit.
    Source: Keras 3, `keras.layers.StackedRNNCells`.
    """

    cells: Any

    law = "(batch, features) → (batch, size of the last cell), and the new states"

    def __post_init__(self) -> None:
        object.__setattr__(self, "cells", _recurrent.cells(self.cells, f"{self.kind}: cells"))

    @property
    def step(self) -> _recurrent.Step:
        """One step of all cells."""
        return _recurrent.Stack(tuple(cell.step for cell in self.cells))

    @classmethod
    def examples(cls) -> Sequence[Example]:
        lstm = import_module("layerscope.layers.lstm_cell").LSTMCell
        plain = import_module("layerscope.layers.simple_rnn_cell").SimpleRNNCell
        x, low, top = TensorType((2, 3)), TensorType((2, 4)), TensorType((2, 6))
        return [
            Example(cls([lstm(4), plain(6)]), (x, low, low, top), (top, low, low, top)),
            Example(cls([plain(4)]), (x,), (low, low)),
        ]

    spellings = {
        "keras": Spelling("StackedRNNCells"),
        "torch": Spelling("", "no such module: num_layers of torch.nn.LSTM"),
        "onnx": Spelling("", "no such operator: one after the other"),
    }
