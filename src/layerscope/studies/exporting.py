"""A trained model as a file for others, written and then compared with the model."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerscope import targets
from layerscope.core import sizes
from layerscope.core.errors import ExportError, SourceError
from layerscope.core.types import BATCH, TensorType
from layerscope.models import Model, load_model
from layerscope.studies import runs
from layerscope.targets import _torch_layout, runtimes

Array = NDArray[Any]
EXAMPLES = 4
OPEN = 24
"""The size that an axis gets for the comparison where the model leaves it open."""
TOLERANCE = 1e-3
"""Differences above it, beside outputs of about 1, are a fault and no rounding."""


@dataclass(frozen=True)
class Form:
    """A format: its name, what runs it, how that is installed, and whether images are channels first in it."""

    title: str
    runtime: str
    package: str
    install: str
    first: bool


FORMS = {
    ".onnx": Form("ONNX", "ONNX Runtime", "onnxruntime", "pip install onnxruntime", False),
    ".keras": Form("Keras", "Keras", "keras", "pip install keras", False),
    ".pt2": Form("PyTorch", "PyTorch", "torch", "see https://pytorch.org/get-started", True),
}


@dataclass(frozen=True)
class Exported:
    """What was written: names and types of inputs and outputs as the file has them, and how it was compared.

    `orders` says of each of them whether its channels are "first" or "last", and "" where none are told apart.
    `difference` is the largest one between the model's outputs and the file's; None where its runtime is missing.
    """

    path: Path
    form: Form
    size: int
    inputs: list[tuple[str, TensorType]]
    outputs: list[tuple[str, TensorType]]
    orders: list[str]
    difference: float | None

    def __str__(self) -> str:
        """The report in a few lines."""
        rows = [("in", *row) for row in self.inputs] + [("out", *row) for row in self.outputs]
        width = max(len(name) for _, name, _ in rows)
        lines = [f"{self.path}: {self.form.title}, {self.size:,} bytes"]
        lines += [
            f"  {way:<4}{name:<{width}}  {type}" + (f"  channels {order}" if order else "")
            for (way, name, type), order in zip(rows, self.orders, strict=True)
        ]
        if self.difference is None:
            lines.append(f"Not compared: {self.form.runtime} is not here ({self.form.install}).")
        else:
            lines.append(
                f"Compared with {self.form.runtime} on {EXAMPLES} random inputs: "
                f"the outputs differ by {self.difference:.1e} at most."
            )
        return "\n".join(lines)


def export(run: Any, out: str | os.PathLike[str]) -> Exported:
    """Write the model of a run (its folder, or what `train` returned), a file, or a Model; compare the two.

    It becomes .onnx, .keras or .pt2: the suffix of `out` chooses the format. The file's outputs are
    compared with the model's on random inputs where the format's runtime is installed.
    Errors: SourceError for what is no run; ExportError for a network that the format cannot hold, an unknown suffix,
    a missing package, or outputs that differ; OutputError for a place that cannot be written.
    """
    path = Path(out)
    target = targets.target(path)
    runs.writable(path, tuple(FORMS), "a model")
    model = run if isinstance(run, Model) else _load(run)
    target.write(model, path)
    form = FORMS[path.suffix.lower()]
    found = None
    if find_spec(form.package) is not None:
        with contextlib.suppress(ImportError):  # a runtime that is there and broken
            found = _difference(model, path, form)
    names = [model.graph.nodes[n].label for n in model.graph.inputs], targets.output_names(model.graph)
    types = model.input_types, model.output_types
    turned = _turned(model, form)
    orders = [
        "first" if first else "last" if type.rank in (4, 5) else ""
        for row in zip(turned, types, strict=True)
        for first, type in zip(*row, strict=True)
    ]
    inputs, outputs = (
        [(name, _torch_layout.turned(type, first)) for name, type, first in zip(*row, strict=True)]
        for row in zip(names, types, turned, strict=True)
    )
    return Exported(path, form, path.stat().st_size, inputs, outputs, orders, found)


def _turned(model: Model, form: Form) -> tuple[list[bool], list[bool]]:
    """Of the inputs and outputs, which are channels first in the file."""
    if not form.first:
        return [False] * len(model.input_types), [False] * len(model.output_types)
    return _torch_layout.inputs(model.graph), _torch_layout.outputs(model.graph)


def _load(run: Any) -> Model:
    if isinstance(found := getattr(run, "model", None), Model):
        return found
    if not isinstance(run, str | os.PathLike):
        raise SourceError(f"a run folder, a model file or a Model is needed, not {type(run).__name__}")
    path = Path(run)
    if path.is_dir():
        if not (path / runs.MODEL).is_file():
            raise SourceError(f"{path} is not a run folder: it holds no {runs.MODEL}")
        return load_model(path / runs.MODEL)
    if not path.exists():
        raise SourceError(
            f"{path}: there is no such run folder or model file; layerscope train makes one, Model.save the other"
        )
    return load_model(path)


def _inputs(model: Model) -> list[Array]:
    """Random arrays that fit: numbers in 0 … 1, whole ones where the input takes such."""
    random = np.random.default_rng(0)
    names: dict[str, int] = {}
    for type in model.input_types:
        for size in type.shape:
            names |= dict.fromkeys(sizes.names(size), OPEN)
    names[BATCH] = EXAMPLES
    arrays: list[Array] = []
    for type in model.input_types:
        shape = sizes.numbers(type.bind(names).shape)
        if type.dtype in ("bool", "uint8", "int32", "int64"):  # of int32 are switches, which point into the image
            arrays.append(random.integers(0, 256 if type.dtype == "uint8" else 2, shape).astype(type.dtype))
        else:
            arrays.append(random.random(shape, np.float32))
    return arrays


def _difference(model: Model, path: Path, form: Form) -> float:
    given = _inputs(model)
    mine: Any = model.predict(given)
    mine = mine if isinstance(mine, list) else [mine]
    before, after = _turned(model, form)
    given = [np.moveaxis(a, -1, 1) if first else a for a, first in zip(given, before, strict=True)]
    theirs = runtimes.RUN[path.suffix.lower()](path, given)
    theirs = [np.moveaxis(a, 1, -1) if first else a for a, first in zip(theirs, after, strict=True)]
    worst = 0.0
    for one, other in zip(mine, theirs, strict=True):
        gap = float("inf")
        if one.shape == other.shape:
            gap = float(np.abs(one.astype(np.float64) - other).max(initial=0))
        worst = max(worst, gap)
        if not gap <= TOLERANCE * max(1.0, float(np.abs(one).max(initial=0))):
            raise ExportError(
                f"{path} was written, but {form.runtime} computes other numbers from it than the model does: they "
                f"differ by {gap:.1e}. Do not use the file; this is a fault of Layerscope, which please report."
            )
    return worst
