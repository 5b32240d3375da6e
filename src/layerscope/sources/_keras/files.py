"""A model that Keras saved: a .keras archive, JSON of to_json(), or HDF5 (.h5), of Keras 2 or 3, read without Keras.

Only the configuration is read; weights are neither read nor needed. Layers that are described here have their shapes
and costs; all others are shown with the shapes that the file states, as unknown.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from layerscope.core import sketch
from layerscope.core.errors import LayerscopeError, ShapeError, SourceError
from layerscope.core.graph import Graph
from layerscope.sources import _files
from layerscope.sources._keras import archive
from layerscope.sources._keras.build import Builder
from layerscope.sources._keras.config import plan_of
from layerscope.sources._keras.inputs import given_shapes, known_shapes
from layerscope.sources._keras.units import Tracing


def read(path: str | os.PathLike[str], input: Any = None) -> Graph:
    """The graph in a Keras file; SourceError says what is wrong with it.

    `input` has the sizes of one example of each input, where the file leaves them open.
    """
    name = os.fspath(path)
    try:
        return load(archive.read_config(path, _files.kind(path)), input)
    except SourceError as error:
        raise SourceError(f"{name}: {error}") from None
    except OSError as error:
        raise SourceError(f"{name}: cannot be read: {error.strerror}") from None


def read_bytes(data: bytes) -> Graph:
    """The graph in the bytes of a .keras archive, an HDF5 file or a JSON file."""
    return load(archive.of_bytes(data))


def load(data: Any, input: Any = None) -> Graph:
    """The graph of a configuration, plain data as `model.to_json()` writes it.

    Errors: SourceError, or another LayerscopeError, for whatever is no model.
    """
    if isinstance(data, Mapping) and isinstance(data.get("model_config"), Mapping):
        data = data["model_config"]
    try:
        shapes = None if input is None else given_shapes(input)
        plan = plan_of(data, _single(shapes))
        return Builder(Tracing()).graph(plan, None if shapes is None else known_shapes(plan, shapes))
    except (TypeError, KeyError, AttributeError, ValueError, RecursionError, IndexError, OverflowError) as error:
        if isinstance(error, ShapeError):
            raise error.of(lambda: sketched(data, input)) from None
        if isinstance(error, LayerscopeError):
            raise
        # Files come from anywhere; whatever the checks do not foresee is refused all the same.
        raise SourceError(f"not a Keras model that can be read: {type(error).__name__}: {error}") from None


def sketched(data: Any, input: Any = None) -> Graph:
    """The graph of a configuration, whether its sizes fit or not; no weights."""
    with sketch.sketching():
        return load(data, input)


def _single(shapes: Any) -> tuple[int, ...] | None:
    return shapes[0] if isinstance(shapes, list) and len(shapes) == 1 else None
