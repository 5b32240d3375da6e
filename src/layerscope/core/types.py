"""The type of a tensor: its shape and what its elements are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from layerscope.core import sizes
from layerscope.core.errors import SettingError, SizeError
from layerscope.core.sizes import Size

BATCH = "batch"
BYTES = {
    "float32": 4,
    "float64": 8,
    "float16": 2,
    "bfloat16": 2,
    "int32": 4,
    "int64": 8,
    "uint8": 1,
    "bool": 1,
}

Shape = tuple[Size, ...]


@dataclass(frozen=True)
class TensorType:
    """Shape (in the source's own order of axes) and dtype of a tensor.

    `plane` is set on switches only: height and width of the plane into which they point.
    """

    shape: Shape
    dtype: str = "float32"
    plane: Shape | None = None

    @property
    def rank(self) -> int:
        return len(self.shape)

    @property
    def elements(self) -> Size:
        return sizes.product(self.shape)

    def with_shape(self, shape: Shape) -> TensorType:
        """The same dtype in another shape."""
        return TensorType(shape, self.dtype)

    def bind(self, values: Mapping[str, int]) -> TensorType:
        """The type with named sizes replaced by numbers."""
        plane = self.plane and tuple(sizes.bind(size, values) for size in self.plane)
        return replace(self, shape=tuple(sizes.bind(size, values) for size in self.shape), plane=plane)

    def __str__(self) -> str:
        return show(self.shape)

    def to_json(self) -> dict[str, object]:
        data: dict[str, object] = {"shape": [sizes.to_json(s) for s in self.shape], "dtype": self.dtype}
        if self.plane is not None:
            data["plane"] = [sizes.to_json(s) for s in self.plane]
        return data

    @staticmethod
    def from_json(data: object) -> TensorType:
        fields: Mapping[str, Any] = cast(Mapping[str, Any], data) if isinstance(data, dict) else {}
        dtype = str(fields.get("dtype", "float32"))
        if not isinstance(fields.get("shape"), list) or not isinstance(fields.get("plane"), list | None):
            raise SizeError(f"not a tensor type: {data!r}")
        if dtype not in BYTES:
            raise SettingError(f"unknown dtype {dtype!r}; known: {', '.join(BYTES)}")
        shape = tuple(sizes.from_json(s) for s in fields["shape"])
        for size in shape:
            if sizes.upper_bound(size) < 1:
                raise SizeError(f"a size must be at least 1, not {size} in {show(shape)}")
        plane: Sequence[object] | None = fields.get("plane")
        return TensorType(shape, dtype, None if plane is None else tuple(sizes.from_json(s) for s in plane))


@dataclass(frozen=True)
class WeightType:
    """Shape and role of one weight of a layer; `initializer` is a name or an initializer object."""

    shape: tuple[int, ...]
    initializer: object = "zeros"
    trainable: bool = True
    dtype: str = "float32"

    @property
    def size(self) -> int:
        total = 1
        for n in self.shape:
            total *= n
        return total


def show(shape: tuple[object, ...]) -> str:
    """A shape as Python writes it: (batch, 28, 28, 1)."""
    return f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"
