"""What a layer's class says of itself, in parts: the words of its docstring, its settings, what its examples cost."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

from layerscope.core import boxes
from layerscope.core.boxes import Box
from layerscope.core.contract import OF_TRAINING, Example, Layer, describe_settings
from layerscope.core.costs import Operations
from layerscope.core.dataclasses import MISSING, dataclass, fields
from layerscope.core.sizes import Size
from layerscope.report.document import count, shape

ELSEWHERE = {"keras": "Keras 3", "torch": "PyTorch", "onnx": "ONNX"}
FIELD = re.compile(r"^([A-Z][A-Za-z ,-]{2,40})(?: \(([^)]*)\))?: ")
"""How a line of a docstring begins that starts a field: "Shapes: ", "Kept for the backward pass (through time): "."""


@dataclass(frozen=True)
class Words:
    """A docstring: its first line, the paragraphs behind it, and the fields (shapes, errors, ...) by title."""

    first: str
    paragraphs: Sequence[str]
    fields: Sequence[tuple[str, str]]


def words(cls: type[Layer]) -> Words:
    """The docstring of a layer in its parts; lines of one paragraph stay apart, for formulas stand in lines."""
    first, _, rest = inspect.cleandoc(cls.__doc__ or "").partition("\n")
    paragraphs: list[str] = []
    named: list[tuple[str, str]] = []
    for paragraph in filter(None, rest.strip().split("\n\n")):
        lines = paragraph.split("\n")
        if not FIELD.match(lines[0]):
            paragraphs.append(paragraph)
            continue
        for line in lines:
            found = FIELD.match(line)
            if found:
                title = found[1] + (f" ({found[2]})" if found[2] else "")
                named.append((title, line[found.end() :]))
            else:
                named[-1] = (named[-1][0], f"{named[-1][1]} {line}")
    return Words(first, paragraphs, named)


def settings(cls: type[Layer]) -> list[tuple[str, str]]:
    """Name and default ("required" where there is none) of each setting, in their order, but those of training."""
    own = [f for f in fields(cls) if not f.name.endswith(OF_TRAINING)]
    rows = [(f.name, "required" if f.default is MISSING else repr(f.default)) for f in own]
    return [row for row in rows if row[0] != "name"] + [row for row in rows if row[0] == "name"]


def elsewhere(cls: type[Layer]) -> list[tuple[str, str, str]]:
    """Title, name and note of the layer in each other framework that it says something about."""
    found = [(title, cls.spellings.get(key)) for key, title in ELSEWHERE.items()]
    return [(title, spelling.name, spelling.note) for title, spelling in found if spelling is not None]


@dataclass(frozen=True)
class Cost:
    """One example: the call, the shapes, and what the layer costs there; None is unknown."""

    call: str
    inputs: str
    outputs: str
    parameters: int
    macs: Size | None
    operations: Operations | None
    kept: Size | None


def cost(example: Example) -> Cost:
    """What an example's layer costs."""
    layer, types = example.layer, example.inputs
    return Cost(
        describe_settings(layer),
        " and ".join(map(shape, types)) or "nothing",
        " and ".join(map(shape, example.outputs)),
        sum(weight.size for weight in layer.weight_types(*types).values()),
        layer.macs(*types),
        layer.operations(*types),
        _kept(example),
    )


def _kept(example: Example) -> Size | None:
    """Bytes of all tensors that a training step keeps of it."""
    saved = example.layer.saved(*example.inputs)
    if saved is None:
        return None
    total: Size = 0
    for type in (
        *(example.inputs[number] for number in saved.inputs),
        *(example.outputs[number] for number in saved.outputs),
        *saved.extra,
    ):
        total = total + type.bytes
    return total


def operations_in_words(found: Operations | None) -> str:
    """Each kind of operation with its number; "unknown", "none"."""
    if found is None:
        return "unknown"
    parts = [f"{count(getattr(found, name))} {name}" for name in ("bias", "pointwise", "normalisation", "pooling")]
    return ", ".join(part for part in parts if not part.startswith("0 ")) or "none"


@dataclass(frozen=True)
class Dependence:
    """One value of the (first) output, by its position behind the batch, and for each input the box of values that it
    depends on, behind the batch; None: on nothing of that input.
    """

    position: tuple[int, ...]
    inputs: tuple[Box | None, ...]


def dependence(example: Example) -> Dependence | None:
    """What a value near the middle of an example's output depends on; None where the layer has no input, or a size is
    open. Of layers that leave some outputs empty, a value that is not.
    """
    layer, types, out = example.layer, example.inputs, example.outputs[0]
    if not types or not all(isinstance(size, int) for type in (*types, out) for size in type.shape):
        return None
    reads = layer.reach(0, *types)
    moved = _moved(example)
    found = None
    for position in _positions([int(str(size)) for size in out.shape]):
        box = boxes.single(position)
        pulled = tuple(boxes.pull(read, box, type) for read, type in zip(reads, types, strict=True))
        behind = tuple(None if part is None else part[1:] for part in pulled)
        if moved is not None:
            behind = (boxes.single(moved[position])[1:],)
        found = Dependence(position[1:], behind)
        if any(part is not None for part in pulled):
            return found
    return found


def _moved(example: Example) -> dict[tuple[int, ...], tuple[int, ...]] | None:
    """Of a layer that only puts numbers elsewhere: from where each comes, for the first example. What layers say of
    axes that they mix, as Flatten does, is coarser.
    """
    layer, types = example.layer, example.inputs
    if not layer.executable or len(types) != 1 or layer.weight_types(*types) or len(example.outputs) != 1:
        return None
    import numpy as np

    shape = tuple(int(str(size)) for size in types[0].shape)
    given: Any = np.arange(math.prod(shape), dtype=np.float64).reshape(shape)
    made: Any = layer.define(given)[0][0]
    if made.size != given.size or not np.array_equal(np.sort(made, axis=None), given.ravel()):
        return None
    order: list[int] = made.astype(int).ravel().tolist()
    inputs: list[tuple[int, ...]] = list(np.ndindex(*shape))
    places: list[tuple[int, ...]] = list(np.ndindex(*made.shape))
    return {place: inputs[number] for place, number in zip(places, order, strict=True)}


def _positions(sizes: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Positions of the first example, from the middle on, each axis one back before the next."""
    middle = [0, *(size // 2 for size in sizes[1:])]
    for steps in product((0, 1, 2), repeat=len(middle) - 1):
        yield (0, *(max(0, m - step) for m, step in zip(middle[1:], steps, strict=True)))
