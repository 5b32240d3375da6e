"""Folding: what a network computes from shapes is computed here, on numbers and open sizes, in plain Python.

Only small tensors of whole numbers are of interest (and the scale factors among floating ones). A function gives the
elements of a node's outputs, or raises Unknown; then the node stays a node.
Source: the ONNX operator definitions.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from layerscope.core.errors import SizeError
from layerscope.sources._onnx import arithmetic, moving
from layerscope.sources._onnx.site import Site
from layerscope.sources._onnx.values import MOST, Known, Unknown


def fold(site: Site) -> list[Known] | None:
    """The elements of the outputs; None where the data decide them, or nobody needs them."""
    function = FOLDS.get(site.op) if site.domain == "" else None
    if function is None:
        return None
    try:
        found = function(site)
    except (Unknown, SizeError, IndexError, KeyError, TypeError, ValueError, ArithmeticError, AttributeError):
        return None  # malformed operands are the rule's to refuse, with its message
    return found if all(math.prod(known.dims) == len(known.items) <= MOST for known in found) else None


FOLDS: dict[str, Callable[[Site], list[Known]]] = {**moving.FOLDS, **arithmetic.FOLDS}
