"""Elements picked by index or put at one, and parts whose place may be known: rules as those of rules.py."""

from __future__ import annotations

from layerscope.operators._operator import Operator
from layerscope.sources._jax.rules import FOUND, Eqn, Way, arranged, own, rule, way, whole


@rule("gather")
def gather(e: Eqn) -> Operator:
    """Elements or slices by index: axes that are taken whole stay, those of the indices come in their places."""
    told, sizes = e.params["dimension_numbers"], e.params["slice_sizes"]
    x, where, out = e.given[0], e.given[1], e.made[0]
    batching = tuple(getattr(told, "operand_batching_dims", ()))
    beside = tuple(getattr(told, "start_indices_batching_dims", ()))
    others = [axis for axis in range(out.rank) if axis not in told.offset_dims]  # of the indices, in order
    offsets = iter(told.offset_dims)
    ways: list[Way] = []
    for axis, size in enumerate(x.shape):
        if axis in batching:
            ways.append(way(others[beside[batching.index(axis)]]))
            continue
        place = None if axis in told.collapsed_slice_dims else next(offsets)
        moves = axis in told.start_index_map and sizes[axis] != size
        ways.append(() if place is None or moves else way(place))
    lists = ()
    if len(told.start_index_map) == 1 and told.start_index_map[0] in told.collapsed_slice_dims and len(others) < 2:
        axis = told.start_index_map[0]
        picked = _picked(e, int(str(x.shape[axis])))
        if picked and others:
            lists = ((0, axis, others[0], *picked),)
        elif picked:
            ways[axis] = picked
    indices = [way(place) for place in others] + [()] * (where.rank - len(others))
    return arranged(e, [ways, indices[: where.rank]], keeps=(1,), lists=lists)


def _picked(e: Eqn, size: int) -> tuple[int, ...]:
    """The indices that a gather takes of an axis; none where nobody knows them, or they leave it."""
    found = e.numbers(1) or ()
    if "CLIP" in str(e.params.get("mode")):
        return tuple(min(max(i, 0), size - 1) for i in found)
    return found if all(0 <= i < size for i in found) else ()


@rule("dynamic_slice")
def dynamic_slice(e: Eqn) -> Operator:
    """A part, at a place that is known or that the data say."""
    ways: list[Way] = []
    for axis, (size, length) in enumerate(zip(e.given[0].shape, e.made[0].shape, strict=True)):
        start = (0,) if size == length else e.numbers(1 + axis)
        first = min(max(start[0], 0), int(str(size)) - int(str(length))) if start else 0  # JAX moves it inside
        ways.append(way(axis, before=-first) if start else ())
    return arranged(e, [ways, *map(whole, e.given[1:])], keeps=tuple(range(1, len(e.given))))


@rule("dynamic_update_slice")
def dynamic_update(e: Eqn) -> Operator:
    """A part put at a place that the data say."""
    x, part = e.given[0], e.given[1]
    moved = [axis for axis, (a, b) in enumerate(zip(x.shape, part.shape, strict=True)) if a != b]
    keeps = tuple(range(2, len(e.given)))
    return arranged(e, [own(x), own(part, moved), *map(whole, e.given[2:])], keeps=keeps)


@rule(
    "scatter", "scatter-add", "scatter-sub", "scatter_add", "scatter-mul", "scatter_mul", "scatter-min", "scatter-max"
)
def scatter(e: Eqn) -> Operator:
    """Updates put at indices, or added to what is there."""
    adds = 2 if e.name not in ("scatter",) else None
    return arranged(e, [own(e.given[0]), whole(e.given[1]), whole(e.given[2])], keeps=(1,), adds=adds)


__all__ = ["FOUND"]
