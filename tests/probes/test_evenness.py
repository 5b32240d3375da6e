"""Checkerboards that are there: at the start, in spectra, and what `checkerboard` says of networks."""

import numpy as np
import pytest

import layerscope as ls
from layerscope import initializers, sources, studies
from layerscope.core.errors import GraphError, SettingError
from layerscope.layers import Conv2D, Conv2DTranspose, PixelShuffle2D
from layerscope.probes.evenness import at_start, spectrum
from layerscope.report import formats


@pytest.mark.parametrize("kernel", [3, 4])
def test_new_transposed_convolutions_make_a_checkerboard_whether_their_kernel_is_even_or_not(kernel):
    """n_a independent products at each phase: √(1 - 1/s²) expected; s = 2."""
    layer = Conv2DTranspose(32, kernel, strides=2, padding="same")
    assert at_start(layer, 8) == pytest.approx(np.sqrt(0.75), abs=0.03)


@pytest.mark.parametrize("padding", ["same", "valid"])
def test_resizing_and_icnr_make_none(padding):
    layer = Conv2DTranspose(4, 3, strides=2, padding=padding, activation="relu")
    assert at_start(layer, 3, "resize") < 1e-6
    assert at_start(layer, 3, "subpixel") < 1e-6
    assert at_start(layer, 3, "kernel") > 0.5


def test_icnr_is_nearest_upsampling_behind_a_convolution():
    random = np.random.default_rng(0)
    x = random.standard_normal((1, 5, 6, 3)).astype(np.float32)
    conv = Conv2D(8, 3, padding="same", kernel_initializer=initializers.ICNR((2, 2), seed=5))
    y = PixelShuffle2D(2)(conv(x))
    np.testing.assert_array_equal(y, np.repeat(np.repeat(y[:, ::2, ::2], 2, axis=1), 2, axis=2))
    assert np.std(y) > 0
    again = initializers.get(initializers.ICNR(2, "he_normal", seed=5).to_json())
    assert again == initializers.ICNR([2, 2], initializers.HeNormal(), 5)
    np.testing.assert_array_equal(again((3, 3, 2, 8)), initializers.ICNR(2, "he_normal", seed=5)((3, 3, 2, 8)))
    single = initializers.HeNormal(seed=5)((3, 3, 2, 2))
    np.testing.assert_array_equal(again((3, 3, 2, 8)), np.repeat(single, 4, axis=-1))


def test_icnr_survives_saving(tmp_path):
    x = ls.Input((4, 4, 1))
    model = ls.Model(x, PixelShuffle2D(2)(Conv2D(4, 3, kernel_initializer=initializers.ICNR(2))(x)))
    model.save(tmp_path / "m.npz")
    layer = ls.models.load_model(tmp_path / "m.npz").layers[1]
    assert initializers.get(layer.kernel_initializer) == initializers.ICNR(2)  # pyright: ignore


def test_icnr_says_what_does_not_fit():
    with pytest.raises(SettingError) as channels:
        initializers.ICNR(2)((3, 3, 1, 6))
    assert str(channels.value) == (
        "ICNR: a pixel shuffle of 2 × 2 takes a multiple of 4 channels, but the kernel (3, 3, 1, 6) gives 6"
    )
    with pytest.raises(SettingError) as size:
        initializers.ICNR(0)
    assert str(size.value) == "ICNR: size must be a whole number of at least 1, or one an axis, not 0"


def test_spectrum_of_a_wave():
    wave = np.cos(2 * np.pi * 3 * np.arange(12) / 12)
    frequencies, power = spectrum(np.broadcast_to(wave, (2, 5, 12))[..., None] + 7)
    assert frequencies[3] == 0.25
    assert power[3] == pytest.approx(0.5)  # the other half is that of the frequency -1/4
    assert np.delete(power, 3) == pytest.approx(0, abs=1e-12)
    _, flat = spectrum(np.ones((1, 4, 4, 1)))
    assert flat.tolist() == [0, 0, 0]
    noise = np.random.default_rng(0).standard_normal((4, 6, 8, 2))
    _, power = spectrum(noise, axis=1)
    assert power[0] + 2 * power[1] + 2 * power[2] + power[3] == pytest.approx(1)


def test_the_figures_of_a_chain():
    found = studies.overlap("7x7x8 | convt 4 3 stride 2 same relu | convt 1 3 stride 2 same", verbose=0)
    facts = found.to_json()
    assert [(row["alone"]["max"], row["so_far"]["max"], row["so_far"]["min"]) for row in facts["layers"]] == [
        (4, 4, 1), (4, 9, 1),
    ]  # fmt: skip
    assert facts["output_with_all_changed"]["subpixel"]["counts"] == [1]
    assert [one["way"] for one in facts["layers"][1]["instead"]] == ["kernel", "resize", "subpixel"]
    assert found.document().totals == [
        ("uneven", "2 of 2 layers that enlarge"),
        ("output with all changed", "kernel 1 : 1, resize 1 : 1, subpixel 1 : 1"),
    ]


def test_measured_energy_and_picture(tmp_path):
    text = "28x28x1 | conv 4 3 stride 2 same relu | convt 4 3 stride 2 same relu | conv 1 3 same"
    found = studies.overlap(text, "digits:test", images=20, out=tmp_path / "a.png", verbose=0)
    assert found.measured is not None
    model = ls.Model.from_graph(sources.read(text))
    from layerscope.studies.checkerboard import checkerboard
    from layerscope.studies.decoder_runs import initialise
    from layerscope.studies.images import read_images

    initialise(model, 0)
    images = read_images("digits:test", (28, 28, 1)).array(0, 20)
    made = np.asarray(model.predict(images, verbose=0))
    assert found.measured.energies["conv2d_1"] == pytest.approx(checkerboard(made), rel=1e-5)
    assert found.measured.images == pytest.approx(checkerboard(images))
    assert found.measured.energies["conv2d_1"] > 10 * found.measured.images
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_a_network_without_layers_has_no_table():
    found = studies.overlap("8x8", verbose=0)
    title, gap, first, *_ = formats.render(found.document(), "terminal", 120).splitlines()
    assert (title, gap, first) == ("text  overlap of enlarging layers", "", "uneven  no layer enlarges")


def test_nothing_enlarges():
    found = studies.overlap("8x8x1 | conv 1 3", verbose=0)
    assert found.document().totals == [("uneven", "no layer enlarges")]
    with pytest.raises(GraphError) as data:
        studies.overlap("28x28x1 | conv 1 3", "digits:test", images=2, verbose=0)
    assert str(data.value) == "no layer enlarges an image, so there is no checkerboard to measure"
    with pytest.raises(GraphError) as drawing:
        studies.overlap("8x8x1 | conv 1 3", out="nothing.png", verbose=0)
    assert str(drawing.value) == "there is nothing to draw: no layer enlarges an image"
