"""What a layer is: definition, shape law, settings, an example, and its names elsewhere."""

from __future__ import annotations

import inspect
from collections.abc import Sequence

from layerscope.core import sizes
from layerscope.core.contract import OF_TRAINING, Example, Layer, describe_settings
from layerscope.core.dataclasses import MISSING, fields
from layerscope.core.errors import ShapeError
from layerscope.report.document import count, shape

SOURCES = {"keras": "Keras 3", "torch": "PyTorch", "onnx": "ONNX"}


def explain(cls: type[Layer], numbers: bool = True) -> str:
    """The page of a layer as plain text, with or without a small example in numbers.

    Everything in it comes from the layer's own file.
    """
    parts = [f"{cls.__name__}", "=" * len(cls.__name__), "", inspect.cleandoc(cls.__doc__ or ""), ""]
    parts += ["Shape law", f"  {cls.law}", ""]
    parts += ["Settings (Keras's names)", *_settings(cls), ""]
    parts += ["Example", *_example(cls.examples()[0], numbers), ""]
    if cls.words:
        places = " ".join(place.upper() for place in cls.words.places)
        parts += ["In one line of text", f"  {cls.words.names[0]} {places}".rstrip()]
        if len(cls.words.names) > 1:
            parts.append(f"  (also: {', '.join(cls.words.names[1:])})")
        parts.append("")
    parts.append("Elsewhere")
    for key, title in SOURCES.items():
        spelling = cls.spellings.get(key)
        if spelling is not None:
            words = "; ".join(word for word in (spelling.name, spelling.note) if word) or "no such layer"
            parts.append(f"  {title:<8} {words}")
    return "\n".join(parts)


def _settings(cls: type[Layer]) -> list[str]:
    rows: Sequence[tuple[str, str]] = [
        (f.name, "required" if f.default is MISSING else repr(f.default))
        for f in fields(cls)
        if not f.name.endswith(OF_TRAINING)
    ]
    ordered = [row for row in rows if row[0] != "name"] + [row for row in rows if row[0] == "name"]
    width = max(len(name) for name, _ in ordered)
    return [f"  {name:<{width}}  {default}" for name, default in ordered]


def _example(example: Example, numbers: bool) -> list[str]:
    layer, inputs, outputs = example.layer, example.inputs, example.outputs
    lines = [f"  {describe_settings(layer)}"]
    arrow = " and ".join(shape(type) for type in inputs) or "nothing"
    lines.append(f"  {arrow}  →  {' and '.join(shape(type) for type in outputs)}")
    if inputs:
        weights = layer.weight_types(*inputs)
        total = sum(weight.size for weight in weights.values())
        listed = ", ".join(f"{role} {'×'.join(map(str, w.shape))}" for role, w in weights.items())
        macs = layer.macs(*inputs)
        words = [f"{count(total)} parameters ({listed})"] if weights else ["no parameters"]
        words.append(f"{count(macs)} MACs")
        lines.append("  " + ", ".join(words))
    return lines + (_numbers(layer, len(inputs)) if numbers else [])


def _numbers(layer: Layer, inputs: int) -> list[str]:
    """A small example with numbers, for layers on one grey image that have no weights and keep four axes."""
    if not layer.executable or inputs != 1 or layer.kind in ("Dropout", "Activation", "Flatten", "Reshape"):
        return []
    from layerscope.core.types import TensorType

    image = TensorType((1, 4, 4, 1))
    try:
        outs = layer.out(image)
    except ShapeError:  # it takes no grey image
        return []
    if layer.weight_types(image) or outs[0].rank != 4 or not all(isinstance(s, int) for s in outs[0].shape):
        return []
    import numpy as np

    x = np.array([[3, 1, 4, 1], [5, 9, 2, 6], [5, 3, 5, 8], [9, 7, 9, 3]], np.float64)
    if sizes.number(outs[0].elements) > 16 * 4:
        return []
    small = x if outs[0].elements != 64 else x[:2, :2]
    (made, *_), _ = layer.define(small[None, :, :, None])
    return ["", *_side_by_side(_grid(small.tolist()), _grid(made[0, :, :, 0].tolist()))]


def _grid(rows: list[list[float]]) -> list[str]:
    words = [[f"{value:g}" if abs(value) < 1e4 else f"{value:.3g}" for value in row] for row in rows]
    width = max(len(word) for row in words for word in row)
    return ["  ".join(word.rjust(width) for word in row) for row in words]


def _side_by_side(left: list[str], right: list[str]) -> list[str]:
    height, width = max(len(left), len(right)), len(left[0])
    lines: list[str] = []
    for i in range(height):
        a = left[i] if i < len(left) else ""
        b = right[i] if i < len(right) else ""
        lines.append(f"  {a:<{width}}   {'→' if i == 0 else ' '}   {b}".rstrip())
    return lines
