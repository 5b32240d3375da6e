"""A Keras 3 model in memory. What reads it (`_keras/memory.py`) is loaded when there is one."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from layerscope.core.graph import Graph
    from layerscope.sources._keras.memory import Loaded

SUMMARY = "a Keras 3 model"
TAKES_INPUT = True


def handles(what: object) -> bool:
    """Whether this is a model of the Keras that is imported."""
    cls = getattr(sys.modules.get("keras"), "Model", None)
    return isinstance(cls, type) and isinstance(what, cls)


def read(what: Any, input: Any = None) -> Graph:
    """The model's graph, whatever its layers are: those that nobody described here are shown as unknown.

    `input` has the sizes of one example of each input, for a model that does not know them.
    Errors: SourceError for a subclassed model that cannot be followed, with the line that stops it.
    """
    from layerscope.sources._keras import memory

    return memory.read(what, input)


def load(model: Any) -> Loaded:
    """Everything but the optimizer's state; SourceError lists every layer that has no equal here."""
    from layerscope.sources._keras import memory

    if not handles(model):
        raise memory.foreign(model)
    return memory.load(model)
