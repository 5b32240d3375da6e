"""From a program to a module: its kernels, and which of them run when.

`Recipe` is everything that the driver needs; `assembled` makes it. The order within a batch is: flat values that
depend on no example; packing of weights; for each block of examples gathering, the stages, and scattering of
results; each thread's sums; then, of all threads' sums together, losses, metrics and updates.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from layerscope.core.sizes import numbers
from layerscope.engine.native import (
    correlate,
    filtered,
    flat,
    lined,
    lines,
    matrices,
    pair_rows,
    pairs,
    parts,
    products,
    roots,
    row_sums,
    rows,
    sizing,
    sliding,
    views,
)
from layerscope.engine.native import packing as packer
from layerscope.engine.native.draft import Draft, prepared
from layerscope.engine.native.flat import Group, Parts
from layerscope.engine.native.ir import Module, bytes_of
from layerscope.engine.native.kernel import Kernel, Memory
from layerscope.engine.native.layout import Buffer, arranged, strided
from layerscope.engine.native.operations import Correlate, Op, Pair, PairPooled, elements, of_batch
from layerscope.engine.native.options import Options
from layerscope.engine.native.stages import Schedule, Stage, scheduled
from layerscope.engine.native.strips import cut
from layerscope.engine.program import Key, Program
from layerscope.engine.program import Value as Node


@dataclass(eq=False)
class Step:
    """A kernel with its place in the order; `group` tells how much there is to share among threads.

    `stage` is what it computes, where that is a stage of the block; `tiles` how many tiles of weights threads share;
    `segment` behind which of them it runs, where it is no stage; `once` whether all threads do a part of it, for each
    block.
    """

    kernel: Kernel
    name: str
    group: Group | None = None
    stage: Stage | None = None
    tiles: int = 0
    segment: int = 0
    once: bool = False


@dataclass(eq=False)
class Recipe:
    """All kernels of a program, and where its outside arrays come in."""

    program: Program
    options: Options
    module: Module
    memory: Memory
    schedule: Schedule
    tables: list[Key] = field(default_factory=list[Key])
    scalars: list[str] = field(default_factory=list[str])
    results: list[Key] = field(default_factory=list[Key])
    shapes: list[list[int]] = field(default_factory=list[list[int]])
    """Of the results."""
    outputs: list[Key] = field(default_factory=list[Key])
    data: list[tuple[Key, int]] = field(default_factory=list[tuple[Key, int]])
    before: list[Step] = field(default_factory=list[Step])
    packs: list[Step] = field(default_factory=list[Step])
    alive: Step | None = None
    gathers: list[Step] = field(default_factory=list[Step])
    stages: list[Step] = field(default_factory=list[Step])
    scatters: list[Step] = field(default_factory=list[Step])
    finish: list[Step] = field(default_factory=list[Step])
    between: list[list[Step]] = field(default_factory=list[list[Step]])
    reports: list[Step] = field(default_factory=list[Step])
    updates: list[Step] = field(default_factory=list[Step])
    ways: dict[Stage, str] = field(default_factory=dict[Stage, str])
    """How kernels' gradients are computed, in words."""

    @property
    def width(self) -> int:
        """How many numbers all results of a batch are."""
        return sum(map(elements, self.shapes))

    @property
    def trains(self) -> bool:
        """Whether weights change."""
        return bool(self.updates)

    def of(self, segment: int) -> list[Step]:
        """What is computed of each block in a segment."""
        return [s for s in self.stages if s.stage and s.stage.segment == segment and not s.stage.shared]

    @property
    def shares(self) -> bool:
        """Whether it pays that threads share a block."""
        return sizing.shares(self.schedule.draft)


def assembled(program: Program, options: Options) -> Recipe:
    """The kernels of a program."""
    draft = prepared(program)
    _shared_targets(draft, options)
    if options.strips > 1:
        draft = cut(draft, options.strips)
    schedule = scheduled(draft)
    module = Module(options.lanes, options.real, options.checked, attributes=options.attributes, fused=options.fused)
    for stage in schedule.stages:
        stage.shared = matrices.suits(module, stage.root, options.large)
    layout = arranged(module, schedule, options.groups, options.guard)
    recipe = Recipe(program, options, module, Memory(layout), schedule)
    builder = _Builder(recipe, draft)
    builder.run()
    return recipe


def _shared_targets(draft: Draft, options: Options) -> None:
    """Targets that are an input's numbers are read once."""
    for number, twin in enumerate(options.same):
        target, data = draft.inputs.get(("target", number)), draft.inputs.get(("data", twin))
        if target is not None and data is not None and target.type == data.type:
            draft.replace(target, data)
            draft.inputs = {key: value for key, value in draft.inputs.items() if value is not target}


class _Builder:
    def __init__(self, recipe: Recipe, draft: Draft) -> None:
        self.recipe, self.draft, self.memory = recipe, draft, recipe.memory
        self.schedule, self.module = recipe.schedule, recipe.module
        self.partial: dict[Node, Buffer] = {}

    def run(self) -> None:
        self._inputs()
        for ops in (self.schedule.before, *self.schedule.between, self.schedule.after):
            ops[:] = flat.plain(ops)
        before, *between = (flat.grouped(ops) for ops in (self.schedule.before, *self.schedule.between))
        for groups in (before, *between):
            self._reserve(groups)
        self._groups(before, self.recipe.before, {})
        for stage in self.schedule.stages:
            self._stage(stage)
        for groups in between:
            self.recipe.between.append([])
            self._groups(groups, self.recipe.between[-1], {})
        self._packs()
        self.recipe.alive = self.step(rows.alive(self.memory))
        self._after()
        self._outputs()

    def step(self, kernel: Kernel, group: Group | None = None) -> Step:
        return Step(kernel, self.module.add(kernel), group)

    # --- inputs ---

    def _inputs(self) -> None:
        real = self.module.real
        used = {v for op in self.draft.ops for v in op.inputs} | set(self.draft.outputs.values())
        arrays = [key for key in self.recipe.program.inputs if key[0] in ("data", "target")]
        order = sorted(arrays, key=lambda key: (key[0] != "data", key[1]))
        for key, value in self.draft.inputs.items():
            if key[0] in ("data", "target"):
                if value in used:
                    number = order.index(key)
                    self.recipe.data.append((key, number))
                    thinned = self.draft.thinned.get(key)
                    kernel = rows.gather(self.memory, value, self.recipe.options.dtypes[number], thinned)
                    self.recipe.gathers.append(self.step(kernel))
                    self._halos([value], Stage(None, ()))
            elif key[0] == "scalar":
                self.recipe.scalars.append(str(key[1]))
                buffer = strided("scalars", real, ())
                buffer.offset = 64 * (len(self.recipe.scalars) - 1)
                self.memory.flat[value] = buffer
            else:
                self._table(key, value)

    def _table(self, key: Key, value: Node) -> None:
        buffer = strided(f"table{len(self.recipe.tables)}", self.module.real, numbers(value.type.shape))
        self.recipe.tables.append(key)
        self.memory.flat[value] = buffer

    # --- the block ---

    def _stage(self, stage: Stage) -> None:
        sums, found = self.recipe.options.sums, self.recipe.stages
        earlier, ended = len(found), len(self.recipe.finish)
        if views.nothing(self.memory.layout.views, stage):
            return
        if stage.root is None:
            found.append(self.step(roots.pointwise(self.memory, stage)))
        elif isinstance(stage.root.do, Correlate):
            found += [self.step(kernel) for kernel in row_sums.clear(self.memory, stage)]
            found += [self.step(kernel) for kernel in self._convolution(stage, sums)]
        elif isinstance(stage.root.do, Pair | PairPooled):
            self._pair(stage, sums)
        else:
            found.append(self.step(roots.rooted(self.memory, stage)))
        for step in found[earlier:]:
            step.stage = stage
        self._halos([value for op in stage.all() for value in op.outputs], stage)
        for op in stage.sums:
            self._sum(op)
        for step in self.recipe.finish[ended:]:
            step.segment = stage.segment

    def _halos(self, values: Iterable[Node], stage: Stage) -> None:
        """Behind who writes strips, their margins."""
        for value in values:
            if (
                value in self.draft.in_strips
                and value in self.memory.layout.buffers
                and value not in self.schedule.aliases
            ):
                kernel = roots.halo(self.memory, self.memory.buffer(value))
                if kernel is not None:
                    step = self.step(kernel)
                    step.stage = stage
                    self.recipe.stages.append(step)

    def _convolution(self, stage: Stage, sums: int) -> list[Kernel]:
        options = self.recipe.options
        plans = correlate.plans(self.memory, stage, sums)
        if found := parts.cut(self.memory, stage, plans, sums, options):
            return filtered.write(self.memory, stage, found, sums, options.large)
        if line := lines.cut(self.memory, stage, plans, sums, options.gain):
            return lined.write(self.memory, stage, *line)
        if products.few(self.memory, stage, options.few):
            return [products.write_few(self.memory, stage, options.few)]
        if len(plans) == 1 and products.suits(self.memory, stage, plans[0]):
            return [products.write(self.memory, stage, plans[0], max(options.large, options.packed))]
        if slid := sliding.plans(self.memory, stage, plans, sums):
            return sliding.write(self.memory, stage, slid)
        return correlate.write(self.memory, stage, plans)

    def _natural(self, value: Node) -> Buffer:
        """A thread's part of a sum over the batch, in the value's own order."""
        buffer = strided("parts", self.module.real, (max(1, elements(numbers(value.type.shape))),))
        self.partial[value] = self.memory.layout.reserve(buffer)
        return buffer

    def _pair(self, stage: Stage, sums: int) -> None:
        assert stage.root is not None
        options, output = self.recipe.options, stage.root.outputs[0]
        if stage.shared:
            self.recipe.ways[stage] = matrices.TITLE
            shape = numbers(output.type.shape)
            into = self.memory.flat[output] = self.memory.layout.reserve(strided("flat", self.module.real, shape))
            step = self.step(matrices.write(self.memory, stage.root, into, sums))
            step.tiles = matrices.rows(cast(Pair, stage.root.do), self.module.lanes, sums)
            self.recipe.stages.append(step)
            return
        partial = pairs.plan(self.memory, stage, sums, options.gain, options.large, options.once)
        self.recipe.ways[stage] = partial.title
        steps = [self.step(kernel) for kernel in pairs.write(self.memory, partial)]
        self.recipe.stages += steps
        if partial.once:
            self.memory.flat[output] = partial.buffers[0]
            for step, part in zip(steps, partial.parts, strict=True):
                step.once, step.tiles = True, pair_rows.turns(partial.pair, part)
            return
        if partial.natural(self.module.lanes):
            self.partial[output] = partial.buffers[0]
            return
        natural = self._natural(output)
        self.recipe.finish.append(self.step(pairs.unpack(self.memory, partial, natural)))

    def _sum(self, op: Op) -> None:
        """Add up the lanes; a mean divides by the examples of the batch and the other elements."""
        k = Kernel(self.memory)
        value = op.outputs[0]
        natural, source = k.array(self._natural(value)), k.array(self.memory.sums[value])
        count = max(1, elements(numbers(value.type.shape)))
        with k.loop(count) as (i, _):
            total = k.lane(rows.lane_sums(k, [k.load(source, i)]), 0)
            if op.do.how == "mean":
                shape = op.inputs[0].type.shape
                others = elements(n for axis, n in enumerate(shape) if axis in op.do.axes and isinstance(n, int))
                examples = k.load(k.array(self.memory.examples), 0)
                total = k.fdiv(total, k.fmul(examples, k.constant(float(others * op.strips), self.module.real)))
            k.store(total, natural, i)
        k.ret()
        self.recipe.finish.append(self.step(k))

    def _packs(self) -> None:
        for kernel, do, packing, buffer in self.memory.layout.packings:
            if isinstance(packing, parts.Packing):
                step = self.step(packer.pack_products(self.memory, kernel, do, packing, buffer))
            else:
                step = self.step(packer.pack(self.memory, kernel, do, packing, buffer))
                step.tiles = packer.tiles(do, packing)
            self.recipe.packs.append(step)

    # --- before, between and after the blocks ---

    def _reserve(self, groups: Sequence[Group], outputs: Mapping[Node, Buffer] | None = None) -> None:
        """Memory for what groups make that others read: the stages, and groups here and elsewhere. Outputs of the
        program have theirs.
        """
        outputs = outputs or {}
        read = {v for stage in self.schedule.stages for op in stage.all() for v in op.inputs}
        read |= {v for op in self.schedule.uniform.values() for v in op.inputs}
        read |= set(self.draft.outputs.values())
        made = {group: group.made() for group in groups}
        home = {op: made[group] for group in groups for op in group.ops}
        for op in (*self.schedule.flats, *home):
            read.update(v for v in op.inputs if v not in home.get(op, ()))
        for group in groups:
            for value in made[group]:
                if value in outputs:
                    self.memory.flat[value] = outputs[value]
                elif value in read or group.nest:
                    buffer = strided("flat", self.module.real, numbers(value.type.shape))
                    self.memory.flat[value] = self.memory.layout.reserve(buffer)

    def _groups(self, groups: Sequence[Group], into: list[Step], stores: Mapping[Node, Buffer]) -> None:
        for group in sorted(groups, key=lambda g: g.level):
            own = {value: self.memory.flat[value] for value in group.made() if value in self.memory.flat}
            into.append(self.step(flat.write(self.memory, group, Parts(self.partial), own | dict(stores)), group))

    def _after(self) -> None:
        outputs: dict[Node, Buffer] = {}
        ops = self.schedule.after
        made = {v for op in ops for v in op.outputs}
        reports: set[Node] = set()
        for key, value in self.draft.outputs.items():
            if of_batch(value):
                continue
            if value not in made or value in outputs:
                ops.append(flat.copied(value))
                value = ops[-1].outputs[0]
            outputs[value] = self._destination(key, value)
            if key[0] in ("loss", "metric"):
                reports.add(value)
        groups = flat.grouped(ops)
        early = flat.needed(ops, reports)
        self._behind_readers(groups, outputs, early)
        self._reserve(groups, outputs)
        first = [g for g in groups if early.intersection(g.made())]
        self._groups(first, self.recipe.reports, outputs)
        self._groups([g for g in groups if g not in first], self.recipe.updates, outputs)

    def _behind_readers(self, groups: list[Group], outputs: dict[Node, Buffer], early: set[Node]) -> None:
        """A weight is written in place: where others still read what it was, or what makes it does so along axes, or
        the loss is not known yet, it is made elsewhere and copied at the end.
        """
        last = max((group.level for group in groups), default=0)
        tables = {id(buffer): value for value, buffer in self.memory.flat.items()}
        for group in list(groups):
            for value in [value for value in group.made() if value in outputs]:
                old = tables.get(id(outputs[value]))
                later = [g for g in groups if (g is not group or g.nest) and g.level >= group.level]
                reads = any(old in op.inputs for g in later for op in g.ops)
                if old and (reads or early.intersection(group.made())):
                    copy = flat.copied(value)
                    outputs[copy.outputs[0]] = outputs.pop(value)
                    self.schedule.after.append(copy)
                    groups.append(Group(flat.size(value), last + 1, [copy]))

    def _destination(self, key: Key, value: Node) -> Buffer:
        if key[0] in ("loss", "metric"):
            shape = numbers(value.type.shape)
            buffer = strided("results", self.module.real, (elements(shape),))
            buffer.offset = bytes_of(self.module.real) * self.recipe.width
            self.recipe.results.append(key)
            self.recipe.shapes.append(list(shape))
            return buffer
        return self.memory.flat[self.recipe.program.inputs[key]]

    def _outputs(self) -> None:
        for key, value in self.draft.outputs.items():
            if key[0] == "output" and of_batch(value):
                self.recipe.outputs.append(key)
                self.recipe.scatters.append(self.step(rows.scatter(self.memory, value)))
