from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from layerscope.core.contract import Example, Layer, Spelling
from layerscope.core.dataclasses import dataclass
from layerscope.core.errors import SettingError
from layerscope.core.reach import EVERYTHING, Reads
from layerscope.core.sizes import Size, checked
from layerscope.core.types import TensorType, WeightType


@dataclass(frozen=True, eq=False)
class Opaque(Layer):
    """A layer that nobody described: the shapes that its source states, and nothing else.

    Its MACs are unknown, and its parameters where they are not stated, so every total that contains
    it says "at least"; it is assumed to read everything.

    Shapes: as `outputs` states.
    """

    type_name: str
    outputs: Any
    parameters: Any = None

    executable = False
    law = "as its source states"

    def __post_init__(self) -> None:
        types = [t if isinstance(t, TensorType) else TensorType.from_json(t) for t in self.outputs]
        if not types:
            raise SettingError("Opaque: outputs must list at least one type")
        object.__setattr__(self, "outputs", tuple(types))
        if self.parameters is not None:
            shapes: Mapping[str, Iterable[int]] = self.parameters
            known = {role: tuple(checked(n, f"Opaque: a size of {role}") for n in shapes[role]) for role in shapes}
            object.__setattr__(self, "parameters", known)

    @property
    def weights_known(self) -> bool:
        return self.parameters is not None

    @property
    def kind(self) -> str:
        return str(self.type_name)

    def out(self, *types: TensorType) -> tuple[TensorType, ...]:
        return self.outputs

    def weight_types(self, *types: TensorType) -> dict[str, WeightType]:
        known: Mapping[str, tuple[int, ...]] = self.parameters or {}
        return {role: WeightType(shape) for role, shape in known.items()}

    def macs(self, *types: TensorType) -> Size | None:
        return None

    def workspace(self, *types: TensorType) -> Size | None:
        return None

    def reach(self, output: int, *types: TensorType) -> tuple[Reads | None, ...]:
        return tuple((EVERYTHING,) * type.rank for type in types)

    @classmethod
    def examples(cls) -> Sequence[Example]:
        out = TensorType((2, 8))
        return [Example(cls("Mystery", (out,)), (TensorType((2, 5)),), (out,))]

    spellings = {"keras": Spelling(""), "torch": Spelling(""), "onnx": Spelling("")}
