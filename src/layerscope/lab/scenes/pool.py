"""Max pooling: windows, winners, switches; the image may be shifted, to see what stays."""

from __future__ import annotations

from typing import Any

import numpy as np

from layerscope.lab.numbers import text, whole
from layerscope.lab.scene import Cell, Clamp, Grid, Link, Scene, Text, Token
from layerscope.layers import MaxPooling2D


def scene(settings: dict[str, Any]) -> Scene:
    """n × n whole numbers through MaxPooling2D(k, s, pad), moved `shift` columns to the right."""
    n, s, shift, clamped = settings["n"], settings["s"], settings["shift"], []
    k = settings["k"]
    if k > n and settings["pad"] == "valid":
        clamped.append(Clamp("k", str(k), str(n), Text("pool.clamp.window", {"n": n})))
        k = settings["k"] = n
    image = _image(n, shift, settings["seed"])
    layer = MaxPooling2D(k, strides=s, padding=settings["pad"], return_switches=True)
    (values, switches), _ = layer.define(image[None, :, :, None])
    high, flat = values.shape[1], switches[0, :, :, 0]
    row, column = (min(max(c, 0), high - 1) for c in settings["cell"])
    settings["cell"] = [row, column]
    pad = max((high - 1) * s + k - n, 0) // 2 if settings["pad"] == "same" else 0
    window = [
        (a, b)
        for a in range(row * s - pad, row * s - pad + k)
        for b in range(column * s - pad, column * s - pad + k)
        if 0 <= a < n and 0 <= b < n
    ]
    winners = set(flat.ravel().tolist())
    cells = [Cell(v, text(v), "winner" if i in winners else "data") for i, v in enumerate(image.ravel().tolist())]
    chosen, here = row * high + column, int(flat[row, column])
    return Scene(
        screen="pool", settings=settings, title=Text("pool.title"), clamped=clamped,
        grids=[
            Grid("input", Text("grid.input", {"rows": n, "columns": n}), n, n, cells, scale="sequential"),
            Grid(
                "output", Text("grid.output", {"rows": high, "columns": high}), high, high,
                [Cell(v, text(v), "result") for v in values.ravel().tolist()], scale="sequential", select="cell",
            ),
            Grid(
                "switches", Text("grid.switches"), high, high,
                [Cell(float(v), text(v), "result") for v in flat.ravel().tolist()], scale="plain", select="cell",
            ),
        ],
        layout=[["input", "output", "switches"]],
        links=[
            Link(("input", a * n + b), ("output", chosen), "switch" if a * n + b == here else "read")
            for a, b in window
        ],
        selected=("output", chosen),
        formula=_formula(image, window, chosen, float(values[0, row, column, 0])),
        law=_law(n, k, s, settings["pad"], high),
        code={
            "keras": f'MaxPooling2D({k}, strides={s}, padding="{settings["pad"]}")',
            "torch": f"torch.nn.MaxPool2d({k}, stride={s}, return_indices=True)",
            "numpy": f"x[{row * s - pad}:{row * s - pad + k}, {column * s - pad}:{column * s - pad + k}].max()",
        },
        why=[Text("pool.why"), Text("pool.why.padding")],
    )  # fmt: skip


def _image(n: int, shift: int, seed: int) -> Any:
    """Numbers from 0 to 9; a shift brings in what stood to the left of the image."""
    wide = np.array(whole(n * (n + 3), 0, 9, seed)).reshape(n, n + 3)
    return wide[:, 3 - shift : 3 - shift + n]


def _formula(image: Any, window: list[tuple[int, int]], chosen: int, value: float) -> list[Token]:
    n = image.shape[1]
    tokens = [Token("max", "name"), Token("(", "operator")]
    for i, (a, b) in enumerate(window):
        tokens += [Token(", ", "operator")] if i else []
        tokens.append(Token(text(image[a, b]), "number", ("input", a * n + b)))
    return [*tokens, Token(")", "operator"), Token("=", "operator"), Token(text(value), "number", ("output", chosen))]


def _law(n: int, k: int, s: int, pad: str, high: int) -> list[Token]:
    if pad == "same":
        words = ["ceil", "(", n, "/", s, ")", "=", high]
    else:
        words = ["floor", "(", "(", n, "−", k, ")", "/", s, ")", "+", 1, "=", high]
    return [
        Token(str(word), "number" if isinstance(word, int) else "name" if word.isalpha() else "operator")
        for word in words
    ]
