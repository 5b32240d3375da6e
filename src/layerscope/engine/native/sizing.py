"""How many registers of examples a block has, how many strips examples are cut into, and whether threads share a
block: what takes the least time by estimate.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from layerscope.core.sizes import numbers
from layerscope.engine.native.draft import Draft, prepared
from layerscope.engine.native.operations import Op, ToStrips, ToWhole, effort, elements, of_batch, rest
from layerscope.engine.native.strips import Impossible, cut
from layerscope.engine.primitives.matmul import MatMul
from layerscope.engine.program import Program

TEAM = 100_000
"""Multiply–adds of registers that an operation must take on average for threads to share a block."""

TOGETHER = 0.5
"""By what part a block takes longer with 16 threads than in as many parts: they wait, and share not everything. Two
take 2 % longer, as they do on the machine of docs/benchmarks.md.
"""

SMALL = 2e6
"""Multiply–adds of an example for which strips are not worth code of their own."""

FAR, NEAR = (8 << 20, 12.0), (1 << 18, 2.0)
"""Bytes of a block's value beyond which it is far, and the multiply–adds that reading or writing an item costs."""

WHOLE = 14.0
"""Multiply–adds that an item costs which each lane has whole: what brings it there, and all lanes reading it."""

LARGE = 1 << 16
"""Numbers of a matrix above which blocks hold several registers of examples."""

LAST = 16 << 20
"""Bytes of the last cache that a block's values may take, each in memory of its own."""


@dataclass(frozen=True)
class Sizes:
    """Numbers of a program's largest matrix, of all that it computes of an example, and of its largest kernel."""

    largest: int
    made: int
    kernel: int

    @classmethod
    def of(cls, program: Program) -> Sizes:
        """Those of a program."""
        sizes = [
            math.prod(numbers(step.inputs[1].type.shape))
            for step in program.instructions
            if isinstance(step.primitive, MatMul) and step.inputs[1].type.rank == 2
        ]
        made = sum(
            elements(rest(value)) for step in program.instructions for value in step.outputs if of_batch(value)
        )
        weights = [value.type for key, value in program.inputs.items() if key[0] == "weight"]
        kernels = [math.prod(numbers(type.shape)) for type in weights if type.rank == 4]
        return cls(max(sizes, default=0), made, max(kernels, default=0))

    def groups(self, batch: int, together: int, register: int) -> int:
        """Registers of examples in a block: several where a product's matrix does not stay in a cache, so that one
        pass over it serves them all, unless all that a block computes would not either.
        """
        fitting = max(1, LAST // (self.made * register)) if self.made else 1
        return min(4, fitting, max(1, batch // together)) if self.largest >= LARGE else 1


@dataclass(eq=False)
class Choice:
    """How many strips suit a program; `work` holds the estimated time of a block for each number that was asked for,
    `made` the numbers for which there is code.
    """

    program: Program
    register: int
    large: bool = False
    work: dict[int, float] = field(default_factory=dict[int, float])
    shared: dict[int, bool] = field(default_factory=dict[int, bool])

    made: set[int] = field(default_factory=set[int])

    def best(self, counts: Sequence[int], batch: int, lanes: int, threads: int) -> int:
        """The number of strips for which a batch takes the least time; a smaller one where that wins little, and one
        for which there is code unless it takes twice the time.
        """
        idle = self._time(1, batch, lanes, threads) > 1.05 * self._block(1) * max(1, batch) / (lanes * threads)
        if self.work[1] < SMALL or not (idle or self.large or self.made - {1}):
            self.made.add(1)
            return 1
        found = {count: self._time(count, batch, lanes, threads) for count in counts if count <= lanes}
        least = min(found.values())
        ready = [count for count in found if count in self.made and found[count] <= 2 * least]
        best = min(ready, key=found.__getitem__) if ready else next(c for c in found if found[c] <= 1.05 * least)
        self.made.add(best)
        return best

    def _time(self, count: int, batch: int, lanes: int, threads: int) -> float:
        blocks, time = -(-batch // (lanes // count)), self._block(count)
        if 2 * blocks <= threads and self.shared[count]:
            members = threads // blocks
            return (1 + TOGETHER * (members / 16) ** 1.5) * time / members
        return -(-blocks // threads) * time

    def _block(self, count: int) -> float:
        if count not in self.work:
            draft = tried(self.program, count) if count > 1 else prepared(self.program)
            self.shared[count] = draft is not None and shares(draft)
            if draft is None:
                self.work[count] = math.inf
            else:
                self.work[count] = sum(effort(op) + self._moved(op) for op in draft.ops) * (1 + 0.01 * count)
        return self.work[count]

    def _moved(self, op: Op) -> float:
        """What reading and writing costs."""
        items = [elements(rest(value)) for value in (*op.inputs, *op.outputs) if of_batch(value)]
        self.large = self.large or any(n * self.register > FAR[0] for n in items)
        whole = WHOLE * max(items) if isinstance(op.do, ToStrips | ToWhole) else 0.0
        costs = (n * next((cost for size, cost in (FAR, NEAR) if n * self.register > size), 0.0) for n in items)
        return whole + sum(costs)


def shares(draft: Draft) -> bool:
    """Whether a block is so much work that threads may share it, though they wait for each other at each stage."""
    return sum(map(effort, draft.ops)) >= TEAM * len(draft.ops)


def tried(program: Program, count: int) -> Draft | None:
    """The draft of a program whose examples are cut into `count` strips; None where that is not possible."""
    try:
        draft = cut(prepared(program), count)
    except Impossible:
        return None
    return draft if draft.in_strips else None
