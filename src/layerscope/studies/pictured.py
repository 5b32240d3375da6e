"""What studies hand to the figures: images, errors and words as rows."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from layerscope.core.files import replacing
from layerscope.report.figures import images
from layerscope.report.figures.images import Comparison, Levels, Row
from layerscope.report.figures.sheet import shortened

if TYPE_CHECKING:
    from collections.abc import Callable

    from layerscope.studies.reconstruction import Reconstructions
    from layerscope.studies.scoring import Scores

Array = NDArray[Any]


def titled(title: str, pixels: Array) -> str:
    """The title of a row of images, which says where several channels are drawn as their mean."""
    channels = pixels.shape[-1]
    return title if channels in (1, 3) else f"{title} (mean of {channels} channels)"


def written(path: str | os.PathLike[str], draw: Callable[[Path], None]) -> Path:
    """Let `draw` write a picture file, which takes its place when it is whole; OutputError when it cannot."""
    target = Path(path)
    with replacing(target) as aside:
        named = aside.with_name(aside.name + (target.suffix or ".png"))
        try:
            draw(named)
            os.replace(named, aside)
        finally:
            named.unlink(missing_ok=True)
    return target


def compared(found: Reconstructions, path: str | os.PathLike[str], maps: bool = True) -> None:
    """Originals over reconstructions over error maps, with the mean squared error of each."""
    rows = [Row(title, some) for title, some in found.rows]
    if maps:
        rows.append(Row("squared error; the number is its mean", found.maps, errors=True))
    captions = [[f"{error:.4f}"] for error in found.errors]
    if found.names:
        captions = [[shortened(name, 15), *caption] for name, caption in zip(found.names, captions, strict=True)]
    asked = Comparison(rows, captions, found.ink)
    written(path, lambda place: images.comparison(place, asked))


def heatmap(found: Scores, path: str | os.PathLike[str]) -> None:
    """The worst images with reconstructions and error maps, and all scores beside those of the validation."""
    from layerscope.studies.scoring import larger

    worst, percentiles = found.worst, found.percentiles
    captions: list[list[str]] = []
    for rank, number in enumerate(worst.numbers, 1):
        words = [f"{rank}.  {found.values[number]:.4g}"]
        if percentiles is not None:
            words.append(larger(float(percentiles[number])))
        captions.append([*words, shortened(found.names[int(number)], 17)])
    count = len(worst.numbers)
    title = f"The {count} worst of {len(found.values):,} images"
    if count == len(found.values):
        title = f"{count} images, worst first" if count > 1 else "One image"
    under = "Rank and score" + ("" if percentiles is None else "; larger than so many of the validation images")
    asked = Comparison(
        [
            Row(titled("images", worst.images), worst.images),
            Row(titled("reconstructions", worst.restored), worst.restored),
            Row("squared error, worst region in the box", worst.maps, errors=True),
        ],
        captions,
        found.ink,
        [] if found.regions is None else found.regions[worst.numbers].tolist(),
        title,
        under,
        _levels(found),
    )
    written(path, lambda place: images.comparison(place, asked))


def _levels(found: Scores) -> Levels | None:
    if found.usual is None and len(found.values) < 2:
        return None
    label = {"squared": "mean squared error", "relative": "mean squared error ÷ variance of the image"}[found.kind]
    usual = np.empty(0) if found.usual is None else found.usual
    names = ("validation images", "these images")
    return Levels(usual, found.values, names, label, [float(v) for v in found.values[found.worst.numbers]])
