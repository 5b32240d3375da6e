"""One file per screen: settings → Scene, by the layers' own definitions. The folder is the list."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module

from layerscope.lab.scene import Clamp, Scene, Text
from layerscope.lab.state import State, parse


def scene(state: State | str) -> Scene:
    """The scene of a state, or of a link's hash.

    Errors: those of `state.parse`.
    """
    asked = parse(state) if isinstance(state, str) else state
    made: Scene = import_module(f"{__name__}.{asked.screen}").scene(dict(asked.settings))
    return replace(made, clamped=(*asked.clamped, *made.clamped, *_outside(asked, made)))


def _outside(asked: State, made: Scene) -> list[Clamp]:
    """A cell that the link gave and the chosen grid has not."""
    grid = next((grid for grid in made.grids if made.selected is not None and grid.id == made.selected[0]), None)
    cell, used = asked.settings.get("cell"), made.settings.get("cell")
    if "cell" not in asked.given or grid is None or cell is None or used is None or list(cell) == list(used):
        return []
    why = Text("clamp.outside", {"rows": grid.rows - 1, "columns": grid.columns - 1})
    return [Clamp("cell", ",".join(map(str, cell)), ",".join(map(str, used)), why)]
