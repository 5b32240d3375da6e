/** Checkerboards behind one to three transposed convolutions: the twin of lab/scenes/checkerboard.py. */

import { members, single } from "../net/indices.ts";
import { stamped } from "../net/laws.ts";
import { spread } from "../net/reach.ts";
import { text } from "../numbers.ts";
import {
  cell, grid, link, say, scene, token, type Clamp, type Grid, type Link, type Scene, type Settings, type Text,
  type Token,
} from "../scene.ts";
import { along, chained, even, mapsOf, repaired, type Pattern, type Step } from "./overlap.ts";

const LARGEST = 48;
const WAYS = ["kernel", "resize", "subpixel"] as const;

export default function checkerboard(settings: Settings): Scene {
  const clamped: Clamp[] = [];
  const steps = fitting(settings, clamped);
  const maps = mapsOf(settings.n, steps);
  const high = maps.at(-1)!.length;
  const [row, column] = (settings.cell as number[]).map((c) => Math.min(Math.max(c, 0), high - 1)) as [number, number];
  settings.cell = [row, column];
  const patterns = chained(steps);
  const last = patterns.at(-1)!;
  const uneven = steps.some((step) => step.s > 1 && !even(along([1], step)));
  const fixed = uneven ? WAYS.flatMap((way) => {
    const made = repaired(settings.n, steps, way);
    return made ? [{ way, ...made }] : [];
  }) : [];
  const count = steps.length;
  const name = `map${count}`;
  const grids = [
    map("input", say("checkerboard.input", { n: settings.n }), maps[0]!),
    ...steps.map((_, i) => map(`map${i + 1}`, say("checkerboard.map", { number: i + 1, size: maps[i + 1]!.length }),
      maps[i + 1]!, i + 1 === count ? "cell" : "")),
    pattern(last, count),
    ...fixed.map(({ way, line }) => map(`fix.${way}`, say(`checkerboard.fix.${way}`, { size: line.length }), line)),
  ];
  const layout = [["input", ...steps.map((_, i) => `map${i + 1}`)], ["pattern"], fixed.map(({ way }) => `fix.${way}`)];
  const chosen = row * high + column;
  return scene({
    screen: "checkerboard", settings, title: say("checkerboard.title"), clamped, grids,
    layout: layout.filter((line) => line.length),
    links: links(settings, steps, name, [row, column], chosen),
    selected: [name, chosen],
    formula: formula(maps.at(-1)!, [row, column], name, chosen),
    law: law(steps),
    code: code(settings, steps),
    why: why(settings, steps, last, uneven, fixed.length > 0),
    data: {
      layers: steps.map((step, i) => ({ alone: ends(step.s > 1 ? along([1], step) : [1]), so_far: ends(patterns[i]!) })),
      fixes: Object.fromEntries(fixed.map(({ way, layers, behind }) => [way, { layers, ends: ends(behind) }])),
    },
  });
}

const stepsOf = (settings: Settings): Step[] => Array.from({ length: settings.layers as number }, (_, i) => ({
  k: settings[`k${i + 1}`], s: settings[`s${i + 1}`], d: settings.d, pad: settings.pad,
}));

/** The layers with the largest n, or the fewest, whose last map is not too large. */
function fitting(settings: Settings, clamped: Clamp[]): Step[] {
  const asked = { n: settings.n, layers: settings.layers };
  const size = (): number => stepsOf(settings).reduce(
    (n: number, { k, s, d, pad }) => stamped(n, k, s, d, pad, null, "").out, settings.n);
  while (size() > LARGEST) {
    if (settings.n > 2) settings.n--;
    else settings.layers--;
  }
  for (const name of ["n", "layers"] as const) {
    if (settings[name] === asked[name]) continue;
    const why = say("checkerboard.clamp.size", { most: LARGEST });
    clamped.push({ name, asked: String(asked[name]), used: String(settings[name]), why });
  }
  return stepsOf(settings);
}

/** A map that is a product of one line along the rows and the same one along the columns. */
function map(id: string, title: Text, line: number[], select = ""): Grid {
  const role = id === "input" ? "data" : "result";
  const cells = line.flatMap((a) => line.map((b) => cell(a * b, text(a * b), role)));
  return grid(id, title, line.length, line.length, cells, { scale: "sequential", select });
}

function pattern(line: Pattern, layers: number): Grid {
  const title = say("checkerboard.pattern", { layers, rows: line.length, columns: line.length });
  return { ...map("pattern", title, line), title };
}

/** The input cells that reach the chosen one. */
function links(settings: Settings, steps: Step[], name: string, place: [number, number], chosen: number): Link[] {
  const sizes: number[] = [settings.n];
  const begins = steps.map(({ k, s, d, pad }) => {
    const { out, begin } = stamped(sizes.at(-1)!, k, s, d, pad, null, "");
    sizes.push(out);
    return begin;
  });
  const [rows, columns] = place.map((at) => {
    let set = single(at);
    for (let i = steps.length - 1; i >= 0; i--) {
      const { k, s, d } = steps[i]!;
      set = spread(0, s, k, begins[i]!, d).pull(set)
        .map(([low, high]) => [Math.max(low, 0), Math.min(high, sizes[i]! - 1)] as const)
        .filter(([low, high]) => low <= high);
    }
    return members(set);
  }) as [number[], number[]];
  return rows.flatMap((a) => columns.map((b) => link(["input", a * settings.n + b], [name, chosen], "stamp")));
}

/** Products along the rows, times those along the columns. */
function formula(line: number[], [row, column]: [number, number], name: string, chosen: number): Token[] {
  const [down, across] = [line[row]!, line[column]!];
  return [
    token(text(down)), token("×", "operator"), token(text(across)), token("=", "operator"),
    token(text(down * across), "number", [name, chosen]),
  ];
}

/** k mod s of every layer. */
function law(steps: Step[]): Token[] {
  return steps.flatMap(({ k, s }, i) => [
    ...(i ? [token("; ", "operator")] : []),
    token(String(k)), token("mod", "name"), token(String(s)), token("=", "operator"), token(String(k % s)),
  ]);
}

/** A line for each layer. PyTorch's own padding crops otherwise than `same`, so that is cut out of the whole plane. */
function code(settings: Settings, steps: Step[]): Record<string, string> {
  const words = steps.map(({ k, s, d, pad }) => `convt 1 ${k} stride ${s}${pad === "same" ? " same" : ""}`
    + (d > 1 ? ` dilation ${d}` : ""));
  const keras: string[] = [];
  const torch: string[] = [];
  let n: number = settings.n;
  for (const { k, s, d, pad } of steps) {
    const whole = (n - 1) * s + d * (k - 1) + 1;
    n = pad === "same" ? n * s : whole;
    const dilated = d > 1 ? `, dilation_rate=${d}` : "";
    keras.push(`Conv2DTranspose(1, ${k}, strides=${s}, padding="${pad}"${dilated}, use_bias=False)`);
    const more = (n > whole ? `, output_padding=${n - whole}` : "") + (d > 1 ? `, dilation=${d}` : "");
    const begin = Math.floor((whole - n) / 2);
    const cut = n < whole ? `(x)[..., ${begin}:${begin + n}, ${begin}:${begin + n}]` : "";
    torch.push(`torch.nn.ConvTranspose2d(1, 1, ${k}, stride=${s}${more}, bias=False)${cut}`);
  }
  return {
    keras: keras.join("\n"),
    torch: torch.join("\n"),
    layerscope: `layerscope checkerboard "${[`${settings.n}x${settings.n}x1`, ...words].join(" | ")}"`,
  };
}

function why(settings: Settings, steps: Step[], last: Pattern, uneven: boolean, fixed: boolean): Text[] {
  const { least, most, even: flat } = ends(last);
  const key = flat ? "even" : least ? "uneven" : "holes";
  const told = [flat ? say("checkerboard.even")
    : say(`checkerboard.${key}`, { most: text(most), least: text(least), layers: steps.length })];
  const divisible = steps.every(({ k, s }) => k % s === 0);
  if (divisible && flat) told.push(say("checkerboard.trap"));
  if (settings.d > 1 && divisible && !flat) told.push(say("checkerboard.dilation", { d: settings.d }));
  if (uneven && !flat && steps.length > 1) told.push(say("checkerboard.chain"));
  if (fixed) told.push(say("checkerboard.fixes"));
  told.push(say("checkerboard.edge"));
  return told;
}

/** Smallest and largest overlap in two dimensions. */
function ends(line: Pattern): { least: number; most: number; even: boolean } {
  return { least: Math.min(...line) ** 2, most: Math.max(...line) ** 2, even: even(line) };
}
