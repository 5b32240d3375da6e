"""One node of an ONNX graph as the rules see it, and the values of small constants."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any

from layerscope.core.contract import Layer, hashable
from layerscope.core.dataclasses import dataclass, field, replace
from layerscope.core.errors import SourceError
from layerscope.core.graph import Symbolic
from layerscope.core.sizes import Size
from layerscope.core.types import TensorType, WeightType
from layerscope.operators._operator import ABSENT, Slot

FLOATING = ("float32", "float64", "float16", "bfloat16", "complex64", "complex128")


@dataclass(frozen=True)
class Value:
    """The elements of a small tensor of whole numbers, in row-major order: numbers or open sizes."""

    dims: tuple[int, ...]
    items: tuple[Size, ...]


@dataclass(frozen=True)
class Source:
    """A tensor of the file that a weight is made of: its part ("" for the first), its id, and how it is stored."""

    role: str
    id: str
    type: WeightType


@dataclass(frozen=True)
class Operand:
    """One operand of a node. `tensor`: it comes from the graph. `weight`: it is a parameter. Else a constant.

    `value` has its elements where these are known: constants of at most 1,024 whole numbers, and what was folded
    from shapes. `scalar` has the number of a floating-point constant with one element, `floats` all of one with at
    most 64 elements (scales of a Resize, for instance). `inline`: it stands in a Constant node, and may be folded.
    `sources`: the stored tensors behind a weight that was moved, cast or dequantised, and whose type is another one.
    """

    name: str
    type: TensorType
    tensor: Symbolic | None = None
    weight: bool = False
    value: Value | None = None
    floats: tuple[float, ...] | None = None
    inline: bool = False
    sources: tuple[Source, ...] = ()

    def named(self, role: str) -> dict[str, Source]:
        """The stored tensors of a weight by the roles that they have where it has this one."""
        if self.sources:
            return {f"{role}.{part.role}" if part.role else role: part for part in self.sources}
        dims = tuple(size for size in self.type.shape if isinstance(size, int))
        kind = WeightType(dims, "zeros", self.type.dtype in FLOATING, self.type.dtype)
        return {role: Source("", self.name, kind)}

    def told(self) -> tuple[Hashable, ...]:
        """All that a rule asks of it; of a tensor of the graph the type is one object where it is the same."""
        kind: Hashable = id(self.type) if self.tensor is not None else (self.type.shape, self.type.dtype)
        return kind, self.tensor is None, self.weight, self.value, self.floats, self.inline, self.sources

    def ids(self, role: str) -> dict[str, str]:
        """The ids of those tensors."""
        return {part: one.id for part, one in self.named(role).items()} if self.sources else {role: self.name}

    @property
    def scalar(self) -> float | None:
        """The number of a floating-point constant with one element."""
        return self.floats[0] if self.floats is not None and len(self.floats) == 1 else None


@dataclass
class Site:
    """A node: what it is called, its attributes as Python values (a tensor as an Operand), operands and outputs."""

    op: str
    domain: str
    version: int
    name: str
    attributes: dict[str, Any]
    operands: tuple[Operand | None, ...]
    outputs: tuple[str, ...]
    declared: tuple[TensorType | None, ...]
    """The types that the file states for the outputs, where it does."""
    fresh: Callable[[str], Size]
    """A new named size, for one that only the data decide; the argument is the stem of its name."""
    roles: tuple[str, ...] = field(default=())
    """Names of weights by operand number; W, B and so on as the operator's definition has them."""

    def told(self) -> tuple[Hashable, ...]:
        """All that a rule makes a layer of, but for the names of operands and outputs."""
        attributes = [(key, type(value), hashable(value)) for key, value in self.attributes.items()]
        operands = (None if x is None else x.told() for x in self.operands)
        return self.op, self.domain, self.version, self.roles, *attributes, *operands, *map(bool, self.outputs)

    def operand(self, number: int) -> Operand | None:
        """The operand of this number, None where it is left out."""
        return self.operands[number] if number < len(self.operands) else None

    def integers(self, number: int, attribute: str = "") -> tuple[Size, ...] | None:
        """Whole numbers given by an operand or, in older operator sets, by an attribute; None where not known."""
        operand = self.operand(number)
        if operand is not None:
            return None if operand.value is None else operand.value.items
        return tuple(self.attributes[attribute]) if attribute in self.attributes else None

    def slotted(self, drop: Sequence[int] = (), frozen: Sequence[int] = ()) -> dict[str, Any]:
        """`slots`, `parameters` and `forms` for an operator of these operands.

        Operands in `drop` became settings; weights in `frozen` are not trained, nor are quantised ones.
        """
        slots: list[Slot] = []
        parameters: dict[str, WeightType] = {}
        forms: dict[str, TensorType] = {}
        for number, operand in enumerate(self.operands):
            if operand is None or number in drop:
                slots.append(ABSENT)
            elif operand.tensor is not None:
                slots.append(None)
            elif operand.weight:
                role = self.roles[number] if number < len(self.roles) else f"input_{number}"
                for part, source in operand.named(role).items():
                    parameters[part] = replace(source.type, trainable=source.type.trainable and number not in frozen)
                if operand.sources:
                    forms[role] = operand.type
                slots.append(role)
            else:
                slots.append(operand.type)
        return {"slots": tuple(slots), "parameters": parameters} | ({"forms": forms} if forms else {})


Rule = Callable[[Site], Layer]
"""Makes the layer that stands for a node; Refused where that cannot be."""


class Refused(SourceError):
    """Why a node cannot be described; its outputs then are as the file states them, its cost unknown."""
