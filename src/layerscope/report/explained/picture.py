"""A layer as a drawing: one value of its output and all the values that it depends on; functions as curves."""

from __future__ import annotations

from collections.abc import Sequence

from layerscope.core.boxes import Box
from layerscope.core.contract import Example, Layer, describe_settings
from layerscope.core.dataclasses import dataclass
from layerscope.core.indices import Indices
from layerscope.core.types import TensorType
from layerscope.report.document import shape
from layerscope.report.drawing import Area, Drawing, Mark, Stroke, Words, extent, shortened
from layerscope.report.drawing import Box as Rectangle
from layerscope.report.explained import facts

CELLS = 32
"""Most cells that are drawn along an axis; of longer ones the part that matters, its cut ends marked."""
SIDE, LARGEST, STRIP = 190.0, 18.0, 9.0
EDGE, GAP, SMALL, NORMAL = 14.0, 16.0, 9.5, 11.0
CURVES, RANGE, STEPS = 4, 4.0, 160
LINE = 0.8
"""Between two cells."""


@dataclass(frozen=True)
class Block:
    """Marks from (0, 0) on, and how much room they take."""

    width: float
    height: float
    marks: Sequence[Mark]


def picture(cls: type[Layer]) -> Drawing:
    """The drawing of a layer, in pixels: of functions of each number by itself curves, of others the dependence."""
    return curves(cls) or dependence(cls.__name__, cls.examples()[0])


def caption(cls: type[Layer]) -> str:
    """What the drawing shows, in one sentence or two."""
    if curves(cls) is not None:
        return "The function, for inputs from -4 to 4, with each of these settings."
    example = cls.examples()[0]
    call, found = describe_settings(example.layer), facts.dependence(example)
    if not example.inputs:
        return f"What `{call}` gives."
    if found is None:
        return f"What goes into `{call}`, and what comes out."
    read = [box for box in found.inputs if box is not None]
    numbers = " and ".join(_product(box) for box in read)
    place = ", ".join(map(str, found.position))
    if not read:
        return f"`{call}`: the value of the output at ({place}) depends on no input."
    many = "values" if numbers != "1" else "value"
    return f"`{call}`: the value of the output at ({place}), orange, depends on {numbers} {many} of the input, blue."


def _product(box: Box) -> str:
    counts = [axis.count for axis in box]
    total = 1
    for number in counts:
        total *= number
    factors = " × ".join(str(number) for number in counts if number != 1)
    return f"{factors} = {total:,}" if " × " in factors else f"{total:,}"


def dependence(kind: str, example: Example) -> Drawing:
    """One value of the output and what it depends on: a cell is read where it is marked along all axes."""
    found = facts.dependence(example)
    boxes = found.inputs if found else tuple(None for _ in example.inputs)
    many = len(example.inputs) > 1
    left = [
        _tensor(f"input {n + 1}:" if many else "input", type, box, "one")
        for n, (type, box) in enumerate(zip(example.inputs, boxes, strict=True))
    ]
    chosen = tuple(Indices(((n, n),)) for n in found.position) if found else None
    right = [
        _tensor(f"output {n + 1}:" if len(example.outputs) > 1 else "output", type, None if n else chosen, "two")
        for n, type in enumerate(example.outputs)
    ]
    return _beside(kind, left, right)


def _beside(kind: str, left: Sequence[Block], right: Sequence[Block]) -> Drawing:
    """Inputs above each other, an arrow with the layer's name, outputs above each other."""
    tall = max(_height(left), _height(right))
    wide = max((block.width for block in left), default=0)
    name = extent(kind, NORMAL, True)
    start = EDGE + wide + GAP if left else EDGE
    end = start + name + GAP
    middle = EDGE + tall / 2
    marks: list[Mark] = [*_stacked(left, EDGE, tall), *_stacked(right, end + GAP, tall)]
    marks += [
        Words(start + name / 2 + 2, middle - 8, kind, NORMAL, "ink", "middle", True),
        Stroke([(start, middle), (end - 4, middle)], "soft", 1.2),
        Area([(end - 6, middle - 4), (end + 2, middle), (end - 6, middle + 4)], "soft"),
    ]
    width = end + GAP + max(block.width for block in right) + EDGE
    return Drawing(width, tall + 2 * EDGE, "px", kind, f"One output value of {kind} and what it depends on", marks)


def _height(blocks: Sequence[Block]) -> float:
    return sum(block.height for block in blocks) + GAP * max(0, len(blocks) - 1)


def _stacked(blocks: Sequence[Block], left: float, tall: float) -> list[Mark]:
    top = EDGE + (tall - _height(blocks)) / 2
    marks: list[Mark] = []
    for block in blocks:
        marks += [_moved(mark, left, top) for mark in block.marks]
        top += block.height + GAP
    return marks


def _moved(mark: Mark, left: float, top: float) -> Mark:
    if isinstance(mark, Rectangle):
        return Rectangle(
            mark.left + left, mark.top + top, mark.width, mark.height, mark.role, mark.hollow, mark.dashed
        )
    if isinstance(mark, Words):
        return Words(mark.left + left, mark.top + top, mark.text, mark.size, mark.role, mark.anchor, mark.bold)
    if isinstance(mark, Stroke):
        return Stroke([(x + left, y + top) for x, y in mark.points], mark.role, mark.width, mark.bent, mark.dashed)
    raise TypeError(f"{type(mark).__name__} is not drawn here")


def _tensor(title: str, type: TensorType, box: Box | None, role: str) -> Block:
    """One example of a tensor: the two axes before the last as a plane (or the last two), all others as strips."""
    sizes = [size if isinstance(size, int) else None for size in type.shape[1:]]
    axes = list(range(len(sizes)))
    plane = axes[-3:-1] if len(axes) > 2 else axes
    marks: list[Mark] = [Words(0, SMALL, f"{title}  {shape(type)}", NORMAL, "ink", bold=False)]
    wide, top = extent(f"{title}  {shape(type)}", NORMAL), NORMAL + 8
    for part in ([axis] for axis in axes if axis < min(plane, default=0)):
        top, wide = _put(marks, sizes, box, part, role, top, wide)
    if plane:
        top, wide = _put(marks, sizes, box, plane, role, top, wide)
    for part in ([axis] for axis in axes if axis > max(plane, default=0)):
        top, wide = _put(marks, sizes, box, part, role, top, wide)
    return Block(wide, top - 6, marks)


def _put(
    marks: list[Mark], sizes: list[int | None], box: Box | None, axes: list[int], role: str, top: float, wide: float
) -> tuple[float, float]:
    """Some axes as cells below what is there, and how far down and right that goes."""
    label = ("axis " if len(axes) == 1 else "axes ") + ", ".join(str(axis + 1) for axis in axes)
    shown = [_shown(sizes[axis], box[axis] if box else None) for axis in axes]
    rows, columns = (shown[0], shown[1]) if len(shown) == 2 else (range(1), shown[0])
    side = min(LARGEST, SIDE / max(len(rows), len(columns), 1)) if len(shown) == 2 else STRIP
    marks.append(Words(0, top + SMALL - 1, label, SMALL, "soft"))
    top += SMALL + 4
    wide_, tall = len(columns) * side, len(rows) * side
    marks.append(Rectangle(0, top, wide_ - LINE, tall - LINE, "flow"))
    if box is not None:
        down = _runs(box[axes[0]], rows) if len(shown) == 2 else [(0, 1)]
        for y, height in down:
            for x, width in _runs(box[axes[-1]], columns):
                marks.append(Rectangle(x * side, top + y * side, width * side - LINE, height * side - LINE, role))
    lines = [[(x * side - LINE / 2, y) for y in (top, top + tall - LINE)] for x in range(1, len(columns))]
    lines += [[(x, top + y * side - LINE / 2) for x in (0, wide_ - LINE)] for y in range(1, len(rows))]
    marks += [Stroke(line, "paper", LINE) for line in lines]
    cut = _cut([sizes[axis] for axis in axes], shown)
    right = len(columns) * side
    if cut:
        marks.append(Words(right + 3, top + SMALL - 1, cut, SMALL, "soft"))
        right += 3 + extent(cut, SMALL)
    return top + len(rows) * side + 8, max(wide, right, extent(label, SMALL))


def _cut(sizes: Sequence[int | None], shown: Sequence[range]) -> str:
    """Which indices are shown, where these are not all."""
    if all(size == len(part) for size, part in zip(sizes, shown, strict=True)):
        return ""
    return "shown: " + ", ".join(f"{part.start}–{part.stop - 1}" for part in shown)


def _shown(size: int | None, marked: Indices | None) -> range:
    """The indices of an axis that are drawn: all, or as many as there is room for around the marked ones."""
    if size is None or size <= CELLS:
        return range(CELLS if size is None else size)
    low, high = marked.hull if marked else (0, 0)
    start = max(0, min((low + high) // 2 - CELLS // 2, size - CELLS)) if high - low < CELLS else low
    return range(start, start + CELLS)


def _runs(indices: Indices, shown: range) -> list[tuple[int, int]]:
    """Where the marked indices that are shown begin, counted from the first shown one, and how many follow."""
    cut = ((max(low, shown.start), min(high, shown.stop - 1)) for low, high in indices.intervals)
    return [(low - shown.start, high - low + 1) for low, high in cut if low <= high]


def curves(cls: type[Layer]) -> Drawing | None:
    """Small pictures of y = f(x), one for each example; None where the layer is no such function."""
    drawn: list[Block] = []
    calls: set[str] = set()
    for example in cls.examples():
        layer = example.layer
        if not (layer.executable and layer.elementwise and len(example.inputs) == 1):
            continue
        if layer.weight_types(*example.inputs) or example.outputs[0].rank < 2:
            continue
        call = describe_settings(layer)
        block = None if call in calls else _curve(layer)
        calls.add(call)
        if block is not None:
            drawn.append(block)
    if not drawn:
        return None
    wide, tall = max(block.width for block in drawn), max(block.height for block in drawn)
    marks: list[Mark] = []
    for number, block in enumerate(drawn):
        row, column = divmod(number, CURVES)
        place = EDGE + column * (wide + GAP), EDGE + row * (tall + GAP)
        marks += [_moved(mark, *place) for mark in block.marks]
    columns, rows = min(len(drawn), CURVES), -(-len(drawn) // CURVES)
    width, height = 2 * EDGE + columns * (wide + GAP) - GAP, 2 * EDGE + rows * (tall + GAP) - GAP
    return Drawing(width, height, "px", cls.__name__, f"{cls.__name__} as a function of one number", marks)


def _curve(layer: Layer) -> Block | None:
    """f from -RANGE to RANGE, values beyond these cut; None where it gives its input back."""
    import numpy as np

    x = np.linspace(-RANGE, RANGE, STEPS + 1)[:, None]
    (made, *_), _ = layer.define(x)
    side, y = 150.0, np.asarray(made, np.float64)
    if y.shape != x.shape or np.array_equal(x, y):
        return None
    scale, top = side / (2 * RANGE), NORMAL + 10.0
    given = describe_settings(layer).removeprefix(layer.kind)[1:-1]
    label = shortened(given or layer.kind, SMALL, side)
    marks: list[Mark] = [
        Words(0, SMALL, label, SMALL, "ink"),
        Stroke([(0, top + side / 2), (side, top + side / 2)], "rule", 1),
        Stroke([(side / 2, top), (side / 2, top + side)], "rule", 1),
    ]
    for tick in (-2, 2):
        at = side / 2 + tick * scale
        marks.append(Words(at, top + side / 2 + SMALL + 2, f"{tick}", SMALL - 1.5, "soft", "middle"))
        marks.append(Words(side / 2 - 4, top + side - at + 3, f"{tick}", SMALL - 1.5, "soft", "end"))
    line: list[tuple[float, float]] = []
    for a, b in zip(x[:, 0].tolist(), y[:, 0].tolist(), strict=True):
        inside = abs(b) <= RANGE
        if inside:
            line.append(((a + RANGE) * scale, top + (RANGE - b) * scale))
        if (not inside or a == RANGE) and len(line) > 1:
            marks.append(Stroke(tuple(line), "one", 1.8))
        if not inside:
            line = []
    return Block(side, top + side, marks)
