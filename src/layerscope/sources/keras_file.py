"""A file that Keras saved, read without Keras. What reads it (`_keras/files.py`) is loaded when there is one."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from layerscope.sources import _files

if TYPE_CHECKING:
    from layerscope.core.graph import Graph

SUMMARY = "a file that Keras saved (.keras, .h5, JSON)"
KINDS = ("keras-archive", "keras-json", "hdf5")
TAKES_INPUT = True


def handles(what: object) -> bool:
    """Whether this is a Keras model's file, by its content."""
    return _files.kind(what) in KINDS


def read(path: str | os.PathLike[str], input: Any = None) -> Graph:
    """The graph in a Keras file; SourceError says what is wrong with it.

    `input` has the sizes of one example of each input, where the file leaves them open.
    """
    from layerscope.sources._keras import files

    return files.read(path, input)
