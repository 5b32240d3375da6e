"""Modules of Flax and Equinox as functions of their parameters, and scopes that mark where they are called."""

from __future__ import annotations

import functools
import sys
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

from layerscope.core.dataclasses import dataclass, field
from layerscope.sources._jax.stack import mark

KEY = "params"
MOST_PARTS = 200_000
"""Objects that are looked at for modules, at most."""


@dataclass
class Prepared:
    """A function of arrays: `call(leaves, args, kwargs)`, and of each leaf its name and whether it is a parameter."""

    call: Callable[..., Any]
    leaves: list[Any]
    names: list[tuple[str, bool]]
    title: str
    takes: Callable[..., Any]
    roots: list[tuple[str, Any]] = field(default_factory=list[tuple[str, Any]])
    otherwise: Callable[[Exception], bool] = lambda error: False
    """Whether the call may fail no more if it is tried again after this error."""


def library(name: str) -> Any:
    """A library that is loaded, or None."""
    return sys.modules.get(name)


def is_a(what: Any, name: str) -> bool:
    """Whether this is a module of that library."""
    found = library(name)
    return found is not None and isinstance(what, getattr(found, "Module", ()))


def path_name(path: Sequence[Any]) -> str:
    """layers.0.weight of the path to a leaf of a pytree; the attribute that holds a variable's value has no name."""
    parts = [str(getattr(one, "key", getattr(one, "name", getattr(one, "idx", one)))) for one in path]
    return ".".join(part for part in parts if part not in ("value", "raw_value")) or "parameter"


def is_array(jax: Any, leaf: Any) -> bool:
    """Whether a leaf has sizes: an array, or what stands for one."""
    numpy: Any = sys.modules["numpy"]
    return isinstance(leaf, jax.Array | numpy.ndarray | jax.ShapeDtypeStruct)


def is_parameter(jax: Any, leaf: Any) -> bool:
    """Whether an array is of numbers that are learned: floating ones."""
    return jax.dtypes.issubdtype(leaf.dtype, sys.modules["numpy"].inexact)


def of_linen(jax: Any, module: Any, variables: Any, shapes: Callable[..., Any]) -> Prepared:
    """A module of flax.linen; without variables, `shapes` asks its init for their sizes."""

    def first(args: Any, kwargs: Any) -> Any:
        return module.init({KEY: jax.random.key(0)}, *args, **kwargs)

    told = shapes(first) if variables is None else variables
    told = told if isinstance(told, Mapping) and (KEY in told or not told or variables is None) else {KEY: told}
    paths, tree = jax.tree_util.tree_flatten_with_path(told)
    names = [(path_name(path[1:]), path_name(path[:1]) == KEY) for path, _ in paths]
    others = [name for name in told if name != KEY]

    changing = False

    def call(leaves: Any, args: Any, kwargs: Any) -> Any:
        held = jax.tree_util.tree_unflatten(tree, leaves)
        rngs = {KEY: jax.random.key(0)}
        if changing:
            return module.apply(held, *args, rngs=rngs, mutable=others, **kwargs)[0]
        return module.apply(held, *args, rngs=rngs, **kwargs)

    def otherwise(error: Exception) -> bool:
        nonlocal changing  # as running averages are in training
        before, changing = changing, isinstance(error, sys.modules["flax"].errors.ModifyScopeVariableError)
        return changing and not before

    title = f"the call of {type(module).__name__}"
    return Prepared(call, [leaf for _, leaf in paths], names, title, module.__call__, otherwise=otherwise)


def of_nnx(jax: Any, module: Any) -> Prepared:
    """A module of flax.nnx; a copy of it is called, in eval mode."""
    nnx: Any = library("flax.nnx")
    form, state = nnx.split(module)
    listed, _ = jax.tree_util.tree_flatten_with_path(state, is_leaf=lambda one: isinstance(one, nnx.Variable))
    learned = {path_name(path) for path, one in listed if isinstance(one, nnx.Param)}
    paths, tree = jax.tree_util.tree_flatten_with_path(state)
    names = [(path_name(path), path_name(path) in learned) for path, _ in paths]
    roots: list[tuple[str, Any]] = []

    def call(leaves: Any, args: Any, kwargs: Any) -> Any:
        copy = nnx.merge(form, jax.tree_util.tree_unflatten(tree, leaves))
        copy.eval()
        with marked(jax, [("", copy)]):
            return copy(*args, **kwargs)

    title = f"the call of {type(module).__name__}"
    return Prepared(call, [leaf for _, leaf in paths], names, title, module.__call__, roots)


def of_tree(jax: Any, what: Any, title: str, called: Callable[..., Any] | None = None) -> Prepared:
    """A module of Equinox, a pytree that is called; or a function (`called`) whose first argument is a pytree."""
    equinox: Any = library("equinox")
    if called is None:
        what = equinox.nn.inference_mode(what)
    paths, tree = jax.tree_util.tree_flatten_with_path(what)
    places = [n for n, (_, leaf) in enumerate(paths) if is_array(jax, leaf)]
    held = [leaf for _, leaf in paths]
    names = [(path_name(paths[n][0]), is_parameter(jax, paths[n][1])) for n in places]

    def call(leaves: Any, args: Any, kwargs: Any) -> Any:
        filled = list(held)
        for place, leaf in zip(places, leaves, strict=True):
            filled[place] = leaf
        copy = jax.tree_util.tree_unflatten(tree, filled)
        with marked(jax, [("", copy)]):
            return copy(*args, **kwargs) if called is None else called(copy, *args, **kwargs)

    takes = type(what).__call__ if called is None else called
    return Prepared(call, [held[n] for n in places], names, title, takes)


def of_function(jax: Any, function: Callable[..., Any], title: str) -> Prepared:
    """A function as it is; the modules that it finds around it are marked."""
    found: dict[int, tuple[str, Any]] = {}
    for name, root in around(function):
        found[id(root)] = (name, root)
    roots = list(found.values())
    single = sum(is_a(root, name) for _, root in roots for name in ("flax.nnx", "equinox")) == 1

    def call(leaves: Any, args: Any, kwargs: Any) -> Any:
        with marked(jax, [("" if single else name, root) for name, root in roots]):
            return function(*args, **kwargs)

    return Prepared(call, [], [], title, function, roots)


def around(function: Any, depth: int = 3) -> Iterator[tuple[str, Any]]:
    """What a function holds, by name: its closure, what it is a method of, arguments that were filled in, globals."""
    if isinstance(function, functools.partial):
        parts = [*enumerate(function.args), *function.keywords.items()]
        yield from ((f"argument_{key}" if isinstance(key, int) else key, part) for key, part in parts)
        yield from around(function.func, depth)
    elif isinstance(function, types.MethodType):
        yield "self", function.__self__
    elif isinstance(function, types.FunctionType) and depth:
        cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
        for name, cell in cells:
            try:
                value = cell.cell_contents
            except ValueError:
                continue
            yield from around(value, depth - 1) if isinstance(value, types.FunctionType) else [(name, value)]
        for name in _globals(function.__code__):
            value = function.__globals__.get(name)
            if isinstance(value, types.FunctionType) and value.__module__ == function.__module__:
                yield from around(value, depth - 1)
            elif value is not None and not isinstance(value, types.ModuleType | types.FunctionType | type):
                yield name, value
    wrapped = getattr(function, "__wrapped__", None)
    if wrapped is not None:
        yield from around(wrapped, depth) if isinstance(wrapped, types.FunctionType) else [("", wrapped)]


def _globals(code: types.CodeType) -> Iterator[str]:
    """The names that a function, and those that are written in it, look up outside of it."""
    yield from code.co_names
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            yield from _globals(inner)


# --- marks ---


@contextmanager
def marked(jax: Any, roots: Sequence[tuple[str, Any]]) -> Iterator[None]:
    """Meanwhile each call of a module among these, or of one of their parts, is in a scope of its name."""
    paths: dict[int, str] = {}
    classes: dict[type, None] = {}
    held: list[Any] = []
    for name, root in roots:
        for path, part in _parts(root, name):
            paths.setdefault(id(part), path)
            held.append(part)
            for base in type(part).__mro__:
                if "__call__" in vars(base) and not base.__module__.startswith(("builtins", "abc", "typing")):
                    classes[base] = None
    calls = _Marks(jax, paths)
    before = {one: vars(one)["__call__"] for one in classes}
    for one, call in before.items():
        type.__setattr__(one, "__call__", calls.around(call))
    try:
        yield
    finally:
        for one, call in before.items():
            type.__setattr__(one, "__call__", call)
        held.clear()


class _Marks:
    """Scopes of the modules that are called, one within the other."""

    def __init__(self, jax: Any, paths: dict[int, str]) -> None:
        self.jax, self.paths = jax, paths
        self.stack: list[tuple[Any, str]] = []
        self.number = 0

    def around(self, call: Any) -> Any:
        """The call of a class, in a scope."""

        def marked_call(module: Any, /, *args: Any, **kwargs: Any) -> Any:
            bound = (
                call.__get__(module, type(module)) if hasattr(call, "__get__") else functools.partial(call, module)
            )
            with self.scope(module):
                return bound(*args, **kwargs)

        return functools.wraps(call)(marked_call) if hasattr(call, "__name__") else marked_call

    @contextmanager
    def scope(self, module: Any) -> Iterator[None]:
        """The scope of a module, if it is not in that already, as where a class calls the one that it is made of."""
        if self.stack and self.stack[-1][0] is module:
            yield
            return
        above = self.stack[-1][1] if self.stack else ""
        kind = type(module)
        path = self.paths.get(id(module))
        name = f"?{kind.__name__.lower()}" if path is None else path  # of a copy, which its weights may tell
        if path is not None and above and path.startswith(f"{above}/"):
            name = path.removeprefix(f"{above}/")
        own = kind.__module__.startswith(("flax.", "equinox."))
        self.stack.append((module, above if path is None else path))
        self.number += 1
        try:
            with self.jax.named_scope(mark(name, kind.__name__, own, self.number)):
                yield
        finally:
            self.stack.pop()


def _parts(root: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Modules of nnx and Equinox in an object, with their paths."""
    stack: list[tuple[str, Any]] = [(name, root)]
    seen: set[int] = set()
    while stack and len(seen) < MOST_PARTS:
        path, one = stack.pop()
        if id(one) in seen or isinstance(one, str | int | float | type | types.ModuleType | types.FunctionType):
            continue
        seen.add(id(one))
        below = f"{path}/" if path else ""
        if is_a(one, "flax.nnx") or is_a(one, "equinox"):
            yield path, one
            stack += [(f"{below}{key}", part) for key, part in vars(one).items() if not key.startswith("__")]
        elif isinstance(one, Mapping):
            stack += [(f"{below}{key}", part) for key, part in one.items()]
        elif isinstance(one, tuple | list):
            stack += [(f"{below}{number}", part) for number, part in enumerate(one)]


def linen_marks(jax: Any) -> Any:
    """Flax's own way to be asked at each call of a module of flax.linen: a scope of its name and class."""
    linen: Any = library("flax.linen")
    if linen is None:
        return nullcontext()
    number = 0

    def asked(call: Any, args: Any, kwargs: Any, context: Any) -> Any:
        nonlocal number
        number += 1
        module, kind = context.module, type(context.module)
        own = kind.__module__.startswith("flax.")
        entered = context.method_name == "__call__"
        name = (module.name or "") if entered else ""
        if not entered and context.method_name in ("setup", "__post_init__"):
            return call(*args, **kwargs)
        with jax.named_scope(mark(name, kind.__name__ if entered else "", own and entered, number if name else 0)):
            return call(*args, **kwargs)

    return linen.intercept_methods(asked)
