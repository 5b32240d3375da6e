"""The networks of cliffs.py: one or a few layers of a kind each, in shapes that may be slow somewhere."""

from collections.abc import Callable
from typing import Any

from layerscope import layers as ls
from layerscope.models import Model

Maker = Callable[[], Model]
CASES: dict[str, tuple[int, Maker]] = {}


def case(name: str, batch: int, *shape: int) -> Callable[[Callable[[Any], Any]], Callable[[Any], Any]]:
    """Register a case: `body` goes from the input to what a classifier of ten classes reads."""

    def add(body: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def make() -> Model:
            x = ls.Input(shape)
            y = body(x)
            if len(y.type.shape) > 2:
                y = ls.GlobalAveragePooling2D()(y)
            return Model(x, ls.Dense(10, activation="softmax")(y))

        CASES[name] = batch, make
        return body

    return add


def conv(filters: int, kernel: int = 3, strides: int = 1, **more: Any) -> ls.Conv2D:
    return ls.Conv2D(filters, kernel, strides=strides, padding="same", activation="relu", **more)


@case("conv128", 16, 56, 56, 128)
def _conv128(x: Any) -> Any:
    return ls.MaxPooling2D(2)(conv(128)(conv(128)(x)))


@case("conv256", 16, 28, 28, 256)
def _conv256(x: Any) -> Any:
    return conv(256)(conv(256)(x))


@case("conv512", 16, 14, 14, 512)
def _conv512(x: Any) -> Any:
    return conv(512)(conv(512)(x))


@case("conv512 on 7×7", 32, 7, 7, 512)
def _conv512_small(x: Any) -> Any:
    return conv(512)(conv(512)(x))


@case("ResNet's stem", 8, 224, 224, 3)
def _stem7(x: Any) -> Any:
    return conv(64)(ls.MaxPooling2D(3, strides=2, padding="same")(conv(64, 7, 2)(x)))


@case("AlexNet's stem", 8, 224, 224, 3)
def _stem11(x: Any) -> Any:
    return ls.MaxPooling2D(3, strides=2)(conv(256, 5)(ls.MaxPooling2D(3, strides=2)(conv(96, 11, 4)(x))))


@case("VGG's stem", 4, 224, 224, 3)
def _stem3(x: Any) -> Any:
    return ls.MaxPooling2D(2)(conv(64)(conv(64)(x)))


@case("1×1 bottleneck", 16, 28, 28, 256)
def _bottleneck(x: Any) -> Any:
    y = conv(256, 1)(conv(64)(conv(64, 1)(x)))
    return ls.Add()([x, y])


@case("wide dense", 128, 784)
def _dense(x: Any) -> Any:
    return ls.Dense(4096, activation="relu")(ls.Dense(4096, activation="relu")(x))


@case("wide dense, batch 1", 1, 784)
def _dense1(x: Any) -> Any:
    return ls.Dense(4096, activation="relu")(ls.Dense(4096, activation="relu")(x))


@case("dense 512, batch 128", 128, 784)
def _mlp(x: Any) -> Any:
    return ls.Dense(512, activation="relu")(ls.Dense(512, activation="relu")(x))


@case("flatten 7×7×512 to 4096", 16, 7, 7, 512)
def _flatten(x: Any) -> Any:
    return ls.Dense(4096, activation="relu")(ls.Flatten()(x))


@case("branches", 16, 28, 28, 192)
def _branches(x: Any) -> Any:
    pooled = conv(32, 1)(ls.MaxPooling2D(3, strides=1, padding="same")(x))
    return ls.Concatenate()([conv(64, 1)(x), conv(128)(conv(96, 1)(x)), conv(32, 5)(conv(16, 1)(x)), pooled])


@case("dense block", 32, 32, 32, 24)
def _dense_block(x: Any) -> Any:
    for _ in range(8):
        x = ls.Concatenate()([x, conv(12)(ls.Activation("relu")(ls.BatchNormalization()(x)))])
    return x


@case("residual", 16, 56, 56, 64)
def _residual(x: Any) -> Any:
    for _ in range(2):
        x = ls.Activation("relu")(
            ls.Add()([x, ls.BatchNormalization()(ls.Conv2D(64, 3, padding="same")(conv(64)(x)))])
        )
    return x


@case("depthwise", 16, 56, 56, 128)
def _depthwise(x: Any) -> Any:
    for _ in range(2):
        x = conv(128, 1)(conv(128, 3, groups=128)(x))
    return x


@case("four groups", 16, 28, 28, 128)
def _groups(x: Any) -> Any:
    return conv(128, 3, groups=4)(conv(128, 3, groups=4)(x))


def _small(x: Any) -> Any:
    return ls.MaxPooling2D(2)(conv(64)(ls.MaxPooling2D(2)(conv(32)(x))))


for _batch in (1, 3, 16, 256):
    case(f"small, batch {_batch}", _batch, 32, 32, 3)(_small)


@case("prime sizes", 13, 53, 47, 13)
def _prime(x: Any) -> Any:
    return conv(31, 5)(ls.MaxPooling2D(2)(conv(29)(conv(17)(x))))


@case("100 layers", 32, 16, 16, 16)
def _hundred(x: Any) -> Any:
    for _ in range(100):
        x = conv(16)(x)
    return x


# --- other kinds of layers ---


@case("MobileNet block", 8, 56, 56, 64)
def _mobile(x: Any) -> Any:
    for strides in (1, 2):
        y = ls.ReLU(6.0)(ls.BatchNormalization()(ls.Conv2D(192, 1)(x)))
        y = ls.DepthwiseConv2D(3, strides=strides, padding="same")(y)
        y = ls.BatchNormalization()(ls.Conv2D(64, 1)(ls.ReLU(6.0)(ls.BatchNormalization()(y))))
        x = ls.Add()([x, y]) if strides == 1 else y
    return x


@case("ConvNeXt block", 8, 28, 28, 96)
def _convnext(x: Any) -> Any:
    y = ls.LayerNormalization(epsilon=1e-6)(ls.DepthwiseConv2D(7, padding="same")(x))
    return ls.Add()([x, ls.Dense(96)(ls.Dense(384, activation="gelu")(y))])


@case("squeeze and excitation", 8, 28, 28, 96)
def _excitation(x: Any) -> Any:
    y = conv(96)(x)
    scale = ls.Dense(24, activation="relu")(ls.GlobalAveragePooling2D(keepdims=True)(y))
    return ls.Multiply()([y, ls.Dense(96, activation="sigmoid")(scale)])


@case("group normalization", 8, 56, 56, 64)
def _grouped(x: Any) -> Any:
    return ls.Activation("silu")(ls.GroupNormalization(8)(ls.Conv2D(64, 3, padding="same")(x)))


@case("layer norm MLP", 64, 196, 256)
def _tokens(x: Any) -> Any:
    y = ls.Dense(256)(ls.Dense(1024, activation="gelu")(ls.LayerNormalization()(x)))
    return ls.GlobalAveragePooling1D()(ls.Add()([x, y]))


@case("separable", 8, 56, 56, 64)
def _separable(x: Any) -> Any:
    return ls.SeparableConv2D(128, 3, padding="same", activation="relu")(x)


@case("depthwise 7×7", 8, 56, 56, 96)
def _depthwise7(x: Any) -> Any:
    return ls.DepthwiseConv2D(7, padding="same")(x)


@case("depthwise 5×5 by 2", 8, 56, 56, 96)
def _depthwise5(x: Any) -> Any:
    return ls.DepthwiseConv2D(5, strides=2, padding="same")(x)


@case("dilated", 4, 64, 64, 64)
def _dilated(x: Any) -> Any:
    return conv(64, dilation_rate=4)(conv(64, dilation_rate=2)(x))


@case("strides of 2", 8, 112, 112, 32)
def _strided(x: Any) -> Any:
    return conv(128, 3, 2)(conv(64, 3, 2)(x))


@case("1×1 by 2", 8, 56, 56, 256)
def _shortcut(x: Any) -> Any:
    return ls.Conv2D(512, 1, strides=2)(x)


@case("1×7 and 7×1", 8, 17, 17, 128)
def _factored(x: Any) -> Any:
    for kernel in ((1, 7), (7, 1)):
        x = ls.Conv2D(128, kernel, padding="same", activation="relu")(x)
    return x


@case("7×7", 8, 56, 56, 32)
def _seven(x: Any) -> Any:
    return conv(32, 7)(x)


@case("padding, then a convolution", 8, 112, 112, 16)
def _padded(x: Any) -> Any:
    y = ls.Conv2D(64, 7, strides=2, activation="relu")(ls.ZeroPadding2D(3)(x))
    return ls.MaxPooling2D(3, strides=2)(ls.ZeroPadding2D(1)(y))


# --- pools and upsamplings ---


@case("mean of 3×3 by 1", 8, 35, 35, 192)
def _mean1(x: Any) -> Any:
    return conv(64, 1)(ls.AveragePooling2D(3, strides=1, padding="same")(x))


@case("mean of 3×3 by 2", 8, 112, 112, 64)
def _mean2(x: Any) -> Any:
    return conv(64)(ls.AveragePooling2D(3, strides=2, padding="same")(conv(64)(x)))


@case("DenseNet transition", 8, 56, 56, 128)
def _transition(x: Any) -> Any:
    return ls.AveragePooling2D(2)(ls.Conv2D(64, 1)(ls.Activation("relu")(ls.BatchNormalization()(x))))


@case("max unpooling", 8, 64, 64, 32)
def _unpooled(x: Any) -> Any:
    y, switches = ls.MaxPooling2D(2, return_switches=True)(conv(32)(x))
    return conv(32)(ls.MaxUnpooling2D(2)([y, switches]))


@case("max unpooling, overlapping", 8, 64, 64, 32)
def _overlapping(x: Any) -> Any:
    y, switches = ls.MaxPooling2D(3, strides=2, padding="same", return_switches=True)(conv(32)(x))
    return conv(32)(ls.MaxUnpooling2D(2)([conv(32)(y), switches]))


@case("bed of nails", 8, 32, 32, 64)
def _nails(x: Any) -> Any:
    return conv(32)(ls.BedOfNails2D(2)(conv(32)(x)))


@case("bilinear decoder", 4, 32, 32, 64)
def _bilinear(x: Any) -> Any:
    for filters in (64, 32):
        x = conv(filters)(ls.UpSampling2D(2, interpolation="bilinear")(x))
    return x


@case("subpixel", 4, 64, 64, 32)
def _subpixel(x: Any) -> Any:
    return conv(16)(ls.PixelShuffle2D(2)(conv(64)(x)))


@case("transposed 5×5 by 2", 4, 32, 32, 64)
def _transposed(x: Any) -> Any:
    return ls.Conv2DTranspose(32, 5, strides=2, padding="same", activation="relu")(x)


@case("DCGAN decoder", 16, 100)
def _decoder(x: Any) -> Any:
    x = ls.Reshape((4, 4, 256))(ls.Dense(4096)(x))
    for filters in (128, 64):
        x = ls.BatchNormalization()(ls.Conv2DTranspose(filters, 4, strides=2, padding="same")(x))
        x = ls.Activation("relu")(x)
    return ls.Conv2DTranspose(3, 4, strides=2, padding="same", activation="tanh")(x)


# --- sequences and volumes ---


@case("long signal", 4, 16000, 1)
def _signal(x: Any) -> Any:
    for filters in (16, 32, 64):
        x = ls.MaxPooling1D(4)(ls.Conv1D(filters, 9, padding="same", activation="relu")(x))
    return ls.GlobalAveragePooling1D()(x)


@case("causal and dilated", 4, 4000, 16)
def _causal(x: Any) -> Any:
    for rate in (1, 2, 4, 8, 16):
        x = ls.Conv1D(32, 3, padding="causal", dilation_rate=rate, activation="relu")(x)
    return ls.GlobalAveragePooling1D()(x)


@case("1-D, 128 channels", 16, 500, 64)
def _wide1(x: Any) -> Any:
    for _ in range(2):
        x = ls.Conv1D(128, 5, padding="same", activation="relu")(x)
    return ls.GlobalAveragePooling1D()(x)


@case("volume", 2, 16, 64, 64, 4)
def _volume(x: Any) -> Any:
    for _ in range(2):
        x = ls.Conv3D(32, 3, padding="same", activation="relu")(x)
    return ls.GlobalAveragePooling3D()(x)


@case("3-D U-Net, batch 1", 1, 32, 32, 32, 1)
def _volumes(x: Any) -> Any:
    a = ls.Conv3D(16, 3, padding="same", activation="relu")(x)
    b = ls.Conv3D(32, 3, padding="same", activation="relu")(ls.MaxPooling3D(2)(a))
    y = ls.Concatenate()([a, ls.UpSampling3D(2)(b)])
    return ls.GlobalAveragePooling3D()(ls.Conv3D(16, 3, padding="same", activation="relu")(y))


# --- other sizes ---


@case("U-Net, batch 1", 1, 128, 128, 3)
def _unet(x: Any) -> Any:
    a = conv(32)(conv(32)(x))
    b = conv(64)(conv(64)(ls.MaxPooling2D(2)(a)))
    c = conv(64)(ls.Concatenate()([ls.UpSampling2D(2)(conv(128)(ls.MaxPooling2D(2)(b))), b]))
    return conv(32)(ls.Concatenate()([ls.UpSampling2D(2)(c), a]))


@case("one photograph", 1, 224, 224, 3)
def _photograph(x: Any) -> Any:
    for filters in (32, 64, 128, 256):
        x = ls.MaxPooling2D(2)(conv(filters)(x))
    return x


@case("one channel of 512×512", 2, 512, 512, 1)
def _grey(x: Any) -> Any:
    return ls.MaxPooling2D(4)(conv(16)(conv(16)(x)))


def _three(x: Any) -> Any:
    for filters in (32, 32, 64):
        x = conv(filters)(x) if filters == 64 else ls.MaxPooling2D(2)(conv(filters)(x))
    return x


case("batch 5 of 64×64", 5, 64, 64, 3)(_three)
case("batch 17 of 32×32", 17, 32, 32, 3)(_three)


@case("deep MLP", 32, 64)
def _deep(x: Any) -> Any:
    for _ in range(20):
        x = ls.Dense(64, activation="relu")(x)
    return x


@case("MLP, batch 7", 7, 100)
def _seventh(x: Any) -> Any:
    for _ in range(6):
        x = ls.Dense(100, activation="selu")(x)
    return x


@case("MLP, batch 1024", 1024, 20)
def _many(x: Any) -> Any:
    return ls.Dense(64, activation="tanh")(ls.Dense(64, activation="tanh")(x))
