"""Where graphs come from. Each module of this folder has `handles(what)`, `read(what)` and `SUMMARY`."""

from __future__ import annotations

import os
from importlib import import_module
from types import ModuleType

from layerscope.core import files
from layerscope.core.errors import SourceError
from layerscope.core.graph import Graph
from layerscope.sources import _files


def modules() -> list[ModuleType]:
    """All sources: the files of this folder."""
    return [import_module(f"{__name__}.{name}") for name in files.modules(__file__)]


def read(what: object, input: object = None, batch: int | None = None) -> Graph:
    """The graph of whatever this is; SourceError says what would be understood.

    `input` has the sizes of what goes in, for sources that do not state them (those with TAKES_INPUT). `batch` is for
    those whose sizes are all numbers (TAKES_BATCH); in the graphs of others the batch is open.
    """
    for module in modules():
        if module.handles(what):
            if input is not None and not getattr(module, "TAKES_INPUT", False):
                raise SourceError(
                    "input says the sizes of what a Keras or PyTorch model is given; this states its own"
                )
            told: dict[str, object] = {} if input is None else {"input": input}
            if getattr(module, "TAKES_BATCH", False):
                told["batch"] = batch
            return module.read(what, **told)
    if isinstance(what, str | os.PathLike):
        name = os.fspath(what)
        refused = _files.refusal(name)
        if refused is not None:
            raise refused
        if os.path.isdir(name):
            raise SourceError(f"{name} is a folder; give a model file in it")
        if os.path.exists(name):
            raise SourceError(f"{name}: of no kind that is known here. {_kinds()}")
        if missing := _files.missing(what):
            raise missing
        raise SourceError(f"{name!r} is neither a file here nor a network. {_kinds()}")
    raise SourceError(f"cannot trace a {type(what).__name__}. {_kinds()}")


def _kinds() -> str:
    return "Known: " + "; ".join(module.SUMMARY for module in modules()) + "."
