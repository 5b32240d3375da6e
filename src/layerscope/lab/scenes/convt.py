"""Transposed convolution, three ways: stamps that add up, a cell that gathers, a sparse matrix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from layerscope.lab.numbers import text
from layerscope.lab.scene import Cell, Clamp, Grid, Link, Scene, Text, Token
from layerscope.lab.scenes._shared import at_most, cells, law, numbers_of, summed, within
from layerscope.layers import BedOfNails2D, Conv2D, Conv2DTranspose

ALL = 64
"""The step at which every input has stamped, whatever their number; links of that state need not name it."""
MATRIX = 1024
"""Cells of the matrix that are drawn."""
LAW = "( n − 1 ) · s − 2 · p + d · ( k − 1 ) + op + 1"
LAYOUTS = {
    "all": [["input", "kernel", "plane", "output"], ["spread", "flipped", "matrix"]],
    "stamp": [["input", "kernel", "plane", "output"]],
    "gather": [["input", "kernel"], ["spread", "flipped", "output"]],
    "matrix": [["input", "kernel", "output"], ["matrix"]],
}


@dataclass(frozen=True)
class _Made:
    """One transposed convolution with everything that the views show; the plane is whole, nothing cropped."""

    n: int
    k: int
    s: int
    p: int
    op: int
    d: int
    x: Any
    w: Any

    @property
    def reach(self) -> int:
        """d·(k − 1): how far a kernel reaches beyond its first cell."""
        return self.d * (self.k - 1)

    @property
    def out(self) -> int:
        return (self.n - 1) * self.s - 2 * self.p + self.reach + self.op + 1

    @property
    def whole(self) -> int:
        """Rows of the plane, those of the output padding that lie beyond all stamps included."""
        return (self.n - 1) * self.s + self.reach + 1 + max(self.op - self.p, 0)

    def stamped(self, images: Any, w: Any = None) -> Any:
        """The planes of images (batch, n, n), by the layer's definition."""
        layer = Conv2DTranspose(
            1, self.k, strides=self.s, dilation_rate=self.d, output_padding=max(self.op - self.p, 0), use_bias=False
        )
        kernel = (self.w if w is None else w)[:, :, None, None]
        return layer.define(images[..., None], kernel=kernel)[0][0][..., 0]

    def kept(self, planes: Any) -> Any:
        return planes[..., self.p : self.p + self.out, self.p : self.p + self.out]

    def terms(self, row: int, column: int) -> list[tuple[int, int]]:
        """Which input (its number) meets which weight (its number) in an output cell."""
        rows, columns = self._along(row), self._along(column)
        return [(i * self.n + j, u * self.k + v) for i, u in rows for j, v in columns]

    def _along(self, place: int) -> list[tuple[int, int]]:
        found = [(i, place + self.p - i * self.s) for i in range(self.n)]
        return [(i, rest // self.d) for i, rest in found if 0 <= rest <= self.reach and rest % self.d == 0]


def scene(settings: dict[str, Any]) -> Scene:
    """n × n numbers through a transposed convolution with one k × k kernel, under PyTorch's names of the settings."""
    clamped: list[Clamp] = []
    made = _made(settings, clamped)
    row, column = settings["cell"] = within(settings["cell"], made.out, made.out)
    step = min(settings["step"], made.n**2)
    settings["step"] = ALL if step == made.n**2 else step
    chosen, terms = row * made.out + column, made.terms(row, column)
    plane = made.stamped(made.x[None])[0]
    output = made.kept(plane)
    grids = [*_stamp(made, step, output), *_gather(made), *_matrix(made, row)]
    asked, there = LAYOUTS[settings["view"]], {grid.id for grid in grids}
    layout = [line for line in ([name for name in line if name in there] for line in asked) if line]
    shown = {name for line in layout for name in line}
    return Scene(
        screen="convt", settings=settings, clamped=clamped, step=step, steps=made.n**2,
        title=Text("convt.title", {"n": made.n, "out": made.out}),
        grids=[grid for grid in grids if grid.id in shown],
        layout=layout,
        links=[link for link in _links(made, step, row, column) if {link.source[0], link.target[0]} <= shown],
        selected=("output", chosen),
        formula=summed(
            [
                (Token(text(made.x.flat[i]), cell=("input", i)), Token(text(made.w.flat[u]), cell=("kernel", u)))
                for i, u in terms
            ],
            Token(text(output[row, column]), cell=("output", chosen)),
        ),
        law=law(LAW, made.out, {name: getattr(made, name) for name in ("n", "s", "p", "d", "k", "op")}),
        code=_code(made), why=_why(made, output, terms, shown),
        data={"current": step - 1, "terms": [list(term) for term in terms], "back": _back(made, output)},
    )  # fmt: skip


def _made(settings: dict[str, Any], clamped: list[Clamp]) -> _Made:
    """The settings, brought into what is possible together."""
    n, k, s, d = (settings[name] for name in ("n", "k", "s", "d"))
    op = at_most(settings, "op", s - 1, Text("convt.clamp.op", {"s": s}), clamped)
    reach = d * (k - 1)
    most = min(reach, ((n - 1) * s + reach + op) // 2)
    why = Text("convt.clamp.reach", {"reach": reach}) if most == reach else Text("convt.clamp.gone", {"most": most})
    p = at_most(settings, "p", most, why, clamped)
    x = numbers_of(settings, "x", n * n, (1, 5), settings["seed"], clamped)
    w = numbers_of(settings, "w", k * k, (-2, 2), settings["seed"] + 10_000, clamped)
    return _Made(n, k, s, p, op, d, np.array(x).reshape(n, n), np.array(w).reshape(k, k))


def _stamp(made: _Made, step: int, output: Any) -> list[Grid]:
    n, k, size, out = made.n, made.k, made.whole, made.out
    done = np.where(np.arange(n * n) < step, made.x.ravel(), 0.0).reshape(n, n)
    numbers = made.stamped(done[None])[0].ravel().tolist()
    last = made.p + out - made.op
    # of two words along the axes the first in the alphabet holds
    roles = ["cropped" if not made.p <= i < made.p + out else "extra" if i >= last else "result" for i in range(size)]
    spots = [(i, j) for i in range(size) for j in range(size)]
    return [
        Grid("input", Text("grid.input", {"rows": n, "columns": n}), n, n, cells(made.x.flat), select="step"),
        Grid("kernel", Text("grid.kernel", {"rows": k, "columns": k}), k, k, cells(made.w.flat, "kernel")),
        Grid(
            "plane", Text("convt.plane", {"n": size}), size, size,
            [Cell(v, text(v), min(roles[i], roles[j])) for (i, j), v in zip(spots, numbers, strict=True)],
            summary=Text("convt.plane.summary", {"step": step, "steps": n * n, "cropped": size * size - out * out}),
        ),
        Grid(
            "output", Text("grid.output", {"rows": out, "columns": out}), out, out,
            [
                Cell(v, text(v), "extra" if max(divmod(i, out)) >= out - made.op else "result")
                for i, v in enumerate(output.ravel().tolist())
            ],
            select="cell",
        ),
    ]  # fmt: skip


def _gather(made: _Made) -> list[Grid]:
    """What a convolution with stride 1 reads to give the same: zeros between, zeros around, a turned kernel."""
    n, k, s, around, size = made.n, made.k, made.s, made.reach - made.p, made.out + made.reach
    apart = BedOfNails2D(s).define(made.x[None, :, :, None])[0][0][0, : (n - 1) * s + 1, : (n - 1) * s + 1, 0]
    values = np.pad(apart, (around, around + made.op)).ravel().tolist()
    kinds = [_kind(i - around, n, s) for i in range(size)]
    roles = [max(a, b) for a in kinds for b in kinds]
    return [
        Grid(
            "spread", Text("convt.spread", {"n": size}), size, size,
            [Cell(v, text(v), ("data", "zero", "padding")[role]) for v, role in zip(values, roles, strict=True)],
            summary=Text("convt.spread.summary", {"between": s - 1, "around": around, "op": made.op}),
        ),
        Grid(
            "flipped", Text("convt.flipped", {"n": k}), k, k, cells(made.w[::-1, ::-1].flat, "kernel"),
        ),
    ]  # fmt: skip


def _kind(place: int, n: int, s: int) -> int:
    """Along one axis: 0 a value, 1 a zero between values, 2 a zero around them."""
    if not 0 <= place <= (n - 1) * s:
        return 2
    return 1 if place % s else 0


def _matrix(made: _Made, row: int) -> list[Grid]:
    """Wᵀ, whose rows are output cells; where it is too large, those of the chosen row of cells, or nothing."""
    first, count = _band(made, row)
    if not count:
        return []
    units = np.eye(made.n**2).reshape(-1, made.n, made.n)
    whole = made.kept(made.stamped(units)).reshape(made.n**2, -1).T[first : first + count]
    linked = made.kept(made.stamped(units, np.ones_like(made.w))).reshape(made.n**2, -1).T[first : first + count] != 0
    return [
        Grid(
            "matrix", Text("convt.matrix", {"rows": made.out**2, "columns": made.n**2}), count, made.n**2,
            [
                Cell(v, text(v), "kernel") if there else Cell(0.0, "", "empty")
                for v, there in zip(whole.ravel().tolist(), linked.ravel().tolist(), strict=True)
            ],
            summary=Text("convt.matrix.summary", {"there": int(linked.sum()), "cells": int(linked.size)}),
        )
    ]  # fmt: skip


def _band(made: _Made, row: int) -> tuple[int, int]:
    """First row and number of rows of the matrix that are drawn."""
    if made.out**2 * made.n**2 <= MATRIX:
        return 0, made.out**2
    return row * made.out, made.out if made.out * made.n**2 <= MATRIX else 0


def _links(made: _Made, step: int, row: int, column: int) -> list[Link]:
    n, k, s, d, size, out = made.n, made.k, made.s, made.d, made.whole, made.out
    target = ("output", row * out + column)
    links = [
        Link(("input", step - 1), ("plane", (i * s + u * d) * size + j * s + v * d), "stamp")
        for i, j in ([divmod(step - 1, n)] if step else [])
        for u in range(k)
        for v in range(k)
    ]
    terms = made.terms(row, column)
    links.append(Link(("plane", (row + made.p) * size + column + made.p), target, "copy"))
    links += [Link(("input", i), target, "read") for i, _ in terms]
    links += [Link(("kernel", u), target, "multiply") for _, u in terms]
    wide = out + made.reach
    links += [
        Link(("spread", (row + u * d) * wide + column + v * d), target, "read") for u in range(k) for v in range(k)
    ]
    links += [Link(("flipped", k * k - 1 - u), target, "multiply") for _, u in terms]
    first, count = _band(made, row)
    at = target[1] - first
    return links + ([Link(("matrix", at * n * n + i), target, "multiply") for i, _ in terms] if count else [])


def _back(made: _Made, output: Any) -> list[float]:
    """The output convolved with the same kernel, stride, padding and dilation: the input's shape, not its values."""
    layer = Conv2D(1, made.k, strides=made.s, dilation_rate=made.d, use_bias=False)
    padded = np.pad(output, made.p)[None, :, :, None]
    return layer.define(padded, kernel=made.w[:, :, None, None])[0][0].ravel().tolist()


def _why(made: _Made, output: Any, terms: list[tuple[int, int]], shown: set[str]) -> list[Text]:
    said = [Text("convt.why")]
    if made.p:
        cells = made.whole**2 - made.out**2
        said.append(Text("convt.why.padding", {"p": made.p, "end": max(made.p - made.op, 0), "cells": cells}))
    if made.op:
        added = np.concatenate([output[-made.op :].ravel(), output[: -made.op, -made.op :].ravel()])
        counts = {"op": made.op, "added": int(added.size), "there": int((added != 0).sum())}
        said.append(Text("convt.why.op", counts))
    if not terms:
        said.append(Text("convt.why.unreached"))
    sums = [len(made.terms(i, j)) for i in range(made.out) for j in range(made.out)]
    said.append(Text("convt.why.overlap", {"least": min(sums), "most": max(sums)}))
    if "spread" in shown:
        said.append(Text("convt.why.gather", {"between": made.s - 1, "around": made.reach - made.p}))
    if "matrix" in shown:
        said.append(Text("convt.why.matrix"))
    if made.out**2 * made.n**2 > MATRIX:
        counts = {"rows": made.out**2, "columns": made.n**2}
        said.append(Text("convt.why.matrix.band" if "matrix" in shown else "convt.why.matrix.large", counts))
    back = _back(made, output)
    different = [i for i, (a, b) in enumerate(zip(back, made.x.ravel().tolist(), strict=True)) if a != b]
    if different:
        was = made.x.ravel().tolist()[different[0]]
        said.append(Text("convt.why.inverse", {"found": text(back[different[0]]), "was": text(was)}))
    begin = max(made.reach + 1 - made.s, 0) // 2
    if made.out == made.n * made.s and begin != made.p:
        said.append(Text("convt.why.same", {"begin": begin, "p": made.p}))
    if made.s > 1 and made.d > 1:
        said.append(Text("convt.why.keras"))
    return said


def _code(made: _Made) -> dict[str, str]:
    """The same in three libraries; Keras refuses strides together with dilation."""
    n, k, s, p, op, d = made.n, made.k, made.s, made.p, made.op, made.d
    dilated = ("", "") if d == 1 else (f", dilation_rate={d}", f", dilation={d}")
    size = made.whole
    given = "".join(f", {name}={value}" for name, value in (("padding", p), ("output_padding", op)) if value)
    keras = f"Conv2DTranspose(1, {k}, strides={s}, output_padding={op}{dilated[0]}, use_bias=False)"
    if p:
        keras += f"\nCropping2D({p})"
    if p and not op and 2 * p == made.reach + 1 - s:
        keras = f'Conv2DTranspose(1, {k}, strides={s}, padding="same"{dilated[0]}, use_bias=False)'
    code = {} if s > 1 and d > 1 else {"keras": keras}
    return code | {
        "torch": f"torch.nn.ConvTranspose2d(1, 1, {k}, stride={s}{given}{dilated[1]}, bias=False)",
        "numpy": f"y = np.zeros(({size}, {size}))\n"
        f"for i, j in np.ndindex({n}, {n}):\n"
        f"    y[{_slice('i', s, made)}, {_slice('j', s, made)}] += x[i, j] * w\n"
        f"y = y[{p}:{p + made.out}, {p}:{p + made.out}]",
    }


def _slice(name: str, s: int, made: _Made) -> str:
    start = name if s == 1 else f"{s}*{name}"
    return f"{start}:{start}+{made.reach + 1}" + (f":{made.d}" if made.d > 1 else "")
