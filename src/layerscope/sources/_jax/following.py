"""A function or module of JAX as a graph: it is called once on abstract values, and its jaxpr is gone through."""

from __future__ import annotations

import inspect
import linecache
import os
import sys
import traceback
import warnings
from collections.abc import Callable
from importlib import import_module
from typing import Any

from layerscope.core.errors import LayerscopeError, SourceError
from layerscope.core.graph import Graph
from layerscope.core.types import WeightType
from layerscope.sources._asked import Asked, Wanted
from layerscope.sources._jax import building, modules, numbers
from layerscope.sources._jax.modules import Prepared
from layerscope.sources._jax.values import Value, Weight, type_of
from layerscope.sources._jax.walking import Here, Walker

LOOKS = (
    "the numbers of an array decide what it does next, and a trace has none: for other numbers it would be another "
    "network"
)
OPEN_SHAPE = "the numbers of an array decide how many elements come out, and a trace has none"


def follow(what: Any, given: Asked, parameters: Any = None) -> Graph:
    """The graph of a module or function for these inputs.

    Errors: SourceError where the call fails or leads to nothing, with the user's line that stops it.
    """
    return _Following(what, given, parameters).graph()


class _Following:
    """One call."""

    def __init__(self, what: Any, given: Asked, parameters: Any) -> None:
        self.jax: Any = import_module("jax")
        self.what, self.given, self.parameters = what, given, parameters
        told, self.form = self.jax.tree_util.tree_flatten((list(given.args), given.kwargs))
        self.told: list[Any] = [self._wanted(one) for one in told]
        """What is handed in, flat: a `Wanted` for each array, and other values as they are."""
        self.name = str(getattr(what, "__name__", None) or type(what).__name__)
        self.title = f"the call of {type(what).__name__}" if _module(what) else self.name

    def graph(self) -> Graph:
        structs = [self._struct(one) for one in self.told if isinstance(one, Wanted)]
        prepared = self._prepared(structs)
        leaves = [self.jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) for leaf in prepared.leaves]

        def call(held: Any, arrays: Any) -> Any:
            args, kwargs = self._filled(arrays)
            return prepared.call(held, args, kwargs)

        def traced() -> Any:
            try:
                return self.jax.make_jaxpr(call)(leaves, structs)
            except Exception as error:
                if not prepared.otherwise(error):
                    raise
                return self.jax.make_jaxpr(call)(leaves, structs)

        closed = self._run(traced)
        ids = _Weights(prepared)
        walker = Walker(self._constant(prepared, ids))
        held = [ids.of(n, var) for n, var in enumerate(closed.jaxpr.invars[: len(leaves)])]
        inputs = [
            building.start(type_of(var.aval), name)
            for var, name in zip(closed.jaxpr.invars[len(leaves) :], self._names(prepared), strict=True)
        ]
        outputs = walker.closed(closed, [*held, *inputs], Here())
        if not outputs:
            raise SourceError(f"{self.title}: it returns no array")
        return building.graph(walker.records, inputs, outputs, self.name.lower(), self.title)

    # --- what it is called on ---

    def _prepared(self, structs: list[Any]) -> Prepared:
        jax, what = self.jax, self.what

        def shapes(first: Callable[..., Any]) -> Any:
            return self._run(lambda: jax.eval_shape(lambda arrays: first(*self._filled(arrays)), structs))

        if modules.is_a(what, "flax.linen"):
            return modules.of_linen(jax, what, self.parameters, shapes)
        if _module(what) and self.parameters is not None:
            raise SourceError(
                f"{self.title}: it holds its parameters itself; parameters is for functions and flax.linen"
            )
        if modules.is_a(what, "flax.nnx"):
            return modules.of_nnx(jax, what)
        if modules.is_a(what, "equinox"):
            return modules.of_tree(jax, what, self.title)
        if self.parameters is not None:
            return modules.of_tree(jax, self.parameters, self.title, what)
        return modules.of_function(jax, what, self.title)

    def _struct(self, one: Wanted) -> Any:
        dtype = one.dtype or self._floating()
        if dtype.startswith("key<"):
            key = self.jax.eval_shape(lambda: self.jax.random.key(0))
            return self.jax.ShapeDtypeStruct(one.shape, key.dtype)
        try:
            return self.jax.ShapeDtypeStruct(one.shape, self.jax.numpy.dtype(dtype))
        except TypeError:
            raise SourceError(f"input: JAX has no dtype {dtype!r}") from None

    def _floating(self) -> str:
        """The dtype of inputs of which none was said: that of the parameters, if they are there already."""
        held = [self.what] if _module(self.what) else [one for _, one in modules.around(self.what)]
        for one in held if self.parameters is None else [self.parameters]:
            tree = modules.library("flax.nnx").state(one) if modules.is_a(one, "flax.nnx") else one
            for leaf in self.jax.tree_util.tree_leaves(tree):
                if modules.is_array(self.jax, leaf) and modules.is_parameter(self.jax, leaf):
                    return str(leaf.dtype)
        return "float32"

    def _filled(self, arrays: Any) -> tuple[Any, Any]:
        """The arguments, with arrays in the places of their sizes."""
        rest = iter(arrays)
        filled = [next(rest) if isinstance(one, Wanted) else one for one in self.told]
        return self.jax.tree_util.tree_unflatten(self.form, filled)

    def _wanted(self, leaf: Any) -> Any:
        """Arrays in other trees than lists and dictionaries, as an optimizer's state is one."""
        if isinstance(leaf, self.jax.Array | self.jax.ShapeDtypeStruct):
            return Wanted(tuple(leaf.shape), str(leaf.dtype))
        return leaf

    def _names(self, prepared: Prepared) -> list[str]:
        """A name for each array that is handed in: that of its argument."""
        try:
            listed = list(inspect.signature(prepared.takes).parameters.values())
        except (TypeError, ValueError):
            listed = []
        names = [one.name for one in listed if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)]
        if names[:1] == ["self"] or (self.parameters is not None and not _module(self.what)):
            names = names[1:]
        names += ["input"] * (len(self.given.args) - len(names))
        found: list[str] = []
        for name, part in (*zip(names, self.given.args, strict=False), *sorted(self.given.kwargs.items())):
            leaves = map(self._wanted, self.jax.tree_util.tree_leaves(part))
            found += [str(name).strip("_") or "input" for leaf in leaves if isinstance(leaf, Wanted)]
        return found

    def _constant(self, prepared: Prepared, ids: _Weights) -> Callable[[Any, Any], Value]:
        """What arrays that the function closes over stand for: those of floats found around it are parameters."""
        names: dict[int, str] = {}
        for root, value in prepared.roots:
            tree = modules.library("flax.nnx").state(value) if modules.is_a(value, "flax.nnx") else value
            for path, leaf in self.jax.tree_util.tree_flatten_with_path(tree)[0]:
                if isinstance(leaf, self.jax.Array) and modules.is_parameter(self.jax, leaf):
                    inner = modules.path_name(path) if path else ""
                    names.setdefault(id(leaf), ".".join(part for part in (root, inner) if part))

        def constant(var: Any, const: Any) -> Value:
            name = names.get(id(const), "")
            return ids.named(name, var) if name else Value(type_of(var.aval), numbers=numbers.held(const))

        return constant

    # --- the call ---

    def _run(self, call: Callable[[], Any]) -> Any:
        try:
            with warnings.catch_warnings(), modules.linen_marks(self.jax):
                warnings.simplefilter("ignore")
                return call()
        except LayerscopeError:
            raise
        except Exception as error:
            raise SourceError(self._failure(error)) from None

    def _failure(self, error: Exception) -> str:
        """What stopped it, and the user's own line at which that was."""
        kind, place = type(error).__name__, _line(error)
        if kind in ("TracerBoolConversionError", "ConcretizationTypeError", "TracerIntegerConversionError",
                    "TracerArrayConversionError"):  # fmt: skip
            return f"{self.title} cannot be followed: {LOOKS}{place}"
        if kind == "NonConcreteBooleanIndexError":
            return f"{self.title} cannot be followed: {OPEN_SHAPE}{place}"
        words = str(error).strip().splitlines()
        reason = words[0] if words else kind
        if kind not in ("RuntimeError", "AssertionError", "ValueError"):
            reason = f"{kind}: {reason}" if words else kind
        given = f" for {self.given}" if self.given.tensors else ""
        hint = ""
        if kind == "TypeError" and ("missing" in reason or "takes" in reason or "unexpected keyword" in reason):
            hint = f"\nIt takes {_signature(self.what)}"
        return f"{self.title} failed{given}: {reason}{place}{hint}"


class _Weights:
    """Values of leaves: one and the same array is one parameter, wherever it is."""

    def __init__(self, prepared: Prepared) -> None:
        self.prepared = prepared
        self.shared: dict[int, str] = {}
        self.taken: set[str] = set()

    def of(self, number: int, var: Any) -> Value:
        """Leaf `number`: a parameter or a constant."""
        (name, learned), leaf = self.prepared.names[number], self.prepared.leaves[number]
        if not learned:
            return Value(type_of(var.aval), numbers=numbers.held(leaf))
        jax: Any = sys.modules["jax"]
        if isinstance(leaf, jax.Array):
            name = self.shared.setdefault(id(leaf), name)
        return self.named(name, var)

    def named(self, name: str, var: Any) -> Value:
        """A parameter of this name."""
        kind = type_of(var.aval)
        shape = tuple(int(str(n)) for n in kind.shape)
        return Value(
            kind, weight=Weight(name, name.rpartition(".")[2] or name, WeightType(shape, "zeros", True, kind.dtype))
        )


def _module(what: Any) -> bool:
    return any(modules.is_a(what, name) for name in ("flax.linen", "flax.nnx", "equinox"))


def _signature(what: Any) -> str:
    try:
        return str(inspect.signature(what.__call__ if _module(what) else what))
    except (TypeError, ValueError):
        return "other arguments"


def _line(error: Exception) -> str:
    """The last line of code that is no library's and not ours."""
    ours = os.path.dirname(os.path.dirname(os.path.dirname(__file__)))
    aside = [os.path.dirname(sys.modules[n].__file__ or "") for n in ("jax", "flax", "equinox") if n in sys.modules]
    place = None
    for frame, line in traceback.walk_tb(error.__traceback__):
        file = frame.f_code.co_filename
        if not file.startswith((*aside, ours, "<frozen")):
            place = (file, line)
    return "" if place is None else f"\n  {place[0]}, line {place[1]}: {linecache.getline(*place).strip()}"
