/**
 * Overlap of transposed convolutions along one axis, and what stands in their place to even it: the twin of
 * analyses/checkerboard.py and analyses/overlap_fixes.py, for square layers of one channel whose taps all weigh one.
 */

import { stamped } from "../net/laws.ts";

export interface Step { k: number; s: number; d: number; pad: "valid" | "same" }
/** One period of the overlap along an axis, in the smallest whole numbers. */
export type Pattern = number[];
export type Way = "kernel" | "resize" | "subpixel";
type Line = number[];
interface Made { line: Line; layers: string[]; behind: Pattern }

export const even = (line: Pattern): boolean => line.every((n) => n === line[0]);

const ones = (n: number): Line => Array<number>(n).fill(1);
const range = (n: number): number[] => [...Array(n).keys()];
const gcd = (a: number, b: number): number => (b ? gcd(b, a % b) : a);
const mod = (a: number, n: number): number => ((a % n) + n) % n;

/** What every layer makes of n ones. */
export function mapsOf(n: number, steps: Step[]): Line[] {
  const lines = [ones(n)];
  for (const step of steps) lines.push(stamp(lines.at(-1)!, step));
  return lines;
}

function stamp(line: Line, { k, s, d, pad }: Step): Line {
  const { out, begin } = stamped(line.length, k, s, d, pad, null, "");
  const made = Array<number>(out).fill(0);
  line.forEach((value, i) => {
    for (let t = 0; t < k; t++) {
      const at = i * s + d * t - begin;
      if (at >= 0 && at < out) made[at]! += value;
    }
  });
  return made;
}

/** A pattern behind a layer, on an unbounded input; `begin` is what the layer crops before its output's first cell. */
export function along(pattern: Pattern, step: Step, begin = cropOf(step)): Pattern {
  const { k, s, d } = step;
  const place = (o: number, t: number): number => o + begin - d * t;
  return shortest(range(pattern.length * s).map((o) =>
    range(k).reduce((sum, t) => (mod(place(o, t), s) ? sum : sum + at(pattern, place(o, t) / s)), 0)));
}

const cropOf = ({ k, s, d, pad }: Step): number => stamped(k, k, s, d, pad, null, "").begin;
const at = (pattern: Pattern, o: number): number => pattern[mod(o, pattern.length)]!;
const moved = (pattern: Pattern, by: number): Pattern => pattern.map((_, o) => at(pattern, o - by));
const summed = (pattern: Pattern, k: number, d: number, begin: number): Pattern =>
  pattern.map((_, o) => range(k).reduce((sum, t) => sum + at(pattern, o + d * t - begin), 0));

/** The same with the shortest period and without a common divisor. */
function shortest(line: Pattern): Pattern {
  const n = line.length;
  const period = range(n).slice(1).find((p) => n % p === 0 && line.every((v, i) => v === line[(i + p) % n])) ?? n;
  const common = line.reduce(gcd, 0) || 1;
  return line.slice(0, period).map((value) => value / common);
}

/** The pattern behind each layer of the chain. */
export function chained(steps: Step[]): Pattern[] {
  let pattern: Pattern = [1];
  return steps.map((step) => (pattern = along(pattern, step)));
}

// --- the fixes ---

/** What stands in a layer's place: from a line to a line, of the same size; the layers; what becomes of a pattern. */
interface Stand { run: (line: Line) => Line; layers: string[]; behind: (pattern: Pattern) => Pattern }

const convolve = (line: Line, k: number, d: number, same: boolean): Line => {
  const span = d * (k - 1);
  const begin = same ? Math.floor(span / 2) : 0;
  return range(same ? line.length : line.length - span).map((o) =>
    range(k).reduce((sum, t) => sum + (line[o + d * t - begin] ?? 0), 0));
};
const repeat = (line: Line, s: number): Line => line.flatMap((value) => Array<number>(s).fill(value));

/** Zeros put around a line, or (where negative) cells cut off; and the layers that do it. Null where nothing is left. */
function framed(before: number, after: number): Omit<Stand, "behind"> {
  const layers = [
    ...(before > 0 || after > 0 ? ["ZeroPadding2D"] : []), ...(before < 0 || after < 0 ? ["Cropping2D"] : []),
  ];
  const zeros = (n: number): Line => Array<number>(Math.max(n, 0)).fill(0);
  const run = (line: Line): Line => {
    const padded = [...zeros(before), ...line, ...zeros(after)];
    const made = padded.slice(Math.max(-before, 0), padded.length - Math.max(-after, 0));
    if (!made.length) throw new RangeError("nothing is left");
    return made;
  };
  return { run, layers };
}

/** The same layer with the next larger kernel that the stride divides, cut to the same size. */
function divisible(n: number, step: Step): Stand | null {
  const k = Math.ceil(step.k / step.s) * step.s;
  const wider = { ...step, k };
  if (!even(along([1], wider))) return null;
  const asked = stamped(n, step.k, step.s, step.d, step.pad, null, "");
  if (stamped(n, k, step.s, step.d, step.pad, null, "").out === asked.out) {
    return { run: (line) => stamp(line, wider), layers: ["Conv2DTranspose"], behind: (pattern) => along(pattern, wider) };
  }
  const plain: Step = { ...wider, pad: "valid" };
  const spare = stamped(n, k, step.s, step.d, "valid", null, "").out - asked.out;
  const wanted = asked.begin + Math.floor((step.d * (k - step.k)) / 2);
  const begin = Math.max(Math.min(wanted, spare), Math.min(spare, 0));
  const frame = framed(-begin, begin - spare);
  return {
    run: (line) => frame.run(stamp(line, plain)), layers: ["Conv2DTranspose", ...frame.layers],
    behind: (pattern) => along(pattern, plain, begin),
  };
}

/** Values repeated, then a convolution with the same kernel. */
function resized(n: number, { k, s, d, pad }: Step): Stand | null {
  const target = stamped(n, k, s, d, pad, null, "").out;
  if (n * s === target) {
    return {
      run: (line) => convolve(repeat(line, s), k, d, true), layers: ["UpSampling2D", "Conv2D"],
      behind: (pattern) => shortest(summed(repeat(pattern, s), k, d, Math.floor((d * (k - 1)) / 2))),
    };
  }
  const total = target + d * (k - 1) - n * s;
  const begin = Math.floor(total / 2);
  const frame = framed(begin, total - begin);
  return {
    run: (line) => convolve(frame.run(repeat(line, s)), k, d, false), layers: ["UpSampling2D", ...frame.layers, "Conv2D"],
    behind: (pattern) => shortest(summed(repeat(pattern, s), k, d, begin)),
  };
}

/** A convolution to a channel for each of the positions that one becomes, and these laid out. */
function shuffled(n: number, { k, s, d, pad }: Step): Stand | null {
  if (d > 1) return null;
  const target = stamped(n, k, s, d, pad, null, "").out;
  const kernel = Math.ceil(k / s);
  let short = target - n * s;
  const more = Math.max(Math.ceil(short / s), 0);
  const wide = Math.floor(more / 2);
  const wider = framed(wide, more - wide);
  short -= more * s;
  const begin = Math.floor(short / 2);
  const frame = framed(begin, short - begin);
  return {
    run: (line) => frame.run(repeat(convolve(wider.run(line), kernel, 1, true), s)),
    layers: [...wider.layers, "Conv2D", "PixelShuffle2D", ...frame.layers],
    behind: (pattern) => {
      const before = summed(moved(pattern, wide), kernel, 1, Math.floor((kernel - 1) / 2));
      return shortest(moved(repeat(before, s), begin));
    },
  };
}

const STANDS: Record<Way, (n: number, step: Step) => Stand | null> = {
  kernel: divisible, resize: resized, subpixel: shuffled,
};

/** The chain with every uneven layer changed in this way, as far as it can be; null where none can. */
export function repaired(n: number, steps: Step[], way: Way): Made | null {
  let line = ones(n);
  let behind: Pattern = [1];
  const layers: string[] = [];
  let changed = false;
  for (const step of steps) {
    const uneven = step.s > 1 && !even(along([1], step));
    const stand = uneven ? tried(line, step, way) : null;
    if (stand) {
      changed = true;
      line = stand.run(line);
      layers.push(...stand.layers);
      behind = stand.behind(behind);
    } else {
      line = stamp(line, step);
      layers.push("Conv2DTranspose");
      behind = along(behind, step);
    }
  }
  return changed ? { line, layers, behind } : null;
}

function tried(line: Line, step: Step, way: Way): Stand | null {
  const stand = STANDS[way](line.length, step);
  if (!stand) return null;
  try {
    stand.run(line);
  } catch {
    return null;
  }
  return stand;
}
