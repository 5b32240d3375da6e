"""What happens in every layer when the image moves by a few pixels: how much it changes, and whether it moves along.

Max pooling is said to make a network indifferent to small shifts (invariant); a convolution moves its output along
with the input (equivariant), as long as nothing is left out by a stride. Both are measured here.

Source: Zhang, "Making convolutional networks shift-invariant again" (2019); Azulay & Weiss, "Why do deep
convolutional networks generalize so poorly to small image transformations?" (2019).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerscope.analyses import receptive_field
from layerscope.core import propagate
from layerscope.core.errors import DataError, GraphError, SettingError, ShapeError
from layerscope.core.graph import Graph
from layerscope.core.types import TensorType, show
from layerscope.models import Model
from layerscope.models.parts import outputs_at

Array = NDArray[Any]
CHUNK = 32 << 20
"""Bytes of layers' outputs that are looked at together."""


@dataclass(frozen=True)
class LayerShift:
    """One layer, when its input image moves by 0, 1, 2, … pixels (the index).

    `change`: the root mean square distance between its outputs for an image and for the moved one, over that between
    its outputs for two different images: 0 is invariant, 1 as different as another image. `misfit`: the same distance
    between the moved output and the output for the moved image, over the positions that both have: 0 is equivariant.
    `whole` says whether the output moves by whole positions; where it does not, `misfit` takes what lies between two
    positions by linear interpolation. `jump` is how many pixels lie between two positions, along height and width.
    None where nothing differs between images, where there are no positions, or where it moves out of sight.
    """

    name: str
    kind: str
    output: TensorType
    jump: tuple[Fraction, ...] | None
    change: tuple[float | None, ...]
    misfit: tuple[float | None, ...]
    whole: tuple[bool, ...]


@dataclass(frozen=True)
class Shift:
    """All layers of a network, and how many images were moved."""

    network: str
    images: int
    most: int
    layers: tuple[LayerShift, ...]

    def __getitem__(self, name: str) -> LayerShift:
        """The layer of this name; KeyError when there is none."""
        for row in self.layers:
            if row.name == name:
                return row
        raise KeyError(name)


def moved(images: Array, distance: int, axis: int) -> Array:
    """Images moved along an axis by so many pixels (negative: backwards), zeros where nothing comes from."""
    made = np.zeros_like(images)
    size = images.shape[axis]
    if abs(distance) < size:
        there, here = [slice(None)] * images.ndim, [slice(None)] * images.ndim
        there[axis] = slice(max(distance, 0), size + min(distance, 0))
        here[axis] = slice(max(-distance, 0), size - max(distance, 0))
        made[tuple(there)] = images[tuple(here)]
    return made


def shift(model: Model, images: Array, most: int = 4, progress: Callable[[int], Any] | None = None) -> Shift:
    """Move images by 0 … `most` pixels to all four sides, zeros where nothing comes from, and look at every layer.

    Shapes: images (n, height, width, C), which the model takes as they are, or flattened. Of the numbers of
    `LayerShift` squares are averaged over images and sides before the root is taken. `progress` hears how many
    images are done. Nothing is random: every run gives the same.
    Errors: GraphError for a model with several inputs; ShapeError where it takes no such images; DataError for fewer
    than two images; SettingError for a distance that is not smaller than the image.
    """
    _check(model, images, most)
    numbers = [n for n in range(len(model.graph.nodes)) if n not in model.graph.inputs]
    part = outputs_at(model, [(n, 0) for n in numbers])
    ways = _ways(model.graph, numbers)
    sums = [_Sums(most, way) for way in ways]
    for some in _chunks(images, part):
        stay = _outputs(part, model, some)
        for row, y in zip(sums, stay, strict=True):
            row.start(y)
        for axis in (1, 2):
            for distance in (d * sign for d in range(1, most + 1) for sign in (1, -1)):
                went = _outputs(part, model, moved(some, distance, axis))
                for row, before, after in zip(sums, stay, went, strict=True):
                    row.add(before, after, distance, axis - 1)
        if progress is not None:
            progress(len(some))
    types = propagate.types(model.graph)
    rows = (
        row.result(model.graph.nodes[n].label, model.graph.nodes[n].layer.kind, types[n][0])
        for n, row in zip(numbers, sums, strict=True)
    )
    return Shift(model.name, len(images), most, tuple(rows))


def _check(model: Model, images: Array, most: int) -> None:
    if len(model.graph.inputs) != 1:
        raise GraphError(f"images are moved in networks with one input, but this one has {len(model.graph.inputs)}")
    if images.ndim != 4:
        raise ShapeError(f"images are (number, height, width, channels), but these are {show(images.shape)}")
    wanted = model.input_types[0].shape[1:]
    same = len(wanted) == 3 and all(
        w == h or not isinstance(w, int) for w, h in zip(wanted, images.shape[1:], strict=True)
    )
    if not same and wanted != (math.prod(images.shape[1:]),):
        raise ShapeError(
            f"the network takes {show(wanted)}, but the images are {show(images.shape[1:])}: shift needs images, as "
            "they are or flattened"
        )
    if len(images) < 2:
        raise DataError("changes are compared with the difference between images, so at least two images are needed")
    if not 1 <= most < min(images.shape[1:3]):
        raise SettingError(
            f"images of {images.shape[1]} × {images.shape[2]} pixels can move by 1 to {min(images.shape[1:3]) - 1} "
            f"pixels, not {most}"
        )


def _chunks(images: Array, part: Model) -> Iterator[Array]:
    each = 8 * sum(math.prod(n for n in type.shape[1:] if isinstance(n, int)) for type in part.output_types)
    step = max(1, CHUNK // max(each, 1))
    for start in range(0, len(images), step):
        yield images[start : start + step]


def _outputs(part: Model, model: Model, images: Array) -> list[Array]:
    wanted = model.input_types[0].shape
    fed = images.reshape(len(images), -1) if len(wanted) == 2 else images
    made = part.predict(fed, verbose=0)
    return [np.asarray(y, np.float64) for y in (made if isinstance(made, list) else [made])]


Way = tuple[tuple[int, Fraction], ...] | None
"""For height and width of the image, the axis of the output that goes along, and the jump; None: it has none."""


def _ways(graph: Graph, numbers: Sequence[int]) -> list[Way]:
    types = propagate.types(graph)
    seen = receptive_field.fields(graph, types)
    if types[graph.inputs[0]][0].rank != 4:
        return [None] * len(numbers)
    found: list[Way] = []
    for number in numbers:
        fields = [seen[number][0].get((0, axis)) for axis in (1, 2)]
        known = [(f.axis, f.jump) for f in fields if f is not None and not f.everything and f.jump]
        found.append(tuple(known) if len(known) == 2 and types[number][0].rank == 4 else None)
    return found


@dataclass
class _Sums:
    """Squares of one layer, added up over images and sides."""

    most: int
    way: Way
    count: int = 0
    mean: Any = 0.0
    squares: Any = 0.0
    changes: dict[int, float] = field(default_factory=dict[int, float])
    misfits: dict[int, float] = field(default_factory=dict[int, float])
    regions: dict[int, list[tuple[slice, ...]]] = field(default_factory=dict[int, list[tuple[slice, ...]]])

    def start(self, y: Array) -> None:
        """Outputs for images where they are: Welford's sums, in parts (Chan et al.)."""
        n, total = len(y), self.count + len(y)
        mean = y.mean(axis=0)
        apart = mean - self.mean
        self.squares = self.squares + np.square(y - mean).sum(axis=0) + np.square(apart) * (n * self.count / total)
        self.mean = self.mean + apart * (n / total)
        self.count = total

    def add(self, before: Array, after: Array, distance: int, side: int) -> None:
        d = abs(distance)
        self.changes[d] = self.changes.get(d, 0.0) + float(np.square(after - before).sum())
        if self.way is None:
            return
        axis, jump = self.way[side]
        low, rest = divmod(Fraction(d) / jump, 1)
        reach = int(low) + (rest > 0)
        size = before.shape[axis]
        if reach >= size:
            return
        turn = 1 if distance > 0 else -1

        def stretch(steps: int) -> Array:
            """What comes from so many positions before, where the farthest one has a source."""
            start = reach - steps if turn > 0 else steps
            return before[_along(axis, slice(start, start + size - reach))]

        there = _along(axis, slice(reach, size) if turn > 0 else slice(0, size - reach))
        expected = stretch(int(low))
        if rest:
            expected = (1 - float(rest)) * expected + float(rest) * stretch(int(low) + 1)
        self.misfits[d] = self.misfits.get(d, 0.0) + float(np.square(after[there] - expected).sum())
        places = self.regions.setdefault(d, [])
        if (where := there[1:]) not in places:
            places.append(where)

    def result(self, name: str, kind: str, type: TensorType) -> LayerShift:
        """The relative distances."""
        spread = 2 * self.squares / (self.count - 1)
        change: list[float | None] = [0.0]
        misfit: list[float | None] = [None if self.way is None else 0.0]
        whole = [True]
        for d in range(1, self.most + 1):
            change.append(_relative(self.changes[d], 4 * self.count * float(np.sum(spread))))
            usual = self.count * sum(float(np.sum(spread[where])) for where in self.regions.get(d, []))
            misfit.append(_relative(self.misfits[d], usual) if d in self.misfits else None)
            whole.append(self.way is not None and all((Fraction(d) / jump).denominator == 1 for _, jump in self.way))
        jump = None if self.way is None else tuple(jump for _, jump in self.way)
        return LayerShift(name, kind, type, jump, tuple(change), tuple(misfit), tuple(whole))


def _along(axis: int, part: slice) -> tuple[slice, ...]:
    return (*[slice(None)] * axis, part)


def _relative(squares: float, usual: float) -> float | None:
    if usual > 0:
        return math.sqrt(squares / usual)
    return 0.0 if squares == 0 else None
