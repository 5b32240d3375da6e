"""layerscope trace."""

from __future__ import annotations

import argparse
from typing import Any

from layerscope.cli._arguments import WHAT, add_quiet, input_sizes, inputs, positive, size
from layerscope.cli._printing import put, wrote
from layerscope.core.errors import SettingError

ABOUT = "follow the data through a network, without running it"
EPILOG = """the one-line language:
  28x28x1 | conv 16 3 same relu | maxpool 2 same | flatten | dense 10 softmax
  Sizes of one example first, then layers. Bare numbers fill a layer's settings in order (conv: filters,
  kernel_size), words like same or relu stand for themselves, and any setting can be named: "stride 2",
  "strides=2x1", "nobias", "as code" (a name). [ conv 8 3 same relu | maxpool 2 ] x3 repeats.
  unpool undoes the last maxpool that is not undone yet. Branches are for JSON and Python.

columns:
  name, kind, from (the layers that it reads), input, output, dtype, layers (in a folded row), weights,
  parameters, trainable, shared, parameters_percent, macs, macs_percent, bias, pointwise, normalisation, pooling,
  output_bytes, live_bytes, saved_bytes, receptive_field, start, jump, phases, holes, ratio (data),
  capacity, unread, dropped, discarded
  Groups: all, usual, operations (bias to pooling), memory (bytes of the output, live, saved), field (from the
  receptive field to holes), information (from ratio to discarded: what can pass, what is never read, what is
  thrown away). --sort memory sorts by live bytes.

examples:
  layerscope trace example:autoencoder
  layerscope trace "28x28x1 | conv 16 3 same relu | maxpool 2 | flatten | dense 10" --batch 64
  layerscope trace example:autoencoder --columns +memory,-weights
  layerscope trace example:autoencoder --sort macs --top 3
  layerscope trace example:autoencoder --columns name,output,macs --format markdown
  layerscope trace model.keras --depth 1
  layerscope trace model.onnx --set batch=1 --columns +memory
  layerscope trace my_package.networks:make_model --format json
  layerscope trace my_package.networks:TorchModel --input 1x3x224x224 --depth 2
  layerscope trace model.onnx -o report.html
  layerscope trace example:autoencoder -o figure.svg --width-mm 84"""


def add(parser: argparse.ArgumentParser) -> None:
    """Its arguments."""
    parser.add_argument("what", metavar="WHAT", help=WHAT)
    parser.add_argument("--batch", type=positive, metavar="N", help="totals for N examples (default: for one)")
    parser.add_argument(
        "--set", metavar="NAME=N", type=size, action="append", default=[], dest="sizes",
        help="put an open size to a number: --set height=224 --set batch=1",
    )  # fmt: skip
    parser.add_argument(
        "--input", metavar="SIZES", type=input_sizes, action="append", default=[],
        help="what a PyTorch or JAX model is given, batch and all: 1x3x224x224, ?x3x224x224 (any batch), "
        "1x128:int64; once for each input, or by name: ids=1x128:int64. Of a Keras model that does not say: 28x28x1",
    )  # fmt: skip
    parser.add_argument(
        "--framework", choices=("jax", "torch"), help="whose a function of Python is, where that cannot be seen"
    )
    parser.add_argument(
        "--dtype", metavar="NAME", help="memory as if all floats were float16, bfloat16, float64, ..."
    )
    parser.add_argument("--save", metavar="FILE", help="also write the network as JSON, which trace reads again")
    parser.add_argument(
        "-o", "--out", metavar="FILE",
        help="write a report in place of printing it, as the name ends: .html (a page: journey, table, receptive "
        "fields), .svg, .png or .pdf (the journey as a figure), .md, .tex, .csv, .json or .txt",
    )  # fmt: skip
    parser.add_argument(
        "--width-mm",
        type=float,
        metavar="MM",
        help="how wide a figure is, 70 to 1,000: 84 for one column of a paper (default: 174)",
    )
    parser.add_argument(
        "--format", metavar="FORMAT",
        help="terminal (default), markdown, latex, html, svg, csv (one row a layer, plain numbers), or json "
        "(everything; what follows does not change it)",
    )  # fmt: skip
    parser.add_argument(
        "--columns",
        metavar="NAMES",
        help="such as name,output,macs; all; or to change the usual ones +memory,-kind (--columns=-kind)",
    )
    parser.add_argument("--depth", type=positive, metavar="N", help="one row for each model nested deeper than N")
    parser.add_argument("--sort", metavar="COLUMN", help="largest first: macs, parameters, memory, ...")
    parser.add_argument(
        "--top", type=positive, metavar="N", help="only N rows (by MACs without --sort), and the rest summed"
    )
    parser.add_argument("--full", action="store_true", help="all rows, also of blocks that repeat")
    add_quiet(parser)


def run(asked: Any) -> int:
    """Trace and print."""
    from layerscope import tracing

    if asked.out is not None:
        _agreed(asked)
    found = tracing.trace(
        asked.what, asked.batch, sizes=dict(asked.sizes), input=inputs(asked.input), dtype=asked.dtype,
        framework=asked.framework,
    )  # fmt: skip
    if asked.save is not None:
        found.save(asked.save)
        wrote(asked.save, "the network", told=False)
    wishes = {
        "columns": asked.columns,
        "depth": asked.depth,
        "sort": asked.sort,
        "top": asked.top,
        "full": asked.full,
    }
    if asked.out is not None:
        _write(found, asked, wishes)
        return 0
    if asked.width_mm is not None:
        raise SettingError("--width-mm is that of a figure: name it with -o figure.svg (or .png, .pdf)")
    shown = (asked.format or "terminal", tracing.terminal_width(), tracing.colourful())
    put(found.render(*shown, legend=not asked.quiet, encoding=tracing.encoding(), **wishes))
    return 0


def _agreed(asked: Any) -> None:
    """Refuse a file that nothing is written as, before any work; OutputError, SettingError."""
    from layerscope.report import files

    format = files.writable(asked.out)
    if asked.format is not None and asked.format != format:
        raise SettingError(f"--format {asked.format} and -o {asked.out} do not agree; leave --format out")
    if asked.width_mm is not None and f".{format}" not in files.DRAWN:
        raise SettingError(f"--width-mm is that of a figure, but {asked.out} is none; write a .svg, .png or .pdf")
    if asked.quiet and f".{format}" in files.DRAWN:
        raise SettingError("-q leaves out what words mean, which a figure does not have")


def _write(found: Any, asked: Any, wishes: dict[str, Any]) -> None:
    """Write the report and say where it is."""
    found.report(asked.out, width_mm=asked.width_mm, legend=not asked.quiet, **wishes)
    wrote(asked.out, "the report")
