"""What a user says of a Keras model's inputs: the sizes of one example of each."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from layerscope.core.errors import ShapeError, SourceError
from layerscope.core.graph import Symbolic
from layerscope.core.sizes import checked
from layerscope.core.types import show
from layerscope.layers.input_layer import axis_names
from layerscope.sources._keras.plan import Entry, Plan, Stated

Shapes = list[tuple[int, ...]] | dict[str, tuple[int, ...]]


def given_shapes(input: Any) -> Shapes:
    """Sizes without the batch: (28, 28, 1), a list of these, or a dictionary by the inputs' names."""
    if isinstance(input, Mapping):
        return {str(name): _sizes(part) for name, part in input.items()}
    if isinstance(input, Symbolic):
        return [_sizes(input.shape[1:])]
    if not isinstance(input, Sequence) or isinstance(input, str):
        raise SourceError(
            f"input must be the sizes of one example, such as (28, 28, 1), or a list of these, not {input!r}"
        )
    listed = input if any(isinstance(part, Sequence | Symbolic) for part in input) else [input]
    return [_sizes(part.shape[1:] if isinstance(part, Symbolic) else part) for part in listed]


def _sizes(shape: Any) -> tuple[int, ...]:
    if not isinstance(shape, Sequence) or isinstance(shape, str):
        raise SourceError(f"input: the sizes of one example are needed, such as (28, 28, 1), not {shape!r}")
    return tuple(checked(size, f"input: a size of {show(tuple(shape))}") for size in shape)


def known_shapes(plan: Plan, shapes: Shapes) -> dict[str, Stated]:
    """The inputs with these sizes; ShapeError where they contradict what the model says."""
    names = [entry.name for entry in plan.entries]
    if isinstance(shapes, list):
        if len(shapes) != len(names):
            raise SourceError(
                f"{plan.name} has {len(names)} inputs ({', '.join(names)}), but input has {len(shapes)} shapes"
            )
        shapes = dict(zip(names, shapes, strict=True))
    found: dict[str, Stated] = {}
    for entry in plan.entries:
        if entry.name not in shapes:
            continue
        batch, *rest = entry.stated.shape
        given = shapes[entry.name]
        if len(rest) != len(given) or any(a not in (None, b) for a, b in zip(rest, given, strict=True)):
            raise ShapeError(f"takes examples of {show(tuple(rest))}, but input says {show(given)}").at(
                f"{entry.name} (InputLayer)"
            )
        found[entry.name] = Stated((batch, *given), entry.stated.dtype)
    unknown = sorted(set(shapes) - set(found))
    if unknown:
        raise SourceError(f"{plan.name} has no input {unknown[0]!r}; it has: {', '.join(names)}")
    return found


def open_names(entries: Sequence[Entry], known: Sequence[Stated]) -> list[tuple[str, ...]]:
    """Names for the axes of each input, with the input's before those that several inputs leave open."""
    found = [axis_names(stated.shape[1:]) for stated in known]
    pairs = [zip(stated.shape[1:], names, strict=True) for stated, names in zip(known, found, strict=True)]
    times = Counter(name for row in pairs for size, name in row if size is None)
    return [
        tuple(f"{identifier(entry.name)}_{name}" if times[name] > 1 else name for name in names)
        for entry, names in zip(entries, found, strict=True)
    ]


def identifier(name: str) -> str:
    """The name with every character replaced that a size's name cannot have."""
    word = re.sub(r"\W", "_", name)
    return word if word.isidentifier() else f"_{word}"
