"""The decoders that are compared: an encoder with each way of enlarging behind it (analyses.mirror builds them)."""

from __future__ import annotations

from layerscope.analyses.mirror.ways import USUAL, WAYS, autoencoder

__all__ = ["USUAL", "WAYS", "autoencoder"]
