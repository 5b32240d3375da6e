"""Conditions and loops: their branches and bodies are read and shown in a scope of their own.

If: where the condition is open both branches are shown. One of them runs, so that only the one with fewer
multiply-accumulates counts; of the other they are unknown, and totals say "at least". Loop and Scan: the body is
shown once, and counts as often as it runs; where that is open it counts once, and totals say "at least".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from layerscope.core import sizes
from layerscope.core.dataclasses import dataclass, replace
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

MOST_LOOPS = 8
"""Loops within each other; each body is read twice where the sizes of what it carries change."""


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

    @staticmethod
    def parts(entry: Entry) -> Sequence[Entry]:
        """The tensors of a sequence, or the one that it is."""
        return entry.parts if isinstance(entry, Listed) else (entry,)

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
    reader.names.taken.pop("/".join((*scope, name)))  # the Control node at its end takes it
    return _Place(reader, node, frame, (*scope, name))


def _truth(entry: Entry) -> bool | None:
    """Whether a condition is true; None where the data decide it."""
    value = entry.value if isinstance(entry, Operand) else None
    return (
        bool(value.items[0])
        if value is not None and len(value.items) == 1 and isinstance(value.items[0], int)
        else None
    )


def _macs(reader: Reader, since: int) -> Size:
    """Known multiply-accumulates of the layers since the call of that number."""
    total: Size = 0
    for call in reader.calls[since:]:
        times = reader.times.get(id(call.layer), 1)
        macs = call.layer.macs(*(value.type for value in call.inputs))
        total = total + (0 if macs is None or times is None else macs * times)
    return total


def _count(reader: Reader, since: int, until: int, times: Size | None) -> None:
    """Let the layers between two calls count so often; None: nobody knows."""
    for call in reader.calls[since:until]:
        before = reader.times.get(id(call.layer), 1)
        reader.times[id(call.layer)] = None if before is None or times is None else before * times


def _if(reader: Reader, node: Node, frame: Frame, entries: Sequence[Entry]) -> list[Entry]:
    place = _place(reader, node, frame)
    decided = _truth(entries[0]) if entries else None
    if decided is not None:
        return place.body("then_branch" if decided else "else_branch")
    marks, found, costs = [len(reader.calls)], list[list[Entry]](), list[Size]()
    for branch in ("then_branch", "else_branch"):
        found.append(place.body(branch))
        costs.append(_macs(reader, marks[-1]))
        marks.append(len(reader.calls))
    difference = costs[0] - costs[1]
    dear = [sizes.lower_bound(difference) > 0, sizes.upper_bound(difference) <= 0]
    for number, much in enumerate(dear):
        if much or not any(dear):
            _count(reader, marks[number], marks[number + 1], None)
    return _joined(place, entries, found, costs == [0, 0])


def _joined(place: _Place, entries: Sequence[Entry], found: Sequence[list[Entry]], known: bool) -> list[Entry]:
    """What an If gives: of each output the type that it has in both branches, of sequences part by part."""
    layout = [[len(entry.parts) if isinstance(entry, Listed) else -1 for entry in branch] for branch in found]
    if layout[0] != layout[1]:
        raise SourceError(f"{title(place.node)}: its branches give other numbers of tensors")
    ends = [[place.operand(part) for entry in branch for part in place.parts(entry)] for branch in found]
    stated = [place.frame.stated.get(name) for name in place.node.outputs]
    types: list[TensorType] = []
    for number, (a, b) in enumerate(zip(*ends, strict=True)):
        info = stated[number] if set(layout[0]) == {-1} and number < len(stated) else None
        told = place.reader.stated(info, f"if_{number}") if a.type.rank != b.type.rank else None
        types.append(told or place.merged(a.type, b.type, f"if_{number}"))
    condition = place.operand(entries[0] if entries else None)
    made = iter(place.control([condition, *ends[0], *ends[1]], types, known))
    return [
        next(made) if count < 0 else Listed(tuple(place.operand(next(made)) for _ in range(count)))
        for count in layout[0]
    ]


def _repeated(
    place: _Place, carried: Sequence[Operand], run: Callable[[list[Entry]], list[Entry]]
) -> tuple[list[Entry], list[TensorType]]:
    """The outputs of a body, the first of which are carried from turn to turn, and types that fit them at every turn.

    A size that a turn changes is open, and the body is read again with it.
    """
    reader = place.reader
    reader.loops += 1
    if reader.loops > MOST_LOOPS:
        raise SourceError(f"{title(place.node)}: loops nested more than {MOST_LOOPS} deep")
    types = [operand.type for operand in carried]
    calls, names, known = len(reader.calls), dict(reader.names.taken), dict(reader.sizes.taken)
    while True:
        found = run([_state(place, x, kind, n) for n, (x, kind) in enumerate(zip(carried, types, strict=True))])
        if len(found) < len(carried):
            raise SourceError(
                f"{title(place.node)}: it carries {len(carried)} values, but its body gives {len(found)}"
            )
        ends = [place.operand(entry).type for entry in found[: len(carried)]]
        wider = [
            place.merged(kind, _kept(kind, x.type, end), f"carried_{n}")
            for n, (kind, x, end) in enumerate(zip(types, carried, ends, strict=True))
        ]
        if wider == types:
            reader.loops -= 1
            return found, types
        del reader.calls[calls:]
        reader.names.taken, reader.sizes.taken = dict(names), dict(known)
        reader.sizes.reserve(size for kind in wider for size in kind.shape)
        types = wider


def _kept(kind: TensorType, first: TensorType, end: TensorType) -> TensorType:
    """The type after a turn, with the sizes that were opened already: these fit whatever comes."""
    if kind.rank != end.rank:
        return end
    triples = zip(kind.shape, first.shape, end.shape, strict=True)
    return end.with_shape(tuple(size if size != before else after for size, before, after in triples))


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

    mark = len(reader.calls)
    found, kinds = _repeated(place, carried, run)
    trips = count if sure and count is not None else None
    if trips is not None:
        _count(reader, mark, len(reader.calls), trips)
    ends = [place.operand(entry) for entry in found]
    many = reader.sizes.fresh("trip_count") if trips is None else trips
    types = [*kinds, *(end.type.with_shape((many, *end.type.shape)) for end in ends[len(carried) :])]
    return place.control([*carried, *ends], types, trips is not None)


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

    mark = len(reader.calls)
    given, ends = _repeated(place, carried, run)
    _count(reader, mark, len(reader.calls), trips)
    found = [place.operand(entry) for entry in given]
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
