"""The trained autoencoders of the lab: one encoder and code size, a decoder for each way of enlarging.

`autoencoder.json` has what benchmarks/lab_autoencoders.py made with `layerscope compare decoders` on MNIST: the
recipe, the layers (for the page, which has no shape laws), and each weight as a whole number of 12 bits, written with
two letters of base64url, over a power of two; so it is the same number in float32, in float64 and in JavaScript.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerscope import sources
from layerscope.analyses.mirror import autoencoder
from layerscope.core import propagate
from layerscope.core.graph import Graph
from layerscope.core.sizes import numbers
from layerscope.engine.plan import Job
from layerscope.engine.reference import ReferenceEngine, State
from layerscope.lab.drawing import LETTERS
from layerscope.models.parts import subgraph

Array = NDArray[Any]
FILE = "autoencoder.json"
HALF = 2048
"""Weights are the whole numbers from -2048 to 2047 over a power of two."""


@dataclass(frozen=True)
class Autoencoder:
    """A network with its weights by their ids, in float64."""

    graph: Graph
    weights: dict[str, Array]
    engine: ReferenceEngine

    def tensors(self, image: Sequence[float] | Array) -> list[Array]:
        """What the input and each layer put out for one image, (height, width, channels)."""
        first = np.array(image, np.float64).reshape(shapes(self.graph)[0])
        return [first, *(made[0] for made in self.engine.predict([first[None]], 1, lambda *_: True))]


@cache
def kept() -> dict[str, Any]:
    """The file with recipe, layers, weights and digits."""
    return json.loads(files("layerscope.lab").joinpath(FILE).read_text("utf-8"))


@cache
def trained(decoder: str) -> Autoencoder:
    """The autoencoder of this decoder, one of `kept()["networks"]`."""
    graph = autoencoder(sources.read(kept()["encoder"]), decoder)
    found = [one for layer in kept()["networks"][decoder]["layers"] for one in layer["weights"]]
    weights = {
        id: unpacked(packed).reshape(numbers(row.shape))
        for (id, row), packed in zip(graph.parameters.items(), found, strict=True)
    }
    inner = [(number, 0) for number in range(len(graph.nodes)) if number not in graph.inputs]
    engine = ReferenceEngine(Job(subgraph(graph, inner)), State(weights), dtype="float64")
    return Autoencoder(graph, weights, engine)


def shapes(graph: Graph) -> list[tuple[int, ...]]:
    """The shape of each layer's output for one image."""
    return [numbers(types[0].shape[1:]) for types in propagate.types(graph)]


def packed(weights: Array) -> dict[str, Any]:
    """Weights as letters, and the exponent of the power of two, the largest with which they fit."""
    most = float(np.abs(weights).max())
    exponent = 0
    while most * 2.0 ** (exponent + 1) <= HALF - 1:
        exponent += 1
    while most * 2.0**exponent > HALF - 1:
        exponent -= 1
    whole = np.rint(weights.astype(np.float64).ravel() * 2.0**exponent).astype(int) + HALF
    return {"exponent": exponent, "letters": "".join(LETTERS[n >> 6] + LETTERS[n & 63] for n in whole.tolist())}


def unpacked(found: dict[str, Any]) -> Array:
    """The weights that `packed` wrote, in one row."""
    place = {letter: number for number, letter in enumerate(LETTERS)}
    letters = found["letters"]
    whole = [place[a] * 64 + place[b] - HALF for a, b in zip(letters[::2], letters[1::2], strict=True)]
    return np.array(whole, np.float64) / 2.0 ** found["exponent"]
