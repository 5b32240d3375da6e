"""Functions that move, repeat or pick numbers and compute nothing, where the source states the output's shape."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, cast

from layerscope.core.contract import Example
from layerscope.core.costs import NONE, NOTHING_SAVED, Operations, Saved
from layerscope.core.dataclasses import dataclass
from layerscope.core.errors import SettingError
from layerscope.core.reach import Reads
from layerscope.core.types import TensorType
from layerscope.operators._axes import whole
from layerscope.operators._operator import Operator


@dataclass(frozen=True, eq=False)
class Moved(Operator):
    """Numbers of the inputs in another order or place: a transpose, a slice, a split, a repetition.

    `outputs` are as the source states them; which number goes where is not followed, so everything is read.
    `view` says that the output shares the first input's memory, as that of a reshape.
    Units: it computes nothing.
    Errors: SettingError when there are no outputs.
    Source: keras.ops, such as Transpose, GetItem, Split.
    """

    outputs: Any = ()
    view: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        listed = cast(Iterable[Any], self.outputs)
        types = tuple(part if isinstance(part, TensorType) else TensorType.from_json(part) for part in listed)
        if not types:
            raise SettingError(f"{self.kind}: outputs must list at least one type")
        object.__setattr__(self, "outputs", types)

    def infer(self, *operands: TensorType | None) -> tuple[TensorType, ...]:
        return cast(tuple[TensorType, ...], self.outputs)

    def effort(self, *operands: TensorType | None) -> Operations | None:
        return NONE

    def viewed(self, *types: TensorType) -> int | None:
        return 0 if self.view and types else None

    def kept(self, *operands: TensorType | None) -> Saved | None:
        return NOTHING_SAVED

    def reads(self, output: int, *operands: TensorType | None) -> tuple[Reads | None, ...]:
        return tuple(None if one is None else whole(one) for one in operands)

    @classmethod
    def examples(cls) -> Sequence[Example]:
        x, turned = TensorType((2, 3, 4)), TensorType((2, 4, 3))
        return [
            Example(cls("Transpose", (turned,)), (x,), (turned,)),
            Example(
                cls("Split", (TensorType((2, 3, 1)), TensorType((2, 3, 3)))),
                (x,),
                (TensorType((2, 3, 1)), TensorType((2, 3, 3))),
            ),
        ]
