/** Max pooling: windows, winners, switches. The twin of lab/scenes/pool.py. */

import { text, whole } from "../numbers.ts";
import { cell, grid, link, say, scene, token, type Scene, type Settings, type Token } from "../scene.ts";

export default function pool(settings: Settings): Scene {
  const { n, s, shift, pad } = settings as { n: number; s: number; shift: number; pad: string };
  const clamped = [];
  let k: number = settings.k;
  if (k > n && pad === "valid") {
    clamped.push({ name: "k", asked: String(k), used: String(n), why: say("pool.clamp.window", { n }) });
    k = settings.k = n;
  }
  const image = picture(n, shift, settings.seed);
  const high = pad === "same" ? Math.ceil(n / s) : Math.floor((n - k) / s) + 1;
  const before = pad === "same" ? Math.floor(Math.max((high - 1) * s + k - n, 0) / 2) : 0;
  const values: number[] = [];
  const switches: number[] = [];
  for (let i = 0; i < high * high; i++) {
    const read = windowOf(Math.floor(i / high), i % high, n, k, s, before);
    const winner = read.reduce((best, at) => (image[at]! > image[best]! ? at : best));
    values.push(image[winner]!);
    switches.push(winner);
  }
  const [row, column] = (settings.cell as [number, number]).map((c) => Math.min(Math.max(c, 0), high - 1)) as
    [number, number];
  settings.cell = [row, column];
  const winners = new Set(switches);
  const chosen = row * high + column;
  const here = windowOf(row, column, n, k, s, before);
  const rows = `${row * s - before}:${row * s - before + k}`;
  return scene({
    screen: "pool", settings, title: say("pool.title"), clamped,
    grids: [
      grid("input", say("grid.input", { rows: n, columns: n }), n, n,
        image.map((v, i) => cell(v, text(v), winners.has(i) ? "winner" : "data")), { scale: "sequential" }),
      grid("output", say("grid.output", { rows: high, columns: high }), high, high,
        values.map((v) => cell(v, text(v), "result")), { scale: "sequential", select: "cell" }),
      grid("switches", say("grid.switches"), high, high,
        switches.map((v) => cell(v, text(v), "result")), { scale: "plain", select: "cell" }),
    ],
    layout: [["input", "output", "switches"]],
    links: here.map((at) => link(["input", at], ["output", chosen], at === switches[chosen] ? "switch" : "read")),
    selected: ["output", chosen],
    formula: formula(image, here, chosen, values[chosen]!),
    law: law(n, k, s, pad, high),
    code: {
      keras: `MaxPooling2D(${k}, strides=${s}, padding="${pad}")`,
      torch: `torch.nn.MaxPool2d(${k}, stride=${s}, return_indices=True)`,
      numpy: `x[${rows}, ${column * s - before}:${column * s - before + k}].max()`,
    },
    why: [say("pool.why"), say("pool.why.padding")],
  });
}

/** Numbers from 0 to 9; a shift brings in what stood to the left of the image. */
function picture(n: number, shift: number, seed: number): number[] {
  const wide = whole(n * (n + 3), 0, 9, seed);
  return Array.from({ length: n * n }, (_, i) => wide[Math.floor(i / n) * (n + 3) + 3 - shift + (i % n)]!);
}

/** Row-major places in the image that the window of an output cell reads. */
function windowOf(row: number, column: number, n: number, k: number, s: number, before: number): number[] {
  const read: number[] = [];
  for (let a = row * s - before; a < row * s - before + k; a++) {
    for (let b = column * s - before; b < column * s - before + k; b++) {
      if (a >= 0 && a < n && b >= 0 && b < n) read.push(a * n + b);
    }
  }
  return read;
}

function formula(image: number[], read: number[], chosen: number, value: number): Token[] {
  const tokens = [token("max", "name"), token("(", "operator")];
  read.forEach((at, i) => {
    if (i) tokens.push(token(", ", "operator"));
    tokens.push(token(text(image[at]!), "number", ["input", at]));
  });
  return [...tokens, token(")", "operator"), token("=", "operator"), token(text(value), "number", ["output", chosen])];
}

function law(n: number, k: number, s: number, pad: string, high: number): Token[] {
  const words = pad === "same"
    ? ["ceil", "(", n, "/", s, ")", "=", high]
    : ["floor", "(", "(", n, "−", k, ")", "/", s, ")", "+", 1, "=", high];
  return words.map((word) => token(
    String(word), typeof word === "number" ? "number" : /^[a-z]+$/.test(word) ? "name" : "operator",
  ));
}
