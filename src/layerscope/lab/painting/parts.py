"""Which cells take which part in what a scene shows."""

from __future__ import annotations

from layerscope.lab.scene import Grid, Link, Place, Scene

PARTS = ("chosen", "stamp", "lit")
"""The stronger first."""


def ends(link: Link, scene: Scene) -> tuple[Place, ...]:
    """The cells that a link lights: where it comes from, and where it carries a value or the chosen cell to."""
    carries = link.role in ("stamp", "copy", "switch") or link.source == scene.selected
    return (link.source, link.target) if carries else (link.source,)


def parts(scene: Scene) -> dict[Place, str]:
    """The strongest part of each cell that takes one."""
    found: dict[Place, str] = {}
    for link in scene.links:
        for place in ends(link, scene):
            if found.get(place) != "stamp":
                found[place] = "stamp" if link.role == "stamp" else "lit"
    if scene.selected:
        found[scene.selected] = "chosen"
    return found


def rows(scene: Scene) -> list[list[Grid]]:
    """The rows of the screen; planes without numbers that have a row each stand side by side."""
    named = {grid.id: grid for grid in scene.grids}
    found: list[list[Grid]] = []
    for names in scene.data.get("paper", scene.layout):
        row = [named[name] for name in names]
        if found and len(row) == 1 and all(_blank(grid) for grid in [*row, *found[-1]]):
            found[-1] += row
        else:
            found.append(row)
    return found


def _blank(grid: Grid) -> bool:
    return not any(cell.text for cell in grid.cells)
