"""A network of one line of text, as the screens `field` and `journey` need it: its stages, facts, and what is wrong.

The page reads the same texts in TypeScript (web/src/net); `layers.json` tells it the layers' words and settings.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from layerscope.analyses.journey import Extent, Journey, Step, journey
from layerscope.core.errors import LayerscopeError, TextError
from layerscope.core.graph import Graph
from layerscope.core.types import BATCH, TensorType
from layerscope.lab.scene import Text
from layerscope.lab.troubles import trouble_of
from layerscope.sources import text as source

MOST_LAYERS = 64
LONGEST_AXIS = 100_000
LARGEST = 2**53 - 1
"""Larger whole numbers the page cannot count exactly."""


@dataclass(frozen=True)
class Trouble:
    """What is wrong, in which stage (None: the text as a whole), and where in the text."""

    stage: int | None
    start: int
    length: int
    why: Text
    error: LayerscopeError | None = None


@dataclass(frozen=True)
class Net:
    """A text as far as it is a network: the words of all its stages; the network before the trouble, and its facts.

    `types` have one example; all three are empty or None where nothing could be read.
    """

    text: str
    stages: tuple[str, ...]
    graph: Graph | None
    found: Journey | None
    types: tuple[tuple[TensorType, ...], ...]
    trouble: Trouble | None

    @property
    def steps(self) -> Sequence[Step]:
        """One for each stage before the trouble."""
        return self.found.steps if self.found else ()


def read(text: str) -> Net:
    """Read a text, as far as it goes; what is wrong with it is in `trouble`."""
    begun = source.begin(text, MOST_LAYERS)
    words = [" ".join(word.text for word in stage) for stage in begun.stages]
    count = len(begun.types)
    trouble = None
    if begun.stages and _open(begun.stages[0]):
        first, last = begun.stages[0][0], begun.stages[0][-1]
        return Net(
            text, tuple(words), None, None, (), Trouble(0, first.start, last.end - first.start, Text("net.open"))
        )
    if begun.error is not None:
        whole = not isinstance(begun.error, TextError) or not begun.stages
        start, length = (0, 0) if not isinstance(begun.error, TextError) else (begun.error.start, begun.error.length)
        trouble = Trouble(None if whole else count, start, length, trouble_of(begun.error), begun.error)
    return _measured(Net(text, tuple(words), begun.graph, None, (), trouble), begun.stages)


def _open(words: Sequence[source.Word]) -> bool:
    """Whether the first stage is a shape with names in it."""
    shape = words[0].text
    alone = len(words) == 1 or words[1].text == "as"
    return bool(alone and source.SHAPE.match(shape) and not re.fullmatch(r"\d+([xX×*]\d+)*", shape))


def _measured(net: Net, stages: Sequence[Sequence[source.Word]]) -> Net:
    """With the facts; cut before a stage whose sizes are too large for the lab."""
    if net.graph is None:
        return net
    found = journey(net.graph)
    types = tuple(tuple(type.bind({BATCH: 1}) for type in step.outputs) for step in found.steps)
    for number, step in enumerate(found.steps):
        why = _too_much(step, types[number][0])
        if why is not None:
            first, last = stages[number][0], stages[number][-1]
            trouble = Trouble(number, first.start, last.end - first.start, why)
            shorter = source.begin(" | ".join(net.stages[:number]), MOST_LAYERS).graph if number else None
            return _measured(Net(net.text, net.stages, shorter, None, (), trouble), stages)
    return Net(net.text, net.stages, net.graph, found, types, net.trouble)


def _too_much(step: Step, type: TensorType) -> Text | None:
    shape = type.shape[1:]
    counts = [type.elements, step.parameters, step.macs]
    longest = max((size for size in shape if isinstance(size, int)), default=1)
    if any(isinstance(n, int) and n > LARGEST for n in counts) or (len(shape) > 1 and longest > LONGEST_AXIS):
        return Text("net.large", {"most": LONGEST_AXIS})
    return None


def row(net: Net, number: int) -> dict[str, Any]:
    """The facts of one stage as plain data."""
    return {"stage": number, "words": net.stages[number], **facts(net.steps[number], net.types[number][0])}


def facts(step: Step, type: TensorType) -> dict[str, Any]:
    """The facts of one layer as plain data; what is unknown or open is None.

    `field` has [least, most] for each axis of the input that has positions, None for everything or a mere bound.
    """
    elements = type.elements
    return {
        "name": step.name,
        "kind": step.kind,
        "shape": [size if isinstance(size, int) else str(size) for size in type.shape[1:]],
        "elements": elements if isinstance(elements, int) else None,
        "ratio": None if step.ratio is None else _pair(step.ratio),
        "parameters": step.parameters,
        "weights": {role: list(shape) for role, shape in step.weights.items()},
        "macs": step.macs if isinstance(step.macs, int) else None,
        "field": [_extent(one) for one in next(iter(step.fields.values()), ())],
    }


def _pair(ratio: Fraction) -> list[int]:
    return [ratio.numerator, ratio.denominator]


def _extent(one: Extent | None) -> list[int] | None:
    return None if one is None or not one.exact else [one.min, one.max]


def totals(net: Net) -> dict[str, int]:
    """Parameters and multiply-accumulates of all stages before the trouble."""
    return {
        "parameters": sum(step.parameters or 0 for step in net.steps),
        "macs": sum(step.macs if isinstance(step.macs, int) else 0 for step in net.steps),
    }
