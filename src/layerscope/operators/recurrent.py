"""Recurrent networks over whole sequences: RNN, LSTM and GRU."""

from __future__ import annotations

from collections.abc import Sequence

from layerscope.core import sizes
from layerscope.core.contract import Example
from layerscope.core.costs import Operations, Saved
from layerscope.core.dataclasses import dataclass
from layerscope.core.errors import SettingError
from layerscope.core.reach import EVERYTHING, Reads, Window
from layerscope.core.sizes import Size
from layerscope.core.types import TensorType, WeightType
from layerscope.operators._axes import fits, known, needed, optional, rank_of, whole
from layerscope.operators._operator import Operator

DIRECTIONS = ("forward", "reverse", "bidirectional")


@dataclass(frozen=True)
class Cell:
    """One step of a cell: `gates` products; functions, additions and products of a unit; numbers kept of it."""

    gates: int
    functions: int
    arithmetic: int
    kept: int
    states: int = 1


CELLS = {"RNN": Cell(1, 1, 1, 0), "LSTM": Cell(4, 5, 8, 6, 2), "GRU": Cell(3, 3, 8, 4)}
"""RNN: f(x·W + h·R). LSTM: 4 sums, f⊙c + i⊙g, o⊙tanh(c). GRU: 3 sums, r⊙h, z⊙h + (1 - z)⊙g."""


@dataclass(frozen=True, eq=False)
class Recurrent(Operator):
    """A cell that is put to each step of a sequence, in one direction or both (RNN, LSTM, GRU).

    Operands are X, W, R, B, sequence_lens, initial_h, initial_c and P (peepholes of an LSTM). `layout` 0 has steps
    first, 1 the batch.
    Shapes: X (steps, batch, features), W (directions, gates·H, features), R (directions, gates·H, H),
    B (directions, 2·gates·H) → Y (steps, directions, batch, H), Y_h and Y_c (directions, batch, H).
    MACs: steps × batch × directions × gates·H × (features + H), all steps counted, those beyond a sequence's end too.
    Units: B holds two biases, and each is counted; functions of gates and sums are pointwise.
    Errors: ShapeError where the operands' sizes do not fit.
    Source: Hochreiter & Schmidhuber (1997); Cho et al. (2014); ONNX operators RNN, LSTM, GRU.
    """

    hidden_size: int = 1
    direction: str = "forward"
    layout: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        sizes.checked(self.hidden_size, f"{self.kind}: hidden_size")
        if self.direction not in DIRECTIONS:
            raise SettingError(
                f"{self.kind}: direction must be one of {', '.join(DIRECTIONS)}, not {self.direction!r}"
            )
        if self.type_name not in CELLS:
            raise SettingError(f"a recurrent operator is one of {', '.join(CELLS)}, not {self.type_name!r}")

    @property
    def _directions(self) -> int:
        return 2 if self.direction == "bidirectional" else 1

    def _sequence(self, operands: Sequence[TensorType | None]) -> tuple[Size, Size, Size]:
        """Steps, batch and features."""
        x, cell = needed(operands, 0, "X"), CELLS[self.type_name]
        rank_of(x, 3, "X", 3)
        steps, batch, features = x.shape if self.layout == 0 else (x.shape[1], x.shape[0], x.shape[2])
        rows = cell.gates * self.hidden_size
        for number, what, shape in (
            (1, "W", (self._directions, rows, features)),
            (2, "R", (self._directions, rows, self.hidden_size)),
            (3, "B", (self._directions, 2 * rows)),
        ):
            one = optional(operands, number) if what == "B" else needed(operands, number, what)
            if one is not None:
                rank_of(one, len(shape), what, len(shape))
                for axis, (a, b) in enumerate(zip(one.shape, shape, strict=True)):
                    fits(a, b, f"the size of axis {axis} of {what}", "what hidden_size, direction and X ask for")
        return steps, batch, features

    def infer(self, *operands: TensorType | None) -> tuple[TensorType, ...]:
        (steps, batch, _), many, hidden = self._sequence(operands), self._directions, self.hidden_size
        dtype = needed(operands, 0, "X").dtype
        if self.layout == 0:
            whole_, last = (steps, many, batch, hidden), (many, batch, hidden)
        else:
            whole_, last = (batch, steps, many, hidden), (batch, many, hidden)
        states = (TensorType(last, dtype),) * CELLS[self.type_name].states
        return (TensorType(whole_, dtype), *states)

    def products(self, *operands: TensorType | None) -> Size | None:
        steps, batch, features = self._sequence(operands)
        rows = CELLS[self.type_name].gates * self.hidden_size * self._directions
        return steps * batch * rows * (features + self.hidden_size)

    def effort(self, *operands: TensorType | None) -> Operations | None:
        steps, batch, _ = self._sequence(operands)
        cell, units = CELLS[self.type_name], steps * batch * (self._directions * self.hidden_size)
        bias = 2 * cell.gates if optional(operands, 3) else 0
        peepholes = 6 if optional(operands, 7) else 0
        return Operations(bias=units * bias, pointwise=units * (cell.functions + cell.arithmetic + peepholes))

    def kept(self, *operands: TensorType | None) -> Saved | None:
        steps, batch, _ = self._sequence(operands)
        cell = CELLS[self.type_name]
        inputs = tuple(n for n in (0, 1, 2, 5, 6) if optional(operands, n) is not None)
        wide = TensorType(
            (steps, self._directions, batch, cell.kept * self.hidden_size), needed(operands, 0, "X").dtype
        )
        return Saved(inputs, (0,), (wide,) if cell.kept else ())

    def held(self, *operands: TensorType | None) -> Size | None:
        """Of one step in one direction: the states before it, the values of all gates, and the states behind it."""
        _, batch, _ = self._sequence(operands)
        cell = CELLS[self.type_name]
        width = (cell.gates + 2 * cell.states) * self.hidden_size
        return TensorType((batch, width), needed(operands, 0, "X").dtype).bytes

    def reads(self, output: int, *operands: TensorType | None) -> tuple[Reads | None, ...]:
        known(self.hidden_size, "hidden_size")
        first = self.layout == 1
        # Where the batch stands: in X, and in this output.
        there = 0 if first else 2 if output == 0 else 1
        read: Reads = (Window(there), EVERYTHING, EVERYTHING) if first else (EVERYTHING, Window(there), EVERYTHING)
        table = [whole(one) for one in operands]
        table[0] = read
        for number in (5, 6):
            if optional(operands, number) is not None:
                table[number] = read
        return tuple(table)

    @classmethod
    def examples(cls) -> Sequence[Example]:
        def case(kind: str, gates: int, many: int, outputs: Sequence[tuple[int, ...]], **told: object) -> Example:
            held = {
                "W": WeightType((many, gates * 5, 3)),
                "R": WeightType((many, gates * 5, 5)),
                "B": WeightType((many, 2 * gates * 5)),
            }
            made = cls(kind, 5, slots=(None, "W", "R", "B"), parameters=held, **told)  # pyright: ignore[reportArgumentType]
            shape = (2, 7, 3) if told.get("layout") else (7, 2, 3)
            return Example(made, (TensorType(shape),), tuple(map(TensorType, outputs)))

        return [
            case("LSTM", 4, 1, [(7, 1, 2, 5), (1, 2, 5), (1, 2, 5)]),
            case("GRU", 3, 2, [(2, 7, 2, 5), (2, 2, 5)], direction="bidirectional", layout=1),
            case("RNN", 1, 1, [(7, 1, 2, 5)], direction="reverse", results=1),
        ]


@dataclass(frozen=True, eq=False)
class StackedRecurrent(Operator):
    """Several layers of a cell over a sequence, each in one direction or both, as PyTorch's RNN, LSTM and GRU; or one
    step of a cell (`cell`), as its LSTMCell.

    Operands are X, then the states (h, and c of an LSTM), then the weights as they come: of each layer and direction
    W (gates·H, features), R (gates·H, H), with `bias` two biases (gates·H), with `projection` P (projection, H).
    `batch_first`: X is (batch, steps, features), otherwise (steps, batch, features); without a batch two axes.
    Shapes: X → Y (..., directions·H), and each state (layers·directions, batch, H), H the projection where there is
    one. Of a cell: X (batch, features) → the states (batch, H).
    MACs: steps × batch × directions × gates·H × (features + H) a layer, and H × projection.
    Units: each bias counts for itself; functions of gates and sums are pointwise.
    Errors: ShapeError where operands are missing; SettingError for an unknown cell.
    Source: PyTorch, torch.nn.LSTM; Hochreiter & Schmidhuber (1997); Cho et al. (2014); Sak et al. (2014).
    """

    hidden_size: int = 1
    layers: int = 1
    bidirectional: bool = False
    bias: bool = True
    projection: int = 0
    batch_first: bool = False
    cell: bool = False
    rate: float = 0.0
    """Of dropout between layers, in training."""

    def __post_init__(self) -> None:
        super().__post_init__()
        sizes.checked(self.hidden_size, f"{self.kind}: hidden_size")
        sizes.checked(self.layers, f"{self.kind}: layers")
        sizes.checked(self.projection, f"{self.kind}: projection", least=0)
        if self.type_name not in CELLS:
            raise SettingError(f"a recurrent operator is one of {', '.join(CELLS)}, not {self.type_name!r}")

    @property
    def _many(self) -> int:
        return 2 if self.bidirectional else 1

    @property
    def _out(self) -> int:
        return self.projection or self.hidden_size

    def _sides(self, operands: Sequence[TensorType | None]) -> tuple[TensorType, Size, Size]:
        """X, how many steps of how many examples it has, and its features."""
        x = needed(operands, 0, "X")
        rank_of(x, 1 if self.cell else 2, "X", 2 if self.cell else 3)
        return x, sizes.product(x.shape[:-1]), x.shape[-1]

    def _examples(self, x: TensorType) -> tuple[Size, ...]:
        """The axis of the batch, where there is one."""
        if self.cell:
            return x.shape[:-1]
        return () if x.rank == 2 else x.shape[:1] if self.batch_first else x.shape[1:2]

    def infer(self, *operands: TensorType | None) -> tuple[TensorType, ...]:
        x, _, _ = self._sides(operands)
        batch, states = self._examples(x), CELLS[self.type_name].states
        if self.cell:
            return (TensorType((*batch, self.hidden_size), x.dtype),) * states
        stack = self.layers * self._many
        last = [TensorType((stack, *batch, n), x.dtype) for n in (self._out, self.hidden_size)]
        return (TensorType((*x.shape[:-1], self._out * self._many), x.dtype), *last[:states])

    def products(self, *operands: TensorType | None) -> Size | None:
        _, count, features = self._sides(operands)
        rows = CELLS[self.type_name].gates * self.hidden_size
        each: Size = 0
        for layer in range(self.layers):
            width = self._out * self._many if layer else features
            each = each + (width + self._out) * rows + self.hidden_size * self.projection
        return count * each * self._many

    def _units(self, operands: Sequence[TensorType | None]) -> Size:
        return self._sides(operands)[1] * (self.hidden_size * self._many * self.layers)

    def effort(self, *operands: TensorType | None) -> Operations | None:
        cell, units = CELLS[self.type_name], self._units(operands)
        return Operations(
            bias=units * (2 * cell.gates if self.bias else 0), pointwise=units * (cell.functions + cell.arithmetic)
        )

    def kept(self, *operands: TensorType | None) -> Saved | None:
        """X, the states and the outputs of inner layers; of each unit what its cell keeps."""
        x, count, _ = self._sides(operands)
        cell = CELLS[self.type_name]
        inner = count * (self._out * self._many * (self.layers - 1))
        extra = [TensorType((self._units(operands) * cell.kept,), x.dtype)] if cell.kept else []
        extra += [TensorType((inner,), x.dtype)] if self.layers > 1 else []
        extra += [TensorType((inner,), "bool")] if self.layers > 1 and self.rate else []
        given = tuple(n for n, one in enumerate(operands) if one is not None)
        return Saved(given, (0,), tuple(extra))

    def held(self, *operands: TensorType | None) -> Size | None:
        """Of one layer: the sums of all gates of all steps, which one product makes, and the output of the layer
        before it.
        """
        x, count, _ = self._sides(operands)
        width = CELLS[self.type_name].gates * self.hidden_size * self._many
        before = self._out * self._many if self.layers > 1 else 0
        return TensorType((count * (width + before),), x.dtype).bytes

    def reads(self, output: int, *operands: TensorType | None) -> tuple[Reads | None, ...]:
        x, _, _ = self._sides(operands)
        table = [whole(one) for one in operands]
        there = 0 if self.cell or self.batch_first else 1  # where the batch stands in X
        if x.rank == (2 if self.cell else 3):
            here = there if self.cell or output == 0 else 1
            table[0] = tuple(Window(here) if axis == there else EVERYTHING for axis in range(x.rank))
        return tuple(table)

    @classmethod
    def examples(cls) -> Sequence[Example]:
        def held(gates: int, features: int) -> dict[str, WeightType]:
            shapes = {"weight_ih": (gates * 5, features), "weight_hh": (gates * 5, 5)}
            shapes |= {"bias_ih": (gates * 5,), "bias_hh": (gates * 5,)}
            return {role: WeightType(shape) for role, shape in shapes.items()}

        x, one, state = TensorType((2, 7, 3)), TensorType((2, 3)), TensorType((1, 2, 5))
        lstm, gru = held(4, 3), held(3, 3)
        return [
            Example(
                cls("LSTM", 5, batch_first=True, slots=(None, "", "", *lstm), parameters=lstm),
                (x,),
                (TensorType((2, 7, 5)), state, state),
            ),
            Example(cls("GRU", 5, cell=True, slots=(None, "", *gru), parameters=gru), (one,), (TensorType((2, 5)),)),
        ]
