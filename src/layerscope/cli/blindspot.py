"""layerscope blindspot."""

from __future__ import annotations

import argparse
from typing import Any

from layerscope.cli._arguments import add_own, natural, positive
from layerscope.cli._printing import put, wrote

ABOUT = "what a network cannot tell apart: two inputs with the same output"
EPILOG = """MODEL is a run folder, a model file of ours or of Keras (.keras, .h5; Keras reads its weights),
package.module:callable, or a network without weights (one line of text, example:NAME), which gets random ones by
--seed. An ONNX file has no weights here: give the model that it was made of.

examples:
  layerscope blindspot example:boxes-condense
  layerscope blindspot example:boxes-enrich --layer dense
  layerscope blindspot runs/a -o pairs.png
  layerscope blindspot "28x28x1 | conv 4 3 stride 2 | flatten | dense 10" --data digits --images 500
  layerscope blindspot runs/a --layer code --data mnist:test --count 5 -o pairs.npz

The picture (.png, .svg, .pdf) shows the pairs, what the network makes of them, and how much of each pixel it
sees; .npz keeps the arrays."""


def add(parser: argparse.ArgumentParser) -> None:
    """Its arguments."""
    parser.add_argument("model", metavar="MODEL", help="a run folder, a model file, or a network as trace takes it")
    parser.add_argument("--layer", metavar="NAME", help="look at the output of this layer (default: the network's)")
    parser.add_argument("--count", type=positive, default=3, help="how many pairs (default: %(default)s)")
    parser.add_argument(
        "--seed", type=natural, default=0, help="for random weights and inputs (default: %(default)s)"
    )
    parser.add_argument(
        "--data", metavar="WHAT",
        help="images: a folder, a .npz or .npy file, mnist, digits, ... (default: a run's own, else random inputs)",
    )  # fmt: skip
    parser.add_argument(
        "--images", type=natural, metavar="N",
        help="so many images show how much of them a linear readout of each layer recovers (default: 1000; 0: none)",
    )  # fmt: skip
    add_own(parser)
    parser.add_argument("-o", "--out", metavar="FILE", help="the picture, or the arrays (.npz)")
    parser.add_argument(
        "--format", default="terminal", metavar="FORMAT",
        help="terminal (default), markdown, latex, html, csv or json",
    )  # fmt: skip


def run(asked: Any) -> int:
    """Look, print, draw."""
    from layerscope import studies, tracing
    from layerscope.report import formats
    from layerscope.studies import runs

    formats.needs_rows(asked.format)
    path = None if asked.out is None else runs.writable(asked.out, (*runs.PICTURES, ".npz"), "what is found")
    found = studies.blindspot(
        asked.model, asked.data, layer=asked.layer, count=asked.count, images=asked.images, seed=asked.seed,
        folder=asked.folder, fit=asked.fit,
    )  # fmt: skip
    put(found.render(asked.format, tracing.terminal_width(), tracing.colourful()))
    if path is not None:
        found.save(path)
        what = "the arrays" if path.suffix.lower() == ".npz" else "the picture"
        wrote(path, what, asked.format == "terminal", gap=True)
    return 0
