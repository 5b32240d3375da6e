from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

from layerscope.core import sizes
from layerscope.core.contract import Example, Layer, Spelling
from layerscope.core.costs import Operations, Saved
from layerscope.core.dataclasses import dataclass, replace
from layerscope.core.errors import SettingError, ShapeError
from layerscope.core.reach import EVERYTHING, Reads, Relation
from layerscope.core.sizes import Size
from layerscope.core.types import TensorType, WeightType
from layerscope.layers import _recurrent, _wrapper

MODES = ("concat", "sum", "mul", "ave", None)


@dataclass(frozen=True, eq=False)
class Bidirectional(Layer):
    """A recurrent layer twice: once along time, once against it with weights of its own, and both outputs merged.

    `merge_mode`: "concat" puts the features side by side, "sum", "mul" and "ave" combine them element by element,
    None gives two outputs. The second layer is `layer` with `go_backwards` turned, or `backward_layer`. Its sequence
    is turned round, so that both outputs at t belong to the same step. Further inputs are the initial states, the
    first half of them the forward layer's.

    Shapes: (batch, time, features) → (batch, [time,] 2·units), or units; behind it, with return_state, the states of
    both. Weights: those of both, as forward/kernel, ..., backward/kernel, ...
    MACs: the sum of both. Other operations: theirs and, an element, one for "sum" and "mul", two for "ave".
    Kept for the backward pass: what both keep; both outputs as well for "mul".
    Errors: SettingError for another merge_mode, a layer that is not recurrent, or two of the same direction.
    Source: Schuster & Paliwal, "Bidirectional recurrent neural networks" (1997).
    """

    layer: Any
    merge_mode: str | None = "concat"
    backward_layer: Any = None

    executable = False
    law = "(batch, time, features) → (batch, [time,] 2·units), or units"

    def __post_init__(self) -> None:
        if self.merge_mode not in MODES:
            raise SettingError(
                f"{self.kind}: merge_mode must be one of {', '.join(map(repr, MODES))}, not {self.merge_mode!r}"
            )
        for part in (self.layer, self.backward_layer):
            if part is not None and not isinstance(part, _recurrent.Repeated):
                shown = getattr(part, "kind", None) or repr(part)
                raise SettingError(f"{self.kind}: takes a recurrent layer such as LSTM or GRU, not {shown}")
        if self.layer is None:
            raise SettingError(f"{self.kind}: takes a recurrent layer such as LSTM or GRU, not None")
        back = self.backward_layer
        if back is None:
            return
        if back.go_backwards == self.layer.go_backwards:
            raise SettingError(
                f"{self.kind}: layer and backward_layer both have go_backwards={back.go_backwards}; one must differ"
            )
        for name in ("stateful", "return_sequences", "return_state"):
            mine, other = getattr(self.layer, name), getattr(back, name)
            if mine != other:
                raise SettingError(f"{self.kind}: layer has {name}={mine}, but backward_layer has {name}={other}")

    @property
    def backward(self) -> Any:
        """The layer of the other direction."""
        if self.backward_layer is not None:
            return self.backward_layer
        return replace(self.layer, go_backwards=not self.layer.go_backwards)

    def halves(self, types: Sequence[TensorType]) -> tuple[tuple[Layer, tuple[TensorType, ...]], ...]:
        """Both layers with the types of their inputs."""
        if not len(types) % 2:
            raise ShapeError(
                f"takes a sequence alone or with the initial states of both directions, but got {len(types)} inputs"
            )
        x, states = types[0], types[1:]
        middle = len(states) // 2
        return (self.layer, (x, *states[:middle])), (self.backward, (x, *states[middle:]))

    def _made(self, types: Sequence[TensorType]) -> list[tuple[TensorType, ...]]:
        return [_wrapper.answers(layer, *fed) for layer, fed in self.halves(types)]

    def out(self, *types: TensorType) -> tuple[TensorType, ...]:
        (one, *states), (other, *more) = self._made(types)
        states += more
        if self.merge_mode is None:
            return (one, other, *states)
        if self.merge_mode == "concat":
            return (replace(one, shape=(*one.shape[:-1], one.shape[-1] + other.shape[-1])), *states)
        if not all(sizes.equal(a, b) for a, b in zip(one.shape, other.shape, strict=True)):
            raise ShapeError(f"merge_mode={self.merge_mode!r} needs outputs of one shape, but got {one} and {other}")
        return (one, *states)

    def weight_types(self, *types: TensorType) -> dict[str, WeightType]:
        (forward, fed), (backward, back_fed) = self.halves(types)
        return _wrapper.prefixed("forward", forward.weight_types(*fed)) | _wrapper.prefixed(
            "backward", backward.weight_types(*back_fed)
        )

    def macs(self, *types: TensorType) -> Size | None:
        (forward, fed), (backward, back_fed) = self.halves(types)
        one, other = forward.macs(*fed), backward.macs(*back_fed)
        return None if one is None or other is None else one + other

    def operations(self, *types: TensorType) -> Operations | None:
        merging = {"sum": 1, "mul": 1, "ave": 2}.get(str(self.merge_mode), 0)
        total = Operations(pointwise=self.out(*types)[0].elements * merging)
        for layer, fed in self.halves(types):
            part = layer.operations(*fed)
            if part is None:
                return None
            total += part
        return total

    def saved(self, *types: TensorType) -> Saved | None:
        inputs: set[int] = set()
        outputs: tuple[int, ...] = ()
        extra: list[TensorType] = []
        half = (len(types) - 1) // 2
        for number, ((layer, fed), made) in enumerate(zip(self.halves(types), self._made(types), strict=True)):
            part = layer.saved(*fed)
            if part is None:
                return None
            inputs |= {n if n == 0 else n + number * half for n in part.inputs}
            extra += part.extra
            whole = 0 in part.outputs
            if self.merge_mode is None:
                outputs += (number,) if whole else ()
            elif self.merge_mode == "concat":  # the merged output holds both
                outputs = (0,) if whole else ()
            elif whole or self.merge_mode == "mul":
                extra.append(made[0])
        return Saved(tuple(sorted(inputs)), outputs, tuple(extra))

    def workspace(self, *types: TensorType) -> Size | None:
        """Both directions' results, which are merged, and what the second one has of its own."""
        (one, *_), (other, *_) = self._made(types)
        first, second = (layer.workspace(*fed) for layer, fed in self.halves(types))
        if first is None or second is None:
            return None
        if self.merge_mode is None:
            return sizes.maximum(first, second)
        return sizes.maximum(one.bytes + first, one.bytes + other.bytes + second)

    def reach(self, output: int, *types: TensorType) -> tuple[Reads | None, ...]:
        direction, number = self._source(output, types)
        forward, backward = (layer.reach(number, *fed) for layer, fed in self.halves(types))
        merged = direction is None and self.merge_mode == "concat"
        last = self.out(*types)[output].rank - 1
        first = tuple(
            EVERYTHING if one != other or (merged and isinstance(one, Relation) and one.axis == last) else one
            for one, other in zip(forward[0] or (), backward[0] or (), strict=True)
        )
        nothing = (None,) * (len(forward) - 1)
        return (first, *(nothing if direction == 1 else forward[1:]), *(nothing if direction == 0 else backward[1:]))

    def _source(self, output: int, types: Sequence[TensorType]) -> tuple[int | None, int]:
        """Which direction alone an output comes from (None: both), and which of its outputs it is there."""
        merged = 2 if self.merge_mode is None else 1
        if output < merged:
            return (output if merged == 2 else None), 0
        direction, number = divmod(output - merged, len(self._made(types)[0]) - 1)
        return direction, number + 1

    @classmethod
    def examples(cls) -> Sequence[Example]:
        layers = import_module("layerscope.layers")
        x, h, both = TensorType((2, 5, 3)), TensorType((2, 4)), TensorType((2, 5, 8))
        steps = layers.GRU(4, return_sequences=True, return_state=True)
        lstm = layers.LSTM(4, return_sequences=True)
        return [
            Example(cls(layers.LSTM(4, return_sequences=True)), (x,), (both,)),
            Example(cls(steps, merge_mode=None), (x, h, h), (TensorType((2, 5, 4)),) * 2 + (h, h)),
            Example(cls(layers.SimpleRNN(4), "mul", layers.GRU(4, go_backwards=True)), (x,), (h,)),
            Example(cls(lstm, "ave"), (x,), (TensorType((2, 5, 4)),)),
        ]

    spellings = {
        "keras": Spelling("Bidirectional"),
        "torch": Spelling(
            "torch.nn.LSTM", "bidirectional=True of LSTM, GRU, RNN: side by side, as merge_mode='concat'"
        ),
        "onnx": Spelling("LSTM", "direction='bidirectional' of LSTM, GRU, RNN"),
    }
