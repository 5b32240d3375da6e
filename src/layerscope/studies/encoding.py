"""Encoding: the numbers that a trained network keeps of each image."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerscope.analyses import bottleneck
from layerscope.analyses.bottleneck import Passage
from layerscope.core.errors import GraphError, LayerscopeError, SettingError
from layerscope.core.files import replacing
from layerscope.core.graph import Graph
from layerscope.core.types import show
from layerscope.models.parts import outputs_at
from layerscope.studies import parts, runs
from layerscope.studies.images import Part
from layerscope.studies.opened import Opened, Own, PathLike, Wishes, opened

Array = NDArray[Any]
FILES = (".npz", ".csv")


@dataclass
class Codes:
    """One code an image, in the order of the images.

    `codes` is (n, …) in the shape that `layer` puts out, in the model's precision; `names` say which image
    each belongs to; `labels` are whole numbers where they are known, `classes` their names; `skipped` names files
    that could not be read, with the reason.
    """

    codes: Array
    names: list[str]
    labels: Array | None
    layer: str
    classes: tuple[str, ...] = ()
    skipped: Sequence[tuple[str, str]] = ()

    @property
    def unread(self) -> str:
        """Which files could not be read, in a sentence; "" when all could."""
        return parts.unread(self.skipped, len(self.names))

    @property
    def flat(self) -> Array:
        """The codes as vectors, (n, k)."""
        return self.codes.reshape(len(self.codes), -1)

    def save(self, path: PathLike) -> None:
        """Write the codes: .csv (a row an image, numbers flattened row by row), else .npz.

        The .npz holds `codes`, `names`, `layer` and, where they are known, `labels` and `classes`, without pickle.
        Errors: OutputError.
        """
        with replacing(path) as aside:
            if Path(path).suffix.lower() == ".csv":
                self._csv(aside)
                return
            arrays = {"codes": self.codes, "names": np.array(self.names, np.str_), "layer": np.array(self.layer)}
            if self.labels is not None:
                arrays |= {"labels": self.labels, "classes": np.array(self.classes, np.str_)}
            with open(aside, "wb") as file:
                np.savez(file, allow_pickle=False, **arrays)

    def _csv(self, path: Path) -> None:
        with open(path, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["name", "label", *(f"{self.layer}/{n}" for n in range(self.flat.shape[1]))])
            for number, (name, row) in enumerate(zip(self.names, self.flat, strict=True)):
                label = parts.label(self.labels, self.classes, number)
                writer.writerow([name, label, *(str(value) for value in row)])


def code_layer(graph: Graph, layer: str | None = None) -> Passage:
    """The layer that `encode` reads: the one named, else the bottleneck.

    Errors: GraphError for an unknown name, or for a network without a bottleneck.
    """
    if layer is not None:
        return bottleneck.named(graph, layer)
    try:
        return bottleneck.bottleneck(graph)
    except GraphError as error:
        raise GraphError(str(error).replace("Name a layer:", "Choose one with --layer:")) from None


def encode(
    run: Any,
    images: Own | None = None,
    *,
    layer: str | None = None,
    folder: PathLike | None = None,
    fit: str | None = None,
    out: PathLike | None = None,
    verbose: Any = "auto",
) -> Codes:
    """The codes of images: what the network's narrowest layer (or `layer`) puts out for each.

    `run` is a run folder or what `train` returned. `images` are a folder, files, an array file, a known data
    set such as "mnist:test" (its files in `folder`), or an array (n, height, width, C) of uint8 or of floats within
    0 … 1, brought to the network's size by `fit` (else as for training);
    without them the run's validation images.
    Definition of the narrowest layer: `analyses.bottleneck`. `out` is written at the end (.npz or .csv).
    Errors: SourceError for what is no run; DataError for images; GraphError for layers; OutputError.
    """
    if out is not None:
        runs.writable(out, FILES, "a file of codes")
    trained = opened(run)
    place = code_layer(trained.model.graph, layer)
    part = trained.chosen(images, Wishes(folder, fit=fit, verbose=verbose))
    found = encoded(trained, part, place, verbose)
    if out is not None:
        found.save(out)
    return found


def encoded(trained: Opened, part: Part, place: Passage, verbose: Any = "auto", count: int | None = None) -> Codes:
    """The codes of images (of the first `count`) at a place in the network."""
    count = len(part) if count is None else count
    model = outputs_at(trained.model, [place.edge])
    kept: Array | None = None
    for start, images, codes in trained.outputs(part, "Encoding", verbose, model, count):
        if kept is None:
            kept = _room((count, *codes.shape[1:]), codes.dtype, place)
        kept[start : start + len(images)] = codes
    assert kept is not None
    labels = None if part.labels is None else part.labels[:count]
    return Codes(kept, list(part.names[:count]), labels, place.name, part.classes, part.skipped)


def _room(shape: tuple[int, ...], dtype: Any, place: Passage) -> Array:
    try:
        return np.empty(shape, dtype)
    except MemoryError:
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        raise SettingError(
            f"{shape[0]:,} codes {show(shape[1:])} of {place.name} take {size / 1e9:.1f} GB, more than there is. "
            "Encode fewer images at a time, or choose a narrower layer with --layer."
        ) from None


def narrowest(graph: Graph) -> Passage | None:
    """The bottleneck; None for a network that has none."""
    try:
        return bottleneck.bottleneck(graph)
    except LayerscopeError:
        return None
