"""Where graphs come from. Each module of this folder has `handles(what)`, `read(what)` and `SUMMARY`."""

from __future__ import annotations

import os
from importlib import import_module
from types import ModuleType

from layerscope.core import files
from layerscope.core.errors import SourceError
from layerscope.core.graph import Graph
from layerscope.sources import _files, _functions


def modules() -> list[ModuleType]:
    """All sources: the files of this folder."""
    return [import_module(f"{__name__}.{name}") for name in files.modules(__file__)]


def read(
    what: object,
    input: object = None,
    batch: int | None = None,
    *,
    framework: str | None = None,
    parameters: object = None,
) -> Graph:
    """The graph of whatever this is; SourceError says what would be understood.

    `input` has the sizes of what goes in, for sources that do not state them (those with TAKES_INPUT). `batch` is for
    those whose sizes are all numbers (TAKES_BATCH); in the graphs of others the batch is open. `framework` says whose
    a function of Python is, "jax" or "torch"; `parameters` are those of a function of JAX (TAKES_PARAMETERS).
    """
    module = _module(what, input, framework, parameters)
    if module is not None:
        return _told(module, what, input, batch, framework, parameters)
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


def _module(what: object, input: object, framework: str | None, parameters: object) -> ModuleType | None:
    """The source of this, None where there is none."""
    if framework not in (None, *_functions.FRAMEWORKS):
        raise SourceError(f"framework must be 'jax' or 'torch', not {framework!r}")
    named = framework if callable(what) else None
    if named is None:
        named = _functions.framework_of(what, input, parameters)
    if named is not None:
        return import_module(f"{__name__}.{named}")
    return next((module for module in modules() if module.handles(what)), None)


def _told(
    module: ModuleType, what: object, input: object, batch: int | None, framework: str | None, parameters: object
) -> Graph:
    """Have it read, with what it takes."""
    told: dict[str, object] = {} if input is None else {"input": input}
    if input is not None and not getattr(module, "TAKES_INPUT", False):
        raise SourceError("input says the sizes of what a Keras, PyTorch or JAX model is given; this states its own")
    if parameters is not None:
        if not getattr(module, "TAKES_PARAMETERS", False):
            raise SourceError("parameters are those of a function of JAX, or of a module of flax.linen")
        told["parameters"] = parameters
    if getattr(module, "TAKES_FRAMEWORK", False):
        told["framework"] = framework
    if getattr(module, "TAKES_BATCH", False):
        told["batch"] = batch
    return module.read(what, **told)


def _kinds() -> str:
    return "Known: " + "; ".join(module.SUMMARY for module in modules()) + "."
