"""Losses with Keras 3's names, arguments and defaults: each example's loss, and their mean or sum, as primitives.

Each says which targets fit an output, and which values it takes, before anything is computed. `SSIM` is our own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from layerscope.core.errors import SettingError, ShapeError, UnknownNameError
from layerscope.core.types import TensorType, show
from layerscope.losses._base import Elementwise, Loss
from layerscope.losses._crossentropy import (
    BinaryCrossentropy,
    BinaryFocalCrossentropy,
    CategoricalCrossentropy,
    CategoricalFocalCrossentropy,
    CategoricalGeneralizedCrossEntropy,
    KLDivergence,
    SparseCategoricalCrossentropy,
)
from layerscope.losses._hinge import CategoricalHinge, Hinge, SquaredHinge
from layerscope.losses._images import SSIM
from layerscope.losses._overlap import Dice, Tversky
from layerscope.losses._regression import (
    CosineSimilarity,
    Huber,
    LogCosh,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
    Poisson,
)

__all__ = [
    "CLASSES", "SHORT", "SSIM", "BinaryCrossentropy", "BinaryFocalCrossentropy", "CategoricalCrossentropy",
    "CategoricalFocalCrossentropy", "CategoricalGeneralizedCrossEntropy", "CategoricalHinge", "CosineSimilarity",
    "Dice", "Elementwise", "Hinge", "Huber", "KLDivergence", "LogCosh", "Loss", "MeanAbsoluteError",
    "MeanAbsolutePercentageError", "MeanSquaredError", "MeanSquaredLogarithmicError", "Poisson",
    "SparseCategoricalCrossentropy", "SquaredHinge", "Tversky", "check_outputs", "fits", "for_outputs", "get",
    "known", "mismatch",
]  # fmt: skip

CLASSES: tuple[type[Loss], ...] = (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    SparseCategoricalCrossentropy,
    MeanSquaredError,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredLogarithmicError,
    Huber,
    LogCosh,
    Poisson,
    KLDivergence,
    CosineSimilarity,
    Hinge,
    SquaredHinge,
    CategoricalHinge,
    BinaryFocalCrossentropy,
    CategoricalFocalCrossentropy,
    CategoricalGeneralizedCrossEntropy,
    Dice,
    Tversky,
    SSIM,
)
SHORT = {
    "mse": "mean_squared_error",
    "mae": "mean_absolute_error",
    "mape": "mean_absolute_percentage_error",
    "msle": "mean_squared_logarithmic_error",
    "bce": "binary_crossentropy",
    "kld": "kl_divergence",
    "kullback_leibler_divergence": "kl_divergence",
    "logcosh": "log_cosh",
    "huber_loss": "huber",
}
"""Other names, which Keras knows too."""


def get(identifier: object) -> Loss:
    """A loss from its name, its saved form, or itself. Errors: UnknownNameError names the nearest; SettingError."""
    if isinstance(identifier, Loss):
        return identifier
    if isinstance(identifier, type) and issubclass(identifier, Loss):
        raise SettingError(f"a loss is an object, but {identifier.__name__} is a class; give {identifier.__name__}()")
    name: Any = identifier
    settings: dict[str, Any] = {}
    if isinstance(identifier, dict):
        name, settings = str(identifier.get("loss")), identifier.get("settings", {})
    if not isinstance(name, str):
        raise SettingError(f"a loss is a name or an object of layerscope.losses, not {identifier!r}")
    found = _named(name)
    if found is None:
        raise UnknownNameError("loss", name, {*(cls.key for cls in CLASSES), *SHORT})
    try:
        return found(**settings)
    except TypeError as error:
        raise SettingError(f"loss {name}: {error}") from None


def _named(name: str) -> type[Loss] | None:
    plain = SHORT.get(name.lower(), name.lower())
    return next((cls for cls in CLASSES if plain in (cls.key, cls.__name__.lower())), None)


def known(name: str) -> bool:
    """Whether a loss has this name."""
    return _named(name) is not None


def for_outputs(loss: Any, names: Sequence[str]) -> list[Any]:
    """One loss for each output: the same for all, a list, or a dictionary by name."""
    if isinstance(loss, dict):
        if set(loss) != set(names):
            raise SettingError(f"losses are given for {', '.join(loss)}, but the outputs are {', '.join(names)}")
        loss = [loss[name] for name in names]
    if not isinstance(loss, list | tuple):
        return [loss] * len(names)
    if len(loss) != len(names):
        raise SettingError(f"{len(loss)} losses for {len(names)} outputs ({', '.join(names)})")
    return list(loss)


def check_outputs(losses: Sequence[Loss], outputs: Sequence[TensorType]) -> None:
    """ShapeError where a loss cannot measure its output, which may lack the axis of classes, say."""
    for loss, output in zip(losses, outputs, strict=True):
        loss.fits(output)


def fits(targets: Sequence[int], expected: TensorType) -> bool:
    """Whether targets of this shape (with the batch) fit, an axis of size 1 at the end being optional."""
    want = expected.shape[1:]
    have = tuple(targets[1:])
    return have == want or (want[-1:] == (1,) and have == want[:-1]) or have == (*want, 1)


def mismatch(loss: Any, targets: Sequence[int], output: TensorType, advice: str) -> ShapeError:
    """The error for targets that do not fit an output."""
    expected = loss.target_type(output)
    given = f"are {show(tuple(targets[1:]))} per example" if targets[1:] else "are one number per example"
    needed = show(expected.shape[1:]) if expected.shape[1:] else "one number"
    return ShapeError(
        f"the targets {given}, but {loss.name} needs {needed} for the output {show(output.shape[1:])}.{advice}"
    )
