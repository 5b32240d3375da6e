from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

from layerscope.core import sizes
from layerscope.core.contract import Example, Spelling
from layerscope.core.costs import Operations, Saved
from layerscope.core.dataclasses import dataclass
from layerscope.core.errors import SettingError, ShapeError
from layerscope.core.reach import EVERYTHING, Reads, Window
from layerscope.core.sizes import Size
from layerscope.core.types import TensorType, WeightType, show
from layerscope.layers import _activation
from layerscope.layers._penalties import OfKernel
from layerscope.layers._spatial import floating, one_input

EQUATION = re.compile(r"(\.\.\.)?([a-zA-Z]+)(\.\.\.)?,([a-zA-Z]+)->(\.\.\.)?([a-zA-Z]+)(\.\.\.)?")


@dataclass(frozen=True, eq=False)
class EinsumDense(OfKernel):
    """A linear map written as an Einstein sum: letters name axes; those that the output lacks are summed over.

    `equation` has the letters of input, kernel and output: "abc,cd->abd" is Dense on three axes, "...x,xy->...y" on
    any number. `output_shape` is that of the output without the batch; None takes the input's size. Letters in
    `bias_axes` are the axes along which the bias varies.

    Shapes: as the equation says; kernel: the sizes of its letters; bias: from the first letter of bias_axes on, with
    1 for other letters. Axes behind "..." keep their sizes.
    MACs: the product of the sizes of all letters, and of the axes behind "...".
    Errors: SettingError for an equation or bias_axes that cannot be; ShapeError when the input does not fit.
    Source: Keras 3, `keras.layers.EinsumDense`.
    """

    equation: str
    output_shape: Any
    activation: str | None = None
    bias_axes: str | None = None
    kernel_initializer: Any = "glorot_uniform"
    bias_initializer: Any = "zeros"

    executable = False
    law = "as the equation says"

    def __post_init__(self) -> None:
        given = self.output_shape
        parts = cast(Sequence[Any], given if isinstance(given, tuple | list) else (given,))
        shape = tuple(n if n is None else sizes.checked(n, f"{self.kind}: a size of output_shape") for n in parts)
        object.__setattr__(self, "output_shape", shape)
        object.__setattr__(self, "activation", _activation.checked(self.activation, self.kind))
        match = EQUATION.fullmatch(str(self.equation).replace(" ", ""))
        if match is None or (match[1], match[3]) != (match[5], match[7]) or (match[1] and match[3]):
            raise SettingError(
                f"{self.kind}: equation must be like 'abc,cd->abd', '...x,xy->...y' or 'ab...,bc->ac...', "
                f"not {self.equation!r}"
            )
        x, kernel, y = self.letters
        for letters, what in ((x, "input"), (kernel, "kernel"), (y, "output")):
            if len(set(letters)) < len(letters):
                raise SettingError(f"{self.kind}: the {what} of {self.equation!r} names an axis twice: {letters}")
        for letter in y:
            if letter not in x + kernel:
                raise SettingError(f"{self.kind}: {letter!r} of the output of {self.equation!r} is in no other part")
        for letter in kernel:
            if letter not in x + y:
                raise SettingError(f"{self.kind}: {letter!r} of the kernel of {self.equation!r} is in no other part")
        for letter in self.bias_axes or "":
            if letter not in y:
                raise SettingError(f"{self.kind}: {letter!r} of bias_axes is not in the output of {self.equation!r}")

    @property
    def letters(self) -> tuple[str, str, str]:
        """The letters of input, kernel and output."""
        match = EQUATION.fullmatch(self.equation.replace(" ", ""))
        assert match is not None
        return match[2], match[4], match[6]

    @property
    def left(self) -> bool:
        """Whether further axes come first."""
        return self.equation.lstrip().startswith("...")

    def _more(self, x: TensorType) -> int:
        """How many axes "..." stands for."""
        given, _, _ = self.letters
        more = x.rank - len(given)
        if more < 0 or (more and "..." not in self.equation):
            raise ShapeError(f"{self.equation!r} needs an input of {len(given)} axes, but got {x.rank}: {x}")
        return more

    def sizes(self, x: TensorType) -> tuple[Mapping[str, Size], tuple[Size, ...]]:
        """The size of each letter, and those of the axes behind "..."."""
        given, _, made = self.letters
        more = self._more(x)
        rest = x.shape[:more] if self.left else x.shape[x.rank - more :]
        own = x.shape[more:] if self.left else x.shape[: x.rank - more]
        found: dict[str, Size] = dict(zip(given, own, strict=True))
        # The batch is the first axis of the output, whether a letter or behind "...".
        batch_is_a_letter = not (self.left and more)
        wanted = made[1:] if batch_is_a_letter else made
        if len(self.output_shape) != len(wanted):
            raise ShapeError(
                f"output_shape {show(self.output_shape)} must have {len(wanted)} sizes for the axes {wanted!r} "
                f"of {self.equation!r}"
            )
        for letter, size in zip(wanted, self.output_shape, strict=True):
            if size is None:
                if letter not in found:
                    raise ShapeError(
                        f"output_shape {show(self.output_shape)} leaves {letter!r} open, which the input has not"
                    )
            elif letter in found and not sizes.equal(found[letter], size):
                raise ShapeError(
                    f"axis {letter!r} of {self.equation!r} is {found[letter]} in the input, {size} in output_shape"
                )
            else:
                found[letter] = size
        for letter in made:
            if letter not in found:
                raise ShapeError(
                    f"{self.equation!r} makes the batch from the kernel's axis {letter!r}, which has no size"
                )
        return found, rest

    def summed(self, x: TensorType) -> TensorType:
        """The type before the activation."""
        found, rest = self.sizes(x)
        own = tuple(found[letter] for letter in self.letters[2])
        return TensorType((*rest, *own) if self.left else (*own, *rest), floating(x))

    def out(self, *types: TensorType) -> tuple[TensorType, ...]:
        return (_activation.out(self.activation, self.summed(one_input(types))),)

    def weight_types(self, *types: TensorType) -> dict[str, WeightType]:
        found, rest = self.sizes(types[0])
        _, kernel, made = self.letters
        try:
            shape = sizes.numbers(found[letter] for letter in kernel)
            weights = {"kernel": WeightType(shape, self.kernel_initializer)}
            if self.bias_axes:
                first = min(map(made.index, self.bias_axes))
                bias = sizes.numbers(found[c] if c in self.bias_axes else 1 for c in made[first:])
                weights["bias"] = WeightType(bias + (1,) * (0 if self.left else len(rest)), self.bias_initializer)
        except sizes.SizeError as error:
            raise ShapeError(f"the weights of {self.equation!r} need all their sizes: {error}") from None
        return weights

    def macs(self, *types: TensorType) -> Size | None:
        found, rest = self.sizes(types[0])
        return sizes.product((*found.values(), *rest))

    def operations(self, *types: TensorType) -> Operations | None:
        out = self.summed(types[0])
        return Operations(bias=out.elements if self.bias_axes else 0) + _activation.operations(self.activation, out)

    def saved(self, *types: TensorType) -> Saved | None:
        return _activation.saved(self.activation, self.summed(types[0]), inputs=(0,))

    def workspace(self, *types: TensorType) -> Size | None:
        return _activation.workspace(self.activation, self.summed(types[0]))

    def reach(self, output: int, *types: TensorType) -> tuple[Reads | None, ...]:
        given, _, made = self.letters
        more = self._more(types[0])
        start = more if self.left else 0
        own = tuple(Window(start + made.index(letter)) if letter in made else EVERYTHING for letter in given)
        rest = tuple(Window(axis if self.left else len(made) + axis) for axis in range(more))
        reads = (*rest, *own) if self.left else (*own, *rest)
        return (_activation.reach(self.activation, reads, self.summed(types[0]).rank),)

    @classmethod
    def examples(cls) -> Sequence[Example]:
        def case(layer: EinsumDense, shape: tuple[int, ...], out: tuple[int, ...]) -> Example:
            return Example(layer, (TensorType(shape),), (TensorType(out),))

        return [
            case(cls("abc,cd->abd", (None, 64), bias_axes="d"), (2, 32, 128), (2, 32, 64)),
            case(cls("...x,xyz->...yz", (4, 5), "relu", "z"), (2, 3, 6, 7), (2, 3, 6, 4, 5)),
            case(cls("ab...,bc->ac...", 4, bias_axes="c"), (2, 3, 5, 6), (2, 4, 5, 6)),
            case(cls("abcd,cde->abe", (None, 7)), (2, 3, 4, 5), (2, 3, 7)),
        ]

    spellings = {
        "keras": Spelling("EinsumDense"),
        "torch": Spelling("torch.einsum", "a function; nn.Linear where one axis is mapped"),
        "onnx": Spelling("Einsum", "and Add"),
    }
