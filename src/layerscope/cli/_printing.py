"""What commands print."""

from __future__ import annotations


def put(text: str) -> None:
    """Print a page that ends with its line's end or without (CSV has its own)."""
    print(text, end="" if text.endswith("\n") else "\n")
