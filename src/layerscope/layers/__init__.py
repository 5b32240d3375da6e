"""The layers, under Keras's names. This folder is the list: one file, one layer.

A file that starts with an underscore is arithmetic shared by a family; one that ends with it leaves
its plain name to a function (add, concatenate). Names are loaded when first used.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from layerscope.core.contract import Layer
from layerscope.core.errors import UnknownNameError
from layerscope.core.files import modules
from layerscope.layers._words import WORDS

FUNCTIONS = ("add", "average", "concatenate", "dot", "maximum", "minimum", "multiply", "subtract")
"""Functional forms of layers that take several tensors."""


@functools.cache
def _files() -> dict[str, str]:
    """Module names by the class's name in lower case: conv2d_transpose holds Conv2DTranspose."""
    return {name.replace("_", ""): name for name in modules(__file__)}


@functools.cache
def _load(plain: str) -> type[Layer]:
    """The layer whose name in lower case this is, from its file."""
    held = vars(import_module(f"{__name__}.{_files()[plain]}"))
    return next(v for n, v in held.items() if n.lower() == plain and isinstance(v, type) and issubclass(v, Layer))


@functools.cache
def kinds() -> dict[str, type[Layer]]:
    """All layers by kind, in the order of their files; it loads them all."""
    return {cls.__name__: cls for cls in map(_load, _files())}


@functools.cache
def _spellings() -> dict[str, type[Layer]]:
    """All layers by kind and by the words of the one-line text, in lower case; it loads them all."""
    spelled = {kind.lower(): cls for kind, cls in kinds().items()}
    for cls in kinds().values():
        spelled |= dict.fromkeys(cls.words.names if cls.words else (), cls)
    return spelled


def _find(name: str) -> type[Layer] | None:
    """The layer of a name in lower case, from its file alone where the name says which that is."""
    plain = WORDS.get(name, name.replace("_", ""))
    return _load(plain) if plain in _files() else _spellings().get(name)


def layer_class(name: str) -> type[Layer]:
    """The layer of this kind or text name, whatever the case; UnknownNameError names the nearest.

    It loads the file of that layer only.
    """
    found = _find(name.lower())
    if found is None:
        raise UnknownNameError("layer", name, _spellings())
    return found


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
        return ["Input", *FUNCTIONS, *kinds()]
    if name[:1].isupper():
        found = _find(name.lower())  # also for Keras's short names, such as MaxPool2D
        if found is not None:
            return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return ["Input", *FUNCTIONS, "kinds", "layer_class", *kinds()]
