/** Checks of settings, in the order and with the results of the layers' constructors in Python. */

import { INTERPOLATIONS, KNOWN_ACTIVATIONS, SYNONYMS, nearest } from "./words.ts";
import { Float, Wrong, written, type Value } from "./wrong.ts";

export type Pair = [number, number];
export type Ends = [[number, number], [number, number]];
const MOST = 2 ** 63;

/** A whole number that is at least `least`. */
export function checked(value: Value | undefined, kind: string, setting: string, least = 1): number {
  if (typeof value !== "number") throw new Wrong("net.whole", { kind, setting, value: written(value ?? null) as string });
  if (value < least) throw new Wrong("net.least", { kind, setting, least, value });
  if (value >= MOST) throw new Wrong("net.most");
  return value;
}

/** One whole number for both axes, or one for each. */
export function perAxis(value: Value | undefined, kind: string, setting: string, least = 1): Pair {
  if (Array.isArray(value)) {
    if (value.length !== 2) throw new Wrong("net.axes", { kind, setting, axes: 2, value: written(value) as string });
    return value.map((part) => checked(part as Value, kind, setting, least)) as Pair;
  }
  const one = checked(value, kind, setting, least);
  return [one, one];
}

export function padding(value: Value | undefined, kind: string): "valid" | "same" {
  const name = typeof value === "string" ? value.toLowerCase() : "";
  if (name === "valid" || name === "same") return name;
  throw new Wrong("net.padding", { kind, value: written(value ?? null) });
}

/** Channels first can only be described, which the page leaves to Python. */
export function format(value: Value | undefined, kind: string): void {
  if (value === undefined || value === null || value === "channels_last") return;
  if (value === "channels_first") throw new Wrong("net.offline", { name: "channels_first" });
  throw new Wrong("net.format", { kind, value: written(value) });
}

/** The activation's own name, null for none. */
export function activation(value: Value | undefined, kind: string): string | null {
  if (value === undefined || value === null) return null;
  if (typeof value !== "string") throw new Wrong("net.activation.name", { kind, value: written(value) });
  const name = SYNONYMS[value.toLowerCase()] ?? value.toLowerCase();
  if (KNOWN_ACTIVATIONS.includes(name)) return name;
  const near = nearest(value, KNOWN_ACTIVATIONS);
  if (near.length) throw new Wrong("net.activation.near", { name: value, nearest: near.join(", ") });
  throw new Wrong("net.activation", { name: value });
}

/** How many pixels to either side an interpolation reads. */
export function support(value: Value | undefined, kind: string): number {
  if (value === undefined) return 0;
  const found = typeof value === "string" ? INTERPOLATIONS[value.toLowerCase()] : undefined;
  if (found === undefined) throw new Wrong("net.interpolation", { kind, value: written(value) });
  return found;
}

/** One number for all ends, one for each axis, or a pair for each axis. */
export function frame(value: Value, kind: string, setting: string): Ends {
  if (!Array.isArray(value)) {
    const n = checked(value, kind, setting, 0);
    return [[n, n], [n, n]];
  }
  if (value.length !== 2) throw new Wrong("net.frame", { kind, setting, value: written(value) });
  return value.map((part) => {
    const ends = Array.isArray(part) ? part : [part, part];
    return ends.map((end) => checked(end, kind, setting, 0));
  }) as Ends;
}

/** A share that is dropped: at least 0, below 1. */
export function rate(value: Value | undefined, kind: string): void {
  const number = value instanceof Float ? value.value : value;
  if (typeof number !== "number" || !(number >= 0 && number < 1)) {
    throw new Wrong("net.rate", { kind, value: written(value ?? null) });
  }
}

export function slope(value: Value | undefined, kind: string): void {
  if (value === undefined) return;
  const number = value instanceof Float ? value.value : value;
  if (typeof number !== "number" || number < 0) {
    throw new Wrong("net.number", { kind, setting: "negative_slope", least: 0, value: written(value) });
  }
}

export function axis(value: Value | undefined, kind: string): number {
  if (value === undefined) return -1;
  const one = Array.isArray(value) && value.length === 1 ? value[0]! : value;
  if (typeof one !== "number") throw new Wrong("net.whole", { kind, setting: "axis", value: written(value) });
  return one;
}

export function target(value: Value, kind: string): number[] {
  const parts = typeof value === "number" ? [value] : value;
  if (!Array.isArray(parts)) throw new Wrong("net.reshape.sequence", { kind, value: written(value) });
  const shape = parts.map((part) => (part === -1 ? -1 : checked(part as Value, kind, "a size")));
  if (shape.filter((part) => part === -1).length > 1) {
    throw new Wrong("net.reshape.one", { kind, value: written(shape) });
  }
  return shape;
}

/** Python's truth of a value. */
export const truthy = (value: Value | undefined, otherwise: boolean): boolean =>
  value === undefined ? otherwise
    : value instanceof Float ? value.value !== 0
      : Array.isArray(value) ? value.length > 0 : Boolean(value);

/** A setting as it was told, or what it is otherwise; "none" is told. */
export const told = (given: Record<string, Value>, name: string, otherwise: Value): Value =>
  Object.hasOwn(given, name) ? given[name]! : otherwise;
