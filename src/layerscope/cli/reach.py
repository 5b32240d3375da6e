"""layerscope reach."""

from __future__ import annotations

import argparse
import re
from typing import Any

from layerscope.cli._arguments import natural, positive
from layerscope.cli._printing import put, wrote

ABOUT = "pooling, stacked and dilated convolutions that see equally far, side by side"
EPILOG = """examples:
  layerscope reach 20
  layerscope reach 33 --input 224x224x3 --channels 32 -o reach.png"""


def add(parser: argparse.ArgumentParser) -> None:
    """Its arguments."""
    parser.add_argument(
        "size", metavar="PIXELS", type=positive, help="height and width that the last layer shall see"
    )
    parser.add_argument(
        "--input", type=sizes, default=(64, 64, 1), metavar="HxWxC", help="image that costs are counted for (64x64x1)"
    )
    parser.add_argument("--channels", type=positive, default=16, metavar="N", help="of every layer (default: 16)")
    parser.add_argument("--seed", type=natural, default=0, metavar="N", help="of random weights (default: 0)")
    parser.add_argument("-o", "--out", metavar="FILE", help="draw how much each pixel matters: .png, .svg or .pdf")
    parser.add_argument(
        "--format", default="terminal", metavar="FORMAT",
        help="terminal (default), markdown, latex, html, csv or json",
    )  # fmt: skip


def sizes(text: str) -> tuple[int, ...]:
    """Height, width and channels with an x between."""
    if not re.fullmatch(r"\d+([x×]\d+){2}", text):
        raise argparse.ArgumentTypeError(f"height, width and channels are needed, such as 64x64x1, not {text!r}")
    return tuple(map(int, re.split("[x×]", text)))


def run(asked: Any) -> int:
    """Build, count, measure, print."""
    from layerscope.core.errors import UnknownNameError
    from layerscope.report import formats

    if asked.format not in formats.names():
        raise UnknownNameError("format", asked.format, formats.names())

    from layerscope import studies, tracing

    found = studies.reach(asked.size, asked.input, asked.channels, seed=asked.seed, out=asked.out)
    plain = asked.format == "terminal"
    put(found.table(tracing.terminal_width(), plain and tracing.colourful(), asked.format))
    if asked.out is not None:
        wrote(asked.out, "the picture", plain, gap=True)
    return 0
