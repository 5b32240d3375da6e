"""Whole jobs, each a function with the words of its command (`resume` is train --resume)."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from layerscope.studies.autoencoder import resume, train
    from layerscope.studies.blindspots import blindspot
    from layerscope.studies.checkerboards import overlap
    from layerscope.studies.decoder_study import compare_decoders
    from layerscope.studies.digits_demo import demo
    from layerscope.studies.drawing import draw
    from layerscope.studies.encoding import encode
    from layerscope.studies.exporting import export
    from layerscope.studies.plotting import plot
    from layerscope.studies.reaching import reach
    from layerscope.studies.reconstruction import reconstruct
    from layerscope.studies.scoring import score
    from layerscope.studies.shifting import compare_shifts, shift

__all__ = [
    "blindspot", "compare_decoders", "compare_shifts", "demo", "draw", "encode", "export", "overlap", "plot",
    "reach", "reconstruct", "resume", "score", "shift", "train",
]  # fmt: skip

_HOMES = {
    "blindspot": "blindspots",
    "compare_decoders": "decoder_study",
    "demo": "digits_demo",
    "draw": "drawing",
    "train": "autoencoder",
    "resume": "autoencoder",
    "reconstruct": "reconstruction",
    "encode": "encoding",
    "score": "scoring",
    "plot": "plotting",
    "export": "exporting",
    "overlap": "checkerboards",
    "reach": "reaching",
    "shift": "shifting",
    "compare_shifts": "shifting",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
