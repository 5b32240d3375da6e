"""Which cells take which part in what a scene shows."""

from __future__ import annotations

from layerscope.lab.scene import Link, Place, Scene

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
