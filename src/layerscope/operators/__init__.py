"""Described operators: what networks in files from elsewhere (ONNX, PyTorch) are made of, in any order of axes.

A file is a family, such as convolutions or reductions. An operator carries its source's own name. Layers of our own
(`layerscope.layers`, channels last) are for building and training; operators are for tracing. This folder is the
list: every class of a file that does not start with an underscore.
"""

from __future__ import annotations

import functools
from importlib import import_module

from layerscope.core.contract import Layer
from layerscope.core.files import modules


@functools.cache
def kinds() -> dict[str, type[Layer]]:
    """All families by the name of their class, in the order of their files."""
    found: dict[str, type[Layer]] = {}
    for family in modules(__file__):
        module = import_module(f"{__name__}.{family}")
        found |= {
            name: value
            for name, value in vars(module).items()
            if isinstance(value, type)
            and issubclass(value, Layer)
            and value.__module__ == module.__name__
            and not name.startswith("_")
        }
    return found
