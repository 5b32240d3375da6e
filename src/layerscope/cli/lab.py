"""layerscope lab."""

from __future__ import annotations

import argparse
from typing import Any

ABOUT = "what a layer does to small data, cell by cell: figures for papers and lessons, the page, text"
EPILOG = """examples:
  layerscope lab export convt
  layerscope lab export '#lab=convt&n=4&k=3&s=2&p=1&op=1' -o figure.svg
  layerscope lab export '#lab=convt&view=stamp&step=6' -o stamp.png --width-mm 84 --lang ko
  layerscope lab export '#lab=pool&shift=1' -o lab.html

A state is a link's hash, as the page copies it, its whole address, or a screen's name. Without -o the scene is
printed. The suffix chooses the format: .svg, .png and .pdf are figures, .html is the page in one file that opens on
this state, .json the scene as data, .txt as text."""


def add(parser: argparse.ArgumentParser) -> None:
    """Its arguments."""
    parser.add_argument("what", metavar="WHAT", help='"export"')
    parser.add_argument("state", metavar="STATE", nargs="?", help="what to export: '#lab=convt&n=4', or convt")
    parser.add_argument(
        "-o", "--out", metavar="FILE", help="a .svg, .png, .pdf, .html, .json or .txt (default: print)"
    )
    parser.add_argument(
        "--width-mm", type=float, default=174.0, metavar="N", help="of a figure (default: 174; column: 84)"
    )
    parser.add_argument("--dpi", type=int, default=300, metavar="N", help="dots per inch of a .png (default: 300)")
    parser.add_argument("--theme", choices=("light", "dark"), help="colours (default: the state's, or light)")
    parser.add_argument("--lang", choices=("en", "ko"), help="language (default: the state's, or English)")
    parser.add_argument("--bare", action="store_true", help="grids and legend only; the rest is for your caption")


def run(asked: Any) -> int:
    """Export."""
    from layerscope.core.errors import SettingError

    if asked.what != "export" or asked.state is None:
        raise SettingError("say what to export, such as: layerscope lab export '#lab=convt&n=4' -o figure.svg")
    return _export(asked)


def _export(asked: Any) -> int:
    from layerscope.lab import exporting

    if asked.out is not None:
        told = {"width_mm": asked.width_mm, "theme": asked.theme, "lang": asked.lang, "dpi": asked.dpi}
        print(exporting.export(asked.state, asked.out, bare=asked.bare, **told))
        return 0
    from layerscope.lab.painting import terminal
    from layerscope.tracing import colourful, terminal_width

    made = exporting.opened(asked.state, theme=asked.theme, lang=asked.lang)
    lang = str(made.settings["lang"])
    print(terminal.render(made, terminal_width(), colourful(), lang, explained=not asked.bare))
    return 0
