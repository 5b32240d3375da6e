"""The text shown in each cell, formula and law equals what Python computes, however one came to see it."""

import random

import pytest
from tests.browser.reading import GRID, GRIDS, check, check_colours, go, open_at, read, say
from tests.browser.twin import hashes

from layerscope.lab.scenes import scene
from layerscope.lab.state import parse, spell


@pytest.mark.parametrize("screen", GRIDS)
@pytest.mark.parametrize("lang", ["en", "ko"])
def test_what_is_shown_is_what_python_computes(tab, screen, lang):
    page = tab()
    open_at(page, f"#lab={screen}")
    for given in sample(screen, 14, lang):
        go(page, given)
        check(page, given)
    assert page.said == []


@pytest.mark.parametrize("screen", GRIDS)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_colours_say_sign_and_size_and_are_legible(tab, screen, theme):
    page = tab()
    open_at(page, f"#lab={screen}&theme={theme}")
    for given in sample(screen, 5, "en"):
        go(page, f"{given}&theme={theme}")
        check_colours(page, given)


@pytest.mark.parametrize("screen", GRIDS)
def test_hovering_and_focusing_show_another_cell_and_pinning_keeps_it(tab, screen):
    page, start = tab(), f"#lab={screen}"
    open_at(page, start)
    made = scene(start)
    shown = {name for row in made.layout for name in row}
    choosable = [one for one in made.grids if one.id in shown and one.select.split("&")[0] == "cell"]
    assert choosable
    grid = choosable[-1]
    besides = dict(part.split("=") for part in grid.select.split("&")[1:])
    for index in sorted({len(grid.cells) // 2, len(grid.cells) - 1}):
        row, column = divmod(index, grid.columns)
        changed = {name: int(value) if value.isdigit() else value for name, value in besides.items()}
        there = spell(screen, {**parse(start).settings, **changed, "cell": [row, column]})
        cell = place(page, grid, row, column)
        cell.hover()
        check(page, there)
        assert page.evaluate("location.hash") == spell(screen, parse(start).settings)
        page.mouse.move(2, 2)
        check(page, start)
        cell.click()
        assert page.evaluate("location.hash") == there
        page.mouse.move(2, 2)
        check(page, there)
        page.keyboard.press("Escape")
        check(page, start)
        page.keyboard.press("Enter")
        assert page.evaluate("location.hash") == there
        page.keyboard.press("Escape")


class Spot:
    """A cell of a grid that is painted on a canvas, as the mouse finds it."""

    def __init__(self, page, canvas, grid, row, column):
        box = canvas.bounding_box()
        self.mouse = page.mouse
        self.at = (
            box["x"] + (column + 0.5) * box["width"] / grid.columns,
            box["y"] + (row + 0.5) * box["height"] / grid.rows,
        )

    def hover(self):
        self.mouse.move(*self.at)

    def click(self):
        self.mouse.click(*self.at)


def place(page, grid, row, column):
    """What the mouse points at for a cell."""
    canvas = page.locator(f"{GRID.format(grid.id)} canvas")
    if canvas.count():
        canvas.scroll_into_view_if_needed()
        return Spot(page, canvas, grid, row, column)
    return page.locator(f"{GRID.format(grid.id)} [role=row]").nth(row).locator("[role=gridcell]").nth(column)


@pytest.mark.parametrize("screen", GRIDS)
def test_tables_have_the_same_numbers(tab, screen):
    page = tab()
    for given in sample(screen, 3, "ko"):
        open_at(page, given)
        made = scene(given)
        page.evaluate("for (const button of document.querySelectorAll('figure .quiet')) button.click()")
        shown = read(page)["grids"]
        for grid in made.grids:
            if grid.id in shown:
                assert shown[grid.id]["table"] == [cell.text for cell in grid.cells], f"{given}: {grid.id}"


@pytest.mark.parametrize("screen", GRIDS)
def test_code_is_shown_tab_by_tab(tab, screen):
    page, made = tab(), scene(f"#lab={screen}")
    open_at(page, f"#lab={screen}")
    for name, code in made.code.items():
        page.click(f"#tab-{name}")
        assert page.inner_text("#code code") == code


def test_what_is_clamped_is_said(tab):
    page = tab()
    for lang in ("en", "ko"):
        given = f"#lab=pool&n=99&k=x&nothing=1&lang={lang}"
        open_at(page, given)
        made = scene(given)
        said = read(page)["notice"]
        assert len(made.clamped) == 3
        for clamp in made.clamped:
            assert clamp.name in said
            assert say(clamp.why, lang) in said


def test_controls_change_what_is_shown(tab):
    page = tab()
    open_at(page, "#lab=pool")
    page.fill("#set-n", "8")
    check(page, "#lab=pool&n=8")
    page.locator("input[type=range]").nth(1).press("ArrowRight")
    check(page, "#lab=pool&n=8&k=3")
    page.check("#set-pad-same", force=True)
    check(page, "#lab=pool&n=8&k=3&pad=same")
    assert page.evaluate("location.hash") == "#lab=pool&n=8&k=3&pad=same"


def test_the_numbers_of_a_formula_light_their_cells(tab):
    page = tab()
    open_at(page, "#lab=pool&n=4&cell=1,1")
    number = page.locator(".formula .number").nth(2)
    index = int(number.get_attribute("data-index"))
    number.hover()
    assert (
        page.inner_text(".looked")
        == say(scene("#lab=pool&n=4").grids[0].title, "en")
        + f", row {index // 4}, column {index % 4}: {number.inner_text()}"
    )
    assert page.get_attribute(f"{GRID.format('input')} .marks path.strong:not(.halo)", "d").startswith("M")


def sample(screen, count, lang):
    """Some of the settings on which both languages are compared, and the defaults."""
    drawn = random.Random(screen).sample(hashes(screen, 300), count - 1)
    bare = [given for given in drawn if "lang=" not in given and "theme=" not in given]
    return [f"{given}&lang={lang}" for given in [f"#lab={screen}", *bare]]
