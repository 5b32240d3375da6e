"""What the forward of a PyTorch module does: a tape of the functions that it calls, on tensors without numbers."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any, cast

from layerscope.core.dataclasses import dataclass, field
from layerscope.core.errors import LayerscopeError, SourceError
from layerscope.core.types import show

WORDS = {"__getitem__": "indexing", "__setitem__": "assigning to a part"}
"""What Python writes as no name."""
POINTWISE = (
    *(
        "relu",
        "relu6",
        "sigmoid",
        "tanh",
        "softplus",
        "silu",
        "hardswish",
        "hardsigmoid",
        "mish",
        "selu",
        "celu",
        "exp",
    ),
    *(
        "softsign",
        "logsigmoid",
        "log_sigmoid",
        "hardshrink",
        "softshrink",
        "tanhshrink",
        "elu",
        "leaky_relu",
        "hardtanh",
    ),
)
THROUGH = (*POINTWISE, *(f"{name}_" for name in POINTWISE), "gelu", "dropout", "dropout_", "contiguous", "clone")
THROUGH += ("batch_norm",)
"""What leaves each number at its place."""
SEQUENCE = (
    *("conv1d", "conv_transpose1d", "max_pool1d", "max_pool1d_with_indices", "avg_pool1d", "adaptive_avg_pool1d"),
    *("adaptive_max_pool1d", "adaptive_max_pool1d_with_indices", "interpolate", "upsample", "batch_norm"),
)
"""What has the channels of a tensor of three axes in front of its positions."""
BATCH = 11
"""Examples of the fake input: no size that a network would have by itself."""


@dataclass(eq=False)
class Ref:
    """A tensor of the recorded forward: its sizes; the name of the parameter that it is, or the tensor that it was.

    The latter are those with numbers that are no parameters: attributes of modules, and the like.
    """

    shape: tuple[int, ...]
    parameter: str | None = None
    tensor: Any = None


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
    aliases: list[Ref] = field(default_factory=list[Ref])
    """Other tensors with the same numbers, which change too: those of a function that changes one in place."""

    @property
    def label(self) -> str:
        """The module or function as an error names it."""
        where = f"{self.path} ({self.kind})" if self.path else self.kind
        return (
            where
            if self.leaf and self.kind in _torch_names()
            else f"{WORDS.get(self.name, f'{self.name}()')} in {where}"
        )


def _torch_names() -> dict[str, Any]:
    return vars(sys.modules["torch"].nn)


@dataclass
class Tape:
    """What a forward did."""

    inputs: list[Ref] = field(default_factory=list[Ref])
    outputs: list[Ref] = field(default_factory=list[Ref])
    steps: list[Step] = field(default_factory=list[Step])
    taken: dict[int, list[Step]] | None = None

    def later(self, step: Step, ref: Ref) -> bool:
        """Whether a tensor is taken by a step after this one, or comes out."""
        place = self.steps.index(step)
        return any(ref is one for one in self.outputs) or any(
            self.steps.index(user) > place for user in self.users(ref)
        )

    def users(self, ref: Ref) -> list[Step]:
        """The steps that take a tensor, once the tape is whole."""
        if self.taken is None:
            self.taken = {}
            for step in self.steps:
                for one in {id(one) for one in refs((step.args, step.kwargs))}:
                    self.taken.setdefault(one, []).append(step)
        return self.taken.get(id(ref), [])


def is_sequence(tape: Tape, ref: Ref) -> bool:
    """Whether a tensor of three axes is a sequence for convolutions: its channels stand before its positions."""
    known, left = {id(ref)}, [ref]
    while left:
        for step in tape.users(left.pop()):
            if step.name in SEQUENCE:
                return True
            if step.name in (*THROUGH, "pad", "constant_pad_nd", "add", "__add__", "cat", "mul", "__mul__"):
                fresh = [one for one in step.outputs if id(one) not in known]
                known |= {id(one) for one in fresh}
                left += fresh
    return False


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
        parts = [mapped(part, change) for part in cast(Sequence[Any], value)]
        return tuple(parts) if isinstance(value, tuple) else parts
    return change(value)


def record(module: Any, shapes: Sequence[tuple[int, ...]]) -> tuple[Tape, dict[str, Any]]:
    """What the module's forward does, and its parameters and buffers by name. SourceError where it fails."""
    torch: Any = import_module("torch")
    fakes: Any = import_module("torch._subclasses.fake_tensor")
    if isinstance(module, torch.jit.ScriptModule):
        raise SourceError("a TorchScript module cannot be followed; give the module that it was made from")
    held = dict(module.named_parameters()) | dict(module.named_buffers())
    recording = Recording(module, torch)
    hooks = recording.watch()
    try:
        with torch.no_grad(), fakes.FakeTensorMode(allow_non_fake_inputs=True) as mode:
            fake = {name: mode.from_tensor(value.detach()) for name, value in held.items()}
            kind = next((value for value in fake.values() if value.is_floating_point()), torch.empty(0))
            given = [torch.empty((BATCH, *shape), dtype=kind.dtype, device=kind.device) for shape in shapes]
            for name, value in fake.items():
                recording.known(value, Ref(tuple(value.shape), name))
            recording.tape.inputs = [recording.known(value, Ref(tuple(value.shape))) for value in given]
            with _mode(recording, torch):
                made = torch.func.functional_call(module, fake, tuple(given))
    except LayerscopeError:
        raise
    except Exception as error:  # whatever the forward raises
        raise SourceError(_failure(module, shapes, error, recording.path)) from None
    finally:
        for hook in hooks:
            hook.remove()
    recording.finish(made)
    return recording.tape, held


def _failure(module: Any, shapes: Sequence[tuple[int, ...]], error: Exception, path: str) -> str:
    where, name = f", in {path}" if path else "", type(module).__name__
    if type(error).__name__.startswith("DataDependent"):
        return (
            f"the forward of {name} looks at the numbers of its input{where}, so it does something else for each of "
            "them and is no fixed network"
        )
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    given = " and ".join(map(show, shapes))
    return (
        f"the forward of {name} failed for an input of {given}{where}: {reason}. Is that the size of one example, "
        "channels first and without the batch?"
    )


def _mode(recording: Recording, torch: Any) -> Any:
    """The mode in which each function of torch is first asked for here. Its base is PyTorch's."""

    class Mode(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            return recording.call(func, args, kwargs or {})

    return Mode()


class Recording:
    """A tape while it is written."""

    def __init__(self, module: Any, torch: Any) -> None:
        self.module, self.torch, self.tape = module, torch, Tape()
        self.stack: list[Any] = []
        self.names = {id(part): name for name, part in module.named_modules()}
        self.found: dict[int, Ref] = {}
        self.alive: list[Any] = []

    @property
    def path(self) -> str:
        """Of the module whose forward is running."""
        return self.names.get(id(self.stack[-1]), "") if self.stack else ""

    def known(self, tensor: Any, ref: Ref) -> Ref:
        """The reference that stands for a tensor from now on."""
        self.alive.append(tensor)  # or its id would be another's
        self.found[id(tensor)] = ref
        return ref

    def watch(self) -> list[Any]:
        """Hooks by which each module says that its forward begins and ends."""
        hooks: list[Any] = []
        for part in self.module.modules():
            hooks.append(part.register_forward_pre_hook(lambda one, _: self.stack.append(one)))
            hooks.append(part.register_forward_hook(lambda *_: self.stack.pop() and None))
        return hooks

    def ref(self, value: Any) -> Any:
        """The reference in the place of a tensor; all else as it is."""
        if not isinstance(value, self.torch.Tensor):
            return value
        real = None if hasattr(value, "fake_mode") else value
        return self.found.get(id(value)) or self.known(value, Ref(tuple(value.shape), None, real))

    def call(self, function: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        """Call the function, and write it down when tensors come out."""
        before = mapped(args, self.ref), mapped(kwargs, self.ref)
        made = function(*args, **kwargs)
        changed = args[0] if plain_name(function) == "__setitem__" else made
        outputs = [value for value in _leaves(changed) if isinstance(value, self.torch.Tensor)]
        if outputs:
            part = self.stack[-1] if self.stack else self.module
            kept = [self.known(value, Ref(tuple(value.shape))) for value in outputs]
            leaf = not any(True for _ in part.children())
            self.tape.steps.append(
                Step(
                    plain_name(function), function, *before, kept, self.path, type(part).__name__, leaf,
                    self.aliases(outputs[0]) if args and outputs[0] is args[0] else [],
                )
            )  # fmt: skip
        return made

    def aliases(self, tensor: Any) -> list[Ref]:
        """All other tensors that share their numbers with this one."""
        place = tensor.untyped_storage()._cdata
        others = [one for one in self.alive if one is not tensor and one.untyped_storage()._cdata == place]
        return [self.found[id(one)] for one in others]

    def finish(self, made: Any) -> None:
        """What the forward returned; SourceError when it is no tensors, or none that functions of torch made."""
        leaves = _leaves(made)
        strange = [type(value).__name__ for value in leaves if not isinstance(value, self.torch.Tensor)]
        if strange or not leaves or any(id(value) not in self.found for value in leaves):
            what = f"returns {', '.join(strange)}" if strange else "returns tensors that no function of torch made"
            raise SourceError(f"{type(self.module).__name__}: its forward {what}; it must return tensors")
        self.tape.outputs = [self.found[id(value)] for value in leaves]


def _leaves(value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        return [leaf for part in cast(Mapping[str, Any], value).values() for leaf in _leaves(part)]
    if isinstance(value, tuple | list):
        return [leaf for part in cast(Sequence[Any], value) for leaf in _leaves(part)]
    return [value]


def plain_name(function: Any) -> str:
    """The function's name without its module: conv2d, view, __add__; of a torch.ops operator without its variant."""
    schema = getattr(function, "_schema", None)
    if schema is not None:
        return schema.name.partition("::")[2]
    return getattr(function, "__name__", type(function).__name__)
