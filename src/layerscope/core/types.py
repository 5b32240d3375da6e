"""The type of a tensor: its shape and what its elements are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from math import prod
from typing import Any, cast

from layerscope.core import sizes
from layerscope.core.dataclasses import dataclass, replace
from layerscope.core.errors import SettingError, SizeError
from layerscope.core.sizes import Size

BATCH = "batch"
BITS = {
    "float32": 32,
    "float64": 64,
    "float16": 16,
    "bfloat16": 16,
    "int32": 32,
    "int64": 64,
    "uint8": 8,
    "bool": 8,
    "int8": 8,
    "int16": 16,
    "uint16": 16,
    "uint32": 32,
    "uint64": 64,
    "complex64": 64,
    "complex128": 128,
    "float8_e4m3fn": 8,
    "float8_e4m3fnuz": 8,
    "float8_e5m2": 8,
    "float8_e5m2fnuz": 8,
    "float8_e8m0": 8,
    "int4": 4,
    "uint4": 4,
    "int2": 2,
    "uint2": 2,
    "float4_e2m1": 4,
    "float6_e2m3": 6,
    "float6_e3m2": 6,
    "string": 0,
}
"""Bits of an element; narrow ones are packed. Characters of strings are not counted."""

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

    @cached_property
    def elements(self) -> Size:
        return sizes.product(self.shape)

    @cached_property
    def bytes(self) -> Size:
        """Memory of all elements, rounded up to whole bytes; an unknown dtype counts as 4 bytes an element."""
        bits = BITS.get(self.dtype, 32)
        return self.elements * (bits // 8) if bits % 8 == 0 else sizes.ceil_div(self.elements * bits, 8)

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
    def from_json(data: object, least: int = 1) -> TensorType:
        fields: Mapping[str, Any] = cast(Mapping[str, Any], data) if isinstance(data, dict) else {}
        dtype = str(fields.get("dtype", "float32"))
        if not isinstance(fields.get("shape"), list) or not isinstance(fields.get("plane"), list | None):
            raise SizeError(f"not a tensor type: {data!r}")
        if dtype not in BITS:
            raise SettingError(f"unknown dtype {dtype!r}; known: {', '.join(BITS)}")
        shape = tuple(sizes.from_json(s) for s in fields["shape"])
        for size in shape:
            if sizes.upper_bound(size) < least:
                raise SizeError(f"a size must be at least {least}, not {size} in {show(shape)}")
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
        return prod(self.shape)

    def to_json(self) -> dict[str, object]:
        """Shape, dtype and whether it is trained; not the initializer."""
        return {"shape": list(self.shape), "dtype": self.dtype, "trainable": self.trainable}


def per_example(size: Size) -> Size:
    """A size with an open batch taken as one example."""
    return size if isinstance(size, int) else sizes.bind(size, {BATCH: 1})


def example(type: TensorType) -> TensorType:
    """A type with an open batch taken as one example."""
    return type if all(isinstance(size, int) for size in type.shape) else type.bind({BATCH: 1})


def show(shape: tuple[object, ...]) -> str:
    """A shape as Python writes it: (batch, 28, 28, 1)."""
    return f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"
