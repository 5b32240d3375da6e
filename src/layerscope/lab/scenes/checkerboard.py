"""Checkerboards: how many products meet in each cell behind transposed convolutions, and what evens that out."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from layerscope.analyses import overlap_fixes
from layerscope.analyses.checkerboard import Checkerboard, Pattern, checkerboard, even
from layerscope.analyses.journey import journey
from layerscope.analyses.positions import of_layer
from layerscope.core import propagate
from layerscope.core.contract import Array, Layer
from layerscope.core.graph import Graph, trace_calls
from layerscope.core.sizes import numbers
from layerscope.core.types import TensorType, example
from layerscope.lab.numbers import text
from layerscope.lab.scene import Cell, Clamp, Grid, Link, Scene, Text, Token
from layerscope.layers import Conv2DTranspose, Input

LARGEST = 48
"""Cells along an axis of the last map."""
WAYS = ("kernel", "resize", "subpixel")


def scene(settings: dict[str, Any]) -> Scene:
    """n × n ones through `layers` transposed convolutions of ones (k1, s1, ...), padded as `pad`, dilated by `d`."""
    clamped: list[Clamp] = []
    graph = _fitting(settings, clamped)
    maps = _maps(graph)
    high = maps[-1].shape[0]
    row, column = (min(max(c, 0), high - 1) for c in settings["cell"])
    settings["cell"] = [row, column]
    found = checkerboard(graph)
    fixed = {way: overlap_fixes.repaired(graph, way) for way in WAYS} if found.uneven else {}
    fixed = {way: changed for way, changed in fixed.items() if changed is not graph}
    count = len(maps) - 1
    grids = [_map("input", Text("checkerboard.input", {"n": settings["n"]}), maps[0])]
    for number in range(1, count + 1):
        title = Text("checkerboard.map", {"number": number, "size": maps[number].shape[0]})
        grids.append(_map(f"map{number}", title, maps[number], "cell" if number == count else ""))
    grids.append(_pattern(found, count))
    for way, changed in fixed.items():
        made = _maps(changed)[-1]
        grids.append(_map(f"fix.{way}", Text(f"checkerboard.fix.{way}", {"size": made.shape[0]}), made))
    layout = [["input", *(f"map{n}" for n in range(1, count + 1))], ["pattern"], [f"fix.{way}" for way in fixed]]
    chosen = row * high + column
    return Scene(
        screen="checkerboard",
        settings=settings,
        title=Text("checkerboard.title"),
        clamped=clamped,
        grids=grids,
        layout=[line for line in layout if line],
        links=_links(graph, settings["n"], f"map{count}", (row, column), chosen),
        selected=(f"map{count}", chosen),
        formula=_formula(maps[-1], (row, column), f"map{count}", chosen),
        law=_law(settings, count),
        code=_code(settings, count),
        why=_why(settings, found, count, fixed),
        data=_data(graph, found, fixed),
    )


def _steps(settings: dict[str, Any]) -> list[tuple[int, int]]:
    return [(settings[f"k{n}"], settings[f"s{n}"]) for n in range(1, settings["layers"] + 1)]


def _network(settings: dict[str, Any]) -> Graph:
    start = tensor = Input((settings["n"], settings["n"], 1))
    for k, s in _steps(settings):
        layer = Conv2DTranspose(1, k, strides=s, padding=settings["pad"], dilation_rate=settings["d"], use_bias=False)
        tensor: Any = layer(tensor)
    return trace_calls([start], [tensor])


def _fitting(settings: dict[str, Any], clamped: list[Clamp]) -> Graph:
    """The network with the largest n, or the fewest layers, whose last map is not too large."""
    asked = {name: settings[name] for name in ("n", "layers")}
    graph = _network(settings)
    while _size(graph) > LARGEST:
        if settings["n"] > 2:
            settings["n"] -= 1
        else:
            settings["layers"] -= 1
        graph = _network(settings)
    for name, before in asked.items():
        if settings[name] != before:
            why = Text("checkerboard.clamp.size", {"most": LARGEST})
            clamped.append(Clamp(name, str(before), str(settings[name]), why))
    return graph


def _size(graph: Graph) -> int:
    size = propagate.output_types(graph)[0].shape[1]
    assert isinstance(size, int)
    return size


def _maps(graph: Graph) -> list[Array]:
    """What every layer makes of ones with weights of one, by its `define`; the first channel."""
    types = [tuple(example(type) for type in row) for row in propagate.types(graph)]
    values: list[Array] = [np.ones(numbers(types[0][0].shape))]
    for number, node in enumerate(graph.nodes[1:], 1):
        values.append(_ones(node.layer, values[number - 1]))
    return [value[0, :, :, 0] for value in values]


def _ones(layer: Layer, given: Array) -> Array:
    weights = layer.weight_types(TensorType(given.shape))
    ones = {role: np.ones(type.shape) if role == "kernel" else np.zeros(type.shape) for role, type in weights.items()}
    (made, *_), _ = layer.define(given, training=False, random=None, **ones)
    return made


def _map(id: str, title: Text, values: Array, select: str = "") -> Grid:
    cells = [Cell(v, text(v), "result" if id != "input" else "data") for v in values.ravel().tolist()]
    rows, columns = values.shape
    return Grid(id, title, rows, columns, cells, scale="sequential", select=select)


def _pattern(found: Checkerboard, count: int) -> Grid:
    """The interior's pattern of the whole chain: one period."""
    pattern = found.layers[-1].so_far
    assert pattern is not None
    rows, columns = pattern.shape[1:3]
    cells = [Cell(float(n), text(n), "result") for n in pattern.counts]
    title = Text("checkerboard.pattern", {"layers": count, "rows": rows, "columns": columns})
    return Grid("pattern", title, rows, columns, cells, scale="sequential")


def _links(graph: Graph, n: int, last: str, place: tuple[int, int], chosen: int) -> list[Link]:
    """The input cells that reach the chosen one."""
    (seen,) = of_layer(graph, journey(graph), None, place).inputs
    if seen.indices is None:
        return []
    rows, columns = ([i for low, high in part.intervals for i in range(low, high + 1)] for part in seen.indices)
    return [Link(("input", a * n + b), (last, chosen), "stamp") for a in rows for b in columns]


def _formula(map: Array, place: tuple[int, int], last: str, chosen: int) -> list[Token]:
    """Products along the rows, times those along the columns."""
    value = int(map[place])
    down, across = _along(map, *place)
    return [
        Token(text(down)), Token("×", "operator"), Token(text(across)), Token("=", "operator"),
        Token(text(value), "number", (last, chosen)),
    ]  # fmt: skip


def _along(map: Array, row: int, column: int) -> tuple[int, int]:
    """A map that is a product of one along the rows and the same one along the columns, taken apart."""
    line = [math.isqrt(int(map[n, n])) for n in range(map.shape[0])]
    return line[row], line[column]


def _law(settings: dict[str, Any], count: int) -> list[Token]:
    """k mod s of every layer."""
    tokens: list[Token] = []
    for number, (k, s) in enumerate(_steps(settings)[:count]):
        tokens += [Token("; ", "operator")] if number else []
        tokens += [Token(str(k)), Token("mod", "name"), Token(str(s)), Token("=", "operator"), Token(str(k % s))]
    return tokens


def _code(settings: dict[str, Any], count: int) -> dict[str, str]:
    """A line for each layer. PyTorch's padding crops otherwise than `same`, so that is cut out of the whole plane."""
    d, same = settings["d"], settings["pad"] == "same"
    keras: list[str] = []
    torch: list[str] = []
    n = settings["n"]
    for k, s in _steps(settings)[:count]:
        whole = (n - 1) * s + d * (k - 1) + 1
        n = n * s if same else whole
        dilated = f", dilation_rate={d}" if d > 1 else ""
        keras.append(f'Conv2DTranspose(1, {k}, strides={s}, padding="{settings["pad"]}"{dilated}, use_bias=False)')
        more = f", output_padding={n - whole}" if n > whole else ""
        more += f", dilation={d}" if d > 1 else ""
        begin = (whole - n) // 2
        cut = f"(x)[..., {begin}:{begin + n}, {begin}:{begin + n}]" if n < whole else ""
        torch.append(f"torch.nn.ConvTranspose2d(1, 1, {k}, stride={s}{more}, bias=False){cut}")
    return {
        "keras": "\n".join(keras),
        "torch": "\n".join(torch),
        "layerscope": f'layerscope checkerboard "{_text(settings)}"',
    }


def _text(settings: dict[str, Any]) -> str:
    """The chain as the project's one line of text."""
    d, pad = settings["d"], settings["pad"]
    words = [f"{settings['n']}x{settings['n']}x1"]
    for k, s in _steps(settings):
        words.append(
            f"convt 1 {k} stride {s}" + (" same" if pad == "same" else "") + (f" dilation {d}" if d > 1 else "")
        )
    return " | ".join(words)


def _why(settings: dict[str, Any], found: Checkerboard, count: int, fixed: dict[str, Graph]) -> list[Text]:
    pattern = found.layers[-1].so_far
    assert pattern is not None
    told = [Text("checkerboard.even")]
    if not pattern.even:
        key = "checkerboard.holes" if not pattern.least else "checkerboard.uneven"
        told = [Text(key, {"most": text(pattern.most), "least": text(pattern.least), "layers": count})]
    divisible = all(k % s == 0 for k, s in _steps(settings))
    if divisible and pattern.even:
        told.append(Text("checkerboard.trap"))
    if settings["d"] > 1 and divisible and not pattern.even:
        told.append(Text("checkerboard.dilation", {"d": settings["d"]}))
    if len(found.uneven) and not pattern.even and count > 1:
        told.append(Text("checkerboard.chain"))
    if fixed:
        told.append(Text("checkerboard.fixes"))
    told.append(Text("checkerboard.edge"))
    return told


def _data(graph: Graph, found: Checkerboard, fixed: dict[str, Graph]) -> dict[str, Any]:
    """Per layer and for the chain: largest and smallest overlap; for each fix the layers that it has."""
    rows: list[dict[str, Any]] = []
    named = {row.name: row for row in found.layers}
    before: Pattern | None = even(4)
    for node in graph.nodes[1:]:
        row = named.get(node.label)  # one that changes nothing has no row
        before = row.so_far if row else before
        rows.append({"alone": _ends(row.alone if row else even(4)), "so_far": _ends(before)})
    return {
        "layers": rows,
        "fixes": {
            way: {"layers": [node.layer.kind for node in changed.nodes[1:]],
                  "ends": _ends(checkerboard(changed).layers[-1].so_far)}
            for way, changed in fixed.items()
        },
    }  # fmt: skip


def _ends(pattern: Pattern | None) -> dict[str, Any] | None:
    if pattern is None:
        return None
    return {"least": pattern.least, "most": pattern.most, "even": pattern.even}
