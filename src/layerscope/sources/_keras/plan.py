"""What a Keras model says of itself, without Keras: which layers it has, and what each is called on.

A configuration in a file and a model in memory are both brought into this form, from which `build` makes the graph.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from typing import Any

from layerscope.core.dataclasses import dataclass, field

Config = Mapping[str, Any]


class Refused(Exception):
    """Why a layer of Keras has no equal here."""


@dataclass(frozen=True)
class Stated:
    """The shape (None: open) and dtype that the source states of a tensor."""

    shape: tuple[int | None, ...]
    dtype: str = "float32"


@dataclass(frozen=True)
class Ref:
    """A tensor that is handed to a layer."""

    key: Hashable


@dataclass(frozen=True)
class Entry:
    """An input of a model. `odd` names what arrays cannot be: sparse, ragged, optional."""

    key: Hashable
    name: str
    stated: Stated
    odd: tuple[str, ...] = ()


@dataclass(frozen=True)
class Weight:
    """A variable of a layer in memory; `id` tells whether two are one."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    trainable: bool
    id: int


@dataclass(eq=False)
class Unit:
    """A layer, an operation or a model within the model.

    `home` is "layers" for Keras's own, "ops" for functions of keras.ops, "layerscope" for ours, "keras" for other
    classes of Keras's package, "tf" for functions of TensorFlow, and "" for everybody else's.
    `weights` is None where they are unknown, `origin` the object itself where there is one.
    """

    name: str
    kind: str
    home: str
    settings: Config
    model: Plan | None = None
    trainable: bool = True
    weights: tuple[Weight, ...] | None = None
    origin: Any = None


@dataclass(eq=False)
class Use:
    """One call of a unit. Its results have the keys `keys`, or else (unit's name, call's number, result's number)."""

    unit: Unit
    args: tuple[Any, ...]
    kwargs: Config
    number: int = 0
    count: int = 1
    keys: tuple[Hashable, ...] | None = None

    def key(self, result: int) -> Hashable:
        """The key of one of its results."""
        return (self.unit.name, self.number, result) if self.keys is None else self.keys[result]

    @property
    def refs(self) -> list[Ref]:
        """All tensors that it is called on, positional ones first."""
        return list(tensors((self.args, self.kwargs)))


@dataclass(eq=False)
class Plan:
    """A model: inputs, uses in an order in which they can be computed, outputs, and what is stated of tensors."""

    name: str
    entries: list[Entry]
    uses: list[Use]
    outputs: list[Ref]
    stated: dict[Hashable, Stated] = field(default_factory=dict[Hashable, Stated])
    alive: Any = None
    """Objects whose ids are keys here, which therefore must not go."""

    def results(self, use: Use) -> list[Stated | None]:
        """What is stated of a use's results, as many as anybody mentions; None for one that nobody states."""
        return [self.stated.get(use.key(result)) for result in range(use.count)]


def tensors(value: Any) -> Iterator[Ref]:
    """The tensors within nested lists, tuples and dictionaries, in Keras's order: keys sorted."""
    if isinstance(value, Ref):
        yield value
    elif value is None or isinstance(value, (str, int, float)):
        return
    elif isinstance(value, list | tuple):
        for part in value:
            yield from tensors(part)
    elif isinstance(value, Mapping):
        for key in sorted(value, key=str) if not isinstance(value, _Kwargs) else value:
            yield from tensors(value[key])


def variables(value: Any) -> Iterator[Weight]:
    """The variables that a function is called on, each once."""
    found: dict[int, Weight] = {}

    def visit(part: Any) -> None:
        if isinstance(part, Weight):
            found.setdefault(part.id, part)
        elif isinstance(part, list | tuple):
            for one in part:
                visit(one)
        elif isinstance(part, Mapping):
            for one in part.values():
                visit(one)

    visit(value)
    yield from found.values()


class _Kwargs(dict[str, Any]):
    """Arguments by name, which stay in the order of the call."""


def by_name(given: Mapping[str, Any]) -> Config:
    """Arguments by name of a use."""
    return _Kwargs(given)
