"""What several commands' arguments have in common."""

from __future__ import annotations

import argparse

WHAT = (
    "one line of text, a JSON graph or saved model, package.module:callable, or example:NAME "
    "(layerscope examples lists those)"
)


def positive(text: str) -> int:
    """A whole number of at least 1."""
    try:
        number = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"a whole number is needed, not {text!r}") from None
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, not {number}")
    return number


def natural(text: str) -> int:
    """A whole number of at least 0."""
    return 0 if text == "0" else positive(text)


def add_data(parser: argparse.ArgumentParser, default: str) -> None:
    """The arguments that say which images; `default` is what no --data means."""
    parser.add_argument("--data", metavar="NAME", help=f"mnist, fashion_mnist, kmnist or digits (default: {default})")
    parser.add_argument(
        "--folder", metavar="DIR", help="where its files lie (else LAYERSCOPE_DATA, the cache, or a download)"
    )
