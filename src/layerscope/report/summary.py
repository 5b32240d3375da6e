"""A model's summary in the form that Keras 3 prints."""

from __future__ import annotations

import io
import shutil

from layerscope.core import propagate
from layerscope.core.graph import Graph
from layerscope.core.types import TensorType

CHAIN = (88, (0.45, 0.80, 1.0))
BRANCHING = (108, (0.3, 0.56, 0.74, 1.0))
TITLES = ("Layer (type)", "Output Shape", "Param #", "Connected to")


def _shape(type: TensorType) -> str:
    parts = [str(size) if isinstance(size, int) else "None" for size in type.shape]
    return f"({', '.join(parts)}{',' if len(parts) == 1 else ''})"


def _memory(parameters: int) -> str:
    size, units = parameters * 4.0, ["B", "KB", "MB", "GB", "TB"]
    while size >= 1024 and len(units) > 1:
        size, units = size / 1024, units[1:]
    return f"{size:.2f} {units[0]}"


def _rows(graph: Graph) -> list[tuple[str, str, str, str]]:
    """Each layer once, at its first use: title, output shapes, parameters, and what all its uses read."""
    types = propagate.types(graph)
    calls: dict[int, list[int]] = {}
    for number, node in enumerate(graph.nodes):
        calls.setdefault(id(node.layer), []).append(number)

    def source(number: int, output: int) -> str:
        uses = calls[id(graph.nodes[number].layer)]
        return f"{graph.nodes[uses[0]].label}[{uses.index(number)}][{output}]"

    rows: list[tuple[str, str, str, str]] = []
    for uses in calls.values():
        node = graph.nodes[uses[0]]
        shapes = [_shape(type) for type in types[uses[0]]]
        size = sum(graph.parameters[key].size for key in set(node.weights.values()))
        links = ", ".join(source(*edge) for use in uses for edge in graph.nodes[use].inputs)
        listed = shapes[0] if len(shapes) == 1 else f"[{', '.join(shapes)}]"
        rows.append((f"{node.label} ({node.layer.kind})", listed, f"{size:,}", links or "-"))
    return rows


def _is_chain(graph: Graph) -> bool:
    sources = [edge[0] for node in graph.nodes for edge in node.inputs]
    shared = len({id(node.layer) for node in graph.nodes}) < len(graph.nodes)
    branches = any(len(node.inputs) > 1 for node in graph.nodes) or len(sources) != len(set(sources))
    return not (shared or branches or len(graph.inputs) > 1)


def summary(graph: Graph, name: str, line_length: int | None = None) -> str:
    """The table of layers, output shapes and parameters, and the totals.

    A network that branches has a fourth column: name[use of the layer][output] of what is read.
    """
    from rich.box import HEAVY_HEAD
    from rich.console import Console
    from rich.table import Column, Table
    from rich.text import Text

    widest, positions = CHAIN if _is_chain(graph) else BRANCHING
    length = line_length or min(widest, shutil.get_terminal_size().columns - 4)
    ends = [int(position * length) for position in positions]
    columns = [
        Column(title, justify="right" if title == "Param #" else "left", width=max(end - start, 4))
        for title, start, end in zip(TITLES, [0, *ends], ends, strict=False)
    ]
    table = Table(*columns, width=length, show_lines=True, box=HEAVY_HEAD)
    for row in _rows(graph):
        table.add_row(*(Text(cell) for cell in row[: len(columns)]))
    page = io.StringIO()
    Console(file=page, width=length, color_system=None, force_terminal=False, legacy_windows=False).print(table)
    total = sum(row.size for row in graph.parameters.values())
    trainable = sum(row.size for row in graph.parameters.values() if row.trainable)
    lines = [
        f'Model: "{name}"',
        *(line.rstrip() for line in page.getvalue().splitlines()),
        f" Total params: {total:,} ({_memory(total)})",
        f" Trainable params: {trainable:,} ({_memory(trainable)})",
        f" Non-trainable params: {total - trainable:,} ({_memory(total - trainable)})",
    ]
    return "\n".join(lines)
