"""The screens of pooling and of three upsamplings."""

import re

import numpy as np
import pytest
from tests.lab.helpers import grid, settings_at_random, values

from layerscope.lab.scenes import scene
from layerscope.layers import AveragePooling2D, MaxPooling2D

POOLS = ["#lab=pool", *settings_at_random("pool", 80)]
UPSAMPLINGS = ["#lab=upsampling", *settings_at_random("upsampling", 60)]


def image(made):
    """The input without its padding."""
    n, before = made.settings["n"], made.data["before"]
    return values(made, "input")[before : before + n, before : before + n]


@pytest.mark.parametrize("given", POOLS)
def test_pools_are_what_the_layers_compute(given):
    made = scene(given)
    k, s, pad = (made.settings[name] for name in ("k", "s", "pad"))
    x = image(made)[None, :, :, None]
    (top, switches), _ = MaxPooling2D(k, strides=s, padding=pad, return_switches=True).define(x)
    (mean,), _ = AveragePooling2D(k, strides=s, padding=pad).define(x)
    for name, expected in (("output", top), ("switches", switches), ("average", mean)):
        np.testing.assert_array_equal(values(made, name), expected[0, :, :, 0])


@pytest.mark.parametrize("given", POOLS)
def test_padding_is_minus_infinity_in_the_code_and_in_the_cells(given):
    made = scene(given)
    held = {"np": np, "x": image(made)}
    exec(made.code["numpy"], held)
    np.testing.assert_array_equal(held["y"], values(made, "output"))
    padding = [cell for cell in grid(made, "input").cells if cell.role == "padding"]
    assert all((cell.value, cell.text) == (None, "−∞") for cell in padding)
    assert len(padding) == grid(made, "input").rows ** 2 - made.settings["n"] ** 2


@pytest.mark.parametrize("given", POOLS)
def test_winners_are_where_the_switches_point_and_links_lead_from_the_window(given):
    made = scene(given)
    n, k, s = (made.settings[name] for name in ("n", "k", "s"))
    winners = {
        divmod(i, grid(made, "input").columns)
        for i, cell in enumerate(grid(made, "input").cells)
        if cell.role == "winner"
    }
    before = made.data["before"]
    pointed = {divmod(int(at), n) for at in values(made, "switches").ravel()}
    assert {(row - before, column - before) for row, column in winners} == pointed
    row, column = made.settings["cell"]
    read = {divmod(link.source[1], grid(made, "input").columns) for link in made.links if link.target[0] == "average"}
    window = {(row * s + a, column * s + b) for a in range(k) for b in range(k)}
    inside = {(a, b) for a, b in window if before <= a < before + n and before <= b < before + n}
    assert read == inside
    assert [link.source[1] for link in made.links if link.role == "switch"] == [made.data["winner"]]


def test_of_equal_numbers_the_first_wins():
    made = scene("#lab=pool&n=2&k=2&x=4,4,4,4")
    assert grid(made, "switches").cells[0].text == "0"
    assert next(t for t in made.why if t.key == "pool.why.tie").args == {"count": 4, "value": "4"}


def test_what_a_shift_leaves():
    still, moved = scene("#lab=pool&n=6"), scene("#lab=pool&n=6&shift=1")
    assert values(moved, "still").tolist() == values(still, "output").tolist()
    same = int((values(moved, "output") == values(still, "output")).sum())
    said = next(t for t in moved.why if t.key == "pool.why.shift")
    assert said.args == {"shift": 1, "s": 2, "same": same, "all": 9, "by": 0}
    assert sum(cell.role == "changed" for cell in grid(moved, "output").cells) == 9 - same


def test_a_shift_by_the_stride_moves_the_output():
    still, moved = scene("#lab=pool&n=8"), scene("#lab=pool&n=8&shift=2")
    np.testing.assert_array_equal(values(moved, "output")[:, 1:], values(still, "output")[:, :-1])
    assert any(t.key == "pool.why.multiple" and t.args["by"] == 1 for t in moved.why)


def test_own_numbers_come_in_from_zeros():
    made = scene("#lab=pool&n=2&k=1&s=1&x=1,2,3,4&shift=1")
    assert values(made, "output").tolist() == [[0, 1], [0, 3]]


@pytest.mark.parametrize("given", UPSAMPLINGS)
def test_upsamplings_are_what_their_code_computes(given):
    made = scene(given)
    held = {"np": np, "code": values(made, "code"), "switches": values(made, "switches").astype(int)}
    exec(made.code["numpy"], held)
    for name in ("nearest", "nails", "unpooled"):
        np.testing.assert_array_equal(values(made, name), held[name])


@pytest.mark.parametrize("given", UPSAMPLINGS)
def test_nearest_and_nails_are_transposed_convolutions(given):
    """Kernels of ones with k = s; a 1×1 kernel of one with output padding s − 1: the same numbers on that screen."""
    made = scene(given)
    n, s = made.settings["n"], made.settings["s"]
    code = ",".join(str(int(v)) for v in values(made, "code").ravel())
    for name, kernel in (("nearest", f"k={s}&op=0"), ("nails", f"k=1&op={s - 1}")):
        stamped = scene(f"#lab=convt&n={n}&s={s}&p=0&d=1&w=ones&view=stamp&x={code}&{kernel}")
        assert stamped.clamped == ()
        np.testing.assert_array_equal(values(stamped, "output"), values(made, name))


@pytest.mark.parametrize("given", UPSAMPLINGS)
def test_unpooling_is_the_identity_on_the_winners(given):
    made = scene(given + "&edit=none")
    pixels = grid(made, "image").cells
    for pixel, back in zip(pixels, grid(made, "unpooled").cells, strict=True):
        assert back.value == (pixel.value if pixel.role == "winner" else 0)
    assert made.data["stale"] == []


@pytest.mark.parametrize("edit", ["mirror", "roll"])
def test_stale_switches_are_those_that_the_edited_image_would_not_have(edit):
    made = scene(f"#lab=upsampling&n=4&s=3&seed=3&edit={edit}")
    pixels = values(made, "image")
    edited = pixels[:, ::-1] if edit == "mirror" else np.roll(pixels, 3, axis=1)
    (code, switches), _ = MaxPooling2D(3, return_switches=True).define(edited[None, :, :, None])
    np.testing.assert_array_equal(values(made, "code"), code[0, :, :, 0])
    stale = np.flatnonzero(switches.ravel() != values(made, "switches").ravel()).tolist()
    assert made.data["stale"] == stale != []
    changed = [i for i, cell in enumerate(grid(made, "unpooled").cells) if cell.role == "changed"]
    assert changed == np.flatnonzero(values(made, "unpooled") != values(made, "fresh")).tolist() != []


@pytest.mark.parametrize("given", UPSAMPLINGS)
def test_the_formula_of_a_switch_comes_out(given):
    made = scene(given)
    words = [token.text for token in made.formula]
    value, switch = words[0], int(words[-1])
    found = re.fullmatch(r"→\((\d+), (\d+)\):(\d+)·(\d+)\+(\d+)=", "".join(words[1:-1]))
    row, column, *numbers = map(int, found.groups())
    assert numbers == [row, grid(made, "unpooled").columns, column]
    assert row * numbers[1] + column == switch
    arrow = next(link for link in made.links if link.role == "switch")
    assert arrow.target == ("unpooled", switch)
    assert grid(made, "unpooled").cells[switch].text == value
