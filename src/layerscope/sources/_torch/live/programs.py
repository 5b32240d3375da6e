"""Programs of torch.export: their list of calls, followed as a module's forward is.

A .pt2 file is an archive whose `models/*.json` lists the calls. That is all that is read: no weight is loaded, and
nothing is unpickled, which `torch.export.load` does for the inputs that a program was exported with.
"""

from __future__ import annotations

import json
import operator
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from zipfile import ZipFile

from layerscope.core.dataclasses import dataclass, field
from layerscope.core.errors import SourceError
from layerscope.core.types import show
from layerscope.sources import _files
from layerscope.sources._asked import Asked, Wanted, dtype_name
from layerscope.sources._torch.live import constants, program_json
from layerscope.sources._torch.live.values import Place

MOST_BYTES = 256 << 20
WRAPPED = ("wrap_with_set_grad_enabled", "wrap_with_autocast", "hints_wrapper", "strict_mode")
"""Calls of a part of a program that change nothing of what it computes."""


@dataclass(frozen=True)
class Ref:
    """A result of an earlier step by its name."""

    name: str


@dataclass(frozen=True)
class Part:
    """A part of a program that is called as one, such as a block without gradients."""

    inputs: tuple[str, ...]
    steps: tuple[Step, ...]
    outputs: tuple[Any, ...]


@dataclass(frozen=True)
class Step:
    """One call: of what, with which arguments, what its results are called, in which modules (key, path, class)."""

    target: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    outputs: Any
    modules: tuple[tuple[str, str, str], ...] = ()


@dataclass
class Program:
    """All calls, and what they start from. `states` has weights, buffers and constants: (type, parameter's name or
    "", whether it is trained) by name; `given` the inputs, a `Wanted` for each tensor.
    """

    name: str
    states: dict[str, tuple[Wanted, str, bool]]
    given: dict[str, Any]
    steps: tuple[Step, ...]
    outputs: tuple[Any, ...]
    free: dict[str, tuple[int, ...]] = field(default_factory=dict[str, tuple[int, ...]])
    """The axes of each input that can have other sizes than those that it was exported with."""
    numbers: dict[str, Any] = field(default_factory=dict[str, Any])
    """Those of small buffers and constants (constants.py)."""
    values: dict[str, Any] = field(default_factory=dict[str, Any])
    following: Any = None
    places: dict[Any, Place] = field(default_factory=dict[Any, Place])

    def asked(self, input: Any, batch: int | None) -> Asked:
        """The inputs that it was exported for, or those that the user names where they fit these."""
        own = input or Asked(tuple(self.given.values()), {})
        return self._fitting(own if batch is None else own.batched(batch))

    def _fitting(self, given: Asked) -> Asked:
        """The arguments, if they are those that it takes."""
        told = dict(zip(self.given, given.args, strict=False)) | given.kwargs
        listed = ", ".join(self.given) or "none"
        if len(given.args) > len(self.given) or set(told) != set(self.given):
            raise SourceError(f"{self.name} takes the inputs {listed}, but is given {given}")
        for name, theirs in told.items():
            mine = self.given[name]
            if isinstance(mine, Wanted) and isinstance(theirs, Wanted):
                self._fits(name, mine, theirs)
        return given

    def _fits(self, name: str, mine: Wanted, theirs: Wanted) -> None:
        free = self.free.get(name, ())
        pairs = enumerate(zip(mine.shape, theirs.shape, strict=False))
        if len(mine.shape) == len(theirs.shape) and all(axis in free or a == b for axis, (a, b) in pairs):
            return
        wanted = show(tuple("any" if axis in free else n for axis, n in enumerate(mine.shape)))
        raise SourceError(
            f"{self.name}: its input {name!r} was exported for {wanted}, not {show(tuple(theirs.shape))}; only sizes "
            "that were dynamic then (torch.export's dynamic_shapes) can be others"
        )

    def ready(self, following: Any) -> None:
        """Make its weights and constants, without numbers."""
        self.following, self.values, self.places = following, {}, {}
        for name, (kind, parameter, trained) in self.states.items():
            made = following.tensor(kind)
            self.values[name] = made
            if parameter:
                following.capture.parameter(made, parameter, trained)
            elif name in self.numbers:
                following.capture.numbers.keep(constants.tensor(following.torch, self.numbers[name], kind), made)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run every step on tensors without numbers."""
        for name, value in zip(self.given, args, strict=False):
            self.values[name] = value
        self.values |= kwargs
        self.run(self.steps)
        return self.filled(self.outputs)

    def run(self, steps: Sequence[Step]) -> None:
        """Run these steps."""
        for step in steps:
            with self._within(step.modules):
                made = self._called(step)
            self._bind(step.outputs, made)

    def _called(self, step: Step) -> Any:
        kind = step.target.rpartition("higher_order.")[2] if "higher_order" in step.target else ""
        if kind in WRAPPED:
            parts = [one for one in step.args if isinstance(one, Part)]
            rest = step.args[step.args.index(parts[0]) + 1 :] if parts else ()
            if parts:
                return self._part(parts[0], rest)
        if kind:
            raise SourceError(f"{self.name}: it calls {kind}, which the numbers of a tensor steer; a trace has none")
        return self._function(step.target)(*self.filled(step.args), **self.filled(step.kwargs))

    def _part(self, part: Part, args: Sequence[Any]) -> Any:
        for name, value in zip(part.inputs, self.filled(tuple(args)), strict=False):
            self.values[name] = value
        self.run(part.steps)
        return self.filled(part.outputs)

    def _function(self, target: str) -> Callable[..., Any]:
        torch = self.following.torch
        head, _, rest = target.partition(".")
        found: Any = {"torch": torch, "_operator": operator, "operator": operator, "math": __import__("math")}.get(
            head
        )
        try:
            for part in rest.split("."):
                found = getattr(found, part)
        except AttributeError:
            raise SourceError(
                f"{self.name}: it calls {target}, which PyTorch {torch.__version__} does not have; import the "
                "library that defines it first"
            ) from None
        return found

    def filled(self, value: Any) -> Any:
        """Arguments with results in the place of their names."""
        if isinstance(value, Ref):
            return self.values[value.name]
        if isinstance(value, Mapping):
            return {key: self.filled(part) for key, part in value.items()}
        if isinstance(value, tuple | list):
            return (tuple if isinstance(value, tuple) else list)(self.filled(part) for part in value)
        return getattr(self.following.torch, value.name, None) if isinstance(value, program_json.Named) else value

    def _bind(self, names: Any, made: Any) -> None:
        if isinstance(names, str):
            self.values[names] = made
            return
        results = list(made) if isinstance(made, tuple | list) else [made]
        for name, one in zip(names, results, strict=False):
            if name:
                self._bind(name, one)

    @contextmanager
    def _within(self, modules: Sequence[tuple[str, str, str]]) -> Iterator[None]:
        """In the module in which the step was."""
        capture = self.following.capture
        if modules and modules[-1][1]:
            capture.stack.append((None, self._place(tuple(modules), capture)))
            yield
            capture.stack.pop()
        else:
            yield

    def _place(self, modules: tuple[tuple[str, str, str], ...], capture: Any) -> Place:
        if modules not in self.places:
            _, path, kind = modules[-1]
            above = self._place(modules[:-1], capture) if len(modules) > 1 else capture.stack[0][1]
            word = kind.rpartition(".")[2]
            self.places[modules] = above.enter(path, word, kind.startswith("torch.nn.")) if path else above
        return self.places[modules]


def load(path: str | os.PathLike[str]) -> Program:
    """The program in a file; SourceError where it is damaged, or of a form that is not known here."""
    name = os.fspath(path)

    def calls(archive: ZipFile) -> Any:
        found = [one for one in archive.namelist() if program_json.ENTRY.search(one)]
        if len(found) != 1:
            raise SourceError(f"an archive of {len(found)} programs; one is needed")
        if archive.getinfo(found[0]).file_size > MOST_BYTES:
            raise SourceError(f"its list of calls is larger than {MOST_BYTES >> 20} MiB")
        return json.loads(archive.read(found[0]))

    data = _files.from_archive(path, calls)
    try:
        made = program_json.program(data, os.path.splitext(os.path.basename(name))[0])
        made.numbers = _files.from_archive(path, lambda archive: constants.of_archive(archive, data, made.states))
        return made
    except (KeyError, TypeError, AttributeError, IndexError, ValueError, RecursionError) as error:
        if isinstance(error, SourceError):
            raise SourceError(f"{name}: {error}") from None
        version = data.get("torch_version", "unknown") if isinstance(data, dict) else "unknown"
        raise SourceError(
            f"{name}: its list of calls has a form that is not known here (written by PyTorch {version}; "
            f"{type(error).__name__}: {error}). Trace the module that it was exported from"
        ) from None


def of_exported(torch: Any, exported: Any) -> Program:
    """A program in memory, by its graph."""
    names = exported.graph_signature
    parameters, trained = names.inputs_to_parameters, exported.state_dict
    states: dict[str, tuple[Wanted, str, bool]] = {}
    given: dict[str, Any] = {}
    free: dict[str, tuple[int, ...]] = {}
    user = set(map(str, names.user_inputs))

    for node in exported.graph.nodes:
        if node.op != "placeholder":
            continue
        kind = _wanted(torch, node.meta["val"])
        if node.name in user:
            given[node.name] = kind
            sizes = node.meta["val"].shape if isinstance(kind, Wanted) else ()
            free[node.name] = tuple(axis for axis, n in enumerate(sizes) if not isinstance(n, int))
        else:
            own = parameters.get(node.name, "")
            states[node.name] = (kind, own, bool(own and trained[own].requires_grad))
    whole = _part(torch, exported.graph_module)
    return Program("this program", states, given, whole.steps, whole.outputs, free, constants.of_exported(exported))


def _part(torch: Any, module: Any) -> Part:
    """The calls of a graph in memory."""
    parts: dict[str, Part] = {}

    def argument(value: Any) -> Any:
        return torch.fx.node.map_arg(value, lambda node: parts.get(node.name) or Ref(node.name))

    inputs: list[str] = []
    steps: list[Step] = []
    outputs: tuple[Any, ...] = ()
    for node in module.graph.nodes:
        if node.op == "placeholder":
            inputs.append(node.name)
        elif node.op == "output":
            outputs = tuple(argument(node.args[0]))
        elif node.op == "get_attr":
            parts[node.name] = _part(torch, module.get_submodule(node.target))
        else:
            told = node.meta.get("nn_module_stack", {})
            stack = tuple((key, path, _class(kind)) for key, (path, kind) in told.items())
            args, kwargs = tuple(argument(node.args)), dict(argument(node.kwargs))
            steps.append(Step(_target(node.target), args, kwargs, node.name, stack))
    return Part(tuple(inputs), tuple(steps), outputs)


def _wanted(torch: Any, value: Any) -> Any:
    """A tensor's sizes; an open first one is the batch, another open one what it was exported with."""
    if not isinstance(value, torch.Tensor):
        return value
    shape = [int(n) if isinstance(n, int) else _hint(n, axis) for axis, n in enumerate(value.shape)]
    return Wanted(tuple(shape), dtype_name(value.dtype))


def _hint(size: Any, axis: int) -> int | None:
    return None if axis == 0 else int(size.node.hint)


def _class(kind: Any) -> str:
    return kind if isinstance(kind, str) else f"{kind.__module__}.{kind.__qualname__}"


def _target(target: Any) -> str:
    if hasattr(target, "_schema"):
        return f"torch.ops.{target!s}"
    if getattr(target, "namespace", "") == "higher_order":
        return f"torch.ops.higher_order.{target.name()}"
    return f"{target.__module__}.{target.__name__}"
