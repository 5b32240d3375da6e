"""Codes as pictures: where examples lie, and how much each number is used."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from layerscope.report.figures import sheet
from layerscope.report.figures.sheet import INK, LINE, SERIES, SOFT, Array

MOST = 20
"""Classes that get a colour of their own."""


def codes(
    path: str | os.PathLike[str], values: Array, labels: Array | None, classes: Sequence[str], title: str, about: str
) -> None:
    """Write codes (n, k) as a picture file.

    Left: the examples in the plane of the two directions along which the codes vary most (principal components,
    with their share of the variance), coloured by class where labels are known. Right: the spread of each number
    of the code, largest first: its standard deviation over the examples; one that never varies is of no use.
    """
    centred = values - values.mean(axis=0)
    _, strength, directions = np.linalg.svd(centred, full_matrices=False)
    share = strength**2 / max(float((strength**2).sum()), 1e-30)
    flat = centred @ directions[:2].T
    if flat.shape[1] < 2:
        flat, share = np.hstack([flat, np.zeros((len(flat), 1))]), np.append(share, 0.0)
    with sheet.drawn(path, 8.6, 4.6) as page:
        page.text(0.2, 0.12, title, 10, weight="bold")
        page.text(0.2, 0.36, about, 8, SOFT)
        place = page.axes(0.7, 0.85, 3.7, 3.2)
        _points(place, flat, labels, classes)
        place.set_xlabel(f"first direction ({share[0]:.0%} of the variance)")
        place.set_ylabel(f"second direction ({share[1]:.0%})")
        _spread(page.axes(6.0, 0.85, 2.35, 3.2), values.std(axis=0))


def _points(place: Any, flat: Array, labels: Array | None, classes: Sequence[str]) -> None:
    settings: dict[str, Any] = {"s": 7, "alpha": 0.65, "linewidths": 0, "rasterized": True}
    present = [] if labels is None else sorted({int(label) for label in labels})
    if labels is None or len(present) > MOST:
        place.scatter(flat[:, 0], flat[:, 1], color=SERIES[0], **settings)
    else:
        import matplotlib

        colours = matplotlib.colormaps["tab10" if len(present) <= 10 else "tab20"]
        for number, label in enumerate(present):
            chosen = labels == label
            name = classes[label] if label < len(classes) else str(label)
            place.scatter(flat[chosen, 0], flat[chosen, 1], color=colours(number), label=name, **settings)
        place.legend(frameon=False, fontsize=7, labelcolor=INK, loc="center left", bbox_to_anchor=(1.0, 0.5),
                     markerscale=2.2, handletextpad=0.1)  # fmt: skip
    place.grid(color=LINE, linewidth=0.4)
    place.set_axisbelow(True)


def _spread(place: Any, spread: Array) -> None:
    order = np.sort(spread)[::-1]
    idle = int((order < 1e-6 * max(float(order[0]), 1e-30)).sum())
    place.fill_between(
        np.arange(len(order) + 1), np.append(order, order[-1]), step="post", color=SERIES[0], alpha=0.8
    )
    place.set_xlim(0, len(order))
    place.set_ylim(bottom=0)
    place.set_xlabel("numbers of the code, by spread" + (f"; {idle} never vary" if idle else ""))
    place.set_ylabel("standard deviation")
    place.grid(axis="y", color=LINE, linewidth=0.4)
