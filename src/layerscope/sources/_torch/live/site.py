"""One call of a function of PyTorch as its rule sees it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from layerscope.core.errors import SourceError
from layerscope.core.types import TensorType, show
from layerscope.operators._operator import Operator
from layerscope.sources._asked import dtype_name
from layerscope.sources._followed import slotted
from layerscope.sources._torch.live.values import Record, Value

if TYPE_CHECKING:
    from layerscope.sources._torch.live.capture import Capture


class Refused(SourceError):
    """Why a rule cannot describe a call; then what the function itself calls is described."""


def type_of(tensor: Any) -> TensorType:
    """Sizes and dtype of a tensor."""
    return TensorType(tuple(map(int, tensor.shape)), dtype_name(tensor.dtype))


class Site:
    """A call: its name, what it made, and the way to say which operator that is."""

    def __init__(self, capture: Capture, name: str, made: Sequence[Any], python: bool = False) -> None:
        self.capture, self.name, self.made = capture, name, made
        self.start = len(capture.records)
        """How many records there were before it."""
        self.python = python
        """Whether the function is in Python: some of torch.nn.functional take arguments in another order."""

    @property
    def types(self) -> list[TensorType]:
        """Those of all tensors that it made."""
        return [type_of(tensor) for tensor in self.made]

    @property
    def out(self) -> TensorType:
        """The type of the first one."""
        return type_of(self.made[0])

    def value(self, tensor: Any) -> Value:
        """What a tensor, or a value made here, stands for."""
        return tensor if isinstance(tensor, Value) else self.capture.value(tensor)

    def emit(
        self, cls: type[Operator], type_name: str, operands: Sequence[Any], *settings: Any, called: str = "",
        **told: Any,
    ) -> tuple[Value, ...]:  # fmt: skip
        """The outputs of an operator that is put to these operands (None: left out)."""
        values = [None if one is None else self.value(one) for one in operands]
        found = slotted(values)
        called = called or self.name
        layer = cls(type_name, *settings, **found.settings, called="" if called == type_name else called, **told)
        pairs = [(v, t) for v, t in zip(values, operands, strict=True) if v is not None and v.record is not None]
        fed = tuple(value for value, _ in pairs)
        types = layer.out(*(value.type for value in fed))
        tensors = [None if isinstance(tensor, Value) else tensor for _, tensor in pairs]
        record = self.capture.record(layer, fed, types, found.ids, self.name, tensors)
        return tuple(Value(kind, record, number) for number, kind in enumerate(types))

    def fits(self, values: Sequence[Value]) -> None:
        """Refused where an operator's outputs are not those that PyTorch made."""
        for number, (value, tensor) in enumerate(zip(values, self.made, strict=False)):
            if value.type.shape != tuple(tensor.shape) or value.type.dtype != dtype_name(tensor.dtype):
                raise Refused(
                    f"output {number} of {self.name} is {show(tuple(tensor.shape))} {dtype_name(tensor.dtype)}, not "
                    f"{value.type} {value.type.dtype}"
                )


__all__ = ["Record", "Refused", "Site", "Value", "type_of"]
