"""Open sizes: expressions equal what integers give."""

from __future__ import annotations

import random

from layerscope.core import sizes


def test_quotients_of_quotients_are_one_quotient():
    halved = sizes.named("height")
    for _ in range(5):
        halved = sizes.ceil_div(halved, 2)
    assert str(halved) == "floor((height + 31) / 32)"


def test_quotients_of_quotients_equal_those_of_integers():
    draw = random.Random(0)
    for _ in range(500):
        steps = [(draw.randint(-9, 9), draw.randint(1, 7)) for _ in range(4)]
        size = sizes.named("n") * draw.randint(1, 5) + draw.randint(-9, 9)
        for number in (1, 2, 17, 1000):
            found, whole = size, sizes.number(sizes.bind(size, {"n": number}))
            for add, by in steps:
                found, whole = sizes.floor_div(found + add, by), (whole + add) // by
            assert sizes.bind(found, {"n": number}) == whole
