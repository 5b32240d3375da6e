"""A module, function or program as a graph: it is copied, called once on tensors without numbers, and drawn."""

from __future__ import annotations

import gc
import inspect
import linecache
import logging
import os
import re
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import fields, is_dataclass, replace
from importlib import import_module
from typing import Any

from layerscope.core.errors import LayerscopeError, SourceError
from layerscope.core.graph import Graph
from layerscope.sources._asked import Asked, Wanted, dtype_name
from layerscope.sources._torch.lean import lean
from layerscope.sources._torch.live import building, programs
from layerscope.sources._torch.live.capture import Capture, asking, running
from layerscope.sources._torch.live.numbers import Numbers
from layerscope.sources._torch.live.plain import Plain
from layerscope.sources._torch.live.shadow import Shadows
from layerscope.sources._torch.live.site import type_of

LOOKS = (
    "the numbers of a tensor decide what it does next, and a trace has none: for other numbers it would be another "
    "network"
)
HIGHER = "runs functions of its own, which a trace does not follow"
FACTORY = (
    "It makes a module, and was called as a function of tensors: give the module that it makes, or a function "
    "without arguments that makes it"
)
OPEN_SHAPE = "the numbers of a tensor decide how many elements come out, and a trace has none"


def follow(torch: Any, what: Any, given: Asked, name: str) -> Graph:
    """The graph of a module or function for these inputs.

    Errors: SourceError where the call fails or leads to nothing, with the user's line that stops it.
    """
    with lean():
        return _Following(torch, what, given, name).graph()


class _Following:
    """One call. `mode` is PyTorch's mode of tensors without numbers."""

    def __init__(self, torch: Any, what: Any, given: Asked, name: str) -> None:
        self.torch, self.what, self.given, self.name = torch, what, given, name
        self.fakes: Any = import_module("torch._subclasses.fake_tensor")
        self.mode = self.fakes.FakeTensorMode(allow_non_fake_inputs=True)
        self.capture = Capture(torch, Plain(torch, self.fakes, self.mode), Numbers(torch, self.mode))
        self.shadows = Shadows(torch, self.fakes, self.mode)

    def graph(self) -> Graph:
        if isinstance(self.what, self.torch.jit.ScriptModule | self.torch.jit.ScriptFunction):
            raise SourceError("a TorchScript module cannot be followed; give the module that it was made from")
        copy: Any = self.what
        if isinstance(copy, programs.Program):
            copy.ready(self)
        else:
            copy = self.shadows.outer(self.what)
            self._name_weights()
        args, kwargs, inputs = self._inputs()
        self.shadows.watch(self.capture.begin, self.capture.end)
        made = self._called(copy, args, kwargs)
        outputs = [one for one in _outputs(made) if isinstance(one, self.torch.Tensor)]
        if isinstance(made, self.torch.nn.Module):
            raise SourceError(f"{self._title}: it returns a module, {type(made).__name__}, and no tensor\n{FACTORY}")
        if not outputs:
            raise SourceError(f"{self._title}: it returns {type(made).__name__}, and no tensor in it")
        return building.graph(self.capture, inputs, outputs, self.name, self._title)

    @property
    def _title(self) -> str:
        if isinstance(self.what, self.torch.nn.Module):
            return f"the forward of {type(self.what).__name__}"
        if isinstance(self.what, programs.Program):
            return self.what.name
        return getattr(self.what, "__name__", type(self.what).__name__)

    # --- what it is called on ---

    def _name_weights(self) -> None:
        """Parameters by their names in the outermost module that has them, and its parts; buffers are constants."""
        names: dict[int, tuple[str, bool]] = {}
        copies = {id(real): fake for real, fake in self.shadows.modules}
        for root, real in self.shadows.roots:
            before = f"{root}." if root else ""
            if not isinstance(real, self.torch.nn.Module):
                if real.requires_grad:
                    names.setdefault(id(real), (root, True))
                continue
            for name, one in real.named_parameters():
                names.setdefault(id(one), (before + name.replace("_orig_mod.", ""), one.requires_grad))
            for path, part in real.named_modules():
                if id(part) in copies:
                    self.capture.paths[id(copies[id(part)])] = (before + path).replace("_orig_mod.", "").strip(".")
        for number, (real, _) in enumerate(self.shadows.modules):  # those that no module lists among its parts
            for name, one in real.__dict__.get("_parameters", {}).items():
                if one is not None:
                    word = type(real).__name__.lower()
                    names.setdefault(id(one), (f"{word}_{number}.{name}", one.requires_grad))
        for real, fake in self.shadows.tensors:
            self.capture.stand_ins[id(real)] = fake
            self.capture.numbers.keep(real, fake)
            if id(real) in names:
                self.capture.parameter(fake, *names[id(real)])

    def _inputs(self) -> tuple[Any, Any, list[tuple[str, Any]]]:
        """The arguments, and the tensors among them by name."""
        tensors = [fake for _, fake in self.shadows.tensors]
        kind = next((one.dtype for one in tensors if one.is_floating_point()), self.torch.get_default_dtype())
        device = next((one.fake_device for one in tensors), self.torch.device("cpu"))
        found: list[tuple[str, Any]] = []

        def tensor(one: Wanted, stem: str) -> Any:
            made = self.tensor(one if one.dtype else replace(one, dtype=dtype_name(kind)), device)
            value = building.start(self.capture, type_of(made))
            found.append((stem, value))
            self.capture.bind(made, value)
            return made

        names = self._names()
        names += ["input"] * (len(self.given.args) - len(names))
        args = [
            Asked((part,), {}).mapped(lambda one, name=name: tensor(one, name)).args[0]
            for part, name in zip(self.given.args, names, strict=False)
        ]
        kwargs = {
            key: Asked((part,), {}).mapped(lambda one, key=key: tensor(one, key)).args[0]
            for key, part in self.given.kwargs.items()
        }
        return args, kwargs, found

    def _names(self) -> list[str]:
        """What it calls its arguments."""
        if isinstance(self.what, programs.Program):
            return list(self.what.given)
        return _names(self.what.forward if isinstance(self.what, self.torch.nn.Module) else self.what)

    def tensor(self, one: Wanted, device: Any = None) -> Any:
        """A tensor without numbers of these sizes."""
        dtype = getattr(self.torch, one.dtype, None)
        if not isinstance(dtype, self.torch.dtype):
            raise SourceError(f"input: PyTorch has no dtype {one.dtype!r}")
        place = self.torch.device("cpu") if device is None else device
        return self.shadows.fake(one.shape, _strides(one.shape), dtype, place)

    # --- the call ---

    def _called(self, copy: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        try:
            with ExitStack() as on:
                on.enter_context(_as_before(self.torch))
                on.enter_context(warnings.catch_warnings())
                warnings.simplefilter("ignore")
                for mode in (self.torch.no_grad(), self.mode, running(self.capture), asking(self.capture)):
                    on.enter_context(mode)
                return copy(*args, **kwargs)
        except LayerscopeError:
            raise
        except Exception as error:
            raise SourceError(self._failure(error)) from None

    def _failure(self, error: Exception) -> str:
        """What stopped it, and the user's own line at which that was."""
        kind, line = type(error).__name__, self._line(error)
        place = f"\n  {line}" if line else ""
        if kind.startswith("DataDependent"):
            return f"{self._title} cannot be followed: {LOOKS}{place}"
        if kind.startswith("DynamicOutputShape"):
            return f"{self._title} cannot be followed: {OPEN_SHAPE}{place}"
        operator = re.search(r"HigherOrderOperator (\w+)", str(error))
        if kind == "NotImplementedError" and operator:
            return f"{self._title} cannot be followed: torch.ops.higher_order.{operator[1]} {HIGHER}{place}"
        words = str(error).strip().splitlines()
        reason = words[0] if words else kind
        if kind not in ("RuntimeError", "AssertionError", "ValueError", "SourceError"):
            reason = f"{kind}: {reason}" if words else kind
        inner = self.capture.stack[-1][1]
        given = f" for {self.given}" if self.given.tensors else ""
        if inner.path:
            given += f", in {inner.path} ({inner.kind})"
        hint = ""
        if "Long, Int" in reason or "to be LongTensor" in reason or "indices must be" in reason:
            hint = "\nIt looks up by whole numbers: say their dtype, as in input=((1, 128), 'int64')"
        elif kind == "TypeError" and ("missing" in reason or "takes" in reason):
            hint = f"\nIt takes {self._takes()}"
        if self._makes_a_module(error):
            hint = f"\n{FACTORY}"
        return f"{self._title} failed{given}: {reason}{place}{hint}"

    def _makes_a_module(self, error: Exception) -> bool:
        """Whether a function failed in the __init__ of a module."""
        if isinstance(self.what, self.torch.nn.Module | programs.Program):
            return False
        frames = (frame for frame, _ in traceback.walk_tb(error.__traceback__))
        made = (frame.f_locals.get("self") for frame in frames if frame.f_code.co_name == "__init__")
        return any(isinstance(one, self.torch.nn.Module) for one in made)

    def _takes(self) -> str:
        call = self.what.forward if isinstance(self.what, self.torch.nn.Module) else self.what
        try:
            return str(inspect.signature(call))
        except (TypeError, ValueError):
            return "other arguments"

    def _line(self, error: Exception) -> str:
        """The last line of code that is neither PyTorch's nor ours."""
        trace, place = error.__traceback__, None
        ours = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(__file__))))
        aside = (os.path.dirname(self.torch.__file__) + os.sep, ours + os.sep, "<")
        while trace is not None:
            file = trace.tb_frame.f_code.co_filename
            if not file.startswith(aside):
                place = (file, trace.tb_lineno)
            trace = trace.tb_next
        if place is None:
            return ""
        return f"{place[0]}, line {place[1]}: {linecache.getline(*place).strip()}"


@contextmanager
def _as_before(torch: Any) -> Iterator[None]:
    """Global state as it was, whatever happens: random numbers, the default dtype, what PyTorch logs of failures, and
    Python's collector, which would go through all tensors again and again.
    """
    logs = logging.getLogger("torch._subclasses.fake_tensor")
    state, dtype, told, collecting = (
        torch.random.get_rng_state(),
        torch.get_default_dtype(),
        logs.disabled,
        gc.isenabled(),
    )
    logs.disabled = True
    gc.disable()
    try:
        yield
    finally:
        torch.random.set_rng_state(state)
        torch.set_default_dtype(dtype)
        logs.disabled = told
        if collecting:
            gc.enable()


def _strides(shape: Sequence[int | None]) -> tuple[int, ...]:
    found: list[int] = []
    step = 1
    for size in reversed([n or 1 for n in shape]):
        found.append(step)
        step *= size
    return tuple(reversed(found))


def _names(call: Any) -> list[str]:
    """Names of the arguments that may stand without one; [] where they are not known."""
    try:
        listed = inspect.signature(call).parameters.values()
    except (TypeError, ValueError):
        return []
    return [one.name for one in listed if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)]


def _outputs(value: Any) -> list[Any]:
    """What a forward returned, flat: of tuples, lists, dictionaries and data classes."""
    if isinstance(value, Mapping):
        return [leaf for part in value.values() for leaf in _outputs(part)]
    if isinstance(value, tuple | list):
        return [leaf for part in value for leaf in _outputs(part)]
    if is_dataclass(value) and not isinstance(value, type):
        return [leaf for field in fields(value) for leaf in _outputs(getattr(value, field.name, None))]
    return [value]
