"""What tensors stand for while a module is followed: results of layers, weights, constants."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from layerscope.core.contract import Layer
from layerscope.core.dataclasses import dataclass, field
from layerscope.core.types import TensorType
from layerscope.sources import _followed
from layerscope.sources._followed import Weight


@dataclass(eq=False)
class Place:
    """One call of a module: its path; its scope, in which a module that is called again has the number of the call;
    its class, and whether that is one of PyTorch's.
    """

    path: str = ""
    scope: tuple[str, ...] = ()
    kind: str = ""
    own: bool = False
    inner: bool = False
    """Whether it called modules itself."""
    visits: dict[str, int] = field(default_factory=dict[str, int])
    """How often it called each, by path."""

    def enter(self, path: str, kind: str, own: bool) -> Place:
        """The place of a module that is called here."""
        self.inner = True
        self.visits[path] = visit = self.visits.get(path, 0) + 1
        under = path.startswith(f"{self.path}.") if self.path else True
        parts = path.removeprefix(f"{self.path}.").split(".") if under and path else path.split(".") if path else []
        if parts and visit > 1:
            parts[-1] += f"#{visit}"
        return Place(path, (*(self.scope if under else ()), *parts), kind, own)


@dataclass(eq=False)
class Record:
    """A layer put to values: a node of the graph, if an output depends on it."""

    layer: Layer
    inputs: tuple[Value, ...]
    types: tuple[TensorType, ...]
    weights: dict[str, str]
    place: Place
    name: str
    number: int
    tensors: Sequence[Any] = ()
    """What was handed in, in the order of the inputs; None for what no function of PyTorch made."""


@dataclass(eq=False)
class Value(_followed.Value[Record]):
    """A tensor of a call."""

    written: tuple[Value, Value] | None = None
    """What it was, and what was written over a part of it since; neither is a layer of its own before it is read."""


__all__ = ["Place", "Record", "Value", "Weight"]
