"""The effective receptive field: how strongly one position of a layer depends on each pixel of the input.

The receptive field says which pixels can matter, this how much they do: the mean square of the gradient of the
layer's numbers at one position by each pixel. It is a bump about the middle that grows with the square root of the
number of stacked convolutions, not with the receptive field.

Source: Luo, Li, Urtasun & Zemel, "Understanding the effective receptive field in deep convolutional neural networks"
(2016).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerscope import initializers
from layerscope.analyses import receptive_field
from layerscope.core import propagate
from layerscope.core.boxes import single
from layerscope.core.contract import described_only
from layerscope.core.errors import GraphError, SettingError, ShapeError
from layerscope.core.graph import Graph, Node
from layerscope.core.lowering import Value
from layerscope.core.sizes import numbers
from layerscope.core.types import BATCH, TensorType
from layerscope.engine import reference
from layerscope.engine.primitives.base import Frame
from layerscope.engine.program import Key, Program
from layerscope.models.parts import subgraph

Array = NDArray[Any]
MOST_SHARE = 0.95


@dataclass(frozen=True)
class EffectiveField:
    """How much one position of a layer depends on each pixel: `influence` (height, width), its sum 1.

    `box` has the first and last row, and the first and last column, that can matter: the receptive field.
    """

    layer: str
    position: tuple[int, int]
    box: tuple[tuple[int, int], tuple[int, int]]
    influence: Array

    @property
    def sizes(self) -> tuple[int, int]:
        """Height and width of the receptive field."""
        return self.box[0][1] - self.box[0][0] + 1, self.box[1][1] - self.box[1][0] + 1

    @property
    def inside(self) -> Array:
        """The influence within the receptive field."""
        return self.influence[tuple(slice(low, high + 1) for low, high in self.box)]

    def side(self, share: float = MOST_SHARE) -> tuple[int, int]:
        """Height and width of the receptive field without as many rows and columns at all sides as can go, so that
        at least this share of the influence is left.
        """
        values, cut = self.inside, 0
        while 2 * (cut + 1) < min(self.sizes):
            n = cut + 1
            if values[n : values.shape[0] - n, n : values.shape[1] - n].sum() < share:
                break
            cut = n
        return values.shape[0] - 2 * cut, values.shape[1] - 2 * cut

    @property
    def deviation(self) -> tuple[float, float]:
        """Standard deviation in pixels, along height and width, of where the influence lies."""
        found: list[float] = []
        for axis in (0, 1):
            along = self.influence.sum(axis=1 - axis)
            places = np.arange(len(along))
            mean = float((along * places).sum())
            found.append(float(np.sqrt((along * np.square(places - mean)).sum())))
        return found[0], found[1]


def effective_field(
    graph: Graph,
    weights: Mapping[str, Array] | None = None,
    *,
    layer: str | None = None,
    position: Sequence[int] | None = None,
    images: Array | None = None,
    samples: int = 2,
    draws: int = 16,
    seed: int = 0,
) -> EffectiveField:
    """The effective receptive field of one position of a layer (the network's output, the middle, if not told).

    Of the layer's numbers at the position a sum with random signs is taken, whose gradients' squares are averaged
    over `images` (n, height, width, C), or `samples` of normal noise, over the input's channels and, without
    `weights` (arrays by parameter id), over `draws` of he_normal weights. In float64; the seed decides everything
    random.
    Errors: GraphError for several inputs, an unknown layer, or one that is not computed here; ShapeError for open
    sizes, for no image on either side, and for a position outside.
    """
    number, output = graph.outputs[0] if layer is None else (graph.index(layer), 0)
    part = subgraph(graph, [(number, output)])
    if len(part.inputs) != 1:
        raise GraphError(f"an effective receptive field is of one input, but this network has {len(part.inputs)}")
    types = [tuple(type.bind({BATCH: 1}) for type in row) for row in propagate.types(part)]
    given, made = types[part.inputs[0]][0], types[part.outputs[0][0]][part.outputs[0][1]]
    place = _place(given, made, position)
    if samples < 1 or draws < 1:
        raise SettingError(f"at least one sample and one draw are needed, not {samples} and {draws}")
    box = receptive_field.dependency(part, types, {part.outputs[0]: (*single((0, *place)), _channels(made))})[0]
    program = _program(part)
    influence = np.zeros(numbers(given.shape[1:3]))
    for draw in range(1 if weights is not None else draws):
        random = np.random.default_rng([seed, draw])
        fed = random.standard_normal((samples, *numbers(given.shape[1:]))) if images is None else images
        influence += _squares(program, fed, _drawn(part, random) if weights is None else weights, made, place, random)
    total = float(influence.sum())
    if not total > 0:
        raise GraphError("all gradients are zero: no pixel matters to this position, with these weights and images")
    (top, bottom), (left, right) = box[1].hull, box[2].hull
    label = part.nodes[part.outputs[0][0]].label
    return EffectiveField(label, place, ((top, bottom), (left, right)), influence / total)


def _place(given: TensorType, made: TensorType, position: Sequence[int] | None) -> tuple[int, int]:
    for type in (given, made):
        if type.rank != 4 or not all(isinstance(size, int) for size in type.shape):
            raise ShapeError(
                f"an effective receptive field lies between images of known sizes, not {given} and {made}"
            )
    height, width = numbers(made.shape[1:3])
    place = (height // 2, width // 2) if position is None else tuple(position)
    if len(place) != 2 or not (0 <= place[0] < height and 0 <= place[1] < width):
        raise ShapeError(f"{place} is outside of {height} × {width} positions, counted from 0")
    return place[0], place[1]


def _channels(type: TensorType) -> Any:
    from layerscope.core.indices import Indices

    return Indices(((0, numbers(type.shape[-1:])[0] - 1),))


def _program(graph: Graph) -> Program:
    """data, weights, signs → the gradient by the data."""
    program = Program()
    types = propagate.input_types(graph)
    data = program.input(("data", 0), types[graph.inputs[0]][0], True)

    def lower(node: Node, values: tuple[Value, ...]) -> tuple[Value, ...]:
        if not node.layer.executable:
            raise GraphError(described_only(node.layer, f"{node.label} ({node.layer.kind})"))
        table = graph.parameters
        weights = {
            role: program.input(("weight", id), TensorType(table[id].shape, table[id].dtype))
            for role, id in node.weights.items()
        }
        return node.layer.lower(program, *values, training=False, **weights)

    found = propagate.forward(graph, {graph.inputs[0]: (data,)}, lower)
    made = found[graph.outputs[0][0]][graph.outputs[0][1]]
    signs = program.input(("signs",), TensorType((1, *made.type.shape[1:])))
    total = program.reduce("sum", program.map("mul", made, signs), range(made.type.rank))
    start = program.input(("one",), TensorType(()))
    (gradient,) = program.differentiate(total, start, [data])
    if gradient is None:
        raise GraphError("the layer does not depend on the input")
    program.output(("gradient",), gradient)
    return program.pruned()


def _drawn(graph: Graph, random: np.random.Generator) -> dict[str, Array]:
    normal = initializers.get("he_normal")
    return {
        id: normal.draw(random, row.shape) if len(row.shape) > 1 else np.zeros(row.shape)
        for id, row in graph.parameters.items()
    }


def _squares(
    program: Program,
    images: Array,
    weights: Mapping[str, Array],
    made: TensorType,
    place: tuple[int, int],
    random: Any,
) -> Array:
    signs = np.zeros((1, *numbers(made.shape[1:])))
    signs[0, place[0], place[1]] = random.choice([-1.0, 1.0], signs.shape[-1])
    feeds: dict[Key, Array] = {("data", 0): np.asarray(images, np.float64), ("signs",): signs, ("one",): np.ones(())}
    feeds |= {("weight", id): np.asarray(array, np.float64) for id, array in weights.items()}
    feeds = {key: array for key, array in feeds.items() if key in program.inputs}
    found = reference.run(program, feeds, Frame(len(images), np.dtype("float64"), 0, 0))
    return np.square(found["gradient",]).sum(axis=(0, 3))
