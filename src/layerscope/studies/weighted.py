"""Whatever holds a network, as a model with weights: those that are stored with it, else random ones from a seed."""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerscope import sources
from layerscope.core.contract import described_only
from layerscope.core.errors import DataError, ExportError, SettingError, SourceError
from layerscope.models import Model, load_model
from layerscope.models.foreign import from_keras
from layerscope.sources import _files, keras_file, onnx, python
from layerscope.sources import keras as keras_source
from layerscope.sources import model as model_source
from layerscope.studies import runs
from layerscope.studies.decoder_runs import initialise
from layerscope.studies.images import load_images, read_images
from layerscope.studies.opened import Opened, Own, PathLike, Wishes, opened

Array = NDArray[Any]
ONNX = (
    "of an ONNX file only the layers are read here; its weights are not, and it is not run. Give what it was made "
    "of: a run folder, a file of Model.save, a .keras file, or in Python "
    "layerscope.from_torch(module, input=(1, 28, 28))"
)


@dataclass(frozen=True)
class Weighted:
    """A model, where its weights are from ("weights of runs/a"), and the run that it is of, if it is of one."""

    model: Model
    told: str
    run: Opened | None = None


def weighted(what: Any, seed: int = 0) -> Weighted:
    """The model of a run folder, a file of `Model.save` or of Keras (which needs Keras), "package.module:callable", a
    Model; or what else trace takes, with random weights that the seed decides.

    Errors: SourceError for what is no network; ExportError without Keras; SettingError for layers that are described,
    and not computed here.
    """
    found = _found(what, seed)
    for node in found.model.graph.nodes:
        if not node.layer.executable:
            raise SettingError(described_only(node.layer, f"{node.label} ({node.layer.kind})"))
    return found


def is_run(what: Any) -> bool:
    """Whether this is a run folder, or what `train` returned."""
    if isinstance(what, str | os.PathLike):
        return (Path(what) / runs.MODEL).is_file()
    return isinstance(getattr(what, "model", None), Model)


def _found(what: Any, seed: int) -> Weighted:
    path: Any = what if isinstance(what, str | os.PathLike) else None
    if isinstance(what, Model):
        return Weighted(what, f"weights of {what.name}")
    if is_run(what):
        run = opened(what)
        return Weighted(run.model, f"weights of {run.folder}", run)
    if path is not None and onnx.handles(path):
        raise SourceError(f"{path}: {ONNX}")
    if path is not None and keras_file.handles(path):
        if _files.kind(path) != "keras-json":
            return Weighted(from_keras(_keras(what)), f"weights of {what}")
    elif path is not None and model_source.handles(path):
        return Weighted(load_model(path), f"weights of {what}")
    elif python.handles(what):
        made = python.called(str(path))
        if isinstance(made, Model):
            return Weighted(made, f"weights of {what}")
        if keras_source.handles(made):
            return Weighted(from_keras(made), f"weights of {what}")
    elif keras_source.handles(what):
        return Weighted(from_keras(what), f"weights of {getattr(what, 'name', 'the model')}")
    model = Model.from_graph(sources.read(what))
    initialise(model, seed)
    return Weighted(model, f"random weights (seed {seed})")


def _keras(path: Any) -> Any:
    try:
        keras: Any = import_module("keras")
    except ImportError:
        raise ExportError(f"the weights in {path} are read by Keras: pip install keras") from None
    try:
        return keras.saving.load_model(path, compile=False)
    except Exception as error:
        raise SourceError(f"{path}: Keras cannot load it: {str(error).splitlines()[0]}") from None


def pictures(
    found: Weighted,
    data: Own | None,
    count: int,
    *,
    folder: PathLike | None = None,
    fit: str | None = None,
    verbose: Any = "auto",
) -> tuple[Array, str]:
    """Images for a model, the first `count`, float32 (n, height, width, C) in 0 … 1, and what they are called.

    Without `data` the validation images of the run. For a network of vectors they keep the size that they have.
    Errors: DataError where there is no run and no data; those of `read_images`.
    """
    if count < 1:
        raise SettingError(f"at least one image is needed, not {count}")
    if found.run is not None:
        part = found.run.chosen(data, Wishes(folder, fit=fit, most=count, verbose=verbose))
        name = f"validation images of {found.run.recipe.data}" if data is None else str(data)
        return part.array(0, min(count, len(part))), name
    if data is None:
        raise DataError(
            "which images? Name a known data set (--data digits), a folder of images, or a .npz or .npy file; only "
            "a run "
            "has images of its own"
        )
    shape = [n for n in found.model.input_types[0].shape[1:] if isinstance(n, int)]
    if len(shape) == 3:
        part = read_images(data, shape, fit or "crop", folder=folder, most=count, verbose=verbose)
    elif isinstance(data, str | os.PathLike):
        part = load_images(data, folder, fit=fit or "crop", most=count, verbose=verbose).test
    else:
        return np.asarray(data, np.float32)[:count], "the array"
    name = "the array" if isinstance(data, np.ndarray) else str(data)
    return part.array(0, min(count, len(part))), name
