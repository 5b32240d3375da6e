"""Networks that compute: Model, Sequential, from a file or from Keras; and Source, examples read when wanted."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from layerscope.models.foreign import from_keras, from_torch
    from layerscope.models.model import Model
    from layerscope.models.saving import load as load_model
    from layerscope.models.sequential import Sequential
    from layerscope.models.streams import Source

__all__ = ["Model", "Sequential", "Source", "from_keras", "from_torch", "load_model"]

_HOMES = {
    "Model": "model",
    "Sequential": "sequential",
    "Source": "streams",
    "from_keras": "foreign",
    "from_torch": "foreign",
    "load_model": "saving",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        module = import_module(f"{__name__}.{_HOMES[name]}")
        return module.load if name == "load_model" else getattr(module, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
