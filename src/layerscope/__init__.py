"""Layerscope shows what every layer of a neural network does to the data, and trains small networks.

Names are Keras 3's; each is loaded when first used, so that tracing text loads no NumPy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from layerscope import (
        callbacks,
        constraints,
        datasets,
        initializers,
        layers,
        losses,
        metrics,
        models,
        optimizers,
        regularizers,
        studies,
        utils,
    )
    from layerscope.core.errors import LayerscopeError
    from layerscope.layers.input_layer import Input
    from layerscope.models import Model, Sequential, from_keras, from_torch, load_model
    from layerscope.tracing import trace

__version__ = "0.1.0"

_HOMES = {
    "Input": "layerscope.layers.input_layer",
    "LayerscopeError": "layerscope.core.errors",
    "Model": "layerscope.models",
    "Sequential": "layerscope.models",
    "from_keras": "layerscope.models",
    "from_torch": "layerscope.models",
    "load_model": "layerscope.models",
    "trace": "layerscope.tracing",
}
_MODULES = (
    "callbacks", "constraints", "datasets", "initializers", "layers", "losses",
    "metrics", "models", "optimizers", "regularizers", "studies", "utils",
)  # fmt: skip

__all__ = [
    "Input",
    "LayerscopeError",
    "Model",
    "Sequential",
    "callbacks",
    "constraints",
    "datasets",
    "from_keras",
    "from_torch",
    "initializers",
    "layers",
    "load_model",
    "losses",
    "metrics",
    "models",
    "optimizers",
    "regularizers",
    "studies",
    "trace",
    "utils",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    if name in _MODULES:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
