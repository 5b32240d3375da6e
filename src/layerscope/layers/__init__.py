"""The layers, under Keras's names. This folder is the list: one file, one layer.

A file that starts with an underscore is arithmetic shared by a family; one that ends with it leaves
its plain name to a function (add, concatenate). Names are loaded when first used.
"""

from __future__ import annotations

import functools
import re
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
    for plain in _files():
        found |= _held(plain)
    return found


def _held(plain: str) -> dict[str, type[Layer]]:
    """The layer of one file, by kind; none where the file has no layer of its name."""
    held = vars(import_module(f"{__name__}.{_files()[plain]}"))
    return {n: v for n, v in held.items() if n.lower() == plain and isinstance(v, type) and issubclass(v, Layer)}


WORDS = re.compile(r"^    words = Words\(\s*\(([^)]*)\)", re.MULTILINE)


@functools.cache
def _words() -> dict[str, str]:
    """The files of layers by the words of the one-line text, as they stand in the files: none is loaded for it."""
    found: dict[str, str] = {}
    for plain, module in _files().items():
        match = WORDS.search((Path(__file__).parent / f"{module}.py").read_text("utf-8"))
        found |= dict.fromkeys(re.findall(r'"(\w+)"', match[1]) if match else (), plain)
    return found


@functools.cache
def _spellings() -> dict[str, type[Layer]]:
    """All layers by kind and by the words of the one-line text, in lower case."""
    spelled = {kind.lower(): cls for kind, cls in kinds().items()}
    for cls in kinds().values():
        spelled |= dict.fromkeys(cls.words.names if cls.words else (), cls)
    return spelled


@functools.cache
def _found(wanted: str) -> type[Layer] | None:
    """The layer of this kind or text name, in lower case, by loading the one file that has it."""
    plain = wanted if wanted in _files() else _words().get(wanted)
    return next(iter(_held(plain).values()), None) if plain else None


def layer_class(name: str) -> type[Layer]:
    """The layer of this kind or text name, whatever the case; UnknownNameError names the nearest.

    Only the file that has it is loaded.
    """
    wanted = name.lower()
    found = _found(wanted)
    if found is not None:
        return found
    if wanted not in _spellings():
        raise UnknownNameError("layer", name, _spellings())
    return _spellings()[wanted]


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
