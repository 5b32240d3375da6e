"""Well-known networks in Flax (linen and nnx) and Equinox, by hand."""

from functools import partial
from typing import Any

import equinox as eqx
import flax.linen as nn
import jax
import jax.numpy as jnp
from flax import nnx


class BasicBlock(nn.Module):
    filters: int
    stride: int = 1

    @nn.compact
    def __call__(self, x):
        norm = partial(nn.BatchNorm, use_running_average=True)
        y = nn.Conv(self.filters, (3, 3), self.stride, padding=1, use_bias=False, name="conv1")(x)
        y = nn.relu(norm(name="bn1")(y))
        y = nn.Conv(self.filters, (3, 3), padding=1, use_bias=False, name="conv2")(y)
        y = norm(name="bn2")(y)
        if x.shape != y.shape:
            x = nn.Conv(self.filters, (1, 1), self.stride, use_bias=False, name="shortcut")(x)
            x = norm(name="shortcut_bn")(x)
        return nn.relu(y + x)


class Bottleneck(nn.Module):
    filters: int
    stride: int = 1

    @nn.compact
    def __call__(self, x):
        norm = partial(nn.BatchNorm, use_running_average=True)
        y = nn.relu(norm(name="bn1")(nn.Conv(self.filters, (1, 1), use_bias=False, name="conv1")(x)))
        y = nn.Conv(self.filters, (3, 3), self.stride, padding=1, use_bias=False, name="conv2")(y)
        y = nn.relu(norm(name="bn2")(y))
        y = norm(name="bn3")(nn.Conv(4 * self.filters, (1, 1), use_bias=False, name="conv3")(y))
        if x.shape != y.shape:
            x = nn.Conv(4 * self.filters, (1, 1), self.stride, use_bias=False, name="shortcut")(x)
            x = norm(name="shortcut_bn")(x)
        return nn.relu(y + x)


class ResNet(nn.Module):
    """He et al. (2016), v1.5: the stride is the 3×3 convolution's."""

    block: Any
    sizes: tuple[int, ...]

    @nn.compact
    def __call__(self, x):
        x = nn.Conv(64, (7, 7), 2, padding=3, use_bias=False, name="conv1")(x)
        x = nn.relu(nn.BatchNorm(use_running_average=True, name="bn1")(x))
        x = nn.max_pool(x, (3, 3), (2, 2), ((1, 1), (1, 1)))
        for stage, size in enumerate(self.sizes):
            for number in range(size):
                stride = 2 if stage and not number else 1
                x = self.block(64 * 2**stage, stride, name=f"layer{stage + 1}_{number}")(x)
        return nn.Dense(1000, name="fc")(jnp.mean(x, axis=(1, 2)))


resnet18 = ResNet(BasicBlock, (2, 2, 2, 2))
resnet50 = ResNet(Bottleneck, (3, 4, 6, 3))
resnet152 = ResNet(Bottleneck, (3, 8, 36, 3))


class Encoder(nn.Module):
    heads: int

    @nn.compact
    def __call__(self, x):
        width = x.shape[-1]
        y = nn.LayerNorm(name="norm1")(x)
        x = x + nn.MultiHeadDotProductAttention(self.heads, name="attention")(y, y)
        y = nn.gelu(nn.Dense(4 * width, name="up")(nn.LayerNorm(name="norm2")(x)))
        return x + nn.Dense(width, name="down")(y)


class ViT(nn.Module):
    """Dosovitskiy et al. (2021)."""

    patch: int = 16
    width: int = 768
    depth: int = 12
    heads: int = 12

    @nn.compact
    def __call__(self, image):
        size = (self.patch, self.patch)
        x = nn.Conv(self.width, size, size, padding="VALID", name="patches")(image)
        x = x.reshape(x.shape[0], -1, self.width)
        token = self.param("token", nn.initializers.zeros, (1, 1, self.width))
        x = jnp.concatenate([jnp.broadcast_to(token, (x.shape[0], 1, self.width)), x], axis=1)
        x = x + self.param("positions", nn.initializers.zeros, (1, x.shape[1], self.width))
        for number in range(self.depth):
            x = Encoder(self.heads, name=f"block{number}")(x)
        return nn.Dense(1000, name="head")(nn.LayerNorm(name="norm")(x)[:, 0])


class Tagger(nn.Module):
    """Words to labels: an embedding and an LSTM."""

    @nn.compact
    def __call__(self, words):
        x = nn.Embed(1000, 32, name="embed")(words)
        x = nn.RNN(nn.OptimizedLSTMCell(64), name="lstm")(x)
        return nn.Dense(9, name="label")(x)


class NnxBlock(nnx.Module):
    def __init__(self, given, filters, stride, rngs):
        conv = partial(nnx.Conv, use_bias=False, rngs=rngs)
        self.conv1 = conv(given, filters, (3, 3), stride, padding=1)
        self.bn1 = nnx.BatchNorm(filters, rngs=rngs)
        self.conv2 = conv(filters, filters, (3, 3), padding=1)
        self.bn2 = nnx.BatchNorm(filters, rngs=rngs)
        self.shortcut = nnx.List([])
        if (stride, given) != (1, filters):
            self.shortcut = nnx.List([conv(given, filters, (1, 1), stride), nnx.BatchNorm(filters, rngs=rngs)])

    def __call__(self, x):
        y = self.bn2(self.conv2(nnx.relu(self.bn1(self.conv1(x)))))
        for layer in self.shortcut:
            x = layer(x)
        return nnx.relu(y + x)


class NnxResNet18(nnx.Module):
    def __init__(self, rngs):
        self.conv1 = nnx.Conv(3, 64, (7, 7), 2, padding=3, use_bias=False, rngs=rngs)
        self.bn1 = nnx.BatchNorm(64, rngs=rngs)
        blocks, given = [], 64
        for stage in range(4):
            for number in range(2):
                blocks.append(NnxBlock(given, 64 * 2**stage, 2 if stage and not number else 1, rngs))
                given = 64 * 2**stage
        self.blocks = nnx.List(blocks)
        self.fc = nnx.Linear(512, 1000, rngs=rngs)

    def __call__(self, x):
        x = nnx.max_pool(nnx.relu(self.bn1(self.conv1(x))), (3, 3), (2, 2), ((1, 1), (1, 1)))
        for block in self.blocks:
            x = block(x)
        return self.fc(x.mean(axis=(1, 2)))


class ConvNet(eqx.Module):
    """A small convolutional network for one example, channels first."""

    convs: list
    pool: eqx.nn.MaxPool2d
    head: eqx.nn.Linear

    def __init__(self, key):
        keys = jax.random.split(key, 3)
        self.convs = [
            eqx.nn.Conv2d(3, 8, 3, padding=1, key=keys[0]),
            eqx.nn.Conv2d(8, 16, 3, stride=2, padding=1, key=keys[1]),
        ]
        self.pool = eqx.nn.MaxPool2d(2, 2)
        self.head = eqx.nn.Linear(16 * 4 * 4, 10, key=keys[2])

    def __call__(self, x):
        for conv in self.convs:
            x = jax.nn.relu(conv(x))
        return self.head(self.pool(x).reshape(-1))
