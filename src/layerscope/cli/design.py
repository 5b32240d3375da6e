"""layerscope design."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from layerscope.cli._arguments import add_picture, check_picture, positive
from layerscope.cli._printing import put, wrote

ABOUT = "encoders to order: a code of so many numbers within limits, the smallest first, or proof that there is none"
EPILOG = """exit code: 0 where there are such encoders, 1 where there are none.

examples:
  layerscope design --input 28x28x1 --code 16 --reach 20 --params 10000
  layerscope design --input 64x64x3 --code 32 --macs 2000000 --filters 8,16,32 --decoder nearest
  layerscope design --input 28x28x1 --code 64 --reach 20 --count 1 --text
  layerscope design --input 28x28x1 --code 16 --reach 20 --depth 4 -o encoders.png"""


def add(parser: argparse.ArgumentParser) -> None:
    """Its arguments."""
    parser.add_argument(
        "--input", metavar="SHAPE", type=shape, required=True, help="sizes of one example, channels last: 28x28x1"
    )
    parser.add_argument("--code", metavar="N", type=positive, required=True, help="numbers of the code")
    parser.add_argument(
        "--reach", metavar="N", type=positive, default=1,
        help="at least this receptive field of the last features, along each axis",
    )  # fmt: skip
    parser.add_argument("--params", metavar="N", type=positive, help="at most so many parameters in the encoder")
    parser.add_argument("--macs", metavar="N", type=positive, help="at most so many multiply-accumulates in it")
    parser.add_argument("--depth", metavar="N", type=positive, help="at most so many convolutions (default: 5)")
    parser.add_argument("--kernels", metavar="N,N", type=numbers, help="kernel sizes to choose from (default: 1,3,5)")
    parser.add_argument(
        "--filters", metavar="N,N", type=numbers, help="powers of two to choose from (default: 4,8,16,32,64)"
    )
    parser.add_argument("--count", metavar="N", type=positive, default=5, help="how many to propose (default: 5)")
    parser.add_argument(
        "--decoder", metavar="WAY", help="add the decoder that mirrors each (as layerscope mirror --up): nearest, ..."
    )
    add_picture(parser)
    way = parser.add_mutually_exclusive_group()
    way.add_argument("--text", action="store_true", help="only the lines of text, one for each")
    way.add_argument(
        "--format", default="terminal", metavar="FORMAT",
        help="terminal (default), markdown, latex, html, csv or json",
    )  # fmt: skip


def shape(text: str) -> tuple[int, ...]:
    """Whole numbers with x between."""
    try:
        return tuple(map(positive, text.lower().replace("×", "x").split("x")))
    except argparse.ArgumentTypeError:
        raise argparse.ArgumentTypeError(
            f"sizes with x between are needed, channels last, such as 28x28x1, not {text!r}"
        ) from None


def numbers(text: str) -> tuple[int, ...]:
    """Whole numbers with commas between."""
    try:
        return tuple(map(positive, text.split(",")))
    except argparse.ArgumentTypeError:
        raise argparse.ArgumentTypeError(
            f"whole numbers with commas between are needed, such as 8,16, not {text!r}"
        ) from None


def run(asked: Any) -> int:
    """Search and print."""
    from layerscope import tracing
    from layerscope.analyses.design import Wish, design
    from layerscope.analyses.mirror.ways import known
    from layerscope.report import formats
    from layerscope.telling import designed

    if asked.decoder is not None:
        known(asked.decoder)
    check_picture(asked.out)
    more = {key: value for key in ("depth", "kernels", "filters") if (value := getattr(asked, key)) is not None}
    wish = Wish(asked.input, asked.code, asked.reach, asked.params, asked.macs, **more)
    found = design(wish, asked.count)
    if asked.text and found.proposals:
        put("\n".join(designed.texts(found, asked.decoder)))
    elif asked.text:
        print(f"layerscope design: {' '.join(designed.notes(found))}", file=sys.stderr)
    else:
        document = designed.describe_designed(found, asked.decoder)
        put(formats.render(document, asked.format, tracing.terminal_width(), tracing.colourful()))
    if asked.out is not None and not found.proposals:
        print(f"layerscope design: {asked.out} is not written, as there is no encoder to draw", file=sys.stderr)
    elif asked.out is not None:
        from layerscope import studies

        studies.draw(found, asked.out, asked.decoder)
        wrote(asked.out, "the picture", asked.format == "terminal" and not asked.text, gap=True)
    return 0 if found.proposals else 1
