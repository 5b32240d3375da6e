/** Shape laws that layers share: where windows stand, and what a transposed convolution crops. */

import { type Pair } from "./checks.ts";
import { Wrong, shapeWords } from "./wrong.ts";

export interface Placement { out: number; begin: number }
export interface Type { shape: number[]; plane?: number[] }

export const AXES = ["height", "width"] as const;

export const product = (sizes: readonly number[]): number => sizes.reduce((a, b) => a * b, 1);

/** Height and width of an image; anything else does not fit. */
export function spatial(type: Type, kind: string): Pair {
  if (type.shape.length === 3) return [type.shape[0]!, type.shape[1]!];
  const key = type.shape.length === 2 ? "net.rank.channel" : "net.rank";
  throw new Wrong(key, { kind, axes: 4, shape: shapeWords(type.shape) });
}

/** Windows of `covered` cells every `stride` cells: valid floor((n − k) / s) + 1; same ceil(n / s), more at the end. */
export function place(
  size: number, covered: number, stride: number, padding: "valid" | "same", kind: string, axis: string,
): Placement {
  if (padding === "valid") {
    if (size < covered) throw new Wrong(`net.window.${axis}`, { kind, window: covered, size });
    return { out: Math.floor((size - covered) / stride) + 1, begin: 0 };
  }
  const out = Math.ceil(size / stride);
  const total = stride === 1 ? covered - 1 : Math.max((out - 1) * stride + covered - size, 0);
  return { out, begin: Math.floor(total / 2) };
}

export function places(
  type: Type, window: Pair, strides: Pair, padding: "valid" | "same", kind: string, dilation: Pair = [1, 1],
): [Placement, Placement] {
  const sizes = spatial(type, kind);
  return AXES.map((axis, i) =>
    place(sizes[i]!, dilation[i]! * (window[i]! - 1) + 1, strides[i]!, padding, kind, axis)) as [Placement, Placement];
}

/** Output size and crop at the begin of a transposed convolution, as Keras. */
export function stamped(
  n: number, k: number, s: number, d: number, padding: "valid" | "same", more: number | null, kind: string,
): Placement {
  const kernel = d * (k - 1) + 1;
  const whole = (n - 1) * s + kernel;
  let out = padding === "valid" ? whole + Math.max(s - kernel, 0) : n * s;
  if (more !== null) out = whole - (padding === "valid" ? 0 : 2 * Math.floor(kernel / 2)) + more;
  if (out < 1) throw new Wrong("net.convt.empty", { kind, size: out });
  return { out, begin: padding === "same" ? Math.floor(Math.max(whole - out, 0) / 2) : 0 };
}

/** Functions of the last axis as a whole; glu halves it. */
export const MIXING = ["softmax", "log_softmax", "sparsemax", "glu"];

/** The shape behind an activation. */
export function activated(name: string | null, shape: number[], kind: string): number[] {
  if (name !== "glu") return shape;
  const last = shape.at(-1)!;
  if (last % 2) throw new Wrong("net.glu", { kind, size: last });
  return [...shape.slice(0, -1), last / 2];
}
