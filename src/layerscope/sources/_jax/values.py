"""What the variables of a jaxpr stand for, and what stands in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from layerscope.core.contract import Layer
from layerscope.core.dataclasses import dataclass, field
from layerscope.core.sizes import Size
from layerscope.core.types import TensorType
from layerscope.sources import _followed
from layerscope.sources._followed import Weight


@dataclass(frozen=True)
class Place:
    """Where an equation stands: its scope, the class of the innermost module and whether that is a library's.

    `module` is the scope of that module; a scope that somebody named inside of it is longer.
    """

    scope: tuple[str, ...] = ()
    module: tuple[str, ...] = ()
    kind: str = ""
    own: bool = False


@dataclass(frozen=True)
class Call:
    """One call of a library's function: its number, its name and whether the name is one that it is called by."""

    number: int
    name: str = ""


@dataclass(eq=False)
class Value(_followed.Value["Record"]):
    """A tensor of a jaxpr; of a constant what gives its numbers, where these can be had (numbers.py)."""

    numbers: Callable[[], Any] | None = None


@dataclass(eq=False)
class Record:
    """An operator put to values; its slots are filled when it becomes a node of the graph."""

    layer: Layer
    inputs: tuple[Value, ...]
    name: str
    place: Place = field(default_factory=Place)
    call: Call | None = None
    unit: Call | None = None
    """The innermost function that is known by its name, such as softmax."""
    times: Size | None = 1
    outputs: tuple[Value, ...] = ()

    def made(self, types: Any) -> tuple[Value, ...]:
        """Its outputs, of these types."""
        self.outputs = tuple(Value(kind, self, number) for number, kind in enumerate(types))
        return self.outputs


def type_of(aval: Any) -> TensorType:
    """Sizes and dtype of an abstract value; keys of random numbers have the dtype of their bits."""
    dtype = str(getattr(aval, "dtype", "uint8"))
    return TensorType(tuple(map(int, getattr(aval, "shape", ()))), "uint32" if dtype.startswith("key<") else dtype)


__all__ = ["Call", "Place", "Record", "Value", "Weight", "type_of"]
