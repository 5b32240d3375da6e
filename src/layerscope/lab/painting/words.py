"""Texts of a scene in a language, from `strings.json`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from importlib.resources import files
from typing import cast

from layerscope.lab.numbers import amount, said
from layerscope.lab.scene import Cell, Clamp, Scene, Text, Token
from layerscope.report.particles import settled

LANGUAGES = ("en", "ko")


@cache
def strings() -> dict[str, dict[str, str]]:
    """Each key in each language."""
    return json.loads(files("layerscope.lab").joinpath("strings.json").read_text("utf-8"))


def say(told: Text, lang: str) -> str:
    """A text in words: whole numbers whole, endings as the words before them have them, texts in it said first."""
    given = {
        name: say(value, lang) if isinstance(value, Text) else value if isinstance(value, str) else said(value)
        for name, value in told.args.items()
    }
    return settled(strings()[told.key][lang].format_map(given))


def clamped(clamp: Clamp, lang: str) -> str:
    """What could not be as asked, what is there instead, and why."""
    used = f" → {clamp.used}" if clamp.used else ""
    return f"{clamp.name}={clamp.asked}{used}: {say(clamp.why, lang)}"


def summed(scene: Scene, lang: str) -> Scene:
    """The scene with a last row of totals below its table, where it has them (`totals` in its data), as on the
    page.
    """
    totals, columns = scene.data.get("totals"), scene.data.get("columns")
    if not isinstance(totals, Mapping) or not columns or not scene.grids or not scene.grids[0].rows:
        return scene
    told, table = cast(Mapping[str, float | None], totals), scene.grids[0]
    names = [text.key.rpartition(".")[2] for text in columns]
    sums = [
        say(Text("page.total"), lang) if name == names[0] else _amount(told[name]) if name in told else ""
        for name in names
    ]
    row = [Cell(None, said) for said in sums]
    return replace(scene, grids=[replace(table, rows=table.rows + 1, cells=[*table.cells, *row]), *scene.grids[1:]])


def _amount(value: float | None) -> str:
    return "?" if value is None else amount(value)


def formula(tokens: list[Token] | tuple[Token, ...]) -> str:
    """Tokens as one line; a sign stands close to its number, brackets close to what they hold."""
    line = ""
    for before, token in zip([None, *tokens], tokens, strict=False):
        close = not line or token.text[:1] in (")", ",", "]") or (before is not None and before.text in ("(", "["))
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
