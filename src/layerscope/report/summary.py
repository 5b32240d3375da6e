"""A model's summary in the form that Keras 3 prints."""

from __future__ import annotations

from collections.abc import Sequence

from layerscope.core import propagate
from layerscope.core.graph import Graph
from layerscope.core.types import TensorType


def _shape(type: TensorType) -> str:
    parts = [str(size) if isinstance(size, int) else "None" for size in type.shape]
    return f"({', '.join(parts)}{',' if len(parts) == 1 else ''})"


def _memory(parameters: int) -> str:
    size, units = parameters * 4.0, ["B", "KB", "MB", "GB", "TB"]
    while size >= 1024 and len(units) > 1:
        size, units = size / 1024, units[1:]
    return f"{size:.2f} {units[0]}"


def summary(graph: Graph, name: str, line_length: int = 80) -> str:
    """The table of layers, output shapes and parameters, and the totals."""
    rows: list[tuple[str, str, str]] = []
    seen: set[int] = set()
    branching = any(len(node.inputs) > 1 for node in graph.nodes) or len(graph.inputs) > 1
    types = propagate.types(graph)
    for number, node in enumerate(graph.nodes):
        if id(node.layer) in seen:
            continue
        seen.add(id(node.layer))
        shapes = ", ".join(_shape(type) for type in types[number])
        ids = set(node.weights.values())
        rows.append((f"{node.label} ({node.layer.kind})", shapes, f"{sum(graph.parameters[i].size for i in ids):,}"))
    links = [", ".join(graph.nodes[source].label for source, _ in node.inputs) or "-" for node in graph.nodes]
    titles = ["Layer (type)", "Output Shape", "Param #"] + (["Connected to"] if branching else [])
    cells = [[*row, link] if branching else list(row) for row, link in zip(rows, links, strict=False)]
    lines = _table(titles, cells, line_length)
    total = sum(row.size for row in graph.parameters.values())
    trainable = sum(row.size for row in graph.parameters.values() if row.trainable)
    lines += [
        f" Total params: {total:,} ({_memory(total)})",
        f" Trainable params: {trainable:,} ({_memory(trainable)})",
        f" Non-trainable params: {total - trainable:,} ({_memory(total - trainable)})",
    ]
    return "\n".join([f'Model: "{name}"', *lines])


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]], line_length: int) -> list[str]:
    right = 2
    spans = [max([len(title), *(len(row[i]) for row in rows)]) for i, title in enumerate(titles)]
    least = [31, 22, 13, 17][: len(titles)]
    spans = [max(a, b) for a, b in zip(spans, least, strict=True)]

    def line(cells: Sequence[str], bar: str) -> str:
        padded = [c.rjust(s) if i == right else c.ljust(s) for i, (c, s) in enumerate(zip(cells, spans, strict=True))]
        return bar + bar.join(f" {cell} " for cell in padded) + bar

    def rule(left: str, fill: str, middle: str, end: str) -> str:
        return left + middle.join(fill * (span + 2) for span in spans) + end

    lines = [rule("┏", "━", "┳", "┓"), line(titles, "┃"), rule("┡", "━", "╇", "┩")]
    for number, row in enumerate(rows):
        if number:
            lines.append(rule("├", "─", "┼", "┤"))
        lines.append(line(row, "│"))
    return [*lines, rule("└", "─", "┴", "┘")]
