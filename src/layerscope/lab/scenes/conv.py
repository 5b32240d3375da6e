"""Convolution: padded input, kernels, products, output; from an output, an input or a weight to what takes part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from layerscope.lab.numbers import text
from layerscope.lab.scene import Cell, Clamp, Grid, Link, Place, Scene, Text, Token
from layerscope.lab.scenes._shared import at_most, cells, law, numbers_of, summed, within
from layerscope.layers import Conv2D, ZeroPadding2D

LAW = "floor ( ( n + 2 · p − d · ( k − 1 ) − 1 ) / s ) + 1"


@dataclass(frozen=True)
class _Made:
    """One convolution: `x` (size, size, c) is padded, `w` (k, k, c, f), `y` (out, out, f)."""

    n: int
    k: int
    s: int
    p: int
    d: int
    c: int
    f: int
    x: Any
    w: Any
    y: Any

    @property
    def size(self) -> int:
        return self.n + 2 * self.p

    @property
    def covered(self) -> int:
        """Cells along an axis from the first to the last that a kernel reads."""
        return self.d * (self.k - 1) + 1

    @property
    def out(self) -> int:
        return (self.size - self.covered) // self.s + 1

    def window(self, row: int, column: int) -> list[int]:
        """The numbers of the padded input's cells that an output reads, in the order of the kernel."""
        taps = [(u * self.d, v * self.d) for u in range(self.k) for v in range(self.k)]
        return [(row * self.s + u) * self.size + column * self.s + v for u, v in taps]

    def within(self, at: int) -> bool:
        """Whether a cell of the padded input lies in the image."""
        return all(self.p <= place < self.p + self.n for place in divmod(at, self.size))

    def readers(self, at: int) -> list[tuple[int, int]]:
        """The outputs (their numbers) that read a cell of the padded input, each with the weight that it meets."""
        row, column = divmod(at, self.size)
        return [
            (i * self.out + j, u * self.k + v)
            for i, u in self._along(row)
            for j, v in self._along(column)
        ]  # fmt: skip

    def _along(self, place: int) -> list[tuple[int, int]]:
        found = [(i, place - i * self.s) for i in range(self.out)]
        return [(i, rest // self.d) for i, rest in found if 0 <= rest < self.covered and rest % self.d == 0]


def scene(settings: dict[str, Any]) -> Scene:
    """n × n numbers in c channels through f filters of k × k; `on` says in which grid the chosen cell is."""
    clamped: list[Clamp] = []
    made = _made(settings, clamped)
    channel = at_most(settings, "channel", made.c, Text("conv.clamp.channel", {"count": made.c}), clamped)
    filter = at_most(settings, "filter", made.f, Text("conv.clamp.filter", {"count": made.f}), clamped)
    on, side = settings["on"], {"output": made.out, "input": made.size, "weight": made.k}[settings["on"]]
    row, column = settings["cell"] = within(settings["cell"], side, side)
    at = row * side + column
    selected = (f"{'kernel' if on == 'weight' else on}{filter if on == 'output' else channel}", at)
    products = _products(made, row, column, filter) if on == "output" else []
    return Scene(
        screen="conv", settings=settings, clamped=clamped,
        title=Text("conv.title", {"n": made.n, "c": made.c, "out": made.out, "f": made.f}),
        grids=[*_inputs(made), *_kernels(made, filter), *products, *_outputs(made)],
        layout=_layout(made, len(products)),
        links=_links(made, on, selected, filter), selected=selected, formula=_formula(made, on, at, channel, filter),
        law=law(LAW, made.out, {name: getattr(made, name) for name in ("n", "p", "d", "k", "s")}),
        code=_code(made), why=_why(made, on, at, filter),
        data={"filter": filter, "channel": channel, "covered": made.covered},
    )  # fmt: skip


def _layout(made: _Made, products: int) -> list[list[str]]:
    """One line for one channel; with several, inputs have a line, what is multiplied has one, and outputs."""
    counts = {"input": made.c, "kernel": made.c, "products": products, "output": made.f}
    read, kernels, multiplied, out = ([f"{name}{i + 1}" for i in range(count)] for name, count in counts.items())
    if made.c > 1:
        return [read, kernels + multiplied, out]
    return [read + kernels + multiplied + out]


def _made(settings: dict[str, Any], clamped: list[Clamp]) -> _Made:
    """The settings, brought into what is possible together, and what the layer makes of the numbers."""
    n, s, p, c, f = (settings[name] for name in ("n", "s", "p", "c", "f"))
    k = at_most(settings, "k", n + 2 * p, Text("conv.clamp.k", {"size": n + 2 * p}), clamped)
    most = (n + 2 * p - 1) // (k - 1) if k > 1 else settings["d"]
    d = at_most(settings, "d", most, Text("conv.clamp.d", {"size": n + 2 * p, "k": k}), clamped)
    x = np.array(numbers_of(settings, "x", c * n * n, (0, 5), settings["seed"], clamped)).reshape(c, n, n)
    w = np.array(numbers_of(settings, "w", f * c * k * k, (-2, 2), settings["seed"] + 10_000, clamped))
    image, kernel = x.transpose(1, 2, 0)[None], w.reshape(f, c, k, k).transpose(2, 3, 1, 0)
    padded = ZeroPadding2D(p).define(image)[0][0] if p else image
    y = Conv2D(f, k, strides=s, dilation_rate=d, use_bias=False).define(padded, kernel=kernel)[0][0]
    return _Made(n, k, s, p, d, c, f, padded[0], kernel, y[0])


def _inputs(made: _Made) -> list[Grid]:
    size = made.size
    key = "conv.input" if made.p else "conv.image"
    kinds = [
        "padding" if not made.within(at) else "data" if made.readers(at) else "unread" for at in range(size * size)
    ]
    return [
        Grid(
            f"input{i + 1}", _title(key, i, made.c, {"n": made.n, "size": size}), size, size,
            [Cell(v, text(v), kind) for v, kind in zip(made.x[:, :, i].ravel().tolist(), kinds, strict=True)],
            select=f"cell&on=input&channel={i + 1}",
        )
        for i in range(made.c)
    ]  # fmt: skip


def _title(key: str, at: int, count: int, args: dict[str, str | int | float]) -> Text:
    """With its number where there are several."""
    return Text(f"{key}.of", {**args, "at": at + 1, "count": count}) if count > 1 else Text(key, args)


def _kernels(made: _Made, filter: int) -> list[Grid]:
    return [
        Grid(
            f"kernel{i + 1}",
            Text("conv.kernel.of", {"k": made.k, "filter": filter, "channel": i + 1})
            if made.c * made.f > 1 else Text("conv.kernel", {"k": made.k}),
            made.k, made.k, cells(made.w[:, :, i, filter - 1].flat, "kernel"),
            select=f"cell&on=weight&channel={i + 1}",
        )
        for i in range(made.c)
    ]  # fmt: skip


def _products(made: _Made, row: int, column: int, filter: int) -> list[Grid]:
    """What is under the kernel at one output, times the kernel, channel by channel."""
    window = made.window(row, column)
    return [
        Grid(
            f"products{i + 1}", _title("conv.products", i, made.c, {"k": made.k}), made.k, made.k,
            cells(made.x[:, :, i].ravel()[window] * made.w[:, :, i, filter - 1].ravel(), "result"),
        )
        for i in range(made.c)
    ]  # fmt: skip


def _outputs(made: _Made) -> list[Grid]:
    return [
        Grid(
            f"output{i + 1}", _title("conv.output", i, made.f, {"out": made.out}), made.out, made.out,
            cells(made.y[:, :, i].flat, "result"), select=f"cell&on=output&filter={i + 1}",
        )
        for i in range(made.f)
    ]  # fmt: skip


def _links(made: _Made, on: str, selected: Place, filter: int) -> list[Link]:
    at, output, size = selected[1], f"output{filter}", made.k * made.k
    if on == "output":
        window = made.window(*divmod(at, made.out))
        return [
            Link((f"{name}{i + 1}", place), selected, role)
            for i in range(made.c)
            for name, places, role in (
                ("input", window, "read"), ("kernel", range(size), "multiply"), ("products", range(size), "add"),
            )
            for place in places
        ]  # fmt: skip
    if on == "input":
        kernel = "kernel" + selected[0].removeprefix("input")
        reads = [Link(selected, (f"output{i + 1}", o), "read") for i in range(made.f) for o, _ in made.readers(at)]
        return reads + [Link((kernel, u), (output, o), "multiply") for o, u in made.readers(at)]
    image = "input" + selected[0].removeprefix("kernel")
    places = [(o, made.window(*divmod(o, made.out))[at]) for o in range(made.out**2)]
    met = [Link((image, place), (output, o), "read") for o, place in places]
    return met + [Link(selected, (output, o), "multiply") for o, _ in places]


def _formula(made: _Made, on: str, at: int, channel: int, filter: int) -> list[Token]:
    """The chosen output as a sum; the products of a chosen input, one for each output; of a weight, nothing."""
    kernels = [made.w[:, :, i, filter - 1].ravel().tolist() for i in range(made.c)]
    images = [made.x[:, :, i].ravel().tolist() for i in range(made.c)]
    results = made.y[:, :, filter - 1].ravel().tolist()
    if on == "output":
        window = made.window(*divmod(at, made.out))
        return summed(
            [
                (_token(images[i], f"input{i + 1}", place), _token(kernels[i], f"kernel{i + 1}", u))
                for i in range(made.c)
                for u, place in enumerate(window)
            ],
            _token(results, f"output{filter}", at),
        )
    tokens: list[Token] = []
    for o, u in made.readers(at) if on == "input" else []:
        tokens += [Token(", ", "operator")] if tokens else []
        tokens += [_token(images[channel - 1], f"input{channel}", at), Token("·", "operator")]
        tokens += [_token(kernels[channel - 1], f"kernel{channel}", u), Token("→", "operator")]
        tokens.append(_token(results, f"output{filter}", o))
    return tokens


def _token(values: list[float], grid: str, at: int) -> Token:
    return Token(text(values[at]), cell=(grid, at))


def _why(made: _Made, on: str, at: int, filter: int) -> list[Text]:
    said = [Text("conv.why")]
    if on == "output":
        window = made.window(*divmod(at, made.out))
        under = np.stack([made.x[:, :, i].ravel()[window] for i in range(made.c)])
        turned = made.w[::-1, ::-1, :, filter - 1].reshape(-1, made.c).T
        said.append(Text("conv.why.turned", {"other": text(float((under * turned).sum()))}))
        outside = sum(not made.within(place) for place in window) * made.c
        if made.p:
            said.append(Text("conv.why.padding", {"outside": outside, "all": len(window) * made.c}))
    elif on == "input":
        said.append(Text("conv.why.input", {"count": len(made.readers(at)), "filters": made.f}))
    else:
        said.append(Text("conv.why.weight", {"count": made.out**2}))
    rest = (made.size - made.covered) % made.s
    if rest:
        said.append(Text("conv.why.rest", {"rest": rest, "s": made.s}))
    unread = sum(cell.role == "unread" for cell in _inputs(made)[0].cells)
    if unread:
        said.append(Text("conv.why.unread", {"unread": unread, "all": made.n**2}))
    if made.d > 1 and made.k > 1:
        said.append(Text("conv.why.dilation", {"d": made.d, "covered": made.covered, "k": made.k}))
    if made.c > 1:
        said.append(Text("conv.why.channels", {"c": made.c, "products": made.k**2 * made.c}))
    weights = made.k**2 * made.c * made.f
    said.append(Text("conv.why.cost", {"weights": weights, "macs": weights * made.out**2}))
    if made.s > 1 and made.d > 1:
        said.append(Text("conv.why.keras"))
    return said


def _code(made: _Made) -> dict[str, str]:
    """The same in three libraries; Keras refuses strides together with dilation."""
    k, s, p, d, c, f, out = made.k, made.s, made.p, made.d, made.c, made.f, made.out
    strides = f", strides={s}" if s > 1 else ""
    dilated = ("", "") if d == 1 else (f", dilation_rate={d}", f", dilation={d}")
    keras = f"Conv2D({f}, {k}{strides}{dilated[0]}, use_bias=False)"
    if p and s == 1 and 2 * p == made.covered - 1:
        keras = f'Conv2D({f}, {k}, padding="same"{dilated[0]}, use_bias=False)'
    elif p:
        keras = f"ZeroPadding2D({p})\n{keras}"
    given = (f", stride={s}" if s > 1 else "") + (f", padding={p}" if p else "")
    padded = f"x = np.pad(x, (({p}, {p}), ({p}, {p}), (0, 0)))\n" if p else ""
    return ({} if s > 1 and d > 1 else {"keras": keras}) | {
        "torch": f"torch.nn.Conv2d({c}, {f}, {k}{given}{dilated[1]}, bias=False)",
        "numpy": f"{padded}y = np.zeros(({out}, {out}, {f}))\nfor i, j in np.ndindex({out}, {out}):\n"
        f"    y[i, j] = np.tensordot(x[{_slice('i', made)}, {_slice('j', made)}], w, 3)",
    }


def _slice(name: str, made: _Made) -> str:
    start = name if made.s == 1 else f"{made.s}*{name}"
    return f"{start}:{start}+{made.covered}" + (f":{made.d}" if made.d > 1 else "")
