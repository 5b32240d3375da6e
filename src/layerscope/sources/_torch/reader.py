"""From what a PyTorch forward did to layers: values with their axes, layers with their weights, problems."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from math import prod
from typing import Any

from layerscope.core.contract import Layer
from layerscope.core.dataclasses import dataclass, replace
from layerscope.core.errors import LayerscopeError
from layerscope.core.graph import Call, Symbolic
from layerscope.core.sizes import named
from layerscope.core.types import BATCH as BATCH_NAME
from layerscope.core.types import TensorType
from layerscope.layers import layer_class
from layerscope.layers.input_layer import Input
from layerscope.sources._torch.tape import BATCH, Ref, Step, Tape, is_sequence, mapped, refs

Form = Callable[..., Any]


def registry(functions: dict[str, Form]) -> Callable[..., Callable[[Form], Form]]:
    """A decorator that registers, under the names that it is given, what functions of PyTorch are."""

    def form(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        def keep(function: Callable[..., Any]) -> Callable[..., Any]:
            functions.update(dict.fromkeys(names, function))
            return function

        return keep

    return form


def channels_first(rank: int) -> tuple[int, ...]:
    """Of an image of so many spatial axes, which PyTorch has channels first: where each of its axes is here."""
    return (0, rank + 1, *range(1, rank + 1))


FIRST = channels_first(2)


class Unsupported(Exception):
    """What was called is nothing that a layer does; the text says why."""


@dataclass(frozen=True)
class Value:
    """A tensor: `axes` says for each of PyTorch's axes which one of ours it is.

    `order` says for each number of a row which one of ours it is, where rows were images. `positive`: none is
    below zero.
    """

    tensor: Symbolic
    axes: tuple[int, ...]
    order: tuple[int, ...] | None = None
    positive: bool = False

    @property
    def rank(self) -> int:
        return len(self.axes)

    @property
    def ours(self) -> tuple[int, ...]:
        """Sizes of one example, as here."""
        return tuple(int(n) for n in self.tensor.shape[1:] if n is not None)

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes in PyTorch's order of axes, without the batch."""
        return tuple(self.ours[axis - 1] for axis in self.axes[1:])


@dataclass(frozen=True)
class Constant:
    """A parameter, a buffer, or what was computed from them alone; `key` is the same for the same one."""

    tensor: Any
    key: Any
    trainable: bool = True


def straight(rank: int) -> tuple[int, ...]:
    """Axes that lie as here."""
    return tuple(range(rank))


def order_of(sizes: Sequence[int], axes: Sequence[int]) -> tuple[int, ...] | None:
    """Of an array of these sizes in a row, read in PyTorch's order of axes: which of our numbers each is.

    None where the two orders are the same.
    """
    strides = [prod(sizes[axis + 1 :]) for axis in range(len(sizes))]
    found = [0]
    for axis in axes:
        found = [start + n * strides[axis] for start in found for n in range(sizes[axis])]
    return None if found == list(range(len(found))) else tuple(found)


def image_order(sizes: Sequence[int]) -> tuple[int, ...] | None:
    """Of an image of these sizes (channels, ...), in PyTorch's order in a row, which of our numbers each is."""
    channels, *middle = sizes
    return order_of((*middle, channels), (len(middle), *range(len(middle))))


def make(kind: str, settings: Mapping[str, Any]) -> Layer:
    """The layer of this kind with these settings."""
    cls: Any = layer_class(kind)
    return cls(**settings)


class Reader:
    """Steps of a tape, one after another, as layers on symbolic tensors."""

    def __init__(
        self,
        tape: Tape,
        held: Mapping[str, Any],
        wanted: Mapping[int, tuple[int, ...]],
        functions: Mapping[str, Callable[..., Any]],
    ) -> None:
        self.tape, self.held, self.wanted, self.functions = tape, held, wanted, functions
        self.values: dict[int, Value | Constant] = {}
        self.arrays: dict[int, tuple[Layer, dict[str, Any]]] = {}
        self.layers: dict[Any, Layer] = {}
        self.problems: list[str] = []
        self.taken: set[str] = set()
        self.frozen: set[tuple[int, str]] = set()
        self.step: Step = Step("", None, (), {}, [], "", "", False)

    def run(self) -> tuple[list[Symbolic], list[Any]]:
        """The inputs and outputs of the network; `problems` tells what is an Opaque in it."""
        inputs: list[Symbolic] = []
        for ref in self.tape.inputs:
            shape, axes = ref.shape[1:], straight(len(ref.shape))
            if len(shape) in (3, 4) or (len(shape) == 2 and is_sequence(self.tape, ref)):
                axes = channels_first(len(shape) - 1)
                shape = (*shape[1:], shape[0])
            inputs.append(Input(shape))
            self.values[id(ref)] = Value(inputs[-1], axes)
        for step in self.tape.steps:
            self.step = step
            self._take(step)
        return inputs, [self._output(ref) for ref in self.tape.outputs]

    def _take(self, step: Step) -> None:
        given: list[Value] = []
        try:
            held = [self.get(ref) for ref in refs((step.args, step.kwargs))]
            given = [value for value in held if isinstance(value, Value)]
            if not given:
                self._fold(step)
                return
            if any(self.tape.later(step, ref) for ref in step.aliases):
                raise Unsupported("it changes a tensor in place, and with it another one that is used afterwards")
            if step.name not in self.functions:
                raise Unsupported("no layer here does this")
            made = self.functions[step.name](self, *mapped(step.args, self.get), **mapped(step.kwargs, self.get))
            found = list(made) if isinstance(made, tuple) else [made]
            self._agree(step, found)
        except (Unsupported, LayerscopeError) as error:
            self._problem(str(error))
            found = self._opaque(step, given)
        except (
            TypeError,
            ValueError,
            AttributeError,
            LookupError,
        ) as error:  # a call in a form that is not known here
            self._problem(f"it is called in a way that is not known here ({error})")
            found = self._opaque(step, given)
        for ref, value in zip(step.outputs, found, strict=False):
            self.values[id(ref)] = value

    def get(self, value: Any) -> Any:
        """What a reference stands for."""
        if not isinstance(value, Ref):
            return value
        if id(value) not in self.values:
            held = value.tensor if value.parameter is None else self.held[value.parameter]
            if held is None:
                raise Unsupported("it takes a tensor that no function of torch made")
            key = value.parameter or ("tensor", id(value))
            self.values[id(value)] = Constant(held.detach().cpu(), key, held.requires_grad)
        return self.values[id(value)]

    def _fold(self, step: Step) -> None:
        """What is computed from parameters alone is computed now."""
        change = step.name.endswith("_") or step.name.startswith("__i")

        def real(value: Any) -> Any:
            found = self.get(value)
            if not isinstance(found, Constant):
                return found
            return found.tensor.clone() if change else found.tensor

        made = step.function(*mapped(step.args, real), **mapped(step.kwargs, real))
        flat = list(made) if isinstance(made, tuple | list) else [made]
        for number, (ref, value) in enumerate(zip(step.outputs, flat, strict=False)):
            self.values[id(ref)] = Constant(value.detach(), (id(step), number))

    def _agree(self, step: Step, found: Sequence[Value]) -> None:
        """What came out has the sizes that PyTorch has."""
        for ref, value in zip(step.outputs, found, strict=False):
            if ref.shape[:1] != (BATCH,) or value.shape != ref.shape[1:]:
                raise Unsupported(f"its output is {ref.shape[1:]} there and would be {value.shape} here")

    def _problem(self, reason: str) -> None:
        line = f"{self.step.label}: {reason}"
        if line not in self.problems:
            self.problems.append(line)

    def _opaque(self, step: Step, given: Sequence[Value]) -> list[Value]:
        types: list[TensorType] = []
        for ref in step.outputs:
            batch, *rest = ref.shape or (1,)
            shape = (*rest[1:], rest[0]) if len(ref.shape) in (4, 5) else tuple(rest)
            types.append(TensorType((named(BATCH_NAME) if batch == BATCH else batch, *shape)))
        layer = make("Opaque", {"type_name": step.kind if step.leaf else step.name, "outputs": types})
        made = self.put(layer, *(value.tensor for value in given))
        return [
            Value(
                tensor,
                channels_first(len(ref.shape) - 2) if len(ref.shape) in (4, 5) else straight(len(ref.shape)),
            )
            for tensor, ref in zip(made, step.outputs, strict=True)
        ]

    def _output(self, ref: Ref) -> Any:
        value = self.get(ref)
        if not isinstance(value, Value):
            return None
        if value.order is not None:
            self.problems.append(
                "the output: it is an image's numbers in a row in PyTorch's order, channels first, and no layer here "
                "puts them so; return the image, or put a Linear behind"
            )
            return value.tensor
        if value.rank in (4, 5):
            return self.arranged(value, channels_first(value.rank - 2)).tensor
        if value.axes not in (straight(value.rank), channels_first(value.rank - 2)):
            value = self.arranged(value, straight(value.rank))
        return value.tensor

    # --- for the functions ---

    def add(
        self, kind: str, settings: dict[str, Any], *values: Value | Symbolic, suffix: str = ""
    ) -> tuple[Symbolic, ...]:
        """The outputs of a new layer without weights."""
        return self.put(
            make(kind, settings), *(v.tensor if isinstance(v, Value) else v for v in values), suffix=suffix
        )

    def weighted(
        self,
        kind: str,
        settings: dict[str, Any],
        key: Any,
        weights: Callable[[], dict[str, Any]],
        value: Symbolic,
        constants: Sequence[Constant | None],
        roles: Sequence[str] = ("kernel", "bias"),
    ) -> Symbolic:
        """The output of a layer with weights; one that was made for the same `key` and settings is used again.

        `constants` are PyTorch's, of these roles: what needs no gradient there is not trained here.
        """
        known = (kind, key, tuple(sorted(settings.items())))
        if known not in self.layers:
            if any(other[1][0] == key[0] for other in self.layers):
                raise Unsupported("its weights are used a second time, in another way, so they cannot be one layer's")
            layer = self.layers[known] = make(kind, settings)
            pairs = zip(roles, constants, strict=True)
            self.frozen |= {(id(layer), role) for role, held in pairs if held is not None and not held.trainable}
            self.arrays[id(layer)] = (
                layer,
                {role: array.detach().contiguous().float().numpy() for role, array in weights().items()},
            )
        return self.put(self.layers[known], value)[0]

    def put(self, layer: Layer, *inputs: Symbolic, suffix: str = "") -> tuple[Symbolic, ...]:
        """A layer on tensors, named after the module that called the function."""
        types = layer.out(*(value.type for value in inputs))
        parts = [part for part in self.step.path.split(".") if part]
        name = None
        if self.step.leaf and parts:
            *parts, name = parts
            name = (f"{self.step.kind.lower()}_{name}" if name.isdigit() else name) + suffix
            label = "/".join((*parts, name))
            name = None if label in self.taken else name
            self.taken.add(label)
        call = Call(layer, tuple(inputs), types, tuple(parts), name)
        return tuple(Symbolic(call, number) for number in range(len(types)))

    def ones(self, shape: tuple[int, ...]) -> Any:
        """A tensor of ones, of the PyTorch that is read."""
        torch: Any = import_module("torch")
        return torch.ones(shape)

    def arranged(self, value: Value, axes: tuple[int, ...]) -> Value:
        """The value with its axes lying otherwise: by a Reshape where only axes of one cell move, else a Permute."""
        if value.axes == axes:
            return value

        def real(chosen: tuple[int, ...]) -> list[int]:
            return [a for a in sorted(range(1, len(axes)), key=lambda a: chosen[a]) if value.shape[a - 1] > 1]

        if len(axes) != value.rank or value.order is not None:
            raise Unsupported(
                f"it takes a tensor {('batch', *value.shape)} with its numbers in PyTorch's order, and no layer here "
                "puts them otherwise".replace("'", "")
            )
        if real(value.axes) != real(axes):
            held = dict(zip(axes, value.axes, strict=True))
            dims = tuple(held[place] for place in range(1, len(axes)))
            return replace(value, tensor=self.add("Permute", {"dims": dims}, value)[0], axes=axes)
        place = sorted(range(1, len(axes)), key=lambda a: axes[a])
        (made,) = self.add("Reshape", {"target_shape": tuple(value.shape[a - 1] for a in place)}, value)
        return replace(value, tensor=made, axes=axes)

    def image(self, value: Any, rank: int = 2) -> Value:
        """An image of so many spatial axes, channels last here and first there."""
        if not isinstance(value, Value):
            raise Unsupported("it takes a parameter as its input")
        if value.rank != rank + 2:
            what = {1: "sequences have a batch and two", 2: "images have a batch and three"}
            told = what.get(rank, "volumes have a batch and four")
            raise Unsupported(f"it takes a tensor of {value.rank} axes; {told}")
        return self.arranged(value, channels_first(rank))
