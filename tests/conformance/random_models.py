"""Random small networks of layers, with random weights: what writers and readers of other formats are tried on.

Where two frameworks round differently, the winner of a pool with switches may differ when two cells are equal but for
rounding, and then everything behind it does. So a network takes switches only from images in which no two cells of a
window are equal by construction (see `Value`).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from layerscope import layers as ls
from layerscope.core.graph import Symbolic
from layerscope.layers._activation import NAMES
from layerscope.models import Model

from . import random_layers, random_spatial

EVERY, PLACE = 4, 3
"""One network in so many is of layers of one to three spatial axes, and which one."""
CHAINS, CHAIN = 8, 5
"""One network in so many is a plain chain of the most common layers, and which one."""
OTHERS = 3
"""Layers of `random_layers` in each of the others."""
LARGEST = 900
"""Numbers of an example at any place of a network, about."""
ACTIVATIONS = (None, None, None, "linear", "relu", "relu", *(name for name in NAMES if name != "exponential"))
"""Those that are computed; one of them grows beyond all numbers."""
COMMON = (None, None, None, "linear", "relu", "tanh", "gelu", "elu", "sigmoid", "silu")
"""Those of plain chains."""
DISTINCT, POOLABLE, ANY = 2, 1, 0


@dataclass(frozen=True)
class Value:
    """A tensor, and what is known of its cells.

    DISTINCT: no two are equal. POOLABLE: none are but the exact zeros of relu. ANY: nothing.
    """

    tensor: Symbolic
    cells: int = ANY

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of one example."""
        return tuple(int(n) for n in self.tensor.shape[1:] if n is not None)

    @property
    def image(self) -> bool:
        return len(self.shape) == 3


class Growth:
    """One network while it grows from its inputs. The same seed gives the same network."""

    def __init__(self, seed: int) -> None:
        self.seed, self.random = seed, np.random.default_rng([seed, 77])
        self.turn = OTHERS * sum(n % EVERY != PLACE and n % CHAINS != CHAIN for n in range(seed))
        self.functions: tuple[str | None, ...] = COMMON if seed % CHAINS == CHAIN else ACTIVATIONS
        self.inputs: list[Symbolic] = []
        self.seen: list[Value] = []

    # --- chance ---

    def whole(self, low: int, high: int) -> int:
        return int(self.random.integers(low, high + 1))

    def chance(self, share: float) -> bool:
        return bool(self.random.random() < share)

    def pick(self, choices: Any) -> Any:
        return choices[self.whole(0, len(choices) - 1)]

    def pair(self, low: int, high: int) -> Any:
        """One number for both axes, or two."""
        return self.whole(low, high) if self.chance(0.5) else (self.whole(low, high), self.whole(low, high))

    def activation(self) -> str | None:
        return self.pick(self.functions)

    # --- inputs ---

    def input(self, shape: tuple[int, ...]) -> Value:
        name = self.pick((None, f"given_{len(self.inputs)}"))
        tensor = ls.Input(shape, name=name)
        self.inputs.append(tensor)
        return Value(tensor, DISTINCT)

    def start(self) -> Value:
        if self.chance(0.12):
            return self.input((self.whole(2, 20),))
        if self.chance(0.06):
            return self.input((self.whole(2, 6), self.whole(2, 6)))
        x = self.input((self.whole(4, 12), self.whole(4, 12), self.whole(1, 4)))
        return self.joined(x) if self.chance(0.2) else x

    def joined(self, x: Value) -> Value:
        """A second input of the same plane, put beside the first, or added to it."""
        y = self.input(x.shape if self.chance(0.5) else (*x.shape[:2], self.whole(1, 3)))
        if x.shape == y.shape and self.chance(0.6):
            layer = ls.Conv2D(self.whole(1, 4), 3, padding="same", activation=self.activation())
            return Value(ls.Add()([layer(x.tensor), layer(y.tensor)]))
        return Value(ls.Concatenate()([x.tensor, y.tensor]), DISTINCT)

    # --- on images: a value, or None where the operation does not fit ---

    def convolved(self, x: Value, filters: int | None = None, keep: bool = False) -> Value:
        """With `keep`, one that leaves height and width as they are."""
        (height, width, channels), activation = x.shape, self.activation()
        groups = self.pick([n for n in (1, 1, 2, 3) if channels % n == 0])
        strides = 1 if keep else self.pick((1, 1, self.pair(1, 3)))
        dilation = self.pair(1, 2) if strides == 1 and self.chance(0.3) else 1
        kernel, padding = self.pair(1, 4), "same" if keep else self.pick(("same", "valid"))
        if padding == "valid":
            spans = np.broadcast_to(dilation, 2) * (np.broadcast_to(kernel, 2) - 1) + 1
            if spans[0] > height or spans[1] > width:
                kernel, dilation = 1, 1
        count = filters or self.whole(1, 3) * groups
        layer = ls.Conv2D(
            count if count % groups == 0 else count * groups, kernel, strides=strides, padding=padding,
            dilation_rate=dilation, groups=groups if count % groups == 0 or not filters else 1,
            activation=activation, use_bias=self.chance(0.8),
        )  # fmt: skip
        cells = {None: DISTINCT, "linear": DISTINCT, "leaky_relu": DISTINCT, "relu": POOLABLE}.get(activation, ANY)
        return Value(layer(x.tensor), cells if x.cells == DISTINCT else ANY)

    def transposed(self, x: Value) -> Value | None:
        channels = x.shape[-1]
        groups = self.pick([n for n in (1, 1, 1, 2, 3) if channels % n == 0])
        strides = self.pick((1, 2, self.pair(1, 3)))
        dilation = self.pair(1, 2) if strides == 1 and self.chance(0.4) else 1
        added = None
        if self.chance(0.3):
            added = tuple(self.whole(0, s - 1) for s in np.broadcast_to(strides, 2).tolist())
        if min(x.shape[:2]) < 2:
            return None
        layer = ls.Conv2DTranspose(
            self.whole(1, 3) * groups, self.pair(1, 4), strides=strides, padding=self.pick(("same", "valid")),
            output_padding=added, dilation_rate=dilation, groups=groups,
            activation=self.activation(), use_bias=self.chance(0.8),
        )  # fmt: skip
        return Value(layer(x.tensor))

    def window(self, x: Value) -> dict[str, Any] | None:
        size, padding = self.pick((2, 2, self.pair(1, 4))), self.pick(("same", "valid"))
        if padding == "valid" and any(k > n for k, n in zip(np.broadcast_to(size, 2), x.shape[:2], strict=True)):
            return None
        return {"pool_size": size, "strides": self.pick((None, None, self.pair(1, 3))), "padding": padding}

    def pooled(self, x: Value) -> Value | None:
        window = self.window(x)
        if window is None:
            return None
        return Value(self.pick((ls.MaxPooling2D, ls.AveragePooling2D))(**window)(x.tensor))

    def back(self, x: Value) -> Value | None:
        """Through a pool and something in between, and back by its switches."""
        window = self.window(x)
        if window is None or x.cells == ANY:
            return None
        pooled, switches = ls.MaxPooling2D(**window, return_switches=True)(x.tensor)
        inner = Value(pooled)
        if self.chance(0.6):
            inner = self.convolved(inner, inner.shape[-1], keep=True)
        if self.chance(0.3):
            inner = self.dropped(inner)
        told = {"output_size": x.shape[:2]} if self.chance(0.3) else {}
        return Value(ls.MaxUnpooling2D(**window, **told)([inner.tensor, switches]))

    def enlarged(self, x: Value) -> Value | None:
        size = self.pick((2, 2, self.pair(1, 3)))
        rows, columns = np.broadcast_to(size, 2).tolist()
        kind = self.pick(("nearest", "bilinear", "nails", "shuffle"))
        if kind == "shuffle":
            if x.shape[-1] % (rows * columns):
                x = Value(ls.Conv2D(rows * columns * self.whole(1, 2), 1)(x.tensor))
            return Value(ls.PixelShuffle2D(size)(x.tensor))
        if prod(x.shape) * rows * columns > LARGEST:
            return None
        layer = ls.BedOfNails2D(size) if kind == "nails" else ls.UpSampling2D(size, interpolation=kind)
        return Value(layer(x.tensor))

    def framed(self, x: Value) -> Value:
        ends = ((self.whole(0, 2), self.whole(0, 2)), (self.whole(0, 2), self.whole(0, 2)))
        frame = self.pick((1, (1, 2), ends))
        if self.chance(0.4):
            return Value(ls.ZeroPadding2D(frame)(x.tensor))
        return Value(ls.Cropping2D(frame)(x.tensor), x.cells) if min(x.shape[:2]) > 4 else x

    def excited(self, x: Value) -> Value:
        """One number for each channel, added at every position."""
        layer = self.pick((ls.GlobalAveragePooling2D, ls.GlobalMaxPooling2D))
        return Value(ls.Add()([x.tensor, self.dense(Value(layer(keepdims=True)(x.tensor)), x.shape[-1]).tensor]))

    def nested(self, x: Value) -> Value:
        """Another model as a part."""
        start = ls.Input(x.shape)
        inner = self.dense(self.convolved(Value(start), keep=True))
        return Value(Model(start, inner.tensor, name=f"part_{len(self.seen)}")(x.tensor))

    def positions(self, x: Value) -> Value:
        """An image as a list of positions, and back."""
        height, width, _ = x.shape
        rows = self.dense(Value(ls.Reshape((height * width, -1))(x.tensor)))
        return Value(ls.Reshape((*self.pick(((height, width), (width, height))), -1))(rows.tensor))

    # --- on anything ---

    def dense(self, x: Value, units: int | None = None) -> Value:
        layer = ls.Dense(units or self.whole(1, 6), self.activation(), use_bias=self.chance(0.8))
        return Value(layer(x.tensor))

    def activated(self, x: Value) -> Value:
        return Value(ls.Activation(self.pick(self.functions[3:]))(x.tensor))

    def dropped(self, x: Value) -> Value:
        return Value(ls.Dropout(self.pick((0, 0.25, 0.5)))(x.tensor), x.cells)

    def branched(self, x: Value) -> Value:
        def branch() -> Value:
            return self.pick((self.activated, self.dense, self.convolved if x.image else self.dense))(x)

        one, two = branch(), x if self.chance(0.5) else branch()
        if one.shape == two.shape and self.chance(0.6):
            return Value(ls.Add()([one.tensor, two.tensor, x.tensor] if x.shape == one.shape else [one.tensor] * 2))
        rank = len(one.shape)
        fits = [
            axis for axis in range(rank)
            if all(a == axis or one.shape[a] == two.shape[a] for a in range(rank))
        ]  # fmt: skip
        if not fits:
            return one
        axis = self.pick(fits) + 1
        return Value(ls.Concatenate(axis=self.pick((axis, axis - rank - 1)))([one.tensor, two.tensor]))

    def shared(self, x: Value) -> Value:
        """One layer twice in a row."""
        count = x.shape[-1]
        layer: Any = ls.Dense(count, "tanh")
        if x.image and self.chance(0.6):
            layer = ls.Conv2D(count, 3, padding="same", activation=self.pick(("relu", "tanh")))
        return Value(layer(layer(x.tensor)))

    def other(self, x: Value) -> Value:
        """A layer of `random_layers`, whose turn it is; their order is another one in each round."""
        number, place = divmod(self.turn, len(random_layers.KINDS))
        kind = random_layers.KINDS[np.random.default_rng([number, 80]).permutation(len(random_layers.KINDS))[place]]
        self.turn += 1
        return Value(random_layers.grown(self, kind, x.tensor))

    def flattened(self, x: Value) -> Value:
        if x.image and self.chance(0.4):
            layer = self.pick((ls.GlobalAveragePooling2D, ls.GlobalMaxPooling2D))
            return Value(layer()(x.tensor))
        flat = Value(ls.Flatten()(x.tensor))
        return self.dense(flat) if self.chance(0.7) else flat

    def reshaped(self, x: Value) -> Value:
        """A row of numbers as an image."""
        total = prod(x.shape)
        height = self.pick([n for n in range(1, 9) if total % n == 0])
        width = self.pick([n for n in range(1, 9) if total // height % n == 0])
        return Value(ls.Reshape((height, width, total // height // width))(x.tensor))

    IMAGE = (
        ("convolved",) * 5 + ("transposed",) * 3 + ("pooled",) * 3 + ("enlarged",) * 4 + ("back", "back", "framed")
    )
    IMAGE += ("framed", "excited", "nested", "positions", "flattened")
    OTHER = ("dense", "activated", "dropped", "branched", "shared")
    PLAIN = ("convolved", "convolved", "convolved", "pooled", "enlarged", "flattened")

    def grown(self) -> list[Symbolic]:
        """Up to eight operations behind the inputs; the last value, and sometimes an earlier one."""
        if self.seed % EVERY == PLACE:
            return self.spatial(self.seed // EVERY)
        if self.seed % CHAINS == CHAIN:
            return self.chain()
        x = self.start()
        if x.image and self.chance(0.35):
            x = self.back(self.convolved(x)) or x
        for _ in range(self.whole(2, 8)):
            names = self.IMAGE + self.OTHER if x.image else (*self.OTHER, "reshaped", "reshaped", "flattened")
            made = getattr(self, self.pick(names))(x)
            if made is not None and prod(made.shape) <= LARGEST:
                self.seen.append(made)
                x = made
        if self.seen and self.chance(0.3):
            x = self.pick(self.seen)
        for _ in range(OTHERS):
            made = self.other(x)
            if prod(made.shape) <= LARGEST:
                self.seen.append(made)
                x = made
        if not self.seen:
            self.seen.append(self.activated(x))
        second = self.pick(self.seen)
        if self.chance(0.2) and second is not self.seen[-1]:
            return [self.seen[-1].tensor, second.tensor]
        return [self.seen[-1].tensor]

    def chain(self) -> list[Symbolic]:
        """One layer behind another, without branches."""
        x = self.input((self.whole(4, 12), self.whole(4, 12), self.whole(1, 4)))
        x = self.convolved(x)
        for _ in range(self.whole(2, 6)):
            names = self.PLAIN if x.image else ("dense",)
            made = getattr(self, self.pick((*names, "activated", "dropped")))(x)
            if made is not None and prod(made.shape) <= LARGEST:
                x = made
        return [x.tensor]

    def spatial(self, number: int) -> list[Symbolic]:
        """A network on a sequence, an image or a volume."""
        x = self.input(random_spatial.start(self, number))
        made = random_spatial.grown(self, x.tensor, number, LARGEST)
        return [made[-1], made[0]] if self.chance(0.2) and len(made) > 1 else made[-1:]


def random_model(seed: int) -> Model:
    """The network of a number: every executable layer within 200 of them. Inputs and outputs vary in number."""
    growth = Growth(seed)
    outputs = growth.grown()
    model = Model(growth.inputs, outputs if len(outputs) > 1 else outputs[0])
    random = np.random.default_rng([seed, 78])
    for variable in model.weights:
        scale = 0.3 if variable.role == "bias" else 1 / np.sqrt(max(1, prod(variable.shape[:-1])))
        spread = "variance" in variable.role  # which is never negative
        numbers = (
            random.uniform(0.5, 2, variable.shape) if spread else random.normal(size=variable.shape) * scale + 0.01
        )
        variable.assign(numbers)
    return model


def random_inputs(model: Model, seed: int, count: int) -> list[np.ndarray]:
    """One float32 array for each input, of `count` examples."""
    random = np.random.default_rng([seed, 79])
    return [random.normal(size=(count, *type.shape[1:])).astype(np.float32) for type in model.input_types]
