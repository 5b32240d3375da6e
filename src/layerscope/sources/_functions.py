"""Whose functions a Python function calls, JAX's or PyTorch's, where both are loaded."""

from __future__ import annotations

import functools
import sys
import types
from collections.abc import Iterator, Mapping
from typing import Any

from layerscope.core.errors import SourceError

FUNCTIONS = (types.FunctionType, types.MethodType, types.BuiltinFunctionType, functools.partial)
OWNERS = {
    "jax": "jax", "jaxlib": "jax", "flax": "jax", "equinox": "jax", "haiku": "jax", "optax": "jax", "torch": "torch",
    "torchvision": "torch",
}  # fmt: skip
DEPTH = 3
"""Functions within functions that are looked into."""
FRAMEWORKS = ("jax", "torch")


def framework_of(what: Any, input: Any = None, parameters: Any = None) -> str | None:
    """ "jax" or "torch" for a function, as what it calls or is given says; None for what is no function of either.

    Errors: SourceError where both are loaded and nothing tells them apart.
    """
    if is_jitted(what):
        return "jax"
    if not isinstance(what, FUNCTIONS):
        return None
    loaded = [name for name in FRAMEWORKS if name in sys.modules]
    if len(loaded) < 2:
        return loaded[0] if loaded else None
    if parameters is not None:
        return "jax"  # PyTorch's functions carry theirs
    given = {owner for one in _leaves(input) if (owner := _owner(type(one)))}
    for found in (given, set(_named(what, DEPTH)), set(_around(what))):
        if len(found) == 1:
            return found.pop()
        if found:
            break
    name = getattr(what, "__name__", type(what).__name__)
    raise SourceError(
        f"{name}: JAX and PyTorch are both loaded, and the function does not tell whose it is; say framework='jax' "
        "or framework='torch'"
    )


def is_jitted(what: object) -> bool:
    """Whether this is what jax.jit, jax.custom_jvp and the like make."""
    return callable(what) and not isinstance(what, type) and _root(type(what).__module__) in ("jax", "jaxlib")


def _root(name: object) -> str:
    return name.partition(".")[0] if isinstance(name, str) else ""


def _owner(value: Any) -> str:
    if isinstance(value, types.ModuleType):
        return OWNERS.get(_root(value.__name__), "")
    kind = value if isinstance(value, type) else type(value)
    bases = (OWNERS.get(_root(base.__module__), "") for base in kind.__mro__)
    return next(filter(None, bases), "") or OWNERS.get(_root(getattr(value, "__module__", "")), "")


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping):
        for part in value.values():
            yield from _leaves(part)
    elif isinstance(value, tuple | list):
        for part in value:
            yield from _leaves(part)
    else:
        yield value


def _named(what: Any, depth: int) -> Iterator[str]:
    """Whose the things are that a function names, or holds."""
    if isinstance(what, functools.partial):
        for part in (what.func, *what.args, *what.keywords.values()):
            yield from _held(part, depth)
    elif isinstance(what, types.MethodType):
        yield from _held(what.__self__, depth)
        yield from _named(what.__func__, depth)
    elif isinstance(what, types.FunctionType):
        if owner := OWNERS.get(_root(what.__module__), ""):
            yield owner
        codes = [what.__code__]
        while codes:
            code = codes.pop()
            codes += [one for one in code.co_consts if isinstance(one, types.CodeType)]
            for name in code.co_names:
                if name in what.__globals__:
                    yield from _held(what.__globals__[name], depth)
        for cell in what.__closure__ or ():
            try:
                yield from _held(cell.cell_contents, depth)
            except ValueError:  # nothing in it yet
                continue
        if (wrapped := getattr(what, "__wrapped__", None)) is not None:
            yield from _held(wrapped, depth)
    elif owner := _owner(what):
        yield owner


def _held(value: Any, depth: int) -> Iterator[str]:
    owner = _owner(value)
    if owner:
        yield owner
    elif isinstance(value, FUNCTIONS) and depth:
        yield from _named(value, depth - 1)
    elif isinstance(value, tuple | list | Mapping):
        yield from (name for one in list(_leaves(value))[:100] if (name := _owner(one)))


def _around(what: Any) -> Iterator[str]:
    """Whose modules the file of a function imports."""
    while not hasattr(what, "__globals__") and (inner := getattr(what, "func", getattr(what, "__func__", None))):
        what = inner
    for value in getattr(what, "__globals__", {}).values():
        if isinstance(value, types.ModuleType) and (owner := _owner(value)):
            yield owner
