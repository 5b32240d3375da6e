"""What convolutions, pools and their like of torch are as layers, of one to three spatial axes; see `functions`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from layerscope.core.contract import Layer
from layerscope.core.dataclasses import replace
from layerscope.core.types import TensorType
from layerscope.sources._torch.reader import FIRST, Constant, Reader, Unsupported, Value, channels_first, make

FUNCTIONS: dict[str, Callable[..., Any]] = {}
RANKS = (1, 2, 3)
EDGES = {1: "positions", 2: "rows and columns", 3: "slices, rows and columns"}
DEPTHWISE = (1, 2)
"""Numbers of axes for which there are depthwise layers."""


def form(*names: str, ranks: Sequence[int] = ()) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register what functions of these names are; with `ranks` of each number of axes, which they are told first."""

    def keep(function: Callable[..., Any]) -> Callable[..., Any]:
        for rank in ranks or (0,):
            made = partial(function, rank) if rank else function
            FUNCTIONS.update(dict.fromkeys((name.format(rank) for name in names), made))
        return function

    return keep


def each(value: Any, rank: int) -> tuple[int, ...]:
    """One number for all axes, or one for each."""
    parts = list(value) if isinstance(value, tuple | list) else [value]
    return tuple(int(part) for part in (parts * rank if len(parts) == 1 else parts))


# --- with weights ---


@form("conv{}d", ranks=RANKS)
def conv(
    rank: int, reader: Reader, input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0,
    dilation: Any = 1, groups: int = 1,
) -> Value:  # fmt: skip
    """A Conv, or a DepthwiseConv; pads that are neither none nor those of "same" become a ZeroPadding before it."""
    if not isinstance(weight, Constant) or isinstance(bias, Value):
        raise Unsupported("its kernel is computed from the input")
    x, filters, kernel = reader.image(input, rank), int(weight.tensor.shape[0]), tuple(weight.tensor.shape[2:])
    told = {"kernel_size": kernel, "strides": each(stride, rank), "dilation_rate": each(dilation, rank)}
    deep = groups == x.shape[0] > 1 and rank in DEPTHWISE
    kind = f"DepthwiseConv{rank}D" if deep else f"Conv{rank}D"
    told |= {"depth_multiplier": filters // groups} if deep else {"filters": filters, "groups": groups}
    told |= {"use_bias": bias is not None}
    if not isinstance(padding, str):
        pads = each(padding, rank)
        padding = _fitting(kind, told, x, pads, reader)
        if padding is None:
            x = _zeros(reader, x, [(p, p) for p in pads])
            padding = "valid"

    def weights() -> dict[str, Any]:
        spread = weight.tensor
        if deep:
            spread = spread.reshape(groups, -1, *kernel).movedim((0, 1), (-2, -1))
        else:
            spread = spread.movedim((1, 0), (-2, -1))
        return {"kernel": spread} | ({"bias": bias.tensor} if bias is not None else {})

    settings, key = told | {"padding": padding}, (weight.key, kind)
    return replace(x, tensor=reader.weighted(kind, settings, key, weights, x.tensor, (weight, bias)), positive=False)


def _zeros(reader: Reader, x: Value, ends: Sequence[tuple[int, int]]) -> Value:
    """An image with zeros around."""
    (padded,) = reader.add(f"ZeroPadding{len(ends)}D", {"padding": tuple(ends)}, x, suffix="_pad")
    return replace(x, tensor=padded)


def _fitting(kind: str, told: dict[str, Any], x: Value, pads: tuple[int, ...], reader: Reader) -> str | None:
    """Which of "valid" and "same" places the windows as PyTorch does: as many, beginning at the same cell."""
    out = reader.step.outputs[0].shape[2:]
    for padding in ("valid", "same"):
        layer: Any = make(kind, told | {"padding": padding})
        found = layer.placements(TensorType((1, *x.ours))) if _large_enough(layer, x) else ()
        if found and tuple(p.out for p in found) == out and tuple(p.pads[0] for p in found) == pads:
            return padding
    return None


def _large_enough(layer: Layer, x: Value) -> bool:
    told: Any = layer
    window = getattr(told, "kernel_size", None) or told.pool_size
    spread = getattr(told, "dilation_rate", (1,) * len(window))
    return told.padding == "same" or all(
        d * (k - 1) + 1 <= n for k, d, n in zip(window, spread, x.ours, strict=False)
    )


@form("conv_transpose{}d", ranks=RANKS)
def conv_transpose(
    rank: int, reader: Reader, input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0,
    output_padding: Any = 0, groups: int = 1, dilation: Any = 1,
) -> Value:  # fmt: skip
    """A ConvTranspose: with "same" where that crops alike, else all of it, and a Cropping."""
    if not isinstance(weight, Constant) or isinstance(bias, Value):
        raise Unsupported("its kernel is computed from the input")
    kind, x = f"Conv{rank}DTranspose", reader.image(input, rank)
    strides, crop, more = each(stride, rank), each(padding, rank), each(output_padding, rank)
    told = {"filters": int(weight.tensor.shape[1]) * groups, "kernel_size": tuple(weight.tensor.shape[2:])}
    told |= {
        "strides": strides,
        "dilation_rate": each(dilation, rank),
        "groups": groups,
        "use_bias": bias is not None,
    }
    ends = tuple((p, p - a) for p, a in zip(crop, more, strict=True))
    settings: dict[str, Any] | None = None
    for name in ("same", "valid"):
        layer: Any = make(kind, told | {"padding": name})
        try:
            found = layer.placements(x.tensor.type)
        except ValueError:  # crops all of it
            continue
        if tuple(place.pads for place in found) == ends and settings is None:
            settings = told | {"padding": name}

    def weights() -> dict[str, Any]:
        found = {"kernel": weight.tensor.movedim((1, 0), (-2, -1))}
        return found | ({"bias": bias.tensor} if bias is not None else {})

    key, turned = (weight.key, kind), channels_first(rank)
    if settings is not None:
        return Value(reader.weighted(kind, settings, key, weights, x.tensor, (weight, bias)), turned)
    whole = reader.weighted(kind, told | {"output_padding": more}, key, weights, x.tensor, (weight, bias))
    cropping = {"cropping": tuple((p, p) for p in crop)}
    return Value(reader.add(f"Cropping{rank}D", cropping, whole, suffix="_crop")[0], turned)


# --- pools ---


def _window(kernel_size: Any, stride: Any, rank: int) -> dict[str, Any]:
    steps = stride if stride not in (None, [], ()) else kernel_size
    return {"pool_size": each(kernel_size, rank), "strides": each(steps, rank)}


def _framed(reader: Reader, x: Value, told: dict[str, Any], pads: tuple[int, ...]) -> Value:
    """Zeros around an image, at the end as many as the last window needs."""
    out = reader.step.outputs[0].shape[2:]
    ends = [
        (p, max((o - 1) * s + k - n - p, 0))
        for o, s, k, n, p in zip(out, told["strides"], told["pool_size"], x.ours[:-1], pads, strict=True)
    ]
    return _zeros(reader, x, ends)


@form("max_pool{}d", "max_pool{}d_with_indices", ranks=RANKS)
def max_pool(
    rank: int, reader: Reader, input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1,
    ceil_mode: bool = False, return_indices: bool | None = None,
) -> tuple[Value, ...]:  # fmt: skip
    """A MaxPooling; other pads than "same" has become zeros before it, where no number is below zero."""
    x, told, pads = reader.image(input, rank), _window(kernel_size, stride, rank), each(padding, rank)
    kind = f"MaxPooling{rank}D"
    if set(each(dilation, rank)) != {1}:
        raise Unsupported("its dilation: pools here have none")
    switches = len(reader.step.outputs) > 1
    if switches and rank != 2:
        raise Unsupported("its indices: only pools of images have switches here")
    fitting = _fitting(kind, told, x, pads, reader)
    if fitting is None:
        if switches or not x.positive:
            raise Unsupported(
                f"with padding={pads} its windows are neither those of 'valid' nor those of 'same'"
                + (", and switches do not allow zeros around the image" if switches else
                   ", and zeros around the image would win over numbers below zero; put a ReLU before it")
            )  # fmt: skip
        x, fitting = _framed(reader, x, told, pads), "valid"
    told |= {"padding": fitting} | ({"return_switches": switches} if rank == 2 else {})
    made = reader.add(kind, told, x)
    return tuple(replace(x, tensor=tensor, positive=x.positive and not n) for n, tensor in enumerate(made))


@form("max_unpool2d")
def max_unpool2d(
    reader: Reader, input: Any, indices: Any, kernel_size: Any, stride: Any = None, padding: Any = 0,
    output_size: Any = None,
) -> Value:  # fmt: skip
    """A MaxUnpooling2D; the plane is PyTorch's."""
    plane = reader.step.outputs[0].shape[2:]
    told = _window(kernel_size, stride, 2) | {"output_size": plane}
    x = reader.image(input)
    return Value(reader.add("MaxUnpooling2D", told, x, reader.image(indices))[0], FIRST, positive=x.positive)


@form("avg_pool{}d", ranks=RANKS)
def avg_pool(
    rank: int, reader: Reader, input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0,
    ceil_mode: bool = False, count_include_pad: bool = True, divisor_override: Any = None,
) -> Value:  # fmt: skip
    """An AveragePooling; pads that count become zeros before it."""
    if divisor_override is not None:
        raise Unsupported("its divisor_override: a mean here divides by the cells of its window")
    x, told, pads = reader.image(input, rank), _window(kernel_size, stride, rank), each(padding, rank)
    kind, fitting = f"AveragePooling{rank}D", None
    if not any(pads) or not count_include_pad:
        fitting = _fitting(kind, told, x, pads, reader)
    if fitting is None:
        if ceil_mode or not count_include_pad:
            raise Unsupported(f"with padding={pads} its windows are neither those of 'valid' nor those of 'same'")
        x, fitting = _framed(reader, x, told, pads), "valid"
    return replace(x, tensor=reader.add(kind, {**told, "padding": fitting}, x)[0])


def _adaptive(
    name: str, rank: int, reader: Reader, input: Any, output_size: Any, return_indices: bool = False
) -> Value:
    x = reader.image(input, rank)
    out = reader.step.outputs[0].shape[2:]
    if set(out) == {1}:
        return replace(x, tensor=reader.add(f"Global{name}Pooling{rank}D", {"keepdims": True}, x)[0])
    if any(n % m for n, m in zip(x.ours, out, strict=False)):
        raise Unsupported(f"windows of different sizes lead from {x.ours[:-1]} to {out}, and pools here have one")
    window = tuple(n // m for n, m in zip(x.ours, out, strict=False))
    return replace(x, tensor=reader.add(f"{name}Pooling{rank}D", {"pool_size": window}, x)[0])


form("adaptive_avg_pool{}d", ranks=RANKS)(partial(_adaptive, "Average"))
form("adaptive_max_pool{}d", ranks=RANKS)(partial(_adaptive, "Max"))


def _over_positions(
    name: str, reader: Reader, input: Any, dim: Any = None, keepdim: bool = False, dtype: Any = None
) -> Value:
    if not isinstance(input, Value):
        raise Unsupported("it takes a parameter as its input")
    dims = [dim] if isinstance(dim, int) else list(dim or ())
    rank = input.rank - 2
    if rank not in RANKS or sorted(input.axes[d % input.rank] for d in dims) != list(range(1, rank + 1)):
        what = "all positions together" if rank in (1, 3) else "height and width together, (2, 3)"
        raise Unsupported(f"over the axes {tuple(dims)}; layers here reduce {what}")
    (made,) = reader.add(f"Global{name}Pooling{rank}D", {"keepdims": keepdim}, input)
    return Value(made, input.axes if keepdim else (0, 1), positive=input.positive)


FUNCTIONS["mean"] = partial(_over_positions, "Average")
FUNCTIONS["amax"] = partial(_over_positions, "Max")


# --- framed, enlarged ---


def _spatial(input: Any) -> int:
    """How many spatial axes an image has; two where that is no image at all."""
    rank = input.rank - 2 if isinstance(input, Value) else 2
    return rank if rank in RANKS else 2


@form("pad", "constant_pad_nd")
def pad(reader: Reader, input: Any, pad: Sequence[int], mode: str = "constant", value: Any = None) -> Value:
    """A ZeroPadding, a Cropping, or both; PyTorch lists the last axis first."""
    if mode != "constant" or value not in (None, 0):
        raise Unsupported(
            f"it pads with {f'mode={mode!r}' if mode != 'constant' else value}; layers here pad with zeros"
        )
    rank = _spatial(input)
    x = reader.image(input, rank)
    sides = [*pad, *(0,) * (2 * rank)]
    if any(sides[2 * rank :]):
        what = {1: "positions", 2: "height and width"}.get(rank, "depth, height and width")
        raise Unsupported(f"it pads channels; layers here pad {what}")
    ends = tuple((sides[2 * axis], sides[2 * axis + 1]) for axis in reversed(range(rank)))
    tensor = x.tensor
    for kind, key, sign in (("Cropping", "cropping", -1), ("ZeroPadding", "padding", 1)):
        part = tuple(tuple(max(sign * n, 0) for n in pair) for pair in ends)
        if any(map(any, part)):
            (tensor,) = reader.add(f"{kind}{rank}D", {key: part}, tensor)
    return replace(x, tensor=tensor)


@form("__getitem__")
def getitem(reader: Reader, input: Any, index: Any) -> Value:
    """A Cropping, where positions at the edges are left out."""
    rank = _spatial(input)
    parts = [*(index if isinstance(index, tuple) else (index,))]
    if Ellipsis in parts:
        at = parts.index(Ellipsis)
        parts[at : at + 1] = [slice(None)] * (rank + 3 - len(parts))
    parts += [slice(None)] * (rank + 2 - len(parts))
    if len(parts) != rank + 2 or not all(isinstance(part, slice) and part.step in (None, 1) for part in parts):
        raise Unsupported(f"it picks numbers by index; layers here only leave out {EDGES[rank]} at the edges")
    x = reader.image(input, rank)
    ranges = [part.indices(n)[:2] for part, n in zip(parts[1:], x.shape, strict=True)]
    if parts[0] != slice(None) or ranges[0] != (0, x.shape[0]):
        raise Unsupported(f"it picks examples or channels; layers here only leave out {EDGES[rank]} at the edges")
    ends = tuple((begin, n - end) for (begin, end), n in zip(ranges[1:], x.shape[1:], strict=True))
    if not any(map(any, ends)):
        return x
    return replace(x, tensor=reader.add(f"Cropping{rank}D", {"cropping": ends}, x)[0])


@form("interpolate", "upsample")
def interpolate(
    reader: Reader, input: Any, size: Any = None, scale_factor: Any = None, mode: str = "nearest",
    align_corners: Any = None, recompute_scale_factor: Any = None, antialias: bool = False,
) -> Value:  # fmt: skip
    """An UpSampling by whole factors."""
    rank = _spatial(input)
    x, out, kind = reader.image(input, rank), reader.step.outputs[0].shape[2:], f"UpSampling{rank}D"
    if mode not in ("nearest", "nearest-exact", *(["bilinear"] if rank == 2 else [])) or antialias:
        known = "'nearest' and 'bilinear'" if rank == 2 else "'nearest'"
        raise Unsupported(f"its mode is {mode!r}; {kind} here has {known}")
    if mode == "bilinear" and align_corners:
        raise Unsupported(f"align_corners=True is another law; {kind} here has half-pixel centres")
    if any(m % n for m, n in zip(out, x.ours, strict=False)):
        raise Unsupported(f"it leads from {x.ours[:-1]} to {out}; {kind} here enlarges by whole factors")
    told: dict[str, Any] = {"size": tuple(m // n for m, n in zip(out, x.ours, strict=False))}
    if rank == 2:
        told["interpolation"] = "bilinear" if mode == "bilinear" else "nearest"
    return replace(x, tensor=reader.add(kind, told, x)[0])
