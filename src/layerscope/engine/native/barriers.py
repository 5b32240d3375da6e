"""Where threads wait: all of them, or a team, which works on a block."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from layerscope.engine.native.ir import Code, Value

if TYPE_CHECKING:
    from layerscope.engine.native.assembly import Recipe

TEAM_BYTES = 256
"""What a team of threads shares besides a block: its barrier and whether it goes on, on cache lines of their own."""

TOLD = 16
"""The word of a team that says whether to end; the words of its barrier are 0 and 8."""


def write(recipe: Recipe) -> None:
    """Add the function `barrier(arrived, turn, threads)`: wait until so many threads are here. The last one opens the
    turn for the others.
    """
    k = Code(recipe.module, [("arrived", "ptr"), ("turn", "ptr"), ("threads", "i64")])
    arrived, turn, threads = k.arguments
    ready, wait, spin, rest, done, alone = (k.label() for _ in range(6))
    k.branch_if(k.icmp("eq", threads, 1), alone, ready)
    k.start(alone)
    k.ret()
    k.start(ready)
    now = k.put("i64", f"load atomic i64, {turn} acquire, align 8")
    before = k.put("i64", f"atomicrmw add {arrived}, i64 1 acq_rel")
    last = k.icmp("eq", k.add(before, 1), threads)
    following = k.add(now, 1)
    opens = k.label()
    k.branch_if(last, opens, wait)
    k.start(opens)
    k.line(f"store atomic i64 0, {arrived} monotonic, align 8")
    k.line(f"store atomic {following}, {turn} release, align 8")
    k.branch(done)
    k.start(wait)
    k.branch(spin)
    k.start(spin)
    count = k.put("i64", f"phi i64 [ 0, %{wait} ], [ %next, %{rest} ]")
    if recipe.options.pause:
        k.line(recipe.options.pause)
    here = k.put("i64", f"load atomic i64, {turn} acquire, align 8")
    k.line(f"%next = add i64 {count.name}, 1")
    passed = k.icmp("ne", here, now)
    tired = k.label()
    k.branch_if(passed, done, tired)
    k.start(tired)
    if sys.platform != "win32":
        recipe.module.declare("i32", "sched_yield")
        with k.when(k.icmp("ugt", count, 4000)):
            k.call("i32", "sched_yield")
    k.branch(rest)
    k.start(rest)
    k.branch(spin)
    k.start(done)
    k.ret()
    recipe.module.add(k, "barrier")


def asked(k: Code, now: Value, place: Value, team: Value, member: Value, meet: Callable[[], None]) -> Value:
    """A word as a team's first thread reads it (`now`), so that all of the team have the same."""
    alone, many, done = k.label(), k.label(), k.label()
    told = k.put("ptr", f"getelementptr i64, {place}, i64 {TOLD}")
    k.branch_if(k.icmp("eq", team, 1), alone, many)
    k.start(many)
    with k.when(k.icmp("eq", member, 0)):
        k.line(f"store atomic {now}, {told} release, align 8")
    meet()
    found = k.put("i64", f"load atomic i64, {told} acquire, align 8")
    meet()  # nobody tells anything new before all have read
    after = k.block
    k.branch(done)
    k.start(alone)
    k.branch(done)
    k.start(done)
    return k.put("i64", f"phi i64 [ {found.name}, %{after} ], [ {now.name}, %{alone} ]")


def pause(architecture: str) -> str:
    """The instruction by which a processor waits a moment, where it has one."""
    if architecture == "x86_64":
        return "call void @llvm.x86.sse2.pause()"
    return "call void @llvm.aarch64.hint(i32 1)" if architecture == "aarch64" else ""
