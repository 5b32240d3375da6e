"""The reference document's six networks, by name: example:autoencoder and so on."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from layerscope.core.dataclasses import dataclass
from layerscope.core.errors import UnknownNameError
from layerscope.core.graph import Graph, trace_calls

SUMMARY = "one of the reference document's networks, such as example:autoencoder"
PREFIX = "example:"


@dataclass(frozen=True)
class Case:
    """A network with the sentence that says what it teaches."""

    name: str
    about: str
    build: Callable[[], Graph]


def handles(what: object) -> bool:
    """Whether this names an example."""
    return isinstance(what, str) and what.startswith(PREFIX)


def read(what: str) -> Graph:
    """The graph of `example:NAME`; UnknownNameError names the nearest."""
    name = what.removeprefix(PREFIX)
    found = {case.name: case for case in CASES}
    if name not in found:
        raise UnknownNameError("example", name, found, "List them with: layerscope examples")
    return found[name].build()


def _chain(name: str, shape: tuple[int, ...], *stages: tuple[str, dict[str, Any]]) -> Graph:
    layers = import_module("layerscope.layers")
    start = tensor = layers.Input(shape)
    for kind, settings in stages:
        tensor = getattr(layers, kind)(**settings)(tensor)
    return trace_calls([start], [tensor], name)


def _dense(units: int) -> tuple[str, dict[str, Any]]:
    return "Dense", {"units": units, "use_bias": False}


def _squeeze(*shape: int) -> tuple[str, dict[str, Any]]:
    return "Reshape", {"target_shape": shape}


def _conv(filters: int, padding: str = "same", activation: str = "relu") -> tuple[str, dict[str, Any]]:
    return "Conv2D", {"filters": filters, "kernel_size": 3, "activation": activation, "padding": padding}


def _transpose(filters: int, padding: str = "same", activation: str = "relu") -> tuple[str, dict[str, Any]]:
    return "Conv2DTranspose", _conv(filters, padding, activation)[1]


def _condense() -> Graph:
    return _chain("boxes-condense", (4, 2), _dense(1), _squeeze(4), _dense(1), _squeeze())


def _enrich() -> Graph:
    return _chain("boxes-enrich", (4, 2), _dense(3), _dense(1), _squeeze(4), _dense(1), _squeeze())


def _image_dense() -> Graph:
    return _chain("image-dense", (1920, 1080, 3), ("Flatten", {}), _dense(1))


def _image_conv() -> Graph:
    conv = {"filters": 16, "kernel_size": 5, "strides": 5, "use_bias": False}
    return _chain("image-conv", (1920, 1080, 3), ("Conv2D", conv), ("Flatten", {}), _dense(1))


POOL = ("MaxPooling2D", {"pool_size": 2, "padding": "same"})
POOL_VALID = ("MaxPooling2D", {"pool_size": 2})
UP = ("UpSampling2D", {"size": 2})


def _autoencoder() -> Graph:
    encoder = (_conv(16), POOL, _conv(8), POOL, _conv(4), POOL)
    decoder = (_conv(4), UP, _conv(8), UP, _conv(16, "valid"), UP, _conv(1, activation="sigmoid"))
    return _chain("autoencoder", (28, 28, 1), *encoder, *decoder)


def _autoencoder_transpose() -> Graph:
    encoder = (_conv(16, "valid"), POOL_VALID, _conv(8, "valid"), POOL_VALID, _conv(4, "valid"))
    decoder = (_transpose(4), UP, _transpose(8), UP, _transpose(16, "valid"), UP)
    last = _transpose(1, activation="sigmoid")
    return _chain("autoencoder-transpose", (28, 28, 1), *encoder, *decoder, last)


CASES = (
    Case("boxes-condense", "4 boxes of 2 numbers become one number: 6 parameters", _condense),
    Case("boxes-enrich", "the same by way of 3 numbers a box: 13 parameters", _enrich),
    Case("image-dense", "a 1920×1080 picture into one dense unit: 6.2 million parameters", _image_dense),
    Case("image-conv", "the same through a strided convolution first: 1.3 million", _image_conv),
    Case("autoencoder", "28×28 digits to 4×4×4 and back, by nearest upsampling", _autoencoder),
    Case("autoencoder-transpose", "the same with transposed convolutions", _autoencoder_transpose),
)
