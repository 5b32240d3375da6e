"""The layers, under Keras's names. This folder is the list: one file, one layer.

A file that starts with an underscore is arithmetic shared by a family; one that ends with it leaves
its plain name to a function (add, concatenate). Names are loaded when first used.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from layerscope.core.contract import Layer
from layerscope.core.errors import UnknownNameError


@functools.cache
def _files() -> dict[str, str]:
    """Module names by the class's name in lower case: conv2d_transpose holds Conv2DTranspose."""
    names = (path.stem for path in Path(__file__).parent.glob("[a-z]*.py"))
    return {name.replace("_", ""): name for name in sorted(names)}


@functools.cache
def kinds() -> dict[str, type[Layer]]:
    """All layers by kind, in the order of their files."""
    found: dict[str, type[Layer]] = {}
    for plain, module in _files().items():
        held = vars(import_module(f"{__name__}.{module}"))
        found |= {
            n: v for n, v in held.items() if n.lower() == plain and isinstance(v, type) and issubclass(v, Layer)
        }
    return found


@functools.cache
def _spellings() -> dict[str, type[Layer]]:
    """All layers by kind and by the words of the one-line text, in lower case."""
    spelled = {kind.lower(): cls for kind, cls in kinds().items()}
    for cls in kinds().values():
        spelled |= dict.fromkeys(cls.words.names if cls.words else (), cls)
    return spelled


def layer_class(name: str) -> type[Layer]:
    """The layer of this kind or text name, whatever the case; UnknownNameError names the nearest."""
    spelled, wanted = _spellings(), name.lower()
    if wanted not in spelled:
        raise UnknownNameError("layer", name, spelled)
    return spelled[wanted]


def add(inputs: Sequence[Any], **settings: Any) -> Any:
    """Keras's functional form of Add."""
    return layer_class("Add")(**settings)(inputs)


def concatenate(inputs: Sequence[Any], axis: int = -1, **settings: Any) -> Any:
    """Keras's functional form of Concatenate."""
    told: dict[str, Any] = {"axis": axis, **settings}
    return layer_class("Concatenate")(**told)(inputs)


def subtract(inputs: Sequence[Any], **settings: Any) -> Any:
    """Keras's functional form of Subtract."""
    return layer_class("Subtract")(**settings)(inputs)


def multiply(inputs: Sequence[Any], **settings: Any) -> Any:
    """Keras's functional form of Multiply."""
    return layer_class("Multiply")(**settings)(inputs)


def average(inputs: Sequence[Any], **settings: Any) -> Any:
    """Keras's functional form of Average."""
    return layer_class("Average")(**settings)(inputs)


def maximum(inputs: Sequence[Any], **settings: Any) -> Any:
    """Keras's functional form of Maximum."""
    return layer_class("Maximum")(**settings)(inputs)


def minimum(inputs: Sequence[Any], **settings: Any) -> Any:
    """Keras's functional form of Minimum."""
    return layer_class("Minimum")(**settings)(inputs)


def dot(inputs: Sequence[Any], axes: Any = -1, **settings: Any) -> Any:
    """Keras's functional form of Dot."""
    told: dict[str, Any] = {"axes": axes, **settings}
    return layer_class("Dot")(**told)(inputs)


def __getattr__(name: str) -> Any:
    if name == "Input":
        return import_module(f"{__name__}.input_layer").Input
    if name == "__all__":
        return ["Input", "add", "concatenate", *kinds()]
    module = _files().get(name.lower())
    if module is not None and not name.startswith("_"):
        value = getattr(import_module(f"{__name__}.{module}"), name, None)
        if value is not None:
            return value
    if name[:1].isupper() and name.lower() in _spellings():
        return _spellings()[name.lower()]  # Keras's short names, such as MaxPool2D
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return ["Input", "add", "concatenate", "kinds", "layer_class", *kinds()]
