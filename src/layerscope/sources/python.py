"""package.module:callable, a Python function (or object) that gives a model."""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import re
import sys
from collections.abc import Callable
from typing import Any

from layerscope.core import sketch
from layerscope.core.errors import LayerscopeError, SourceError, UnknownNameError
from layerscope.core.graph import Graph
from layerscope.sources import _functions, jax, keras, torch

SUMMARY = "package.module:callable, a Python function that returns a model"
TAKES_INPUT = True
TAKES_BATCH = True
TAKES_FRAMEWORK = True
PATTERN = re.compile(r"^[A-Za-z_][\w.]*:[A-Za-z_][\w.]*$")


def handles(what: object) -> bool:
    """Whether this names a Python object as package.module:name."""
    return isinstance(what, str) and bool(PATTERN.match(what))


def read(what: str, input: Any = None, batch: int | None = None, framework: str | None = None) -> Graph:
    """What the callable returns, as a graph; SourceError says where it fails.

    `input` and `batch` are for a Keras, PyTorch or JAX model that it returns, or for a function of tensors that it
    is, of the `framework` "jax" or "torch".
    """
    made = called(what, given=input is not None)
    owner = framework or _functions.framework_of(made, input)
    if jax.is_module(made) or (owner == "jax" and callable(made) and not torch.is_module(made)):
        return jax.read(made, input, batch)
    if torch.handles(made):
        return torch.read(made, input, batch)
    if keras.handles(made):
        return keras.read(made, input)
    if input is not None:
        raise SourceError(
            f"{what} gives an object of type {type(made).__name__}, which states its own sizes; input is for a "
            "Keras, PyTorch or JAX model"
        )
    graph = getattr(made, "graph", made)
    if isinstance(graph, str):
        from layerscope.sources import text

        return text.read(graph)
    if not isinstance(graph, Graph):
        raise SourceError(
            f"{what} gives an object of type {type(made).__name__}; "
            "expected a Model, a Graph, a Keras, PyTorch or JAX model or one line of text"
        )
    return graph


def called(what: str, given: bool = False) -> Any:
    """The object itself that the name stands for, or that the function gives; SourceError as in `read`.

    A function that takes arguments is itself what is wanted where inputs are `given`.
    """
    module_name, _, path = what.partition(":")
    found = _find(_load(module_name, what), path, what)
    return found if given and _takes_arguments(found) else _call(found, what)


def _made(found: Any) -> bool:
    """Whether this is a model already."""
    return keras.handles(found) or torch.is_module(found) or jax.is_module(found)


def _takes_arguments(found: Any) -> bool:
    """Whether a function cannot be called without arguments."""
    if isinstance(found, type) or not callable(found) or _made(found):
        return False
    try:
        import inspect

        listed = inspect.signature(found).parameters.values()
    except (TypeError, ValueError):
        return False
    return any(one.default is one.empty and one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD) for one in listed)


def _load(name: str, what: str) -> Any:
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = "the module" if error.name == name else f"its import {error.name!r}"
        raise SourceError(
            f"{what}: {missing} cannot be found (searched here, {os.getcwd()}, and installed)"
        ) from None
    except (Exception, SystemExit) as error:
        raise SourceError(f"{what}: importing {name} failed: {_where(error)}") from error


def _find(module: Any, path: str, what: str) -> Any:
    found = module
    for part in path.split("."):
        if not hasattr(found, part):
            public = [n for n in vars(module) if not n.startswith("_")]
            raise SourceError(f"{what}: " + str(UnknownNameError("name", part, public)))
        found = getattr(found, part)
    return found


def _call(found: Any, what: str) -> Any:
    if isinstance(found, Graph | str) or (hasattr(found, "graph") and not isinstance(found, type)):
        return found
    if _made(found):
        return found
    if not callable(found):
        raise SourceError(f"{what} is a {type(found).__name__}, neither a model nor a function that makes one")
    if _takes_arguments(found):
        import inspect

        raise SourceError(
            f"{what} takes {inspect.signature(found)}: a function that makes a model is called without arguments; "
            "give one that needs none, or say --input for a function of tensors"
        )
    try:
        return found()
    except LayerscopeError as error:
        if error.sketch is not None and not error.whole:
            raise error.of(_sketch(found)) from None
        raise
    except (Exception, SystemExit) as error:
        raise SourceError(f"{what}() failed: {_where(error)}") from error


def _sketch(make: Any) -> Callable[[], Graph] | None:
    """The network that a function makes, whether its sizes fit or not: it is called again, without what it prints."""
    try:
        with sketch.sketching(), contextlib.redirect_stdout(io.StringIO()):
            make()
    except LayerscopeError as error:  # of the model that is made of layers that do not fit
        return error.sketch if error.whole else None
    except (Exception, SystemExit):
        return None
    return None


def _where(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f" ({trace.tb_frame.f_code.co_filename}, line {trace.tb_lineno})" if trace else ""
    return f"{type(error).__name__}: {error}{place}"
