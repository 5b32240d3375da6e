"""The laws of `core.reach`: each relation is periodic, bounded, and a union of what single indices read."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from math import floor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layerscope.core.indices import MOST_INTERVALS, NOTHING, Indices
from layerscope.core.reach import EVERYTHING, MOST_LISTED, Interpolate, Listed, Scaled, Share, Spread, Window, listed
from layerscope.core.types import TensorType
from layerscope.layers import AdaptiveMaxPooling1D

FAST = settings(max_examples=200, deadline=None, derandomize=True)
small = st.integers(1, 6)
RELATIONS = st.one_of(
    st.builds(Window, st.just(1), small, small, st.integers(-5, 5), small),
    st.builds(Spread, st.just(1), small, small, st.integers(-5, 5), small),
    st.builds(Interpolate, st.just(1), small, small),
    st.builds(Share, st.just(1), st.integers(1, 20), st.integers(1, 20)),
    st.builds(
        lambda *parts: Scaled(1, *parts[:3], parts[2] + parts[3]), small, small, st.integers(-5, 5), st.integers(0, 7)
    ),
)
SETS = st.lists(st.tuples(st.integers(-15, 15), st.integers(0, 8)), max_size=3).map(
    lambda pairs: Indices.of(*((low, low + length) for low, length in pairs))
)


def members(found: Indices) -> set[int]:
    return {i for low, high in found.intervals for i in range(low, high + 1)}


def at(o: int) -> Indices:
    return Indices.of((o, o))


def by_definition(relation, o: int) -> set[int]:
    """The docstrings' formulas, by trying every input index."""
    if isinstance(relation, Window):
        taps = (relation.dilation * t for t in range(relation.size))
        return {o * relation.stride - relation.before + tap for tap in taps}
    if isinstance(relation, Spread):
        taps = {relation.dilation * t for t in range(relation.size)}
        return {i for i in range(-99, 100) if o - i * relation.stride + relation.before in taps}
    if isinstance(relation, Scaled):
        below = [Fraction(o * relation.step + end, relation.factor) for end in (relation.first, relation.last)]
        return {i for i in range(-199, 200) if floor(below[0]) <= i <= below[1]}
    if isinstance(relation, Share):  # the cells i … i + 1 that overlap o·size/parts … (o + 1)·size/parts
        size, parts = relation.size, relation.parts
        return {i for i in range(-999, 1000) if i * parts < (o + 1) * size and (i + 1) * parts > o * size}
    # kernels of interpolation end at their support, and are 0 at whole distances; distances times 2·factor
    centre, unit = 2 * o + 1 - relation.factor, 2 * relation.factor
    distances = {i: abs(centre - i * unit) for i in range(-99, 100)}
    return {i for i, far in distances.items() if far == 0 or (far < relation.support * unit and far % unit)}


@FAST
@given(RELATIONS, st.integers(-20, 20))
def test_pull_of_one_index_is_the_definition(relation, o):
    assert members(relation.pull(at(o))) == by_definition(relation, o)


@FAST
@given(RELATIONS, SETS)
def test_pull_of_a_set_is_the_union_of_its_members(relation, outputs):
    single = [relation.pull(at(o)) for o in members(outputs)]
    assert members(relation.pull(outputs)) == {i for found in single for i in members(found)}


@FAST
@given(RELATIONS, SETS)
def test_push_is_the_inverse_of_pull(relation, inputs):
    """An output is reached by a set of inputs when it reads one of them."""
    reached = {o for o in range(-600, 601) if members(relation.pull(at(o))) & members(inputs)}
    assert members(relation.push(inputs)) == reached


@FAST
@given(RELATIONS, st.integers(-15, 15), st.integers(0, 90))
def test_pull_and_push_of_wide_sets(relation, low, length):
    wide = range(low, low + length + 1)
    given = Indices.of((low, low + length))
    assert members(relation.pull(given)) == {i for o in wide for i in members(relation.pull(at(o)))}
    assert members(relation.push(given)) == {o for i in wide for o in members(relation.push(at(i)))}


LISTS = st.lists(st.integers(0, 20), min_size=1, max_size=12).map(tuple)


@FAST
@given(LISTS, SETS)
def test_a_list_reads_what_it_lists(indices, some):
    """Position o the index o of it; what is outside of the list nothing. The wide sets are bounded, too."""
    relation = Listed(1, indices)
    there = set(range(len(indices)))
    assert members(relation.pull(some)) == {indices[o] for o in members(some) & there}
    assert members(relation.push(some)) == {o for o in there if indices[o] in members(some)}
    ratio, (low, high) = Fraction(*reversed(relation.steps)), relation.bounds
    assert relation.steps[0] == len(indices)
    assert {o * ratio + low <= i <= o * ratio + high for o, i in enumerate(indices)} == {True}


@FAST
@given(LISTS)
def test_a_list_in_equal_steps_is_a_window(indices):
    made = listed(1, indices)
    reads = [members(made.pull(at(o))) for o in range(len(indices))]
    assert reads == [{i} for i in indices]
    steps = {b - a for a, b in pairwise(indices)}
    assert isinstance(made, Window) == (len(steps) < 2 and min(steps, default=1) > 0)


def test_long_and_empty_lists_are_everything():
    assert listed(1, ()) == listed(1, (1, 0) * (MOST_LISTED // 2 + 1)) == EVERYTHING
    assert isinstance(listed(1, (1, 0) * (MOST_LISTED // 2)), Listed)


WIDE = [
    Window(0, 3, 5, 2, 2),
    Window(0, 5, 2, 0, 3),
    Window(0, 2, 1),
    Spread(0, 4, 1),
    Spread(0, 3, 3, 0, 2),
    Interpolate(0, 3),
    Scaled(0, 7, 2, 0, 1),
]


@pytest.mark.parametrize("relation", WIDE, ids=str)
def test_hulls_of_enormous_sets_are_exact_and_their_cost_is_bounded(relation):
    """Beyond 16,384 intervals gaps in the middle are closed; both ends stay as they are."""
    far = 10**9
    for move in (relation.pull, relation.push):
        found = move(Indices.of((0, far)))
        assert len(found.intervals) <= MOST_INTERVALS
        for near in (range(60), range(far - 59, far + 1)):
            part = {i for n in near for i in members(move(at(n)))}
            inner = (
                {i for i in part if min(part) + 40 > i} if near[0] == 0 else {i for i in part if max(part) - 40 < i}
            )
            low, high = min(inner), max(inner)
            assert {i for i in range(low, high + 1) if any(a <= i <= b for a, b in found.intervals)} == inner
        assert found.hull == (
            min(members(move(Indices.of((0, 99))))),
            max(members(move(Indices.of((far - 99, far))))),
        )


@FAST
@given(RELATIONS, SETS)
def test_pull_is_periodic(relation, outputs):
    step, shift = relation.steps
    assert step >= 1
    assert relation.pull(outputs.shift(step)) == relation.pull(outputs).shift(shift)


@FAST
@given(RELATIONS, st.integers(-20, 20))
def test_bounds_bound(relation, o):
    low, high = relation.bounds
    ratio = relation.steps[1] / relation.steps[0]
    for i in members(relation.pull(at(o))):
        assert o * ratio + low - 1e-9 <= i <= o * ratio + high + 1e-9


@FAST
@given(RELATIONS)
def test_bounds_of_windows_and_spreads_are_attained(relation):
    if isinstance(relation, Interpolate | Scaled | Share):
        return
    low, high = relation.bounds
    gaps = [
        i - o * relation.steps[1] / relation.steps[0]
        for o in range(relation.steps[0])
        for i in members(relation.pull(at(o)))
    ]
    assert min(gaps) == pytest.approx(float(low))
    assert max(gaps) == pytest.approx(float(high))


@FAST
@given(SETS, SETS, st.integers(1, 12))
def test_indices_are_a_set(one, two, size):
    assert members(one | two) == members(one) | members(two)
    assert members(one.clip(size)) == members(one) & set(range(size))
    assert one.count == len(members(one))
    assert bool(one) == bool(members(one))
    assert one.extent == (max(members(one)) - min(members(one)) + 1 if one else 0)
    assert one.holes == (one.count < one.extent)
    gaps = [b[0] - a[1] for a, b in zip(one.intervals, one.intervals[1:], strict=False)]
    assert all(gap > 1 for gap in gaps), "sorted, disjoint, not adjacent"


def test_too_many_intervals_are_merged_without_losing_any_index():
    many = [(5 * n, 5 * n + 1) for n in range(3 * MOST_INTERVALS)]
    found = Indices.of(*many)
    assert len(found.intervals) <= MOST_INTERVALS
    assert members(found) >= {i for low, high in many for i in range(low, high + 1)}
    assert found.hull == (0, many[-1][1])
    assert found.holes


@FAST
@given(SETS, SETS)
def test_intersections(one, two):
    assert members(one & two) == members(one) & members(two)
    assert one & two == Indices.of(*(one & two).intervals)


@pytest.mark.parametrize("size", range(1, 25))
def test_adaptive_pools_count_the_cells_of_all_shares(size):
    for parts in range(1, 30):
        shares = sum(Share(1, size, parts).pull(at(o)).count for o in range(parts))
        counted = AdaptiveMaxPooling1D(parts).operations(TensorType((3, size, 2)))
        assert counted.pooling == 3 * 2 * shares


def test_nothing_reads_nothing():
    assert not NOTHING
    assert Window(1, 2, 3).pull(NOTHING) == Spread(1, 2, 3).pull(NOTHING) == NOTHING
