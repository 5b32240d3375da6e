"""Which layer runs how: what `Model.engine_report()` says."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

from layerscope.engine.native import assembly, compiled, correlate, objects, parts
from layerscope.engine.native.assembly import Options
from layerscope.engine.native.operations import Correlate, Op, Pair, PairPooled
from layerscope.engine.native.stages import Stage
from layerscope.engine.plan import Job
from layerscope.engine.program import Program


@dataclass(frozen=True)
class Row:
    """One loop nest: whose it is, in which program, what it computes, and how."""

    program: str
    layers: tuple[str, ...]
    work: str
    way: str


@dataclass(frozen=True)
class EngineReport:
    """The engine, its target, and one row for each loop nest."""

    engine: str
    target: str
    precision: str
    threads: int
    rows: tuple[Row, ...]

    def __str__(self) -> str:
        threads = f"{self.threads} thread{'s' * (self.threads != 1)}"
        title = f"{self.engine} engine, {self.precision}, {self.target}, {threads}"
        cells = [(row.program, ", ".join(row.layers), row.work, row.way) for row in self.rows]
        head = ("program", "layers", "work", "how")
        widths = [max(len(row[n]) for row in [head, *cells]) for n in range(3)]
        lines = [
            "  ".join([*(c.ljust(w) for c, w in zip(row, widths, strict=False)), row[3]]) for row in [head, *cells]
        ]
        return "\n".join([title, "", *(line.rstrip() for line in lines)])


def reference_report(job: Job, precision: str) -> EngineReport:
    """Every instruction is one call of NumPy."""
    rows = [
        Row(name, (step.label,) if step.label else (), type(step.primitive).__name__, "NumPy")
        for name, program in _programs(job)
        for step in program.instructions
    ]
    return EngineReport("reference", "NumPy", precision, 1, tuple(rows))


def _programs(job: Job) -> Iterator[tuple[str, Program]]:
    if job.update is not None and job.aims:
        yield "training", job.training
    yield "inference", job.inference


def report(job: Job, options: Options, threads: int | None, precision: str) -> EngineReport:
    """The loop nests of a job's programs as the native engine runs them."""
    host = objects.host()
    target = objects.chosen(host)
    rows: list[Row] = []
    for name, program in _programs(job):
        count = sum(key[0] in ("data", "target") for key in program.inputs)
        asked = dataclasses.replace(options, dtypes=("float32",) * count, same=())
        rows += _rows(name, assembly.assembled(program, asked))
    described = f"{target.name} ({options.lanes} examples at a time)"
    return EngineReport("native", described, precision, compiled.thread_count(threads), tuple(rows))


def _rows(name: str, recipe: assembly.Recipe) -> Iterator[Row]:
    for stage in recipe.schedule.stages:
        yield described(name, recipe, stage)
    if recipe.updates:
        weights = sum(key[0] == "weight" for key in recipe.program.outputs)
        loops = "one loop a weight" if len(recipe.updates) == weights else f"{len(recipe.updates)} loops"
        yield Row(name, (), f"update of {weights} weights", f"{loops}, shared among the threads")


def described(program: str, recipe: assembly.Recipe, stage: Stage) -> Row:
    """The row of a stage."""
    labels = tuple(dict.fromkeys(op.label for op in stage.all() if op.label))
    return Row(program, labels, *_described(recipe, stage))


def _described(recipe: assembly.Recipe, stage: Stage) -> tuple[str, str]:
    more = [_name(op) for op in stage.ops] + ["max pooling"] * bool(stage.pool)
    more += ["to winners"] * len(stage.spreads) + ["sum over the batch"] * len(stage.sums)
    fused = f"; in registers: {', '.join(dict.fromkeys(more))}" if more else ""
    if stage.root is None:
        return ", ".join(dict.fromkeys(more)) or "copy", "one loop"
    do = stage.root.do
    if isinstance(do, Correlate):
        found = correlate.plans(recipe.memory, stage, recipe.options.sums)
        if pieces := parts.cut(recipe.memory, stage, found, recipe.options.sums, recipe.options.gain):
            return do.title, f"{parts.described(pieces)}{fused}"
        tile = found[0].tile
        size = "×".join(map(str, tile.positions[1:])) or "1"
        phases = f", {len(found)} phases" if len(found) > 1 else ""
        return do.title, f"tile of {size} positions × {tile.channels} channels{phases}{fused}"
    if isinstance(do, Pair | PairPooled):
        return (do.pair if isinstance(do, PairPooled) else do).title, recipe.ways[stage]
    return _name(stage.root), f"one loop{fused}"


def _name(op: Op) -> str:
    function = getattr(op.do, "function", None)
    return function or type(op.do).__name__
