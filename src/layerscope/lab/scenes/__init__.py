"""One file per screen: settings → Scene, by the layers' own definitions. The folder is the list."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module

from layerscope.lab.scene import Scene
from layerscope.lab.state import State, parse


def scene(state: State | str) -> Scene:
    """The scene of a state, or of a link's hash.

    Errors: those of `state.parse`.
    """
    asked = parse(state) if isinstance(state, str) else state
    made: Scene = import_module(f"{__name__}.{asked.screen}").scene(dict(asked.settings))
    return replace(made, clamped=(*asked.clamped, *made.clamped))
