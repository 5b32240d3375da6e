"""Max pooling beside average pooling: windows, winners, switches, ties, padding; what a shift of the image leaves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from layerscope.lab.numbers import text, whole
from layerscope.lab.scene import Cell, Clamp, Grid, Link, Place, Scene, Text, Token
from layerscope.lab.scenes._shared import at_most, cells, law, numbers_of, within
from layerscope.layers import AveragePooling2D, MaxPooling2D

LAWS = {"same": "ceil ( n / s )", "valid": "floor ( ( n − k ) / s ) + 1"}
LAYOUTS = [["input", "output", "average", "switches"]], [["input", "output", "still"], ["average", "switches"]]
"""Without a shift, and with one."""
WIDEST = 3
"""Columns by which the image can be shifted."""


@dataclass(frozen=True)
class _Made:
    """One pooling: the image as it is pooled, its size with the padding, what comes out."""

    n: int
    k: int
    s: int
    pad: str
    image: Any
    values: Any
    switches: Any
    means: Any
    still: Any

    @property
    def out(self) -> int:
        return self.values.shape[0]

    @property
    def before(self) -> int:
        return max((self.out - 1) * self.s + self.k - self.n, 0) // 2 if self.pad == "same" else 0

    @property
    def after(self) -> int:
        total = max((self.out - 1) * self.s + self.k - self.n, 0) if self.pad == "same" else 0
        return total - self.before

    @property
    def size(self) -> int:
        return self.n + self.before + self.after

    def value(self, at: int) -> float | None:
        """The number in a cell of the padded image; None in the padding."""
        row, column = (place - self.before for place in divmod(at, self.size))
        return float(self.image[row, column]) if 0 <= row < self.n and 0 <= column < self.n else None

    def padded(self, at: int) -> int:
        """The number in the padded image of a cell of the image."""
        row, column = divmod(at, self.n)
        return (row + self.before) * self.size + column + self.before

    def window(self, at: int) -> list[int]:
        """The cells of the padded image that an output reads."""
        row, column = (place * self.s for place in divmod(at, self.out))
        return [(row + a) * self.size + column + b for a in range(self.k) for b in range(self.k)]


def scene(settings: dict[str, Any]) -> Scene:
    """n × n whole numbers through MaxPooling2D(k, s, pad), moved `shift` columns to the right."""
    clamped: list[Clamp] = []
    made = _made(settings, clamped)
    row, column = settings["cell"] = within(settings["cell"], made.out, made.out)
    chosen = row * made.out + column
    window, winner = made.window(chosen), made.padded(int(made.switches.flat[chosen]))
    shifted = settings["shift"] > 0
    return Scene(
        screen="pool", settings=settings, title=Text("pool.title"), clamped=clamped,
        grids=[_input(made), *_outputs(made, shifted)],
        layout=LAYOUTS[shifted],
        links=[
            Link(("input", at), (grid, chosen), "switch" if at == winner and grid == "output" else "read")
            for grid in ("output", "average")
            for at in window
            if made.value(at) is not None
        ],
        selected=("output", chosen),
        formula=_formula(made, window, ("output", chosen)),
        law=law(LAWS[made.pad], made.out, {"n": made.n, "k": made.k, "s": made.s}),
        code=_code(made), why=_why(made, settings["shift"], window),
        data={"winner": winner, "before": made.before, "after": made.after},
    )  # fmt: skip


def _made(settings: dict[str, Any], clamped: list[Clamp]) -> _Made:
    n, s, pad = settings["n"], settings["s"], settings["pad"]
    most = n if pad == "valid" else settings["k"]
    k = at_most(settings, "k", most, Text("pool.clamp.window", {"n": n}), clamped)
    wide = _wide(settings, n, clamped)
    image, still = (wide[:, WIDEST - by : WIDEST - by + n] for by in (settings["shift"], 0))
    layer = MaxPooling2D(k, strides=s, padding=pad, return_switches=True)
    (values, switches), _ = layer.define(image[None, :, :, None])
    (means,), _ = AveragePooling2D(k, strides=s, padding=pad).define(image[None, :, :, None])
    unmoved = layer.define(still[None, :, :, None])[0][0]
    return _Made(n, k, s, pad, image, *(made[0, :, :, 0] for made in (values, switches, means, unmoved)))


def _wide(settings: dict[str, Any], n: int, clamped: list[Clamp]) -> Any:
    """The image and, to its left, what a shift brings in: numbers from 0 to 9, or zeros beside given ones."""
    if settings["x"]:
        given = numbers_of(settings, "x", n * n, (0, 9), settings["seed"], clamped)
        if settings["x"]:
            return np.pad(np.array(given).reshape(n, n), ((0, 0), (WIDEST, 0)))
    return np.array(whole(n * (n + WIDEST), 0, 9, settings["seed"])).reshape(n, n + WIDEST)


def _input(made: _Made) -> Grid:
    winners = {made.padded(int(at)) for at in made.switches.flat}
    read = {at for o in range(made.out**2) for at in made.window(o)}
    shown = [_cell(made.value(at), at in winners, at in read) for at in range(made.size**2)]
    title = Text("grid.input", {"rows": made.n, "columns": made.n})
    if made.size > made.n:
        title = Text("pool.padded", {"n": made.n, "size": made.size})
    return Grid("input", title, made.size, made.size, shown, scale="sequential")


def _cell(value: float | None, wins: bool, read: bool) -> Cell:
    if value is None:
        return Cell(None, "−∞", "padding")
    return Cell(value, text(value), "winner" if wins else "data" if read else "unread")


def _outputs(made: _Made, shifted: bool) -> list[Grid]:
    out = made.out
    pairs = zip(made.values.ravel().tolist(), made.still.ravel().tolist(), strict=True)
    found = [
        Grid(
            "output", Text("pool.output", {"out": out}), out, out,
            [Cell(v, text(v), "changed" if v != old else "result") for v, old in pairs], "sequential", "cell",
        ),
        Grid(
            "average", Text("pool.average", {"out": out}), out, out, cells(made.means.flat, "result"), "sequential",
            "cell",
        ),
        Grid("switches", Text("grid.switches"), out, out, cells(made.switches.flat, "result"), "plain", "cell"),
    ]  # fmt: skip
    if shifted:
        still = cells(made.still.flat, "result")
        found.append(Grid("still", Text("pool.still", {"out": out}), out, out, still, "sequential", "cell"))
    return found


def _formula(made: _Made, window: list[int], chosen: Place) -> list[Token]:
    tokens = [Token("max", "name"), Token("(", "operator")]
    for i, at in enumerate(window):
        value = made.value(at)
        tokens += [Token(", ", "operator")] if i else []
        tokens.append(Token("−∞" if value is None else text(value), cell=("input", at)))
    result = Token(text(float(made.values.flat[chosen[1]])), cell=chosen)
    return [*tokens, Token(")", "operator"), Token("=", "operator"), result]


def _why(made: _Made, shift: int, window: list[int]) -> list[Text]:
    said = [Text("pool.why")]
    tops = [[made.value(at) for at in made.window(o)].count(made.values.flat[o]) for o in range(made.out**2)]
    here = [made.value(at) for at in window]
    best = max(value for value in here if value is not None)
    if here.count(best) > 1:
        said.append(Text("pool.why.tie", {"count": here.count(best), "value": text(best)}))
    elif any(count > 1 for count in tops):
        said.append(Text("pool.why.ties", {"windows": sum(count > 1 for count in tops)}))
    if made.size > made.n:
        said.append(Text("pool.why.padding", {"before": made.before, "after": made.after}))
    unread = sum(cell.role == "unread" for cell in _input(made).cells)
    if unread:
        said.append(Text("pool.why.unread", {"unread": unread, "all": made.n**2}))
    if shift:
        same = int((made.values == made.still).sum())
        counts = {"shift": shift, "s": made.s, "same": same, "all": made.out**2, "by": shift // made.s}
        said.append(Text("pool.why.multiple" if shift % made.s == 0 else "pool.why.shift", counts))
    return [*said, Text("pool.why.average", {"all": made.k**2})]


def _code(made: _Made) -> dict[str, str]:
    k, s, before, after = made.k, made.s, made.before, made.after
    torch = f"torch.nn.MaxPool2d({k}, stride={s}{f', padding={before}' if before else ''})"
    if before != after:
        around = f"({before}, {after}, {before}, {after})"
        torch = f"x = torch.nn.functional.pad(x, {around}, value=-torch.inf)\ntorch.nn.MaxPool2d({k}, stride={s})"
    padded = f"x = np.pad(x, ({before}, {after}), constant_values=-np.inf)\n" if before + after else ""
    row, column = (name if s == 1 else f"{s}*{name}" for name in ("i", "j"))
    return {
        "keras": f'MaxPooling2D({k}, strides={s}, padding="{made.pad}")',
        "torch": torch,
        "numpy": f"{padded}y = np.zeros(({made.out}, {made.out}))\nfor i, j in np.ndindex({made.out}, {made.out}):\n"
        f"    y[i, j] = x[{row}:{row}+{k}, {column}:{column}+{k}].max()",
    }
