"""What all optimizers share: settings and their checks, the rate of each step, clipping, and decay of weights."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple

from layerscope.core.errors import SettingError
from layerscope.core.lowering import Builder, Value
from layerscope.optimizers.schedules import LearningRateSchedule

Update = tuple[Value, Mapping[str, Value]]


class Step(NamedTuple):
    """What one weight's update is made of."""

    program: Builder
    weight: Value
    gradient: Value
    slots: Mapping[str, Value]
    scalars: Mapping[str, Value]


CLIPS = ("clipnorm", "clipvalue", "global_clipnorm")


@dataclass(repr=False)
class Optimizer:
    """Base: settings, the names of the arrays kept for each weight, and the update.

    `learning_rate`: a number, or a schedule (`optimizers.schedules`). `weight_decay`: w ← w - lr·decay·w before each
    update (Loshchilov & Hutter 2017), not through the gradient. Of the gradients, `clipvalue` bounds each number,
    `clipnorm` the Euclidean norm of each weight's, `global_clipnorm` that of all together; only one of the three.
    """

    learning_rate: float | LearningRateSchedule = 0.01
    weight_decay: float | None = field(default=None, kw_only=True)
    clipnorm: float | None = field(default=None, kw_only=True)
    clipvalue: float | None = field(default=None, kw_only=True)
    global_clipnorm: float | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        rate = self.learning_rate
        if not isinstance(rate, LearningRateSchedule):
            self._check("learning_rate", 0, math.inf)
        for key, low, high in self._ranges():
            self._check(key, low, high)
        for key in ("weight_decay", *CLIPS):
            if getattr(self, key) is not None:
                self._check(key, 0, math.inf)
        given = [key for key in CLIPS if getattr(self, key) is not None]
        if len(given) > 1:
            raise SettingError(f"{type(self).__name__}: only one of {', '.join(CLIPS)}, not {' and '.join(given)}")
        if given and not getattr(self, given[0]):
            raise SettingError(f"{type(self).__name__}: {given[0]} must be above 0")

    def _check(self, key: str, low: float, high: float) -> None:
        name, value = type(self).__name__, getattr(self, key)
        if isinstance(value, bool) or not isinstance(value, numbers.Real) or not low <= float(value) < high:
            upper = "" if high == math.inf else f" and below {high:g}"
            raise SettingError(f"{name}: {key} must be a number of at least {low:g}{upper}, not {value!r}")
        setattr(self, key, float(value))  # NumPy's float32 would make the bias correction that imprecise

    def _ranges(self) -> tuple[tuple[str, float, float], ...]:
        return ()

    @property
    def slots(self) -> tuple[str, ...]:
        """Names of the arrays kept for each weight; all start at zero."""
        return ()

    def rate(self, step: int) -> float:
        """The learning rate of a step; steps count from 1, schedules from 0 as in Keras."""
        rate = self.learning_rate
        return rate(step - 1) if isinstance(rate, LearningRateSchedule) else rate

    def scalars(self, step: int) -> Mapping[str, float]:
        """Numbers that change from step to step; steps count from 1."""
        decay = {} if self.weight_decay is None else {"decay": self.rate(step) * self.weight_decay}
        return {**self._scalars(step), **decay}

    def _scalars(self, step: int) -> Mapping[str, float]:
        return {"learning_rate": self.rate(step)}

    def clip(self, program: Builder, gradients: Mapping[str, Value]) -> dict[str, Value]:
        """The gradients as the update shall see them."""
        if self.clipvalue is not None:
            low, high = -self.clipvalue, self.clipvalue
            return {id: program.map("clip", each, low=low, high=high) for id, each in gradients.items()}
        if self.clipnorm is not None:
            return {id: _shortened(program, each, [each], self.clipnorm) for id, each in gradients.items()}
        if self.global_clipnorm is not None:
            every = list(gradients.values())
            return {id: _shortened(program, each, every, self.global_clipnorm) for id, each in gradients.items()}
        return dict(gradients)

    def lower(
        self,
        program: Builder,
        weight: Value,
        gradient: Value,
        slots: Mapping[str, Value],
        scalars: Mapping[str, Value],
    ) -> Update:
        """New weight and slots."""
        if "decay" in scalars:
            weight = program.map("sub", weight, program.map("mul", weight, scalars["decay"]))
        return self._update(Step(program, weight, gradient, slots, scalars))

    def _update(self, at: Step) -> Update:
        raise NotImplementedError

    def __repr__(self) -> str:
        """Without settings that are off."""
        told = ((f.name, getattr(self, f.name)) for f in fields(self))
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in told if value is not None)})"

    def to_json(self) -> dict[str, Any]:
        """Name and settings (those that are off left out), for a saved model."""
        told = {f.name: getattr(self, f.name) for f in fields(self)}
        settings = {name: value for name, value in told.items() if value is not None}
        if isinstance(self.learning_rate, LearningRateSchedule):
            settings["learning_rate"] = self.learning_rate.to_json()
        return {"optimizer": type(self).__name__, "settings": settings}


def _shortened(program: Builder, gradient: Value, every: list[Value], longest: float) -> Value:
    """The gradient, scaled so that the norm of `every` is at most `longest`."""
    total: Value | None = None
    for each in every:
        part = program.reduce("sum", program.map("square", each), range(each.type.rank))
        total = part if total is None else program.map("add", total, part)
    assert total is not None
    # max(norm / longest, 1), as 1 + relu(norm / longest - 1): a gradient of norm 0 stays what it is
    excess = program.map("scale", program.map("sqrt", total), factor=1 / longest)
    divisor = program.map("shift", program.map("relu", program.map("shift", excess, offset=-1.0)), offset=1.0)
    return program.map("div", gradient, divisor)


def towards(program: Builder, old: Value, new: Value, rate: float) -> Value:
    """old·(1 - rate) + new·rate, as Keras computes it: old + (new - old)·rate."""
    return program.map("add", old, program.map("scale", program.map("sub", new, old), factor=rate))
