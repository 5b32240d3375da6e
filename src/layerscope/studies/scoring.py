"""Scoring: reconstruction errors of images, worst first, beside those of the run's validation images."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerscope.core import sizes
from layerscope.core.errors import DataError, LayerscopeError
from layerscope.core.files import replacing
from layerscope.core.types import show
from layerscope.report.document import Column, Document, TableRow
from layerscope.studies import measures, parts, runs
from layerscope.studies.images import Part
from layerscope.studies.opened import Opened, Own, PathLike, Wishes, opened

Array = NDArray[Any]
FILES = (".csv",)
HEAD = ("rank", "name", "label", "score", "percentile", "row", "column", "height", "width")
DEFINITIONS = {
    "squared": "Score: mean squared error of an image and its reconstruction, pixels 0 to 1.",
    "relative": "Score: mean squared error ÷ variance of the image: 0 is perfect, 1 no better than its mean.",
}


@dataclass
class Worst:
    """The images with the largest scores, worst first: (k, height, width, C), and their error maps."""

    numbers: Array
    images: Array
    restored: Array
    maps: Array


@dataclass
class Scores:
    """A score for each image, in the order of the images; the larger, the worse.

    `regions` (n, 4) are row, column, height and width of the worst region in pixels of the network's input
    (`measures.regions`; None for vectors). `usual` are the scores of the run's validation images, sorted, or
    None; `notes` say why, and which files could not be read. `kind` is the score's name.
    """

    kind: str
    values: Array
    names: Sequence[str]
    labels: Array | None
    regions: Array | None
    usual: Array | None
    worst: Worst
    notes: list[str] = field(default_factory=list[str])
    classes: tuple[str, ...] = ()
    ink: bool = False

    @property
    def order(self) -> Array:
        """Numbers of the images, worst first; of equal ones the earlier first."""
        return np.argsort(-self.values, kind="stable")

    @property
    def percentiles(self) -> Array | None:
        """For each image, the percentage of validation images whose score is smaller; None without these."""
        if self.usual is None:
            return None
        return 100 * np.searchsorted(self.usual, self.values, side="left") / len(self.usual)

    def row(self, rank: int, number: int) -> dict[str, Any]:
        """The facts of one image by the names of the file's columns; None for what is not known."""
        percentiles = self.percentiles
        region = [None] * 4 if self.regions is None else [int(size) for size in self.regions[number]]
        label = parts.label(self.labels, self.classes, number)
        share = None if percentiles is None else float(percentiles[number])
        found = (rank, self.names[number], label, float(self.values[number]), share, *region)
        return dict(zip(HEAD, found, strict=True))

    def save(self, path: PathLike) -> None:
        """Write a .csv file, worst first; cells of what is not known are empty. Errors: OutputError."""
        with replacing(path) as aside, open(aside, "w", newline="", encoding="utf-8") as file:
            writer: csv.DictWriter[str] = csv.DictWriter(file, HEAD)
            writer.writeheader()
            for rank, number in enumerate(self.order, 1):
                found = self.row(rank, int(number))
                exact = {"score": f"{found['score']:.9g}"}
                if found["percentile"] is not None:
                    exact["percentile"] = f"{found['percentile']:.4g}"
                writer.writerow(found | exact)

    def heatmap(self, path: PathLike) -> None:
        """Write a picture of the worst: images, reconstructions, error maps, worst regions. Errors: OutputError."""
        from layerscope.studies.pictured import heatmap

        heatmap(self, path)

    def document(self, top: int = 10) -> Document:
        """The worst as a table."""
        columns = [
            Column("rank", "rank", True),
            Column("name", "image"),
            Column("label", "label", True, 3),
            Column("score", "score", True),
            Column("percentile", "validation", True, 2),
            Column("region", "worst region (row, column; size)", False, 1),
        ]
        if self.labels is None:
            columns = [column for column in columns if column.key != "label"]
        if self.regions is None:
            columns = [column for column in columns if column.key != "region"]
        rows = [self._shown(rank, int(number)) for rank, number in enumerate(self.order[:top], 1)]
        totals = [("images", f"{len(self.values):,}"), ("median score", f"{np.median(self.values):.4g}")]
        meaning = [DEFINITIONS[self.kind]]
        if self.usual is not None:
            totals.append(("median of the run's validation images", f"{np.median(self.usual):.4g}"))
            totals.append(("images above 99 % of these", f"{int((self.percentiles > 99).sum()):,}"))  # pyright: ignore[reportOptionalOperand]
            meaning.append(
                f"Validation: the share of the run's {len(self.usual):,} validation images whose score is smaller."
            )
        if self.regions is not None:
            meaning.append("Worst region: in pixels of the network's input, from 0; height × width.")
        shown = (
            f"the {len(rows)} worst of {len(self.values):,}" if len(rows) < len(self.values) else "all, worst first"
        )
        return Document("scores", shown, columns, rows, totals, self.notes, meaning)

    def _shown(self, rank: int, number: int) -> TableRow:
        found = self.row(rank, number)
        share = found["percentile"]
        cells = {
            "rank": str(rank),
            "name": found["name"],
            "label": found["label"],
            "score": f"{found['score']:.4g}",
            "percentile": "" if share is None else larger(share),
            "region": "" if found["row"] is None else "{row}, {column}; {height} × {width}".format(**found),
        }
        return TableRow(cells)


def larger(percentile: float) -> str:
    """ "> 99.2 %"; "> all" for a score above that of every validation image."""
    return "> all" if percentile >= 100 else f"> {np.floor(percentile * 10) / 10:.1f} %"


def score(
    run: Any,
    images: Own | None = None,
    *,
    kind: str = "squared",
    top: int = 10,
    folder: PathLike | None = None,
    fit: str | None = None,
    out: PathLike | None = None,
    heatmap: PathLike | None = None,
    verbose: Any = "auto",
) -> Scores:
    """How badly a trained autoencoder reconstructs each image, worst first: what is unlike its training images.

    `run` is a run folder or what `train` returned. `images` are a folder, files, an array file, a known data
    set such as "mnist:test" (its files in `folder`), or an array (n, height, width, C) of uint8 or of floats within
    0 … 1, brought to the network's size by `fit` (else as for training);
    without them the run's validation images. `kind` is "squared" or "relative" (`measures`). `out` (.csv) and
    `heatmap` (a picture of the `top` worst) are written.
    Errors: SourceError for what is no run; DataError for a network that learned labels, and for images that
    cannot be used; UnknownNameError; OutputError.
    """
    top, kind = sizes.checked(top, "top"), measures.checked(kind)
    if out is not None:
        runs.writable(out, FILES, "a file of scores")
    if heatmap is not None:
        runs.writable(heatmap)
    trained = opened(run)
    trained.rebuilds("score")
    part = trained.chosen(images, Wishes(folder, fit=fit, verbose=verbose))
    if heatmap is not None and len(part.source.shape) != 4:
        raise DataError(f"a heat map needs images, but these are vectors {show(part.source.shape[1:])}")
    usual, note = _usual(trained, kind, verbose)
    found = _scored(trained, part, kind, top, verbose)
    found.usual, found.ink = usual, trained.ink(images)
    found.notes = [words for words in (note, parts.unread(part.skipped, len(part))) if words]
    if out is not None:
        found.save(out)
    if heatmap is not None:
        found.heatmap(heatmap)
    return found


def _usual(trained: Opened, kind: str, verbose: Any) -> tuple[Array | None, str]:
    """Sorted scores of the validation images, or why there are none."""
    try:
        part = trained.loaded(Wishes(verbose=verbose)).test
    except LayerscopeError as error:
        return None, f"the run's validation images cannot be read, so no score is compared with theirs. {error}"
    passes = trained.outputs(part, "Scoring the validation's", verbose)
    found = [_values(kind, images, restored)[0] for _, images, restored in passes]
    return np.sort(np.concatenate(found)), ""


def _values(kind: str, images: Array, restored: Array) -> tuple[Array, Array]:
    errors = measures.maps(images, restored.reshape(images.shape))
    return measures.SCORES[kind](images, errors), errors


def _scored(trained: Opened, part: Part, kind: str, top: int, verbose: Any) -> Scores:
    plane = len(part.source.shape) == 4
    values, regions = np.empty(len(part)), np.empty((len(part), 4), np.int64)
    worst: Worst | None = None
    for start, images, restored in trained.outputs(part, "Scoring", verbose):
        restored = restored.reshape(images.shape)
        some = slice(start, start + len(images))
        values[some], errors = _values(kind, images, restored)
        if plane:
            regions[some] = measures.regions(errors)
        chosen = np.argsort(-values[some], kind="stable")[:top]
        numbers = start + chosen
        worst = _merged(worst, Worst(numbers, images[chosen], restored[chosen], errors[chosen]), values, top)
    assert worst is not None
    return Scores(
        kind, values, part.names, part.labels, regions if plane else None, None, worst, classes=part.classes
    )


def _merged(old: Worst | None, new: Worst, values: Array, top: int) -> Worst:
    if old is None:
        return new
    parts = [np.concatenate([getattr(old, name), getattr(new, name)]) for name in vars(new)]
    kept = np.argsort(-values[parts[0]], kind="stable")[:top]
    return Worst(*(array[kept] for array in parts))
