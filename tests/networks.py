"""Well-known networks in this project's own layers: what tests and benchmarks measure by.

ResNets as in torchvision (`v1.5`: the stride in the 3×3) and as first published (`v1`: in the 1×1), and those of
TF-Slim (the stride in the last unit of a block). Paddings are their originals'. Layers that end a stage carry its name.
"""

from collections.abc import Sequence
from typing import Any

from layerscope.core.graph import Graph, trace_calls
from layerscope.layers import (
    Activation,
    Add,
    AveragePooling2D,
    BatchNormalization,
    Concatenate,
    Conv2D,
    Conv2DTranspose,
    Dense,
    DepthwiseConv2D,
    Flatten,
    GlobalAveragePooling2D,
    Input,
    MaxPooling2D,
    ZeroPadding2D,
)


def conv(x: Any, filters: int, kernel: Any, stride: int = 1, pad: str = "around") -> Any:
    """A convolution without bias; pad "around" is k // 2 zeros on either side, whatever the stride."""
    if pad == "around" and stride > 1 and kernel > 1:
        x, pad = ZeroPadding2D(kernel // 2)(x), "valid"
    pad = "same" if pad == "around" else pad
    return Conv2D(filters, kernel, strides=stride, padding=pad, use_bias=False)(x)


def normed(
    x: Any, *arguments: Any, relu: bool = True, scale: bool = True, name: str | None = None, **told: Any
) -> Any:
    """A convolution, batch normalisation, and perhaps a ReLU, which gets the name."""
    x = BatchNormalization(scale=scale)(conv(x, *arguments, **told))
    return Activation("relu", name=name)(x) if relu else x


def stem(x: Any) -> Any:
    """What all ResNets begin with: 7×7 stride 2, and max pooling 3×3 stride 2."""
    x = normed(x, 64, 7, 2)
    return MaxPooling2D(3, strides=2, name="pool1")(ZeroPadding2D(1)(x))


def head(x: Any, classes: int = 1000) -> Any:
    """The mean of all positions, and a dense layer."""
    return Dense(classes)(GlobalAveragePooling2D()(x))


# --- residual networks as in torchvision ---


def basic(x: Any, width: int, stride: int, name: str, stride_in: int) -> Any:
    """Two 3×3 convolutions beside a shortcut."""
    made = normed(normed(x, width, 3, stride), width, 3, relu=False)
    return _joined(x, made, width, stride, name)


def bottleneck(x: Any, width: int, stride: int, name: str, stride_in: int) -> Any:
    """1×1, 3×3 and 1×1, four times as wide at its end; `stride_in` says which of the first two has the stride."""
    strides = (stride, 1) if stride_in == 1 else (1, stride)
    made = normed(normed(x, width, 1, strides[0]), width, 3, strides[1])
    return _joined(x, normed(made, 4 * width, 1, relu=False), 4 * width, stride, name)


def _joined(x: Any, made: Any, filters: int, stride: int, name: str) -> Any:
    if stride > 1 or x.shape[-1] != filters:
        x = normed(x, filters, 1, stride, relu=False)
    return Activation("relu", name=name)(Add()([made, x]))


RESNETS = {
    18: (basic, (2, 2, 2, 2)),
    34: (basic, (3, 4, 6, 3)),
    50: (bottleneck, (3, 4, 6, 3)),
    101: (bottleneck, (3, 4, 23, 3)),
    152: (bottleneck, (3, 8, 36, 3)),
}


def resnet(depth: int, version: str = "v1.5", size: int = 224) -> Graph:
    """ResNet of He et al. (2016); v1.5 has the stride of a bottleneck in its 3×3, v1 in its first 1×1."""
    block, counts = RESNETS[depth]
    image = Input((size, size, 3))
    x = stem(image)
    for stage, count in enumerate(counts):
        for number in range(count):
            stride = 2 if stage and not number else 1
            name = f"block{stage + 1}" if number == count - 1 else f"block{stage + 1}_{number + 1}"
            x = block(x, 64 << stage, stride, name, 1 if version == "v1" else 3)
    return trace_calls([image], [head(x)], f"resnet{depth}")


# --- networks of TF-Slim, without biases and normalisation where only fields are asked ---

SLIM_RESNETS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}


def slim_resnet(depth: int, size: int = 224) -> Graph:
    """ResNet v1 of TF-Slim: the stride stands in the last unit of each block but the last one's."""
    image = Input((size, size, 3))
    x = stem(image)
    for stage, count in enumerate(SLIM_RESNETS[depth]):
        for number in range(count):
            last = number == count - 1
            stride = 2 if last and stage < 3 else 1
            name = f"block{stage + 1}" if last else f"block{stage + 1}_{number + 1}"
            x = _slim_unit(x, 64 << stage, stride, name)
    return trace_calls([image], [head(x)], f"slim_resnet{depth}")


def _slim_unit(x: Any, width: int, stride: int, name: str) -> Any:
    made = normed(normed(x, width, 1), width, 3, stride)
    made = normed(made, 4 * width, 1, relu=False)
    if x.shape[-1] != 4 * width:
        x = normed(x, 4 * width, 1, stride, relu=False)
    elif stride > 1:
        x = MaxPooling2D(1, strides=stride)(x)
    return Activation("relu", name=name)(Add()([made, x]))


def alexnet_v2(size: int = 224) -> Graph:
    """AlexNet of Krizhevsky (2014), as in TF-Slim; its dense layers are left out."""
    image = Input((size, size, 3))
    x = Conv2D(64, 11, strides=4, activation="relu", name="conv1")(image)
    x = MaxPooling2D(3, strides=2, name="pool1")(x)
    x = Conv2D(192, 5, padding="same", activation="relu", name="conv2")(x)
    x = MaxPooling2D(3, strides=2, name="pool2")(x)
    for number, filters in ((3, 384), (4, 384), (5, 256)):
        x = Conv2D(filters, 3, padding="same", activation="relu", name=f"conv{number}")(x)
    return trace_calls([image], [MaxPooling2D(3, strides=2, name="pool5")(x)], "alexnet_v2")


def vgg16(size: int = 224, classes: int | None = 1000) -> Graph:
    """VGG-16 of Simonyan & Zisserman (2015); without its dense layers where `classes` is None."""
    image = x = Input((size, size, 3))
    for block, (filters, count) in enumerate(((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)), 1):
        for number in range(1, count + 1):
            x = Conv2D(filters, 3, padding="same", activation="relu", name=f"conv{block}_{number}")(x)
        x = MaxPooling2D(2, name=f"pool{block}")(x)
    if classes is not None:
        x = Flatten()(x)
        for _ in range(2):
            x = Dense(4096, activation="relu")(x)
        x = Dense(classes)(x)
    return trace_calls([image], [x], "vgg16")


MOBILENET = (
    (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1), (512, 1), (512, 1), (512, 1), (512, 1),
    (1024, 2), (1024, 1),
)  # fmt: skip
"""Filters, and stride of the depthwise convolution, of each separable one."""


def mobilenet(size: int = 224, classes: int = 1000) -> Graph:
    """MobileNet v1 of Howard et al. (2017): convolutions of one channel each, and 1×1 ones that mix the channels."""
    image = Input((size, size, 3))
    x = normed(image, 32, 3, 2, pad="same", name="conv0")
    for number, (filters, stride) in enumerate(MOBILENET, 1):
        x = DepthwiseConv2D(3, strides=stride, padding="same", use_bias=False)(x)
        x = Activation("relu", name=f"depthwise{number}")(BatchNormalization()(x))
        x = normed(x, filters, 1, name=f"pointwise{number}")
    return trace_calls([image], [head(x, classes)], "mobilenet")


# --- Inception v3 (Szegedy et al. 2016), by the names of TF-Slim ---


def _inception(x: Any, filters: int, kernel: Any, stride: int = 1, pad: str = "same") -> Any:
    return normed(x, filters, kernel, stride, pad=pad, scale=False)


def _chain(x: Any, *steps: tuple[Any, ...]) -> Any:
    for step in steps:
        x = _inception(x, *step)
    return x


def _pooled(x: Any, filters: int) -> Any:
    return _inception(AveragePooling2D(3, strides=1, padding="same")(x), filters, 1)


def _wide(x: Any, width: int, name: str) -> Any:
    """The blocks of 17×17: 7×7 as a row and a column."""
    row, column = (1, 7), (7, 1)
    branches = [
        _chain(x, (192, 1)),
        _chain(x, (width, 1), (width, row), (192, column)),
        _chain(x, (width, 1), (width, column), (width, row), (width, column), (192, row)),
        _pooled(x, 192),
    ]
    return Concatenate(name=name)(branches)


def _forked(x: Any, filters: int) -> list[Any]:
    return [_inception(x, filters, (1, 3)), _inception(x, filters, (3, 1))]


def _last(x: Any, name: str) -> Any:
    """The blocks of 8×8, whose branches end in a row and a column side by side."""
    branches = [
        _chain(x, (320, 1)),
        *_forked(_chain(x, (384, 1)), 384),
        *_forked(_chain(x, (448, 1), (384, 3)), 384),
        _pooled(x, 192),
    ]
    return Concatenate(name=name)(branches)


def inception_v3(size: int = 299, classes: int = 1000) -> Graph:
    """Inception v3; batch normalisation without scale, as in its original."""
    image = Input((size, size, 3))
    x = _chain(image, (32, 3, 2, "valid"), (32, 3, 1, "valid"), (64, 3))
    x = MaxPooling2D(3, strides=2, name="MaxPool_3a")(x)
    x = _chain(x, (80, 1, 1, "valid"), (192, 3, 1, "valid"))
    x = MaxPooling2D(3, strides=2, name="MaxPool_5a")(x)
    for name, filters in (("Mixed_5b", 32), ("Mixed_5c", 64), ("Mixed_5d", 64)):
        branches = [_chain(x, (64, 1)), _chain(x, (48, 1), (64, 5)), _chain(x, (64, 1), (96, 3), (96, 3))]
        x = Concatenate(name=name)([*branches, _pooled(x, filters)])
    reduced = [_chain(x, (384, 3, 2, "valid")), _chain(x, (64, 1), (96, 3), (96, 3, 2, "valid"))]
    x = Concatenate(name="Mixed_6a")([*reduced, MaxPooling2D(3, strides=2)(x)])
    for name, width in (("Mixed_6b", 128), ("Mixed_6c", 160), ("Mixed_6d", 160), ("Mixed_6e", 192)):
        x = _wide(x, width, name)
    reduced = [
        _chain(x, (192, 1), (320, 3, 2, "valid")),
        _chain(x, (192, 1), (192, (1, 7)), (192, (7, 1)), (192, 3, 2, "valid")),
    ]
    x = Concatenate(name="Mixed_7a")([*reduced, MaxPooling2D(3, strides=2)(x)])
    x = _last(_last(x, "Mixed_7b"), "Mixed_7c")
    return trace_calls([image], [head(x, classes)], "inception_v3")


# --- with a decoder ---


def unet(levels: int = 4, width: int = 4, size: int = 64) -> Graph:
    """A U-Net: at each level two 3×3 on the way down and two on the way up, 2×2 pooling, 2×2 up-convolutions."""

    def twice(x: Any, filters: int) -> Any:
        for _ in range(2):
            x = Conv2D(filters, 3, padding="same", activation="relu")(x)
        return x

    image = x = Input((size, size, 1))
    kept: Sequence[Any] = []
    for level in range(levels):
        x = twice(x, width << level)
        kept = [x, *kept]
        x = MaxPooling2D(2)(x)
    x = twice(x, width << levels)
    for level, skipped in zip(range(levels - 1, -1, -1), kept, strict=True):
        x = Conv2DTranspose(width << level, 2, strides=2)(x)
        x = twice(Concatenate()([skipped, x]), width << level)
    return trace_calls([image], [Conv2D(1, 1)(x)], "unet")
