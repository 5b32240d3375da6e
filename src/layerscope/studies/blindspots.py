"""Blind spots: what a network cannot tell apart, layer by layer, and two inputs that it confuses."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerscope.analyses.capacity import Capacity, capacity
from layerscope.core.errors import DataError, GraphError, ShapeError, SourceError
from layerscope.core.graph import Edge, Graph
from layerscope.core.sizes import checked
from layerscope.core.types import show
from layerscope.models import Model, from_keras, load_model
from layerscope.models import variables as store
from layerscope.models.parts import outputs_at, subgraph
from layerscope.models.progress import Counting
from layerscope.probes import blindspot as probe
from layerscope.probes.blindspot import Local, Pair
from layerscope.probes.readout import LEAST, readout
from layerscope.probes.tangents import Derivative
from layerscope.sources import examples, keras, keras_file, onnx, python, read, torch
from layerscope.sources import model as model_source
from layerscope.studies.images import Part, is_path, read_images
from layerscope.studies.opened import Opened, Own, PathLike, Wishes, opened
from layerscope.studies.weighted import weighted
from layerscope.utils import set_random_seed

Array = NDArray[Any]
READ = 1000
"""Images for the readout unless told otherwise."""
FEW = 64
"""Numbers of an input up to which random ones are whole numbers from 1 to 9, and stand in the JSON."""
GREY = 1 / 510
"""Half a grey level: so much is added to images at most, so that no unit stands exactly on its kink."""


@dataclass
class Row:
    """One layer. rank: directions of the input that its output sees at the first input; `exact`: or only a bound.

    recovered: R² of a linear readout of the input from the output; None without data.
    """

    layer: str
    kind: str
    shape: tuple[int, ...]
    capacity: int
    rank: int
    exact: bool
    recovered: float | None = None

    @property
    def numbers(self) -> int:
        """Numbers that the output holds."""
        return int(np.prod(self.shape))


@dataclass
class BlindSpots:
    """What was found. `layer` is the one looked at, at whose output pairs are the same.

    `linear`: what holds at one input holds at all. `pairs` has None for inputs that no other was found for, with
    `reasons`. `single`: the largest difference of outputs in the model's own precision, over all pairs.
    `seen`: for each number of the input the share of a change of it alone that the layer sees, at the first input.
    """

    network: str
    layer: str
    linear: bool
    inputs: tuple[int, ...]
    rows: list[Row]
    here: Local
    pairs: list[Pair | None]
    reasons: list[str]
    names: list[str]
    single: float
    unread: int
    seen: Array
    read: int = 0
    whole: bool = True
    ink: bool = False
    about: dict[str, Any] = field(default_factory=dict[str, Any])

    @property
    def numbers(self) -> int:
        """Numbers that the input holds."""
        return int(np.prod(self.inputs))

    def render(self, format: str = "terminal", width: int = 120, colour: bool = False) -> str:
        """The report in one of the formats of `trace`."""
        from layerscope.report import formats
        from layerscope.studies.blindspots_told import document

        return formats.render(document(self), format, width, colour)

    def save(self, path: PathLike) -> None:
        """A picture of the pairs (.png, .svg, .pdf), or their arrays (.npz: first, second, outputs_first, ...)."""
        from layerscope.studies import blindspots_told

        blindspots_told.save(self, path)

    def __str__(self) -> str:
        return self.render()


def blindspot(
    model: Any,
    data: Own | None = None,
    *,
    layer: str | None = None,
    count: int = 3,
    images: int | None = None,
    seed: int = 0,
    folder: PathLike | None = None,
    fit: str | None = None,
    verbose: Any = "auto",
) -> BlindSpots:
    """What a network cannot tell apart: the rank of its derivative at every layer, and pairs that it confuses.

    `model` is a Model, a model file, a run folder, a Keras model or file (which Keras reads), or a network without
    weights (text, example:NAME, a graph), which gets those that `seed` gives. `data` are images as in `encode` (of a
    run: its validation images); without any the inputs are random. `layer`: look at its output instead of the
    network's. `count`: how many pairs are sought, one from each of the first images. With data, `images` of them
    (1,000) also show how much of the input a linear readout of each layer recovers; 0: none.
    Errors: SourceError, DataError, GraphError for several inputs or an unknown layer, TrainingError for layers that
    are described only.
    """
    checked(count, "count")
    subject = _subject(model, checked(seed, "seed", 0))
    network = subject.model if isinstance(subject, Opened) else subject
    shape, edge = _shape(network), _edge(network, layer)
    most = checked(READ if images is None else images, "images", 0)
    part = _part(subject, data, shape, Wishes(folder, fit=fit, most=max(most, count + 1), verbose=verbose))
    graph = subgraph(network.graph, [edge])
    look = _Look(network, graph, edge, np.random.default_rng(seed), verbose)
    starts, ends, bounds = _inputs(look, part, shape, count)
    found = look.at(starts, ends, bounds)
    found.names = [] if part is None else list(part.names[: len(starts)])
    if part is not None:
        found.ink = subject.ink(None, None) if isinstance(subject, Opened) and data is None else _ink(data)
        found.about["data"] = str(data) if isinstance(data, str | os.PathLike) else "images"
        _read(found, look, part, most)
    return found


def _ink(data: Any) -> bool:
    return isinstance(data, str) and not is_path(data)


def _subject(model: Any, seed: int) -> Opened | Model:
    """What is looked at, with its weights, or with those that a seed gives a network that has none."""
    if isinstance(model, Model):
        return model
    if isinstance(model, Opened) or all(hasattr(model, part) for part in ("folder", "recipe", "model")):
        return opened(model)
    set_random_seed(seed)
    if isinstance(model, str | os.PathLike):
        if os.path.isdir(model):
            return opened(model)
        if model_source.handles(model):
            return load_model(model)
        if onnx.handles(model) or keras_file.handles(model):
            return weighted(model, seed).model
        if python.handles(model) and not examples.handles(model):
            model = python.called(str(model))
            if isinstance(model, Model):
                return model
    if keras.handles(model):
        return from_keras(model)
    if torch.handles(model):
        raise SourceError(
            "of a PyTorch module only the layers are read here, not the weights; take it over first: "
            "blindspot(layerscope.from_torch(module, input=(1, 28, 28)))"
        )
    return Model.from_graph(read(model))


def _shape(model: Model) -> tuple[int, ...]:
    if len(model.input_types) != 1:
        names = ", ".join(model.graph.nodes[number].label for number in model.graph.inputs)
        raise GraphError(f"a network of one input is needed, but this one has {len(model.input_types)}: {names}")
    type = model.input_types[0]
    if not all(isinstance(size, int) for size in type.shape[1:]):
        raise ShapeError(f"the network's input {show(type.shape[1:])} has open sizes; give it numbers")
    if not type.dtype.startswith("float"):
        raise GraphError(
            f"the network's input is of {type.dtype}, whole numbers, along which there is no derivative; "
            "look at the part behind its first layer"
        )
    return tuple(size for size in type.shape[1:] if isinstance(size, int))


def _edge(model: Model, layer: str | None) -> Edge:
    if layer is not None:
        number = model.graph.index(layer)
        if number in model.graph.inputs:
            raise GraphError(f"{layer} is the input itself, in which nothing is lost; name a layer behind it")
        return number, 0
    if len(model.graph.outputs) != 1:
        names = ", ".join(model.graph.nodes[number].label for number, _ in model.graph.outputs)
        raise GraphError(f"the network has {len(model.graph.outputs)} outputs; name a layer with --layer: {names}")
    if model.graph.outputs[0][0] in model.graph.inputs:
        raise GraphError("the network has no layers behind its input, so nothing is lost")
    return model.graph.outputs[0]


def _part(subject: Opened | Model, data: Own | None, shape: tuple[int, ...], wishes: Wishes) -> Part | None:
    if isinstance(subject, Opened):
        return subject.chosen(data, wishes)
    if data is None:
        return None
    return read_images(
        data, shape, wishes.fit or "crop", folder=wishes.folder, most=wishes.most, verbose=wishes.verbose
    )


def _inputs(
    look: _Look, part: Part | None, shape: tuple[int, ...], count: int
) -> tuple[list[Array], list[Array], tuple[float, float] | None]:
    """Where pairs start, what they are led towards, and what no number of an input may leave."""
    random = look.random
    if part is not None:
        images = np.asarray(part.array(0, min(count + 1, len(part))), np.float64).reshape(-1, 1, *shape)
        if len(images) < 2:
            raise DataError("at least two images are needed: one to start from and one to go towards")
        starts = list(images[:count])
        if not look.linear:
            starts = [np.clip(x + random.uniform(0, GREY, x.shape) * np.where(x > 0.5, -1, 1), 0, 1) for x in starts]
        return starts, [images[(n + 1) % len(images)] for n in range(len(starts))], (0.0, 1.0)
    size = int(np.prod(shape))
    if size <= FEW:
        some = random.integers(1, 10, (2 * count, 1, *shape)).astype(np.float64)
        return list(some[:count]), list(some[count:]), None
    some = random.uniform(0, 1, (2 * count, 1, *shape))
    return list(some[:count]), list(some[count:]), (0.0, 1.0)


class _Look:
    """A part of a network while it is looked at."""

    def __init__(self, model: Model, graph: Graph, edge: Edge, random: np.random.Generator, verbose: Any) -> None:
        self.model, self.graph, self.random, self.verbose = model, graph, random, verbose
        self.name = model.graph.nodes[edge[0]].label
        self.outer, self.whole = edge, edge in model.graph.outputs
        self.end: Edge = graph.outputs[0]
        self.passing: Capacity = capacity(graph)
        self.linear = probe.is_linear(graph)
        self.tensors = [(n, 0) for n in range(len(graph.nodes)) if n not in graph.inputs]
        self.capacities = {edge: self.passing.layers[edge[0]].capacity or 0 for edge in self.tensors}
        if self.end not in self.capacities:
            raise GraphError(f"{self.name}: only a layer's first output can be looked at")
        self.weights = {id: variable.array for id, variable in store.for_graph(graph).items()}

    def at(self, starts: list[Array], ends: list[Array], bounds: tuple[float, float] | None) -> BlindSpots:
        """Ranks at the first input, and a pair for each."""
        first = Derivative(self.graph, self.weights, self.tensors, starts[0])
        title = f"Looking for what {self.model.name} cannot tell apart"
        with Counting(title, min(probe.MOST, first.at.size) + len(starts), self.verbose, aside=True) as counting:
            found = probe.ranks(first, self.capacities, self.random, counting.more)
            rows = [self._row(tensor, first.value(tensor).shape, *found[tensor]) for tensor in self.tensors]
            here = probe.local(first, self.end, self.capacities[self.end], self.random)
            pairs: list[Pair | None] = []
            reasons: list[str] = []
            for start, end in zip(starts, ends, strict=True):
                made = self.pair(first.moved(start), here if start is starts[0] else None, end, bounds)
                pairs.append(made)
                reasons.append("" if made else self.reason(here))
                counting.one()
        shape = tuple(starts[0].shape[1:])
        return BlindSpots(
            self.model.name, self.name, self.linear, shape, rows, here, pairs, reasons, [], self.single(pairs),
            self.passing.unread or 0, here.seen.reshape(shape), whole=self.whole,
        )  # fmt: skip

    def _row(self, tensor: Edge, shape: tuple[int, ...], rank: int, exact: bool) -> Row:
        node = self.graph.nodes[tensor[0]]
        activation = getattr(node.layer, "activation", None)
        about = f"{node.layer.kind}, {activation}" if activation not in (None, "linear") else node.layer.kind
        return Row(node.label, about, shape, self.capacities[tensor], rank, exact)

    def pair(self, at: Derivative, here: Local | None, end: Array, bounds: tuple[float, float] | None) -> Pair | None:
        """Another input with the same output, sought at the narrowest tensor first, then at the end itself."""
        for tensor in dict.fromkeys((self.end if self.linear else self.narrowest(), self.end)):

            def renewed(one: Derivative, tensor: Edge = tensor) -> Local:
                return probe.local(one, tensor, self.capacities[tensor], self.random)

            found = here if here is not None and tensor == self.end else renewed(at)
            if not found.complete or found.rank >= at.at.size:
                continue
            other = probe.pair(at, tensor, found, end, bounds, None if self.linear else renewed)
            if other is not None:
                outputs = at.value(self.end), at.moved(other).value(self.end)
                made = probe.same(at.at[0], other[0], outputs)
                if made is not None:
                    made.usual = float(np.abs(outputs[0] - at.moved(end).value(self.end)).max(initial=0))
                    return made
        return None

    def narrowest(self) -> Edge:
        """The tensor that limits the capacity of the end; the end itself where several do, or the input."""
        name = self.passing.layers[self.end[0]].narrowest
        found = self.graph.index(name) if name else self.end[0]
        return self.end if found in self.graph.inputs else (found, 0)

    def reason(self, here: Local) -> str:
        """Why there is no pair."""
        if not here.complete:
            return f"not sought: more than {here.rank:,} directions are seen, too many to go around"
        size = int(here.right.shape[0])
        if here.rank >= size:
            return f"none: all {size:,} directions of the input are seen" + ("" if self.linear else " at this input")
        return "none found that differs enough: the way along what is invisible ends at once"

    def single(self, pairs: Sequence[Pair | None]) -> float:
        """The largest difference of outputs when the model itself computes both, in its own precision."""
        some = [pair for pair in pairs if pair]
        if not some:
            return 0.0
        model = self.model if self.whole else outputs_at(self.model, [self.outer])
        first, second = (np.asarray(model(np.stack([getattr(p, w) for p in some]))) for w in ("first", "second"))
        return float(np.abs(first.astype(np.float64) - second).max(initial=0))


def _read(found: BlindSpots, look: _Look, part: Part, most: int) -> None:
    """How much of the images a linear readout of each layer recovers."""
    count = min(most, len(part))
    if count < LEAST:
        if most:
            found.about["unread"] = f"a readout needs at least {LEAST} images, but there are {count}"
        return
    images = np.asarray(part.array(0, count), np.float32).reshape(count, *found.inputs)
    found.read = count
    with Counting(
        f"Reading {count:,} images out of {len(found.rows)} layers", len(found.rows), look.verbose, aside=True
    ) as counting:
        for row in found.rows:
            model = outputs_at(look.model, [(look.model.graph.index(row.layer), 0)])
            row.recovered = readout(np.asarray(model(images)), images)
            counting.one()
