"""The comparison of engines excuses rounding where it is large, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from tests.native import comparing
from tests.native.comparing import MARGIN, Condition, compare, differing
from tests.native.random_cases import case

ILL = [(5359, 7, "w1"), (7490, 8, "w5"), (6590, 6, "w2")]
"""Percentages of numbers of 1e-7 behind batch normalisation: the gradient of the bias before it is zero, made of terms
that are up to 1e8.
"""


@pytest.mark.parametrize(("seed", "depth", "name"), ILL)
def test_what_is_all_rounding_is_known_to_be(seed, depth, name):
    one = case(seed, depth)
    condition = Condition(one, "float64", one.inputs)
    assert condition.of(name) > 1e-10
    assert condition.of("w0") < 1e-12 < 0.1 < np.abs(one.weights["w0"]).max()
    assert compare(one) == []


def test_a_case_that_is_well_posed_is_compared_as_closely_as_ever(monkeypatch):
    one = case(4, 3)
    assert compare(one) == []
    condition = Condition(one, "float64", one.inputs)
    assert max(condition.of(name) for name in one.weights) < 1e-12
    right = comparing.measured

    def wrong(engine, *given):
        found = right(engine, *given)
        return found | {"w0": found["w0"] + 1e-9} if engine.name == "native" else found

    monkeypatch.setattr(comparing, "measured", wrong)
    (told,) = compare(one)
    assert told.startswith("w0: ")
    assert "; in the last places of what is given " in told


def test_an_error_beyond_the_condition_is_told():
    one = case(5359, 7)
    condition = Condition(one, "float64", one.inputs)
    value, moved = np.ones(3), condition.of("w1")
    assert differing("w1", value + 0.9 * MARGIN * moved, value, 1e-3, condition) == []
    assert differing("w1", value + 1.1 * MARGIN * moved, value, 1e-3, condition) != []
    assert differing("w1", value * np.nan, value, 1e-3, condition) != []
