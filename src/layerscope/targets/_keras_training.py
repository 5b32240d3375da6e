"""How a model is trained, said in Keras: optimizer, losses, metrics, regularizers and constraints."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

from layerscope import constraints, regularizers
from layerscope.models.model import Model
from layerscope.targets import _keras_objectives as objectives


def compiled_alike(keras: Any, model: Model, made: Any) -> None:
    """Compile Keras's model with the same optimizer, losses and metrics; the optimizer starts anew."""
    told, own = model.optimizer.to_json(), model.objectives
    if missing := objectives.lacking(own.losses, [one.metric for one in own.measured]):
        warnings.warn(
            f"{model.name}: Keras has no {' and no '.join(missing)}, so its model is not compiled; call compile "
            "before fit",
            UserWarning,
            stacklevel=4,
        )
        return
    single = len(own.names) == 1
    found = [None if loss is None else objectives.loss(keras, loss) for loss in own.losses]
    scales = None
    if any(scale is not None for scale in own.scales):
        scales = [1.0 if scale is None else scale for scale in own.scales]
    made.compile(
        optimizer=getattr(keras.optimizers, told["optimizer"])(**told["settings"] | _rate(keras, told)),
        loss=found[0] if single else found,
        loss_weights=scales and (scales[0] if single else scales),
        metrics=_metrics(keras, model, weighted=False),
        weighted_metrics=_metrics(keras, model, weighted=True),
    )
    made.optimizer.build(made.trainable_variables)


def _metrics(keras: Any, model: Model, weighted: bool) -> Any:
    own = model.objectives
    rows = [
        [
            objectives.metric(keras, one.called, one.metric)
            for one in own.measured
            if one.output == number and one.weighted == weighted
        ]
        for number in range(len(own.names))
    ]
    if not any(rows):
        return None
    return rows[0] if len(rows) == 1 else rows


def _rate(keras: Any, told: Mapping[str, Any]) -> dict[str, Any]:
    """The learning rate, where it is a schedule."""
    rate = told["settings"]["learning_rate"]
    if not isinstance(rate, dict):
        return {}
    return {"learning_rate": getattr(keras.optimizers.schedules, rate["schedule"])(**rate["settings"])}


def of_weights(keras: Any, key: str, value: Any) -> Any:
    """A regularizer or constraint as Keras's own object."""
    if key.endswith("_regularizer"):
        made: Any = regularizers.get(value)
        return getattr(keras.regularizers, type(made).__name__)(**made.to_json()["settings"])
    made = constraints.get(value)
    return getattr(keras.constraints, type(made).__name__)(**made.to_json()["settings"])
