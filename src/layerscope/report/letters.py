"""What terminals take: letters, for streams that cannot take all of Unicode, and how many stand in a line."""

from __future__ import annotations

import codecs
import os
import sys

HANDLER = "layerscope.spelled"
"""The name under which `register` makes the spelling known to streams (their `errors`)."""
PLAIN = {
    "×": "x", "∗": "*", "⊙": "*", "·": "*", "÷": "/", "−": "-", "–": "-", "…": "...", "─": "-", "│": "|", "├": "|",
    "└": "`", "≥": ">=", "≤": "<=", "→": "->", "←": "<-", "±": "+-", "½": "1/2", "²": "^2", "ᵀ": "^T", "Σ": "sum",
    "∏": "prod", "σ": "sigma", "√": "sqrt", "ρ": "rho", "ε": "epsilon", "δ": "delta", "β": "beta", "Φ": "Phi",
    "∞": "inf", "₀": "0", "₁": "1", "₂": "2", "ᵢ": "_i", "ⱼ": "_j", "ₖ": "_k", "ᵗ": "^t", "⊗": "(x)", "∂": "d",
    "⌊": "floor(", "⌋": ")", "⌈": "ceil(", "⌉": ")", "░": ".", "▒": "+", "▓": "#", "█": "@", "▀": "#",
}  # fmt: skip
"""What stands for the letters that reports are written with; "?" stands for any other."""


def spelled(text: str, encoding: str) -> str:
    """The text in letters that the encoding has: 3 x 3 for 3 × 3 in ASCII."""
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return text.encode(encoding, register()).decode(encoding)
    except LookupError:  # an encoding that Python does not know
        return text
    return text


def columns(otherwise: int) -> int:
    """The terminal's width, as `shutil.get_terminal_size`, which would import what unpacks archives."""
    told = os.environ.get("COLUMNS", "")
    if told.isdecimal() and int(told) > 0:
        return int(told)
    try:
        return os.get_terminal_size(sys.__stdout__.fileno() if sys.__stdout__ else 1).columns or otherwise
    except (ValueError, OSError):  # it is closed, or no terminal
        return otherwise


def register() -> str:
    """Make the spelling known to Python's streams, and give its name there."""
    try:
        codecs.lookup_error(HANDLER)
    except LookupError:
        codecs.register_error(HANDLER, _spell)
    return HANDLER


def _spell(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(PLAIN.get(letter, "?") for letter in error.object[error.start : error.end]), error.end
