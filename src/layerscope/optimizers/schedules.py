"""Learning rates that change from step to step, with Keras 3's names and formulas. Steps count from 0."""

from __future__ import annotations

import math
import numbers
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from layerscope.core.errors import SettingError, UnknownNameError


@dataclass
class LearningRateSchedule:
    """Base: call it with a step for the rate of that step."""

    def __call__(self, step: int) -> float:
        """The learning rate of a step, a batch of training; the first is 0."""
        raise NotImplementedError

    def to_json(self) -> dict[str, Any]:
        """Name and settings, for a saved model."""
        return {"schedule": type(self).__name__, "settings": {f.name: getattr(self, f.name) for f in fields(self)}}

    def _numbers(self, *names: str, above: float | None = None) -> None:
        """The settings as floats; SettingError for what is no number, or not above one."""
        for name in names:
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, numbers.Real) or not math.isfinite(float(value)):
                raise SettingError(f"{type(self).__name__}: {name} must be a number, not {value!r}")
            if above is not None and not float(value) > above:
                raise SettingError(f"{type(self).__name__}: {name} must be above {above:g}, not {value!r}")
            setattr(self, name, float(value))


@dataclass
class _Decay(LearningRateSchedule):
    """By a share of `decay_steps`, which `staircase` makes whole."""

    initial_learning_rate: float
    decay_steps: float
    decay_rate: float
    staircase: bool = False

    def __post_init__(self) -> None:
        self._numbers("initial_learning_rate", "decay_rate")
        self._numbers("decay_steps", above=0)

    def _share(self, step: int) -> float:
        share = step / self.decay_steps
        return math.floor(share) if self.staircase else share


@dataclass
class ExponentialDecay(_Decay):
    """lr·rate^(step / decay_steps); with `staircase` the exponent is whole."""

    def __call__(self, step: int) -> float:
        return self.initial_learning_rate * self.decay_rate ** self._share(step)


@dataclass
class InverseTimeDecay(_Decay):
    """lr / (1 + rate·step / decay_steps); with `staircase` the quotient is whole."""

    def __call__(self, step: int) -> float:
        return self.initial_learning_rate / (1 + self.decay_rate * self._share(step))


@dataclass
class PolynomialDecay(LearningRateSchedule):
    """(lr - end)·(1 - step / decay_steps)^power + end, and end from decay_steps on; with `cycle` it starts over,
    each time over one more `decay_steps`.
    """

    initial_learning_rate: float
    decay_steps: float
    end_learning_rate: float = 0.0001
    power: float = 1.0
    cycle: bool = False

    def __post_init__(self) -> None:
        self._numbers("initial_learning_rate", "end_learning_rate", "power")
        self._numbers("decay_steps", above=0)

    def __call__(self, step: int) -> float:
        length = self.decay_steps * (max(math.ceil(step / self.decay_steps), 1) if self.cycle else 1)
        left = 1 - min(step, length) / length
        return (self.initial_learning_rate - self.end_learning_rate) * left**self.power + self.end_learning_rate


@dataclass
class PiecewiseConstantDecay(LearningRateSchedule):
    """values[i] up to and with step boundaries[i], the last value behind the last boundary."""

    boundaries: Sequence[float]
    values: Sequence[float]

    def __post_init__(self) -> None:
        self.boundaries, self.values = list(self.boundaries), [float(value) for value in self.values]
        if len(self.boundaries) != len(self.values) - 1:
            raise SettingError(
                f"PiecewiseConstantDecay: {len(self.values)} values need {len(self.values) - 1} boundaries between "
                f"them, not {len(self.boundaries)}"
            )

    def __call__(self, step: int) -> float:
        return self.values[sum(step > boundary for boundary in self.boundaries)]


@dataclass
class CosineDecay(LearningRateSchedule):
    """lr·((1 - alpha)·(1 + cos(π·step / decay_steps)) / 2 + alpha), and alpha·lr from decay_steps on.

    With `warmup_target`, first in a straight line from `initial_learning_rate` to it in `warmup_steps`.
    Source: Loshchilov & Hutter, "SGDR" (2016).
    """

    initial_learning_rate: float
    decay_steps: float
    alpha: float = 0.0
    warmup_target: float | None = None
    warmup_steps: float = 0

    def __post_init__(self) -> None:
        self._numbers("initial_learning_rate", "alpha", "warmup_steps")
        self._numbers("decay_steps", above=0)
        if self.warmup_target is not None:
            self._numbers("warmup_target")

    def __call__(self, step: int) -> float:
        if self.warmup_target is None:
            return self._cosine(step, self.initial_learning_rate)
        if step < self.warmup_steps:
            risen = (self.warmup_target - self.initial_learning_rate) * step / self.warmup_steps
            return self.initial_learning_rate + risen
        return self._cosine(step - self.warmup_steps, self.warmup_target)

    def _cosine(self, step: float, rate: float) -> float:
        share = min(step, self.decay_steps) / self.decay_steps
        return rate * ((1 - self.alpha) * 0.5 * (1 + math.cos(math.pi * share)) + self.alpha)


@dataclass
class CosineDecayRestarts(LearningRateSchedule):
    """A cosine that starts over: each period `t_mul` times as long as the one before, from `m_mul` times its height.

    Source: Loshchilov & Hutter, "SGDR" (2016).
    """

    initial_learning_rate: float
    first_decay_steps: float
    t_mul: float = 2.0
    m_mul: float = 1.0
    alpha: float = 0.0

    def __post_init__(self) -> None:
        self._numbers("initial_learning_rate", "m_mul", "alpha")
        self._numbers("first_decay_steps", above=0)
        self._numbers("t_mul", above=0)

    def __call__(self, step: int) -> float:
        start, length, height = 0.0, self.first_decay_steps, 1.0
        while step >= start + length:
            start, length, height = start + length, length * self.t_mul, height * self.m_mul
        wave = 0.5 * height * (1 + math.cos(math.pi * (step - start) / length))
        return self.initial_learning_rate * ((1 - self.alpha) * wave + self.alpha)


CLASSES = (
    ExponentialDecay,
    InverseTimeDecay,
    PolynomialDecay,
    PiecewiseConstantDecay,
    CosineDecay,
    CosineDecayRestarts,
)


def get(told: dict[str, Any]) -> LearningRateSchedule:
    """A schedule from its saved form. Errors: UnknownNameError, SettingError."""
    found = {cls.__name__: cls for cls in CLASSES}
    name = str(told.get("schedule"))
    if name not in found:
        raise UnknownNameError("schedule", name, found)
    try:
        return found[name](**told.get("settings", {}))
    except TypeError as error:
        raise SettingError(f"schedule {name}: {error}") from None
