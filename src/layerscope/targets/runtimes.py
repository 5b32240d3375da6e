"""Exported files as their own runtimes compute them, to compare them with the model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def onnx(path: Path, given: Sequence[Array]) -> list[Array]:
    """The outputs of an ONNX file in ONNX Runtime, on the CPU."""
    runtime: Any = import_module("onnxruntime")
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    session = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return session.run(None, {value.name: array for value, array in zip(session.get_inputs(), given, strict=True)})


def torch(path: Path, given: Sequence[Array]) -> list[Array]:
    """The outputs of an exported program in PyTorch. Images are channels first, as there."""
    library: Any = import_module("torch")
    network = import_module("torch.export").load(str(path)).module()
    tensors = [library.from_numpy(np.ascontiguousarray(array)) for array in given]
    with library.no_grad():
        found: Any = network(*(t.long() if t.dtype == library.int32 else t for t in tensors))
    return [tensor.numpy() for tensor in _listed(found)]


def keras(path: Path, given: Sequence[Array]) -> list[Array]:
    """The outputs of a Keras file in Keras, with the layers that it lacks."""
    library: Any = import_module("keras")
    import_module("layerscope.keras")
    network = library.saving.load_model(path)
    found: Any = network(list(given) if len(given) > 1 else given[0])
    return [library.ops.convert_to_numpy(value) for value in _listed(found)]


def _listed(found: Any) -> list[Any]:
    return list(found) if isinstance(found, tuple | list) else [found]


RUN: dict[str, Callable[[Path, Sequence[Array]], list[Array]]] = {".onnx": onnx, ".pt2": torch, ".keras": keras}
