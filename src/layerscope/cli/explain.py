"""layerscope explain."""

from __future__ import annotations

import argparse
from typing import Any

ABOUT = "what a layer is: definition, shape law, settings, an example, its names elsewhere"
EPILOG = "example: layerscope explain transpose"


def add(parser: argparse.ArgumentParser) -> None:
    """Its arguments."""
    parser.add_argument("layer", metavar="LAYER", nargs="?", help="conv2d, maxpool, nails, ...; without it, a list")


def run(asked: Any) -> int:
    """Print one layer's page, or the list of all."""
    from layerscope import layers

    if asked.layer is None:
        for kind, cls in layers.kinds().items():
            first = (cls.__doc__ or "").strip().splitlines()[0]
            print(f"{kind:<23} {first}")
        return 0
    from layerscope.lab.explaining import example
    from layerscope.report.explained.text import explain
    from layerscope.tracing import colourful, terminal_width

    cls = layers.layer_class(asked.layer)
    shown = example(cls.__name__, terminal_width(), colourful())
    print(explain(cls, numbers=not shown) + ("\n\n" + shown if shown else ""))
    return 0
