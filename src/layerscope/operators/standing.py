"""Operators that stand for no computation of their own: constants, inputs, what nobody described, control flow."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, cast

from layerscope.core.contract import Example, Layer, Spelling
from layerscope.core.costs import NONE, NOTHING_SAVED, Operations, Saved
from layerscope.core.dataclasses import dataclass
from layerscope.core.errors import SettingError
from layerscope.core.reach import EVERYTHING, Reads
from layerscope.core.sizes import Size
from layerscope.core.types import TensorType, WeightType
from layerscope.operators._operator import Operator


def _types(given: Any, kind: str) -> tuple[TensorType, ...]:
    listed = cast(Iterable[Any], given)
    types = tuple(part if isinstance(part, TensorType) else TensorType.from_json(part, 0) for part in listed)
    if not types:
        raise SettingError(f"{kind}: outputs must list at least one type")
    return types


def _whole(operands: Sequence[TensorType | None]) -> tuple[Reads | None, ...]:
    """Every operand is read everywhere."""
    return tuple(None if x is None else (EVERYTHING,) * x.rank for x in operands)


@dataclass(frozen=True, eq=False)
class Constant(Operator):
    """A weight or a constant that is used as it is: an output of the network, or what a loop starts from.

    Shapes: none → the operand's own.
    """

    def infer(self, *operands: TensorType | None) -> tuple[TensorType, ...]:
        return tuple(x for x in operands if x is not None)

    def effort(self, *operands: TensorType | None) -> Operations | None:
        return NONE

    def kept(self, *operands: TensorType | None) -> Saved | None:
        return NOTHING_SAVED

    def reads(self, output: int, *operands: TensorType | None) -> tuple[Reads | None, ...]:
        return (None,) * len(operands)

    @classmethod
    def examples(cls) -> Sequence[Example]:
        made = cls("Constant", slots=("value",), parameters={"value": WeightType((3, 4))})
        return [Example(made, (), (TensorType((3, 4)),))]


@dataclass(frozen=True, eq=False)
class Undescribed(Operator):
    """An operator that nobody described: its outputs are as its source states them, its cost is unknown.

    Every total that contains it says "at least"; it is assumed to read everything.

    Shapes: as `outputs` states.
    """

    outputs: Any

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "outputs", _types(self.outputs, self.kind))

    def infer(self, *operands: TensorType | None) -> tuple[TensorType, ...]:
        return self.outputs

    def products(self, *operands: TensorType | None) -> Size | None:
        return None

    def effort(self, *operands: TensorType | None) -> Operations | None:
        return None

    def kept(self, *operands: TensorType | None) -> Saved | None:
        return None

    def reads(self, output: int, *operands: TensorType | None) -> tuple[Reads | None, ...]:
        return _whole(operands)

    @classmethod
    def examples(cls) -> Sequence[Example]:
        out = TensorType((2, 8))
        return [Example(cls("Mystery", (out,)), (TensorType((2, 5)),), (out,))]


@dataclass(frozen=True, eq=False)
class Control(Operator):
    """Where data enter or leave the body of a loop or a condition. The nodes of the body count for themselves.

    `known` is false where nobody can say which branch runs, or how often: then the totals say "at least".

    Shapes: as `outputs` states.
    """

    outputs: Any
    known: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "outputs", _types(self.outputs, self.kind))

    def infer(self, *operands: TensorType | None) -> tuple[TensorType, ...]:
        return self.outputs

    def products(self, *operands: TensorType | None) -> Size | None:
        return 0 if self.known else None

    def effort(self, *operands: TensorType | None) -> Operations | None:
        return NONE if self.known else None

    def kept(self, *operands: TensorType | None) -> Saved | None:
        return None

    def held(self, *operands: TensorType | None) -> Size | None:
        return 0  # the nodes of the body have their own

    def reads(self, output: int, *operands: TensorType | None) -> tuple[Reads | None, ...]:
        return _whole(operands)

    @classmethod
    def examples(cls) -> Sequence[Example]:
        out = TensorType((2, 5))
        return [Example(cls("If", (out,), slots=(None, None, None)), (TensorType((), "bool"), out, out), (out,))]


@dataclass(frozen=True, eq=False)
class TensorInput(Layer):
    """An input of the network with any sizes, the first one too: a number without axes, or a tensor without elements.

    Shapes: none → as `type` states.
    """

    type: Any

    executable = False
    law = "as its source states"
    channel_axis: ClassVar[int] = -1

    def __post_init__(self) -> None:
        if not isinstance(self.type, TensorType):
            object.__setattr__(self, "type", TensorType.from_json(self.type, 0))

    @property
    def kind(self) -> str:
        return "InputLayer"

    def out(self, *types: TensorType) -> tuple[TensorType, ...]:
        return (self.type,)

    def operations(self, *types: TensorType) -> Operations | None:
        return NONE

    def saved(self, *types: TensorType) -> Saved | None:
        return NOTHING_SAVED

    def reach(self, output: int, *types: TensorType) -> tuple[Reads | None, ...]:
        return ()

    @classmethod
    def examples(cls) -> Sequence[Example]:
        return [Example(cls(TensorType((), "int64")), (), (TensorType((), "int64"),))]

    spellings = {"keras": Spelling(""), "torch": Spelling(""), "onnx": Spelling("")}
