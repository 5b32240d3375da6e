"""Random networks with all that a comparison needs: data, targets, weights, an optimizer, and options."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import prod

import numpy as np

from layerscope import constraints, losses, metrics, optimizers, regularizers
from layerscope.core.errors import LayerscopeError
from layerscope.core.types import TensorType
from layerscope.models import examples

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


def drawn(model, random, options, seed=1, threads=2, batch=5, count=9, scale=0.3, inputs=None):
    """A case of a compiled model with numbers at random, in this order: weights of deviation `scale` (None: one over
    the root of what each number of a result is made of), inputs unless given, targets.
    """
    weights = {
        id: random.normal(size=v.shape) * (scale or 1 / np.sqrt(max(1, prod(v.shape[:-1]))))
        for id, v in model._variables.items()
    }
    found = (
        [random.normal(size=(count, *map(int, t.shape[1:]))) for t in model.input_types] if inputs is None else inputs
    )
    targets = [random.random((count, *map(int, t.shape[1:]))) for t in model.output_types]
    return Case(seed, model._job, threads, batch, count, options, found, targets, weights)


CHECKED = {"checked": True, "guard": 64}
"""Each index is compared and all buffers have guards around them; LLVM optimises such code less."""
OFTEN = 0.75
"""The part of random networks that is checked. The others are compiled as those of users are."""

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
LOSSES = (
    *(lambda kind=kind: kind() for kind in losses.CLASSES if kind is not losses.SSIM),
    lambda: losses.SSIM(filter_size=3),
    lambda: losses.Huber(0.3, reduction="sum"),
    lambda: losses.Dice(axis=-1),
    lambda: losses.Tversky(0.3, 0.7, axis=(0, 1)),
    lambda: losses.BinaryCrossentropy(label_smoothing=0.2),
    lambda: losses.BinaryFocalCrossentropy(True, gamma=1.5),
    lambda: losses.CategoricalFocalCrossentropy(gamma=0.75),
    lambda: losses.CategoricalCrossentropy(label_smoothing=0.1),
    lambda: losses.SparseCategoricalCrossentropy(ignore_class=0),
)
METRICS = (
    metrics.RootMeanSquaredError, metrics.R2Score, metrics.CosineSimilarity, metrics.PSNR, metrics.KLDivergence,
    lambda: metrics.SSIM(filter_size=2), lambda: metrics.LossMean(name="huber", loss=losses.Huber()),
    lambda: metrics.R2Score(None), lambda: metrics.SparseCategoricalCrossentropy(ignore_class=1),
)  # fmt: skip
STEPS = (
    metrics.AUC, lambda: metrics.AUC(7, "PR"), lambda: metrics.AUC(thresholds=[0.437]), lambda: metrics.AUC(multi_label=True),
    lambda: metrics.Precision(0.437), lambda: metrics.Recall([0.337, 0.71]), lambda: metrics.Precision(top_k=2),
    lambda: metrics.Recall(0.437, class_id=1), lambda: metrics.F1Score(threshold=0.437), lambda: metrics.F1Score("macro"),
    lambda: metrics.BinaryIoU(threshold=0.437), lambda: metrics.FalseNegatives(0.437), metrics.CategoricalAccuracy,
    lambda: metrics.TopKCategoricalAccuracy(2), metrics.SparseCategoricalAccuracy, lambda: metrics.PrecisionAtRecall(0.5),
    lambda: metrics.SparseTopKCategoricalAccuracy(2),
)  # fmt: skip
"""Metrics that jump where an output crosses a number or another output, as it may by rounding."""
DTYPES = ("float64", "float64", "float32", "uint8", "int64", "bool", "float16", ">f8", "int16")


def case(seed: int, depth: int = 3) -> Case:
    """The case of a number."""
    random = np.random.default_rng([seed, 1])
    job = _job(seed, depth, random)
    weights = np.random.default_rng([seed, 2])
    if weights.random() < 0.3:
        _weigh(job, weights)
    _rule(job, np.random.default_rng([seed, 3]))
    batch = int(random.integers(1, 40))
    options = {"lanes": int(random.choice([1, 2, 4, 4, 8, 8, 8, 16])), "sums": int(random.choice([4, 8, 8, 12]))}
    if random.random() < 0.2:
        options["groups"] = 2
    if random.random() < OFTEN:
        options |= CHECKED
    if random.random() < 0.3:
        options["strips"] = min(options["lanes"], int(random.choice([2, 2, 4])))
    if batch <= 4 and options["lanes"] // options.get("strips", 1) >= 4 and "groups" not in options:
        options["few"] = 4
    if random.random() < 0.6:
        options["gain"] = 1e9  # other algorithms than the definition wherever there is one
    found = Case(
        seed, job, int(random.integers(1, 4)), batch, batch * 2 + int(random.integers(0, batch)) + 1, options
    )
    _fill(found, random)
    if type := job.aims[0].weight:
        found.targets.append(weights.random((found.count, *type.shape[1:])) * 2)
    if weights.random() < 0.25:  # several threads to a block
        found.threads = int(weights.integers(2, 6))
        options["team"] = int(weights.integers(2, 6))
    if weights.random() < 0.3:
        options["large"] = 0  # what is made in parts wherever there are some
    return found


def _job(seed: int, depth: int, random: np.random.Generator) -> RandomJob:
    """A network with a loss that fits its output, and some metrics that do."""
    rule = UPDATES[random.integers(len(UPDATES))]()
    for turn in range(8):
        loss = LOSSES[random.integers(len(LOSSES))]() if turn < 7 else losses.MeanSquaredError()
        job = RandomJob(seed, depth, loss, rule, {})
        if _fits(loss, job.result):
            break
    for choice in (METRICS, STEPS):
        for _ in range(int(random.integers(0, 3))):
            metric = choice[random.integers(len(choice))]()
            if metric.target_type(job.result) == job.aims[0].target and _fits(metric, job.result):
                job.aims[0].metrics[f"step {metric.name}" if choice is STEPS else metric.name] = metric
    return job


def _weigh(job: RandomJob, random: np.random.Generator) -> None:
    """Weights of examples; of their positions, too, where only the loss asks for some."""
    (aim,) = job.aims
    each = examples._each(job.losses[0], job.result)
    axes = 1 if aim.metrics else min(each.rank, int(random.integers(1, 4)))
    type = TensorType((job.result.shape[0], *each.shape[1:axes]))
    job.aims = [replace(aim, metrics={}, weighted=aim.metrics, weight=type)]


def _rule(job: RandomJob, random: np.random.Generator) -> None:
    """Regularizers and constraints of some weights, in one case of four."""
    ids = job.trainable() if random.random() < 0.25 else []
    for id in ids:
        shape = job.weights[id].shape
        axes = sorted({int(n) for n in random.integers(0, len(shape), 2)})
        axis = axes[0] if len(axes) == 1 else axes
        size = float(random.uniform(0.2, 1.5))
        kinds = (
            constraints.MaxNorm(size, axis), constraints.UnitNorm(axis), constraints.NonNeg(),
            constraints.MinMaxNorm(size / 2, size, 1.0, axis), constraints.MinMaxNorm(size / 2, size, 0.7, axis),
        )  # fmt: skip
        if random.random() < 0.6:
            job.rules.bounds[id] = kinds[random.integers(len(kinds))]
        mode = ("rows", "columns")[random.integers(2)]
        kinds = (regularizers.L1(0.02), regularizers.L2(0.05), regularizers.OrthogonalRegularizer(size, mode))
        fits = len(shape) == 2 and shape[mode == "columns"] > 1
        if random.random() < 0.6:
            job.rules.penalties[id] = kinds[random.integers(len(kinds) if fits else 2)]


def _fits(one: losses.Loss | metrics.Metric, output: TensorType) -> bool:
    try:
        one.fits(output)
    except LayerscopeError:
        return False
    return True


def _fill(case: Case, random: np.random.Generator) -> None:
    for data in case.job.data:
        if data.plane:
            case.inputs.append(random.integers(0, prod(data.plane), (case.count, *data.shape)).astype(np.int32))
        else:
            numbers = random.normal(size=(case.count, *data.shape))
            dtype = DTYPES[random.integers(len(DTYPES))]
            if any(name.startswith("step") for name in case.job.measures):
                # whole numbers make ties, which rounding decides
                dtype = "float64"
            case.inputs.append(
                (numbers if np.dtype(dtype).kind == "f" else numbers * 3 + 3).clip(-6, 100).astype(dtype)
            )
    result, loss = case.job.result, case.job.losses[0]
    shape = (case.count, *result.shape[1:])
    targets = random.random(shape)
    if len(case.job.aims[0].target.shape) < len(shape):
        targets = random.integers(0, shape[-1], shape[:-1])
    elif isinstance(loss, losses.Hinge):
        targets = random.integers(0, 2, shape)
    elif loss.key.startswith("categorical") and random.random() < 0.5:
        targets = (targets == targets.max(axis=-1, keepdims=True)).astype(np.uint8)
    elif case.job.measures and random.random() < 0.5:
        targets = (targets > 0.4).astype(np.uint8)
    case.targets.append(targets)
    for id, weight in case.job.weights.items():
        case.weights[id] = random.normal(size=weight.shape) * weight.scale
