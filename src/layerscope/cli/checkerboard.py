"""layerscope checkerboard."""

from __future__ import annotations

import argparse
from typing import Any

from layerscope.cli._arguments import WHAT, add_own, natural, positive
from layerscope.cli._printing import put, wrote

ABOUT = "how unevenly transposed convolutions overlap, and what would be even"
EPILOG = """examples:
  layerscope checkerboard "7x7x8 | convt 16 3 stride 2 same relu | convt 1 3 stride 2 same sigmoid"
  layerscope checkerboard "7x7x8 | convt 1 5 stride 3" -o overlap.png
  layerscope checkerboard runs/a -o spectrum.png"""


def add(parser: argparse.ArgumentParser) -> None:
    """Its arguments."""
    parser.add_argument("what", metavar="WHAT", help=f"{WHAT}; or a run folder")
    parser.add_argument(
        "--data", metavar="WHAT",
        help="measure the checkerboard in what the network makes of these images, too: mnist, digits:test, a folder "
        "or a file of images (default: a run's validation images)",
    )  # fmt: skip
    add_own(parser)
    parser.add_argument("--images", type=positive, default=256, metavar="N", help="how many of them (default: 256)")
    parser.add_argument("--seed", type=natural, default=0, metavar="N", help="of random weights (default: 0)")
    parser.add_argument("-o", "--out", metavar="FILE", help="draw the overlap, and the spectrum: .png, .svg or .pdf")
    parser.add_argument(
        "--format", default="terminal", metavar="FORMAT",
        help="terminal (default), markdown, latex, html, csv or json",
    )  # fmt: skip


def run(asked: Any) -> int:
    """Analyse, measure, print, draw."""
    from layerscope.core.errors import UnknownNameError
    from layerscope.report import formats

    if asked.format not in formats.names():
        raise UnknownNameError("format", asked.format, formats.names())

    from layerscope import studies, tracing

    found = studies.overlap(
        asked.what,
        asked.data,
        images=asked.images,
        seed=asked.seed,
        folder=asked.folder,
        fit=asked.fit,
        out=asked.out,
    )
    plain = asked.format == "terminal"
    put(found.table(tracing.terminal_width(), plain and tracing.colourful(), asked.format))
    if asked.out is not None:
        wrote(asked.out, "the picture", plain, gap=True)
    return 0
