"""`layerscope.trace`: the journey of the data through whatever holds a network."""

from __future__ import annotations

import json
import os
import shutil
import sys
from typing import Any

from layerscope import sources
from layerscope.analyses.journey import Journey, describe, journey
from layerscope.core.binding import bind
from layerscope.core.errors import SizeError
from layerscope.core.files import replacing
from layerscope.core.graph import Graph
from layerscope.core.sizes import checked
from layerscope.core.types import BATCH
from layerscope.report import formats
from layerscope.sources import json as graph_json


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

    def to_json(self) -> dict[str, Any]:
        """All facts as plain data."""
        return dict(describe(self.journey).data)

    def render(self, format: str = "terminal", width: int = 120, colour: bool = False) -> str:
        """The report in one of the formats."""
        return formats.render(describe(self.journey), format, width, colour)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the network itself, without weights, as JSON that `trace` reads. OutputError if it cannot."""
        with replacing(path) as aside:
            aside.write_text(json.dumps(graph_json.dump(self.graph), indent=2, ensure_ascii=False) + "\n", "utf-8")

    def __str__(self) -> str:
        return self.render(width=terminal_width())

    __repr__ = __str__


def terminal_width() -> int:
    """The terminal's width; 120 where there is none."""
    return shutil.get_terminal_size((120, 24)).columns


def colourful(stream: Any = None) -> bool:
    """Whether the stream is a terminal that takes colours (NO_COLOR is respected)."""
    stream = stream or sys.stdout
    return "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb" and stream.isatty()


def trace(what: Any, batch: int | None = None, *, dtype: str | None = None) -> Trace:
    """Follow the data through a network without running it.

    `what` is a line of text, a file, "package.module:callable", "example:NAME", a Model, a Graph
    or a Keras model.
    With `batch`, totals are for so many examples; without, per example. With `dtype` ("float16"), memory is as
    if all floats were of that type.

    Errors: TextError, SourceError, ShapeError, UnknownNameError, SizeError, each with what to change.
    """
    if batch is not None:
        try:
            batch = checked(batch, "batch")
        except SizeError as error:
            raise SizeError(f"{error} (the number of examples)") from None
    graph = sources.read(what)
    if batch is not None:
        graph = bind(graph, {BATCH: batch})  # settings hold open sizes too: a shape to reshape to, for instance
    return Trace(graph, journey(graph, batch, dtype))
