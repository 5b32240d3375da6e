"""Poking: which outputs of `define` change when one input element does? `reach` must say exactly these.

Weights are positive, biases zero, activations the identity, so that nothing cancels. Maxima are
poked on a constant image, where the poked element always becomes the winner.
"""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layerscope import layers as ls
from layerscope.core.contract import Example
from layerscope.core.reach import EVERYTHING, Everything, Indices
from layerscope.core.types import TensorType

from .cases import define, elements, is_float, small_examples, title, weights_for, window_cells
from .settings import RANDOM, Drawn, Seeded

BUMP = 0.25
ROUNDS = 6


def plain(case: Example) -> Example:
    """The case without its activation function (an Activation keeps its own)."""
    names = {f.name for f in fields(case.layer)}
    if "activation" not in names or isinstance(case.layer, ls.Activation):
        return case
    return replace(case, layer=replace(case.layer, activation=None))


def poked(case: Example, number: int, bases) -> np.ndarray:
    """(outputs, inputs) of truth: whether bumping an element of input `number` changes an output.

    All pokes run at once, one after the other along the batch.
    """
    batch, count = case.inputs[0].shape[0], elements(case.inputs[number])
    many = [np.concatenate([base] * count) for base in bases]
    flat = many[number].reshape(count, count)
    flat[np.arange(count), np.arange(count)] += -BUMP if isinstance(case.layer, ls.Minimum) else BUMP
    weights = weights_for(case, positive=True)
    still = [np.concatenate([base] * count) for base in bases]  # as many rows at once, so that all round alike
    before, after = (define(case.layer, arrays, weights)[0] for arrays in (still, many))
    assert len(before) == batch * count
    return (after != before).reshape(count, -1).T


def found_by_poking(case: Example, number: int) -> np.ndarray:
    if isinstance(case.layer, ls.MaxUnpooling2D):
        return unpool_found(case, number)
    found = poked(case, number, [np.ones(type.shape) for type in case.inputs])
    if case.layer.elementwise:  # some functions end before 1
        found |= poked(case, number, [np.full(type.shape, 0.4) for type in case.inputs])
    return found


def consistent_switches(case: Example, rng):
    """Switches for each cell of the windows in turn: every position points at that cell, if it has it."""
    layer, shape, plane = case.layer, case.inputs[1].shape, case.outputs[0].shape[1:-1]
    for tap in np.ndindex(*layer.pool_size):
        for _ in range(ROUNDS):
            made = np.zeros(shape, np.int32)
            for place in np.ndindex(*shape):
                ranges = window_cells(layer, shape, plane, place)
                cell = [r[t] if t < len(r) else int(rng.choice(r)) for r, t in zip(ranges, tap, strict=True)]
                made[place] = cell[0] * plane[1] + cell[1]
            yield made


def unpool_found(case: Example, number: int) -> np.ndarray:
    """The union over many switches; a switch itself is poked by pointing it elsewhere in its window."""
    rng = np.random.default_rng(7)
    values = np.arange(1.0, elements(case.inputs[0]) + 1).reshape(case.inputs[0].shape)
    total = np.zeros((elements(case.outputs[0]), elements(case.inputs[0])), bool)
    for switches in consistent_switches(case, rng):
        if number == 0:
            total |= poked(case, 0, [values, switches])
            continue
        before = define(case.layer, [values, switches], {})[0]
        for e, place in enumerate(np.ndindex(*switches.shape)):
            cells = window_cells(case.layer, switches.shape, case.outputs[0].shape[1:-1], place)
            changed = switches.copy()
            changed[place] = rng.choice(cells[0]) * case.outputs[0].shape[2] + rng.choice(cells[1])
            total[:, e] |= (define(case.layer, [values, changed], {})[0] != before).ravel()
            if all(len(axis) == 1 for axis in cells):  # cut to one cell by the edge: nowhere else to point
                n, _, _, channel = place
                out = (n, cells[0][0], cells[1][0], channel)
                total[np.ravel_multi_index(out, case.outputs[0].shape), e] = True
    return total


def claimed(case: Example, number: int) -> np.ndarray:
    """(outputs, inputs) of truth: what `reach` says, as the product of its axes."""
    outputs, inputs = case.outputs[0].shape, case.inputs[number].shape
    reads = case.layer.reach(0, *case.inputs)[number]
    shape = (*outputs, *inputs)
    if reads is None:
        return np.zeros(shape, bool).reshape(np.prod(outputs), -1)
    assert len(reads) == len(inputs)
    total = np.ones(shape, bool)
    for axis, (relation, n) in enumerate(zip(reads, inputs, strict=True)):
        if isinstance(relation, Everything):
            continue
        table = np.zeros((outputs[relation.axis], n), bool)
        for o in range(len(table)):
            for low, high in relation.pull(Indices.of((o, o))).clip(n).intervals:
                table[o, low : high + 1] = True
        wide = np.ones(len(shape), int)
        wide[[relation.axis, len(outputs) + axis]] = table.shape
        total &= table.reshape(wide)
    return total.reshape(np.prod(outputs), -1)


def exact(case: Example, number: int) -> bool:
    """Whether a product of axes can say it: not for an image in another order, nor for a choice of channels."""
    if getattr(case.layer, "groups", 1) > 1 or isinstance(case.layer, ls.PixelShuffle2D):
        return False
    reads = case.layer.reach(0, *case.inputs)[number]
    sizes = case.inputs[number].shape
    whole = any(read is EVERYTHING and n > 1 for read, n in zip(reads, sizes, strict=True))
    return not (isinstance(case.layer, ls.Flatten | ls.Reshape) and whole)


def steered_union(case: Example, number: int, found: np.ndarray) -> np.ndarray:
    """The union over the output axes that steer no relation: what a product of axes can say at most."""
    reads = case.layer.reach(0, *case.inputs)[number]
    steering = {read.axis for read in reads if read is not EVERYTHING}
    free = tuple(axis for axis in range(case.outputs[0].rank) if axis not in steering)
    wide = found.reshape(*case.outputs[0].shape, -1)
    return np.broadcast_to(wide.any(axis=free, keepdims=True), wide.shape).reshape(found.shape)


def block_union(case: Example, found: np.ndarray) -> np.ndarray:
    """The union over the positions of each block: which channel of its block one of them reads, no axis can say."""
    (rows, columns), (batch, height, width, channels) = case.layer.size, case.outputs[0].shape
    wide = found.reshape(batch, height // rows, rows, width // columns, columns, channels, -1)
    return np.broadcast_to(wide.any(axis=(2, 4), keepdims=True), wide.shape).reshape(found.shape)


def check(case: Example) -> None:
    case = plain(case)
    assert elements(*case.inputs) < 2000, "too large to be poked"
    assert len(case.layer.reach(0, *case.inputs)) == len(case.inputs)
    for number in range(len(case.inputs)):
        found, said = found_by_poking(case, number), claimed(case, number)
        if not exact(case, number):
            assert not (found & ~said).any(), "an element changes an output that does not read it"
            shuffled = isinstance(case.layer, ls.PixelShuffle2D)
            found = block_union(case, found) if shuffled else steered_union(case, number, found)
        assert np.array_equal(found, said), f"input {number} of {title(case)}"


@pytest.mark.parametrize("case", small_examples(), ids=title)
def test_reach_of_the_examples_is_what_poking_finds(case):
    assert claimed(plain(case), 0).any()
    check(case)


SLOW = ("MaxUnpooling2D",)


@pytest.mark.parametrize("kind", [kind for kind in RANDOM if kind not in SLOW])
@settings(max_examples=80, deadline=None, derandomize=True)
@given(data=st.data())
def test_reach_of_random_settings_is_what_poking_finds(kind, data):
    check(RANDOM[kind](Drawn(data)))


@pytest.mark.parametrize("seed", range(8))
def test_reach_of_random_unpooling_is_what_poking_finds(seed):
    case = RANDOM["MaxUnpooling2D"](Seeded(seed))
    types = [TensorType((1, *t.shape[1:-1], 1), t.dtype, t.plane) for t in case.inputs]
    check(Example(case.layer, tuple(types), case.layer.out(*types)))


@pytest.mark.parametrize("cls", [ls.Conv2D, ls.Conv2DTranspose])
def test_groups_read_their_own_channels_only(cls):
    """`reach` speaks of positions; along the channels it says "everything" whatever the groups."""
    layer, x = cls(6, 2, groups=3, use_bias=False), TensorType((1, 3, 3, 6))
    case = Example(layer, (x,), layer.out(x))
    found = found_by_poking(case, 0).reshape(-1, 6, 9, 6).any(axis=(0, 2))
    assert np.array_equal(found, np.kron(np.eye(3), np.ones((2, 2))).astype(bool))


@pytest.mark.parametrize("size", [1, 2, (3, 1), (2, 3)], ids=str)
def test_a_shuffled_position_reads_one_position_and_one_channel(size):
    """`reach` speaks of the block of channels; each position of its block reads another one of it."""
    layer = ls.PixelShuffle2D(size)
    x = TensorType((1, 2, 3, 2 * layer.block))
    case = Example(layer, (x,), layer.out(x))
    found = found_by_poking(case, 0)
    assert (found.sum(axis=0) == 1).all()
    assert (found.sum(axis=1) == 1).all()
    assert (claimed(case, 0).sum(axis=1) == layer.block).all()


def test_reach_of_second_outputs():
    """Switches depend on what the values depend on."""
    layer, x = ls.MaxPooling2D(3, 2, "same", return_switches=True), TensorType((1, 5, 4, 2))
    assert layer.reach(1, x) == layer.reach(0, x)
    assert not is_float(layer.out(x)[1])


def test_poking_can_fail():
    """A wrong pad is found: the check does not pass whatever `reach` says."""

    class Wrong(ls.ZeroPadding2D):
        def reach(self, output, *types):
            batch, rows, columns, channels = super().reach(output, *types)[0]
            return ((batch, replace(rows, before=rows.before + 1), columns, channels),)

    layer, x = Wrong(1), TensorType((1, 3, 3, 1))
    with pytest.raises(AssertionError, match="input 0"):
        check(Example(layer, (x,), layer.out(x)))
