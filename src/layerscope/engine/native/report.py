"""Which layer runs how: what `Model.engine_report()` says."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from layerscope.engine.native import assembly, compiled, correlate, lines, objects, parts, products, sliding, views
from layerscope.engine.native.operations import Alive, Correlate, Op, Pair, PairPooled, ToStrips, ToWhole, Within
from layerscope.engine.native.options import Options
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
    batch_size: int = 0
    """For batches of how many examples, where that matters."""

    def __str__(self) -> str:
        threads = f"{self.threads} thread{'s' * (self.threads != 1)}"
        title = f"{self.engine} engine, {self.precision}, {self.target}, {threads}"
        title += f", batches of {self.batch_size}" if self.batch_size else ""
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


Suited = Callable[[Program, Options], Options]
"""The options with which a program is compiled."""


def report(
    job: Job,
    options: Options,
    threads: int | None,
    precision: str,
    suited: Suited = lambda program, options: options,
    batch_size: int = 0,
) -> EngineReport:
    """The loop nests of a job's programs as the native engine runs them; `suited` is for batches of `batch_size`."""
    target, threads = objects.chosen(objects.host()), compiled.thread_count(threads)
    rows: list[Row] = []
    for name, program in _programs(job):
        count = sum(key[0] in ("data", "target") for key in program.inputs)
        asked = dataclasses.replace(suited(program, options), dtypes=("float32",) * count, same=())
        recipe = assembly.assembled(program, asked)
        many = compiled.blocks(recipe.options, batch_size)
        rows += _rows(name, recipe, compiled.teams(recipe, threads, many)[1] if many else 1)
    described = f"{target.name} ({options.lanes} examples at a time)"
    return EngineReport("native", described, precision, threads, tuple(rows), batch_size)


def _rows(name: str, recipe: assembly.Recipe, team: int) -> Iterator[Row]:
    turns = {step.stage for step in recipe.stages if step.kernel.turns}
    for stage in recipe.schedule.stages:
        row = described(name, recipe, stage)
        shared = team > 1 and stage in turns
        yield dataclasses.replace(row, way=f"{row.way}; {team} threads a block") if shared else row
    if recipe.updates:
        weights = sum(key[0] == "weight" for key in recipe.program.outputs)
        loops = "one loop a weight" if len(recipe.updates) == weights else f"{len(recipe.updates)} loops"
        yield Row(name, (), f"update of {weights} weights", f"{loops}, shared among the threads")


def described(program: str, recipe: assembly.Recipe, stage: Stage) -> Row:
    """The row of a stage."""
    labels = tuple(dict.fromkeys(op.label for op in stage.all() if op.label))
    work, way = _described(recipe, stage)
    return Row(program, labels, work, way + _cut(recipe, stage))


def _cut(recipe: assembly.Recipe, stage: Stage) -> str:
    """Where examples are in strips, whether this computes strips."""
    draft = recipe.schedule.draft
    if draft.strips == 1:
        return ""
    strips = any(value in draft.in_strips for op in stage.all() for value in (*op.inputs, *op.outputs))
    return f"; {draft.strips} strips an example" if strips else "; each example whole"


def _described(recipe: assembly.Recipe, stage: Stage) -> tuple[str, str]:
    more = [_name(op) for op in stage.ops if not isinstance(op.do, Alive | Within)] + ["max pooling"] * bool(
        stage.pool
    )
    more += ["to winners"] * len(stage.spreads) + ["sum over the batch"] * len(stage.sums)
    more += ["sums of rows"] * len(stage.planes)
    fused = f"; in registers: {', '.join(dict.fromkeys(more))}" if more else ""
    if stage.root is None:
        cleared = any(isinstance(op.do, Within) for op in stage.ops)
        return ", ".join(dict.fromkeys(more)) or ("zeros in rows to spare" if cleared else "copy"), "one loop"
    if views.nothing(recipe.memory.layout.views, stage):
        return _name(stage.root), "no loop: each part is written to its place"
    do = stage.root.do
    if isinstance(do, Correlate):
        found = correlate.plans(recipe.memory, stage, recipe.options.sums)
        if pieces := parts.cut(recipe.memory, stage, found, recipe.options.sums, recipe.options):
            return do.title, f"{parts.described(pieces)}{fused}"
        if line := lines.cut(recipe.memory, stage, found, recipe.options.sums, recipe.options.gain):
            return do.title, f"{lines.described(line[0])}{fused}"
        if products.few(recipe.memory, stage, recipe.options.few):
            return do.title, f"the matrix read as it lies, for up to {recipe.options.few} examples{fused}"
        if slid := sliding.plans(recipe.memory, stage, found, recipe.options.sums):
            found = slid
        tile = found[0].tile
        size = "×".join(map(str, tile.positions[1:])) or "1"
        phases = f", {len(found)} phases" if len(found) > 1 else ""
        return do.title, f"tile of {size} positions × {tile.channels} channels{phases}{fused}"
    if isinstance(do, Pair | PairPooled):
        return (do.pair if isinstance(do, PairPooled) else do).title, recipe.ways[stage]
    return _name(stage.root), f"one loop{fused}"


def _name(op: Op) -> str:
    if isinstance(op.do, ToStrips | ToWhole):
        return "into strips" if isinstance(op.do, ToStrips) else "out of strips"
    function = getattr(op.do, "function", None) or getattr(op.do, "title", None)
    return function or type(op.do).__name__
