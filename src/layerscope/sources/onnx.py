"""An ONNX file, by its graph: no weight is read, and the onnx package is not needed.

`read` takes a path, the bytes of a file, or an onnx.ModelProto in memory.
"""

from __future__ import annotations

import os
from typing import Any

from layerscope.core.errors import SourceError
from layerscope.core.files import why
from layerscope.core.graph import Graph

SUMMARY = "an ONNX file"
HEAD = 4096


def handles(what: object) -> bool:
    """Whether this is a file that starts as an ONNX model does, or such a model in memory."""
    if type(what).__name__ == "ModelProto" and hasattr(what, "SerializeToString"):
        return True
    if not isinstance(what, str | os.PathLike) or not os.path.isfile(what):
        return False
    from layerscope.sources._onnx.parse import looks_like_model

    with open(what, "rb") as file:
        head = file.read(HEAD)
    return looks_like_model(head, os.path.getsize(what))


def read(what: Any) -> Graph:
    """Its graph. Errors: SourceError, with the place, where it is damaged or does not make sense."""
    if isinstance(what, str | os.PathLike):
        return _file(what)
    return read_bytes(what.SerializeToString(), "this ONNX model")


def read_bytes(data: bytes, where: str = "these bytes") -> Graph:
    """The graph of a file's bytes; SourceError as `read`."""
    from layerscope.sources._onnx import entry, parse, wire

    model = parse.model(wire.Memory(data, where))
    return entry.read(model, model.graph.name or "model", where)


def _file(path: str | os.PathLike[str]) -> Graph:
    from layerscope.sources._onnx import entry, parse, wire

    name = os.fspath(path)
    try:
        file = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        try:
            model = parse.model(wire.Disk(file, name))
        finally:
            os.close(file)
    except OSError as error:
        raise SourceError(f"{name}: cannot be read: {why(error)}") from None
    return entry.read(model, os.path.splitext(os.path.basename(name))[0], name)
