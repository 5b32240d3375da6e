"""Other axes, other dtypes, parts of tensors, tensors side by side, padding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from layerscope.core.reach import MOST_LISTED
from layerscope.operators.arrange import Col2Im, Rearranged, Transpose
from layerscope.operators.reshape import Reshape
from layerscope.operators.slicing import Concat, Indexed, Pad, Split
from layerscope.operators.stretching import Cast, Expand, Tile
from layerscope.sources._torch.live.rules import moved, rule
from layerscope.sources._torch.live.rules.products import each
from layerscope.sources._torch.live.site import Refused, Site, type_of


@rule(
    "view", "reshape", "flatten", "unflatten", "squeeze", "unsqueeze", "ravel", "atleast_1d", "atleast_2d",
    "atleast_3d",
)  # fmt: skip
def reshape(site: Site, input: Any, *_: Any, **__: Any) -> Any:
    """The same numbers in another shape."""
    if site.out.dtype != type_of(input).dtype:
        return moved(site, (input,), view=True)
    return site.emit(Reshape, "Reshape", (input,), site.out.shape, True)


@rule("transpose", "permute", "t", "T", "mT", "H", "mH", "movedim", "adjoint", "numpy_T", "matrix_H")
def transpose(site: Site, input: Any, *args: Any, **kwargs: Any) -> Any:
    """Axes in another order."""
    return site.emit(Transpose, "Transpose", (input,), _order(site.name, input.dim(), args, kwargs))


def _order(name: str, rank: int, args: Sequence[Any], kwargs: dict[str, Any]) -> tuple[int, ...]:
    order = list(range(rank))
    given = [*args, *kwargs.values()]
    if name == "permute":
        dims = given[0] if len(given) == 1 and isinstance(given[0], tuple | list) else given
        return tuple(int(d) % rank for d in dims)
    if name == "movedim":
        left, right = (tuple(one) if isinstance(one, tuple | list) else (one,) for one in given)
        pairs = sorted((int(b) % rank, int(a) % rank) for a, b in zip(left, right, strict=True))
        rest = [axis for axis in order if axis not in {a for _, a in pairs}]
        for place, axis in pairs:
            rest.insert(place, axis)
        return tuple(rest)
    if name in ("T", "numpy_T", "t"):
        return tuple(reversed(order))
    one, other = (int(given[0]) % rank, int(given[1]) % rank) if name == "transpose" else (rank - 2, rank - 1)
    order[one], order[other] = order[other], order[one]
    return tuple(order)


@rule("expand", "expand_as", "broadcast_to")
def expand(site: Site, input: Any, *_: Any, **__: Any) -> Any:
    """Axes of size 1 repeated."""
    return site.emit(Expand, "Expand", (input,), site.out.shape)


@rule(
    "to", "type", "type_as", "float", "double", "half", "bfloat16", "int", "long", "short", "byte", "bool", "char",
    "_to_copy", "clone", "contiguous", "detach", "data", "cpu", "cuda", "lift_fresh", "lift_fresh_copy", "cfloat",
)  # fmt: skip
def cast(site: Site, input: Any, *_: Any, **__: Any) -> Any:
    """The same numbers in another dtype, in another place, or once more."""
    if site.out.dtype != type_of(input).dtype:
        return site.emit(Cast, "Cast", (input,), site.out.dtype)
    if site.name in ("detach", "data", "lift_fresh"):
        return site.value(input)
    return site.emit(Rearranged, "Clone", (input,))


@rule("copy")
def copy(site: Site, target: Any, source: Any, *_: Any, **__: Any) -> Any:
    """Numbers put into another tensor."""
    return moved(site, (source,))


@rule("split", "chunk", "tensor_split", "unbind", "hsplit", "vsplit", "dsplit")
def split(site: Site, input: Any, *args: Any, **kwargs: Any) -> Any:
    """Parts along an axis."""
    numbers = [one for one in (*args, *kwargs.values()) if isinstance(one, int) and not isinstance(one, bool)]
    if site.name == "unbind":
        axis = int(kwargs.get("dim", numbers[0] if numbers else 0))
        return site.emit(Split, "Split", (input,), axis, (1,) * len(site.made), keepdims=False)
    shape = type_of(input).shape
    found = [n for n in range(len(shape)) if any(one.shape[n] != shape[n] for one in site.types)]
    axis = found[0] if found else int(kwargs.get("dim", args[1] if len(args) > 1 else 0)) % max(len(shape), 1)
    return site.emit(Split, "Split", (input,), axis, tuple(one.shape[axis] for one in site.types))


@rule("cat", "stack")
def concat(site: Site, *args: Any, **kwargs: Any) -> Any:
    """Tensors side by side, or one behind the other along a new axis."""
    given = [*args, *kwargs.values()]
    parts: Any = kwargs.get("tensors", args[0] if args else given[0])
    dims = [one for one in given if isinstance(one, int)]
    axis = int(dims[0]) if dims else 0
    if site.name == "cat":
        parts = [one for one in parts if tuple(one.shape) != (0,)]  # what an empty cache starts with
    if len(parts) == 1 and site.name == "cat":
        return site.emit(Rearranged, "Clone", parts)
    if len({type_of(one).dtype for one in parts}) > 1:
        raise Refused("its parts are cast first")
    return site.emit(Concat, "Concat", list(parts), axis, site.name == "stack")


PADDING = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


@rule("pad", "constant_pad_nd")
def pad(site: Site, input: Any, pad: Sequence[int], mode: Any = "constant", value: Any = None) -> Any:
    """Elements around; the last axis is said first."""
    if site.name != "pad":
        mode = "constant"
    pads = tuple(map(int, pad))
    axes = tuple(input.dim() - 1 - n for n in range(len(pads) // 2))
    return site.emit(Pad, "Pad", (input,), pads[::2], pads[1::2], axes, PADDING[mode])


def _register_pads() -> None:
    for words, mode in (("reflection", "reflect"), ("replication", "replicate")):

        def around(site: Site, input: Any, padding: Any, mode: str = mode) -> Any:
            """ATen's own."""
            return site.emit(Pad, "Pad", (input,), *_pads(input, padding), PADDING[mode])

        rule(*(f"{words}_pad{n}d" for n in (1, 2, 3)))(around)


def _pads(input: Any, padding: Any) -> tuple[Any, Any, Any]:
    pads = tuple(map(int, padding))
    return pads[::2], pads[1::2], tuple(input.dim() - 1 - n for n in range(len(pads) // 2))


_register_pads()


@rule("rot90")
def rearranged(site: Site, input: Any, *_: Any, **__: Any) -> Any:
    """The same sizes, other places."""
    if site.out.shape != type_of(input).shape:
        return moved(site, (input,))
    return site.emit(Rearranged, site.name, (input,), tuple(range(input.dim())))


@rule("flip", "fliplr", "flipud")
def flip(site: Site, input: Any, *dims: Any, **told: Any) -> Any:
    """The other way round along some axes."""
    named = {"fliplr": (1,), "flipud": (0,)}.get(site.name) or _numbers(told.get("dims", dims))
    axes = {axis % input.dim() for axis in named}
    sizes = {axis: int(input.shape[axis]) for axis in axes}
    lists = tuple((axis, *reversed(range(size))) for axis, size in sizes.items() if size <= MOST_LISTED)
    return site.emit(Rearranged, site.name, (input,), tuple(axes), lists)


@rule("roll")
def roll(site: Site, input: Any, shifts: Any, dims: Any = (), **_: Any) -> Any:
    """Moved along, and what leaves an axis comes in at its other end."""
    moves, axes = _numbers(shifts), _numbers(dims)
    if not axes:  # of the flat tensor
        return site.emit(Rearranged, site.name, (input,), tuple(range(input.dim())))
    each = dict.fromkeys((axis % input.dim() for axis in axes), 0)
    for axis, move in zip(axes, moves, strict=True):
        each[axis % input.dim()] += move
    sizes = {axis: int(input.shape[axis]) for axis in each}
    lists = tuple(
        (axis, *((o - each[axis]) % size for o in range(size))) for axis, size in sizes.items() if size <= MOST_LISTED
    )
    return site.emit(Rearranged, site.name, (input,), tuple(each), lists)


def _numbers(value: Any) -> tuple[int, ...]:
    """Whole numbers, alone, in a list, or each as an argument."""
    if isinstance(value, tuple | list):
        return tuple(number for part in value for number in _numbers(part))
    return (int(value),)


@rule("tril", "triu")
def triangle(site: Site, input: Any, *_: Any, **__: Any) -> Any:
    """Zeros in a corner."""
    return site.emit(Rearranged, "Trilu", (input,))


@rule(
    "unfold", "im2col", "diagonal", "diag", "diag_embed", "view_as_complex", "view_as_real", "real", "imag",
    "as_strided", "meshgrid", "resolve_conj", "resolve_neg", "narrow_copy", "unfold_copy", "column_stack",
    "broadcast_tensors",
)  # fmt: skip
def others(site: Site, *args: Any, **kwargs: Any) -> Any:
    """What moves numbers, of which only the shapes are described."""
    tensor = site.capture.torch.Tensor
    given = [one for part in args for one in (part if isinstance(part, tuple | list) else (part,))]
    return moved(site, [one for one in given if isinstance(one, tensor)])


@rule("channel_shuffle", "native_channel_shuffle")
def channel_shuffle(site: Site, input: Any, groups: Any) -> Any:
    """Channels in another order."""
    return site.emit(Rearranged, "channel_shuffle", (input,), (1,))


@rule("repeat", "tile")
def repeat(site: Site, input: Any, *args: Any, **kwargs: Any) -> Any:
    """The whole tensor again and again along each axis; new axes come first."""
    given = [*args, *kwargs.values()]
    times = tuple(map(int, given[0] if len(given) == 1 and isinstance(given[0], tuple | list) else given))
    shape = tuple(input.shape)
    times = (1,) * (len(shape) - len(times)) + times
    more = len(times) - len(shape)
    if more:
        (input,) = site.emit(Reshape, "Reshape", (input,), (1,) * more + shape, True, called="view")
    return site.emit(Tile, "Tile", (input,), times)


@rule("repeat_interleave")
def repeat_interleave(site: Site, input: Any, repeats: Any, dim: Any = None, **_: Any) -> Any:
    """Each element again and again along an axis."""
    if not isinstance(repeats, int):
        return others(site, input, repeats)
    if dim is None:
        (input,) = site.emit(Reshape, "Reshape", (input,), (input.numel(),), True, called="view")
        dim = 0
    rank = len(site.out.shape)
    return site.emit(Tile, "Tile", (input,), tuple(repeats if axis == dim % rank else 1 for axis in range(rank)))


@rule("fold", "col2im")
def fold(
    site: Site, input: Any, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
) -> Any:
    """Columns added at their places in an image."""
    image = each(output_size, 2)
    return site.emit(
        Col2Im, "Col2Im", (input,), image, each(kernel_size, 2), each(dilation, 2), each(padding, 2) * 2,
        each(stride, 2),
    )  # fmt: skip


# --- Python's square brackets ---


@rule("select")
def select(site: Site, input: Any, dim: int, index: int) -> Any:
    """One index of an axis."""
    return indexed(site, input, {int(dim) % input.dim(): int(index)})


@rule("slice")
def slice_(site: Site, input: Any, dim: int = 0, start: Any = None, end: Any = None, step: int = 1) -> Any:
    """A range of an axis."""
    return indexed(site, input, {int(dim) % input.dim(): slice(start, end, step)})


@rule("narrow")
def narrow(site: Site, input: Any, dim: int, start: int, length: int) -> Any:
    """A range of an axis by its length."""
    begin = int(start) % max(int(input.shape[dim]), 1)
    return indexed(site, input, {int(dim) % input.dim(): slice(begin, begin + int(length))})


def indexed(site: Site, input: Any, wanted: dict[int, Any], new: Sequence[int] = ()) -> Any:
    """Ranges and indices by axis; new axes before the axes of these numbers (one entry for each)."""
    picks: list[Any] = []
    taken: list[tuple[int, int]] = []
    for axis, size in enumerate(map(int, input.shape)):
        picks += [None] * new.count(axis)
        one = wanted.get(axis, slice(None))
        if isinstance(one, slice):
            start, stop, step = one.indices(size)
            picks.append((axis, start, max(-((start - stop) // step), 0), step))
        else:
            taken.append((axis, int(one) % size if size else 0))
    picks += [None] * new.count(input.dim())
    return site.emit(Indexed, "Indexed", (input,), tuple(picks), tuple(taken))


@rule("getitem")
def getitem(site: Site, input: Any, index: Any) -> Any:
    """Ranges, indices, new axes; what is picked by tensors is described by what it calls."""
    parts = list(index) if isinstance(index, tuple) else [index]
    plain = all(part is None or part is Ellipsis or type(part) in (int, slice) for part in parts)
    if not plain:
        raise Refused("it picks by the numbers of a tensor")
    axes = sum(part is not None and part is not Ellipsis for part in parts)
    wanted: dict[int, Any] = {}
    new: list[int] = []
    axis = 0
    for part in parts:
        if part is None:
            new.append(axis)
        elif part is Ellipsis:
            axis += input.dim() - axes
        else:
            wanted[axis] = part
            axis += 1
    return indexed(site, input, wanted, new)
