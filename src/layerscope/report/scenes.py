"""What is drawn of a report, as facts without looks: a journey, curves, pictures. `layouts` lay them out."""

from __future__ import annotations

from collections.abc import Sequence

from layerscope.core.dataclasses import dataclass


@dataclass(frozen=True)
class Plane:
    """An input over which receptive fields are drawn: its name, and its height and width in positions.

    A sequence has the height 1.
    """

    name: str
    height: int
    width: int


@dataclass(frozen=True)
class Field:
    """What a layer's middle position sees of a plane: first and last position down and across, both included.

    Positions below 0, or from the plane's size on, lie in the padding.
    """

    plane: int
    top: int
    left: int
    bottom: int
    right: int


@dataclass(frozen=True)
class Stop:
    """One row of a journey: a layer, or several put together (`layers` of them).

    `side`: positions along an axis, the geometric mean of several; 1 where there are none. `depth`: numbers at each
    position. `parameters` and `macs` are None where unknown. `change`: numbers out ÷ numbers in, None where unknown.
    `reads`: the places of the stops that feed it. `quiet`: it multiplies nothing and keeps the shape of its only
    input, so that a small figure may leave it to the stop before. `row`: its place in the table; -1: in none.
    """

    name: str
    kind: str
    shape: str
    side: float
    depth: float
    parameters: int | None
    macs: int | None
    change: float | None
    reads: tuple[int, ...] = ()
    layers: int = 1
    quiet: bool = False
    row: int = -1


@dataclass(frozen=True)
class Journey:
    """The data's way through a network: a title, what stands below it (`about`), stops in order, and the planes."""

    title: str
    about: str
    stops: Sequence[Stop]
    planes: Sequence[Plane] = ()


@dataclass(frozen=True)
class Line:
    """Numbers by epoch; not finite ones leave a gap."""

    name: str
    values: Sequence[float]


@dataclass(frozen=True)
class Curves:
    """A loss or metric over epochs: one panel with lines for training and validation, or for several networks."""

    title: str
    epochs: Sequence[int]
    lines: Sequence[Line]
    best: str = ""
    """Which line has its best value marked; "" for none."""
    rising: bool = False
    """Whether large is good."""


@dataclass(frozen=True)
class Picture:
    """A picture file's bytes (PNG), with the words that stand for it and those below it."""

    title: str
    words: str
    png: bytes


Scene = Journey | Curves | Picture
