/** What is wrong with a line of text: a Text, and where; the twin of lab/troubles.py, whose keys it has. */

import { say, type Args, type Text } from "../scene.ts";
import { text } from "../numbers.ts";

export class Wrong extends Error {
  readonly why: Text;
  start = 0;
  length = 1;
  /** Whether `start` and `length` say the place; the reader says it otherwise. */
  placed: boolean;

  constructor(key: string, args: Args = {}, place?: [start: number, length: number]) {
    super(key);
    this.why = say(key, args);
    this.placed = place !== undefined;
    if (place) [this.start, this.length] = place;
  }
}

/** A value of a setting: a number, a word, one number for each axis, or a begin and an end for each. */
export type Value = number | Float | string | boolean | null | number[] | number[][];

/** A number that was written with a point: 2.0 is no whole number. */
export class Float {
  constructor(readonly value: number) {}
}

/** A value as the one-line text has it; a whole number stays one. */
export function written(value: Value): string | number {
  if (value instanceof Float) return text(value.value);
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (value === null) return "none";
  if (Array.isArray(value)) return value.map((part) => (Array.isArray(part) ? part.join(",") : String(part))).join("x");
  return value;
}

/** A shape in an argument: 28x28x1. */
export const shapeWords = (shape: number[]): string => shape.join("x");
