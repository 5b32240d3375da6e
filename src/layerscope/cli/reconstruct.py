"""layerscope reconstruct."""

from __future__ import annotations

import argparse
from typing import Any

from layerscope.cli._arguments import add_data, positive

ABOUT = "test images over what a trained autoencoder makes of them"
EPILOG = "example: layerscope reconstruct runs/a --count 10 -o ten.png"


def add(parser: argparse.ArgumentParser) -> None:
    """Its arguments."""
    parser.add_argument("run_folder", metavar="RUN", help="a folder that layerscope train made")
    parser.add_argument("-o", "--out", metavar="FILE", help="the picture: .png, .svg or .pdf")
    parser.add_argument("--count", type=positive, default=10, help="how many images (default: %(default)s)")
    add_data(parser, "the run's")


def run(asked: Any) -> int:
    """Reconstruct, print, draw."""
    from layerscope import studies, tracing
    from layerscope.studies import runs

    path = None if asked.out is None else runs.writable(asked.out)
    found = studies.reconstruct(
        asked.run_folder, asked.count, asked.data, asked.folder, size=asked.size, fit=asked.fit, colour=asked.colour
    )
    print(found.terminal(tracing.terminal_width(), tracing.colourful()))
    print(f"\nMean squared error: {found.errors.mean():.5f} over {len(found.errors)} images")
    if path is not None:
        found.save(path)
        print(f"The picture: {path}")
    return 0
