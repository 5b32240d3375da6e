"""Who computes which blocks where these have nothing in common; and what all threads compute together of all blocks,
each a part of the result: gradients that are held once.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Generator
from typing import TYPE_CHECKING

from layerscope.engine.native import driver
from layerscope.engine.native.ir import Index, Value

if TYPE_CHECKING:
    from layerscope.engine.native.assembly import Recipe
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


def independent(recipe: Recipe) -> bool:
    """Whether blocks have nothing in common, not even sums, so that any thread may compute any of them."""
    alone = recipe.reports or recipe.trains or recipe.between or recipe.memory.layout.regions.get("kept", 0)
    return not alone and not any(step.once for step in recipe.stages)


@contextlib.contextmanager
def parts(work: Work, count: Value) -> Generator[tuple[Value, Value]]:
    """Loops over parts of the examples, (first, the one behind the last), which whoever is ready takes: neighbouring
    blocks, so that no two threads ask for the same page of results; the fewer are left, the fewer at once. Teams of
    several threads have one part each.
    """
    k, block = work.k, work.recipe.options.block
    blocks = k.i64(_blocks(work, count))
    many = k.icmp("ne", work.team, 1)
    each = k.put("i64", f"udiv i64 {k.i64(k.add(blocks, work.teams, -1)).name}, {work.teams.name}")
    found: list[Value] = []

    def going(turn: Value) -> Value:
        left, share = k.i64(k.sub(blocks, work.shared(driver.NEXT))), k.i64(k.mul(work.teams, 2))
        half = k.intrinsic("smax", "i64", k.put("i64", f"sdiv {left}, {share.name}"), k.i64(1))
        size = k.select(many, each, half)
        taken = k.put("i64", f"atomicrmw add {work.word_at(driver.NEXT)}, {half} monotonic")
        own = k.select(k.icmp("eq", turn, 0), k.i64(k.mul(work.number, each)), blocks)
        first = k.select(many, own, taken)
        found[:] = first, size
        return k.icmp("slt", first, blocks)

    with k.loop_while(going, k.i64(0), k.i64(1)):
        first, size = found
        end = k.intrinsic("smin", "i64", count, k.i64(k.mul(k.add(first, size), block)))
        yield k.i64(k.mul(first, block)), end


def _blocks(work: Work, count: Value) -> Index:
    """How many blocks a batch of so many examples has."""
    block = work.recipe.options.block
    return work.k.div(work.k.add(count, block - 1), block)


def _zero(work: Work, number: Index) -> Value:
    """1 for the first block."""
    return work.k.put("i64", f"zext {work.k.icmp('eq', number, 0)} to i64")
