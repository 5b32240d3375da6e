"""layerscope lab."""

from __future__ import annotations

import argparse
from importlib.util import find_spec
from typing import Any

from layerscope.cli._arguments import WHAT, natural
from layerscope.core.errors import OutputError, SettingError

ABOUT = "open the lab: a page on which every number is computed"
EPILOG = """examples:
  layerscope lab                              the page, in the browser
  layerscope lab "28x28x1 | conv 8 3 | maxpool 2"   with this network as a journey
  layerscope lab runs/digits                  draw a digit, see what this run makes of it
  layerscope lab --state "#lab=pool&n=6&k=2"  another screen

The page is served to this machine alone (127.0.0.1) until Ctrl-C; it trains networks while you watch. Without the
packages for that (pip install 'layerscope[lab]') the page is opened from its file, and all its screens work."""
NEEDED = ("starlette", "uvicorn")


def add(parser: argparse.ArgumentParser) -> None:
    """Its arguments."""
    parser.add_argument("what", metavar="MODEL|RUN", nargs="?", help=f"a run folder, or {WHAT}")
    parser.add_argument("--port", type=natural, default=0, metavar="N", help="the port (default: one that is free)")
    parser.add_argument("--no-browser", action="store_true", help="only print the address")
    parser.add_argument("--state", default="#", metavar="HASH", help="the screen that is opened, as in its link")


def run(asked: Any) -> int:
    """Serve the page until Ctrl-C; or open its file."""
    from layerscope.lab.state import parse

    if asked.state != "#":
        parse(asked.state)
    if asked.port > 65535:
        raise SettingError(f"ports go up to 65535; {asked.port} is none")
    if any(find_spec(name) is None for name in NEEDED):
        return _from_file(asked)
    from layerscope.lab.serving.running import serve

    serve(asked.what, asked.port, "#" + asked.state.removeprefix("#"), not asked.no_browser, _say)
    return 0


def _say(line: str) -> None:
    print(line, flush=True)


def _from_file(asked: Any) -> int:
    """The page without a server. Errors: OutputError where a network or a port is asked for, which need one."""
    if asked.what is not None or asked.port:
        raise OutputError(
            "a page with your own network is served, for which packages are missing: pip install 'layerscope[lab]'. "
            "Without a network, layerscope lab opens the page from its file."
        )
    import webbrowser
    from importlib.resources import as_file, files

    with as_file(files("layerscope.lab").joinpath("page", "lab.html")) as path:
        address = path.as_uri() + "#" + asked.state.removeprefix("#")
        _say(f"The lab is in {address}")
        _say("With pip install 'layerscope[lab]' it trains networks too, and shows yours: layerscope lab MODEL")
        if not asked.no_browser:
            webbrowser.open(address)
    return 0
