"""A Model or Sequential in memory, a Graph, or a model file that `Model.save` wrote."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from layerscope.core.errors import SourceError
from layerscope.core.graph import Graph
from layerscope.sources import _files
from layerscope.sources import json as graph_json

if TYPE_CHECKING:
    from zipfile import ZipFile

SUMMARY = "a Model, or a file written by Model.save"
ENTRY = "graph.json"


def handles(what: object) -> bool:
    """Whether this is a graph or model in memory, or an archive with a graph in it."""
    if isinstance(what, Graph) or isinstance(getattr(what, "graph", None), Graph):
        return True
    return _files.kind(what) == "model"


def read(what: Any) -> Graph:
    """Its graph; of a file only the graph is read, no weight."""
    if isinstance(what, Graph):
        return what
    if not isinstance(what, str | os.PathLike):
        return what.graph
    return graph_json.load(archive_graph(what))


def archive_graph(path: str | os.PathLike[str]) -> Any:
    """The JSON of the graph in a model file; SourceError when there is none."""

    def wanted(archive: ZipFile) -> Any:
        if ENTRY not in archive.namelist():
            raise SourceError(f"an archive, but no model of Layerscope: it has no {ENTRY}")
        if archive.getinfo(ENTRY).file_size > graph_json.MOST_BYTES:
            raise SourceError(f"its {ENTRY} is larger than {graph_json.MOST_BYTES >> 20} MiB")
        if archive.getinfo(ENTRY).compress_size > os.path.getsize(path):
            raise SourceError(f"damaged: its {ENTRY} claims more bytes than the file has")
        return graph_json.parsed(archive.read(ENTRY))

    return _files.from_archive(path, wanted)
