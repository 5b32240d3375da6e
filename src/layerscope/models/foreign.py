"""Models of other frameworks, taken over with their weights."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any

import numpy as np

from layerscope import losses, metrics, optimizers
from layerscope.core.errors import LayerscopeError, SourceError
from layerscope.models import variables
from layerscope.models.model import Model
from layerscope.models.objectives import rows
from layerscope.sources import keras as keras_source
from layerscope.sources import torch as torch_source

Config = Mapping[str, Any]
NEUTRAL = ("name", "ema_momentum", "dtype")
"""Settings of Keras's optimizers, losses and metrics that change nothing by themselves."""


class _Unlike(Exception):
    """Something of a compiled model that is not here; the text says what and why."""


def from_keras(model: Any) -> Model:
    """A Keras 3 model as one of ours: the same layers, names and weights, and compiled alike.

    Sequential and functional models, nested and shared ones, with several inputs and outputs. Nothing is run; the
    Keras model stays as it is. Weights become float32; those that are frozen stay frozen. Where optimizer, loss
    or metrics are not here, the model comes uncompiled, and a UserWarning says what is missing. The optimizer's state
    is not taken over.
    Errors: SourceError lists every layer that has no equal here, with the reason.
    """
    found = keras_source.load(model)
    made = Model.from_graph(found.graph)
    for id_, array in found.weights.items():
        made._variables[id_].assign(array)
    made._single = found.single
    if found.compiled is not None:
        try:
            made.compile(**_compiled(found.compiled))
        except (_Unlike, LayerscopeError) as error:
            warnings.warn(
                f"{model.name}: layers and weights are taken over, but not how it is compiled; call compile before "
                f"fit.\n  {error}",
                UserWarning,
                stacklevel=2,
            )
    return made


def from_torch(module: Any, input: Any = None) -> Model:
    """A PyTorch module as a model with the same weights: `from_torch(module, input=(1, 28, 28))`.

    `input` holds the sizes of one example, channels first and without the batch (of four sizes the first is taken
    for the batch), or is a list of such for a forward with several arguments. The forward is followed, but nothing is
    computed. The model is channels last: it takes (batch, height, width, channels) where the module takes
    (batch, channels, height, width), and the weights behind a flattened image are put into that order. Batch
    normalisation in eval mode is folded into the weights before it. Parameters that need no gradient stay frozen, and
    all become single precision.
    Errors: SourceError listing everything in the module that no layer does, each with the reason.
    """
    if not torch_source.handles(module):
        raise SourceError(f"from_torch takes a torch.nn.Module, not {type(module).__name__}")
    if input is None:
        raise SourceError(
            "from_torch needs the size of one example, channels first: from_torch(module, input=(1, 28, 28))"
        )
    found = torch_source.imported(module, input)
    model = Model.from_graph(found.graph)
    for layer, arrays in found.weights:
        for role, array in arrays.items():
            variables.of(layer)[role].assign(array)
    return model


def _compiled(config: Config) -> dict[str, Any]:
    """Arguments of Model.compile from Keras's; _Unlike lists those that have no equal here."""
    names = config["names"]
    missing: list[str] = []

    def taken(what: str, turn: Callable[[Any], Any], value: Any) -> Any:
        try:
            return turn(value)
        except (_Unlike, LayerscopeError) as error:
            missing.append(f"{what}: {error}")
            return None

    told = config.get("loss")
    if isinstance(told, Mapping) and "class_name" not in told:
        told = [told.get(name) for name in names]
    given = list(told) if isinstance(told, list | tuple) else [told] * len(names)
    found = {
        "optimizer": taken("optimizer", _optimizer, config["optimizer"]),
        "loss": [None if one is None else taken("loss", _loss, one) for one in given],
        "loss_weights": config.get("loss_weights"),
    }
    for what in ("metrics", "weighted_metrics"):
        measured = taken(what, lambda told: rows(told, names, "metrics"), config.get(what)) or [[] for _ in names]
        own = [[taken(what, _metric, one) for one in row] for row in measured]
        found[what] = own[0] if len(own) == 1 else own
    if missing:
        raise _Unlike("\n  ".join(missing))
    return found


def _described(value: Any, home: str) -> tuple[str, dict[str, Any]]:
    """The class and settings of one of Keras's own optimizers, losses or metrics; _Unlike for anything else."""
    cls, name = type(value), type(value).__name__
    known = getattr(getattr(sys.modules["keras"], home), name, None)
    # On PyTorch an optimizer is of a subclass of Keras's own, with the same name.
    if known not in cls.__mro__ or not cls.__module__.startswith("keras."):
        raise _Unlike(f"{getattr(value, '__name__', name)} is not one of Keras's own, whose names say what they do")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras's variables still follow the protocol of NumPy 1
        # Its configuration lacks what its function is given, of Huber its delta.
        return name, {**getattr(value, "_fn_kwargs", {}), **value.get_config()}


def _like(value: Any, home: str, classes: Sequence[type], usual: Config) -> tuple[type, dict[str, Any]]:
    """Our class of the same name, and the settings that it has; _Unlike when another one is not as usual."""
    name, config = _described(value, home)
    found = [cls for cls in classes if cls.__name__ == name]
    if not found:
        raise _Unlike(f"there is no {name} here")
    own = {f.name for f in fields(found[0])}
    other = [
        f"{key}={item!r}"
        for key, item in config.items()
        if key not in own and key not in NEUTRAL and item not in (usual.get(key), False)
    ]
    if other:
        raise _Unlike(f"{name} has {', '.join(other)}, and here there is no such setting")
    return found[0], {key: item for key, item in config.items() if key in own}


def _optimizer(value: Any) -> Any:
    """Without averages of weights, loss scaling and the like, which are off as None or False."""
    cls, settings = _like(value, "optimizers", optimizers.CLASSES, {})
    rate = settings["learning_rate"]
    if isinstance(rate, Mapping):
        settings["learning_rate"] = _schedule(rate)
    elif isinstance(rate, int | float):
        # Keras keeps it in float32; the shortest number that is the same there is the one that people wrote.
        settings["learning_rate"] = float(str(np.float32(rate)))
    else:
        raise _Unlike(
            f"{cls.__name__} has a learning rate of the type {type(rate).__name__}, which is not Keras's own"
        )
    return cls(**settings)


def _schedule(told: Mapping[str, Any]) -> Any:
    """A schedule of learning rates from its configuration."""
    name, config = told.get("class_name"), dict(told.get("config", {}))
    found = {cls.__name__: cls for cls in optimizers.schedules.CLASSES}
    if name not in found or str(told.get("registered_name") or "") not in ("", name):
        raise _Unlike(f"its learning rate is the schedule {name}, which there is not here")
    config.pop("name", None)
    return found[name](**config)


def _text(value: Any, home: str) -> str | None:
    """A name that stands for itself, or the name of one of Keras's functions."""
    if isinstance(value, str):
        return value
    name = getattr(value, "__name__", "")
    return name if name and getattr(getattr(sys.modules["keras"], home), name, None) is value else None


def _loss(value: Any) -> Any:
    text = _text(value, "losses")
    if text is not None:
        return losses.get(text)
    cls, settings = _like(value, "losses", losses.CLASSES, {})
    return cls(**settings)


def _metric(value: Any) -> Any:
    text = _text(value, "metrics") or _text(value, "losses")
    if text is not None:
        return text
    cls, settings = _like(value, "metrics", metrics.CLASSES, {})
    return cls(**settings)
