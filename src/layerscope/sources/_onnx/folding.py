"""Folding: what a network computes from shapes is computed here, on numbers and open sizes, in plain Python.

Only small tensors of whole numbers are of interest (and the scale factors among floating ones). A function gives the
elements of a node's outputs, or raises Unknown; then the node stays a node.
Source: the ONNX operator definitions.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from layerscope.core.errors import SizeError
from layerscope.core.sizes import Expression
from layerscope.sources._onnx import arithmetic, moving
from layerscope.sources._onnx.site import Site
from layerscope.sources._onnx.values import MOST, Known, Unknown

LARGEST = 1 << 64
MOST_TERMS = 64


def fold(site: Site) -> list[Known] | None:
    """The elements of the outputs; None where the data decide them, or nobody needs them."""
    function = FOLDS.get(site.op) if site.domain == "" else None
    if function is None:
        return None
    try:
        found = function(site)
    except (Unknown, SizeError, IndexError, KeyError, TypeError, ValueError, ArithmeticError, AttributeError):
        return None  # malformed operands are the rule's to refuse, with its message
    return found if all(_small(known) for known in found) else None


def _small(known: Known) -> bool:
    """Whether nothing in it grows beyond what sizes are."""
    if not math.prod(known.dims) == len(known.items) <= MOST:
        return False
    return all(
        len(item.terms) <= MOST_TERMS
        if isinstance(item, Expression)
        else isinstance(item, float) or abs(item) < LARGEST
        for item in known.items
    )


FOLDS: dict[str, Callable[[Site], list[Known]]] = {**moving.FOLDS, **arithmetic.FOLDS}
