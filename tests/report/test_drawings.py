"""What is drawn: sizes by the facts, words that fit, colours that pages and paper share."""

import re
import xml.etree.ElementTree as ET
from itertools import pairwise
from math import log2
from pathlib import Path

import pytest
from tests import networks
from tests.table.networks import ALL

import layerscope as ls
from layerscope.report import drawing, page, svg
from layerscope.report.drawing import Area, Box, Drawing, Group, Stroke, Words, extent, shortened, wrapped
from layerscope.report.layouts import stops
from layerscope.report.layouts.across import across
from layerscope.report.layouts.curves import curves
from layerscope.report.layouts.down import down
from layerscope.report.scenes import Curves, Line
from layerscope.telling import describe

TRACES = {
    **ALL,
    "vgg16": lambda: ls.trace(networks.vgg16()),
    "resnet152": lambda: ls.trace(networks.resnet(152)),
    "unet": lambda: ls.trace(networks.unet()),
}


def journey(trace):
    (found,) = describe(trace.graph, trace.journey).scenes()
    return found


def marks(found):
    for mark in found.marks:
        yield from mark.marks if isinstance(mark, Group) else [mark]


def edges(mark):
    """Left, top, right, bottom; of words as wide as they are at most."""
    if isinstance(mark, Box):
        return mark.left, mark.top, mark.left + mark.width, mark.top + mark.height
    if isinstance(mark, Words):
        wide = extent(mark.text, mark.size, mark.bold)
        if mark.turned:
            return mark.left - mark.size, mark.top, mark.left, mark.top + wide
        left = mark.left - {"start": 0, "middle": wide / 2, "end": wide}[mark.anchor]
        return left, mark.top - 0.76 * mark.size, left + wide, mark.top
    points = mark.points if isinstance(mark, Area | Stroke) else [(mark.left, mark.top)]
    if (
        isinstance(mark, Stroke) and mark.bent
    ):  # between its ends and what pulls it; at most three quarters of the way
        (a, b, c, d) = points
        points = [a, d, *((0.25 * p[0] + 0.75 * q[0], 0.25 * p[1] + 0.75 * q[1]) for p, q in ((a, b), (d, c)))]
    return min(x for x, _ in points), min(y for _, y in points), max(x for x, _ in points), max(y for _, y in points)


@pytest.mark.parametrize("name", TRACES)
@pytest.mark.parametrize("layout", ["70", "84", "174", "across"])
def test_everything_lies_on_the_sheet(name, layout):
    found = across(journey(TRACES[name]())) if layout == "across" else down(journey(TRACES[name]()), float(layout))
    for mark in marks(found):
        left, top, right, bottom = edges(mark)
        assert left >= -0.01, mark
        assert top >= -0.01, mark
        assert right <= found.width + 0.01, mark
        assert bottom <= found.height + 0.01, mark


@pytest.mark.parametrize("name", TRACES)
@pytest.mark.parametrize("width", [84, 174])
def test_words_of_a_row_do_not_touch(name, width):
    rows = {}
    for mark in marks(down(journey(TRACES[name]()), width)):
        if isinstance(mark, Words):
            rows.setdefault(round(mark.top, 3), []).append(edges(mark))
    for row in rows.values():
        row.sort()
        for (_, _, end, _), (start, _, _, _) in pairwise(row):
            assert end < start


def test_widths_of_letters_are_those_of_the_font_that_comes_with_matplotlib():
    from matplotlib import font_manager
    from matplotlib.ft2font import FT2Font

    for weight, table in (("normal", drawing.NORMAL), ("bold", drawing.BOLD)):
        font = FT2Font(font_manager.findfont(font_manager.FontProperties(family="DejaVu Sans", weight=weight)))
        font.set_size(1000, 72)
        for place, width in enumerate(table):
            assert font.load_char(32 + place).linearHoriAdvance / 65536 / 10 == pytest.approx(width, abs=0.51)
        for letter, width in drawing.OTHERS.items():
            assert font.load_char(ord(letter)).linearHoriAdvance / 65536 / 10 <= width + 3, letter


def test_colours_of_paper_are_the_light_ones_of_pages():
    css = (Path(page.__file__).parent.parent / "theme.css").read_text("utf-8")
    light = dict(re.findall(r"--([a-z]+): light-dark\((#[0-9a-f]{6}), #[0-9a-f]{6}\)", css))
    assert {role: light.get(role) for role in drawing.PAPER} == drawing.PAPER


def test_boxes_are_as_wide_and_high_as_the_facts_say():
    trace = ls.trace("example:autoencoder")
    found = down(journey(trace), 84)
    boxes = [mark for mark in marks(found) if isinstance(mark, Box) and mark.role != "bar"]
    layers = trace.layers
    assert len(boxes) == len(layers)
    widest = max(box.width for box in boxes)
    for box, layer in zip(boxes, layers, strict=True):
        _, side, _, depth = layer["output_shape"]
        assert box.width == pytest.approx(0.5 + (widest - 0.5) * log2(1 + side) / log2(29))
        assert box.height == pytest.approx(0.5 + (3.5 - 0.7 - 0.5) * log2(1 + depth) / log2(17))
        assert box.hollow == (layer["parameters"] == 0)
        ratio = layer["ratio"]
        assert box.role == ("keep" if ratio in (None, 1) else "enrich" if ratio > 1 else "condense")


def test_bars_are_shares_of_the_largest():
    trace = ls.trace("example:autoencoder")
    bars = [mark for mark in marks(down(journey(trace), 84)) if isinstance(mark, Box) and mark.role == "bar"]
    for key, left in zip(("parameters", "macs"), sorted({bar.left for bar in bars}), strict=True):
        told = [layer[key] for layer in trace.layers if layer[key]]
        column = [bar.width for bar in bars if bar.left == left]
        assert [width / max(column) for width in column] == pytest.approx([n / max(told) for n in told], abs=0.02)


@pytest.mark.parametrize("name", ["vgg16", "resnet152", "unet"])
def test_what_is_put_together_loses_nothing(name):
    few, all_of_them = stops.merged(journey(TRACES[name]()).stops), journey(TRACES[name]()).stops
    for key in ("parameters", "macs"):
        assert sum(getattr(stop, key) for stop in few) == sum(getattr(stop, key) for stop in all_of_them)
    added = sum(int(found[1]) for stop in few if (found := re.search(r" \+(\d+)$", stop.name)))
    assert len(few) + added == len(all_of_them)
    for at, stop in enumerate(few):
        assert all(source < at for source in stop.reads)


def test_a_figure_of_resnet152_is_folded_and_fits_a_page():
    found = down(journey(TRACES["resnet152"]()), 174)
    told = [mark.text for mark in marks(found) if isinstance(mark, Words)]
    assert "… 34 × 10 layers" in told
    assert found.height < 240


def test_what_skips_layers_is_drawn():
    found = down(journey(TRACES["unet"]()), 84)
    assert sum(isinstance(mark, Stroke) and mark.bent for mark in marks(found)) == 4


BRIEF = {0: "", 7: "7", 999: "999", 1000: "1.00 k", 1168: "1.17 k", 99949: "99.9 k", 999499: "999 k", 999500: "1.00 M",
         138357544: "138 M", 10**20: "100000 P", None: "?"}  # fmt: skip


@pytest.mark.parametrize("number", BRIEF)
def test_brief_numbers_have_three_digits(number):
    assert stops.brief(number) == BRIEF[number]


def test_words_are_shortened_and_wrapped_to_what_is_there():
    assert shortened("max_pooling2d_12", 2.0, 100) == "max_pooling2d_12"
    cut = shortened("max_pooling2d_12", 2.0, 14)
    assert extent(cut, 2.0) <= 14
    assert re.fullmatch(r"max_p?o?….*_12", cut)
    assert shortened("anything", 2.0, 0.1) == "…"
    assert extent(shortened("ilt'" * 100_000, 2.0, 20), 2.0) <= 20, "names of any length are cut at once"
    assert all(extent(line, 2.0) <= 30 for line in wrapped("some words that do not fit into one line", 2.0, 30))
    assert " ".join(wrapped("some words that do not fit", 2.0, 30)) == "some words that do not fit"


def test_svg_is_xml_whatever_names_hold():
    found = Drawing(10, 10, "mm", 'a & <b> "c" \x00\ud800', "\x1b", [Words(1, 2, "<script>\x07&amp;", 2)])
    root = ET.fromstring(svg.standing(found))
    words = root.find("{http://www.w3.org/2000/svg}text")
    assert words.text == "<script>\N{REPLACEMENT CHARACTER}&amp;"
    assert (
        root.find("{http://www.w3.org/2000/svg}title").text
        == 'a & <b> "c" \N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}'
    )


# --- Curves ---


def heights(scene):
    return [
        [y for _, y in mark.points]
        for mark in curves(scene).marks
        if isinstance(mark, Stroke) and mark.role in ("one", "two")
    ]


def test_curves_are_linear_or_logarithmic():
    falling = Curves("loss", [1, 2, 3], [Line("training", [1.0, 0.1, 0.01])])
    line = heights(falling)[0]
    assert line[1] - line[0] == pytest.approx(line[2] - line[1]), "equal factors are equal steps"
    rising = Curves("accuracy", [1, 2, 3], [Line("training", [0.1, 0.5, 0.9])], rising=True)
    line = heights(rising)[0]
    assert line[0] - line[1] == pytest.approx(line[1] - line[2])
    assert line[2] < line[0], "large is high"


def test_the_best_epoch_is_marked_and_gaps_are_left():
    nan = float("nan")
    scene = Curves(
        "loss",
        [1, 2, 3, 4],
        [Line("training", [1, nan, 0.5, 0.4]), Line("validation", [nan, 0.8, 0.6, 0.7])],
        "validation",
    )
    told = [mark.text for mark in curves(scene).marks if isinstance(mark, Words)]
    assert "best validation: 0.6, epoch 3" in told
    assert {"1", "4", "epoch", "training", "validation"} <= set(told)


@pytest.mark.parametrize(
    "values", [[0.5], [0.0, 0.0], [1e-9, 1e9], [-3.0, 2.0], [float("nan")], [float("inf"), 1.0], [7.0, 7.0]], ids=str
)
def test_curves_of_all_kinds_lie_on_the_sheet(values):
    found = curves(Curves("loss", list(range(1, len(values) + 1)), [Line("training", values)], "training"))
    for mark in marks(found):
        left, top, right, bottom = edges(mark)
        assert left >= -0.01
        assert top >= -0.01
        assert right <= found.width + 0.01, mark
        assert bottom <= found.height + 0.01, mark
