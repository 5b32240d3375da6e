"""The networks of `loss_steps` in PyTorch: each loss as its formula stands in a book, differentiated by autograd.

Nothing here is taken from our losses or Keras's; the optimizers are Kingma and Ba's Adam (with Keras's place for
epsilon) and plain gradient descent.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from .loss_steps import HIDDEN, NETWORKS, OPTIMIZERS, OUTPUTS, SHAPES, STEPS, Network, arrays, start, target

TINY = 1e-7


def _binary(t: Any, p: Any) -> Any:
    return -(t * p.log() + (1 - t) * (1 - p).log())


def _focal_binary(t: Any, p: Any) -> Any:
    right = t * p + (1 - t) * (1 - p)
    return (t * 0.25 + (1 - t) * 0.75) * (1 - right) ** 2 * _binary(t, p)


def _chosen(t: Any, p: Any) -> Any:
    return p.gather(-1, t.long().unsqueeze(-1)).squeeze(-1)


def _cosine(t: Any, y: Any) -> Any:
    return -(t * y).sum(-1) / (t.norm(dim=-1) * y.norm(dim=-1))


def _dice(t: Any, p: Any) -> Any:
    axes = (1, 2, 3)
    return 1 - 2 * (t * p).sum(axes) / (t.sum(axes) + p.sum(axes) + TINY)


def _tversky(t: Any, p: Any, alpha: float, beta: float) -> Any:
    both, missed, wrong = ((a * b).sum() for a, b in ((t, p), (t, 1 - p), (1 - t, p)))
    return 1 - both / (both + alpha * missed + beta * wrong + TINY)


def _ssim(t: Any, p: Any) -> Any:
    """Wang et al. 2004, with a Gaussian window of 3×3 and deviation 1.5."""
    import torch

    one = np.exp(-0.5 * (np.arange(-1, 2) / 1.5) ** 2)
    window = np.outer(one, one) / one.sum() ** 2
    kernel = torch.tensor(window).expand(OUTPUTS, 1, 3, 3)

    def mean(image: Any) -> Any:
        return torch.nn.functional.conv2d(image.permute(0, 3, 1, 2), kernel, groups=OUTPUTS)

    a, b = mean(t), mean(p)
    spread = mean(t * t) - a * a + mean(p * p) - b * b
    light = (2 * a * b + 0.01**2) / (a * a + b * b + 0.01**2)
    return 1 - light * (2 * (mean(t * p) - a * b) + 0.03**2) / (spread + 0.03**2)


def _huber(d: Any, delta: float) -> Any:
    small = d.abs() <= delta
    return small * d * d / 2 + ~small * (delta * d.abs() - delta * delta / 2)


FORMULAS: dict[str, Callable[[Any, Any, dict[str, Any]], Any]] = {
    "MeanSquaredError": lambda t, y, s: (y - t) ** 2,
    "MeanAbsoluteError": lambda t, y, s: (y - t).abs(),
    "MeanAbsolutePercentageError": lambda t, y, s: 100 * ((y - t) / t).abs(),
    "MeanSquaredLogarithmicError": lambda t, y, s: ((1 + y).log() - (1 + t).log()) ** 2,
    "Huber": lambda t, y, s: _huber(y - t, s["delta"]),
    "LogCosh": lambda t, y, s: (y - t).cosh().log(),
    "Poisson": lambda t, y, s: y - t * (y + TINY).log(),
    "KLDivergence": lambda t, p, s: (t * (t / p).log()).sum(-1),
    "CosineSimilarity": lambda t, y, s: _cosine(t, y),
    "Hinge": lambda t, y, s: (1 - t * y).clip(0),
    "SquaredHinge": lambda t, y, s: (1 - t * y).clip(0) ** 2,
    "CategoricalHinge": lambda t, y, s: (1 + ((1 - t) * y).max(-1).values - (t * y).sum(-1)).clip(0),
    "BinaryCrossentropy": lambda t, p, s: _binary(t, p),
    "BinaryFocalCrossentropy": lambda t, p, s: _focal_binary(t, p),
    "CategoricalCrossentropy": lambda t, p, s: -(t * p.log()).sum(-1),
    "SparseCategoricalCrossentropy": lambda t, p, s: -_chosen(t, p).log(),
    "CategoricalFocalCrossentropy": lambda t, p, s: -(0.25 * (1 - p) ** 2 * t * p.log()).sum(-1),
    "CategoricalGeneralizedCrossEntropy": lambda t, p, s: (1 - _chosen(t, p) ** s["q"]) / s["q"],
    "Dice": lambda t, p, s: _dice(t, p),
    "Tversky": lambda t, p, s: _tversky(t, p, s["alpha"], s["beta"]),
    "SSIM": lambda t, p, s: _ssim(t, p),
}


def _loss(one: Network, t: Any, y: Any) -> Any:
    import torch

    s = one.settings
    if share := s.get("label_smoothing"):
        t = t * (1 - share) + share / (OUTPUTS if one.target == "one_hot" else 2)
    if s.get("from_logits"):
        y = y.sigmoid() if one.kind.startswith("Binary") else y.softmax(-1)
    each = FORMULAS[one.kind](t, y, s)
    assert torch.isfinite(each).all()
    if s.get("reduction") == "sum":  # over the examples' means
        return each.mean(-1).sum()
    return each.mean()


def _forward(one: Network, weights: list[Any], x: Any) -> Any:
    import torch

    first, bias, second, more = weights
    if one.input == "rows":
        made = (x @ first + bias).tanh() @ second + more
    else:
        turned = x.permute(0, 3, 1, 2)
        hidden = torch.nn.functional.conv2d(turned, first.permute(3, 2, 0, 1), bias, padding=1).tanh()
        made = torch.nn.functional.conv2d(hidden, second.permute(3, 2, 0, 1), more).permute(0, 2, 3, 1)
    functions = {
        None: lambda z: z,
        "tanh": torch.tanh,
        "sigmoid": torch.sigmoid,
        "softmax": lambda z: z.softmax(-1),
        "softplus": lambda z: torch.log1p(torch.exp(z)),
    }
    return functions[one.activation](made)


def _update(optimizer: str, step: int, weight: Any, gradient: Any, slots: dict[str, Any]) -> Any:
    s = OPTIMIZERS[optimizer]
    if optimizer == "SGD":
        return weight - s["learning_rate"] * gradient
    a, b = s["beta_1"], s["beta_2"]
    slots["m"] = a * slots.get("m", 0) + (1 - a) * gradient
    slots["v"] = b * slots.get("v", 0) + (1 - b) * gradient**2
    rate = s["learning_rate"] * math.sqrt(1 - b**step) / (1 - a**step)
    return weight - rate * slots["m"] / (slots["v"].sqrt() + s["epsilon"])


@cache
def trained(optimizer: str) -> dict[str, np.ndarray]:
    """The loss of each network before each step, and its last weights."""
    import torch

    given = dict(zip(SHAPES, arrays([])[0], strict=True))
    found = {}
    for one in NETWORKS:
        x, t = torch.tensor(given[one.input]), torch.tensor(target(one))
        window = (3, 3), (1, 1)
        sizes = ((x.shape[-1], HIDDEN), (HIDDEN,)), ((HIDDEN, OUTPUTS), (OUTPUTS,))
        names = [f"{one.name}_hidden", one.name]
        weights = [
            torch.tensor(start(name, n, (*(window[k] if one.input == "image" and not n else ()), *shape)))
            for k, name in enumerate(names)
            for n, shape in enumerate(sizes[k])
        ]
        slots: list[dict[str, Any]] = [{} for _ in weights]
        losses = []
        for step in range(1, STEPS + 1):
            free = [weight.clone().requires_grad_() for weight in weights]
            loss = _loss(one, t, _forward(one, free, x))
            gradients = torch.autograd.grad(loss, free)
            losses.append(loss.item())
            weights = [_update(optimizer, step, *each) for each in zip(weights, gradients, slots, strict=True)]
        found[f"{one.name}/loss"] = np.array(losses)
        found |= {f"{names[n // 2]}/{n % 2}": weight.numpy() for n, weight in enumerate(weights)}
    return found
