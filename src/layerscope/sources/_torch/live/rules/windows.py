"""Pooling, unpooling and what resizes images."""

from __future__ import annotations

from typing import Any

from layerscope.operators.arrange import DepthToSpace, SpaceToDepth
from layerscope.operators.pooling import AdaptivePooling, GlobalPooling, MaxUnpooling, Pooling
from layerscope.operators.resize import AffineGrid, GridSample, Resize
from layerscope.sources._torch.live.rules import rule
from layerscope.sources._torch.live.rules.products import each
from layerscope.sources._torch.live.site import Refused, Site


def _rank(site: Site, input: Any) -> int:
    digits = [int(letter) for letter in site.name if letter in "123"]
    rank = digits[0] if digits else input.dim() - 2
    if input.dim() != rank + 2:
        raise Refused("without a batch it is described by what it calls")
    return rank


@rule(
    "max_pool1d", "max_pool2d", "max_pool3d", "max_pool1d_with_indices", "max_pool2d_with_indices",
    "max_pool3d_with_indices", "_max_pool2d", "_max_pool1d", "_max_pool3d",
)  # fmt: skip
def max_pool(
    site: Site, input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1,
    ceil_mode: bool = False, return_indices: bool = False,
) -> Any:  # fmt: skip
    """The largest of each window, and where it is."""
    rank = _rank(site, input)
    kernel = each(kernel_size, rank)
    strides = each(stride, rank) if stride not in (None, [], ()) else kernel
    told = {"pads": each(padding, rank) * 2, "dilations": each(dilation, rank), "ceil_mode": bool(ceil_mode)}
    return site.emit(
        Pooling, "MaxPool", (input,), kernel, strides, **told, indices=True, results=min(len(site.made), 2)
    )


@rule("avg_pool1d", "avg_pool2d", "avg_pool3d")
def avg_pool(
    site: Site, input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
    count_include_pad: bool = True, divisor_override: Any = None,
) -> Any:  # fmt: skip
    """The mean of each window."""
    rank = _rank(site, input)
    kernel = each(kernel_size, rank)
    strides = each(stride, rank) if stride not in (None, [], ()) else kernel
    told = {"pads": each(padding, rank) * 2, "ceil_mode": bool(ceil_mode)}
    return site.emit(
        Pooling, "AveragePool", (input,), kernel, strides, **told, count_include_pad=bool(count_include_pad)
    )


@rule(
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d", "_adaptive_avg_pool2d",
    "_adaptive_avg_pool3d", "adaptive_max_pool1d", "adaptive_max_pool2d", "adaptive_max_pool3d",
    "adaptive_max_pool1d_with_indices", "adaptive_max_pool2d_with_indices", "adaptive_max_pool3d_with_indices",
)  # fmt: skip
def adaptive_pool(site: Site, input: Any, output_size: Any, return_indices: bool = False) -> Any:
    """So many windows along each axis that they cover it."""
    rank, maximum = _rank(site, input), "max" in site.name
    wanted = tuple(output_size) if isinstance(output_size, tuple | list) else (output_size,) * rank
    if all(n == 1 for n in wanted) and not maximum:
        return site.emit(GlobalPooling, "GlobalAveragePool", (input,))
    kind = "AdaptiveMaxPool" if maximum else "AdaptiveAvgPool"
    told: dict[str, Any] = {"results": min(len(site.made), 2)} if maximum else {}
    return site.emit(AdaptivePooling, kind, (input,), wanted, maximum, **told)


@rule("max_unpool1d", "max_unpool2d", "max_unpool3d")
def max_unpool(
    site: Site, input: Any, indices: Any, kernel_size: Any, stride: Any = None, padding: Any = 0,
    output_size: Any = None,
) -> Any:  # fmt: skip
    """Each number back at its place."""
    rank = _rank(site, input)
    kernel = each(kernel_size, rank)
    strides = each(stride, rank) if stride not in (None, [], ()) else kernel
    told: dict[str, Any] = {"strides": strides, "pads": each(padding, rank) * 2}
    usual = [(n - 1) * s + k - 2 * p for n, s, k, p in
             zip(input.shape[2:], strides, kernel, each(padding, rank), strict=True)]  # fmt: skip
    if usual != list(site.out.shape[2:]):
        told["output_shape"] = site.out.shape
    return site.emit(MaxUnpooling, "MaxUnpool", (input, indices), kernel, **told)


MODES = {"nearest": "nearest", "nearest-exact": "nearest", "linear": "linear", "bilinear": "linear",
         "trilinear": "linear", "bicubic": "cubic"}  # fmt: skip


@rule("interpolate", "upsample")
def interpolate(
    site: Site, input: Any, size: Any = None, scale_factor: Any = None, mode: str = "nearest",
    align_corners: Any = None, recompute_scale_factor: Any = None, antialias: bool = False,
) -> Any:  # fmt: skip
    """Another number of positions along each axis."""
    if mode not in MODES:
        raise Refused("what it calls is described")
    rank = input.dim() - 2
    told: dict[str, Any] = {"sizes": (None, None, *site.out.shape[2:])}
    if scale_factor is not None and not recompute_scale_factor:
        factors = tuple(scale_factor) if isinstance(scale_factor, tuple | list) else (scale_factor,) * rank
        told = {"scales": (None, None, *map(float, factors))}
    coordinates, rounding = "half_pixel", "round_prefer_ceil"
    if mode == "nearest":
        coordinates, rounding = "asymmetric", "floor"
    elif align_corners:
        coordinates = "align_corners"
    told |= {"mode": MODES[mode], "coordinates": coordinates, "rounding": rounding}
    return site.emit(Resize, "Resize", (input,), antialias=bool(antialias), **told)


@rule(
    "upsample_nearest1d", "upsample_nearest2d", "upsample_nearest3d", "_upsample_nearest_exact1d",
    "_upsample_nearest_exact2d", "_upsample_nearest_exact3d", "upsample_linear1d", "upsample_bilinear2d",
    "upsample_trilinear3d", "upsample_bicubic2d", "_upsample_bilinear2d_aa", "_upsample_bicubic2d_aa",
)  # fmt: skip
def upsample(site: Site, input: Any, *args: Any, **kwargs: Any) -> Any:
    """ATen's own, each with its mode in its name."""
    corners = True in (*args, kwargs.get("align_corners"))
    mode = "nearest-exact" if "exact" in site.name else next(
        word for word in ("nearest", "bilinear", "trilinear", "linear", "bicubic") if word in site.name
    )  # fmt: skip
    return interpolate(site, input, mode=mode, align_corners=corners, antialias=site.name.endswith("_aa"))


@rule("pixel_shuffle")
def pixel_shuffle(site: Site, input: Any, upscale_factor: int) -> Any:
    """Channels become blocks of positions."""
    return site.emit(DepthToSpace, "DepthToSpace", (input,), int(upscale_factor), "CRD")


@rule("pixel_unshuffle")
def pixel_unshuffle(site: Site, input: Any, downscale_factor: int) -> Any:
    """Blocks of positions become channels."""
    return site.emit(SpaceToDepth, "SpaceToDepth", (input,), int(downscale_factor))


@rule("grid_sample", "grid_sampler", "grid_sampler_2d", "grid_sampler_3d")
def grid_sample(site: Site, input: Any, grid: Any, *_: Any, **__: Any) -> Any:
    """The input at points."""
    return site.emit(GridSample, "GridSample", (input, grid))


@rule("affine_grid", "affine_grid_generator")
def affine_grid(site: Site, theta: Any, size: Any, *_: Any, **__: Any) -> Any:
    """Points of a grid, moved."""
    return site.emit(AffineGrid, "AffineGrid", (theta,), tuple(map(int, tuple(size)[2:])))
