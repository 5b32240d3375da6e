/** Which input indices an output index depends on, one axis at a time: the twin of core/reach.py. */

import { NOTHING, shift, union, type Indices } from "./indices.ts";

/**
 * How one axis of a layer's input is read; `axis` is the axis of the output that steers it, counted without the batch.
 * pull(o + steps[0]) = pull(o) + steps[1].
 */
export interface Relation {
  axis: number;
  steps: [number, number];
  pull(output: Indices): Indices;
  push(input: Indices): Indices;
}

/** For each axis of one input how it is read; null: the whole axis, whatever the output position. */
export type Reads = (Relation | null)[];

/** Output o reads inputs o·stride − before + dilation·t for t in 0 … size − 1. */
export const window = (axis: number, stride = 1, size = 1, before = 0, dilation = 1): Relation => ({
  axis,
  steps: [1, stride],
  pull: (set) =>
    size === 1 && stride === 1 ? shift(set, -before) : scattered(set, stride, size, before, dilation),
  push: (set) => gathered(set, stride, size, before, dilation),
});

/** Output o reads every input i with o = i·stride − before + dilation·t, t in 0 … size − 1. */
export const spread = (axis: number, stride = 1, size = 1, before = 0, dilation = 1): Relation => ({
  axis,
  steps: [stride, 1],
  pull: (set) => gathered(set, stride, size, before, dilation),
  push: (set) => scattered(set, stride, size, before, dilation),
});

/** All n with n·stride = m + before − dilation·t, m in `given`. */
function gathered(given: Indices, stride: number, size: number, before: number, dilation: number): Indices {
  const found: [number, number][] = [];
  for (const [low, high] of given) {
    if (dilation === 1 || high - low + 1 >= dilation) {
      const reach = dilation * (size - 1);
      found.push([Math.ceil((low + before - reach) / stride), Math.floor((high + before) / stride)]);
      continue;
    }
    for (let t = 0; t < size; t++) {
      const tap = dilation * t;
      found.push([Math.ceil((low + before - tap) / stride), Math.floor((high + before - tap) / stride)]);
    }
  }
  return union(...found);
}

/** All m = n·stride − before + dilation·t, n in `given`. */
function scattered(given: Indices, stride: number, size: number, before: number, dilation: number): Indices {
  const found: [number, number][] = [];
  for (const [low, high] of given) {
    const first = low * stride - before;
    const last = high * stride - before;
    const reach = dilation * (size - 1);
    if (dilation === 1 && size >= stride) found.push([first, last + reach]);
    else if (stride === 1) for (let t = 0; t < size; t++) found.push([first + dilation * t, last + dilation * t]);
    else if (dilation === 1) for (let at = first; at <= last; at += stride) found.push([at, at + reach]);
    else {
      for (let at = first; at <= last; at += stride) {
        for (let t = 0; t < size; t++) found.push([at + dilation * t, at + dilation * t]);
      }
    }
  }
  return union(...found);
}

/** Interpolation with half-pixel centres, `factor` times larger, by a kernel of `support` pixels to either side. */
export function interpolate(axis: number, factor: number, support: number): Relation {
  const read = (o: number): [number, number] => {
    const below = Math.floor((2 * o + 1 - factor) / (2 * factor));
    const rest = 2 * o + 1 - factor - below * 2 * factor;
    return rest ? [below - support + 1, below + support] : [below, below];
  };
  return {
    axis,
    steps: [factor, 1],
    pull: (set) => union(...set.map(([low, high]) => {
      const ends = [low, Math.min(low + 1, high), Math.max(high - 1, low), high].map(read);
      return [Math.min(...ends.map(([a]) => a)), Math.max(...ends.map(([, b]) => b))] as [number, number];
    })),
    push: (set) => {
      if (factor === 1) return set;
      const found: [number, number][] = [];
      for (const [low, high] of set) {
        for (let o = (low - support - 1) * factor; o <= (high + support + 2) * factor; o++) {
          const [a, b] = read(o);
          if (a <= high && b >= low) found.push([o, o]);
        }
      }
      return found.length ? union(...found) : NOTHING;
    },
  };
}

/** Every axis at the output's own index, but those in `everything`, which are read whole. */
export const alike = (rank: number, everything: number[] = []): Reads =>
  Array.from({ length: rank }, (_, axis) => (everything.includes(axis) ? null : window(axis)));
