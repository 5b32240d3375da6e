"""Encoders to order: all of a stated space that satisfy what is asked, the smallest first, or the proof of none.

The space: `depth` convolutions at most, each with one of `kernels` and of `filters` (powers of two), padding "same"
and ReLU, and after it nothing, a max pool of 2 ("same"), or instead a stride of 2. A kernel of 1 sees no neighbours,
so nothing is halved with it. Then Flatten and Dense to the code; or the last convolution is the code, where it leaves
that many numbers.

The search goes through the space layer by layer and looks at every encoder or proves that it need not:

- Layers only add parameters, MACs and receptive field. A beginning beyond a limit has no end within it.
- What can still follow depends on the number of layers, on how often the image was halved, on the filters, and on
  the receptive field up to what was asked. Of beginnings with the same of these, one may be left out when as many
  others as encoders are wanted have neither more parameters nor more MACs: each end that completes the one completes
  the others, at no higher cost.
- Nor is a beginning completed that is larger than as many whole encoders as are wanted.

So what is found are the smallest of the whole space, by parameters and then by MACs, and where nothing is found there
is nothing. Each proposal is built and measured again by `cost` and `receptive_field`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from layerscope.analyses import receptive_field
from layerscope.analyses.cost import cost
from layerscope.core import propagate
from layerscope.core.dataclasses import dataclass, replace
from layerscope.core.errors import SettingError
from layerscope.core.graph import Graph, trace_calls
from layerscope.core.sizes import checked
from layerscope.layers import layer_class
from layerscope.layers.dense import Dense
from layerscope.layers.flatten import Flatten
from layerscope.layers.input_layer import Input

KERNELS, FILTERS, DEPTH = (1, 3, 5), (4, 8, 16, 32, 64), 5
DOWNS = ("", "stride", "pool")
Begun = tuple[int, int, tuple[int, ...]]
"""Parameters, MACs (or the other way round), and the numbers of the layers' choices."""
End = tuple[int, int, tuple[int, ...], bool]
"""The same of a whole encoder, and whether a Dense layer ends it."""
Key = tuple[int, int, int]
"""How often the image was halved, filters, receptive field (up to what is asked)."""


@dataclass(frozen=True)
class Choice:
    """One convolution of the space, and how it halves the image, if it does: by a stride or a pool."""

    kernel: int
    filters: int
    down: str = ""


@dataclass(frozen=True)
class Wish:
    """What is asked of an encoder.

    shape: one example, channels last. code: numbers of the code. reach: receptive field of the last convolution's
    positions, along each axis. parameters, macs: at most so many, of the encoder; None: any number.
    """

    shape: tuple[int, ...]
    code: int
    reach: int = 1
    parameters: int | None = None
    macs: int | None = None
    depth: int = DEPTH
    kernels: tuple[int, ...] = KERNELS
    filters: tuple[int, ...] = FILTERS

    def __post_init__(self) -> None:
        """SettingError for numbers below 1, shapes without channels, and filters that are no powers of two."""
        if not 2 <= len(self.shape) <= 4:
            raise SettingError(
                "an encoder takes sizes and channels, such as 28x28x1, 128x3 or 16x16x16x1, "
                f"not {'x'.join(map(str, self.shape))}"
            )
        for name in ("code", "reach", "depth", "parameters", "macs"):
            if getattr(self, name) is not None:
                checked(getattr(self, name), name)
        for name, values in (("a size", self.shape), ("kernels", self.kernels), ("filters", self.filters)):
            for value in values or (0,):
                checked(value, name)
        for value in self.filters:
            if value & (value - 1):
                raise SettingError(f"filters are powers of two, such as 4, 8, 16, not {value}")

    @property
    def rank(self) -> int:
        """How many spatial axes there are."""
        return len(self.shape) - 1

    @property
    def choices(self) -> tuple[Choice, ...]:
        """What each layer can be."""
        return tuple(
            Choice(kernel, filters, down)
            for kernel in sorted(set(self.kernels))
            for filters in sorted(set(self.filters))
            for down in DOWNS
            if not down or kernel > 1
        )

    @property
    def chains(self) -> int:
        """How many chains of convolutions the space has; each can end in two ways."""
        return sum(len(self.choices) ** layers for layers in range(1, self.depth + 1))

    def sizes(self, halved: int) -> tuple[int, ...]:
        """The image's sizes after so many halvings."""
        return tuple(-(-n // 2**halved) for n in self.shape[:-1])


@dataclass(frozen=True)
class Proposal:
    """An encoder that satisfies the wish, with what was measured of it; `convolutions` counts these."""

    graph: Graph
    parameters: int
    macs: int
    reach: int
    shape: tuple[int, ...]
    convolutions: int


@dataclass(frozen=True)
class Designed:
    """The wish, the smallest encoders that satisfy it, and, where there are none, what one alone of the limits would
    have to be for that (None: it is not that limit alone)."""

    wish: Wish
    proposals: tuple[Proposal, ...]
    would_do: dict[str, int | None]


def design(wish: Wish, count: int = 5) -> Designed:
    """The `count` smallest encoders of the wish's space that satisfy it.

    Errors: SettingError for a count below 1, and as `Wish`.
    """
    checked(count, "count")
    found = tuple(_measured(wish, path, dense) for _, _, path, dense in _Search(wish, count).run())
    return Designed(wish, found, {} if found else _relaxed(wish))


@dataclass(frozen=True)
class _Search:
    """The smallest encoders of a wish's space, by parameters and then MACs, or the other way round with `by_macs`."""

    wish: Wish
    count: int
    by_macs: bool = False

    @property
    def limits(self) -> tuple[float, float]:
        """The largest amounts allowed, that by which the smallest are sought first."""
        parameters, macs = self.wish.parameters or math.inf, self.wish.macs or math.inf
        return (macs, parameters) if self.by_macs else (parameters, macs)

    def run(self) -> list[End]:
        """All levels of the space, each made of what is left of the one before."""
        ends: list[End] = []
        level: dict[Key, list[Begun]] = {(0, self.wish.shape[-1], 1): [(0, 0, ())]}
        for _ in range(self.wish.depth):
            # Layers only add: a beginning that is larger than `count` whole encoders has no end among the smallest.
            most = min(self.limits[0], ends[-1][0] if len(ends) == self.count else math.inf)
            level = self._deeper(level, most)
            for key, begun in level.items():
                ends += self._ended(key, begun)
            ends = sorted(ends, key=lambda end: (end[0], end[1], len(end[2]), end[2]))[: self.count]
        return ends

    def _step(self, key: Key, choice: Choice) -> tuple[Key, int, int]:
        """The key behind one more layer, and what that adds."""
        wish, (halved, before, field) = self.wish, key
        each = choice.kernel**wish.rank * before * choice.filters
        jump = 2**halved
        field += (choice.kernel - 1) * jump + (jump if choice.down == "pool" else 0)
        positions = math.prod(wish.sizes(halved + (choice.down == "stride")))
        added = (each + choice.filters, positions * each)
        after = (halved + (choice.down != ""), choice.filters, min(field, wish.reach))
        return after, *(added[::-1] if self.by_macs else added)

    def _deeper(self, level: dict[Key, list[Begun]], most: float) -> dict[Key, list[Begun]]:
        """All beginnings that are one layer longer, without those that need not be looked at."""
        made: dict[Key, list[Begun]] = {}
        other_most, choices = self.limits[1], tuple(enumerate(self.wish.choices))
        for key, begun in level.items():
            for number, choice in choices:
                place, first, second = self._step(key, choice)
                made.setdefault(place, []).extend(
                    (a + first, b + second, (*path, number))
                    for a, b, path in begun
                    if a + first <= most and b + second <= other_most
                )
        return {key: self._undominated(begun) for key, begun in made.items() if begun}

    def _undominated(self, begun: list[Begun]) -> list[Begun]:
        """The beginnings to which there are fewer than `count` that are as good."""
        begun.sort()
        if self.limits[1] == math.inf:
            return begun[: self.count]
        kept: list[Begun] = []
        for one in begun:
            if sum(other[1] <= one[1] for other in kept) < self.count:
                kept.append(one)
        return kept

    def _ended(self, key: Key, begun: Sequence[Begun]) -> Iterator[End]:
        """The encoders that are complete with these beginnings."""
        halved, filters, field = key
        if field < self.wish.reach:
            return
        numbers = math.prod(self.wish.sizes(halved)) * filters
        added = ((numbers + 1) * self.wish.code, numbers * self.wish.code)
        first, second = added[::-1] if self.by_macs else added
        for a, b, path in begun:
            if numbers == self.wish.code:
                yield a, b, path, False
            if a + first <= self.limits[0] and b + second <= self.limits[1]:
                yield a + first, b + second, path, True


def build(wish: Wish, choices: Sequence[Choice], dense: bool) -> Graph:
    """An encoder of the space."""

    def layer(kind: str) -> Any:
        return layer_class(f"{kind}{wish.rank}D")

    start = x = Input(wish.shape)
    for number, choice in enumerate(choices):
        last = number == len(choices) - 1 and not dense
        strides = 2 if choice.down == "stride" else 1
        named = {"name": "code"} if last and choice.down != "pool" else {}
        x = layer("Conv")(
            choice.filters, choice.kernel, strides=strides, padding="same", activation="relu", **named
        )(x)  # fmt: skip
        if choice.down == "pool":
            x = layer("MaxPooling")(2, padding="same", **({"name": "code"} if last else {}))(x)
    if dense:
        x = Dense(wish.code, name="code")(Flatten()(x))
    return trace_calls([start], [x], "encoder")


def _measured(wish: Wish, path: Sequence[int], dense: bool) -> Proposal:
    """An encoder built, and what cost and receptive field say of it."""
    graph = build(wish, [wish.choices[number] for number in path], dense)
    types = propagate.types(graph, 1)
    costs = cost(graph, types)
    place = graph.outputs[0][0] - (2 if dense else 0)
    seen = receptive_field.fields(graph, types)[place][0]
    reach = min(field.extents[0] for (_, axis), field in seen.items() if 0 < axis <= wish.rank)
    assert isinstance(costs.macs, int)
    shape = tuple(int(n) for n in types[place][0].shape[1:] if isinstance(n, int))
    found = Proposal(graph, costs.parameters, costs.macs, reach, shape, len(path))
    assert found.reach >= wish.reach
    assert found.parameters <= (wish.parameters or found.parameters)
    assert found.macs <= (wish.macs or found.macs)
    return found


def _relaxed(wish: Wish) -> dict[str, int | None]:
    """For each limit, what it would have to be for one encoder to satisfy all others as they are."""
    would: dict[str, int | None] = {}
    if wish.parameters is not None:
        found = _Search(replace(wish, parameters=None), 1).run()
        would["parameters"] = found[0][0] if found else None
    if wish.macs is not None:
        found = _Search(replace(wish, macs=None), 1, by_macs=True).run()
        would["macs"] = found[0][0] if found else None
    low, high = 0, wish.reach  # a smaller reach is never harder
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _Search(replace(wish, reach=middle), 1).run() else (low, middle)
    return would | {"reach": low or None}
