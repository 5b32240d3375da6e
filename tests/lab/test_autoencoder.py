"""The autoencoder's screen: the trained networks, computed again layer by layer; what is said of them, recomputed."""

import json
from dataclasses import replace
from importlib.resources import files

import numpy as np
import pytest
from tests.lab.helpers import grid, settings_at_random, values

from layerscope import sources
from layerscope.analyses import mirror
from layerscope.core import propagate
from layerscope.lab import drawing
from layerscope.lab.autoencoders import kept, packed, shapes, trained, unpacked
from layerscope.lab.numbers import text
from layerscope.lab.painting import words
from layerscope.lab.scenes import scene
from layerscope.layers import BedOfNails2D, PixelShuffle2D, UpSampling2D
from layerscope.models import Model

DECODERS = ("nearest", "bilinear", "nails", "unpool", "transpose", "subpixel")
DIGITS = [np.array(drawing.read(letters)) / 15 for letters in kept()["digits"]]


def by_definition(network, image):
    """Every layer's output, by what each layer defines itself to be; unpooling is told the size that was pooled, which
    in a network comes with its switches.
    """
    sizes = dict(zip(map(id, network.graph.nodes), shapes(network.graph), strict=True))

    def rule(node, fed):
        more = {"output_size": sizes[id(node)][:2]} if node.layer.kind == "MaxUnpooling2D" else {}
        found, _ = replace(node.layer, **more).define(
            *fed, **{role: network.weights[id] for role, id in node.weights.items()}
        )
        return found

    start = network.graph.inputs[0]
    return propagate.forward(network.graph, {start: (image.reshape(1, 28, 28, 1),)}, rule)


def test_the_decoders_are_those_that_are_compared():
    assert tuple(kept()["networks"]) == DECODERS
    assert "28x28x1 | " in kept()["encoder"]


@pytest.mark.parametrize("decoder", DECODERS)
def test_the_layers_of_the_file_are_those_of_the_mirrored_encoder(decoder):
    graph = mirror.autoencoder(sources.read(kept()["encoder"]), decoder)
    told = kept()["networks"][decoder]["layers"]
    assert [(one["name"], one["kind"]) for one in told] == [(node.label, node.layer.kind) for node in graph.nodes]
    assert [one["inputs"] for one in told] == [[list(edge) for edge in node.inputs] for node in graph.nodes]
    assert [tuple(one["shape"]) for one in told] == shapes(graph)
    weights = trained(decoder).weights
    assert [weights[id].size for id in graph.parameters] == [row.size for row in graph.parameters.values()]
    assert kept()["networks"][decoder]["parameters"] == sum(array.size for array in weights.values())


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("digit", [2, 7])
def test_all_tensors_are_what_the_layers_define(decoder, digit):
    network = trained(decoder)
    defined = by_definition(network, DIGITS[digit])
    found = network.tensors(DIGITS[digit])
    assert len(found) == len(network.graph.nodes)
    for number, array in enumerate(found):
        assert array.dtype == np.float64
        np.testing.assert_allclose(array, defined[number][0][0], rtol=0, atol=1e-12)


@pytest.mark.parametrize("decoder", DECODERS)
def test_the_native_engine_makes_the_same_of_all_digits(decoder):
    network = trained(decoder)
    model = Model.from_graph(network.graph)
    model.set_weights([network.weights[id] for id in network.graph.parameters])
    images = np.array(DIGITS, np.float32).reshape(-1, 28, 28, 1)
    wanted = [network.tensors(image)[-1] for image in DIGITS]
    np.testing.assert_allclose(model.predict(images, verbose=0), wanted, rtol=0, atol=2e-5)


@pytest.mark.parametrize("decoder", DECODERS)
def test_each_decoder_gives_the_digits_back_about_as_well_as_it_is_said(decoder):
    """The ten that are shown are typical ones, so better than the mean over 10,000."""
    errors = [np.square(trained(decoder).tensors(image)[-1].ravel() - image).mean() for image in DIGITS]
    usual = kept()["networks"][decoder]["mse"]
    assert usual / 3 < np.mean(errors) < usual * 1.25
    unlike = [np.square(np.array(DIGITS) - trained(decoder).tensors(image)[-1].ravel()).mean(1) for image in DIGITS]
    assert [int(one.argmin()) for one in unlike] == list(range(10))


@pytest.mark.parametrize("scale", [1e-4, 1, 37.0, 3e5])
def test_weights_of_twelve_bits(scale):
    weights = np.random.default_rng(3).normal(size=(3, 5)) * scale
    told = packed(weights)
    found = unpacked(told).reshape(weights.shape)
    step = 2.0 ** -told["exponent"]
    assert np.abs(found - weights).max() <= step / 2
    assert np.abs(weights).max() > 1023 * step  # no bit is given away
    assert (found.astype(np.float32) == found).all()
    assert len(told["letters"]) == 2 * weights.size


def test_the_file_fits_into_the_page():
    assert len(files("layerscope.lab").joinpath("autoencoder.json").read_bytes()) < 120_000
    assert "layerscope compare decoders" in kept()["recipe"]


NUMPY = {
    "nearest": (UpSampling2D(2), "y = x.repeat(2, axis=0).repeat(2, axis=1)"),
    "bilinear": (UpSampling2D(2, interpolation="bilinear"), "import scipy.ndimage\ny = {code}"),
    "nails": (BedOfNails2D(2), "{code}"),
    "subpixel": (PixelShuffle2D(2), "y = {code}"),
}


@pytest.mark.parametrize("decoder", NUMPY)
def test_the_code_in_numpy_does_what_the_layer_does(decoder):
    layer, program = NUMPY[decoder]
    h, w, c = 4, 5, 32 if decoder == "subpixel" else 3
    x = np.random.default_rng(1).normal(size=(h, w, c))
    names = {"numpy": np, "x": x, "h": h, "w": w, "c": c}
    exec(program.format(code=kept()["code"][decoder]["numpy"]), names)
    np.testing.assert_allclose(names["y"], layer.define(x[None])[0][0][0], rtol=0, atol=1e-12)


def test_the_code_of_unpooling_and_of_the_transposed_convolution_in_numpy():
    network, image = trained("transpose"), DIGITS[4]
    found = network.tensors(image)
    number = network.graph.index("conv2d_transpose")
    x, kernel = found[number - 1], network.weights["conv2d_transpose/kernel"]
    y = np.zeros((10, 10, 8))
    for i in range(4):
        for j in range(4):
            exec(kept()["code"]["transpose"]["numpy"], {"y": y, "kernel": kernel, "x": x, "i": i, "j": j})
    made = np.maximum(y[1:-1, 1:-1] + network.weights["conv2d_transpose/bias"], 0)
    np.testing.assert_allclose(made, found[number], rtol=0, atol=1e-12)
    plane = np.array([[1.0, 5.0, 2.0, 0.0], [3.0, 4.0, 9.0, 7.0]])
    names = {"numpy": np, "h": 1, "w": 2, "switches": np.array([1, 6]), "x": np.array([5.0, 9.0])}
    exec(kept()["code"]["unpool"]["numpy"], names)
    assert (names["y"] == np.where(np.isin(plane, [5.0, 9.0]), plane, 0)).all()


@pytest.mark.parametrize("link", ["#lab=autoencoder", *settings_at_random("autoencoder", 25)])
def test_what_is_said_is_what_the_cells_say(link):
    made = scene(link)
    image = values(made, "input").ravel()
    chosen, row = made.selected
    told = {one["name"]: one for one in made.data["decoders"]}
    for name in DECODERS:
        found = values(made, f"made.{name}").ravel()
        assert abs(np.square(found - image).mean() - told[name]["mse"]) < 3e-6
        np.testing.assert_allclose(values(made, f"error.{name}").ravel(), found - image, rtol=0, atol=2e-6)
        assert made.data["decoders"][DECODERS.index(name)]["usual"] == kept()["networks"][name]["mse"]
    decoder = made.settings["decoder"]
    assert (chosen, row) == (f"made.{decoder}", made.settings["cell"][0] * 28 + made.settings["cell"][1])
    numbers = [token for token in made.formula if token.kind == "number"]
    assert [token.text for token in numbers] == [grid(made, t.cell[0]).cells[t.cell[1]].text for t in numbers]
    assert all(cell.text == text(cell.value) for one in made.grids for cell in one.cells)
    maps = trained(decoder).tensors(np.round(image * 15) / 15)
    layer, number = made.settings["layer"], made.settings["map"]
    np.testing.assert_allclose(values(made, "map"), maps[layer][..., number], rtol=0, atol=1e-6)
    code = maps[trained(decoder).graph.index("code")]
    for n in range(4):
        np.testing.assert_allclose(values(made, f"code.{n}"), code[..., n], rtol=0, atol=1e-6)
    assert {one for row in made.layout for one in row} == {one.id for one in made.grids}


def test_bits_around_the_code():
    bits = mirror.switch_bits(sources.read(kept()["encoder"]))
    told = {one["name"]: one["switches"] for one in scene("#lab=autoencoder").data["decoders"]}
    assert told == {name: bits if name == "unpool" else 0 for name in DECODERS}
    words = " ".join(token.text for token in scene("#lab=autoencoder&decoder=unpool").law)
    assert words == "h × w × c = 4 × 4 × 4 = 64 + 7152 bits < 28 × 28 = 784"


@pytest.mark.parametrize(("dx", "dy"), [(4, 0), (0, 4), (-5, -5), (6, 3)])
def test_a_digit_that_is_moved_away_is_given_back_worse(dx, dy):
    """Over the ten digits; a single one may be luckier."""
    found = [scene(f"#lab=autoencoder&digit={n}&dx={dx}&dy={dy}").data["decoders"] for n in range(10)]
    for number, name in enumerate(DECODERS):
        here, centred = (np.mean([one[number][key] for one in found]) for key in ("mse", "centred"))
        still = [scene(f"#lab=autoencoder&digit={n}").data["decoders"][number]["mse"] for n in range(10)]
        assert abs(centred - np.mean(still)) < 1e-9
        assert here > centred * (1.05 if name == "unpool" else 1.25)


def test_a_drawing_is_fitted_or_left():
    square = [0] * 784
    for row in range(3, 9):
        for column in range(2, 8):
            square[row * 28 + column] = 15
    letters = drawing.written(square)
    left = scene(f"#lab=autoencoder&drawn={letters}&fit=off")
    assert (values(left, "input").ravel() * 15 == square).all()
    fitted = values(scene(f"#lab=autoencoder&drawn={letters}"), "input")
    assert (fitted == 1).sum() == 400
    assert (fitted[4:24, 4:24] == 1).all()
    assert [one.key for one in left.why][-1] == "autoencoder.why.fit.off"


def test_what_is_no_drawing_is_said():
    made = scene("#lab=autoencoder&drawn=Hello!&digit=5")
    assert [(clamp.name, clamp.asked, clamp.used, clamp.why.key) for clamp in made.clamped] == [
        ("drawn", "Hello!", "", "autoencoder.clamp.drawn")
    ]
    assert (values(made, "input").ravel() == DIGITS[5].round(6)).all()


def test_every_text_is_in_the_table_in_both_languages():
    strings = json.loads(files("layerscope.lab").joinpath("strings.json").read_text("utf-8"))
    links = [
        f"#lab=autoencoder&decoder={name}&dx=1&drawn=vQD_P&fit={fit}" for name in DECODERS for fit in ("mnist", "off")
    ]
    for made in [scene("#lab=autoencoder&layer=99&map=60&drawn=!"), *map(scene, links)]:
        said = [made.title, *made.why, *(one.title for one in made.grids), *(clamp.why for clamp in made.clamped)]
        for one in said:
            assert set(strings[one.key]) == {"en", "ko"}
            for lang in words.LANGUAGES:
                assert "{" not in words.say(one, lang)
