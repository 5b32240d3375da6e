"""A small example of a layer, cell by cell, for its page in the terminal."""

from __future__ import annotations

from dataclasses import replace

from layerscope.lab.painting import terminal
from layerscope.lab.scenes import scene

EXAMPLES: dict[str, tuple[str, tuple[str, ...]]] = {
    "BedOfNails2D": ("#lab=upsampling&n=2", ("code", "nails")),
    "Conv2D": ("#lab=conv&n=4", ()),
    "Conv2DTranspose": ("#lab=convt&n=3&cell=3,3&view=stamp", ()),
    "MaxPooling2D": ("#lab=pool&n=4", ("input", "output", "switches")),
    "MaxUnpooling2D": ("#lab=upsampling&n=2", ("image", "code", "switches", "unpooled")),
    "UpSampling2D": ("#lab=upsampling&n=2", ("code", "nearest")),
}
"""For each kind of layer: a state, and the grids of it that are shown (none named: all)."""


def example(kind: str, width: int = 80, colour: bool = False) -> str:
    """A state of the lab with that layer as text, and how to open it; nothing where the lab has no screen for it."""
    if kind not in EXAMPLES:
        return ""
    link, names = EXAMPLES[kind]
    made = scene(link)
    if names:
        layout = [[name for line in made.layout for name in line if name in names]]
        grids = [grid for grid in made.grids if grid.id in names]
        links = [link for link in made.links if {link.source[0], link.target[0]} <= set(names)]
        formula = made.formula if {token.cell[0] for token in made.formula if token.cell} <= set(names) else ()
        made = replace(made, layout=layout, grids=grids, links=links, formula=formula)
    shown = terminal.render(made, width - 2, colour, explained=False, titled=False)
    lines = ["In the lab", *("  " + line if line else "" for line in shown.split("\n"))]
    return "\n".join([*lines, f"  More: layerscope lab export '{link}'"])
