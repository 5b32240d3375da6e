"""The screen of convolution: the layer's numbers, published ones, and the same links from every end."""

import numpy as np
import pytest
from tests.lab.helpers import grid, settings_at_random, values

from layerscope.lab.scenes import scene
from layerscope.layers import Conv2D

HASHES = ["#lab=conv", *settings_at_random("conv", 80)]


def stacked(made, name, count):
    """Grids name1, name2, … as one array, the last axis counting them."""
    return np.stack([values(made, f"{name}{i + 1}") for i in range(count)], axis=-1)


@pytest.mark.parametrize("given", HASHES)
def test_the_chosen_filter_is_what_the_layer_computes(given):
    made = scene(given)
    k, s, d, c, f, filter = (made.settings[name] for name in ("k", "s", "d", "c", "f", "filter"))
    padded, kernel = stacked(made, "input", c), stacked(made, "kernel", c)
    layer = Conv2D(1, k, strides=s, dilation_rate=d, use_bias=False)
    (expected,), _ = layer.define(padded[None], kernel=kernel[..., None])
    np.testing.assert_array_equal(values(made, f"output{filter}"), expected[0, :, :, 0])
    assert {g.id for g in made.grids if g.id.startswith("output")} == {f"output{i + 1}" for i in range(f)}


@pytest.mark.parametrize("given", HASHES)
def test_products_and_formula_add_up_to_the_chosen_output(given):
    made = scene(given + "&on=output")
    (name, at), c = made.selected, made.settings["c"]
    assert stacked(made, "products", c).sum() == grid(made, name).cells[at].value
    said = "".join(token.text for token in made.formula).replace("−", "-").replace("·", "*").split("=")
    assert eval(said[0]) == int(said[1]) == grid(made, name).cells[at].value
    for token in made.formula:
        if token.cell:
            assert grid(made, token.cell[0]).cells[token.cell[1]].text == token.text


def test_input_output_and_weight_agree_on_who_meets_whom():
    """Seen from every output, every input and every weight, the pairs are the same."""
    given = "#lab=conv&n=5&k=2&s=2&p=1&d=2&on="

    def pairs(on, side, first, second):
        found = set()
        for i in range(side):
            for j in range(side):
                made = scene(f"{given}{on}&cell={i},{j}")
                found |= {
                    (link.source[1], link.target[1])
                    for link in made.links
                    if link.source[0] == first and link.target[0] == second
                }
        return found

    read = pairs("output", 3, "input1", "output1")
    assert read == pairs("input", 7, "input1", "output1") == pairs("weight", 2, "input1", "output1")
    met = pairs("output", 3, "kernel1", "output1")
    assert met == pairs("input", 7, "kernel1", "output1") == pairs("weight", 2, "kernel1", "output1")


@pytest.mark.parametrize("given", HASHES)
def test_what_is_unread_changes_nothing_and_what_is_read_something(given):
    """The gradient of the sum of outputs through a kernel of ones, by a poke at every cell."""
    made = scene(given + "&c=1&f=1&w=ones")
    k, s, d = (made.settings[name] for name in ("k", "s", "d"))
    padded = values(made, "input1")
    layer = Conv2D(1, k, strides=s, dilation_rate=d, use_bias=False)
    poked = np.stack([padded + unit.reshape(padded.shape) for unit in np.eye(padded.size)])[..., None]
    (out,), _ = layer.define(poked, kernel=np.ones((k, k, 1, 1)))
    changed = (out.sum(axis=(1, 2, 3)) != values(made, "output1").sum()).tolist()
    roles = [cell.role for cell in grid(made, "input1").cells]
    assert [there for there, role in zip(changed, roles, strict=True) if role == "unread"] == [False] * roles.count(
        "unread"
    )
    assert all(there for there, role in zip(changed, roles, strict=True) if role == "data")


@pytest.mark.parametrize("given", HASHES)
def test_the_law_and_the_numpy_code(given):
    made = scene(given)
    c, f = made.settings["c"], made.settings["f"]
    words = "".join(token.text for token in made.law).replace("−", "-").replace("·", "*").replace("/", "//")
    named, numbered, out = words.split("=")
    settings = {name: value for name, value in made.settings.items() if isinstance(value, int)}
    assert (
        eval(named, {"floor": int}, settings)
        == eval(numbered, {"floor": int})
        == int(out)
        == grid(made, "output1").rows
    )
    p, n = made.settings["p"], made.settings["n"]
    kernels = [stacked(scene(f"{given}&filter={i + 1}"), "kernel", c) for i in range(f)]
    held = {"np": np, "x": stacked(made, "input", c)[p : p + n, p : p + n], "w": np.stack(kernels, axis=-1)}
    exec(made.code["numpy"], held)
    np.testing.assert_array_equal(held["y"], stacked(made, "output", f))


def test_published_numbers():
    """Dumoulin & Visin's guide: its numerical figure with stride 1, and that with stride 2 as its issue 17 corrects it."""
    plain = scene("#lab=conv&n=5&k=3&s=1&p=0&x=3,3,2,1,0,0,0,1,3,1,3,1,2,2,3,2,0,0,2,2,2,0,0,0,1&w=0,1,2,2,2,0,0,1,2")
    assert values(plain, "output1").tolist() == [[12, 12, 17], [10, 17, 19], [9, 6, 14]]
    strided = scene(
        "#lab=conv&n=5&k=3&s=2&p=1&x=2,2,3,3,3,0,1,3,0,3,2,3,0,1,3,3,3,2,1,2,3,3,0,2,3&w=2,0,1,1,0,0,0,1,1"
    )
    assert values(strided, "output1").tolist() == [[1, 5, 6], [7, 8, 3], [3, 10, 4]]


def test_a_turned_kernel_gives_another_number():
    made = scene("#lab=conv&n=3&k=3&p=0&x=1,2,3,4,5,6,7,8,9&w=1,0,0,0,0,0,0,0,2")
    assert values(made, "output1").tolist() == [[1 + 18]]
    assert next(t for t in made.why if t.key == "conv.why.turned").args == {"other": "11"}


def test_a_stride_that_does_not_divide_leaves_cells_unread():
    made = scene("#lab=conv&n=6&k=3&s=2&p=0")
    roles = [cell.role for cell in grid(made, "input1").cells]
    assert roles.count("unread") == 11
    assert {t.key: dict(t.args) for t in made.why if t.key in ("conv.why.rest", "conv.why.unread")} == {
        "conv.why.rest": {"rest": 1, "s": 2},
        "conv.why.unread": {"unread": 11, "all": 36},
    }


def test_settings_that_cannot_be_together_are_said():
    made = scene("#lab=conv&n=2&k=5&p=1&d=3&channel=3&filter=2")
    assert [(c.name, c.asked, c.used, c.why.key) for c in made.clamped] == [
        ("k", "5", "4", "conv.clamp.k"),
        ("d", "3", "1", "conv.clamp.d"),
        ("channel", "3", "1", "conv.clamp.channel"),
        ("filter", "2", "1", "conv.clamp.filter"),
    ]
