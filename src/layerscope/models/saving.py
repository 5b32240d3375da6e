"""A model in one file: a zip archive of the graph and state as JSON and the arrays as .npy.

There is no code in it, and no pickle is read. It is written beside its place and then renamed, so an
interrupted save loses nothing; whatever is read is checked before it is used.
"""

from __future__ import annotations

import io
import json
import math
import os
import zipfile
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from layerscope import losses
from layerscope.core.errors import LayerscopeError, SettingError, SourceError
from layerscope.core.files import replacing
from layerscope.core.graph import Graph
from layerscope.core.types import show
from layerscope.models.model import Model
from layerscope.models.objectives import Objectives
from layerscope.models.training import Position
from layerscope.sources import json as graph_json
from layerscope.sources.model import ENTRY, archive_graph

STATE = "state.json"
HEADER = 1 << 16
"""More bytes than the header of an array takes."""
DENSEST = 1100
"""More times than deflate makes anything smaller: an entry that claims more is not what it says."""


def save(model: Model, path: str | os.PathLike[str]) -> None:
    """Write the model; see `Model.save`."""
    model._follow()
    ids = list(model.graph.parameters)
    state = model._state
    slots = sorted(state.slots)
    about: dict[str, Any] = {
        "weights": ids,
        "slots": [list(key) for key in slots],
        "step": state.step,
        "single": model._single,
        "precision": model._precision,
    }
    if model._optimizer is not None:
        about["compiled"] = {
            "optimizer": model._optimizer.to_json(),
            "losses": [loss and type(loss).key for loss in model.losses],
            "from_logits": [bool(getattr(loss, "from_logits", False)) for loss in model.losses],
            "loss_settings": [{} if loss is None else loss.to_json()["settings"] for loss in model.losses],
            "loss_weights": _scales(model.objectives),
            "metrics": model.objectives.to_json(weighted=False),
            "weighted_metrics": model.objectives.to_json(weighted=True),
            "engine": model._engine,
            "threads": model._threads,
        }
        if model.position is not None:
            about["position"] = asdict(model.position)
    with replacing(path) as aside, zipfile.ZipFile(aside, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(ENTRY, json.dumps(graph_json.dump(model.graph), default=_plain))
        archive.writestr(STATE, json.dumps(about, default=_plain))
        for number, id in enumerate(ids):
            # A model that shares the layer may have been compiled in another precision.
            array = model._variables[id].array.astype(model._precision, copy=False)
            archive.writestr(f"weights/{number}.npy", _bytes(array))
        for number, key in enumerate(slots):
            archive.writestr(f"slots/{number}.npy", _bytes(state.slots[key]))


def _scales(told: Objectives) -> list[float] | None:
    if all(one is None for one in told.scales):
        return None
    return [1.0 if one is None else one for one in told.scales]


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise SettingError(f"the setting {value!r} cannot be saved: it is no number, text, list or object of layerscope")


def _bytes(array: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    npy.write_array(buffer, np.asarray(array, order="C"), allow_pickle=False)
    return buffer.getvalue()


def load(path: str | os.PathLike[str]) -> Model:
    """The model in a file; SourceError says why a file is refused."""
    name = os.fspath(path)
    if os.path.isdir(name):
        raise SourceError(f"{name} is a folder; give the model file in it")
    if not os.path.isfile(name):
        raise SourceError(f"{name}: there is no such file")
    if not zipfile.is_zipfile(name):
        raise SourceError(f"{name}: not a model of Layerscope, or cut short: it is no zip archive")
    try:
        graph = graph_json.load(archive_graph(name))
        with zipfile.ZipFile(name) as archive:
            about = _state(archive, graph)
            model = Model.from_graph(graph)
            _restore(model, archive, about)
    except LayerscopeError as error:
        text = str(error)
        raise SourceError(text if text.startswith(name) else f"{name}: {text}") from None
    except Exception as error:  # zipfile, zlib, json and NumPy have many for damaged files
        reason = error.args[0] if isinstance(error, KeyError) else error  # whose text is in quotation marks
        raise SourceError(f"{name}: damaged: {reason or type(error).__name__}") from None
    return model


def _state(archive: zipfile.ZipFile, graph: Graph) -> dict[str, Any]:
    """What is kept beside the graph; SourceError unless the file can hold such weights, before any is made."""
    if archive.getinfo(STATE).file_size > 64 << 20:
        raise SourceError(f"damaged: its {STATE} is larger than 64 MiB")
    about: dict[str, Any] = json.loads(archive.read(STATE))
    if not isinstance(about, dict) or not about.keys() >= {"weights", "slots", "step", "single", "precision"}:
        raise SourceError(f"damaged: its {STATE} is not complete")
    if about["weights"] != list(graph.parameters):
        raise SourceError("damaged: its weights are not those of its graph")
    if about["precision"] not in ("float32", "float64"):
        raise SourceError(f"damaged: unknown precision {about['precision']!r}")
    if type(about["step"]) is not int or about["step"] < 0:
        raise SourceError(f"damaged: unknown step {about['step']!r}")
    for number, row in enumerate(graph.parameters.values()):
        _check_size(archive, f"weights/{number}.npy", row.size * np.dtype(about["precision"]).itemsize)
    return about


def _check_size(archive: zipfile.ZipFile, entry: str, size: int) -> None:
    found = archive.getinfo(entry)
    if not size <= found.file_size <= size + HEADER:
        raise SourceError(f"damaged: {entry} has {found.file_size} bytes, but its array needs {size}")
    if found.file_size > DENSEST * found.compress_size:
        raise SourceError(f"damaged: {entry} claims {found.file_size} bytes in {found.compress_size}")


def _restore(model: Model, archive: zipfile.ZipFile, about: dict[str, Any]) -> None:
    precision = about["precision"]
    model._cast(precision)
    for number, id in enumerate(about["weights"]):
        variable = model._variables[id]
        variable.assign(_array(archive, f"weights/{number}.npy", variable.shape, precision))
    compiled = about.get("compiled")
    if compiled is not None:
        how = {"engine": compiled.get("engine", "auto"), "threads": compiled.get("threads")}
        found, measured = _losses(compiled), compiled["metrics"]
        if len(found) > 1 and any(isinstance(one, str | dict) for one in measured):  # once only the first had some
            measured = [measured, *[[]] * (len(found) - 1)]
        how |= {"loss_weights": compiled.get("loss_weights"), "weighted_metrics": compiled.get("weighted_metrics")}
        model.compile(compiled["optimizer"], found, metrics=measured, precision=precision, **how)
        model._state.step = about["step"]
        for number, (id, slot) in enumerate(about["slots"]):
            if slot not in model.optimizer.slots or id not in model._variables:
                raise SourceError(f"damaged: {type(model.optimizer).__name__} keeps no {slot!r} of {id!r}")
            shape = model._variables[id].shape
            model._state.slots[id, slot] = _array(archive, f"slots/{number}.npy", shape, precision)
        if about.get("position") is not None:
            model.position = _position(about["position"])
    model._single = bool(about["single"])


def _position(given: Mapping[str, Any]) -> Position:
    """Where training stood; SourceError when it cannot have stood there."""
    found = Position(**given)
    bits: Any = np.random.PCG64()
    try:
        bits.state = found.random
    except (TypeError, ValueError, KeyError) as error:
        raise SourceError(f"damaged: no generator has the state {found.random!r} ({error})") from None
    lists = isinstance(found.history, dict) and all(
        isinstance(values, list) for values in (found.epochs, *found.history.values())
    )
    if not lists or type(found.epoch) is not int or type(found.seed) is not int or found.epoch < 0:
        raise SourceError("damaged: it does not say where training stood")
    return found


def _losses(compiled: Mapping[str, Any]) -> list[Any]:
    """The losses; files of earlier versions know no settings but from_logits."""
    names, flags = compiled["losses"], compiled["from_logits"]
    settings = compiled.get("loss_settings") or [{"from_logits": True} if flag else {} for flag in flags]
    return [
        None if name is None else losses.get({"loss": name, "settings": given})
        for name, given in zip(names, settings, strict=True)
    ]


def _array(archive: zipfile.ZipFile, entry: str, shape: tuple[int, ...], dtype: str) -> NDArray[Any]:
    """One array. Nothing larger than expected is read, and nothing is parsed before its checksum is right."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    _check_size(archive, entry, size)
    file = io.BytesIO(archive.read(entry))
    version = npy.read_magic(file)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    found, fortran, kind = read(file)
    if fortran:
        raise SourceError(f"damaged: {entry} lies in Fortran's order")
    if found != shape or kind != np.dtype(dtype):
        raise SourceError(f"damaged: {entry} is {kind} {show(found)}, not {dtype} {show(shape)}")
    content = file.read()
    if len(content) != size:
        raise SourceError(f"damaged: {entry} has {len(content)} bytes of {size}")
    return np.frombuffer(content, dtype).reshape(shape).copy()
