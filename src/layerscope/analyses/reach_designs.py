"""Three ways to see equally far: stacked convolutions, dilated ones, and pooling between them.

The reference document says that without max pooling very many convolutions would be needed for a large receptive
field, and names dilated convolutions as the other way. Here all three are built for the same reach, exactly.
"""

from __future__ import annotations

from collections.abc import Sequence

from layerscope.core.dataclasses import dataclass
from layerscope.core.errors import SettingError
from layerscope.core.graph import Graph, trace_calls
from layerscope.core.sizes import checked
from layerscope.layers.conv2d import Conv2D
from layerscope.layers.input_layer import Input
from layerscope.layers.max_pooling2d import MaxPooling2D

LEAST, MOST = 8, 512
Parts = tuple[tuple[str, int, int], ...]
"""("conv", kernel, dilation) or ("pool", window, stride)."""


@dataclass(frozen=True)
class Design:
    """One way to the reach: its name, its layers in words, and the network."""

    name: str
    words: str
    parts: Parts
    graph: Graph


def reach(parts: Parts) -> int:
    """The receptive field along one axis: 1 + Σ jump·dilation·(kernel - 1), with the jump before each layer."""
    seen, jump = 1, 1
    for kind, size, step in parts:
        seen += jump * (size - 1) * (step if kind == "conv" else 1)
        jump *= step if kind == "pool" else 1
    return seen


def stacked(size: int) -> Parts:
    """Convolutions 3×3; the first one 2×2 where the reach is even."""
    count = (size - 1) // 2
    return ((("conv", 2, 1),) if size % 2 == 0 else ()) + (("conv", 3, 1),) * count


def dilated(size: int) -> Parts:
    """Convolutions 3×3 with dilations 1, 2, 4, …, the last one as large as is needed; 2×2 first where it is even.

    Sorted by dilation, none is larger than what is seen before it, so the field has no holes.
    """
    rest, dilations, step = (size - 1) // 2, list[int](), 1
    while rest:
        dilations.append(min(step, rest))
        rest -= dilations[-1]
        step *= 2
    first: Parts = (("conv", 2, 1),) if size % 2 == 0 else ()
    return first + tuple(("conv", 3, d) for d in sorted(dilations))


def pooled(size: int) -> Parts:
    """Convolutions 3×3 with max pooling 2×2 between them (the first 3×3 where the reach is odd), at least one
    convolution before and behind each: as few convolutions as there can be, and of these as late as they can be.
    """
    found: Parts = stacked(size)
    odd = size % 2
    pools = 1
    while 1 + 2 + sum(2**n * (1 + (odd and n == 0)) + 2 ** (n + 2) for n in range(pools)) <= size:
        # what is left when each of the pools + 1 places has one convolution: filled from behind
        left = size - (1 + 2 + sum(2**n * (1 + (odd and n == 0)) + 2 ** (n + 2) for n in range(pools)))
        counts = [1] * (pools + 1)
        for place in range(pools, -1, -1):
            more, left = divmod(left, 2 ** (place + 1))
            counts[place] += more
        if left == 0 and sum(counts) < sum(kind == "conv" for kind, _, _ in found):
            parts: list[tuple[str, int, int]] = []
            for place, count in enumerate(counts):
                parts += [("conv", 3, 1)] * count
                if place < pools:
                    parts.append(("pool", 3 if odd and place == 0 else 2, 2))
            found = tuple(parts)
        pools += 1
    return found


WAYS = {"stacked": stacked, "dilated": dilated, "pooling": pooled}


def designs(size: int, input: Sequence[int] = (64, 64, 1), channels: int = 16) -> tuple[Design, ...]:
    """The three networks whose last layer has a receptive field of exactly `size` × `size` pixels.

    All convolutions have `channels` filters, relu and same padding. `input` is (height, width, channels).
    Errors: SettingError for a reach outside of 8 … 512; SizeError for sizes.
    """
    size, channels = checked(size, "reach"), checked(channels, "channels")
    if not LEAST <= size <= MOST:
        raise SettingError(f"the reach must be {LEAST} to {MOST} pixels, not {size}")
    if len(input) != 3:
        raise SettingError(f"the input must be height, width and channels, such as 64x64x1, not {tuple(input)}")
    return tuple(
        Design(name, _words(parts), parts, _built(name, parts, input, channels))
        for name, parts in ((name, way(size)) for name, way in WAYS.items())
    )


def _built(name: str, parts: Parts, input: Sequence[int], channels: int) -> Graph:
    start = x = Input(tuple(input))
    for kind, size, step in parts:
        if kind == "conv":
            x = Conv2D(channels, size, padding="same", dilation_rate=step, activation="relu")(x)
        else:
            x = MaxPooling2D(size, strides=step, padding="same")(x)
    return trace_calls([start], [x], name)


def _words(parts: Parts) -> str:
    """ "conv 3 ×2, pool 2, conv 3"."""
    told: list[tuple[str, int]] = []
    for kind, size, step in parts:
        one = f"pool {size}" if kind == "pool" else f"conv {size}" + (f" dilation {step}" if step > 1 else "")
        if told and told[-1][0] == one:
            told[-1] = (one, told[-1][1] + 1)
        else:
            told.append((one, 1))
    return ", ".join(one + (f" ×{count}" if count > 1 else "") for one, count in told)
