"""Metrics with Keras 3's names, arguments and defaults, of the whole epoch as Keras accumulates them.

PSNR and SSIM are our own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import MISSING, fields
from typing import Any

from layerscope import losses
from layerscope.core.errors import SettingError, UnknownNameError
from layerscope.core.types import TensorType
from layerscope.losses import Loss
from layerscope.metrics._accuracy import (
    Accuracy,
    BinaryAccuracy,
    CategoricalAccuracy,
    SparseCategoricalAccuracy,
    SparseTopKCategoricalAccuracy,
    TopKCategoricalAccuracy,
)
from layerscope.metrics._base import LossMean, Mean, Metric
from layerscope.metrics._counts import (
    FalseNegatives,
    FalsePositives,
    Precision,
    Recall,
    TrueNegatives,
    TruePositives,
)
from layerscope.metrics._curves import (
    AUC,
    PrecisionAtRecall,
    RecallAtPrecision,
    SensitivityAtSpecificity,
    SpecificityAtSensitivity,
)
from layerscope.metrics._images import PSNR, SSIM
from layerscope.metrics._means import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    CategoricalHinge,
    CosineSimilarity,
    Hinge,
    KLDivergence,
    LogCoshError,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
    Poisson,
    SparseCategoricalCrossentropy,
    SquaredHinge,
)
from layerscope.metrics._regression import ConcordanceCorrelation, PearsonCorrelation, R2Score, RootMeanSquaredError
from layerscope.metrics._scores import BinaryIoU, F1Score, FBetaScore, IoU, MeanIoU, OneHotIoU, OneHotMeanIoU

CLASSES: tuple[type[Metric], ...] = (
    Accuracy,
    BinaryAccuracy,
    CategoricalAccuracy,
    SparseCategoricalAccuracy,
    TopKCategoricalAccuracy,
    SparseTopKCategoricalAccuracy,
    MeanSquaredError,
    RootMeanSquaredError,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredLogarithmicError,
    LogCoshError,
    CosineSimilarity,
    R2Score,
    PearsonCorrelation,
    ConcordanceCorrelation,
    PSNR,
    SSIM,
    AUC,
    Precision,
    Recall,
    TruePositives,
    FalsePositives,
    TrueNegatives,
    FalseNegatives,
    PrecisionAtRecall,
    RecallAtPrecision,
    SensitivityAtSpecificity,
    SpecificityAtSensitivity,
    F1Score,
    FBetaScore,
    IoU,
    BinaryIoU,
    MeanIoU,
    OneHotIoU,
    OneHotMeanIoU,
    BinaryCrossentropy,
    CategoricalCrossentropy,
    SparseCategoricalCrossentropy,
    KLDivergence,
    Poisson,
    Hinge,
    SquaredHinge,
    CategoricalHinge,
)
BY_CLASS = {cls.__name__.lower(): cls for cls in CLASSES}
NAMED = {cls.key: cls for cls in CLASSES} | BY_CLASS
SHORT = {
    "mse": "mean_squared_error",
    "rmse": "root_mean_squared_error",
    "mae": "mean_absolute_error",
    "mape": "mean_absolute_percentage_error",
    "msle": "mean_squared_logarithmic_error",
    "bce": "binary_crossentropy",
    "kld": "kl_divergence",
    "log_cosh": "logcosh",
    "iou": "io_u",
}
__all__ = [
    "AUC", "CLASSES", "PSNR", "SSIM", "Accuracy", "BinaryAccuracy", "BinaryCrossentropy", "BinaryIoU",
    "CategoricalAccuracy", "CategoricalCrossentropy", "CategoricalHinge", "ConcordanceCorrelation",
    "CosineSimilarity", "F1Score", "FBetaScore", "FalseNegatives", "FalsePositives", "Hinge", "IoU", "KLDivergence",
    "LogCoshError", "Mean", "MeanAbsoluteError", "MeanAbsolutePercentageError", "MeanIoU", "MeanSquaredError",
    "MeanSquaredLogarithmicError", "Metric", "OneHotIoU", "OneHotMeanIoU", "PearsonCorrelation", "Poisson",
    "Precision", "PrecisionAtRecall", "R2Score", "Recall", "RecallAtPrecision", "RootMeanSquaredError",
    "SensitivityAtSpecificity", "SparseCategoricalAccuracy", "SparseCategoricalCrossentropy",
    "SparseTopKCategoricalAccuracy", "SpecificityAtSensitivity", "SquaredHinge", "TopKCategoricalAccuracy",
    "TrueNegatives", "TruePositives", "get", "named",
]  # fmt: skip


def get(identifier: object, loss: object, output: TensorType) -> tuple[str, Metric]:
    """Name in the logs, and the metric. "accuracy" becomes the one that suits loss and output, as in Keras.

    A loss, or its name, becomes the mean of that loss. Errors: UnknownNameError names the nearest; SettingError.
    """
    if isinstance(identifier, Metric):
        return identifier.name, identifier
    if isinstance(identifier, Loss):
        return identifier.name, LossMean(name=identifier.name, loss=identifier)
    if isinstance(identifier, type) and issubclass(identifier, Metric):
        told = f"give {identifier.__name__}()"
        raise SettingError(f"a metric is an object, but {identifier.__name__} is a class; {told}")
    if isinstance(identifier, dict):
        found = _saved(identifier)
        return str(identifier.get("called", found.name)), found
    if not isinstance(identifier, str):
        raise SettingError(f"a metric is a name or an object of layerscope.metrics, not {identifier!r}")
    name = identifier.lower()
    if name in ("accuracy", "acc"):
        return identifier, _accuracy(identifier, loss, output)
    plain = SHORT.get(name, name)
    if plain not in NAMED and losses.known(name):
        return identifier, LossMean(name=identifier, loss=losses.get(name))
    if plain not in NAMED:
        raise UnknownNameError("metric", identifier, {*(cls.key for cls in CLASSES), *SHORT})
    return identifier, _made(NAMED[plain], {"name": identifier})


def _accuracy(name: str, loss: object, output: TensorType) -> Metric:
    if isinstance(loss, losses.SparseCategoricalCrossentropy):
        return SparseCategoricalAccuracy(name=name)
    return BinaryAccuracy(name=name) if output.shape[-1] == 1 else CategoricalAccuracy(name=name)


def _made(cls: type[Metric], settings: Mapping[str, Any]) -> Metric:
    needed = [
        each.name
        for each in fields(cls)
        if each.default is MISSING and each.default_factory is MISSING and each.name not in settings
    ]
    if needed:
        told = ", ".join(f"{name}=..." for name in needed)
        raise SettingError(
            f"the metric {cls.__name__} needs {' and '.join(needed)}: give metrics.{cls.__name__}({told})"
        )
    try:
        return cls(**settings)
    except TypeError as error:
        raise SettingError(f"metric {cls.__name__}: {error}") from None


def _saved(told: Mapping[str, Any]) -> Metric:
    """A metric from its saved form."""
    kind, settings = str(told.get("metric")), dict(told.get("settings", {}))
    if kind == "loss":
        return LossMean(name=str(settings.get("name", "")), loss=losses.get(settings.get("loss")))
    if kind.lower() not in BY_CLASS:
        raise UnknownNameError("metric", kind, BY_CLASS)
    return _made(BY_CLASS[kind.lower()], settings)


def named(found: Iterable[tuple[str, Metric]]) -> dict[str, Metric]:
    """Metrics by their names in the logs; a name that was given twice gets a number, as in Keras."""
    made: dict[str, Metric] = {}
    for name, metric in found:
        free, number = name, 0
        while free in made:
            number += 1
            free = f"{name}_{number}"
        made[free] = metric
    return made
