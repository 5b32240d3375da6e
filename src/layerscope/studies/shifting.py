"""Shift: what moving the image does in a network's layers, as a table and a picture; and in networks side by side."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from layerscope.core.errors import SettingError
from layerscope.models.progress import Counting
from layerscope.probes import shift as probe
from layerscope.probes import shrinking
from layerscope.probes.shift import LayerShift
from layerscope.report import formats
from layerscope.report.document import Column, Document, TableRow, shape
from layerscope.report.figures import shifts
from layerscope.studies import runs
from layerscope.studies.images import load_images
from layerscope.studies.opened import Own, PathLike
from layerscope.studies.pictured import written
from layerscope.studies.weighted import pictures, weighted

MEANT = (
    "Shift: images move to each of the four sides, zeros where nothing comes from; n px: by n pixels.",
    "Changes: distance of the outputs for an image and for the moved one ÷ that for two different images (root mean "
    "squares): 0 is invariant, 1 as different as another image.",
    "Misfit: distance of the moved output and the output for the moved image ÷ the same, over the positions that "
    "both have: 0 is equivariant, the output moves along.",
)
BETWEEN = "≈: the output would have to move by a part of a position; what lies between two is interpolated linearly."


@dataclass(frozen=True)
class Line:
    """One row: a layer, or a network of a comparison, whose numbers are means over seeds."""

    name: str
    about: str
    jump: str
    change: tuple[float | None, ...]
    misfit: tuple[float | None, ...]
    whole: tuple[bool, ...]


@dataclass(frozen=True)
class Shifted:
    """What shifts do: a row for each layer, or for each network of a comparison. `images` says which were moved."""

    title: str
    told: str
    images: str
    count: int
    most: int
    rows: tuple[Line, ...]
    compared: bool = False
    seeds: int = 1

    def __getitem__(self, name: str) -> Line:
        """The row of this name; KeyError when there is none."""
        for row in self.rows:
            if row.name == name:
                return row
        raise KeyError(name)

    def to_json(self) -> dict[str, Any]:
        """Everything as plain data; null where there is no number."""
        return {
            "network": self.title,
            "weights": self.told,
            "images": self.images,
            "count": self.count,
            "seeds": self.seeds,
            "pixels": list(range(1, self.most + 1)),
            "rows": [
                {
                    "name": row.name,
                    "about": row.about,
                    "jump": row.jump or None,
                    "changes": list(row.change[1:]),
                    "misfit": list(row.misfit[1:]),
                    "whole": list(row.whole[1:]),
                }
                for row in self.rows
            ],
        }

    def document(self) -> Document:
        """The table, with what its words mean."""
        steps = range(1, self.most + 1)
        first = "what halves the image" if self.compared else "layer"
        columns = [Column("name", first), *([] if self.compared else [Column("about", "output", rank=1)])]
        columns.append(Column("jump", "jump", right=True, rank=2))
        columns += [Column(f"change{n}", f"changes {n} px" if n == 1 else f"{n} px", right=True) for n in steps]
        columns += [Column(f"misfit{n}", f"misfit {n} px" if n == 1 else f"{n} px", right=True) for n in steps]
        between = any(
            m is not None and not w for row in self.rows for m, w in zip(row.misfit, row.whole, strict=True)
        )
        return Document(
            title=self.title,
            subtitle=f"{self.count:,} images ({self.images}); {self.told}",
            columns=columns,
            rows=[TableRow(_cells(row)) for row in self.rows],
            totals=[],
            notes=[],
            definitions=[
                *MEANT,
                *([BETWEEN] if between else []),
                *([f"{row.name.capitalize()}: {row.about}." for row in self.rows] if self.compared else []),
            ],
            data=self.to_json,
            records=self._records,
        )

    def _records(self) -> list[dict[str, Any]]:
        return [
            {"name": row.name, "jump": row.jump or None}
            | {f"changes_{n}": row.change[n] for n in range(1, self.most + 1)}
            | {f"misfit_{n}": row.misfit[n] for n in range(1, self.most + 1)}
            for row in self.rows
        ]

    def table(self, width: int = 120, colour: bool = False, format: str = "terminal") -> str:
        """The table in one of the formats of `layerscope trace`."""
        return formats.render(self.document(), format, width, colour)

    def __str__(self) -> str:
        return self.table()

    def save_figure(self, path: PathLike) -> None:
        """Write both as curves over the pixels, a line for each row. OutputError if it cannot."""
        names = [row.name for row in self.rows]
        panels = [
            ("changes", "0: the shift does not matter (invariant)", [row.change for row in self.rows]),
            ("misfit", "0: the output moves along (equivariant)", [row.misfit for row in self.rows]),
        ]
        under = f"{self.count:,} images ({self.images}); {self.told}"
        written(path, lambda place: shifts.shifts(place, names, panels, self.title, under, ordered=not self.compared))


def _cells(row: Line) -> dict[str, str]:
    cells = {"name": row.name, "about": row.about, "jump": row.jump}
    for n in range(1, len(row.change)):
        change, misfit = row.change[n], row.misfit[n]
        cells[f"change{n}"] = "" if change is None else f"{change:.3f}"
        cells[f"misfit{n}"] = "" if misfit is None else f"{'' if row.whole[n] else '≈ '}{misfit:.3f}"
    return cells


def _line(row: LayerShift, name: str | None = None, about: str | None = None) -> Line:
    jumps = sorted({str(jump) for jump in row.jump or ()})
    jump = jumps[0] if len(jumps) == 1 else " × ".join(map(str, row.jump or ()))
    return Line(
        name or row.name, shape(row.output) if about is None else about, jump, row.change, row.misfit, row.whole
    )


def shift(
    what: Any,
    data: Own | None = None,
    *,
    most: int = 4,
    images: int = 128,
    seed: int = 0,
    folder: PathLike | None = None,
    fit: str | None = None,
    out: PathLike | None = None,
    verbose: Any = "auto",
) -> Shifted:
    """Move images by 1 … `most` pixels and look at all layers of a network: see `probes.shift`.

    `what` is a run folder, a model file, or whatever trace takes: without weights it gets random ones from `seed`.
    `data` are the images, the first `images` of them (a run's validation images, where it is None). `out` is written
    at the end: .png, .svg or .pdf.
    Errors: SourceError, SettingError, DataError, ShapeError, GraphError, OutputError.
    """
    if out is not None:
        runs.writable(out, runs.PICTURES, "a picture")
    found = weighted(what, seed)
    shown, name = pictures(found, data, images, folder=folder, fit=fit, verbose=verbose)
    with Counting(f"Moving {len(shown):,} images", len(shown), verbose, aside=True) as counting:
        made = probe.shift(found.model, shown, most, counting.more)
    rows = tuple(_line(row) for row in made.layers)
    result = Shifted(found.model.name, found.told, name, len(shown), most, rows)
    if out is not None:
        result.save_figure(out)
    return result


def compare_shifts(
    data: Own,
    *,
    most: int = 4,
    images: int = 128,
    seeds: int = 3,
    channels: int = 8,
    folder: PathLike | None = None,
    size: str | None = None,
    out: PathLike | None = None,
    verbose: Any = "auto",
) -> Shifted:
    """The same shifts behind everything that halves an image: `probes.shrinking.WAYS`, twice each.

    Random filters (he_normal), the same for all; numbers are root mean squares over `seeds` of them.
    Errors: SettingError, DataError, OutputError.
    """
    if out is not None:
        runs.writable(out, runs.PICTURES, "a picture")
    if seeds < 1 or channels < 2:
        raise SettingError(f"at least one seed and two channels are needed, not {seeds} and {channels}")
    if not isinstance(data, str | os.PathLike):
        raise SettingError("a comparison takes a known data set, a folder of images, or a .npz or .npy file")
    part = load_images(data, folder, size=size, most=images, verbose=verbose).test
    shown, rows = part.array(0, min(images, len(part))), list[Line]()
    with Counting("Moving images in networks", len(shrinking.WAYS) * seeds, verbose, aside=True) as counting:
        for way, (about, _) in shrinking.WAYS.items():
            found: list[LayerShift] = []
            for seed in range(seeds):
                model = shrinking.network(way, shown.shape[1:], channels, seed)
                found.append(probe.shift(model, shown, most).layers[-1])
                counting.more(1)
            first = _line(found[0], way, about)
            change, misfit = _mean([row.change for row in found]), _mean([row.misfit for row in found])
            rows.append(Line(first.name, first.about, first.jump, change, misfit, first.whole))
    told = f"random filters, mean of {seeds} seed{'s' * (seeds != 1)}"
    title = f"two convolutions of {channels} filters, each with one of these behind it"
    result = Shifted(title, told, str(data), len(shown), most, tuple(rows), True, seeds)
    if out is not None:
        result.save_figure(out)
    return result


def _mean(rows: Sequence[Sequence[float | None]]) -> tuple[float | None, ...]:
    """The root mean square over seeds; None where one has no number."""
    return tuple(
        None if any(value is None for value in column) else float(np.sqrt(np.mean(np.square(column, dtype=float))))
        for column in zip(*rows, strict=True)
    )
