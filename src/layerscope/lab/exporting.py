"""A state of the lab as a file: a figure, the page, the scene as data, or text."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from layerscope.core.errors import OutputError, SettingError
from layerscope.core.files import replacing, writable
from layerscope.lab.painting import words
from layerscope.lab.scene import Scene, Text
from layerscope.lab.scenes import scene
from layerscope.lab.state import spell
from layerscope.report import papers

SUFFIXES = ("svg", "png", "pdf", "html", "json", "txt")
NAMED = 4
"""Grids whose numbers do not fit that are named."""
DOTS = (36, 2400)


@dataclass(frozen=True)
class Exported:
    """What was written, in words; and what is wrong with the network that it shows, if anything."""

    said: str
    wrong: str = ""


def export(
    link: str, out: str | os.PathLike[str], *, width_mm: float | None = None, theme: str | None = None,
    lang: str | None = None, bare: bool = False, dpi: int = 300,
) -> Exported:  # fmt: skip
    """Write the state that the link names; the suffix of `out` chooses the format.

    svg, png and pdf are figures, `width_mm` wide (174); `bare` leaves title, formula and law to the caption. html
    is the page itself in one file that opens on this state; json the scene; txt the scene as a terminal has it,
    nothing cut off. `theme` and `lang` stand above those of the link. The same state gives the same bytes. A
    network that breaks somewhere is drawn up to there.

    Errors: SettingError, UnknownNameError for a link or option that is none, or a state of which nothing can be
    drawn; OutputError for a place or format.
    """
    writable(out, [f".{suffix}" for suffix in SUFFIXES], "an export of the lab")
    kind = Path(out).suffix[1:].lower()
    made = opened(link, theme=theme, lang=lang)
    wide = papers.checked(width_mm)
    if not DOTS[0] <= dpi <= DOTS[1]:
        raise SettingError(f"--dpi is {dpi}; {DOTS[0]} to {DOTS[1]} is possible")
    wrong = misfit(made)
    if kind != "html" and not drawable(made):
        raise SettingError(f"there is nothing to draw: {wrong or words.say(made.why[0], _lang(made))}")
    with replacing(out, folders=False) as aside:
        said = _write(made, kind, aside, wide, bare, dpi)
    return Exported("\n".join([f"Wrote {os.fspath(out)}: {said}", *clamps(made)]), wrong)


def misfit(made: Scene) -> str:
    """What is wrong with the scene's network, in words; "" where it fits, though its output may not be as the
    input.
    """
    trouble = made.data.get("trouble")
    if isinstance(trouble, Mapping):  # the journey's
        found = cast(Mapping[str, Any], trouble)
        trouble = None if found["target"] else found["why"]
    return words.say(trouble, _lang(made)) if isinstance(trouble, Text) else ""


def drawable(made: Scene) -> bool:
    """Whether there is anything to draw: a grid, and of a network that breaks more than its input."""
    rows = made.data.get("rows", ())
    return any(grid.cells for grid in made.grids) and not (misfit(made) and len(rows) < 1)


def _lang(made: Scene) -> str:
    return str(made.settings["lang"])


def opened(link: str, theme: str | None = None, lang: str | None = None) -> Scene:
    """The scene of a link as people have it: #lab=convt&n=4, the same without #, a whole address, or a screen's name.

    Errors: those of `state.parse`.
    """
    hash = link.strip().partition("#")[2] if "#" in link else link.strip()
    if hash and "=" not in hash.partition("&")[0]:
        hash = f"lab={hash}"
    asked = "".join(f"&{name}={value}" for name, value in (("theme", theme), ("lang", lang)) if value is not None)
    return scene(hash + asked)


def clamps(made: Scene) -> list[str]:
    """What could not be as asked, a line each."""
    return [words.clamped(clamp, str(made.settings["lang"])) for clamp in made.clamped]


def _write(made: Scene, kind: str, path: Path, width: float, bare: bool, dpi: int) -> str:
    """Write one format; what it is, in words."""
    lang = str(made.settings["lang"])
    link = spell(made.screen, made.settings)
    if kind == "json":
        path.write_text(json.dumps(made.to_json(), ensure_ascii=False, indent=1) + "\n", "utf-8")
        return f"the scene of {link} as data"
    if kind == "txt":
        from layerscope.lab.painting.terminal import render

        path.write_text(render(made, None, lang=lang) + "\n", "utf-8")
        return f"the scene of {link} as text"
    if kind == "html":
        from layerscope.lab.page import offline_html

        path.write_text(offline_html(link), "utf-8")
        return f"the lab in one file; it opens on {link}"
    return _figure(made, kind, path, width, bare, dpi)


def _figure(made: Scene, kind: str, path: Path, width: float, bare: bool, dpi: int) -> str:
    from layerscope.lab.painting.pages import on_a_page

    lang = str(made.settings["lang"])
    drawing = on_a_page(made, width, str(made.settings["theme"]), lang, bare)
    if kind == "svg":
        from layerscope.report import svg

        path.write_text(svg.standing(drawing), "utf-8")
    else:
        from layerscope.report.figures.painted import painted, readable

        if not readable(drawing):
            raise OutputError(
                "no font on this machine has Korean letters; install one (on Debian and Ubuntu: apt install "
                "fonts-noto-cjk), write an .svg, whose letters the viewer draws, or ask for lang=en"
            )
        painted(drawing, path, kind, dpi)
    said = f"{drawing.width:g} × {drawing.height:.0f} mm, {drawing.source}"
    if drawing.silent:
        more = f" and {len(drawing.silent) - NAMED} more" if len(drawing.silent) > NAMED else ""
        said += "\nCells too small for their numbers: " + "; ".join(drawing.silent[:NAMED]) + more
    return said
