"""The page as it is built by `web/build.mjs`: files to be served, and one file that works offline."""

from __future__ import annotations

from html import escape
from importlib.resources import files
from importlib.resources.abc import Traversable

from layerscope.lab.state import parse

_STATE = '<meta name="layerscope-state" content="">'

SERVED = ("index.html", "lab.js", "lab.css")
"""What a server gives out, by its name."""


def served(name: str) -> Traversable:
    """A file of `SERVED`.

    Errors: KeyError for any other name, so that no path leads out of the folder.
    """
    if name not in SERVED:
        raise KeyError(name)
    return files(__name__).joinpath(name)


def offline_html(hash: str = "") -> str:
    """The whole page as one file that asks for nothing: it works from a disk and in a sandboxed frame.

    `hash` is the state on which it opens where its own address names none. The bytes depend on it alone.

    Errors: those of `state.parse`.
    """
    page = files(__name__).joinpath("offline.html").read_text("utf-8")
    if not hash:
        return page
    parse(hash)
    return page.replace(_STATE, f'<meta name="layerscope-state" content="{escape("#" + hash.removeprefix("#"))}">')
