"""The command line: parse, call, render.

A command is one module of this folder, with `ABOUT` (its line in the list), `EPILOG` (examples), `add(parser)`
(its arguments) and `run(asked)` (does it; the exit code). Each imports what it needs when it runs.
"""

from __future__ import annotations

import argparse
import errno
import io
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from layerscope import __version__
from layerscope.core.errors import LayerscopeError
from layerscope.report import letters

ABOUT = "See what every layer of a neural network does to the data, and train small networks on a CPU."
COMMANDS = (
    "demo", "trace", "check", "field", "reach", "blindspot", "shift", "checkerboard", "mirror", "design", "explain",
    "examples", "train", "reconstruct", "encode", "score", "plot", "compare", "export",
    "lab",
)  # fmt: skip
"""In the order of the help."""
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EIO)
"""What a place says that takes no more output."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; 0 when it did what was asked, 2 for a mistake in the asking, 130 after Ctrl-C.

    2, too, when the output cannot be written, and 141 when nobody reads it any more.
    """
    _spelled()
    try:
        try:
            return _run(arguments)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:  # the reader (head, less) has gone
        _silent()
        return 141
    except OSError as error:
        if error.errno not in FULL:
            raise
        _silent()
        print(f"layerscope: cannot write the output: {error.strerror}", file=sys.stderr)
        return 2


def _silent() -> None:
    """What is left to flush goes nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _run(arguments: Sequence[str] | None) -> int:
    given = list(sys.argv[1:] if arguments is None else arguments)
    asked = _parser(given[0] if given else "").parse_args(given)
    try:
        return asked.run(asked)
    except LayerscopeError as error:
        print(f"layerscope {asked.command}: " + "\n".join([str(error), *error.__notes__]), file=sys.stderr)
        return 2
    except MemoryError as error:
        print(f"layerscope {asked.command}: not enough memory: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nlayerscope: stopped by Ctrl-C", file=sys.stderr)
        return 130


def _spelled() -> None:
    """Streams that lack letters which reports are written with get others, such as x for ×."""
    for stream in (sys.stdout, sys.stderr):
        if (stream.encoding or "").lower() not in ("utf-8", "utf8") and isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=letters.register())


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Help as wide as the terminal."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=letters.columns(80) - 2)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> Any:
        self.exit(2, f"{self.prog}: {message}\nTry: {self.prog} --help\n")


def _parser(first: str = "") -> argparse.ArgumentParser:
    """The parser; where the first word is a command, no other command's module is loaded."""
    parser = _Parser(
        prog="layerscope", description=ABOUT, formatter_class=_Formatter,
        epilog='example: layerscope trace "28x28x1 | conv 16 3 same relu | maxpool 2 | flatten | dense 10"',
    )  # fmt: skip
    parser.add_argument("--version", action="version", version=f"layerscope {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=_Parser)
    for name in (first,) if first in COMMANDS else COMMANDS:
        module = import_module(f"{__name__}.{name}")
        about: str = module.ABOUT
        added = commands.add_parser(
            name, help=about, description=about[0].upper() + about[1:] + ".", epilog=module.EPILOG,
            formatter_class=_Formatter,
        )  # fmt: skip
        module.add(added)
        added.set_defaults(run=module.run)
    return parser
