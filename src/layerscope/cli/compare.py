"""layerscope compare."""

from __future__ import annotations

import argparse
import shlex
import sys
from typing import Any

from layerscope.cli._arguments import add_data, positive
from layerscope.cli._printing import put, wrote

ABOUT = "train networks that differ in one thing, and compare them: decoders"
EPILOG = "example: layerscope compare decoders --data digits --epochs 5\nlayerscope compare decoders --help has more."
DECODERS = "one encoder, one decoder for each way of enlarging, the same budget: error, sizes, time, pictures"
EXAMPLES = """the decoders: each layer of the encoder is undone, last one first, and what made the image smaller by
  nearest     values repeated, then a convolution        bilinear    interpolation, then a convolution
  nails       zeros between values, then a convolution   unpool      values put back where the maxima stood, likewise
  transpose   a transposed convolution, kernel 4 where   subpixel    a convolution to 4 times the channels, laid out
              the encoder has 3 and halves                           as pixels
  transpose3  a transposed convolution with a kernel of 3; only where it is asked for

examples:
  layerscope compare decoders --data mnist
  layerscope compare decoders --data digits --decoders nearest,unpool --seeds 1 --epochs 5 --batch-size 32
  layerscope compare decoders --encoder "conv 8 3 same relu | maxpool 2 | conv 4 3 same relu | maxpool 2"

Ctrl-C ends it; the same command again goes on: what is finished is kept. The folder holds decoders.json with
everything, decoders.png, report.html, and a run for each decoder and seed, which layerscope reconstruct reads."""


def add(parser: argparse.ArgumentParser) -> None:
    """Its arguments."""
    subjects = parser.add_subparsers(dest="subject", metavar="SUBJECT", required=True)
    added = subjects.add_parser(
        "decoders", help=DECODERS, description=DECODERS[0].upper() + DECODERS[1:] + ".", epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    add_data(added, "mnist")
    added.add_argument(
        "--encoder", metavar="WHAT",
        help="one line of text that ends at the code, its size left out or as the images'; or whatever trace takes "
        "(default: that of the document's autoencoder)",
    )  # fmt: skip
    added.add_argument("--decoders", metavar="NAMES", help="names separated by commas (default: all but transpose3)")
    added.add_argument("--seeds", type=positive, default=3, help="runs of each decoder (default: %(default)s)")
    added.add_argument("--epochs", type=positive, default=10, help="passes over the data (default: %(default)s)")
    added.add_argument("--batch-size", type=positive, default=256, help="examples a step (default: %(default)s)")
    added.add_argument("--optimizer", default="adam", metavar="NAME", help="adam (default), adadelta, sgd or rmsprop")
    added.add_argument("--learning-rate", type=float, metavar="RATE", help="default: the optimizer's")
    added.add_argument(
        "--loss", default="binary_crossentropy", metavar="NAME", help="what is trained (default: %(default)s)"
    )
    added.add_argument("--out", metavar="DIR", help="the folder (default: runs/compare-decoders-DATA)")
    added.add_argument(
        "-o", "--report", metavar="FILE",
        help="also write the report there, as the name ends: .html, .md, .tex, .csv, .json, .txt; .png, .svg, .pdf "
        "(the folder has report.html)",
    )  # fmt: skip
    added.add_argument("--overwrite", action="store_true", help="start anew where the folder holds a comparison")
    added.add_argument("--format", default="terminal", metavar="FORMAT", help="terminal (default) or json")


def run(asked: Any) -> int:
    """Train, compare, print, and say where everything is."""
    from layerscope import studies, tracing
    from layerscope.core.errors import UnknownNameError
    from layerscope.report import files, formats

    if asked.format not in formats.names():
        raise UnknownNameError("format", asked.format, formats.names())
    if asked.report is not None:
        files.writable(asked.report)
    plain = asked.format == "terminal"
    encoder = {} if asked.encoder is None else {"encoder": asked.encoder}
    found = studies.compare_decoders(
        asked.data,
        **encoder,
        decoders=asked.decoders,
        seeds=asked.seeds,
        folder=asked.folder,
        size=asked.size,
        fit=asked.fit or "crop",
        colour=asked.colour or "auto",
        epochs=asked.epochs,
        batch_size=asked.batch_size,
        optimizer=asked.optimizer,
        learning_rate=asked.learning_rate,
        loss=asked.loss,
        out=asked.out,
        overwrite=asked.overwrite,
        stream=sys.stdout if plain else sys.stderr,
    )
    if found.interrupted:
        done = sum(len(row.results) for row in found.rows)
        runs = {0: "No run is finished", 1: "1 finished run is kept"}.get(done, f"{done} finished runs are kept")
        print(f"Stopped by Ctrl-C. {runs} in {found.folder}; the same command goes on.", file=sys.stderr)
        return 130
    if plain:
        print()
    shown = (tracing.terminal_width(), plain and tracing.colourful(), asked.format, tracing.encoding())
    put(found.table(*shown))
    if asked.report is not None:
        found.report(asked.report)
        wrote(asked.report, "the report", plain, gap=True)
    if plain:
        wrote(found.folder / "decoders.png", "the picture", gap=True)
        wrote(found.folder / "decoders.json", "everything as numbers")
        first = found.rows[0]
        folder = found.folder / f"{first.decoder}-{first.results[0].seed}"
        print(f"Next: layerscope reconstruct {shlex.quote(str(folder))} -o ten.png")
    return 0
