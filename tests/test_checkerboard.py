"""The checkerboard energy: known values, and the same by Fourier transforms."""

import numpy as np
import pytest

from layerscope import sources
from layerscope.layers import UpSampling2D
from layerscope.models import Model
from layerscope.studies.checkerboard import checkerboard
from layerscope.studies.decoder_runs import initialise
from layerscope.studies.decoder_study import ENCODER
from layerscope.studies.decoders import autoencoder

ROW, COLUMN = np.mgrid[:28, :28].astype(float)


def energy(image, period=(2, 2)):
    return checkerboard(np.asarray(image)[None, ..., None], period)


def test_constant_images_have_none():
    assert energy(np.full((28, 28), 0.7)) == 0
    value = np.float32(0.7)
    assert energy(np.where(ROW % 2, value, np.nextafter(value, np.float32(1)))) == 0  # what rounding leaves
    assert energy(np.where(ROW % 2, value, value + np.float32(1e-5))) == pytest.approx(1)


def test_smooth_images_have_nearly_none():
    blob = np.exp(-((ROW - 13) ** 2 + (COLUMN - 15) ** 2) / 40)
    assert energy(blob) < 1e-6
    assert energy(ROW + 2 * COLUMN) == pytest.approx(3 / (28**2 - 1), rel=1e-9)  # a ramp: (1/2)² of (n² - 1)/12


@pytest.mark.parametrize(
    "pattern", [(-1) ** (ROW + COLUMN), (-1) ** ROW, (-1) ** COLUMN, 0.5 + 0.1 * (-1) ** (ROW + COLUMN)]
)
def test_what_repeats_is_all_of_it(pattern):
    assert energy(pattern) == pytest.approx(1, abs=1e-12)


def test_a_checkerboard_over_an_image():
    """Parts at other frequencies add up: a 5-cell wave of amplitude a and a checkerboard of amplitude b."""
    a, b = 0.3, 0.1
    wave = a * np.cos(2 * np.pi * 5 * COLUMN / 28)
    assert energy(wave + b * (-1) ** (ROW + COLUMN)) == pytest.approx(b**2 / (b**2 + a**2 / 2), abs=1e-12)


@pytest.mark.parametrize("frequency", [0.02, 0.13, 0.31, 0.47, 0.499])
def test_a_wave_of_any_frequency_in_closed_form(frequency):
    """Of cos(2πfi), i < n, the part (-1)^i is its alternating mean; the rest of the variance is known as well."""
    n = 28
    wave = np.cos(2 * np.pi * frequency * ROW)
    # Σ cos(ωi) over i < n is cos((n - 1)ω/2) sin(nω/2) / sin(ω/2); (-1)^i shifts ω by π, the square doubles it.
    total = lambda w: np.cos((n - 1) * w / 2) * np.sin(n * w / 2) / np.sin(w / 2)  # noqa: E731
    w = 2 * np.pi * frequency
    alternating, mean, square = total(w + np.pi) / n, total(w) / n, 0.5 + total(2 * w) / (2 * n)
    assert energy(wave) == pytest.approx(alternating**2 / (square - mean**2), rel=1e-9)


def by_fourier(images, period):
    """The same from the definition: power at the lines of frequencies k/s, over all power but the mean's."""
    height, width = (n - n % s for n, s in zip(images.shape[1:3], period, strict=True))
    power = np.abs(np.fft.fft2(images[:, :height, :width], axes=(1, 2))) ** 2
    power[:, 0, 0] = 0
    lines = np.zeros((height, width), bool)
    lines[[height * k // period[0] for k in range(1, period[0])]] = True
    lines[:, [width * k // period[1] for k in range(1, period[1])]] = True
    return power[:, lines].sum() / power.sum()


@pytest.mark.parametrize("period", [(2, 2), (3, 2), (1, 2), (4, 4), (5, 3), (1, 1)])
def test_the_same_by_fourier_transforms(period):
    images = np.random.default_rng(0).random((1030, 11, 13, 2))
    assert checkerboard(images, period) == pytest.approx(by_fourier(images, period), rel=1e-12, abs=1e-15)


def test_images_smaller_than_the_period_have_none_along_that_axis():
    images = np.random.default_rng(0).random((5, 1, 8, 1))
    assert checkerboard(images, (2, 2)) == pytest.approx(by_fourier(images, (1, 2)), rel=1e-12)


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
def test_upsampling_has_none_where_the_edge_adds_none(interpolation):
    small = np.zeros((2, 9, 9, 1), np.float32)
    small[:, 2:7, 2:7] = np.random.default_rng(0).random((2, 5, 5, 1))
    assert checkerboard(UpSampling2D(2, interpolation=interpolation)(small)) < 1e-13


def test_before_training_upsampling_has_little_and_transposed_convolution_much():
    """What is known of decoders with random weights (Odena, Dumoulin & Olah 2016)."""
    encoder = sources.read(f"28x28x1 | {ENCODER}")
    images = np.exp(-((ROW - 13) ** 2 + (COLUMN - 12) ** 2) / np.array([20, 40, 60, 90])[:, None, None])[..., None]
    found = {}
    for name in ("nearest", "bilinear", "nails", "transpose", "transpose3"):
        energies = []
        for seed in range(5):
            model = Model.from_graph(autoencoder(encoder, name))
            initialise(model, seed)
            energies.append(checkerboard(model(images.astype(np.float32))))
        found[name] = float(np.median(energies))
    assert max(found["nearest"], found["bilinear"]) < 0.05
    assert min(found["nails"], found["transpose"], found["transpose3"]) > 0.3
