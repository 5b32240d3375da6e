"""Networks whose tables are looked at: blocks that repeat, nested models, shared weights, several inputs, open sizes,
layers that nobody described, names with characters that mean something elsewhere.
"""

import layerscope as ls
from layerscope import Input, Model
from layerscope.core.graph import Call, tensors, trace_calls
from layerscope.core.sizes import named
from layerscope.layers import Activation, Add, Concatenate, Conv2D, Dense, Flatten, GlobalAveragePooling2D
from layerscope.layers.opaque import Opaque


def traced(inputs, outputs, name="net", **settings):
    return ls.trace(trace_calls(inputs, outputs, name), **settings)


def residual(stages=((4, 3), (8, 5))):
    """Stages of (filters, blocks) as in ResNet: the first block of a stage has a convolution in its shortcut."""
    image = x = Input((16, 16, 3), name="image")
    x = Conv2D(4, 3, padding="same", name="stem")(x)
    for stage, (filters, blocks) in enumerate(stages, 1):
        for number in range(1, blocks + 1):
            path, strides = f"stage{stage}_block{number}", 2 if number == 1 else 1
            short = Conv2D(filters, 1, strides=strides, name=f"{path}_0_conv")(x) if number == 1 else x
            y = Conv2D(filters, 3, strides=strides, padding="same", name=f"{path}_1_conv")(x)
            y = Activation("relu", name=f"{path}_1_relu")(y)
            y = Conv2D(filters, 3, padding="same", name=f"{path}_2_conv")(y)
            x = Activation("relu", name=f"{path}_out")(Add(name=f"{path}_add")([short, y]))
    x = GlobalAveragePooling2D(name="pool")(x)
    return traced([image], [Dense(10, name="head")(x)], "residual")


def block(number, units=8):
    """A model of one input that is part of another."""
    x = Input((6, units), name="x")
    y = Dense(4 * units, activation="relu", name="up")(x)
    return Model(x, Add(name="add")([x, Dense(units, name="down")(y)]), name=f"block_{number}")


def stack(blocks=6):
    """Equal nested models in a row, as in a transformer."""
    tokens = x = Input((6, 8), name="tokens")
    for number in range(blocks):
        x = block(number)(x)
    return traced([tokens], [Dense(3, name="head")(x)], "stack")


def twins():
    """One model put to two inputs, whose layers are computed in turn, and a layer that sees both."""
    left, right = Input((6, 8), name="left"), Input((6, 8), name="right")
    tower = block(0)
    joined = Concatenate(name="both")([tower(left), tower(right)])
    return traced([left, right], [Dense(2, name="head")(joined)], "twins")


def interleaved():
    """Two nested models side by side whose layers stand in turn in the graph."""
    image = Input((4, 4, 1), name="image")
    sides = {"a": image, "b": image}
    for step in (1, 2):
        for side, x in list(sides.items()):
            layer = Conv2D(2, 3, padding="same", name=f"conv{step}")
            sides[side] = tensors(Call(layer, (x,), layer.out(x.type), (side,)))
    return traced([image], [Add(name="sum")([sides["a"], sides["b"]])], "interleaved")


def unknown():
    """A layer of which only the shape is known, among others."""
    image = Input((4, 4, 1), name="image")
    x = Conv2D(2, 3, name="conv")(image)
    y = Opaque("Mystery", (x.type,), name="mystery")(x)
    return traced([image], [Dense(3, name="head")(Flatten(name="flatten")(y))], "unknown")


def open_sizes():
    """Height and width by name."""
    image = Input((named("height"), named("width"), 3), name="image")
    x = Conv2D(4, 3, padding="same", activation="relu", name="conv")(image)
    return traced([image], [Conv2D(2, 1, name="last")(x)], "open")


def odd_names():
    """Names with characters that Markdown, LaTeX, CSV, HTML and terminals take for their own."""
    image = Input((2,), name='a|b & c_d {e} #f 50% $g$ ~h ^i \\j "k" <l> *m*, [n]')
    x = Dense(1, name="_first_\nsecond\x1b[31m`tick`'s")(image)
    return traced([image], [x], "o|d&d_{}#%")


def nothing():
    """No weights at all."""
    image = Input((4, 4, 1), name="image")
    return traced([image], [Flatten(name="flatten")(image)], "nothing")


def switches():
    return ls.trace("8x8x1 | conv 2 3 same relu | maxpool 2 | unpool | conv 1 3 same")


ALL = {
    "residual": residual,
    "stack": stack,
    "twins": twins,
    "interleaved": interleaved,
    "unknown": unknown,
    "open sizes": open_sizes,
    "odd names": odd_names,
    "nothing": nothing,
    "switches": switches,
    "autoencoder": lambda: ls.trace("example:autoencoder"),
    "transpose, batch": lambda: ls.trace("example:autoencoder-transpose", batch=64),
}
