"""What a comparison of decoders found: its table, its picture, its JSON."""

from __future__ import annotations

import json
import os
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerscope.core.files import replacing
from layerscope.report import files, formats, page
from layerscope.report.document import Column, Document, TableRow, count
from layerscope.report.figures import error_maps
from layerscope.report.scenes import Curves, Line, Picture, Scene

Array = NDArray[Any]
PCA = "pca"


@dataclass(frozen=True)
class Numbers:
    """A number measured once for each seed."""

    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        return statistics.fmean(self.values)

    @property
    def std(self) -> float | None:
        """The sample standard deviation over seeds; None for one seed."""
        return statistics.stdev(self.values) if len(self.values) > 1 else None

    def words(self, places: int, factor: float = 1, unit: str = "") -> str:
        """ "0.01234 ± 0.00012"."""
        spread = "" if self.std is None else f" ± {self.std * factor:.{places}f}"
        return f"{self.mean * factor:.{places}f}{spread}{unit}"

    def to_json(self) -> dict[str, Any]:
        return {"mean": self.mean, "std": self.std, "values": list(self.values)}


@dataclass(frozen=True)
class Result:
    """One decoder trained with one seed.

    `mse` is the mean squared error over pixels of the test images, `loss` the training loss of them; `seconds` is
    the fastest epoch of training alone, times the epochs; `checkerboard` that of the reconstructions of the test
    images, `untrained` the same before training. `history` holds the loss after each epoch.
    """

    seed: int
    mse: float
    loss: float
    seconds: float
    checkerboard: float
    untrained: float
    history: Mapping[str, Sequence[float]]


@dataclass(frozen=True)
class Row:
    """One decoder: sizes, and its results by seed. PCA has one result, no loss, and no state before training.

    `code` is how many numbers the code has, `switch_bits` what is passed around it.
    """

    decoder: str
    code: int
    parameters: int
    decoder_parameters: int
    macs: int
    switch_bits: int
    results: tuple[Result, ...]

    def numbers(self, key: str) -> Numbers:
        """One of the measured numbers over seeds: mse, loss, seconds, checkerboard, untrained."""
        return Numbers(tuple(getattr(result, key) for result in self.results))

    def to_json(self) -> dict[str, Any]:
        keys = ("mse", "loss", "seconds", "checkerboard", "untrained")
        found = {key: self.numbers(key) for key in keys}
        return {
            "decoder": self.decoder,
            "code": self.code,
            "parameters": self.parameters,
            "decoder_parameters": self.decoder_parameters,
            "macs": self.macs,
            "switch_bits": self.switch_bits,
            **{key: n.to_json() for key, n in found.items() if not any(np.isnan(n.values))},
            "seeds": [result.seed for result in self.results],
            "histories": [{k: list(v) for k, v in result.history.items()} for result in self.results],
        }


@dataclass(frozen=True)
class Pictures:
    """A few test images, and what each decoder (of the first seed) makes of them; with `ink`, 1 is drawn black."""

    originals: Array
    restored: Mapping[str, Array] = field(default_factory=dict[str, Array])
    ink: bool = True


@dataclass(frozen=True)
class Comparison:
    """Decoders trained alike, one row each, beside PCA with as many numbers in the code.

    `settings` is what they have in common, `left_out` says why a decoder is missing, `checkerboard` is that of the
    test images themselves. `interrupted` is true when Ctrl-C ended it: then rows hold the runs that are finished.
    """

    settings: Mapping[str, Any]
    versions: Mapping[str, str]
    folder: Path
    rows: tuple[Row, ...]
    baseline: Row | None
    code: tuple[int, ...]
    shape: tuple[int, ...]
    images: tuple[int, int]
    period: tuple[int, int]
    checkerboard: float
    left_out: Mapping[str, str]
    pictures: Pictures
    notes: tuple[str, ...] = ()
    interrupted: bool = False

    @property
    def numbers(self) -> int:
        """Numbers in the code of one image."""
        return int(np.prod(self.code))

    def to_json(self) -> dict[str, Any]:
        """Everything as plain data."""
        return {
            "comparison": "decoders",
            "settings": dict(self.settings),
            "versions": dict(self.versions),
            "images": {
                "train": self.images[0],
                "test": self.images[1],
                "shape": list(self.shape),
                "checkerboard": self.checkerboard,
            },
            "code": {"shape": list(self.code), "numbers": self.numbers},
            "checkerboard_period": list(self.period),
            "decoders": [row.to_json() for row in self.rows],
            "pca": None if self.baseline is None else self.baseline.to_json(),
            "left_out": dict(self.left_out),
            "notes": list(self.notes),
        }

    def save_json(self, path: str | os.PathLike[str]) -> None:
        """Write `to_json()`. OutputError if it cannot."""
        with replacing(path) as aside:
            aside.write_text(json.dumps(self.to_json(), indent=2, ensure_ascii=False) + "\n", "utf-8")

    def save_figure(self, path: str | os.PathLike[str]) -> None:
        """Write the picture: originals, each decoder's reconstructions, and their errors. The suffix (png, svg, pdf)
        chooses the format. OutputError if it cannot.
        """
        rows = [*self.rows, *([self.baseline] if self.baseline else [])]
        told = [
            (row.decoder, f"MSE {row.numbers('mse').words(5)}", self.pictures.restored[row.decoder]) for row in rows
        ]
        with replacing(path) as aside:
            named = aside.with_suffix(Path(path).suffix or ".png")
            error_maps.figure(self.pictures.originals, told, named, ink=self.pictures.ink)
            os.replace(named, aside)

    def report(self, path: str | os.PathLike[str]) -> None:
        """Write the report as the file's ending says: .html (table, curves and pictures in one page), .md, .tex,
        .csv, .json or .txt; .png, .svg or .pdf is the picture alone. OutputError if it cannot.
        """
        if Path(path).suffix.lower() in files.DRAWN:
            self.save_figure(path)
        else:
            files.write(self.document(), path)

    def document(self) -> Document:
        """The table, with what its words mean."""
        rows = [*self.rows, *([self.baseline] if self.baseline else [])]
        same = self.settings["loss"] == "mean_squared_error"
        columns = [
            Column("decoder", "decoder"),
            Column("mse", "MSE", right=True),
            Column("loss", self.settings["loss"], right=True, rank=0 if same else 4),
            Column("parameters", "parameters", right=True),
            Column("decoder_parameters", "of decoder", right=True, rank=3),
            Column("macs", "MACs", right=True, rank=2),
            Column("seconds", "seconds", right=True, rank=1),
            Column("untrained", "untrained", right=True),
            Column("checkerboard", "checkerboard", right=True),
            Column("code", "code"),
        ]
        return Document(
            title=f"decoders on {Path(self.settings['data']).name}",
            subtitle=f"{_seeds(self.rows)}; {self.images[1]:,} test images",
            columns=[column for column in columns if not (same and column.key == "loss")],
            rows=[TableRow(self._cells(row)) for row in rows],
            totals=self._totals(),
            notes=self._notes(),
            definitions=self._definitions(),
            data=self.to_json,
            scenes=self._scenes,
            heading="Decoders",
        )

    def _scenes(self) -> list[Scene]:
        """The validation loss of the first seed by epoch, and the pictures where all runs are finished."""
        first = {row.decoder: row.results[0].history.get("val_loss", ()) for row in self.rows}
        lines = [Line(name, list(values)) for name, values in first.items() if values]
        epochs = list(range(1, max((len(line.values) for line in lines), default=0) + 1))
        made: list[Scene] = [Curves(f"validation {self.settings['loss']}", epochs, lines)] if lines else []
        if self.pictures.restored:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "decoders.png"
                self.save_figure(path)
                png = path.read_bytes()
            words = "Test images, what each decoder makes of them, and where these differ"
            made.append(Picture("Test images and their reconstructions", words, png))
        return made

    def table(self, width: int = 120, colour: bool = False, format: str = "terminal", encoding: str = "utf-8") -> str:
        """The table as text, in one of the formats, with letters that the encoding has."""
        return formats.render(self.document(), format, width, colour, encoding)

    def __str__(self) -> str:
        return self.table()

    def _repr_html_(self) -> str:
        """The report for notebooks, in a frame that has no rights but to run its own script."""
        return page.frame(self.document())

    def _cells(self, row: Row) -> dict[str, str]:
        learned = row.decoder != PCA
        bits = f" + {row.switch_bits:,} bits" if row.switch_bits else ""
        return {
            "decoder": row.decoder,
            "mse": row.numbers("mse").words(5),
            "loss": row.numbers("loss").words(4) if learned else "",
            "parameters": count(row.parameters),
            "decoder_parameters": count(row.decoder_parameters),
            "macs": count(row.macs),
            "seconds": row.numbers("seconds").words(1),
            "untrained": row.numbers("untrained").words(1, 100, " %") if learned else "",
            "checkerboard": row.numbers("checkerboard").words(2, 100, " %"),
            "code": f"{row.code:,}{bits}",
        }

    def _totals(self) -> list[tuple[str, str]]:
        told, (train, _) = self.settings, self.images
        batches = -(-train // told["batch_size"])
        sizes = " × ".join(map(str, self.code))
        of = "" if len(self.code) == 1 else f"{sizes} = "
        whole = " × ".join(map(str, self.shape))
        return [
            ("code", f"{of}{self.numbers:,} numbers for the {int(np.prod(self.shape)):,} of an image ({whole})"),
            (
                "each run",
                f"{_many(told['epochs'], 'epoch')} of {_many(batches, 'batch', 'es')} of {told['batch_size']}, "
                f"{told['optimizer']} {told['learning_rate']:g}, {told['loss']}",
            ),
            ("checkerboard of the images", f"{100 * self.checkerboard:.2f} %"),
        ]

    def _notes(self) -> list[str]:
        notes = [
            f"{row.decoder} passes {row.switch_bits:,} bits of switches around the code, which say where the maxima "
            f"stood; its error is not that of {self.numbers:,} numbers."
            for row in self.rows
            if row.switch_bits
        ]
        notes += [f"{name} is left out: {why}." for name, why in self.left_out.items()]
        return [*notes, *self.notes]

    def _definitions(self) -> list[str]:
        several = any(len(row.results) > 1 for row in self.rows)
        period = "×".join(map(str, self.period))
        return [
            f"Encoder: {self.settings['encoder']}",
            "MSE: mean squared error over the pixels of the test images, which lie in 0 … 1"
            + ("; ± is the standard deviation over seeds." if several else "."),
            "Of the same seed, all decoders share the encoder's initial weights and the order of the batches.",
            "MAC: one multiply and add in a product with weights; products with zeros of padding and nails count.",
            "Seconds: training alone, the fastest epoch times the epochs.",
            f"Checkerboard: share of the reconstructions' variance that repeats with the last enlargement, {period}; "
            "untrained: before training.",
            "pca: the first principal components of the training images as the code.",
        ]


def _many(number: int, word: str, plural: str = "s") -> str:
    return f"{number:,} {word}{'' if number == 1 else plural}"


def _seeds(rows: Sequence[Row]) -> str:
    seeds = len(rows[0].results) if rows else 0
    return "one seed" if seeds == 1 else f"{seeds} seeds, mean ± standard deviation"
