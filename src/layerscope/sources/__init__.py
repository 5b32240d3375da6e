"""Where graphs come from. Each module of this folder has `handles(what)`, `read(what)` and `SUMMARY`."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from types import ModuleType

from layerscope.core.errors import SourceError
from layerscope.core.graph import Graph


def modules() -> list[ModuleType]:
    """All sources: the files of this folder."""
    names = sorted(path.stem for path in Path(__file__).parent.glob("[a-z]*.py"))
    return [import_module(f"{__name__}.{name}") for name in names]


def read(what: object) -> Graph:
    """The graph of whatever this is; SourceError says what would be understood."""
    for module in modules():
        if module.handles(what):
            return module.read(what)
    if isinstance(what, str | os.PathLike):
        name = os.fspath(what)
        if os.path.isdir(name):
            raise SourceError(f"{name} is a folder; give a model file in it")
        if os.path.exists(name):
            raise SourceError(f"{name}: of no kind that is known here. {_kinds()}")
        raise SourceError(f"{name!r} is neither a file here nor a network. {_kinds()}")
    raise SourceError(f"cannot trace a {type(what).__name__}. {_kinds()}")


def _kinds() -> str:
    return "Known: " + "; ".join(module.SUMMARY for module in modules()) + "."
