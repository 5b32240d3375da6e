/** What several screens do alike: the twin of lab/scenes/_shared.py. */

import { text, whole } from "../numbers.ts";
import { cell, say, token, type Cell, type Clamp, type Settings, type Text, type Token } from "../scene.ts";

export const LARGEST = 999;

export function numbersOf(
  settings: Settings, name: string, count: number, [low, high]: [number, number], seed: number, clamped: Clamp[],
): number[] {
  const given = String(settings[name]);
  if (given === "") return whole(count, low, high, seed);
  if (given === "ones") return Array<number>(count).fill(1);
  const parts = given.split(",");
  if (parts.length === count && parts.every((part) => /^-?[0-9]{1,3}$/.test(part))) return parts.map(Number);
  clamped.push({ name, asked: given, used: "", why: say("clamp.numbers", { count, most: LARGEST }) });
  settings[name] = "";
  return whole(count, low, high, seed);
}

export function atMost(settings: Settings, name: string, most: number, why: Text, clamped: Clamp[]): number {
  if (settings[name] > most) {
    clamped.push({ name, asked: String(settings[name]), used: String(most), why });
    settings[name] = most;
  }
  return settings[name];
}

export const within = (place: [number, number], rows: number, columns: number): [number, number] => [
  Math.min(Math.max(place[0], 0), rows - 1), Math.min(Math.max(place[1], 0), columns - 1),
];

export const cells = (values: number[], role = "data"): Cell[] => values.map((value) => cell(value, text(value), role));

/** A law in words, then with its numbers, then what comes out. */
export function law(pattern: string, result: number, values: Record<string, number>): Token[] {
  const words = pattern.split(" ");
  const plain = (word: string): Token =>
    token(word, /^[0-9]+$/.test(word) ? "number" : /^[a-z]+$/.test(word) ? "name" : "operator");
  const numbered = words.map((word) => (Object.hasOwn(values, word) ? token(text(values[word]!)) : plain(word)));
  const equals = token("=", "operator");
  return [...words.map(plain), equals, ...numbered, equals, token(text(result))];
}

export function summed(products: [Token, Token][], value: Token): Token[] {
  const tokens: Token[] = [];
  for (const [left, right] of products) {
    if (tokens.length) tokens.push(token("+", "operator"));
    tokens.push(left, token("·", "operator"), right);
  }
  return [...(tokens.length ? tokens : [token("0")]), token("=", "operator"), value];
}

/** 0, 1, …, count − 1. */
export const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i);
