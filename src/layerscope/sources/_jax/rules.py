"""What each primitive of JAX is as an operator here. A rule gets an equation and gives a layer of open slots."""

from __future__ import annotations

import string
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from layerscope.core.dataclasses import dataclass
from layerscope.core.errors import ShapeError
from layerscope.core.reach import MOST_LISTED
from layerscope.core.types import TensorType
from layerscope.operators._operator import Operator
from layerscope.operators.arrange import Transpose
from layerscope.operators.gathering import TopK
from layerscope.operators.general import Arranged, GeneralConvolution, WindowReduction
from layerscope.operators.pointwise import Pointwise
from layerscope.operators.products import Einsum, GroupedProduct
from layerscope.operators.reductions import Cumulative, Reduction
from layerscope.operators.reshape import Reshape
from layerscope.operators.slicing import Concat, Slice, Split
from layerscope.operators.stretching import Cast, Tile

Way = tuple[int, ...]
KEEPS = {
    "nothing": "add sub neg sign floor ceil round is_finite eq ne lt le gt ge and or xor not rem real imag conj "
    "shift_left shift_right_arithmetic shift_right_logical nextafter population_count clz add_any eq_to le_to lt_to",
    "outputs": "exp exp2 tanh logistic sqrt rsqrt expm1 cbrt",
    "inputs": "log log1p sin cos tan asin acos atan sinh cosh asinh acosh atanh atan2 erf erfc erf_inv lgamma "
    "digamma abs square integer_pow pow max min polygamma igamma igammac bessel_i0e bessel_i1e complex "
    "regularized_incomplete_beta",
    "partners": "mul",
}
"""What the gradient of each elementwise primitive needs."""


@dataclass(frozen=True)
class Eqn:
    """An equation: its primitive, its parameters, the types of what it is given and makes, and what tells the whole
    numbers of an operand, None where nobody knows them.
    """

    name: str
    params: Any
    given: Sequence[TensorType]
    made: Sequence[TensorType]
    numbers: Callable[[int], tuple[int, ...] | None] = lambda _: None

    @property
    def slots(self) -> tuple[None, ...]:
        """Open ones, for all that it is given."""
        return (None,) * len(self.given)


Rule = Callable[[Eqn], Operator]
FOUND: dict[str, Rule] = {}


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Register the rule of primitives of these names."""

    def keep(function: Rule) -> Rule:
        FOUND.update(dict.fromkeys(names, function))
        return function

    return keep


def _register(keeps: str, names: str) -> None:
    def elementwise(e: Eqn) -> Operator:
        """Element by element."""
        return Pointwise(e.name, 1, keeps, e.made[0].dtype, slots=e.slots)

    rule(*names.split())(elementwise)


for _keeps, _names in KEEPS.items():
    _register(_keeps, _names)


def ints(values: Iterable[Any]) -> tuple[int, ...]:
    """Python's own whole numbers: some parameters are NumPy's."""
    return tuple(int(value) for value in values)


def way(axis: int, stride: int = 1, size: int = 1, before: int = 0, dilation: int = 1, spread: bool = False) -> Way:
    """How an axis is read, as Arranged takes it."""
    return ints((axis, stride, size, before, dilation, *((1,) if spread else ())))


def pads(rows: Sequence[tuple[int, int]]) -> tuple[int, ...]:
    """All begins, then all ends."""
    return ints((*(low for low, _ in rows), *(high for _, high in rows)))


def arranged(e: Eqn, ways: Sequence[Sequence[Way]], **told: Any) -> Operator:
    """What moves numbers, with how each operand is read."""
    return Arranged(e.name, tuple(e.made), tuple(map(tuple, ways)), slots=e.slots, **told)


def whole(one: TensorType) -> tuple[Way, ...]:
    """Everything is read."""
    return ((),) * one.rank


def own(one: TensorType, everything: Sequence[int] = ()) -> tuple[Way, ...]:
    """Each axis at the output's own index, but those read whole."""
    return tuple(() if axis in everything else way(axis) for axis in range(one.rank))


# --- elementwise ---


@rule("div")
def div(e: Eqn) -> Operator:
    """The gradient needs both."""
    return Pointwise(e.name, 1, "partners", e.made[0].dtype, slots=e.slots)


@rule("select_n")
def select(e: Eqn) -> Operator:
    """A choice for each element."""
    return Pointwise("select", 1, "condition", e.made[0].dtype, slots=e.slots)


@rule("clamp")
def clamp(e: Eqn) -> Operator:
    """Limits, which may be single numbers."""
    return Pointwise("clamp", 1, "inputs", e.made[0].dtype, 1, slots=e.slots)


@rule("convert_element_type", "bitcast_convert_type")
def convert(e: Eqn) -> Operator:
    """Another dtype."""
    return Cast(e.name, e.made[0].dtype, slots=e.slots)


# --- products ---


@rule("dot_general")
def dot(e: Eqn) -> Operator:
    """A product of tensors: axes of the batch first, then those of the one and the other."""
    (left, right), (many, others) = e.params["dimension_numbers"]
    letters = iter(string.ascii_letters)
    first = [""] * e.given[0].rank
    second = [""] * e.given[1].rank
    for a, b in (*zip(many, others, strict=True), *zip(left, right, strict=True)):
        first[a] = second[b] = next(letters)
    batch = "".join(first[a] for a in many)
    rest = ["", ""]
    for number, row in enumerate((first, second)):
        for axis, letter in enumerate(row):
            if not letter:
                row[axis] = next(letters)
                rest[number] += row[axis]
    equation = f"{''.join(first)},{''.join(second)}->{batch}{rest[0]}{rest[1]}"
    return Einsum(e.name, equation, e.made[0].dtype, slots=e.slots)


@rule("ragged_dot", "ragged_dot_general")
def ragged(e: Eqn) -> Operator:
    """Rows in groups, each times a matrix of its own."""
    told = e.params.get("ragged_dot_dimension_numbers")
    if told is not None and (told.dot_dimension_numbers, tuple(told.lhs_ragged_dimensions)) != (
        (((1,), (1,)), ((), ())), (0,),
    ):  # fmt: skip
        raise ShapeError("rows in another order")
    return GroupedProduct(e.name, slots=e.slots)


@rule("conv_general_dilated")
def convolution(e: Eqn) -> Operator:
    """A convolution in any order of axes."""
    p, axes = e.params, e.params["dimension_numbers"]
    return GeneralConvolution(
        "conv", ints(axes.lhs_spec), ints(axes.rhs_spec), ints(axes.out_spec), ints(p["window_strides"]),
        pads(p["padding"]), ints(p["lhs_dilation"]), ints(p["rhs_dilation"]), p["feature_group_count"],
        p["batch_group_count"], e.made[0].dtype, slots=e.slots,
    )  # fmt: skip


# --- windows and reductions ---


@rule("reduce_window_max", "reduce_window_min", "reduce_window_sum")
def window(e: Eqn) -> Operator:
    """The largest, the smallest, or the sum of each window."""
    p = e.params
    return WindowReduction(
        e.name, ints(p["window_dimensions"]), ints(p["window_strides"]), pads(p["padding"]), ints(p["base_dilation"]),
        ints(p["window_dilation"]), slots=e.slots,
    )  # fmt: skip


@rule(
    "reduce_sum",
    "reduce_max",
    "reduce_min",
    "reduce_prod",
    "reduce_and",
    "reduce_or",
    "reduce_xor",
    "argmax",
    "argmin",
)
def reduction(e: Eqn) -> Operator:
    """One number of all along some axes."""
    keeps = {"reduce_sum": "nothing", "reduce_prod": "ends"}.get(e.name, "places")
    return Reduction(
        e.name, ints(e.params["axes"]), False, 0, 0, keeps, e.made[0].dtype, slots=e.slots
    )  # fmt: skip


@rule("cumsum", "cumprod", "cummax", "cummin", "cumlogsumexp")
def cumulative(e: Eqn) -> Operator:
    """Running sums, products or extremes."""
    return Cumulative(
        "CumProd" if e.name != "cumsum" else "CumSum", int(e.params["axis"]), slots=e.slots, called=e.name
    )


@rule("top_k")
def top_k(e: Eqn) -> Operator:
    """The largest of each row, and where they are."""
    axis = int(e.params.get("axis", -1))
    made = TopK("top_k", int(e.params["k"]), axis, slots=e.slots)
    return made if e.made[1].dtype == "int64" else arranged(e, [own(e.given[0], [axis % e.given[0].rank])])


# --- what moves numbers ---


@rule("reshape")
def reshape(e: Eqn) -> Operator:
    """Other axes over the same numbers."""
    return Reshape(e.name, e.made[0].shape, True, slots=e.slots)


@rule("transpose")
def transpose(e: Eqn) -> Operator:
    """Axes in another order."""
    return Transpose(e.name, ints(e.params["permutation"]), slots=e.slots)


@rule("broadcast_in_dim")
def broadcast(e: Eqn) -> Operator:
    """Axes put in, and those of size 1 stretched."""
    x, out = e.given[0], e.made[0]
    places = e.params["broadcast_dimensions"]
    ways = [way(place) if x.shape[axis] == out.shape[place] else () for axis, place in enumerate(places)]
    return arranged(e, [ways, *map(whole, e.given[1:])], view=x.elements == out.elements)


@rule("squeeze")
def squeeze(e: Eqn) -> Operator:
    """Axes of size 1 that are left out."""
    rank = e.given[0].rank
    gone = {axis % rank for axis in e.params["dimensions"]}
    kept = [axis for axis in range(rank) if axis not in gone]
    return arranged(e, [[(0,) if axis in gone else way(kept.index(axis)) for axis in range(rank)]], view=True)


@rule("expand_dims")
def expand(e: Eqn) -> Operator:
    """Axes of size 1 that are put in."""
    rank = e.made[0].rank
    new = {axis % rank for axis in e.params["dimensions"]}
    return arranged(e, [[way(axis) for axis in range(rank) if axis not in new]], view=True)


@rule("rev")
def reverse(e: Eqn) -> Operator:
    """The other way round along some axes."""
    x, axes = e.given[0], ints(e.params["dimensions"])
    lists = tuple(
        (0, axis, axis, *reversed(range(n))) for axis in axes if 0 < (n := int(str(x.shape[axis]))) <= MOST_LISTED
    )
    return arranged(e, [own(x, axes)], lists=lists)


@rule("slice")
def slices(e: Eqn) -> Operator:
    """A part in steps."""
    p = e.params
    starts, ends = ints(p["start_indices"]), ints(p["limit_indices"])
    steps = ints(p["strides"] or (1,) * len(starts))
    cut = [n for n, size in enumerate(e.given[0].shape) if (starts[n], ends[n], steps[n]) != (0, size, 1)]
    low, high, step = (tuple(row[n] for n in cut) for row in (starts, ends, steps))
    return Slice(e.name, low, high, tuple(cut), step, slots=e.slots)


@rule("split")
def split(e: Eqn) -> Operator:
    """Parts along one axis."""
    return Split(e.name, int(e.params["axis"]), ints(e.params["sizes"]), slots=e.slots)


@rule("stack")
def stacked(e: Eqn) -> Operator:
    """Tensors side by side along a new axis."""
    return Concat(e.name, int(e.params["axis"]), True, slots=e.slots)


@rule("unstack")
def unstacked(e: Eqn) -> Operator:
    """The parts along an axis, which is gone."""
    axis = int(e.params["axis"])
    return Split(e.name, axis, (1,) * len(e.made), None, False, slots=e.slots)


@rule("tile")
def tile(e: Eqn) -> Operator:
    """The whole repeated along axes."""
    return Tile(e.name, ints(e.params["reps"]), slots=e.slots)


@rule("concatenate")
def concatenate(e: Eqn) -> Operator:
    """Tensors side by side."""
    return Concat(e.name, int(e.params["dimension"]), slots=e.slots)


@rule("pad")
def pad(e: Eqn) -> Operator:
    """Numbers put around and between."""
    ways = [
        way(n, inner + 1, 1, -low, spread=True) if inner else way(n, before=low)
        for n, (low, _, inner) in enumerate(e.params["padding_config"])
    ]
    return arranged(e, [ways, ()])


@rule("sort")
def sort(e: Eqn) -> Operator:
    """In order along an axis."""
    axis = int(e.params["dimension"])
    return arranged(e, [own(one, [axis]) for one in e.given])


@rule(
    "random_bits", "random_wrap", "random_unwrap", "random_seed", "random_split", "random_fold_in", "threefry2x32",
    "random_clone", "random_gamma", "rng_bit_generator", "iota", "empty", "rng_uniform", "philox2x32", "zeros_like",
)  # fmt: skip
def numbers(e: Eqn) -> Operator:
    """Random numbers, and numbers that follow from their place."""
    return arranged(e, [whole(one) for one in e.given])
