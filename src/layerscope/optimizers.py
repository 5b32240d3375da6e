"""Optimizers with Keras 3's names, arguments and formulas; each lowers to primitives.

One default differs on purpose: Adadelta's learning rate is 1.0, as in its paper (Zeiler 2012) and in
PyTorch. Keras 3 has 0.001, with which the reference document's recipe hardly trains.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from layerscope.core.errors import SettingError, UnknownNameError
from layerscope.core.lowering import Builder, Value

Update = tuple[Value, Mapping[str, Value]]


@dataclass
class Optimizer:
    """Base: settings, the names of the arrays kept for each weight, and the update."""

    learning_rate: float = 0.01

    def __post_init__(self) -> None:
        name = type(self).__name__
        for key, low, high in (("learning_rate", 0, math.inf), *self._ranges()):
            value = getattr(self, key)
            if isinstance(value, bool) or not isinstance(value, numbers.Real) or not low <= float(value) < high:
                upper = "" if high == math.inf else f" and below {high:g}"
                raise SettingError(f"{name}: {key} must be a number of at least {low:g}{upper}, not {value!r}")
            setattr(self, key, float(value))  # NumPy's float32 would make the bias correction that imprecise

    def _ranges(self) -> tuple[tuple[str, float, float], ...]:
        return ()

    @property
    def slots(self) -> tuple[str, ...]:
        return ()

    def scalars(self, step: int) -> Mapping[str, float]:
        """Numbers that change from step to step; steps count from 1."""
        return {"learning_rate": self.learning_rate}

    def lower(
        self,
        program: Builder,
        weight: Value,
        gradient: Value,
        slots: Mapping[str, Value],
        scalars: Mapping[str, Value],
    ) -> Update:
        """New weight and slots."""
        raise NotImplementedError

    def to_json(self) -> dict[str, Any]:
        """Name and settings, for a saved model."""
        return {"optimizer": type(self).__name__, "settings": {f.name: getattr(self, f.name) for f in fields(self)}}


def _towards(program: Builder, old: Value, new: Value, rate: float) -> Value:
    """old·(1 - rate) + new·rate, as Keras computes it: old + (new - old)·rate."""
    return program.map("add", old, program.map("scale", program.map("sub", new, old), factor=rate))


@dataclass
class SGD(Optimizer):
    """w ← w - lr·g; with momentum m ← momentum·m - lr·g and w ← w + m (Nesterov: w + momentum·m - lr·g)."""

    learning_rate: float = 0.01
    momentum: float = 0.0
    nesterov: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.nesterov not in (True, False):
            raise SettingError(f"SGD: nesterov must be True or False, not {self.nesterov!r}")

    def _ranges(self) -> tuple[tuple[str, float, float], ...]:
        return (("momentum", 0, 1),)

    @property
    def slots(self) -> tuple[str, ...]:
        return ("momentum",) if self.momentum else ()

    def lower(
        self,
        program: Builder,
        weight: Value,
        gradient: Value,
        slots: Mapping[str, Value],
        scalars: Mapping[str, Value],
    ) -> Update:
        step = program.map("mul", gradient, scalars["learning_rate"])
        if not self.momentum:
            return program.map("sub", weight, step), {}
        moved = program.map("sub", program.map("scale", slots["momentum"], factor=self.momentum), step)
        if self.nesterov:
            ahead = program.map("sub", program.map("scale", moved, factor=self.momentum), step)
            return program.map("add", weight, ahead), {"momentum": moved}
        return program.map("add", weight, moved), {"momentum": moved}


@dataclass
class RMSprop(Optimizer):
    """v ← ρ·v + (1-ρ)·g²; d = lr·g / √(v + ε); w ← w - d, with momentum m ← momentum·m + d and w ← w - m.

    Source: Hinton's lecture 6e (2012).
    """

    learning_rate: float = 0.001
    rho: float = 0.9
    momentum: float = 0.0
    epsilon: float = 1e-7

    def _ranges(self) -> tuple[tuple[str, float, float], ...]:
        return ("rho", 0, 1), ("momentum", 0, 1), ("epsilon", 0, math.inf)

    @property
    def slots(self) -> tuple[str, ...]:
        return ("velocity", "momentum") if self.momentum else ("velocity",)

    def lower(
        self,
        program: Builder,
        weight: Value,
        gradient: Value,
        slots: Mapping[str, Value],
        scalars: Mapping[str, Value],
    ) -> Update:
        velocity = _towards(program, slots["velocity"], program.map("square", gradient), 1 - self.rho)
        root = program.map("sqrt", program.map("shift", velocity, offset=self.epsilon))
        step = program.map("div", program.map("mul", gradient, scalars["learning_rate"]), root)
        if not self.momentum:
            return program.map("sub", weight, step), {"velocity": velocity}
        moved = program.map("add", program.map("scale", slots["momentum"], factor=self.momentum), step)
        return program.map("sub", weight, moved), {"velocity": velocity, "momentum": moved}


@dataclass
class Adam(Optimizer):
    """m, v: means of g and g²; w ← w - lr·√(1-β₂ᵗ)/(1-β₁ᵗ) · m / (√v + ε). Source: Kingma & Ba (2014)."""

    learning_rate: float = 0.001
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-7

    def _ranges(self) -> tuple[tuple[str, float, float], ...]:
        return ("beta_1", 0, 1), ("beta_2", 0, 1), ("epsilon", 0, math.inf)

    @property
    def slots(self) -> tuple[str, ...]:
        return ("momentum", "velocity")

    def scalars(self, step: int) -> Mapping[str, float]:
        rate = self.learning_rate * math.sqrt(1 - self.beta_2**step) / (1 - self.beta_1**step)
        return {"learning_rate": rate}

    def lower(
        self,
        program: Builder,
        weight: Value,
        gradient: Value,
        slots: Mapping[str, Value],
        scalars: Mapping[str, Value],
    ) -> Update:
        momentum = _towards(program, slots["momentum"], gradient, 1 - self.beta_1)
        velocity = _towards(program, slots["velocity"], program.map("square", gradient), 1 - self.beta_2)
        root = program.map("shift", program.map("sqrt", velocity), offset=self.epsilon)
        step = program.map("div", program.map("mul", momentum, scalars["learning_rate"]), root)
        return program.map("sub", weight, step), {"momentum": momentum, "velocity": velocity}


@dataclass
class Adadelta(Optimizer):
    """a ← ρ·a + (1-ρ)·g²; δ = -√(d+ε)/√(a+ε)·g; d ← ρ·d + (1-ρ)·δ²; w ← w + lr·δ.

    The learning rate is 1.0 as in the paper; Keras 3's default is 0.001. Source: Zeiler (2012).
    """

    learning_rate: float = 1.0
    rho: float = 0.95
    epsilon: float = 1e-7

    def _ranges(self) -> tuple[tuple[str, float, float], ...]:
        return ("rho", 0, 1), ("epsilon", 0, math.inf)

    @property
    def slots(self) -> tuple[str, ...]:
        return ("gradients", "deltas")

    def lower(
        self,
        program: Builder,
        weight: Value,
        gradient: Value,
        slots: Mapping[str, Value],
        scalars: Mapping[str, Value],
    ) -> Update:
        def mean(old: Value, new: Value) -> Value:
            kept = program.map("scale", old, factor=self.rho)
            return program.map("add", kept, program.map("scale", program.map("square", new), factor=1 - self.rho))

        def root(value: Value) -> Value:
            return program.map("sqrt", program.map("shift", value, offset=self.epsilon))

        gradients = mean(slots["gradients"], gradient)
        ratio = program.map("div", program.map("mul", root(slots["deltas"]), gradient), root(gradients))
        deltas = mean(slots["deltas"], ratio)
        moved = program.map("sub", weight, program.map("mul", ratio, scalars["learning_rate"]))
        return moved, {"gradients": gradients, "deltas": deltas}


CLASSES = (SGD, RMSprop, Adam, Adadelta)


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
    try:
        return found[name.lower()](**settings)
    except TypeError as error:
        raise SettingError(f"optimizer {name}: {error}") from None
