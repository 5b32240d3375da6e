/** Transposed convolution: stamps that add up, a cell that gathers, a sparse matrix. The twin of lab/scenes/convt.py. */

import { text } from "../numbers.ts";
import {
  cell, grid, link, say, scene, token, type Clamp, type Grid, type Link, type Scene, type Settings, type Text,
} from "../scene.ts";
import { atMost, cells, law, numbersOf, range, summed, within } from "./shared.ts";

const ALL = 64;
const MATRIX = 1024;
const LAW = "( n − 1 ) · s − 2 · p + d · ( k − 1 ) + op + 1";
const LAYOUTS: Record<string, string[][]> = {
  all: [["input", "kernel", "plane", "output"], ["spread", "flipped", "matrix"]],
  stamp: [["input", "kernel", "plane", "output"]],
  gather: [["input", "kernel"], ["spread", "flipped", "output"]],
  matrix: [["input", "kernel", "output"], ["matrix"]],
};

interface Made {
  n: number; k: number; s: number; p: number; op: number; d: number; x: number[]; w: number[];
  /** d·(k − 1); rows of the output; rows of the whole plane. */
  reach: number; out: number; whole: number;
}
type Term = [input: number, weight: number];

export default function convt(settings: Settings): Scene {
  const clamped: Clamp[] = [];
  const made = make(settings, clamped);
  const { n, k, s, p, op, d, out } = made;
  const [row, column] = (settings.cell = within(settings.cell, out, out));
  const step = Math.min(settings.step, n * n);
  settings.step = step === n * n ? ALL : step;
  const chosen = row * out + column;
  const terms = termsOf(made, row, column);
  const output = kept(made, stamped(made, made.x, made.w));
  const grids = [...stampGrids(made, step, output), ...gatherGrids(made), ...matrixGrids(made, row)];
  const there = new Set(grids.map(({ id }) => id));
  const layout = LAYOUTS[settings.view]!.map((line) => line.filter((id) => there.has(id))).filter((line) => line.length);
  const shown = new Set(layout.flat());
  return scene({
    screen: "convt", settings, clamped, step, steps: n * n,
    title: say("convt.title", { n, out }),
    grids: grids.filter(({ id }) => shown.has(id)), layout,
    links: links(made, step, row, column).filter(({ source, target }) => shown.has(source[0]) && shown.has(target[0])),
    selected: ["output", chosen],
    formula: summed(
      terms.map(([i, u]) => [
        token(text(made.x[i]!), "number", ["input", i]), token(text(made.w[u]!), "number", ["kernel", u]),
      ]),
      token(text(output[chosen]!), "number", ["output", chosen]),
    ),
    law: law(LAW, out, { n, k, s, p, op, d }),
    code: code(made), why: why(made, output, terms, shown),
    data: { current: step - 1, terms, back: back(made, output) },
  });
}

function make(settings: Settings, clamped: Clamp[]): Made {
  const { n, k, s, d } = settings as Record<string, number> as { n: number; k: number; s: number; d: number };
  const op = atMost(settings, "op", s - 1, say("convt.clamp.op", { s }), clamped);
  const reach = d * (k - 1);
  const most = Math.min(reach, Math.floor(((n - 1) * s + reach + op) / 2));
  const reason = most === reach ? say("convt.clamp.reach", { reach }) : say("convt.clamp.gone", { most });
  const p = atMost(settings, "p", most, reason, clamped);
  const x = numbersOf(settings, "x", n * n, [1, 5], settings.seed, clamped);
  const w = numbersOf(settings, "w", k * k, [-2, 2], settings.seed + 10_000, clamped);
  const out = (n - 1) * s - 2 * p + reach + op + 1;
  return { n, k, s, p, op, d, x, w, reach, out, whole: (n - 1) * s + reach + 1 + Math.max(op - p, 0) };
}

/** The whole plane: each input's kernel, times its value, added. */
function stamped({ n, k, s, d, whole }: Made, x: number[], w: number[]): number[] {
  const plane = Array<number>(whole * whole).fill(0);
  x.forEach((value, i) => w.forEach((weight, u) => {
    const row = Math.floor(i / n) * s + Math.floor(u / k) * d;
    plane[row * whole + (i % n) * s + (u % k) * d]! += value * weight;
  }));
  return plane;
}

const kept = ({ p, out, whole }: Made, plane: number[]): number[] =>
  range(out * out).map((at) => plane[(Math.floor(at / out) + p) * whole + (at % out) + p]!);

/** Which input meets which weight in an output cell. */
function termsOf(made: Made, row: number, column: number): Term[] {
  const across = along(made, column);
  return along(made, row).flatMap(([i, u]) => across.map(([j, v]): Term => [i * made.n + j, u * made.k + v]));
}

const along = ({ n, s, p, d, reach }: Made, place: number): [number, number][] => range(n)
  .map((i): [number, number] => [i, place + p - i * s])
  .filter(([, rest]) => rest >= 0 && rest <= reach && rest % d === 0)
  .map(([i, rest]) => [i, rest / d]);

function stampGrids(made: Made, step: number, output: number[]): Grid[] {
  const { n, k, p, op, out, whole } = made;
  const soFar = stamped(made, made.x.map((value, i) => (i < step ? value : 0)), made.w);
  const roles = range(whole).map((i) => (i < p || i >= p + out ? 0 : i >= p + out - op ? 1 : 2));
  return [
    grid("input", say("grid.input", { rows: n, columns: n }), n, n, cells(made.x), { select: "step" }),
    grid("kernel", say("grid.kernel", { rows: k, columns: k }), k, k, cells(made.w, "kernel")),
    grid("plane", say("convt.plane", { n: whole }), whole, whole,
      soFar.map((v, at) => {
        const role = Math.min(roles[Math.floor(at / whole)]!, roles[at % whole]!);
        return cell(v, text(v), ["cropped", "extra", "result"][role]);
      }),
      { summary: say("convt.plane.summary", { step, steps: n * n, cropped: whole * whole - out * out }) }),
    grid("output", say("grid.output", { rows: out, columns: out }), out, out,
      output.map((v, at) =>
        cell(v, text(v), Math.max(Math.floor(at / out), at % out) >= out - op ? "extra" : "result")),
      { select: "cell" }),
  ];
}

function gatherGrids({ n, k, s, p, op, x, w, reach, out }: Made): Grid[] {
  const around = reach - p;
  const size = out + reach;
  const kinds = range(size).map((i) => kindOf(i - around, n, s));
  return [
    grid("spread", say("convt.spread", { n: size }), size, size,
      range(size * size).map((at) => {
        const [i, j] = [Math.floor(at / size), at % size];
        const role = Math.max(kinds[i]!, kinds[j]!);
        const value = role ? 0 : x[((i - around) / s) * n + (j - around) / s]!;
        return cell(value, text(value), ["data", "zero", "padding"][role]);
      }),
      { summary: say("convt.spread.summary", { between: s - 1, around, op }) }),
    grid("flipped", say("convt.flipped", { n: k }), k, k, cells([...w].reverse(), "kernel")),
  ];
}

const kindOf = (place: number, n: number, s: number): number =>
  place < 0 || place > (n - 1) * s ? 2 : place % s ? 1 : 0;

function matrixGrids(made: Made, row: number): Grid[] {
  const [first, count] = band(made, row);
  if (!count) return [];
  const columns = made.n ** 2;
  const all = Array.from({ length: count * columns }, () => cell(0, "", "empty"));
  let there = 0;
  range(count).forEach((at) => {
    const place = first + at;
    for (const [i, u] of termsOf(made, Math.floor(place / made.out), place % made.out)) {
      all[at * columns + i] = cell(made.w[u]!, text(made.w[u]!), "kernel");
      there += 1;
    }
  });
  return [grid("matrix", say("convt.matrix", { rows: made.out ** 2, columns }), count, columns, all,
    { summary: say("convt.matrix.summary", { there, cells: all.length }) })];
}

function band({ n, out }: Made, row: number): [first: number, count: number] {
  if (out ** 2 * n ** 2 <= MATRIX) return [0, out ** 2];
  return [row * out, out * n ** 2 <= MATRIX ? out : 0];
}

function links(made: Made, step: number, row: number, column: number): Link[] {
  const { n, k, s, d, p, whole, out, reach } = made;
  const found: Link[] = [];
  const target: [string, number] = ["output", row * out + column];
  const [i, j] = [Math.floor((step - 1) / n), (step - 1) % n];
  for (const u of step ? range(k * k) : []) {
    const at = (i * s + Math.floor(u / k) * d) * whole + j * s + (u % k) * d;
    found.push(link(["input", step - 1], ["plane", at], "stamp"));
  }
  const terms = termsOf(made, row, column);
  found.push(link(["plane", (row + p) * whole + column + p], target, "copy"));
  terms.forEach(([at]) => found.push(link(["input", at], target, "read")));
  terms.forEach(([, u]) => found.push(link(["kernel", u], target, "multiply")));
  for (const u of range(k * k)) {
    const at = (row + Math.floor(u / k) * d) * (out + reach) + column + (u % k) * d;
    found.push(link(["spread", at], target, "read"));
  }
  terms.forEach(([, u]) => found.push(link(["flipped", k * k - 1 - u], target, "multiply")));
  const [first, count] = band(made, row);
  if (count) terms.forEach(([at]) => found.push(link(["matrix", (target[1] - first) * n * n + at], target, "multiply")));
  return found;
}

/** The output convolved with the same kernel, stride, padding and dilation. */
function back(made: Made, output: number[]): number[] {
  const { n, k, s, d, p, out, w } = made;
  return range(n * n).map((at) => w.reduce((sum, weight, u) => {
    const a = Math.floor(at / n) * s + Math.floor(u / k) * d - p;
    const b = (at % n) * s + (u % k) * d - p;
    return a < 0 || b < 0 || a >= out || b >= out ? sum : sum + output[a * out + b]! * weight;
  }, 0));
}

function why(made: Made, output: number[], terms: Term[], shown: Set<string>): Text[] {
  const { n, s, p, op, d, x, out, whole, reach } = made;
  const said = [say("convt.why")];
  if (p) said.push(say("convt.why.padding", { p, end: Math.max(p - op, 0), cells: whole ** 2 - out ** 2 }));
  if (op) {
    const added = output.filter((_, at) => Math.max(Math.floor(at / out), at % out) >= out - op);
    said.push(say("convt.why.op", { op, added: added.length, there: added.filter((v) => v !== 0).length }));
  }
  if (!terms.length) said.push(say("convt.why.unreached"));
  const sums = range(out * out).map((at) => termsOf(made, Math.floor(at / out), at % out).length);
  said.push(say("convt.why.overlap", { least: Math.min(...sums), most: Math.max(...sums) }));
  if (shown.has("spread")) said.push(say("convt.why.gather", { between: s - 1, around: reach - p }));
  if (shown.has("matrix")) said.push(say("convt.why.matrix"));
  if (out ** 2 * n ** 2 > MATRIX) {
    const key = shown.has("matrix") ? "convt.why.matrix.band" : "convt.why.matrix.large";
    said.push(say(key, { rows: out ** 2, columns: n ** 2 }));
  }
  const returned = back(made, output);
  const different = x.findIndex((value, i) => value !== returned[i]);
  if (different >= 0) {
    said.push(say("convt.why.inverse", { found: text(returned[different]!), was: text(x[different]!) }));
  }
  const begin = Math.floor(Math.max(reach + 1 - s, 0) / 2);
  if (out === n * s && begin !== p) said.push(say("convt.why.same", { begin, p }));
  if (s > 1 && d > 1) said.push(say("convt.why.keras"));
  return said;
}

function code({ n, k, s, p, op, d, out, whole, reach }: Made): Record<string, string> {
  const dilated = d === 1 ? ["", ""] : [`, dilation_rate=${d}`, `, dilation=${d}`];
  const given = (p ? `, padding=${p}` : "") + (op ? `, output_padding=${op}` : "");
  let keras = `Conv2DTranspose(1, ${k}, strides=${s}, output_padding=${op}${dilated[0]}, use_bias=False)`;
  if (p) keras += `\nCropping2D(${p})`;
  if (p && !op && 2 * p === reach + 1 - s) {
    keras = `Conv2DTranspose(1, ${k}, strides=${s}, padding="same"${dilated[0]}, use_bias=False)`;
  }
  const slice = (name: string): string =>
    `${s === 1 ? name : `${s}*${name}`}:${s === 1 ? name : `${s}*${name}`}+${reach + 1}${d > 1 ? `:${d}` : ""}`;
  return {
    ...(s > 1 && d > 1 ? {} : { keras }),
    torch: `torch.nn.ConvTranspose2d(1, 1, ${k}, stride=${s}${given}${dilated[1]}, bias=False)`,
    numpy: `y = np.zeros((${whole}, ${whole}))\nfor i, j in np.ndindex(${n}, ${n}):\n` +
      `    y[${slice("i")}, ${slice("j")}] += x[i, j] * w\ny = y[${p}:${p + out}, ${p}:${p + out}]`,
  };
}
