"""Programs as machine code: written, compiled, kept on disk, loaded, and run by threads."""

from __future__ import annotations

import contextlib
import ctypes
import json
import mmap
import os
import struct
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from layerscope.core.errors import DataError, SettingError
from layerscope.engine.native import assembly, barriers, driver, guards, objects, workers
from layerscope.engine.native.assembly import Recipe
from layerscope.engine.native.cache import Cache
from layerscope.engine.native.options import Options
from layerscope.engine.native.targets import Target
from layerscope.engine.plan import Compiling
from layerscope.engine.program import Key, Program

Array = np.ndarray[Any, Any]
PAGE = 2 << 20


@dataclass(eq=False)
class Code:
    """Machine code of one program with what must be known to call it."""

    loaded: objects.Loaded
    options: Options
    tables: list[Key]
    scalars: list[str]
    results: list[Key]
    shapes: list[list[int]]
    outputs: list[Key]
    sizes: Mapping[str, int]
    trains: bool
    guards: list[list[Any]]
    planes: list[list[int]]
    shares: bool
    """Whether it pays that threads share a block."""

    def __post_init__(self) -> None:
        kind = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)
        self.work = kind(self.loaded.address("work"))
        self.memory: dict[tuple[int, int, int], Memory] = {}
        self.kept: dict[Key, list[Array]] = {}  # results whose memory may be used again
        self.pace: float | None = None  # seconds an example took last time

    def violations(self) -> int:
        """How often checked code touched what is not its own."""
        return ctypes.c_int64.from_address(self.loaded.address("violations")).value if self.options.checked else 0


class Memory:
    """Zeroed memory for some threads, on large pages where the system has them."""

    def __init__(self, size: int) -> None:
        # Shared mappings, which are Python's default, get no large pages on most systems.
        private = {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS} if hasattr(mmap, "MAP_PRIVATE") else {}
        whole = -(-size // PAGE) * PAGE if size > PAGE // 4 else size
        self.map = mmap.mmap(-1, whole + PAGE, **private)
        if hasattr(mmap, "MADV_HUGEPAGE") and size > PAGE // 4:
            with contextlib.suppress(OSError):  # a kernel without them
                self.map.madvise(mmap.MADV_HUGEPAGE)
        self.view = (ctypes.c_char * (whole + PAGE)).from_buffer(self.map)
        start = ctypes.addressof(self.view)
        self.address = -(-start // PAGE) * PAGE
        self.bytes = np.frombuffer(self.map, np.uint8)[self.address - start :][:size]


def compiled(program: Program, options: Options, target: Target, cache: Cache, compiling: Compiling) -> Code:
    """The code of a program: from the cache, or written and compiled now (within `compiling`)."""
    key = cache.key(_text(program), repr(replace(options, team=0)), target.name)  # code is for any team
    stored = cache.get(key)
    if stored is not None:
        size = struct.unpack("<Q", stored[:8])[0]
        return _loaded(json.loads(stored[8 : 8 + size]), stored[8 + size :], options)
    with compiling():
        head, data = _made(program, options, key)
    cache.put(key, struct.pack("<Q", len(head)) + head + data)
    return _loaded(json.loads(head), data, options)


def _made(program: Program, options: Options, key: str) -> tuple[bytes, bytes]:
    """What must be known to call the code, as JSON, and the object file."""
    recipe = assembly.assembled(program, options)
    text = driver.write(recipe)
    if folder := os.environ.get("LAYERSCOPE_DUMP"):
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, f"{key[:12]}.ll"), "w", encoding="utf-8") as file:
            file.write(text)
    reserved = recipe.memory.layout.regions
    facts = {
        "tables": recipe.tables,
        "scalars": recipe.scalars,
        "results": recipe.results,
        "shapes": recipe.shapes,
        "outputs": recipe.outputs,
        "sizes": {**driver.regions(recipe), **{n: reserved.get(n, 0) for n in ("packed", "flat")}},
        "trains": recipe.trains,
        "guards": guards.spots(recipe.memory.layout),
        "planes": recipe.memory.planes,
        "shares": recipe.shares,
    }
    return json.dumps(facts).encode(), objects.compile(text, objects.host(), fast=not options.checked)


def _loaded(facts: dict[str, Any], data: bytes, options: Options) -> Code:
    keys = {name: [tuple(key) for key in facts.pop(name)] for name in ("tables", "results", "outputs")}
    return Code(objects.load(data), options, **keys, **facts)


def _text(program: Program) -> str:
    """All that a program is, as text."""
    lines = [
        f"{step.primitive!r} {[v.index for v in step.inputs]} {[(v.index, str(v.type)) for v in step.outputs]}"
        for step in program.instructions
    ]
    lines += [f"{key} {value.index} {value.type} {value.type.dtype}" for key, value in program.inputs.items()]
    return "\n".join([*lines, *(f"{key} {value.index}" for key, value in program.outputs.items())])


THREADS = "LAYERSCOPE_THREADS"


def thread_count(asked: int | None) -> int:
    """How many threads work: as asked, by LAYERSCOPE_THREADS, or as many as cores that this process may use.

    Raises SettingError for a variable that is no number of threads.
    """
    if asked:
        return asked
    given = os.environ.get(THREADS, "")
    if given:
        if not given.isdecimal() or not int(given):
            raise SettingError(
                f"{THREADS} is {given!r}; it must be a whole number from 1 on, or unset for all cores."
            )
        return int(given)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass
class Call:
    """One entry of all threads: settings of the job, and the arrays. `results` has a row for each batch from `first`
    on."""

    count: int
    batch: int
    first: int
    end: int
    order: Array
    arrays: Sequence[Array]
    outputs: Sequence[Array]
    tables: Sequence[Array]
    scalars: Array
    results: Array
    seed: int
    step: int
    done: int = 0
    """How many batches are complete, counted from number 0 on; set by `run`, whatever happens."""


def blocks_of(code: Code, call: Call) -> int:
    """How many blocks a whole batch of a call has."""
    return blocks(code.options, min(call.batch, call.count))


def blocks(options: Options, examples: int) -> int:
    """How many blocks so many examples are."""
    return -(-examples // options.block)


def teams(code: Code | Recipe, threads: int, blocks: int) -> tuple[int, int]:
    """How many teams of threads there are, which get blocks in turn, and how many threads each has."""
    if blocks >= threads:
        return threads, 1
    size = code.options.team or (threads // blocks if code.shares else 1)
    return blocks, max(1, min(size, threads // blocks))


def memory_size(code: Code, threads: int, blocks: int = 1) -> int:
    """Bytes that some threads need for a call: each its own, what they share, and what blocks of a batch keep."""
    many, size = teams(code, threads, blocks)
    shared = code.sizes["packed"] + code.sizes["flat"] + barriers.TEAM_BYTES * many + 8192
    return code.sizes["all"] * many * size + code.sizes["kept"] * -(-blocks // many) * many + shared


def run(code: Code, call: Call, threads: int, watch: Callable[[int], bool]) -> tuple[int, int]:
    """Run a call; `watch(done)` is asked now and then and stops it by False. (status, bad batch or plane)."""
    call.done = call.first
    blocks = blocks_of(code, call)
    many, team = teams(code, threads, blocks)
    # Taken while in use: who calls the same code meanwhile, from a thread or a callback, gets memory of its own.
    turns = -(-blocks // many) if code.sizes["kept"] else 1
    memory = code.memory.pop((many, team, turns), None) or Memory(memory_size(code, threads, blocks))
    threads = many * team
    job = np.zeros(driver.POINTERS + len(call.tables) + len(call.arrays) + len(call.outputs) + 8, np.int64)
    packed = -(-(memory.address + code.sizes["all"] * threads) // 4096) * 4096
    flat = packed + -(-code.sizes["packed"] // 64) * 64
    meeting = flat + -(-code.sizes["flat"] // 64) * 64
    kept = meeting + barriers.TEAM_BYTES * many
    settings = {
        driver.COUNT: call.count,
        driver.BATCH: call.batch,
        driver.ORDER: call.order.ctypes.data,
        driver.FIRST: call.first,
        driver.END: call.end,
        driver.SCALARS: call.scalars.ctypes.data,
        driver.RESULTS: call.results.ctypes.data - call.first * call.results.strides[0],
        driver.PACKED: packed,
        driver.FLAT: flat,
        driver.KEPT: kept,
        driver.KEPT_STRIDE: code.sizes["kept"] * turns,
        driver.MEMORY: memory.address,
        driver.STRIDE: code.sizes["all"],
        driver.SEED: call.seed,
        driver.AT: call.step,
        driver.THREADS: threads,
        driver.TEAM: team,
        driver.TEAMS: meeting,
    }
    job[list(settings)] = list(settings.values())
    pointers = [array.ctypes.data for array in (*call.tables, *call.arrays, *call.outputs)]
    job[driver.POINTERS : driver.POINTERS + len(pointers)] = pointers
    own = _places(code, job, many * turns) if code.guards else []
    violations = code.violations()
    guards.fill(memory.bytes, own, code.guards)
    try:
        _enter(code, job, threads, watch, _soon(code, job, blocks))
    finally:
        call.done = max(call.first, int(job[driver.DONE]))
    guards.check(memory.bytes, own, code.guards)
    if code.violations() != violations:
        raise RuntimeError(f"compiled code missed its arrays {code.violations() - violations} times")
    code.memory[many, team, turns] = memory
    return int(job[driver.STATUS]), int(job[driver.BAD])


def check(code: Code, status: int, plane: int) -> None:
    """DataError for a switch that points outside its plane."""
    if status == driver.BAD_SWITCH:
        sizes = "×".join(map(str, code.planes[plane]))
        raise DataError(f"max unpooling: a switch points outside the plane of {sizes}")


def _soon(code: Code, job: Array, blocks: int) -> bool:
    """Whether a call is done before one could look, by what the last one took; the first one if it is a block."""
    if code.pace is None:
        return bool(job[driver.THREADS] * blocks * (job[driver.END] - job[driver.FIRST]) == 1)
    return code.pace * _examples(job) < workers.WATCH_SECONDS


def _examples(job: Array) -> int:
    """How many there are in a job's batches."""
    first, end = (int(job[word] * job[driver.BATCH]) for word in (driver.FIRST, driver.END))
    return max(1, min(int(job[driver.COUNT]), end) - first)


def _places(code: Code, job: Array, kept: int) -> list[dict[str, int]]:
    """Where regions begin in a job's memory: of each thread, those that all share, and what so many blocks keep."""
    words = {"packed": driver.PACKED, "flat": driver.FLAT, "kept": driver.KEPT}
    at = {name: int(job[word] - job[driver.MEMORY]) for name, word in words.items()}
    found = [
        {name: code.sizes["all"] * thread + code.sizes[name] for name in driver.THREAD_REGIONS}
        for thread in range(int(job[driver.THREADS]))
    ]
    found.append({name: at[name] for name in ("packed", "flat")})
    return found + [{"kept": at["kept"] + number * code.sizes["kept"]} for number in range(kept)]


def _enter(code: Code, job: Array, threads: int, watch: Callable[[int], bool], here: bool) -> None:
    """Let the threads work, this one among them with `here`; look after them until all are done, whatever happens
    here meanwhile.
    """

    def stop() -> None:
        job[driver.STOP] = 1

    start = time.perf_counter()
    workers.run(code.work, job.ctypes.data, threads, here, lambda: watch(int(job[driver.DONE])), stop)
    if not job[driver.STOP]:
        code.pace = (time.perf_counter() - start) / _examples(job)
