"""Losses and metrics as Keras's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from layerscope.losses import SSIM, Loss
from layerscope.losses._base import unusual
from layerscope.metrics import PSNR, LossMean, Metric
from layerscope.metrics import SSIM as SSIMMetric

LACKING = (SSIM, SSIMMetric, PSNR)
"""What Keras has no like of."""


def lacking(losses: Sequence[Loss | None], metrics: Sequence[Metric]) -> list[str]:
    """The names of those that Keras lacks."""
    inner = [one.objective() if isinstance(one, LossMean) else one for one in metrics]
    return [one.name for one in (*losses, *inner) if isinstance(one, LACKING)]


def loss(keras: Any, given: Loss) -> Any:
    """Keras's loss of the same class and settings."""
    return getattr(keras.losses, type(given).__name__)(**unusual(given))


def metric(keras: Any, name: str, given: Metric) -> Any:
    """Keras's metric of the same class and settings; of a loss its function's mean."""
    if isinstance(given, LossMean):
        told = given.objective()
        settings = {key: value for key, value in unusual(told).items() if key not in ("name", "reduction")}
        return keras.metrics.MeanMetricWrapper(getattr(keras.losses, type(told).key), name=name, **settings)
    return getattr(keras.metrics, type(given).__name__)(**{**unusual(given), "name": name})
