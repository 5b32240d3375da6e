"""One encoder, several decoders, the same budget: trained run by run into a folder that can be taken up again."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from layerscope import losses, optimizers, sources
from layerscope.analyses import mirror
from layerscope.analyses.cost import cost
from layerscope.core import propagate
from layerscope.core.errors import DataError, GraphError, SettingError, UnknownNameError
from layerscope.core.graph import Graph
from layerscope.core.sizes import checked, numbers
from layerscope.core.types import show
from layerscope.layers import layer_class
from layerscope.models import Model, load_model
from layerscope.sources import json as graph_json
from layerscope.studies import parts, runs
from layerscope.studies.checkerboard import Energy
from layerscope.studies.comparison import PCA, Comparison, Pictures, Result, Row
from layerscope.studies.decoder_runs import Runs, chunks, measured
from layerscope.studies.decoders import USUAL, WAYS, autoencoder
from layerscope.studies.images import Images, is_path, load_images
from layerscope.studies.pca import Components, principal_components
from layerscope.studies.steps import Steps
from layerscope.studies.study_folder import Plan, fingerprint, opened

PathLike = str | os.PathLike[str]
ENCODER = (
    "conv 16 3 same relu | maxpool 2 same | conv 8 3 same relu | maxpool 2 same | "
    "conv 4 3 same relu | maxpool 2 same as code"
)
"""That of the document's autoencoder; the image's size goes before it."""
FOUND, PICTURE, REPORT = "decoders.json", "decoders.png", "report.html"
SHOWN = 8
"""Images in the picture."""


def compare_decoders(
    data: PathLike = "mnist", *, encoder: Any = ENCODER, decoders: str | Sequence[str] | None = None, seeds: int = 3,
    folder: PathLike | None = None, size: Any = None, fit: str = "crop", colour: str = "auto", epochs: int = 10,
    batch_size: int = 256, optimizer: str = "adam", learning_rate: float | None = None,
    loss: str = "binary_crossentropy", out: PathLike | None = None, overwrite: bool = False, verbose: Any = "auto",
    stream: Any = None,
) -> Comparison:  # fmt: skip
    """Train one encoder with one decoder for each way of enlarging, and compare what they give back.

    `encoder` is anything that `trace` takes, or a line of text without the image's size; `decoders` names some of
    `decoders.WAYS` (a list, or separated by commas); seeds are 0 … seeds - 1; `data`, `folder`, `size`, `fit` and
    `colour` are as in `studies.images.load_images`. For a given seed all decoders start with the same weights of the
    encoder, and of their own convolutions where the shapes are the same, and see the same batches in the same order.

    The folder holds one run for each decoder and seed, which `reconstruct` reads, and at the end decoders.json,
    decoders.png and report.html. The same call again goes on where it was stopped; more seeds or decoders are added
    to what is there. Progress goes to `stream`, by default stdout.
    Errors: UnknownNameError, SettingError; GraphError for an encoder that cannot be turned round; DataError where
    images do not fit it; OutputError for a folder that cannot be written or holds a comparison with other settings.
    """
    names, chosen, goal = named(decoders), optimizers.get(optimizer, learning_rate), losses.get(loss)
    seeds = checked(seeds, "seeds")
    reading = Reading(data, folder, size, fit, colour)
    images = reading.images(_own_size(encoder), verbose)
    words, graph = read_encoder(encoder, images.shape, os.fspath(data))
    networks, left_out = _networks(graph, names, decoders is not None, chosen, goal)
    plan = Plan(
        words,
        graph_json.dump(graph),
        reading.title,
        fingerprint(images.train, images.test),
        checked(epochs, "epochs"),
        checked(batch_size, "batch_size"),
        type(chosen).__name__.lower(),
        chosen.rate(1),
        goal.name,
    )
    base = Path("runs") / f"compare-decoders-{Path(reading.title).stem}"
    work = Runs(plan, graph, opened(Path(out or base), plan, overwrite), images, reading.again(images))
    with Steps(verbose, len(networks) * seeds, epochs, stream) as steps:
        if reading.own:
            steps.say(images.description)
        results, finished = work.train(list(networks), seeds, steps)
    return _gathered(work, networks, results, left_out, finished)


@dataclass(frozen=True)
class Reading:
    """Which images, and how they are read."""

    data: PathLike
    folder: PathLike | None
    size: Any
    fit: str
    colour: str

    @property
    def own(self) -> bool:
        """Whether they are no known data set."""
        return is_path(self.data)

    @property
    def title(self) -> str:
        """The data set's name, or the whole path."""
        return os.path.abspath(self.data) if self.own else str(self.data)

    def images(self, wanted: Sequence[int | None] | None, verbose: Any) -> Images:
        """The images; `wanted` is the shape that the encoder states."""
        return load_images(
            self.data, self.folder, size=self.size, fit=self.fit, colour=self.colour, wanted=wanted, verbose=verbose
        )

    def again(self, images: Images) -> dict[str, Any]:
        """The settings by which a run's images are read again."""
        size, colour = self.size, self.colour
        if self.own:
            size, colour = images.shape[:2], {1: "grey", 3: "rgb"}.get(images.shape[-1], colour)
        return {
            "folder": None if self.folder is None else os.fspath(self.folder),
            "size": None if size is None else parts.written(parts.pair(size)),
            "fit": self.fit,
            "colour": colour,
        }


# --- what is asked ---


def named(decoders: str | Sequence[str] | None) -> tuple[str, ...]:
    """The names of decoders, each once; UnknownNameError names the nearest."""
    given = USUAL if decoders is None else decoders.split(",") if isinstance(decoders, str) else decoders
    names = tuple(dict.fromkeys(name.strip().lower() for name in given))
    for name in names:
        if name not in WAYS:
            raise UnknownNameError("decoder", name, WAYS)
    if not names:
        raise SettingError(f"no decoders are named; there are {', '.join(WAYS)}")
    return names


def _is_text(encoder: Any) -> bool:
    """Whether an encoder is a line of text without the image's size."""
    if not isinstance(encoder, str) or encoder.lstrip()[:1].isdigit():
        return False
    words = encoder.split()
    if "|" in encoder or (len(words) > 1 and not os.path.exists(encoder)):
        return True
    try:
        return bool(words and layer_class(words[0]))
    except UnknownNameError:
        return False


def _own_size(encoder: Any) -> tuple[int | None, ...] | None:
    """The image's size that an encoder states, None where it leaves it open."""
    if _is_text(encoder):
        return None
    graph = sources.read(encoder)
    shape = propagate.types(graph)[graph.inputs[0]][0].shape[1:]
    return tuple(size if isinstance(size, int) else None for size in shape)


def read_encoder(encoder: Any, shape: Sequence[int], data: str) -> tuple[str, Graph]:
    """An encoder for images of this shape, in words and as a graph.

    Errors: GraphError where nothing undoes it, or it makes no image smaller; DataError where it takes other images.
    """
    size = "x".join(map(str, shape))
    if _is_text(encoder):
        encoder = f"{size} | {encoder}"
    graph = sources.read(encoder)
    mirror.chain(graph)
    takes = numbers(propagate.types(graph)[graph.inputs[0]][0].shape[1:])
    if takes != tuple(shape):
        raise DataError(
            f"the encoder takes {show(takes)}, but the images of {data} are {show(tuple(shape))}. "
            f"Start it with {size}, or leave its size out: it is then that of the images."
        )
    if not mirror.factors(graph):
        raise GraphError(
            "the encoder never makes the image smaller, so its decoders would not differ; "
            'give it a pool or a stride, as in "conv 16 3 same relu | maxpool 2 same"'
        )
    return encoder if isinstance(encoder, str) else graph.name, graph


def _networks(
    encoder: Graph, names: Sequence[str], asked: bool, optimizer: optimizers.Optimizer, loss: losses.Loss
) -> tuple[dict[str, Graph], dict[str, str]]:
    """The autoencoders by name, shown to compile, and why others are left out, unless they are asked for by name."""
    networks, left_out = dict[str, Graph](), dict[str, str]()
    for name in names:
        why = mirror.obstacle(encoder, name)
        if why is not None and not asked:
            left_out[name] = why
            continue
        networks[name] = autoencoder(encoder, name)
        Model.from_graph(networks[name]).compile(optimizer, loss)
    return networks, left_out


# --- what was found ---


def _gathered(
    work: Runs,
    networks: Mapping[str, Graph],
    results: Mapping[str, Sequence[Result]],
    left_out: Mapping[str, str],
    finished: bool,
) -> Comparison:
    """All results together, with PCA beside them; where all runs are finished, also as files in the folder."""
    test, code = work.images.test, mirror.code(work.encoder)
    rows = tuple(_row(work.encoder, name, graph, results[name]) for name, graph in networks.items() if results[name])
    own = Energy(work.period)
    for images in chunks(test):
        own.add(images)
    chosen = np.array(_various(work.images), np.int64)
    shown, baseline, notes, restored = test.source.read(chosen), None, list[str](), dict[str, Any]()
    if finished:
        components = principal_components(work.images.train, int(np.prod(code)))
        baseline = _baseline(components, work)
        notes = _notes(components, int(np.prod(code)), len(work.images.train))
        restored[PCA] = components.restored(shown)
        for row in rows:
            model = load_model(work.folder(row.decoder, row.results[0].seed) / runs.MODEL)
            restored[row.decoder] = model.predict(shown)
    plan = {key: getattr(work.plan, key) for key in work.plan.__dataclass_fields__ if key != "network"}
    found = Comparison(
        settings=plan,
        versions=runs.versions(),
        folder=work.place,
        rows=rows,
        baseline=baseline,
        code=code,
        shape=work.images.shape,
        images=(len(work.images.train), len(test)),
        period=work.period,
        checkerboard=own.share,
        left_out=left_out,
        pictures=Pictures(shown, restored, not is_path(work.plan.data)),
        notes=tuple(notes),
        interrupted=not finished,
    )
    if finished:
        found.save_json(work.place / FOUND)
        found.save_figure(work.place / PICTURE)
        found.report(work.place / REPORT)
    return found


def _row(encoder: Graph, name: str, graph: Graph, results: Sequence[Result]) -> Row:
    whole, before = (cost(one, propagate.types(one)) for one in (graph, encoder))
    bits = mirror.switch_bits(encoder) if name == "unpool" else 0
    own = whole.parameters - before.parameters
    code = int(np.prod(mirror.code(encoder)))
    return Row(name, code, whole.parameters, own, numbers([whole.macs])[0], bits, tuple(results))


def _baseline(components: Components, work: Runs) -> Row:
    """PCA as a row: encoder and decoder share one matrix and the mean."""
    pixels, nothing = int(np.prod(work.images.shape)), float("nan")
    error, energy = measured(work.images.test, work.period, components.restored)
    result = Result(0, error, nothing, components.seconds, energy, nothing, {})
    parameters = (components.count + 1) * pixels
    return Row(PCA, components.count, parameters, parameters, 2 * components.count * pixels, 0, (result,))


def _various(images: Images) -> list[int]:
    """Which test images are shown: the first of each label, then the first ones."""
    labels = images.test.labels
    first: list[int] = [] if labels is None else np.unique(labels, return_index=True)[1].tolist()
    rest = [number for number in range(len(images.test)) if number not in first]
    return [*first, *rest][:SHOWN]


def _notes(components: Components, wanted: int, count: int) -> list[str]:
    notes: list[str] = []
    if components.count < wanted:
        notes.append(f"pca has {components.count:,} components: there are no more.")
    if components.used < count:
        notes.append(f"pca looked at {components.used:,} of the {count:,} training images.")
    return notes
