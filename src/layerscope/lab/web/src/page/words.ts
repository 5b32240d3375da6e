/** Texts in the reader's language: keys and arguments of a scene become sentences of strings.json. */

import strings from "../../../strings.json";
import { said } from "../numbers.ts";
import { settled } from "../particles.ts";
import type { Args, Text } from "../scene.ts";

const table = strings as Record<string, Record<string, string>>;

export const has = (key: string): boolean => Object.hasOwn(table, key);

/** What has no entry is shown by its key: a missing string is seen, and a test finds it. */
export function words(text: Text, lang: string): string {
  const entry = has(text.key) ? table[text.key]! : {};
  const pattern = entry[lang] ?? entry.en ?? text.key;
  return settled(pattern.replace(/\{(\w+)\}/g, (whole, name: string) =>
    Object.hasOwn(text.args, name) ? worded(text.args[name]!, lang) : whole));
}

const worded = (value: Args[string], lang: string): string =>
  typeof value === "object" ? words(value, lang) : typeof value === "number" ? said(value) : value;
