"""layerscope plot."""

from __future__ import annotations

import argparse
from typing import Any

from layerscope.cli._arguments import add_data
from layerscope.cli._printing import wrote

ABOUT = "a trained network as figures: curves, filters, activations, codes"
EPILOG = """examples:
  layerscope plot runs/a
  layerscope plot runs/a --image 7 --format svg -o figures
  layerscope plot runs/a --image photo.png

Activations are what every layer makes of one image: the data's journey as pictures."""


def add(parser: argparse.ArgumentParser) -> None:
    """Its arguments."""
    parser.add_argument("run_folder", metavar="RUN", help="a folder that layerscope train made")
    parser.add_argument(
        "--image", default="0", metavar="N|FILE",
        help="whose way through the layers is drawn: a validation image's number, from 0, or a file (default: 0)",
    )  # fmt: skip
    parser.add_argument("-o", "--out", metavar="DIR", help="where the figures go (default: RUN/pictures)")
    parser.add_argument("--format", default="png", metavar="NAME", help="png (default), svg or pdf")
    add_data(parser, "the run's")


def run(asked: Any) -> int:
    """Draw, and name the files."""
    from layerscope import studies

    found = studies.plot(
        asked.run_folder, image=asked.image, out=asked.out, format=asked.format, data=asked.data, folder=asked.folder
    )
    for what, path in found.files.items():
        wrote(path, what)
    return 0
