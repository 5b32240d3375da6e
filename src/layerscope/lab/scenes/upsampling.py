"""Three ways to enlarge what a pooling left: nearest, bed of nails, max unpooling; and switches gone stale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from layerscope.lab.numbers import text
from layerscope.lab.scene import Cell, Clamp, Grid, Link, Scene, Text, Token
from layerscope.lab.scenes._shared import cells, law, numbers_of, within
from layerscope.layers import BedOfNails2D, MaxPooling2D, MaxUnpooling2D, UpSampling2D


@dataclass(frozen=True)
class _Made:
    """All planes, as lists row by row: `fresh` is what unpooling gives with switches of the edited image."""

    n: int
    s: int
    edit: str
    image: list[float]
    code: list[float]
    switches: list[int]
    nearest: list[float]
    nails: list[float]
    unpooled: list[float]
    fresh: list[float]
    renewed: list[int]

    @property
    def size(self) -> int:
        return self.n * self.s

    def block(self, at: int) -> list[int]:
        """The numbers of the large plane's cells that belong to a cell of the code."""
        row, column = (place * self.s for place in divmod(at, self.n))
        return [(row + a) * self.size + column + b for a in range(self.s) for b in range(self.s)]

    def origin(self, at: int) -> int:
        """Where the number of a code cell stood before the edit."""
        row, column = divmod(at, self.n)
        if self.edit == "mirror":
            column = self.n - 1 - column
        elif self.edit == "roll":
            column = (column - 1) % self.n
        return row * self.n + column


def scene(settings: dict[str, Any]) -> Scene:
    """An image of n·s × n·s, max pooled to n × n, edited or not, and enlarged again three ways."""
    clamped: list[Clamp] = []
    made = _made(settings, clamped)
    n, size = made.n, made.size
    row, column = settings["cell"] = within(settings["cell"], n, n)
    chosen = row * n + column
    edited = made.edit != "none"
    return Scene(
        screen="upsampling", settings=settings, clamped=clamped,
        title=Text("upsampling.title", {"n": n, "size": size}),
        grids=_grids(made),
        layout=[["image", "code", "switches"], ["nearest", "nails", "unpooled", *(["fresh"] if edited else [])]],
        links=_links(made, chosen), selected=("code", chosen), formula=_formula(made, chosen),
        law=law("n · s", size, {"n": n, "s": made.s}), code=_code(made), why=_why(made),
        data={"stale": [i for i in range(n * n) if made.switches[i] != made.renewed[i]]},
    )  # fmt: skip


def _made(settings: dict[str, Any], clamped: list[Clamp]) -> _Made:
    n, s, edit = settings["n"], settings["s"], settings["edit"]
    size = n * s
    image = np.array(numbers_of(settings, "x", size * size, (1, 9), settings["seed"], clamped)).reshape(size, size)
    pooling = MaxPooling2D(s, return_switches=True)
    (pooled, switches), _ = pooling.define(image[None, :, :, None])
    (fresh, renewed), _ = pooling.define(_edited(image, edit, s)[None, :, :, None])
    code = _edited(pooled[0], edit, 1)[None]
    planes = [
        image, code, switches, UpSampling2D(s).define(code)[0][0], BedOfNails2D(s).define(code)[0][0],
        MaxUnpooling2D(s).define(code, switches)[0][0], MaxUnpooling2D(s).define(fresh, renewed)[0][0], renewed,
    ]  # fmt: skip
    return _Made(n, s, edit, *(plane.ravel().tolist() for plane in planes))


def _edited(plane: Any, edit: str, by: int) -> Any:
    """Mirrored left to right, or moved so many columns to the right, around the edge."""
    if edit == "mirror":
        return plane[:, ::-1]
    return np.roll(plane, by, axis=1) if edit == "roll" else plane


def _grids(made: _Made) -> list[Grid]:
    n, size, winners = made.n, made.size, set(made.switches)
    nailed = {made.block(at)[0] for at in range(n * n)}

    def put(values: list[float], places: set[int]) -> list[Cell]:
        return [Cell(v, text(v), "result" if i in places else "zero") for i, v in enumerate(values)]

    image = [Cell(v, text(v), "winner" if i in winners else "data") for i, v in enumerate(made.image)]
    stale = [
        Cell(cell.value, cell.text, "changed" if cell.value != right else cell.role)
        for cell, right in zip(put(made.unpooled, winners), made.fresh, strict=True)
    ]
    code = (
        Text("upsampling.code", {"n": n}) if made.edit == "none" else Text(f"upsampling.code.{made.edit}", {"n": n})
    )
    found = [
        Grid("image", Text("upsampling.image", {"size": size}), size, size, image, "sequential"),
        Grid("code", code, n, n, cells(made.code), "sequential", "cell"),
        Grid("switches", Text("grid.switches"), n, n, cells(made.switches), "plain", "cell"),
        Grid("nearest", Text("upsampling.nearest"), size, size, cells(made.nearest, "result"), "sequential"),
        Grid("nails", Text("upsampling.nails"), size, size, put(made.nails, nailed), "sequential"),
        Grid("unpooled", Text("upsampling.unpooled"), size, size, stale, "sequential"),
    ]
    if made.edit != "none":
        fresh = put(made.fresh, set(made.renewed))
        found.append(Grid("fresh", Text("upsampling.fresh"), size, size, fresh, "sequential"))
    return found


def _links(made: _Made, chosen: int) -> list[Link]:
    code, block, target = ("code", chosen), made.block(chosen), ("unpooled", made.switches[chosen])
    origin = made.origin(chosen)
    return [
        *(
            Link(("image", at), code, "copy" if at == made.switches[origin] else "read")
            for at in made.block(origin)
        ),
        *(Link(code, ("nearest", at), "copy") for at in block),
        Link(code, ("nails", block[0]), "copy"),
        Link(code, target, "copy"),
        Link(("switches", chosen), target, "switch"),
    ]  # fmt: skip


def _formula(made: _Made, chosen: int) -> list[Token]:
    """Where unpooling puts the number, and how the switch says it: 8 → (0, 2): 0 · 4 + 2 = 2."""
    switch = made.switches[chosen]
    row, column = map(text, divmod(switch, made.size))
    place = [Token(row), Token(", ", "operator"), Token(column)]
    return [
        Token(text(made.code[chosen]), cell=("code", chosen)), Token("→", "operator"),
        Token("(", "operator"), *place, Token("):", "operator"),
        Token(row), Token("·", "operator"), Token(text(made.size)), Token("+", "operator"), Token(column),
        Token("=", "operator"), Token(text(switch), cell=("switches", chosen)),
    ]  # fmt: skip


def _why(made: _Made) -> list[Text]:
    count, all = made.n**2, made.size**2
    said = [
        Text("upsampling.why.nearest", {"s": made.s, "copies": made.s**2}),
        Text("upsampling.why.nails", {"zeros": all - count, "all": all}),
        Text("upsampling.why.unpooled"),
    ]
    if made.edit == "none":
        said.append(Text("upsampling.why.winners", {"count": count, "rest": all - count}))
    else:
        stale = sum(a != b for a, b in zip(made.switches, made.renewed, strict=True))
        said.append(Text("upsampling.why.stale", {"stale": stale, "count": count}))
    return [*said, Text("upsampling.why.convt", {"s": made.s, "op": made.s - 1})]


def _code(made: _Made) -> dict[str, str]:
    s, size = made.s, made.size
    return {
        "keras": f"UpSampling2D({s})(code)\nlayerscope.keras.BedOfNails2D({s})(code)\n"
        f"layerscope.keras.MaxUnpooling2D({s})([code, switches])",
        "torch": f"torch.nn.Upsample(scale_factor={s})(code)\n"
        f"torch.nn.functional.conv_transpose2d(code, torch.ones(1, 1, 1, 1), stride={s}, output_padding={s - 1})\n"
        f"torch.nn.MaxUnpool2d({s})(code, switches)",
        "numpy": f"nearest = code.repeat({s}, 0).repeat({s}, 1)\nnails = np.zeros(({size}, {size}))\n"
        f"nails[::{s}, ::{s}] = code\nunpooled = np.zeros(({size}, {size}))\nunpooled.flat[switches] = code",
    }
