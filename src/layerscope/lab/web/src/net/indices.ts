/** Sets of indices along one axis, as sorted, disjoint closed intervals: the twin of core/indices.py. */

export type Indices = readonly (readonly [low: number, high: number])[];

export const NOTHING: Indices = [];

/** The union of closed intervals; one whose end lies before its start is empty. */
export function union(...intervals: (readonly [number, number])[]): Indices {
  const merged: [number, number][] = [];
  for (const [low, high] of intervals.filter(([a, b]) => a <= b).sort((a, b) => a[0] - b[0] || a[1] - b[1])) {
    const last = merged.at(-1);
    if (last && low <= last[1] + 1) last[1] = Math.max(last[1], high);
    else merged.push([low, high]);
  }
  return merged;
}

export const single = (at: number): Indices => [[at, at]];

export const all = (size: number): Indices => (size > 0 ? [[0, size - 1]] : NOTHING);

export const shift = (set: Indices, by: number): Indices => set.map(([low, high]) => [low + by, high + by]);

/** The part that lies in 0 … size − 1. */
export const clip = (set: Indices, size: number): Indices =>
  union(...set.map(([low, high]) => [Math.max(low, 0), Math.min(high, size - 1)] as const));

/** The indices in both sets. */
export function both(one: Indices, other: Indices): Indices {
  const found: [number, number][] = [];
  for (const [a, b] of one) for (const [c, d] of other) found.push([Math.max(a, c), Math.min(b, d)]);
  return union(...found);
}

export const count = (set: Indices): number => set.reduce((sum, [low, high]) => sum + high - low + 1, 0);

/** Size of the hull; 0 for the empty set. */
export const extent = (set: Indices): number => (set.length ? set.at(-1)![1] - set[0]![0] + 1 : 0);

export const same = (one: Indices, other: Indices): boolean =>
  one.length === other.length && one.every(([a, b], i) => a === other[i]![0] && b === other[i]![1]);

export function members(set: Indices): number[] {
  const found: number[] = [];
  for (const [low, high] of set) for (let n = low; n <= high; n++) found.push(n);
  return found;
}
