"""`layerscope.trace`: the journey of the data through whatever holds a network."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from layerscope import sources
from layerscope.analyses.journey import Journey, journey
from layerscope.core.binding import put
from layerscope.core.errors import ExportError, SizeError
from layerscope.core.files import replacing
from layerscope.core.graph import Graph
from layerscope.core.sizes import checked
from layerscope.core.types import BATCH
from layerscope.report import formats, letters
from layerscope.sources import json as graph_json
from layerscope.telling import View, describe, facts, records

if TYPE_CHECKING:
    from layerscope.analyses.capacity import Capacity
    from layerscope.analyses.positions import ProjectiveField, ReceptiveField


class Trace:
    """A traced network: print it, ask `layers` and `totals`, or take `to_json()`.

    `graph` is the network, `journey` the facts as objects.
    """

    def __init__(self, graph: Graph, found: Journey) -> None:
        self.graph, self.journey = graph, found

    @property
    def layers(self) -> list[dict[str, Any]]:
        """One dictionary for each layer, as in the JSON."""
        return self.to_json()["layers"]

    @property
    def totals(self) -> dict[str, Any]:
        """Parameters, MACs, and whether these are lower bounds."""
        return self.to_json()["totals"]

    def __len__(self) -> int:
        """The number of layers."""
        return len(self.journey.steps)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """The layers, as in `layers`."""
        return iter(self.layers)

    def to_json(self) -> dict[str, Any]:
        """All facts as plain data."""
        return facts(self.graph, self.journey)

    def to_pandas(self, **view: Any) -> Any:
        """A pandas DataFrame with one row a layer: plain numbers, bytes, missing where unknown.

        `view` as in `render`: `columns` (default: all), `depth`, `sort`, `top`. Totals are in its `attrs`.
        Errors: ExportError without pandas; those of `render`.
        """
        try:
            pandas: Any = import_module("pandas")
        except ImportError:
            raise ExportError("a table for pandas needs the package pandas: pip install pandas") from None
        rows = records(self.graph, self.journey, View(**view))
        frame = pandas.DataFrame({key: pandas.Series([row[key] for row in rows], dtype=object) for key in rows[0]})
        for key in frame.columns:
            if all(value is None or type(value) is int for value in frame[key]):
                frame[key] = frame[key].astype("Int64")
            elif all(value is None or type(value) in (int, float) for value in frame[key]):
                frame[key] = frame[key].astype("Float64")
        frame.attrs["totals"] = self.totals
        return frame

    def render(
        self,
        format: str = "terminal",
        width: int = 120,
        colour: bool = False,
        *,
        legend: bool = True,
        encoding: str = "utf-8",
        **view: Any,
    ) -> str:
        """The report in one of the formats: terminal, markdown, latex, html, svg, csv, json.

        `columns`: names separated by commas, or a list, "all", or "+memory,-kind" to change the usual ones. `depth`:
        nested models deeper than this become one row each. `sort`: a column of numbers, largest first. `top`: only
        so many rows, by MACs if `sort` names nothing else. `full`: repeated blocks are not folded. JSON has
        everything whatever is wished; csv folds no repeated blocks. `legend`: whether it says what columns and words
        mean. `encoding`: of what the text is written to; × becomes x where it has no such letter.
        Errors: UnknownNameError for a format or column; SettingError for a depth or top below 1.
        """
        document = describe(self.graph, self.journey, View(**view), rows=formats.needs_rows(format))
        return formats.render(document if legend else document.without_legend(), format, width, colour, encoding)

    def report(
        self, path: str | os.PathLike[str], *, width_mm: float | None = None, legend: bool = True, **view: Any
    ) -> None:
        """Write the report as the file's ending says: .html (a page with the journey, the table and receptive fields,
        which needs nothing else), .svg, .png or .pdf (the journey as a figure of `width_mm` millimetres, 174 if not
        said), .md, .tex, .csv, .json or .txt. `legend`, `view`: as in `render`. The same network, the same bytes.

        Errors: OutputError for another ending, or where it cannot be written; SettingError for a width below 70 mm;
        those of `render`.
        """
        from layerscope.report import files

        document = describe(self.graph, self.journey, View(**view), rows=files.needs_rows(path))
        files.write(document if legend else document.without_legend(), path, width_mm)

    def receptive_field(self, layer: str | None = None, position: Sequence[int] | None = None) -> ReceptiveField:
        """What a layer (or the network's output) sees of each input: on an unbounded input and, at one position of
        the layer, in this network. `position` has an index for each axis but the batch and the channels, from 0.

        Errors: UnknownNameError for a layer that is not there; ShapeError for a position outside.
        """
        from layerscope.analyses import positions

        return positions.of_layer(self.graph, self.journey, layer, position)

    def projective_field(
        self, position: Sequence[int], layer: str | None = None, input: str | None = None
    ) -> ProjectiveField:
        """Which positions of a layer (or of the network's outputs) depend on one position of an input.

        Errors: as `receptive_field`; ShapeError where there are several inputs and none is named.
        """
        from layerscope.analyses import positions

        return positions.of_input(self.graph, self.journey, position, layer, input)

    @property
    def capacity(self) -> Capacity:
        """How many independent numbers about the input pass through each layer, and which it never reads."""
        from layerscope.analyses.capacity import capacity

        return capacity(self.graph, [step.outputs for step in self.journey.steps])

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the network itself, without weights, as JSON that `trace` reads. OutputError if it cannot, as where
        the folder is missing.
        """
        with replacing(path, folders=False) as aside:
            aside.write_text(json.dumps(graph_json.dump(self.graph), indent=2, ensure_ascii=False) + "\n", "utf-8")

    def __str__(self) -> str:
        return self.render(width=terminal_width())

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """The page for notebooks, in a frame that has no rights but to run its own script."""
        from layerscope.report import page

        return page.frame(describe(self.graph, self.journey))


def terminal_width() -> int:
    """The terminal's width; 120 where there is none."""
    return letters.columns(120)


def encoding(stream: Any = None) -> str:
    """The encoding of the stream, by default of what is printed to."""
    return getattr(stream or sys.stdout, "encoding", None) or "utf-8"


def colourful(stream: Any = None) -> bool:
    """Whether the stream is a terminal that takes colours (NO_COLOR is respected)."""
    stream = stream or sys.stdout
    return "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb" and stream.isatty()


def trace(
    what: Any,
    batch: int | None = None,
    *,
    sizes: Mapping[str, int] | None = None,
    input: Any = None,
    dtype: str | None = None,
    framework: str | None = None,
    parameters: Any = None,
) -> Trace:
    """Follow the data through a network without running it.

    `what` is a line of text, a file, "package.module:callable", "example:NAME", a Model, a Graph, a Keras model, a
    PyTorch module or function, a function of JAX, or a module of Flax or Equinox. `sizes` puts named sizes to
    numbers: {"height": 224}. `input` has the sizes of one example, (28, 28, 1), where a Keras model does not say
    them, and those of what a PyTorch or JAX model is given, batch and all, (1, 3, 224, 224), with a dtype
    ((1, 128), "int64"); or a list of these, or a dictionary by the inputs' names. With `batch`, totals are for so
    many examples; without, per example. With `dtype` ("float16"), memory is as if all floats were of that type.
    `framework`, "jax" or "torch", says whose a plain function is where that cannot be seen. `parameters`: a pytree
    that a function of JAX takes first (or the variables of a flax.linen module).

    Errors: TextError, SourceError, ShapeError, UnknownNameError, SizeError, each with what to change.
    """
    told = dict(sizes or {})
    if batch is not None and told.get(BATCH, batch) != batch:
        raise SizeError(f"the batch is {batch} by its own argument and {told[BATCH]} among the sizes; give it once")
    batch = told.pop(BATCH, batch)
    if batch is not None:
        try:
            batch = checked(batch, "batch")
        except SizeError as error:
            raise SizeError(f"{error} (the number of examples)") from None
    graph = sources.read(what, input, batch, framework=framework, parameters=parameters)
    told |= {} if batch is None else {BATCH: batch}
    if told:
        graph = put(graph, told)
    return Trace(graph, journey(graph, batch, dtype))
