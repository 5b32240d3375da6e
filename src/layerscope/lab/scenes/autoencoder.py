"""A digit through an autoencoder: the maps of a layer, the code, and what several decoders make of it.

Values are rounded to six decimals, so that sums in another order (the page's) come to the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerscope.lab import drawing
from layerscope.lab.autoencoders import Autoencoder, kept, shapes, trained
from layerscope.lab.drawing import FULL, SIDE, Pixels
from layerscope.lab.numbers import text
from layerscope.lab.scene import Cell, Clamp, Grid, Scene, Text, Token
from layerscope.lab.scenes._shared import at_most, law, within

Array = NDArray[Any]
CODE = "code"
MILLION, HALF = 1_000_000, 0.4999


def scene(settings: dict[str, Any]) -> Scene:
    """The drawing (or one of MNIST's digits), moved by dx, dy, through all decoders."""
    clamped: list[Clamp] = []
    sheet, placed = _pixels(settings, clamped)
    decoder, cell = settings["decoder"], within(settings["cell"], SIDE, SIDE)
    settings["cell"], chosen = cell, cell[0] * SIDE + cell[1]
    still = np.array(placed) / FULL
    moved = settings["dx"] != 0 or settings["dy"] != 0
    image = np.array(drawing.shifted(placed, settings["dx"], settings["dy"])) / FULL
    tensors = {name: trained(name).tensors(image) for name in kept()["networks"]}
    made = {name: found[-1].ravel() for name, found in tensors.items()}
    facts = [_facts(name, made[name], image, still if moved else None) for name in made]
    network = trained(decoder)
    inner = _inner(settings, network, tensors[decoder], clamped)
    rows, columns, count = shapes(network.graph)[network.graph.index(CODE)]
    return Scene(
        screen="autoencoder", settings=settings, clamped=clamped,
        title=Text("autoencoder.title", {"count": rows * columns * count}),
        grids=[
            _sheet(settings, sheet),
            _grid("input", Text("autoencoder.input"), SIDE, image, select="cell"),
            *inner,
            *(_made(one, made[one["name"]]) for one in facts),
            *(_error(name, found - image) for name, found in made.items()),
        ],
        layout=[
            ["drawing", "input", "map"], [f"code.{n}" for n in range(count)], [f"made.{name}" for name in made],
            [f"error.{name}" for name in made],
        ],
        selected=(f"made.{decoder}", chosen),
        formula=_formula(decoder, chosen, made[decoder][chosen], image[chosen]),
        law=_law((rows, columns, count), kept()["networks"][decoder]["switches"]),
        code=kept()["code"][decoder],
        why=_why(settings, facts, rows * columns * count),
        data={"decoders": facts, "layers": _layers(network)},
    )  # fmt: skip


def _inner(settings: dict[str, Any], network: Autoencoder, tensors: list[Array], clamped: list[Clamp]) -> list[Grid]:
    """The map that was asked for, and the code; the settings are brought to what the network has."""
    nodes, sizes = network.graph.nodes, shapes(network.graph)
    layer = at_most(settings, "layer", len(nodes) - 1, Text("autoencoder.clamp.layer"), clamped)
    _, wide, maps = sizes[layer]
    map = at_most(settings, "map", maps - 1, Text("autoencoder.clamp.map", {"maps": maps}), clamped)
    kind = Text(f"kind.{nodes[layer].layer.kind}")
    told = {"layer": nodes[layer].label, "kind": kind, "map": map + 1, "maps": maps}
    code = network.graph.index(CODE)
    _, columns, count = sizes[code]
    return [
        _grid("map", Text("autoencoder.map", told), wide, tensors[layer][..., map].ravel()),
        *(
            _grid(f"code.{n}", Text("autoencoder.code", {"map": n + 1}), columns, tensors[code][..., n].ravel())
            for n in range(count)
        ),
    ]


def _pixels(settings: dict[str, Any], clamped: list[Clamp]) -> tuple[Pixels, Pixels]:
    """The sheet as it was drawn, and what the network gets where nothing is moved."""
    drawn = drawing.read(settings["drawn"])
    if drawn is None:
        clamped.append(Clamp("drawn", settings["drawn"], "", Text("autoencoder.clamp.drawn")))
        settings["drawn"] = ""
    sheet, placed = drawn, drawn
    if drawn is None or settings["drawn"] == "":
        sheet = placed = drawing.read(kept()["digits"][settings["digit"]])
    elif settings["fit"] == "mnist":
        placed = drawing.fitted(drawn)
    assert sheet is not None
    assert placed is not None
    return sheet, placed


def _facts(name: str, made: Array, image: Array, still: Array | None) -> dict[str, Any]:
    """What is said of a decoder: its error here, and where the same digit is not moved."""
    network = kept()["networks"][name]
    centred = None if still is None else _short(_mse(trained(name).tensors(still)[-1].ravel(), still))
    return {
        "name": name,
        "mse": _short(_mse(made, image)),
        "centred": centred,
        "usual": network["mse"],
        "parameters": network["parameters"],
        "switches": network["switches"],
    }


def _layers(network: Autoencoder) -> list[dict[str, Any]]:
    return [
        {"name": node.label, "kind": node.layer.kind, "shape": list(shape)}
        for node, shape in zip(network.graph.nodes, shapes(network.graph), strict=True)
    ]


def _mse(made: Array, image: Array) -> float:
    return float(np.square(made - image).mean())


def _short(value: float) -> float:
    """Rounded to six decimals; from a little above the half upwards, as weights of 12 bits do make exact halves, on
    both sides of which sums in another order would come out.
    """
    return float(np.floor(value * MILLION + HALF) / MILLION)


def _grid(
    id: str, title: Text, columns: int, values: Iterable[float], scale: str = "sequential", select: str = ""
) -> Grid:
    cells = [Cell(v, text(v), "data") for v in (_short(value) for value in values)]
    return Grid(id, title, len(cells) // columns, columns, cells, scale, select)


def _sheet(settings: dict[str, Any], sheet: Pixels) -> Grid:
    own = settings["drawn"] != ""
    title = Text("autoencoder.drawing") if own else Text("autoencoder.digit", {"digit": settings["digit"]})
    return _grid("drawing", title, SIDE, [level / FULL for level in sheet])


def _made(facts: dict[str, Any], made: Array) -> Grid:
    title = Text("autoencoder.made", {"decoder": _called(facts["name"]), "mse": text(facts["mse"])})
    return _grid(f"made.{facts['name']}", title, SIDE, made, select=f"cell&decoder={facts['name']}")


def _error(name: str, error: Array) -> Grid:
    title = Text("autoencoder.error", {"decoder": _called(name)})
    return _grid(f"error.{name}", title, SIDE, error, scale="diverging", select=f"cell&decoder={name}")


def _called(decoder: str) -> Text:
    return Text(f"autoencoder.choice.decoder.{decoder}")


def _formula(decoder: str, chosen: int, made: float, given: float) -> list[Token]:
    return [
        Token(text(_short(made)), "number", (f"made.{decoder}", chosen)),
        Token("−", "operator"),
        Token(text(_short(given)), "number", ("input", chosen)),
        Token("=", "operator"),
        Token(text(_short(made - given)), "number", (f"error.{decoder}", chosen)),
    ]


def _law(code: tuple[int, int, int], switches: int) -> list[Token]:
    """The numbers in the code (and the bits around it), which are fewer than pixels."""
    numbers = code[0] * code[1] * code[2]
    tokens = law("h × w × c", numbers, dict(zip("hwc", code, strict=True)))
    tokens += [Token("+", "operator"), Token(text(switches)), Token("bits", "name")] if switches else []
    side, pixels = Token(text(SIDE)), Token(text(SIDE * SIDE))
    return [*tokens, Token("<", "operator"), side, Token("×", "operator"), side, Token("=", "operator"), pixels]


def _why(settings: dict[str, Any], facts: list[dict[str, Any]], numbers: int) -> list[Text]:
    told = next(one for one in facts if one["name"] == settings["decoder"])
    why = [
        Text("autoencoder.why", {"numbers": numbers, "pixels": SIDE * SIDE}),
        Text(f"autoencoder.why.{settings['decoder']}", {"switches": told["switches"]}),
        Text("autoencoder.why.usual", {"mse": text(told["mse"]), "usual": text(told["usual"])}),
    ]
    if told["centred"] is not None:
        why.append(Text("autoencoder.why.moved", {"mse": text(told["mse"]), "centred": text(told["centred"])}))
    if settings["drawn"] != "":
        why.append(Text(f"autoencoder.why.fit.{settings['fit']}"))
    return why
