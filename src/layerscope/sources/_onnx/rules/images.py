"""Resizing and sampling of images."""

from __future__ import annotations

from typing import Any

from layerscope.core.contract import Layer
from layerscope.core.sizes import Size
from layerscope.operators.resize import AffineGrid, GridSample, Resize
from layerscope.sources._onnx.asking import constant, elements, needed, number, parts, whole_numbers, word
from layerscope.sources._onnx.site import Operand, Refused, Rule, Site

AXES = (("height", "width"), ("depth", "height", "width"))
MODES = {"bilinear": "linear", "trilinear": "linear", "bicubic": "cubic"}


def resize(site: Site) -> Layer:
    """Resize: by scales or to sizes; before operator set 11 positions are not centred."""
    x = needed(site, 0, "the input").type
    axes = tuple(axis % x.rank for axis in whole_numbers(site, "axes")) or tuple(range(x.rank))
    old = site.version < 11
    given: dict[str, Any] = {}
    sizes = None if old else site.operand(3)
    if sizes is not None and sizes.type.shape != (0,):
        wanted = elements(site, 3, "sizes")
        by_axis = dict(zip(axes, wanted, strict=True))
        # What the input has anyway stays that, whatever the batch size becomes.
        given["sizes"] = tuple(_other(by_axis.get(axis), n) for axis, n in enumerate(x.shape))
        given["policy"] = word(site, "keep_aspect_ratio_policy", "stretch")
    else:
        by_axis = dict(zip(axes, _scales(site.operand(1 if old else 2)), strict=True))
        given["scales"] = tuple(by_axis.get(axis) for axis in range(x.rank))
    mode = word(site, "mode", "nearest")
    told = parts(site, drop=range(1, len(site.operands)))
    return Resize(
        site.op,
        mode=MODES.get(mode, mode),
        coordinates="asymmetric" if old else word(site, "coordinate_transformation_mode", "half_pixel"),
        rounding="floor" if old else word(site, "nearest_mode", "round_prefer_floor"),
        antialias=bool(number(site, "antialias", 0)),
        **given,
        **told,
    )


def _other(wanted: Size | None, size: Size) -> Size | None:
    return None if wanted == size else wanted


def _scales(operand: Operand | None) -> tuple[float, ...]:
    if operand is None or operand.floats is None:
        raise Refused("its scales are computed from the data")
    return operand.floats


def upsample(site: Site) -> Layer:
    """Upsample: scales are an attribute before operator set 9."""
    scales = site.attributes.get("scales") or _scales(site.operand(1))
    mode = word(site, "mode", "nearest")
    told = parts(site, drop=(1,))
    return Resize(
        site.op,
        scales=tuple(float(scale) for scale in scales),
        mode=MODES.get(mode, mode),
        coordinates="asymmetric",
        rounding="floor",
        **told,
    )


def sample(site: Site) -> Layer:
    """GridSample."""
    return GridSample(site.op, **parts(site))


def affine(site: Site) -> Layer:
    """AffineGrid: `size` is that of the image, with batch and channels."""
    found, rows = site.integers(1), needed(site, 0, "the maps").type.shape[1]
    spatial = (*map(site.fresh, AXES[constant(rows, "the number of rows") - 2]),) if found is None else found[2:]
    return AffineGrid(site.op, spatial, **parts(site, drop=(1,)))


RULES: dict[str, Rule] = {
    "Resize": resize,
    "Upsample": upsample,
    "GridSample": sample,
    "com.microsoft:GridSample": sample,
    "AffineGrid": affine,
}
