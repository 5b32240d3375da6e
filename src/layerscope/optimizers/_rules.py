"""The optimizers' update rules, each as primitives."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from layerscope.core.errors import SettingError
from layerscope.core.lowering import Value
from layerscope.optimizers._base import Optimizer, Step, Update, towards
from layerscope.optimizers.schedules import LearningRateSchedule


@dataclass(repr=False)
class SGD(Optimizer):
    """w ← w - lr·g; with momentum m ← momentum·m - lr·g and w ← w + m (Nesterov: w + momentum·m - lr·g)."""

    learning_rate: float | LearningRateSchedule = 0.01
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

    def _update(self, at: Step) -> Update:
        program, weight, gradient, slots, scalars = at
        step = program.map("mul", gradient, scalars["learning_rate"])
        if not self.momentum:
            return program.map("sub", weight, step), {}
        moved = program.map("sub", program.map("scale", slots["momentum"], factor=self.momentum), step)
        if self.nesterov:
            ahead = program.map("sub", program.map("scale", moved, factor=self.momentum), step)
            return program.map("add", weight, ahead), {"momentum": moved}
        return program.map("add", weight, moved), {"momentum": moved}


@dataclass(repr=False)
class RMSprop(Optimizer):
    """v ← ρ·v + (1-ρ)·g²; d = lr·g / √(v + ε); w ← w - d, with momentum m ← momentum·m + d and w ← w - m.

    Source: Hinton's lecture 6e (2012).
    """

    learning_rate: float | LearningRateSchedule = 0.001
    rho: float = 0.9
    momentum: float = 0.0
    epsilon: float = 1e-7

    def _ranges(self) -> tuple[tuple[str, float, float], ...]:
        return ("rho", 0, 1), ("momentum", 0, 1), ("epsilon", 0, math.inf)

    @property
    def slots(self) -> tuple[str, ...]:
        return ("velocity", "momentum") if self.momentum else ("velocity",)

    def _update(self, at: Step) -> Update:
        program, weight, gradient, slots, scalars = at
        velocity = towards(program, slots["velocity"], program.map("square", gradient), 1 - self.rho)
        root = program.map("sqrt", program.map("shift", velocity, offset=self.epsilon))
        step = program.map("div", program.map("mul", gradient, scalars["learning_rate"]), root)
        if not self.momentum:
            return program.map("sub", weight, step), {"velocity": velocity}
        moved = program.map("add", program.map("scale", slots["momentum"], factor=self.momentum), step)
        return program.map("sub", weight, moved), {"velocity": velocity, "momentum": moved}


@dataclass(repr=False)
class Adam(Optimizer):
    """m, v: means of g and g²; w ← w - lr·√(1-β₂ᵗ)/(1-β₁ᵗ) · m / (√v + ε). Source: Kingma & Ba (2014)."""

    learning_rate: float | LearningRateSchedule = 0.001
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-7

    def _ranges(self) -> tuple[tuple[str, float, float], ...]:
        return ("beta_1", 0, 1), ("beta_2", 0, 1), ("epsilon", 0, math.inf)

    @property
    def slots(self) -> tuple[str, ...]:
        return ("momentum", "velocity")

    def _scalars(self, step: int) -> Mapping[str, float]:
        rate = self.rate(step) * math.sqrt(1 - self.beta_2**step) / (1 - self.beta_1**step)
        return {"learning_rate": rate}

    def _update(self, at: Step) -> Update:
        program, weight, gradient, slots, scalars = at
        momentum = towards(program, slots["momentum"], gradient, 1 - self.beta_1)
        velocity = towards(program, slots["velocity"], program.map("square", gradient), 1 - self.beta_2)
        root = program.map("shift", program.map("sqrt", velocity), offset=self.epsilon)
        step = program.map("div", program.map("mul", momentum, scalars["learning_rate"]), root)
        return program.map("sub", weight, step), {"momentum": momentum, "velocity": velocity}


@dataclass(repr=False)
class Adadelta(Optimizer):
    """a ← ρ·a + (1-ρ)·g²; δ = -√(d+ε)/√(a+ε)·g; d ← ρ·d + (1-ρ)·δ²; w ← w + lr·δ.

    The learning rate is 1.0 as in the paper; Keras 3's default is 0.001. Source: Zeiler (2012).
    """

    learning_rate: float | LearningRateSchedule = 1.0
    rho: float = 0.95
    epsilon: float = 1e-7

    def _ranges(self) -> tuple[tuple[str, float, float], ...]:
        return ("rho", 0, 1), ("epsilon", 0, math.inf)

    @property
    def slots(self) -> tuple[str, ...]:
        return ("gradients", "deltas")

    def _update(self, at: Step) -> Update:
        program, weight, gradient, slots, scalars = at

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


@dataclass(repr=False)
class AdamW(Adam):
    """Adam, with the weights' decay beside the gradient. Source: Loshchilov & Hutter (2017)."""

    weight_decay: float | None = field(default=0.004, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.weight_decay is None:
            raise SettingError("AdamW: weight_decay must be a number; Adam is the one without")


@dataclass(repr=False)
class Adagrad(Optimizer):
    """a ← a + g², from `initial_accumulator_value` on; w ← w - lr·g / √(a + ε). Source: Duchi et al. (2011)."""

    learning_rate: float | LearningRateSchedule = 0.001
    initial_accumulator_value: float = 0.1
    epsilon: float = 1e-7

    def _ranges(self) -> tuple[tuple[str, float, float], ...]:
        return ("initial_accumulator_value", 0, math.inf), ("epsilon", 0, math.inf)

    @property
    def slots(self) -> tuple[str, ...]:
        return ("accumulator",)

    def _update(self, at: Step) -> Update:
        program, weight, gradient, slots, scalars = at
        # What is kept starts at zero, so the first value is added where the root is taken.
        total = program.map("add", slots["accumulator"], program.map("square", gradient))
        root = program.map("sqrt", program.map("shift", total, offset=self.initial_accumulator_value + self.epsilon))
        step = program.map("div", program.map("mul", gradient, scalars["learning_rate"]), root)
        return program.map("sub", weight, step), {"accumulator": total}


@dataclass(repr=False)
class Adamax(Optimizer):
    """m: mean of g; u ← max(β₂·u, |g|); w ← w - lr / (1-β₁ᵗ) · m / (u + ε). Source: Kingma & Ba (2014), section 7."""

    learning_rate: float | LearningRateSchedule = 0.001
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-7

    def _ranges(self) -> tuple[tuple[str, float, float], ...]:
        return ("beta_1", 0, 1), ("beta_2", 0, 1), ("epsilon", 0, math.inf)

    @property
    def slots(self) -> tuple[str, ...]:
        return ("momentum", "norm")

    def _scalars(self, step: int) -> Mapping[str, float]:
        return {"learning_rate": self.rate(step) / (1 - self.beta_1**step)}

    def _update(self, at: Step) -> Update:
        program, weight, gradient, slots, scalars = at
        momentum = towards(program, slots["momentum"], gradient, 1 - self.beta_1)
        faded, size = program.map("scale", slots["norm"], factor=self.beta_2), program.map("abs", gradient)
        norm = program.map("add", faded, program.map("relu", program.map("sub", size, faded)))  # the larger one
        root = program.map("shift", norm, offset=self.epsilon)
        step = program.map("div", program.map("mul", momentum, scalars["learning_rate"]), root)
        return program.map("sub", weight, step), {"momentum": momentum, "norm": norm}


@dataclass(repr=False)
class Nadam(Optimizer):
    """Adam with Nesterov's look ahead: m of this step is mixed with g, by a momentum that grows from step to step.

    μₜ = β₁·(1 - ½·0.96ᵗ); w ← w - lr·(μₜ₊₁·m / (1 - Πμ…μₜ₊₁) + (1-μₜ)·g / (1 - Πμ…μₜ)) / (√(v / (1-β₂ᵗ)) + ε).
    Source: Dozat, "Incorporating Nesterov momentum into Adam" (2016).
    """

    learning_rate: float | LearningRateSchedule = 0.001
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-7

    def _ranges(self) -> tuple[tuple[str, float, float], ...]:
        return ("beta_1", 0, 1), ("beta_2", 0, 1), ("epsilon", 0, math.inf)

    @property
    def slots(self) -> tuple[str, ...]:
        return ("momentum", "velocity")

    def _mix(self, step: int) -> float:
        return self.beta_1 * (1 - 0.5 * 0.96**step)

    def _product(self, step: int) -> float:
        """Of μ₁ to μ of the step; what is behind thousands of steps is zero, and stays it."""
        product = 1.0
        for number in range(1, step + 1):
            product *= self._mix(number)
            if product == 0:
                break
        return product

    def _scalars(self, step: int) -> Mapping[str, float]:
        done = self._product(step)
        next_done = done * self._mix(step + 1)
        rate = self.rate(step)
        return {
            "momentum_rate": rate * self._mix(step + 1) / (1 - next_done),
            "gradient_rate": rate * (1 - self._mix(step)) / (1 - done),
            "correction": 1 / (1 - self.beta_2**step),
        }

    def _update(self, at: Step) -> Update:
        program, weight, gradient, slots, scalars = at
        momentum = towards(program, slots["momentum"], gradient, 1 - self.beta_1)
        velocity = towards(program, slots["velocity"], program.map("square", gradient), 1 - self.beta_2)
        root = program.map("sqrt", program.map("mul", velocity, scalars["correction"]))
        ahead = program.map("mul", momentum, scalars["momentum_rate"])
        now = program.map("mul", gradient, scalars["gradient_rate"])
        step = program.map("div", program.map("add", ahead, now), program.map("shift", root, offset=self.epsilon))
        return program.map("sub", weight, step), {"momentum": momentum, "velocity": velocity}


@dataclass(repr=False)
class Lion(Optimizer):
    """w ← w - lr·sign(β₁·m + (1-β₁)·g); then m ← β₂·m + (1-β₂)·g. Source: Chen et al. (2023)."""

    learning_rate: float | LearningRateSchedule = 0.001
    beta_1: float = 0.9
    beta_2: float = 0.99

    def _ranges(self) -> tuple[tuple[str, float, float], ...]:
        return ("beta_1", 0, 1), ("beta_2", 0, 1)

    @property
    def slots(self) -> tuple[str, ...]:
        return ("momentum",)

    def _update(self, at: Step) -> Update:
        program, weight, gradient, slots, scalars = at
        # Both means from one difference, so that the kept one is read once before it is written.
        ahead = program.map("sub", gradient, slots["momentum"])
        mixed, kept = (
            program.map("add", slots["momentum"], program.map("scale", ahead, factor=1 - share))
            for share in (self.beta_1, self.beta_2)
        )
        step = program.map("mul", program.map("sign", mixed), scalars["learning_rate"])
        return program.map("sub", weight, step), {"momentum": kept}
