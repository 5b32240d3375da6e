"""layerscope check."""

from __future__ import annotations

import argparse
from typing import Any

from layerscope.cli._arguments import WHAT, check_picture, positive, size
from layerscope.cli._printing import put, wrote

ABOUT = "whether a network fits, the smallest changes that mend it, and warnings where it does"
EPILOG = """exit code:
  0 when the network fits; 1 when it does not, with --strict also when there are warnings; 2 for a mistake

examples:
  layerscope check "28x28x1 | flatten | dense 392 | reshape 7x7x4 | upsample 4 | conv 1 3 same"
  layerscope check "28x28x1 | conv 8 3 | maxpool 2 | conv 8 3 same | upsample 2 | conv 1 3 same" --target input
  layerscope check my_package.networks:make_model --save mended.json
  layerscope check example:autoencoder --examples 60000 --loss binary_crossentropy --optimizer adadelta
  layerscope check "28x28x1 | conv 8 3 | conv 8 30" -o journey.png
  layerscope check model.onnx -o report.html
  layerscope check runs/a --strict --silence LS103"""
PICTURES = (".png", ".svg", ".pdf")


def add(parser: argparse.ArgumentParser) -> None:
    """Its arguments."""
    parser.add_argument("what", metavar="WHAT", help=f"{WHAT}; or the folder of a run")
    parser.add_argument(
        "--target", metavar="SHAPE", help='what the output must be: 28x28x1, or "input", as of an autoencoder'
    )
    parser.add_argument(
        "--set", metavar="NAME=N", type=size, action="append", default=[], dest="sizes",
        help="put an open size to a number: --set height=224",
    )  # fmt: skip
    parser.add_argument("--examples", type=positive, metavar="N", help="how many examples there are to train with")
    parser.add_argument("--loss", metavar="NAME", help="the loss to train with (default: as the model was compiled)")
    parser.add_argument("--from-logits", action="store_true", help="the loss takes logits")
    parser.add_argument("--optimizer", metavar="NAME", help="the optimizer to train with")
    parser.add_argument("--learning-rate", metavar="RATE", type=float, help="its learning rate")
    parser.add_argument(
        "--silence", metavar="ID", action="append", default=[], help="leave a warning out, such as LS103"
    )
    parser.add_argument("--strict", action="store_true", help="exit code 1 where there are warnings")
    parser.add_argument("--save", metavar="FILE", help="write the network with the first change as JSON")
    parser.add_argument(
        "-o", "--out", metavar="FILE",
        help="as the name ends: a report in place of printing it (.html, .md, .tex, .csv, .json, .txt), "
        "or a picture as well (.png, .svg, .pdf)",
    )  # fmt: skip
    parser.add_argument(
        "--format", default="terminal", metavar="FORMAT",
        help="terminal (default), markdown, latex, html, csv (the changes or warnings) or json",
    )  # fmt: skip


def run(asked: Any) -> int:
    """Check and print."""
    from layerscope import checking, tracing

    drawn: str | None = asked.out if (asked.out or "").lower().endswith(PICTURES) else None
    if drawn is not None:
        check_picture(drawn)
    elif asked.out is not None:
        from layerscope.report import files

        files.writable(asked.out)
    found = checking.check(
        asked.what, asked.target, sizes=dict(asked.sizes), examples=asked.examples, loss=asked.loss,
        from_logits=asked.from_logits, optimizer=asked.optimizer, learning_rate=asked.learning_rate,
        silence=asked.silence,
    )  # fmt: skip
    plain = asked.format == "terminal"
    if asked.out is not None and drawn is None:
        found.report(asked.out)
        wrote(asked.out, "the report")
    else:
        put(found.render(asked.format, tracing.terminal_width(), tracing.colourful()))
    if asked.save is not None:
        found.save(asked.save)
        wrote(asked.save, "the network with the first change", plain, gap=True)
    if drawn is not None:
        from layerscope import studies

        studies.draw(found, drawn)
        wrote(drawn, "the picture", plain, gap=True)
    return int(not found.fits or (asked.strict and bool(found.warnings)))
