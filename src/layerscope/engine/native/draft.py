"""A program in the native engine's own operations, while it is being rewritten.

Every convolution, transposed convolution and product with a matrix becomes a `Correlate`, every gradient of
a kernel a `Pair`. The rewrites are equalities: nearest upsampling is folded into the convolution behind it,
what is masked behind a pool is masked before it is spread, and what is only summed up is not spread at all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import replace

from layerscope.core.errors import TrainingError
from layerscope.core.sizes import numbers
from layerscope.core.types import BATCH
from layerscope.engine.native import commuting, means, merging, padding, taps, thinning
from layerscope.engine.native.operations import (
    AtWinner,
    Correlate,
    FromWinners,
    Op,
    Pair,
    Places,
    fresh,
    of_batch,
    rest,
)
from layerscope.engine.native.taps import Axis
from layerscope.engine.native.thinning import Thinned
from layerscope.engine.primitives import conv, matmul, place, pool, reduce
from layerscope.engine.primitives.map import Map
from layerscope.engine.program import Key, Program, Value


class Draft:
    """Operations in order; values are compared by identity."""

    def __init__(self, program: Program) -> None:
        self.inputs, self.outputs = dict(program.inputs), dict(program.outputs)
        self.ops = [Op(step.primitive, step.inputs, step.outputs, step.label) for step in program.instructions]
        self.strips = 1  # lanes of an example
        self.in_strips: dict[Value, int] = {}  # values that come in strips, with the rows of an example
        self.thinned: dict[Key, Thinned] = {}  # inputs of which not all is read
        self._check(program)

    def _check(self, program: Program) -> None:
        for op in self.ops:
            for value in (*op.inputs, *op.outputs):
                shape = value.type.shape
                if any(not isinstance(n, int) and (a or str(n) != BATCH) for a, n in enumerate(shape)):
                    raise TrainingError(
                        f"the native engine needs the batch as first axis and known sizes else, but a value is "
                        f"{value.type}; compile with engine='reference'"
                    )

    def copy(self) -> Draft:
        """The same operations, which may be rewritten apart."""
        made = object.__new__(Draft)
        made.inputs, made.outputs = dict(self.inputs), dict(self.outputs)
        made.ops, made.strips, made.in_strips = [copy(op) for op in self.ops], self.strips, dict(self.in_strips)
        made.thinned = dict(self.thinned)
        return made

    def maker(self) -> dict[Value, Op]:
        """Who makes a value."""
        return {value: op for op in self.ops for value in op.outputs}

    def users(self) -> dict[Value, list[Op]]:
        """Who reads a value; None stands for an output of the program."""
        found: dict[Value, list[Op]] = {}
        for op in self.ops:
            for value in op.inputs:
                found.setdefault(value, []).append(op)
        for value in self.outputs.values():
            found.setdefault(value, []).append(Op(None, (value,), ()))
        return found

    def replace(self, old: Value, new: Value) -> None:
        """Let everybody read `new` in place of `old`."""
        for op in self.ops:
            op.inputs = tuple(new if value is old else value for value in op.inputs)
        self.outputs = {key: new if value is old else value for key, value in self.outputs.items()}

    def cut_like(self, made: Value, value: Value) -> None:
        """Note that `made` comes in strips if `value` does."""
        if value in self.in_strips:
            self.in_strips[made] = self.in_strips[value]

    def prune(self) -> None:
        """Drop what no output needs."""
        needed = set(self.outputs.values())
        kept: list[Op] = []
        for op in reversed(self.ops):
            if any(value in needed for value in op.outputs):
                kept.append(op)
                needed.update(op.inputs)
        self.ops = kept[::-1]


def prepared(program: Program) -> Draft:
    """The program, rewritten."""
    draft = Draft(program)
    merging.merge(draft)
    _switches(draft)
    _masks_before_spreading(draft)
    _sums_before_spreading(draft)
    padding.fold(draft)
    commuting.commute(draft)
    _mark_ties(draft)
    _folded(draft)
    draft.prune()
    for op in draft.ops:
        _canonical(op)
    draft.prune()
    thinning.thin(draft)
    _mark_ties(draft)
    return draft


def _mark_ties(draft: Draft) -> None:
    """What leads to a max pool whose winners are asked for: the first of equals wins, so equals must stay equal."""
    users, wanted = draft.users(), set[Value]()
    for op in reversed(draft.ops):
        op.ties = bool(wanted & set(op.outputs))
        if op.ties or (isinstance(op.do, pool.PoolMax) and users.get(op.outputs[1])):
            wanted.update(op.inputs)


def disjoint(windows: pool.Windows) -> bool:
    """Whether every cell lies in one window at most, and windows start at the first cell."""
    return windows.window == windows.strides and all(begin == 0 for begin, _ in windows.pads)


def _switches(draft: Draft) -> None:
    """A pool keeps the number of the winner in its window; who goes back the same way needs no more, all others
    read places.
    """
    for maker in [op for op in draft.ops if isinstance(op.do, pool.PoolMax)]:
        switches, windows, plane = maker.outputs[1], maker.do.windows, rest(maker.inputs[0])[:-1]
        places = fresh(switches.type)
        used = False
        for op in draft.ops:
            if switches not in op.inputs or isinstance(op.do, pool.PoolMaxAdjoint):
                continue
            if disjoint(windows) and isinstance(op.do, place.Unpool) and numbers(op.do.plane) == plane:
                op.do = pool.PoolMaxAdjoint(windows, plane)
            elif disjoint(windows) and isinstance(op.do, place.Gather) and rest(op.inputs[0])[:-1] == plane:
                op.do = AtWinner(windows)
            else:
                used = True
                op.inputs = tuple(places if value is switches else value for value in op.inputs)
        if switches in draft.outputs.values():
            used = True
            draft.outputs = {key: places if v is switches else v for key, v in draft.outputs.items()}
        if used:
            draft.ops.insert(draft.ops.index(maker) + 1, Op(Places(windows, plane), (switches,), (places,)))


BY_RESULT = ("relu_grad", "sigmoid_grad", "tanh_grad")
"""Gradients g·f(r): they may be taken before or after g is spread to the winners of a pool."""


def _masks_before_spreading(draft: Draft) -> None:
    """relu_grad(spread(g), r) = spread(relu_grad(g, pooled r)): r at a winner is the pooled value."""
    maker = draft.maker()
    for index, op in enumerate(draft.ops):
        spread = maker.get(op.inputs[0]) if isinstance(op.do, Map) and op.do.function in BY_RESULT else None
        if spread is None or not isinstance(spread.do, pool.PoolMaxAdjoint):
            continue
        pooled = maker.get(spread.inputs[1])
        if pooled is None or not isinstance(pooled.do, pool.PoolMax) or pooled.inputs[0] is not op.inputs[1]:
            continue
        if spread.do.windows != pooled.do.windows:
            continue
        masked = fresh(spread.inputs[0].type)
        draft.ops[index] = Op(spread.do, (masked, spread.inputs[1]), op.outputs)
        draft.ops.insert(index, Op(op.do, (spread.inputs[0], pooled.outputs[0]), (masked,)))
        maker |= {masked: draft.ops[index], op.outputs[0]: draft.ops[index + 1]}


def _sums_before_spreading(draft: Draft) -> None:
    """The sum of what was spread over planes is the sum of what was not yet."""
    maker = draft.maker()
    for op in draft.ops:
        if isinstance(op.do, reduce.Reduce) and op.do.how == "sum" and not op.do.keep:
            spread = maker.get(op.inputs[0])
            planes = range(1, op.inputs[0].type.rank - 1)
            if spread and isinstance(spread.do, pool.PoolMaxAdjoint) and set(planes) <= set(op.do.axes):
                op.inputs = (spread.inputs[0],)


def _unit(geometry: conv.Geometry) -> bool:
    return all(s == 1 for s in geometry.strides)


def _folded(draft: Draft) -> None:
    """Nearest upsampling goes into the convolution behind it, transposed or not, forward and backward; not forward
    where equal results must stay equal, for taps are added up in other orders at each place of a repeated cell.
    """
    maker, users = draft.maker(), draft.users()
    for op in draft.ops:
        if isinstance(op.do, conv.Conv | conv.ConvTranspose) and _unit(op.do.geometry):
            if not op.ties and (repeat := _repeated(maker, op.inputs[0])):
                _folded_forward(op, repeat)
        elif isinstance(op.do, conv.ConvKernel) and _unit(op.do.geometry):
            if repeat := _repeated(maker, op.inputs[0]):
                _folded_pair(op, repeat)
            elif repeat := _repeated(maker, op.inputs[1]):
                _folded_pair_transposed(op, repeat)
        elif isinstance(op.do, place.RepeatAdjoint):
            back = maker.get(op.inputs[0])
            known = back and isinstance(back.do, conv.Conv | conv.ConvTranspose) and _unit(back.do.geometry)
            if back and known and len(users[op.inputs[0]]) == 1:
                _folded_adjoint(op, back)


def _repeated(maker: Mapping[Value, Op], value: Value) -> Op | None:
    """The nearest upsampling that makes a value."""
    found = maker.get(value)
    return found if found and isinstance(found.do, place.Repeat) else None


def _folded_forward(op: Op, repeat: Op) -> None:
    factors = repeat.do.factors
    if isinstance(op.do, conv.Conv):
        made = _of_conv(op, factors)
    else:  # with stride 1 a transposed convolution is a convolution that reads the other way round
        made = _with_axes(_of_transpose(op, (1,) * len(factors)), op, factors, rest(op.outputs[0])[:-1], taps.forward)
    op.do = replace(made, title=f"{made.title} with nearest upsampling folded in")
    op.inputs = (repeat.inputs[0], op.inputs[1])


def _folded_adjoint(op: Op, back: Op) -> None:
    factors, sizes = op.do.factors, rest(op.outputs[0])[:-1]
    if isinstance(back.do, conv.ConvTranspose):
        made = _of_transpose(back, factors, sizes)
    else:
        made = _with_axes(_of_conv(back, (1,) * len(factors)), back, factors, sizes, taps.backward)
    op.do = replace(made, title="its adjoint with nearest upsampling folded in")
    op.inputs = back.inputs


def _with_axes(
    made: Correlate, op: Op, factors: Sequence[int], sizes: Sequence[int], move: Callable[..., Axis]
) -> Correlate:
    """The same on an image enlarged (`taps.forward`) or reduced (`taps.backward`) by factors, taps in reverse."""
    g = op.do.geometry
    axes = tuple(
        move(n, k, 1, -begin, -d, f)
        for n, k, (begin, _), d, f in zip(sizes, made.window, g.pads, g.dilation, factors, strict=True)
    )
    return replace(made, axes=axes)


def _folded_pair(op: Op, repeat: Op) -> None:
    small, gradient = repeat.inputs[0], op.inputs[1]
    each, filters = _channels(small, gradient, op.do.geometry.groups)
    total = filters * op.do.geometry.groups
    # The gradient moves here, so its channels (the kernel's last axis) come first.
    _set_folded_pair(op, repeat, 1, (gradient, small), (filters, each), (each * total, 1, total, filters))


def _folded_pair_transposed(op: Op, repeat: Op) -> None:
    gradient, small = op.inputs[0], repeat.inputs[0]
    each, filters = _channels(gradient, small, op.do.geometry.groups)
    total = filters * op.do.geometry.groups
    _set_folded_pair(op, repeat, -1, (gradient, small), (each, filters), (each * total, total, 1, filters))


def _set_folded_pair(
    op: Op,
    repeat: Op,
    sign: int,
    inputs: tuple[Value, Value],
    channels: tuple[int, int],
    strides: tuple[int, int, int, int],
) -> None:
    g = op.do.geometry
    axes = tuple(
        taps.folded_kernel_gradient(n, k, sign * begin, sign * d, f)
        for n, k, (begin, _), d, f in zip(
            rest(inputs[1])[:-1], op.do.window, g.pads, g.dilation, repeat.do.factors, strict=True
        )
    )
    title = "kernel gradient on the small image"
    op.do, op.inputs = Pair(axes, op.do.window, g.groups, *channels, strides, title), inputs


def _channels(x: Value, y: Value, groups: int) -> tuple[int, int]:
    return rest(x)[-1] // groups, rest(y)[-1] // groups


def from_winners(op: Op) -> FromWinners:
    """The adjoint of a max pool, read for each cell from the windows that it lies in."""
    windows = op.do.windows
    axes = zip(rest(op.outputs[0])[:-1], windows.window, windows.strides, windows.pads, strict=True)
    return FromWinners(tuple(taps.backward(n, k, s, begin, 1) for n, k, s, (begin, _) in axes), windows.window)


def _canonical(op: Op) -> None:
    """Bring convolutions, products, means and adjoints of pools whose windows overlap into their general form."""
    if isinstance(op.do, pool.PoolMaxAdjoint) and not disjoint(op.do.windows):
        op.do = from_winners(op)
    if isinstance(op.do, pool.PoolMean | pool.PoolMeanAdjoint):
        op.do = means.general(op)
    if isinstance(op.do, conv.Conv):
        op.do = _of_conv(op, (1,) * len(op.do.geometry.strides))
    elif isinstance(op.do, conv.ConvTranspose):
        op.do = _of_transpose(op, (1,) * len(op.do.geometry.strides))
    elif isinstance(op.do, conv.ConvKernel):
        _pair(op)
    elif isinstance(op.do, matmul.MatMul) and of_batch(op.inputs[0]) and not of_batch(op.inputs[1]):
        count, units = rest(op.inputs[0])[-1], rest(op.outputs[0])[-1]
        strides = (0, 1, count, 0) if op.do.transposed else (0, units, 1, 0)
        middle = rest(op.inputs[0])[:-1]
        axes = tuple(taps.forward(n, 1, 1, 0, 1) for n in middle)
        op.do = Correlate(axes, (1,) * len(middle), 1, count, units, strides, "product")
    elif isinstance(op.do, matmul.RowProduct) and of_batch(op.inputs[0]) and of_batch(op.inputs[1]):
        first, second = (rest(value)[-1] for value in op.inputs)
        middle = rest(op.inputs[0])[:-1]
        axes = tuple(taps.kernel_gradient(n, 1, 1, 0, 1) for n in middle)
        op.do = Pair(axes, (1,) * len(middle), 1, first, second, (0, second, 1, 0), "product's gradient")


def _of_conv(op: Op, factors: Sequence[int]) -> Correlate:
    g, window = op.do.geometry, numbers(op.inputs[1].type.shape[:-2])
    axes = tuple(
        taps.forward(out, k, s, begin, d, f)
        for out, k, s, (begin, _), d, f in zip(
            rest(op.outputs[0])[:-1], window, g.strides, g.pads, g.dilation, factors, strict=True
        )
    )
    each, filters = numbers(op.inputs[1].type.shape[-2:])
    strides = (each * filters, filters, 1, filters // g.groups)
    return Correlate(axes, window, g.groups, each, filters // g.groups, strides, "convolution")


def _of_transpose(op: Op, factors: Sequence[int], sizes: Sequence[int] = ()) -> Correlate:
    g, window = op.do.geometry, numbers(op.inputs[1].type.shape[:-2])
    axes = tuple(
        taps.backward(n, k, s, begin, d, f)
        for n, k, s, (begin, _), d, f in zip(
            sizes or rest(op.outputs[0])[:-1], window, g.strides, g.pads, g.dilation, factors, strict=True
        )
    )
    each, filters = numbers(op.inputs[1].type.shape[-2:])
    strides = (each * filters, 1, filters, filters // g.groups)
    return Correlate(axes, window, g.groups, filters // g.groups, each, strides, "transposed convolution")


def _pair(op: Op) -> None:
    g = op.do.geometry
    x, y = op.inputs
    axes = tuple(
        taps.kernel_gradient(out, k, s, begin, d)
        for out, k, s, (begin, _), d in zip(rest(y)[:-1], op.do.window, g.strides, g.pads, g.dilation, strict=True)
    )
    each, filters = _channels(x, y, g.groups)
    strides = (each * filters * g.groups, filters * g.groups, 1, filters)
    op.do = Pair(axes, op.do.window, g.groups, each, filters, strides, "kernel gradient")
