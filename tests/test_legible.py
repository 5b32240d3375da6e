"""Pictures of checks, mirrored encoders and encoders to order can be read: words are whole and apart, bars true."""

import re
from itertools import combinations

import numpy as np
import pytest
from tests.test_drawings import DOCUMENT, ENCODER, LONG, vector

from layerscope import sources, studies
from layerscope.analyses.design import Wish, design
from layerscope.analyses.mirror import mirror
from layerscope.checking import check
from layerscope.report.figures import sheet, tensors
from layerscope.report.figures.overlaps import overlaps
from layerscope.report.figures.shifts import shifts
from layerscope.report.figures.tensors import Scale, Tensor

VGG = (
    "224x224x3 | [ conv 64 3 same relu ] x2 | maxpool 2 | [ conv 128 3 same relu ] x2 | maxpool 2 | "
    "[ conv 256 3 same relu ] x3 | maxpool 2 | [ conv 512 3 same relu ] x3 | maxpool 2 | "
    "[ conv 512 3 same relu ] x3 | maxpool 2 | flatten | dense 4096 relu | dense 4096 relu"
)
NAMED = "64x64x3 | conv 8 3 same relu as a_layer_with_a_name_that_is_longer_than_its_place | conv 8 99 as another"


@pytest.fixture
def pages(monkeypatch):
    found = []
    real = sheet.Sheet
    monkeypatch.setattr(sheet, "Sheet", lambda *sizes: found.append(real(*sizes)) or found[-1])
    return found


CASES = {
    "document": lambda: check(DOCUMENT, "input"),
    "warnings": lambda: check("example:autoencoder-transpose", optimizer="adadelta", learning_rate=0.001),
    "deep": lambda: check(VGG),
    "deep and broken": lambda: check(VGG.replace("| flatten", "| conv 512 9 | flatten")),
    "long": lambda: check(LONG),
    "names": lambda: check(NAMED),
    "tiny": lambda: check("3 | dense 2"),
    "vectors": lambda: check("784 | dense 128 | dense 700", 784),
    "sequence": lambda: check(
        "64x8 | conv1d 16 3 causal | maxpool1d 2 | conv1d_transpose 8 4 stride 3 same", "input"
    ),
    "no channels": lambda: check("28x28 | conv 8 3 relu | maxpool 2 | dense 10 softmax", 10),
    "mirror": lambda: mirror(sources.read(ENCODER)),
    "mirror in place": lambda: mirror(sources.read(ENCODER), in_place=True),
    "mirror deep": lambda: mirror(sources.read(VGG)),
    "mirror odd": lambda: mirror(sources.read("27x31x3 | conv 8 3 stride 2 | conv 4 3 stride 2"), "subpixel"),
    "mirror tiny": lambda: mirror(sources.read("3 | dense 2")),
    "mirror sequence": lambda: mirror(sources.read("65x8 | conv1d 16 3 | conv1d 4 3 stride 3 same"), "transpose"),
    "designs": lambda: design(Wish((28, 28, 1), 16, 20, 10_000, depth=4), 5),
    "one design": lambda: design(Wish((128, 3), 32, depth=2), 1),
}


@pytest.mark.parametrize("name", CASES)
def test_words_are_whole_and_apart(name, pages, tmp_path):
    """No words run over the edge, over others, or over a bar; no bar leaves the picture."""
    found = CASES[name]()
    studies.draw(found, tmp_path / "a.svg", "nearest" if name == "designs" else None)
    figure = next(page.figure for page in pages if page.width > 2)
    shown = [text for text in figure.texts if text.get_text().strip()]
    boxes = [text.get_window_extent() for text in shown]
    room = figure.bbox
    for text, box in zip(shown, boxes, strict=True):
        assert box.x0 >= 0, text
        assert box.x1 <= room.x1, text
        assert box.y0 >= 0, text
        assert box.y1 <= room.y1, text
    for (one, a), (other, b) in combinations(zip(shown, boxes, strict=True), 2):
        wide, tall = min(a.x1, b.x1) - max(a.x0, b.x0), min(a.y1, b.y1) - max(a.y0, b.y0)
        assert wide < 1 or tall < 2.5, (one, other)  # the boxes of lines have room above and below letters
    tints = {*tensors.BEHIND.values()}
    bars = [patch.get_window_extent() for patch in rectangles(figure) if hexed(patch) not in tints]
    assert bars
    for bar in bars:
        assert 0 <= bar.x0 < bar.x1 <= room.x1
        for text, box in zip(shown, boxes, strict=True):
            assert not bar.overlaps(box.padded(-2)), text


def rectangles(figure):
    from matplotlib.patches import Rectangle

    return [artist for artist in figure.artists if isinstance(artist, Rectangle)]


def hexed(patch):
    from matplotlib.colors import to_hex

    return to_hex(patch.get_facecolor())


def test_bars_are_as_long_as_images_and_as_thick_as_channels(pages, tmp_path):
    studies.draw(check("32x32x1 | conv 64 3 same | maxpool 2 | maxpool 2"), tmp_path / "a.png")
    figure = next(page.figure for page in pages if page.width > 2)
    sizes = [(patch.get_width(), patch.get_height()) for patch in rectangles(figure)]
    longest = max(wide for wide, _ in sizes)
    assert [round(32 * wide / longest, 6) for wide, _ in sizes] == [32, 32, 16, 8]
    thin, thick = tensors.LEAST, tensors.MOST
    assert [tall for _, tall in sizes] == pytest.approx([thin, thick, thick, thick])
    scale = Scale(10, 64, 1.0)
    assert scale.thickness(vector(8)) == pytest.approx((thin + thick) / 2)
    assert scale.length(Tensor("open", None, 3)) == 0.5


# --- other pictures ---


def words(path):
    """All text of an SVG, in the order of the file."""
    return re.findall(r"<text[^>]*>([^<]*)</text>", path.read_text("utf-8"))


def test_few_numbers_stand_in_their_cells(tmp_path):
    found = studies.blindspot("example:boxes-condense", count=1, verbose=0)
    found.save(tmp_path / "a.svg")
    (pair,) = found.pairs
    cells = [pair.first, pair.second, pair.second - pair.first]
    expected = [sheet.figure(float(value)) for one in cells for value in one.ravel()]
    told = words(tmp_path / "a.svg")
    assert [word for word in told if word in expected][: len(expected)] == expected  # then the scale's ends
    found = studies.blindspot("8x8x1 | flatten | dense 3", count=1, verbose=0)
    found.save(tmp_path / "b.svg")
    assert len(words(tmp_path / "b.svg")) < 24


def test_overlap_that_is_even_is_a_strip(tmp_path, pages):
    once, board = np.ones((1, 1)), np.array([[1.0, 2.0], [2.0, 4.0]])
    overlaps(tmp_path / "a.svg", [("a", once, once), ("b", board, None), ("c", None, once)], "net", "")
    told = words(tmp_path / "a.svg")
    assert told.count("1 everywhere") == told.count("even") == 3
    assert [word for word in ("4 : 1", "not known", "changes nothing by itself") if word in told] == [
        "4 : 1", "not known", "changes nothing by itself",
    ]  # fmt: skip
    overlaps(tmp_path / "b.svg", [("a", once, once)], "net", "")
    large, small = (page.height for page in pages if page.width > 2)
    assert small < large / 3


def test_long_names_of_layers_are_cut(tmp_path, pages):
    panels = [("changes", "", [[0.0, 0.5], [0.0, 1.0]]), ("misfit", "", [[0.0, None], [0.0, 0.2]])]
    shifts(tmp_path / "a.svg", ["a_layer_with_a_name_of_fifty_letters_and_some_more", "b"], panels, "net", "", True)
    assert "net, when the image moves" in words(tmp_path / "a.svg")
    figure = next(page.figure for page in pages if page.width > 2)
    names = figure.axes[-1].get_legend().get_texts()
    assert names[0].get_text() == "a_layer_with_a_name_of…"
    assert all(name.get_window_extent().x1 < figure.bbox.x1 for name in names)
