"""LSTMs whose products are convolutions, in any number of spatial dimensions."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from layerscope.core import sizes
from layerscope.core.costs import Operations, Saved
from layerscope.core.dataclasses import dataclass
from layerscope.core.errors import SettingError, ShapeError
from layerscope.core.reach import EVERYTHING, Everything, Reads, Relation, Window
from layerscope.core.sizes import Size
from layerscope.core.types import TensorType, WeightType, show
from layerscope.layers import _activation, _checks
from layerscope.layers._penalties import OfSteps
from layerscope.layers._recurrent import Repeated, gate_function
from layerscope.layers._spatial import AXES, Placement, floating, padding_name, per_axis, place


@dataclass(frozen=True, eq=False)
class ConvLSTM(Repeated, OfSteps):
    """Settings, sizes, costs and reach of all of them."""

    rank: ClassVar[int]
    filters: Any
    kernel_size: Any
    strides: Any = 1
    padding: str = "valid"
    data_format: str | None = None
    dilation_rate: Any = 1
    activation: str | None = "tanh"
    recurrent_activation: str | None = "sigmoid"
    use_bias: bool = True
    kernel_initializer: Any = "glorot_uniform"
    recurrent_initializer: Any = "orthogonal"
    bias_initializer: Any = "zeros"
    unit_forget_bias: bool = True
    dropout: float = 0.0
    recurrent_dropout: float = 0.0
    seed: Any = None
    return_sequences: bool = False
    return_state: bool = False
    go_backwards: bool = False
    stateful: bool = False

    def __post_init__(self) -> None:
        def put(name: str, value: object) -> None:
            object.__setattr__(self, name, value)

        put("filters", sizes.checked(self.filters, f"{self.kind}: filters"))
        for name in ("kernel_size", "strides", "dilation_rate"):
            put(name, per_axis(getattr(self, name), self.rank, f"{self.kind}: {name}"))
        put("padding", padding_name(self.padding, f"{self.kind}: padding"))
        for name in ("activation", "recurrent_activation"):
            put(name, gate_function(getattr(self, name), f"{self.kind}: {name}", self.kind))
        for name in ("dropout", "recurrent_dropout"):
            put(name, _checks.rate(getattr(self, name), f"{self.kind}: {name}"))
        _checks.data_format(self)
        _checks.of_training(self)
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise SettingError(
                f"{self.kind}: strides {show(self.strides)} and dilation_rate {show(self.dilation_rate)} "
                "cannot both be above 1"
            )

    @property
    def first(self) -> bool:
        """Whether channels come before the positions."""
        return self.data_format == "channels_first"

    @property
    def positions(self) -> tuple[int, ...]:
        """The axes of the input that have positions."""
        start = 3 if self.first else 2
        return tuple(range(start, start + self.rank))

    def channels(self, x: TensorType) -> int:
        """The number of input channels."""
        size = x.shape[2 if self.first else -1]
        if not isinstance(size, int):
            raise ShapeError(f"needs to know the number of channels, but got {x}")
        return size

    def placements(self, x: TensorType) -> tuple[Placement, ...]:
        """Size and pads of the convolution of the input, along each spatial axis."""
        spans = [d * (k - 1) + 1 for k, d in zip(self.kernel_size, self.dilation_rate, strict=True)]
        along = zip(self.positions, spans, self.strides, AXES[self.rank], strict=True)
        return tuple(place(x.shape[axis], k, s, self.padding, name) for axis, k, s, name in along)

    def state(self, x: TensorType) -> TensorType:
        """The type of the output of one step."""
        middle = [p.out for p in self.placements(x)]
        inner = [self.filters, *middle] if self.first else [*middle, self.filters]
        return TensorType((x.shape[0], *inner), floating(x))

    def out(self, *types: TensorType) -> tuple[TensorType, ...]:
        if len(types) not in (1, 3):
            raise ShapeError(f"takes a sequence alone or with its 2 initial states, but got {len(types)} inputs")
        x = types[0]
        if x.rank != self.rank + 3:
            inner = ("channels", *AXES[self.rank]) if self.first else (*AXES[self.rank], "channels")
            axes = ", ".join(("batch", "time", *inner))
            raise ShapeError(f"needs an input of {self.rank + 3} axes ({axes}), but got {x.rank}: {x}")
        if self.stateful and not isinstance(x.shape[0], int):
            raise ShapeError(
                f"stateful=True needs a fixed batch size, but it is open: {x}. Give the Input batch_size."
            )
        state = self.state(x)
        for number, given in enumerate(types[1:], 1):
            if given.rank != state.rank or not all(map(sizes.equal, given.shape, state.shape)):
                raise ShapeError(f"initial state {number} must be {state}, but is {given}")
        y = TensorType((x.shape[0], x.shape[1], *state.shape[1:]), state.dtype) if self.return_sequences else state
        return (y, state, state) if self.return_state else (y,)

    def weight_types(self, *types: TensorType) -> dict[str, WeightType]:
        width, given = 4 * self.filters, self.channels(types[0])
        found = {
            "kernel": WeightType((*self.kernel_size, given, width), self.kernel_initializer),
            "recurrent_kernel": WeightType((*self.kernel_size, self.filters, width), self.recurrent_initializer),
        }
        return found | ({"bias": WeightType((width,), self.bias_initializer)} if self.use_bias else {})

    def macs(self, *types: TensorType) -> Size | None:
        x = types[0]
        each = math.prod(self.kernel_size) * (self.channels(x) + self.filters) * 4
        return self.state(x).elements * x.shape[1] * each

    def operations(self, *types: TensorType) -> Operations | None:
        outputs = self.state(types[0]).elements * types[0].shape[1]
        names = (self.recurrent_activation,) * 3 + (self.activation,) * 2
        used = sum(name not in (None, "linear") for name in names)
        return Operations(bias=outputs * 4 if self.use_bias else 0, pointwise=outputs * (used + 8))

    def saved(self, *types: TensorType) -> Saved | None:
        """As of an LSTM: all steps' outputs, gates, cell states and their activations."""
        x, state = types[0], self.state(types[0])
        names = (self.recurrent_activation,) * 3 + (self.activation,)
        arguments = sum(n not in (None, "linear") and n not in _activation.BY_OUTPUT for n in names)
        copies = 5 + (self.activation not in (None, "linear")) + arguments
        each = [(copies, state)]
        if not self.return_sequences:
            each.append((1, state))
        if self.dropout:
            each.append((4, TensorType((x.shape[0], *x.shape[2:]), state.dtype)))
        if self.recurrent_dropout:
            each.append((4, state))
        extra = [TensorType((t.shape[0], x.shape[1], count, *t.shape[1:]), t.dtype) for count, t in each]
        masks = ((self.dropout, TensorType((x.shape[0], *x.shape[2:]))), (self.recurrent_dropout, state))
        extra += [TensorType((4, *t.shape), "bool") for share, t in masks if share]
        inputs = (*(() if self.dropout else (0,)), *range(1, len(types)))
        return Saved(inputs, (0,) if self.return_sequences else (), tuple(extra))

    def workspace(self, *types: TensorType) -> Size | None:
        """Of one step: two states before it, four gates, two states behind it."""
        return self.state(types[0]).bytes * 8

    def reach(self, output: int, *types: TensorType) -> tuple[Reads | None, ...]:
        """Along space the hull over all steps: each earlier step is seen through one more recurrent convolution."""
        x, time = types[0], types[0].shape[1]
        behind = 1 if self.return_sequences and output == 0 else 0  # the output has the time axis too
        middle: list[Relation | Everything] = []
        states: list[Relation | Everything] = []
        rows = zip(
            self.positions, self.kernel_size, self.strides, self.dilation_rate, self.placements(x), strict=True
        )
        for axis, k, s, d, p in rows:
            if not isinstance(time, int):
                middle.append(EVERYTHING)
                states.append(EVERYTHING)
                continue
            more, out = time - 1, axis - 1 + behind
            before = p.pads[0] + more * ((k - 1) // 2) * s
            span = more * (k - 1) * s + d * (k - 1) + 1
            middle.append(Window(out, s, k if not more else span, before, d if not more else 1))
            states.append(Window(out, 1, time * (k - 1) + 1, time * ((k - 1) // 2)))
        inner = (EVERYTHING, *middle) if self.first else (*middle, EVERYTHING)
        later = (EVERYTHING, *states) if self.first else (*states, EVERYTHING)
        found: list[Reads] = [(Window(0), EVERYTHING, *inner), *(((Window(0), *later),) * (len(types) - 1))]
        rank = self.state(x).rank + behind
        for name in (self.activation, self.recurrent_activation):
            found = [_activation.reach(name, reads, rank) for reads in found]
        return tuple(found)
