"""Conditions and loops: their branches and bodies are read and shown in a scope of their own.

If: where the condition is open both branches are shown. One of them runs, so that only the one with fewer
multiply-accumulates counts; of the other they are unknown, and totals say "at least". Loop and Scan: the body is shown
once, and counts as often as it runs; where that is open it counts once, and totals say "at least".
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from layerscope.core import sizes
from layerscope.core.errors import SourceError
from layerscope.core.graph import Symbolic
from layerscope.core.sizes import Size
from layerscope.core.types import TensorType
from layerscope.operators.standing import Control
from layerscope.sources._onnx.frames import Entry, Frame, Listed, title
from layerscope.sources._onnx.sequences import Special
from layerscope.sources._onnx.site import Operand, Site
from layerscope.sources._onnx.structures import GraphInfo, Node

if TYPE_CHECKING:
    from layerscope.sources._onnx.reader import Reader

MOST_ROUNDS = 4
"""Times that a body is read, until the sizes of what it carries no longer change."""


@dataclass(frozen=True)
class _Place:
    """The node whose bodies are read, and where it stands."""

    reader: Reader
    node: Node
    frame: Frame
    scope: tuple[str, ...]

    def graph(self, name: str) -> GraphInfo:
        found = self.node.attributes.get(name)
        if not isinstance(found, GraphInfo):
            raise SourceError(f"{title(self.node)} has no {name}")
        return found

    def body(self, name: str, given: Sequence[Entry] = ()) -> list[Entry]:
        """What the outputs of a branch or body are, its inputs bound to what is given."""
        graph = self.graph(name)
        part = name.removesuffix("_branch")
        frame = self.reader.frame(graph, self.frame, (*self.scope, part), "/".join((*self.scope, part, "")))
        for (label, _), entry in zip(graph.inputs, given, strict=False):
            frame.values[label] = entry
        return self.reader.run(graph.nodes, frame, [label for label, _ in graph.outputs])

    def operand(self, entry: Entry) -> Operand:
        if not isinstance(entry, Operand):
            raise SourceError(
                f"{title(self.node)}: it carries a sequence or nothing, where only tensors are followed"
            )
        return entry

    def control(
        self, operands: Sequence[Operand | None], types: Sequence[TensorType], known: bool, name: str = ""
    ) -> list[Entry]:
        """A Control between operands and outputs of these types."""
        reader, op = self.reader, self.node.op
        outputs = tuple(f"{op}_{number}" for number in range(len(types)))
        site = Site(op, "", 1, "", {}, tuple(operands), outputs, (None,) * len(types), reader.sizes.fresh)
        layer = Control(op, tuple(types), known, **site.slotted())
        scope = self.scope if name else self.scope[:-1]
        call = reader.emit(
            site, layer, Node(op, "", name or self.scope[-1], (), outputs, {}), replace(self.frame, scope=scope)
        )
        return [
            Operand(label, kind, Symbolic(call, n))
            for n, (label, kind) in enumerate(zip(outputs, types, strict=True))
        ]

    def merged(self, one: TensorType, other: TensorType, stem: str) -> TensorType:
        """A type that both are: sizes that differ become a new one."""
        if one.rank != other.rank or one.dtype != other.dtype:
            raise SourceError(
                f"{title(self.node)}: what it carries or gives is once {one} {one.dtype}, once {other} {other.dtype}"
            )
        fresh = self.reader.sizes.fresh
        pairs = enumerate(zip(one.shape, other.shape, strict=True))
        return one.with_shape(tuple(a if a == b else fresh(f"{stem}_{axis}") for axis, (a, b) in pairs))


def _place(reader: Reader, node: Node, frame: Frame) -> _Place:
    scope, name = reader.names.unique(frame.scope, node.name.strip("/").replace("/", ".") or node.op.lower())
    reader.names.taken.discard("/".join((*scope, name)))  # the Control node at its end takes it
    return _Place(reader, node, frame, (*scope, name))


def _truth(entry: Entry) -> bool | None:
    """Whether a condition is true; None where the data decide it."""
    value = entry.value if isinstance(entry, Operand) else None
    return (
        bool(value.items[0])
        if value is not None and len(value.items) == 1 and isinstance(value.items[0], int)
        else None
    )


class _Attempt:
    """A mark to which the reader can be put back."""

    def __init__(self, reader: Reader) -> None:
        self.reader, self.calls = reader, len(reader.calls)
        self.names, self.sizes = set(reader.names.taken), copy.copy(reader.sizes.taken)

    def macs(self) -> Size:
        """Known multiply-accumulates of the layers since."""
        total: Size = 0
        for call in self.reader.calls[self.calls :]:
            total = total + (call.layer.macs(*(value.type for value in call.inputs)) or 0)
        return total

    def undo(self) -> None:
        del self.reader.calls[self.calls :]
        self.reader.names.taken, self.reader.sizes.taken = set(self.names), set(self.sizes)


def _if(reader: Reader, node: Node, frame: Frame, entries: Sequence[Entry]) -> list[Entry]:
    place = _place(reader, node, frame)
    decided = _truth(entries[0]) if entries else None
    if decided is not None:
        return place.body("then_branch" if decided else "else_branch")
    branches, found, costs = ("then_branch", "else_branch"), list[list[Entry]](), list[Size]()
    start = _Attempt(reader)
    for branch in branches:
        mark = _Attempt(reader)
        found.append(place.body(branch))
        costs.append(mark.macs())
    difference = costs[0] - costs[1]
    dear = [sizes.lower_bound(difference) > 0, sizes.upper_bound(difference) <= 0]
    if not any(dear):
        dear = [True, True]
    start.undo()
    found = [
        _uncounted(reader, place, branch) if much else place.body(branch)
        for branch, much in zip(branches, dear, strict=True)
    ]
    ends = [[place.operand(entry) for entry in branch] for branch in found]
    if len(ends[0]) != len(ends[1]):
        raise SourceError(f"{title(node)}: its branches give {len(ends[0])} and {len(ends[1])} outputs")
    types = [
        place.merged(a.type, b.type, f"{node.op.lower()}_{n}") for n, (a, b) in enumerate(zip(*ends, strict=True))
    ]
    condition = place.operand(entries[0] if entries else None)
    return place.control([condition, *ends[0], *ends[1]], types, costs == [0, 0])


def _uncounted(reader: Reader, place: _Place, branch: str) -> list[Entry]:
    before, reader.times = reader.times, None
    try:
        return place.body(branch)
    finally:
        reader.times = before


def _repeated(
    place: _Place, times: Size | None, carried: Sequence[Operand], run: Callable[[list[Entry]], list[Entry]]
) -> list[Entry]:
    """The outputs of a body whose first ones are carried from one turn to the next, with sizes that fit every turn."""
    reader, before = place.reader, place.reader.times
    if reader.times is not None and times is not None:
        reader.times = reader.times * times
    types = [operand.type for operand in carried]
    try:
        for _ in range(MOST_ROUNDS):
            mark = _Attempt(reader)
            found = run([_state(place, x, kind, n) for n, (x, kind) in enumerate(zip(carried, types, strict=True))])
            ends = [place.operand(entry).type for entry in found[: len(carried)]]
            wider = [place.merged(a, b, f"carried_{n}") for n, (a, b) in enumerate(zip(types, ends, strict=True))]
            if wider == types or all(_opened(a, b) for a, b in zip(types, carried, strict=True)):
                return found
            mark.undo()
            types = wider
    finally:
        reader.times = before
    raise SourceError(f"{title(place.node)}: the sizes of what it carries change at every turn")


def _opened(kind: TensorType, first: Operand) -> bool:
    """Whether all sizes are open ones that this loop brought in: then any size fits."""
    return kind.rank > 0 and not set(kind.shape) & set(first.type.shape)


def _state(place: _Place, first: Operand, kind: TensorType, number: int) -> Entry:
    """What the body reads of a carried value: not its first elements, which change."""
    if kind == first.type and not first.weight:
        return Operand(first.name, kind, first.tensor)
    return place.control([first], [kind], True, f"carried_{number}")[0]


def _loop(reader: Reader, node: Node, frame: Frame, entries: Sequence[Entry]) -> list[Entry]:
    place = _place(reader, node, frame)
    if len(entries) < 2:
        raise SourceError(f"{title(node)} has {len(entries)} operands, but takes a trip count and a condition")
    carried = [place.operand(entry) for entry in entries[2:]]
    most, condition = entries[0], entries[1]
    value = most.value if isinstance(most, Operand) else None
    count = value.items[0] if value is not None and value.items else None
    sure = condition is None or _truth(condition) is True
    turn = Operand("iteration", TensorType((), "int64"))
    true = replace(reader.value(1), type=TensorType((), "bool"))

    def run(states: list[Entry]) -> list[Entry]:
        first, *rest = place.body("body", [turn, true, *states])
        nonlocal sure
        sure = sure and _truth(first) is True
        return rest

    start, before = _Attempt(reader), sure
    found = _repeated(place, 1, carried, run)
    if sure and before and count is not None and count != 1:
        start.undo()
        found = _repeated(place, count, carried, run)
    trips = count if sure and count is not None else reader.sizes.fresh("trip_count")
    ends = [place.operand(entry) for entry in found]
    types = [
        place.merged(a.type, b.type, f"carried_{n}") for n, (a, b) in enumerate(zip(carried, ends, strict=False))
    ]
    types += [end.type.with_shape((trips, *end.type.shape)) for end in ends[len(carried) :]]
    return place.control([*carried, *ends], types, sure and count is not None)


def _scan(reader: Reader, node: Node, frame: Frame, entries: Sequence[Entry]) -> list[Entry]:
    place = _place(reader, node, frame)
    if frame.opsets.get("", 1) < 9:
        raise SourceError(f"{title(node)}: the Scan of operator set 8, with its batch axis, is not described here")
    told: dict[str, Any] = node.attributes
    scanned = int(told.get("num_scan_inputs", 0))
    if not 0 < scanned <= len(entries):
        raise SourceError(f"{title(node)}: num_scan_inputs is {scanned}, with {len(entries)} operands")
    operands = [place.operand(entry) for entry in entries]
    carried, rows = operands[: len(operands) - scanned], operands[len(operands) - scanned :]
    axes = list(told.get("scan_input_axes") or (0,) * scanned)
    types: list[TensorType] = []
    trips: Size = 0
    for row, axis in zip(rows, axes, strict=True):
        if not -row.type.rank <= axis < row.type.rank:
            raise SourceError(f"{title(node)}: scan axis {axis} of {row.type}")
        shape = list(row.type.shape)
        trips = shape.pop(axis)
        types.append(row.type.with_shape(tuple(shape)))

    def run(states: list[Entry]) -> list[Entry]:
        elements = place.control(rows, types, True, "element")
        return place.body("body", [*states, *elements])

    found = [place.operand(entry) for entry in _repeated(place, trips, carried, run)]
    ends = [
        place.merged(a.type, b.type, f"carried_{n}") for n, (a, b) in enumerate(zip(carried, found, strict=False))
    ]
    outputs = found[len(carried) :]
    for row, axis in zip(outputs, told.get("scan_output_axes") or (0,) * len(outputs), strict=True):
        shape = list(row.type.shape)
        shape.insert(axis if axis >= 0 else axis + row.type.rank + 1, trips)
        ends.append(row.type.with_shape(tuple(shape)))
    return place.control([*carried, *found], ends, True)


def _map(reader: Reader, node: Node, frame: Frame, entries: Sequence[Entry]) -> list[Entry]:
    """SequenceMap: the body once for each part of the sequence."""
    place = _place(reader, node, frame)
    first = entries[0] if entries else None
    if not isinstance(first, Listed):
        raise SourceError(f"{title(node)} takes a sequence, but operand 0 is none")
    rows: list[list[Entry]] = []
    for number in range(len(first.parts)):
        given = [entry.parts[number] if isinstance(entry, Listed) else entry for entry in entries]
        rows.append(place.body("body", given))
    columns = zip(*rows, strict=True) if rows else [()] * len(node.outputs)
    return [Listed(tuple(place.operand(entry) for entry in column)) for column in columns]


SPECIAL: dict[str, Special] = {"If": _if, "Loop": _loop, "Scan": _scan, "SequenceMap": _map}
