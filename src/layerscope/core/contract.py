"""What a layer is: settings, and the questions that it answers.

A layer is a frozen dataclass of settings that is compared by identity: two `Conv2D(16, 3)`
are two layers. It never holds arrays; those live with the model (`layer.weights` asks for
them there).
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, cast

from layerscope.core.costs import Operations, Saved
from layerscope.core.dataclasses import MISSING, dataclass, field, fields
from layerscope.core.errors import LayerscopeError, SettingError
from layerscope.core.lowering import Builder, Value
from layerscope.core.reach import Reads
from layerscope.core.sizes import Size
from layerscope.core.types import TensorType, WeightType

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]
else:
    Array = Any

Outputs = tuple[tuple[Array, ...], dict[str, Array]]
"""What `define` returns: the output arrays, and updated state by weight name."""


@dataclass(frozen=True)
class Words:
    """How the one-line text spells a layer: its names, and which settings bare words fill in order."""

    names: tuple[str, ...]
    places: tuple[str, ...] = ()


@dataclass(frozen=True)
class Spelling:
    """What another framework calls the layer, and where its settings differ."""

    name: str
    note: str = ""


@dataclass(frozen=True)
class Example:
    """One layer with input and output types: documentation, test and golden data at once."""

    layer: Layer
    inputs: tuple[TensorType, ...]
    outputs: tuple[TensorType, ...]


@dataclass(frozen=True, eq=False)
class Layer(ABC):
    """Base of all layers. A *described* layer answers `out`, `weight_types`, `macs`, `reach` and
    `examples`; an *executable* one also `define` and `lower`.
    """

    words: ClassVar[Words | None] = None
    spellings: ClassVar[Mapping[str, Spelling]] = {}
    law: ClassVar[str] = ""
    """The shape law in one line."""
    executable: ClassVar[bool] = True
    """Whether it has `define` and `lower`; a layer whose settings go beyond these is not (see `describe_only`)."""
    obstacle: ClassVar[str] = "is described only: it can be traced, but not computed or trained"
    """Why it is not executable, as what follows its name in a message."""
    standalone: ClassVar[bool] = False
    """May stand without inputs though it is no input of the network: a constant, or random numbers."""
    integer_inputs: ClassVar[tuple[int, ...]] = ()
    """Numbers of the inputs that are switches, which stay integers."""

    averages: ClassVar[bool] = False
    """Whether it follows averages in training, which it uses at inference; frozen, it uses them in training, too."""

    @property
    def elementwise(self) -> bool:
        """Each output element depends on the input element at its own index only."""
        return False

    @property
    def linear(self) -> bool:
        """f(a·x + (1-a)·y) = a·f(x) + (1-a)·f(y): linear up to a constant, at inference."""
        return False

    @property
    def injective(self) -> bool:
        """Different inputs have different outputs, whatever the weights."""
        return False

    name: str | None = field(default=None, kw_only=True)
    trainable: bool = field(default=True, kw_only=True)
    """Whether training changes its weights; may be set at any time, and counts from the next `compile` on."""

    @property
    def still(self) -> bool:
        """Whether it acts in training as at inference, because it is frozen and keeps moving averages."""
        return self.averages and not self.trainable

    @property
    def kind(self) -> str:
        """The layer's type under Keras's name."""
        return type(self).__name__

    @property
    def weights_known(self) -> bool:
        """Whether `weight_types` lists all weights; where not, totals say "at least"."""
        return True

    @abstractmethod
    def out(self, *types: TensorType) -> tuple[TensorType, ...]:
        """Types of the outputs; ShapeError when the inputs do not fit."""

    def weight_types(self, *types: TensorType) -> dict[str, WeightType]:
        """Name → shape, initializer, trainable or not, in Keras's order."""
        return {}

    def macs(self, *types: TensorType) -> Size | None:
        """Multiply-accumulates, or None when unknown."""
        return 0

    def operations(self, *types: TensorType) -> Operations | None:
        """What it computes besides multiply-accumulates, at inference, or None when unknown."""
        return None

    def saved(self, *types: TensorType) -> Saved | None:
        """What a training step keeps of it until the backward pass, or None when unknown."""
        return None

    def shares(self, *types: TensorType) -> int | None:
        """The number of the input of which the first output is a view at inference, with no memory of its own."""
        return None

    @property
    def shares_all(self) -> bool:
        """Whether all outputs are views of that input, not the first one only."""
        return False

    def workspace(self, *types: TensorType) -> Size | None:
        """Bytes of tensors of its own that are alive at once while it computes at inference, or None when unknown.

        As its definition says, with nothing fused; elementwise functions are put in the place of their argument.
        """
        return 0

    @abstractmethod
    def reach(self, output: int, *types: TensorType) -> tuple[Reads | None, ...]:
        """For each input, how its axes are read by output number `output`; None: not at all."""

    def define(
        self, *arrays: Array, training: bool = False, random: Array | None = None, **weights: Array
    ) -> Outputs:
        """The layer in slow, plain NumPy. `random` holds uniform numbers in [0, 1) of the input's shape."""
        raise NotImplementedError(f"{self.kind} is described only")

    def lower(self, program: Builder, *values: Value, training: bool = False, **weights: Value) -> tuple[Value, ...]:
        """The layer as primitives of the engine."""
        raise NotImplementedError(f"{self.kind} is described only")

    @classmethod
    @abstractmethod
    def examples(cls) -> Sequence[Example]:
        """Settings with types in and out; the first one illustrates the documentation."""

    # --- what Keras users expect of a layer object; the arrays live with the models ---

    def __call__(self, *inputs: Any, training: bool = False) -> Any:
        """On symbolic tensors: extend the graph. On arrays: compute at once."""
        flat = inputs
        if len(inputs) == 1 and isinstance(inputs[0], list | tuple):
            flat = tuple(cast(Sequence[Any], inputs[0]))
        graph = import_module("layerscope.core.graph")
        if flat and all(isinstance(value, graph.Symbolic) for value in flat):
            return graph.connect(self, flat)
        return self._arrays().call(self, flat, training=training)

    @staticmethod
    def _arrays() -> Any:
        return import_module("layerscope.models.eager")  # the one declared exception: see architecture

    @property
    def weights(self) -> list[Any]:
        """The layer's variables (trainable first, in Keras's order); empty before it is built."""
        return self._arrays().variables(self)

    @property
    def trainable_weights(self) -> list[Any]:
        """The variables that training changes."""
        return [variable for variable in self.weights if variable.trainable]

    @property
    def non_trainable_weights(self) -> list[Any]:
        """All other variables: moving averages, and all of a frozen layer."""
        return [variable for variable in self.weights if not variable.trainable]

    def get_weights(self) -> list[Array]:
        """Copies of the weights' arrays."""
        return [variable.numpy() for variable in self.weights]

    def set_weights(self, arrays: Sequence[Array]) -> None:
        """Replace the weights' arrays by arrays of the same shapes."""
        self._arrays().assign(self, arrays)

    def count_params(self) -> int:
        """Number of weights' elements; SettingError before the layer is built."""
        return self._arrays().count(self)


def _trainable(layer: Layer) -> bool:
    return vars(layer).get("trainable", True)


def _freeze(layer: Layer, value: object) -> None:
    vars(layer)["trainable"] = bool(value)
    layer._arrays().follow(layer)  # pyright: ignore[reportPrivateUsage]


# A setting like the others to those who make a layer, and a switch to those who have one.
setattr(Layer, "trainable", property(_trainable, _freeze, doc="Whether training changes its weights."))  # noqa: B010

OF_TRAINING = ("trainable", "_regularizer", "_constraint")
"""Ends of the names of settings that only training needs to know."""


def settings(layer: Layer) -> dict[str, Any]:
    """All settings of a layer by name, in their order, without its name."""
    return {name: getattr(layer, name) for name in _names(type(layer))}


@cache
def _names(cls: type[Layer]) -> tuple[str, ...]:
    return tuple(f.name for f in fields(cls) if f.name != "name")


class Kinds:
    """Numbers of layers, the same for all that answer everything alike: of one class, with equal settings."""

    def __init__(self) -> None:
        self._numbers: dict[Hashable, int] = {}
        self._seen: dict[tuple[int, ...], tuple[int, object]] = {}
        """By the ids of settings, since most that are equal are one object; with these, so that ids stay theirs."""

    def of(self, layer: Layer) -> int:
        """The layer's number."""
        told = (type(layer), *[value for key, value in vars(layer).items() if key != "name"])
        key = tuple(map(id, told))
        if key not in self._seen:
            self._seen[key] = self._numbers.setdefault(hashable(told), len(self._numbers)), told
        return self._seen[key][0]


def hashable(value: Any) -> Hashable:
    """The value, with pairs for mappings and tuples for lists; what cannot be hashed equals nothing else."""
    try:
        hash(value)
    except TypeError:
        if isinstance(value, dict):
            return tuple((key, hashable(part)) for key, part in cast(dict[Any, Any], value).items())
        if isinstance(value, list | tuple):
            return tuple(map(hashable, cast(Sequence[Any], value)))
        return object()
    return value


def changed_settings(layer: Layer) -> dict[str, Any]:
    """The settings without which the layer would be another one."""
    told = settings(layer)
    required = {f.name for f in fields(layer) if f.default is MISSING}
    changed: dict[str, Any] = {}
    for key, value in told.items():
        if key in required:
            changed[key] = value
            continue
        others = {k: v for k, v in told.items() if k != key}
        try:
            same = normal(getattr(type(layer)(**others), key)) == normal(value)
        except LayerscopeError:
            same = False
        if not same:
            changed[key] = value
    return changed


def normal(value: Any) -> Any:
    """A setting in comparable form: lists as tuples, (2, 2) as 2, numbers of one kind."""
    if isinstance(value, list | tuple):
        parts = tuple(normal(part) for part in cast(Sequence[Any], value))
        return parts[0] if len(parts) > 1 and len(set(parts)) == 1 and isinstance(parts[0], int) else parts
    return value


def describe_settings(layer: Layer) -> str:
    """The layer as a Python call with the settings that differ from their defaults."""
    words = [f"{name}={_shown(plain(name, value))}" for name, value in changed_settings(layer).items()]
    return f"{layer.kind}({', '.join(words)})"


PER_AXIS = ("kernel_size", "strides", "dilation_rate", "output_padding", "pool_size", "size", "output_size")
"""Settings that have one number for each spatial axis."""
ENDS = ("padding", "cropping")
"""Settings that may have a pair of numbers for each spatial axis."""


def plain(name: str, value: Any) -> Any:
    """A setting as people write it: one number where all are the same, and for one axis its number or pair alone."""
    if name in ("shape", "target_shape"):
        return value
    short: Any = normal(value)
    parts: Sequence[Any] = cast(Sequence[Any], short) if isinstance(short, tuple) else ()
    return parts[0] if len(parts) == 1 and name in (*PER_AXIS, *ENDS) else cast(object, short)


def _shown(value: Any) -> str:
    """A setting in Python; a layer inside it as its own call."""
    if isinstance(value, Layer):
        return describe_settings(value)
    parts: Sequence[Any] = cast(Sequence[Any], value) if isinstance(value, tuple) else ()
    if any(isinstance(part, Layer) for part in parts):
        return f"[{', '.join(map(_shown, parts))}]"
    return repr(cast(object, value))


@cache
def snake_case(kind: str) -> str:
    """Keras's automatic name for a kind: MaxPooling2D → max_pooling2d."""
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", kind)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def describe_only(layer: Layer, why: str) -> None:
    """For a constructor: with these settings the layer has sizes and costs, but nothing here computes it.

    `executable` and `obstacle` of the class stay; those of this one layer change. The first reason stands.
    """
    if layer.executable:
        object.__setattr__(layer, "executable", False)
        object.__setattr__(layer, "obstacle", why)


def described_only(layer: Layer, label: str) -> str:
    """The whole sentence for a layer that is not executable; `label` is what its network calls it."""
    return label + (": " if "executable" in vars(layer) else " ") + layer.obstacle


def check_data_format(layer: Layer, data_format: Any) -> None:
    """What is computed here has its channels last, as Keras's default; channels first can be described."""
    if data_format not in (None, "channels_last", "channels_first"):
        raise SettingError(
            f"{layer.kind}: data_format must be 'channels_last' or 'channels_first', not {data_format!r}"
        )
    if data_format == "channels_first":
        describe_only(
            layer,
            "data_format='channels_first' is not supported; "
            "layers here are channels last: (batch, height, width, channels)",
        )
