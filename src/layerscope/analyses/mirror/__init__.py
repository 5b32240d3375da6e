"""The decoder that leads back: an encoder turned round, layer by layer, without data.

`mirror` finds, for any encoder, the decoder that ends at exactly the size of its input with as few crops and pads as
possible; `autoencoder` the one in which every cell stands in its place, whatever that takes. `links` reads the
encoder, `plan` says what undoes it, `ways` has the ways of enlarging, `fewest` the search.
"""

from __future__ import annotations

from layerscope.analyses.mirror.fewest import Mirrored, mirror
from layerscope.analyses.mirror.links import POOLS, SKIPPED, UNDONE, chain, code, factors, switch_bits
from layerscope.analyses.mirror.plan import obstacle, plan
from layerscope.analyses.mirror.ways import USUAL, WAYS, autoencoder

__all__ = [
    "POOLS", "SKIPPED", "UNDONE", "USUAL", "WAYS", "Mirrored", "autoencoder", "chain", "code", "factors", "mirror",
    "obstacle", "plan", "switch_bits",
]  # fmt: skip
