"""The user's own network: its journey, and a drawn digit through it where it gives images back."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from layerscope import tracing
from layerscope.core.errors import DataError, SourceError
from layerscope.core.types import show
from layerscope.datasets import _pictures
from layerscope.lab.drawing import FULL, SIDE
from layerscope.lab.scenes import journey
from layerscope.models import Model
from layerscope.studies import runs
from layerscope.studies.measures import maps
from layerscope.studies.weighted import is_run, weighted

MOST = 256 * 256
"""Pixels of an image that is handed to the page."""


class Own:
    """What `layerscope lab` was given: a run folder, or anything that `trace` takes.

    Errors: those of `trace`; SourceError for a folder that is no run.
    """

    def __init__(self, what: str) -> None:
        self.what = what
        self.run = is_run(what)
        if not self.run and os.path.isdir(what):
            raise _no_run(Path(what))
        self.network = os.path.join(what, runs.NETWORK) if self.run else what
        self.trace = tracing.trace(self.network)
        self._lock = Lock()

    @property
    def name(self) -> str:
        """What the page calls it."""
        return Path(self.what).name if self.run or os.path.exists(self.what) else self.what

    @cached_property
    def _weighted(self) -> Any:
        return weighted(self.what)

    def told(self) -> dict[str, Any]:
        """What the page has to know at once."""
        return {"name": self.name, "run": self.run, "layers": len(self.trace)}

    def journey(self) -> dict[str, Any]:
        """The journey as a scene, and all facts of the trace."""
        return {**self.told(), "scene": journey.of_trace(self.trace).to_json(), "trace": self.trace.to_json()}

    def reconstruct(self, levels: Sequence[int]) -> dict[str, Any]:
        """A drawing through the network. Errors: DataError where it gives no images back."""
        with self._lock:  # weights are read once, and the engine compiles once
            found = self._weighted
            return {"weights": found.told, **reconstruct(found.model, levels)}


def _no_run(path: Path) -> SourceError:
    """The error for a folder without a model: whether runs lie in it."""
    inner = sorted(str(found.parent) for found in path.glob(f"*/{runs.MODEL}"))
    if inner:
        return SourceError(f"{path} holds {len(inner)} runs; give one of them, such as {inner[0]}")
    return SourceError(f"{path} is no run folder; layerscope train makes one")


def reconstruct(model: Model, levels: Sequence[int]) -> dict[str, Any]:
    """28 × 28 levels, brought to the size that the model takes, and what it makes of them: bytes from 0 to 255.

    Errors: DataError where the model does not give back an image of its input's size.
    """
    shape = image_shape(model)
    ink = (np.array(levels, np.float64) * (255 / FULL)).round().astype(np.uint8).reshape(SIDE, SIDE, 1)
    image = _pictures.fitted(ink, 255, _pictures.Frame(*shape, fit="stretch")).astype(np.float32) / 255
    made = model.predict(image.reshape(1, *model.input_shape[1:]), verbose=0).reshape(1, *shape)
    return {
        "shape": list(shape),
        "input": as_bytes(image),
        "output": as_bytes(made),
        "mse": float(maps(image[None], made).mean()),
    }


def as_bytes(image: Any) -> list[int]:
    """Numbers in 0 … 1 as whole numbers from 0 to 255."""
    return np.rint(np.clip(np.nan_to_num(image), 0, 1) * 255).astype(int).ravel().tolist()


def image_shape(model: Model) -> tuple[int, int, int]:
    """The images that a model takes and gives back, (height, width, channels); vectors are squares where they can be.

    Errors: DataError where it does not give images back.
    """
    given, made = model.input_types, model.output_types
    sizes = [size for size in given[0].shape[1:] if isinstance(size, int)]
    if len(given) != 1 or len(made) != 1 or len(sizes) + 1 != given[0].rank:
        raise DataError("a drawing goes through networks of one input of a known size, and one output")
    if math.prod(sizes) != math.prod(size for size in made[0].shape[1:] if isinstance(size, int)):
        raise DataError(
            f"the network makes {show(made[0].shape[1:])} of {show(given[0].shape[1:])}, so there is no image to "
            "look at; give an autoencoder, which ends with as many numbers as it starts with"
        )
    side = math.isqrt(sizes[0])
    shape = tuple(sizes) if len(sizes) == 3 else (*sizes, 1) if len(sizes) == 2 else (side, side, 1)
    if math.prod(shape) != math.prod(sizes) or shape[2] not in (1, 3) or shape[0] * shape[1] > MOST:
        raise DataError(f"{show(given[0].shape[1:])} is no image of 1 or 3 channels and at most {MOST:,} pixels")
    return shape[0], shape[1], shape[2]
