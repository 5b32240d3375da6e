"""Networks of train.py beyond chains, each written once: for this project, Keras and PyTorch alike.

A network is a function of a writer and an input. `Layers` writes it with layers of this project or of Keras, which
have the same names; `Tape` as a PyTorch module, in which the last activation is left to the loss.
"""

from collections.abc import Callable, Sequence
from typing import Any

LAST = ("softmax", "sigmoid")
"""Activations that PyTorch has within its losses."""


def vgg(w: Any, x: Any) -> Any:
    """Two convolutions of 128 channels and a pool, as in VGG, with a classifier behind them."""
    x = w.pool(w.conv(w.conv(x, 128, 3, activation="relu"), 128, 3, activation="relu"), 2)
    return w.dense(w.average(x), 10, "softmax")


def resnet20(w: Any, x: Any) -> Any:
    """He et al. (2015), section 4.2, n = 3, with 1×1 convolutions where sizes change."""

    def normal(x: Any, filters: int, kernel: int, strides: int = 1) -> Any:
        return w.normalize(w.conv(x, filters, kernel, strides=strides, bias=False))

    x = w.relu(normal(x, 16, 3))
    for filters in (16, 32, 64):
        for block in range(3):
            strides = 2 if filters > 16 and block == 0 else 1
            y = normal(w.relu(normal(x, filters, 3, strides)), filters, 3)
            x = w.relu(w.add(normal(x, filters, 1, 2) if strides == 2 else x, y))
    return w.dense(w.average(x), 10, "softmax")


def unet(w: Any, x: Any) -> Any:
    """Three levels of 16, 32 and 64 channels around 128."""

    def block(x: Any, filters: int) -> Any:
        return w.conv(w.conv(x, filters, 3, activation="relu"), filters, 3, activation="relu")

    skips = []
    for filters in (16, 32, 64):
        skips.append(block(x, filters))
        x = w.pool(skips[-1], 2)
    x = block(x, 128)
    for filters in (64, 32, 16):
        x = block(w.join(w.enlarge(x, filters), skips.pop()), filters)
    return w.conv(x, 1, 1, activation="sigmoid")


def mlp(w: Any, x: Any) -> Any:
    """784-512-512-10."""
    return w.dense(w.dense(w.dense(x, 512, "relu"), 512, "relu"), 10, "softmax")


def signal(w: Any, x: Any) -> Any:
    """Three convolutions of nine taps over a signal, each with a pool."""
    for filters in (16, 32, 64):
        x = w.pool(w.conv(x, filters, 9, activation="relu"), 4)
    return w.dense(w.average(x), 10, "softmax")


Writing = Callable[[Any, Any], Any]


class Layers:
    """Writes with `layers`: this project's, or Keras's."""

    def __init__(self, layers: Any, shape: Sequence[int]) -> None:
        self.layers, self.axes = layers, len(shape) - 1

    def _of(self, name: str, *settings: Any, **more: Any) -> Any:
        return getattr(self.layers, f"{name}{self.axes}D")(*settings, **more)

    def conv(
        self, x: Any, filters: int, kernel: int, strides: int = 1, activation: Any = None, bias: bool = True
    ) -> Any:
        more = {"strides": strides, "padding": "same", "activation": activation, "use_bias": bias}
        return self._of("Conv", filters, kernel, **more)(x)

    def enlarge(self, x: Any, filters: int) -> Any:
        return self.layers.Conv2DTranspose(filters, 2, strides=2)(x)

    def pool(self, x: Any, size: int) -> Any:
        return self._of("MaxPooling", size)(x)

    def average(self, x: Any) -> Any:
        return self._of("GlobalAveragePooling")(x)

    def normalize(self, x: Any) -> Any:
        return self.layers.BatchNormalization()(x)

    def relu(self, x: Any) -> Any:
        return self.layers.Activation("relu")(x)

    def add(self, a: Any, b: Any) -> Any:
        return self.layers.Add()([a, b])

    def join(self, a: Any, b: Any) -> Any:
        return self.layers.Concatenate()([a, b])

    def dense(self, x: Any, units: int, activation: str) -> Any:
        return self.layers.Dense(units, activation=activation)(x)


def model(network: Writing, shape: Sequence[int], layers: Any, cls: Any) -> Any:
    """The network as a model of a class that is made from input and output."""
    x = layers.Input(tuple(shape))
    return cls(x, network(Layers(layers, shape), x))


class Tape:
    """Writes a PyTorch module: values are their numbers on the tape, `channels` what each has."""

    def __init__(self, shape: Sequence[int]) -> None:
        from torch import nn

        self.nn, self.axes = nn, len(shape) - 1
        self.steps: list[tuple[Any, tuple[int, ...]]] = []
        self.channels = [shape[-1]]

    def put(self, work: Any, *inputs: int, channels: int = 0) -> int:
        """One step; without a number of channels there are as many as before."""
        self.steps.append((work, inputs))
        self.channels.append(channels or self.channels[inputs[0]])
        return len(self.steps)

    def _activated(self, x: int, activation: Any) -> int:
        return self.relu(x) if activation == "relu" else x

    def conv(
        self, x: int, filters: int, kernel: int, strides: int = 1, activation: Any = None, bias: bool = True
    ) -> int:
        cls = self.nn.Conv2d if self.axes == 2 else self.nn.Conv1d
        made = cls(self.channels[x], filters, kernel, strides, padding=(kernel - 1) // 2, bias=bias)
        return self._activated(self.put(made, x, channels=filters), activation)

    def enlarge(self, x: int, filters: int) -> int:
        return self.put(self.nn.ConvTranspose2d(self.channels[x], filters, 2, 2), x, channels=filters)

    def pool(self, x: int, size: int) -> int:
        return self.put((self.nn.MaxPool2d if self.axes == 2 else self.nn.MaxPool1d)(size), x)

    def average(self, x: int) -> int:
        axes = tuple(range(2, 2 + self.axes))
        return self.put(lambda value: value.mean(axes), x)

    def normalize(self, x: int) -> int:
        return self.put(self.nn.BatchNorm2d(self.channels[x], eps=1e-3, momentum=0.01), x)

    def relu(self, x: int) -> int:
        return self.put(self.nn.ReLU(), x)

    def add(self, a: int, b: int) -> int:
        return self.put(lambda one, other: one + other, a, b)

    def join(self, a: int, b: int) -> int:
        import torch

        both = self.channels[a] + self.channels[b]
        return self.put(lambda one, other: torch.cat([one, other], 1), a, b, channels=both)

    def dense(self, x: int, units: int, activation: str) -> int:
        made = self.nn.Linear(self.channels[x], units)
        return self._activated(self.put(made, x, channels=units), activation)

    def module(self, result: int) -> Any:
        """The module whose result is a value of the tape."""
        steps, nn = self.steps, self.nn

        class Written(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.parts = nn.ModuleList(work for work, _ in steps if isinstance(work, nn.Module))

            def forward(self, x: Any) -> Any:
                values = [x]
                for work, inputs in steps:
                    values.append(work(*(values[n] for n in inputs)))
                return values[result]

        return Written()


def module(network: Writing, shape: Sequence[int]) -> Any:
    """The network as a PyTorch module."""
    tape = Tape(shape)
    return tape.module(network(tape, 0))
