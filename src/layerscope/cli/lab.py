"""layerscope lab."""

from __future__ import annotations

import argparse
import sys
from importlib.util import find_spec
from typing import Any

from layerscope.cli._arguments import WHAT, natural
from layerscope.core.errors import OutputError, SettingError

ABOUT = "a page on which every number is computed; its figures for papers and lessons"
EPILOG = """examples:
  layerscope lab                                        the page, in the browser
  layerscope lab '#lab=convt&n=4&k=3&s=2'               a screen in a state, as the page copies it
  layerscope lab "28x28x1 | conv 8 3 | maxpool 2"       with your network as a journey
  layerscope lab runs/digits                            draw a digit; see what this run makes of it
  layerscope lab export '#lab=convt&n=4&k=3&s=2&p=1&op=1' -o figure.svg
  layerscope lab export '#lab=convt&view=stamp&step=6' -o stamp.png --width-mm 84 --lang ko
  layerscope lab export '#lab=pool&shift=1' -o lab.html
  layerscope lab export convt

The page is served to this machine alone (127.0.0.1), until Ctrl-C, and trains networks while you watch. Without the
packages for that (pip install 'layerscope[lab]') it is opened from its file, and all its screens work.

A state is a link's hash, as the page copies it, its whole address, or a screen's name. Without -o the scene is
printed. The suffix chooses the format: .svg, .png and .pdf are figures, .html is the page in one file that opens on
this state, .json the scene as data, .txt as text. Of a network that breaks, the figure shows where, and the exit
code is 2."""
NEEDED = ("starlette", "uvicorn")


def add(parser: argparse.ArgumentParser) -> None:
    """Its arguments."""
    parser.add_argument(
        "what", metavar="WHAT", nargs="?", help=f'a run folder; {WHAT}; a state to open; or "export" a state'
    )
    parser.add_argument("state", metavar="STATE", nargs="?", help="the state: '#lab=convt&n=4', or convt")
    page = parser.add_argument_group("the page")
    page.add_argument("--port", type=natural, default=0, metavar="N", help="the port (default: one that is free)")
    page.add_argument("--no-browser", action="store_true", help="only print the address")
    export = parser.add_argument_group("export")
    export.add_argument(
        "-o", "--out", metavar="FILE", help="a .svg, .png, .pdf, .html, .json or .txt (default: print)"
    )
    export.add_argument(
        "--width-mm", type=float, metavar="MM", help="of a figure, 70 to 1,000 (default: 174; one column: 84)"
    )
    export.add_argument("--dpi", type=int, default=300, metavar="N", help="dots per inch of a .png (default: 300)")
    export.add_argument("--theme", choices=("light", "dark"), help="colours (default: the state's, or light)")
    export.add_argument("--lang", choices=("en", "ko"), help="language (default: the state's, or English)")
    export.add_argument("--bare", action="store_true", help="grids and legend only; the rest is for your caption")


def run(asked: Any) -> int:
    """Export, or open the page."""
    if asked.what == "export":
        if asked.state is None:
            raise SettingError("say what to export, such as: layerscope lab export '#lab=convt&n=4' -o figure.svg")
        return _export(asked)
    if asked.out is not None:
        raise SettingError("-o belongs to export: layerscope lab export '#lab=convt&n=4' -o figure.svg")
    if asked.port > 65535:
        raise SettingError(f"ports go up to 65535; {asked.port} is none")
    what, state = asked.what, asked.state
    if state is None and what is not None and what.startswith("#"):
        what, state = None, what
    if state is None and (asked.lang or asked.theme):
        state = f"#lang={asked.lang or 'en'}"  # the first screen
    hash = "" if state is None else _hash(state, asked)
    if any(find_spec(name) is None for name in NEEDED):
        return _from_file(asked, what, hash)
    from layerscope.lab.serving.running import serve

    serve(what, asked.port, hash, not asked.no_browser, _say)
    return 0


def _hash(state: str, asked: Any) -> str:
    """The hash of a state, checked and clamped."""
    from layerscope.lab import exporting
    from layerscope.lab.state import spell

    made = exporting.opened(state, theme=asked.theme, lang=asked.lang)
    for line in exporting.clamps(made):
        _say(line)
    return spell(made.screen, made.settings)


def _say(line: str) -> None:
    print(line, flush=True)


def _from_file(asked: Any, what: str | None, hash: str) -> int:
    """The page without a server. Errors: OutputError where a network or a port is asked for, which need one."""
    if what is not None or asked.port:
        raise OutputError(
            "the page is served with your own network, for which packages are missing: "
            "pip install 'layerscope[lab]'. "
            "Without a network, layerscope lab opens the page from its file."
        )
    from importlib.resources import as_file, files

    with as_file(files("layerscope.lab").joinpath("page", "offline.html")) as path:
        address = path.as_uri() + hash
        _say(f"The lab is in {address}")
        _say("With pip install 'layerscope[lab]' it trains networks too, and shows yours: layerscope lab MODEL")
        if not asked.no_browser:
            import webbrowser

            webbrowser.open(address)
    return 0


def _export(asked: Any) -> int:
    from layerscope.lab import exporting

    if asked.out is not None:
        told = {"width_mm": asked.width_mm, "theme": asked.theme, "lang": asked.lang, "dpi": asked.dpi}
        done = exporting.export(asked.state, asked.out, bare=asked.bare, **told)
        print(done.said)
        return _wrong(done.wrong)
    from layerscope.lab.painting import terminal
    from layerscope.tracing import colourful, terminal_width

    made = exporting.opened(asked.state, theme=asked.theme, lang=asked.lang)
    lang = str(made.settings["lang"])
    print(terminal.render(made, terminal_width(), colourful(), lang, explained=not asked.bare))
    if asked.bare:
        for line in exporting.clamps(made):
            print(line, file=sys.stderr)
    return _wrong(exporting.misfit(made))


def _wrong(why: str) -> int:
    """Say what is wrong with the network of a figure, whose picture shows where; the exit code."""
    if why:
        print(f"layerscope lab: the network does not fit: {why}", file=sys.stderr)
    return 2 if why else 0
