"""What undoes an encoder, link by link. Nothing is built here.

Each link is undone in reverse: a convolution n → m by one m → n with a kernel of the same size, flattening by a
reshape, and a layer that makes the data smaller by an enlargement with a convolution behind it, a *stage*. A pool's
stage takes in the convolution before the pool; where there is none, and for a block, it gets one of 3 cells along
each axis that leads to the channels before it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from layerscope.analyses.mirror.links import MAXIMA, SKIPPED, WHOLE, Link, chain, channels, dilated, spatial
from layerscope.core.dataclasses import dataclass, replace
from layerscope.core.errors import GraphError
from layerscope.core.graph import Graph

PLANAR = ("bilinear", "nails", "unpool")
"""Ways of enlarging whose layers exist for images only."""


@dataclass(frozen=True)
class Stage:
    """An enlargement and the convolution behind it.

    `factor` enlarges; of the enlarged image (or of zeros around it, where negative) `cut` cells fall away at the
    begin of each axis, and `middle` are its sizes then. The convolution brings it to `sizes`: `grow` says how many
    of its cells lie before the first one of the enlarged image. `lie` is where cell 0 of the enlarged image
    belongs in what it becomes, in cells of `sizes`.
    """

    shrink: Link
    factor: tuple[int, ...]
    cut: tuple[int, ...]
    middle: tuple[int, ...]
    sizes: tuple[int, ...]
    grow: tuple[int, ...]
    filters: int
    kernel: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int = 1
    padding: str = "same"
    activation: str | None = None
    lie: tuple[float, ...] = ()
    source: int = 0
    """The encoder's node whose tensor this leads back to."""

    @property
    def settings(self) -> dict[str, Any]:
        """Those that all convolutions in its place share."""
        return {"groups": self.groups, "activation": self.activation}

    @property
    def reach(self) -> tuple[int, ...]:
        """The dilated kernel."""
        return tuple(d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilation, strict=True))

    @property
    def rank(self) -> int:
        """How many spatial axes there are."""
        return len(self.factor)

    @property
    def enlarges(self) -> bool:
        """Whether there is anything to enlarge."""
        return any(factor > 1 for factor in self.factor)


@dataclass(frozen=True)
class Undo:
    """A link that is undone by itself, and the activation of what enters it."""

    link: Link
    activation: str | None

    @property
    def source(self) -> int:
        """The encoder's node whose tensor this leads back to."""
        return self.link.source


def _activation(links: Sequence[Link], number: int) -> str | None:
    """The activation of the tensor that enters a link; an image counts as the output of a sigmoid."""
    for link in reversed(links[:number]):
        if link.leaves:
            return link.leaves[0]
    return "sigmoid"


def _cut(link: Link) -> tuple[int, ...]:
    """Cells of the enlarged data that fall away at the begin of each axis, or zeros before it, where negative."""
    cut: list[int] = []
    for n, t, cover in zip(
        spatial(link.after) or (1,) * len(link.covers), spatial(link.before), link.covers, strict=True
    ):
        spare = n * cover.stride - t
        # The block of an enlarged cell stands over the middle of the window that it comes from.
        cut.append(min(max(cover.begin + (cover.stride - cover.window) // 2, min(0, spare)), max(0, spare)))
    return tuple(cut)


def _stage(links: Sequence[Link], shrink: int, conv: int | None) -> Stage:
    """How the link number `shrink` is undone; `conv` is the convolution that is undone with it, if there is one."""
    link = links[shrink]
    middle, rank = spatial(link.before), len(link.covers)
    first = shrink if conv is None else conv
    plain = Stage(
        link, link.strides, _cut(link), middle, middle, (0,) * rank, channels(links[first].before), (3,) * rank,
        (1,) * rank, activation=_activation(links, first),
        lie=tuple((c.window - c.stride) / 2 - c.begin for c in link.covers), source=links[first].source,
    )  # fmt: skip
    if conv is None:
        return plain
    layer, sizes = links[conv].layer, spatial(links[conv].before)
    valid = layer.padding == "valid" and conv != shrink and max(dilated(layer)) > 1
    more = (0.0,) * rank if conv == shrink else tuple(cover.middle for cover in links[conv].covers)
    return replace(
        plain, sizes=sizes, kernel=layer.kernel_size, dilation=layer.dilation_rate,
        groups=getattr(layer, "groups", 1), padding="valid" if valid else "same",
        grow=tuple((k - 1) // 2 for k in dilated(layer)) if valid else (0,) * rank,
        lie=tuple(a + b for a, b in zip(plain.lie, more, strict=True)),
    )  # fmt: skip


def _alone(links: Sequence[Link], number: int) -> Stage:
    """How a convolution that makes nothing smaller, but by its padding, is undone."""
    link = links[number]
    conv, rank = link.layer, len(link.covers)
    return Stage(
        link, (1,) * rank, (0,) * rank, spatial(link.after), spatial(link.before), (0,) * rank,
        channels(link.before), conv.kernel_size, conv.dilation_rate, getattr(conv, "groups", 1),
        "valid" if conv.padding == "valid" else "same", _activation(links, number),
        tuple(cover.middle for cover in link.covers), link.source,
    )  # fmt: skip


def plan(links: Sequence[Link]) -> Iterator[Stage | Undo]:
    """What the decoder does, in its order."""
    number = len(links) - 1
    while number >= 0:
        link, first = links[number], number
        if link.shrinks and link.convolves:
            yield _stage(links, number, number)
        elif link.shrinks:
            near = number - 1
            while near >= 0 and links[near].kind in SKIPPED:
                near -= 1
            taken = near >= 0 and links[near].convolves and not links[near].shrinks and link.layer is not None
            yield _stage(links, number, near if taken else None)
            first = near if taken else number
        elif link.convolves:
            yield _alone(links, number)
        elif link.kind not in SKIPPED:
            yield Undo(link, _activation(links, number))
        number = first - 1


def obstacle(encoder: Graph, name: str) -> str | None:
    """Why an encoder has no decoder of this name; None where it has one."""
    links = chain(encoder)
    if name in (*PLANAR, "subpixel"):
        for link in links:
            rank = len(link.covers)
            if (
                link.shrinks
                and any(s > 1 for s in link.strides)
                and rank not in ((1, 2) if name == "subpixel" else (2,))
            ):
                return (
                    f"{link.label} ({link.kind}) makes {rank}-D data smaller, and no layer enlarges it so; "
                    f"{'nearest, transpose and subpixel do' if rank == 1 else 'nearest and transpose do'}"
                )
    for link in links if name == "unpool" else ():
        if link.shrinks and any(s > 1 for s in link.strides) and link.kind not in MAXIMA:
            return (
                f"{link.label} ({link.kind}) is {_what(link)} and keeps no switches; only max pooling can be unpooled"
            )
    return None


def _what(link: Link) -> str:
    if link.convolves:
        return "a convolution with strides"
    if link.kind == "block":
        return "a block of branches"
    if link.kind in WHOLE:
        return "a pool over everything"
    return "an average" if "Average" in link.kind else "a pool of shares"


def refused(encoder: Graph, name: str) -> None:
    """Errors: GraphError where an encoder has no decoder of this name."""
    why = obstacle(encoder, name)
    if why is not None:
        raise GraphError(f"this encoder has no decoder {name!r}: {why}")
