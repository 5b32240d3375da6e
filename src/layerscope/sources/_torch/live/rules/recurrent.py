"""Recurrent networks over sequences, and one step of their cells."""

from __future__ import annotations

from typing import Any

from layerscope.operators.recurrent import StackedRecurrent
from layerscope.sources._torch.live.rules import rule
from layerscope.sources._torch.live.site import Refused, Site

CELLS = {"lstm": "LSTM", "gru": "GRU", "rnn_tanh": "RNN", "rnn_relu": "RNN"}
GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}


@rule("lstm", "gru", "rnn_tanh", "rnn_relu")
def stacked(
    site: Site, input: Any, hx: Any, params: Any, has_biases: Any, num_layers: Any, dropout: Any = 0.0,
    train: Any = False, bidirectional: Any = False, batch_first: Any = False,
) -> Any:  # fmt: skip
    """Several layers, in one direction or both. A packed sequence is described by what it calls."""
    if not isinstance(params, tuple | list) or not isinstance(has_biases, bool):
        raise Refused("its sequences are packed")
    cell = CELLS[site.name]
    states = list(hx) if isinstance(hx, tuple | list) else [hx]
    hidden = int(params[0].shape[0]) // GATES[cell]
    out = int(params[1].shape[1])
    return site.emit(
        StackedRecurrent, cell, (input, *states, *params), hidden, int(num_layers), bool(bidirectional), has_biases,
        0 if out == hidden else out, bool(batch_first), rate=float(dropout),
    )  # fmt: skip


@rule("lstm_cell", "gru_cell", "rnn_tanh_cell", "rnn_relu_cell")
def cell(
    site: Site, input: Any, hx: Any, w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None
) -> Any:  # fmt: skip
    """One step."""
    kind = CELLS[site.name.removesuffix("_cell")]
    states = list(hx) if isinstance(hx, tuple | list) else [hx]
    biases = [] if b_ih is None else [b_ih, b_hh]
    return site.emit(
        StackedRecurrent, kind, (input, *states, w_ih, w_hh, *biases), int(w_hh.shape[1]), bias=bool(biases),
        cell=True,
    )  # fmt: skip
