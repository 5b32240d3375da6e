"""A scene as text: grids side by side in frames, what takes part marked, colours where the terminal has them."""

from __future__ import annotations

from collections.abc import Sequence

from layerscope.lab.painting import words
from layerscope.lab.painting.frames import AROUND, NO_BREAK, ROLES, TALLEST, Asked, columns, folded, framed, printed
from layerscope.lab.painting.grids import heads
from layerscope.lab.painting.parts import parts, rows
from layerscope.lab.painting.themes import theme
from layerscope.lab.scene import Place, Scene, Text

WHOLE, PAGE = 1_000_000, 100
"""Columns and rows that no grid has; columns of a page of text."""
GAP = 3
"""Columns between grids."""
NAMES = {"keras": "Keras", "torch": "PyTorch", "numpy": "NumPy", "layerscope": "Shell"}


def render(
    scene: Scene,
    width: int | None = 80,
    colour: bool = False,
    lang: str = "en",
    explained: bool = True,
    titled: bool = True,
) -> str:
    """The scene in lines of at most `width` letters; `explained` adds why, and the same in three libraries.

    Without a width nothing is cut, and lines are as long as the widest grid, or as a page of text. Else a grid that
    is wider, or higher than 28 rows, is cut to the part around what is chosen; its frame is open there. Pictures,
    of which nobody could read the numbers, are printed in shades.
    """
    look = theme(str(scene.settings.get("theme", "auto"))) if colour else None
    scene = words.summed(scene, lang)
    lit = parts(scene)
    lines = [words.title(scene, lang), ""] if titled else []
    room, tall = (WHOLE, WHOLE) if width is None else (width, TALLEST)
    frames: list[list[list[str]]] = []
    for row in rows(scene):
        frames.append([])
        for grid in row:
            here = {place[1]: part for place, part in lit.items() if place[0] == grid.id}
            asked = Asked(room, here, look, heads(scene, grid, lang), tall)
            frames[-1].append(framed(grid, words.say(grid.title, lang), asked))
    if width is None:
        width = max([PAGE, *(columns(frame[0]) for row in frames for frame in row)])
    for row in frames:
        for band in _bands(row, width):
            lines += [*_side_by_side(band), ""]
    marks = legend(scene, lit, lang)
    lines += folded(marks, width) if marks else []
    for said in (words.chosen(scene, lang), words.law(scene, lang)):
        lines += folded(said, width) if said else []
    if explained:
        lines += _explained(scene, width, lang)
    return "\n".join(line.rstrip() if not colour else line for line in lines)


def legend(scene: Scene, lit: dict[Place, str], lang: str) -> str:
    """What the marks mean that are there."""
    there = {cell.role for grid in scene.grids for cell in grid.cells}
    dots = {cell.role for grid in scene.grids for cell in grid.cells if printed(cell) == "·"}
    shown = [(around, part) for part, around in AROUND.items() if part in lit.values()]
    shown += [(mark, role) for role, mark in ROLES.items() if role in there]
    shown += [("·", role) for role in ("zero", "padding") if role in dots]
    shown += [("█", "seen")] if "lit" in there else []
    said = [f"{mark} {words.say(Text(f'role.{role}'), lang)}" for mark, role in shown]
    return "   ".join(part.replace(" ", NO_BREAK) for part in said)


def _bands(frames: Sequence[list[str]], width: int) -> list[list[list[str]]]:
    """As many side by side as fit."""
    bands: list[list[list[str]]] = []
    taken = 0
    for frame in frames:
        wide = columns(frame[0])
        if not bands or taken + GAP + wide > width:
            bands.append([])
            taken = -GAP
        bands[-1].append(frame)
        taken += GAP + wide
    return bands


def _side_by_side(frames: list[list[str]]) -> list[str]:
    """Frames with their first rows of cells on one line: titles above grow upwards."""
    heads = [next(i for i, line in enumerate(frame) if line.startswith("┌")) for frame in frames]
    padded = [[""] * (max(heads) - head) + frame for head, frame in zip(heads, frames, strict=True)]
    wides = [columns(frame[0]) for frame in frames]
    lines: list[str] = []
    for i in range(max(len(frame) for frame in padded)):
        pairs = zip(padded, wides, strict=True)
        row = [frame[i] if i < len(frame) and frame[i] else " " * wide for frame, wide in pairs]
        lines.append((" " * GAP).join(row))
    return lines


def _explained(scene: Scene, width: int, lang: str) -> list[str]:
    lines: list[str] = []
    for clamp in scene.clamped:
        lines += folded(words.clamped(clamp, lang), width)
    for told in scene.why:
        lines += ["", *folded(words.say(told, lang), width)]
    for name, code in scene.code.items():
        first, *rest = code.split("\n")
        lines += [""] if name == next(iter(scene.code)) else []
        lines += [f"{NAMES.get(name, name):<9}{first}", *(" " * 9 + line for line in rest)]
    return lines
