"""One call of a module on tensors without numbers, and the functions of PyTorch that it calls, each as an operator.

Two of PyTorch's modes are on: one is asked for each function before it runs, the other for each operator of ATen
that runs. A function with a rule becomes what the rule says. One written in Python is followed inside. Of any other,
the operators of ATen that it ran are described: by the same rules, by PyTorch's own tags, or as unknown, with shapes.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Sequence
from typing import Any

from layerscope.core.contract import Layer
from layerscope.core.errors import LayerscopeError
from layerscope.core.types import TensorType
from layerscope.operators._moving import Moving
from layerscope.operators.moved import Moved
from layerscope.sources._torch.live import rules
from layerscope.sources._torch.live.numbers import Numbers, leaves
from layerscope.sources._torch.live.plain import Plain
from layerscope.sources._torch.live.site import Refused, Site, type_of
from layerscope.sources._torch.live.values import Place, Record, Value, Weight

MALFORMED = (TypeError, ValueError, LookupError, AttributeError, ArithmeticError, AssertionError)
INPLACE = {
    "relu", "relu6", "elu", "selu", "celu", "leaky_relu", "hardtanh", "hardswish", "hardsigmoid", "silu", "mish",
    "threshold", "rrelu",
}  # fmt: skip
"""Functions whose last argument says whether they work in place."""
ASIDE = ("handle_torch_function", "has_torch_function", "has_torch_function_unary", "has_torch_function_variadic")


class Capture:
    """What a module does while it is called. `torch` is PyTorch; `plain` runs the operators that it can; `numbers`
    has those of small constants.
    """

    def __init__(self, torch: Any, plain: Plain, numbers: Numbers) -> None:
        self.torch, self.plain, self.numbers = torch, plain, numbers
        self.overrides = torch.overrides
        self.known: dict[int, tuple[Any, Value]] = {}
        self.storages: dict[int, list[Any]] = {}
        self.stand_ins: dict[int, Any] = {}
        """The tensor without numbers that stands for a real one, by the id of that."""
        self.records: list[Record] = []
        self.ran: list[tuple[Any, Any, Any, Any]] = []
        self.inside = 0
        self.open: dict[Any, Any] = {}
        self.paths: dict[int, str] = {}
        self.stack: list[tuple[Any, Place]] = [(None, Place())]
        self.bodies: dict[Any, Callable[..., Any]] = {}
        self.aside = ""
        """What was called that hands on other tensors than those that are followed."""

    # --- modules ---

    def begin(self, module: Any) -> None:
        """A module's forward begins."""
        own = type(module).__module__.startswith("torch.nn.")
        here = self.stack[-1][1]
        self.stack.append((module, here.enter(self.paths.get(id(module), here.path), type(module).__name__, own)))

    def end(self, module: Any) -> None:
        """It ends; those that an exception left go with it."""
        while len(self.stack) > 1 and self.stack.pop()[0] is not module:
            pass

    # --- values ---

    def value(self, tensor: Any) -> Value:
        """What a tensor stands for."""
        tensor = self.stand_ins.get(id(tensor), tensor)
        if id(tensor) not in self.known:
            if isinstance(tensor, self.torch.nn.Parameter):  # of an object that was not copied
                self.parameter(tensor, f"parameter_{len(self.known)}", tensor.requires_grad)
            else:
                self.bind(tensor, Value(type_of(tensor)))
        found = self.known[id(tensor)][1]
        if found.written is not None:
            found = self._read(tensor, found)
        return found

    def bind(self, tensor: Any, value: Value) -> None:
        """From now on the tensor stands for this."""
        if id(tensor) not in self.known:
            self.storages.setdefault(self.storage(tensor), []).append(tensor)
        self.known[id(tensor)] = (tensor, value)

    def storage(self, tensor: Any) -> int:
        """What tells the memory of a tensor from others."""
        try:
            return tensor.untyped_storage()._cdata
        except (RuntimeError, NotImplementedError):  # a sparse one has none
            return id(tensor)

    def parameter(self, tensor: Any, id: str, trainable: bool) -> None:
        """The tensor is a parameter of this name."""
        kind = type_of(tensor)
        stored = rules.weight(kind, trainable)
        self.bind(tensor, Value(kind, weight=Weight(id, id.rpartition(".")[2] or "weight", stored)))

    def _read(self, tensor: Any, found: Value) -> Value:
        """A tensor over a part of which something was written through another one."""
        assert found.written is not None
        before, over = found.written
        site = Site(self, "copy_", [tensor])
        (made,) = site.emit(Moved, "Written", (before, over), (found.type,))
        self.known[id(tensor)] = (tensor, made)
        return made

    def record(
        self, layer: Layer, fed: tuple[Value, ...], types: tuple[TensorType, ...], ids: dict[str, str], name: str,
        tensors: Sequence[Any],
    ) -> Record:  # fmt: skip
        """A new record, in the module that runs."""
        place = self.stack[-1][1]
        made = Record(layer, fed, types, ids, place, name, len(self.records), tensors)
        self.records.append(made)
        return made

    # --- functions ---

    def call(self, function: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        """Call a function of PyTorch, and write down what it did."""
        if self.torch._C._functorch.peek_interpreter_stack() is not None:
            return function(*args, **kwargs)  # in torch.vmap and its like: the operators of ATen below are described
        name = rules.plain_name(function)
        if function is self.torch.autograd.grad:
            self.aside = "torch.autograd.grad"
        body = None if rules.find(name) else self._body(function)
        if body is not None:
            with self.again():
                return body(*args, **kwargs)
        start, self.inside = len(self.ran), self.inside + 1
        try:
            made = rules.STANDS[name](*args, **kwargs) if name in rules.STANDS else None
            made = function(*args, **kwargs) if made is None else made
        finally:
            self.inside -= 1
            ran = self.ran[start:]
            del self.ran[start:]
        outputs = [one for one in leaves(made) if isinstance(one, self.torch.Tensor)]
        if outputs or ran:
            made = self._told(function, args, kwargs, made, outputs, ran)
        return made

    def _told(self, asked: Any, args: Any, kwargs: Any, made: Any, outputs: list[Any], ran: list[Any]) -> Any:
        """Describe a call; what it hands on, which is a tensor of its own where a rule asks for one."""
        name = rules.plain_name(asked)
        given = leaves((args, kwargs))
        if outputs and all(any(out is one for one in given) for out in outputs) and not _in_place(name, args, kwargs):
            if name not in rules.APART:
                return made  # there was nothing to do
            with self.quiet():
                made = outputs[0].view_as(outputs[0])
            outputs = [made]
        if not self.described(name, args, kwargs, outputs, type(asked) is types.FunctionType):
            before = len(self.records)
            for function, passed, told, out in ran:
                self.operator(function, passed, told, out)
            if len(self.records) == before + 1 and rules.find(name) is None:
                self._renamed(self.records[-1], rules.canonical(name))
        return made

    @staticmethod
    def _renamed(record: Record, name: str) -> None:
        """A function that is one operator of ATen is called by its own name."""
        record.name = name
        object.__setattr__(record.layer, "called", name)

    def described(self, name: str, args: Any, kwargs: Any, outputs: Sequence[Any], python: bool = False) -> bool:
        """Whether the rule of this name described the call."""
        rule = rules.find(name)
        if rule is None or not outputs:
            return False
        site = Site(self, rules.canonical(name), outputs, python)
        try:
            made = rule(site, *args, **kwargs)
            if made is None:
                return True
            values = made if isinstance(made, tuple) else (made,)
            site.fits(values)
        except (LayerscopeError, *MALFORMED):
            return False
        self._bind_all(site, outputs, values)
        return True

    def _bind_all(self, site: Site, outputs: Sequence[Any], values: Sequence[Value]) -> None:
        record = values[0].record
        if record is not None and isinstance(record.layer, Moving) and not record.inputs:
            values = [self._unmoved(record, value) for value in values]
        elif record is not None and record.number >= site.start:
            self._share(record, outputs[: len(values)])
        changed = [tensor for tensor in outputs if id(tensor) in self.known]
        for tensor, value in zip(outputs, values, strict=False):
            self.bind(tensor, value)
        for tensor in changed:
            self._overwritten(tensor)

    def _unmoved(self, record: Record, value: Value) -> Value:
        """What moves a weight is the weight in another form; what moves constants is one."""
        weights = [slot for slot in getattr(record.layer, "slots", ()) if isinstance(slot, str) and slot]
        given = getattr(record.layer, "parameters", {})
        if not weights:
            return Value(value.type)
        if len(weights) == 1:
            role = weights[0]
            return Value(value.type, weight=Weight(record.weights[role], role, given[role]))
        return value

    def _share(self, record: Record, outputs: Sequence[Any]) -> None:
        """Say of a layer whether its outputs lie in the memory of one of its inputs, as they really do."""
        own = {self.storage(tensor) for tensor in outputs}
        given = [None if one is None else self.storage(self.stand_ins.get(id(one), one)) for one in record.tensors]
        layer: Any = record.layer
        if len(own) == 1 and given and (root := own.pop()) in given:
            if layer.viewed(*(value.type for value in record.inputs)) != given.index(root) or len(outputs) > 1:
                object.__setattr__(layer, "view_of", given.index(root))
        elif layer.viewed(*(value.type for value in record.inputs)) is not None:
            object.__setattr__(layer, "view_of", -1)

    def _overwritten(self, tensor: Any) -> None:
        """A tensor was changed in place: so were all others that lie in its memory."""
        new = self.known[id(tensor)][1]
        for other in self.storages.get(self.storage(tensor), ()):
            if other is tensor:
                continue
            old = self.known[id(other)][1]
            if (
                old.type == new.type
                and tuple(other.stride()) == tuple(tensor.stride())
                and _same_place(other, tensor)
            ):
                self.known[id(other)] = (other, new)
            else:
                self.known[id(other)] = (other, Value(old.type, written=(old, new)))

    # --- operators of ATen ---

    def dispatch(self, function: Any, args: Any, kwargs: Any) -> Any:
        """Run an operator of ATen; of one that no function of PyTorch's was asked for, write down what it did."""
        args = self.numbers.chosen(function, args)
        made = self.plain.run(function, args, kwargs)
        made = function(*args, **kwargs) if made is None else made
        if function.namespace != "prim":
            self.numbers.note(function, args, kwargs, made)
            if self.inside:
                self.ran.append((function, args, kwargs, made))
            else:
                self.operator(function, args, kwargs, made)
        return made

    def operator(self, function: Any, args: Any, kwargs: Any, made: Any) -> None:
        """Describe an operator of ATen, or any other library's."""
        outputs = [one for one in leaves(made) if isinstance(one, self.torch.Tensor)]
        given = [one for one in leaves((args, kwargs)) if isinstance(one, self.torch.Tensor)]
        if not outputs:
            return
        if not given:
            self._constant(outputs)
            return
        name = rules.plain_name(function)
        if self.described(name, args, kwargs, outputs):
            return
        site = Site(self, rules.canonical(name), outputs)
        try:
            values = rules.fallback(site, function, given)
            site.fits(values)
        except (LayerscopeError, *MALFORMED):
            values = rules.unknown(site, given)
        self._bind_all(site, outputs, values)

    def _constant(self, outputs: Sequence[Any]) -> None:
        for tensor in outputs:
            self.bind(tensor, Value(type_of(tensor)))

    # --- inside of functions in Python ---

    def _body(self, function: Any) -> Callable[..., Any] | None:
        """A function of PyTorch in Python as one that does not ask the mode for itself."""
        if type(function) is not types.FunctionType or not (function.__module__ or "").startswith("torch."):
            return None
        if function in self.bodies:
            return self.bodies[function]
        names = function.__code__.co_names
        aside = {name: (lambda *_: False) for name in ASIDE if name in names and name in function.__globals__}
        if function.__module__ == "torch._tensor" or not aside or hasattr(function, "__wrapped__"):
            return None
        made = types.FunctionType(
            function.__code__, function.__globals__ | aside, function.__name__, function.__defaults__,
            function.__closure__,
        )  # fmt: skip
        made.__kwdefaults__ = function.__kwdefaults__
        self.bodies[function] = made
        return made

    def again(self) -> Any:
        """The mode that asks for functions, on again within one."""
        return asking(self)

    def quiet(self) -> Any:
        """Nothing is written down meanwhile."""
        return _Quiet(self)


class _Quiet:
    def __init__(self, capture: Capture) -> None:
        self.capture, self.start = capture, 0

    def __enter__(self) -> None:
        self.capture.inside += 1
        self.start = len(self.capture.ran)

    def __exit__(self, *_: object) -> None:
        self.capture.inside -= 1
        del self.capture.ran[self.start :]


def asking(capture: Capture) -> Any:
    """The mode in which each function of PyTorch is first asked for here. Its base is PyTorch's."""

    class Asking(capture.torch.overrides.TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            return capture.call(func, args, kwargs or {})

    return Asking()


def running(capture: Capture) -> Any:
    """The mode in which each operator of ATen passes here."""
    base: Any = capture.torch.utils._python_dispatch.TorchDispatchMode

    class Running(base):
        @classmethod
        def _should_skip_dynamo(cls) -> bool:
            return False  # or each call would pass through it

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            return capture.dispatch(func, args, kwargs or {})

    return Running()


def _in_place(name: str, args: Any, kwargs: Any) -> bool:
    """Whether a call changes what it is given."""
    if (name.endswith("_") and not name.endswith("__")) or name.startswith("__i") or kwargs.get("inplace"):
        return True
    said = name in INPLACE or (name in rules.APART and len(args) > 3)
    return kwargs.get("out") is not None or bool(said and args[1:] and args[-1] is True)


def _same_place(one: Any, other: Any) -> bool:
    return one.storage_offset() == other.storage_offset()


__all__ = ["Capture", "Refused", "asking", "running"]
