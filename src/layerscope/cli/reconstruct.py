"""layerscope reconstruct."""

from __future__ import annotations

import argparse
from typing import Any

from layerscope.cli._arguments import add_data, add_run, positive
from layerscope.cli._printing import wrote

ABOUT = "images over what a trained autoencoder makes of them"
EPILOG = """examples:
  layerscope reconstruct runs/a --count 10 -o ten.png
  layerscope reconstruct runs/a photo.png scans/ -o mine.png

Without images: the first validation images of the run. The picture has a row of error maps."""


def add(parser: argparse.ArgumentParser) -> None:
    """Its arguments."""
    add_run(parser, "*")
    parser.add_argument("-o", "--out", metavar="FILE", help="the picture: .png, .svg or .pdf")
    parser.add_argument("--count", type=positive, default=10, help="how many images (default: %(default)s)")
    add_data(parser, "the run's")


def run(asked: Any) -> int:
    """Reconstruct, print, draw."""
    from layerscope import studies, tracing
    from layerscope.studies import runs

    path = None if asked.out is None else runs.writable(asked.out)
    found = studies.reconstruct(
        asked.run_folder, asked.images or None, asked.count, asked.data, asked.folder, size=asked.size, fit=asked.fit,
        colour=asked.colour,
    )  # fmt: skip
    print(found.terminal(tracing.terminal_width(), tracing.colourful()))
    count = len(found.errors)
    print(f"\nMean squared error: {found.errors.mean():.5f} over {count} image{'s' * (count != 1)}")
    if found.unread:
        print(found.unread)
    if path is not None:
        found.save(path)
        wrote(path, "the picture")
    return 0
