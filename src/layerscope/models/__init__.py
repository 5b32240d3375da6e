"""Networks that compute: Model, Sequential, and loading them from a file."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from layerscope.models.importing import from_torch
    from layerscope.models.model import Model
    from layerscope.models.saving import load as load_model
    from layerscope.models.sequential import Sequential

__all__ = ["Model", "Sequential", "from_torch", "load_model"]

_HOMES = {"Model": "model", "from_torch": "importing", "Sequential": "sequential", "load_model": "saving"}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        module = import_module(f"{__name__}.{_HOMES[name]}")
        return module.load if name == "load_model" else getattr(module, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
