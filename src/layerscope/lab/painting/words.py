"""Texts of a scene in a language, from `strings.json`."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files

from layerscope.lab.numbers import text
from layerscope.lab.scene import Scene, Text, Token

LANGUAGES = ("en", "ko")


@cache
def strings() -> dict[str, dict[str, str]]:
    """Each key in each language."""
    return json.loads(files("layerscope.lab").joinpath("strings.json").read_text("utf-8"))


def say(told: Text, lang: str) -> str:
    """A text in words; numbers in it are printed as everywhere in the lab."""
    given = {name: value if isinstance(value, str) else text(value) for name, value in told.args.items()}
    return strings()[told.key][lang].format_map(given)


def formula(tokens: list[Token] | tuple[Token, ...]) -> str:
    """Tokens as one line; a sign stands close to its number, brackets close to what they hold."""
    line = ""
    for before, token in zip([None, *tokens], tokens, strict=False):
        close = not line or token.text in (")", ", ", "]") or (before is not None and before.text in ("(", "["))
        call = token.text in ("(", "[") and before is not None and before.kind == "name"
        line += ("" if close or call else " ") + token.text.strip()
    return line


def title(scene: Scene, lang: str) -> str:
    """What the scene is about."""
    return say(scene.title, lang)


def chosen(scene: Scene, lang: str) -> str:
    """The formula of the chosen cell with its numbers, behind its place; nothing where none is chosen."""
    if not scene.formula:
        return ""
    line = formula(tuple(scene.formula))
    if scene.selected is None:
        return line
    grid = next((grid for grid in scene.grids if grid.id == scene.selected[0]), None)
    if grid is None:
        return line
    row, column = divmod(scene.selected[1], grid.columns)
    if grid.scale == "plain" and grid.cells[scene.selected[1]].value is None:  # a table of words
        return f"{grid.cells[row * grid.columns].text}: {line}"
    return say(Text("figure.cell", {"row": row, "column": column}), lang) + " " + line


def law(scene: Scene, lang: str) -> str:
    """The shape law with its numbers."""
    if not scene.law:
        return ""
    own = f"{scene.screen}.law"
    return say(Text(own if own in strings() else "figure.law"), lang) + " " + formula(tuple(scene.law))
