"""What anybody needs: names, keys, focus that is seen, contrast, size of targets, reflow, forced colours."""

import pytest
from tests.browser.access import axe, difference, mouse_only, record_listeners, tab_walk, unnamed_canvases
from tests.browser.reading import GRID, GRIDS, SCREENS, go, open_at, read

from layerscope.lab.scenes import scene

HERE = """where => {
  const one = document.activeElement;
  const all = [...document.querySelectorAll(`${where} [role=gridcell]`)];
  return one.dataset.index === undefined ? all.indexOf(one) : all.includes(one) ? Number(one.dataset.index) : -1;
}"""


SAID = """formula => document.querySelector("[aria-live]").innerText.replaceAll(" ", "") === formula"""


@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize("lang", ["en", "ko"])
def test_axe_finds_nothing(tab, screen, lang):
    """Each two of language, theme, and grids or tables come together; the page's parts are styled by one at a time."""
    page = tab()
    grids, tables = ("light", "dark") if lang == "en" else ("dark", "light")
    open_at(page, f"#lab={screen}&lang={lang}&theme={grids}")
    assert axe(page) == []
    go(page, f"#lab={screen}&lang={lang}&theme={tables}")
    small = [grid.id for grid in scene(f"#lab={screen}").grids if len(grid.cells) <= 100]
    for button in [page.locator(f"{GRID.format(name)} .quiet") for name in small[:4]]:
        if button.count():
            button.click()
    assert axe(page) == []


@pytest.mark.parametrize("screen", SCREENS)
def test_axe_finds_nothing_on_a_phone_where_something_is_clamped(tab, screen):
    page = tab(viewport={"width": 360, "height": 740}, has_touch=True)
    open_at(page, f"#lab={screen}&nothing=1&n=9999&theme=dark")
    assert axe(page) == []


@pytest.mark.parametrize("screen", SCREENS)
def test_every_stop_of_the_tab_key_shows_where_it_is(tab, screen):
    page = tab()
    open_at(page, f"#lab={screen}")
    stops = tab_walk(page)
    assert len(stops) > 8
    for name, changed in stops:
        assert changed >= 40, f"{screen}: focus on {name} changes {changed} pixels"


@pytest.mark.parametrize("screen", SCREENS)
def test_every_canvas_has_a_name_and_nothing_is_for_the_mouse_alone(tab, screen):
    page = tab()
    record_listeners(page)
    open_at(page, f"#lab={screen}")
    assert unnamed_canvases(page) == []
    assert mouse_only(page) == []


@pytest.mark.parametrize("screen", GRIDS)
def test_keys_walk_a_grid(tab, screen):
    page, made = tab(), scene(f"#lab={screen}")
    open_at(page, f"#lab={screen}")
    shown = [name for row in made.layout for name in row]
    for grid in (one for one in made.grids if one.id in shown and one.rows * one.columns <= 1024):
        where = GRID.format(grid.id)
        assert page.locator(f"{where} [role=gridcell][tabindex='0']").count() == 1, grid.id
        page.locator(f"{where} [role=gridcell][tabindex='0']").focus()
        page.keyboard.press("Control+Home")
        for key, row, column in (
            ("ArrowRight", 0, 1), ("ArrowDown", 1, 1), ("End", 1, grid.columns - 1), ("ArrowUp", 0, grid.columns - 1),
            ("Home", 0, 0), ("Control+End", grid.rows - 1, grid.columns - 1), ("ArrowRight", grid.rows - 1, grid.columns - 1),
        ):  # fmt: skip
            page.keyboard.press(key)
            if (
                min(row, grid.rows - 1) != row
                or min(column, grid.columns - 1) != column
                or min(grid.rows, grid.columns) < 2
            ):
                continue
            assert page.evaluate(HERE, where) == row * grid.columns + column, (grid.id, key)
        page.evaluate("document.activeElement.blur()")


@pytest.mark.parametrize("screen", GRIDS)
def test_the_formula_of_a_focused_cell_is_announced(tab, screen):
    page, made = tab(), scene(f"#lab={screen}")
    open_at(page, f"#lab={screen}")
    grid = next(
        one
        for one in reversed(made.grids)
        if one.select.split("&")[0] == "cell" and one.id in {name for row in made.layout for name in row}
    )
    assert made.formula
    page.locator(f"{GRID.format(grid.id)} [role=gridcell][tabindex='0']").focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowRight")
    formula = "".join(read(page)["formula"]).replace(" ", "")
    page.wait_for_function(SAID, arg=formula)


@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize("lang", ["en", "ko"])
def test_at_320_pixels_nothing_has_to_be_scrolled_sideways(tab, screen, lang):
    page = tab(viewport={"width": 320, "height": 640})
    open_at(page, f"#lab={screen}&lang={lang}")
    assert page.evaluate("document.documentElement.scrollWidth") <= 320


@pytest.mark.parametrize("screen", SCREENS)
def test_forced_colours_show_cells_numbers_and_what_is_chosen(tab, screen):
    page = tab(forced_colors="active")
    open_at(page, f"#lab={screen}")
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    for text in page.locator("svg [role=gridcell] text").all()[:40]:
        assert text.evaluate("one => getComputedStyle(one).fill") != paper
    if screen in GRIDS:
        before = page.locator(".stage").screenshot()
        page.evaluate("document.querySelectorAll('.marks').forEach((one) => { one.style.display = 'none' })")
        assert difference(before, page.locator(".stage").screenshot()) > 40


def test_touch_chooses_a_cell_and_does_not_hinder_scrolling(tab):
    page = tab(viewport={"width": 390, "height": 700}, has_touch=True, is_mobile=True)
    open_at(page, "#lab=pool")
    cell = page.locator(f"{GRID.format('output')} [role=gridcell]").nth(4)
    cell.scroll_into_view_if_needed()
    cell.tap()
    assert page.evaluate("location.hash") == "#lab=pool&cell=1,1"
    assert page.evaluate("getComputedStyle(document.querySelector('.plane')).touchAction") != "none"


def test_nothing_moves_by_itself(tab):
    page = tab(reduced_motion="reduce")
    open_at(page, "#lab=pool")
    assert page.evaluate("document.getAnimations().length") == 0
    page.hover(f"{GRID.format('output')} [role=gridcell]")
    assert page.evaluate("document.getAnimations().length") == 0
