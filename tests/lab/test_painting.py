"""Painters: what stands in the scene stands in the picture, in every format, in its place, and always the same."""

import re
import xml.etree.ElementTree as ET

import pytest
from tests.lab.helpers import settings_at_random

from layerscope.lab.painting import words
from layerscope.lab.painting.frames import columns, folded
from layerscope.lab.painting.layout import paint
from layerscope.lab.painting.terminal import render as as_text
from layerscope.lab.painting.themes import NAMES, ends, ink_on, theme, tone
from layerscope.lab.scene import Grid
from layerscope.lab.scenes import scene
from layerscope.lab.state import described
from layerscope.report.drawing import Box, Words, extent
from layerscope.report.svg import standing as render

SCREENS = tuple(described()["screens"])
STATES = [given for screen in SCREENS for given in [f"#lab={screen}", *settings_at_random(screen, 5, seed=4)]]
SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize("given", STATES)
def test_every_number_that_fits_is_in_the_svg_and_everything_on_the_paper(given):
    made = scene(given)
    for width in (84.0, 174.0):
        drawing = paint(made, width)
        root = ET.fromstring(render(drawing))
        assert (root.get("width"), root.get("viewBox")) == (f"{width:g}mm", f"0 0 {width:g} {_short(drawing.height)}")
        written = [text.text for text in root.iter(f"{SVG}text")]
        drawn = [text.text for text in root.iter(f"{SVG}text") if text.get("text-anchor") == "middle"]
        named = {grid.id: grid for grid in made.grids}
        grids = [named[name] for line in made.layout for name in line]
        tables = [grid for grid in grids if grid.cells[0].value is None and grid.scale == "plain"]
        silent = set(drawing.silent)
        shown = [g for g in grids if g not in tables and words.say(g.title, "en") not in silent]
        assert drawn == [cell.text for grid in shown for cell in grid.cells if cell.text]
        assert {cell.text for grid in tables for cell in grid.cells if cell.text} <= set(written)
        for shape in drawing.marks:
            if isinstance(shape, Box):
                assert -0.01 <= shape.left <= shape.left + shape.width <= width + 0.01
                assert -0.01 <= shape.top <= shape.top + shape.height <= drawing.height + 0.01
            if isinstance(shape, Words):
                assert shape.top <= drawing.height
                left = shape.left - (extent(shape.text, shape.size) / 2 if shape.anchor == "middle" else 0)
                assert left >= -0.01


def _short(value):
    return f"{value:.2f}".rstrip("0").rstrip(".")


@pytest.mark.parametrize("screen", SCREENS)
def test_the_same_scene_gives_the_same_svg(screen):
    made = scene(f"#lab={screen}")
    assert render(paint(made)) == render(paint(scene(f"#lab={screen}")))
    assert render(paint(made, theme_name="dark")) != render(paint(made))
    assert words.title(made, "ko") in render(paint(made, lang="ko"))


def test_a_bare_figure_has_grids_and_no_sentences():
    made = scene("#lab=convt")
    bare = {shape.text for shape in paint(made, bare=True).marks if isinstance(shape, Words)}
    full = {shape.text for shape in paint(made).marks if isinstance(shape, Words)}
    assert full - bare >= {words.title(made, "en"), words.law(made, "en")}
    assert bare <= full


@pytest.mark.parametrize("given", STATES)
@pytest.mark.parametrize("width", [60, 100])
def test_lines_of_text_keep_to_the_width(given, width):
    made = scene(given)
    text = as_text(made, width, lang="ko" if width == 60 else "en")
    code = {line for block in made.code.values() for line in block.split("\n")}
    for line in text.split("\n"):
        if line[9:] not in code:
            assert columns(line) <= width, line


def test_grids_of_text():
    made = scene("#lab=pool&n=3&k=2&s=1&x=1,2,3,4,5,6,7,8,9&cell=0,1")
    assert as_text(made, 80, explained=False) == (
        "Max pooling\n\n"
        "              Maximum of each   Average of each   Switches: where\n"
        "Input 3×3     window, 2×2       window            each maximum stood\n"
        "┌─────────┐   ┌──────┐          ┌──────┐          ┌──────┐\n"
        "│ 1 (2)(3)│   │ 5 [6]│          │ 3  4 │          │ 4  5 │\n"
        "│ 4 (5)(6)│   │ 8  9 │          │ 6  7 │          │ 7  8 │\n"
        "│ 7  8* 9*│   └──────┘          └──────┘          └──────┘\n"
        "└─────────┘\n\n"
        "[] chosen   () takes part   * winner of a window\n"
        "Cell (0, 1): max(2, 3, 5, 6) = 6\n"
        "Size: floor((n − k) / s) + 1 = floor((3 − 2) / 1) + 1 = 2"
    )


def test_a_grid_that_is_too_large_is_cut_around_what_is_chosen():
    made = scene("#lab=convt&n=8&k=5&s=4&d=3&p=0&op=0&cell=20,20&view=stamp")
    lines = as_text(made, 60, explained=False).split("\n")
    row = next(line for line in lines if "[" in line and "Cell" not in line)
    assert row.startswith("┊")
    assert row.endswith("┊")


def test_colours_in_text_say_no_other_numbers():
    made = scene("#lab=conv")
    plain = as_text(made, 90, colour=False)
    coloured = re.sub("\033\\[[0-9;]*m", "", as_text(made, 90, colour=True))
    assert [line.rstrip() for line in coloured.split("\n")] == plain.split("\n")


def test_folding_counts_korean_letters_twice():
    assert folded("가나다 라마", 6) == ["가나다", "라마"]
    assert columns("a가×") == 4


@pytest.mark.parametrize("name", NAMES)
def test_colours_tell_signs_apart_and_numbers_can_be_read_on_them(name):
    look = theme(name)
    values = [-9.0, -4.0, 0.0, 4.0, 9.0]
    made = scene("#lab=convt")
    grid = Grid("g", made.title, 1, 5, [made.grids[0].cells[0].__class__(v, str(v)) for v in values])
    colours = [tone(grid.scale, v, ends(grid), look) for v in values]
    assert len(set(colours)) == 5
    assert colours[2] == look.diverging[4]
    red, blue = colours[0], colours[4]
    assert int(red[1:3], 16) > int(red[5:7], 16)
    assert int(blue[5:7], 16) > int(blue[1:3], 16)
    for colour in [*look.diverging, *look.sequential]:
        assert _contrast(colour, ink_on(colour)) >= 4.5
    assert _contrast(look.paper, look.faint) >= 4.5


def _contrast(a, b):
    high, low = sorted((_light(a), _light(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def _light(colour):
    """Relative luminance, by the text of WCAG 2."""
    shares = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in shares)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
