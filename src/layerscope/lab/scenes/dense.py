"""Dense: boxes of a few numbers become one number, by one sum of products after the other; and what that cannot see.

The document's two ways: each box to one number (condense, units 1), or first to several (enrich, units above 1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from layerscope.core.contract import Array
from layerscope.lab.numbers import text, whole
from layerscope.lab.scene import Cell, Clamp, Grid, Link, Scene, Text, Token
from layerscope.layers import Dense


@dataclass(frozen=True)
class Stage:
    """One Dense of the chain: what goes in, its weights, what comes out (of both inputs). All are matrices."""

    number: int
    layer: Dense
    kernel: Array
    bias: Array
    given: Array
    made: Array
    other: Array

    @property
    def source(self) -> str:
        """The grid that it reads."""
        return "input" if self.number == 1 else f"out{self.number - 1}"


def scene(settings: dict[str, Any]) -> Scene:
    """`rows` boxes of `n` numbers through Dense(`units`), then down to one number; `step` is the Dense in focus."""
    clamped: list[Clamp] = []
    rows, n, units = settings["rows"], settings["n"], settings["units"]
    count = 2 if units == 1 else 3
    if settings["step"] >= count:
        clamped.append(
            Clamp("step", str(settings["step"]), str(count - 1), Text("dense.clamp.step", {"count": count}))
        )
        settings["step"] = count - 1
    first = np.array(whole(rows * n, -5, 9, settings["seed"])).reshape(rows, n)
    stages = _stages(settings, first)
    chosen = stages[settings["step"]]
    row, column = (min(max(c, 0), size - 1) for c, size in zip(settings["cell"], chosen.made.shape, strict=True))
    settings["cell"] = [row, column]
    other, pair = _blind(settings, first, stages)
    grids = [_grid("input", Text("dense.input", {"rows": rows, "columns": n}), first, "data")]
    for stage in stages:
        grids += _grids(stage, stage.number == chosen.number)
    grids += [_products(chosen, row, column), _grid("input.other", Text("dense.other"), other, "data")]
    grids += [_grid(f"out{s.number}.other", Text("dense.made.other", {"number": s.number}), s.other, "result")
              for s in stages]  # fmt: skip
    other_row = ["input.other", *(f"out{s.number}.other" for s in stages)]
    layout = [["input", *(f"{name}{s.number}" for s in stages[:1] for name in _parts(s))]]
    layout += [[f"{name}{s.number}" for name in _parts(s)] for s in stages[1:]]
    layout += [["products"], other_row]
    into, out = chosen.kernel.shape
    return Scene(
        screen="dense", settings=settings, title=Text("dense.title"), clamped=clamped, grids=grids, layout=layout,
        links=_links(chosen, row, column),
        selected=(f"out{chosen.number}", row * out + column),
        formula=_formula(chosen, row, column),
        law=_law(chosen),
        code=_code(chosen),
        why=_why(settings, stages, pair),
        step=settings["step"], steps=count,
        data={
            "paper": [[name for line in layout[:-1] for name in line], other_row],
            "bars": _bars(chosen, row, column),
            "parameters": [int(s.kernel.size + s.bias.size) for s in stages],
            "weights": {"keras": [into, out], "torch": [out, into]},
            "blind": {"stage": pair, "outputs": [bool(np.array_equal(s.made, s.other)) for s in stages]},
        },
    )  # fmt: skip


def _stages(settings: dict[str, Any], first: Array) -> list[Stage]:
    """The chain with whole numbers as weights, by `define`; the other input is put through by `_blind`."""
    rows, n, units, seed = settings["rows"], settings["n"], settings["units"], settings["seed"]
    shapes = [(n, units), (units, 1), (rows, 1)] if units > 1 else [(n, 1), (rows, 1)]
    stages: list[Stage] = []
    given = first
    for number, (into, out) in enumerate(shapes, 1):
        relu = "relu" if settings["act"] == "relu" and number < len(shapes) else None
        layer = Dense(out, relu, use_bias=settings["bias"] == "yes")
        kernel = np.array(whole(into * out, -3, 3, seed + 100 * number)).reshape(into, out)
        bias = np.array(whole(out, -4, 4, seed + 100 * number + 50) if layer.use_bias else [])
        given = given.T if number == len(shapes) else given  # the boxes' numbers, side by side
        made = _run(layer, kernel, bias, given)
        stages.append(Stage(number, layer, kernel, bias, given, made, made))
        given = made
    return stages


def _run(layer: Dense, kernel: Array, bias: Array, given: Array) -> Array:
    weights = {"kernel": kernel, "bias": bias} if layer.use_bias else {"kernel": kernel}
    ((made,), _) = layer.define(given, **weights)
    return made


def _blind(settings: dict[str, Any], first: Array, stages: list[Stage]) -> tuple[Array, int | None]:
    """Another input, moved in the first box so that without activations the last number stays; put through the chain.

    Where all units see a move alike, it is one that already the first Dense does not see. The stage from which on
    both are equal is returned (None: they differ at the end).
    """
    effective = stages[0].kernel
    if settings["units"] > 1:
        effective = effective @ stages[1].kernel
    move = _unseen(stages[0].kernel) or _unseen(effective) or [1] + [0] * (first.shape[1] - 1)
    other = first.copy()
    other[0] += np.array(move, first.dtype)
    given = other
    for number, stage in enumerate(stages):
        given = given.T if number == len(stages) - 1 else given
        given = _run(stage.layer, stage.kernel, stage.bias, given)
        stages[number] = Stage(stage.number, stage.layer, stage.kernel, stage.bias, stage.given, stage.made, given)
    equal = [bool(np.array_equal(s.made, s.other)) for s in stages]
    return other, next((s.number for s, same in zip(stages, equal, strict=True) if same), None)


def _unseen(kernel: Array) -> list[int] | None:
    """A move of two numbers (or one) that a kernel maps to zero; None where there is none of so few."""
    rows = [[int(w) for w in row] for row in kernel.tolist()]
    for number, row in enumerate(rows):
        if not any(row):
            return [int(place == number) for place in range(len(rows))]
    for a in range(len(rows)):
        for b in range(a + 1, len(rows)):
            one = next(n for n, w in enumerate(rows[a]) if w)
            p, q = rows[b][one], -rows[a][one]
            if p and all(p * x + q * y == 0 for x, y in zip(rows[a], rows[b], strict=True)):
                common = int(np.gcd(p, q))
                move = [0] * len(rows)
                move[a], move[b] = p // common, q // common
                return move
    return None


def _parts(stage: Stage) -> list[str]:
    return ["w", *(["bias"] if stage.layer.use_bias else []), "out"]


def _grid(id: str, title: Text, values: Array, role: str, select: str = "") -> Grid:
    rows, columns = values.shape
    return Grid(id, title, rows, columns, [Cell(v, text(v), role) for v in values.ravel().tolist()], select=select)


def _grids(stage: Stage, chosen: bool) -> list[Grid]:
    number, (into, out) = stage.number, stage.kernel.shape
    made = [
        _grid(f"w{number}", Text("dense.weights", {"number": number, "in": into, "out": out}), stage.kernel, "kernel")
    ]
    if stage.layer.use_bias:
        made.append(
            _grid(f"bias{number}", Text("dense.bias", {"number": number}), stage.bias.reshape(1, -1), "kernel")
        )
    rows, columns = stage.made.shape
    title = Text("dense.made", {"number": number, "rows": rows, "columns": columns})
    return [*made, _grid(f"out{number}", title, stage.made, "result", "cell" if chosen else "")]


def _terms(stage: Stage, row: int, column: int) -> list[tuple[float, float]]:
    """Pairs of a number and its weight that are multiplied and added up."""
    return list(zip(stage.given[row].tolist(), stage.kernel[:, column].tolist(), strict=True))


def _place(stage: Stage, row: int, feature: int) -> int:
    """The cell of its source grid; the last Dense reads a column of numbers as a row."""
    return feature if stage.number > 1 and stage.given.shape[0] == 1 else row * stage.given.shape[1] + feature


def _products(stage: Stage, row: int, column: int) -> Grid:
    values = [a * w for a, w in _terms(stage, row, column)]
    cells = [Cell(v, text(v), "result") for v in values]
    if stage.layer.use_bias:
        cells.append(Cell(float(stage.bias[column]), text(float(stage.bias[column])), "kernel"))
    title = Text("dense.products", {"row": row, "column": column})
    return Grid("products", title, 1, len(cells), cells)


def _bars(stage: Stage, row: int, column: int) -> list[dict[str, Any]]:
    """The products (then the bias) as bars, each from where the sum stood to where it then stands."""
    bars: list[dict[str, Any]] = []
    at = 0.0
    for feature, (a, w) in enumerate(_terms(stage, row, column)):
        cell = [stage.source, _place(stage, row, feature)]
        bars.append({"kind": "product", "text": f"{text(a)} × {text(w)}", "from": at, "to": at + a * w, "cell": cell})
        at += a * w
    if stage.layer.use_bias:
        b = float(stage.bias[column])
        bars.append(
            {"kind": "bias", "text": text(b), "from": at, "to": at + b, "cell": [f"bias{stage.number}", column]}
        )
        at += b
    made = float(stage.made[row, column])
    if made != at:
        bars.append({"kind": "relu", "text": text(made), "from": at, "to": made, "cell": None})
    return bars


def _links(stage: Stage, row: int, column: int) -> list[Link]:
    out = stage.kernel.shape[1]
    target = (f"out{stage.number}", row * out + column)
    found: list[Link] = []
    for feature in range(stage.kernel.shape[0]):
        found.append(Link((stage.source, _place(stage, row, feature)), target, "read"))
        found.append(Link((f"w{stage.number}", feature * out + column), target, "multiply"))
    if stage.layer.use_bias:
        found.append(Link((f"bias{stage.number}", column), target, "add"))
    return found


def _formula(stage: Stage, row: int, column: int) -> list[Token]:
    out = stage.kernel.shape[1]
    tokens: list[Token] = []
    for feature, (a, w) in enumerate(_terms(stage, row, column)):
        tokens += [Token("+", "operator")] if feature else []
        tokens += [
            Token(text(a), "number", (stage.source, _place(stage, row, feature))), Token("×", "operator"),
            Token(text(w), "number", (f"w{stage.number}", feature * out + column)),
        ]  # fmt: skip
    if stage.layer.use_bias:
        b = text(float(stage.bias[column]))
        tokens += [Token("+", "operator"), Token(b, "number", (f"bias{stage.number}", column))]
    if stage.layer.activation == "relu":
        tokens = [Token("max", "name"), Token("(", "operator"), Token("0"), Token(", ", "operator"), *tokens,
                  Token(")", "operator")]  # fmt: skip
    value = text(float(stage.made[row, column]))
    return [*tokens, Token("=", "operator"), Token(value, "number", (f"out{stage.number}", row * out + column))]


def _law(stage: Stage) -> list[Token]:
    """(4, 2) × (2, 3) = (4, 3)."""
    (rows, into), out = stage.given.shape, stage.kernel.shape[1]
    words = ["(", rows, ", ", into, ")", "×", "(", into, ", ", out, ")", "=", "(", rows, ", ", out, ")"]
    return [Token(str(word), "number" if isinstance(word, int) else "operator") for word in words]


def _code(stage: Stage) -> dict[str, str]:
    (into, out), relu = stage.kernel.shape, stage.layer.activation == "relu"
    bias = stage.layer.use_bias
    activation = ', activation="relu"' if relu else ""
    product = "x @ W + b" if bias else "x @ W"
    return {
        "keras": f"Dense({out}{activation}{'' if bias else ', use_bias=False'})  # W: ({into}, {out})",
        "torch": f"torch.nn.Linear({into}, {out}{'' if bias else ', bias=False'})  # weight: ({out}, {into})",
        "numpy": f"numpy.maximum({product}, 0)" if relu else product,
    }


def _why(settings: dict[str, Any], stages: list[Stage], pair: int | None) -> list[Text]:
    rows, n, units = settings["rows"], settings["n"], settings["units"]
    count = sum(int(s.kernel.size + s.bias.size) for s in stages)
    told = [
        Text("dense.why.condense" if units == 1 else "dense.why.enrich", {"n": n, "units": units, "count": count})
    ]
    into, out = stages[settings["step"]].kernel.shape
    told.append(Text("dense.why.orientation", {"in": into, "out": out}))
    if pair is None:
        told.append(Text("dense.blind.told", {"one": text(float(stages[-1].made[0, 0])),
                                              "other": text(float(stages[-1].other[0, 0]))}))  # fmt: skip
    else:
        value = text(float(stages[-1].made[0, 0]))
        told.append(Text("dense.blind.first" if pair == 1 else "dense.blind.later", {"stage": pair, "value": value}))
    if units > 1 and settings["act"] == "none":
        told.append(Text("dense.why.linear", {"n": n, "rows": rows}))
    if settings["bias"] == "yes":
        told.append(Text("dense.why.bias"))
    return told
