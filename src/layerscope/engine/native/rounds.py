"""What all threads compute together of all blocks, each a part of the result: gradients that are held once."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from layerscope.engine.native import driver
from layerscope.engine.native.ir import Index, Value

if TYPE_CHECKING:
    from layerscope.engine.native.driver import Work


def shared(work: Work, count: Value, segment: int) -> None:
    """What is computed behind a segment, of what its blocks have kept."""
    k = work.k
    steps = [s for s in work.recipe.stages if s.stage and s.stage.shared and s.stage.segment == segment]
    if not steps:
        return
    work.wait()
    kept, size, stride = work.pointer(driver.KEPT), driver.regions(work.recipe)["kept"], work.word(driver.KEPT_STRIDE)
    for step in steps:
        low, high = work.tiles(step)
        with k.loop(_blocks(work, count)) as (number, _):
            turn, team = (k.put("i64", f"{how} {number}, {work.teams.name}") for how in ("udiv", "urem"))
            place = k.i64(k.add(k.mul(team, stride), k.mul(turn, size)))
            work.bases["kept"] = k.put("ptr", f"getelementptr i8, {kept}, {place}")
            work.run(step, low, high, _zero(work, number))


def once(work: Work, count: Value, segment: int, mine: Value) -> None:
    """The stages of a segment where no team has more than a block: `mine` says whether this one has it. For what is
    held once all threads wait for each other, so that each finds every block where its team has it.
    """
    k = work.k
    for together, steps in itertools.groupby(work.recipe.of(segment), lambda step: step.once):
        if not together:
            with k.when(mine):
                for step in steps:
                    work.together(step)
            continue
        own = dict(work.bases)
        work.wait()
        for step in steps:
            low, high = work.tiles(step)
            with k.loop(_blocks(work, count)) as (number, _):
                far = k.mul(k.mul(number, work.team), work.stride)
                start = k.i64(k.add(far, driver.regions(work.recipe)["scratch"]))
                work.bases["scratch"] = k.put("ptr", f"getelementptr i8, {work.pointer(driver.MEMORY)}, {start}")
                start = k.i64(k.mul(number, work.word(driver.KEPT_STRIDE)))
                work.bases["kept"] = k.put("ptr", f"getelementptr i8, {work.pointer(driver.KEPT)}, {start}")
                work.run(step, low, high, _zero(work, number))
        work.bases = own
        work.wait()


def _blocks(work: Work, count: Value) -> Index:
    """How many blocks a batch of so many examples has."""
    block = work.recipe.options.block
    return work.k.div(work.k.add(count, block - 1), block)


def _zero(work: Work, number: Index) -> Value:
    """1 for the first block."""
    return work.k.put("i64", f"zext {work.k.icmp('eq', number, 0)} to i64")
