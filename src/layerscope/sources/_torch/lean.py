"""PyTorch's tensors without numbers, without its compiler.

`FakeTensorMode` imports `torch._dynamo` for two settings and for a decorator that does nothing outside of
`torch.compile`, and sympy for sizes that are symbols, which ours are not: 75 MB and a second. While a network is
followed, modules that answer exactly this stand in their place; each imports the true one as soon as it is asked for
anything else. Where the true ones are imported already, nothing is done.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import reduce
from importlib import import_module
from operator import and_, or_
from types import ModuleType
from typing import Any

COMPILER, SETTINGS = "torch._dynamo", "torch._dynamo.config"
SYMBOLS, FUNCTIONS, ALGEBRA = "torch.fx.experimental.symbolic_shapes", "torch.utils._sympy.functions", "sympy"
NAMES = (COMPILER, SETTINGS, SYMBOLS, FUNCTIONS, ALGEBRA)
NEEDED = {COMPILER: NAMES, SETTINGS: NAMES, SYMBOLS: NAMES[2:], FUNCTIONS: NAMES[3:], ALGEBRA: NAMES[4:]}
"""What has to be the true one for each to be."""
KEPT = "__dynamo_disable"
"""Where PyTorch keeps what `torch._dynamo.disable` made of a function."""


@contextmanager
def lean() -> Iterator[None]:
    """PyTorch's compiler and sympy are imported only if they are needed; afterwards all modules are as before."""
    if any(name in sys.modules for name in NAMES):
        yield
        return
    standing = {name: _Standing(name) for name in NAMES}
    touched: list[Any] = []
    _compiler(standing[COMPILER], standing[SETTINGS], touched)
    _settings(standing[SETTINGS])
    _symbols(standing[SYMBOLS])
    for module, name in ((ALGEBRA, "Basic"), (FUNCTIONS, "Max")):
        setattr(standing[module], name, _Later(standing[module], name))
    sys.modules.update(standing)
    try:
        yield
    finally:
        _leave()
        for function in touched:
            function.__dict__.pop(KEPT, None)


def _leave(names: Sequence[str] = NAMES) -> None:
    for name in names:
        if isinstance(module := sys.modules.get(name), _Standing):
            del sys.modules[name]
            for said in [key for key in module.__dict__ if not key.startswith("__")]:
                delattr(module, said)  # whoever has the module gets the true one's


class _Standing(ModuleType):
    """A module in the place of one that is imported as soon as an attribute is asked for that this one lacks."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and (name != "__path__" or self.__name__ not in (COMPILER, ALGEBRA)):
            raise AttributeError(name)  # asked by whoever looks through all modules; only packages have a path
        return getattr(self.true(), name)

    def true(self) -> ModuleType:
        """The true module, and true ones of what it imports."""
        _leave(NEEDED[self.__name__])
        return import_module(self.__name__)


class _Later:
    """In the place of a class of sympy's: it has no instances as long as sympy is not imported."""

    def __init__(self, module: _Standing, name: str) -> None:
        self.module, self.name = module, name

    def __call__(self, *args: Any, **told: Any) -> Any:
        return self.true()(*args, **told)

    def __instancecheck__(self, value: object) -> bool:
        return not isinstance(sys.modules.get(ALGEBRA), _Standing) and isinstance(value, self.true())

    def __mro_entries__(self, bases: tuple[object, ...]) -> tuple[type, ...]:
        return (self.true(),)

    def true(self) -> Any:
        """The class."""
        return getattr(self.module.true(), self.name)


def _compiler(module: Any, settings: Any, touched: list[Any]) -> None:
    def disable(function: Any = None, recursive: bool = True, **told: Any) -> Any:
        """What PyTorch's own functions ask for, about to run one: the function, out of the compiler's sight."""
        if function is None or told != {"wrapping": False}:
            return module.true().disable(function, recursive, **told)
        touched.append(function)
        return function

    module.config, module.disable = settings, disable


def _settings(module: Any) -> None:
    """Those that tensors without numbers read, as they are by default."""
    module.fake_tensor_cache_enabled = False
    module.fake_tensor_cache_crosscheck_enabled = False
    module._custom_ops_profile = None


def _symbols(module: Any) -> None:
    """What PyTorch asks about sizes and conditions that may be symbols: of plain ones, the answer; of others, the
    true function is asked.
    """

    def said(name: str, plain: Callable[..., bool], answer: Callable[..., Any]) -> None:
        def asked(*args: Any, **told: Any) -> Any:
            if told or not plain(*args):
                return getattr(module.true(), name)(*args, **told)
            return answer(*args)

        asked.__name__ = name
        setattr(module, name, asked)

    for name in ("expect_true", "guard_or_false", "guard_or_true", "guard_bool", "statically_known_true"):
        said(name, _conditions, lambda condition: condition)
    said("guard_size_oblivious", _conditions, lambda condition: condition)
    said("sym_and", _conditions, lambda *conditions: reduce(and_, conditions))
    said("sym_or", _conditions, lambda *conditions: reduce(or_, conditions))
    said("sym_eq", lambda one, other: _plain(one) and _plain(other), _equal)
    for name in ("guard_int", "guarding_hint_or_throw"):
        said(name, lambda size: type(size) is int, lambda size: size)
    said("is_nested_int", _plain, lambda _: False)
    said("has_guarding_hint", _plain, lambda _: True)
    said("has_free_unbacked_symbols", _plain, lambda _: False)
    said("free_unbacked_symbols", _plain, lambda _: set[Any]())
    said("compute_unbacked_bindings", lambda environment, *_: environment is None, lambda *_: None)


def _conditions(*values: Any) -> bool:
    return all(type(one) is bool for one in values)


def _plain(value: Any) -> bool:
    """Whether there is no symbol in it: numbers, lists of numbers."""
    return type(value) in (bool, int, float) or (isinstance(value, list | tuple) and all(map(_plain, value)))


def _equal(one: Any, other: Any) -> bool:
    listed = isinstance(one, list | tuple) and isinstance(other, list | tuple)
    return list(one) == list(other) if listed else one == other


__all__ = ["lean"]
