/** Convolution: padded input, kernels, products, output. The twin of lab/scenes/conv.py. */

import { text } from "../numbers.ts";
import {
  cell, grid, link, say, scene, token, type Args, type Clamp, type Grid, type Link, type Place, type Scene,
  type Settings, type Text, type Token,
} from "../scene.ts";
import { atMost, cells, law, numbersOf, range, summed, within } from "./shared.ts";

const LAW = "floor ( ( n + 2 · p − d · ( k − 1 ) − 1 ) / s ) + 1";

interface Made {
  n: number; k: number; s: number; p: number; d: number; c: number; f: number;
  /** Rows of the padded input; cells along an axis that a kernel covers; rows of the output. */
  size: number; covered: number; out: number;
  /** Padded inputs by channel; kernels by filter, then channel; outputs by filter. */
  x: number[][]; w: number[][][]; y: number[][];
}
type On = "output" | "input" | "weight";

export default function conv(settings: Settings): Scene {
  const clamped: Clamp[] = [];
  const made = make(settings, clamped);
  const { n, k, s, p, d, c, f, size, out } = made;
  const channel = atMost(settings, "channel", c, say("conv.clamp.channel", { count: c }), clamped);
  const filter = atMost(settings, "filter", f, say("conv.clamp.filter", { count: f }), clamped);
  const on = settings.on as On;
  const side = { output: out, input: size, weight: k }[on];
  const [row, column] = (settings.cell = within(settings.cell, side, side));
  const at = row * side + column;
  const selected: Place = [`${on === "weight" ? "kernel" : on}${on === "output" ? filter : channel}`, at];
  const products = on === "output" ? productGrids(made, at, filter) : [];
  return scene({
    screen: "conv", settings, clamped, title: say("conv.title", { n, c, out, f }),
    grids: [...inputGrids(made), ...kernelGrids(made, filter), ...products, ...outputGrids(made)],
    layout: layout(made, products.length),
    links: links(made, on, selected, filter), selected, formula: formula(made, on, at, channel, filter),
    law: law(LAW, out, { n, p, d, k, s }), code: code(made), why: why(made, on, at, filter),
    data: { filter, channel, covered: made.covered },
  });
}

function layout({ c, f }: Made, products: number): string[][] {
  const named = (name: string, count: number): string[] => range(count).map((i) => `${name}${i + 1}`);
  const multiplied = [...named("kernel", c), ...named("products", products)];
  const [read, out] = [named("input", c), named("output", f)];
  return c > 1 ? [read, multiplied, out] : [[...read, ...multiplied, ...out]];
}

function make(settings: Settings, clamped: Clamp[]): Made {
  const { n, s, p, c, f } = settings as { n: number; s: number; p: number; c: number; f: number };
  const size = n + 2 * p;
  const k = atMost(settings, "k", size, say("conv.clamp.k", { size }), clamped);
  const most = k > 1 ? Math.floor((size - 1) / (k - 1)) : settings.d;
  const d = atMost(settings, "d", most, say("conv.clamp.d", { size, k }), clamped);
  const given = numbersOf(settings, "x", c * n * n, [0, 5], settings.seed, clamped);
  const weights = numbersOf(settings, "w", f * c * k * k, [-2, 2], settings.seed + 10_000, clamped);
  const covered = d * (k - 1) + 1;
  const x = range(c).map((i) => range(size * size).map((at) => {
    const [a, b] = [Math.floor(at / size) - p, (at % size) - p];
    return a < 0 || b < 0 || a >= n || b >= n ? 0 : given[i * n * n + a * n + b]!;
  }));
  const w = range(f).map((i) => range(c).map((j) => weights.slice((i * c + j) * k * k, (i * c + j + 1) * k * k)));
  const made = { n, k, s, p, d, c, f, size, covered, out: Math.floor((size - covered) / s) + 1, x, w, y: [] };
  const y = w.map((kernels) => range(made.out ** 2).map((at) => total(made, kernels, at)));
  return { ...made, y };
}

/** The sum of products at an output. */
function total(made: Made, kernels: number[][], at: number): number {
  const read = windowOf(made, at);
  return kernels.reduce((sum, kernel, i) => kernel.reduce((all, weight, u) => all + weight * made.x[i]![read[u]!]!, sum), 0);
}

function windowOf({ k, s, d, size, out }: Made, at: number): number[] {
  const [row, column] = [Math.floor(at / out), at % out];
  return range(k * k).map((u) => (row * s + Math.floor(u / k) * d) * size + column * s + (u % k) * d);
}

function inside({ n, p, size }: Made, at: number): boolean {
  return [Math.floor(at / size), at % size].every((place) => p <= place && place < p + n);
}

function readers(made: Made, at: number): [output: number, weight: number][] {
  const across = along(made, at % made.size);
  return along(made, Math.floor(at / made.size)).flatMap(([i, u]) =>
    across.map(([j, v]): [number, number] => [i * made.out + j, u * made.k + v]));
}

const along = ({ s, d, covered, out }: Made, place: number): [number, number][] => range(out)
  .map((i): [number, number] => [i, place - i * s])
  .filter(([, rest]) => rest >= 0 && rest < covered && rest % d === 0)
  .map(([i, rest]) => [i, rest / d]);

function kindsOf(made: Made): string[] {
  return range(made.size ** 2).map((at) => (!inside(made, at) ? "padding" : readers(made, at).length ? "data" : "unread"));
}

function inputGrids(made: Made): Grid[] {
  const { n, c, size, x } = made;
  const kinds = kindsOf(made);
  return x.map((values, i) => grid(`input${i + 1}`, title(made.p ? "conv.input" : "conv.image", i, c, { n, size }), size, size,
    values.map((v, at) => cell(v, text(v), kinds[at])), { select: `cell&on=input&channel=${i + 1}` }));
}

const title = (key: string, at: number, count: number, args: Args): Text =>
  count > 1 ? say(`${key}.of`, { ...args, at: at + 1, count }) : say(key, args);

function kernelGrids({ k, c, f, w }: Made, filter: number): Grid[] {
  return w[filter - 1]!.map((weights, i) => grid(`kernel${i + 1}`,
    c * f > 1 ? say("conv.kernel.of", { k, filter, channel: i + 1 }) : say("conv.kernel", { k }),
    k, k, cells(weights, "kernel"), { select: `cell&on=weight&channel=${i + 1}` }));
}

function productGrids(made: Made, at: number, filter: number): Grid[] {
  const { k, c, x, w } = made;
  const read = windowOf(made, at);
  return w[filter - 1]!.map((weights, i) => grid(`products${i + 1}`, title("conv.products", i, c, { k }), k, k,
    cells(weights.map((weight, u) => weight * x[i]![read[u]!]!), "result")));
}

function outputGrids({ f, out, y }: Made): Grid[] {
  return y.map((values, i) => grid(`output${i + 1}`, title("conv.output", i, f, { out }), out, out,
    cells(values, "result"), { select: `cell&on=output&filter=${i + 1}` }));
}

function links(made: Made, on: On, selected: Place, filter: number): Link[] {
  const { k, c, f, out } = made;
  const at = selected[1];
  const output = `output${filter}`;
  if (on === "output") {
    return range(c).flatMap((i) => [
      ...windowOf(made, at).map((place) => link([`input${i + 1}`, place], selected, "read")),
      ...range(k * k).map((u) => link([`kernel${i + 1}`, u], selected, "multiply")),
      ...range(k * k).map((u) => link([`products${i + 1}`, u], selected, "add")),
    ]);
  }
  if (on === "input") {
    const kernel = selected[0].replace("input", "kernel");
    const found = readers(made, at);
    return [
      ...range(f).flatMap((i) => found.map(([o]) => link(selected, [`output${i + 1}`, o], "read"))),
      ...found.map(([o, u]) => link([kernel, u], [output, o], "multiply")),
    ];
  }
  const image = selected[0].replace("kernel", "input");
  return [
    ...range(out * out).map((o) => link([image, windowOf(made, o)[at]!], [output, o], "read")),
    ...range(out * out).map((o) => link(selected, [output, o], "multiply")),
  ];
}

function formula(made: Made, on: On, at: number, channel: number, filter: number): Token[] {
  const { c, x, w, y } = made;
  const of = (values: number[], id: string, place: number): Token => token(text(values[place]!), "number", [id, place]);
  const kernels = w[filter - 1]!;
  const results = y[filter - 1]!;
  if (on === "output") {
    const read = windowOf(made, at);
    return summed(
      range(c).flatMap((i) => read.map((place, u): [Token, Token] =>
        [of(x[i]!, `input${i + 1}`, place), of(kernels[i]!, `kernel${i + 1}`, u)])),
      of(results, `output${filter}`, at),
    );
  }
  const tokens: Token[] = [];
  for (const [o, u] of on === "input" ? readers(made, at) : []) {
    if (tokens.length) tokens.push(token(", ", "operator"));
    tokens.push(of(x[channel - 1]!, `input${channel}`, at), token("·", "operator"));
    tokens.push(of(kernels[channel - 1]!, `kernel${channel}`, u), token("→", "operator"));
    tokens.push(of(results, `output${filter}`, o));
  }
  return tokens;
}

function why(made: Made, on: On, at: number, filter: number): Text[] {
  const { n, k, s, p, d, c, f, w, size, covered, out } = made;
  const said = [say("conv.why")];
  if (on === "output") {
    const read = windowOf(made, at);
    const turned = w[filter - 1]!.map((weights) => [...weights].reverse());
    said.push(say("conv.why.turned", { other: text(total(made, turned, at)) }));
    const outside = read.filter((place) => !inside(made, place)).length * c;
    if (p) said.push(say("conv.why.padding", { outside, all: read.length * c }));
  } else if (on === "input") {
    said.push(say("conv.why.input", { count: readers(made, at).length, filters: f }));
  } else {
    said.push(say("conv.why.weight", { count: out ** 2 }));
  }
  const rest = (size - covered) % s;
  if (rest) said.push(say("conv.why.rest", { rest, s }));
  const unread = kindsOf(made).filter((kind) => kind === "unread").length;
  if (unread) said.push(say("conv.why.unread", { unread, all: n ** 2 }));
  if (d > 1 && k > 1) said.push(say("conv.why.dilation", { d, covered, k }));
  if (c > 1) said.push(say("conv.why.channels", { c, products: k ** 2 * c }));
  const weights = k ** 2 * c * f;
  said.push(say("conv.why.cost", { weights, macs: weights * out ** 2 }));
  if (s > 1 && d > 1) said.push(say("conv.why.keras"));
  return said;
}

function code({ k, s, p, d, c, f, covered, out }: Made): Record<string, string> {
  const dilated = d === 1 ? ["", ""] : [`, dilation_rate=${d}`, `, dilation=${d}`];
  let keras = `Conv2D(${f}, ${k}${s > 1 ? `, strides=${s}` : ""}${dilated[0]}, use_bias=False)`;
  if (p && s === 1 && 2 * p === covered - 1) {
    keras = `Conv2D(${f}, ${k}, padding="same"${dilated[0]}, use_bias=False)`;
  } else if (p) {
    keras = `ZeroPadding2D(${p})\n${keras}`;
  }
  const given = (s > 1 ? `, stride=${s}` : "") + (p ? `, padding=${p}` : "");
  const start = (name: string): string => (s === 1 ? name : `${s}*${name}`);
  const slice = (name: string): string => `${start(name)}:${start(name)}+${covered}${d > 1 ? `:${d}` : ""}`;
  return {
    ...(s > 1 && d > 1 ? {} : { keras }),
    torch: `torch.nn.Conv2d(${c}, ${f}, ${k}${given}${dilated[1]}, bias=False)`,
    numpy: (p ? `x = np.pad(x, ((${p}, ${p}), (${p}, ${p}), (0, 0)))\n` : "") +
      `y = np.zeros((${out}, ${out}, ${f}))\nfor i, j in np.ndindex(${out}, ${out}):\n` +
      `    y[i, j] = np.tensordot(x[${slice("i")}, ${slice("j")}], w, 3)`,
  };
}
