"""layerscope encode."""

from __future__ import annotations

import argparse
from typing import Any

from layerscope.cli._arguments import add_own, add_run
from layerscope.cli._printing import wrote

ABOUT = "the numbers that a trained network keeps of each image"
EPILOG = """examples:
  layerscope encode runs/a images/ -o codes.npz
  layerscope encode runs/a mnist:test --layer dense -o codes.csv

The code is the output of the narrowest layer that all data pass, or of the layer that --layer names.
codes.npz holds codes, names, layer and, where they are known, labels and the names of the classes."""


def add(parser: argparse.ArgumentParser) -> None:
    """Its arguments."""
    add_run(parser, "+")
    parser.add_argument(
        "-o", "--out", metavar="FILE", required=True, help="the codes: .npz, or .csv with a row an image"
    )
    parser.add_argument("--layer", metavar="NAME", help="the layer whose output is wanted (default: the narrowest)")
    add_own(parser)


def run(asked: Any) -> int:
    """Encode, and say what and where."""
    from layerscope import studies

    found = studies.encode(
        asked.run_folder, asked.images, layer=asked.layer, folder=asked.folder, fit=asked.fit, out=asked.out
    )
    shape = " × ".join(map(str, found.codes.shape[1:]))
    codes = "1 code" if len(found.codes) == 1 else f"{len(found.codes):,} codes"
    print(f"{codes} of {found.flat.shape[1]:,} numbers: output of {found.layer}, {shape}")
    if found.unread:
        print(found.unread)
    wrote(asked.out, "the codes")
    return 0
