"""What commands print."""

from __future__ import annotations

import os
import sys


def put(text: str) -> None:
    """Print a page that ends with its line's end or without (CSV has its own)."""
    print(text, end="" if text.endswith("\n") else "\n")


def wrote(path: str | os.PathLike[str], what: str, told: bool = True, gap: bool = False) -> None:
    """Say that a file was written, and what it is; `told`: on the output, which is for people, else beside it."""
    print(f"{'' if not gap else chr(10)}Wrote {os.fspath(path)}: {what}", file=sys.stdout if told else sys.stderr)
