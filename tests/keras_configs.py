"""Keras's configurations and files, made by hand for the tests."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest

import layerscope as ls
from layerscope.core.errors import SourceError

DATA = Path(__file__).parent / "data"
THREE, TWO = DATA / "keras3.json", DATA / "keras2.json"


OF_THREE = {
    "hint": ["batch", 4], "image": ["batch", 8, 8, 3], "multiply": ["batch", 8, 8, 3],
    "encoder/conv": ["batch", 6, 6, 4], "encoder/pool": ["batch", 3, 3, 4], "relu": ["batch", 8, 8, 3],
    "encoder/conv#2": ["batch", 6, 6, 4], "encoder/pool#2": ["batch", 3, 3, 4], "scale": ["batch", 3, 3, 4],
    "side": ["batch", 4], "average": ["batch", 4], "average_2": ["batch", 4], "join": ["batch", 12],
    "top": ["batch", 2],
}  # fmt: skip
"""As Keras 3.15 printed them when it wrote the file."""


def archived(config: str | bytes, **more: str | bytes) -> bytes:
    """A .keras archive."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("metadata.json", '{"keras_version": "3.15.1"}')
        file.writestr("config.json", config)
        for name, data in more.items():
            file.writestr(name.replace("__", "/"), data)
    return held.getvalue()


def shapes(graph) -> dict[str, list[object]]:
    trace = ls.trace(graph)
    return {row["name"]: row["output_shape"] for row in trace.layers}


def refused(path, **settings) -> str:
    with pytest.raises(SourceError) as caught:
        ls.trace(path, **settings)
    return str(caught.value)


def layer(kind, name, *inbound, module="keras.layers", registered=None, shape=None, **config):
    """A layer's record in Keras 3's form, called on the first outputs of other layers."""
    refs = [
        {
            "class_name": "__keras_tensor__",
            "config": {"shape": shape or [None, 4], "dtype": "float32", "keras_history": [source, 0, 0]},
        }
        for source in inbound
    ]
    nodes = [{"args": [refs[0] if len(refs) == 1 else refs], "kwargs": {}}] if inbound else []
    return {"module": module, "class_name": kind, "config": {"name": name, **config}, "registered_name": registered, "name": name, "inbound_nodes": nodes}  # fmt: skip


def entry(name="x", shape=(None, 4)):
    return layer("InputLayer", name, batch_shape=list(shape), dtype="float32")


def model(*layers, inputs=("x",), outputs=None, name="net"):
    outputs = outputs or [layers[-1]["name"]]
    config = {
        "name": name, "trainable": True, "layers": list(layers),
        "input_layers": [[one, 0, 0] for one in inputs], "output_layers": [[one, 0, 0] for one in outputs],
    }  # fmt: skip
    return {"module": "keras.src.models.functional", "class_name": "Functional", "config": config, "registered_name": "Functional"}  # fmt: skip


def sequential(*layers, **config):
    return {
        "module": "keras",
        "class_name": "Sequential",
        "config": {"name": "chain", "layers": list(layers), **config},
    }


def plain(kind, name, **config):
    return {"module": "keras.layers", "class_name": kind, "config": {"name": name, **config}, "registered_name": None}
