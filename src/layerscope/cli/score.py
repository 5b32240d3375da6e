"""layerscope score."""

from __future__ import annotations

import argparse
from typing import Any

from layerscope.cli._arguments import add_own, add_run, positive
from layerscope.cli._printing import wrote

ABOUT = "how badly a trained autoencoder reconstructs each image, worst first"
EPILOG = """examples:
  layerscope score runs/a images/ -o scores.csv --heatmap worst.png
  layerscope score runs/a mnist:test --score relative --top 20

The score is the mean squared error of an image and its reconstruction; relative divides it by the variance of the
image, so that images with little in them do not pass as well known."""


def add(parser: argparse.ArgumentParser) -> None:
    """Its arguments."""
    add_run(parser, "+")
    parser.add_argument("-o", "--out", metavar="FILE", help="all scores: .csv, a row an image")
    parser.add_argument(
        "--heatmap", metavar="FILE", help="a picture of the worst, with error maps: .png, .svg or .pdf"
    )
    parser.add_argument(
        "--top", type=positive, default=10, help="how many of the worst are shown (default: %(default)s)"
    )
    parser.add_argument("--score", default="squared", metavar="NAME", help="squared (default) or relative")
    add_own(parser)


def run(asked: Any) -> int:
    """Score, print the worst, write."""
    from layerscope import studies, tracing
    from layerscope.report import formats

    found = studies.score(
        asked.run_folder, asked.images, kind=asked.score, top=asked.top, folder=asked.folder, fit=asked.fit,
        out=asked.out, heatmap=asked.heatmap,
    )  # fmt: skip
    shown = (tracing.terminal_width(), tracing.colourful(), tracing.encoding())
    print(formats.render(found.document(asked.top), "terminal", *shown))
    for what, path in (("all scores", asked.out), ("the worst as a picture", asked.heatmap)):
        if path is not None:
            wrote(path, what, gap=True)
    return 0
