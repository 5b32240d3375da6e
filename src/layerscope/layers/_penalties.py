"""Settings by which layers are regularized and constrained in training, under Keras's names.

A regularizer is a name, an object of `layerscope.regularizers`, or its form as data; a constraint likewise of
`layerscope.constraints`. `compile` looks at them; nothing else does.
"""

from __future__ import annotations

from typing import Any

from layerscope.core.contract import Layer
from layerscope.core.dataclasses import dataclass, field


@dataclass(frozen=True, eq=False)
class OfActivity(Layer):
    """Of layers whose output may be regularized."""

    activity_regularizer: Any = field(default=None, kw_only=True)


@dataclass(frozen=True, eq=False)
class OfBias(OfActivity):
    """Of layers with a bias, which all have that."""

    bias_regularizer: Any = field(default=None, kw_only=True)
    bias_constraint: Any = field(default=None, kw_only=True)


@dataclass(frozen=True, eq=False)
class OfKernel(OfBias):
    """Of layers with a kernel and a bias."""

    kernel_regularizer: Any = field(default=None, kw_only=True)
    kernel_constraint: Any = field(default=None, kw_only=True)


@dataclass(frozen=True, eq=False)
class OfDepth(OfBias):
    """Of layers with a kernel for each channel, and a bias."""

    depthwise_regularizer: Any = field(default=None, kw_only=True)
    depthwise_constraint: Any = field(default=None, kw_only=True)


@dataclass(frozen=True, eq=False)
class OfPoints(OfDepth):
    """Of layers with a kernel that mixes channels, too."""

    pointwise_regularizer: Any = field(default=None, kw_only=True)
    pointwise_constraint: Any = field(default=None, kw_only=True)


@dataclass(frozen=True, eq=False)
class OfScale(Layer):
    """Of layers with gamma and beta."""

    beta_regularizer: Any = field(default=None, kw_only=True)
    gamma_regularizer: Any = field(default=None, kw_only=True)
    beta_constraint: Any = field(default=None, kw_only=True)
    gamma_constraint: Any = field(default=None, kw_only=True)


@dataclass(frozen=True, eq=False)
class OfStep(Layer):
    """Of cells, which have a kernel for their input, one for their state, and a bias."""

    kernel_regularizer: Any = field(default=None, kw_only=True)
    recurrent_regularizer: Any = field(default=None, kw_only=True)
    bias_regularizer: Any = field(default=None, kw_only=True)
    kernel_constraint: Any = field(default=None, kw_only=True)
    recurrent_constraint: Any = field(default=None, kw_only=True)
    bias_constraint: Any = field(default=None, kw_only=True)


@dataclass(frozen=True, eq=False)
class OfSteps(OfStep, OfActivity):
    """Of layers that repeat a cell along time."""
