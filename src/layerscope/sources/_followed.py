"""What stands for tensors while a call is followed, in JAX and in PyTorch, and how it becomes part of a graph.

Tensors are outputs of records, weights or constants. What a record is, each source says itself.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Any, Generic, TypeVar

from layerscope.core.contract import Layer
from layerscope.core.dataclasses import dataclass, field
from layerscope.core.types import TensorType, WeightType
from layerscope.layers.input_layer import InputLayer
from layerscope.operators._operator import ABSENT, Slot
from layerscope.operators.standing import TensorInput

Record = TypeVar("Record")


@dataclass(frozen=True)
class Weight:
    """A parameter: its name, the last part of that, and how it is stored."""

    id: str
    role: str
    type: WeightType


@dataclass(eq=False)
class Value(Generic[Record]):
    """A tensor: output `number` of a record, or a weight, maybe in another form (a view, a cast), or a constant."""

    type: TensorType
    record: Record | None = None
    number: int = 0
    weight: Weight | None = None

    @property
    def constant(self) -> bool:
        """Whether it depends on no input and no parameter."""
        return self.record is None and self.weight is None


@dataclass(frozen=True)
class Slotted:
    """What the operands of an operator are: its settings `slots`, `parameters` and `forms`, and the ids of its
    weights by role.
    """

    slots: tuple[Slot, ...]
    parameters: dict[str, WeightType] = field(default_factory=dict[str, WeightType])
    forms: dict[str, TensorType] = field(default_factory=dict[str, TensorType])
    ids: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def settings(self) -> dict[str, Any]:
        """Those that an operator takes."""
        return {"slots": self.slots, "parameters": self.parameters, "forms": self.forms}


def slotted(values: Sequence[Value[Any] | None]) -> Slotted:
    """Operands in their slots, None for one that is left out; a weight in another form than it is stored says so."""
    slots: list[Slot] = []
    parameters: dict[str, WeightType] = {}
    forms: dict[str, TensorType] = {}
    ids: dict[str, str] = {}
    for value in values:
        if value is None:
            slots.append(ABSENT)
        elif value.record is not None:
            slots.append(None)
        elif value.weight is None:
            slots.append(value.type)
        else:
            stored = value.weight.type
            role = free(value.weight.role.replace(".", "_"), parameters)
            parameters[role], ids[role] = stored, value.weight.id
            if value.type != TensorType(stored.shape, stored.dtype):
                forms[role] = value.type
            slots.append(role)
    return Slotted(tuple(slots), parameters, forms, ids)


def free(name: str, taken: Container[str]) -> str:
    """The name, or where it is taken the first that is free of name_1, name_2 and so on."""
    found, number = name, 1
    while found in taken:
        found, number = f"{name}_{number}", number + 1
    return found


class Names:
    """Names of nodes that are taken, each once in its scope."""

    def __init__(self) -> None:
        self.taken: dict[tuple[str, ...], set[str]] = {}

    def free(self, scope: tuple[str, ...], name: str) -> tuple[tuple[str, ...], str]:
        """The scope, and the name or another one that is free in it; from now on it is taken."""
        there = self.taken.setdefault(scope, set())
        found = free(name, there)
        there.add(found)
        return scope, found


def input_layer(kind: TensorType, name: str | None = None) -> Layer:
    """The layer that stands for an input of this type; one without a batch or without elements is no `Input`."""
    if kind.rank == 0 or 0 in kind.shape:
        return TensorInput(kind, name=name)
    return InputLayer(kind.shape[1:], kind.shape[0], kind.dtype, name=name)
