"""layerscope shift."""

from __future__ import annotations

import argparse
from typing import Any

from layerscope.cli._arguments import add_own, natural, positive
from layerscope.cli._printing import put, wrote

ABOUT = "what changes in every layer when the image moves, and what moves along"
EPILOG = """a run has weights and images of its own, a model file (of ours, .keras, .h5) has weights; any other
network that trace takes gets random weights from --seed; an ONNX file has none here: give the model that it was
made of.
--compare needs no network: it puts max and average pooling, strides, and both with a blur
before what they leave out, behind the same random convolutions.

examples:
  layerscope shift runs/a
  layerscope shift "28x28x1 | conv 8 3 same relu | maxpool 2 | flatten | dense 10" --data digits -o shift.png
  layerscope shift --compare --data digits"""


def add(parser: argparse.ArgumentParser) -> None:
    """Its arguments."""
    parser.add_argument("model", metavar="MODEL", nargs="?", help="a run folder, a model file, or what trace takes")
    parser.add_argument(
        "--compare", action="store_true", help="instead of a model: all that halves an image, side by side"
    )
    parser.add_argument(
        "--data", metavar="WHAT",
        help="images to move: mnist, fashion_mnist, kmnist or digits (digits:test is a part); a folder or a file "
        "of images (default: a run's validation images)",
    )  # fmt: skip
    add_own(parser)
    parser.add_argument(
        "--most", type=positive, default=4, metavar="N", help="pixels to move by, at most (default: 4)"
    )
    parser.add_argument("--images", type=positive, default=128, metavar="N", help="how many are moved (default: 128)")
    parser.add_argument("--seed", type=natural, default=0, metavar="N", help="of random weights (default: 0)")
    parser.add_argument("--seeds", type=positive, default=3, metavar="N", help="of --compare: how many (default: 3)")
    parser.add_argument("-o", "--out", metavar="FILE", help="draw it as well: .png, .svg or .pdf")
    parser.add_argument(
        "--format", default="terminal", metavar="FORMAT",
        help="terminal (default), markdown, latex, html, csv or json",
    )  # fmt: skip


def run(asked: Any) -> int:
    """Move, print, draw."""
    from layerscope.core.errors import DataError, SettingError, UnknownNameError
    from layerscope.report import formats

    if (asked.model is None) != asked.compare:
        both = "not both" if asked.compare else "or --compare"
        raise SettingError(f"give a model, {both}: layerscope shift MODEL, layerscope shift --compare --data WHAT")
    if asked.format not in formats.names():
        raise UnknownNameError("format", asked.format, formats.names())
    if asked.compare and asked.data is None:
        raise DataError("which images? Name a known data set, such as --data digits, or a folder of images")

    from layerscope import studies, tracing

    told = {"most": asked.most, "images": asked.images, "folder": asked.folder, "out": asked.out}
    if asked.compare:
        found = studies.compare_shifts(asked.data, seeds=asked.seeds, **told)
    else:
        found = studies.shift(asked.model, asked.data, seed=asked.seed, fit=asked.fit, **told)
    plain = asked.format == "terminal"
    put(found.table(tracing.terminal_width(), plain and tracing.colourful(), asked.format))
    if asked.out is not None:
        wrote(asked.out, "the picture", plain, gap=True)
    return 0
