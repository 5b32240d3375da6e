"""Figures of a run: which there are, what they say, that colours mean what they should."""

import re

import numpy as np
import pytest

from layerscope import studies
from layerscope.cli import main
from layerscope.core.errors import DataError, OutputError, SettingError
from layerscope.report.figures import sheet
from layerscope.report.figures.curves import curves
from layerscope.report.figures.images import Comparison, Row, comparison
from layerscope.report.figures.journey import Step, journey
from layerscope.report.figures.kernels import Kernel, kernels

from .helpers import numbers, refuses
from .looking import LABELS, trained

CONVOLUTIONS = "28x28x1 | conv 3 3 relu | maxpool 2 | convt 2 2 stride 2 relu | convt 1 3 sigmoid"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("plot") / "run")


def words(path):
    """All text of an SVG, in the order of the file."""
    return re.findall(r"<text[^>]*>([^<]*)</text>", path.read_text("utf-8"))


def test_an_autoencoders_figures(run, capsys):
    assert main(["plot", str(run.folder), "--format", "svg"]) == 0
    folder = run.folder / "pictures"
    names = ["activations", "codes", "curves", "filters-dense", "reconstructions"]
    assert sorted(path.name for path in folder.glob("*.svg")) == [f"{name}.svg" for name in names]
    printed = capsys.readouterr().out.splitlines()
    assert [line.split(": ")[0] for line in sorted(printed)] == [f"Wrote {folder / name}.svg" for name in names]
    told = words(folder / "activations.svg")
    shapes = ["input   28 × 28 × 1", "MaxPooling2D   7 × 7 × 1", "Flatten   49", "Dense, relu   12"]
    assert [text for text in told if text in shapes] == shapes
    assert any(text.startswith("test/0 on its way through 28x28x1 | maxpool 4") for text in told)
    assert "output of code, 12: 12 numbers an image; 360 validation images" in words(folder / "codes.svg")
    curve = words(folder / "curves.svg")
    history = run.history.history["val_loss"]
    best = min(range(2), key=history.__getitem__)
    assert f"best validation: {history[best]:.3g}, epoch {best + 1}" in curve
    errors = [text for text in words(folder / "reconstructions.svg") if re.fullmatch(r"0\.\d{4}", text)]
    assert errors == [f"{error:.4f}" for error in studies.reconstruct(run, count=10).errors]


def test_the_same_run_gives_the_same_files(run, tmp_path):
    one, two = (studies.plot(run, out=tmp_path / name, format="svg", verbose=0) for name in ("one", "two"))
    assert {n: p.read_bytes() for n, p in one.files.items()} == {n: p.read_bytes() for n, p in two.files.items()}


@pytest.mark.parametrize(("format", "head"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_formats_are_what_they_are_called(format, head, tmp_path):
    for name in ("one", "two"):
        curves(tmp_path / f"{name}.{format}", [1, 2], {"loss": [2.0, 0.1], "val_loss": [1.0, 0.2]}, "$x$ & <y>")
    one, two = (path.read_bytes() for path in sorted(tmp_path.iterdir()))
    assert one == two
    assert one.startswith(head)


LONG = "8x8x1 | flatten | dense 16 relu as code | dense 64 sigmoid |… on pictures-long.npz"


@pytest.mark.parametrize(
    ("title", "names", "lines"),
    [
        ("short on digits", ["loss"], ["short on digits"]),
        (LONG, ["loss"], [LONG[:50], LONG[51:]]),
        (LONG, ["loss", "accuracy"], [LONG]),
        ("W" * 99, ["loss"], ["W" * 27 + "…"]),
        (LONG + " " + "W" * 99, ["loss"], [LONG[:50], None]),
    ],
)
def test_titles_of_curves_fit_their_sheet(title, names, lines, monkeypatch, tmp_path):
    pages = []
    real = sheet.Sheet
    monkeypatch.setattr(sheet, "Sheet", lambda *sizes: pages.append(real(*sizes)) or pages[-1])
    curves(tmp_path / "curves.png", [1, 2], {name: [2.0, 0.1] for name in names}, title)
    figure = pages[-1].figure
    found = [text.get_text() for text in figure.texts]
    assert len(found) == len(lines)
    assert all(line in (text, None) for line, text in zip(lines, found, strict=True))
    boxes = [text.get_window_extent() for text in figure.texts]
    assert all(0 < box.x0 < box.x1 < figure.bbox.x1 for box in boxes)
    below = max(axes.get_tightbbox().y1 for axes in figure.axes)
    assert [box.y0 > above for box, above in zip(boxes, [*(box.y1 for box in boxes[1:]), below], strict=True)] == (
        [True] * len(boxes)
    )


def test_a_classifiers_figures(tmp_path):
    run = trained(tmp_path / "run", LABELS)
    found = studies.plot(run, format="svg", image=3, verbose=0)
    assert list(found.files) == ["curves", "filters-look", "activations", "codes"]
    assert {"loss", "accuracy"} <= set(words(found.files["curves"]))
    assert any(text.startswith("test/3 on its way") for text in words(found.files["activations"]))
    assert "Dense, softmax   10" in words(found.files["activations"])
    titles = {"look: kernel 3 × 3 × 1 × 4", "Conv2D(filters=4, kernel_size=3, activation='relu')"}
    assert titles <= set(words(found.files["filters-look"]))


def test_kernels_of_transposed_convolutions_have_channels_in_as_rows(tmp_path):
    run = trained(tmp_path / "run", CONVOLUTIONS, epochs=1)
    found = studies.plot(run, format="svg", verbose=0)
    assert [name for name in found.files if name.startswith("filters")] == [
        "filters-conv2d", "filters-conv2d_transpose", "filters-conv2d_transpose_1",
    ]  # fmt: skip
    told = words(found.files["filters-conv2d_transpose"])
    assert "conv2d_transpose: kernel 2 × 2 × 2 × 3" in told
    assert [text for text in told if text in "0123"] == ["0", "0", "1", "2", "0", "1"]  # the scale, rows, columns


def test_own_image(run, tmp_path):
    np.save(tmp_path / "mine.npy", numbers(1, 28, 28))
    found = studies.plot(run, image=tmp_path / "mine.npy", out=tmp_path / "out", format="svg", verbose=0)
    assert any(text.startswith("mine/0 on its way") for text in words(found.files["activations"]))


def test_mistakes(run, tmp_path):
    with refuses(SettingError, "format must be one of png, svg, pdf, not 'gif'"):
        studies.plot(run, format="gif")
    with refuses(DataError, "there is no validation image 360: there are 360, 0 to 359"):
        studies.plot(run, image=360, out=tmp_path / "out")
    for image in (-1, "-1", np.int64(-1)):
        with refuses(DataError, "there is no validation image -1: there are 360, 0 to 359"):
            studies.plot(run, image=image, out=tmp_path / "out")
    (tmp_path / "file").write_text("")
    with refuses(OutputError, f"cannot write into {tmp_path}/file: a part of this path is a file, not a folder"):
        studies.plot(run, out=tmp_path / "file")


def test_what_cannot_be_drawn_leaves_no_half_file(run, tmp_path, monkeypatch):
    def fail(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("layerscope.report.figures.journey.journey", fail)
    with pytest.raises(KeyboardInterrupt):
        studies.plot(run, out=tmp_path / "out", verbose=0)
    assert sorted(path.stem for path in (tmp_path / "out").iterdir()) == ["curves", "filters-dense"]


def test_signed_values_are_white_at_zero_and_alike_for_plus_and_minus():
    low, zero, high = sheet.coloured(np.array([-2.0, 0.0, 2.0]), sheet.SIGNED, -2, 2)
    assert zero.min() > 0.95
    assert low[0] > low[2]
    assert high[2] > high[0]


@pytest.mark.parametrize("name", [sheet.AMOUNT, sheet.ERROR, sheet.PIXELS, sheet.INKED])
def test_colour_maps_of_amounts_grow_steadily_in_lightness(name):
    steps = sheet.coloured(np.linspace(0, 1, 64), name, 0, 1)
    linear = np.where(steps <= 0.04045, steps / 12.92, ((steps + 0.055) / 1.055) ** 2.4)
    lightness = np.cbrt(linear @ [0.2126, 0.7152, 0.0722])
    change = np.diff(lightness)
    assert (change > 0).all() or (change < 0).all()


def test_images_are_shown_as_they_are():
    colour = numbers(2, 3, 3, 3)
    np.testing.assert_array_equal(sheet.shown(colour, ink=True), colour)
    grey = np.array([0.0, 1.0, 0.5, 2.0]).reshape(1, 2, 2, 1)
    np.testing.assert_allclose(sheet.shown(grey, ink=False)[0, ..., 0], [[0, 1], [0.5, 1]], atol=0.003)
    np.testing.assert_allclose(sheet.shown(grey, ink=True)[0, ..., 2], [[1, 0], [0.5, 0]], atol=0.003)
    two = np.stack([np.zeros((1, 2, 2)), np.ones((1, 2, 2))], axis=-1)
    np.testing.assert_allclose(sheet.shown(two, ink=False), np.full((1, 2, 2, 3), 0.5), atol=0.003)


def test_tiles_stand_row_by_row():
    tiles = [np.full((2, 3, 3), n / 10) for n in range(3)]
    whole = sheet.side_by_side(tiles, 1, 2)
    assert whole.shape == (5, 7, 3)
    assert whole[:2, :3].max() == 0.0
    np.testing.assert_array_equal(whole[:2, 4:], tiles[1])
    np.testing.assert_array_equal(whole[3:, :3], tiles[2])
    assert whole[2].min() == whole[:, 3].min() == whole[3:, 4:].min() == 1.0


def test_large_kernels_say_what_is_left_out(tmp_path):
    kernels(tmp_path / "k.svg", Kernel(numbers(1, 3, 40, 33) - 0.5, "title", "about"))
    assert "drawn: the first 32 of 40 channels in and 32 of 33 filters" in words(tmp_path / "k.svg")
    kernels(tmp_path / "k.svg", Kernel(numbers(3, 3, 1, 65), "title", "about"))
    assert "drawn: the first 64 of 65 filters" in words(tmp_path / "k.svg")


def test_channels_that_are_left_out_or_silent_are_counted(tmp_path):
    values = numbers(4, 6, 40)
    values[..., 5:8] = 0
    journey(tmp_path / "j.svg", [Step("a", "Conv2D", values), Step("b", "Dense", -numbers(100))], "title", False)
    told = words(tmp_path / "j.svg")
    assert "first 32 of 40 channels   3 of 40 channels all 0" in told
    assert f"{sheet.figure(float(-numbers(100).max()))} … {sheet.figure(float(-numbers(100).min()))}" in told


def test_many_images_stand_in_bands_of_ten(tmp_path):
    rows = [Row("originals", numbers(23, 4, 4, 3)), Row("errors", numbers(23, 4, 4), errors=True)]
    comparison(tmp_path / "c.svg", Comparison(rows, [[str(n)] for n in range(23)]))
    told = words(tmp_path / "c.svg")
    assert told.count("originals") == told.count("errors") == 3
    assert [text for text in told if text.isdigit()].count("22") == 1
