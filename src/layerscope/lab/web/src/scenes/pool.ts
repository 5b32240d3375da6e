/** Max pooling beside average pooling: windows, winners, switches, ties, shifts. The twin of lab/scenes/pool.py. */

import { text, whole } from "../numbers.ts";
import {
  cell, grid, link, say, scene, token, type Cell, type Clamp, type Grid, type Place, type Scene, type Settings,
  type Text, type Token,
} from "../scene.ts";
import { atMost, cells, law, numbersOf, range, within } from "./shared.ts";

const LAWS: Record<string, string> = { same: "ceil ( n / s )", valid: "floor ( ( n − k ) / s ) + 1" };
const WIDEST = 3;

interface Plan {
  n: number; k: number; s: number; pad: string;
  /** Rows of the output; cells of padding before and after; rows of the padded image. */
  out: number; before: number; after: number; size: number;
}
interface Made extends Plan {
  image: number[]; values: number[]; switches: number[]; means: number[]; still: number[];
}

export default function pool(settings: Settings): Scene {
  const clamped: Clamp[] = [];
  const made = make(settings, clamped);
  const { n, k, s, pad, out, before, after, switches } = made;
  const [row, column] = (settings.cell = within(settings.cell, out, out));
  const chosen = row * out + column;
  const window = windowOf(made, chosen);
  const winner = padded(made, switches[chosen]!);
  const shifted = settings.shift > 0;
  return scene({
    screen: "pool", settings, title: say("pool.title"), clamped,
    grids: [inputGrid(made), ...outputGrids(made, shifted)],
    layout: shifted ? [["input", "output", "still"], ["average", "switches"]] : [["input", "output", "average", "switches"]],
    links: ["output", "average"].flatMap((id) => window.filter((at) => valueAt(made, at) !== null).map((at) =>
      link(["input", at], [id, chosen], at === winner && id === "output" ? "switch" : "read"))),
    selected: ["output", chosen],
    formula: formula(made, window, ["output", chosen]),
    law: law(LAWS[pad]!, out, { n, k, s }),
    code: code(made), why: why(made, settings.shift, window),
    data: { winner, before, after },
  });
}

function make(settings: Settings, clamped: Clamp[]): Made {
  const { n, s, pad, shift } = settings as { n: number; s: number; pad: string; shift: number };
  const k = atMost(settings, "k", pad === "valid" ? n : settings.k, say("pool.clamp.window", { n }), clamped);
  const out = pad === "same" ? Math.ceil(n / s) : Math.floor((n - k) / s) + 1;
  const total = pad === "same" ? Math.max((out - 1) * s + k - n, 0) : 0;
  const before = Math.floor(total / 2);
  const plan = { n, k, s, pad, out, before, after: total - before, size: n + total };
  const wide = wideImage(settings, n, clamped);
  const seen = (by: number): number[] => range(n * n)
    .map((at) => wide[Math.floor(at / n) * (n + WIDEST) + WIDEST - by + (at % n)]!);
  const image = seen(shift);
  const pooled = range(out * out).map((at) => best(plan, image, at));
  const still = seen(0);
  return {
    ...plan, image, values: pooled.map((at) => image[at]!), switches: pooled,
    means: range(out * out).map((at) => {
      const read = readBy(plan, at);
      return read.reduce((sum, place) => sum + image[place]!, 0) / read.length;
    }),
    still: range(out * out).map((at) => still[best(plan, still, at)]!),
  };
}

function wideImage(settings: Settings, n: number, clamped: Clamp[]): number[] {
  if (settings.x) {
    const given = numbersOf(settings, "x", n * n, [0, 9], settings.seed, clamped);
    if (settings.x) return range(n).flatMap((row) => [0, 0, 0, ...given.slice(row * n, (row + 1) * n)]);
  }
  return whole(n * (n + WIDEST), 0, 9, settings.seed);
}

/** The cells of the padded image that an output reads. */
function windowOf({ k, s, out, size }: Plan, at: number): number[] {
  const [row, column] = [Math.floor(at / out) * s, (at % out) * s];
  return range(k * k).map((u) => (row + Math.floor(u / k)) * size + column + (u % k));
}

/** Where in the image a cell of the padded image is; -1 in the padding. */
function imageAt({ n, before, size }: Plan, at: number): number {
  const [row, column] = [Math.floor(at / size) - before, (at % size) - before];
  return row < 0 || column < 0 || row >= n || column >= n ? -1 : row * n + column;
}

const readBy = (plan: Plan, at: number): number[] =>
  windowOf(plan, at).map((place) => imageAt(plan, place)).filter((place) => place >= 0);

/** Where an output's maximum stands; of equal numbers the first. */
const best = (plan: Plan, image: number[], at: number): number =>
  readBy(plan, at).reduce((top, place) => (image[place]! > image[top]! ? place : top));

function valueAt(made: Made, at: number): number | null {
  const place = imageAt(made, at);
  return place < 0 ? null : made.image[place]!;
}

const padded = ({ n, before, size }: Plan, at: number): number =>
  (Math.floor(at / n) + before) * size + (at % n) + before;

function inputGrid(made: Made): Grid {
  const { n, out, size, switches } = made;
  const winners = new Set(switches.map((at) => padded(made, at)));
  const read = new Set(range(out * out).flatMap((at) => windowOf(made, at)));
  const shown = range(size * size).map((at): Cell => {
    const value = valueAt(made, at);
    if (value === null) return cell(null, "−∞", "padding");
    return cell(value, text(value), winners.has(at) ? "winner" : read.has(at) ? "data" : "unread");
  });
  const title = size > n ? say("pool.padded", { n, size }) : say("grid.input", { rows: n, columns: n });
  return grid("input", title, size, size, shown, { scale: "sequential" });
}

function outputGrids({ out, values, still, means, switches }: Made, shifted: boolean): Grid[] {
  const amounts = { scale: "sequential", select: "cell" } as const;
  const found = [
    grid("output", say("pool.output", { out }), out, out,
      values.map((v, i) => cell(v, text(v), v === still[i] ? "result" : "changed")), amounts),
    grid("average", say("pool.average", { out }), out, out, cells(means, "result"), amounts),
    grid("switches", say("grid.switches"), out, out, cells(switches, "result"), { scale: "plain", select: "cell" }),
  ];
  if (shifted) found.push(grid("still", say("pool.still", { out }), out, out, cells(still, "result"), amounts));
  return found;
}

function formula(made: Made, window: number[], chosen: Place): Token[] {
  const tokens = [token("max", "name"), token("(", "operator")];
  window.forEach((at, i) => {
    const value = valueAt(made, at);
    if (i) tokens.push(token(", ", "operator"));
    tokens.push(token(value === null ? "−∞" : text(value), "number", ["input", at]));
  });
  const result = token(text(made.values[chosen[1]]!), "number", chosen);
  return [...tokens, token(")", "operator"), token("=", "operator"), result];
}

function why(made: Made, shift: number, window: number[]): Text[] {
  const { n, k, s, out, before, after, size, values, still } = made;
  const said = [say("pool.why")];
  const count = (read: number[], value: number): number => read.filter((at) => valueAt(made, at) === value).length;
  const top = Math.max(...window.map((at) => valueAt(made, at) ?? -Infinity));
  const ties = values.filter((value, at) => count(windowOf(made, at), value) > 1).length;
  if (count(window, top) > 1) said.push(say("pool.why.tie", { count: count(window, top), value: text(top) }));
  else if (ties) said.push(say("pool.why.ties", { windows: ties }));
  if (size > n) said.push(say("pool.why.padding", { before, after }));
  const unread = inputGrid(made).cells.filter(({ role }) => role === "unread").length;
  if (unread) said.push(say("pool.why.unread", { unread, all: n ** 2 }));
  if (shift) {
    const same = values.filter((value, at) => value === still[at]).length;
    const counts = { shift, s, same, all: out ** 2, by: Math.floor(shift / s) };
    said.push(say(shift % s === 0 ? "pool.why.multiple" : "pool.why.shift", counts));
  }
  return [...said, say("pool.why.average", { all: k ** 2 })];
}

function code({ k, s, pad, out, before, after }: Made): Record<string, string> {
  let torch = `torch.nn.MaxPool2d(${k}, stride=${s}${before ? `, padding=${before}` : ""})`;
  if (before !== after) {
    torch = `x = torch.nn.functional.pad(x, (${before}, ${after}, ${before}, ${after}), value=-torch.inf)\n` +
      `torch.nn.MaxPool2d(${k}, stride=${s})`;
  }
  const around = before + after ? `x = np.pad(x, (${before}, ${after}), constant_values=-np.inf)\n` : "";
  const [row, column] = ["i", "j"].map((name) => (s === 1 ? name : `${s}*${name}`));
  return {
    keras: `MaxPooling2D(${k}, strides=${s}, padding="${pad}")`,
    torch,
    numpy: `${around}y = np.zeros((${out}, ${out}))\nfor i, j in np.ndindex(${out}, ${out}):\n` +
      `    y[i, j] = x[${row}:${row}+${k}, ${column}:${column}+${k}].max()`,
  };
}
