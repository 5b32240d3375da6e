"""Values that lie in another one's memory: what is concatenated along channels is written to its place there at once.

Then nothing is copied, and what each part took beside the whole is not needed: of a dense block, whose layers read
all that came before, there is one value instead of a longer one for each layer.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from layerscope.engine.native.operations import Correlate, of_batch, rest
from layerscope.engine.native.stages import Schedule, Stage
from layerscope.engine.primitives import pool
from layerscope.engine.primitives.map import Map
from layerscope.engine.primitives.shape import Concatenate
from layerscope.engine.program import Value

WRITERS = Correlate | pool.PoolMax | Concatenate
"""Roots that write their results, and nothing around them."""

Life = tuple[int, int, bool]
"""The first and the last stage that need a value, and whether its maker writes all of it."""

Views = dict[Value, tuple[Value, int]]
"""For values that lie in another one's memory that one, and from which channel on."""


def found(
    schedule: Schedule, lives: Mapping[Value, Life], kept: Collection[Value], dense: Collection[Value]
) -> Views:
    """The views of a schedule: of what is concatenated whatever has a maker that can write anywhere."""
    makers = {value: stage for stage in schedule.stages for op in stage.all() for value in op.outputs}
    outputs, views = set(schedule.draft.outputs.values()), Views()
    for stage in schedule.stages:
        if not _plain(stage) or stage.root is None or stage.root.outputs[0] not in lives:
            continue
        whole, start = stage.root.outputs[0], 0
        for value in stage.root.inputs:
            life, maker = lives.get(value), makers.get(value)
            fits = (
                life is not None
                and maker is not None
                and life[0] >= 0
                and life[2]
                and _written(maker, value)
                and value not in views
                and stage.root.inputs.count(value) == 1
                and not {value, whole} & (outputs | set(dense))
                and (value not in kept or whole in kept)
                and schedule.draft.in_strips.get(value) == schedule.draft.in_strips.get(whole)
                and value.type.dtype == whole.type.dtype
            )
            if fits:
                views[value] = whole, start
            start += rest(value)[-1]
    return views


def _plain(stage: Stage) -> bool:
    """Whether all that a stage does is to concatenate channels of images."""
    root = stage.root
    if root is None or not isinstance(root.do, Concatenate) or not of_batch(root.outputs[0]):
        return False
    alone = not (stage.ops or stage.sums or stage.spreads or stage.pool)
    rank = root.outputs[0].type.rank
    return alone and rank > 2 and root.do.axis % rank == rank - 1


def _written(stage: Stage, value: Value) -> bool:
    """Whether the maker writes this value itself, where its buffer says."""
    if any(value in op.outputs for op in stage.spreads):
        return False
    return stage.root is None or isinstance(stage.root.do, WRITERS)


def within(views: Views, value: Value, whole: Value) -> bool:
    """Whether a value that is concatenated to another one lies there already."""
    return value in views and views[value][0] is whole


def nothing(views: Views, stage: Stage) -> bool:
    """Whether nothing is left to do for a stage: all parts lie where it would bring them."""
    root = stage.root
    return _plain(stage) and root is not None and all(within(views, value, root.outputs[0]) for value in root.inputs)


def placed(views: Views, value: Value) -> tuple[Value, int]:
    """The value with memory of its own in which one lies, and from which channel on."""
    start = 0
    while value in views:
        value, more = views[value]
        start += more
    return value, start


def successors(
    schedule: Schedule, lives: Mapping[Value, Life], kept: Collection[Value], taken: Collection[Value]
) -> dict[Value, Value]:
    """For values that may be written over another one, number by number, that one: it is read last by the stage that
    makes them, only where they are written, and before. `taken` are values that others share the memory of.
    """
    found: dict[Value, Value] = {}
    late = {schedule.origin(v) for stage in schedule.stages if stage.shared for op in stage.all() for v in op.inputs}
    taken = late | {*taken}  # what all threads share comes behind the last stage of a segment
    for number, stage in enumerate(schedule.stages):
        if stage.pool or stage.spreads or stage.shared or (stage.root and not _once(stage)):
            continue
        free = [y for y in _read(stage) if y in lives and lives[y][1] == number and lives[y][2] and y not in taken]
        for value in stage.stored:
            if value not in lives or lives[value][0] != number or value in taken or not lives[value][2]:
                continue
            for y in free:
                if _same(schedule, y, value) and (value not in kept or y in kept):
                    found[value] = y
                    free.remove(y)
                    break
    return found


def _once(stage: Stage) -> bool:
    """Whether a stage with a root writes each result once."""
    assert stage.root is not None
    return isinstance(stage.root.do, Correlate) and bool(stage.sums)


def _read(stage: Stage) -> list[Value]:
    """What a stage reads of other stages' values only for its pointwise functions, at the index of their results."""
    made = stage.makes()
    reads = [v for op in stage.ops if isinstance(op.do, Map) for v in op.inputs if of_batch(v) and v not in made]
    others = [op for op in stage.all() if op not in stage.ops or not isinstance(op.do, Map)]
    elsewhere = {v for op in others for v in op.inputs}
    return [v for v in dict.fromkeys(reads) if v not in elsewhere and rest(v) == tuple(stage.shape)]


def _same(schedule: Schedule, y: Value, value: Value) -> bool:
    """Whether one may lie where the other one lies."""
    strips = schedule.draft.in_strips
    return rest(y) == rest(value) and y.type.dtype == value.type.dtype and strips.get(y) == strips.get(value)
