"""Several operators as one row: a library's layer or function that is made of many."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any, cast

from layerscope.core import sizes
from layerscope.core.contract import Example
from layerscope.core.costs import NONE, Operations, Saved
from layerscope.core.dataclasses import dataclass, replace
from layerscope.core.errors import SettingError, ShapeError
from layerscope.core.reach import EVERYTHING, Everything, Fixed, Listed, Reads, Relation, Window
from layerscope.core.sizes import Size
from layerscope.core.types import TensorType, WeightType
from layerscope.operators._axes import is_floating, needed
from layerscope.operators._moving import Moving
from layerscope.operators._operator import Operator
from layerscope.operators.pointwise import Pointwise
from layerscope.operators.products import Einsum

Ref = tuple[int, int]
"""(-1, n): operand n of the whole. (p, n): output n of part p."""
COUNTS = ("parts", "normalisation", "pooling")


class Entangled(Exception):
    """How an axis is read is no single relation."""


@dataclass(frozen=True, eq=False)
class Composite(Operator):
    """Operators that a library's layer or function is made of, wired to each other, in one row.

    `feeds` says for each part where its inputs come from and `ends` where the outputs do: (-1, n) is operand n,
    (p, n) output n of part p. MACs are the parts' sum; a weight that is added to a product counts as bias. `counts`:
    what else it counts as: the sum of its "parts", or only the elements that it normalises or pools, as other layers
    do. What the backward pass keeps is what the parts keep, each tensor once; of a normalisation its input and
    statistics, of a pooling nothing. Elementwise parts and those that move numbers are taken to be fused: they hold
    no tensors of their own.
    Shapes: as the parts' own.
    Errors: SettingError where a part is fed by itself or a later one.
    """

    parts: Any
    feeds: Any
    ends: Any
    counts: str = "parts"

    def __post_init__(self) -> None:
        super().__post_init__()
        rows: tuple[tuple[Ref, ...], ...] = tuple(
            tuple(self._ref(ref) for ref in row) for row in cast(Iterable[Iterable[Any]], self.feeds)
        )
        given = cast(object, self.parts)
        parts: tuple[Any, ...] = tuple(cast(Iterable[Any], given))
        if not parts or len(parts) != len(rows) or not all(isinstance(part, Operator) for part in parts):
            raise SettingError(f"{self.kind}: needs operators as its parts, and for each where its inputs come from")
        if any(place >= number for number, row in enumerate(rows) for place, _ in row):
            raise SettingError(f"{self.kind}: a part is fed by itself or by a later one")
        if self.counts not in COUNTS:
            raise SettingError(f"{self.kind}: counts must be one of {', '.join(COUNTS)}, not {self.counts!r}")
        object.__setattr__(self, "feeds", rows)
        if not isinstance(given, tuple):
            object.__setattr__(self, "parts", parts)
        object.__setattr__(self, "ends", tuple(self._ref(ref) for ref in cast(Iterable[Any], self.ends)))

    def _ref(self, ref: Any) -> Ref:
        if not isinstance(ref, list | tuple) or [type(n) for n in cast(Sequence[Any], ref)] != [int, int]:
            raise SettingError(f"{self.kind}: {ref!r} is not the number of a part and of its output")
        return cast(Ref, tuple(cast(Sequence[int], ref)))

    def _fed(self, number: int, operands: Sequence[TensorType | None], made: Sequence[Any]) -> list[TensorType]:
        return [needed(operands, n, "an operand") if place < 0 else made[place][n] for place, n in self.feeds[number]]

    def _types(self, operands: Sequence[TensorType | None]) -> list[tuple[TensorType, ...]]:
        """The types of all parts' outputs."""
        made: list[tuple[TensorType, ...]] = []
        for number, part in enumerate(self.parts):
            made.append(part.out(*self._fed(number, operands, made)))
        return made

    def infer(self, *operands: TensorType | None) -> tuple[TensorType, ...]:
        made = self._types(operands)
        return tuple(self._type(ref, operands, made) for ref in cast(tuple[Ref, ...], self.ends))

    @staticmethod
    def _type(ref: Ref, operands: Sequence[TensorType | None], made: Sequence[tuple[TensorType, ...]]) -> TensorType:
        place, number = ref
        return needed(operands, number, "an operand") if place < 0 else made[place][number]

    def products(self, *operands: TensorType | None) -> Size | None:
        made, total = self._types(operands), cast(Size, 0)
        for number, part in enumerate(self.parts):
            found = part.macs(*self._fed(number, operands, made))
            if found is None:
                return None
            total = total + found
        return total

    # --- what it counts as ---

    def effort(self, *operands: TensorType | None) -> Operations | None:
        made, total = self._types(operands), NONE
        for number, part in enumerate(self.parts):
            found = part.operations(*self._fed(number, operands, made))
            if found is None:
                return None
            total += Operations(bias=found.pointwise) if number in self._biases else found
        if self.counts == "normalisation":
            return Operations(normalisation=self.infer(*operands)[0].elements)
        return Operations(pooling=total.pooling) if self.counts == "pooling" else total

    @cached_property
    def _biases(self) -> frozenset[int]:
        """Numbers of the parts that add a weight to the result of a product."""
        found: set[int] = set()
        for number, part in enumerate(self.parts):
            if not (isinstance(part, Pointwise) and part.type_name == "add" and len(self.feeds[number]) == 2):
                continue
            origins = [self._origin(ref) for ref in self.feeds[number]]
            weights = [place < 0 and isinstance(self.slots[n], str) for place, n in origins]
            sums = [place >= 0 and self._multiplies(self.parts[place]) for place, _ in origins]
            if any(weights) and any(sums):
                found.add(number)
        return frozenset(found)

    @staticmethod
    def _multiplies(part: Operator) -> bool:
        return isinstance(part, Einsum) or type(part).products is not Operator.products

    def _origin(self, ref: Ref) -> Ref:
        """Where numbers come from that were only moved or cast."""
        place, _ = ref
        while place >= 0 and isinstance(self.parts[place], Moving) and len(self.feeds[place]) == 1:
            ref = self.feeds[place][0]
            place = ref[0]
        return ref

    def _shared(self, ref: Ref, made: Sequence[Any], operands: Sequence[TensorType | None]) -> Ref:
        """The tensor in whose memory this one lies."""
        place, _ = ref
        while place >= 0 and self.parts[place].viewed(*self._fed(place, operands, made)) == 0:
            ref = self.feeds[place][0]
            place = ref[0]
        return ref

    def kept(self, *operands: TensorType | None) -> Saved | None:
        made = self._types(operands)
        if self.counts == "pooling":
            return Saved()
        if self.counts == "normalisation":
            return self._statistics(operands, made)
        kept: dict[Ref, None] = {}
        extra: list[TensorType] = []
        for number, part in enumerate(self.parts):
            saved = part.saved(*self._fed(number, operands, made))
            if saved is None:
                return None
            kept |= {self._shared(self.feeds[number][n], made, operands): None for n in saved.inputs}
            kept |= {(number, n): None for n in saved.outputs}
            extra += saved.extra
        ends = cast(tuple[Ref, ...], self.ends)
        outer = {self._shared(ref, made, operands): n for n, ref in reversed(list(enumerate(ends)))}
        inputs = tuple(n for place, n in kept if place < 0)
        outputs = tuple(outer[ref] for ref in kept if ref in outer and ref[0] >= 0)
        extra += [made[place][n] for place, n in kept if place >= 0 and (place, n) not in outer]
        return Saved(inputs, outputs, tuple(extra))

    def _statistics(self, operands: Sequence[TensorType | None], made: Sequence[Any]) -> Saved:
        shape = self.infer(*operands)[0].shape
        given = [n for n, one in enumerate(operands) if one and one.shape == shape and is_floating(one.dtype)]
        roots = [made[n][0] for n, part in enumerate(self.parts) if part.type_name in ("rsqrt", "sqrt")]
        centred = any(part.type_name == "sub" for part in self.parts)
        return Saved(tuple(given[:1]), extra=(roots[0],) * (1 + centred) if roots else ())

    def held(self, *operands: TensorType | None) -> Size | None:
        made = self._types(operands)
        last: dict[int, int] = {}
        for number, row in enumerate(self.feeds):
            for ref in row:
                place = ref[0]
                while place >= 0:  # what is fused into a later part is read there
                    last[place] = number
                    if not isinstance(self.parts[place], Pointwise | Moving) or not self.feeds[place]:
                        break
                    place = self.feeds[place][0][0]
        outer = {place for place, _ in self.ends}
        most: Size = 0
        for number, part in enumerate(self.parts):
            own = part.workspace(*self._fed(number, operands, made))
            if own is None:
                return None
            alive = [
                type.bytes
                for place in range(number + 1)
                if last.get(place, -1) >= number
                and place not in outer
                and not isinstance(self.parts[place], Pointwise | Moving)
                for type in made[place]
            ]
            most = sizes.maximum(most, sum(alive, own))
        return most

    # --- what it reads ---

    def reads(self, output: int, *operands: TensorType | None) -> tuple[Reads | None, ...]:
        try:
            return self.exactly(output, operands)
        except Entangled as error:
            raise ShapeError(f"{self.kind}: {error}") from None

    def exactly(self, output: int, operands: Sequence[TensorType | None]) -> tuple[Reads | None, ...]:
        """How each operand is read. Entangled where a single relation does not say it."""
        made = self._types(operands)
        found: dict[Ref, list[Relation | Everything]] = {}
        end: Ref = self.ends[output]
        found[end] = [Window(axis) for axis in range(self._type(end, operands, made).rank)]
        for place in range(len(self.parts) - 1, -1, -1):
            part, fed = self.parts[place], self._fed(place, operands, made)
            for number in range(len(made[place])):
                here = found.get((place, number))
                if here is None:
                    continue
                for ref, reads in zip(self.feeds[place], part.reach(number, *fed), strict=True):
                    if reads is not None:
                        ways = [_followed(here, way) for way in reads]
                        found[ref] = _both(found[ref], ways) if ref in found else ways
        return tuple(
            None if one is None else tuple(found[-1, n]) if (-1, n) in found else None
            for n, one in enumerate(operands)
        )

    @classmethod
    def examples(cls) -> Sequence[Example]:
        x, y = TensorType((2, 5, 8)), TensorType((2, 5, 3))
        parts = (Einsum("dot_general", "abc,cd->abd", slots=(None, None)), Pointwise("add", slots=(None, None)))
        made = cls(
            "Dense", parts, (((-1, 0), (-1, 1)), ((0, 0), (-1, 2))), ((1, 0),), slots=(None, "kernel", "bias"),
            parameters={"kernel": WeightType((8, 3)), "bias": WeightType((3,))},
        )  # fmt: skip
        return [Example(made, (x,), (y,))]


def _followed(outer: Sequence[Relation | Everything], inner: Relation | Everything) -> Relation | Everything:
    """How an axis is read through a tensor in between, of which `outer` says for each axis how it is read."""
    if isinstance(inner, Everything):
        return inner
    before = outer[inner.axis]
    if isinstance(before, Fixed) and isinstance(inner, Window) and inner.size == 1:
        return Fixed(before.index * inner.stride - inner.before)
    if isinstance(before, Fixed) and isinstance(inner, Listed):
        return Fixed(inner.indices[before.index])
    if isinstance(before, Everything):
        return EVERYTHING
    if before == Window(before.axis):
        return replace(cast(Any, inner), axis=before.axis)
    if inner == Window(inner.axis):
        return before
    if isinstance(before, Listed) and isinstance(inner, Window) and inner.size == 1:
        return Listed(before.axis, tuple(o * inner.stride - inner.before for o in before.indices))
    if isinstance(before, Window) and isinstance(inner, Window):
        stride, start = before.stride * inner.stride, before.before * inner.stride + inner.before
        partial = before.partial or inner.partial
        if before.size == 1:
            return Window(before.axis, stride, inner.size, start, inner.dilation, partial)
        step = before.dilation * inner.stride
        if inner.size == 1:
            return Window(before.axis, stride, before.size, start, step, partial)
        if inner.dilation == 1 and step <= inner.size:
            return Window(before.axis, stride, step * (before.size - 1) + inner.size, start, 1, partial)
    raise Entangled(f"an axis is read as {inner} of what is read as {before}")


def _both(
    one: Sequence[Relation | Everything], other: Sequence[Relation | Everything]
) -> list[Relation | Everything]:
    """How the axes of a tensor are read that is read in two ways."""
    found: list[Relation | Everything] = []
    for a, b in zip(one, other, strict=True):
        if a == b:
            found.append(a)
        elif isinstance(a, Everything) or isinstance(b, Everything):
            found.append(EVERYTHING)
        else:
            found.append(_hull(a, b))
    return found


def _hull(a: Relation, b: Relation) -> Relation:
    """One window that reads what both do, and nothing else."""
    if isinstance(a, Window) and isinstance(b, Window) and (a.axis, a.stride) == (b.axis, b.stride):
        low, high = sorted((a, b), key=lambda way: -way.before)
        ends = [way.dilation * (way.size - 1) - way.before for way in (low, high)]
        dense = all(way.dilation == 1 or way.size == 1 for way in (a, b))
        if dense and ends[0] + 1 >= -high.before:
            return Window(a.axis, a.stride, max(ends) + low.before + 1, low.before, 1, a.partial and b.partial)
    raise Entangled(f"an axis is read as {a} and as {b}")
