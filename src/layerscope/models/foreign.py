"""Models of other frameworks, taken over with their weights."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import numpy as np

from layerscope import losses, metrics, optimizers
from layerscope.core.errors import LayerscopeError
from layerscope.models.model import Model
from layerscope.sources import keras as keras_source

Config = Mapping[str, Any]
NEUTRAL = ("name", "ema_momentum", "dtype")
"""Settings of Keras's optimizers, losses and metrics that change nothing by themselves."""


class _Unlike(Exception):
    """Something of a compiled model that is not here."""


def from_keras(model: Any) -> Model:
    """A Keras 3 model as one of ours: the same layers, names and weights, and compiled alike.

    Sequential and functional models, nested and shared ones, with several inputs and outputs. Nothing is run; the
    Keras model stays as it is. Weights become float32; those that are frozen stay frozen. Where optimizer, loss
    or metrics are not here, the model comes uncompiled. The optimizer's state is not taken over.
    Errors: SourceError lists every layer that has no equal here, with the reason.
    """
    found = keras_source.load(model)
    made = Model.from_graph(found.graph)
    for id_, array in found.weights.items():
        made._variables[id_].assign(array)
    made._single = found.single
    if found.compiled is not None:
        # Compiled in a way that is not here, it stays uncompiled: that is left to the user.
        with contextlib.suppress(_Unlike, LayerscopeError, TypeError):
            made.compile(**_compiled(found.compiled))
    return made


def _compiled(config: Config) -> dict[str, Any]:
    """Arguments of Model.compile from Keras's; _Unlike when one of them has no equal here."""
    names = config["names"]
    if config.get("loss_weights") is not None or config.get("weighted_metrics"):
        raise _Unlike
    told = config.get("loss")
    if isinstance(told, Mapping) and "class_name" not in told:
        told = [told.get(name) for name in names]
    given = list(told) if isinstance(told, list | tuple) else [told] * len(names)
    return {
        "optimizer": _optimizer(config["optimizer"]),
        "loss": [_loss(one) for one in given],
        "metrics": [_metric(one) for one in _first(config.get("metrics"), names)],
    }


def _optimizer(config: Config) -> optimizers.Optimizer:
    cls = _named(optimizers.CLASSES, config)
    own = {f.name for f in fields(cls)}
    settings = dict(config["config"])
    if any(key not in own and key not in NEUTRAL and value not in (None, False) for key, value in settings.items()):
        raise _Unlike  # weight decay, clipping, averages of weights, ...
    rate = settings.get("learning_rate")
    if not isinstance(rate, int | float):
        raise _Unlike  # a schedule
    # Keras keeps it in float32; the shortest number that is the same there is the one that people wrote.
    settings["learning_rate"] = float(str(np.float32(rate)))
    return cls(**{key: value for key, value in settings.items() if key in own})


def _named(classes: Sequence[type], config: Any) -> Any:
    name = config.get("class_name") if isinstance(config, Mapping) else None
    for cls in classes:
        if cls.__name__ == name:
            return cls
    raise _Unlike


def _text(value: Any) -> str | None:
    """A name that stands for itself, or the name of one of Keras's functions."""
    if isinstance(value, Mapping) and value.get("class_name") == "function":
        value = value["config"]
    return value if isinstance(value, str) else None


def _loss(value: Any) -> Any:
    text = _text(value)
    if text is not None:
        return losses.get(text)
    cls, settings = _named(losses.CLASSES, value), dict(value["config"])
    usual = {"reduction": "sum_over_batch_size", "label_smoothing": 0, "axis": -1, "ignore_class": None}
    own = {f.name for f in fields(cls)}
    if any(key not in own and key not in NEUTRAL and usual.get(key) != item for key, item in settings.items()):
        raise _Unlike
    return cls(**{key: item for key, item in settings.items() if key in own})


def _metric(value: Any) -> Any:
    text = _text(value)
    if text is not None:
        return text
    classes = (
        metrics.BinaryAccuracy,
        metrics.CategoricalAccuracy,
        metrics.SparseCategoricalAccuracy,
        losses.MeanSquaredError,
        losses.MeanAbsoluteError,
    )
    cls = _named(classes, value)
    return cls(**{key: item for key, item in value["config"].items() if key in {f.name for f in fields(cls)}})


def _first(told: Any, names: Sequence[str]) -> list[Any]:
    """The metrics of the first output; here the others have none."""
    if isinstance(told, Mapping):
        told = [told.get(name) for name in names]
    rows = list(told or ())
    if len(names) == 1:
        return [one for row in rows for one in (row if isinstance(row, list | tuple) else [row])]
    if not rows:
        return []
    nested = [row if isinstance(row, list | tuple) else [] if row is None else [row] for row in rows]
    if len(nested) != len(names) or any(nested[1:]):
        raise _Unlike
    return list(nested[0])
