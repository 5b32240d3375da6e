"""layerscope mirror."""

from __future__ import annotations

import argparse
from typing import Any

from layerscope.cli._arguments import WHAT, add_picture, check_picture, size
from layerscope.cli._printing import put, wrote

ABOUT = "the decoder that leads an encoder's code back to exactly its input's shape"
EPILOG = """ways of enlarging (--up): nearest, bilinear, nails (bed of nails), unpool (max unpooling), transpose
(transposed convolution), subpixel (pixel shuffle). An encoder is any chain of layers from one input to its code, with
branches that meet again.

examples:
  layerscope mirror "28x28x1 | conv 16 3 same relu | maxpool 2 same | conv 8 3 same relu | maxpool 2 same"
  layerscope mirror "27x31x3 | conv 8 3 stride 2 relu | conv 4 3 stride 2 relu" --up transpose --save both.json
  layerscope mirror "28x28x1 | conv 8 3 relu | maxpool 2" --up unpool --text
  layerscope mirror "784 | dense 128 relu | dense 32" --python
  layerscope mirror "28x28x1 | conv 8 3 relu | maxpool 2 | conv 4 3 relu" -o both.svg"""


def add(parser: argparse.ArgumentParser) -> None:
    """Its arguments."""
    parser.add_argument("encoder", metavar="ENCODER", help=WHAT)
    parser.add_argument("--up", metavar="WAY", default="nearest", help="how to enlarge (default: nearest)")
    parser.add_argument(
        "--in-place",
        action="store_true",
        help="every cell in its place and every size its twin's, as compare decoders has it; it may take more crops",
    )
    parser.add_argument(
        "--set", metavar="NAME=N", type=size, action="append", default=[], dest="sizes",
        help="put an open size to a number: --set height=224",
    )  # fmt: skip
    add_picture(parser)
    parser.add_argument(
        "--save", metavar="FILE", help="also write the autoencoder as JSON, which trace and train read"
    )
    way = parser.add_mutually_exclusive_group()
    way.add_argument("--text", action="store_true", help="only the decoder, as the text that goes on the encoder's")
    way.add_argument("--python", action="store_true", help="only the autoencoder as Python, under Keras's names")
    way.add_argument(
        "--format", default="terminal", metavar="FORMAT",
        help="terminal (default), markdown, latex, html, csv or json",
    )  # fmt: skip


def run(asked: Any) -> int:
    """Mirror and print."""
    from layerscope import tracing
    from layerscope.analyses.mirror import mirror
    from layerscope.report import formats
    from layerscope.telling import mirrored, written

    check_picture(asked.out)
    traced = tracing.trace(asked.encoder, sizes=dict(asked.sizes))
    found = mirror(traced.graph, asked.up, asked.in_place)
    if asked.save is not None:
        tracing.trace(found.graph).save(asked.save)
        wrote(asked.save, "the autoencoder", told=False)
    plain = asked.format == "terminal" and not asked.text and not asked.python
    if asked.text:
        put(written.one_line(found.graph, found.decoder))
    elif asked.python:
        put(written.python(found.graph, "autoencoder"))
    else:
        document = mirrored.describe_mirrored(found, traced.graph)
        put(formats.render(document, asked.format, tracing.terminal_width(), tracing.colourful()))
    if asked.out is not None:
        from layerscope import studies

        studies.draw(found, asked.out)
        wrote(asked.out, "the picture", plain, gap=True)
    return 0
