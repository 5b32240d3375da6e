from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any, cast

from layerscope.core.contract import Example, Spelling
from layerscope.core.dataclasses import dataclass
from layerscope.core.errors import SettingError
from layerscope.core.types import TensorType
from layerscope.layers import _recurrent


@dataclass(frozen=True, eq=False)
class RNN(_recurrent.Recurrent):
    """A cell repeated along time: each step gets its input and the states that the step before left.

    `cell` is LSTMCell, GRUCell, SimpleRNNCell, StackedRNNCells, or a list of cells, which are stacked. Everything
    else is as for LSTM: output t depends on the inputs up to t, further inputs are the initial states. States of
    stacked cells come one after the other, from the lowest cell up. `zero_output_for_mask` is about masks, which a
    trace does not follow.

    Shapes: (batch, time, features) → (batch, size), or (batch, time, size) with return_sequences, size that of the
    cell's output; with return_state also (batch, n) for each state. Weights: the cell's.
    MACs: time × those of the cell.
    Kept for the backward pass (through time): the input, all outputs, and what the cell keeps of each step.
    Errors: SettingError when `cell` is no cell; ShapeError as for LSTM.
    Source: Keras 3, `keras.layers.RNN`.
    """

    cell: Any
    return_sequences: bool = False
    return_state: bool = False
    go_backwards: bool = False
    stateful: bool = False
    unroll: bool = False
    zero_output_for_mask: bool = False

    law = "(batch, time, features) → (batch, size), or (batch, time, size)"

    def __post_init__(self) -> None:
        cell: Any = self.cell
        if isinstance(cell, tuple | list):
            object.__setattr__(self, "cell", _recurrent.cells(cast(Any, cell), f"{self.kind}: cell"))
        elif not isinstance(cell, _recurrent.Cell):
            kind = getattr(cell, "kind", None) or repr(cell)
            raise SettingError(f"{self.kind}: cell must be a cell such as LSTMCell, or a list of cells, not {kind}")

    @property
    def step(self) -> _recurrent.Step:
        """One step of the cell, or of all cells."""
        cell: Any = self.cell
        if isinstance(cell, tuple):
            return _recurrent.Stack(tuple(part.step for part in cast(tuple[_recurrent.Cell, ...], cell)))
        return cell.step

    @classmethod
    def examples(cls) -> Sequence[Example]:
        lstm = import_module("layerscope.layers.lstm_cell").LSTMCell
        gru = import_module("layerscope.layers.gru_cell").GRUCell
        x, low, top = TensorType((2, 5, 3)), TensorType((2, 4)), TensorType((2, 6))
        stacked = cls([lstm(4), gru(6)], return_sequences=True, return_state=True)
        return [
            Example(cls(lstm(4)), (x,), (low,)),
            Example(stacked, (x,), (TensorType((2, 5, 6)), low, low, top)),
            Example(cls(gru(6, dropout=0.1), go_backwards=True), (x, top), (top,)),
        ]

    spellings = {
        "keras": Spelling("RNN"),
        "torch": Spelling("", "no such module: a loop over torch.nn.LSTMCell"),
        "onnx": Spelling("", "no such operator: LSTM, GRU, RNN, or a Loop"),
    }
