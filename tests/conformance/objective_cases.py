"""Every loss and metric in its settings, with targets and outputs to try it on; plain data that other processes read.

`ours(case)` and Keras's object are made from the same class name and settings.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Case:
    """One object: the class, its settings, what targets and outputs are like, and their shape."""

    kind: str
    settings: dict[str, Any] = field(default_factory=dict[str, Any])
    target: str = "share"
    output: str = "share"
    shape: tuple[int, ...] = (13, 4)

    def __str__(self) -> str:
        told = ",".join(f"{name}={value}" for name, value in self.settings.items())
        return f"{self.kind}({told})-{'x'.join(map(str, self.shape))}-{self.output}".replace(" ", "")

    def arrays(self) -> tuple[Array, Array]:
        """Target and output, the same each time."""
        random = np.random.default_rng([len(self.kind), *map(ord, str(self.settings)), *self.shape])
        target = MADE[self.target](random, self.shape)
        return target, MADE[self.output](random, self.shape)


def _share(random: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return random.uniform(0.02, 0.98, shape)


def _softmax(random: np.random.Generator, shape: tuple[int, ...]) -> Array:
    powers = np.exp(random.normal(size=shape))
    return powers / powers.sum(-1, keepdims=True)


def _edge(random: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Shares, some of which are 0 and 1, and numbers that meet thresholds."""
    found = random.uniform(size=shape)
    flat = found.reshape(-1)
    flat[:: max(1, flat.size // 17)] = np.resize(
        [0, 1, 0.5, 0.25, 1 / 199, 1e-9], len(flat[:: max(1, flat.size // 17)])
    )
    return found


MADE = {
    "share": _share,
    "edge": _edge,
    "softmax": _softmax,
    "normal": lambda random, shape: random.normal(size=shape),
    "positive": lambda random, shape: random.uniform(0.5, 5, shape),
    "count": lambda random, shape: random.integers(0, 6, shape).astype(float),
    "bit": lambda random, shape: random.integers(0, 2, shape).astype(float),
    "side": lambda random, shape: random.integers(0, 2, shape) * 2.0 - 1,
    "label": lambda random, shape: random.integers(0, shape[-1], shape[:-1]).astype(float),
    "class": lambda random, shape: random.integers(0, 4, shape).astype(float),
    "one_hot": lambda random, shape: np.eye(shape[-1])[random.integers(0, shape[-1], shape[:-1])],
    "front": lambda random, shape: np.moveaxis(
        np.eye(shape[1])[random.integers(0, shape[1], (shape[0], *shape[2:]))], -1, 1
    ),
    "ties": lambda random, shape: random.integers(0, 4, shape) / 4,
}
IMAGE, DEEP = (5, 6, 7, 2), (6, 3, 4)


def losses() -> Iterator[Case]:
    """Cases of losses; reductions and weights beside."""
    yield from _regressions()
    yield from _crossentropies()
    yield from _others()
    for reduction in ("sum", "mean"):
        yield Case("MeanSquaredError", {"reduction": reduction}, "normal", "normal", DEEP)
        yield Case("CategoricalCrossentropy", {"reduction": reduction}, "one_hot", "softmax", DEEP)
        yield Case(
            "SparseCategoricalCrossentropy", {"reduction": reduction, "ignore_class": 1}, "label", "softmax", DEEP
        )
        yield Case("Dice", {"reduction": reduction, "axis": [1, 2, 3]}, "bit", "share", IMAGE)


def _regressions() -> Iterator[Case]:
    for shape in ((13, 4), (9, 1), DEEP, IMAGE):
        for kind in ("MeanSquaredError", "MeanAbsoluteError", "LogCosh", "Huber"):
            yield Case(kind, {}, "normal", "normal", shape)
        yield Case("MeanAbsolutePercentageError", {}, "normal", "normal", shape)
        yield Case("MeanSquaredLogarithmicError", {}, "positive", "positive", shape)
        yield Case("Poisson", {}, "count", "positive", shape)
    yield Case("MeanAbsolutePercentageError", {}, "edge", "normal", DEEP)
    yield Case("MeanSquaredLogarithmicError", {}, "normal", "normal")
    yield Case("Huber", {"delta": 0.3}, "normal", "normal", DEEP)
    for shape, axis in (((13, 4), -1), (DEEP, -1), (DEEP, 1), (IMAGE, 2)):
        yield Case("CosineSimilarity", {"axis": axis}, "normal", "normal", shape)


def _crossentropies() -> Iterator[Case]:
    for settings in (
        {},
        {"label_smoothing": 0.2},
        {"from_logits": True},
        {"from_logits": True, "label_smoothing": 0.1},
    ):
        given = "normal" if settings.get("from_logits") else "share"
        for shape in ((13, 4), (9, 1), IMAGE):
            yield Case("BinaryCrossentropy", settings, "share", given, shape)
            yield Case("BinaryFocalCrossentropy", settings, "bit", given, shape)
        given = "normal" if settings.get("from_logits") else "share"
        for shape in ((13, 4), DEEP):
            yield Case("CategoricalCrossentropy", settings, "one_hot", given, shape)
            yield Case("CategoricalFocalCrossentropy", settings, "one_hot", given, shape)
    for gamma in (0.0, 1.0, 1.5, 3.0):
        yield Case(
            "BinaryFocalCrossentropy", {"gamma": gamma, "apply_class_balancing": True, "alpha": 0.4}, "share", "share"
        )
        yield Case("CategoricalFocalCrossentropy", {"gamma": gamma, "alpha": 0.5}, "softmax", "softmax")
    yield Case("CategoricalFocalCrossentropy", {"alpha": [0.125, 0.25, 0.375, 0.5]}, "one_hot", "softmax", DEEP)
    for logits in (False, True):
        given = "normal" if logits else "share"
        yield Case("CategoricalCrossentropy", {"axis": 1, "from_logits": logits}, "front", given, DEEP)
        yield Case("CategoricalFocalCrossentropy", {"axis": 1, "from_logits": logits}, "front", given, DEEP)
        for ignored in (None, 0, 2, 77):
            settings = {"from_logits": logits, "ignore_class": ignored}
            yield Case("SparseCategoricalCrossentropy", settings, "label", given)
            yield Case("SparseCategoricalCrossentropy", settings, "label", given, DEEP)


def _others() -> Iterator[Case]:
    for shape in ((13, 4), DEEP):
        yield Case("KLDivergence", {}, "softmax", "softmax", shape)
        yield Case("CategoricalHinge", {}, "one_hot", "normal", shape)
    yield Case("KLDivergence", {}, "one_hot", "share")
    for q in (0.3, 0.5):
        yield Case("CategoricalGeneralizedCrossEntropy", {"q": q}, "label", "softmax")
    for kind in ("Hinge", "SquaredHinge"):
        for target in ("side", "bit"):
            yield Case(kind, {}, target, "normal", DEEP)
    for axis in (None, [1, 2, 3], [0, 1, 2], [1, 2], [0], -1, [0, 1, 2, 3]):
        yield Case("Dice", {"axis": axis}, "bit", "share", IMAGE)
        yield Case("Tversky", {"axis": axis}, "share", "share", IMAGE)
    yield Case("Tversky", {"alpha": 0.3, "beta": 0.9}, "bit", "share", (13, 4))
    yield Case("SSIM", {}, "share", "share", (3, 13, 12, 2))
    yield Case("SSIM", {"filter_size": 4, "filter_sigma": 0.8, "k1": 0.05, "k2": 0.1}, "share", "share", (3, 9, 8, 1))


def metrics() -> Iterator[Case]:
    """Cases of metrics."""
    yield from _means()
    yield from _accuracies()
    yield from _counts()
    yield from _curves()
    yield from _scores()
    yield Case("PSNR", {}, "share", "share", (11, 5, 6, 2))
    yield Case("PSNR", {"max_val": 255.0}, "share", "share", (11, 5, 6, 2))
    yield Case("SSIM", {}, "share", "share", (9, 13, 12, 2))
    yield Case("SSIM", {"filter_size": 7, "filter_sigma": 2.0, "max_val": 2.0}, "share", "share", (9, 9, 8, 1))


def _means() -> Iterator[Case]:
    many = (37, 4)
    for kind in (
        "MeanSquaredError",
        "MeanAbsoluteError",
        "RootMeanSquaredError",
        "LogCoshError",
        "MeanAbsolutePercentageError",
    ):
        yield Case(kind, {}, "normal", "normal", many)
        yield Case(kind, {}, "normal", "normal", (19, 3, 4))
    yield Case("MeanSquaredLogarithmicError", {}, "positive", "positive", many)
    yield Case("Poisson", {}, "count", "positive", many)
    yield Case("KLDivergence", {}, "softmax", "softmax", (19, 3, 4))
    yield Case("CosineSimilarity", {}, "normal", "normal", many)
    yield Case("CosineSimilarity", {"axis": 1}, "normal", "normal", (19, 3, 4))
    for kind in ("Hinge", "SquaredHinge"):
        yield Case(kind, {}, "side", "normal", many)
    yield Case("CategoricalHinge", {}, "one_hot", "normal", many)
    for aggregation in ("uniform_average", "variance_weighted_average", None):
        for regressors in (0, 3):
            yield Case(
                "R2Score", {"class_aggregation": aggregation, "num_regressors": regressors}, "normal", "normal", many
            )
    for kind in ("PearsonCorrelation", "ConcordanceCorrelation"):
        yield Case(kind, {}, "normal", "normal", many)
        yield Case(kind, {"axis": 1}, "normal", "normal", (19, 3, 4))
    yield Case("BinaryCrossentropy", {"label_smoothing": 0.1}, "bit", "edge", many)
    yield Case("BinaryCrossentropy", {"from_logits": True}, "bit", "normal", many)
    yield Case("CategoricalCrossentropy", {"label_smoothing": 0.1}, "one_hot", "softmax", (19, 3, 4))
    yield Case("SparseCategoricalCrossentropy", {}, "label", "softmax", many)
    yield Case("SparseCategoricalCrossentropy", {"ignore_class": 1}, "label", "softmax", many)


def _accuracies() -> Iterator[Case]:
    for shape in ((37, 5), (19, 3, 5)):
        yield Case("Accuracy", {}, "class", "class", shape)
        yield Case("BinaryAccuracy", {}, "bit", "edge", shape)
        yield Case("BinaryAccuracy", {"threshold": 0.25}, "bit", "edge", shape)
        yield Case("CategoricalAccuracy", {}, "one_hot", "ties", shape)
        yield Case("SparseCategoricalAccuracy", {}, "label", "ties", shape)
        for k in (1, 2, 3, 5):
            yield Case("TopKCategoricalAccuracy", {"k": k}, "one_hot", "ties", shape)
            yield Case("SparseTopKCategoricalAccuracy", {"k": k}, "label", "ties", shape)


def _counts() -> Iterator[Case]:
    for kind in ("TruePositives", "FalsePositives", "TrueNegatives", "FalseNegatives", "Precision", "Recall"):
        for thresholds in (None, 0.25, [0.0, 0.25, 1.0], [0.0, 0.5, 1.0]):
            yield Case(kind, {"thresholds": thresholds}, "bit", "edge", (37, 4))
        yield Case(kind, {}, "bit", "edge", (11, 3, 4))
        yield Case(kind, {}, "bit", "edge", (37, 1))
    for kind in ("Precision", "Recall"):
        for settings in (
            {"top_k": 1}, {"top_k": 2}, {"class_id": 2}, {"class_id": 0, "top_k": 2}, {"top_k": 3, "thresholds": 0.25},
            {"class_id": 3, "thresholds": [0.25, 0.75]},
        ):  # fmt: skip
            yield Case(kind, settings, "bit", "ties", (37, 4))


def _curves() -> Iterator[Case]:
    for shape in ((61, 1), (37, 4), (7, 3, 2)):
        for curve in ("ROC", "PR", "PRGAIN"):
            for method in ("interpolation", "minoring", "majoring"):
                yield Case("AUC", {"curve": curve, "summation_method": method}, "bit", "edge", shape)
    yield Case("AUC", {"num_thresholds": 7}, "bit", "edge", (37, 4))
    yield Case("AUC", {"from_logits": True}, "bit", "normal", (37, 4))
    yield Case("AUC", {"thresholds": [0.7, 0.25, 0.5, 1 / 3]}, "bit", "edge", (37, 4))
    yield Case("AUC", {"label_weights": [0.125, 2.0, 0.0, 1.0]}, "bit", "edge", (37, 4))
    for weights in (None, [0.125, 2.0, 0.5, 1.0]):
        for curve in ("ROC", "PR"):
            settings = {"curve": curve, "multi_label": True, "label_weights": weights}
            yield Case("AUC", settings, "bit", "edge", (37, 4))
        yield Case(
            "AUC", {"multi_label": True, "label_weights": weights, "thresholds": [0.25, 0.6]}, "bit", "edge", (37, 4)
        )
    for kind, what in (
        ("SensitivityAtSpecificity", "specificity"), ("SpecificityAtSensitivity", "sensitivity"),
        ("PrecisionAtRecall", "recall"), ("RecallAtPrecision", "precision"),
    ):  # fmt: skip
        for settings in ({}, {"num_thresholds": 1}, {"num_thresholds": 5}, {"class_id": 1}):
            for level in (0.3, 0.79):
                yield Case(kind, {what: level, **settings}, "bit", "edge", (37, 4))


def _scores() -> Iterator[Case]:
    for average in (None, "micro", "macro", "weighted"):
        for threshold in (None, 0.5):
            yield Case("F1Score", {"average": average, "threshold": threshold}, "one_hot", "softmax", (37, 4))
        yield Case("FBetaScore", {"average": average, "beta": 2.0}, "one_hot", "ties", (37, 4))
    yield Case("BinaryIoU", {}, "bit", "edge", (11, 3, 4))
    yield Case("BinaryIoU", {"target_class_ids": [1], "threshold": 0.25}, "bit", "edge", (37, 1))
    for settings in ({"num_classes": 4}, {"num_classes": 4, "ignore_class": 2}, {"num_classes": 3}):
        yield Case("MeanIoU", settings, "class", "class", (37, 1))
        yield Case("IoU", {**settings, "target_class_ids": [0, 1]}, "class", "class", (37, 1))
    dense = {"num_classes": 5, "sparse_y_pred": False}
    yield Case("MeanIoU", dense, "label", "ties", (11, 3, 5))
    yield Case("IoU", {**dense, "target_class_ids": [1, 4], "ignore_class": 0}, "label", "ties", (11, 3, 5))
    yield Case("OneHotIoU", {"num_classes": 5, "target_class_ids": [0, 2]}, "one_hot", "ties", (11, 3, 5))
    yield Case("OneHotMeanIoU", {"num_classes": 5, "ignore_class": 1}, "one_hot", "ties", (11, 3, 5))
