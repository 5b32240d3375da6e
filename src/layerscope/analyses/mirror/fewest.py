"""The decoder with as few crops and pads as possible, found by search over the sizes that its tensors can take.

What can change a size without an extra layer:

| step | sizes that it can lead to |
|---|---|
| a convolution of k cells | n ("same"), n - k + 1 ("valid"), n + k - 1 (as a transposed convolution with stride 1) |
| a transposed convolution, stride s | n·s ("same"), (n - 1)·s + k ("valid"), and with `output_padding` |
| unpooling | the plane of its switches, from the size of the pool's output only |
| a frame, a stride-1 pool of the encoder | undone by a frame of its own, or left out |

Beside these, each step may be given one frame (a crop, a pad, or both) that brings it to the encoder's own size
there. The search keeps, for each size that the data can have after a step, the decoder with the fewest frames that
leads to it (then the one whose cells lie nearest to their places, then the one with sizes nearest to the encoder's).
What may still follow depends on the size alone, so nothing is lost by that: no decoder made of these steps, whose
tensors differ from the encoder's by at most ROOM cells along each axis, has fewer. The document's own decoder comes
out of it: the encoder's 28, 14, 7, 4 is led back by 4, 8, 16, 14, 28, the third convolution being "valid".
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from layerscope.analyses.mirror import ways
from layerscope.analyses.mirror.links import CROPS, PADS, POOLS, chain, spatial
from layerscope.analyses.mirror.plan import Stage, Undo, plan, refused
from layerscope.core import propagate
from layerscope.core.dataclasses import dataclass
from layerscope.core.errors import GraphError, ShapeError, SizeError
from layerscope.core.graph import Graph
from layerscope.core.sizes import numbers

ROOM = 16
"""Cells by which a tensor may differ from its twin in the encoder, along each axis."""
Sizes = tuple[int, ...]
Build = Callable[[Any, Any], Any]
"""From a tensor and the switches of the pool that is undone, if any, to the next tensor."""


@dataclass(frozen=True)
class Move:
    """One way to do a step: the sizes after it, where cell 0 lies then (in cells of the twin), its extra layers."""

    sizes: Sizes
    lie: tuple[float, ...]
    extra: int
    build: Build


@dataclass(frozen=True)
class State:
    """The best decoder up to a step that ends at these sizes; `cost` is what was compared."""

    sizes: Sizes
    lie: tuple[float, ...]
    extra: int
    apart: int
    last: State | None = None
    build: Build | None = None

    @property
    def cost(self) -> tuple[int, float, int]:
        """Extra layers, the largest displacement, how far all sizes together are from their twins."""
        return self.extra, max(map(abs, self.lie), default=0.0), self.apart

    def builds(self) -> list[Build]:
        """All that was done, in order."""
        found: list[Build] = []
        state: State | None = self
        while state is not None and state.build is not None:
            found.append(state.build)
            state = state.last
        return found[::-1]


@dataclass(frozen=True)
class Mirrored:
    """An encoder with the decoder that leads back.

    graph: the whole autoencoder; decoder: the number of its first node that is the decoder's. extra: names of the
    decoder's crops and pads. displaced: along each axis, by how many pixels the image that the enlargements alone
    would give lies off its place, which the convolutions have to make good (0 in the middle of its windows).
    twins: for each step of the decoder, in order, the encoder's node and the node whose tensor stands for it there.
    """

    graph: Graph
    up: str
    decoder: int
    extra: tuple[str, ...]
    displaced: tuple[float, ...] = ()
    twins: tuple[tuple[int, int], ...] = ()


def _add(*parts: Sequence[float]) -> tuple[float, ...]:
    return tuple(map(sum, zip(*parts, strict=True)))


def _fits(sizes: Sequence[int], twin: Sequence[int]) -> bool:
    return all(n >= 1 and abs(n - t) <= ROOM for n, t in zip(sizes, twin, strict=True))


def _frame(have: Sequence[int], want: Sequence[int], lie: Sequence[float]) -> tuple[Sizes, int]:
    """Cells to cut off at each begin (negative: to add) so that cell 0 lies nearest to 0; the layers it takes."""
    cut = tuple(max(min(-round(o), max(n - t, 0)), min(n - t, 0)) for n, t, o in zip(have, want, lie, strict=True))
    crops = any(n > t for n, t in zip(have, want, strict=True))
    pads = any(n < t for n, t in zip(have, want, strict=True))
    return cut, crops + pads


def _convolutions(stage: Stage) -> Iterator[tuple[str, Sizes, tuple[float, ...]]]:
    """The forms of a convolution: by how much it changes the sizes, and where cell 0 lies then."""
    reach = stage.reach
    yield "same", (0,) * stage.rank, tuple((k - 1) / 2 - (k - 1) // 2 for k in reach)
    if max(reach) > 1:
        halves = tuple((k - 1) / 2 for k in reach)
        yield "valid", tuple(1 - k for k in reach), halves
        if stage.groups == 1:  # Keras's transposed convolution has no groups
            yield "grow", tuple(k - 1 for k in reach), tuple(-h for h in halves)


def _convolve(x: Any, stage: Stage, form: str, filters: int | None = None) -> Any:
    if form != "grow":
        return ways.convolution(stage, form, filters)(x)
    return ways.grown(stage, filters)(x)


def _plain(stage: Stage, name: str, sizes: Sizes, lie: Sequence[float]) -> Iterator[Move]:
    """An enlargement by a layer of its own, if any, and a convolution."""
    enlarges = stage.enlarges
    if enlarges and name == "unpool":
        if sizes != spatial(stage.shrink.after):
            return
        big = stage.middle
        at = tuple(a - b for a, b in zip(stage.lie, _enlarged_lie(stage), strict=True))
    else:
        big = tuple(n * s for n, s in zip(sizes, stage.factor, strict=True))
        at = tuple(o * s + c for o, s, c in zip(lie, stage.factor, stage.lie, strict=True))

    def enlarged(x: Any, switches: Any) -> Any:
        if not enlarges:
            return x
        return ways.unpooled(x, stage, switches) if name == "unpool" else ways.enlarging(name, stage)(x)

    for form, change, shift in _convolutions(stage):

        def build(x: Any, switches: Any, form: str = form) -> Any:
            return _convolve(enlarged(x, switches), stage, form)

        yield Move(tuple(n + c for n, c in zip(big, change, strict=True)), _add(at, shift), 0, build)
        if form == "same" and big != stage.sizes:
            cut, layers = _frame(big, stage.sizes, _add(at, shift))

            def framed(x: Any, switches: Any, cut: Sizes = cut) -> Any:
                return _convolve(ways.framed(enlarged(x, switches), cut, stage.sizes), stage, "same")

            yield Move(stage.sizes, _add(at, shift, cut), layers, framed)


def _enlarged_lie(stage: Stage) -> tuple[float, ...]:
    """The part of a stage's `lie` that its enlargement has."""
    return tuple((c.window - c.stride) / 2 - c.begin for c in stage.shrink.covers)


def _transposed(stage: Stage, kernel: int | None, sizes: Sizes, lie: Sequence[float]) -> Iterator[Move]:
    """A transposed convolution in place of both."""
    size, factor = ways.transposed_kernel(stage, kernel), stage.factor
    whole = tuple((n - 1) * s + max(k, s) for n, k, s in zip(sizes, size, factor, strict=True))
    at = tuple(o * s + c for o, s, c in zip(lie, factor, stage.lie, strict=True))
    wide = tuple((k - s) / 2 for k, s in zip(size, factor, strict=True))

    def move(out: Sizes, padding: str, more: Sizes | None, begin: Sequence[int]) -> Move:
        def build(x: Any, switches: Any) -> Any:
            return ways.transposed(stage, size, padding, more)(x)

        return Move(out, tuple(a + b - w for a, b, w in zip(at, begin, wide, strict=True)), 0, build)

    same = tuple(n * s for n, s in zip(sizes, factor, strict=True))
    crops = tuple(max((n - 1) * s + k - t, 0) // 2 for n, s, k, t in zip(sizes, factor, size, same, strict=True))
    yield move(same, "same", None, crops)
    yield move(whole, "valid", None, (0,) * stage.rank)
    for padding, halves in (("same", tuple(k // 2 for k in size)), ("valid", (0,) * stage.rank)):
        base = tuple((n - 1) * s + k - 2 * h for n, s, k, h in zip(sizes, factor, size, halves, strict=True))
        more = tuple(t - b for t, b in zip(stage.sizes, base, strict=True))
        if all(0 <= m < s for m, s in zip(more, factor, strict=True)):
            begin = tuple(
                max((n - 1) * s + k - t, 0) // 2 if padding == "same" else 0
                for n, s, k, t in zip(sizes, factor, size, stage.sizes, strict=True)
            )
            yield move(stage.sizes, padding, more, begin)
    yield from _transposed_framed(stage, size, sizes, at, whole, wide)


def _transposed_framed(
    stage: Stage, kernel: Sizes, sizes: Sizes, at: Sequence[float], whole: Sizes, wide: Sequence[float]
) -> Iterator[Move]:
    """With zeros around its input, where it would be too small, and a crop behind it."""
    before = tuple(-(-max(t - w, 0) // s) for t, w, s in zip(stage.sizes, whole, stage.factor, strict=True))
    ends = tuple(p // 2 for p in before)
    begin = tuple(p - e for p, e in zip(before, ends, strict=True))
    big = tuple(w + p * s for w, p, s in zip(whole, before, stage.factor, strict=True))
    lie = tuple(a - w - b * s for a, w, b, s in zip(at, wide, begin, stage.factor, strict=True))
    cut, layers = _frame(big, stage.sizes, lie)

    def build(x: Any, switches: Any) -> Any:
        x = ways.transposed(stage, kernel, "valid")(ways.padded(x, begin, ends))
        return ways.framed(x, cut, stage.sizes)

    if layers or any(before):
        yield Move(stage.sizes, _add(lie, cut), layers + any(before), build)


def _shuffled(stage: Stage, sizes: Sizes, lie: Sequence[float]) -> Iterator[Move]:
    """A convolution to more channels, which are laid out as positions."""
    factor, filters = stage.factor, stage.filters * math.prod(stage.factor)
    for form, change, shift in _convolutions(stage):
        small = tuple(n + c for n, c in zip(sizes, change, strict=True))
        need = tuple(-(-t // s) - n for t, s, n in zip(stage.sizes, factor, small, strict=True))
        for pad in {(0,) * stage.rank, tuple(max(n, 0) for n in need)} if form != "valid" else {(0,) * stage.rank}:
            begin = tuple(p - p // 2 for p in pad)
            big = tuple((n + p) * s for n, p, s in zip(small, pad, factor, strict=True))
            at = tuple(
                (o + d - b) * s + c for o, d, b, s, c in zip(lie, shift, begin, factor, stage.lie, strict=True)
            )
            if any(n < 1 for n in big):
                continue

            def made(x: Any, form: str = form, begin: Sizes = begin, pad: Sizes = pad) -> Any:
                x = ways.padded(x, begin, tuple(p - b for p, b in zip(pad, begin, strict=True)))
                return ways.shuffled(_convolve(x, stage, form, filters), stage)

            yield Move(big, at, int(any(pad)), lambda x, switches, made=made: made(x))
            if big != stage.sizes and all(n >= t for n, t in zip(big, stage.sizes, strict=True)):
                cut, layers = _frame(big, stage.sizes, at)

                def cropped(x: Any, switches: Any, made: Any = made, cut: Sizes = cut) -> Any:
                    return ways.framed(made(x), cut, stage.sizes)

                yield Move(stage.sizes, _add(at, cut), layers + any(pad), cropped)


def _alone(step: Undo, state: State) -> Iterator[Move]:
    """A link undone by itself: frames and pools of stride 1, which may be left out, and what needs its exact size."""
    link, sizes = step.link, spatial(step.link.before)
    if link.kind in PADS or link.kind in CROPS or link.kind in POOLS:
        at = _add(state.lie, [cover.middle for cover in link.covers])
        cut, layers = _frame(state.sizes, sizes, at)
        yield Move(state.sizes, at, 0, lambda x, switches: x)
        yield Move(sizes, _add(at, cut), layers, lambda x, switches: ways.framed(x, cut, sizes))
    elif link.kind == "Dense":
        yield Move(state.sizes, state.lie, 0, lambda x, switches: ways.exactly(x, link, step.activation))
    elif state.sizes == spatial(link.after):
        still = (0.0,) * len(sizes)
        same = link.before == link.after and link.kind not in ("Permute", "Reshape")
        yield Move(sizes, still, 0, lambda x, switches: x if same else ways.exactly(x, link, step.activation))


def _moves(step: Stage | Undo, name: str, state: State) -> Iterator[Move]:
    if isinstance(step, Undo):
        yield from _alone(step, state)
        return
    sizes, lie = state.sizes or (1,) * step.rank, state.lie or (0.0,) * step.rank
    if not step.enlarges or name not in ("transpose", "transpose3", "subpixel"):
        found = _plain(step, name, sizes, lie)
    elif name == "subpixel":
        found = _shuffled(step, sizes, lie)
    else:
        found = _transposed(step, 3 if name == "transpose3" else None, sizes, lie)
    yield from (Move(move.sizes, move.lie, move.extra, _opening(step, move.build)) for move in found)


def _opening(step: Stage, build: Build) -> Build:
    """The same behind a pool over everything, of which no spatial axes are left."""
    return lambda x, switches: build(ways.opened(x, step), switches)


def search(steps: Sequence[Stage | Undo], name: str, start: Sizes, end: Sizes) -> State:
    """The best decoder's last state. GraphError where no steps lead to `end`."""
    states = {start: State(start, (0.0,) * len(start), 0, 0)}
    for step in steps:
        twin = step.sizes if isinstance(step, Stage) else spatial(step.link.before)
        reached: dict[Sizes, State] = {}
        for state in states.values():
            for move in _moves(step, name, state):
                if not _fits(move.sizes, twin):
                    continue
                apart = state.apart + sum(abs(n - t) for n, t in zip(move.sizes, twin, strict=True))
                found = State(move.sizes, move.lie, state.extra + move.extra, apart, state, move.build)
                if move.sizes not in reached or found.cost < reached[move.sizes].cost:
                    reached[move.sizes] = found
        states = reached
    if end not in states:
        raise GraphError(f"no decoder {name!r} of this encoder leads back to {'x'.join(map(str, end))}")
    return states[end]


def mirror(encoder: Graph, up: str = "nearest", in_place: bool = False) -> Mirrored:
    """The encoder and the decoder that leads back to exactly its input's shape, with as few crops and pads as can be.

    `up` is one of WAYS. With `in_place` every tensor has its twin's size and every cell its place, as
    `autoencoder` does, with the crops and pads that this takes.
    Errors: UnknownNameError for another `up`; GraphError and ShapeError as `chain`; GraphError where the encoder has
    no such decoder.
    """
    ways.known(up)
    refused(encoder, up)
    made: list[tuple[int, Any]] = []
    if in_place:
        return _found(encoder, ways.autoencoder(encoder, up, made), up, made)
    steps = list(plan(chain(encoder)))
    types = propagate.types(encoder)
    code, given = (types[place][0] for place in (encoder.outputs[0][0], encoder.inputs[0]))
    best = search(steps, up, spatial(code), spatial(given))
    start, x, switches = ways.replay(encoder, up)
    for step, build in zip(steps, best.builds(), strict=True):
        place = encoder.index(step.shrink.label) if isinstance(step, Stage) and step.shrink.layer else None
        try:
            x = build(x, None if place is None else switches.get(place))
        except (ShapeError, SizeError) as error:
            raise GraphError(f"the decoder {up!r} of this encoder cannot be built: {error}") from None
        made.append((step.source, x))
    return _found(encoder, ways.closed(start, x, up), up, made, best.lie)


def _found(
    encoder: Graph, graph: Graph, up: str, made: Sequence[tuple[int, Any]], displaced: tuple[float, ...] = ()
) -> Mirrored:
    """The result, its sizes followed once more, from the graph alone."""
    types = propagate.types(graph)
    ends = (types[graph.inputs[0]][0], types[graph.outputs[0][0]][0])
    assert numbers(ends[0].shape[1:]) == numbers(ends[1].shape[1:])
    first = len(encoder.nodes)
    extra = tuple(node.label for node in graph.nodes[first:] if node.layer.kind in (*PADS, *CROPS))
    places = {id(node.layer): number for number, node in enumerate(graph.nodes)}
    twins = tuple((source, places[id(x.call.layer)]) for source, x in made)
    return Mirrored(graph, up, first, extra, displaced, twins)
