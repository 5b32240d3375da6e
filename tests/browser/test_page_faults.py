"""Faults are put into the page's sources, one at a time; the checks of the other tests must see each."""

import shutil
import subprocess

import pytest
from tests.browser.access import axe, mouse_only, record_listeners, tab_walk, unnamed_canvases
from tests.browser.reading import GRID, WEB, check, check_colours, go, open_at, painted


def values(page, address):
    open_at(page, "#lab=pool", address)
    check(page, "#lab=pool")


def many_values(page, address):
    for given in ("#lab=pool&n=7&k=3&s=2&pad=same&cell=2,1", "#lab=convt&s=3&op=2&p=0&d=2&cell=4,4"):
        open_at(page, given, address)
        check(page, given)


def on_canvas(page, address):
    """Grids of more than 196 cells, whose numbers can be read, and another state of the same."""
    open_at(page, "#lab=checkerboard&n=8", address)
    assert page.locator("figure[data-grid='map1'] canvas").count() == 1
    check(page, "#lab=checkerboard&n=8")
    go(page, "#lab=checkerboard&n=8&k1=4")
    check(page, "#lab=checkerboard&n=8&k1=4")


def below(page, address):
    page.set_viewport_size({"width": 1280, "height": 500})
    open_at(page, "#lab=convt", address)
    painted(page)  # and the page knows what is not seen
    go(page, "#lab=convt&s=1&op=0")
    check(page, "#lab=convt&s=1&op=0")


def korean(page, address):
    open_at(page, "#lab=pool&lang=ko", address)
    check(page, "#lab=pool&lang=ko")


def colours(page, address):
    for given in ("#lab=convt&theme=dark", "#lab=pool&theme=light"):
        open_at(page, given, address)
        check_colours(page, given)


def hovering(page, address):
    open_at(page, "#lab=pool", address)
    page.locator(f"{GRID.format('output')} [role=gridcell]").nth(8).hover()
    check(page, "#lab=pool&cell=2,2")
    page.mouse.move(1, 1)
    check(page, "#lab=pool")


def keys(page, address):
    open_at(page, "#lab=pool", address)
    page.locator(f"{GRID.format('output')} [role=gridcell]").first.focus()
    for key in ("ArrowRight", "ArrowDown", "End"):
        page.keyboard.press(key)
    page.keyboard.press(" ")
    assert page.evaluate("location.hash") == "#lab=pool&cell=1,2"


def back(page, address):
    open_at(page, "#lab=pool", address)
    page.fill("#set-n", "8")
    page.go_back()
    assert page.locator("h1").count() == 1, "it has left the page"
    check(page, "#lab=pool")


def access(page, address):
    record_listeners(page)
    open_at(page, "#lab=convt", address)
    assert axe(page) == []
    assert unnamed_canvases(page) == []
    assert mouse_only(page) == []


def focus(page, address):
    open_at(page, "#lab=pool", address)
    assert all(changed >= 40 for _, changed in tab_walk(page))


def cell_focus(page, address):
    open_at(page, "#lab=pool", address)
    page.locator(f"{GRID.format('input')} [role=gridcell]").first.focus()
    page.keyboard.press("ArrowRight")
    drawn = page.locator(f"{GRID.format('input')} .marks path.focus:not(.halo)")
    assert drawn.count() == 1
    assert drawn.get_attribute("d")


def quiet(page, address):
    open_at(page, "#lab=pool", address)
    page.wait_for_timeout(100)
    assert page.said == []
    assert len(page.requests) == 1


def hostile(page, address):
    open_at(page, "#lab=pool&<img src=x>=1", address)
    assert page.said == []
    assert page.locator(".notice img").count() == 0


FAULTS = [
    ("the largest is the smallest", values, "src/scenes/pool.ts", "image[place]! > image[top]!", "image[place]! < image[top]!"),
    ("of equals the last wins", many_values, "src/scenes/pool.ts", "image[place]! > image[top]!", "image[place]! >= image[top]!"),
    ("a stamp is placed by the wrong stride", many_values, "src/scenes/convt.ts", "Math.floor(i / n) * s", "Math.floor(i / n) * (s + 1)"),
    ("a wrong number in the formula", values, "src/page/formula.ts", "}, token.text.trim());\n    this.colour", '}, token.text.trim() + "0");\n    this.colour'),
    ("the cell beside", values, "src/page/svg.ts", 'letters ? cell.text : ""', "letters ? grid.cells[Math.max(index - 1, 0)]!.text : \"\""),
    ("the cell beside on a canvas", on_canvas, "src/page/canvas.ts", "pen.fillText(cell.text,", "pen.fillText(grid.cells[Math.max(index - 1, 0)]!.text,"),
    ("a canvas keeps what has changed", on_canvas, "src/page/canvas.ts", "if (this.painted[index] === look) return;", "if (this.painted[index]) return;"),
    ("what is further down stays as it was", below, "src/page/gridpainter.ts", "for (const update of late) update(); this.light();", "this.light();"),
    ("the name of the first cell for all", values, "src/page/svg.ts", '"aria-label", name(index)', '"aria-label", name(0)'),
    ("a table that is transposed", many_values, "src/page/grid.ts", "const [row, column] = [Math.floor(index / this.grid.columns), index % this.grid.columns];", "const [column, row] = [Math.floor(index / this.grid.columns), index % this.grid.columns];"),
    ("English for all", korean, "src/page/words.ts", "entry[lang] ?? entry.en", "entry.en"),
    ("red and blue exchanged", colours, "src/page/colours.ts", "0.5 + (0.5 * value) / size", "0.5 - (0.5 * value) / size"),
    ("the ink with the lesser contrast", colours, "src/page/colours.ts", ">= contrast(", "< contrast("),
    ("a darker colour for more", colours, "src/page/colours.ts", "(value - low) / (high - low)", "(high - value) / (high - low)"),
    ("hovering shows nothing", hovering, "src/page/app.ts", "this.trial = changes;\n    this.tried", "this.trial = null;\n    this.tried"),
    ("hovering stays", hovering, "src/page/grid.ts", "over = -1; this.visit(-1);", "over = -1;"),
    ("a key that does nothing", keys, "src/page/grid.ts", "ArrowDown: [row + 1, column]", "ArrowDown: [row, column]"),
    ("space pins nothing", keys, "src/page/grid.ts", 'event.key === " " || ', ""),
    ("no step back", back, "src/page/app.ts", "history.pushState", "history.replaceState"),
    ("a canvas without a name", access, "src/page/canvas.ts", '    put(this.canvas, "aria-label", name);\n', ""),
    ("targets too small", access, "src/page.css", ".steps button { min-width: 2.25rem; }", ".steps button { min-width: 0; width: 14px; min-height: 0; padding: 0; } .steps button svg { width: 6px; }"),
    ("pale words", access, "../../report/theme.css", "--soft: light-dark(#5c6570", "--soft: light-dark(#b5bac1"),
    ("for the mouse alone", access, "src/page/frame.ts", "this.looked, this.formula.element,", 'h("div", { click: () => undefined }, "x"), this.looked, this.formula.element,'),
    ("a focus that is not seen", focus, "src/page.css", ":focus-visible { outline: 3px", ":focus-visible { outline: 0px"),
    ("a cell's focus that is not seen", cell_focus, "src/page/marks.ts", '["read", "strong", "tried", "selected", "focus"]', '["read", "strong", "tried", "selected"]', "src/page/marks.ts", "of this.paths.get(kind)!", "of this.paths.get(kind) ?? []"),
    ("it calls home", quiet, "src/page/main.ts", "const probe", 'fetch("https://example.org/");\nconst probe'),
    ("words as markup", hostile, "src/page/frame.ts", "this.notice.replaceChildren(...said.map((line) => h(\"p\", {}, line)));", "this.notice.innerHTML = said.join();"),
]  # fmt: skip


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """A copy of the page's sources, to be spoilt."""
    lab = tmp_path_factory.mktemp("faults") / "lab"
    shutil.copytree(WEB, lab / "web", ignore=shutil.ignore_patterns("node_modules", "build"))
    for path in [*WEB.parent.glob("*.json"), *WEB.parent.glob("*.css")]:
        shutil.copy(path, lab / path.name)
    (lab.parent / "report").mkdir()
    for name in ("particles.json", "theme.css"):
        shutil.copy(WEB.parents[1] / "report" / name, lab.parent / "report")
    (lab / "web" / "node_modules").symlink_to(WEB / "node_modules")
    return lab / "web"


def build(sources, folder):
    subprocess.run(["node", "build.mjs", str(folder)], cwd=sources, check=True)
    return (folder / "offline.html").as_uri()


@pytest.fixture(scope="module")
def whole(sources, tmp_path_factory):
    """The page of these sources, in which nothing is spoilt."""
    return build(sources, tmp_path_factory.mktemp("whole"))


@pytest.mark.parametrize("look", sorted({fault[1] for fault in FAULTS}, key=lambda look: look.__name__))
def test_without_a_fault_the_checks_pass(tab, whole, look):
    look(tab(), whole)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault[0])
def test_a_fault_is_seen(tab, sources, tmp_path, fault):
    _, look, *edits = fault
    kept = {name: (sources / name).read_text("utf-8") for name in edits[::3]}
    try:
        for name, was, becomes in zip(edits[::3], edits[1::3], edits[2::3], strict=True):
            text = (sources / name).read_text("utf-8")
            assert text.count(was) == 1, f"{name} has {was!r} {text.count(was)} times"
            (sources / name).write_text(text.replace(was, becomes), "utf-8")
        address = build(sources, tmp_path)
    finally:
        for name, text in kept.items():
            (sources / name).write_text(text, "utf-8")
    with pytest.raises(AssertionError):
        look(tab(), address)
