"""Optimizers with Keras 3's names, arguments and formulas; each lowers to primitives.

One default differs on purpose: Adadelta's learning rate is 1.0, as in its paper (Zeiler 2012) and in
PyTorch. Keras 3 has 0.001, with which the reference document's recipe hardly trains.
"""

from __future__ import annotations

from layerscope.core.errors import SettingError, UnknownNameError
from layerscope.optimizers import schedules
from layerscope.optimizers._base import Optimizer
from layerscope.optimizers._rules import (
    SGD,
    Adadelta,
    Adagrad,
    Adam,
    Adamax,
    AdamW,
    Lion,
    Nadam,
    RMSprop,
)

__all__ = [
    "SGD", "Adadelta", "Adagrad", "Adam", "AdamW", "Adamax", "Lion", "Nadam", "Optimizer", "RMSprop", "get",
    "schedules",
]  # fmt: skip

CLASSES = (SGD, RMSprop, Adam, AdamW, Adadelta, Adagrad, Adamax, Nadam, Lion)


def get(identifier: object, learning_rate: float | None = None) -> Optimizer:
    """An optimizer from its name, its saved form, or itself; with another learning rate where one is given.

    Errors: UnknownNameError names the nearest; SettingError.
    """
    if learning_rate is not None:
        told = get(identifier).to_json()
        return get({**told, "settings": {**told["settings"], "learning_rate": learning_rate}})
    found = {cls.__name__.lower(): cls for cls in CLASSES}
    if isinstance(identifier, Optimizer):
        return identifier
    name, settings = identifier, {}
    if isinstance(identifier, dict):
        name, settings = str(identifier.get("optimizer")), identifier.get("settings", {})
    if not isinstance(name, str):
        raise SettingError(f"an optimizer is a name or an object of layerscope.optimizers, not {identifier!r}")
    if name.lower() not in found:
        raise UnknownNameError("optimizer", name, found)
    rate = settings.get("learning_rate")
    if isinstance(rate, dict):
        settings = {**settings, "learning_rate": schedules.get(rate)}
    try:
        return found[name.lower()](**settings)
    except TypeError as error:
        raise SettingError(f"optimizer {name}: {error}") from None
