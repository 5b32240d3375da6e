"""Instruction sets: how wide a vector is, and how many sums a tile may keep in registers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """A row of the tile table.

    `bytes` is the width of a vector register; `sums` how many accumulators a tile keeps (the rest of
    the registers holds what is loaded); `features` are LLVM's names of what must be present.
    """

    name: str
    architecture: str
    bytes: int
    sums: int
    features: tuple[str, ...]

    def lanes(self, real: str) -> int:
        """Numbers of the type `real` ("float" or "double") in a register."""
        return self.bytes // (4 if real == "float" else 8)


TARGETS: dict[str, Target] = {
    target.name: target
    for target in (
        Target("avx512", "x86_64", 64, 24, ("avx512f", "avx512bw", "avx512dq", "avx512vl", "fma")),
        Target("avx2", "x86_64", 32, 12, ("avx2", "fma")),
        # A multiply–add reads registers only, so that what is loaded takes as many again, at worst.
        Target("neon", "aarch64", 16, 16, ("neon",)),
        Target("plain", "any", 16, 8, ()),
    )
}


HALVES = ("znver4",)
"""Processors, by LLVM's names, that compute registers of 64 bytes in two turns."""


def loads(cpu: str, target: Target) -> float:
    """A load's time in multiply–adds, fitted to measurements: half as much where these take twice as long."""
    return 0.4 if cpu in HALVES and target.bytes == 64 else 0.8


def best(architecture: str, features: Mapping[str, bool]) -> Target:
    """The first row of the table that this processor has."""
    return next(
        target
        for target in TARGETS.values()
        if target.architecture in (architecture, "any") and all(features.get(name) for name in target.features)
    )
