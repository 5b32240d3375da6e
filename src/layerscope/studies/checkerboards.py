"""Checkerboards: overlap of every enlarging layer, what would be even, and what a network's images have of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerscope import sources
from layerscope.analyses import checkerboard as analysis
from layerscope.analyses.checkerboard import Checkerboard, Overlap, Pattern
from layerscope.analyses.overlap_fixes import Fix, fixes, repaired
from layerscope.core import propagate
from layerscope.core.errors import GraphError, LayerscopeError
from layerscope.core.graph import Graph
from layerscope.models.parts import outputs_at
from layerscope.probes.evenness import at_start, spectrum
from layerscope.report import formats
from layerscope.report.document import Column, Document, TableRow, count
from layerscope.report.figures import overlaps
from layerscope.studies import runs
from layerscope.studies.checkerboard import checkerboard as energy
from layerscope.studies.opened import Own, PathLike
from layerscope.studies.pictured import written
from layerscope.studies.weighted import is_run, pictures, weighted

Array = NDArray[Any]
WIDE = 32
"""Channels of a new layer that is measured."""
SHOWN = 8
"""Counts along an axis that are printed."""
MEANT = (
    "Overlap: along each axis, how many products of inputs and kernel taps are added up at each position, over one "
    "period, on an unbounded input. Alone: behind an even input; so far: behind all layers before, if all taps of a "
    "kernel weigh the same.",
    "max : min: largest to smallest overlap of an image's positions. Variation: standard deviation ÷ mean; 0 is "
    "even.",
)
INSTEAD = (
    "→: another layer in its place, with which the network keeps its shapes; so far is then that of the network's "
    "output, parameters and MACs those of the whole network.",
    "At start: standard deviation ÷ root mean square of what the new layer makes of an image without detail; 0: no "
    "checkerboard before training.",
)
MEASURED = (
    "Energy: share of the variance of the layer's output that repeats with the last enlargement (checkerboard "
    "energy); of the images themselves it is printed below."
)


@dataclass(frozen=True)
class Spectra:
    """Power by frequency of the network's output and of the images, along the width; and the enlargement."""

    frequencies: Array
    power: Array
    image_frequencies: Array
    images: Array
    period: int


@dataclass(frozen=True)
class Measured:
    """Checkerboard energy of layers by name, of the images, and what both were measured on."""

    told: str
    energies: Mapping[str, float]
    images: float
    spectra: Spectra | None


@dataclass(frozen=True)
class Checkerboards:
    """What `layerscope checkerboard` says of a network."""

    network: str
    found: Checkerboard
    fixes: tuple[Fix, ...]
    starts: Mapping[tuple[str, str | None], float]
    repaired: Mapping[str, Pattern | None]
    measured: Measured | None = None

    def to_json(self) -> dict[str, Any]:
        """Everything as plain data; null where something is not known."""
        measured = self.measured
        return {
            "network": self.network,
            "layers": [
                {
                    "name": row.name,
                    "kind": row.kind,
                    "enlarges": {str(axis): str(factor) for axis, factor in row.axes},
                    "alone": _facts(row.alone),
                    "so_far": _facts(row.so_far),
                    "at_start": self.starts.get((row.name, None)),
                    "energy": None if measured is None else measured.energies.get(row.name),
                    "instead": [
                        {
                            "way": fix.way,
                            "layers": fix.words,
                            "parameters": fix.parameters,
                            "macs": fix.macs if isinstance(fix.macs, int) else str(fix.macs),
                            "alone": _facts(fix.behind),
                            "output": _facts(fix.ends),
                            "at_start": self.starts.get((row.name, fix.way)),
                        }
                        for fix in self.fixes
                        if fix.layer == row.name
                    ],
                }
                for row in self.found.layers
            ],
            "output_with_all_changed": {way: _facts(pattern) for way, pattern in self.repaired.items()},
            "measured": None if measured is None else {"on": measured.told, "images": measured.images},
        }

    def document(self) -> Document:
        """The table, with what its words mean."""
        columns = [
            Column("name", "layer, → instead of it"),
            Column("overlap", "overlap"),
            Column("alone", "max : min", right=True),
            Column("variation", "variation", right=True),
            Column("far", "so far", right=True),
            Column("farther", "variation", right=True, rank=3),
            Column("start", "at start", right=True),
            Column("energy", "energy", right=True),
            Column("parameters", "parameters", right=True, rank=1),
            Column("macs", "MACs", right=True, rank=2),
        ]
        rows: list[TableRow] = []
        for row in self.found.layers:
            rows.append(TableRow(self._layer(row)))
            rows += [TableRow(self._fix(fix)) for fix in self.fixes if fix.layer == row.name]
        rows = [TableRow({column.key: row.cells.get(column.key, "") for column in columns}) for row in rows]
        used = [column for column in columns if any(row.cells[column.key] for row in rows)]
        uneven, all = len(self.found.uneven), sum(row.enlarges for row in self.found.layers)
        told = (
            f"{uneven} of {all} layer{'s' * (all != 1)} that enlarge{'s' * (all == 1)}"
            if all
            else "no layer enlarges"
        )
        totals = [("uneven", told)]
        if uneven > 1 and self.repaired:
            ends = [f"{way} {_ratio(pattern)}" for way, pattern in self.repaired.items()]
            totals.append(("output with all changed", ", ".join(ends)))
        if self.measured is not None:
            totals.append(("images", f"energy {self.measured.images:.4f}"))
        return Document(
            title=self.network,
            subtitle="overlap of enlarging layers" + (f"; {self.measured.told}" if self.measured else ""),
            columns=used,
            rows=rows,
            totals=totals,
            notes=[],
            definitions=[*MEANT, *(INSTEAD if self.fixes else ()), *((MEASURED,) if self.measured else ())],
            data=self.to_json,
            records=self._records,
        )

    def _layer(self, row: Overlap) -> dict[str, str]:
        start, energies = self.starts.get((row.name, None)), self.measured.energies if self.measured else {}
        return {
            "name": row.name,
            "overlap": _counts(row.alone if row.enlarges else None, row),
            "alone": _ratio(row.alone) if row.enlarges else "",
            "variation": _variation(row.alone) if row.enlarges else "",
            "far": _ratio(row.so_far),
            "farther": _variation(row.so_far),
            "start": "" if start is None else f"{start:.3f}",
            "energy": f"{energies[row.name]:.4f}" if row.name in energies else "",
        }

    def _fix(self, fix: Fix) -> dict[str, str]:
        start = self.starts.get((fix.layer, fix.way))
        return {
            "name": f"→ {fix.words}",
            "overlap": "even",
            "alone": _ratio(fix.behind),
            "variation": _variation(fix.behind),
            "far": _ratio(fix.ends),
            "farther": _variation(fix.ends),
            "start": "" if start is None else f"{start:.3f}",
            "parameters": count(fix.parameters),
            "macs": count(fix.macs),
        }

    def _records(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        for layer in self.to_json()["layers"]:
            rows.append(
                _record(layer["name"], "", layer["alone"], layer["so_far"], layer["at_start"], layer["energy"])
            )
            rows += [
                _record(layer["name"], one["layers"], one["alone"], one["output"], one["at_start"], None)
                for one in layer["instead"]
            ]
        return rows

    def table(self, width: int = 120, colour: bool = False, format: str = "terminal") -> str:
        """The table in one of the formats of `layerscope trace`."""
        return formats.render(self.document(), format, width, colour)

    def __str__(self) -> str:
        return self.table()

    def save_figure(self, path: PathLike) -> None:
        """Write the overlap of each layer as maps, alone and so far, and the measured spectrum. OutputError."""
        rows = [
            (row.name, _map(row.alone) if row.enlarges else None, _map(row.so_far))
            for row in self.found.layers
            if row.shape.rank == 4 and (row.enlarges or row.output)
        ]
        if not any(alone is not None for _, alone, _ in rows):
            raise GraphError("there is nothing to draw: no layer enlarges an image")
        spectra = self.measured.spectra if self.measured else None
        curves = None
        if spectra is not None:
            curves = (
                [
                    ("output", spectra.frequencies, spectra.power),
                    ("images", spectra.image_frequencies, spectra.images),
                ],
                spectra.period,
            )
        under = self.measured.told if self.measured else ""
        written(path, lambda place: overlaps.overlaps(place, rows, self.network, under, curves))


def _facts(pattern: Pattern | None) -> dict[str, Any] | None:
    if pattern is None:
        return None
    return {
        "period": list(pattern.shape),
        "counts": list(pattern.counts),
        "max": pattern.most,
        "min": pattern.least,
        "variation": pattern.variation,
    }


def _record(
    name: str, instead: str, alone: Any, far: Any, start: float | None, share: float | None
) -> dict[str, Any]:
    found: dict[str, Any] = {"layer": name, "instead": instead}
    for key, facts in (("alone", alone), ("so_far", far)):
        for part in ("max", "min", "variation"):
            found[f"{key}_{part}"] = None if facts is None else facts[part]
    return found | {"at_start": start, "energy": share}


def _ratio(pattern: Pattern | None) -> str:
    if pattern is None:
        return "unknown"
    if pattern.ratio is None:
        return f"{pattern.most} : 0"
    return f"{pattern.ratio.numerator} : {pattern.ratio.denominator}"


def _variation(pattern: Pattern | None) -> str:
    return "unknown" if pattern is None else f"{pattern.variation:.3f}"


def _counts(pattern: Pattern | None, row: Overlap) -> str:
    """1 2 × 1 2: along each axis that is enlarged."""
    if pattern is None:
        return ""
    if pattern.even:
        return "even"
    told = [pattern.along(axis) for axis, _ in row.axes]
    parts = [" ".join(map(str, one[:SHOWN])) + (" …" if len(one) > SHOWN else "") for one in told]
    return parts[0] if len(set(parts)) == 1 else " × ".join(parts)


def _map(pattern: Pattern | None) -> Array | None:
    """Height × width of one period, as numbers."""
    return None if pattern is None else np.asarray(pattern.counts, float).reshape(pattern.shape)[0, :, :, 0]


def overlap(
    what: Any,
    data: Own | None = None,
    *,
    images: int = 256,
    seed: int = 0,
    folder: PathLike | None = None,
    fit: str | None = None,
    out: PathLike | None = None,
    verbose: Any = "auto",
) -> Checkerboards:
    """Overlap of every enlarging layer of a network, alone and in the chain, and what would be even in its place.

    `what` is whatever trace takes, or a run folder. With `data`, or a run, whose validation images are taken then,
    the checkerboard energy of what its layers make of the first `images` is measured, too; a network without weights
    gets random ones from `seed`. `out` is a picture: .png, .svg or .pdf.
    Errors: those of trace; of `data` where it is given; GraphError where there is nothing to draw; OutputError.
    """
    if out is not None:
        runs.writable(out, runs.PICTURES, "a picture")
    trained = data is not None or is_run(what)
    found = weighted(what, seed) if trained else None
    graph = found.model.graph if found is not None else sources.read(what)
    board = analysis.checkerboard(graph)
    ways = fixes(graph, board)
    measured = None
    if found is not None:
        shown, name = pictures(found, data, images, folder=folder, fit=fit, verbose=verbose)
        measured = _measured(found.model, board, shown, f"{len(shown):,} images ({name}); {found.told}")
    ends = {way: _end(repaired(graph, way)) for way in dict.fromkeys(fix.way for fix in ways)}
    result = Checkerboards(graph.name, board, ways, _starts(graph, board, ways), ends, measured)
    if out is not None:
        result.save_figure(out)
    return result


def _end(graph: Graph) -> Pattern | None:
    return analysis.checkerboard(graph)[graph.nodes[graph.outputs[0][0]].label].so_far


def _starts(graph: Graph, board: Checkerboard, ways: Sequence[Fix]) -> dict[tuple[str, str | None], float]:
    """At start: of uneven transposed convolutions in two dimensions, and of what stands in their place.

    Of wide layers with fewer channels, on which the expected value does not depend.
    """
    fed = propagate.fed_types(graph, propagate.types(graph))
    found: dict[tuple[str, str | None], float] = {}
    for row in board.uneven:
        number = next(n for n, node in enumerate(graph.nodes) if node.label == row.name)
        layer: Any = graph.nodes[number].layer
        channels = fed[number][0].shape[-1]
        if row.kind != "Conv2DTranspose" or layer.first or not isinstance(channels, int):
            continue
        if layer.groups == 1:
            channels, layer = min(channels, WIDE), replace(layer, filters=min(layer.filters, WIDE))
        for way in (None, *(fix.way for fix in ways if fix.layer == row.name)):
            try:
                found[row.name, way] = at_start(layer, channels, way)
            except LayerscopeError:  # an activation or initializer that is not computed here
                continue
    return found


def _measured(model: Any, board: Checkerboard, images: Array, told: str) -> Measured:
    graph = model.graph
    number = {node.label: n for n, node in enumerate(graph.nodes)}
    period, asked = (1, 1), dict[str, tuple[int, int]]()
    for row in board.layers:
        factors = dict(row.axes)
        if row.shape.rank == 4:
            period = _whole(factors) if factors else period
            if period != (1, 1):
                asked[row.name] = period
    if not asked:
        raise GraphError("no layer enlarges an image, so there is no checkerboard to measure")
    part = outputs_at(model, [(number[name], 0) for name in asked])
    fed = images.reshape(len(images), *[n for n in model.input_types[0].shape[1:] if isinstance(n, int)])
    made = part.predict(fed, verbose=0)
    outputs = dict(zip(asked, made if isinstance(made, list) else [made], strict=True))
    energies = {name: energy(outputs[name], asked[name]) for name in asked}
    last, spectra = list(asked)[-1], None
    if asked[last][1] > 1 and images.ndim == 4:
        spectra = Spectra(*spectrum(outputs[last]), *spectrum(images), asked[last][1])
    return Measured(told, energies, energy(images, asked[last]), spectra)


def _whole(factors: Mapping[int, Any]) -> tuple[int, int]:
    found = [factors.get(axis, 1) for axis in (1, 2)]
    return (int(found[0]), int(found[1])) if all(int(one) == one for one in found) else (1, 1)
