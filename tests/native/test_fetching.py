"""What loops ask for ahead of time, and tiles of a gradient's row taken a few at a time: the same numbers come out."""

from __future__ import annotations

import numpy as np
import pytest
from tests.native.comparing import compare
from tests.native.random_cases import CHECKED, drawn

from layerscope import layers, losses, optimizers
from layerscope.engine.native import fetching, filtered_pairs, show
from layerscope.engine.native.ir import Array, Code, Value
from layerscope.engine.native.module import Module
from layerscope.models import Sequential

RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize(("cells", "turns", "loops"), [(8, 32, 32), (8, 32, 6), (3, 7, 5), (4, 16, 1), (5, 2, 40)])
def test_loops_ask_for_every_item(cells, turns, loops, monkeypatch):
    asked = []
    monkeypatch.setattr(fetching, "fetch", lambda _k, _array, at: asked.append(at))
    code, array = Code(Module(4, "float"), []), Array(Value("%p0", "ptr"), "float", 1)
    items = sorted(3 + 100 * cell + 2 * turn for cell in range(cells) for turn in range(turns))
    shares = [fetching.Share((cells, 100), (turns, 2), number, loops) for number in range(loops)]
    for share in shares:
        share.at_once(code, array, 3)
    assert set(items) <= set(asked)
    assert len(asked) == sum(share.items for share in shares) < len(items) + loops
    found = [at + 2 * turn for share in shares for at in share.each_turn(code, 3) for turn in range(turns)]
    assert set(items) <= set(found)


def two_convolutions(size, channels, dilation=1):
    stack = [layers.Conv2D(n, 3, padding="same", dilation_rate=dilation) for n in (channels, channels + 1, 3)]
    model = Sequential([layers.Input((*size, channels)), *stack])
    model.compile(optimizers.SGD(0.1), losses.MeanSquaredError())
    return model


def test_only_far_images_are_asked_for():
    """One of 40 × 40 × 16 numbers of 16 examples is 1.6 MB, one of 8 × 8 × 16 is 64 KB."""
    for size, asks in ((40, True), (8, False)):
        kernels = show.kernels(two_convolutions((size, size), 16).engine(), target="avx512")
        texts = [text for title, text in kernels if "products for" in title]
        # The products of the last one stay in registers.
        assert [("@llvm.prefetch" in text) for text in texts] == [asks, asks, False]


def compared(model, **more):
    """Native and reference on nine random images."""
    options = {"lanes": 4, "sums": 12, "gain": 1e9, **more}
    return compare(drawn(model, RANDOM, options))


@pytest.mark.parametrize("more", [{}, CHECKED], ids=str)
@pytest.mark.parametrize(("dilation", "channels"), [(1, 9), (2, 4)])
def test_what_is_asked_for_changes_nothing(dilation, channels, more, monkeypatch):
    """Also beyond the image's end."""
    monkeypatch.setattr(fetching, "FAR", 0)
    assert compared(two_convolutions((14, 26), channels, dilation), **more) == []


@pytest.mark.parametrize("more", [{}, CHECKED], ids=str)
@pytest.mark.parametrize("large", [1 << 20, 0])
def test_a_row_of_tiles_in_parts(large, more, monkeypatch):
    """Five tiles, three of them at once and two: for kernels whose products are summed up together and row by row."""
    taken = set()

    def noted(self, *given, write=filtered_pairs.Turned.multiplied):
        taken.add(self.across)
        return write(self, *given)

    monkeypatch.setattr(filtered_pairs, "FAR", 1)
    monkeypatch.setattr(filtered_pairs, "LEAST", 3)
    monkeypatch.setattr(filtered_pairs.Turned, "multiplied", noted)
    assert compared(two_convolutions((7, 20), 8), large=large, **more) == []
    assert taken == {3, 2}
