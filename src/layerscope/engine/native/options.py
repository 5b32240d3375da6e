"""What a program is compiled for, beside its own text."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Options:
    """Of the processor, of the arrays, of the size of batches.

    `dtypes` are NumPy's names of the arrays' types, inputs before targets; `same` says for each target which input
    holds the same numbers (or -1). `sums` is how many accumulators a tile keeps; `loads` is a load's time in
    multiply–adds; `gain` the share of the definition's estimated time below which another algorithm is used. `strips`
    is how many lanes hold an example, `few` how many examples there are at most, where that is made use of; `team`
    how many threads work on a block where there are too many for one each (0: as many as pays). What is made of a
    kernel of more than `large` bytes, or for its gradient, is made in parts where it is needed, or once for all
    threads; with `once`, where there are no more blocks than threads, so are gradients of large kernels. A tall
    matrix of no more than `packed` bytes is packed once a batch even if it is large.
    """

    lanes: int
    sums: int
    real: str
    groups: int
    dtypes: tuple[str, ...]
    same: tuple[int, ...] = ()
    checked: bool = False
    guard: int = 0
    attributes: str = ""
    fused: bool = True
    pause: str = ""
    loads: float = 0.8
    gain: float = 0.95
    strips: int = 1
    few: int = 0
    team: int = 0
    once: bool = False
    large: int = 1 << 20
    packed: int = 0

    @property
    def block(self) -> int:
        """How many examples a block has."""
        return self.groups * self.lanes // self.strips
