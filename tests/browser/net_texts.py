"""Random lines of text for the twins of the journey and the field: networks that fit, that nearly fit, and damaged ones."""

import random

WORDS = ("conv", "convt", "maxpool", "pool", "avgpool", "upsample", "up", "nails", "unpool", "flatten", "dense", "linear",
         "reshape", "pad", "zeropad", "crop", "relu", "sigmoid", "softmax", "dropout", "bn", "batchnorm", "gap", "gmp",
         "leakyrelu", "depthwise", "separable", "pixelshuffle", "subpixel", "identity", "Conv2D", "conv_2d",
         "MaxPooling2D", "glu", "swish")  # fmt: skip
DAMAGE = ("conv 3", "conv", "convx 3 3", "maxpol 2", "lstm 3", "dense", "dense 3.5", "dense -1", "conv 2 0", "conv 2 3x3x3",
          "conv 2 3 pading=same", "conv 2 3 padding=sme", "conv 2 3 same same", "conv 2 3 strides", "conv 2 3 as",
          "conv 3 3 groups 2", "conv 4 3 groups 3", "convt 2 3 output_padding=2", "convt 2 3 stride 2 output_padding 1x2",
          "reshape 5x5", "reshape -1x-1", "reshape 2.5", "reshape 0x3", "crop 40", "crop 1x2x3", "crop cropping=foo",
          "crop 1,2x3,4x5,6", "pad -1", "dropout 2", "dropout .5", "dropout yes", "bn 7", "bn 0", "bn 1.5", "bn -1",
          "conv 2 3 activation=rel", "conv 2 3 activation=3", "conv 2 3 activation=zzzz", "up 2 interpolation=foo",
          "up 3 bilinear", "up 2 bicubic", "pixelshuffle 3", "unpool 2 output_size=3", "unpool", "gap 3", "concatenate",
          "conv 2 3 wibble", "leaky -1", "leaky .2", "conv 3 3 glu", "flatten 2", "activation none", "activation 3",
          "activation relu relu", "dense 2 as a", "dense 3 as a", "[ conv 2 3 same ] x3", "[ conv 2 3 same", "]",
          "conv 2 3 [ relu ] x2", "[ relu ] x0", "[ relu ] x70", "", "dense use_bias=no", "maxpool 2 data_format=foo",
          "conv 2 3 x", "maxpool same 2", "upsample 2x3", "conv 2 3 = ", "conv 2 3 name=", "conv 2 1 name=b nobias")  # fmt: skip


def stage(draw: random.Random) -> str:
    """A stage that is well written, whether its sizes fit or not."""
    k, s = draw.choice((1, 2, 3, 3, 3, 5, "3x2", "2x3")), draw.choice((1, 1, 2, 2, 3, "2x1"))
    tail = draw.choice(("", " same", " same relu", " relu", " stride 2", f" stride {s}", f" dilation {draw.choice((2, 3))}",
                        f" stride {s} same nobias", " use_bias=no", " softmax", " as n" + str(draw.randrange(30))))  # fmt: skip
    word = draw.choice(WORDS)
    low = word.lower().replace("_", "")
    if low in ("conv", "conv2d", "separable"):
        return f"{word} {draw.choice((1, 2, 3, 4, 8))} {k}{tail}"
    if low == "convt":
        more = draw.choice(("", "", " output_padding=1 stride 2", " output_padding=0"))
        return f"{word} {draw.choice((1, 2, 4))} {k}{more or tail}"
    if low == "depthwise":
        return f"{word} {k}{tail}" + draw.choice(("", " depth_multiplier=2"))
    if low in ("maxpool", "pool", "avgpool", "maxpooling2d", "unpool"):
        return f"{word} {draw.choice((2, 2, 3, '2x3'))}" + draw.choice(
            ("", "", " same", " stride 1", " 2 same", " 1")
        )
    if low in ("upsample", "up", "nails", "pixelshuffle", "subpixel"):
        plain = low in ("upsample", "up")
        return f"{word} {draw.choice((2, 2, 3, '1x2'))}" + (
            draw.choice(("", "", " bilinear", " lanczos3")) if plain else ""
        )
    if low in ("dense", "linear"):
        return f"{word} {draw.randrange(1, 20)}" + draw.choice(("", " relu", " nobias", " glu"))
    if low == "reshape":
        return f"{word} {draw.choice(('-1', '4x-1', '7x7x1', '4x4x4', '2x2x-1', '1x1x-1', '16', '784', '-1x1x1'))}"
    if low in ("pad", "zeropad", "crop"):
        return f"{word} {draw.choice((0, 1, 1, 2, '1x2', '1,2x0,1', '0,1x0,1'))}"
    if low == "dropout":
        return f"{word} {draw.choice(('0.5', '.25', 0))}"
    return word


def text(draw: random.Random) -> str:
    """A whole line; every third one is damaged."""
    shape = draw.choice(
        ("28x28x1", "12x12x2", "16x16x4", "9x13x3", "7x7x1", "32x32x3", "4x2", "10", "1x1x8", "14x14x1")
    )
    stages = [stage(draw) for _ in range(draw.randrange(1, 9))]
    if draw.random() < 0.34:
        stages.insert(draw.randrange(len(stages) + 1), draw.choice(DAMAGE))
    if draw.random() < 0.04:
        shape = draw.choice(("", "0x3x1", "ax3", "28 28 1", "2x2x2x2", "28x28x1 as in", "100001x1x1", "3x3x3x3x3"))
    return draw.choice((" | ", "|", "\n", " ; ")).join([shape, *stages])
