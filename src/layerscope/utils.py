"""Seeds, under Keras's name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

_generator: np.random.Generator | None = None


def set_random_seed(seed: int) -> None:
    """Make everything random that follows repeatable: initial weights, shuffling, dropout, splits."""
    global _generator
    _generator = np.random.default_rng(seed)


def generator() -> np.random.Generator:
    """The generator from which everything random is drawn; seeded by the system unless told otherwise."""
    global _generator
    if _generator is None:
        _generator = np.random.default_rng()
    return _generator


def set_random_state(state: Mapping[str, Any]) -> None:
    """Go on drawing where a generator stood: `state` is its `bit_generator.state`; ValueError for another kind."""
    global _generator
    bits: Any = np.random.PCG64()
    bits.state = dict(state)
    _generator = np.random.Generator(bits)
