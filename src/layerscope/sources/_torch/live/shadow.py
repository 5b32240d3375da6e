"""A copy of a module in which every tensor is one without numbers: the module itself is not touched.

Modules, lists, dictionaries, tuples and sets in them are copied, so what a forward writes into its module (a cache, a
counter) is written into the copy. Everything else is shared. Nothing is allocated but the copies' own tables.
"""

from __future__ import annotations

import functools
import types
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable
from typing import Any

from layerscope.core.errors import SourceError

PLAIN = (str, bytes, int, float, bool, complex, type(None), type)
OWN = ("_compiled_call_impl",)
"""Of a module that torch.compile was put to: the copy is called as it was written."""


class Shadows:
    """Copies modules under one mode of fake tensors. `fakes` has the stand-in of each tensor, by its id."""

    def __init__(self, torch: Any, fakes: Any, mode: Any) -> None:
        self.torch, self.fake_module, self.mode = torch, fakes, mode
        self.memo: dict[int, Any] = {}
        self.alive: list[Any] = []
        self.tensors: list[tuple[Any, Any]] = []
        """Each tensor and its stand-in."""
        self.modules: list[tuple[Any, Any]] = []
        """Each module and its copy."""
        self.roots: list[tuple[str, Any]] = []
        """The outermost modules and tensors, with a name each ("" for what is followed itself)."""
        self.plain = (torch.Tensor, torch.nn.Parameter, getattr(torch.nn, "Buffer", torch.Tensor))

    def copy(self, value: Any) -> Any:
        """The copy of anything that a module holds."""
        if isinstance(value, PLAIN):
            return value
        known = self.memo.get(id(value))
        if known is not None:
            return known
        made = self._made(value)
        self.memo[id(value)] = made
        self.alive.append(value)  # or its id would be another's
        return made

    def _made(self, value: Any) -> Any:
        if isinstance(value, self.torch.Tensor):
            return self.tensor(value)
        if isinstance(value, self.torch.nn.Module):
            return self.module(value)
        kind = type(value)
        if kind in (list, tuple, set, frozenset, deque):
            parts = [self.copy(part) for part in value]
            return deque(parts, value.maxlen) if kind is deque else kind(parts)
        if kind in (dict, OrderedDict, defaultdict):
            return self._table(value)
        if kind is types.MethodType:
            return types.MethodType(value.__func__, self.copy(value.__self__))
        if kind is functools.partial:
            given = {key: self.copy(part) for key, part in value.keywords.items()}
            return functools.partial(self.copy(value.func), *map(self.copy, value.args), **given)
        return value

    def _table(self, value: Any) -> Any:
        made = defaultdict(value.default_factory) if type(value) is defaultdict else type(value)()
        self.memo[id(value)] = made
        for key, part in value.items():
            made[key] = self.copy(part)
        return made

    def outer(self, value: Any) -> Any:
        """The copy of what is followed; of a function, with copies of the modules and tensors around it."""
        if isinstance(value, self.torch.nn.Module):
            self.roots.append(("", value))
        elif type(value) is types.MethodType and isinstance(value.__self__, self.torch.nn.Module):
            self.roots.append(("", value.__self__))
        elif type(value) is types.FunctionType:
            return self._function(value)
        return self.copy(value)

    def _function(self, value: Any) -> Any:
        names = _names_in(value.__code__)
        around = {name: self._around(name, value.__globals__[name]) for name in names if name in value.__globals__}
        cells = None
        if value.__closure__ is not None:
            pairs = zip(value.__code__.co_freevars, value.__closure__, strict=True)
            cells = tuple(types.CellType(self._around(name, cell.cell_contents)) for name, cell in pairs)
        defaults = value.__defaults__ and tuple(map(self.copy, value.__defaults__))
        made = types.FunctionType(value.__code__, value.__globals__ | around, value.__name__, defaults, cells)
        made.__kwdefaults__ = self.copy(value.__kwdefaults__)
        return made

    def _around(self, name: str, value: Any) -> Any:
        if isinstance(value, self.torch.nn.Module | self.torch.Tensor):
            self.roots.append((name, value))
            return self.copy(value)
        if type(value) in (list, tuple, dict):
            parts = value.items() if type(value) is dict else enumerate(value)
            self.roots += [
                (f"{name}.{key}", part) for key, part in parts
                if isinstance(part, self.torch.nn.Module | self.torch.Tensor)
            ]  # fmt: skip
            return self.copy(value)
        return value

    def module(self, value: Any) -> Any:
        """A copy of a module, as at inference; one of TorchScript cannot be copied."""
        if isinstance(value, self.torch.jit.ScriptModule):
            return value
        inner = value.__dict__.get("_modules", {}).get("_orig_mod")
        if inner is not None:  # of one that torch.compile wraps
            return self.copy(inner)
        self._initialized(value)
        made = object.__new__(type(value))
        self.memo[id(value)] = made
        self.modules.append((value, made))
        table = made.__dict__
        for key, part in value.__dict__.items():
            table[key] = self.copy(part)
        table["training"] = False
        for key in OWN:
            if key in table:
                table[key] = None
        return made

    def _initialized(self, value: Any) -> None:
        tables = (value.__dict__.get(name, {}) for name in ("_parameters", "_buffers"))
        if any(self.torch.nn.parameter.is_lazy(one) for table in tables for one in table.values()):
            kind, path = type(value).__name__, self._path(value)
            name = f"{path} ({kind})" if path else kind
            raise SourceError(
                f"{name}: the sizes of its weights are unknown until it has seen data; run the module once on data "
                "first"
            )

    def _path(self, value: Any) -> str:
        """The name of a module in the outermost one that has it; "" for itself, and where none lists it."""
        for root, outer in self.roots:
            parts = outer.named_modules() if isinstance(outer, self.torch.nn.Module) else ()
            for path, part in parts:
                if part is value:
                    return f"{root}.{path}".strip(".")
        return ""

    def tensor(self, value: Any) -> Any:
        """A tensor of the same sizes without numbers; one on no device ("meta") is taken to be on the processor."""
        if isinstance(value, self.fake_module.FakeTensor):
            return value
        if type(value) in self.plain and value.layout == self.torch.strided and not value.is_quantized:
            made = self.fake(tuple(value.shape), value.stride(), value.dtype, value.device, value.requires_grad)
            if self._known(value):
                made.constant = value.detach().clone()
                self.mode.fake_tensor_converter.add_constant_storage_mapping(made)
        else:
            made = self.mode.from_tensor(value)
        if isinstance(value, self.torch.nn.Parameter):
            made._is_param = True
        self.tensors.append((value, made))
        return made

    def _known(self, value: Any) -> bool:
        """Whether its number is a setting of the module, which no input changes: a buffer of one number."""
        parameter = isinstance(value, self.torch.nn.Parameter) or value.requires_grad
        return value.numel() == 1 and not parameter and value.device.type == "cpu"

    def fake(self, shape: Any, strides: Any, dtype: Any, device: Any, requires_grad: bool = False) -> Any:
        """A tensor without numbers."""
        torch = self.torch
        if device.type == "meta":
            device = torch.device("cpu")
        floating = dtype.is_floating_point or dtype.is_complex
        wanted = requires_grad and floating
        empty = torch.empty_strided(shape, strides, dtype=dtype, device="meta", requires_grad=wanted)
        return self.fake_module.FakeTensor(self.mode, empty, device)

    def watch(self, before: Callable[[Any], None], after: Callable[[Any], None]) -> None:
        """Have the copies say when they are called: with hooks that only they have."""
        for _, made in self.modules:
            first = OrderedDict({-1: lambda one, _: before(one)})
            first.update(made.__dict__.get("_forward_pre_hooks", {}))
            made.__dict__["_forward_pre_hooks"] = first
            last = OrderedDict(made.__dict__.get("_forward_hooks", {}))
            last[-1] = lambda one, *_: after(one)
            made.__dict__["_forward_hooks"] = last


def _names_in(code: types.CodeType) -> set[str]:
    """Names of globals that a function uses, those of functions inside it too."""
    inner = (part for part in code.co_consts if isinstance(part, types.CodeType))
    return set(code.co_names).union(*map(_names_in, inner))
