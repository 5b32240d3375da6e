"""Receptive fields through a whole chain, decoder included: the cells of every plane on which one cell depends."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from layerscope.analyses import receptive_field
from layerscope.analyses.receptive_field import spatial_axes
from layerscope.core import boxes
from layerscope.core.boxes import Box, Region
from layerscope.core.indices import Indices
from layerscope.core.types import TensorType
from layerscope.lab import net
from layerscope.lab.net import Net
from layerscope.lab.numbers import text
from layerscope.lab.scene import Cell, Clamp, Grid, Scene, Text, Token

LARGEST = 32
"""Rows and columns of a plane that is drawn; a larger one is told in numbers."""
POINTWISE = ("Activation", "LeakyReLU", "Dropout", "BatchNormalization", "Identity")
"""Layers whose plane is the one before, cell by cell; they are not drawn."""
MOST_CELLS = 1 << 16
"""Of a plane whose cells are listed one by one."""
Places = frozenset[tuple[int, int]]


@dataclass(frozen=True)
class Lit:
    """The cells of a plane that belong to the set: how many (None: not counted), the box around them (first row,
    first column, rows, columns), and which, unless the plane is too large.
    """

    count: int | None
    hull: tuple[int, int, int, int] | None
    places: Places = frozenset()

    @property
    def missing(self) -> int:
        """Cells of the box that are not in the set."""
        return 0 if self.hull is None or self.count is None else self.hull[2] * self.hull[3] - self.count


NONE = Lit(0, None)


@dataclass(frozen=True)
class Chain:
    """A network with what its layers read, asked once."""

    net: Net
    reads: receptive_field.LayerReads

    @property
    def count(self) -> int:
        return len(self.net.types)

    def type(self, stage: int) -> TensorType:
        return self.net.types[stage][0]

    def plane(self, stage: int) -> tuple[int, int] | None:
        """Rows and columns of a stage's tensor; a vector is one row, what has more axes than an image has none."""
        sizes = [int(str(self.type(stage).shape[axis])) for axis in spatial_axes(self.type(stage))]
        return None if len(sizes) > 2 else ((1,) * (2 - len(sizes)) + tuple(sizes))[:2]  # pyright: ignore[reportReturnType]

    def box(self, stage: int, place: tuple[int, int]) -> Box:
        """One cell of a plane, with all its channels."""
        type = self.type(stage)
        axes = spatial_axes(type)
        box = list(boxes.whole(type))
        for axis, at in zip(axes, place[2 - len(axes) :], strict=True):
            box[axis] = Indices(((at, at),))
        return tuple(box)

    def back(self, stage: int, place: tuple[int, int]) -> dict[int, Region]:
        """Of every stage what one cell depends on."""
        assert self.net.graph
        asked = {(stage, 0): self.box(stage, place)}
        found = receptive_field.demanded(self.net.graph, self.net.types, asked, self.reads)
        return {node: region for (node, output), region in _joined(found).items() if output == 0}

    def forward(self, place: tuple[int, int]) -> dict[int, Region]:
        """Of every stage what depends on one cell of the input."""
        assert self.net.graph
        rows = receptive_field.reached(self.net.graph, self.net.types, {0: self.box(0, place)}, self.reads)
        return {node: row[0] for node, row in enumerate(rows) if row[0] is not None}

    def lit(self, stage: int, region: Region | None) -> Lit:
        """The cells of a region in a stage's plane."""
        if region is None:
            return NONE
        rows, columns = self.plane(stage) or (1, 1)
        around = self.spread(stage, boxes.around(region))
        (top, bottom), (left, right) = (part.hull for part in around)
        hull = top, left, bottom - top + 1, right - left + 1
        if rows * columns > MOST_CELLS:
            return Lit(around[0].count * around[1].count if len(region) == 1 else None, hull)
        places = frozenset(
            (a, b)
            for down, across in (self.spread(stage, box) for box in region)
            for a in _members(down)
            for b in _members(across)
        )
        return Lit(len(places), hull, places)

    def spread(self, stage: int, box: Box) -> tuple[Indices, Indices]:
        """A box along the rows and columns of the plane; of a vector the only row."""
        parts = [Indices(((0, 0),))] * 2 + [box[axis] for axis in spatial_axes(self.type(stage))]
        return parts[-2], parts[-1]


def _members(part: Indices) -> list[int]:
    return [n for low, high in part.intervals for n in range(low, high + 1)]


def _joined(found: dict[tuple[int, int], Region]) -> dict[tuple[int, int], Region]:
    """Demands on switches are demands on the plane from which they were taken: of one stage both are told."""
    joined = dict(found)
    for (node, output), region in found.items():
        if output:
            joined[node, 0] = boxes.union(joined[node, 0], region) if (node, 0) in joined else region
    return joined


def scene(settings: dict[str, Any]) -> Scene:
    """What a cell of stage `layer` depends on (back), or which cells depend on a cell of the input (forward)."""
    found = net.read(settings["net"])
    if not found.steps or found.graph is None:
        return _empty(settings, found)
    clamped: list[Clamp] = []
    chain = Chain(found, receptive_field.reads_of(found.graph, found.types))
    stage = _stage(settings, chain, clamped)
    forward = settings["mode"] == "forward"
    start = 0 if forward else stage
    plane = chain.plane(start)
    if plane is None or any(chain.plane(n) is None for n in range(chain.count)):
        return _empty(settings, found, Text("field.axes"))
    row, column = place = _place(settings, plane)
    regions = chain.forward(place) if forward else chain.back(stage, place)
    lit = {n: chain.lit(n, regions.get(n)) for n in range(chain.count)}
    unread = _unread(chain)
    shown = [n for n in range(chain.count) if _drawn(chain, n, stage)]
    grids = [_plane(chain, n, lit[n], unread, start, forward) for n in shown]
    sizes = None if forward else _sizes(chain, stage)
    if sizes is not None and max(plane) <= LARGEST:
        grids.append(_size_grid(sizes, plane))
    selected = (f"stage{start}", row * plane[1] + column) if start in shown else None
    return Scene(
        screen="field",
        settings=settings,
        title=Text("field.title"),
        clamped=clamped,
        grids=grids,
        layout=[[f"stage{n}"] for n in shown] + ([["sizes"]] if sizes is not None and max(plane) <= LARGEST else []),
        selected=selected,
        formula=_formula(lit[0 if not forward else stage]),
        law=_law(chain, stage),
        code=_code(found, stage, forward, place),
        why=_why(chain, stage, forward, lit, sizes, unread),
        data={
            "rows": [_row(chain, n, lit[n], f"stage{n}" if n in shown else "") for n in range(chain.count)],
            "sizes": None if sizes is None else _ends(sizes),
            "unbounded": net.row(found, stage)["field"],
            "unread": len(unread),
            "rest": list(found.stages[chain.count :]),
            "trouble": None if found.trouble is None else found.trouble.why,
        },
    )


def _stage(settings: dict[str, Any], chain: Chain, clamped: list[Clamp]) -> int:
    """The chosen stage; -1 is the last one."""
    asked, last = settings["layer"], chain.count - 1
    if asked > last:
        why = Text("field.clamp.layer", {"last": last})
        clamped.append(Clamp("layer", str(asked), str(last), why))
        settings["layer"] = last
    return last if asked < 0 else min(asked, last)


def _place(settings: dict[str, Any], plane: tuple[int, int]) -> tuple[int, int]:
    row, column = (min(max(c, 0), size - 1) for c, size in zip(settings["cell"], plane, strict=True))
    settings["cell"] = [row, column]
    return row, column


def _empty(settings: dict[str, Any], found: Net, why: Text | None = None) -> Scene:
    """No planes: the text is wrong from its start, or has no planes."""
    trouble = found.trouble.why if found.trouble else None
    told = why or trouble or Text("net.empty")
    return Scene("field", settings, Text("field.title"), [], [], why=[told],
                 data={"rows": [], "sizes": None, "unbounded": [], "unread": 0, "rest": list(found.stages),
                       "trouble": trouble})  # fmt: skip


def _drawn(chain: Chain, number: int, stage: int) -> bool:
    """Whether a stage's plane is drawn: small enough, and not the one before once more."""
    rows, columns = chain.plane(number) or (0, 0)
    kind = chain.net.steps[number].kind
    return max(rows, columns) <= LARGEST and (number in (0, stage) or kind not in POINTWISE)


def _unread(chain: Chain) -> Places:
    """The cells of the input on which no output depends; none are told of an input too large to draw."""
    rows, columns = chain.plane(0) or (0, 0)
    assert chain.net.graph
    if max(rows, columns) > LARGEST:
        return frozenset()
    last = chain.count - 1
    asked = {(last, 0): boxes.whole(chain.type(last))}
    found = receptive_field.demanded(chain.net.graph, chain.net.types, asked, chain.reads)
    return frozenset((a, b) for a in range(rows) for b in range(columns)) - (chain.lit(0, found.get((0, 0))).places)


def _plane(chain: Chain, number: int, lit: Lit, unread: Places, start: int, forward: bool) -> Grid:
    """A stage's plane: 1 in the cells of the set. Any cell can be chosen, with its stage; forward, of the input."""
    rows, columns = chain.plane(number) or (0, 0)
    cells: list[Cell] = []
    for a in range(rows):
        for b in range(columns):
            here = (a, b) in lit.places
            role = "lit" if here else "unread" if number == 0 and (a, b) in unread else "data"
            cells.append(Cell(float(here), "", role))
    words = {"number": number, "words": chain.net.stages[number], "rows": rows, "columns": columns}
    summary = Text("field.summary", _hull_words(lit)) if lit.hull else Text("field.summary.none")
    select = "cell" if number == start else "" if forward else f"cell&layer={number}"
    return Grid(f"stage{number}", Text("field.stage", words), rows, columns, cells, "sequential", select, summary)


def _hull_words(lit: Lit) -> dict[str, int | str]:
    row, column, rows, columns = lit.hull or (0, 0, 0, 0)
    count = rows * columns if lit.count is None else lit.count
    return {"count": count, "row": str(row), "column": str(column), "rows": str(rows), "columns": str(columns)}


def _row(chain: Chain, number: int, lit: Lit, grid: str) -> dict[str, Any]:
    return {
        "stage": number,
        "words": chain.net.stages[number],
        "plane": list(chain.plane(number) or ()),
        "count": lit.count,
        "hull": None if lit.hull is None else list(lit.hull),
        "holes": lit.missing > 0,
        "grid": grid,
    }


# --- how the size depends on the position ---


@dataclass(frozen=True)
class Size:
    """Of one cell: how many cells of the input it depends on, and rows and columns of the box around them."""

    count: int
    rows: int
    columns: int


def _sizes(chain: Chain, stage: int) -> list[Size] | None:
    """The size at every cell of a stage, row by row; None where the plane is too large to ask every cell."""
    plane = chain.plane(stage) or (0, 0)
    if max(*plane, *(chain.plane(0) or (0, 0))) > LARGEST:
        return None
    return list(_measured(chain, stage, plane))


def _measured(chain: Chain, stage: int, plane: tuple[int, int]) -> Iterator[Size]:
    graph = chain.net.graph
    assert graph
    whole = boxes.whole(chain.type(stage))
    branches = any(len(node.inputs) > 1 for node in graph.nodes)
    axes = (-1, -1, *spatial_axes(chain.type(stage)))[-2:]  # a vector has no axis of rows

    def fixed(*pairs: tuple[int, int]) -> Region | None:
        box = list(whole)
        for axis, at in pairs:
            if axis >= 0:
                box[axis] = Indices(((at, at),))
        asked = {(stage, 0): tuple(box)}
        return receptive_field.demanded(graph, chain.net.types, asked, chain.reads).get((0, 0))

    if branches:
        yield from (_size(chain, fixed((axes[0], a), (axes[1], b))) for a in range(plane[0]) for b in range(plane[1]))
        return
    # along a chain a cell sees what both its row and its column see, each of which is asked once
    rows = [fixed((axes[0], a)) for a in range(plane[0])]
    columns = [fixed((axes[1], b)) for b in range(plane[1])]
    for row in rows:
        for column in columns:
            if row is None or column is None:
                yield Size(0, 0, 0)
                continue
            both: Box = tuple(a & b for a, b in zip(row[0], column[0], strict=True))
            yield _size(chain, (both,) if all(both) else None)


def _size(chain: Chain, region: Region | None) -> Size:
    if region is None:
        return Size(0, 0, 0)
    if len(region) == 1:
        down, across = chain.spread(0, region[0])
        return Size(down.count * across.count, down.extent, across.extent)
    lit = chain.lit(0, region)
    _, _, rows, columns = lit.hull or (0, 0, 0, 0)
    return Size(lit.count or 0, rows, columns)


def _size_grid(sizes: Sequence[Size], plane: tuple[int, int]) -> Grid:
    cells = [Cell(float(size.count), text(size.count), "result") for size in sizes]
    return Grid("sizes", Text("field.sizes"), *plane, cells, scale="sequential", select="cell")


def _ends(sizes: Sequence[Size]) -> dict[str, Any]:
    """Smallest and largest number of cells, rows and columns over all positions."""
    return {
        "count": [min(s.count for s in sizes), max(s.count for s in sizes)],
        "rows": [min(s.rows for s in sizes), max(s.rows for s in sizes)],
        "columns": [min(s.columns for s in sizes), max(s.columns for s in sizes)],
    }


# --- in words ---


def _formula(lit: Lit) -> list[Token]:
    """Rows × columns of the box around the set, and how many cells of it are in the set."""
    if lit.hull is None:
        return [Token("0")]
    tokens = [Token(str(lit.hull[2])), Token("×", "operator"), Token(str(lit.hull[3]))]
    sign = ">" if lit.missing else "="
    return [*tokens, Token(sign, "operator"), Token(str(lit.hull[2] * lit.hull[3] - lit.missing))]


def _law(chain: Chain, stage: int) -> list[Token]:
    """The receptive field on an unbounded input along each axis, as a range over positions."""
    tokens: list[Token] = []
    for one in net.row(chain.net, stage)["field"]:
        tokens += [Token("×", "operator")] if tokens else []
        if one is None:
            tokens.append(Token("∀", "name"))
        elif one[0] == one[1]:
            tokens.append(Token(str(one[0])))
        else:
            tokens += [Token(str(one[0])), Token("–", "operator"), Token(str(one[1]))]
    return tokens


def _range(one: Sequence[int]) -> str:
    return str(one[0]) if one[0] == one[1] else f"{one[0]}–{one[1]}"


def _code(found: Net, stage: int, forward: bool, place: tuple[int, int]) -> dict[str, str]:
    at = f"{place[0]},{place[1]}"
    name = found.steps[stage].name
    way = f"--of-input {at}" if forward else f"--at {at}"
    return {"layerscope": f'layerscope field "{found.text}" {name} {way}'}


def _why(
    chain: Chain, stage: int, forward: bool, lit: dict[int, Lit], sizes: list[Size] | None, unread: Places
) -> list[Text]:
    there = lit[stage if forward else 0]
    told = [] if chain.net.trouble is None else [chain.net.trouble.why]
    if any(max(chain.plane(n) or (0, 0)) > LARGEST for n in range(chain.count)):
        told.append(Text("field.large", {"most": LARGEST}))
    key = "field.forward" if forward else "field.back"
    if there.hull is None:
        told.append(Text(f"{key}.none"))
    else:
        told.append(Text(key, _hull_words(there)))
    if there.missing:
        told.append(Text("field.holes", {"missing": there.missing}))
    if sizes is not None:
        ends = _ends(sizes)
        varies = ends["count"][0] != ends["count"][1]
        told.append(Text("field.varies" if varies else "field.constant",
                         {"least": ends["count"][0], "most": ends["count"][1]}))  # fmt: skip
    extents = net.row(chain.net, stage)["field"]
    if extents and None not in extents:
        told.append(Text("field.unbounded", {"size": "×".join(map(_range, extents))}))
    if any(one is not None and one[0] != one[1] for one in extents):
        told.append(Text("field.decoder"))
    if unread:
        told.append(Text("field.unread", {"count": len(unread)}))
    return told
