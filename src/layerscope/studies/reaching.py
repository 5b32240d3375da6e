"""Reach: stacked and dilated convolutions and pooling that see equally far, as a table and a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from layerscope.analyses import positions
from layerscope.analyses.journey import Journey, journey
from layerscope.analyses.reach_designs import Design, designs
from layerscope.core import propagate
from layerscope.models.progress import Counting
from layerscope.probes.effective_field import MOST_SHARE, EffectiveField, effective_field
from layerscope.report import formats
from layerscope.report.document import Column, Document, TableRow, count
from layerscope.report.figures import effective
from layerscope.studies import runs
from layerscope.studies.opened import PathLike
from layerscope.studies.pictured import written

MEANT = (
    "All reach exactly equally far: the receptive field of their last layer, which has no holes. Convolutions have "
    "relu and same padding.",
    "Kept: what a training step keeps for the backward pass, for one image; 1 kB = 1,000 bytes.",
    f"Effective: height and width of the middle part of the receptive field that has {MOST_SHARE:.0%} of the "
    "influence: the mean square of the gradient by each pixel, over random weights (he_normal) and noise. Spread: "
    "its standard deviation in pixels, along the height.",
    "Positions: of the last layer. Behind pooling there are fewer, so it computes less, and says less of where.",
)


@dataclass(frozen=True)
class Way:
    """One network: how it is built, what it costs, and how the influence of its pixels lies."""

    design: Design
    journey: Journey
    field: EffectiveField

    @property
    def convolutions(self) -> int:
        return sum(kind == "conv" for kind, _, _ in self.design.parts)

    def to_json(self) -> dict[str, Any]:
        """Everything as plain data."""
        cost, memory = self.journey.cost, self.journey.memory
        return {
            "name": self.design.name,
            "layers": self.design.words,
            "convolutions": self.convolutions,
            "parameters": cost.parameters,
            "macs": cost.macs,
            "saved_bytes": memory.saved,
            "peak_bytes": memory.peak,
            "positions": list(self.journey.steps[-1].outputs[0].shape[1:3]),
            "receptive_field": list(self.field.sizes),
            "effective": list(self.field.side()),
            "spread": list(self.field.deviation),
        }


@dataclass(frozen=True)
class Reach:
    """The ways to one reach."""

    size: int
    input: tuple[int, ...]
    channels: int
    ways: tuple[Way, ...]

    def __getitem__(self, name: str) -> Way:
        """The way of this name; KeyError when there is none."""
        for way in self.ways:
            if way.design.name == name:
                return way
        raise KeyError(name)

    def to_json(self) -> dict[str, Any]:
        """Everything as plain data."""
        return {
            "reach": self.size,
            "input": list(self.input),
            "channels": self.channels,
            "ways": [way.to_json() for way in self.ways],
        }

    def document(self) -> Document:
        """The table, with what its words mean."""
        return Document(
            title=f"three ways to a receptive field of {self.size} × {self.size}",
            subtitle=f"on {positions.times(self.input)}, {self.channels} channels",
            columns=[
                Column("name", "way"),
                Column("parameters", "parameters", right=True),
                Column("macs", "MACs", right=True),
                Column("saved", "kept kB", right=True),
                Column("positions", "positions", right=True),
                Column("effective", "effective", right=True),
                Column("spread", "spread", right=True, rank=1),
                Column("layers", "layers"),
            ],
            rows=[TableRow(_cells(way)) for way in self.ways],
            totals=[],
            notes=[],
            definitions=list(MEANT),
            data=self.to_json,
            records=lambda: [_record(way) for way in self.ways],
        )

    def table(self, width: int = 120, colour: bool = False, format: str = "terminal") -> str:
        """The table in one of the formats of `layerscope trace`."""
        return formats.render(self.document(), format, width, colour)

    def __str__(self) -> str:
        return self.table()

    def save_figure(self, path: PathLike) -> None:
        """Write the influence of each pixel, a map for each way. OutputError if it cannot."""
        panels = [
            (
                way.design.name,
                [f"{count(way.journey.cost.parameters)} parameters, {count(way.journey.cost.macs)} MACs",
                 f"effective {positions.times(way.field.side())} of {positions.times(way.field.sizes)}"],
                way.field.inside,
                way.field.side(),
            )
            for way in self.ways
        ]  # fmt: skip
        title = f"How much each pixel matters, of the {self.size} × {self.size} that the last layer sees"
        under = (
            f"{self.channels} channels, random weights; brightness: the root of a pixel's influence; the square "
            f"holds {MOST_SHARE:.0%} of it"
        )
        written(path, lambda place: effective.fields(place, panels, title, under))


def _cells(way: Way) -> dict[str, str]:
    found = way.to_json()
    return {
        "name": way.design.name,
        "parameters": count(found["parameters"]),
        "macs": count(found["macs"]),
        "saved": f"{found['saved_bytes'] / 1000:,.0f}",
        "positions": positions.times(found["positions"]),
        "effective": positions.times(found["effective"]),
        "spread": f"{found['spread'][0]:.1f}",
        "layers": way.design.words,
    }


def _record(way: Way) -> dict[str, Any]:
    found = way.to_json()
    return {
        key: "x".join(map(str, value)) if key in ("positions", "receptive_field", "effective") else value
        for key, value in (found | {"spread": found["spread"][0]}).items()
    }


def reach(
    size: int,
    input: Sequence[int] = (64, 64, 1),
    channels: int = 16,
    *,
    seed: int = 0,
    out: PathLike | None = None,
    verbose: Any = "auto",
) -> Reach:
    """Stacked, dilated and pooled convolutions with a receptive field of exactly `size` pixels: see
    `analyses.reach_designs`, and `probes.effective_field` for how much each pixel matters.

    Costs are those of one image of the sizes `input` (height, width, channels). The influence is measured on images
    that are large enough for the field to lie within. `out` is written at the end: .png, .svg or .pdf.
    Errors: SettingError, SizeError, OutputError.
    """
    if out is not None:
        runs.writable(out, runs.PICTURES, "a picture")
    found, ways = designs(size, input, channels), list[Way]()
    with Counting("Measuring gradients of networks", len(found), verbose, aside=True) as counting:
        for number, design in enumerate(found):
            ways.append(Way(design, journey(design.graph), _measured(size, number, channels, seed)))
            counting.more(1)
    result = Reach(size, tuple(input), channels, tuple(ways))
    if out is not None:
        result.save_figure(out)
    return result


def _measured(size: int, number: int, channels: int, seed: int) -> EffectiveField:
    """On the smallest image, in steps of 8 pixels, in which the field of the middle position lies whole."""
    side = -(-size // 8) * 8
    while True:
        graph = designs(size, (side, side, 1), channels)[number].graph
        seen = positions.of_layer(graph, journey(graph), None, [n // 2 for n in _sizes(graph)]).inputs[0]
        if seen.indices is not None and all(part.hull[0] > 0 and part.extent == size for part in seen.indices):
            return effective_field(graph, seed=seed)
        side += 8


def _sizes(graph: Any) -> tuple[int, int]:
    height, width = propagate.output_types(graph)[0].shape[1:3]
    assert isinstance(height, int)
    assert isinstance(width, int)
    return height, width
