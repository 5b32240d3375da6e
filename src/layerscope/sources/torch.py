"""A PyTorch module: what its forward does to tensors without values, one layer for each function that it calls.

The forward runs once under PyTorch's fake tensors, which have sizes and no numbers, while a mode writes down each
function of torch that it calls, in or outside of modules. So any Python in it is followed, nothing is computed, and
no compiler is needed. Each function that is called becomes layers (`_torch_functions`); what no layer does becomes an
`Opaque` and a line in the error of whoever wanted to compute with it.

Images are channels first there and channels last here. A value carries how its axes lie (`Value.axes`) and whether it
is an image's numbers in PyTorch's order (`Value.order`); the weights of the next Linear are put into ours.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from layerscope.core import sizes
from layerscope.core.errors import LayerscopeError, SourceError
from layerscope.core.graph import Graph, Symbolic, trace_calls
from layerscope.core.types import show

SUMMARY = "a PyTorch module, by layerscope.from_torch(module, input=(1, 28, 28))"
BATCH = 11
"""Examples of the fake input: no size that a network would have by itself."""


def handles(what: object) -> bool:
    """Whether this is a PyTorch module; PyTorch is not imported to find out."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(what, torch.nn.Module)


def read(what: Any) -> Graph:
    """SourceError: a module does not know the size of its input; `layerscope.from_torch` takes it."""
    raise SourceError(
        f"{type(what).__name__} is a PyTorch module, which does not know the size of its input; say "
        "layerscope.from_torch(module, input=(channels, height, width))"
    )


@dataclass(eq=False)
class Ref:
    """A tensor of the recorded forward: its sizes; the name of the parameter that it is."""

    shape: tuple[int, ...]
    parameter: str | None = None


@dataclass(eq=False)
class Step:
    """One function that was called: by its plain name, with references in the place of tensors."""

    name: str
    function: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    outputs: list[Ref]
    path: str
    kind: str
    leaf: bool

    @property
    def label(self) -> str:
        """The module or function as an error names it."""
        if self.leaf and self.path:
            return f"{self.path} ({self.kind})"
        return f"{self.name}() in {f'{self.path} ({self.kind})' if self.path else self.kind}"


@dataclass
class Tape:
    """What a forward did."""

    inputs: list[Ref] = field(default_factory=list[Ref])
    outputs: list[Ref] = field(default_factory=list[Ref])
    single: bool = True
    steps: list[Step] = field(default_factory=list[Step])

    def users(self, ref: Ref) -> list[Step]:
        """The steps that take a tensor."""
        return [step for step in self.steps if any(one is ref for one in refs((step.args, step.kwargs)))]

    def maker(self, ref: Ref) -> Step | None:
        """The step that made a tensor; None for inputs and parameters."""
        return next((step for step in self.steps if any(one is ref for one in step.outputs)), None)


def refs(value: Any) -> list[Ref]:
    """All references in nested arguments, in order."""
    if isinstance(value, Ref):
        return [value]
    if isinstance(value, Mapping):
        return [ref for part in cast(Mapping[str, Any], value).values() for ref in refs(part)]
    if isinstance(value, tuple | list):
        return [ref for part in cast(Sequence[Any], value) for ref in refs(part)]
    return []


def mapped(value: Any, change: Callable[[Any], Any]) -> Any:
    """Nested arguments with each leaf changed."""
    if isinstance(value, Mapping):
        return {key: mapped(part, change) for key, part in cast(Mapping[str, Any], value).items()}
    if isinstance(value, tuple | list):
        return type(cast(Any, value))(mapped(part, change) for part in cast(Sequence[Any], value)) if type(
            cast(Any, value)
        ) in (tuple, list) else [mapped(part, change) for part in cast(Sequence[Any], value)]
    return change(value)


def given_shapes(input: Any) -> list[tuple[int, ...]]:
    """The sizes of one example of each input. Four sizes have the batch in front, which is dropped."""
    listed: Any = input
    if not isinstance(listed, tuple | list) or not listed:
        raise SourceError(
            f"input must be the sizes of one example, channels first, such as (1, 28, 28), or a list of these, "
            f"not {input!r}"
        )
    parts = listed if all(isinstance(part, tuple | list) for part in listed) else [listed]
    shapes = [tuple(sizes.checked(n, f"input: a size of {tuple(part)}") for n in part) for part in parts]
    return [shape[1:] if len(shape) == 4 else shape for shape in shapes]


def record(module: Any, shapes: Sequence[tuple[int, ...]]) -> tuple[Tape, dict[str, Any]]:
    """What the module's forward does, and its parameters and buffers by name. SourceError where it fails."""
    import torch
    from torch._subclasses.fake_tensor import FakeTensorMode

    held = dict(module.named_parameters()) | dict(module.named_buffers())
    recorder = _recorder(torch)(module)
    mode = FakeTensorMode(allow_non_fake_inputs=True)
    hooks = recorder.watch()
    try:
        with torch.no_grad(), mode:
            fake = {name: mode.from_tensor(value.detach()) for name, value in held.items()}
            given = [torch.empty((BATCH, *shape)) for shape in shapes]
            for name, value in fake.items():
                recorder.known(value, Ref(tuple(value.shape), name))
            recorder.tape.inputs = [recorder.known(value, Ref(tuple(value.shape))) for value in given]
            with recorder:
                made = torch.func.functional_call(module, fake, tuple(given))
    except LayerscopeError:
        raise
    except Exception as error:  # whatever the forward raises
        raise SourceError(_failure(module, shapes, error, recorder.path)) from None
    finally:
        for hook in hooks:
            hook.remove()
    recorder.finish(made)
    return recorder.tape, held


def _failure(module: Any, shapes: Sequence[tuple[int, ...]], error: Exception, path: str) -> str:
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    given = " and ".join(map(show, shapes))
    where = f", in {path}" if path else ""
    return (
        f"the forward of {type(module).__name__} failed for an input of {given}{where}: {reason}. Is that the size "
        "of one example, channels first and without the batch? A forward that looks at numbers cannot be followed."
    )


def _recorder(torch: Any) -> Any:
    """The mode that writes down what is called; made here, as its base is PyTorch's."""

    class Recorder(torch.overrides.TorchFunctionMode):
        def __init__(self, module: Any) -> None:
            super().__init__()
            self.module, self.tape = module, Tape()
            self.stack: list[Any] = []
            self.names = {id(part): name for name, part in module.named_modules()}
            self.found: dict[int, Ref] = {}
            self.alive: list[Any] = []

        @property
        def path(self) -> str:
            return self.names.get(id(self.stack[-1]), "") if self.stack else ""

        def known(self, tensor: Any, ref: Ref) -> Ref:
            self.alive.append(tensor)  # or its id would be another's
            self.found[id(tensor)] = ref
            return ref

        def watch(self) -> list[Any]:
            hooks: list[Any] = []
            for part in self.module.modules():
                hooks.append(part.register_forward_pre_hook(lambda one, _: self.stack.append(one)))
                hooks.append(part.register_forward_hook(lambda *_: self.stack.pop() and None))
            return hooks

        def ref(self, value: Any) -> Any:
            if not isinstance(value, torch.Tensor):
                return value
            return self.found.get(id(value)) or self.known(value, Ref(tuple(value.shape), ""))

        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            kwargs = kwargs or {}
            before = mapped(args, self.ref), mapped(kwargs, self.ref)
            made = func(*args, **kwargs)
            changed = args[0] if plain_name(func) == "__setitem__" else made
            outputs = [v for v in _leaves(changed) if isinstance(v, torch.Tensor)]
            if outputs:
                part = self.stack[-1] if self.stack else self.module
                refs_ = [self.known(value, Ref(tuple(value.shape))) for value in outputs]
                self.tape.steps.append(
                    Step(
                        plain_name(func), func, *before, refs_, self.path, type(part).__name__,
                        not any(True for _ in part.children()),
                    )
                )  # fmt: skip
            return made

        def finish(self, made: Any) -> None:
            leaves = _leaves(made)
            strange = [type(v).__name__ for v in leaves if not isinstance(v, torch.Tensor)]
            if strange or not leaves or any(id(v) not in self.found for v in leaves):
                what = f"returns {', '.join(strange)}" if strange else "returns tensors that no function of torch made"
                raise SourceError(f"{type(self.module).__name__}: its forward {what}; it must return tensors")
            self.tape.single = isinstance(made, torch.Tensor)
            self.tape.outputs = [self.found[id(v)] for v in leaves]

    return Recorder


def _leaves(value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        return [leaf for part in cast(Mapping[str, Any], value).values() for leaf in _leaves(part)]
    if isinstance(value, tuple | list):
        return [leaf for part in cast(Sequence[Any], value) for leaf in _leaves(part)]
    return [value]


def plain_name(function: Any) -> str:
    """The function's name without its module: conv2d, view, __add__; of an operator (torch.ops) without its variant."""
    schema = getattr(function, "_schema", None)
    if schema is not None:
        return schema.name.partition("::")[2]
    return getattr(function, "__name__", type(function).__name__)


@dataclass
class Imported:
    """A module as a graph; arrays of its weights by the layer that has them; what no layer does, one line each."""

    graph: Graph
    weights: list[tuple[Any, dict[str, Any]]]
    problems: list[str]


def convert(module: Any, input: Any, name: str | None = None) -> Imported:
    """The module as layers with its weights. What no layer does is an Opaque in the graph, and a problem.

    `input`: sizes of one example, channels first, or a list of them.
    Errors: SourceError when the forward fails, or leads to nothing.
    """
    from layerscope.sources._torch_reader import Reader

    tape, held = record(module, given_shapes(input))
    reader = Reader(tape, held)
    inputs, outputs = reader.run()
    for value in outputs:
        if not isinstance(value, Symbolic):
            raise SourceError(f"{type(module).__name__}: an output does not depend on the input")
    graph = trace_calls(inputs, outputs, name or type(module).__name__.lower())
    return Imported(graph, list(reader.arrays.values()), reader.problems)


def imported(module: Any, input: Any, name: str | None = None) -> Imported:
    """As `convert`; SourceError listing everything that no layer does."""
    found = convert(module, input, name)
    if found.problems:
        more = f"{len(found.problems)} parts of " if len(found.problems) > 1 else ""
        raise SourceError(
            f"{more}{type(module).__name__} cannot be taken over:\n  " + "\n  ".join(found.problems)
        )
    return found
