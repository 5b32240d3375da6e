"""layerscope field."""

from __future__ import annotations

import argparse
from typing import Any

from layerscope.cli._arguments import WHAT, add_quiet, size
from layerscope.cli._printing import put

ABOUT = "what a layer sees of the input, and what a position of the input reaches"
EPILOG = """positions are counted from 0, along the axes that are neither batch nor channels: 3,4 is row 3, column 4.

examples:
  layerscope field example:autoencoder
  layerscope field example:autoencoder conv2d_2 --at 3,4
  layerscope field example:autoencoder-transpose --of-input 27,10"""


def add(parser: argparse.ArgumentParser) -> None:
    """Its arguments."""
    parser.add_argument("what", metavar="WHAT", help=WHAT)
    parser.add_argument(
        "layer", metavar="LAYER", nargs="?", help="a layer by its name (default: the network's output)"
    )
    way = parser.add_mutually_exclusive_group()
    way.add_argument("--at", type=position, metavar="ROW,COLUMN", help="what this position of the layer sees")
    way.add_argument("--of-input", type=position, metavar="ROW,COLUMN", help="what sees this position of the input")
    parser.add_argument("--input", metavar="NAME", help="which input --of-input speaks of, where there are several")
    parser.add_argument(
        "--set", metavar="NAME=N", type=size, action="append", default=[], dest="sizes",
        help="put an open size to a number: --set height=224",
    )  # fmt: skip
    parser.add_argument(
        "--format",
        default="terminal",
        metavar="FORMAT",
        help="terminal (default), markdown, latex, html, csv or json",
    )
    add_quiet(parser)


def position(text: str) -> tuple[int, ...]:
    """Whole numbers with commas between."""
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"numbers with commas between are needed, such as 3,4, not {text!r}"
        ) from None


def run(asked: Any) -> int:
    """Trace and print."""
    from layerscope import tracing
    from layerscope.core.errors import SettingError
    from layerscope.report import formats
    from layerscope.telling import fields

    if asked.input is not None and asked.of_input is None:
        raise SettingError("--input says which input --of-input speaks of; give --of-input ROW,COLUMN, too")
    found = tracing.trace(asked.what, sizes=dict(asked.sizes))
    if asked.of_input is None:
        document = fields.describe_seen(found.receptive_field(asked.layer, asked.at), found.journey.name)
    else:
        reached = found.projective_field(asked.of_input, asked.layer, asked.input)
        document = fields.describe_reached(reached, found.journey.name)
    document = document.without_legend() if asked.quiet else document
    put(formats.render(document, asked.format, tracing.terminal_width(), tracing.colourful(), tracing.encoding()))
    return 0
