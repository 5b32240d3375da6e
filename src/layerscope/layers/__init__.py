"""The layers, under Keras's names. This folder is the list: one file, one layer.

A file that starts with an underscore is arithmetic shared by a family. Names are loaded when
first used.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from layerscope.core.contract import Layer
from layerscope.core.errors import UnknownNameError


def _files() -> dict[str, str]:
    """Module names by the class's name in lower case: conv2d_transpose holds Conv2DTranspose."""
    names = (path.stem for path in Path(__file__).parent.glob("[a-z]*.py"))
    return {name.replace("_", ""): name for name in sorted(names)}


def kinds() -> dict[str, type[Layer]]:
    """All layers by kind, in the order of their files."""
    found: dict[str, type[Layer]] = {}
    for plain, module in _files().items():
        held = vars(import_module(f"{__name__}.{module}"))
        found |= {
            n: v for n, v in held.items() if n.lower() == plain and isinstance(v, type) and issubclass(v, Layer)
        }
    return found


def layer_class(name: str) -> type[Layer]:
    """The layer of this kind or text name, whatever the case; UnknownNameError names the nearest."""
    found = kinds()
    spelled = {kind.lower(): cls for kind, cls in found.items()}
    for cls in found.values():
        spelled |= dict.fromkeys(cls.words.names if cls.words else (), cls)
    wanted = name.lower()
    if wanted not in spelled:
        raise UnknownNameError("layer", name, spelled)
    return spelled[wanted]


def __getattr__(name: str) -> Any:
    if name == "Input":
        return import_module(f"{__name__}.input_layer").Input
    module = _files().get(name.lower())
    if module is not None and not name.startswith("_"):
        value = getattr(import_module(f"{__name__}.{module}"), name, None)
        if value is not None:
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return ["Input", "kinds", "layer_class", *kinds()]
