"""Whole jobs, each a function with the words of its command: train, reconstruct, export, demo."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from layerscope.studies.autoencoder import reconstruct, train
    from layerscope.studies.digits_demo import demo
    from layerscope.studies.exporting import export

__all__ = ["demo", "export", "reconstruct", "train"]

_HOMES = {"demo": "digits_demo", "train": "autoencoder", "reconstruct": "autoencoder", "export": "exporting"}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
