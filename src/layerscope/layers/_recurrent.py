"""Recurrent layers: what one step of a cell computes and keeps, and what all layers share that repeat a step."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import reduce
from typing import Any, cast

from layerscope.core import sizes
from layerscope.core.contract import Layer
from layerscope.core.costs import Operations, Saved
from layerscope.core.dataclasses import dataclass, replace
from layerscope.core.errors import SettingError, ShapeError
from layerscope.core.reach import EVERYTHING, Reads, Window
from layerscope.core.sizes import Size
from layerscope.core.types import TensorType, WeightType, show
from layerscope.layers import _activation, _checks
from layerscope.layers._spatial import channels, floating


class Step(ABC):
    """One step of a cell: (batch, features) and its states → (batch, output size) and new states."""

    @property
    @abstractmethod
    def states(self) -> tuple[int, ...]:
        """The size of each state."""

    @property
    @abstractmethod
    def output_size(self) -> int:
        """The size of the output."""

    @abstractmethod
    def weights(self, features: int) -> dict[str, WeightType]:
        """Its weights, for an input of so many features."""

    @abstractmethod
    def macs(self, x: TensorType) -> Size:
        """Products of one step for the input (batch, features)."""

    @abstractmethod
    def operations(self, x: TensorType) -> Operations:
        """What else one step computes."""

    @abstractmethod
    def kept(self, x: TensorType) -> tuple[TensorType, ...]:
        """What a training step keeps of each step, besides its input and its output."""

    @abstractmethod
    def masks(self, x: TensorType) -> tuple[TensorType, ...]:
        """Dropout's masks, of which there is one for all steps of a sequence."""

    @abstractmethod
    def gates(self, x: TensorType) -> Size:
        """Bytes of the values of all gates of one step."""

    def workspace(self, x: TensorType) -> Size:
        """Bytes of one step: the states before it, the values of all gates, and the states behind it."""
        return self.gates(x) + 2 * TensorType((x.shape[0], sum(self.states)), floating(x)).bytes

    @property
    @abstractmethod
    def keeps_input(self) -> bool:
        """Whether the input itself is kept; with dropout, what is left of it is."""


@dataclass(frozen=True)
class Gates(Step):
    """A step made of matrix products with the input and with the state, and functions of their sums.

    functions: names of the functions that are put to one number a unit. columns: widths of the products, in
    units. arithmetic: additions and products, one a unit. results: numbers a unit that are kept (values of
    gates, cell states, ...). inner: names of those functions whose argument is not kept otherwise.
    """

    units: int
    functions: tuple[str | None, ...]
    inner: tuple[str | None, ...]
    columns: int
    arithmetic: int
    results: int
    state_count: int = 1
    use_bias: bool = True
    biases: int = 1
    initializers: tuple[Any, Any, Any] = ("glorot_uniform", "orthogonal", "zeros")
    dropout: float = 0.0
    recurrent_dropout: float = 0.0

    @property
    def states(self) -> tuple[int, ...]:
        return (self.units,) * self.state_count

    @property
    def output_size(self) -> int:
        return self.units

    def weights(self, features: int) -> dict[str, WeightType]:
        kernel, recurrent, bias = self.initializers
        width = self.columns * self.units
        found = {
            "kernel": WeightType((features, width), kernel),
            "recurrent_kernel": WeightType((self.units, width), recurrent),
        }
        if self.use_bias:
            found["bias"] = WeightType((width,) if self.biases == 1 else (self.biases, width), bias)
        return found

    def macs(self, x: TensorType) -> Size:
        return x.shape[0] * ((x.shape[-1] + self.units) * (self.columns * self.units))

    def operations(self, x: TensorType) -> Operations:
        per_unit = x.shape[0] * self.units
        used = sum(name not in (None, "linear") for name in self.functions)
        return Operations(
            bias=per_unit * (self.columns * self.biases) if self.use_bias else 0,
            pointwise=per_unit * (used + self.arithmetic),
        )

    def kept(self, x: TensorType) -> tuple[TensorType, ...]:
        batch, dtype = x.shape[0], floating(x)
        arguments = sum(name not in (None, "linear") and name not in _activation.BY_OUTPUT for name in self.inner)
        numbers = (self.results + arguments) * self.units
        found = [TensorType((batch, numbers), dtype)] if numbers else []
        if self.dropout:
            found.append(TensorType((batch, x.shape[-1]), dtype))
        if self.recurrent_dropout:
            found.append(TensorType((batch, self.units), dtype))
        return tuple(found)

    def masks(self, x: TensorType) -> tuple[TensorType, ...]:
        pairs = ((self.dropout, x.shape[-1]), (self.recurrent_dropout, self.units))
        return tuple(TensorType((x.shape[0], n), "bool") for rate, n in pairs if rate)

    def gates(self, x: TensorType) -> Size:
        return TensorType((x.shape[0], self.columns * self.units), floating(x)).bytes

    @property
    def keeps_input(self) -> bool:
        return not self.dropout


def simple(cell: Any) -> Gates:
    """h' = f(x·W + h·U + b)."""
    return Gates(
        functions=(cell.activation,), inner=(cell.activation,), columns=1, arithmetic=1, results=0, **_common(cell)
    )


def lstm(cell: Any) -> Gates:
    """i, f, o = σ(x·W + h·U + b), g = f(x·W + h·U + b); c' = f⊙c + i⊙g; h' = o⊙f(c')."""
    outer, gate = cell.activation, cell.recurrent_activation
    squashed = outer not in (None, "linear")  # f(c') is another tensor than c'
    return Gates(
        functions=(gate, gate, gate, outer, outer),
        inner=(gate, gate, gate, outer),
        columns=4,
        arithmetic=8,
        results=5 + squashed,
        state_count=2,
        **_common(cell),
    )


def gru(cell: Any) -> Gates:
    """z, r = σ(x·W + h·U + b); g = f(x·W + r⊙(h·U)), or f(x·W + (r⊙h)·U); h' = z⊙h + (1 - z)⊙g."""
    outer, gate = cell.activation, cell.recurrent_activation
    return Gates(
        functions=(gate, gate, outer),
        inner=(gate, gate, outer),
        columns=3,
        arithmetic=8,
        results=4,
        biases=2 if cell.reset_after else 1,
        **_common(cell),
    )


def _common(cell: Any) -> dict[str, Any]:
    return {
        "units": cell.units,
        "use_bias": cell.use_bias,
        "initializers": (cell.kernel_initializer, cell.recurrent_initializer, cell.bias_initializer),
        "dropout": cell.dropout,
        "recurrent_dropout": cell.recurrent_dropout,
    }


def check_gates(layer: Any) -> None:
    """The settings of a cell, or of a layer that is made of one, in their normal form."""
    put = object.__setattr__
    put(layer, "units", sizes.checked(layer.units, f"{layer.kind}: units"))
    for name in ("activation", "recurrent_activation"):
        if hasattr(layer, name):
            put(layer, name, gate_function(getattr(layer, name), f"{layer.kind}: {name}", layer.kind))
    for name in ("dropout", "recurrent_dropout"):
        put(layer, name, _checks.rate(getattr(layer, name), f"{layer.kind}: {name}"))
    _checks.of_training(layer)


def gate_function(value: Any, what: str, kind: str) -> str | None:
    """The function's name; SettingError for one that makes its input smaller, as no gate or state can be."""
    name = _activation.checked(value, kind)
    if name == "glu":
        raise SettingError(f"{what}='glu' would halve the state; take one that keeps its size")
    return name


class Cell(Layer):
    """One step of a recurrent layer as a layer of its own: RNN repeats it along the time axis."""

    executable = False

    @property
    @abstractmethod
    def step(self) -> Step:
        """What it computes."""

    def out(self, *types: TensorType) -> tuple[TensorType, ...]:
        x = with_states(types, self.step.states, 2, "features")
        made = (self.step.output_size, *self.step.states)
        return tuple(TensorType((x.shape[0], n), floating(x)) for n in made)

    def weight_types(self, *types: TensorType) -> dict[str, WeightType]:
        return self.step.weights(channels(types[0]))

    def macs(self, *types: TensorType) -> Size | None:
        return self.step.macs(types[0])

    def operations(self, *types: TensorType) -> Operations | None:
        return self.step.operations(types[0])

    def saved(self, *types: TensorType) -> Saved | None:
        first = (0,) if self.step.keeps_input else ()
        extra = (*self.step.kept(types[0]), *self.step.masks(types[0]))
        return Saved((*first, *range(1, len(types))), (0,), extra)

    def workspace(self, *types: TensorType) -> Size | None:
        return self.step.gates(types[0])  # states are inputs and outputs

    def reach(self, output: int, *types: TensorType) -> tuple[Reads | None, ...]:
        return ((Window(0), EVERYTHING),) * len(types)


class Repeated(Layer):
    """What repeats a step along axis 1. Subclasses have the settings declared here, where Keras has them."""

    executable = False
    return_sequences: bool
    return_state: bool
    go_backwards: bool
    stateful: bool


class Recurrent(Repeated):
    """A step with vectors as its states, repeated."""

    unroll: bool

    @property
    @abstractmethod
    def step(self) -> Step:
        """What one step computes."""

    def each(self, x: TensorType) -> TensorType:
        """The input of one step."""
        return TensorType((x.shape[0], *x.shape[2:]), x.dtype)

    def out(self, *types: TensorType) -> tuple[TensorType, ...]:
        x = with_states(types, self.step.states, 3, "time, features")
        batch, time = x.shape[:2]
        if self.unroll and not isinstance(time, int):
            raise ShapeError(f"unroll=True needs the number of steps, but it is open: {x}")
        if self.stateful and not isinstance(batch, int):
            raise ShapeError(
                f"stateful=True needs a fixed batch size, but it is open: {x}. Give the Input batch_size."
            )
        size = self.step.output_size
        y = (batch, time, size) if self.return_sequences else (batch, size)
        states = [(batch, n) for n in self.step.states] if self.return_state else []
        return tuple(TensorType(shape, floating(x)) for shape in (y, *states))

    def weight_types(self, *types: TensorType) -> dict[str, WeightType]:
        return self.step.weights(channels(types[0]))

    def macs(self, *types: TensorType) -> Size | None:
        return self.step.macs(self.each(types[0])) * types[0].shape[1]

    def operations(self, *types: TensorType) -> Operations | None:
        return self.step.operations(self.each(types[0])).map(lambda n: n * types[0].shape[1])

    def saved(self, *types: TensorType) -> Saved | None:
        """What backpropagation through time needs: the input, and all steps' outputs and inner results."""
        x, step = types[0], self.step
        batch, time = x.shape[:2]
        each = [*step.kept(self.each(x))]
        if not self.return_sequences:
            each.append(TensorType((batch, step.output_size), floating(x)))
        extra = [replace(t, shape=(batch, time, *t.shape[1:])) for t in each]
        first = (0,) if step.keeps_input else ()
        inputs = (*first, *range(1, len(types)))
        return Saved(inputs, (0,) if self.return_sequences else (), (*extra, *step.masks(self.each(x))))

    def workspace(self, *types: TensorType) -> Size | None:
        return self.step.workspace(self.each(types[0]))

    def reach(self, output: int, *types: TensorType) -> tuple[Reads | None, ...]:
        states = ((Window(0), EVERYTHING),) * (len(types) - 1)
        return ((Window(0), EVERYTHING, EVERYTHING), *states)


def with_states(types: tuple[TensorType, ...], states: tuple[int, ...], rank: int, axes: str) -> TensorType:
    """The first input; ShapeError when the others are not the initial states."""
    if len(types) not in (1, 1 + len(states)):
        raise ShapeError(
            f"takes a sequence alone or with its {len(states)} initial states, but got {len(types)} inputs"
        )
    x = types[0]
    if x.rank != rank:
        raise ShapeError(f"needs an input of {rank} axes (batch, {axes}), but got {x.rank}: {x}")
    for number, (given, size) in enumerate(zip(types[1:], states, strict=False), 1):
        wanted = (x.shape[0], size)
        if given.rank != 2 or not all(sizes.equal(a, b) for a, b in zip(given.shape, wanted, strict=True)):
            raise ShapeError(f"initial state {number} must be {show(wanted)}, but is {given}")
    return x


@dataclass(frozen=True)
class Stack(Step):
    """Cells one upon the other: each takes the output of the one before it."""

    steps: tuple[Step, ...]

    @property
    def states(self) -> tuple[int, ...]:
        return tuple(size for step in self.steps for size in step.states)

    @property
    def output_size(self) -> int:
        return self.steps[-1].output_size

    def fed(self, x: TensorType) -> tuple[tuple[Step, TensorType], ...]:
        """Each step with the type of its input."""
        widths = [x.shape[-1], *(step.output_size for step in self.steps)]
        types = [TensorType((x.shape[0], width), x.dtype) for width in widths]
        return tuple(zip(self.steps, types, strict=False))

    def weights(self, features: int) -> dict[str, WeightType]:
        widths = [features, *(step.output_size for step in self.steps)]
        return {
            f"cell_{number}/{role}": weight
            for number, (step, width) in enumerate(zip(self.steps, widths, strict=False))
            for role, weight in step.weights(width).items()
        }

    def macs(self, x: TensorType) -> Size:
        total: Size = 0
        for step, type in self.fed(x):
            total = total + step.macs(type)
        return total

    def operations(self, x: TensorType) -> Operations:
        total = Operations()
        for step, type in self.fed(x):
            total += step.operations(type)
        return total

    def kept(self, x: TensorType) -> tuple[TensorType, ...]:
        between = [replace(type, dtype=floating(x)) for _, type in self.fed(x)][1:]
        return (*(t for step, type in self.fed(x) for t in step.kept(type)), *between)

    def masks(self, x: TensorType) -> tuple[TensorType, ...]:
        return tuple(mask for step, type in self.fed(x) for mask in step.masks(type))

    def gates(self, x: TensorType) -> Size:
        return reduce(sizes.maximum, (step.gates(type) for step, type in self.fed(x)))

    @property
    def keeps_input(self) -> bool:
        return self.steps[0].keeps_input


def cells(value: Any, what: str) -> tuple[Cell, ...]:
    """A list of cells; SettingError for anything else."""
    if not isinstance(value, tuple | list) or not value:
        raise SettingError(f"{what} must be a list of cells (LSTMCell, GRUCell, SimpleRNNCell, ...), not {value!r}")
    parts = tuple(cast(Sequence[Any], value))
    for part in parts:
        if not isinstance(part, Cell):
            raise SettingError(
                f"{what}: {getattr(part, 'kind', repr(part))} is no cell, which makes one step of an RNN"
            )
    return parts
