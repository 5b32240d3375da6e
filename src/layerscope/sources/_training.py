"""What a model's file, a run's folder or a model in memory says of how it is trained, as plain data."""

from __future__ import annotations

import json
import os
import re
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from layerscope.sources import _files

Told = dict[str, Any]
"""losses: [name, whether it takes logits] by output; optimizer: its name; settings: its numbers."""
STATE, CONFIG = "state.json", "config.json"
RUN = ("settings.json", "network.json")
MOST_BYTES = 32 << 20
SHORT = {"mse": "mean_squared_error", "mae": "mean_absolute_error"}


def run_network(what: object) -> str | None:
    """The file with the network, where this is the folder of a run."""
    if isinstance(what, str | os.PathLike) and os.path.isdir(what):
        folder = Path(what)
        if all((folder / name).is_file() for name in RUN):
            return str(folder / RUN[1])
    return None


def told(what: Any) -> Told:
    """How it was compiled; empty where it was not, or where that cannot be read."""
    try:
        return _told(what)
    except (OSError, ValueError, TypeError, LookupError, AttributeError, zipfile.BadZipFile):
        return {}


def _told(what: Any) -> Told:
    if run_network(what) is not None:
        recipe = json.loads(_bounded(Path(what) / RUN[0]))
        return _said([(recipe["loss"], False)], recipe["optimizer"], {"learning_rate": recipe["learning_rate"]})
    if isinstance(what, str | os.PathLike):
        kind = _files.kind(what)
        if kind == "model":
            return _ours(_entry(what, STATE).get("compiled"))
        return _keras(_entry(what, CONFIG).get("compile_config")) if kind == "keras-archive" else {}
    if hasattr(what, "get_compile_config"):
        with warnings.catch_warnings():  # Keras's own, of how it reads its variables
            warnings.simplefilter("ignore")
            return _keras(what.get_compile_config())
    chosen = getattr(what, "_optimizer", None)
    if chosen is None:
        return {}
    losses = [(loss.key, bool(getattr(loss, "from_logits", False))) for loss in what.losses if loss is not None]
    return _said(losses, type(chosen).__name__, chosen.to_json()["settings"])


def _bounded(path: Path) -> bytes:
    with open(path, "rb") as file:
        return file.read(MOST_BYTES)


def _entry(path: str | os.PathLike[str], name: str) -> Mapping[str, Any]:
    with zipfile.ZipFile(path) as archive:
        if archive.getinfo(name).file_size > MOST_BYTES:
            return {}
        return json.loads(archive.read(name))


def _ours(compiled: Any) -> Told:
    if not compiled:
        return {}
    losses = [
        (name, logits)
        for name, logits in zip(compiled["losses"], compiled["from_logits"], strict=True)
        if name is not None
    ]
    chosen = compiled["optimizer"]
    return _said(losses, chosen["optimizer"], chosen["settings"])


def _keras(config: Any) -> Told:
    if not config:
        return {}
    loss, chosen = config.get("loss"), config.get("optimizer")
    several: list[Any] = [loss]
    if isinstance(loss, Mapping) and "class_name" not in loss:
        several = list(loss.values())
    elif isinstance(loss, Sequence) and not isinstance(loss, str):
        several = list(loss)
    settings = chosen.get("config", {}) if isinstance(chosen, Mapping) else {}
    name = chosen.get("class_name") if isinstance(chosen, Mapping) else chosen
    return _said([_loss(one) for one in several if one is not None], name or "", settings)


def _loss(one: Any) -> tuple[str, bool]:
    if isinstance(one, Mapping):
        config = one.get("config")
        if isinstance(config, Mapping):
            return str(one["class_name"]), bool(config.get("from_logits", False))
        return str(config), False
    return str(one), False


def _said(losses: Sequence[tuple[str, bool]], optimizer: str, settings: Mapping[str, Any]) -> Told:
    numbers = {k: float(v) for k, v in settings.items() if isinstance(v, int | float) and not isinstance(v, bool)}
    return {
        "losses": [(loss_name(name), bool(logits)) for name, logits in losses],
        "optimizer": str(optimizer).lower() or None,
        "settings": numbers,
    }


def loss_name(name: str) -> str:
    """The name of Keras's function: binary_crossentropy for BinaryCrossentropy, mean_squared_error for mse."""
    snake = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
    return SHORT.get(snake, snake)
