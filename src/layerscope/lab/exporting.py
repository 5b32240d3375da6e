"""A state of the lab as a file: a figure, the page, the scene as data, or text."""

from __future__ import annotations

import json
import os
from pathlib import Path

from layerscope.core.errors import OutputError, SettingError
from layerscope.core.files import replacing
from layerscope.lab.painting import words
from layerscope.lab.scene import Clamp, Scene
from layerscope.lab.scenes import scene
from layerscope.lab.state import spell

SUFFIXES = ("svg", "png", "pdf", "html", "json", "txt")
NARROWEST, WIDEST = 40.0, 1000.0
"""Millimetres; a column of a journal has about 84, a page 174."""
NAMED = 4
"""Grids whose numbers do not fit that are named."""
DOTS = (36, 2400)


def export(
    link: str, out: str | os.PathLike[str], *, width_mm: float = 174.0, theme: str | None = None,
    lang: str | None = None, bare: bool = False, dpi: int = 300,
) -> str:  # fmt: skip
    """Write the state that the link names; the suffix of `out` chooses the format. Says what was written.

    svg, png and pdf are figures, `width_mm` wide; `bare` leaves title, formula and law to the caption. html is the
    page itself in one file that opens on this state; json the scene; txt the scene as a terminal has it. `theme` and
    `lang` stand above those of the link. The same state gives the same bytes.

    Errors: SettingError, UnknownNameError for a link or option that is none; OutputError for a place or format.
    """
    kind = Path(out).suffix[1:].lower()
    if kind not in SUFFIXES:
        raise OutputError(
            f"cannot tell what to write from the name {os.fspath(out)!r}: end it in {_listed(SUFFIXES)}"
        )
    made = opened(link, theme=theme, lang=lang)
    _checked("--width-mm", width_mm, NARROWEST, WIDEST)
    _checked("--dpi", dpi, *DOTS)
    with replacing(out, folders=False) as aside:
        said = _write(made, kind, aside, width_mm, bare, dpi)
    return "\n".join([f"Wrote {os.fspath(out)}: {said}", *clamps(made)])


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
    lang = str(made.settings["lang"])
    return [f"{clamp.name}={clamp.asked}{_used(clamp)}: {words.say(clamp.why, lang)}" for clamp in made.clamped]


def _used(clamp: Clamp) -> str:
    return f" → {clamp.used}" if clamp.used else ""


def _write(made: Scene, kind: str, path: Path, width: float, bare: bool, dpi: int) -> str:
    """Write one format; what it is, in words."""
    lang = str(made.settings["lang"])
    link = spell(made.screen, made.settings)
    if kind == "json":
        path.write_text(json.dumps(made.to_json(), ensure_ascii=False, indent=1) + "\n", "utf-8")
        return f"the scene of {link} as data"
    if kind == "txt":
        from layerscope.lab.painting.terminal import render

        path.write_text(render(made, 100, lang=lang) + "\n", "utf-8")
        return f"the scene of {link} as text"
    if kind == "html":
        from layerscope.lab.page import offline_html

        path.write_text(offline_html(link), "utf-8")
        return f"the lab in one file; it opens on {link}"
    return _figure(made, kind, path, width, bare, dpi)


def _figure(made: Scene, kind: str, path: Path, width: float, bare: bool, dpi: int) -> str:
    from layerscope.lab.painting.layout import paint

    lang = str(made.settings["lang"])
    drawing = paint(made, width, str(made.settings["theme"]), lang, bare)
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


def _checked(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise SettingError(f"{name} is {value:g}; {low:g} to {high:g} is possible")


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(f".{name}" for name in names[:-1]) + f" or .{names[-1]}"
