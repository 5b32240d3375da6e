"""Drawings as letters, and brought into MNIST's place: against arithmetic that is written another way."""

import random

import numpy as np
import pytest

from layerscope.lab import drawing
from layerscope.lab.autoencoders import kept
from layerscope.lab.drawing import FULL, SIDE, fitted, read, shifted, written

BLANK = [0] * (SIDE * SIDE)


def drawn(seed):
    """Something on the sheet: a rectangle of random levels, many of them full or empty."""
    draw = random.Random(seed)
    top, left = draw.randrange(SIDE), draw.randrange(SIDE)
    high, wide = draw.randint(1, SIDE - top), draw.randint(1, SIDE - left)
    sheet = np.zeros((SIDE, SIDE), int)
    for row in range(top, top + high):
        for column in range(left, left + wide):
            sheet[row, column] = draw.choice([0, FULL, draw.randint(0, FULL)])
    return sheet.ravel().tolist()


@pytest.mark.parametrize("seed", range(60))
def test_what_is_written_is_read_again(seed):
    pixels = drawn(seed)
    letters = written(pixels)
    assert read(letters) == pixels
    assert len(letters) <= SIDE * SIDE
    assert written(read(letters)) == letters


def test_letters_by_hand():
    assert written(BLANK) == "A"
    assert read("A") == read("") == BLANK
    assert read("vQD_P") == [0] * 35 + [3] + [15] * 17 + [15] + [0] * 730
    assert written(read("vQD_P")) == "vQD_P"
    assert written([15] * SIDE * SIDE) == "_" * 46 + "w"


@pytest.mark.parametrize(
    "letters", ["!", "vv!", "v" * 24 + "A", "A" * 785, "_" * 47, "é", "가", "\0", "%", "+", "/", "=", "\ud800"]
)
def test_what_is_no_drawing(letters):
    assert read(letters) is None


@pytest.mark.parametrize("seed", range(60))
def test_moved_as_numpy_moves(seed):
    draw = random.Random(seed)
    right, down = draw.randint(-30, 30), draw.randint(-30, 30)
    wide = np.zeros((3 * 40, 3 * 40), int)
    wide[40 : 40 + SIDE, 40 : 40 + SIDE] = np.reshape(drawn(seed), (SIDE, SIDE))
    cut = wide[40 - down : 40 - down + SIDE, 40 - right : 40 - right + SIDE]
    assert shifted(drawn(seed), right, down) == cut.ravel().tolist()


@pytest.mark.parametrize("seed", range(60))
def test_fitted_as_mnist_was_made(seed):
    """Each ink box is repeated until both sizes divide it, and averaged in blocks: the mean by area."""
    pixels = np.reshape(drawn(seed), (SIDE, SIDE))
    rows, columns = np.nonzero(pixels)
    if not len(rows):
        assert fitted(pixels.ravel().tolist()) == BLANK
        return
    box = pixels[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    height, width = box.shape
    high, wide = (max(1, int(np.floor(20 * n / max(height, width) + 0.5))) for n in (height, width))
    large = box.repeat(high, 0).repeat(wide, 1)
    means = large.reshape(high, height, wide, width).mean((1, 3))
    small = np.floor(means + 0.5 + 1e-12).astype(int)
    found = np.reshape(fitted(pixels.ravel().tolist()), (SIDE, SIDE))
    if small.sum() == 0:
        assert not found.any()
        return
    assert max(high, wide) == 20
    grid = np.indices(small.shape)
    top, left = (
        int(np.floor(14 - (small * axis).sum() / small.sum() + 1e-12)) for axis in grid
    )  # the middle of the sheet is at 13.5, where pixels are counted from 0
    wanted = np.zeros((100, 100), int)
    wanted[36 + top : 36 + top + high, 36 + left : 36 + left + wide] = small
    assert (found == wanted[36 : 36 + SIDE, 36 : 36 + SIDE]).all()


@pytest.mark.parametrize("digit", range(10))
def test_mnists_own_digits_stay_about_where_they_are(digit):
    """They have been through this once, by people who rounded elsewhere."""
    pixels = np.reshape(read(kept()["digits"][digit]), (SIDE, SIDE))
    found = np.reshape(fitted(pixels.ravel().tolist()), (SIDE, SIDE))
    moved = [np.roll(found, (a, b), (0, 1)) for a in (-1, 0, 1) for b in (-1, 0, 1)]
    assert min(np.abs(pixels - one).mean() for one in moved) < 1.2
    assert drawing.BOX == 20
