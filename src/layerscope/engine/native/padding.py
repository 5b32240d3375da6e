"""Zeros around an image go into the convolution that reads them; what is cut off, into the one that makes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from layerscope.engine.native.operations import Op
from layerscope.engine.primitives import conv, place

if TYPE_CHECKING:
    from layerscope.engine.native.draft import Draft

Pads = Sequence[tuple[int, int]]


def fold(draft: Draft) -> None:
    """Let convolutions, their kernels' gradients and their adjoints go over the image without its frame."""
    maker, users = draft.maker(), draft.users()
    for op in draft.ops:
        around = maker.get(op.inputs[0]) if op.inputs else None
        if around is None:
            continue
        if isinstance(op.do, conv.Conv | conv.ConvKernel):
            if pads := _frame(around, 1):
                op.do, op.inputs = _widened(op.do, pads), (around.inputs[0], *op.inputs[1:])
        elif isinstance(around.do, conv.ConvTranspose) and len(users[op.inputs[0]]) == 1 and (pads := _frame(op, -1)):
            op.do, op.inputs, op.label = _widened(around.do, pads), around.inputs, around.label


def _frame(op: Op, sign: int) -> Pads | None:
    """What an operation adds around an image (sign 1) or cuts off (-1), if it does nothing else."""
    if not isinstance(op.do, place.Pad):
        return None
    pads = [(sign * before, sign * behind) for before, behind in op.do.pads]
    return pads if min(map(min, pads)) >= 0 else None


def _widened(do: Any, pads: Pads) -> Any:
    geometry: conv.Geometry = do.geometry
    both = zip(geometry.pads, pads, strict=True)
    return replace(do, geometry=replace(geometry, pads=tuple((a + c, b + d) for (a, b), (c, d) in both)))
