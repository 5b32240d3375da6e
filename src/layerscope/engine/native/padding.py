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
        do: Any = op.do
        around = maker.get(op.inputs[0]) if op.inputs else None
        if around is None:
            continue
        if isinstance(do, conv.Conv | conv.ConvKernel) and _adds(around):
            _widened(op, around.do.pads)
            op.inputs = (around.inputs[0], *op.inputs[1:])
        elif _cuts(op) and isinstance(around.do, conv.ConvTranspose) and len(users[op.inputs[0]]) == 1:
            pads = [(-before, -behind) for before, behind in do.pads]
            op.do, op.inputs, op.label = around.do, around.inputs, around.label
            _widened(op, pads)


def _adds(op: Op) -> bool:
    return isinstance(op.do, place.Pad) and all(n >= 0 for pad in op.do.pads for n in pad)


def _cuts(op: Op) -> bool:
    return isinstance(op.do, place.Pad) and all(n <= 0 for pad in op.do.pads for n in pad)


def _widened(op: Op, pads: Pads) -> None:
    geometry = op.do.geometry
    both = zip(geometry.pads, pads, strict=True)
    op.do = replace(op.do, geometry=replace(geometry, pads=tuple((a + c, b + d) for (a, b), (c, d) in both)))
