"""layerscope examples."""

from __future__ import annotations

import argparse
from typing import Any

ABOUT = "list the networks that example:NAME stands for"
EPILOG = "example: layerscope examples"


def add(parser: argparse.ArgumentParser) -> None:
    """It takes no arguments."""


def run(asked: Any) -> int:
    """Print the list."""
    from layerscope.sources.examples import CASES

    for case in CASES:
        print(f"example:{case.name:<24}{case.about}")
    return 0
