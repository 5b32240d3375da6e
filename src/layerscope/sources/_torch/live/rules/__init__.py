"""What each function of PyTorch, and each operator of ATen, is as an operator here: one file for each family.

A rule gets the site and PyTorch's own arguments, and returns the values of its outputs. Names are plain: those of
`torch.nn.functional`, of methods and of ATen, without the underscore of what works in place.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from layerscope.core.types import TensorType, WeightType
from layerscope.operators.moved import Moved
from layerscope.operators.pointwise import Pointwise
from layerscope.operators.standing import Undescribed
from layerscope.sources._torch.live.site import Site, Value

Rule = Callable[..., Any]
FOUND: dict[str, Rule] = {}
APART = {"dropout", "alpha_dropout", "feature_dropout", "dropout1d", "dropout2d", "dropout3d"}
"""Functions that may hand back what they are given, and still are a layer of their own."""
WORDS = {
    "__add__": "add", "__radd__": "add", "__iadd__": "add", "__sub__": "sub", "__isub__": "sub", "__rsub__": "rsub",
    "__mul__": "mul", "__rmul__": "mul", "__imul__": "mul", "__truediv__": "div", "__itruediv__": "div",
    "__div__": "div", "__idiv__": "div", "__rtruediv__": "rdiv", "__rdiv__": "rdiv", "true_divide": "div",
    "divide": "div", "multiply": "mul", "subtract": "sub", "__matmul__": "matmul", "__rmatmul__": "rmatmul",
    "__neg__": "neg", "negative": "neg", "__pow__": "pow", "__ipow__": "pow", "__rpow__": "rpow", "__eq__": "eq",
    "__ne__": "ne", "__lt__": "lt", "__le__": "le", "__gt__": "gt", "__ge__": "ge", "__and__": "bitwise_and",
    "__or__": "bitwise_or", "__xor__": "bitwise_xor", "__invert__": "bitwise_not", "__abs__": "abs",
    "absolute": "abs", "__getitem__": "getitem", "__floordiv__": "floor_divide", "__mod__": "remainder",
    "greater": "gt", "less": "lt", "greater_equal": "ge", "less_equal": "le", "not_equal": "ne",
    "clip": "clamp", "concat": "cat", "concatenate": "cat", "swapaxes": "transpose", "swapdims": "transpose",
    "moveaxis": "movedim", "_unsafe_view": "view", "unsafe_split": "split", "unsafe_chunk": "chunk",
    "split_with_sizes": "split", "unsafe_split_with_sizes": "split", "_softmax": "softmax",
    "_log_softmax": "log_softmax", "native_dropout": "dropout", "alias": "detach", "view_as": "view",
    "_reshape_alias": "view", "reshape_as": "reshape", "special_expit": "sigmoid", "special_softmax": "softmax",
}  # fmt: skip
"""Other names of the same."""


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Register the rule of functions of these names."""

    def keep(function: Rule) -> Rule:
        FOUND.update(dict.fromkeys(names, function))
        return function

    return keep


STANDS: dict[str, Callable[..., Any]] = {}


def stands(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register what makes the outputs of functions that PyTorch cannot call on tensors without numbers."""

    def keep(function: Callable[..., Any]) -> Callable[..., Any]:
        STANDS.update(dict.fromkeys(names, function))
        return function

    return keep


def plain_name(function: Any) -> str:
    """The name of a function, method or property without its module; of an operator of ATen without its variant."""
    schema = getattr(function, "_schema", None)
    if schema is not None:
        return schema.name.partition("::")[2]
    name = getattr(function, "__name__", type(function).__name__)
    return getattr(function.__self__, "__name__", name) if name == "__get__" else name


@functools.cache
def canonical(name: str) -> str:
    """The name by which rules are found: without the underscore of what works in place, and of several words one."""
    if name in WORDS:
        return WORDS[name]
    bare = name.removesuffix("_") if not name.endswith("__") else name
    return WORDS.get(bare, bare)


@functools.cache
def _load() -> None:
    for path in sorted(Path(__file__).parent.glob("[a-z]*.py")):
        import_module(f"{__name__}.{path.stem}")


@functools.cache
def find(name: str) -> Rule | None:
    """The rule for a function's name; None where nobody described it."""
    _load()
    return FOUND.get(canonical(name))


def weight(kind: TensorType, trainable: bool) -> WeightType:
    """How a parameter of this type is stored."""
    return WeightType(tuple(int(str(n)) for n in kind.shape), "zeros", trainable, kind.dtype)


def fallback(site: Site, function: Any, given: Sequence[Any]) -> tuple[Value, ...]:
    """An operator of ATen by what PyTorch says of it: that it works element by element, or gives a view."""
    if any(str(tag) == "Tag.pointwise" for tag in function.tags) and len(site.made) == 1:
        return site.emit(Pointwise, site.name, list(given), dtype=site.out.dtype)
    returns = [one.alias_info for one in function._schema.returns]
    if returns and all(one is not None and not one.is_write for one in returns):
        return moved(site, given[:1], view=True)
    return unknown(site, given)


def moved(site: Site, given: Sequence[Any], view: bool = False) -> tuple[Value, ...]:
    """An operator that moves numbers, of which only the outputs are described."""
    return site.emit(Moved, site.name, list(given), tuple(site.types), view)


def unknown(site: Site, given: Sequence[Any]) -> tuple[Value, ...]:
    """What nobody described, with the shapes that PyTorch states."""
    return site.emit(Undescribed, site.name, list(given), tuple(site.types))
