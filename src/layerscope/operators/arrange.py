"""Other orders: Transpose, depth and space, reversals, triangles, columns to images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from layerscope.core import sizes
from layerscope.core.contract import Example
from layerscope.core.costs import Operations
from layerscope.core.dataclasses import dataclass
from layerscope.core.errors import SettingError, ShapeError
from layerscope.core.reach import EVERYTHING, Reads, Spread, Window, listed, same
from layerscope.core.types import TensorType, show
from layerscope.operators._axes import axis_of, fits, needed, rank_of
from layerscope.operators._moving import Moving, without_elements


@dataclass(frozen=True, eq=False)
class Transpose(Moving):
    """Axis number k of the output is axis perm[k] of the input; without `perm` the axes are reversed.

    Shapes: (n₀, n₁, ...) → (n_perm[0], n_perm[1], ...).
    Errors: ShapeError where `perm` does not name every axis once.
    Source: ONNX operator Transpose.
    """

    perm: Any = None

    def _perm(self, x: TensorType) -> tuple[int, ...]:
        perm = tuple(reversed(range(x.rank))) if self.perm is None else tuple(self.perm)
        if sorted(perm) != list(range(x.rank)):
            raise ShapeError(f"perm {show(perm)} does not name each of the {x.rank} axes of {x} once")
        return perm

    def infer(self, *operands: TensorType | None) -> tuple[TensorType, ...]:
        x = needed(operands, 0, "the data")
        return (x.with_shape(tuple(x.shape[axis] for axis in self._perm(x))),)

    def reads(self, output: int, *operands: TensorType | None) -> tuple[Reads | None, ...]:
        x = needed(operands, 0, "the data")
        perm = self._perm(x)
        return (tuple(Window(perm.index(axis)) for axis in range(x.rank)),)

    @classmethod
    def examples(cls) -> Sequence[Example]:
        x = TensorType((2, 3, 4, 5))
        return [
            Example(cls("Transpose", (0, 2, 3, 1)), (x,), (TensorType((2, 4, 5, 3)),)),
            Example(cls("Transpose"), (x,), (TensorType((5, 4, 3, 2)),)),
        ]


@dataclass(frozen=True, eq=False)
class DepthToSpace(Moving):
    """Blocks of channels become blocks of positions, b×b each.

    `mode` DCR: channel (a·b + c)·C + k goes to place (a, c) of the block; CRD: channel k·b·b + a·b + c.
    Shapes: (batch, C·b·b, height, width) → (batch, C, b·height, b·width).
    Errors: ShapeError where the channels are no multiple of b·b.
    Source: ONNX operator DepthToSpace.
    """

    blocksize: int = 1
    mode: str = "DCR"

    def __post_init__(self) -> None:
        super().__post_init__()
        sizes.checked(self.blocksize, f"{self.kind}: blocksize")
        if self.mode not in ("DCR", "CRD"):
            raise SettingError(f"{self.kind}: mode is DCR or CRD, not {self.mode!r}")

    def infer(self, *operands: TensorType | None) -> tuple[TensorType, ...]:
        x, block = needed(operands, 0, "the image"), self.blocksize
        rank_of(x, 4, "the image", 4)
        batch, given, *middle = x.shape
        count = sizes.floor_div(given, block * block)
        if not sizes.equal(count * block * block, given):
            raise ShapeError(
                f"blocks of {block}×{block} take a multiple of {block * block} channels, but got {given}"
            )
        return (x.with_shape((batch, count, *(size * block for size in middle))),)

    def reads(self, output: int, *operands: TensorType | None) -> tuple[Reads | None, ...]:
        block = self.blocksize
        channels = Window(1, block * block, block * block) if self.mode == "CRD" else EVERYTHING
        return ((Window(0), channels, Spread(2, block, block), Spread(3, block, block)),)

    @classmethod
    def examples(cls) -> Sequence[Example]:
        x, y = TensorType((2, 8, 3, 4)), TensorType((2, 2, 6, 8))
        return [Example(cls("DepthToSpace", 2), (x,), (y,)), Example(cls("DepthToSpace", 2, "CRD"), (x,), (y,))]


@dataclass(frozen=True, eq=False)
class SpaceToDepth(Moving):
    """Blocks of b×b positions become channels.

    Shapes: (batch, C, b·height, b·width) → (batch, C·b·b, height, width).
    Errors: ShapeError where height or width is no multiple of b.
    Source: ONNX operator SpaceToDepth.
    """

    blocksize: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        sizes.checked(self.blocksize, f"{self.kind}: blocksize")

    def infer(self, *operands: TensorType | None) -> tuple[TensorType, ...]:
        x, block = needed(operands, 0, "the image"), self.blocksize
        rank_of(x, 4, "the image", 4)
        batch, channels, *middle = x.shape
        small = tuple(sizes.floor_div(size, block) for size in middle)
        for size, part in zip(middle, small, strict=True):
            fits(part * block, size, f"a multiple of the block's {block}", "the size")
        return (x.with_shape((batch, channels * block * block, *small)),)

    def reads(self, output: int, *operands: TensorType | None) -> tuple[Reads | None, ...]:
        block = self.blocksize
        return ((Window(0), EVERYTHING, Window(2, block, block), Window(3, block, block)),)

    @classmethod
    def examples(cls) -> Sequence[Example]:
        return [Example(cls("SpaceToDepth", 2), (TensorType((2, 2, 6, 8)),), (TensorType((2, 8, 3, 4)),))]


@dataclass(frozen=True, eq=False)
class Rearranged(Moving):
    """The same sizes, other places along the axes in `along` (ReverseSequence); Trilu keeps all, zeros for some.

    `lists`: (axis, indices...) for those of which it is known where each position comes from (a flip, a roll).
    Shapes: any → the same.
    Source: ONNX operators ReverseSequence, Trilu; PyTorch, torch.flip, torch.roll.
    """

    along: Any = ()
    lists: Any = ()

    def infer(self, *operands: TensorType | None) -> tuple[TensorType, ...]:
        x = needed(operands, 0, "the data")
        for axis in self.along:
            axis_of(axis, x.rank)
        return (x,)

    def reads(self, output: int, *operands: TensorType | None) -> tuple[Reads | None, ...]:
        x = needed(operands, 0, "the data")
        ways = list(same(x.rank, tuple(self.along)))
        for axis, *indices in cast(Sequence[Sequence[int]], self.lists):
            ways[axis_of(axis, x.rank)] = listed(axis_of(axis, x.rank), indices)
        return (tuple(ways), *without_elements(operands[1:]))

    @classmethod
    def examples(cls) -> Sequence[Example]:
        x = TensorType((4, 2, 5))
        flipped = cls("flip", (0,), ((0, 3, 2, 1, 0),))
        return [Example(made, (x,), (x,)) for made in (cls("ReverseSequence", (0,)), cls("Trilu"), flipped)]


@dataclass(frozen=True, eq=False)
class Col2Im(Moving):
    """Adds the columns that Im2Col took out of an image back to their places: the fold of PyTorch.

    Shapes: (batch, C·block, L) → (batch, C, *image_shape), L the number of blocks that fit.
    Units: each number that is added is one pointwise operation.
    Errors: ShapeError where L is another number.
    Source: ONNX operator Col2Im.
    """

    image_shape: Any = ()
    block_shape: Any = ()
    dilations: Any = ()
    pads: Any = ()
    strides: Any = ()

    def _blocks(self) -> sizes.Size:
        rank = len(self.image_shape)
        dilations, strides = self.dilations or (1,) * rank, self.strides or (1,) * rank
        pads = self.pads or (0,) * 2 * rank
        count: sizes.Size = 1
        for n, (size, block) in enumerate(zip(self.image_shape, self.block_shape, strict=True)):
            rest = size + pads[n] + pads[n + rank] - dilations[n] * (block - 1) - 1
            count = count * (sizes.floor_div(rest, strides[n]) + 1)
        return count

    def infer(self, *operands: TensorType | None) -> tuple[TensorType, ...]:
        x = needed(operands, 0, "the columns")
        rank_of(x, 3, "the columns", 3)
        if len(self.image_shape) != len(self.block_shape):
            raise ShapeError(f"an image of {len(self.image_shape)} axes with blocks of {len(self.block_shape)}")
        block = sizes.product(tuple(self.block_shape))
        channels = sizes.quotient(x.shape[1], block)
        if channels is None:
            raise ShapeError(f"the {x.shape[1]} rows are no multiple of the block's {block} elements")
        fits(x.shape[2], self._blocks(), "the number of columns", "the number of blocks that fit the image")
        return (x.with_shape((x.shape[0], channels, *self.image_shape)),)

    def effort(self, *operands: TensorType | None) -> Operations | None:
        return Operations(pointwise=needed(operands, 0, "the columns").elements)

    def reads(self, output: int, *operands: TensorType | None) -> tuple[Reads | None, ...]:
        return ((Window(0), EVERYTHING, EVERYTHING), *without_elements(operands[1:]))

    @classmethod
    def examples(cls) -> Sequence[Example]:
        made = cls("Col2Im", (5, 5), (1, 5))
        return [Example(made, (TensorType((1, 5, 5)),), (TensorType((1, 1, 5, 5)),))]
