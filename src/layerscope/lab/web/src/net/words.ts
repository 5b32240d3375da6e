/** The layers' words, and the nearest known word for a wrong one: the twin of layers/__init__.py and of difflib. */

import table from "../../../layers.json";

export interface Kind { kind: string; name: string; words: string[]; places: string[]; settings: string[]; needed: string[] }

export const KINDS: Kind[] = Object.entries(table.layers).map(([kind, entry]) => ({ kind, ...entry }));
export const ACTIVATIONS: string[] = table.activations;
export const SYNONYMS = table.synonyms as Record<string, string>;
export const KNOWN_ACTIVATIONS: string[] = [...ACTIVATIONS, ...Object.keys(SYNONYMS)];
export const INTERPOLATIONS = table.interpolations as Record<string, number>;

const BY_WORD = new Map<string, Kind>();
for (const entry of KINDS) for (const word of [...entry.words, entry.kind.toLowerCase()]) BY_WORD.set(word, entry);
const OTHERS = new Set(table.others);
const SPELLINGS = [...BY_WORD.keys(), ...OTHERS];

/** The layer of a name in any case; "other": one that only Python computes; null: none. */
export function kindOf(word: string): Kind | "other" | null {
  const name = word.toLowerCase();
  const plain = name.replaceAll("_", "");
  const found = BY_WORD.get(name) ?? BY_WORD.get(plain);
  if (found) return found;
  return OTHERS.has(name) || OTHERS.has(plain) ? "other" : null;
}

/** The layers whose names are nearest to a wrong one. */
export const nearestLayers = (word: string): string[] => nearest(word, SPELLINGS);

/** Up to three known words that have at least half of their letters in common with a word, in order. */
export function nearest(word: string, known: Iterable<string>): string[] {
  const name = word.toLowerCase();
  const scored = [...new Set(known)].map((other) => ({ other, score: ratio(other, name) }));
  return scored
    .filter(({ score }) => score >= 0.5)
    .sort((a, b) => b.score - a.score || (a.other < b.other ? 1 : -1))
    .slice(0, 3)
    .map(({ other }) => other);
}

/** Twice the letters in common blocks over all letters (Ratcliff and Obershelp). */
function ratio(one: string, other: string): number {
  const letters = one.length + other.length;
  return letters ? (2 * matching(one, other)) / letters : 1;
}

function matching(one: string, other: string): number {
  let [at, there, size] = [0, 0, 0];
  for (let i = 0; i < one.length; i++) {
    for (let j = 0; j < other.length; j++) {
      let length = 0;
      while (i + length < one.length && j + length < other.length && one[i + length] === other[j + length]) length++;
      if (length > size) [at, there, size] = [i, j, length];
    }
  }
  if (!size) return 0;
  return size + matching(one.slice(0, at), other.slice(0, there))
    + matching(one.slice(at + size), other.slice(there + size));
}
