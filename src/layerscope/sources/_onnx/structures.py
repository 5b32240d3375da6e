"""What an ONNX file says, as plain data: only what a trace needs."""

from __future__ import annotations

from math import prod
from typing import Any

from layerscope.core.dataclasses import dataclass, field

DTYPES = {
    1: "float32", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64", 8: "string", 9: "bool",
    10: "float16", 11: "float64", 12: "uint32", 13: "uint64", 14: "complex64", 15: "complex128", 16: "bfloat16",
    17: "float8_e4m3fn", 18: "float8_e4m3fnuz", 19: "float8_e5m2", 20: "float8_e5m2fnuz", 21: "uint4", 22: "int4",
    23: "float4_e2m1", 24: "float8_e8m0", 25: "uint2", 26: "int2", 27: "float6_e2m3", 28: "float6_e3m2",
}  # fmt: skip
"""TensorProto.DataType."""

Dim = int | str | None
"""A size that the file states: a number, a name, or nothing."""


@dataclass(frozen=True)
class Tensor:
    """A tensor without its payload. `numbers` are the elements of a small one, in row-major order.

    Whole numbers of at most 1,024 elements are read, floating ones of at most 64.
    """

    name: str
    dims: tuple[int, ...]
    dtype: str
    numbers: tuple[int | float, ...] | None = None

    @property
    def size(self) -> int:
        return prod(self.dims)


@dataclass(frozen=True)
class TypeInfo:
    """The type of a value: "tensor" (dims None: unknown rank), "sequence", "optional", "map", "sparse", "opaque"."""

    form: str = "tensor"
    dtype: str = ""
    dims: tuple[Dim, ...] | None = None
    inner: TypeInfo | None = None


@dataclass(frozen=True)
class Reference:
    """An attribute in the body of a function, which the caller gives."""

    name: str


@dataclass(frozen=True)
class Node:
    """One node. Attributes are numbers, texts, tensors, graphs, types, or tuples of these."""

    op: str
    domain: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any]
    overload: str = ""
    scopes: tuple[str, ...] = ()
    """The paths of the modules around it, as PyTorch writes them, outermost first."""


@dataclass(frozen=True)
class GraphInfo:
    """A graph: nodes, initializers, and what it states of its values."""

    name: str = ""
    nodes: tuple[Node, ...] = ()
    initializers: tuple[Tensor, ...] = ()
    inputs: tuple[tuple[str, TypeInfo | None], ...] = ()
    outputs: tuple[tuple[str, TypeInfo | None], ...] = ()
    stated: dict[str, TypeInfo] = field(default_factory=dict[str, TypeInfo])


@dataclass(frozen=True)
class Function:
    """A function of the model: nodes between named inputs and outputs; `defaults` of its attributes."""

    name: str
    domain: str
    overload: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: tuple[str, ...]
    defaults: dict[str, Any]
    nodes: tuple[Node, ...]
    opsets: dict[str, int]
    stated: dict[str, TypeInfo] = field(default_factory=dict[str, TypeInfo])


@dataclass(frozen=True)
class ModelInfo:
    """A whole file."""

    ir_version: int
    producer: str
    opsets: dict[str, int]
    graph: GraphInfo
    functions: dict[tuple[str, str, str], Function]
