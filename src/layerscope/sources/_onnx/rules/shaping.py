"""Rules of the operators that give tensors other axes, orders, sizes or dtypes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from layerscope.core import sizes
from layerscope.core.contract import Layer
from layerscope.core.errors import ShapeError
from layerscope.core.sizes import Size
from layerscope.core.types import TensorType
from layerscope.operators import arrange, reshape, stretching
from layerscope.operators.stretching import Selection
from layerscope.sources._onnx.site import Operand, Refused, Rule, Site
from layerscope.sources._onnx.structures import DTYPES

MOST_AXES = 64


def data(site: Site) -> TensorType:
    """The type of the first operand; Refused where there is none."""
    operand = site.operand(0)
    if operand is None:
        raise Refused("it has no operand")
    return operand.type


def numbers(site: Site, number: int, attribute: str = "") -> tuple[int, ...] | None:
    """Whole numbers from an operand or an attribute; None where neither is given, Refused where they are open."""
    if site.operand(number) is None and attribute not in site.attributes:
        return None
    found = site.integers(number, attribute)
    if found is None or not all(isinstance(n, int) for n in found):
        raise Refused(f"its operand {number} ({attribute or 'which says how'}) is known only when the network runs")
    return sizes.numbers(found)


def length(operand: Operand | None) -> int | None:
    """How many numbers an operand with one axis has; None where that is open, or more than a tensor has axes."""
    if operand is None or operand.type.rank != 1:
        return None
    size = operand.type.shape[0]
    return size if isinstance(size, int) and size <= MOST_AXES else None


def selected(site: Site, shape: tuple[Size, ...], axes: tuple[int, ...] = (), described: bool = True) -> Selection:
    """The operator of which only the data decide the sizes that are fresh in `shape`."""
    return Selection(
        site.op,
        (shape,) * len(site.outputs),
        (data(site).dtype,) * len(site.outputs),
        axes,
        described,
        **site.slotted(),
    )


def _reshape(site: Site) -> Layer:
    told, operand = site.integers(1, "shape"), site.operand(1)
    if told is None:
        rank = length(operand)
        if rank is None:
            raise Refused("neither the shape that it makes nor the number of its axes is known before it runs")
        return selected(site, tuple(site.fresh(f"{site.op.lower()}_{axis}") for axis in range(rank)))
    allowzero = bool(site.attributes.get("allowzero", 0))
    made = reshape.Reshape(site.op, told, allowzero, **site.slotted(drop=(1,)))
    try:
        made.infer(*(None if x is None else x.type for x in site.operands))
    except ShapeError:
        if -1 not in told or all(isinstance(n, int) for n in (*told, *data(site).shape)):
            raise
        free = tuple(site.fresh(site.op.lower()) if n == -1 else n for n in told)  # a quotient of open sizes
        return reshape.Reshape(site.op, free, allowzero, **site.slotted(drop=(1,)))
    return made


def _flatten(site: Site) -> Layer:
    return reshape.Flatten(site.op, site.attributes.get("axis", 1), **site.slotted())


def _squeeze(site: Site) -> Layer:
    if site.operand(1) is not None and site.integers(1) is None and (gone := length(site.operand(1))) is not None:
        return selected(site, tuple(site.fresh("squeeze") for _ in range(data(site).rank - gone)))
    return reshape.Squeeze(site.op, numbers(site, 1, "axes"), **site.slotted(drop=(1,)))


def _unsqueeze(site: Site) -> Layer:
    if site.operand(1) is not None and site.integers(1) is None and (new := length(site.operand(1))) is not None:
        return selected(site, tuple(site.fresh("unsqueeze") for _ in range(data(site).rank + new)))
    axes = numbers(site, 1, "axes")
    if axes is None:
        raise Refused("it does not say where the new axes are")
    return reshape.Unsqueeze(site.op, axes, **site.slotted(drop=(1,)))


def _transpose(site: Site) -> Layer:
    return arrange.Transpose(site.op, site.attributes.get("perm"), **site.slotted())


def _depth_to_space(site: Site) -> Layer:
    return arrange.DepthToSpace(
        site.op, site.attributes["blocksize"], site.attributes.get("mode", "DCR"), **site.slotted()
    )


def _space_to_depth(site: Site) -> Layer:
    return arrange.SpaceToDepth(site.op, site.attributes["blocksize"], **site.slotted())


def _reverse(site: Site) -> Layer:
    return arrange.Rearranged(site.op, (site.attributes.get("time_axis", 0),), **site.slotted())


def _trilu(site: Site) -> Layer:
    return arrange.Rearranged(site.op, (), **site.slotted(drop=(1,) if _known(site, 1) else ()))


def _known(site: Site, number: int) -> bool:
    operand = site.operand(number)
    return operand is not None and operand.tensor is None and not operand.weight


def _col2im(site: Site) -> Layer:
    rank, x = length(site.operand(1)), data(site)
    if rank is not None and None in (site.integers(1), site.integers(2)) and x.rank == 3:
        shape = (x.shape[0], site.fresh("channels"), *(site.fresh("col2im") for _ in range(rank)))
        return selected(site, shape, (0,), described=False)
    image, block = numbers(site, 1), numbers(site, 2)
    told = {name: tuple(site.attributes.get(name, ())) for name in ("dilations", "pads", "strides")}
    return arrange.Col2Im(site.op, image or (), block or (), **told, **site.slotted(drop=(1, 2)))


def _expand(site: Site) -> Layer:
    told, x = site.integers(1), data(site)
    if told is not None:
        return stretching.Expand(site.op, told, **site.slotted(drop=(1,)))
    rank = length(site.operand(1))
    if rank is None:
        raise Refused("neither the shape that it makes nor the number of its axes is known before it runs")
    rank, shift = max(rank, x.rank), max(rank - x.rank, 0)
    # an axis that is larger than 1 cannot grow
    keeps = {axis + shift: size for axis, size in enumerate(x.shape) if isinstance(size, int) and size != 1}
    return selected(site, tuple(keeps.get(axis, site.fresh("expand")) for axis in range(rank)))


def _tile(site: Site) -> Layer:
    told, x = site.integers(1), data(site)
    if site.version < 6 and len(site.operands) == 3:
        times, axis = site.integers(1), site.integers(2)
        if times is None or axis is None or len(times) != 1 or len(axis) != 1:
            raise Refused("how often it repeats is known only when the network runs")
        told = tuple(times[0] if n == sizes.number(axis[0]) % x.rank else 1 for n in range(x.rank))
    if told is None:
        return selected(site, tuple(site.fresh("tile") for _ in x.shape))
    return stretching.Tile(site.op, told, **site.slotted(drop=(1, 2)))


def _cast(site: Site) -> Layer:
    if site.op == "CastLike":
        like = site.operand(1)
        if like is None:
            raise Refused("it has no second operand")
        dtype = like.type.dtype
    else:
        code: Any = site.attributes["to"]
        names = {name.upper(): name for name in DTYPES.values()} | {"FLOAT": "float32", "DOUBLE": "float64"}
        dtype = names.get(code, "") if isinstance(code, str) else DTYPES.get(code, "")  # before version 6 a text
        if not dtype:
            raise Refused(f"the dtype {code} is unknown")
    return stretching.Cast(site.op, dtype, **site.slotted())


def _shape(site: Site) -> Layer:
    rank = len(range(data(site).rank)[slice(site.attributes.get("start", 0), site.attributes.get("end"))])
    return stretching.Filled(site.op, (rank,), "int64", **site.slotted())


def _size(site: Site) -> Layer:
    return stretching.Filled(site.op, (), "int64", **site.slotted())


def _constant_of_shape(site: Site) -> Layer:
    told, value = site.integers(0), site.attributes.get("value")
    dtype = value.type.dtype if isinstance(value, Operand) else "float32"
    if told is not None:
        return stretching.Filled(site.op, told, dtype, **site.slotted(drop=(0,)))
    rank = length(site.operand(0))
    if rank is None:
        raise Refused("neither the shape that it makes nor the number of its axes is known before it runs")
    return stretching.Filled(site.op, tuple(site.fresh("filled") for _ in range(rank)), dtype, **site.slotted())


def _range(site: Site) -> Layer:
    start, limit, delta = (_scalar(site.operand(number)) for number in range(3))
    count: Size | None = None
    if isinstance(start, int) and start == 0 and delta == 1 and limit is not None and not isinstance(limit, float):
        count = limit
    elif isinstance(start, int | float) and isinstance(limit, int | float) and isinstance(delta, int | float):
        count = max(-int((start - limit) // delta), 0)
    elif delta == 1 and not isinstance(start, float) and not isinstance(limit, float):
        count = None if start is None or limit is None else limit - start
    drop = (0, 1, 2) if count is not None else ()
    found = site.fresh("range") if count is None else count
    return stretching.Filled(site.op, (found,), data(site).dtype, **site.slotted(drop=drop))


def _scalar(operand: Operand | None) -> Size | float | None:
    if operand is None:
        return None
    if operand.value is not None and len(operand.value.items) == 1:
        return operand.value.items[0]
    return operand.scalar


def _eye(site: Site) -> Layer:
    code = site.attributes.get("dtype")
    return stretching.FilledLike(site.op, None if code is None else DTYPES[code], **site.slotted())


def _same_bits(site: Site) -> Layer:
    return stretching.Cast(site.op, DTYPES[site.attributes["to"]], **site.slotted())


RULES: dict[str, Callable[[Site], Layer] | Rule] = {
    "Reshape": _reshape,
    "Flatten": _flatten,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Transpose": _transpose,
    "DepthToSpace": _depth_to_space,
    "SpaceToDepth": _space_to_depth,
    "ReverseSequence": _reverse,
    "Trilu": _trilu,
    "Col2Im": _col2im,
    "Expand": _expand,
    "Tile": _tile,
    "Cast": _cast,
    "CastLike": _cast,
    "BitCast": _same_bits,
    "Shape": _shape,
    "Size": _size,
    "ConstantOfShape": _constant_of_shape,
    "Range": _range,
    "EyeLike": _eye,
}
