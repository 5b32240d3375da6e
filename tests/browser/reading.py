"""What the page shows, read from its elements, and what it should show, recomputed in Python."""

import json
import re
from importlib.resources import files
from itertools import pairwise
from pathlib import Path

from layerscope.lab.painting import words
from layerscope.lab.scenes import scene

WEB = Path(__file__).parents[2] / "src" / "layerscope" / "lab" / "web"
PAGE = WEB.parent / "page"
OFFLINE = (PAGE / "offline.html").as_uri()
STRINGS = json.loads(files("layerscope.lab").joinpath("strings.json").read_text("utf-8"))
SCREENS = tuple(re.findall(r"^  (\w+),$", (WEB / "src/scenes/index.ts").read_text(), re.M))
SPECIAL = ("autoencoder", "journey")  # they are painted as more than grids, and have tests of their own
GRIDS = tuple(screen for screen in SCREENS if screen not in SPECIAL)
GRID = "figure[data-grid='{}']"

# What is painted on canvases, kept by them as it is painted, so that it can be read as elements are.
RECORD = """
  const pen = CanvasRenderingContext2D.prototype, { fillRect, fillText } = pen;
  const width = Object.getOwnPropertyDescriptor(HTMLCanvasElement.prototype, "width");
  Object.defineProperty(HTMLCanvasElement.prototype, "width", {
    ...width, set(value) { this.painted = []; width.set.call(this, value); },
  });
  const keep = (pen, what) => { if (pen.globalAlpha === 1) (pen.canvas.painted ??= []).push(what); };
  pen.fillRect = function (x, y, w, h) {
    if (w > 1 && h > 1) keep(this, { x: x + w / 2, y: y + h / 2, fill: this.fillStyle });
    return fillRect.call(this, x, y, w, h);
  };
  pen.fillText = function (text, x, y) {
    keep(this, { x, y, text, ink: this.fillStyle });
    return fillText.call(this, text, x, y);
  };
"""

_READ = """async () => {
  const frame = () => new Promise(requestAnimationFrame);
  await frame();
  while (document.querySelector("[aria-busy=true]")) await frame();
  const onCanvas = (figure) => {
    const canvas = figure.querySelector("canvas"), grid = figure.querySelector("[role=grid]");
    if (!canvas || !canvas.painted?.length) return [];
    const [rows, columns] = ["row", "col"].map((way) => Number(grid.getAttribute(`aria-${way}count`)));
    const cells = Array.from({ length: rows * columns }, () => ({ text: "", name: null, opacity: 1 }));
    const [wide, high] = [canvas.clientWidth / columns, canvas.clientHeight / rows];
    for (const { x, y, fill, text, ink } of canvas.painted) {
      const cell = cells[Math.floor(y / high) * columns + Math.floor(x / wide)];
      Object.assign(cell, text === undefined ? { fill, text: "", ink: null } : { text, ink });
    }
    return cells;
  };
  return {
  title: document.querySelector("h1").textContent,
  grids: Object.fromEntries([...document.querySelectorAll("figure[data-grid]")].filter((figure) => figure.style.visibility === "").map((figure) => [
    figure.dataset.grid,
    {
      title: figure.querySelector(".title").textContent,
      label: figure.querySelector("[role=grid]")?.getAttribute("aria-label") ?? null,
      canvas: figure.querySelector("canvas") !== null,
      cells: onCanvas(figure).concat([...figure.querySelectorAll("svg [role=gridcell]")].map((cell) => {
        const [text, box] = [cell.querySelector("text"), cell.querySelector("rect")];
        return {
          text: text?.textContent ?? "", name: cell.getAttribute("aria-label"), fill: box.getAttribute("fill"),
          ink: text && getComputedStyle(text).fill, opacity: Number(getComputedStyle(box).fillOpacity),
        };
      })),
      table: [...figure.querySelectorAll("tbody td")].map((cell) => cell.firstChild?.textContent ?? ""),
    },
  ])),
  formula: [...document.querySelectorAll(".formula .cluster > *")].map((piece) => piece.textContent),
  law: [...document.querySelectorAll(".law .cluster > *")].map((piece) => piece.textContent),
  why: [...document.querySelectorAll(".why p")].map((one) => one.textContent),
  notice: document.querySelector(".notice").textContent,
}; }"""


def read(page):
    return page.evaluate(_READ)


def open_at(page, hash, address=OFFLINE):
    page.goto("about:blank")  # a change of the hash alone would keep the page as it is
    page.goto(address + hash)
    page.wait_for_selector("h1")
    painted(page)  # a grid that is exchanged while the page grows would lose the focus


_GO = """async (hash) => {
  location.hash = hash;
  do await new Promise(requestAnimationFrame); while (location.hash !== hash || document.querySelector("[aria-busy=true]"));
}"""


def go(page, hash):
    """Another state of the page that is open, and wait until it is painted."""
    page.evaluate(_GO, hash)


_PAINTED = """async () => {
  for (let n = 0; n < 3; n++) await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
}"""


def painted(page):
    """Wait until what was planned for the next frames, and what is told after them, has been done."""
    page.evaluate(_PAINTED)


def say(text, lang):
    """A Text in a language."""
    assert text.key in STRINGS, f"strings.json lacks {text.key}"
    return words.say(text, lang)


def check(page, hash):
    """Every text of a screen of grids equals what Python computes for the hash."""
    made, shown = scene(hash), read(page)
    lang = made.settings["lang"]
    assert shown["title"] == say(made.title, lang), hash
    laid = [name for row in made.layout for name in row]
    assert sorted(shown["grids"]) == sorted(laid), hash
    for grid in made.grids:
        if grid.id in laid:
            check_grid(shown["grids"][grid.id], grid, lang, hash)
    assert shown["formula"] == [token.text.strip() for token in made.formula], hash
    assert shown["law"] == [token.text.strip() for token in made.law], hash
    assert shown["why"] == [say(text, lang) for text in made.why], hash


def check_grid(shown, grid, lang, hash):
    where = f"{hash}: {grid.id}"
    assert shown["title"] == shown["label"] == say(grid.title, lang), where
    if shown["canvas"] and not shown["cells"]:
        return  # pixels without numbers
    assert len(shown["cells"]) == len(grid.cells) == grid.rows * grid.columns, where
    printed = any(cell["text"] for cell in shown["cells"])
    for index, (cell, expected) in enumerate(zip(shown["cells"], grid.cells, strict=True)):
        if printed:
            assert cell["text"] == expected.text, f"{where}, cell {index}"
        row, column = divmod(index, grid.columns)
        place = STRINGS["page.cell"][lang].format(
            row=row, column=column, text=expected.text or STRINGS["page.blank"][lang]
        )
        role = STRINGS.get(f"role.{expected.role}")
        if shown["canvas"]:
            continue
        assert cell["name"] == (f"{place}, {role[lang]}" if role else place), where


def check_colours(page, hash):
    """Blue is positive, red negative; the greater the lighter in a sequential grid; each number is legible."""
    made, shown = scene(hash), read(page)
    for grid in made.grids:
        cells = shown["grids"].get(grid.id, {"cells": []})["cells"]
        pairs = [
            (cell, was)
            for cell, was in zip(cells, grid.cells if cells else [], strict=True)
            if was.value is not None and was.role not in ("padding", "zero", "empty", "cropped", "unread")
        ]
        for cell, was in pairs:
            red, _, blue = rgb(cell["fill"])
            if grid.scale == "diverging" and abs(was.value) >= 0.05 * largest(made):
                assert (blue > red + 2) if was.value > 0 else (red > blue + 2), (
                    f"{hash}: {was.value} in {grid.id} is {cell['fill']}"
                )
        if grid.scale == "sequential" and all(was.role != "lit" for was in grid.cells):
            ordered = sorted(pairs, key=lambda pair: pair[1].value)
            lights = [luminance(rgb(cell["fill"])) for cell, _ in ordered]
            assert all(a <= b + 0.02 for a, b in pairwise(lights)), f"{hash}: {grid.id}"
        check_contrast(cells, page, f"{hash}: {grid.id}")


def largest(made):
    """The largest size in any diverging grid, which all may be coloured by."""
    values = [c.value for g in made.grids if g.scale == "diverging" for c in g.cells if c.value is not None]
    return max(map(abs, values))


def check_contrast(cells, page, where):
    paper = rgb(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    for cell in cells:
        if not cell["text"]:
            continue
        share = cell["opacity"]
        under = [share * a + (1 - share) * b for a, b in zip(rgb(cell["fill"]), paper, strict=True)]
        found = contrast(rgb(cell["ink"]), under)
        assert found >= 4.5, f"{where}: {cell['text']} on {cell['fill']} has a contrast of {found:.2f}"


def rgb(colour):
    if colour.startswith("#"):
        return [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return [float(part) for part in re.findall(r"[\d.]+", colour)[:3]]


def luminance(colour):
    parts = [p / 255 for p in colour]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(a, b):
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)
