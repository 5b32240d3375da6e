"""Random networks with all that a comparison needs: data, targets, weights, an optimizer, and options."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod

import numpy as np

from layerscope import losses, metrics, optimizers

from .random_networks import RandomJob


@dataclass
class Case:
    """A network with everything else that a comparison needs."""

    seed: int
    job: RandomJob
    threads: int
    batch: int
    count: int
    options: dict[str, int]
    inputs: list[np.ndarray] = field(default_factory=list)
    targets: list[np.ndarray] = field(default_factory=list)
    weights: dict[str, np.ndarray] = field(default_factory=dict)


UPDATES = (
    lambda: optimizers.SGD(0.5),
    lambda: optimizers.SGD(0.2, momentum=0.9),
    lambda: optimizers.SGD(0.2, momentum=0.5, nesterov=True),
    lambda: optimizers.Adam(0.1, epsilon=0.1),
    lambda: optimizers.RMSprop(0.1, epsilon=0.1),
    lambda: optimizers.Adadelta(1.0, epsilon=0.1),
    lambda: optimizers.AdamW(0.1, epsilon=0.1, weight_decay=0.2, global_clipnorm=0.5),
    lambda: optimizers.Adagrad(0.1),
    lambda: optimizers.Adamax(0.1, epsilon=0.1),
    lambda: optimizers.Nadam(0.1, epsilon=0.1),
    lambda: optimizers.SGD(optimizers.schedules.ExponentialDecay(0.5, 2, 0.5), clipnorm=0.3),
)
DTYPES = ("float64", "float64", "float32", "uint8", "int64", "bool", "float16", ">f8", "int16")


def case(seed: int, depth: int = 3) -> Case:
    """The case of a number."""
    random = np.random.default_rng([seed, 1])
    loss = losses.CLASSES[random.integers(len(losses.CLASSES))]()
    measured = {"mae": losses.MeanAbsoluteError()}
    if isinstance(loss, losses.SparseCategoricalCrossentropy):
        measured = {"accuracy": metrics.SparseCategoricalAccuracy()}
    elif isinstance(loss, losses.CategoricalCrossentropy):
        measured["accuracy"] = metrics.CategoricalAccuracy()
    job = RandomJob(seed, depth, loss, UPDATES[random.integers(len(UPDATES))](), measured)
    batch = int(random.integers(1, 40))
    options = {"lanes": int(random.choice([1, 2, 4, 4, 8, 8, 8, 16])), "sums": int(random.choice([4, 8, 8, 12]))}
    if random.random() < 0.2:
        options["groups"] = 2
    if random.random() < 0.3:
        options |= {"checked": True, "guard": 64}
    if random.random() < 0.6:
        options["gain"] = 1e9  # other algorithms than the definition wherever there is one
    found = Case(
        seed, job, int(random.integers(1, 4)), batch, batch * 2 + int(random.integers(0, batch)) + 1, options
    )
    _fill(found, random)
    return found


def _fill(case: Case, random: np.random.Generator) -> None:
    for data in case.job.data:
        if data.plane:
            case.inputs.append(random.integers(0, prod(data.plane), (case.count, *data.shape)).astype(np.int32))
        else:
            numbers = random.normal(size=(case.count, *data.shape))
            dtype = DTYPES[random.integers(len(DTYPES))]
            if "accuracy" in case.job.aims[0].metrics:  # whole numbers make ties, which rounding decides
                dtype = "float64"
            case.inputs.append(
                (numbers if np.dtype(dtype).kind == "f" else numbers * 3 + 3).clip(-6, 100).astype(dtype)
            )
    result, loss = case.job.result, case.job.losses[0]
    shape = (case.count, *result.shape[1:])
    targets = random.random(shape)
    if isinstance(loss, losses.SparseCategoricalCrossentropy):
        targets = random.integers(0, shape[-1], shape[:-1])
    elif isinstance(loss, losses.CategoricalCrossentropy) and random.random() < 0.5:
        targets = (targets == targets.max(axis=-1, keepdims=True)).astype(np.uint8)
    case.targets.append(targets)
    for id, weight in case.job.weights.items():
        case.weights[id] = random.normal(size=weight.shape) * weight.scale
