"""The screen of transposed convolution: its identities, its numbers against what is stated elsewhere, its words."""

import numpy as np
import pytest
from tests.lab.helpers import grid, settings_at_random, values

from layerscope.lab.numbers import text
from layerscope.lab.scenes import scene
from layerscope.layers import Conv2D, Conv2DTranspose, Cropping2D, UpSampling2D

HASHES = ["#lab=convt", *settings_at_random("convt", 80)]


def small(made):
    return tuple(made.settings[name] for name in ("n", "k", "s", "p", "op", "d"))


@pytest.mark.parametrize("given", HASHES)
def test_a_cell_is_what_the_layer_computes(given):
    """PyTorch's padding is Keras's valid layer with output padding, then a crop."""
    made = scene(given)
    _, k, s, p, op, d = small(made)
    if made.settings["view"] in ("all", "stamp"):
        layer = Conv2DTranspose(1, k, strides=s, output_padding=op, dilation_rate=d, use_bias=False)
        x, w = values(made, "input"), values(made, "kernel")
        (whole,), _ = layer.define(x[None, :, :, None], kernel=w[:, :, None, None])
        expected = Cropping2D(p).define(whole)[0][0][0, :, :, 0] if p else whole[0, :, :, 0]
        np.testing.assert_array_equal(values(made, "output"), expected)


@pytest.mark.parametrize("given", HASHES)
def test_zeros_put_in_and_a_turned_kernel_give_the_same(given):
    made = scene(given + "&view=gather")
    spread, flipped = values(made, "spread"), values(made, "flipped")
    layer = Conv2D(1, made.settings["k"], dilation_rate=made.settings["d"], use_bias=False)
    gathered = layer.define(spread[None, :, :, None], kernel=flipped[:, :, None, None])[0][0][0, :, :, 0]
    np.testing.assert_array_equal(gathered, values(made, "output"))


@pytest.mark.parametrize("given", HASHES)
def test_it_is_the_adjoint_of_the_convolution(given):
    """⟨conv(y), x⟩ = ⟨y, convt(x)⟩ for any y."""
    made = scene(given + "&view=stamp")
    _, k, s, p, _, d = small(made)
    output, x, w = (values(made, name) for name in ("output", "input", "kernel"))
    y = np.random.default_rng(3).integers(-9, 9, output.shape).astype(float)
    layer = Conv2D(1, k, strides=s, dilation_rate=d, use_bias=False)
    there = layer.define(np.pad(y, p)[None, :, :, None], kernel=w[:, :, None, None])[0][0][0, :, :, 0]
    assert (there * x).sum() == (y * output).sum()


@pytest.mark.parametrize("given", HASHES)
def test_the_matrix_times_the_input_is_the_output(given):
    made = scene(given + "&view=matrix")
    if "matrix" in {g.id for g in made.grids}:
        product = values(made, "matrix") @ values(made, "input").ravel()
        output, whole = values(made, "output"), grid(made, "matrix").rows == values(made, "output").size
        np.testing.assert_array_equal(product, output.ravel() if whole else output[made.settings["cell"][0]])


@pytest.mark.parametrize("given", HASHES)
def test_the_steps_add_up_to_the_plane_whose_kept_cells_are_the_output(given):
    made = scene(given + "&view=stamp&step=64")
    kept = [c.value for c in grid(made, "plane").cells if c.role != "cropped"]
    assert kept == [c.value for c in grid(made, "output").cells]
    assert [c.role for c in grid(made, "plane").cells if c.role != "cropped"] == [
        c.role for c in grid(made, "output").cells
    ]
    start = scene(given + "&view=stamp&step=0")
    assert not values(start, "plane").any()
    assert (made.steps, made.step, start.step) == (made.settings["n"] ** 2,) * 2 + (0,)


@pytest.mark.parametrize("given", HASHES)
def test_the_formula_and_the_law_come_out(given):
    made = scene(given)
    said = "".join(token.text for token in made.formula).replace("−", "-").replace("·", "*").split("=")
    assert eval(said[0]) == int(said[1])  # only digits and operators
    law = "".join(token.text for token in made.law).replace("−", "-").replace("·", "*").split("=")
    assert eval(law[0], {}, made.settings) == eval(law[1]) == int(law[2]) == grid(made, "output").rows


@pytest.mark.parametrize("given", HASHES)
def test_tokens_stand_in_their_cells(given):
    made = scene(given)
    for token in made.formula:
        if token.cell:
            assert grid(made, token.cell[0]).cells[token.cell[1]].text == token.text


@pytest.mark.parametrize("given", HASHES)
def test_the_numpy_code_computes_the_output(given):
    made = scene(given + "&view=stamp")
    held = {"np": np, "x": values(made, "input"), "w": values(made, "kernel")}
    exec(made.code["numpy"], held)
    np.testing.assert_array_equal(held["y"], values(made, "output"))


@pytest.mark.parametrize("s", [2, 3, 4])
def test_a_kernel_of_ones_as_large_as_the_stride_is_the_nearest_upsampling(s):
    made = scene(f"#lab=convt&n=4&k={s}&s={s}&p=0&op=0&w=ones")
    nearest = UpSampling2D(s).define(values(made, "input")[None, :, :, None])[0][0][0, :, :, 0]
    np.testing.assert_array_equal(values(made, "output"), nearest)


@pytest.mark.parametrize("s", [2, 3, 4])
def test_a_single_one_with_output_padding_is_the_bed_of_nails(s):
    made = scene(f"#lab=convt&n=4&k=1&s={s}&p=0&op={s - 1}&w=ones")
    expected = np.zeros((4 * s, 4 * s))
    expected[::s, ::s] = values(made, "input")
    np.testing.assert_array_equal(values(made, "output"), expected)


def test_settings_that_cannot_be_together_are_said():
    made = scene("#lab=convt&n=1&k=3&s=1&p=9&op=2&d=1&x=1,2&step=1")
    assert [(c.name, c.asked, c.used, c.why.key) for c in made.clamped] == [
        ("op", "2", "0", "convt.clamp.op"),
        ("p", "9", "1", "convt.clamp.gone"),
        ("x", "1,2", "", "clamp.numbers"),
    ]
    assert made.settings["step"] == 64


def test_output_padding_is_computed():
    made = scene("#lab=convt&seed=4")
    extra = [c for c in grid(made, "output").cells if c.role == "extra"]
    assert len(extra) == 2 * 8 - 1
    assert any(c.value for c in extra)
    said = next(t for t in made.why if t.key == "convt.why.op")
    assert said.args == {"op": 1, "added": 15, "there": sum(c.value != 0 for c in extra)}
    assert all(c.text == text(c.value) for c in extra)
