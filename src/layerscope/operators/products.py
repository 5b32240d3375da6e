"""Products of matrices: MatMul, Gemm and their relatives, and Einsum."""

from __future__ import annotations

import string
from collections.abc import Sequence

from layerscope.core import sizes
from layerscope.core.contract import Example
from layerscope.core.costs import Operations, Saved
from layerscope.core.dataclasses import dataclass
from layerscope.core.errors import SettingError, ShapeError
from layerscope.core.reach import EVERYTHING, Everything, Reads, Window
from layerscope.core.sizes import Size
from layerscope.core.types import TensorType, WeightType, show
from layerscope.operators._axes import broadcast, broadcast_reads, fits, needed, optional, rank_of, stretches, whole
from layerscope.operators._operator import Operator


@dataclass(frozen=True, eq=False)
class MatrixProduct(Operator):
    """A·B of the last two axes, the ones before them broadcast; a vector is a row on the left, a column on the right.

    `left`, `right`: numbers of the operands (QLinearMatMul has scales between them). `transpose_left`,
    `transpose_right` swap the last two axes of an operand first. `bias` is the number of an operand that is added.
    Shapes: (..., M, K) and (..., K, N) → (..., M, N); the axis of a vector vanishes.
    MACs: output elements × K.
    Errors: ShapeError where the inner sizes differ or the others do not broadcast.
    Source: ONNX operators MatMul, MatMulInteger, QLinearMatMul, Gemm; com.microsoft FusedMatMul.
    """

    left: int = 0
    right: int = 1
    bias: int | None = None
    transpose_left: bool = False
    transpose_right: bool = False
    dtype: str = ""
    most: int | None = None
    """The number of axes that each operand must have, None for any."""
    after: int = 0
    """Pointwise functions of each result: an activation, or its quantisation."""

    def _factors(self, operands: Sequence[TensorType | None]) -> tuple[tuple[Size, ...], tuple[Size, ...]]:
        """The shapes of both factors with at least two axes, transposed as asked."""
        a, b = needed(operands, self.left, "the left factor"), needed(operands, self.right, "the right factor")
        for one in (a, b):
            rank_of(one, self.most or 1, "a factor", self.most)
        left = (1, *a.shape) if a.rank == 1 else a.shape
        right = (*b.shape, 1) if b.rank == 1 else b.shape
        if self.transpose_left and a.rank > 1:
            left = (*left[:-2], left[-1], left[-2])
        if self.transpose_right and b.rank > 1:
            right = (*right[:-2], right[-1], right[-2])
        if not sizes.equal(left[-1], right[-2]):
            raise ShapeError(f"the factors {show(left)} and {show(right)} do not fit: {left[-1]} against {right[-2]}")
        return left, right

    def _product(self, operands: Sequence[TensorType | None]) -> tuple[Size, ...]:
        left, right = self._factors(operands)
        return (*broadcast(left[:-2], right[:-2]), left[-2], right[-1])

    def _vectors(self, operands: Sequence[TensorType | None]) -> tuple[bool, bool]:
        a, b = needed(operands, self.left, "the left factor"), needed(operands, self.right, "the right factor")
        return a.rank == 1, b.rank == 1

    def infer(self, *operands: TensorType | None) -> tuple[TensorType, ...]:
        shape, (row, column) = self._product(operands), self._vectors(operands)
        shape = (*shape[:-2], *(() if row else shape[-2:-1]), *(() if column else shape[-1:]))
        added = optional(operands, self.bias)
        if added is not None and not stretches(added.shape, shape):
            raise ShapeError(f"its operand {self.bias} of shape {added} does not stretch to {show(shape)}")
        return (TensorType(shape, self.dtype or needed(operands, self.left, "the left factor").dtype),)

    def products(self, *operands: TensorType | None) -> Size | None:
        return sizes.product(self._product(operands)) * self._factors(operands)[0][-1]

    def effort(self, *operands: TensorType | None) -> Operations | None:
        count = self.infer(*operands)[0].elements
        return Operations(bias=count if optional(operands, self.bias) else 0, pointwise=count * self.after)

    def kept(self, *operands: TensorType | None) -> Saved | None:
        return Saved((self.left, self.right), (0,) if self.after else ())

    def reads(self, output: int, *operands: TensorType | None) -> tuple[Reads | None, ...]:
        (out,), (row, column) = self.infer(*operands), self._vectors(operands)
        stack = out.shape[: out.rank - (not row) - (not column)]
        table = [whole(one) for one in operands]
        for number, vector, swapped, place in (
            (self.left, row, self.transpose_left, len(stack)),
            (self.right, column, self.transpose_right, out.rank - 1),
        ):
            type = needed(operands, number, "a factor")
            if vector:
                continue
            inner: list[Everything | Window] = [Window(place), EVERYTHING]
            if swapped == (number == self.left):  # the axis that is summed over comes first
                inner.reverse()
            table[number] = (*broadcast_reads(type.shape[:-2], stack), *inner)
        added = optional(operands, self.bias)
        if self.bias is not None and added is not None:
            table[self.bias] = broadcast_reads(added.shape, out.shape)
        return tuple(table)

    @classmethod
    def examples(cls) -> Sequence[Example]:
        gemm = cls(
            "Gemm",
            bias=2,
            transpose_right=True,
            most=2,
            slots=(None, "B", "C"),
            parameters={"B": WeightType((10, 64)), "C": WeightType((10,))},
        )
        return [
            Example(
                cls("MatMul", slots=(None, None)),
                (TensorType((2, 5, 8)), TensorType((8, 3))),
                (TensorType((2, 5, 3)),),
            ),
            Example(gemm, (TensorType((4, 64)),), (TensorType((4, 10)),)),
            Example(cls("MatMul", slots=(None, None)), (TensorType((6,)), TensorType((6,))), (TensorType(()),)),
        ]


@dataclass(frozen=True, eq=False)
class PackedProduct(Operator):
    """A·Bᵀ with a matrix B of N rows and K columns that is stored in blocks of few bits.

    Shapes: (..., K) → (..., N). MACs: output elements × K. Scales and zero points are applied while reading B and
    are not counted.
    Source: com.microsoft MatMulNBits.
    """

    inner: int
    columns: int
    bias: int | None = 5

    def infer(self, *operands: TensorType | None) -> tuple[TensorType, ...]:
        x = needed(operands, 0, "the left factor")
        rank_of(x, 1, "the left factor")
        fits(x.shape[-1], self.inner, "the size of its last axis", "K")
        return (TensorType((*x.shape[:-1], self.columns), x.dtype),)

    def products(self, *operands: TensorType | None) -> Size | None:
        return self.infer(*operands)[0].elements * self.inner

    def effort(self, *operands: TensorType | None) -> Operations | None:
        return Operations(bias=self.infer(*operands)[0].elements if optional(operands, self.bias) else 0)

    def kept(self, *operands: TensorType | None) -> Saved | None:
        return Saved((0,))

    def reads(self, output: int, *operands: TensorType | None) -> tuple[Reads | None, ...]:
        x = needed(operands, 0, "the left factor")
        return ((*map(Window, range(x.rank - 1)), EVERYTHING), *map(whole, operands[1:]))

    @classmethod
    def examples(cls) -> Sequence[Example]:
        held = {"B": WeightType((48, 2, 16), dtype="uint8"), "scales": WeightType((96,))}
        made = cls("MatMulNBits", 64, 48, slots=(None, "B", "scales"), parameters=held)
        return [Example(made, (TensorType((2, 7, 64)),), (TensorType((2, 7, 48)),))]


@dataclass(frozen=True, eq=False)
class Einsum(Operator):
    """Einstein's sum of products: letters name axes; those that the output lacks are summed over.

    "bij,bjk->bik"; without "->" the output has the letters that occur once, in alphabetical order. "..." stands for
    axes that broadcast. A letter that occurs twice in one operand takes the diagonal.
    MACs: the product of the sizes of all letters, where two or more operands meet in a sum; more operands are
    multiplied at once, which takes one product fewer than there are operands for each combination of indices.
    Without a sum, products are pointwise; a sum of one operand counts as pooling.
    Errors: SettingError for an equation that is none, ShapeError where sizes of a letter differ.
    Source: ONNX operator Einsum; NumPy's einsum.
    """

    equation: str = ""
    dtype: str = ""
    """Of the output; that of the first operand where it is empty."""

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "equation", "".join(str(self.equation).split()))
        inputs, output = self._terms()
        for term in (*inputs, output or ""):
            if not set(term.replace("...", "", 1)) <= set(string.ascii_letters):
                raise SettingError(f"{self.kind}: {self.equation!r} is no equation: {term!r} is no list of letters")
        letters = set("".join(inputs).replace(".", ""))
        loose = sorted(set((output or "").replace(".", "")) - letters)
        if loose or len(set((output or "").replace("...", ""))) != len((output or "").replace("...", "")):
            raise SettingError(
                f"{self.kind}: in {self.equation!r} each letter of the output must occur once, and in an operand"
            )

    def _terms(self) -> tuple[tuple[str, ...], str | None]:
        left, arrow, right = self.equation.partition("->")
        return tuple(left.split(",")), right if arrow else None

    def _labels(self, operands: Sequence[TensorType | None]) -> tuple[list[list[str]], list[str], dict[str, Size]]:
        """The labels of each operand's axes and of the output's, and the size of each label.

        An axis that "..." stands for is labelled by its number from the back.
        """
        inputs, output = self._terms()
        types = [needed(operands, n, "a factor") for n in range(len(operands))]
        if len(inputs) != len(types):
            raise ShapeError(f"the equation {self.equation!r} has {len(inputs)} operands, but there are {len(types)}")
        labels: list[list[str]] = []
        found: dict[str, Size] = {}
        for term, type in zip(inputs, types, strict=True):
            letters = len(term.replace("...", ""))
            spare = type.rank - letters
            if spare < 0 or (spare and "..." not in term):
                raise ShapeError(f"{term!r} of {self.equation!r} does not name the axes of {type}")
            head, dots, tail = term.partition("...")
            row = [*head, *(str(n) for n in range(spare, 0, -1) if dots), *tail]
            for label, size in zip(row, type.shape, strict=True):
                found[label] = self._met(found.get(label, 1), size, label)
            labels.append(row)
        dotted = sorted((label for label in found if label.isdigit()), key=int, reverse=True)
        if output is None:
            flat = "".join(inputs).replace(".", "")
            target = [*dotted, *sorted(letter for letter in set(flat) if flat.count(letter) == 1)]
        else:
            head, dots, tail = output.partition("...")
            target = [*head, *(dotted if dots else ()), *tail]
        return labels, target, found

    def _met(self, one: Size, other: Size, label: str) -> Size:
        if one == 1 or other == 1:
            return other if one == 1 else one
        if not sizes.equal(one, other):
            raise ShapeError(f"the letter {label!r} of {self.equation!r} has the sizes {one} and {other}")
        return one if isinstance(one, int) else other

    def infer(self, *operands: TensorType | None) -> tuple[TensorType, ...]:
        _, target, found = self._labels(operands)
        dtype = self.dtype or needed(operands, 0, "a factor").dtype
        return (TensorType(tuple(found[label] for label in target), dtype),)

    def _space(self, operands: Sequence[TensorType | None]) -> tuple[Size, bool]:
        """How many combinations of indices there are, and whether some are summed over."""
        _, target, found = self._labels(operands)
        return sizes.product(tuple(found.values())), bool(set(found) - set(target))

    def products(self, *operands: TensorType | None) -> Size | None:
        space, summed = self._space(operands)
        return space * (len(operands) - 1) if summed else 0

    def effort(self, *operands: TensorType | None) -> Operations | None:
        space, summed = self._space(operands)
        if summed:
            return Operations(pooling=space if len(operands) == 1 else 0)
        return Operations(pointwise=space * (len(operands) - 1))

    def kept(self, *operands: TensorType | None) -> Saved | None:
        return Saved(tuple(range(len(operands))) if len(operands) > 1 else ())

    def reads(self, output: int, *operands: TensorType | None) -> tuple[Reads | None, ...]:
        labels, target, found = self._labels(operands)
        table: list[Reads] = []
        for row, type in zip(labels, operands, strict=True):
            shape = type.shape if type is not None else ()
            table.append(
                tuple(
                    Window(target.index(label)) if label in target and size == found[label] else EVERYTHING
                    for label, size in zip(row, shape, strict=True)
                )
            )
        return tuple(table)

    @classmethod
    def examples(cls) -> Sequence[Example]:
        def case(equation: str, shapes: Sequence[tuple[int, ...]], out: tuple[int, ...]) -> Example:
            made = cls("Einsum", equation, slots=(None,) * len(shapes))
            return Example(made, tuple(map(TensorType, shapes)), (TensorType(out),))

        return [
            case("bhid,bhjd->bhij", [(2, 4, 10, 16), (2, 4, 7, 16)], (2, 4, 10, 7)),
            case("...ii->...i", [(2, 5, 5)], (2, 5)),
            case("a,b", [(3,), (4,)], (3, 4)),
        ]


@dataclass(frozen=True, eq=False)
class GroupedProduct(Operator):
    """The rows of A in groups, each times a matrix of its own: the experts of a mixture, of which a row sees one.

    Operands: A, the matrices, and where each group ends. How the rows fall into groups, the data say; that each falls
    into one is assumed.
    Shapes: (rows, K) and (groups, K, N) → (rows, N), with `transposed` the matrices are (groups, N, K).
    MACs: output elements × K.
    Errors: ShapeError where K differs.
    Source: PyTorch, torch.nn.functional.grouped_mm; Shazeer et al. (2017).
    """

    transposed: bool = False

    def _sides(self, operands: Sequence[TensorType | None]) -> tuple[TensorType, Size, Size]:
        a, b = needed(operands, 0, "the rows"), needed(operands, 1, "the matrices")
        rank_of(a, 2, "the rows", 2)
        rank_of(b, 3, "the matrices", 3)
        inner, width = (b.shape[2], b.shape[1]) if self.transposed else (b.shape[1], b.shape[2])
        fits(a.shape[1], inner, "the size of a row", "what the matrices take")
        return a, inner, width

    def infer(self, *operands: TensorType | None) -> tuple[TensorType, ...]:
        a, _, width = self._sides(operands)
        return (a.with_shape((a.shape[0], width)),)

    def products(self, *operands: TensorType | None) -> Size | None:
        a, inner, width = self._sides(operands)
        return a.shape[0] * inner * width

    def effort(self, *operands: TensorType | None) -> Operations | None:
        return Operations()

    def kept(self, *operands: TensorType | None) -> Saved | None:
        return Saved(tuple(n for n, one in enumerate(operands) if one is not None))

    def reads(self, output: int, *operands: TensorType | None) -> tuple[Reads | None, ...]:
        return ((Window(0), EVERYTHING), *map(whole, operands[1:]))

    @classmethod
    def examples(cls) -> Sequence[Example]:
        rows, ends, held = TensorType((32, 8)), TensorType((4,), "int32"), {"experts": WeightType((4, 8, 16))}
        made = cls("GroupedProduct", slots=(None, "experts", None), parameters=held)
        return [Example(made, (rows, ends), (TensorType((32, 16)),))]
