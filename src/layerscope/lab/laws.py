"""The shape law of a layer of a journey with its numbers, along the height (of a vector: its length)."""

from __future__ import annotations

from typing import Any

from layerscope.core.contract import Layer
from layerscope.core.types import TensorType
from layerscope.lab.scene import Token

WINDOWS = ("Conv2D", "DepthwiseConv2D", "SeparableConv2D", "MaxPooling2D", "AveragePooling2D")
FACTORS = ("UpSampling2D", "BedOfNails2D", "PixelShuffle2D")


def tokens(words: list[str | int]) -> list[Token]:
    """Numbers, names of functions, and what stands between."""
    return [
        Token(str(word), "number" if isinstance(word, int) else "name" if word.isalpha() else "operator")
        for word in words
    ]


def law(layer: Layer, fed: TensorType, made: TensorType) -> list[Token]:
    """The law with the layer's numbers; none where the shape stays."""
    before, after = ([int(str(size)) for size in type.shape[1:]] for type in (fed, made))
    told: Any = layer
    if layer.kind in WINDOWS:
        window = (told.kernel_size if hasattr(told, "kernel_size") else told.pool_size)[0]
        covered = getattr(told, "dilation_rate", (1,))[0] * (window - 1) + 1
        return tokens(_windows(before[0], covered, told.strides[0], told.padding, after[0]))
    if layer.kind == "Conv2DTranspose":
        return tokens(_stamped(told, before[0], after[0]))
    if layer.kind in FACTORS:
        return tokens([before[0], "·", told.size[0], "=", after[0]])
    if layer.kind in ("ZeroPadding2D", "Cropping2D"):
        begin, end = told.padding[0] if layer.kind == "ZeroPadding2D" else told.cropping[0]
        sign = "+" if layer.kind == "ZeroPadding2D" else "−"
        return tokens([before[0], sign, begin, sign, end, "=", after[0]])
    if layer.kind in ("Flatten", "Reshape") and before != after:
        return tokens([*_product(before), "=", *_product(after)])
    if layer.kind == "Dense":
        return tokens([*_listed(before), "→", *_listed(after)])
    return []


def _windows(n: int, covered: int, s: int, padding: str, out: int) -> list[str | int]:
    if padding == "same":
        return ["ceil", "(", n, "/", s, ")", "=", out]
    return ["floor", "(", "(", n, "−", covered, ")", "/", s, ")", "+", 1, "=", out]


def _stamped(layer: Any, n: int, out: int) -> list[str | int]:
    s, covered = layer.strides[0], layer.dilation_rate[0] * (layer.kernel_size[0] - 1) + 1
    if layer.output_padding is not None:
        crop = 0 if layer.padding == "valid" else covered // 2
        more = layer.output_padding[0]
        return ["(", n, "−", 1, ")", "·", s, "+", covered, "−", 2, "·", crop, "+", more, "=", out]
    if layer.padding == "same":
        return [n, "·", s, "=", out]
    return [n, "·", s, "+", "max", "(", covered, "−", s, ", ", 0, ")", "=", out]


def _product(shape: list[int]) -> list[str | int]:
    told: list[str | int] = []
    for size in shape or [1]:
        told += ["·", size] if told else [size]
    return told


def _listed(shape: list[int]) -> list[str | int]:
    told: list[str | int] = []
    for size in shape:
        told += [", ", size] if told else [size]
    return ["(", *told, ")"]
