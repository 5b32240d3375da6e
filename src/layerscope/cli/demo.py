"""layerscope demo."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from layerscope.cli._arguments import natural
from layerscope.cli._printing import wrote

ABOUT = "the reference document's autoencoder on real digits: journey, training, reconstructions"
EPILOG = "example: layerscope demo -o ten.png\nIt takes about a minute on two cores and downloads nothing."


def add(parser: argparse.ArgumentParser) -> None:
    """Its arguments."""
    parser.add_argument(
        "-o", "--out", default="reconstructions.png", metavar="FILE", help="the picture (default: %(default)s)"
    )
    parser.add_argument("--seed", type=natural, default=0, help="random seed (default: %(default)s)")


def run(asked: Any) -> int:
    """Show the journey, train until readable, draw."""
    from layerscope import studies, tracing
    from layerscope.studies import runs

    runs.writable(asked.out)
    width, colour = tracing.terminal_width(), tracing.colourful()
    print("The network: every layer, and what it does to a 28 × 28 digit.\n")
    print(tracing.trace("example:autoencoder").render(width=width, colour=colour, encoding=tracing.encoding()))
    print("\nTraining on 1,437 handwritten digits (scikit-learn's), until a reader of the originals")
    print("(3 nearest neighbours) reads 85 % of the unseen test digits from their reconstructions:\n", flush=True)
    found = studies.demo(asked.out, asked.seed)
    if found.interrupted and not found.epochs:
        print("Stopped before the first epoch was done; no picture was made.", file=sys.stderr)
        return 130
    print(f"\n{found.pictures.terminal(width, colour)}\n")
    print(
        f"Validation loss {found.loss:.4f} after {found.epochs} epochs. The reader reads {found.share:.0%} of the "
        f"360 reconstructions right ({found.originals:.0%} of the originals)."
    )
    wrote(found.path, "ten originals over ten reconstructions")
    print("\nNext: layerscope explain transpose    layerscope train example:autoencoder --data mnist --epochs 2")
    return 130 if found.interrupted else 0
